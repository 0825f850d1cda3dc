//! Segment files: their names, and which ones there are.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::LogError;

/// A segment's name: `<first sequence>-<salt>.seg`. Sorting names sorts segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SegmentName {
    /// Sequence of the first record that was or will be written to it.
    pub(crate) first_sequence: u64,
    /// Start of the CRCs of its blocks.
    pub(crate) salt: u64,
}

impl SegmentName {
    /// A name for a new segment, with a salt that no author of records can know.
    pub(crate) fn new(first_sequence: u64) -> Self {
        use std::hash::{BuildHasher, Hasher};
        // The standard library's hash keys come from the system's random numbers.
        let salt = std::hash::RandomState::new().build_hasher().finish();
        Self {
            first_sequence,
            salt,
        }
    }

    /// Reads a file name; `None` for any other file.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let (first, salt) = name.strip_suffix(".seg")?.split_once('-')?;
        let parsed = Self {
            first_sequence: first.parse().ok()?,
            salt: u64::from_str_radix(salt, 16).ok()?,
        };
        // Only the exact form that is written: the path is made from the parsed name.
        (parsed.to_string() == name).then_some(parsed)
    }

    /// Its path.
    pub(crate) fn path(&self, dir: &Path) -> PathBuf {
        dir.join(self.to_string())
    }
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:020}-{:016x}.seg", self.first_sequence, self.salt)
    }
}

/// The segments in a folder, oldest first. Other files are passed by.
pub(crate) fn list(dir: &Path) -> Result<Vec<SegmentName>, LogError> {
    let failed = |source| LogError::io("list", dir, source);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let file_name = entry.map_err(failed)?.file_name();
        names.extend(file_name.to_str().and_then(SegmentName::parse));
    }
    names.sort_unstable();
    Ok(names)
}
