//! Prints what the store does a second on this machine's disk: `cargo run --release -p
//! vertice-store --example measure -- [folder]` (without a folder: a temporary one).

use std::path::Path;
use std::time::Instant;

use event::journal::{JournalEntry, JournalRecord};
use event::{ActionId, PlanId, Time};
use vertice_store::{Change, OpenRole, Sqlite, Store, StoreError};

const BATCH: u64 = 1000;
const BATCHES: u64 = 100;
const SINGLES: u64 = 200;

#[expect(clippy::print_stdout, reason = "its output is its purpose")]
fn main() -> Result<(), StoreError> {
    let temporary = tempfile::tempdir().map_err(|error| StoreError::Other(error.to_string()))?;
    let given = std::env::args().nth(1);
    let dir = given.as_deref().map_or_else(|| temporary.path(), Path::new);
    let store = Sqlite::open(dir, OpenRole::Node)?;
    store.take_epoch()?;
    let batches: Vec<_> = (0..BATCHES).map(|batch| intents(batch, BATCH)).collect();
    let mut times = Vec::new();
    for batch in batches {
        let (seconds, ()) = timed(|| store.commit(batch))?;
        times.push(seconds);
    }
    times.sort_by(f64::total_cmp);
    let total: f64 = times.iter().sum();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    let most = times.last().copied().unwrap_or_default();
    println!(
        "journal, {BATCH} a commit: {:.0} records/s, p50 {:.1} ms, max {:.1} ms",
        per_second(BATCH * BATCHES, total),
        median * 1e3,
        most * 1e3
    );
    let (seconds, ()) = timed(|| (0..SINGLES).try_for_each(|n| store.commit(intents(n, 1))))?;
    println!(
        "journal, 1 a commit: {:.0} records/s",
        per_second(SINGLES, seconds)
    );
    let (seconds, report) = timed(|| store.verify_audit())?;
    let rate = per_second(report.rows, seconds);
    println!(
        "audit verify: {} rows, {rate:.0} rows/s, intact {}",
        report.rows,
        report.intact()
    );
    Ok(())
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
