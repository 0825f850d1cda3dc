//! The form of every detector's snapshot: JSON with the detector's name and a version.
//!
//! Absent on purpose: migration; a snapshot of another version is refused and the detector starts
//! as new, which costs one window.

use event::SnapshotError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Frame<T> {
    detector: String,
    version: u32,
    state: T,
}

/// Writes `state`.
pub(crate) fn write<T: Serialize>(detector: &'static str, version: u32, state: T) -> Vec<u8> {
    let frame = Frame {
        detector: detector.to_owned(),
        version,
        state,
    };
    serde_json::to_vec(&frame).expect("states hold no map with keys that are not text")
}

/// Reads what [`write`] wrote.
pub(crate) fn read<T: DeserializeOwned>(
    detector: &'static str,
    version: u32,
    bytes: &[u8],
) -> Result<T, SnapshotError> {
    let refused = |reason: String| SnapshotError { detector, reason };
    let frame: Frame<T> =
        serde_json::from_slice(bytes).map_err(|error| refused(error.to_string()))?;
    if frame.detector != detector || frame.version != version {
        return Err(refused(format!(
            "it is of {:?} version {}, wanted {detector:?} version {version}",
            frame.detector, frame.version
        )));
    }
    Ok(frame.state)
}
