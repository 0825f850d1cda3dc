//! From "the line was read" and "the finding was made" to "the effect was read back": the product's
//! first service level.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use event::{Finding, FindingId, Outcome, Receipt, Time};

/// Findings whose times are remembered.
const FINDINGS_MAX: usize = 16_384;

/// When each recent finding's newest record was read, and when it was made.
#[derive(Debug, Default)]
pub struct Latency {
    times: HashMap<FindingId, (Time, Time)>,
    order: VecDeque<FindingId>,
}

/// How long it took until the effect was read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Took {
    /// From reading the telling line.
    pub from_line: Duration,
    /// From making the finding.
    pub from_finding: Duration,
}

impl Latency {
    /// A finding was made at `now` out of a record read at `observed`.
    pub fn finding(&mut self, finding: &Finding, observed: Time, now: Time) {
        if self.times.insert(finding.id, (observed, now)).is_none() {
            self.order.push_back(finding.id);
        }
        if self.order.len() > FINDINGS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.times.remove(&oldest);
        }
    }

    /// How long it took, if this receipt tells.
    pub fn receipt(&self, receipt: &Receipt, now: Time) -> Option<Took> {
        let (observed, made) = self.times.get(&receipt.finding)?;
        let took = Took {
            from_line: now.since(*observed),
            from_finding: now.since(*made),
        };
        (receipt.outcome == Outcome::Verified).then_some(took)
    }
}
