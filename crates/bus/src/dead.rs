//! Dead letters: what could not be understood or done, kept with its reason to be tried again.
//!
//! A letter lies in its topic as a JSON head, a zero byte, and the original bytes as they were.

use event::Time;
use serde::{Deserialize, Serialize};

/// Poison and what is known about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Topic or source stream that it came from.
    pub origin: String,
    /// Its position there.
    pub position: u64,
    /// Its key there, if it had one.
    pub key: String,
    /// The part that gave up (`parse`, `fuse`, `publish`).
    pub stage: String,
    /// Why, for a person.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was given up.
    pub time: Time,
    /// The original bytes, unchanged.
    pub bytes: Vec<u8>,
}

/// A letter as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptLetter {
    /// Its number, for replay.
    pub number: u64,
    /// Was it replayed?
    pub replayed: bool,
    /// The letter.
    pub letter: DeadLetter,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Head {
    Letter {
        origin: String,
        position: u64,
        stage: String,
        reason: String,
        attempts: u32,
    },
    Replayed {
        number: u64,
    },
}

/// What a record of the topic says.
pub(crate) enum Entry {
    Letter(DeadLetter),
    Replayed(u64),
}

/// Encodes a letter; its key and time travel with the message.
pub(crate) fn encode(letter: &DeadLetter) -> Vec<u8> {
    let head = Head::Letter {
        origin: letter.origin.clone(),
        position: letter.position,
        stage: letter.stage.clone(),
        reason: letter.reason.clone(),
        attempts: letter.attempts,
    };
    join(&head, &letter.bytes)
}

/// Encodes the mark that a letter was replayed.
pub(crate) fn encode_mark(number: u64) -> Vec<u8> {
    join(&Head::Replayed { number }, &[])
}

fn join(head: &Head, bytes: &[u8]) -> Vec<u8> {
    // These types hold strings and numbers only: writing them to a Vec cannot fail.
    let mut record = serde_json::to_vec(head).unwrap_or_default();
    record.push(0); // JSON text never holds a raw zero byte
    record.extend(bytes);
    record
}

/// Decodes a record; `None` if it is none of ours.
pub(crate) fn decode(message: &crate::Message) -> Option<Entry> {
    let border = message.bytes.iter().position(|byte| *byte == 0)?;
    let (head, rest) = message.bytes.split_at_checked(border)?;
    Some(match serde_json::from_slice(head).ok()? {
        Head::Replayed { number } => Entry::Replayed(number),
        Head::Letter {
            origin,
            position,
            stage,
            reason,
            attempts,
        } => Entry::Letter(DeadLetter {
            origin,
            position,
            key: message.key.clone(),
            stage,
            reason,
            attempts,
            time: message.time,
            bytes: rest.get(1..)?.to_vec(),
        }),
    })
}
