//! Missing self: a stream that reported regularly and fell silent.
//!
//! Gaps are learnt from bursts that lie at least ten seconds apart, over at least half an hour, so
//! that a stream which only comes in bursts is not taken for a regular one.

use std::time::Duration;

use event::{EventId, Time};
use serde::{Deserialize, Serialize};

use super::limits::Limits;

/// Gaps remembered.
const GAPS_MAX: usize = 32;
/// Reports closer than this are one report.
const BURST: Duration = Duration::from_secs(10);
/// Shorter acquaintance is no ground to miss anybody.
const KNOWN_MIN: Duration = Duration::from_secs(1800);

/// One host's stream.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Pulse {
    first: Time,
    pub(super) last: Time,
    pub(super) last_id: Option<EventId>,
    /// Start of the last burst.
    burst: Time,
    /// The newest gaps in microseconds, oldest first.
    gaps: Vec<u64>,
    pub(super) spoofable: bool,
    /// Already told as silent: what it learnt is void when it comes back.
    told: bool,
}

impl Pulse {
    /// The stream reported.
    pub(super) fn beat(&mut self, time: Time, id: EventId, spoofable: bool) {
        if self.last_id.is_none() || self.told {
            *self = Self {
                first: time,
                burst: time,
                ..Self::default()
            };
        }
        if time >= self.last || self.last_id.is_none() {
            self.last = time;
            self.last_id = Some(id);
        }
        self.spoofable |= spoofable;
        let gap = time.since(self.burst);
        if gap >= BURST {
            self.burst = time;
            if self.gaps.len() >= GAPS_MAX {
                self.gaps.remove(0);
            }
            let micros = u64::try_from(gap.as_micros()).unwrap_or(u64::MAX);
            self.gaps.push(micros);
        }
    }

    /// How long it has been silent for and what its usual gap is, if that is too long by now; says
    /// so once.
    pub(super) fn missed(
        &mut self,
        watermark: Time,
        limits: &Limits,
    ) -> Option<(Duration, Duration)> {
        if self.told || self.gaps.len() < GAPS_MAX || self.last.since(self.first) < KNOWN_MIN {
            return None;
        }
        let silent = watermark.since(self.last);
        if silent < Duration::from_secs(limits.silence_min_s) {
            return None; // the usual way out
        }
        let mut sorted = self.gaps.clone();
        sorted.sort_unstable();
        let median = Duration::from_micros(sorted.get(sorted.len() / 2).copied()?);
        let longest = Duration::from_micros(sorted.last().copied()?);
        let allowed = median
            .saturating_mul(limits.silence_gaps)
            .max(longest.saturating_mul(3));
        (silent > allowed).then(|| {
            self.told = true;
            (silent, median)
        })
    }
}
