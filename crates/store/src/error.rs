//! What can go wrong between a caller and the state file, in the few words that a caller acts on.

use std::io;
use std::path::PathBuf;

/// Why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process held the write lock for longer than the busy timeout.
    #[error("the state file is locked by another process")]
    Busy,
    /// No space left on the device; nothing of the commit was written.
    #[error("no space left for the state file")]
    Full,
    /// The folder or file cannot be written.
    #[error("the state file or its folder is read-only")]
    ReadOnly,
    /// The file is damaged, or is no state file of Vértice.
    #[error("the state file is damaged: {0}")]
    Corrupt(String),
    /// Written by a newer Vértice.
    #[error("the state file has schema {found}, this program knows {known} at most")]
    NewerSchema {
        /// Schema of the file.
        found: u32,
        /// Newest schema of this program.
        known: u32,
    },
    /// Written by an older Vértice and not yet migrated by a node.
    #[error("the state file has schema {found}, this program needs {known}")]
    OlderSchema {
        /// Schema of the file.
        found: u32,
        /// Schema of this program.
        known: u32,
    },
    /// Another node took over: this one must stop writing.
    #[error("another node took over (epoch {newest}, this node has {owned})")]
    Fenced {
        /// The epoch of this handle; 0 = none taken.
        owned: u64,
        /// The newest epoch in the file.
        newest: u64,
    },
    /// There is no state file.
    #[error("no state file at {}", .0.display())]
    NotFound(PathBuf),
    /// The state file is there, but this account may not open it.
    #[error("no permission to open {}", .0.display())]
    Denied(PathBuf),
    /// A value is above its limit.
    #[error("{what} of {bytes} bytes is above the limit of {bytes_max}")]
    TooLarge {
        /// What kind of value.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// Anything else, in the words of the part that failed.
    #[error("state file: {0}")]
    Other(String),
}

impl StoreError {
    /// Can the same call succeed later without anybody repairing anything?
    pub const fn retry_helps(&self) -> bool {
        matches!(self, Self::Busy | Self::Full)
    }

    pub(crate) fn of_io(what: &str, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly,
            _ => Self::Other(format!("{what}: {error}")),
        }
    }
}

/// `SQLITE_IOERR_SHMSIZE`: the shared-memory file could not grow, which only a full disk does.
const SHARED_MEMORY_FULL: i32 = 10 | (19 << 8);

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        let Some(code) = error.sqlite_error() else {
            return match error {
                rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::Utf8Error(..) => Self::Corrupt(error.to_string()),
                _ => Self::Other(error.to_string()),
            };
        };
        match code.code {
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Self::Busy,
            ErrorCode::DiskFull => Self::Full,
            ErrorCode::SystemIoFailure if code.extended_code == SHARED_MEMORY_FULL => Self::Full,
            ErrorCode::ReadOnly => Self::ReadOnly,
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => {
                Self::Corrupt(error.to_string())
            }
            _ => Self::Other(error.to_string()),
        }
    }
}
