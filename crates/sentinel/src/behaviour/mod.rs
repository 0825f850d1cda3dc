//! Detectors that count over time: one folder each.

mod brute_force;

pub(crate) use brute_force::ENTRY as BRUTE_FORCE;
pub use brute_force::Limits as BruteForceLimits;
