//! The thread that follows files and directories.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use event::Name;

use super::files::READ_BYTES;
use super::outlet::{Outlet, Stopped, count};
use super::tail::{Tail, is_not_read, is_numbered};
use super::watch::{Watcher, Woken};
use super::{FileSource, IntakeError};

/// Streams followed at a time; further files of a directory are counted and told once.
const STREAMS_MAX: usize = 1024;
/// Folders are looked at this often even while files grow without a pause.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Refuses what cannot be followed; what does not exist yet may come.
pub(super) fn check(source: FileSource) -> Result<PathBuf, IntakeError> {
    let path = source.path;
    let is_stdin = path == Path::new("-");
    let metadata = std::fs::metadata(&path);
    let is_other = metadata.is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir());
    if is_stdin || is_other {
        Err(IntakeError::NotAFile { path })
    } else {
        Ok(path)
    }
}

/// Follows files and directories in one thread.
pub(super) struct Follower {
    paths: Vec<PathBuf>,
    known: HashMap<String, String>,
    tails: Vec<Tail>,
    watcher: Watcher,
    is_full_told: bool,
    has_looked: bool,
    /// Folders that could not be looked into, at most one a source.
    closed: HashSet<PathBuf>,
}

impl Follower {
    pub(super) fn new(paths: Vec<PathBuf>, known: HashMap<String, String>) -> Self {
        let (tails, watcher) = (Vec::new(), Watcher::new());
        Self {
            paths,
            known,
            tails,
            watcher,
            is_full_told: false,
            has_looked: false,
            closed: HashSet::new(),
        }
    }

    /// One that only knows the interval.
    #[cfg(test)]
    pub(super) fn polling(paths: Vec<PathBuf>) -> Self {
        Self {
            watcher: Watcher::polling(),
            ..Self::new(paths, HashMap::new())
        }
    }

    /// Follows until stopped.
    pub(super) fn run(mut self, outlet: &Outlet) {
        let Err(Stopped) = self.follow(outlet);
    }

    fn follow(&mut self, outlet: &Outlet) -> Result<std::convert::Infallible, Stopped> {
        let mut woken = Woken::Changed;
        let mut looked = Duration::ZERO;
        let mut buffer = vec![0; READ_BYTES];
        loop {
            if outlet.stop().is_set() {
                return Err(Stopped);
            }
            let now = outlet.elapsed();
            if woken == Woken::Changed || now.saturating_sub(looked) >= LOOK_EVERY {
                looked = now;
                self.look(outlet)?;
            }
            let mut has_more = false;
            for tail in &mut self.tails {
                has_more |= tail.turn(outlet, &mut self.watcher, &mut buffer)?;
            }
            woken = if has_more {
                Woken::Grown
            } else {
                self.watcher.wait(outlet.stop())
            };
        }
    }

    /// Finds new files, gives up streams of directories whose file is gone.
    fn look(&mut self, outlet: &Outlet) -> Result<(), Stopped> {
        for path in self.paths.clone() {
            if path.is_dir() {
                self.watcher.watch_folder(&path);
                self.look_into(&path, outlet)?;
            } else {
                self.watcher.watch_folder(folder_of(&path));
                self.add(&path, outlet)?;
            }
        }
        self.has_looked = true;
        let (paths, known) = (&self.paths, &mut self.known);
        self.tails.retain(|tail| {
            let is_wanted = !tail.is_empty() || paths.contains(&tail.path) || tail.path.is_file();
            if !is_wanted {
                known.insert(tail.stream.as_str().to_owned(), tail.state());
            }
            is_wanted
        });
        Ok(())
    }

    fn look_into(&mut self, folder: &Path, outlet: &Outlet) -> Result<(), Stopped> {
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => return self.cannot_look(folder, &error, outlet),
        };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        if !self.has_looked {
            // Known from before, and rotated away since: the rest of it is found by its number.
            let known = self.known.keys().map(PathBuf::from);
            paths.extend(known.filter(|path| path.parent() == Some(folder)));
        }
        paths.sort_unstable();
        paths.dedup();
        for path in paths {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let is_live = !is_not_read(&name) && !is_numbered(&name);
            if is_live && !self.is_read_elsewhere(&path) {
                self.add(&path, outlet)?;
            }
        }
        Ok(())
    }

    /// Told once a folder; it is looked at again all the same.
    fn cannot_look(
        &mut self,
        folder: &Path,
        error: &std::io::Error,
        outlet: &Outlet,
    ) -> Result<(), Stopped> {
        if self.closed.insert(folder.to_path_buf()) {
            let stream = Name::new(&folder.to_string_lossy());
            return outlet.problem(&stream, format!("cannot look into the folder: {error}"));
        }
        Ok(())
    }

    /// A new name of a file that is read already.
    fn is_read_elsewhere(&self, path: &Path) -> bool {
        let is_known = self.tails.iter().any(|tail| tail.path == path);
        !is_known && self.tails.iter().any(|tail| tail.knows(path))
    }

    fn add(&mut self, path: &Path, outlet: &Outlet) -> Result<(), Stopped> {
        if self.tails.iter().any(|tail| tail.path == path) || path.is_dir() {
            return Ok(());
        }
        let mut tail = Tail::new(path);
        if self.tails.len() >= STREAMS_MAX {
            return self.refuse(&tail.stream, outlet);
        }
        if let Some(state) = self.known.remove(tail.stream.as_str()) {
            let trouble = tail.resume(&state);
            if tail.is_empty() && !path.is_file() && !self.paths.iter().any(|own| own == path) {
                return Ok(()); // a directory's file of old, gone for good
            }
            if let Some(text) = trouble {
                tail.tell(outlet, text)?;
            }
        }
        self.tails.push(tail);
        Ok(())
    }

    fn refuse(&mut self, stream: &Name, outlet: &Outlet) -> Result<(), Stopped> {
        if std::mem::replace(&mut self.is_full_told, true) {
            return Ok(());
        }
        count(&outlet.counters().files_refused, 1);
        let text = format!("{STREAMS_MAX} files are followed: no further one is read");
        outlet.problem(stream, text)
    }
}

fn folder_of(path: &Path) -> &Path {
    let folder = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    folder.unwrap_or_else(|| Path::new("."))
}
