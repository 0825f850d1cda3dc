//! The files beside the database: the reserve, and the head of the audit chain.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::StoreError;
use crate::audit::{AuditHead, HASH_BYTES};

/// Name of the reserve file inside the state folder.
pub const RESERVE_FILE: &str = "reserve";
/// Name of the file with the head of the audit chain.
pub(super) const HEAD_FILE: &str = "audit.head";
const HEAD_BYTES_MAX: usize = 256;
const CHECK_DIGITS: usize = 16;

/// Makes the folder (0700) and the file (0600), or narrows the modes of what is there.
pub(super) fn prepare(dir: &Path, file: &Path) -> Result<(), StoreError> {
    let failed = |error: io::Error| StoreError::of_io(&file.display().to_string(), &error);
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(failed)?;
    narrow(dir, 0o700).map_err(failed)?;
    make(file).map_err(failed)?;
    narrow(file, 0o600).map_err(failed)
}

/// Makes the file if it is not there. One that is there is never opened: closing it again would
/// drop the POSIX locks of every other connection of this process.
fn make(file: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    match options.write(true).create_new(true).mode(0o600).open(file) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600);
    options.open(path)
}

fn narrow(path: &Path, mode: u32) -> io::Result<()> {
    let mut permissions = fs::metadata(path)?.permissions();
    if permissions.mode() & 0o7777 & !mode == 0 {
        return Ok(());
    }
    permissions.set_mode(mode);
    fs::set_permissions(path, permissions)
}

/// Space held back for the records that end effects.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    bytes: u64,
}

impl Reserve {
    pub(super) fn new(dir: &Path, bytes: u64) -> Self {
        Self {
            path: dir.join(RESERVE_FILE),
            bytes,
        }
    }

    /// Is it there in its whole length? A reserve of 0 bytes is always held.
    pub(super) fn held(&self) -> bool {
        self.bytes == 0 || fs::metadata(&self.path).is_ok_and(|found| found.len() >= self.bytes)
    }

    pub(super) fn release(&self) -> Result<(), StoreError> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::of_io(RESERVE_FILE, &error))
            }
            _ => Ok(()),
        }
    }

    /// Takes it (again). When there is no space for all of it, none is taken.
    pub(super) fn take(&self) -> Result<(), StoreError> {
        if self.held() {
            return Ok(());
        }
        let taken = self.fill();
        if taken.is_err() {
            self.release()?;
        }
        taken.map_err(|error| StoreError::of_io(RESERVE_FILE, &error))
    }

    fn fill(&self) -> io::Result<()> {
        static CHUNK: [u8; 65_536] = [0; 65_536];
        let mut file = private(&self.path)?;
        file.set_len(0)?;
        let mut left = self.bytes;
        while left > 0 {
            let length = usize::try_from(left)
                .unwrap_or(CHUNK.len())
                .min(CHUNK.len());
            let part = CHUNK.get(..length).unwrap_or_default();
            file.write_all(part)?; // written, not only sized: a hole would reserve nothing
            left = left.saturating_sub(length as u64);
        }
        file.sync_all()
    }
}

/// The file that remembers the end of the audit chain. It is written in place after the commit
/// that it tells of and is not synced: after a power cut it may lag, never lead.
#[derive(Debug)]
pub(super) struct HeadFile {
    file: File,
    frozen: bool,
}

impl HeadFile {
    /// Opens it. `holds` says whether the log agrees with a head; if it does not, the old head
    /// stays, so that what was cut off or rewritten while no node ran goes on to show.
    pub(super) fn open(
        dir: &Path,
        holds: impl FnOnce(AuditHead) -> Result<bool, StoreError>,
    ) -> Result<Self, StoreError> {
        let file =
            private(&dir.join(HEAD_FILE)).map_err(|error| StoreError::of_io(HEAD_FILE, &error))?;
        let frozen = match read_head(dir) {
            StoredHead::Missing => false,
            StoredHead::Damaged => true,
            StoredHead::Is(head) => !holds(head)?,
        };
        Ok(Self { file, frozen })
    }

    pub(super) fn write(&self, head: AuditHead) -> Result<(), StoreError> {
        if self.frozen {
            return Ok(());
        }
        let written = self.file.write_all_at(head_line(head).as_bytes(), 0);
        written.map_err(|error| StoreError::of_io(HEAD_FILE, &error))
    }
}

/// What the head file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StoredHead {
    Missing,
    Damaged,
    Is(AuditHead),
}

/// Reads the head file; an empty one (made, not yet written) counts as missing.
pub(super) fn read_head(dir: &Path) -> StoredHead {
    let text = match File::open(dir.join(HEAD_FILE)) {
        Ok(file) => {
            let mut text = [0; HEAD_BYTES_MAX];
            let length = file.read_at(&mut text, 0).unwrap_or_default();
            text.get(..length).unwrap_or_default().to_vec()
        }
        Err(_) => return StoredHead::Missing,
    };
    if text.is_empty() {
        return StoredHead::Missing;
    }
    let line = std::str::from_utf8(&text).ok();
    line.and_then(head_of)
        .map_or(StoredHead::Damaged, StoredHead::Is)
}

/// Fixed length, so that writing in place never leaves a rest of the line before.
fn head_line(head: AuditHead) -> String {
    let hash = blake3::Hash::from_bytes(head.hash).to_hex();
    let text = format!("v1 {:020} {hash}", head.sequence);
    format!("{text} {}\n", check_of(&text))
}

fn head_of(line: &str) -> Option<AuditHead> {
    let (text, check) = line.strip_suffix('\n')?.rsplit_once(' ')?;
    if check != check_of(text) {
        return None;
    }
    let (sequence, hash) = text.strip_prefix("v1 ")?.split_once(' ')?;
    let hash: [u8; HASH_BYTES] = *blake3::Hash::from_hex(hash).ok()?.as_bytes();
    Some(AuditHead {
        sequence: sequence.parse().ok()?,
        hash,
    })
}

fn check_of(text: &str) -> String {
    let hash = blake3::hash(text.as_bytes()).to_hex();
    hash.chars().take(CHECK_DIGITS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_reads_back_and_a_flipped_one_does_not() {
        let head = AuditHead {
            sequence: 77,
            hash: [0xAB; HASH_BYTES],
        };
        let line = head_line(head);
        assert_eq!(head_of(&line), Some(head));
        for at in 0..line.len() {
            let mut bytes = line.clone().into_bytes();
            bytes[at] ^= 1;
            let read = std::str::from_utf8(&bytes).ok().and_then(head_of);
            assert_eq!(read, None, "byte {at}");
        }
    }
}
