//! `Event`: one thing that was seen, with where it was read and when it happened.

use serde::{Deserialize, Serialize};

use crate::body::Body;
use crate::entity::Name;
use crate::id::EventId;
use crate::time::Time;

/// Bytes kept of an event's raw record; what is cut is still counted by the source.
pub const RAW_BYTES_MAX: usize = 8192;

/// Bytes of a record that its id is made from, beside its stream, position and length.
pub const ID_BYTES_MAX: usize = 256;

/// One thing that was seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Hash of stream, position and content.
    pub id: EventId,
    /// When it happened, by its own clock.
    pub time: Time,
    /// How far `time` can be trusted.
    #[serde(default, skip_serializing_if = "TimeQuality::is_exact")]
    pub time_quality: TimeQuality,
    /// When we read it.
    pub observed: Time,
    /// Where it was read.
    pub origin: Origin,
    /// The machine that reported it, by the name it gives itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Name>,
    /// What was seen.
    pub body: Body,
    /// Could anyone who can send a datagram have made this up (UDP syslog, free text of another
    /// program)? Nothing spoofable ever leads to an automatic block.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub spoofable: bool,
    /// The record as it was read: invalid UTF-8 replaced, cut at [`RAW_BYTES_MAX`].
    pub raw: String,
}

impl Event {
    /// The id of the record `raw` at `position` of `stream`. Of a long record the first
    /// [`ID_BYTES_MAX`] bytes and the length are hashed: position and head tell it from any other,
    /// and hashing a whole kilobyte was a tenth of all the work on an event.
    pub fn id_of(stream: &str, position: u64, raw: &[u8]) -> EventId {
        let at = position.to_le_bytes();
        match raw.split_at_checked(ID_BYTES_MAX) {
            None | Some((_, [])) => EventId::of(&[stream.as_bytes(), &at, raw]),
            Some((head, _)) => {
                let length = (raw.len() as u64).to_le_bytes();
                EventId::of(&[stream.as_bytes(), &at, head, &length])
            }
        }
    }

    /// The flow, if this is one.
    pub const fn as_flow(&self) -> Option<&crate::body::Flow> {
        if let Body::Flow(flow) = &self.body {
            Some(flow)
        } else {
            None
        }
    }

    /// The authentication attempt, if this is one.
    pub const fn as_auth(&self) -> Option<&crate::body::Auth> {
        if let Body::Auth(auth) = &self.body {
            Some(auth)
        } else {
            None
        }
    }
}

/// Where an event was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The stream: a file by path and identity, `stdin`, a listener by address.
    pub stream: Name,
    /// The parser that read it (`sshd`, `eve`, `zeek_conn`, …).
    pub parser: Name,
    /// Byte offset of the record in a file; running number elsewhere.
    pub position: u64,
}

/// How far an event's own time can be trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeQuality {
    /// Year, zone and time were given.
    #[default]
    Exact,
    /// The record has no year (RFC 3164); the nearest one before the time of reading was taken.
    NoYear,
    /// The record has no zone; the configured one was taken.
    NoZone,
    /// The record has no usable time; the time of reading was taken.
    Guessed,
}

impl TimeQuality {
    const fn is_exact(&self) -> bool {
        matches!(self, Self::Exact)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_differ_by_stream_position_content_and_length() {
        let long = vec![b'x'; ID_BYTES_MAX + 10];
        let ids = [
            Event::id_of("a", 1, b"x"),
            Event::id_of("b", 1, b"x"),
            Event::id_of("a", 2, b"x"),
            Event::id_of("a", 1, b"y"),
            Event::id_of("a", 1, &long),
            Event::id_of("a", 1, &long[..ID_BYTES_MAX]),
            Event::id_of("a", 1, &long[..ID_BYTES_MAX + 9]),
        ];
        let different: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(different.len(), ids.len());
    }
}
