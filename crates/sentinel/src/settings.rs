//! The thresholds of every detector, as the configuration file names them.

use serde::{Deserialize, Serialize};

use crate::behaviour::{BruteForceLimits, ScanLimits};
use crate::patterns::PatternLimits;

/// Thresholds of all detectors; a key that no detector knows is refused.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Password guessing, spraying, distributed guessing, success after failures.
    pub brute_force: BruteForceLimits,
    /// Log tampering, privilege change, new administrator, sensor silence.
    pub patterns: PatternLimits,
    /// Horizontal and vertical scans.
    pub scan: ScanLimits,
}
