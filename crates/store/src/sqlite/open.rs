//! Opening the file: who may, with what settings, and what is refused.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::{STATE_FILE, files, schema};
use crate::StoreError;
use crate::records::{
    DEAD_LETTERS_BYTES_MAX, DEAD_LETTERS_MAX, EVIDENCE_ROWS_MAX, FINDINGS_MAX, INCIDENTS_MAX,
    SESSIONS_MAX,
};

/// Statements kept prepared on each connection.
const STATEMENTS_MAX: usize = 64;
/// The write-ahead log is cut back to this after a checkpoint, bytes.
const WAL_BYTES_MAX: i64 = 64 * 1024 * 1024;
/// Pages (4 KiB) of write-ahead log at which a commit moves them into the file itself, if nobody
/// called [`crate::Store::maintain`] for so long.
const WAL_PAGES_MAX: i64 = 8 * 1024;

/// Who opens the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenRole {
    /// The node: makes the file, migrates it, writes everything.
    Node,
    /// Another process (the command line): reads, decides, manages accounts, notes in the journal
    /// that it did. Needs a file of exactly the known schema.
    Visitor,
}

/// What can be set; the default is what a node uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Space held back for undo records, bytes; 0 = none.
    pub reserve_bytes: u64,
    /// How long to wait for another process's write.
    pub busy_timeout: Duration,
    /// Row limits; see the constants of the same names.
    pub limits: Limits,
}

/// Row limits of the bounded tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// [`FINDINGS_MAX`].
    pub findings: u64,
    /// [`EVIDENCE_ROWS_MAX`].
    pub evidence: u64,
    /// [`INCIDENTS_MAX`].
    pub incidents: u64,
    /// [`SESSIONS_MAX`].
    pub sessions: u64,
    /// [`DEAD_LETTERS_MAX`].
    pub letters: u64,
    /// [`DEAD_LETTERS_BYTES_MAX`].
    pub letter_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            reserve_bytes: 4 * 1024 * 1024,
            busy_timeout: Duration::from_secs(5),
            limits: Limits::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            findings: FINDINGS_MAX,
            evidence: EVIDENCE_ROWS_MAX,
            incidents: INCIDENTS_MAX,
            sessions: SESSIONS_MAX,
            letters: DEAD_LETTERS_MAX,
            letter_bytes: DEAD_LETTERS_BYTES_MAX,
        }
    }
}

pub(super) fn open_node(
    dir: &Path,
    file: &Path,
    options: &Options,
) -> Result<Connection, StoreError> {
    files::prepare(dir, file)?;
    let mut connection = connect(file, options)?;
    schema::found(&connection)?;
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        return Err(StoreError::Other(format!(
            "journal mode is {mode:?}, not \"wal\""
        )));
    }
    schema::migrate(&mut connection)?;
    Ok(connection)
}

pub(super) fn open_visitor(file: &Path, options: &Options) -> Result<Connection, StoreError> {
    if let Err(error) = fs::metadata(file) {
        return Err(match error.kind() {
            io::ErrorKind::PermissionDenied => StoreError::Denied(file.to_path_buf()),
            io::ErrorKind::NotFound => StoreError::NotFound(file.to_path_buf()),
            _ => StoreError::of_io(STATE_FILE, &error),
        });
    }
    let connection = connect(file, options).map_err(|error| denied(error, file))?;
    match schema::found(&connection)? {
        0 => Err(StoreError::NotFound(file.to_path_buf())),
        found if found < schema::known() => Err(StoreError::OlderSchema {
            found,
            known: schema::known(),
        }),
        _ => Ok(connection),
    }
}

/// A file that is there and cannot be opened belongs to another account.
fn denied(error: rusqlite::Error, file: &Path) -> StoreError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::CannotOpen) => StoreError::Denied(file.to_path_buf()),
        _ => StoreError::from(error),
    }
}

pub(super) fn connect(file: &Path, options: &Options) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(options.busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "journal_size_limit", WAL_BYTES_MAX)?;
    connection.pragma_update(None, "wal_autocheckpoint", WAL_PAGES_MAX)?;
    Ok(connection)
}
