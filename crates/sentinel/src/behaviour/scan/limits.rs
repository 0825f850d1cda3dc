//! Thresholds and bounds of the scan detector.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// When unanswered connections become a finding, and how much is remembered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Distinct ports of one host that one source asks for within the window, 2..=1024.
    pub ports_min: u32,
    /// Distinct hosts that one source asks at one port within the window, 2..=1024.
    pub hosts_min: u32,
    /// Share of these that never answered, 0..=1.
    pub failed_share_min: f64,
    /// Length of the sliding window of event time, seconds.
    pub window_s: u64,
    /// The first finding of a key's next burst waits this long after its last finding, seconds.
    pub cool_down_s: u64,
    /// Pairs of source and host (and of source and port) remembered.
    pub keys_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            ports_min: 20,
            hosts_min: 25,
            failed_share_min: 0.6,
            window_s: 300,
            cool_down_s: 600,
            keys_max: 4096,
        }
    }
}

impl Limits {
    pub(super) fn window(&self) -> Duration {
        Duration::from_secs(self.window_s.clamp(1, 604_800))
    }

    pub(super) fn cool_down(&self) -> Duration {
        Duration::from_secs(self.cool_down_s.min(604_800))
    }
}
