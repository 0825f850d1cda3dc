//! The contract on SQLite, and what only a file can do: two processes, damage, modes of files,
//! a full disk.

mod full_disk;
mod killed;
mod model;

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

#[test]
fn files_are_private_and_modes_are_narrowed() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("state");
    fs::create_dir(&dir).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
    let store = node(&dir);
    store.commit(vec![notice("a")]).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&dir), 0o700);
    for file in fs::read_dir(&dir).unwrap() {
        let path = file.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[test]
fn everything_is_there_after_closing_and_opening() {
    let dir = tempfile::tempdir().unwrap();
    node(dir.path())
        .commit(vec![notice("a"), receipt_record(1, 1, Outcome::Verified)])
        .unwrap();
    let store = node(dir.path());
    store.commit(vec![notice("b")]).unwrap();
    assert_eq!(store.journal_head().unwrap(), 3);
    assert!(store.latest_receipt(action_id(1)).unwrap().is_some());
    let report = store.verify_audit().unwrap();
    assert!(report.intact(), "{report:?}");
    assert_eq!(report.stored_head, Some(report.head));
    store.check().unwrap();
}

#[test]
fn a_visitor_decides_and_the_node_sees_it_and_answers() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path());
    let marker = node.change_marker().unwrap();
    let visitor = visitor(dir.path());
    let ticket = visitor.decide(&decision("it is ours")).unwrap();
    assert_ne!(node.change_marker().unwrap(), marker);
    let open = node.decisions_after(DecisionTicket::default(), 10).unwrap();
    assert_eq!(open, [(ticket, decision("it is ours"))]);
    let marker = visitor.change_marker().unwrap();
    let answered = Change::Answer {
        ticket,
        answer: answer("undone"),
    };
    node.commit(vec![answered]).unwrap();
    assert_ne!(visitor.change_marker().unwrap(), marker);
    assert_eq!(
        visitor.decision_answer(ticket).unwrap(),
        Some(answer("undone"))
    );
    assert!(visitor.verify_audit().unwrap().intact());
}

#[test]
fn a_visitor_manages_accounts_and_nothing_of_the_engine() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path());
    let visitor = visitor(dir.path());
    visitor
        .commit(vec![Change::User(user("ana", UserRole::Admin))])
        .unwrap();
    assert_eq!(node.users().unwrap().len(), 1);
    let open = incident(1, IncidentState::Open, Severity::Low);
    let forged = [
        receipt_record(1, 1, Outcome::Verified),
        Change::Incident(open),
    ];
    for change in forged {
        assert!(visitor.commit(vec![change]).is_err());
    }
    assert!(visitor.take_epoch().is_err());
    assert_eq!(node.journal_head().unwrap(), 0);
    visitor
        .commit(vec![notice("cli:root made ana admin")])
        .unwrap();
    node.commit(vec![notice("a")]).unwrap();
    assert!(node.verify_audit().unwrap().intact());
}

#[test]
fn two_writers_at_once_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let patient = Options {
        busy_timeout: std::time::Duration::from_secs(60), // SQLite's lock is not fair
        ..Options::default()
    };
    let node = Sqlite::open_with(dir.path(), OpenRole::Node, &patient).unwrap();
    let visitor = Sqlite::open_with(dir.path(), OpenRole::Visitor, &patient).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..50 {
                node.commit(vec![notice(&number.to_string())]).unwrap();
            }
        });
        scope.spawn(|| {
            for number in 0..50 {
                visitor.decide(&decision(&number.to_string())).unwrap();
            }
        });
        scope.spawn(|| {
            for _ in 0..50 {
                assert!(visitor.verify_audit().unwrap().intact());
            }
        });
    });
    assert_eq!(node.journal_head().unwrap(), 50);
    let open = node
        .decisions_after(DecisionTicket::default(), 100)
        .unwrap();
    assert_eq!(open.len(), 50);
}

#[test]
fn a_lock_held_by_another_process_is_busy_and_not_a_wait_without_end() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        busy_timeout: std::time::Duration::from_millis(20),
        ..Options::default()
    };
    let store = Sqlite::open_with(dir.path(), OpenRole::Node, &options).unwrap();
    let other = Connection::open(dir.path().join(STATE_FILE)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let busy = store.commit(vec![notice("a")]).unwrap_err();
    assert!(
        matches!(busy, StoreError::Busy) && busy.retry_helps(),
        "{busy}"
    );
    other.execute_batch("ROLLBACK").unwrap();
    store.commit(vec![notice("a")]).unwrap();
}

#[test]
fn a_node_that_was_taken_over_cannot_commit() {
    let dir = tempfile::tempdir().unwrap();
    let old = node(dir.path());
    let first = old.take_epoch().unwrap();
    old.commit(vec![notice("old")]).unwrap();
    let new = node(dir.path());
    let second = new.take_epoch().unwrap();
    assert!(second > first);
    let refused = old.commit(vec![notice("zombie")]).unwrap_err();
    assert!(
        matches!(refused, StoreError::Fenced { .. }) && !refused.retry_helps(),
        "{refused}"
    );
    new.commit(vec![notice("new")]).unwrap();
    assert_eq!(new.journal_head().unwrap(), 2);
    assert!(new.verify_audit().unwrap().intact());
}

#[test]
fn schemas_that_do_not_fit_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let missing = Sqlite::open(dir.path(), OpenRole::Visitor).unwrap_err();
    assert!(matches!(missing, StoreError::NotFound(_)), "{missing}");
    drop(node(dir.path()));
    let file = Connection::open(dir.path().join(STATE_FILE)).unwrap();
    file.pragma_update(None, "user_version", 999).unwrap();
    for role in [OpenRole::Node, OpenRole::Visitor] {
        let newer = Sqlite::open(dir.path(), role).unwrap_err();
        assert!(
            matches!(newer, StoreError::NewerSchema { found: 999, .. }),
            "{newer}"
        );
    }
    file.pragma_update(None, "user_version", 0).unwrap();
    let empty = Sqlite::open(dir.path(), OpenRole::Visitor).unwrap_err();
    assert!(matches!(empty, StoreError::NotFound(_)), "{empty}");
}

#[test]
fn another_programs_database_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(STATE_FILE);
    let other = Connection::open(&path).unwrap();
    other
        .execute_batch("CREATE TABLE bookmarks(url TEXT)")
        .unwrap();
    let refused = Sqlite::open(dir.path(), OpenRole::Node).unwrap_err();
    assert!(matches!(refused, StoreError::Corrupt(_)), "{refused}");
    let tables: i64 = other
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .unwrap();
    assert_eq!(tables, 1);
}

#[test]
fn a_file_of_garbage_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(STATE_FILE), [0xA5; 8192]).unwrap();
    for role in [OpenRole::Node, OpenRole::Visitor] {
        let refused = Sqlite::open(dir.path(), role).unwrap_err();
        assert!(matches!(refused, StoreError::Corrupt(_)), "{refused}");
    }
}

#[test]
fn a_damaged_page_is_an_error_and_no_panic() {
    let dir = tempfile::tempdir().unwrap();
    let store = node(dir.path());
    let notices = (0..2000).map(|number| notice(&format!("{number} {}", "x".repeat(40))));
    store.commit(notices.collect()).unwrap();
    drop(store); // the last connection moves the log into the file
    let path = dir.path().join(STATE_FILE);
    let mut bytes = fs::read(&path).unwrap();
    for page in bytes.chunks_mut(4096).skip(1) {
        page[..64].fill(0xFF);
    }
    fs::write(&path, bytes).unwrap();
    let store = Sqlite::open(dir.path(), OpenRole::Node);
    let failed = store.and_then(|store| store.verify_audit()).unwrap_err();
    assert!(matches!(failed, StoreError::Corrupt(_)), "{failed:?}");
}

#[test]
fn a_folder_where_the_file_should_be_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join(STATE_FILE)).unwrap();
    for role in [OpenRole::Node, OpenRole::Visitor] {
        assert!(Sqlite::open(dir.path(), role).is_err());
    }
}

#[test]
fn a_read_only_folder_is_named_as_that() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    fs::create_dir(&state).unwrap();
    fs::set_permissions(&state, fs::Permissions::from_mode(0o500)).unwrap();
    if fs::write(state.join("probe"), "").is_ok() {
        eprintln!("skipped: this account writes into read-only folders (root)");
        return;
    }
    let refused = Sqlite::open(&state, OpenRole::Node).unwrap_err();
    assert!(matches!(refused, StoreError::ReadOnly), "{refused}");
}

/// Opens the file as somebody who wants to cover traces.
fn intruder(dir: &Path, sql: &str) {
    let file = Connection::open(dir.join(STATE_FILE)).unwrap();
    let disarm = "DROP TRIGGER audit_is_never_changed; DROP TRIGGER audit_is_never_shortened;
        DROP TRIGGER audit_grows_at_its_end;";
    file.execute_batch(disarm).unwrap();
    file.execute_batch(sql).unwrap();
}

#[test]
fn the_audit_log_cannot_be_changed_by_accident() {
    let dir = tempfile::tempdir().unwrap();
    node(dir.path()).commit(vec![notice("a")]).unwrap();
    let file = Connection::open(dir.path().join(STATE_FILE)).unwrap();
    for sql in [
        "UPDATE audit SET who = 'nobody'",
        "DELETE FROM audit",
        "INSERT OR REPLACE INTO audit SELECT * FROM audit WHERE sequence = 1",
        "INSERT INTO audit SELECT 9, time_us, who, what, body, previous, hash FROM audit",
    ] {
        file.execute_batch("PRAGMA recursive_triggers = ON")
            .unwrap();
        let refused = file.execute(sql, []).unwrap_err();
        assert!(
            refused.to_string().contains("append-only"),
            "{sql}: {refused}"
        );
    }
}

#[test]
fn tampering_in_the_file_is_found_and_named() {
    let cases = [
        (
            "UPDATE audit SET who = 'nobody' WHERE sequence = 3",
            3,
            AuditFault::Content,
        ),
        (
            "UPDATE audit SET body = CAST(body AS BLOB) WHERE sequence = 2",
            2,
            AuditFault::Unreadable,
        ),
        (
            "DELETE FROM audit WHERE sequence = 4",
            4,
            AuditFault::Sequence,
        ),
        (
            "DELETE FROM audit WHERE sequence > 3",
            4,
            AuditFault::Truncated,
        ),
        (
            "INSERT INTO audit SELECT 0, time_us, who, what, body, previous, hash FROM audit
            WHERE sequence = 1",
            1,
            AuditFault::Sequence,
        ),
    ];
    for (sql, sequence, fault) in cases {
        let dir = tempfile::tempdir().unwrap();
        let store = node(dir.path());
        for number in 0..5 {
            store.commit(vec![notice(&number.to_string())]).unwrap();
        }
        intruder(dir.path(), sql);
        let broken = store.verify_audit().unwrap().broken.unwrap();
        assert_eq!((broken.sequence, broken.fault), (sequence, fault), "{sql}");
    }
}

#[test]
fn rows_cut_off_while_no_node_ran_go_on_to_show() {
    let dir = tempfile::tempdir().unwrap();
    let store = node(dir.path());
    store
        .commit((0..5).map(|number| notice(&number.to_string())).collect())
        .unwrap();
    drop(store);
    intruder(dir.path(), "DELETE FROM audit WHERE sequence > 3");
    let store = node(dir.path());
    let later = store.verify_audit().unwrap().broken.unwrap();
    assert_eq!((later.sequence, later.fault), (4, AuditFault::Truncated));
    store
        .commit(
            (0..5)
                .map(|number| notice(&format!("new {number}")))
                .collect(),
        )
        .unwrap();
    let later = store.verify_audit().unwrap().broken.unwrap();
    assert_eq!((later.sequence, later.fault), (5, AuditFault::Rewritten));
}

#[test]
fn a_damaged_head_file_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let store = node(dir.path());
    store.commit(vec![notice("a")]).unwrap();
    drop(store);
    fs::write(dir.path().join("audit.head"), "v1 garbage").unwrap();
    let broken = node(dir.path()).verify_audit().unwrap().broken.unwrap();
    assert_eq!(broken.fault, AuditFault::HeadUnreadable);
    fs::remove_file(dir.path().join("audit.head")).unwrap();
    let report = node(dir.path()).verify_audit().unwrap();
    assert!(report.intact());
    assert_eq!(report.stored_head, None);
}

#[test]
fn a_row_that_cannot_be_understood_is_left_out_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let store = node(dir.path());
    let both = [1, 2].map(|number| incident(number, IncidentState::Open, Severity::Low));
    store
        .commit(both.clone().map(Change::Incident).to_vec())
        .unwrap();
    let file = Connection::open(dir.path().join(STATE_FILE)).unwrap();
    file.execute(
        "UPDATE incidents SET body = '{' WHERE id = ?1",
        [incident_id(1).bytes()],
    )
    .unwrap();
    assert_eq!(
        store.incidents(&IncidentQuery::default()).unwrap(),
        both[1..]
    );
    assert_eq!(store.unreadable(), 1);
    let alone = store.incident(incident_id(1)).unwrap_err();
    assert!(matches!(alone, StoreError::Corrupt(_)), "{alone}");
}

#[test]
fn full_tables_drop_what_is_oldest_and_count_it() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits {
        findings: 3,
        evidence: 3,
        incidents: 3,
        sessions: 3,
        letters: 3,
        letter_bytes: 10,
    };
    let options = Options {
        limits,
        ..Options::default()
    };
    let store = Sqlite::open_with(dir.path(), OpenRole::Node, &options).unwrap();
    let mut changes = vec![Change::User(user("ana", UserRole::Admin))];
    for number in 1..=5 {
        let state = if number == 4 {
            IncidentState::Closed
        } else {
            IncidentState::Open
        };
        changes.push(Change::Finding {
            incident: incident_id(1),
            finding: finding(number),
        });
        changes.push(Change::Evidence(event(number)));
        changes.push(Change::Incident(incident(number, state, Severity::Low)));
        let token = u8::try_from(number).unwrap();
        changes.push(Change::Session(session(token, "ana", UserRole::Viewer)));
        changes.push(Change::DeadLetter(letter(number, b"four")));
    }
    store.commit(changes).unwrap();
    assert_eq!(store.finding(finding(2).id).unwrap(), None);
    assert!(store.finding(finding(3).id).unwrap().is_some());
    assert_eq!(store.evidence(event(2).id).unwrap(), None);
    assert!(store.evidence(event(3).id).unwrap().is_some());
    let kept = store.incidents(&IncidentQuery::default()).unwrap();
    let kept: Vec<_> = kept.iter().map(|incident| incident.id).collect();
    assert_eq!(
        kept,
        [5, 3, 2].map(incident_id),
        "the closed one went first"
    );
    assert_eq!(store.session(&[2; 32]).unwrap(), None);
    assert!(store.session(&[3; 32]).unwrap().is_some());
    assert_eq!(
        store.dead_letters(10).unwrap().len(),
        2,
        "three of four bytes are above ten"
    );
    let dropped = [
        ("dead_letters", 3),
        ("evidence", 2),
        ("findings", 2),
        ("incidents", 2),
        ("sessions", 2),
    ];
    assert_eq!(
        store.dropped().unwrap(),
        dropped.map(|(table, rows)| (table.to_owned(), rows))
    );
}

#[test]
fn without_the_reserve_only_undo_goes_through() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        reserve_bytes: 100_000,
        ..Options::default()
    };
    let store = Sqlite::open_with(dir.path(), OpenRole::Node, &options).unwrap();
    let reserve = dir.path().join(RESERVE_FILE);
    assert!(store.reserve_held());
    assert_eq!(fs::metadata(&reserve).unwrap().len(), 100_000);
    store.release_reserve().unwrap();
    store.release_reserve().unwrap();
    assert!(!store.reserve_held() && !reserve.exists());
    fs::create_dir(&reserve).unwrap(); // now it cannot be taken again
    assert!(store.commit(vec![notice("a")]).is_err());
    let undo = JournalEntry::UndoIntent {
        action: action_id(1),
        reason: "asked".to_owned(),
    };
    store.commit(vec![record(undo)]).unwrap();
    assert!(matches!(
        store.commit(vec![notice("b")]),
        Err(StoreError::Full)
    ));
    assert_eq!(store.journal_head().unwrap(), 1);
    fs::remove_dir(&reserve).unwrap();
    let tried = (0..32).any(|_| store.commit(vec![notice("c")]).is_ok());
    assert!(
        tried && store.reserve_held(),
        "there is space: the reserve is taken again"
    );
}

#[test]
fn a_status_is_replaced_whole_and_reads_back() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(read_status(dir.path()).unwrap(), None);
    let mut status = Status {
        node: "gate".to_owned(),
        now: at(3),
        ..Status::default()
    };
    write_status(dir.path(), &status).unwrap();
    status.events_per_s = 0.1;
    write_status(dir.path(), &status).unwrap();
    assert_eq!(read_status(dir.path()).unwrap(), Some(status));
    fs::write(dir.path().join("status.json"), "{\"node\": 7").unwrap();
    assert!(matches!(
        read_status(dir.path()),
        Err(StoreError::Corrupt(_))
    ));
    fs::write(dir.path().join("status.json"), "{\"unknown\": 7}").unwrap();
    assert_eq!(read_status(dir.path()).unwrap(), Some(Status::default()));
}

#[test]
fn maintenance_moves_the_log_into_the_file_while_the_store_is_open() {
    let dir = tempfile::tempdir().unwrap();
    let store = node(dir.path());
    let file = dir.path().join(STATE_FILE);
    let before = fs::metadata(&file).unwrap().len();
    let notices = (0..500).map(|number| notice(&format!("{number} {}", "x".repeat(900))));
    store.commit(notices.collect()).unwrap();
    assert_eq!(
        fs::metadata(&file).unwrap().len(),
        before,
        "still in the log"
    );
    let marker = store.change_marker().unwrap();
    store.maintain().unwrap();
    assert!(fs::metadata(&file).unwrap().len() > before + 450_000);
    assert_eq!(
        store.change_marker().unwrap(),
        marker,
        "nothing was written"
    );
}
