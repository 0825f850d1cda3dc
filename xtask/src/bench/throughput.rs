//! Lines and records per CPU second of whole processes.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};

use super::Bench;
use super::logs::{self, EVE_BYTES};
use super::node::Setting;
use super::process::{Folder, Spent, timed, unix_micros};
use super::rsyslog;
use super::table::{Bar, Row};
use crate::programs::command;

const AUTH_LINES: u64 = 1_000_000;
/// The peer reads the first lines of the same file.
const PEER_LINES: u64 = 100_000;
const EVE_RECORDS: u64 = 500_000;
/// Each state folder is measured so often; the faster run counts.
const EVE_RUNS: usize = 2;
const COST: &str = "cost of acknowledged durability";
const MEMORY_FOLDER: &str = "/dev/shm";

/// auth.log lines to decisions, by `vertice detect` and by `fail2ban-regex`.
pub(super) fn auth(bench: &Bench) -> Result<Vec<Row>> {
    let folder = bench.work.inside("auth")?;
    let log = folder.join("auth.log");
    logs::write_auth(&log, AUTH_LINES, unix_micros() / 1_000_000)?;
    let findings = folder.join("findings.jsonl");
    let mut detect = command(&bench.vertice.display().to_string());
    detect
        .args(["detect", "--json"])
        .arg(&log)
        .stdout(std::fs::File::create(&findings)?);
    let spent = timed(&mut detect, &folder.join("words"))?;
    let found = std::fs::read_to_string(&findings)?.lines().count();
    ensure!(found > 0, "no finding in {AUTH_LINES} lines");
    let rate = AUTH_LINES as f64 / spent.cpu_s;
    let row = Row::new(
        "auth.log → decisions, per core",
        rate,
        "lines/s",
        Bar::AtLeast(150_000.0),
    );
    let note = format!("{AUTH_LINES} lines, {found} findings, {}", shown(&spent));
    Ok(vec![match peer(bench, &log, &folder) {
        Ok(peer) => {
            let words = format!("; peer: {PEER_LINES} lines, peak {:.0} MB", peer.peak_mb);
            row.beside(Some(PEER_LINES as f64 / peer.cpu_s), "fail2ban-regex 1.0.2")
                .note(note + &words)
        }
        Err(error) => row.note(format!("{note}; peer not measured: {error:#}")),
    }])
}

fn peer(bench: &Bench, log: &Path, folder: &Path) -> Result<Spent> {
    let peer = bench
        .peer
        .as_ref()
        .map_err(|why| anyhow::anyhow!("{why}"))?;
    let text = std::fs::read_to_string(log)?;
    let lines: String = text
        .split_inclusive('\n')
        .take(PEER_LINES as usize)
        .collect();
    let part = folder.join("part.log");
    std::fs::write(&part, lines)?;
    let mut regex = peer.regex(&part);
    regex.stdout(Stdio::null());
    timed(&mut regex, &folder.join("peer-words"))
}

/// EVE records: parse, detect, durable append; and what durability costs in wall time.
pub(super) fn eve(bench: &Bench) -> Result<Vec<Row>> {
    let folder = bench.work.inside("eve")?;
    let input = folder.join("eve.jsonl");
    logs::write_eve(&input, EVE_RECORDS, unix_micros() / 1_000_000)?;
    let disk = best(bench, &folder, &folder, &input)?;
    let rate = |seconds: f64| EVE_RECORDS as f64 / seconds;
    let figure = |name: &str, seconds: f64, bar: f64| {
        Row::new(name, rate(seconds), "events/s", Bar::AtLeast(bar))
    };
    let mut note = format!(
        "{EVE_RECORDS} records of {EVE_BYTES} bytes, parse → detect → acknowledged append; {}",
        shown(&disk)
    );
    let per_core = figure("EVE 1 kB → durable, per core", disk.cpu_s, 100_000.0);
    let per_core = match rsyslog::cpu_s(&folder, &input) {
        Ok(seconds) => per_core.beside(Some(rate(seconds)), "rsyslog: no detection, no sync"),
        Err(error) => {
            note.push_str(&format!("; peer not measured: {error:#}"));
            per_core
        }
    };
    let cost = durability(bench, &folder, &input, &disk)
        .unwrap_or_else(|error| Row::absent(COST, &format!("{error:#}")));
    let wall = figure("EVE 1 kB → durable, wall", disk.wall_s, 60_000.0);
    Ok(vec![per_core.note(note), wall, cost])
}

/// The same with the state in memory, where a sync costs nothing.
fn durability(bench: &Bench, folder: &Path, input: &Path, disk: &Spent) -> Result<Row> {
    let memory = Folder::make(Path::new(MEMORY_FOLDER))?;
    let volatile = best(bench, folder, memory.path(), input)?;
    let cost = (disk.wall_s / volatile.wall_s - 1.0) * 100.0;
    let note = format!(
        "wall {:.2} s on disk, {:.2} s in memory",
        disk.wall_s, volatile.wall_s
    );
    Ok(Row::new(COST, cost, "%", Bar::AtMost(25.0)).note(note))
}

fn shown(spent: &Spent) -> String {
    let Spent {
        wall_s,
        cpu_s,
        peak_mb,
    } = spent;
    format!("{cpu_s:.2} s CPU, {wall_s:.2} s wall, peak {peak_mb:.0} MB")
}

/// The fastest of some runs, each on a new state folder in `place`.
fn best(bench: &Bench, folder: &Path, place: &Path, input: &Path) -> Result<Spent> {
    let mut runs: Vec<Spent> = Vec::new();
    for _ in 0..EVE_RUNS {
        let state = place.join("state");
        let setting = Setting {
            folder,
            state: &state,
            source: input,
            format: "eve",
            follow: false,
            mode: "observe",
            console: false,
            new_per_minute: 1000,
        };
        let mut node = command(&bench.vertice.display().to_string());
        node.arg("--config")
            .arg(setting.write()?)
            .args(["run", "--until-end"]);
        runs.push(timed(node.stdout(Stdio::null()), &folder.join("words"))?);
        std::fs::remove_dir_all(&state)?;
    }
    runs.into_iter()
        .min_by(|a, b| a.wall_s.total_cmp(&b.wall_s))
        .context("no run")
}
