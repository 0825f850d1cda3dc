//! Detectors that count over time: one folder each.

mod brute_force;
mod scan;

pub(crate) use brute_force::ENTRY as BRUTE_FORCE;
pub use brute_force::Limits as BruteForceLimits;
pub(crate) use scan::ENTRY as SCAN;
pub use scan::Limits as ScanLimits;
