//! The engine's own time scale, and what happens when the wall clock jumps.
//!
//! Records carry wall time. Inside, time never runs backwards: when the wall clock is set back,
//! the difference is added to `skew`, so that what was to end in five minutes still does. A jump
//! ahead is believed, which only ends things earlier; veto windows are the exception, for there
//! silence acts: they start anew. The journal alone is enough to rebuild `skew`: a jump is written
//! as two notices, one at the last time known before it and one after it.
//!
//! Absent on purpose: deciding whether a jump ahead was a jump or a sleep; both end early.

use event::Gate;
use event::Time;
use event::journal::{JournalEntry, JournalRecord};

use super::{ENGINE, Engine};

/// A change of the wall clock between two steps that is noticed, seconds.
const JUMP_S: u32 = 60;

/// Wall time to engine time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scale {
    /// Microseconds to add to wall time.
    skew: i64,
    /// The last wall time seen.
    last: Option<Time>,
}

impl Scale {
    /// Takes a wall time; returns engine time and how far the wall clock moved, microseconds.
    fn observe(&mut self, wall: Time) -> (Time, i64) {
        let moved = self
            .last
            .map_or(0, |last| wall.micros().saturating_sub(last.micros()));
        if moved < 0 {
            self.skew = self.skew.saturating_sub(moved);
        }
        self.last = Some(wall);
        (self.inner(wall), moved)
    }

    fn inner(self, wall: Time) -> Time {
        Time::from_micros(wall.micros().saturating_add(self.skew))
    }

    pub(super) fn wall(self, inner: Time) -> Time {
        Time::from_micros(inner.micros().saturating_sub(self.skew))
    }
}

impl Engine {
    /// Engine time of a wall time.
    pub(super) fn inner(&self, wall: Time) -> Time {
        self.clock.inner(wall)
    }

    /// Wall time of an engine time.
    pub(super) fn wall(&self, inner: Time) -> Time {
        self.clock.wall(inner)
    }

    /// Moves time while the journal is read.
    pub(super) fn fold_clock(&mut self, wall: Time) {
        let (now, _) = self.clock.observe(wall);
        self.now = now;
    }

    pub(super) fn observe_clock(&mut self, wall: Time) {
        let before = self.clock.last;
        let (now, moved) = self.clock.observe(wall);
        self.now = now;
        let jumped = moved.unsigned_abs() > u64::from(JUMP_S) * 1_000_000;
        if let Some(before) = before.filter(|_| jumped && self.awake) {
            self.jumped(before, moved);
        }
    }

    fn jumped(&mut self, before: Time, moved: i64) {
        self.counters.clock_jumps += 1;
        self.out.records.push(JournalRecord {
            time: before,
            who: ENGINE.to_owned(),
            entry: JournalEntry::Notice {
                text: "last time known before the wall clock jumped".to_owned(),
            },
        });
        let seconds = moved / 1_000_000;
        self.notice(format!(
            "the wall clock moved by {seconds} s between two steps; nothing is held longer for it"
        ));
        if moved > 0 {
            self.restart_vetoes();
        }
        let waits: Vec<_> = self.tables.waits.keys().copied().collect();
        for id in waits {
            self.redate_wait(id);
        }
        self.link.hurry(self.now);
    }

    /// Silence means consent at a veto, so nobody may miss the window through a jump or while the
    /// engine was down.
    pub(super) fn restart_vetoes(&mut self) {
        let vetoes: Vec<_> = self
            .tables
            .waits
            .iter()
            .filter_map(|(id, wait)| match wait.approval.gate {
                Gate::Veto { seconds } => Some((*id, seconds)),
                _ => None,
            })
            .collect();
        for (id, seconds) in vetoes {
            let ends = self.after(seconds.min(JUMP_S));
            self.postpone_wait(id, ends);
        }
    }

    /// So many seconds from now.
    pub(super) fn after(&self, seconds: u32) -> Time {
        self.now
            .plus(std::time::Duration::from_secs(u64::from(seconds)))
    }
}
