//! The tables, and how an older file becomes a newer one.
//!
//! Columns are what is searched by; the noun itself lies beside them as JSON. Times are
//! microseconds of UTC, ids are their 16 bytes.

use rusqlite::{Connection, TransactionBehavior};

use crate::StoreError;

/// `VERT`: tells our files from any other program's.
const APPLICATION_ID: i64 = 0x5645_5254;

/// Step n makes schema n+1 of schema n. A step that was ever released is never changed.
const MIGRATIONS: &[&str] = &[SCHEMA_1];

const SCHEMA_1: &str = "
CREATE TABLE counters(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE incidents(
    id BLOB PRIMARY KEY, state TEXT NOT NULL, severity INTEGER NOT NULL,
    changed INTEGER NOT NULL, body TEXT NOT NULL);
CREATE INDEX incidents_by_change ON incidents(changed, state, severity);
CREATE INDEX incidents_by_state ON incidents(state, severity);
CREATE TABLE findings(
    sequence INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, incident BLOB NOT NULL,
    time_us INTEGER NOT NULL, body TEXT NOT NULL);
CREATE INDEX findings_by_incident ON findings(incident, time_us);
CREATE TABLE evidence(sequence INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, body TEXT NOT NULL);
CREATE TABLE plans(
    sequence INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, incident BLOB NOT NULL,
    created_us INTEGER NOT NULL, body TEXT NOT NULL);
CREATE INDEX plans_by_incident ON plans(incident, created_us);
CREATE TABLE approvals(
    id BLOB PRIMARY KEY, waiting INTEGER NOT NULL, asked_us INTEGER NOT NULL,
    ends_us INTEGER NOT NULL, body TEXT NOT NULL);
CREATE INDEX approvals_waiting ON approvals(ends_us) WHERE waiting = 1;
CREATE INDEX approvals_by_time ON approvals(asked_us);
CREATE TABLE receipts(
    sequence INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, action BLOB NOT NULL,
    plan BLOB NOT NULL, incident BLOB NOT NULL, stands INTEGER NOT NULL,
    latest INTEGER NOT NULL, body TEXT NOT NULL);
CREATE INDEX receipts_by_action ON receipts(action, sequence);
CREATE INDEX receipts_by_plan ON receipts(plan, sequence);
CREATE INDEX receipts_by_incident ON receipts(incident, sequence);
CREATE INDEX receipts_standing ON receipts(sequence) WHERE latest = 1 AND stands = 1;
CREATE TABLE decisions(
    ticket INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL, answer TEXT);
CREATE INDEX decisions_waiting ON decisions(ticket) WHERE answer IS NULL;
CREATE TABLE audit(
    sequence INTEGER PRIMARY KEY, time_us INTEGER NOT NULL, who TEXT NOT NULL,
    what TEXT NOT NULL, body TEXT NOT NULL, previous BLOB NOT NULL, hash BLOB NOT NULL);
CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_is_never_shortened BEFORE DELETE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_grows_at_its_end BEFORE INSERT ON audit
    WHEN NEW.sequence <> (SELECT coalesce(max(sequence), 0) + 1 FROM audit)
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TABLE offsets(stream TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE snapshots(name TEXT PRIMARY KEY, bytes BLOB NOT NULL);
CREATE TABLE vals(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE users(
    name TEXT PRIMARY KEY, role TEXT NOT NULL, password_hash TEXT NOT NULL,
    created_us INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE sessions(
    token_hash BLOB PRIMARY KEY,
    user TEXT NOT NULL REFERENCES users(name) ON DELETE CASCADE,
    role TEXT NOT NULL, csrf TEXT NOT NULL, created_us INTEGER NOT NULL,
    expires_us INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX sessions_by_user ON sessions(user);
CREATE INDEX sessions_by_end ON sessions(expires_us);
CREATE TABLE dead_letters(
    id INTEGER PRIMARY KEY AUTOINCREMENT, time_us INTEGER NOT NULL, stage TEXT NOT NULL,
    reason TEXT NOT NULL, stream TEXT NOT NULL, position INTEGER NOT NULL,
    digest BLOB NOT NULL, bytes BLOB NOT NULL,
    UNIQUE(stage, stream, position, digest));
";

/// The schema this program writes.
pub(super) fn known() -> u32 {
    u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX)
}

/// The schema of an open file; 0 for an empty one.
///
/// # Errors
/// [`StoreError::Corrupt`] if it is a database of another program, [`StoreError::NewerSchema`]
/// if it was written by a newer one of ours.
pub(super) fn found(connection: &Connection) -> Result<u32, StoreError> {
    let application: i64 =
        connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let version = u32::try_from(version)
        .map_err(|_| StoreError::Corrupt(format!("schema {version} is negative")))?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let ours = application == APPLICATION_ID || (application == 0 && version == 0 && tables == 0);
    if !ours {
        return Err(StoreError::Corrupt(
            "not a state file of Vértice".to_owned(),
        ));
    }
    if version > known() {
        return Err(StoreError::NewerSchema {
            found: version,
            known: known(),
        });
    }
    Ok(version)
}

/// Brings the file to the known schema, in one transaction.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version = found(&transaction)?; // again: another process may have been first
    if version == known() {
        return Ok(());
    }
    let done = usize::try_from(version).unwrap_or(usize::MAX);
    for step in MIGRATIONS.iter().skip(done) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", known())?;
    transaction.commit()?;
    Ok(())
}
