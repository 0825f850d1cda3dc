//! Bounds and thresholds of fusion.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How much is held, and when a finding joins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Open incidents held; above it the one that was quiet longest is closed and counted.
    pub incidents_max: usize,
    /// An incident without a new finding for this long closes, seconds of event time.
    pub quiet_s: u64,
    /// Score at which a finding joins, above 0. See the README for what gives how much.
    pub join_score: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            incidents_max: 10_000,
            quiet_s: 86_400,
            join_score: 1.0,
        }
    }
}

impl Limits {
    pub(crate) const fn quiet(&self) -> Duration {
        Duration::from_secs(self.quiet_s)
    }
}

/// Findings of one incident that new ones are compared with; the oldest gives way.
pub(crate) const MEMBERS_MAX: usize = 64;
/// Entities of one finding that are compared.
pub(crate) const MEMBER_ENTITIES_MAX: usize = 64;
/// Entities shown for one incident; what comes later is counted, not shown.
pub(crate) const ENTITIES_MAX: usize = 128;
/// Finding ids, and reasons for joining, kept for one incident.
pub(crate) const FINDINGS_MAX: usize = 256;
/// Lines of one incident's story: the first [`TIMELINE_FIRST`] and the newest are kept.
pub(crate) const TIMELINE_MAX: usize = 200;
/// Oldest lines of a story that are always kept.
pub(crate) const TIMELINE_FIRST: usize = 50;
/// Rules told apart in one incident.
pub(crate) const RULES_MAX: usize = 64;
/// Techniques of one incident.
pub(crate) const TECHNIQUES_MAX: usize = 128;
/// An entity that is in more open incidents than this (a proxy, a scanner, a NAT) says nothing.
pub(crate) const DEGREE_MAX: usize = 200;
/// An entity in more open incidents than this says half as much.
pub(crate) const DEGREE_COMMON: usize = 20;
/// Former ids that still lead to their incident.
pub(crate) const ALIASES_MAX: usize = 20_000;
/// Evicted incidents that wait for the next `advance`; what is above is counted only.
pub(crate) const CLOSING_MAX: usize = 10_000;
