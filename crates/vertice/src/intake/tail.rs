//! One stream read from files: the one at the path now, and rotated ones not yet quiet.
//!
//! The order at a rotation: a new file with contents is seen at the path; then the old one is read
//! to its end; then the new one is opened. The old one is still read for a while, for writers that
//! have not noticed yet. What cannot be told apart is a file cut and regrown with the same head.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use event::Name;

use super::Offset;
use super::batch::Batch;
use super::files::{FileState, Identity, OpenFile, StreamState, open_regular};
use super::lines::Line;
use super::outlet::{Outlet, Stopped, count};
use super::watch::Watcher;

/// A rotated file that was quiet for this long is let go.
const RETIRE_AFTER: Duration = Duration::from_secs(10);
/// Files of one stream open at a time; beyond, the oldest is let go at its end.
const FILES_MAX: usize = 8;
/// Bytes read from one file before the others have their turn.
const TURN_BYTES_MAX: usize = 1024 * 1024;
/// Files remembered as read, so that a new name does not bring them back.
const DONE_MAX: usize = 16;
/// How often a file is looked for that is renamed meanwhile.
const FIND_TRIES: usize = 3;
/// Entries of a folder looked at for rotated files.
const SIBLINGS_MAX: usize = 4096;

/// A stream and its files, oldest first.
pub(super) struct Tail {
    pub(super) path: PathBuf,
    pub(super) stream: Name,
    files: Vec<Entry>,
    done: VecDeque<FileState>,
    next_generation: u64,
    /// The last trouble told, so that it is told once.
    trouble: String,
}

struct Entry {
    file: OpenFile,
    quiet_since: Option<Duration>,
    watch: Option<i32>,
}

impl Tail {
    /// A stream without files yet.
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_path_buf(),
            stream: Name::new(&path.to_string_lossy()),
            files: Vec::new(),
            done: VecDeque::new(),
            next_generation: 0,
            trouble: String::new(),
        }
    }

    /// Is the file at that path read here, or was it?
    pub(super) fn knows(&self, path: &Path) -> bool {
        Identity::at(path).is_some_and(|identity| self.has_open(identity))
            || self.state_when_done(path).is_some()
    }

    fn has_open(&self, identity: Identity) -> bool {
        self.files
            .iter()
            .any(|entry| entry.file.identity == identity)
    }

    /// How far a file was read that was let go. Its number alone proves nothing: file systems
    /// give the numbers of deleted files to new ones.
    fn state_when_done(&self, path: &Path) -> Option<&FileState> {
        let identity = Identity::at(path)?;
        let state = self
            .done
            .iter()
            .rfind(|state| state.identity() == identity)?;
        open_regular(path)
            .is_ok_and(|file| state.fits(&file))
            .then_some(state)
    }

    /// Has it no file at all?
    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// How far it was handed over.
    pub(super) fn state(&self) -> String {
        let files = self.files.iter().map(|entry| entry.file.state()).collect();
        let state = StreamState {
            files,
            next_generation: self.next_generation,
        };
        // Strings and numbers only: writing them cannot fail.
        serde_json::to_string(&state).unwrap_or_default()
    }

    /// Goes on where a committed state ended, also if its files have new names since. Returns
    /// what a person should know.
    pub(super) fn resume(&mut self, state: &str) -> Option<String> {
        let Ok(state) = serde_json::from_str::<StreamState>(state) else {
            return Some("the offset cannot be read: reading from the start".into());
        };
        self.next_generation = state.next_generation;
        for (at, file) in state.files.iter().enumerate() {
            if self.reopen(file) || at + 1 < state.files.len() {
                continue;
            }
            return Some(format!(
                "the file read to byte {} is gone: what was written to it after that is not read",
                file.offset
            ));
        }
        None
    }

    fn reopen(&mut self, state: &FileState) -> bool {
        let Some(mut file) = self.find(state.identity()) else {
            return false;
        };
        if state.fits(&file.file) {
            file.resume(state);
        } else if file.path != self.path {
            return false; // another file with the number of ours
        } else {
            file.generation = self.next_generation; // cut or written anew: from its start
            self.next_generation += 1;
        }
        self.push(file, None);
        true
    }

    /// Opens a file by its number, at the path or beside it. What is opened is checked again, for
    /// it may be renamed between.
    fn find(&self, identity: Identity) -> Option<OpenFile> {
        let is_it = |path: &PathBuf| Identity::at(path) == Some(identity);
        for _ in 0..FIND_TRIES {
            let beside = || siblings(&self.path).into_iter().find(is_it);
            let path = Some(self.path.clone()).filter(is_it).or_else(beside);
            let file = path.and_then(|path| OpenFile::open(&path, 0).ok());
            if file.as_ref().is_some_and(|file| file.identity == identity) {
                return file;
            }
        }
        None
    }

    /// Reads what is there; `true` if there may be more at once.
    pub(super) fn turn(
        &mut self,
        outlet: &Outlet,
        watcher: &mut Watcher,
        buffer: &mut [u8],
    ) -> Result<bool, Stopped> {
        self.watch_files(watcher);
        let has_successor = self.has_successor(outlet, watcher)?;
        self.check_rewritten(outlet)?;
        if self.read(outlet, buffer)? {
            return Ok(true);
        }
        self.retire(outlet, watcher)?;
        if has_successor {
            return self.open_successor(outlet, watcher);
        }
        Ok(false)
    }

    /// Opens the file at the path, to be read once.
    pub(super) fn open(&mut self) -> std::io::Result<()> {
        if self.files.is_empty() {
            let file = OpenFile::open(&self.path, 0)?;
            self.begin(file);
        }
        Ok(())
    }

    /// Hands over the last lines, which have no newline.
    pub(super) fn finish(&mut self, outlet: &Outlet) -> Result<(), Stopped> {
        for index in 0..self.files.len() {
            self.last_line(index, outlet)?;
        }
        Ok(())
    }

    /// Reads every file to its end or to its share; `true` if there is more.
    pub(super) fn read(&mut self, outlet: &Outlet, buffer: &mut [u8]) -> Result<bool, Stopped> {
        for index in 0..self.files.len() {
            if self.read_file(index, outlet, buffer)? {
                return Ok(true); // the later ones wait: order within the stream
            }
        }
        Ok(false)
    }

    fn read_file(
        &mut self,
        index: usize,
        outlet: &Outlet,
        buffer: &mut [u8],
    ) -> Result<bool, Stopped> {
        let mut batch = Batch::default();
        let mut total = 0;
        while total < TURN_BYTES_MAX {
            let Some(entry) = self.files.get_mut(index) else {
                break;
            };
            let read = match entry.file.read(buffer) {
                Ok(read) => read,
                Err(error) => {
                    self.tell(outlet, format!("cannot read: {error}"))?;
                    0
                }
            };
            if read == 0 {
                self.rest(index, outlet);
                self.flush(&mut batch, outlet)?;
                return Ok(false);
            }
            total += read;
            self.split(
                index,
                buffer.get(..read).unwrap_or_default(),
                &mut batch,
                outlet,
            )?;
        }
        self.flush(&mut batch, outlet)?;
        Ok(true)
    }

    fn split(
        &mut self,
        index: usize,
        bytes: &[u8],
        batch: &mut Batch,
        outlet: &Outlet,
    ) -> Result<(), Stopped> {
        let observed = outlet.now();
        let mut rest = bytes;
        while let Some(entry) = self.files.get_mut(index) {
            entry.quiet_since = None;
            let Some(line) = entry.file.next_line(&mut rest) else {
                break;
            };
            note_cut(&line, outlet);
            batch.push(entry.file.record(line, &self.stream, observed));
            if batch.is_full() {
                self.flush(batch, outlet)?;
            }
        }
        Ok(())
    }

    /// The file stands at its end.
    fn rest(&mut self, index: usize, outlet: &Outlet) {
        if let Some(entry) = self.files.get_mut(index) {
            entry.quiet_since.get_or_insert_with(|| outlet.elapsed());
        }
    }

    fn flush(&self, batch: &mut Batch, outlet: &Outlet) -> Result<(), Stopped> {
        let stream = self.stream.as_str().to_owned();
        if batch.records() == 0 {
            return Ok(());
        }
        outlet.batch(
            batch,
            vec![Offset {
                stream,
                state: self.state(),
            }],
        )
    }

    fn last_line(&mut self, index: usize, outlet: &Outlet) -> Result<(), Stopped> {
        let Some(entry) = self.files.get_mut(index) else {
            return Ok(());
        };
        let Some(line) = entry.file.last_line() else {
            return Ok(());
        };
        note_cut(&line, outlet);
        let mut batch = Batch::default();
        batch.push(entry.file.record(line, &self.stream, outlet.now()));
        self.flush(&mut batch, outlet)
    }

    /// The newest file was cut (copytruncate) or written anew: what was incomplete will never be
    /// completed, so it is handed over.
    fn check_rewritten(&mut self, outlet: &Outlet) -> Result<(), Stopped> {
        let Some(index) = self.files.len().checked_sub(1) else {
            return Ok(());
        };
        if !self
            .files
            .get(index)
            .is_some_and(|entry| entry.file.was_rewritten())
        {
            return Ok(());
        }
        self.last_line(index, outlet)?;
        if let Some(entry) = self.files.get_mut(index) {
            entry.file.rewind(self.next_generation);
            self.next_generation += 1;
        }
        Ok(())
    }

    /// Is another file at the path, with contents?
    fn has_successor(&mut self, outlet: &Outlet, watcher: &mut Watcher) -> Result<bool, Stopped> {
        let metadata = match std::fs::metadata(&self.path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => {
                self.tell(outlet, format!("cannot look at the file: {error}"))?;
                return Ok(false);
            }
        };
        let current = self.files.last().map(|entry| entry.file.identity);
        if !metadata.is_file() || current == Some(Identity::of(&metadata)) {
            return Ok(false);
        }
        // It must not be read before its writer uses it: the old file may still grow.
        watcher.watch_path(&self.path);
        Ok(metadata.len() > 0 || current.is_none())
    }

    /// The file at the path is opened first: a folder read afterwards shows all that were rotated
    /// away before it came, and none that came after it as long as it is still at the path.
    fn open_successor(&mut self, outlet: &Outlet, watcher: &mut Watcher) -> Result<bool, Stopped> {
        let newest = match OpenFile::open(&self.path, 0) {
            Ok(newest) => newest,
            // Renamed since it was seen; the next one is not there yet.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => {
                self.tell(outlet, format!("cannot open: {error}"))?;
                return Ok(false);
            }
        };
        let missed = self.missed(newest.identity);
        if Identity::at(&self.path) != Some(newest.identity) {
            return Ok(true); // rotated away too: what was found may be younger
        }
        for (identity, path) in missed {
            match OpenFile::open(&path, 0) {
                Ok(file) if file.identity == identity => self.begin(file),
                Ok(_) | Err(_) => return Ok(true), // renamed again: look again at the next turn
            }
        }
        let is_new = !self.has_open(newest.identity);
        if is_new {
            self.begin(newest);
        }
        self.watch_files(watcher);
        Ok(is_new)
    }

    /// Takes up a file behind the others, from its start, or from where it was let go.
    fn begin(&mut self, file: OpenFile) {
        let mut file = file;
        file.generation = self.next_generation;
        self.next_generation += 1;
        if let Some(state) = self.state_when_done(&file.path) {
            file.resume(state);
        }
        self.push(file, None);
    }

    /// Files that came and were rotated away since the newest file here was written.
    fn missed(&self, newest: Identity) -> Vec<(Identity, PathBuf)> {
        let Some(old) = self.files.last() else {
            return Vec::new();
        };
        let old_time = old.file.file.metadata().and_then(|file| file.modified());
        let Ok(old_time) = old_time else {
            return Vec::new();
        };
        let name = self
            .path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let mut missed = Vec::new();
        for path in siblings(&self.path) {
            let other = path.file_name().unwrap_or_default().to_string_lossy();
            if !other.starts_with(&name) || !is_numbered(&other) {
                continue;
            }
            let metadata = std::fs::metadata(&path);
            let Ok((time, metadata)) = metadata.and_then(|file| Ok((file.modified()?, file)))
            else {
                continue;
            };
            let identity = Identity::of(&metadata);
            if time > old_time && identity != newest && !self.knows(&path) {
                missed.push((time, path, identity));
            }
        }
        missed.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        missed
            .into_iter()
            .map(|(_, path, identity)| (identity, path))
            .collect()
    }

    /// Lets go of rotated files that are quiet, and of a deleted one.
    fn retire(&mut self, outlet: &Outlet, watcher: &mut Watcher) -> Result<(), Stopped> {
        let now = outlet.elapsed();
        let mut index = 0;
        while let Some(entry) = self.files.get(index) {
            let is_newest = index + 1 == self.files.len();
            let quiet = entry
                .quiet_since
                .map_or(Duration::ZERO, |since| now.saturating_sub(since));
            let crowded = self.files.len() > FILES_MAX && index == 0;
            let is_deleted = || {
                entry
                    .file
                    .file
                    .metadata()
                    .is_ok_and(|file| file.nlink() == 0)
            };
            let is_over = if is_newest { is_deleted() } else { true };
            if !(is_over && quiet >= RETIRE_AFTER || crowded) {
                index += 1;
                continue;
            }
            self.last_line(index, outlet)?;
            let entry = self.files.remove(index);
            watcher.unwatch(entry.watch);
            if self.done.len() == DONE_MAX {
                self.done.pop_front();
            }
            self.done.push_back(entry.file.state());
        }
        Ok(())
    }

    fn push(&mut self, file: OpenFile, watch: Option<i32>) {
        self.files.push(Entry {
            file,
            quiet_since: None,
            watch,
        });
    }

    fn watch_files(&mut self, watcher: &mut Watcher) {
        for entry in &mut self.files {
            if entry.watch.is_none() {
                entry.watch = watcher.watch_file(&entry.file);
            }
        }
    }

    pub(super) fn tell(&mut self, outlet: &Outlet, text: String) -> Result<(), Stopped> {
        if self.trouble == text {
            return Ok(());
        }
        self.trouble.clone_from(&text);
        outlet.problem(&self.stream, text)
    }
}

fn note_cut(line: &Line, outlet: &Outlet) {
    if line.cut {
        count(&outlet.counters().cut, 1);
    }
}

/// The other files of the folder.
fn siblings(path: &Path) -> Vec<PathBuf> {
    let folder = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let Ok(entries) = std::fs::read_dir(folder.unwrap_or_else(|| Path::new("."))) else {
        return Vec::new();
    };
    let paths = entries
        .take(SIBLINGS_MAX)
        .flatten()
        .map(|entry| entry.path());
    paths.filter(|other| other != path).collect()
}

/// Has a rotated file's name: `.1`, `-20261125`, `.2026-11-25`?
pub(super) fn is_numbered(name: &str) -> bool {
    let Some((_, last)) = name.rsplit_once(['.', '-']) else {
        return false;
    };
    !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit())
}

/// Endings of files that are not lines of text, or not live.
const NOT_READ: [&str; 11] = [
    ".bak", ".bz2", ".gz", ".lz4", ".old", ".swp", ".tmp", ".xz", ".zip", ".zst", "~",
];

/// Is it no log of its own: hidden, compressed, a copy?
pub(super) fn is_not_read(name: &str) -> bool {
    name.starts_with('.') || NOT_READ.iter().any(|ending| name.ends_with(ending))
}
