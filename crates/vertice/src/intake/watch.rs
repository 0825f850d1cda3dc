//! Being woken when files change: inotify, and a plain interval where that is not to be had.

use std::fs::File;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::fs::inotify::{
    self, CreateFlags, ReadFlags, Reader, WatchFlags, add_watch, remove_watch,
};
use rustix::io::Errno;

use super::files::OpenFile;
use super::outlet::Stop;

/// Everything is looked at this often, whatever inotify says: network file systems tell nothing.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Where inotify is not to be had.
const POLL_EVERY: Duration = Duration::from_millis(50);

/// Wakes the following thread.
pub(super) struct Watcher {
    inotify: Option<OwnedFd>,
    /// A watch was refused at the system's limit: polling too.
    is_short: bool,
}

/// Why the thread woke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Woken {
    /// A file grew.
    Grown,
    /// Files came or went, or time passed: look at the folders too.
    Changed,
}

impl Watcher {
    pub(super) fn new() -> Self {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok();
        Self {
            inotify,
            is_short: false,
        }
    }

    /// One that only knows the interval.
    #[cfg(test)]
    pub(super) fn polling() -> Self {
        Self {
            inotify: None,
            is_short: false,
        }
    }

    /// Watches what comes and goes in a folder; again is no harm.
    pub(super) fn watch_folder(&mut self, folder: &Path) {
        self.add(
            folder,
            WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::ONLYDIR,
        );
    }

    /// Watches what is at a path now.
    pub(super) fn watch_path(&mut self, path: &Path) {
        self.add(path, WatchFlags::MODIFY);
    }

    /// Watches an open file, whatever its name becomes.
    pub(super) fn watch_file(&mut self, file: &OpenFile) -> Option<i32> {
        let handle = |file: &File| format!("/proc/self/fd/{}", file.as_raw_fd());
        let flags = WatchFlags::MODIFY | WatchFlags::MOVE_SELF | WatchFlags::ATTRIB;
        let added = self.add(Path::new(&handle(&file.file)), flags);
        added.or_else(|| self.add(&file.path, flags))
    }

    pub(super) fn unwatch(&self, watch: Option<i32>) {
        if let (Some(inotify), Some(watch)) = (&self.inotify, watch)
            && let Err(error) = remove_watch(inotify, watch)
        {
            tracing::trace!(%error, "the watch had ended by itself");
        }
    }

    fn add(&mut self, path: &Path, flags: WatchFlags) -> Option<i32> {
        match add_watch(self.inotify.as_ref()?, path, flags) {
            Ok(watch) => Some(watch),
            Err(Errno::NOSPC | Errno::NOMEM) => {
                self.is_short = true;
                None
            }
            Err(_) => None, // gone or not there yet: looked at again within a second
        }
    }

    /// Waits until something changes, the interval is over, or reading is to stop.
    pub(super) fn wait(&self, stop: &Stop) -> Woken {
        let Some(inotify) = &self.inotify else {
            stop.wait(POLL_EVERY);
            return Woken::Changed;
        };
        let interval = if self.is_short {
            POLL_EVERY
        } else {
            LOOK_EVERY
        };
        let ready = stop.wait_beside(&[inotify.as_fd()], Some(interval));
        if ready.first() == Some(&true) {
            drain(inotify)
        } else {
            Woken::Changed
        }
    }
}

/// Takes all that waits; only the kind matters, for every stream is looked at anyway.
fn drain(inotify: &OwnedFd) -> Woken {
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut reader = Reader::new(inotify, &mut buffer);
    let mut woken = Woken::Grown;
    while let Ok(event) = reader.next() {
        if event.events() != ReadFlags::MODIFY {
            woken = Woken::Changed;
        }
    }
    woken
}
