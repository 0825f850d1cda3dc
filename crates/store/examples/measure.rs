//! Prints what the store does a second on this machine's disk: `cargo run --release -p
//! vertice-store --example measure -- [folder]` (without a folder: a temporary one).

use std::path::Path;
use std::time::Instant;

use event::journal::{JournalEntry, JournalRecord};
use event::{ActionId, PlanId, Time};
use vertice_store::{Change, OpenRole, Sqlite, Store, StoreError};

const BATCH: u64 = 1000;
const BATCHES: u64 = 100;
const SINGLES: u64 = 1000;
/// So many commits apart, the write-ahead log is moved into the file, outside the time measured.
const COMMITS_BETWEEN: usize = 100;

#[expect(clippy::print_stdout, reason = "its output is its purpose")]
fn main() -> Result<(), StoreError> {
    let temporary = tempfile::tempdir().map_err(|error| StoreError::Other(error.to_string()))?;
    let given = std::env::args().nth(1);
    let dir = given.as_deref().map_or_else(|| temporary.path(), Path::new);
    let store = Sqlite::open(dir, OpenRole::Node)?;
    store.take_epoch()?;
    println!("{}", journal(&store, BATCH, BATCHES)?);
    println!("{}", journal(&store, 1, SINGLES)?);
    let (seconds, report) = timed(|| store.verify_audit())?;
    let rate = per_second(report.rows, seconds);
    println!(
        "audit verify: {} rows, {rate:.0} rows/s, intact {}",
        report.rows,
        report.intact()
    );
    Ok(())
}

fn journal(store: &Sqlite, records: u64, commits: u64) -> Result<String, StoreError> {
    let mut times = Vec::new();
    for batch in (0..commits).map(|batch| intents(batch, records)) {
        if times.len() % COMMITS_BETWEEN == 0 {
            store.maintain()?;
        }
        let (seconds, ()) = timed(|| store.commit(batch))?;
        times.push(seconds);
    }
    times.sort_by(f64::total_cmp);
    let rate = per_second(records * commits, times.iter().sum());
    let at = |share: usize| {
        times
            .get(times.len() * share / 1000)
            .copied()
            .unwrap_or_default()
            * 1e3
    };
    Ok(format!(
        "journal, {records} a commit: {rate:.0} records/s, p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms",
        at(500),
        at(990),
        at(999)
    ))
}

fn intents(batch: u64, records: u64) -> Vec<Change> {
    let one = |number: u64| {
        Change::Journal(JournalRecord {
            time: Time::from_seconds(1_790_000_000),
            who: "engine".to_owned(),
            entry: JournalEntry::Intent {
                action: ActionId::of(&[&batch.to_le_bytes(), &number.to_le_bytes()]),
                plan: PlanId::of(&[&batch.to_le_bytes()]),
                step: "block".to_owned(),
                until: Time::from_seconds(1_790_000_600),
                approved: false,
            },
        })
    };
    (0..records).map(one).collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a measurement needs the real clock"
)]
fn timed<T>(work: impl FnOnce() -> Result<T, StoreError>) -> Result<(f64, T), StoreError> {
    let start = Instant::now();
    let done = work()?;
    Ok((start.elapsed().as_secs_f64(), done))
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn per_second(items: u64, seconds: f64) -> f64 {
    items as f64 / seconds.max(1e-9)
}
