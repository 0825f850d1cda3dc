//! Events that the log holds although their stream will be read from before them: after a crash
//! each is known by its id when its record comes by again, so that it is not written twice.
//!
//! What has not come by yet is kept with each snapshot, for the next crash may come before it has.
//! Absent on purpose: what to do with a known event (the desk's).

use std::collections::{HashMap, HashSet};

use event::{Event, EventId, Name};
use serde::{Deserialize, Serialize};

/// Events remembered; one beyond is written again, never lost.
const EVENTS_MAX: usize = 2_000_000;

/// What is ahead of the offsets, by stream.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    streams: HashMap<Name, Stretch>,
    count: usize,
}

/// Ids of one stream and the position of the last of them.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Stretch {
    ids: HashSet<EventId>,
    last: u64,
}

impl Ahead {
    /// Remembers an event of the log.
    pub(crate) fn insert(&mut self, event: &Event) {
        if self.count >= EVENTS_MAX {
            tracing::warn!(id = %event.id, "too many events ahead of the offsets");
            return;
        }
        let stretch = self.streams.entry(event.origin.stream.clone()).or_default();
        stretch.last = stretch.last.max(event.origin.position);
        self.count += usize::from(stretch.ids.insert(event.id));
    }

    /// Will the record of this event come by again?
    pub(crate) fn holds(&self, event: &Event) -> bool {
        let stretch = self.streams.get(&event.origin.stream);
        stretch.is_some_and(|stretch| stretch.ids.contains(&event.id))
    }

    /// Is this event, made of the record at its position again, in the log already?
    pub(crate) fn take(&mut self, event: &Event) -> bool {
        let stretch = self.streams.get_mut(&event.origin.stream);
        let known = stretch.is_some_and(|stretch| stretch.ids.remove(&event.id));
        self.count -= usize::from(known);
        known
    }

    /// A stream is read in order: once it is beyond the last one, none comes by any more.
    pub(crate) fn passed(&mut self, stream: &Name, position: u64) {
        let is_over = |stretch: &Stretch| position > stretch.last || stretch.ids.is_empty();
        if self.streams.get(stream).is_some_and(is_over)
            && let Some(over) = self.streams.remove(stream)
        {
            self.count -= over.ids.len();
        }
    }

    /// For the store.
    pub(crate) fn snapshot(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(&self.streams)
    }

    /// Takes up a snapshot.
    pub(crate) fn restore(&mut self, bytes: &[u8]) -> Result<(), serde_json::Error> {
        self.streams = serde_json::from_slice(bytes)?;
        self.count = self.streams.values().map(|stretch| stretch.ids.len()).sum();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use event::body::Other;
    use event::{Body, Origin, Time, TimeQuality};

    use super::*;

    fn event(position: u64) -> Event {
        let stream = Name::new("auth.log");
        Event {
            id: Event::id_of(stream.as_str(), position, b"x"),
            time: Time::from_seconds(1),
            time_quality: TimeQuality::Exact,
            observed: Time::from_seconds(1),
            origin: Origin {
                stream,
                parser: Name::new("syslog"),
                position,
            },
            host: None,
            body: Body::Other(Other::default()),
            spoofable: false,
            raw: "x".into(),
        }
    }

    #[test]
    fn each_is_known_once_also_after_a_restart() {
        let mut ahead = Ahead::default();
        ahead.insert(&event(10));
        ahead.insert(&event(20));
        ahead.insert(&event(20));
        assert!(ahead.take(&event(10)));
        assert!(!ahead.take(&event(10)));
        let mut restored = Ahead::default();
        restored.restore(&ahead.snapshot().unwrap()).unwrap();
        assert_eq!(restored.count, 1);
        assert!(restored.take(&event(20)));
        assert!(!restored.take(&event(30)));
    }

    #[test]
    fn what_cannot_come_by_any_more_is_forgotten() {
        let mut ahead = Ahead::default();
        ahead.insert(&event(10));
        ahead.insert(&event(20));
        ahead.passed(&Name::new("other.log"), 1000);
        ahead.passed(&Name::new("auth.log"), 20);
        assert_eq!(ahead.count, 2);
        ahead.passed(&Name::new("auth.log"), 21);
        assert_eq!((ahead.count, ahead.streams.len()), (0, 0));
        assert!(!ahead.take(&event(20)));
    }
}
