//! The contract on SQLite, and what only a file can do: two processes, damage, modes of files,
//! a full disk.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use event::journal::JournalEntry;
use event::{IncidentState, Outcome, Severity};
use rusqlite::Connection;

use crate::samples::{
    action_id, answer, at, decision, event, finding, incident, incident_id, letter, notice,
    receipt_record, record, session, user,
};
use crate::{
    AuditFault, Change, DecisionTicket, IncidentQuery, Limits, OpenRole, Options, RESERVE_FILE,
    STATE_FILE, Sqlite, Status, Store, StoreError, UserRole, contract, read_status, write_status,
};

fn node(dir: &Path) -> Sqlite {
    Sqlite::open(dir, OpenRole::Node).unwrap()
}

fn visitor(dir: &Path) -> Sqlite {
    Sqlite::open(dir, OpenRole::Visitor).unwrap()
}

#[test]
fn sqlite_keeps_every_promise() {
    for (name, promise) in contract::ALL {
        eprintln!("{name}");
        let dir = tempfile::tempdir().unwrap();
        promise(&node(dir.path()));
    }
}
