//! Thresholds and bounds of the brute-force detector.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// When failed logins become a finding, and how much is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Weighted failures of one source against one host within the window, 1..=64.
    pub failures_min: u32,
    /// Distinct accounts (user on a host) that one source fails at within the window, 2..=192.
    pub sprayed_accounts_min: u32,
    /// Distinct sources that fail at one account within the window, 2..=192.
    pub distributed_sources_min: u32,
    /// Length of the sliding window of event time, seconds.
    pub window_s: u64,
    /// The first finding of a key's next burst waits this long after its last finding, seconds.
    pub cool_down_s: u64,
    /// Pairs of source and host remembered; the least recently seen gives way.
    pub keys_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            failures_min: 5,
            sprayed_accounts_min: 10,
            distributed_sources_min: 10,
            window_s: 600,
            cool_down_s: 600,
            keys_max: 32_768,
        }
    }
}

impl Limits {
    /// The sliding window, at least a second and at most a week.
    pub(super) fn window(&self) -> Duration {
        Duration::from_secs(self.window_s.clamp(1, 604_800))
    }

    /// The pause between the last finding of one burst and the first of the next.
    pub(super) fn cool_down(&self) -> Duration {
        Duration::from_secs(self.cool_down_s.min(604_800))
    }

    /// [`Limits::failures_min`] in tenths of a failure.
    pub(super) fn failures_tenths(&self) -> u64 {
        u64::from(self.failures_min.clamp(1, 64)) * 10
    }
}
