//! A node of ours under measurement, and the kernel's own word on what is in its block set.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::network::{Network, VICTIM, inside};
use super::process::{Ours, now, pause, unix_micros};
use crate::programs::command;

/// Port of the victim's echo service.
const ECHO_PORT: u16 = 7;
/// Where the node's console listens, inside its own namespace.
pub(super) const CONSOLE: &str = "127.0.0.1:8642";
/// How long a start may take.
const START_PATIENCE: Duration = Duration::from_secs(30);

/// A running node.
pub(super) struct Node {
    process: Ours,
    /// From the start of the process to its word that it is ready.
    pub(super) ready: Duration,
}

impl Node {
    /// Starts it, in a namespace if one is given, and waits until it says that it is ready.
    pub(super) fn start(
        binary: &Path,
        namespace: Option<&str>,
        config: &Path,
        words: &Path,
    ) -> Result<Self> {
        let binary = binary.display().to_string();
        let mut node = match namespace {
            Some(namespace) => inside(namespace, &binary),
            None => command(&binary),
        };
        node.arg("--config")
            .arg(config)
            .arg("run")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        node.stderr(std::fs::File::create(words)?);
        let start = now();
        let process = Ours::start(&mut node)?;
        let mut node = Self {
            process,
            ready: Duration::ZERO,
        };
        loop {
            let said = std::fs::read_to_string(words).unwrap_or_default();
            if said.contains("vertice: ready") {
                node.ready = start.elapsed();
                return Ok(node);
            }
            let ended = node.process.0.try_wait()?;
            if let (Some(status), last) = (ended, said.lines().last().unwrap_or_default()) {
                bail!("vertice run ended with {status}: {last}");
            }
            ensure!(
                start.elapsed() < START_PATIENCE,
                "vertice run is not ready after 30 s"
            );
            pause(Duration::from_millis(1));
        }
    }

    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }
}

/// What a node's configuration says.
pub(super) struct Setting<'a> {
    pub(super) folder: &'a Path,
    pub(super) state: &'a Path,
    pub(super) source: &'a Path,
    pub(super) format: &'a str,
    pub(super) follow: bool,
    pub(super) mode: &'a str,
    pub(super) console: bool,
    /// Effects a minute that need no person; the product's default is 1,000.
    pub(super) new_per_minute: u64,
}

impl Setting<'_> {
    /// Writes it and returns where.
    pub(super) fn write(&self) -> Result<PathBuf> {
        let path = self.folder.join("config.toml");
        let text = format!(
            "[node]\nname = \"bench\"\nstate = {:?}\n\n[response]\nmode = \"{}\"\nnew_per_minute = {}\n\n[console]\n\
             enabled = {}\nlisten = \"{CONSOLE}\"\n\n[[source]]\nfile = {:?}\nformat = \"{}\"\n\
             follow = {}\n",
            self.state,
            self.mode,
            self.new_per_minute,
            self.console,
            self.source,
            self.format,
            self.follow
        );
        std::fs::write(&path, text)?;
        Ok(path)
    }
}

/// Addresses and when the kernel said that they are in the set.
type Seen = Arc<Mutex<HashMap<String, i64>>>;

/// `nft monitor` in a namespace: the kernel tells of each new element, nobody has to ask.
pub(super) struct Monitor {
    _process: Ours,
    seen: Seen,
}

impl Monitor {
    /// Watches the sets of these names; an address counts from its first element on.
    pub(super) fn start(namespace: &str, sets: &'static [&str]) -> Result<Self> {
        let mut monitor = inside(namespace, "nft");
        monitor
            .args(["monitor", "new", "elements"])
            .stdin(Stdio::null());
        monitor.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = Ours::start(&mut monitor)?;
        let output = process.0.stdout.take().context("no output")?;
        let seen = Seen::default();
        let noting = Arc::clone(&seen);
        let reading = move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let Some((head, element)) = line.split_once(" { ") else {
                    continue;
                };
                if sets.iter().any(|set| head.ends_with(set)) {
                    let address = element.split([' ', ',']).next().unwrap_or_default();
                    let mut seen = noting.lock().unwrap_or_else(PoisonError::into_inner);
                    seen.entry(address.to_owned()).or_insert_with(unix_micros);
                }
            }
        };
        drop(std::thread::spawn(reading));
        // It has no word for "ready"; its socket is open long before this is over.
        pause(Duration::from_millis(300));
        Ok(Self {
            _process: process,
            seen,
        })
    }

    /// When this address came into the set, microseconds since 1970.
    pub(super) fn seen(&self, address: &str) -> Option<i64> {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(address)
            .copied()
    }

    /// How many are in, and when the last one came.
    pub(super) fn state(&self) -> (usize, i64) {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        (seen.len(), seen.values().copied().max().unwrap_or(0))
    }

    /// Waits until so many are in; returns what was reached.
    pub(super) fn wait(&self, count: usize, patience: Duration) -> (usize, i64) {
        let start: Instant = now();
        while self.state().0 < count && start.elapsed() < patience {
            pause(Duration::from_millis(20));
        }
        self.state()
    }
}

/// The victim's echo service and the attacker's prober.
pub(super) struct Duel {
    _echo: Ours,
    _attacker: Ours,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// One attack: when its lines were written, and how long packets still came through.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attack {
    pub(super) written_micros: i64,
    pub(super) dropped_ms: Option<f64>,
}

impl Duel {
    pub(super) fn start(network: &Network, log: &Path) -> Result<Self> {
        let own = std::env::current_exe()?.display().to_string();
        let service = format!("{VICTIM}:{ECHO_PORT}");
        let mut echo = piped(
            inside(&network.victim, &own),
            &["bench-host", "echo", &service],
        )?;
        let mut ready = String::new();
        let output = echo.0.stdout.take().context("no output")?;
        BufReader::new(output).read_line(&mut ready)?;
        ensure!(ready == "ready\n", "the echo service did not start");
        let log = log.display().to_string();
        let words = ["bench-host", "attack", service.as_str(), log.as_str()];
        let mut attacker = piped(inside(&network.outside, &own), &words)?;
        let input = attacker.0.stdin.take().context("no input")?;
        let output = BufReader::new(attacker.0.stdout.take().context("no output")?);
        Ok(Self {
            _echo: echo,
            _attacker: attacker,
            input,
            output,
        })
    }

    /// Lets an address fail so many times, and waits until its packets are dropped.
    pub(super) fn attack(&mut self, from: &str, failures: usize) -> Result<Attack> {
        writeln!(self.input, "{from} {failures}")?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        let (written, dropped) = line.trim().split_once(' ').context("the attacker ended")?;
        let micros: Option<f64> = dropped.parse().ok();
        let dropped_ms = micros.map(|micros| micros / 1000.0);
        Ok(Attack {
            written_micros: written.parse()?,
            dropped_ms,
        })
    }
}

fn piped(mut command: Command, words: &[&str]) -> Result<Ours> {
    command
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    Ours::start(&mut command)
}

/// A page of the node's console, read inside its namespace.
pub(super) fn page(namespace: &str, path: &str) -> Result<String> {
    let own = std::env::current_exe()?.display().to_string();
    let mut get = piped(
        inside(namespace, &own),
        &["bench-host", "get", CONSOLE, path],
    )?;
    let mut text = String::new();
    get.0
        .stdout
        .take()
        .context("no output")?
        .read_to_string(&mut text)?;
    ensure!(
        text.starts_with("HTTP/1.1 200"),
        "{path}: {}",
        text.lines().next().unwrap_or_default()
    );
    Ok(text)
}
