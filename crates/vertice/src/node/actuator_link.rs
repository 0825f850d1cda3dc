//! Starts the actuator process and keeps it: requests go in by a bounded queue, replies come back
//! into the mailbox, a process that dies or hangs is replaced and the engine is told.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actuator::Connection;
use event::Clock;
use event::actuate::{Answer, Request, Verb};

use super::NodeMail;
use crate::clock::SystemClock;
use crate::config::Response;
use crate::pipeline::Control;

/// Requests that may wait for the actuator.
const REQUESTS_MAX: usize = 4096;
/// Silence after a request that counts as a hang.
const HANG: Duration = Duration::from_secs(10);
/// How long the first answer may take.
const START: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(250);
/// The engine counts blocks; the actuator counts every new effect, and a playbook may limit,
/// block, and block the way out.
const EFFECTS_A_BLOCK: u32 = 3;
const RESTART_PAUSE_MAX: Duration = Duration::from_secs(30);

/// Why there is no actuator.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The process cannot be started.
    #[error("actuator cannot be started: {0}")]
    Spawn(String),
    /// It started and gave up, or did not answer.
    #[error("actuator is not ready: {0}")]
    NotReady(String),
}

/// The node's end of the actuator.
#[derive(Debug)]
pub struct ActuatorLink {
    sender: SyncSender<Request>,
    shared: Arc<Shared>,
    keeper: std::thread::JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    reachable: AtomicBool,
    pid: AtomicU32,
    generation: AtomicU64,
    outstanding: AtomicU64,
    progress: Mutex<Duration>,
    problem: Mutex<String>,
}

impl Shared {
    fn progress(&self) -> Duration {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn progressed(&self) {
        let now = SystemClock.elapsed();
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    fn problem(&self, text: String) {
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }

    fn hangs(&self) -> bool {
        let waiting = self.outstanding.load(Ordering::SeqCst) > 0;
        waiting && SystemClock.elapsed().saturating_sub(self.progress()) > HANG
    }
}

/// A started process and our end of its socket.
struct Started {
    child: Child,
    connection: Connection,
}

impl ActuatorLink {
    /// Starts the process and waits until it is ready.
    ///
    /// # Errors
    /// [`LinkError`]: no privilege, no nftables in the kernel, no such namespace.
    pub fn start(config: &Response, mailbox: &Arc<NodeMail>) -> Result<Self, LinkError> {
        let shared = Arc::new(Shared::default());
        let started = spawn(config)?;
        let started = greet(started, &shared)?;
        let (sender, receiver) = sync_channel(REQUESTS_MAX);
        let keeper = Keeper {
            config: config.clone(),
            mailbox: Arc::clone(mailbox),
            shared: Arc::clone(&shared),
        };
        let keeping = move || keeper.keep(started, &receiver);
        let thread = std::thread::Builder::new()
            .name("actuator-link".into())
            .spawn(keeping);
        let keeper = thread.map_err(|error| LinkError::Spawn(error.to_string()))?;
        Ok(Self {
            sender,
            shared,
            keeper,
        })
    }

    /// Sends a request; a queue that is full counts as a lost actuator.
    pub(super) fn send(&self, request: Request, mailbox: &NodeMail) {
        let refused = self.sender.try_send(request);
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = refused
            && mailbox.control(Control::ActuatorLost).is_err()
        {
            tracing::warn!("control queue full");
        }
    }

    /// `/proc` folder of the process: shows the network namespace in which it acts.
    pub fn proc_folder(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}", self.shared.pid.load(Ordering::SeqCst)))
    }

    /// Can it be reached, and what is wrong if not?
    pub fn state(&self) -> (bool, String) {
        let problem = self
            .shared
            .problem
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        (self.shared.reachable.load(Ordering::SeqCst), problem)
    }

    /// The kernel table's generation, as last told.
    pub fn generation(&self) -> u64 {
        self.shared.generation.load(Ordering::SeqCst)
    }

    /// Closes the socket; the process ends, effects stay until their time is over.
    pub fn stop(self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        drop(self.sender);
        if self.keeper.join().is_err() {
            tracing::warn!("actuator link ended by a panic");
        }
    }
}

struct Keeper {
    config: Response,
    mailbox: Arc<NodeMail>,
    shared: Arc<Shared>,
}

impl Keeper {
    fn keep(&self, first: Started, receiver: &Receiver<Request>) {
        let mut started = Some(first);
        let mut pause = Duration::from_millis(200);
        while !self.shared.stop.load(Ordering::SeqCst) {
            match started.take() {
                Some(running) => {
                    pause = Duration::from_millis(200);
                    self.serve(running, receiver);
                }
                None => {
                    started = self.again(pause);
                    pause = (pause * 2).min(RESTART_PAUSE_MAX);
                }
            }
        }
    }

    /// Carries requests until the process is gone, hangs, or we stop.
    fn serve(&self, mut running: Started, receiver: &Receiver<Request>) {
        self.shared.reachable.store(true, Ordering::SeqCst);
        let Ok(reading) = running.connection.try_clone() else {
            return;
        };
        let reader = Reader {
            mailbox: Arc::clone(&self.mailbox),
            shared: Arc::clone(&self.shared),
        };
        let Ok(reader) = std::thread::Builder::new()
            .name("actuator-replies".into())
            .spawn(move || reader.read(reading))
        else {
            return;
        };
        while !reader.is_finished() && !self.shared.hangs() {
            match receiver.recv_timeout(POLL) {
                Ok(request) if self.carry(&mut running.connection, &request) => {}
                Ok(_) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        self.lost(running);
        if reader.join().is_err() {
            tracing::warn!("actuator reader ended by a panic");
        }
    }

    fn carry(&self, connection: &mut Connection, request: &Request) -> bool {
        if self.shared.outstanding.fetch_add(1, Ordering::SeqCst) == 0 {
            self.shared.progressed();
        }
        connection.send(request).is_ok()
    }

    fn lost(&self, mut running: Started) {
        self.shared.reachable.store(false, Ordering::SeqCst);
        self.shared.outstanding.store(0, Ordering::SeqCst);
        drop(running.connection);
        if self.shared.stop.load(Ordering::SeqCst) {
            // It sees the closed socket and ends by itself.
            running.child.wait().map(drop).unwrap_or_default();
            return;
        }
        running
            .child
            .kill()
            .and_then(|()| running.child.wait())
            .map(drop)
            .unwrap_or_default();
        self.shared
            .problem("the process ended or hung; starting it again".into());
        if self.mailbox.control(Control::ActuatorLost).is_err() {
            tracing::warn!("control queue full");
        }
    }

    fn again(&self, pause: Duration) -> Option<Started> {
        let deadline = SystemClock.elapsed() + pause;
        while SystemClock.elapsed() < deadline && !self.shared.stop.load(Ordering::SeqCst) {
            std::thread::park_timeout(POLL.min(pause));
        }
        match spawn(&self.config).and_then(|started| greet(started, &self.shared)) {
            Ok(started) => {
                self.shared.problem(String::new());
                let back = self.mailbox.control(Control::ActuatorBack);
                back.is_ok().then_some(started)
            }
            Err(error) => {
                self.shared.problem(error.to_string());
                None
            }
        }
    }
}

struct Reader {
    mailbox: Arc<NodeMail>,
    shared: Arc<Shared>,
}

impl Reader {
    fn read(&self, mut connection: Connection) {
        loop {
            match connection.receive(POLL) {
                Ok(Some(reply)) => {
                    self.shared.progressed();
                    let left = self
                        .shared
                        .outstanding
                        .load(Ordering::SeqCst)
                        .saturating_sub(1);
                    self.shared.outstanding.store(left, Ordering::SeqCst);
                    if let Answer::Ready { generation, .. } = &reply.answer {
                        self.shared.generation.store(*generation, Ordering::SeqCst);
                    }
                    if self.mailbox.control(Control::Reply(reply)).is_err() {
                        return;
                    }
                }
                Ok(None) if self.shared.reachable.load(Ordering::SeqCst) => {}
                Ok(None) | Err(_) => return,
            }
        }
    }
}

/// Starts `vertice actuator` with one end of a seqpacket pair as its standard input.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that starts a process: our own"
)]
fn spawn(config: &Response) -> Result<Started, LinkError> {
    let failed = |error: std::io::Error| LinkError::Spawn(error.to_string());
    let (ours, theirs): (OwnedFd, OwnedFd) = Connection::pair().map_err(failed)?;
    let program = std::env::current_exe().map_err(failed)?;
    let mut command = match &config.namespace {
        Some(namespace) => {
            let mut command = Command::new("ip");
            command.args(["netns", "exec", namespace]).arg(program);
            command
        }
        None => Command::new(program),
    };
    command
        .arg("actuator")
        .stdin(Stdio::from(theirs))
        .stdout(Stdio::null())
        .env_clear();
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    let limit = config
        .new_per_minute
        .saturating_mul(EFFECTS_A_BLOCK)
        .to_string();
    command.arg("--new-per-minute").arg(limit);
    for network in &config.never_block {
        command.arg("--never-block").arg(network.to_string());
    }
    let child = command.spawn().map_err(failed)?;
    Ok(Started {
        child,
        connection: Connection::new(ours),
    })
}

/// Waits for the first answer; the process explains itself on standard error when it gives up.
fn greet(mut started: Started, shared: &Shared) -> Result<Started, LinkError> {
    let hello = Request {
        serial: 0,
        fence: 0,
        verb: Verb::Hello,
    };
    let answered = started.connection.send(&hello).is_ok();
    let reply = if answered {
        started.connection.receive(START).ok().flatten()
    } else {
        None
    };
    match reply.map(|reply| reply.answer) {
        Some(Answer::Ready { generation, .. }) => {
            shared.generation.store(generation, Ordering::SeqCst);
            shared.pid.store(started.child.id(), Ordering::SeqCst);
            shared.progressed();
            Ok(started)
        }
        Some(other) => Err(give_up(started, format!("{other:?}"))),
        None => Err(give_up(started, "no answer (see the message above)".into())),
    }
}

fn give_up(mut started: Started, why: String) -> LinkError {
    drop(started.connection);
    started
        .child
        .kill()
        .and_then(|()| started.child.wait())
        .map(drop)
        .unwrap_or_default();
    LinkError::NotReady(why)
}
