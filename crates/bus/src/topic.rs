//! The topics, by name. A topic's name carries its schema's version; a new one is added here.

use std::fmt;

/// A topic. Only those listed here exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic(&'static str);

impl Topic {
    /// Decisions asked of people and their answers, keyed by the plan's target.
    pub const APPROVALS: Self = Self("vertice.approvals.v1");
    /// The hash-chained audit log, keyed by its writer.
    pub const AUDIT: Self = Self("vertice.audit.v1");
    /// Dead letters: poison with its reason and original bytes.
    pub const DEAD_LETTERS: Self = Self("vertice.dlq.v1");
    /// Events, keyed by their main entity.
    pub const EVENTS: Self = Self("vertice.events.v1");
    /// Findings, keyed by site.
    pub const FINDINGS: Self = Self("vertice.findings.v1");
    /// Incidents, keyed by their id; the last state per id counts.
    pub const INCIDENTS: Self = Self("vertice.incidents.v1");
    /// Indicators, keyed by themselves; compacted.
    pub const INTEL: Self = Self("vertice.intel.v1");
    /// Plans, keyed by target.
    pub const PLANS: Self = Self("vertice.plans.v1");
    /// Receipts, keyed by target.
    pub const RECEIPTS: Self = Self("vertice.receipts.v1");
    /// Changelog of the operators' state, keyed by operator and key; compacted.
    pub const STATE: Self = Self("vertice.state.v1");

    /// All topics, by name.
    pub const ALL: [Self; 10] = [
        Self::APPROVALS,
        Self::AUDIT,
        Self::DEAD_LETTERS,
        Self::EVENTS,
        Self::FINDINGS,
        Self::INCIDENTS,
        Self::INTEL,
        Self::PLANS,
        Self::RECEIPTS,
        Self::STATE,
    ];

    /// Its name, fit for a folder.
    pub const fn as_str(self) -> &'static str {
        self.0
    }

    /// The topic of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|topic| topic.0 == name)
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}
