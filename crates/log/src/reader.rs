//! Reads a log from its files alone: from a sequence onwards, or between two times.
//!
//! A reader may see records that are written and not yet acknowledged; whoever acts on what it
//! reads must let the writer sync first. Records that retention removed are passed by silently.

use std::path::{Path, PathBuf};

use event::Time;

use crate::LogError;
use crate::block::{Header, Unpacker};
use crate::cursor::{Cursor, Found};
use crate::segment::{SegmentName, list};

/// One record, as it was appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its place in the log.
    pub sequence: u64,
    /// The time it was appended with.
    pub time: Time,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A reader; as many as you like, with or without a writer.
pub struct Reader {
    dir: PathBuf,
    /// Next sequence to hand out; what lies below has been seen or is not wanted.
    wanted: u64,
    times: Option<(Time, Time)>,
    segment: Option<Place>,
    /// Sequence of the next record in `unpacker`.
    sequence: u64,
    unpacker: Unpacker,
    payload: Vec<u8>,
    skipped_bad_blocks: u64,
}

struct Place {
    name: SegmentName,
    cursor: Cursor,
    /// A later segment was seen, so this one will not grow any more.
    is_sealed: bool,
}

impl Reader {
    /// A reader at the oldest record.
    ///
    /// # Errors
    /// The folder cannot be listed.
    pub fn open(dir: &Path) -> Result<Self, LogError> {
        list(dir)?;
        let unpacker = Unpacker::new().map_err(|source| LogError::io("read", dir, source))?;
        Ok(Self {
            dir: dir.to_path_buf(),
            wanted: 0,
            times: None,
            segment: None,
            sequence: 0,
            unpacker,
            payload: Vec::new(),
            skipped_bad_blocks: 0,
        })
    }

    /// A reader of the records from `first` to `last`, both included, in the order of the log.
    /// Blocks outside cost their header only.
    ///
    /// # Errors
    /// The folder cannot be listed.
    pub fn between(dir: &Path, first: Time, last: Time) -> Result<Self, LogError> {
        let mut reader = Self::open(dir)?;
        reader.times = Some((first, last));
        Ok(reader)
    }

    /// Goes to a sequence, forwards or back. One that was removed means the oldest there is; one
    /// beyond the end waits until the log gets there.
    pub fn from(&mut self, sequence: u64) {
        self.wanted = sequence;
        self.segment = None;
        self.unpacker.clear();
    }

    /// The next record; `None` when caught up: ask again later.
    ///
    /// # Errors
    /// [`LogError::FutureVersion`] and failures of the file system. Damage is no error: it is
    /// counted and passed by.
    pub fn next_record(&mut self) -> Result<Option<Record>, LogError> {
        loop {
            while let Some((time, bytes)) = self.unpacker.next_record() {
                let sequence = self.sequence;
                self.sequence += 1;
                if sequence >= self.wanted && is_within(self.times, time, time) {
                    self.wanted = sequence.saturating_add(1);
                    let bytes = bytes.to_vec();
                    return Ok(Some(Record {
                        sequence,
                        time,
                        bytes,
                    }));
                }
            }
            if !self.load_block()? {
                return Ok(None);
            }
        }
    }

    /// Damaged stretches passed by so far.
    pub fn skipped_bad_blocks(&self) -> u64 {
        self.skipped_bad_blocks
    }

    /// Steps on until a wanted block is loaded; `false` when caught up.
    fn load_block(&mut self) -> Result<bool, LogError> {
        loop {
            let Some(place) = &mut self.segment else {
                if self.enter_segment()? {
                    continue;
                }
                return Ok(false);
            };
            match place.cursor.step()? {
                Found::Block { header, offset } => {
                    if self.is_wanted(&header) && self.unpack(&header, offset)? {
                        return Ok(true);
                    }
                }
                Found::Damage { .. } => self.skipped_bad_blocks += 1,
                Found::Tail { .. } if place.is_sealed => {
                    self.skipped_bad_blocks += 1;
                    self.leave_segment()?;
                }
                Found::End if place.is_sealed => self.leave_segment()?,
                Found::Tail { .. } | Found::End => {
                    // Look for a successor, then once more at this end: it may have grown between.
                    if successor(&self.dir, place.name)?.is_none() {
                        return Ok(false);
                    }
                    place.is_sealed = true;
                }
            }
        }
    }

    fn is_wanted(&self, header: &Header) -> bool {
        header.end_sequence() > self.wanted && is_within(self.times, header.earliest, header.latest)
    }

    /// Loads a block; a bad one is counted.
    fn unpack(&mut self, header: &Header, offset: u64) -> Result<bool, LogError> {
        let Some(place) = &self.segment else {
            return Ok(false);
        };
        if !place.cursor.payload(header, offset, &mut self.payload)? {
            return Ok(false);
        }
        let sound = header.accepts(&self.payload, place.cursor.salt());
        if sound && self.unpacker.load(header, &self.payload).is_some() {
            self.sequence = header.first_sequence;
            return Ok(true);
        }
        self.skipped_bad_blocks += 1;
        Ok(false)
    }

    /// Enters the segment that holds the wanted sequence, or the oldest.
    fn enter_segment(&mut self) -> Result<bool, LogError> {
        let names = list(&self.dir)?;
        let before = |name: &&SegmentName| name.first_sequence <= self.wanted;
        let first = names
            .iter()
            .rfind(before)
            .or_else(|| names.first())
            .map(|name| name.first_sequence);
        // The first of that sequence: an empty segment may bear the number of its successor.
        match names.iter().find(|name| Some(name.first_sequence) == first) {
            Some(name) => self.enter(*name),
            None => Ok(false),
        }
    }

    fn leave_segment(&mut self) -> Result<(), LogError> {
        let Some(place) = self.segment.take() else {
            return Ok(());
        };
        if let Some(next) = successor(&self.dir, place.name)? {
            self.enter(next)?;
        }
        Ok(())
    }

    /// `false`: retention removed it between listing and opening.
    fn enter(&mut self, name: SegmentName) -> Result<bool, LogError> {
        let gone = |source: &std::io::Error| source.kind() == std::io::ErrorKind::NotFound;
        match Cursor::open(&self.dir, name) {
            Ok(cursor) => {
                self.segment = Some(Place {
                    name,
                    cursor,
                    is_sealed: false,
                });
                Ok(true)
            }
            Err(LogError::Io { source, .. }) if gone(&source) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn successor(dir: &Path, name: SegmentName) -> Result<Option<SegmentName>, LogError> {
    let names = list(dir)?;
    Ok(names.into_iter().find(|other| *other > name))
}

fn is_within(times: Option<(Time, Time)>, earliest: Time, latest: Time) -> bool {
    times.is_none_or(|(first, last)| earliest <= last && latest >= first)
}
