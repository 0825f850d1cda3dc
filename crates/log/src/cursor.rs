//! Walks the blocks of one segment file and finds its way behind damage.
//!
//! Only headers are read here, so that blocks which are not wanted cost 56 bytes. The rules:
//! a sound header is believed and its length skipped; anything else is searched, byte by byte,
//! for the next sound header; bytes without one behind them are the unfinished tail.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::LogError;
use crate::block::{HEADER_BYTES, Header, MAGIC, NotRead, VERSION};
use crate::segment::SegmentName;

/// Bytes searched at a time.
const SEARCH_BYTES: usize = 64 * 1024;

/// A place in a segment.
pub(crate) struct Cursor {
    file: File,
    path: PathBuf,
    salt: u64,
    offset: u64,
    /// Sequences below have passed: a block that goes back is damage.
    sequence: u64,
}

/// What stands at the cursor.
#[derive(Debug)]
pub(crate) enum Found {
    /// A block; the cursor moved behind it.
    Block {
        /// Its header.
        header: Header,
        /// Where the header begins.
        offset: u64,
    },
    /// Damaged bytes with a sound header behind them; the cursor moved there.
    Damage {
        /// Where they begin.
        offset: u64,
        /// How many.
        length: u64,
    },
    /// Bytes that do not make a block, up to the end; the cursor stays before them.
    Tail {
        /// Where they begin.
        offset: u64,
        /// How many.
        length: u64,
        /// Could a write that was cut short have left them?
        unfinished: bool,
    },
    /// Nothing more.
    End,
}

impl Cursor {
    /// At the start of a segment.
    pub(crate) fn open(dir: &Path, name: SegmentName) -> Result<Self, LogError> {
        let path = name.path(dir);
        let file = File::open(&path).map_err(|source| LogError::io("open", &path, source))?;
        Ok(Self {
            file,
            path,
            salt: name.salt,
            offset: 0,
            sequence: name.first_sequence,
        })
    }

    /// Where it stands, bytes from the start.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Sequence behind the last block seen.
    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Salt of the segment.
    pub(crate) fn salt(&self) -> u64 {
        self.salt
    }

    /// The next block, or what stands in its place.
    pub(crate) fn step(&mut self) -> Result<Found, LogError> {
        let length = self.length()?;
        let offset = self.offset;
        if offset >= length {
            return Ok(Found::End);
        }
        let left = length - offset;
        if left < HEADER_BYTES as u64 {
            return self.tail(offset, left);
        }
        let Some(header) = self.header_at(offset)? else {
            return self.search(offset, length);
        };
        if header.total_bytes() > left {
            return Ok(Found::Tail {
                offset,
                length: left,
                unfinished: true,
            });
        }
        self.offset += header.total_bytes();
        self.sequence = header.end_sequence();
        Ok(Found::Block { header, offset })
    }

    /// Reads a block's payload; it is not yet checked against its CRC. `false`: the writer cut a
    /// failed append off in this very moment.
    pub(crate) fn payload(
        &self,
        header: &Header,
        offset: u64,
        payload: &mut Vec<u8>,
    ) -> Result<bool, LogError> {
        payload.resize(header.payload_bytes as usize, 0);
        let at = offset.saturating_add(HEADER_BYTES as u64);
        self.read_whole(payload, at)
    }

    /// Reads raw bytes, as many as there are.
    pub(crate) fn raw(&self, offset: u64, length: usize) -> Result<Vec<u8>, LogError> {
        let left = self.length()?.saturating_sub(offset);
        let mut bytes = vec![0; length.min(usize::try_from(left).unwrap_or(length))];
        if !self.read_whole(&mut bytes, offset)? {
            bytes.clear();
        }
        Ok(bytes)
    }

    fn length(&self) -> Result<u64, LogError> {
        let metadata = self.file.metadata();
        let metadata = metadata.map_err(|source| LogError::io("read", &self.path, source))?;
        Ok(metadata.len())
    }

    /// `false`: the file ended before.
    fn read_whole(&self, bytes: &mut [u8], offset: u64) -> Result<bool, LogError> {
        match self.file.read_exact_at(bytes, offset) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
            Err(source) => Err(LogError::io("read", &self.path, source)),
        }
    }

    fn header_at(&self, offset: u64) -> Result<Option<Header>, LogError> {
        let mut bytes = [0; HEADER_BYTES];
        if !self.read_whole(&mut bytes, offset)? {
            return Ok(None);
        }
        match Header::parse(&bytes, self.salt) {
            Ok(header) if header.first_sequence >= self.sequence => Ok(Some(header)),
            Ok(_) | Err(NotRead::Damaged) => Ok(None),
            Err(NotRead::Future(version)) => Err(LogError::FutureVersion {
                path: self.path.clone(),
                version,
                known: VERSION,
            }),
        }
    }

    /// Fewer bytes than a header: the start of one, or not.
    fn tail(&self, offset: u64, length: u64) -> Result<Found, LogError> {
        let bytes = self.raw(offset, HEADER_BYTES)?;
        let unfinished = bytes.iter().zip(MAGIC).all(|(byte, magic)| *byte == magic);
        Ok(Found::Tail {
            offset,
            length,
            unfinished,
        })
    }

    /// Looks for the next sound header behind `start`, which has none.
    fn search(&mut self, start: u64, length: u64) -> Result<Found, LogError> {
        let mut at = start + 1;
        while at + HEADER_BYTES as u64 <= length {
            let window = self.raw(at, SEARCH_BYTES)?;
            for hit in magics(&window) {
                let place = at + hit as u64;
                let fits = place + HEADER_BYTES as u64 <= length;
                if fits && self.header_at(place)?.is_some() {
                    self.offset = place;
                    let length = place - start;
                    return Ok(Found::Damage {
                        offset: start,
                        length,
                    });
                }
            }
            // The next window overlaps, for a magic that straddles the border.
            at += (window.len() as u64)
                .saturating_sub(MAGIC.len() as u64 - 1)
                .max(1);
        }
        Ok(Found::Tail {
            offset: start,
            length: length - start,
            unfinished: false,
        })
    }
}

fn magics(window: &[u8]) -> impl Iterator<Item = usize> + '_ {
    let all = window.windows(MAGIC.len()).enumerate();
    all.filter(|(_, bytes)| *bytes == MAGIC).map(|(at, _)| at)
}
