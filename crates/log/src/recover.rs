//! What opening a log finds: checks the last segment block by block and cuts its unfinished tail.
//!
//! Sealed segments were synced before their successor was made, so they are counted by their
//! names and checked when they are read (or by [`crate::Writer::scrub`]): opening takes time for
//! one segment, however large the log.

use std::fs::File;
use std::path::Path;

use crate::LogError;
use crate::cursor::{Cursor, Found};
use crate::quarantine::set_aside;
use crate::segment::SegmentName;

/// What [`crate::Writer::open`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Segment files.
    pub segments: u64,
    /// Records: checked in the last segment, by sequence in the sealed ones.
    pub records: u64,
    /// Bytes of an unfinished write that were cut off; none of them was ever acknowledged.
    pub torn_bytes: u64,
    /// Damaged stretches set aside in the last segment.
    pub bad_blocks: u64,
    /// Sequence of the next record.
    pub next_sequence: u64,
}

/// What checking one segment found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Checked {
    pub(crate) records: u64,
    pub(crate) bad_blocks: u64,
    /// Behind the last block, sound or damaged.
    pub(crate) end_offset: u64,
    pub(crate) end_sequence: u64,
    pub(crate) tail_bytes: u64,
}

/// Reads a whole segment, checks every CRC and copies what is damaged to quarantine.
pub(crate) fn check(dir: &Path, name: SegmentName) -> Result<Checked, LogError> {
    let mut cursor = Cursor::open(dir, name)?;
    let mut checked = Checked::default();
    let mut payload = Vec::new();
    loop {
        match cursor.step()? {
            Found::Block { header, offset } => {
                let whole = cursor.payload(&header, offset, &mut payload)?;
                if whole && header.accepts(&payload, name.salt) {
                    checked.records += u64::from(header.count);
                } else {
                    checked.bad_blocks += 1;
                    set_aside(dir, name, &cursor, (offset, header.total_bytes()));
                }
            }
            Found::Damage { offset, length } => {
                checked.bad_blocks += 1;
                set_aside(dir, name, &cursor, (offset, length));
            }
            Found::Tail {
                offset,
                length,
                unfinished,
            } => {
                checked.tail_bytes = length;
                if !unfinished {
                    checked.bad_blocks += 1;
                    set_aside(dir, name, &cursor, (offset, length));
                }
                break;
            }
            Found::End => break,
        }
    }
    checked.end_offset = cursor.offset();
    checked.end_sequence = cursor.sequence();
    Ok(checked)
}

/// Checks the last segment and cuts what follows its last block.
pub(crate) fn recover(dir: &Path, names: &[SegmentName]) -> Result<Recovery, LogError> {
    let Some(last) = names.last() else {
        return Ok(Recovery::default());
    };
    let checked = check(dir, *last)?;
    if checked.tail_bytes > 0 {
        cut(&last.path(dir), checked.end_offset)?;
    }
    let first = names.first().map_or(0, |name| name.first_sequence);
    Ok(Recovery {
        segments: names.len() as u64,
        records: last.first_sequence.saturating_sub(first) + checked.records,
        torn_bytes: checked.tail_bytes,
        bad_blocks: checked.bad_blocks,
        next_sequence: checked.end_sequence,
    })
}

fn cut(path: &Path, length: u64) -> Result<(), LogError> {
    let open = File::options().write(true).open(path);
    let done = open.and_then(|file| file.set_len(length).and_then(|()| file.sync_all()));
    done.map_err(|source| LogError::io("cut", path, source))
}
