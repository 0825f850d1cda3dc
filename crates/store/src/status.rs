//! A node's own account of itself, written beside the state file for `vertice status` and the
//! console. It is a picture, not state: losing it loses nothing, so it is never synced.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use event::{Mode, Time};
use serde::{Deserialize, Serialize};

use crate::StoreError;

/// Name of the file inside the state folder.
pub const STATUS_FILE: &str = "status.json";
/// Largest status file that is read.
pub const STATUS_BYTES_MAX: u64 = 1024 * 1024;

/// A node, at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// The node's name.
    pub node: String,
    /// Version of the program.
    pub version: String,
    /// What the engine may do by itself.
    pub mode: Mode,
    /// Process.
    pub pid: u32,
    /// When it started.
    pub started: Time,
    /// When this was written.
    pub now: Time,
    /// Seconds since the start, unmoved by clock jumps.
    pub uptime_s: u64,
    /// Is everything up that its configuration asks for?
    pub ready: bool,
    /// The actuator.
    pub actuator: ActuatorStatus,
    /// The sources, by name.
    pub sources: Vec<SourceStatus>,
    /// Events since the start.
    pub events_total: u64,
    /// Findings since the start.
    pub findings_total: u64,
    /// Events a second, lately.
    pub events_per_s: f64,
    /// Events that came after their window had closed.
    pub late_events: u64,
    /// The hops of an event, in order.
    pub hops: Vec<HopStatus>,
    /// Effects that stand in the world.
    pub effects_standing: u64,
    /// Of these, those that end within the hour.
    pub effects_expiring_1h: u64,
    /// Steps that wait for a person.
    pub approvals_waiting: u64,
    /// Since when the longest waits.
    pub oldest_approval: Option<Time>,
    /// Size of the segment log, bytes.
    pub log_bytes: u64,
    /// Blocks of the log that were set aside as damaged.
    pub bad_blocks: u64,
    /// Dead letters kept.
    pub dead_letters: u64,
}

impl Default for Status {
    fn default() -> Self {
        Self {
            node: String::new(),
            version: String::new(),
            mode: Mode::Observe,
            pid: 0,
            started: Time::EPOCH,
            now: Time::EPOCH,
            uptime_s: 0,
            ready: false,
            actuator: ActuatorStatus::default(),
            sources: Vec::new(),
            events_total: 0,
            findings_total: 0,
            events_per_s: 0.0,
            late_events: 0,
            hops: Vec::new(),
            effects_standing: 0,
            effects_expiring_1h: 0,
            approvals_waiting: 0,
            oldest_approval: None,
            log_bytes: 0,
            bad_blocks: 0,
            dead_letters: 0,
        }
    }
}

/// The actuator, as the node sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ActuatorStatus {
    /// In words.
    pub state: String,
    /// Does it answer?
    pub reachable: bool,
    /// Changes each time the kernel's table had to be made anew.
    pub generation: u64,
}

/// One source: `lines = kept + dropped + bad`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceStatus {
    /// Its name.
    pub name: String,
    /// When it last gave a record.
    pub last_seen: Option<Time>,
    /// Records read.
    pub lines: u64,
    /// Records that became events.
    pub kept: u64,
    /// Records left out, for a counted reason.
    pub dropped: u64,
    /// Records that could not be used.
    pub bad: u64,
}

/// One hop of an event.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HopStatus {
    /// Its name.
    pub name: String,
    /// Items a second, lately.
    pub rate: f64,
    /// Bytes in its queue.
    pub queue_bytes: u64,
    /// Bytes its queue may hold.
    pub queue_limit_bytes: u64,
    /// Items dropped since the start.
    pub drops: u64,
    /// Time in the hop, 99th percentile, milliseconds.
    pub p99_ms: f64,
}

/// The status that the node in `dir` wrote last; `None` if it never wrote one.
///
/// # Errors
/// [`StoreError::Corrupt`] if it cannot be understood or is above [`STATUS_BYTES_MAX`].
pub fn read_status(dir: &Path) -> Result<Option<Status>, StoreError> {
    let path = dir.join(STATUS_FILE);
    let file = match fs::File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::of_io(STATUS_FILE, &error)),
    };
    let mut text = Vec::new();
    file.take(STATUS_BYTES_MAX)
        .read_to_end(&mut text)
        .map_err(|error| StoreError::of_io(STATUS_FILE, &error))?;
    let status = serde_json::from_slice(&text);
    status
        .map(Some)
        .map_err(|error| StoreError::Corrupt(format!("{STATUS_FILE}: {error}")))
}

/// Replaces the status in `dir`: a reader sees the old one or the new one, never half of one.
///
/// # Errors
/// When the folder cannot be written.
pub fn write_status(dir: &Path, status: &Status) -> Result<(), StoreError> {
    let text = serde_json::to_vec(status).map_err(|error| StoreError::Other(error.to_string()))?;
    let fresh = dir.join("status.json.new");
    let written = replace(&fresh, &dir.join(STATUS_FILE), &text);
    written.map_err(|error| StoreError::of_io(STATUS_FILE, &error))
}

fn replace(fresh: &Path, path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(fresh)?;
    file.write_all(text)?;
    fs::rename(fresh, path)
}
