//! One open file of a stream, its identity, and its state across restarts.

use std::fs::{File, Metadata};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use event::{EventId, Name, Time};
use serde::{Deserialize, Serialize};

use super::Record;
use super::lines::{Line, Lines};

/// Bytes at the start of a file that tell whether it is still the same one.
const HEAD_BYTES_MAX: usize = 256;
/// Bytes read at a time.
pub(super) const READ_BYTES: usize = 64 * 1024;
/// A position's bits for the byte offset; those above hold the generation.
const OFFSET_BITS: u32 = 40;

/// Which file it is, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }

    /// Of the file at a path, links followed.
    pub(super) fn at(path: &Path) -> Option<Self> {
        std::fs::metadata(path)
            .ok()
            .map(|metadata| Self::of(&metadata))
    }
}

/// How far the files of a stream were read, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StreamState {
    pub(super) files: Vec<FileState>,
    /// Generation of the stream's next file.
    pub(super) next_generation: u64,
}

/// How far one file was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileState {
    pub(super) device: u64,
    pub(super) inode: u64,
    /// Bytes whose records were handed over.
    pub(super) offset: u64,
    /// Rotations and truncations of the stream before this file.
    pub(super) generation: u64,
    /// Bytes at its start that `head` stands for.
    pub(super) head_bytes: usize,
    /// Hash of them.
    pub(super) head: String,
}

impl FileState {
    pub(super) fn identity(&self) -> Identity {
        Identity {
            device: self.device,
            inode: self.inode,
        }
    }

    /// Is this file the one that the state speaks of, not cut or written anew since?
    pub(super) fn fits(&self, file: &File) -> bool {
        let length = file.metadata().map_or(0, |metadata| metadata.len());
        let head = read_head(file, self.head_bytes.min(HEAD_BYTES_MAX));
        length >= self.offset && head.len() == self.head_bytes && hash(&head) == self.head
    }
}

/// Opens a regular file for reading; a pipe put in its place is refused and never waited for.
pub(super) fn open_regular(path: &Path) -> std::io::Result<File> {
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(std::io::Error::other("not a regular file"))
    }
}

fn hash(head: &[u8]) -> String {
    EventId::of(&[head]).to_string()
}

/// Up to `length` bytes from the start.
fn read_head(file: &File, length: usize) -> Vec<u8> {
    let mut head = vec![0; length];
    let read = file.read_at(&mut head, 0).unwrap_or(0);
    head.truncate(read);
    head
}

/// A file that is being read.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) path: PathBuf,
    pub(super) file: File,
    pub(super) identity: Identity,
    pub(super) generation: u64,
    read_to: u64,
    lines: Lines,
    head: Vec<u8>,
}

impl OpenFile {
    /// Opens a file at its start.
    pub(super) fn open(path: &Path, generation: u64) -> std::io::Result<Self> {
        let file = open_regular(path)?;
        let identity = Identity::of(&file.metadata()?);
        let path = path.to_path_buf();
        let (lines, head) = (Lines::at(0), Vec::new());
        Ok(Self {
            path,
            file,
            identity,
            generation,
            read_to: 0,
            lines,
            head,
        })
    }

    /// Goes on where the state ended; the caller made sure that it fits.
    pub(super) fn resume(&mut self, state: &FileState) {
        self.generation = state.generation;
        self.read_to = state.offset;
        self.lines = Lines::at(state.offset);
        self.head = read_head(&self.file, state.head_bytes.min(HEAD_BYTES_MAX));
    }

    /// Reads the next bytes into `buffer` and returns how many; 0 at the end.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read_at(buffer, self.read_to)?;
        if self.head.len() < HEAD_BYTES_MAX && self.read_to == self.head.len() as u64 {
            let room = HEAD_BYTES_MAX - self.head.len();
            self.head.extend(buffer.iter().take(read.min(room)));
        }
        self.read_to = self.read_to.saturating_add(read as u64);
        Ok(read)
    }

    /// The next line out of what was read.
    pub(super) fn next_line(&mut self, rest: &mut &[u8]) -> Option<Line> {
        self.lines.next(rest)
    }

    /// The last line, if it has no newline.
    pub(super) fn last_line(&mut self) -> Option<Line> {
        self.lines.rest()
    }

    /// Was it cut, or written anew from the start, since it was read?
    pub(super) fn was_rewritten(&self) -> bool {
        let Ok(metadata) = self.file.metadata() else {
            return false;
        };
        metadata.len() < self.read_to || read_head(&self.file, self.head.len()) != self.head
    }

    /// Begins again at the start, as another generation.
    pub(super) fn rewind(&mut self, generation: u64) {
        self.generation = generation;
        self.read_to = 0;
        self.lines = Lines::at(0);
        self.head.clear();
    }

    /// A record of one of its lines.
    pub(super) fn record(&self, line: Line, stream: &Name, observed: Time) -> Record {
        let generation = self.generation & (u64::MAX >> OFFSET_BITS);
        let position = (generation << OFFSET_BITS) | (line.start & ((1 << OFFSET_BITS) - 1));
        let (stream, bytes) = (stream.clone(), line.bytes);
        Record {
            stream,
            position,
            bytes,
            spoofable: false,
            observed,
        }
    }

    /// How far its records were handed out.
    pub(super) fn state(&self) -> FileState {
        FileState {
            device: self.identity.device,
            inode: self.identity.inode,
            offset: self.lines.start(),
            generation: self.generation,
            head_bytes: self.head.len(),
            head: hash(&self.head),
        }
    }
}
