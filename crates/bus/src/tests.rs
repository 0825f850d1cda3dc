//! The embedded bus on a log in memory that survives the bus, as a disk would.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use event::Time;

use crate::{
    Bus, BusError, DeadLetter, Delivery, Embedded, KEY_BYTES_MAX, Limits, MESSAGE_BYTES_MAX,
    Message, Segments, StorageError, Stored, Topic, envelope,
};

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Disk>>);

#[derive(Default)]
struct Disk {
    records: HashMap<Topic, Vec<Stored>>,
    positions: HashMap<(Topic, String), u64>,
    is_full: bool,
}

impl Segments for Memory {
    fn append(
        &mut self,
        topic: Topic,
        records: &[(Time, &[u8])],
    ) -> Result<Range<u64>, StorageError> {
        let mut disk = self.0.lock().unwrap();
        if disk.is_full {
            return Err("no space left".into());
        }
        let stored = disk.records.entry(topic).or_default();
        let first = stored.len() as u64;
        for (time, bytes) in records {
            stored.push(Stored {
                sequence: stored.len() as u64,
                time: *time,
                bytes: bytes.to_vec(),
            });
        }
        Ok(first..stored.len() as u64)
    }

    fn sync(&mut self, _topic: Topic) -> Result<(), StorageError> {
        Ok(())
    }

    fn read(
        &mut self,
        topic: Topic,
        sequence: u64,
        count_max: usize,
    ) -> Result<Vec<Stored>, StorageError> {
        let disk = self.0.lock().unwrap();
        let stored = disk.records.get(&topic).into_iter().flatten();
        Ok(stored
            .skip(sequence as usize)
            .take(count_max)
            .cloned()
            .collect())
    }

    fn next_sequence(&mut self, topic: Topic) -> Result<u64, StorageError> {
        Ok(self
            .0
            .lock()
            .unwrap()
            .records
            .entry(topic)
            .or_default()
            .len() as u64)
    }

    fn commit(&mut self, topic: Topic, consumer: &str, position: u64) -> Result<(), StorageError> {
        let mut disk = self.0.lock().unwrap();
        disk.positions
            .insert((topic, consumer.to_owned()), position);
        Ok(())
    }

    fn committed(&mut self, topic: Topic, consumer: &str) -> Result<Option<u64>, StorageError> {
        let disk = self.0.lock().unwrap();
        Ok(disk.positions.get(&(topic, consumer.to_owned())).copied())
    }
}

const NO_WAIT: Duration = Duration::ZERO;

fn bus(memory: &Memory) -> Embedded<Memory> {
    Embedded::new(memory.clone(), Limits::default())
}

fn message(text: &str) -> Message {
    Message {
        key: "198.51.100.7".into(),
        time: Time::from_seconds(1),
        bytes: text.as_bytes().to_vec(),
    }
}

fn texts(deliveries: &[Delivery]) -> Vec<String> {
    let text = |delivery: &Delivery| String::from_utf8(delivery.message.bytes.clone()).unwrap();
    deliveries.iter().map(text).collect()
}

#[test]
fn what_is_published_is_delivered_once_in_order_with_its_key() {
    let memory = Memory::default();
    let bus = bus(&memory);
    let fusion = bus.subscribe(Topic::FINDINGS, "fusion").unwrap();
    let published = bus
        .publish(Topic::FINDINGS, &[message("a"), message("b")])
        .unwrap();
    assert_eq!(published, 0..2);
    let one = bus.poll(&fusion, 1, NO_WAIT).unwrap();
    assert_eq!(one[0].message, message("a"));
    assert_eq!(texts(&bus.poll(&fusion, 10, NO_WAIT).unwrap()), ["b"]);
    assert!(bus.poll(&fusion, 10, NO_WAIT).unwrap().is_empty());
    let plans = bus.subscribe(Topic::PLANS, "fusion").unwrap();
    assert!(
        bus.poll(&plans, 10, NO_WAIT).unwrap().is_empty(),
        "topics are apart"
    );
}

#[test]
fn a_restart_begins_at_the_committed_position() {
    let memory = Memory::default();
    let first = bus(&memory);
    let batch: Vec<Message> = (0..10).map(|n| message(&n.to_string())).collect();
    first.publish(Topic::EVENTS, &batch).unwrap();
    let detect = first.subscribe(Topic::EVENTS, "detect").unwrap();
    first.poll(&detect, 6, NO_WAIT).unwrap();
    first.commit(&detect, 4).unwrap();
    first.commit(&detect, 2).unwrap(); // never goes back
    drop(first);
    let second = bus(&memory);
    let detect = second.subscribe(Topic::EVENTS, "detect").unwrap();
    let again = second.poll(&detect, 100, NO_WAIT).unwrap();
    assert_eq!(texts(&again), ["4", "5", "6", "7", "8", "9"]);
    let other = second.subscribe(Topic::EVENTS, "archive").unwrap();
    assert_eq!(
        second.poll(&other, 100, NO_WAIT).unwrap().len(),
        10,
        "a new name gets all"
    );
}

#[test]
fn a_position_beyond_the_end_hides_nothing() {
    let memory = Memory::default();
    memory
        .0
        .lock()
        .unwrap()
        .positions
        .insert((Topic::EVENTS, "detect".into()), 1_000);
    let bus = bus(&memory);
    let detect = bus.subscribe(Topic::EVENTS, "detect").unwrap();
    bus.publish(Topic::EVENTS, &[message("new")]).unwrap();
    assert_eq!(texts(&bus.poll(&detect, 9, NO_WAIT).unwrap()), ["new"]);
}

/// 5 messages of 1 MiB fit below a limit of 6 MiB.
fn fill(bus: &Embedded<Memory>) -> usize {
    let large = Message {
        key: String::new(),
        time: Time::EPOCH,
        bytes: vec![0; 1024 * 1024],
    };
    let mut count = 0;
    loop {
        match bus.publish(Topic::EVENTS, std::slice::from_ref(&large)) {
            Ok(_) => count += 1,
            Err(BusError::Full { .. }) => return count,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_lagging_consumer_holds_the_publisher_back_until_it_commits() {
    let memory = Memory::default();
    let limits = Limits {
        backlog_bytes: 6 * 1024 * 1024,
    };
    let first = Embedded::new(memory.clone(), limits);
    let fast = first.subscribe(Topic::EVENTS, "fast").unwrap();
    let slow = first.subscribe(Topic::EVENTS, "slow").unwrap();
    assert_eq!(fill(&first), 6);
    let polled = first.poll(&fast, 100, NO_WAIT).unwrap();
    first.commit(&fast, polled.len() as u64).unwrap();
    assert_eq!(fill(&first), 0, "the slowest counts");
    first.poll(&slow, 2, NO_WAIT).unwrap();
    assert_eq!(fill(&first), 0, "polled is not done");
    first.commit(&slow, 2).unwrap();
    assert_eq!(fill(&first), 2);
    assert_eq!(first.backlog(Topic::EVENTS).refused, 4);
    drop(first);
    let second = Embedded::new(memory, limits);
    assert_eq!(second.backlog(Topic::EVENTS).bytes, 0, "nobody is live yet");
    let slow = second.subscribe(Topic::EVENTS, "slow").unwrap();
    assert_eq!(second.backlog(Topic::EVENTS).bytes, limits.backlog_bytes);
    assert_eq!(fill(&second), 0, "the lag survives a restart");
    second.unsubscribe(slow);
    second.publish(Topic::EVENTS, &[message("goes")]).unwrap();
}

#[test]
fn what_is_too_large_is_refused_for_good() {
    let bus = bus(&Memory::default());
    let long_key = Message {
        key: "k".repeat(KEY_BYTES_MAX + 1),
        ..message("")
    };
    let large = Message {
        bytes: vec![0; MESSAGE_BYTES_MAX],
        ..message("")
    };
    let many = vec![message(&"x".repeat(MESSAGE_BYTES_MAX - 20)); 17];
    for batch in [vec![long_key], vec![large], many] {
        let error = bus.publish(Topic::EVENTS, &batch).unwrap_err();
        assert!(
            matches!(error, BusError::TooLarge { .. }) && !error.retry_helps(),
            "{error}"
        );
    }
    let detect = bus.subscribe(Topic::EVENTS, "detect").unwrap();
    assert!(bus.poll(&detect, 9, NO_WAIT).unwrap().is_empty());
}

#[test]
fn two_of_one_name_are_refused_and_an_ended_one_gets_nothing() {
    let bus = bus(&Memory::default());
    let detect = bus.subscribe(Topic::EVENTS, "detect").unwrap();
    let error = bus.subscribe(Topic::EVENTS, "detect").unwrap_err();
    assert!(matches!(error, BusError::Subscribed { .. }), "{error}");
    bus.unsubscribe(detect);
    bus.subscribe(Topic::EVENTS, "detect").unwrap();
}

#[test]
fn a_waiting_consumer_is_woken_by_a_publisher() {
    let bus = Arc::new(bus(&Memory::default()));
    let detect = bus.subscribe(Topic::EVENTS, "detect").unwrap();
    let publisher = Arc::clone(&bus);
    let thread = std::thread::spawn(move || publisher.publish(Topic::EVENTS, &[message("x")]));
    let mut woken = Vec::new();
    while woken.is_empty() {
        // Far longer than any test runs: only being woken ends it.
        woken = bus.poll(&detect, 9, Duration::from_secs(3600)).unwrap();
    }
    assert_eq!(texts(&woken), ["x"]);
    thread.join().unwrap().unwrap();
}

#[test]
fn a_full_disk_is_an_error_and_changes_nothing() {
    let memory = Memory::default();
    let bus = bus(&memory);
    let detect = bus.subscribe(Topic::EVENTS, "detect").unwrap();
    memory.0.lock().unwrap().is_full = true;
    let error = bus.publish(Topic::EVENTS, &[message("x")]).unwrap_err();
    assert_eq!(error.to_string(), "vertice.events.v1: no space left");
    assert_eq!(bus.backlog(Topic::EVENTS).bytes, 0);
    memory.0.lock().unwrap().is_full = false;
    bus.publish(Topic::EVENTS, &[message("y")]).unwrap();
    assert_eq!(texts(&bus.poll(&detect, 9, NO_WAIT).unwrap()), ["y"]);
}

fn letter(origin: &str) -> DeadLetter {
    DeadLetter {
        origin: origin.into(),
        position: 41,
        key: "198.51.100.7".into(),
        stage: "parse".into(),
        reason: "byte 3 is no \"JSON\"".into(),
        attempts: 2,
        time: Time::from_seconds(9),
        bytes: b"\x00\xff{\"a\0\n".to_vec(),
    }
}

#[test]
fn a_dead_letter_keeps_its_bytes_and_comes_back_by_replay() {
    let bus = bus(&Memory::default());
    let number = bus.dead_letter(&letter("vertice.findings.v1")).unwrap();
    let second = bus.dead_letter(&letter("/var/log/auth.log")).unwrap();
    let kept = bus.dead_letters(0, 10).unwrap();
    assert_eq!(kept[0].letter, letter("vertice.findings.v1"));
    assert!(!kept[0].replayed && !kept[1].replayed);
    let fusion = bus.subscribe(Topic::FINDINGS, "fusion").unwrap();
    bus.replay(number, Time::from_seconds(10)).unwrap();
    let replayed = bus.poll(&fusion, 9, NO_WAIT).unwrap();
    assert_eq!(replayed[0].message.bytes, letter("").bytes);
    assert_eq!(replayed[0].message.key, "198.51.100.7");
    let error = bus.replay(second, Time::from_seconds(10)).unwrap_err();
    assert!(matches!(error, BusError::NotATopic { .. }), "{error}");
    bus.mark_replayed(second, Time::from_seconds(11)).unwrap();
    let kept = bus.dead_letters(0, 1).unwrap();
    assert!(
        kept.len() == 1 && kept[0].replayed,
        "the mark stands behind the page"
    );
    assert!(bus.dead_letters(second, 9).unwrap()[0].replayed);
    for number in [2, 3, 99] {
        let error = bus.replay(number, Time::EPOCH).unwrap_err();
        assert!(
            matches!(error, BusError::NoLetter { .. }),
            "{number}: {error}"
        );
    }
}

#[test]
fn a_record_of_another_form_is_counted_and_passed_by() {
    let mut memory = Memory::default();
    let good = envelope::seal(&message("good"), 0);
    let records: [&[u8]; 6] = [b"", b"\x01", &[9; 30], &good[..10], &[1; 11], &good];
    let records = records.map(|bytes| (Time::EPOCH, bytes));
    memory.append(Topic::EVENTS, &records).unwrap();
    let bus = bus(&memory);
    let detect = bus.subscribe(Topic::EVENTS, "detect").unwrap();
    assert_eq!(texts(&bus.poll(&detect, 9, NO_WAIT).unwrap()), ["good"]);
    assert_eq!(bus.backlog(Topic::EVENTS).unreadable, 5);
}

#[test]
fn topics_are_sorted_and_found_by_name() {
    assert!(Topic::ALL.is_sorted());
    for topic in Topic::ALL {
        assert_eq!(Topic::named(topic.as_str()), Some(topic));
    }
    assert_eq!(Topic::named("vertice.events.v2"), None);
}
