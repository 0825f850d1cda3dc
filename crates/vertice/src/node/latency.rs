//! From "the line was read" to "the effect was read back": the product's first service level.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use event::{Finding, FindingId, Outcome, Receipt, Time};

/// Findings whose time of reading is remembered.
const FINDINGS_MAX: usize = 16_384;

/// When the newest record behind each recent finding was read.
#[derive(Debug, Default)]
pub struct Latency {
    read: HashMap<FindingId, Time>,
    order: VecDeque<FindingId>,
}

impl Latency {
    /// A finding was made out of a record read at `observed`.
    pub fn finding(&mut self, finding: &Finding, observed: Time) {
        if self.read.insert(finding.id, observed).is_none() {
            self.order.push_back(finding.id);
        }
        if self.order.len() > FINDINGS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.read.remove(&oldest);
        }
    }

    /// How long it took from reading to the verified effect, if this receipt tells.
    pub fn receipt(&self, receipt: &Receipt, now: Time) -> Option<Duration> {
        let read = self.read.get(&receipt.finding)?;
        (receipt.outcome == Outcome::Verified).then(|| now.since(*read))
    }
}
