//! Events to findings: `behaviour` counts over time, `patterns` judges one event at a time.
//!
//! A new detector is one folder and one line in [`ALL`]. Every detector is pure (no clock, no
//! I/O), bounded (each table has a limit, what gives way is counted) and goes on after a restart
//! where its snapshot stopped.
//!
//! Absent on purpose: allow-lists and tolerance (`immunity`'s), model calls, and reading files.
#![warn(missing_docs)]

mod behaviour;
mod claim;
mod patterns;
mod settings;
mod snapshot;
mod table;

use event::{Detector, TechniqueId};

pub use behaviour::{BruteForceLimits, ScanLimits};
pub use patterns::PatternLimits;
pub use settings::Settings;

/// One kind of detector.
#[derive(Clone, Copy, Debug)]
pub struct DetectorEntry {
    /// The name that its findings carry.
    pub name: &'static str,
    /// Makes one.
    pub new: fn(&Settings) -> Box<dyn Detector>,
    /// Every technique that its findings may name.
    pub techniques: &'static [TechniqueId],
    /// What it finds, in one sentence.
    pub description: &'static str,
}

/// Every detector, sorted by name.
pub const ALL: &[DetectorEntry] = &[behaviour::BRUTE_FORCE, patterns::PATTERNS, behaviour::SCAN];

/// One detector of each kind.
pub fn detectors(settings: &Settings) -> Vec<Box<dyn Detector>> {
    ALL.iter().map(|entry| (entry.new)(settings)).collect()
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
