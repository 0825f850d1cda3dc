//! Plays the demo: sets the stage, runs a real node on the recordings, watches what it does, takes
//! everything back, and checks each step against the world.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Child;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use event::decision::{Decision, Wish as DecisionWish};
use event::{Action, Clock, Mode, Outcome, Receipt};
use store::{IncidentQuery, OpenRole, ReceiptQuery, Sqlite, Store};

use super::report::Report;
use super::{ATTACKER, AUTH_LOG, COLLEAGUE, CONN_LOG, Network, Wish};
use crate::clock::SystemClock;
use crate::config::{Config, Source};
use crate::node::{Node, NodeError, Options, Stopper};
use crate::pipeline::Turn;

/// How long the loop may take until the attacker is blocked.
const LOOP_MAX: Duration = Duration::from_secs(20);
/// How long a decision may take.
const DECISION_MAX: Duration = Duration::from_secs(10);
const TURNS_MAX: usize = 4096;

/// Why the demo could not be played.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The network, a folder or a host process failed.
    #[error("the stage cannot be set: {0:#}")]
    Set(#[from] anyhow::Error),
    /// The node failed.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// Reading the node's state failed.
    #[error("state: {0}")]
    Store(#[from] store::StoreError),
}

/// A demo that is set up, with everything that must be taken down again.
pub struct Stage {
    wish: Wish,
    actors: Option<Actors>,
    node: Option<JoinHandle<Result<(), NodeError>>>,
    stopper: Option<Stopper>,
    turns: Receiver<Turn>,
    /// Console address and set-up token, for whoever prints them.
    pub console: Option<(std::net::SocketAddr, Option<String>)>,
}

/// The hosts of the demo's network.
struct Actors {
    service: Child,
    attacker: Client,
    colleague: Client,
    network: Network,
}

struct Client {
    child: Child,
    answers: BufReader<std::process::ChildStdout>,
}

impl Client {
    fn new(mut child: Child) -> anyhow::Result<Self> {
        let answers = child.stdout.take().map(BufReader::new);
        let answers = answers.ok_or_else(|| anyhow::anyhow!("a client has no output"))?;
        Ok(Self { child, answers })
    }

    /// Is the way open?
    fn ask(&mut self, word: &str) -> anyhow::Result<bool> {
        let input = self.child.stdin.as_mut();
        let input = input.ok_or_else(|| anyhow::anyhow!("a client has no input"))?;
        input.write_all(format!("{word}\n").as_bytes())?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        Ok(answer.trim() == "open")
    }
}

fn end(child: &mut Child) {
    // A closed input ends our own hosts.
    drop(child.stdin.take());
    child.wait().map(drop).unwrap_or_default();
}

impl Drop for Actors {
    fn drop(&mut self) {
        for child in [
            &mut self.service,
            &mut self.attacker.child,
            &mut self.colleague.child,
        ] {
            end(child);
        }
    }
}

impl Actors {
    fn call() -> anyhow::Result<Self> {
        let network = Network::make()?;
        let service = network.serve()?;
        let attacker = Client::new(network.client(ATTACKER)?)?;
        let colleague = Client::new(network.client(COLLEAGUE)?)?;
        let mut actors = Self {
            service,
            attacker,
            colleague,
            network,
        };
        let mut ready = String::new();
        if let Some(output) = actors.service.stdout.as_mut() {
            BufReader::new(output).read_line(&mut ready)?;
        }
        anyhow::ensure!(ready.trim() == "ready", "the demo's service did not start");
        Ok(actors)
    }
}

impl Stage {
    /// Makes the folder, the recordings, the network and the node, and starts it.
    ///
    /// # Errors
    /// [`StageError`]; what was made is taken down again.
    pub fn set(wish: Wish) -> Result<Self, StageError> {
        std::fs::create_dir_all(&wish.folder).map_err(anyhow::Error::from)?;
        let actors = if wish.enforce {
            Some(Actors::call()?)
        } else {
            None
        };
        let (watch, turns) = sync_channel(TURNS_MAX);
        let mut stage = Self {
            wish,
            actors,
            node: None,
            stopper: None,
            turns,
            console: None,
        };
        let config = stage.config()?;
        stage.before()?;
        let options = Options {
            watch: Some(watch),
            demo: true,
            recorded: true,
            ..Options::default()
        };
        let node = Node::start(config, Arc::new(SystemClock), options)?;
        stage.stopper = Some(node.stopper());
        stage.console = node
            .console()
            .map(|(at, token)| (at, token.map(str::to_owned)));
        let thread = std::thread::Builder::new()
            .name("node".into())
            .spawn(|| node.run());
        stage.node = Some(thread.map_err(anyhow::Error::from)?);
        Ok(stage)
    }

    fn state(&self) -> std::path::PathBuf {
        self.wish.folder.join("state")
    }

    fn config(&self) -> Result<Config, StageError> {
        let mut config = Config::default();
        config.node.name = "demo".into();
        config.node.state = self.state();
        config.console.listen = self.wish.listen;
        for (name, bytes, format) in [
            ("auth.log", AUTH_LOG, "syslog"),
            ("conn.log", CONN_LOG, "zeek_conn"),
        ] {
            let path = self.wish.folder.join(name);
            std::fs::write(&path, bytes).map_err(anyhow::Error::from)?;
            config.sources.push(Source {
                file: Some(path),
                follow: Some(false),
                format: Some(format.into()),
                ..Source::default()
            });
        }
        if let Some(actors) = &self.actors {
            config.response.mode = Mode::Act;
            config.response.namespace = Some(actors.network.victim.clone());
        }
        Ok(config)
    }

    /// Before anything happens both the attacker and the colleague get through.
    fn before(&mut self) -> Result<(), StageError> {
        let Some(actors) = &mut self.actors else {
            return Ok(());
        };
        let attacker = actors.attacker.ask("hold")?;
        let colleague = actors.colleague.ask("hold")?;
        if !(attacker && colleague) {
            return Err(anyhow::anyhow!("the demo's network does not carry connections").into());
        }
        Ok(())
    }

    /// Watches the loop close, takes it back, and reports.
    ///
    /// # Errors
    /// The node or its state failed; what it did not do is in the report, not an error.
    pub fn play(&mut self) -> Result<Report, StageError> {
        let mut report = Report::new(self.actors.is_some());
        self.watch(&mut report);
        self.cut(&mut report)?;
        self.take_back(&mut report)?;
        self.open_again(&mut report)?;
        self.look_back(&mut report)?;
        Ok(report)
    }

    /// Turns of the node until the attacker's block is known, one way or the other.
    fn watch(&mut self, report: &mut Report) {
        let deadline = SystemClock.elapsed() + LOOP_MAX;
        let wanted = if self.actors.is_some() {
            Outcome::Verified
        } else {
            Outcome::Simulated
        };
        let mut blocked = false;
        let mut seen_all = false;
        while !(blocked && seen_all) && SystemClock.elapsed() < deadline {
            match self.turns.recv_timeout(Duration::from_millis(500)) {
                Ok(turn) => {
                    blocked |= turn
                        .receipts
                        .iter()
                        .any(|receipt| blocks_attacker(receipt, wanted));
                    report.turn(&turn);
                }
                Err(_) => seen_all = true,
            }
        }
        let detail = format!("net.block_ip {ATTACKER} is {wanted}");
        report.check("the attacker is blocked", blocked, &detail);
    }

    /// What the packets say.
    fn cut(&mut self, report: &mut Report) -> Result<(), StageError> {
        let Some(actors) = &mut self.actors else {
            return Ok(());
        };
        report.rules = actors.network.ruleset();
        let held = actors.attacker.ask("talk")?;
        report.check(
            "the attacker's open connection is cut",
            !held,
            "no answer on it",
        );
        let fresh = actors.attacker.ask("connect")?;
        report.check("the attacker cannot connect anew", !fresh, "no answer");
        let colleague = actors.colleague.ask("talk")? && actors.colleague.ask("connect")?;
        report.check(
            "the colleague notices nothing",
            colleague,
            "old and new connection work",
        );
        Ok(())
    }

    /// The red button, through the same door as `vertice undo --all`.
    fn take_back(&mut self, report: &mut Report) -> Result<(), StageError> {
        if self.actors.is_none() {
            return Ok(());
        }
        let store = Sqlite::open(&self.state(), OpenRole::Visitor)?;
        let decision = Decision {
            who: "cli:demo".into(),
            time: SystemClock.now(),
            reason: "the demo takes everything back".into(),
            wish: DecisionWish::UndoAll,
        };
        let ticket = store.decide(&decision)?;
        let deadline = SystemClock.elapsed() + DECISION_MAX;
        let query = ReceiptQuery {
            standing_only: true,
            ..ReceiptQuery::default()
        };
        let mut standing = usize::MAX;
        while standing > 0 && SystemClock.elapsed() < deadline {
            if let Ok(turn) = self.turns.recv_timeout(Duration::from_millis(100)) {
                report.turn(&turn);
            }
            if store.decision_answer(ticket)?.is_some() {
                standing = store.receipts(&query)?.len();
            }
        }
        report.check(
            "everything is undone",
            standing == 0,
            "read back: nothing stands",
        );
        Ok(())
    }

    fn open_again(&mut self, report: &mut Report) -> Result<(), StageError> {
        let Some(actors) = &mut self.actors else {
            return Ok(());
        };
        let open = actors.attacker.ask("connect")?;
        report.check(
            "the way is open again",
            open,
            "a new connection from the same address works",
        );
        Ok(())
    }

    /// The incident, the walk back to the log lines, and the audit chain.
    fn look_back(&mut self, report: &mut Report) -> Result<(), StageError> {
        let store = Sqlite::open(&self.state(), OpenRole::Visitor)?;
        for incident in store.incidents(&IncidentQuery::default())? {
            report.incident(&incident);
        }
        let receipts = store.receipts(&ReceiptQuery {
            limit: 500,
            ..ReceiptQuery::default()
        })?;
        let block = receipts
            .iter()
            .rev()
            .find(|receipt| is_block_of(receipt, ATTACKER));
        let mut lines = 0;
        if let Some(receipt) = block
            && let Some(finding) = store.finding(receipt.finding)?
        {
            for id in &finding.evidence {
                lines += usize::from(
                    store
                        .evidence(*id)?
                        .is_some_and(|event| !event.raw.is_empty()),
                );
            }
            report.receipt = Some(receipt.id);
        }
        let detail = format!("{lines} log lines stand behind the block");
        report.check("the block explains itself", lines > 0, &detail);
        let audit = store.verify_audit()?;
        report.check(
            "the audit chain holds",
            audit.intact(),
            &crate::cli::audit::says(&audit),
        );
        Ok(())
    }

    /// Ends the node and takes the stage down.
    ///
    /// # Errors
    /// The node could not end in order.
    pub fn end(mut self) -> Result<(), StageError> {
        if let Some(stopper) = self.stopper.take() {
            stopper.stop();
        }
        // The node may be waiting for us to take a turn.
        let (_, closed) = sync_channel(0);
        self.turns = closed;
        let ended = self.node.take().map(JoinHandle::join);
        drop(self.actors.take());
        remove(&self.wish.folder);
        match ended {
            Some(Ok(result)) => result.map_err(StageError::from),
            Some(Err(_)) => Err(anyhow::anyhow!("the node ended by a panic").into()),
            None => Ok(()),
        }
    }

    /// A handle that ends the node from a signal.
    pub fn stopper(&self) -> Option<Stopper> {
        self.stopper.clone()
    }

    /// Takes turns away until the node has ended, so that it never waits for the report.
    pub fn serve(&mut self) {
        while self.turns.recv().is_ok() {}
    }
}

fn remove(folder: &Path) {
    if let Err(error) = std::fs::remove_dir_all(folder) {
        tracing::warn!(%error, "the demo's folder is left behind");
    }
}

fn blocks_attacker(receipt: &Receipt, wanted: Outcome) -> bool {
    receipt.outcome == wanted && is_block_of(receipt, ATTACKER)
}

fn is_block_of(receipt: &Receipt, address: &str) -> bool {
    matches!(receipt.action, Action::BlockIp { .. }) && receipt.action.target() == address
}
