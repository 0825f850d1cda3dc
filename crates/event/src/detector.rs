//! The second hop: what every detector, of logs or of traffic, looks like.

use crate::finding::Finding;
use crate::seen::Event;
use crate::time::Time;

/// Turns events into findings. Pure: no clock, no I/O, bounded memory; the same events in the
/// same order give the same findings.
pub trait Detector: Send {
    /// The name that findings carry (`brute_force`, `scan`, …).
    fn name(&self) -> &'static str;

    /// Looks at one event.
    fn observe(&mut self, event: &Event, out: &mut Out);

    /// Event time has reached `watermark`: windows may close, silence may be noticed.
    fn advance(&mut self, watermark: Time, out: &mut Out) {
        let _ = (watermark, out);
    }

    /// The whole state, versioned, so that a restart goes on where it stopped.
    fn snapshot(&self) -> Vec<u8>;

    /// Takes up a state written by [`Detector::snapshot`].
    ///
    /// # Errors
    /// [`SnapshotError`] if the bytes are of another version or broken; the state is then as new.
    fn restore(&mut self, bytes: &[u8]) -> Result<(), SnapshotError>;

    /// Keys held, and keys given up at a limit since the start: for metrics.
    fn size(&self) -> (usize, u64);
}

/// A detector's state could not be taken up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("snapshot of detector {detector} cannot be read: {reason}")]
pub struct SnapshotError {
    /// The detector.
    pub detector: &'static str,
    /// Why.
    pub reason: String,
}

/// Where detectors put what they found.
#[derive(Debug, Default)]
pub struct Out {
    findings: Vec<Finding>,
}

impl Out {
    /// A finding was made.
    pub fn finding(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Takes what was found so far.
    pub fn take(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.findings)
    }

    /// Was nothing found?
    pub const fn is_empty(&self) -> bool {
        self.findings.is_empty()
    }
}
