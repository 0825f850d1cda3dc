//! Bytes to events: one record in, one event out, one folder a format.
//!
//! A parser is pure and synchronous: it gets a record's bytes with where and when they were read,
//! and answers with an event, a counted drop or a counted refusal. It never fails, never panics
//! and holds only bounded state (the connections a daemon is busy with, a log's column header).
//!
//! Absent on purpose: files, sockets, decompression, clocks and threads (the caller's), and any
//! judgement of what was seen (the detectors').
#![warn(missing_docs)]
#![warn(clippy::indexing_slicing, clippy::cast_possible_truncation)]
// Tests count with plain `+`: an overflow there is a failed test.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

mod auto;
#[cfg(test)]
mod bad_input;
mod calendar;
#[cfg(test)]
mod data_tests;
mod eve;
mod event_lines;
mod formats;
mod journald;
mod json;
mod names;
mod programs;
mod record;
#[cfg(test)]
mod speed;
mod syslog;
#[cfg(test)]
mod testing;
mod text;
mod zeek_conn;

pub use formats::{ALL, Format, auto, by_name, fuzz};
pub use programs::CONNECTIONS_MAX;
pub use record::{
    BadReason, DropReason, Parsed, Parser, RECORD_BYTES_MAX, RawRecord, Settings, ZONE_OFFSET_MAX_S,
};
