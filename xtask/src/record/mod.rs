//! `cargo xtask record`: makes the demo's recordings anew, from a real sshd under a real password
//! attack and a real port scan, in network namespaces and a private mount namespace of its own.
//!
//! Needs root and the programs of [`PROGRAMS`]. Changes nothing outside the two namespaces and
//! the output folder. The attacker (203.0.113.7) uses hydra and then logs in; a colleague
//! (192.0.2.20) mistypes once and logs in; a scanner (203.0.113.99) uses nmap.

mod conn_log;
mod host;

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::programs::{command, which};

pub(crate) use host::serve as run_host;

/// What must be installed (Debian: openssh-server, openssh-client, sshpass, hydra, nmap, rsyslog,
/// tcpdump, iproute2, util-linux).
pub(crate) const PROGRAMS: &[&str] = &[
    "ip", "unshare", "sshd", "ssh", "sshpass", "hydra", "nmap", "rsyslogd", "tcpdump",
];

const VICTIM: &str = "198.51.100.10";
const ATTACKER: &str = "203.0.113.7";
const SCANNER: &str = "203.0.113.99";
const COLLEAGUE: &str = "192.0.2.20";

/// Two namespaces, removed when dropped.
struct Network {
    victim: String,
    outside: String,
}

impl Network {
    fn make() -> Result<Self> {
        let process = std::process::id();
        let network = Self {
            victim: format!("vt-rec-v-{process}"),
            outside: format!("vt-rec-o-{process}"),
        };
        for name in [&network.victim, &network.outside] {
            run("ip", &["netns", "add", name])?;
        }
        let (victim, outside) = (network.victim.as_str(), network.outside.as_str());
        run(
            "ip",
            &[
                "-n", victim, "link", "add", "eth0", "type", "veth", "peer", "eth0", "netns",
                outside,
            ],
        )?;
        run(
            "ip",
            &[
                "-n",
                victim,
                "addr",
                "add",
                &format!("{VICTIM}/24"),
                "dev",
                "eth0",
            ],
        )?;
        for address in [ATTACKER, SCANNER, COLLEAGUE] {
            let address = format!("{address}/32");
            run(
                "ip",
                &["-n", outside, "addr", "add", &address, "dev", "eth0"],
            )?;
        }
        for name in [victim, outside] {
            run("ip", &["-n", name, "link", "set", "lo", "up"])?;
            run("ip", &["-n", name, "link", "set", "eth0", "up"])?;
        }
        for network in ["203.0.113.0/24", "192.0.2.0/24"] {
            run(
                "ip",
                &["-n", victim, "route", "add", network, "dev", "eth0"],
            )?;
        }
        run(
            "ip",
            &[
                "-n",
                outside,
                "route",
                "add",
                "198.51.100.0/24",
                "dev",
                "eth0",
                "src",
                ATTACKER,
            ],
        )?;
        Ok(network)
    }

    fn inside(&self, namespace: &str, program: &str) -> Command {
        let mut command = command("ip");
        command.args(["netns", "exec", namespace, program]);
        command
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in [&self.victim, &self.outside] {
            if let Err(error) = run("ip", &["netns", "del", name]) {
                report(&format!("{name} is left behind: {error}"));
            }
        }
    }
}

/// A process of ours, ended when dropped.
struct Ours(Child);

impl Drop for Ours {
    fn drop(&mut self) {
        // Closing its input asks the host to end; the other processes are told by a signal.
        drop(self.0.stdin.take());
        if let Ok(None) = self.0.try_wait() {
            let process = self.0.id().to_string();
            run("kill", &["-TERM", &process]).unwrap_or_default();
        }
        self.0.wait().map(drop).unwrap_or_default();
    }
}

/// Makes all recordings in `out`.
pub(crate) fn run_all(out: &Path) -> Result<()> {
    for program in PROGRAMS {
        ensure!(
            which(program),
            "{program} is missing; see PROGRAMS in xtask/src/record/mod.rs"
        );
    }
    std::fs::create_dir_all(out)?;
    let work = std::env::temp_dir().join(format!("vertice-record-{}", std::process::id()));
    std::fs::create_dir_all(&work)?;
    let recorded = record(&work, out);
    std::fs::remove_dir_all(&work)?;
    recorded
}

fn record(work: &Path, out: &Path) -> Result<()> {
    let network = Network::make()?;
    let packets = work.join("packets.txt");
    let capture = capture(&network, &packets)?;
    let host = start_host(&network, work)?;
    attack(&network, work)?;
    scan(&network)?;
    pause(2000);
    drop(host);
    drop(capture);
    std::fs::copy(work.join("auth.log"), out.join("auth.log")).context("auth.log")?;
    let flows = conn_log::from_tcpdump(&std::fs::read_to_string(&packets)?);
    std::fs::write(out.join("conn.log"), flows)?;
    Ok(())
}

fn capture(network: &Network, packets: &Path) -> Result<Ours> {
    let mut tcpdump = network.inside(&network.victim, "tcpdump");
    tcpdump.args(["-i", "eth0", "-n", "-tt", "-l", "-v", "tcp"]);
    let output = std::fs::File::create(packets)?;
    let child = tcpdump.stdout(output).stderr(Stdio::null()).spawn()?;
    pause(1000);
    Ok(Ours(child))
}

fn start_host(network: &Network, work: &Path) -> Result<Ours> {
    let program = std::env::current_exe()?;
    let mut host = network.inside(&network.victim, "unshare");
    host.args(["--mount", "--uts", "--propagation", "private"])
        .arg(program);
    host.arg("record-host").arg(work).stdin(Stdio::piped());
    let child = host.spawn()?;
    let ours = Ours(child);
    for _ in 0..100 {
        if work.join("ready").exists() {
            return Ok(ours);
        }
        pause(100);
    }
    bail!("the recorded host did not start; its sshd or rsyslogd failed")
}

/// The colleague, the password attack, and the login that it leads to.
fn attack(network: &Network, work: &Path) -> Result<()> {
    login(network, COLLEAGUE, "maria", "not-this-one")?;
    login(network, COLLEAGUE, "maria", host::COLLEAGUE_PASSWORD)?;
    let (users, passwords) = (work.join("users"), work.join("passwords"));
    std::fs::write(&users, "root\nadmin\ndeploy\noracle\npostgres\n")?;
    let words = [
        "123456",
        "password",
        "admin",
        "letmein",
        "qwerty",
        host::WEAK_PASSWORD,
    ];
    std::fs::write(&passwords, words.join("\n"))?;
    let mut hydra = network.inside(&network.outside, "hydra");
    hydra
        .arg("-L")
        .arg(users)
        .arg("-P")
        .arg(passwords)
        .args(["-t", "4", "-I", "-u"]);
    hydra.arg(format!("ssh://{VICTIM}")).current_dir(work);
    let status = hydra.stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    ensure!(status.success(), "hydra failed");
    login(network, ATTACKER, "deploy", host::WEAK_PASSWORD)
}

fn login(network: &Network, from: &str, user: &str, password: &str) -> Result<()> {
    let mut ssh = network.inside(&network.outside, "sshpass");
    ssh.args([
        "-p",
        password,
        "ssh",
        "-b",
        from,
        "-o",
        "StrictHostKeyChecking=no",
    ]);
    ssh.args([
        "-o",
        "UserKnownHostsFile=/dev/null",
        "-o",
        "NumberOfPasswordPrompts=1",
    ]);
    ssh.args(["-o", "PreferredAuthentications=password"])
        .arg(format!("{user}@{VICTIM}"))
        .arg("true");
    ssh.stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    Ok(())
}

fn scan(network: &Network) -> Result<()> {
    let mut nmap = network.inside(&network.outside, "nmap");
    nmap.args([
        "-n",
        "-Pn",
        "-sS",
        "-S",
        SCANNER,
        "-e",
        "eth0",
        "--top-ports",
        "200",
        VICTIM,
    ]);
    let status = nmap.stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    ensure!(status.success(), "nmap failed");
    Ok(())
}

fn run(program: &str, arguments: &[&str]) -> Result<()> {
    let output = command(program)
        .args(arguments)
        .output()
        .context(program.to_owned())?;
    let why = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(
        output.status.success(),
        "{program} {}: {why}",
        arguments.join(" ")
    );
    Ok(())
}

fn report(text: &str) {
    std::io::stderr()
        .write_all(format!("{text}\n").as_bytes())
        .unwrap_or_default();
}

#[expect(
    clippy::disallowed_methods,
    reason = "the recorded daemons give no sign to wait for"
)]
fn pause(milliseconds: u64) {
    std::thread::sleep(std::time::Duration::from_millis(milliseconds));
}
