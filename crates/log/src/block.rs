//! The block: a header of 56 bytes and a zstd frame of records. Encoding and decoding, no I/O.
//!
//! Little-endian: magic 8, version 2, reserved 2, payload bytes 4, plain bytes 4, count 4, first
//! sequence 8, earliest time 8, latest time 8, CRC of header and payload 4, CRC of the header 4.
//! Magic, version, length and header CRC keep their place in every future version.
//! A record in the payload: time 8, length 4, bytes.
//!
//! Both CRCs start from the segment's salt, a number that no author of log lines knows: a block
//! forged inside a record can never be taken for one of ours when reading resumes after damage.

use event::Time;

use crate::{BLOCK_BYTES_MAX, RECORD_BYTES_MAX};

/// Bytes of a header.
pub(crate) const HEADER_BYTES: usize = 56;
/// First bytes of every block.
pub(crate) const MAGIC: [u8; 8] = *b"\xd6VLBLK\r\n";
/// Format version written here, and the newest one read.
pub(crate) const VERSION: u16 = 1;
/// Largest payload, bytes: zstd adds less than 1/128 to what it cannot compress.
pub(crate) const PAYLOAD_BYTES_MAX: u32 = (BLOCK_BYTES_MAX + BLOCK_BYTES_MAX / 128) as u32;
/// Bytes that a record needs beside its own.
pub(crate) const RECORD_OVERHEAD: usize = 12;

/// A header whose CRC holds and whose figures are within the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) payload_bytes: u32,
    pub(crate) plain_bytes: u32,
    pub(crate) count: u32,
    pub(crate) first_sequence: u64,
    pub(crate) earliest: Time,
    pub(crate) latest: Time,
    block_crc: u32,
}

/// Why bytes are not a block that can be read here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotRead {
    /// Not a header, or damaged.
    Damaged,
    /// A sound header of a newer format.
    Future(u16),
}

impl Header {
    /// Sequence behind the block's last record. Parsing made sure that it does not overflow.
    pub(crate) fn end_sequence(&self) -> u64 {
        self.first_sequence.saturating_add(u64::from(self.count))
    }

    /// Header and payload, bytes.
    pub(crate) fn total_bytes(&self) -> u64 {
        HEADER_BYTES as u64 + u64::from(self.payload_bytes)
    }

    /// Reads a header.
    pub(crate) fn parse(bytes: &[u8; HEADER_BYTES], salt: u64) -> Result<Self, NotRead> {
        let mut rest = bytes.as_slice();
        let header = parse_fields(&mut rest).ok_or(NotRead::Damaged)?;
        let (magic, version, fields) = header;
        let (checked, stored) = bytes.split_last_chunk().ok_or(NotRead::Damaged)?;
        if magic != MAGIC || crc(salt, &[checked]) != u32::from_le_bytes(*stored) {
            return Err(NotRead::Damaged);
        }
        if version > VERSION {
            return Err(NotRead::Future(version));
        }
        if fields.is_possible() {
            Ok(fields)
        } else {
            Err(NotRead::Damaged)
        }
    }

    fn is_possible(&self) -> bool {
        let least = u64::from(self.count) * RECORD_OVERHEAD as u64;
        self.payload_bytes <= PAYLOAD_BYTES_MAX
            && self.plain_bytes as usize <= BLOCK_BYTES_MAX
            && self.count >= 1
            && least <= u64::from(self.plain_bytes)
            && self
                .first_sequence
                .checked_add(u64::from(self.count))
                .is_some()
    }

    /// The first 48 bytes: all that the block's CRC covers beside the payload.
    fn front(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend([0, 0]);
        bytes.extend(self.payload_bytes.to_le_bytes());
        bytes.extend(self.plain_bytes.to_le_bytes());
        bytes.extend(self.count.to_le_bytes());
        bytes.extend(self.first_sequence.to_le_bytes());
        bytes.extend(self.earliest.micros().to_le_bytes());
        bytes.extend(self.latest.micros().to_le_bytes());
        bytes
    }

    /// Does the payload belong to this header, undamaged?
    pub(crate) fn accepts(&self, payload: &[u8], salt: u64) -> bool {
        payload.len() == self.payload_bytes as usize
            && crc(salt, &[&self.front(), payload]) == self.block_crc
    }
}

fn parse_fields(rest: &mut &[u8]) -> Option<([u8; 8], u16, Header)> {
    let magic = take::<8>(rest)?;
    let version = u16::from_le_bytes(take(rest)?);
    take::<2>(rest)?;
    let header = Header {
        payload_bytes: u32::from_le_bytes(take(rest)?),
        plain_bytes: u32::from_le_bytes(take(rest)?),
        count: u32::from_le_bytes(take(rest)?),
        first_sequence: u64::from_le_bytes(take(rest)?),
        earliest: Time::from_micros(i64::from_le_bytes(take(rest)?)),
        latest: Time::from_micros(i64::from_le_bytes(take(rest)?)),
        block_crc: u32::from_le_bytes(take(rest)?),
    };
    Some((magic, version, header))
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

fn crc(salt: u64, parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&salt.to_le_bytes());
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize()
}

/// Packs records into a block. Buffers are kept between blocks.
pub(crate) struct Packer {
    compressor: zstd::bulk::Compressor<'static>,
    plain: Vec<u8>,
    count: u32,
    earliest: Time,
    latest: Time,
}

impl Packer {
    /// A packer at a zstd level; zstd itself clamps what is out of its range.
    pub(crate) fn new(level: i32) -> std::io::Result<Self> {
        Ok(Self {
            compressor: zstd::bulk::Compressor::new(level)?,
            plain: Vec::new(),
            count: 0,
            earliest: Time::MAX,
            latest: Time::EPOCH,
        })
    }

    /// Bytes waiting, uncompressed.
    pub(crate) fn waiting(&self) -> usize {
        self.plain.len()
    }

    /// Forgets what waits.
    pub(crate) fn clear(&mut self) {
        self.plain.clear();
        self.count = 0;
    }

    /// Adds one record. The caller has checked its size against [`RECORD_BYTES_MAX`].
    pub(crate) fn push(&mut self, time: Time, bytes: &[u8]) {
        debug_assert!(bytes.len() <= RECORD_BYTES_MAX);
        let first = self.count == 0;
        self.earliest = if first { time } else { self.earliest.min(time) };
        self.latest = if first { time } else { self.latest.max(time) };
        self.plain.extend(time.micros().to_le_bytes());
        self.plain.extend((bytes.len() as u32).to_le_bytes());
        self.plain.extend(bytes);
        self.count += 1;
    }

    /// Writes what waits as one block into `out` (cleared first) and returns its header.
    pub(crate) fn finish(
        &mut self,
        first_sequence: u64,
        salt: u64,
        out: &mut Vec<u8>,
    ) -> std::io::Result<Header> {
        out.clear();
        let payload = self.compressor.compress(&self.plain)?;
        let mut header = Header {
            payload_bytes: payload.len() as u32,
            plain_bytes: self.plain.len() as u32,
            count: self.count,
            first_sequence,
            earliest: self.earliest,
            latest: self.latest,
            block_crc: 0,
        };
        out.extend(header.front());
        header.block_crc = crc(salt, &[out, &payload]);
        out.extend(header.block_crc.to_le_bytes());
        out.extend(crc(salt, &[out]).to_le_bytes());
        out.extend(payload);
        self.clear();
        Ok(header)
    }
}

/// Unpacks payloads. Holds the records of one block and hands them out in order.
pub(crate) struct Unpacker {
    decompressor: zstd::bulk::Decompressor<'static>,
    plain: Vec<u8>,
    at: usize,
}

impl Unpacker {
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self {
            decompressor: zstd::bulk::Decompressor::new()?,
            plain: Vec::new(),
            at: 0,
        })
    }

    /// Unpacks a payload that [`Header::accepts`]. The output is capped by what the header says,
    /// which is capped by [`BLOCK_BYTES_MAX`]. `None`: a bad block, nothing is held.
    pub(crate) fn load(&mut self, header: &Header, payload: &[u8]) -> Option<()> {
        self.clear();
        self.plain.reserve_exact(header.plain_bytes as usize);
        // Never writes beyond the capacity; a kept buffer may be larger, so the length is judged.
        let written = self
            .decompressor
            .decompress_to_buffer(payload, &mut self.plain);
        let fits = written.ok() == Some(header.plain_bytes as usize);
        if fits && self.holds(header.count) {
            return Some(());
        }
        self.clear();
        None
    }

    fn holds(&self, count: u32) -> bool {
        let mut rest = self.plain.as_slice();
        (0..count).all(|_| next_record(&mut rest).is_some()) && rest.is_empty()
    }

    /// Forgets the block.
    pub(crate) fn clear(&mut self) {
        self.plain.clear();
        self.at = 0;
    }

    /// The block's next record.
    pub(crate) fn next_record(&mut self) -> Option<(Time, &[u8])> {
        let mut rest = self.plain.get(self.at..)?;
        let record = next_record(&mut rest)?;
        self.at = self.plain.len() - rest.len();
        Some(record)
    }
}

fn next_record<'a>(rest: &mut &'a [u8]) -> Option<(Time, &'a [u8])> {
    let time = i64::from_le_bytes(take(rest)?);
    let length = u32::from_le_bytes(take(rest)?) as usize;
    let (bytes, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some((Time::from_micros(time), bytes))
}
