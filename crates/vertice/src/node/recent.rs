//! The newest events, so that what a finding rests on can be stored with it.
//!
//! A ring with an index by id. Its bounds are in events and in bytes; what falls out is still in
//! the log.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

use event::{Event, EventId};

/// Events kept.
const EVENTS_MAX: usize = 16_384;
/// Bytes of raw records that they may hold.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// The newest events.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    ring: VecDeque<Box<Event>>,
    /// Id → running number; the ring begins at `first`.
    numbers: HashMap<EventId, u64, BuildHasherDefault<IdHasher>>,
    first: u64,
    bytes: usize,
}

impl Recent {
    /// Keeps an event, lets old ones go, and lends it back.
    pub(crate) fn keep(&mut self, event: Box<Event>) -> Option<&Event> {
        self.bytes += event.raw.len();
        self.numbers
            .insert(event.id, self.first + self.ring.len() as u64);
        self.ring.push_back(event);
        while self.ring.len() > EVENTS_MAX || (self.bytes > BYTES_MAX && self.ring.len() > 1) {
            let Some(oldest) = self.ring.pop_front() else {
                break;
            };
            // The same id may have come again since: then the newer one stays indexed.
            if self.numbers.get(&oldest.id) == Some(&self.first) {
                self.numbers.remove(&oldest.id);
            }
            self.first += 1;
            self.bytes -= oldest.raw.len();
        }
        self.ring.back().map(Box::as_ref)
    }

    /// The event, if it is still here.
    pub(crate) fn get(&self, id: &EventId) -> Option<&Event> {
        let number = self.numbers.get(id)?;
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.ring.get(index).map(Box::as_ref)
    }
}

/// Ids are hashes already: eight of their bytes are as good as any hash of them.
#[derive(Debug, Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(head) = bytes.first_chunk::<8>() {
            self.0 = u64::from_le_bytes(*head);
        }
    }

    fn write_usize(&mut self, _length: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use event::body::{Body, Other};
    use event::{Name, Origin, Time, TimeQuality};

    use super::*;

    fn event(number: u64, raw: String) -> Box<Event> {
        let (stream, parser) = (Name::new("s"), Name::new("p"));
        Box::new(Event {
            id: Event::id_of("s", number, b""),
            time: Time::EPOCH,
            time_quality: TimeQuality::Exact,
            observed: Time::EPOCH,
            origin: Origin {
                stream,
                parser,
                position: number,
            },
            host: None,
            body: Body::Other(Other::default()),
            spoofable: false,
            raw,
        })
    }

    #[test]
    fn the_newest_are_found_and_the_oldest_go() {
        let mut recent = Recent::default();
        for number in 0..70_000 {
            recent.keep(event(number, String::new()));
        }
        assert!(recent.get(&Event::id_of("s", 69_999, b"")).is_some());
        assert!(
            recent
                .get(&Event::id_of("s", 70_000 - 16_384, b""))
                .is_some()
        );
        assert!(
            recent
                .get(&Event::id_of("s", 70_000 - 16_385, b""))
                .is_none()
        );
        assert_eq!(recent.numbers.len(), EVENTS_MAX);
    }

    #[test]
    fn bytes_are_bounded_too_and_a_repeated_id_is_kept_once() {
        let mut recent = Recent::default();
        for number in 0..9 {
            recent.keep(event(number % 2, "x".repeat(4 * 1024 * 1024)));
        }
        assert!(recent.bytes <= BYTES_MAX);
        assert_eq!(recent.numbers.len(), 2);
        let kept = recent
            .get(&Event::id_of("s", 0, b""))
            .map(|event| event.origin.position);
        assert_eq!(kept, Some(0));
    }
}
