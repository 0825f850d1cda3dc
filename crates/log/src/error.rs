//! What can go wrong with a log, in words for the one who has to mend it.

use std::io;
use std::path::{Path, PathBuf};

/// Why a log could not be opened, written or read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Another writer holds the folder.
    #[error("{path} is held by another writer")]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// The disk, the quota or the file size limit is reached. Nothing of the append remains.
    #[error("no space left for {path}: {source}")]
    NoSpace {
        /// What was being written.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// The folder is read-only or belongs to someone else.
    #[error("{path} is not writable: {source}")]
    NotWritable {
        /// What was being written.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// Any other failure of the file system.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// Written by a newer Vértice.
    #[error("{path} has format version {version}, this program reads up to {known}")]
    FutureVersion {
        /// The segment.
        path: PathBuf,
        /// Its version.
        version: u16,
        /// The newest version known here.
        known: u16,
    },
    /// A record above [`crate::RECORD_BYTES_MAX`]. Nothing of the append was written.
    #[error("a record of {bytes} bytes is above the limit of {max}")]
    RecordTooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// A sync or a cut-back failed before: what the disk holds is unknown. Open the log again.
    #[error("the log must be opened again: {reason}")]
    Poisoned {
        /// What failed.
        reason: String,
    },
    /// The 64-bit sequence is used up.
    #[error("sequence {sequence} is the last one")]
    SequencesExhausted {
        /// Where it ended.
        sequence: u64,
    },
}

impl LogError {
    /// Sorts a failure of the file system into the variant that tells what to do.
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        use io::ErrorKind as Kind;
        let path = path.to_path_buf();
        match source.kind() {
            Kind::StorageFull | Kind::QuotaExceeded | Kind::FileTooLarge => {
                Self::NoSpace { path, source }
            }
            Kind::ReadOnlyFilesystem | Kind::PermissionDenied => Self::NotWritable { path, source },
            _ => Self::Io {
                action,
                path,
                source,
            },
        }
    }
}
