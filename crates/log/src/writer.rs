//! The one writer of a log: appends blocks, acknowledges by sync, seals and retires segments.
//!
//! An append that fails is cut off again, and the next one goes to a new segment: a reader that
//! already saw a part of it then never stands in the middle of something else. A sync that fails
//! poisons the writer: the kernel may have dropped the dirty pages, so no later sync could be
//! believed.

use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use event::Time;

use crate::block::Packer;
use crate::cursor::{Cursor, Found};
use crate::recover::{Recovery, check, recover};
use crate::segment::{SegmentName, list};
use crate::{LogConfig, LogError, RECORD_BYTES_MAX};

/// Largest [`LogConfig::block_bytes`] that is honoured: a block plus one record stays within
/// [`crate::BLOCK_BYTES_MAX`].
const BLOCK_TARGET_MAX: usize = 4 * 1024 * 1024;

/// The one writer of a log.
pub struct Writer {
    dir: PathBuf,
    config: LogConfig,
    sealed: Vec<Sealed>,
    name: SegmentName,
    pub(crate) file: File,
    length: u64,
    /// Something was written since the last sync.
    is_dirty: bool,
    /// A failed append was cut off this segment.
    was_cut: bool,
    next_sequence: u64,
    poison: Option<String>,
    packer: Packer,
    packed: Vec<u8>,
    _lock: File, // held until drop
}

struct Sealed {
    name: SegmentName,
    bytes: u64,
    /// Time of its newest record, once asked for.
    newest: Option<Time>,
}

/// What [`Writer::retain`] removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retained {
    /// Segments removed.
    pub segments: u64,
    /// Their bytes on disk.
    pub bytes: u64,
    /// Oldest sequence that may still be there.
    pub first_sequence: u64,
}

impl Writer {
    /// Opens or creates the log in `dir`, cuts an unfinished tail, sets damage aside.
    ///
    /// # Errors
    /// [`LogError::Locked`] when another writer has it, [`LogError::FutureVersion`] when a newer
    /// program wrote it, and failures of the file system.
    pub fn open(dir: &Path, config: LogConfig) -> Result<(Self, Recovery), LogError> {
        std::fs::create_dir_all(dir).map_err(|source| LogError::io("create", dir, source))?;
        let lock = lock(dir)?;
        let mut names = list(dir)?;
        let mut recovery = recover(dir, &names)?;
        let (name, file) = match names.pop() {
            Some(name) => (name, open_segment(&name.path(dir))?),
            None => create(dir, 0)?,
        };
        recovery.segments = names.len() as u64 + 1;
        let failed = |source| LogError::io("open", dir, source);
        let length = file.metadata().map_err(failed)?.len();
        let writer = Self {
            dir: dir.to_path_buf(),
            sealed: sealed(dir, &names)?,
            name,
            file,
            length,
            is_dirty: true, // the last program may have died before its sync
            was_cut: false,
            next_sequence: recovery.next_sequence,
            poison: None,
            packer: Packer::new(config.zstd_level).map_err(failed)?,
            packed: Vec::new(),
            config,
            _lock: lock,
        };
        Ok((writer, recovery))
    }

    /// Writes records as one or more blocks and returns their sequences. Not yet durable: a
    /// power cut may take them until [`Self::sync`] returned.
    ///
    /// # Errors
    /// [`LogError::RecordTooLarge`] before anything is written; [`LogError::NoSpace`] and other
    /// failures after what was half written has been cut off again, so that appending may be
    /// tried again; the sequences of a failed append are not used again.
    pub fn append(&mut self, records: &[(Time, &[u8])]) -> Result<Range<u64>, LogError> {
        self.check_poison()?;
        check_sizes(records)?;
        let first = self.next_sequence;
        let Some(end) = first.checked_add(records.len() as u64) else {
            return Err(LogError::SequencesExhausted { sequence: first });
        };
        if records.is_empty() {
            return Ok(first..first);
        }
        self.rotate_if_due()?;
        let before = self.length;
        self.is_dirty = true;
        self.next_sequence = end; // also if it fails: a reader may have seen a part
        if let Err(error) = self.write_blocks(first, records) {
            self.cut_back(before);
            return Err(error);
        }
        Ok(first..end)
    }

    /// Makes everything appended durable: after `Ok` it is acknowledged.
    ///
    /// # Errors
    /// A failed sync poisons the writer; drop it and open the log again.
    pub fn sync(&mut self) -> Result<(), LogError> {
        self.check_poison()?;
        if !self.is_dirty {
            return Ok(());
        }
        if let Err(source) = self.file.sync_data() {
            let path = self.path();
            self.poison = Some(format!("sync of {} failed: {source}", path.display()));
            return Err(LogError::io("sync", &path, source));
        }
        self.is_dirty = false;
        Ok(())
    }

    /// Sequence of the next record.
    pub fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// Makes sure that the next record gets at least this sequence: for an owner who has
    /// committed a position that damage took from the log. Never goes back.
    pub fn skip_to(&mut self, sequence: u64) {
        self.next_sequence = self.next_sequence.max(sequence);
    }

    /// Bytes on disk, all segments.
    pub fn bytes(&self) -> u64 {
        let sealed: u64 = self.sealed.iter().map(|segment| segment.bytes).sum();
        sealed + self.length
    }

    /// Removes whole sealed segments, oldest first: above [`LogConfig::retain_bytes`], or wholly
    /// older than [`LogConfig::retain_age`] before `now`. The segment in use always stays.
    ///
    /// # Errors
    /// Failures of the file system; what was removed until then stays removed.
    pub fn retain(&mut self, now: Time) -> Result<Retained, LogError> {
        let mut retained = Retained::default();
        while self.oldest_is_due(now)? {
            let Some(oldest) = self.sealed.first() else {
                break;
            };
            remove(&oldest.name.path(&self.dir))?;
            retained.segments += 1;
            retained.bytes += oldest.bytes;
            self.sealed.remove(0);
        }
        let first = self.sealed.first().map_or(self.name, |oldest| oldest.name);
        retained.first_sequence = first.first_sequence;
        Ok(retained)
    }

    /// Checks every CRC of the sealed segments, copies damage to `quarantine/` and returns how
    /// many damaged stretches there are. Reads the whole log: for an operator who asks.
    ///
    /// # Errors
    /// [`LogError::FutureVersion`] and failures of the file system.
    pub fn scrub(&self) -> Result<u64, LogError> {
        let mut bad_blocks = 0;
        for segment in &self.sealed {
            bad_blocks += check(&self.dir, segment.name)?.bad_blocks;
        }
        Ok(bad_blocks)
    }

    fn path(&self) -> PathBuf {
        self.name.path(&self.dir)
    }

    fn check_poison(&self) -> Result<(), LogError> {
        self.poison
            .clone()
            .map_or(Ok(()), |reason| Err(LogError::Poisoned { reason }))
    }

    fn write_blocks(&mut self, first: u64, records: &[(Time, &[u8])]) -> Result<(), LogError> {
        let block_bytes = self.config.block_bytes.clamp(1, BLOCK_TARGET_MAX);
        let mut sequence = first;
        self.packer.clear();
        for (time, bytes) in records {
            self.packer.push(*time, bytes);
            if self.packer.waiting() >= block_bytes {
                sequence = self.write_block(sequence)?;
            }
        }
        if self.packer.waiting() > 0 {
            self.write_block(sequence)?;
        }
        Ok(())
    }

    /// Writes what the packer holds; returns the sequence behind it.
    fn write_block(&mut self, sequence: u64) -> Result<u64, LogError> {
        let packed = self
            .packer
            .finish(sequence, self.name.salt, &mut self.packed);
        let written = packed.and_then(|header| {
            self.file.write_all(&self.packed)?;
            Ok(header)
        });
        let header = written.map_err(|source| LogError::io("write", &self.path(), source))?;
        self.length += header.total_bytes();
        Ok(header.end_sequence())
    }

    fn cut_back(&mut self, length: u64) {
        self.packer.clear();
        match self.file.set_len(length) {
            Ok(()) => {
                self.length = length;
                self.was_cut = true;
            }
            Err(error) => {
                self.poison = Some(format!("a failed append could not be cut off: {error}"))
            }
        }
    }

    /// Seals the segment in use once it is full, or after a failed append. It is synced first, so
    /// that a segment with a successor never loses its tail.
    fn rotate_if_due(&mut self) -> Result<(), LogError> {
        if self.length < self.config.segment_bytes.max(1) && !self.was_cut {
            return Ok(());
        }
        self.sync()?;
        let (name, file) = create(&self.dir, self.next_sequence)?;
        let (old, bytes) = (self.name, self.length);
        self.file = file;
        self.name = name;
        self.length = 0;
        self.was_cut = false;
        if bytes == 0 {
            return remove(&old.path(&self.dir)); // each failed append would leave another one
        }
        self.sealed.push(Sealed {
            name: old,
            bytes,
            newest: None,
        });
        Ok(())
    }

    fn oldest_is_due(&mut self, now: Time) -> Result<bool, LogError> {
        let bytes = self.bytes();
        let Some(oldest) = self.sealed.first_mut() else {
            return Ok(false);
        };
        if bytes > self.config.retain_bytes {
            return Ok(true);
        }
        let Some(age) = self.config.retain_age else {
            return Ok(false);
        };
        let newest = match oldest.newest {
            Some(newest) => newest,
            None => newest_time(&self.dir, oldest.name)?,
        };
        oldest.newest = Some(newest);
        Ok(now.since(newest) > age)
    }
}

fn check_sizes(records: &[(Time, &[u8])]) -> Result<(), LogError> {
    for (_, bytes) in records {
        if bytes.len() > RECORD_BYTES_MAX {
            return Err(LogError::RecordTooLarge {
                bytes: bytes.len(),
                max: RECORD_BYTES_MAX,
            });
        }
    }
    Ok(())
}

fn lock(dir: &Path) -> Result<File, LogError> {
    let path = dir.join("lock");
    let failed = |source| LogError::io("lock", &path, source);
    let options = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path);
    let file = options.map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(LogError::Locked { path }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Makes an empty segment and makes its name durable.
fn create(dir: &Path, first_sequence: u64) -> Result<(SegmentName, File), LogError> {
    let name = SegmentName::new(first_sequence);
    let path = name.path(dir);
    let failed = |source| LogError::io("create", &path, source);
    let file = File::options()
        .append(true)
        .create_new(true)
        .open(&path)
        .map_err(failed)?;
    File::open(dir)
        .and_then(|folder| folder.sync_all())
        .map_err(failed)?;
    Ok((name, file))
}

fn open_segment(path: &Path) -> Result<File, LogError> {
    let file = File::options().append(true).open(path);
    file.map_err(|source| LogError::io("open", path, source))
}

/// Removes a segment; one that is gone already is no failure.
fn remove(path: &Path) -> Result<(), LogError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(LogError::io("remove", path, error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

fn sealed(dir: &Path, names: &[SegmentName]) -> Result<Vec<Sealed>, LogError> {
    let mut sealed = Vec::with_capacity(names.len());
    for name in names {
        let path = name.path(dir);
        let metadata = std::fs::metadata(&path);
        let metadata = metadata.map_err(|source| LogError::io("read", &path, source))?;
        sealed.push(Sealed {
            name: *name,
            bytes: metadata.len(),
            newest: None,
        });
    }
    Ok(sealed)
}

/// Newest record of a segment, by its headers; the epoch if there is no sound one.
fn newest_time(dir: &Path, name: SegmentName) -> Result<Time, LogError> {
    let mut cursor = Cursor::open(dir, name)?;
    let mut newest = Time::EPOCH;
    loop {
        match cursor.step()? {
            Found::Block { header, .. } => newest = newest.max(header.latest),
            Found::Damage { .. } => {}
            Found::Tail { .. } | Found::End => return Ok(newest),
        }
    }
}
