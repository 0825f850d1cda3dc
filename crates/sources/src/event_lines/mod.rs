//! Our own events as JSON lines: what `vertice` wrote, read back unchanged (id, times, origin).
//!
//! A peer whose address is not its text is refused, and so is an event beyond the limits that
//! every source keeps: nothing can be brought in here that no parser could have made.

#[cfg(test)]
mod tests;

use event::body::{Other, Peer};
use event::{Body, Event, RAW_BYTES_MAX};

use crate::json::FIELDS_MAX;
use crate::record::{BadReason, Parsed, Parser, RawRecord, refused};

/// Reads events.
pub(crate) struct EventLines;

impl Parser for EventLines {
    fn name(&self) -> &'static str {
        "event"
    }

    fn parse(&mut self, record: &RawRecord<'_>) -> Parsed {
        if let Some(answer) = refused(record.bytes) {
            return answer;
        }
        let Ok(mut event) = serde_json::from_slice::<Event>(record.bytes) else {
            return Parsed::Bad(BadReason::Json);
        };
        if let Some(field) = impossible(&event) {
            return Parsed::Bad(BadReason::Field(field));
        }
        event.spoofable |= record.spoofable;
        Parsed::Event(Box::new(event))
    }
}

/// The field that no parser could have filled like this.
fn impossible(event: &Event) -> Option<&'static str> {
    if event.raw.len() > RAW_BYTES_MAX {
        return Some("raw");
    }
    match &event.body {
        Body::Auth(auth) if auth.peer.as_ref().is_some_and(contradicts) => Some("peer"),
        Body::Other(other) if too_large(other) => Some("fields"),
        _ => None,
    }
}

fn contradicts(peer: &Peer) -> bool {
    peer.address.is_some() && peer.text.as_str().parse().ok() != peer.address
}

/// The largest value any parser of ours keeps in a field.
const VALUE_BYTES_MAX: usize = crate::programs::MESSAGE_BYTES_MAX;

fn too_large(other: &Other) -> bool {
    let long = |(key, value): (&String, &String)| key.len().max(value.len()) > VALUE_BYTES_MAX;
    other.fields.len() > FIELDS_MAX || other.fields.iter().any(long)
}
