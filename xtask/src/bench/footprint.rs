//! What the product takes when nothing happens: time to start, memory at rest, size.

use std::time::Duration;

use anyhow::Result;

use super::Bench;
use super::network::Network;
use super::node::{Node, Setting};
use super::process::{children, memory_mb, pause};
use super::reaction::new_log;
use super::table::{Bar, Row, percentile};
use crate::programs::{is_root, which};

const STARTS: usize = 10;
const REST: Duration = Duration::from_secs(10);

pub(super) fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let size = std::fs::metadata(&bench.vertice)?.len() as f64 / 1e6;
    let binary = Row::new("stripped binary", size, "MB", Bar::AtMost(25.0));
    let acts = is_root() && which("ip");
    let network = if acts {
        Some(Network::make("start")?)
    } else {
        None
    };
    let namespace = network.as_ref().map(|network| network.victim.as_str());
    let start = |name: &str| -> Result<Node> {
        let folder = bench.work.inside(name)?;
        let setting = Setting {
            folder: &folder,
            state: &folder.join("state"),
            source: &new_log(&folder)?,
            format: "syslog",
            follow: true,
            mode: if acts { "act" } else { "observe" },
            // Only in a namespace of its own is the console's port free for sure.
            console: acts,
            new_per_minute: 1000,
        };
        Node::start(
            &bench.vertice,
            namespace,
            &setting.write()?,
            &folder.join("words"),
        )
    };
    let mut starts = Vec::new();
    for number in 0..STARTS {
        starts.push(start(&format!("start-{number}"))?.ready.as_secs_f64() * 1000.0);
    }
    let node = start("rest")?;
    pause(REST);
    let processes: Vec<u32> = [vec![node.id()], children(node.id())].concat();
    let sum = |field: &str| {
        processes
            .iter()
            .map(|id| memory_mb(*id, field))
            .sum::<f64>()
    };
    let (idle, peak) = (sum("VmRSS"), sum("VmHWM"));
    let mode = if acts {
        "mode act with its actuator and console"
    } else {
        "mode observe, no root"
    };
    let slowest = percentile(&starts, 1.0);
    Ok(vec![
        Row::new(
            "start to ready, p50",
            percentile(&starts, 0.5),
            "ms",
            Bar::AtMost(300.0),
        )
        .note(format!(
            "{STARTS} starts on a new state folder, {mode}; slowest {slowest:.0} ms"
        )),
        Row::new("memory at rest after 10 s", idle, "MB", Bar::AtMost(60.0)).note(format!(
            "resident, {} processes; highest {peak:.1} MB",
            processes.len()
        )),
        binary,
    ])
}
