//! A disk that is really full, and a file system that is really read-only: small tmpfs mounts
//! in a mount namespace that ends with the test.
#![expect(
    clippy::disallowed_methods,
    reason = "the test starts itself again inside a mount namespace and tells it where to work"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use event::journal::JournalEntry;

use super::node;
use crate::samples::{action_id, decision, notice, record};
use crate::{OpenRole, Sqlite, Store, StoreError};

const FOLDER: &str = "VERTICE_STORE_TEST_FOLDER";

/// Runs `test` of this file again, as root of a mount namespace where `prepare` was run first.
fn inside_namespace(test: &str, prepare: &str) {
    let dir = tempfile::tempdir().unwrap();
    let script = format!("{prepare} && exec \"$1\" --exact \"$2\" --ignored --nocapture");
    let status = Command::new("unshare")
        .args([
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-c",
            &script,
            "sh",
        ])
        .arg(std::env::current_exe().unwrap())
        .arg(format!("tests::full_disk::{test}"))
        .env(FOLDER, dir.path())
        .status()
        .unwrap();
    assert!(status.success(), "{test}: {status}");
}

fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os(FOLDER).map(PathBuf::from);
    if folder.is_none() {
        eprintln!("nothing to do: runs inside the namespace that the test beside it makes");
    }
    folder
}

#[test]
#[ignore = "needs root: run by cargo xtask test"]
fn a_full_disk_stops_containment_and_not_undo() {
    let prepare = format!("mount -t tmpfs -o size=8m tmpfs \"${FOLDER}\"");
    inside_namespace("full_disk_inside", &prepare);
}

#[test]
#[ignore = "started by the test above"]
fn full_disk_inside() {
    let Some(dir) = folder() else { return };
    let store = node(&dir);
    store.commit(vec![notice("first")]).unwrap();
    assert!(store.reserve_held());
    fill(&dir);
    let (committed, full) = commit_until_full(&store);
    assert!(
        matches!(full, StoreError::Full) && full.retry_helps(),
        "{full}"
    );
    assert_eq!(
        store.journal_head().unwrap(),
        committed + 1,
        "nothing half done"
    );

    let visitor = Sqlite::open(&dir, OpenRole::Visitor).unwrap();
    visitor.decide(&decision("undo it")).unwrap();
    for _ in 0..50 {
        let reason = "asked".to_owned();
        let action = action_id(1);
        store
            .commit(vec![record(JournalEntry::UndoIntent { action, reason })])
            .unwrap();
    }
    assert!(
        !store.reserve_held(),
        "the reserve was given back for the undo"
    );
    assert_eq!(store.journal_head().unwrap(), committed + 51);
    assert!(store.verify_audit().unwrap().intact());

    std::fs::remove_file(dir.join("ballast")).unwrap();
    let again = (0..32).any(|_| store.commit(vec![notice("again")]).is_ok());
    assert!(again && store.reserve_held(), "there is space again");
    assert!(store.verify_audit().unwrap().intact());
}

fn fill(dir: &Path) {
    use std::io::Write;
    let mut ballast = std::fs::File::create(dir.join("ballast")).unwrap();
    while ballast.write_all(&[7; 4096]).is_ok() {}
}

fn commit_until_full(store: &Sqlite) -> (u64, StoreError) {
    for done in 0..10_000 {
        if let Err(error) = store.commit(vec![notice(&"x".repeat(2000))]) {
            return (done, error);
        }
    }
    panic!("8 MiB took 20 MB");
}

#[test]
#[ignore = "needs root: run by cargo xtask test"]
fn a_read_only_file_system_is_named_as_that() {
    let prepare = format!("mount -t tmpfs -o ro tmpfs \"${FOLDER}\"");
    inside_namespace("read_only_inside", &prepare);
}

#[test]
#[ignore = "started by the test above"]
fn read_only_inside() {
    let Some(dir) = folder() else { return };
    for path in [dir.clone(), dir.join("state")] {
        let refused = Sqlite::open(&path, OpenRole::Node).unwrap_err();
        assert!(matches!(refused, StoreError::ReadOnly), "{refused}");
    }
}
