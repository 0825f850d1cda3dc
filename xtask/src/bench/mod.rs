//! `cargo xtask bench [ROW…]`: the product's figures beside its peer's, from one run on one machine.
//!
//! Builds the release binary, makes its own seeded input, and measures what a user would feel: CPU
//! seconds of whole processes, wall time from a written line to a dropped packet, memory as the
//! kernel counts it. The peers are Debian's fail2ban, unpacked beside and started by hand on the
//! same log, and rsyslog where it is installed. What acts on a packet filter does so in network namespaces of its own.
//!
//! Absent on purpose: gates (absolute times say more about a machine than about a change), micro
//! benchmarks, and anything installed or left behind.

mod fail2ban;
mod flood;
mod footprint;
mod host;
mod logs;
mod network;
mod node;
mod process;
mod reaction;
mod rsyslog;
mod table;
mod throughput;

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};

use crate::programs::{command, is_root, target_folder, which};
use fail2ban::Fail2ban;
use table::Row;

pub(crate) use host::run as run_host;

/// What the rows are measured with.
struct Bench {
    /// The release binary.
    vertice: PathBuf,
    /// A folder on disk for inputs and states, removed at the end.
    work: process::Folder,
    /// The peer, or why there is none.
    peer: Result<Fail2ban, String>,
}

/// One group of rows.
struct Group {
    name: &'static str,
    root: bool,
    measure: fn(&Bench) -> Result<Vec<Row>>,
}

/// All groups, in the order of the table.
const GROUPS: &[Group] = &[
    Group {
        name: "auth",
        root: false,
        measure: throughput::auth,
    },
    Group {
        name: "eve",
        root: false,
        measure: throughput::eve,
    },
    Group {
        name: "reaction",
        root: true,
        measure: reaction::measure,
    },
    Group {
        name: "flood-1000",
        root: true,
        measure: flood::thousand,
    },
    Group {
        name: "flood-10000",
        root: true,
        measure: flood::ten_thousand,
    },
    Group {
        name: "footprint",
        root: false,
        measure: footprint::measure,
    },
];

/// Measures the groups of these names, or all, and prints one table.
///
/// `--no-build` before the names measures the release binary that is there.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    let (build, names) = match words {
        ["--no-build", names @ ..] => (false, names),
        names => (true, names),
    };
    for name in names {
        let known: Vec<&str> = GROUPS.iter().map(|group| group.name).collect();
        ensure!(
            known.contains(name),
            "unknown row {name}; one of {}",
            known.join(", ")
        );
    }
    let bench = Bench::prepare(build)?;
    let mut rows = Vec::new();
    for group in GROUPS {
        if names.is_empty() || names.contains(&group.name) {
            rows.extend(measured(group, &bench));
        }
    }
    drop(bench);
    println!("{}", table::machine());
    println!("{}", table::text(&rows));
    Ok(())
}

/// A group that fails becomes a row that says why, and the others go on.
fn measured(group: &Group, bench: &Bench) -> Vec<Row> {
    println!("measuring {} …", group.name);
    if group.root && !(is_root() && which("ip") && which("nft")) {
        return vec![Row::absent(group.name, "needs root, ip and nft")];
    }
    match (group.measure)(bench) {
        Ok(rows) => rows,
        Err(error) => vec![Row::absent(group.name, &format!("{error:#}"))],
    }
}

impl Bench {
    fn prepare(build: bool) -> Result<Self> {
        if build {
            release()?;
        }
        let target = std::path::absolute(target_folder())?;
        let work = process::Folder::make(&target)?;
        let peer = Fail2ban::unpack(work.path()).map_err(|error| format!("{error:#}"));
        if let Err(why) = &peer {
            println!("no peer: {why}");
        }
        Ok(Self {
            vertice: target.join("release/vertice"),
            work,
            peer,
        })
    }
}

fn release() -> Result<()> {
    println!("building the release binary …");
    let build = ["build", "--release", "--quiet", "--package", "vertice"];
    let status = command("cargo").args(build).status().context("cargo")?;
    if !status.success() {
        bail!("the release build failed");
    }
    Ok(())
}
