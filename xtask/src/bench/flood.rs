//! Many attackers at once: from the one write of all their lines until all are in a set that drops
//! their packets (ours slows first to five packets a minute, and blocks with more certainty).

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::Bench;
use super::fail2ban::Fail2ban;
use super::logs::{address, failure};
use super::network::Network;
use super::node::{Monitor, Node, Setting};
use super::process::{pause, unix_micros};
use super::reaction::{SETS, new_log};
use super::table::{Bar, Row};

/// Lines of each attacker: enough for the first effect, and enough to be sure of.
const LINES_SLOW: u64 = 5;
const LINES_SURE: u64 = 25;
const PATIENCE: Duration = Duration::from_secs(60);
const PEER_PATIENCE: Duration = Duration::from_secs(120);

pub(super) fn thousand(bench: &Bench) -> Result<Vec<Row>> {
    let [slowed, blocked] = rows(bench, 1000, 2.0);
    let slowed = match peer(bench, 1000) {
        Ok(seconds) => slowed.beside(Some(seconds), "fail2ban 1.0.2, inotify, blocked"),
        Err(error) => slowed.note(format!("peer not measured: {error:#}")),
    };
    Ok(vec![slowed, blocked])
}

pub(super) fn ten_thousand(bench: &Bench) -> Result<Vec<Row>> {
    Ok(rows(bench, 10_000, 10.0).into())
}

fn rows(bench: &Bench, attackers: u64, bar_s: f64) -> [Row; 2] {
    let row = |word: &str, lines: u64, sets: &'static [&str]| {
        let figure = format!("{attackers} attackers × {lines} lines, all {word}");
        match ours(bench, attackers, lines, sets) {
            Ok(seconds) => Row::new(&figure, seconds, "s", Bar::AtMost(bar_s)),
            Err(error) => Row::absent(&figure, &format!("{error:#}")),
        }
    };
    let note = format!(
        "written at once; response.new_per_minute = {} (default 1000: beyond, effects wait for a \
         person); slowed = to five packets a minute, or blocked",
        per_minute(attackers)
    );
    [
        row("slowed", LINES_SLOW, SETS),
        row("blocked", LINES_SURE, &[" block4"]).note(note),
    ]
}

/// Two effects an attacker (slow, then block) and room for a relapse.
const fn per_minute(attackers: u64) -> u64 {
    attackers * 4
}

fn ours(bench: &Bench, attackers: u64, lines: u64, sets: &'static [&str]) -> Result<f64> {
    let folder = bench.work.inside("flood")?;
    let log = new_log(&folder)?;
    let network = Network::make("flood")?;
    let state = folder.join("state");
    let setting = Setting {
        folder: &folder,
        state: &state,
        source: &log,
        format: "syslog",
        follow: true,
        mode: "act",
        console: true,
        new_per_minute: per_minute(attackers),
    };
    let words = folder.join("words");
    let _node = Node::start(
        &bench.vertice,
        Some(&network.victim),
        &setting.write()?,
        &words,
    )?;
    pause(Duration::from_secs(1));
    flood(&network, &log, sets, (attackers, lines), PATIENCE)
}

fn peer(bench: &Bench, attackers: u64) -> Result<f64> {
    let peer = bench
        .peer
        .as_ref()
        .map_err(|why| anyhow::anyhow!("{why}"))?;
    let folder = bench.work.inside("flood-peer")?;
    let log = new_log(&folder)?;
    let network = Network::make("ff2b")?;
    let _server = peer.serve(&folder, &log, &network.victim, "pyinotify")?;
    pause(Duration::from_secs(1));
    flood(
        &network,
        &log,
        Fail2ban::SETS,
        (attackers, LINES_SLOW),
        PEER_PATIENCE,
    )
}

/// Seconds from the write to the last one blocked.
fn flood(
    network: &Network,
    log: &Path,
    sets: &'static [&str],
    (attackers, lines_each): (u64, u64),
    patience: Duration,
) -> Result<f64> {
    let monitor = Monitor::start(&network.victim, sets)?;
    let second = unix_micros() / 1_000_000;
    let one = |line: u64| failure(second, address(line % attackers), 1000 + line % attackers);
    let lines: String = (0..attackers * lines_each).map(one).collect();
    let mut log = std::fs::OpenOptions::new().append(true).open(log)?;
    let written = unix_micros();
    log.write_all(lines.as_bytes())?;
    let (count, last) = monitor.wait(attackers as usize, patience);
    let seconds = (last - written) as f64 / 1e6;
    ensure!(
        count as u64 >= attackers,
        "{count} of {attackers} dropped {patience:?} after the write, the last one after {seconds:.2} s"
    );
    Ok(seconds)
}
