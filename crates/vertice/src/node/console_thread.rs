//! The console in a thread of its own: the only async code of a node.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use console::{App, Changed};
use store::Store;
use tokio::sync::{broadcast, oneshot};

use super::{Node, NodeError};

/// Change notices that a slow page may miss before it simply reloads.
const NOTICES_MAX: usize = 256;
const SETUP_TOKEN_BYTES: usize = 16;

/// A console that serves.
#[derive(Debug)]
pub(super) struct ConsoleThread {
    /// Where.
    pub(super) address: SocketAddr,
    /// Valid while no account exists.
    pub(super) setup_token: Option<String>,
    live: broadcast::Sender<Changed>,
    version: AtomicU64,
    stop: oneshot::Sender<()>,
    thread: std::thread::JoinHandle<()>,
}

/// Starts it where the configuration asks for it.
pub(super) fn start(node: &Node) -> Result<Option<ConsoleThread>, NodeError> {
    let settings = &node.config.console;
    if !settings.enabled {
        return Ok(None);
    }
    let refused =
        |error: std::io::Error| NodeError::Console(format!("{}: {error}", settings.listen));
    let listener = std::net::TcpListener::bind(settings.listen).map_err(refused)?;
    listener.set_nonblocking(true).map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    let (live, _) = broadcast::channel(NOTICES_MAX);
    let token = token()?;
    let first_run = node.folder.store.users()?.is_empty();
    let app = app(node, live.clone(), token.clone());
    let (stop, stopped) = oneshot::channel();
    let thread = std::thread::Builder::new()
        .name("console".into())
        .spawn(move || serve(listener, app, stopped))
        .map_err(|error| NodeError::Thread(error.to_string()))?;
    let setup_token = first_run.then_some(token);
    let version = AtomicU64::new(0);
    Ok(Some(ConsoleThread {
        address,
        setup_token,
        live,
        version,
        stop,
        thread,
    }))
}

fn app(node: &Node, live: broadcast::Sender<Changed>, setup_token: String) -> App {
    let status = Arc::clone(&node.status);
    let metrics = Arc::clone(&node.metrics);
    App {
        store: Arc::clone(&node.folder.store) as Arc<dyn Store>,
        clock: Arc::clone(&node.clock),
        status: Arc::new(move || {
            status
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone()
        }),
        metrics: Arc::new(move || metrics.text()),
        live,
        setup_token,
        demo: node.options.demo,
        random: fill_random,
    }
}

fn serve(listener: std::net::TcpListener, app: App, stopped: oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(8)
        .enable_all()
        .build();
    let served = runtime.and_then(|runtime| {
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let stop = async { stopped.await.unwrap_or_default() };
            console::serve(listener, app, stop).await
        })
    });
    if let Err(error) = served {
        tracing::error!(%error, "console ended");
    }
}

fn token() -> Result<String, NodeError> {
    let mut bytes = [0; SETUP_TOKEN_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| NodeError::Console(error.to_string()))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The system's randomness. A system without any cannot keep a session secret: zeros would be
/// guessable, so the process ends.
fn fill_random(bytes: &mut [u8]) {
    if getrandom::fill(bytes).is_err() {
        std::process::abort();
    }
}

impl ConsoleThread {
    /// Tells open pages what changed.
    pub(super) fn changed(&self, topics: &[&'static str]) {
        for topic in topics {
            let version = self.version.fetch_add(1, Ordering::Relaxed);
            // No page is open: nobody needs to know.
            self.live
                .send(Changed { topic, version })
                .map(drop)
                .unwrap_or_default();
        }
    }

    /// Closes it and waits.
    pub(super) fn stop(self) {
        self.stop.send(()).unwrap_or_default();
        if self.thread.join().is_err() {
            tracing::warn!("console ended by a panic");
        }
    }
}
