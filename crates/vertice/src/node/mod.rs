//! A running node: the pipeline with its threads, its lock on the state folder, its actuator and
//! its console. One instance holds no global, so two can live in one process.

mod actuator_link;
mod ahead;
mod assemble;
pub mod connections;
mod console_thread;
pub mod hops;
pub mod intake_desk;
pub mod latency;
pub mod memory;
pub mod privileges;
mod protected;
mod recent;
mod status;
pub mod story;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use event::{Clock, Mode};
use store::{Status, Store};

pub use actuator_link::{ActuatorLink, LinkError};
pub use assemble::{NodeError, PLAYBOOK_BYTES_MAX, StateFolder, playbooks};

use crate::config::Config;
use crate::intake::{self, Feed};
use crate::mailbox::Mailbox;
use crate::metrics::Metrics;
use crate::pipeline::{Control, Pipeline, Turn};
use crate::topics::{Topics, publisher};

/// Key of the store's value with the log position that the snapshot covers.
pub(crate) const LOG_SEQUENCE: &str = "log_sequence";
/// Name of the snapshot of what the log holds beyond the offsets.
pub(crate) const AHEAD: &str = "ahead";
/// How long the worker waits for mail: also how soon a decision in the store is seen.
const PATIENCE: Duration = Duration::from_millis(20);
const TICK: Duration = Duration::from_millis(500);
const MAINTAIN_EVERY: Duration = Duration::from_secs(1);
/// Batches that may wait between intake and mailbox (which is bounded in bytes).
const BATCHES_MAX: usize = 4;

type NodeMail = Mailbox<Control, Feed>;

/// What a caller may want beyond the configuration.
#[derive(Default)]
pub struct Options {
    /// Receives every turn that did something: the demo watches.
    pub watch: Option<SyncSender<Turn>>,
    /// Marks the console's data as demo data.
    pub demo: bool,
    /// End when every source that is not followed has been read.
    pub until_end: bool,
    /// Recorded input: event time alone moves the watermark.
    pub recorded: bool,
}

/// A node that is set up and ready to run.
pub struct Node {
    config: Config,
    clock: Arc<dyn Clock>,
    mailbox: Arc<NodeMail>,
    metrics: Arc<Metrics>,
    pipeline: Pipeline,
    folder: StateFolder,
    link: Option<ActuatorLink>,
    status: Arc<Mutex<Status>>,
    stop: Arc<AtomicBool>,
    options: Options,
    intake: intake::Intake,
    /// Ends when every source has been read and all of it is in the mailbox.
    forwarding: std::thread::JoinHandle<()>,
    console: Option<console_thread::ConsoleThread>,
    publisher: Option<publisher::Running>,
}

/// Ends a node from another thread.
#[derive(Clone, Debug)]
pub struct Stopper {
    stop: Arc<AtomicBool>,
}

impl Stopper {
    /// Asks the node to finish what it holds, snapshot and end.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}

impl Node {
    /// Sets everything up: lock, log, store, recovery, actuator, sources, console.
    ///
    /// # Errors
    /// [`NodeError`] says what is missing and what to do.
    pub fn start(
        config: Config,
        clock: Arc<dyn Clock>,
        options: Options,
    ) -> Result<Self, NodeError> {
        let folder = StateFolder::lock(&config.node.state)?;
        let metrics = Arc::new(Metrics::default());
        let mailbox = Arc::new(NodeMail::default());
        let link = match config.response.mode {
            Mode::Observe => None,
            Mode::Ask | Mode::Act => Some(ActuatorLink::start(&config.response, &mailbox)?),
        };
        let enforced_at = link.as_ref().map(ActuatorLink::proc_folder);
        let rails = protected::rails(&config.response, enforced_at.as_deref());
        let parts = assemble::Parts {
            config: &config,
            clock: &clock,
            metrics: &metrics,
            rails,
        };
        let pipeline = assemble::pipeline(&folder, parts, &options)?;
        let status = Arc::new(Mutex::new(status::of(&pipeline, &config, link.as_ref())));
        let (sender, receiver) = sync_channel(BATCHES_MAX);
        let known = folder.store.offsets()?.into_iter().collect();
        let sources = assemble::sources(&config);
        let intake = intake::start(sources, known, Arc::clone(&clock), sender)
            .map_err(|error| NodeError::Source(error.to_string()))?;
        let forwarding = forward(receiver, Arc::clone(&mailbox))?;
        let mut node = Self {
            config,
            clock,
            mailbox,
            metrics,
            pipeline,
            folder,
            link,
            status,
            stop: Arc::new(AtomicBool::new(false)),
            options,
            intake,
            forwarding,
            console: None,
            publisher: None,
        };
        node.publisher = Some(node.publish()?);
        node.console = console_thread::start(&node)?;
        maintain(Arc::clone(&node.folder.store), Arc::clone(&node.stop))?;
        // Whoever reads that the node is ready may ask for its status at once.
        node.publish_status();
        Ok(node)
    }

    fn publish(&self) -> Result<publisher::Running, NodeError> {
        publisher::start(
            Topics::new(&self.config.node.state, &self.config.topics),
            Arc::clone(&self.folder.store) as Arc<dyn Store>,
            Arc::clone(&self.clock),
            Arc::clone(&self.metrics),
            self.config.node.name.clone(),
        )
        .map_err(|error| NodeError::Thread(error.to_string()))
    }

    /// Where the console listens, and the set-up token while no user exists.
    pub fn console(&self) -> Option<(std::net::SocketAddr, Option<&str>)> {
        self.console
            .as_ref()
            .map(|console| (console.address, console.setup_token.as_deref()))
    }

    /// A handle that ends the node.
    pub fn stopper(&self) -> Stopper {
        Stopper {
            stop: Arc::clone(&self.stop),
        }
    }

    /// Where the state is kept.
    pub fn state(&self) -> PathBuf {
        self.config.node.state.clone()
    }

    /// Works until stopped, then snapshots and ends.
    ///
    /// # Errors
    /// The log or the store refused: what was not acknowledged will be read again at next start.
    pub fn run(mut self) -> Result<(), NodeError> {
        let mut next_tick = Duration::ZERO;
        let mut rails_at = self.clock.elapsed();
        self.publish_status();
        while !self.stop.load(Ordering::SeqCst) {
            let elapsed = self.clock.elapsed();
            if elapsed >= next_tick {
                next_tick = elapsed + TICK;
                self.control(Control::Tick);
                if let Some(console) = &self.console {
                    console.changed(&["health", "overview"]);
                }
                self.publish_status();
            }
            if elapsed.saturating_sub(rails_at) >= protected::EVERY {
                rails_at = elapsed;
                let enforced_at = self.link.as_ref().map(ActuatorLink::proc_folder);
                let rails = protected::rails(&self.config.response, enforced_at.as_deref());
                self.control(Control::Rails(rails));
            }
            // Asked before the turn: what came until then is seen by it.
            let all_read = self.options.until_end && self.forwarding.is_finished();
            let idle = self.turn()?;
            if idle && all_read && self.pipeline.degraded.is_none() {
                break;
            }
        }
        self.finish()
    }

    fn control(&self, control: Control) {
        if self.mailbox.control(control).is_err() {
            tracing::warn!("control queue full");
        }
    }

    /// One turn; true if nothing was there to do.
    fn turn(&mut self) -> Result<bool, NodeError> {
        let healthy = self.pipeline.degraded.is_none();
        let mail = self.mailbox.take(PATIENCE, healthy);
        let turn = self.pipeline.turn(mail).map_err(NodeError::pipeline)?;
        for request in &turn.requests {
            if let Some(link) = &self.link {
                link.send(request.clone(), &self.mailbox);
            }
        }
        self.pipeline.acknowledge().map_err(NodeError::pipeline)?;
        if let Some(console) = &self.console {
            console.changed(&turn.changed);
        }
        let idle = turn.idle;
        if !idle
            && let Some(watch) = &self.options.watch
            && watch.send(turn).is_err()
        {
            self.options.watch = None;
        }
        Ok(idle)
    }

    fn publish_status(&self) {
        self.metrics.queue(self.mailbox.feed_bytes());
        let status = status::of(&self.pipeline, &self.config, self.link.as_ref());
        if let Err(error) = store::write_status(&self.config.node.state, &status) {
            tracing::warn!(%error, "status cannot be written");
        }
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }

    /// Stops reading, works off what waits, snapshots, and lets the actuator go.
    fn finish(mut self) -> Result<(), NodeError> {
        self.intake.stop();
        self.mailbox.close();
        loop {
            let mail = self.mailbox.take(Duration::ZERO, true);
            if mail.control.is_empty() && mail.feed.is_none() {
                break;
            }
            self.pipeline.turn(mail).map_err(NodeError::pipeline)?;
        }
        let last = crate::mailbox::Mail {
            control: vec![Control::Stop],
            feed: None,
        };
        self.pipeline.turn(last).map_err(NodeError::pipeline)?;
        if let Some(why) = &self.pipeline.degraded {
            tracing::error!(
                why,
                "ended without room on the disk; what waits is read again"
            );
        }
        if let Some(console) = self.console.take() {
            console.stop();
        }
        if let Some(link) = self.link.take() {
            link.stop();
        }
        if let Some(publisher) = self.publisher.take() {
            publisher.stop();
        }
        self.folder.leave();
        Ok(())
    }
}

/// Moves the store's write-ahead log into its file beside the commits, so that none has to wait.
fn maintain(store: Arc<store::Sqlite>, stop: Arc<AtomicBool>) -> Result<(), NodeError> {
    let maintaining = move || {
        while !stop.load(Ordering::SeqCst) {
            std::thread::park_timeout(MAINTAIN_EVERY);
            if let Err(error) = store.maintain() {
                tracing::debug!(%error, "the store is maintained later");
            }
        }
    };
    let thread = std::thread::Builder::new()
        .name("maintain".into())
        .spawn(maintaining);
    thread
        .map(drop)
        .map_err(|error| NodeError::Thread(error.to_string()))
}

/// Moves batches from the intake into the mailbox, waiting where the mailbox is full.
fn forward(
    receiver: std::sync::mpsc::Receiver<Feed>,
    mailbox: Arc<NodeMail>,
) -> Result<std::thread::JoinHandle<()>, NodeError> {
    let forwarding = move || {
        for feed in receiver {
            let bytes = match &feed {
                Feed::Batch { records, .. } => {
                    records.iter().map(|record| record.bytes.len()).sum()
                }
                Feed::Ended { .. } | Feed::Problem { .. } => 64,
            };
            if !mailbox.feed(feed, bytes) {
                return;
            }
        }
    };
    let thread = std::thread::Builder::new()
        .name("forward".into())
        .spawn(forwarding);
    thread.map_err(|error| NodeError::Thread(error.to_string()))
}

/// The rails that a node on this machine would have.
pub fn rails(config: &crate::config::Response) -> response::rails::Rails {
    protected::rails(config, None)
}
