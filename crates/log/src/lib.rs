//! Durable segment log: what was acknowledged is there after any crash, exactly once.
//!
//! Records are packed into zstd blocks, each with its CRC, sequence and time range, and appended
//! to segment files of about [`LogConfig::segment_bytes`]. [`Writer::append`] writes,
//! [`Writer::sync`] acknowledges: one sync for many appends is the group commit. [`Reader`] works
//! from the files alone, beside a live writer or without any. Damage costs the block it hit: its
//! bytes are copied to `quarantine/`, it is counted, and reading goes on behind it.
//!
//! On disk: `lock` (held by the one writer), `<first sequence>-<salt>.seg`, `quarantine/`.
//! Sequences only grow; after damage or a failed append some may be missing, none is used twice.
//!
//! Absent on purpose: threads, async, clocks (times are arguments), an index file (block headers
//! are walked: 56 bytes each), secondary keys, deletion of single records.
#![warn(missing_docs)]

mod block;
mod cursor;
mod error;
mod fuzz;
mod quarantine;
mod reader;
mod recover;
mod segment;
mod writer;

#[cfg(test)]
mod tests;

use std::time::Duration;

pub use error::LogError;
pub use fuzz::fuzz_block;
pub use reader::{Reader, Record};
pub use recover::Recovery;
pub use writer::{Retained, Writer};

/// Largest record, bytes; a larger one is refused with [`LogError::RecordTooLarge`].
pub const RECORD_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Largest block, uncompressed bytes; one that claims more is a bad block.
pub const BLOCK_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How a log is written. Any value is valid; what makes no sense is clamped.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// A segment at or above this size is sealed and a new one begun, bytes. 64 MiB.
    pub segment_bytes: u64,
    /// A block is closed at this size, uncompressed bytes, 1 to 4 MiB. 256 KiB.
    pub block_bytes: usize,
    /// zstd's level, 1 to 22. 1.
    pub zstd_level: i32,
    /// [`Writer::retain`] removes the oldest sealed segments above this total, bytes. 8 GiB.
    pub retain_bytes: u64,
    /// [`Writer::retain`] removes sealed segments whose newest record is older. None.
    pub retain_age: Option<Duration>,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            segment_bytes: 64 * 1024 * 1024,
            block_bytes: 256 * 1024,
            zstd_level: 1,
            retain_bytes: 8 * 1024 * 1024 * 1024,
            retain_age: None,
        }
    }
}
