//! Counts what stands and what was made in the last minute, for the caps.
//!
//! Extending or re-asserting an effect that was admitted before costs nothing: after a flush by
//! somebody else all of it may come back at once.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::netlink::Slot;

const MINUTE: Duration = Duration::from_secs(60);

/// The caps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// New effects in any 60 seconds that no person approved.
    pub new_per_minute_max: usize,
    /// Effects that stand at the same time; approved ones may be as many again.
    pub live_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            new_per_minute_max: 1000,
            live_max: 200_000,
        }
    }
}

/// Counters of the caps.
#[derive(Debug)]
pub(super) struct Ledger {
    limits: Limits,
    /// Second (of `now`'s scale) at which each admitted effect ends.
    ends: HashMap<Slot, u64>,
    /// When the effects of the last minute were admitted; at most `new_per_minute_max`.
    recent: VecDeque<Duration>,
}

impl Ledger {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            ends: HashMap::new(),
            recent: VecDeque::new(),
        }
    }

    pub(super) fn admit(
        &mut self,
        slot: Slot,
        now: Duration,
        seconds: u32,
        approved: bool,
    ) -> Result<(), String> {
        let known = self.ends.get(&slot).is_some_and(|end| *end > now.as_secs());
        if !known {
            self.admit_live(now, approved)?;
            if !approved {
                self.admit_new(now)?;
            }
        }
        self.stands(slot, now, seconds);
        Ok(())
    }

    fn admit_live(&mut self, now: Duration, approved: bool) -> Result<(), String> {
        let factor = if approved { 2 } else { 1 };
        let live_max = self.limits.live_max.saturating_mul(factor);
        if self.ends.len() >= live_max {
            self.forget_ended(now);
        }
        if self.ends.len() >= live_max {
            return Err(format!("{live_max} effects stand already: the cap"));
        }
        Ok(())
    }

    fn admit_new(&mut self, now: Duration) -> Result<(), String> {
        while let Some(first) = self.recent.front() {
            if now.saturating_sub(*first) < MINUTE {
                break;
            }
            self.recent.pop_front();
        }
        let max = self.limits.new_per_minute_max;
        if self.recent.len() >= max {
            return Err(format!("{max} effects in the last minute: the cap"));
        }
        self.recent.push_back(now);
        Ok(())
    }

    pub(super) fn stands(&mut self, slot: Slot, now: Duration, seconds: u32) {
        // One second more than the kernel holds it: the count may be late, never early.
        let end = now.as_secs().saturating_add(u64::from(seconds));
        self.ends.insert(slot, end.saturating_add(1));
    }

    pub(super) fn forget_ended(&mut self, now: Duration) {
        let second = now.as_secs();
        self.ends.retain(|_, end| *end > second);
    }

    /// What may stand: all that was admitted and has not ended.
    pub(super) fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.ends.keys()
    }

    pub(super) fn gone(&mut self, slot: Slot) {
        self.ends.remove(&slot);
    }
}
