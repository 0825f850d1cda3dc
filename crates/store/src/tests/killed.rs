//! A process that is killed at any moment: what it was told to be on disk is there, once.
#![expect(
    clippy::disallowed_methods,
    reason = "the test starts itself again as the process that is killed, and tells it where to work"
)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use event::journal::JournalEntry;

use super::node;
use crate::samples::notice;
use crate::{OpenRole, Sqlite, Store};

const FOLDER: &str = "VERTICE_STORE_KILLED_FOLDER";
const ROUNDS: usize = 12;

#[test]
fn what_was_acknowledged_before_a_kill_is_there_once_and_the_chain_holds() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    for round in 0..ROUNDS {
        acknowledged += run_and_kill(dir.path(), 1 + round * 3);
        let store = node(dir.path());
        let report = store.verify_audit().unwrap();
        assert!(report.intact(), "round {round}: {report:?}");
        store.check().unwrap();
    }
    let store = Sqlite::open(dir.path(), OpenRole::Visitor).unwrap();
    let records = store.journal(0, 10_000).unwrap();
    let numbers: Vec<u64> = records
        .iter()
        .map(|(_, record)| number_in(&record.entry))
        .collect();
    let unbroken: Vec<u64> = (1..=numbers.len() as u64).collect();
    assert_eq!(numbers, unbroken, "each once, in order");
    assert!(
        numbers.len() >= acknowledged,
        "{} of {acknowledged}",
        numbers.len()
    );
}

fn number_in(entry: &JournalEntry) -> u64 {
    let JournalEntry::Notice { text } = entry else {
        panic!("{entry:?}")
    };
    text.parse().unwrap()
}

/// Lets a process commit until it has acknowledged `lines`, then kills it; all it acknowledged.
fn run_and_kill(dir: &Path, lines: usize) -> usize {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "tests::killed::the_process_that_is_killed",
            "--ignored",
            "--nocapture",
        ])
        .env(FOLDER, dir)
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap())
        .lines()
        .map_while(Result::ok);
    let before = said.by_ref().take(lines).count();
    child.kill().unwrap();
    child.wait().unwrap();
    before + said.filter(|line| line.parse::<u64>().is_ok()).count()
}

#[test]
#[ignore = "started by the test above"]
fn the_process_that_is_killed() {
    let Some(dir) = std::env::var_os(FOLDER).map(PathBuf::from) else {
        eprintln!("nothing to do: runs when the test above starts it");
        return;
    };
    let store = node(&dir);
    for number in store.journal_head().unwrap() + 1..10_000 {
        store.commit(vec![notice(&number.to_string())]).unwrap();
        eprintln!("{number}");
    }
}
