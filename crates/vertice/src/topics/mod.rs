//! The bus of a node: a durable log per topic under `<state>/topics/`, and the thread that
//! publishes to it what the store holds.
//!
//! `<topic>/*.seg` is the topic, `<topic>/positions/<consumer>` how far each consumer is, and
//! `<topic>/published` how far the store's outbox is published. A topic that failed is closed and
//! opened anew at the next call. Retention removes whole segments, whether consumed or not: nobody
//! who is away can fill the disk.
//!
//! Absent on purpose: what a message means, and waiting.

mod counts;
pub(crate) mod letters;
mod outbox;
pub mod publisher;

use std::collections::HashMap;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bus::{Segments, StorageError, Stored, Topic};
use event::Time;
use segment::{LogConfig, Reader, Writer};

use crate::config;
pub use counts::Counts;
pub(crate) use letters::Letters;

/// Name of the folder inside the state folder.
pub const FOLDER: &str = "topics";
/// Bytes of records after which one read stops.
const READ_BYTES_MAX: usize = 8 * 1024 * 1024;
/// A segment of a topic is this part of what is retained, so that retention works in small steps.
const SEGMENTS_RETAINED: u64 = 8;
/// Largest segment of a topic, bytes.
const SEGMENT_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Longest name of a consumer.
const CONSUMER_BYTES_MAX: usize = 64;
/// Consumers whose positions a topic keeps.
const CONSUMERS_MAX: usize = 64;
/// Bytes read of a position file.
const POSITION_BYTES_MAX: u64 = 32;
/// File with the outbox's position.
const PUBLISHED: &str = "published";
/// Folder with the consumers' positions.
const POSITIONS: &str = "positions";

/// How far an outbox is published, kept with the topic.
pub trait Published {
    /// Sequence of the last outbox row that is on the topic; 0 for none.
    ///
    /// # Errors
    /// It cannot be read.
    fn published(&mut self, topic: Topic) -> Result<u64, StorageError>;

    /// Makes it durable. After a power cut an older one may stand: rows are then published again.
    ///
    /// # Errors
    /// The one before still stands.
    fn set_published(&mut self, topic: Topic, sequence: u64) -> Result<(), StorageError>;
}

/// The topics of one node. Clones share them.
#[derive(Clone)]
pub struct Topics(Arc<Mutex<Inner>>);

struct Inner {
    folder: PathBuf,
    config: LogConfig,
    open: HashMap<Topic, Open>, // at most Topic::ALL
}

/// A topic in use.
struct Open {
    writer: Writer,
    reader: Reader,
    /// Where the reader stands.
    reader_at: u64,
}

/// What retention removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trimmed {
    /// Segments removed.
    pub segments: u64,
    /// Topics whose old segments could not be removed.
    pub failed: u64,
}

impl Topics {
    /// Topics in `<state>/topics`; nothing is opened or made yet.
    pub fn new(state: &Path, config: &config::Topics) -> Self {
        let retain_bytes = config.retain_mib.saturating_mul(1024 * 1024);
        let log = LogConfig {
            segment_bytes: (retain_bytes / SEGMENTS_RETAINED).clamp(1, SEGMENT_BYTES_MAX),
            retain_bytes,
            retain_age: Some(Duration::from_secs(
                config.retain_days.saturating_mul(86_400),
            )),
            ..LogConfig::default()
        };
        Self(Arc::new(Mutex::new(Inner {
            folder: state.join(FOLDER),
            config: log,
            open: HashMap::new(),
        })))
    }

    /// Removes old segments of the topics in use.
    pub fn retain(&self, now: Time) -> Trimmed {
        let mut trimmed = Trimmed::default();
        for (topic, open) in &mut self.lock().open {
            match open.writer.retain(now) {
                Ok(retained) => trimmed.segments += retained.segments,
                Err(error) => {
                    tracing::warn!(%topic, %error, "old messages are kept longer");
                    trimmed.failed += 1;
                }
            }
        }
        trimmed
    }

    /// Bytes on disk of a topic in use.
    pub fn bytes(&self, topic: Topic) -> u64 {
        let inner = self.lock();
        inner.open.get(&topic).map_or(0, |open| open.writer.bytes())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Each call below leaves a topic whole or closed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn path(&self, topic: Topic) -> PathBuf {
        self.folder.join(topic.as_str())
    }

    /// The topic, opened if it is not.
    fn topic(&mut self, topic: Topic) -> Result<&mut Open, StorageError> {
        if !self.open.contains_key(&topic) {
            let opened = Open::new(&self.path(topic), &self.config)?;
            self.open.insert(topic, opened);
        }
        self.open
            .get_mut(&topic)
            .ok_or_else(|| "a topic went away".into())
    }

    /// Does something with a topic; after a failure it is opened anew, for what its log holds is
    /// known again only then.
    fn with<T>(
        &mut self,
        topic: Topic,
        work: impl FnOnce(&mut Open) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let done = work(self.topic(topic)?);
        if done.is_err() {
            self.open.remove(&topic);
        }
        done
    }
}

impl Open {
    fn new(folder: &Path, config: &LogConfig) -> Result<Self, StorageError> {
        let (mut writer, recovery) = Writer::open(folder, config.clone())?;
        if recovery.torn_bytes > 0 || recovery.bad_blocks > 0 {
            let (torn, bad) = (recovery.torn_bytes, recovery.bad_blocks);
            tracing::warn!(folder = %folder.display(), torn, bad, "topic repaired");
        }
        // No consumer may pass by what gets a number that damage took from the log.
        for (_, position) in positions(folder)? {
            writer.skip_to(position);
        }
        let reader = Reader::open(folder)?;
        Ok(Self {
            writer,
            reader,
            reader_at: 0,
        })
    }

    fn read(&mut self, sequence: u64, count_max: usize) -> Result<Vec<Stored>, StorageError> {
        if self.reader_at != sequence {
            self.reader.from(sequence);
        }
        self.reader_at = sequence;
        let (mut found, mut bytes) = (Vec::new(), 0_usize);
        while found.len() < count_max && bytes < READ_BYTES_MAX {
            let Some(record) = self.reader.next_record()? else {
                break;
            };
            bytes = bytes.saturating_add(record.bytes.len());
            self.reader_at = record.sequence.saturating_add(1);
            found.push(Stored {
                sequence: record.sequence,
                time: record.time,
                bytes: record.bytes,
            });
        }
        Ok(found)
    }
}

impl Segments for Topics {
    fn append(
        &mut self,
        topic: Topic,
        records: &[(Time, &[u8])],
    ) -> Result<Range<u64>, StorageError> {
        self.lock()
            .with(topic, |open| Ok(open.writer.append(records)?))
    }

    fn sync(&mut self, topic: Topic) -> Result<(), StorageError> {
        self.lock().with(topic, |open| Ok(open.writer.sync()?))
    }

    fn read(
        &mut self,
        topic: Topic,
        sequence: u64,
        count_max: usize,
    ) -> Result<Vec<Stored>, StorageError> {
        self.lock()
            .with(topic, |open| open.read(sequence, count_max))
    }

    fn next_sequence(&mut self, topic: Topic) -> Result<u64, StorageError> {
        self.lock()
            .with(topic, |open| Ok(open.writer.next_sequence()))
    }

    fn commit(&mut self, topic: Topic, consumer: &str, position: u64) -> Result<(), StorageError> {
        check_name(consumer)?;
        let inner = self.lock();
        let folder = inner.path(topic).join(POSITIONS);
        std::fs::create_dir_all(&folder)?;
        let path = folder.join(consumer);
        if !path.exists() && std::fs::read_dir(&folder)?.count() >= CONSUMERS_MAX {
            return Err(format!("{topic} has {CONSUMERS_MAX} consumers already").into());
        }
        write_number(&path, position)?;
        Ok(File::open(&folder)?.sync_all()?)
    }

    fn committed(&mut self, topic: Topic, consumer: &str) -> Result<Option<u64>, StorageError> {
        check_name(consumer)?;
        read_number(&self.lock().path(topic).join(POSITIONS).join(consumer))
    }
}

impl Published for Topics {
    fn published(&mut self, topic: Topic) -> Result<u64, StorageError> {
        Ok(read_number(&self.lock().path(topic).join(PUBLISHED))?.unwrap_or(0))
    }

    fn set_published(&mut self, topic: Topic, sequence: u64) -> Result<(), StorageError> {
        let inner = self.lock();
        std::fs::create_dir_all(inner.path(topic))?;
        write_number(&inner.path(topic).join(PUBLISHED), sequence)
    }
}

/// A consumer's name becomes a file's name.
fn check_name(consumer: &str) -> Result<(), StorageError> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !consumer.is_empty() && consumer.len() <= CONSUMER_BYTES_MAX && consumer.bytes().all(plain) {
        return Ok(());
    }
    Err(format!("{consumer:?} is no name for a consumer (a-z, 0-9, -)").into())
}

/// The positions of all consumers of a topic; other files are passed by.
fn positions(folder: &Path) -> Result<Vec<(String, u64)>, StorageError> {
    let entries = match std::fs::read_dir(folder.join(POSITIONS)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if check_name(&name).is_ok()
            && let Some(position) = read_number(&entry.path())?
        {
            found.push((name, position));
        }
    }
    Ok(found)
}

/// A number in a file; `None` if there is no file, or no number in it: then its owner starts at
/// the oldest, which repeats and loses nothing.
fn read_number(path: &Path) -> Result<Option<u64>, StorageError> {
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut text = Vec::new();
    file.take(POSITION_BYTES_MAX).read_to_end(&mut text)?;
    let number = std::str::from_utf8(&text)
        .ok()
        .and_then(|text| text.trim().parse().ok());
    if number.is_none() {
        tracing::warn!(path = %path.display(), "holds no number: starting at the oldest");
    }
    Ok(number)
}

/// Replaces a file's number whole: a crash leaves the old one or the new one.
fn write_number(path: &Path, number: u64) -> Result<(), StorageError> {
    let beside = path.with_extension("new");
    let mut file = File::create(&beside)?;
    file.write_all(format!("{number}\n").as_bytes())?;
    file.sync_data()?;
    Ok(std::fs::rename(&beside, path)?)
}

#[cfg(test)]
mod tests;
