//! The demo's own network: a victim and the outside in two namespaces, joined by a cable.

use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};

/// The attacked host's address.
pub const VICTIM: &str = "198.51.100.10";
/// The recorded attacker's address.
pub const ATTACKER: &str = "203.0.113.7";
/// The recorded scanner's address.
const SCANNER: &str = "203.0.113.99";
/// The recorded colleague's address, who must never notice anything.
pub const COLLEAGUE: &str = "192.0.2.20";
/// Where the demo's service listens.
const SERVICE: &str = "198.51.100.10:2222";

/// Two namespaces, removed when dropped.
#[derive(Debug)]
pub struct Network {
    /// Namespace of the attacked host, in which the actuator enforces.
    pub victim: String,
    outside: String,
}

impl Network {
    /// Makes both namespaces and the cable between them.
    ///
    /// # Errors
    /// `ip` refused; nothing is left behind.
    pub fn make() -> Result<Self> {
        let process = std::process::id();
        let network = Self {
            victim: format!("vt-demo-v-{process}"),
            outside: format!("vt-demo-o-{process}"),
        };
        let (victim, outside) = (network.victim.as_str(), network.outside.as_str());
        ip(&["netns", "add", victim])?;
        ip(&["netns", "add", outside])?;
        let cable = [
            "link", "add", "eth0", "type", "veth", "peer", "eth0", "netns", outside,
        ];
        ip(&[&["-n", victim], cable.as_slice()].concat())?;
        ip(&[
            "-n",
            victim,
            "addr",
            "add",
            &format!("{VICTIM}/24"),
            "dev",
            "eth0",
        ])?;
        for address in [ATTACKER, SCANNER, COLLEAGUE] {
            ip(&[
                "-n",
                outside,
                "addr",
                "add",
                &format!("{address}/32"),
                "dev",
                "eth0",
            ])?;
        }
        for name in [victim, outside] {
            ip(&["-n", name, "link", "set", "lo", "up"])?;
            ip(&["-n", name, "link", "set", "eth0", "up"])?;
        }
        for range in ["203.0.113.0/24", "192.0.2.0/24"] {
            ip(&["-n", victim, "route", "add", range, "dev", "eth0"])?;
        }
        let back = [
            "route",
            "add",
            "198.51.100.0/24",
            "dev",
            "eth0",
            "src",
            ATTACKER,
        ];
        ip(&[&["-n", outside], back.as_slice()].concat())?;
        Ok(network)
    }

    /// Starts the victim's service.
    ///
    /// # Errors
    /// The process cannot be started.
    pub fn serve(&self) -> Result<Child> {
        host(&self.victim, &["--serve", SERVICE])
    }

    /// Starts a client outside that connects from `address` when told to.
    ///
    /// # Errors
    /// The process cannot be started.
    pub fn client(&self, address: &str) -> Result<Child> {
        host(&self.outside, &["--connect", SERVICE, "--from", address])
    }

    /// The packet filter of the victim, as `nft` shows it; empty where there is no `nft`.
    pub fn ruleset(&self) -> String {
        let shown = program("ip")
            .args([
                "netns",
                "exec",
                &self.victim,
                "nft",
                "-s",
                "list",
                "table",
                "inet",
                "vertice",
            ])
            .output();
        shown.map_or_else(
            |_| String::new(),
            |out| String::from_utf8_lossy(&out.stdout).into_owned(),
        )
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in [&self.victim, &self.outside] {
            if let Err(error) = ip(&["netns", "del", name]) {
                tracing::warn!(name, %error, "namespace is left behind");
            }
        }
    }
}

fn host(namespace: &str, arguments: &[&str]) -> Result<Child> {
    let own = std::env::current_exe()?;
    let mut command = program("ip");
    command
        .args(["netns", "exec", namespace])
        .arg(own)
        .arg("demo-host")
        .args(arguments);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("demo host")
}

fn ip(arguments: &[&str]) -> Result<()> {
    let output = program("ip").args(arguments).output().context("ip")?;
    let why = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(
        output.status.success(),
        "ip {}: {}",
        arguments.join(" "),
        why.trim()
    );
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the demo builds its own network with ip"
)]
fn program(name: &str) -> Command {
    Command::new(name)
}
