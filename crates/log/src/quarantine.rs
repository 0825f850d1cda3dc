//! Keeps a copy of damaged bytes, so that a person can look at what was lost.
//!
//! A copy that cannot be made (full disk, limit reached) never stops the log: the damage is
//! counted either way.

use std::path::Path;

use crate::cursor::Cursor;
use crate::segment::SegmentName;

/// Bytes kept of one damaged stretch; the rest is left where it is.
const STRETCH_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most files in the folder; beyond, damage is counted only.
const FILES_MAX: usize = 256;

/// Copies `length` bytes at `offset` to `quarantine/<segment>.<offset>`; returns the bytes kept.
pub(crate) fn set_aside(
    dir: &Path,
    name: SegmentName,
    cursor: &Cursor,
    (offset, length): (u64, u64),
) -> u64 {
    let wanted =
        usize::try_from(length).map_or(STRETCH_BYTES_MAX, |all| all.min(STRETCH_BYTES_MAX));
    let Ok(bytes) = cursor.raw(offset, wanted) else {
        return 0;
    };
    let folder = dir.join("quarantine");
    let path = folder.join(format!("{name}.{offset}"));
    // Known damage is not copied again at each start; zeros are a file system's hole, no data.
    if path.exists() || bytes.iter().all(|byte| *byte == 0) || !has_room(&folder) {
        return 0;
    }
    let kept = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&path, &bytes));
    if kept.is_ok() { bytes.len() as u64 } else { 0 }
}

fn has_room(folder: &Path) -> bool {
    std::fs::read_dir(folder).map_or(true, |files| files.count() < FILES_MAX)
}
