//! The thresholds of every detector, as the configuration file names them.

use serde::{Deserialize, Serialize};

use crate::behaviour::BruteForceLimits;

/// Thresholds of all detectors; a key that no detector knows is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Password guessing, spraying, distributed guessing, success after failures.
    pub brute_force: BruteForceLimits,
}
