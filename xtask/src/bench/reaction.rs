//! From the line in auth.log to the attacker's packets dropped, with real packets; fail2ban beside.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::Bench;
use super::fail2ban::Fail2ban;
use super::logs::{Random, address};
use super::network::Network;
use super::node::{Attack, Duel, Monitor, Node, Setting, page};
use super::process::pause;
use super::table::{Bar, Row, percentile};

const ROUNDS: u64 = 50;
/// The peer is slower; fewer rounds tell as much.
const PEER_ROUNDS: u64 = 20;
const FAILURES: usize = 6;
/// Our sets: what slows to five packets a minute comes first, what cuts off second.
pub(super) const SETS: &[&str] = &[" limit4", " block4"];

/// What the rounds gave, milliseconds.
#[derive(Debug, Default)]
struct Rounds {
    /// Line written → first packet that did not come back.
    dropped: Vec<f64>,
    /// Line written → address in one of the sets that drop.
    blocked: Vec<f64>,
}

pub(super) fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let (ours, histogram) = ours(bench)?;
    let polling = peer(bench, "polling");
    let inotify = peer(bench, "pyinotify");
    let name = "fail2ban 1.0.2";
    let row = |figure: &str, share: f64, bar: f64, of: fn(&Rounds) -> &Vec<f64>| {
        let peer = inotify
            .as_ref()
            .ok()
            .map(|rounds| percentile(of(rounds), share));
        let row = Row::new(figure, percentile(of(&ours), share), "ms", Bar::AtMost(bar));
        row.beside(peer, &format!("{name}, inotify"))
    };
    let shown = |rounds: &Result<Rounds>| match rounds {
        Ok(rounds) => {
            let values = &rounds.dropped;
            format!(
                "p50 {:.0} ms, p99 {:.0} ms",
                percentile(values, 0.5),
                percentile(values, 0.99)
            )
        }
        Err(error) => format!("not measured: {error:#}"),
    };
    let note = format!(
        "{ROUNDS} rounds of {FAILURES} failures, a probe each 1 ms; ours slows to five packets a \
         minute at this certainty, the peer blocks; {name} polling: {}, inotify: {}",
        shown(&polling),
        shown(&inotify)
    );
    Ok(vec![
        row("line → packets dropped, p50", 0.5, 100.0, |rounds| {
            &rounds.dropped
        })
        .note(note),
        row("line → packets dropped, p99", 0.99, 250.0, |rounds| {
            &rounds.dropped
        }),
        row("line → in the kernel's set, p50", 0.5, 100.0, |rounds| {
            &rounds.blocked
        }),
        row("line → in the kernel's set, p99", 0.99, 250.0, |rounds| {
            &rounds.blocked
        }),
        histogram
            .row("finding → dropped, p50", 0.5, 10.0)
            .note(histogram.note()),
        histogram.row("finding → dropped, p99", 0.99, 50.0),
    ])
}

fn ours(bench: &Bench) -> Result<(Rounds, Histogram)> {
    let folder = bench.work.inside("reaction")?;
    let log = new_log(&folder)?;
    let network = Network::make("react")?;
    let state = folder.join("state");
    let config = Setting {
        folder: &folder,
        state: &state,
        source: &log,
        format: "syslog",
        follow: true,
        mode: "act",
        console: true,
        new_per_minute: 1000,
    };
    let node = Node::start(
        &bench.vertice,
        Some(&network.victim),
        &config.write()?,
        &folder.join("words"),
    )?;
    let rounds = rounds(&network, &log, SETS, ROUNDS)?;
    let histogram = Histogram::read(&page(&network.victim, "/metrics")?)?;
    drop(node);
    Ok((rounds, histogram))
}

fn peer(bench: &Bench, backend: &str) -> Result<Rounds> {
    let peer = bench
        .peer
        .as_ref()
        .map_err(|why| anyhow::anyhow!("{why}"))?;
    let folder = bench.work.inside(&format!("reaction-{backend}"))?;
    let log = new_log(&folder)?;
    let network = Network::make("f2b")?;
    let server = peer.serve(&folder, &log, &network.victim, backend)?;
    let rounds = rounds(&network, &log, Fail2ban::SETS, PEER_ROUNDS);
    drop(server);
    rounds
}

/// An empty log.
pub(super) fn new_log(folder: &Path) -> Result<std::path::PathBuf> {
    let log = folder.join("auth.log");
    std::fs::write(&log, "")?;
    Ok(log)
}

fn rounds(network: &Network, log: &Path, sets: &'static [&str], count: u64) -> Result<Rounds> {
    let monitor = Monitor::start(&network.victim, sets)?;
    let mut duel = Duel::start(network, log)?;
    let mut random = Random::new(99);
    let mut rounds = Rounds::default();
    // The first attack is not counted: the peer makes its table only now.
    duel.attack(&address(900).to_string(), FAILURES)?;
    for round in 0..count {
        // A machine at rest, met at any phase of whoever polls.
        pause(Duration::from_millis(150 + random.below(500)));
        let from = address(1000 + round * 131).to_string();
        let attack = duel.attack(&from, FAILURES)?;
        ensure!(
            attack.dropped_ms.is_some(),
            "packets of {from} still came through after 20 s"
        );
        note(&mut rounds, &from, attack, &monitor);
    }
    Ok(rounds)
}

fn note(rounds: &mut Rounds, from: &str, attack: Attack, monitor: &Monitor) {
    rounds.dropped.extend(attack.dropped_ms);
    // The rate limit may drop first; the block follows within the same plan.
    for _ in 0..500 {
        if let Some(seen) = monitor.seen(from) {
            rounds
                .blocked
                .push((seen - attack.written_micros) as f64 / 1000.0);
            return;
        }
        pause(Duration::from_millis(10));
    }
    rounds.blocked.push(f64::INFINITY);
}

/// The node's own histogram: from making the finding to the effect read back. Journal, effect and
/// read-back are all inside, so it bounds "finding → dropped" from above.
#[derive(Debug)]
struct Histogram {
    /// Upper bound, ms, and how many lie at or below it.
    buckets: Vec<(f64, f64)>,
    count: f64,
}

impl Histogram {
    const NAME: &str = "vertice_finding_to_block_seconds";

    fn read(page: &str) -> Result<Self> {
        let value = |line: &str| line.rsplit(' ').next()?.parse::<f64>().ok();
        let mut buckets = Vec::new();
        for line in page
            .lines()
            .filter_map(|line| line.strip_prefix(Self::NAME))
        {
            let Some(rest) = line.strip_prefix("_bucket{le=\"") else {
                continue;
            };
            let bound = rest
                .split('"')
                .next()
                .and_then(|bound| bound.parse::<f64>().ok());
            if let (Some(bound), Some(count)) = (bound, value(rest)) {
                buckets.push((bound * 1000.0, count));
            }
        }
        let count = buckets
            .last()
            .map(|(_, count)| *count)
            .context("no histogram")?;
        ensure!(count > 0.0, "the node counted no effect");
        Ok(Self { buckets, count })
    }

    /// The bucket's upper bound that holds this share.
    fn percentile(&self, share: f64) -> f64 {
        let wanted = share * self.count;
        let bucket = self.buckets.iter().find(|(_, count)| *count >= wanted);
        bucket.map_or(f64::INFINITY, |(bound, _)| *bound)
    }

    fn row(&self, figure: &str, share: f64, bar: f64) -> Row {
        Row::new(figure, self.percentile(share), "ms", Bar::AtMost(bar))
    }

    fn note(&self) -> String {
        format!(
            "an upper bound: the bucket of the node's own {} ({} effects), which runs from making \
             the finding to the effect read back",
            Self::NAME,
            self.count
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Histogram;

    #[test]
    fn the_histogram_is_read_from_metrics() {
        let name = Histogram::NAME;
        let page = format!(
            "HTTP/1.1 200 OK\r\n\r\n{name}_sum 1.5\n{name}_count 100\n\
             {name}_bucket{{le=\"0.005\"}} 10\n{name}_bucket{{le=\"0.01\"}} 60\n\
             {name}_bucket{{le=\"0.05\"}} 99\n{name}_bucket{{le=\"+Inf\"}} 100\n"
        );
        let histogram = Histogram::read(&page).unwrap();
        assert_eq!(histogram.percentile(0.5), 10.0);
        assert_eq!(histogram.percentile(0.99), 50.0);
        assert!(histogram.percentile(1.0).is_infinite());
        assert!(Histogram::read("HTTP/1.1 200 OK").is_err());
    }
}
