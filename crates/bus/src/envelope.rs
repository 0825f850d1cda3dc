//! How a message lies in the log: version 1, bytes published before it 8, key length 2, key, bytes.
//!
//! "Bytes published before it" is a running total of the topic, so that the lag between any two
//! positions is one subtraction, also right after a start.

use event::Time;

use crate::{BusError, KEY_BYTES_MAX, MESSAGE_BYTES_MAX, Message};

const VERSION: u8 = 1;

/// What a stored record holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Opened {
    /// Running total of the topic before this message.
    pub(crate) bytes_before: u64,
    /// Running total behind it.
    pub(crate) bytes_after: u64,
    pub(crate) message: Message,
}

/// Size of a message as it counts against the limits.
pub(crate) fn size(message: &Message) -> u64 {
    message.key.len() as u64 + message.bytes.len() as u64
}

/// Checks one message against the limits.
pub(crate) fn check(message: &Message) -> Result<(), BusError> {
    let key = message.key.len();
    let whole = key.saturating_add(message.bytes.len());
    for (what, bytes, max) in [
        ("a key", key, KEY_BYTES_MAX),
        ("a message", whole, MESSAGE_BYTES_MAX),
    ] {
        if bytes > max {
            return Err(BusError::TooLarge { what, bytes, max });
        }
    }
    Ok(())
}

/// Packs a checked message.
pub(crate) fn seal(message: &Message, bytes_before: u64) -> Vec<u8> {
    let mut record = Vec::with_capacity(11 + message.key.len() + message.bytes.len());
    record.push(VERSION);
    record.extend(bytes_before.to_le_bytes());
    record.extend((message.key.len() as u16).to_le_bytes());
    record.extend(message.key.as_bytes());
    record.extend(&message.bytes);
    record
}

/// Unpacks a record; `None` if it is none of ours.
pub(crate) fn open(time: Time, record: &[u8]) -> Option<Opened> {
    let (version, rest) = record.split_first()?;
    let (before, rest) = rest.split_first_chunk()?;
    let (key_bytes, rest) = rest.split_first_chunk()?;
    let (key, bytes) = rest.split_at_checked(usize::from(u16::from_le_bytes(*key_bytes)))?;
    if *version != VERSION {
        return None;
    }
    let message = Message {
        key: String::from_utf8(key.to_vec()).ok()?,
        time,
        bytes: bytes.to_vec(),
    };
    let bytes_before = u64::from_le_bytes(*before);
    Some(Opened {
        bytes_before,
        bytes_after: bytes_before.saturating_add(size(&message)),
        message,
    })
}
