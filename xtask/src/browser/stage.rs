//! The stage of the browser checks: a victim and the outside in two network namespaces, an echo
//! service at the victim, and a node that reads one log. All of it goes when dropped, whatever
//! happened.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;

use crate::programs::command;

const VICTIM: &str = "198.51.100.10";
const SERVICE: &str = "198.51.100.10:2222";
/// The outside's addresses: attackers from .7 on, each check its own; a colleague.
const OUTSIDE: &[&str] = &[
    "203.0.113.7",
    "203.0.113.8",
    "203.0.113.9",
    "203.0.113.10",
    "203.0.113.11",
    "203.0.113.12",
    "192.0.2.20",
];
/// How long the node may take to start, in steps of [`STEP`].
const START_STEPS_MAX: u32 = 600;
/// How long a process may take to end when asked, in steps of [`STEP`].
const END_STEPS_MAX: u32 = 300;
const STEP: Duration = Duration::from_millis(100);
/// Lines of the node's log shown after a failure.
const LAST_WORDS: usize = 20;

/// Everything that the checks need, set up.
pub(super) struct Stage {
    // Dropped in this order: processes before the namespaces that they are in.
    _node: Ours,
    _service: Ours,
    network: Network,
    folder: Folder,
    binary: PathBuf,
    config: PathBuf,
    /// Console address, and the address with the one-time token.
    url: String,
    setup: String,
}

impl Stage {
    pub(super) fn set(binary: &Path) -> Result<Self> {
        let binary = binary
            .canonicalize()
            .context(binary.display().to_string())?;
        let folder = Folder::make()?;
        let network = Network::make()?;
        let service = network.serve(&binary)?;
        std::fs::write(folder.0.join("auth.log"), "")?;
        let config = folder.0.join("config.toml");
        let (state, log) = (folder.0.join("state"), folder.0.join("auth.log"));
        let victim = &network.victim;
        let text = format!(
            "[node]\nname = \"web01\"\nstate = {state:?}\n\n[response]\nmode = \"ask\"\n\
             namespace = \"{victim}\"\n\n[console]\nlisten = \"127.0.0.1:0\"\n\n\
             [[source]]\nfile = {log:?}\nformat = \"syslog\"\nfollow = true\n"
        );
        std::fs::write(&config, text)?;
        let said = folder.0.join("node.log");
        let mut run = command(&binary.display().to_string());
        run.arg("--config").arg(&config).arg("run");
        run.stdin(Stdio::null()).stdout(Stdio::null());
        run.stderr(std::fs::File::create(&said)?);
        let mut node = Ours::start(&mut run)?;
        let (url, setup) = addresses(&mut node, &said)?;
        Ok(Self {
            _node: node,
            _service: service,
            network,
            folder,
            binary,
            config,
            url,
            setup,
        })
    }

    /// For the script: one JSON object.
    pub(super) fn described(&self, tools: &Path) -> Result<String> {
        let described = json!({
            "url": self.url,
            "setup": self.setup,
            "victim": self.network.victim,
            "outside": self.network.outside,
            "service": SERVICE,
            "state": self.folder.0.join("state"),
            "log": self.folder.0.join("auth.log"),
            "binary": self.binary,
            "config": self.config,
            "tools": tools,
        });
        Ok(serde_json::to_string(&described)?)
    }

    /// The end of the node's log.
    pub(super) fn last_words(&self) -> String {
        let said = std::fs::read_to_string(self.folder.0.join("node.log")).unwrap_or_default();
        let lines: Vec<&str> = said.lines().collect();
        let from = lines.len().saturating_sub(LAST_WORDS);
        lines
            .iter()
            .skip(from)
            .fold(String::new(), |text, line| text + "node: " + line + "\n")
    }
}

/// Waits until the node has said where its console is.
fn addresses(node: &mut Ours, said: &Path) -> Result<(String, String)> {
    for _ in 0..START_STEPS_MAX {
        let text = std::fs::read_to_string(said).unwrap_or_default();
        let after = |words: &str| {
            let line = text.lines().find_map(|line| line.split_once(words));
            line.map(|(_, rest)| rest.trim().to_owned())
        };
        let (url, setup) = (after("console at "), after("first time? "));
        if let (Some(url), Some(setup)) = (url, setup) {
            return Ok((url, setup));
        }
        if let Some(status) = node.0.try_wait()? {
            bail!("vertice run ended with {status}: {text}");
        }
        pause(STEP);
    }
    bail!("vertice run did not say where its console is")
}

/// Two namespaces joined by a cable.
struct Network {
    victim: String,
    outside: String,
}

impl Network {
    fn make() -> Result<Self> {
        let process = std::process::id();
        let network = Self {
            victim: format!("vt-web-v-{process}"),
            outside: format!("vt-web-o-{process}"),
        };
        let Self { victim, outside } = &network;
        for name in [victim, outside] {
            ip(&format!("netns add {name}"))?;
        }
        ip(&format!(
            "-n {victim} link add eth0 type veth peer eth0 netns {outside}"
        ))?;
        ip(&format!("-n {victim} addr add {VICTIM}/24 dev eth0"))?;
        for address in OUTSIDE {
            ip(&format!("-n {outside} addr add {address}/32 dev eth0"))?;
        }
        for name in [victim, outside] {
            ip(&format!("-n {name} link set lo up"))?;
            ip(&format!("-n {name} link set eth0 up"))?;
        }
        for range in ["203.0.113.0/24", "192.0.2.0/24"] {
            ip(&format!("-n {victim} route add {range} dev eth0"))?;
        }
        let source = OUTSIDE.first().copied().unwrap_or_default();
        ip(&format!(
            "-n {outside} route add 198.51.100.0/24 dev eth0 src {source}"
        ))?;
        Ok(network)
    }

    /// The echo service of the demo, at the victim.
    fn serve(&self, binary: &Path) -> Result<Ours> {
        let mut serve = command("ip");
        serve.args(["netns", "exec", &self.victim]).arg(binary);
        serve.args(["demo-host", "--serve", SERVICE]);
        serve.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut service = Ours::start(&mut serve)?;
        let output = service.0.stdout.as_mut().context("no output")?;
        let mut ready = String::new();
        BufReader::new(output).read_line(&mut ready)?;
        ensure!(ready.trim() == "ready", "the echo service did not start");
        Ok(service)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in [&self.victim, &self.outside] {
            if let Err(error) = ip(&format!("netns del {name}")) {
                println!("{name} is left behind: {error}");
            }
        }
    }
}

fn ip(arguments: &str) -> Result<()> {
    let output = command("ip").args(arguments.split(' ')).output()?;
    let why = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "ip {arguments}: {}", why.trim());
    Ok(())
}

/// A folder, removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn make() -> Result<Self> {
        let name = format!("vertice-browser-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).with_context(|| path.display().to_string())?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            println!("{} is left behind: {error}", self.0.display());
        }
    }
}

/// A process of ours, ended by its id when dropped.
struct Ours(Child);

impl Ours {
    fn start(command: &mut Command) -> Result<Self> {
        let shown = format!("{command:?}");
        command.spawn().map(Self).context(shown)
    }

    fn end(&mut self) -> Result<()> {
        // A closed input ends the demo's hosts; the signal ends the node in order.
        drop(self.0.stdin.take());
        if self.0.try_wait()?.is_none() {
            let id = self.0.id().to_string();
            command("kill").args(["-TERM", &id]).status()?;
        }
        for _ in 0..END_STEPS_MAX {
            if self.0.try_wait()?.is_some() {
                return Ok(());
            }
            pause(STEP);
        }
        self.0.kill()?;
        self.0.wait()?;
        bail!("it had to be killed")
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            println!("process {}: {error}", self.0.id());
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "waits for other processes")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}
