//! How often a name may be tried at the login: slows guessing without locking anybody out for long.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

/// Tries for one name within [`WINDOW`].
pub(crate) const TRIES_MAX: u32 = 5;
/// Tries for all names together within [`WINDOW`].
pub(crate) const TRIES_ALL_MAX: u32 = 60;
/// How long a try counts.
pub(crate) const WINDOW: Duration = Duration::from_secs(60);
/// Names remembered; at the limit all are forgotten but the common count still holds.
pub(crate) const NAMES_MAX: usize = 1024;

/// Counts tries.
#[derive(Debug, Default)]
pub(crate) struct LoginLimit {
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    all: Window,
    names: BTreeMap<String, Window>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Window {
    started: Duration,
    tries: u32,
}

impl LoginLimit {
    /// Counts a try for `name` at `now` (elapsed time); `false` if it must wait.
    pub(crate) fn admit(&self, name: &str, now: Duration) -> bool {
        let mut counts = crate::state::locked(&self.counts);
        if counts.names.len() >= NAMES_MAX && !counts.names.contains_key(name) {
            counts.names.clear();
        }
        let for_name = counts.names.entry(name.to_owned()).or_default();
        let name_ok = for_name.admit(TRIES_MAX, now);
        name_ok && counts.all.admit(TRIES_ALL_MAX, now)
    }

    /// The right password was given: `name` starts anew.
    pub(crate) fn forgive(&self, name: &str) {
        crate::state::locked(&self.counts).names.remove(name);
    }
}

impl Window {
    fn admit(&mut self, tries_max: u32, now: Duration) -> bool {
        if now.saturating_sub(self.started) >= WINDOW {
            *self = Self {
                started: now,
                tries: 0,
            };
        }
        self.tries = self.tries.saturating_add(1);
        self.tries <= tries_max
    }
}
