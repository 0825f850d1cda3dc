//! The web console: pages rendered here, in Rust, for a browser on the node's own machine.
//!
//! It shows what the store holds and writes what a person decides back into it; the engine does
//! the rest. Every page exists three times from one `View`: as a page, as the fragment that a
//! live update fetches, and as JSON under `/api/v1`. Design and acceptance criteria: guide 09.
//!
//! Absent on purpose: any effect (no code path leads from here to the actuator), any knowledge of
//! the bus, TLS (it binds to loopback), third-party scripts, and inline scripts or styles.
#![warn(missing_docs)]

mod ask;
mod assets;
mod auth;
mod draw;
mod edge;
mod frame;
mod live;
mod pages;
mod probe;
mod problem;
mod routes;
mod state;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use event::Clock;
use store::{Status, Store};

pub use live::TOPICS;

/// What the console is given by the node.
pub struct App {
    /// Where everything shown comes from, and where decisions go.
    pub store: Arc<dyn Store>,
    /// Wall time for ages and expiry.
    pub clock: Arc<dyn Clock>,
    /// The node's picture of itself, now.
    pub status: Arc<dyn Fn() -> Status + Send + Sync>,
    /// The text of `/metrics`.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// Where the node says what changed.
    pub live: tokio::sync::broadcast::Sender<Changed>,
    /// Creates the first account, once: void as soon as an account exists. Empty = never valid.
    pub setup_token: String,
    /// Mark everything as demo data.
    pub demo: bool,
    /// Fills a buffer with secret random bytes.
    pub random: fn(&mut [u8]),
}

/// Something changed: pages that follow the topic fetch it anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changed {
    /// One of [`TOPICS`]; others are ignored.
    pub topic: &'static str,
    /// The node's own number of the change; the console counts for itself.
    pub version: u64,
}

/// Serves the console on `listener` until `stop` resolves; open live streams are then closed.
///
/// Answers only to loopback names and to the address that `listener` is bound to.
///
/// # Errors
/// When the listener has no local address.
pub async fn serve(
    listener: tokio::net::TcpListener,
    app: App,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let bound: SocketAddr = listener.local_addr()?;
    let changes = app.live.subscribe();
    let shared = state::Shared::new(app, bound, auth::password::Cost::FULL);
    let feeder = tokio::spawn(live::feed(shared.clone(), changes));
    let closing = shared.clone();
    let until = async move {
        stop.await;
        closing.closing.send_replace(true);
    };
    let served = axum::serve(listener, routes::router(shared))
        .with_graceful_shutdown(until)
        .await;
    feeder.abort();
    served
}

#[cfg(test)]
mod tests;
