//! Thresholds and bounds of the fast layer.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// When something that is seen becomes a finding, and how much is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Refused changes of identity of one account within [`Limits::refusals_window_s`], 1..=16.
    pub refusals_min: u32,
    /// Seconds of event time.
    pub refusals_window_s: u64,
    /// A logging service that stopped must start again within this time, seconds.
    pub restart_s: u64,
    /// Silence of a stream that reported regularly: at least this long, seconds.
    pub silence_min_s: u64,
    /// … and at least this many times its median gap.
    pub silence_gaps: u32,
    /// Accounts, stopped services and streams remembered (each).
    pub keys_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            refusals_min: 3,
            refusals_window_s: 600,
            restart_s: 120,
            silence_min_s: 300,
            silence_gaps: 10,
            keys_max: 4096,
        }
    }
}

impl Limits {
    pub(super) fn refusals_window(&self) -> Duration {
        Duration::from_secs(self.refusals_window_s.clamp(1, 604_800))
    }

    pub(super) fn restart(&self) -> Duration {
        Duration::from_secs(self.restart_s.clamp(1, 604_800))
    }
}
