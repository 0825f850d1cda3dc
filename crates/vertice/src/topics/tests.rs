//! The topics on a real disk: what the store holds arrives, also after crashes and outages.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bus::{Bus, Embedded, Limits, Message};
use event::journal::{JournalEntry, JournalRecord};
use event::{Clock, ManualClock};
use store::{Change, OpenRole, Sqlite, Store};

use super::publisher::Publisher;
use super::*;
use crate::metrics::Metrics;

/// Topics whose disk can be made to refuse.
#[derive(Clone)]
struct Faulty {
    topics: Topics,
    no_append: Arc<AtomicBool>,
    no_sync: Arc<AtomicBool>,
    no_position: Arc<AtomicBool>,
}

impl Faulty {
    fn new(topics: Topics) -> Self {
        let fine = || Arc::new(AtomicBool::new(false));
        Self {
            topics,
            no_append: fine(),
            no_sync: fine(),
            no_position: fine(),
        }
    }
}

fn refuse(fault: &AtomicBool) -> Result<(), StorageError> {
    if fault.load(Ordering::SeqCst) {
        return Err("no space left on device".into());
    }
    Ok(())
}

impl Segments for Faulty {
    fn append(&mut self, topic: Topic, rows: &[(Time, &[u8])]) -> Result<Range<u64>, StorageError> {
        refuse(&self.no_append)?;
        self.topics.append(topic, rows)
    }

    fn sync(&mut self, topic: Topic) -> Result<(), StorageError> {
        refuse(&self.no_sync)?;
        self.topics.sync(topic)
    }

    fn read(&mut self, topic: Topic, from: u64, count: usize) -> Result<Vec<Stored>, StorageError> {
        self.topics.read(topic, from, count)
    }

    fn next_sequence(&mut self, topic: Topic) -> Result<u64, StorageError> {
        self.topics.next_sequence(topic)
    }

    fn commit(&mut self, topic: Topic, consumer: &str, at: u64) -> Result<(), StorageError> {
        self.topics.commit(topic, consumer, at)
    }

    fn committed(&mut self, topic: Topic, consumer: &str) -> Result<Option<u64>, StorageError> {
        self.topics.committed(topic, consumer)
    }
}

impl Published for Faulty {
    fn published(&mut self, topic: Topic) -> Result<u64, StorageError> {
        self.topics.published(topic)
    }

    fn set_published(&mut self, topic: Topic, sequence: u64) -> Result<(), StorageError> {
        refuse(&self.no_position)?;
        self.topics.set_published(topic, sequence)
    }
}

/// A state folder with a store and topics, and a publisher that a test drives by hand.
struct Bench {
    folder: tempfile::TempDir,
    store: Arc<Sqlite>,
    clock: Arc<ManualClock>,
    metrics: Arc<Metrics>,
    faulty: Faulty,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Sqlite::open(folder.path(), OpenRole::Node).unwrap());
        let faulty = Faulty::new(topics(folder.path()));
        Self {
            folder,
            store,
            clock: Arc::new(ManualClock::at(Time::from_seconds(1_700_000_000))),
            metrics: Arc::default(),
            faulty,
        }
    }

    fn publisher(&self) -> Publisher<Faulty> {
        Publisher::new(
            self.faulty.clone(),
            Arc::clone(&self.store) as Arc<dyn Store>,
            Arc::clone(&self.clock) as Arc<dyn Clock>,
            Arc::clone(&self.metrics),
            "site".into(),
        )
    }

    fn notices(&self, numbers: Range<usize>) {
        let notice = |number: usize| {
            Change::Journal(JournalRecord {
                time: self.clock.now(),
                who: "engine".into(),
                entry: JournalEntry::Notice {
                    text: number.to_string(),
                },
            })
        };
        self.store.commit(numbers.map(notice).collect()).unwrap();
    }

    /// The sequences on the audit topic, in order, by a consumer that starts at the oldest.
    fn audited(&self) -> Vec<u64> {
        let bus = Embedded::new(self.faulty.topics.clone(), Limits::default());
        let all = everything(&bus, Topic::AUDIT);
        let sequence = |message: &Message| {
            let row: serde_json::Value = serde_json::from_slice(&message.bytes).unwrap();
            row["sequence"].as_u64().unwrap()
        };
        all.iter().map(sequence).collect()
    }

    fn metric(&self, line: &str) -> bool {
        self.metrics.text().lines().any(|found| found == line)
    }
}

fn topics(state: &Path) -> Topics {
    Topics::new(state, &config::Topics::default())
}

/// All messages of a topic.
fn everything(bus: &impl Bus, topic: Topic) -> Vec<Message> {
    let reader = bus.subscribe(topic, "test-reader").unwrap();
    let mut all = Vec::new();
    loop {
        let some = bus.poll(&reader, 100, Duration::ZERO).unwrap();
        if some.is_empty() {
            bus.unsubscribe(reader);
            return all;
        }
        all.extend(some.into_iter().map(|delivery| delivery.message));
    }
}

fn message(text: &str) -> Message {
    Message {
        key: "key".into(),
        time: Time::from_seconds(1_700_000_000),
        bytes: text.as_bytes().to_vec(),
    }
}

#[test]
fn a_consumer_goes_on_where_it_was_also_in_a_new_process() {
    let folder = tempfile::tempdir().unwrap();
    let bus = Embedded::new(topics(folder.path()), Limits::default());
    let batch: Vec<Message> = (0..5).map(|n| message(&n.to_string())).collect();
    bus.publish(Topic::PLANS, &batch).unwrap();
    let reader = bus.subscribe(Topic::PLANS, "soar").unwrap();
    bus.poll(&reader, 3, Duration::ZERO).unwrap();
    bus.commit(&reader, 3).unwrap();
    drop(bus);
    let bus = Embedded::new(topics(folder.path()), Limits::default());
    let reader = bus.subscribe(Topic::PLANS, "soar").unwrap();
    let rest = bus.poll(&reader, 10, Duration::ZERO).unwrap();
    let rest: Vec<&Message> = rest.iter().map(|delivery| &delivery.message).collect();
    assert_eq!(rest, batch.iter().skip(3).collect::<Vec<_>>());
}

#[test]
fn names_that_leave_the_folder_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut topics = topics(folder.path());
    for name in ["", "..", "a/b", "A", ".hidden", "new.new", &"x".repeat(65)] {
        assert!(topics.commit(Topic::PLANS, name, 1).is_err(), "{name}");
        assert!(topics.committed(Topic::PLANS, name).is_err(), "{name}");
    }
    for number in 0..CONSUMERS_MAX {
        topics
            .commit(Topic::PLANS, &format!("c{number}"), 1)
            .unwrap();
    }
    let error = topics.commit(Topic::PLANS, "one-more", 1).unwrap_err();
    assert!(error.to_string().contains("64 consumers"), "{error}");
    topics.commit(Topic::PLANS, "c7", 2).unwrap();
    assert_eq!(topics.committed(Topic::PLANS, "c7").unwrap(), Some(2));
}

#[test]
fn a_position_that_is_no_number_means_the_oldest() {
    let folder = tempfile::tempdir().unwrap();
    let mut topics = topics(folder.path());
    topics.set_published(Topic::AUDIT, 7).unwrap();
    assert_eq!(topics.published(Topic::AUDIT).unwrap(), 7);
    let file = folder.path().join("topics/vertice.audit.v1/published");
    for damaged in [&b"\xff\xff"[..], b"", b"-1", b"99999999999999999999999"] {
        std::fs::write(&file, damaged).unwrap();
        assert_eq!(topics.published(Topic::AUDIT).unwrap(), 0);
    }
}

#[test]
fn retention_trims_a_topic_that_nobody_reads() {
    let folder = tempfile::tempdir().unwrap();
    let config = config::Topics {
        retain_mib: 1,
        retain_days: 1,
    };
    let topics = Topics::new(folder.path(), &config);
    let bus = Embedded::new(topics.clone(), Limits::default());
    let now = message("").time;
    let mut random = 1_u64;
    for _ in 0..40 {
        // Bytes that do not compress (xorshift).
        let mut large = message("");
        for _ in 0..8_000 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            large.bytes.extend(random.to_le_bytes());
        }
        bus.publish(Topic::PLANS, &[large]).unwrap();
    }
    let before = topics.bytes(Topic::PLANS);
    assert!(before > 2 * 1024 * 1024, "{before}");
    assert!(topics.retain(now).segments > 0);
    let after = topics.bytes(Topic::PLANS);
    assert!(after <= 1024 * 1024, "{after}");
    let left = everything(&bus, Topic::PLANS).len();
    assert!((1..40).contains(&left), "{left}");
    topics.retain(now.plus(Duration::from_secs(2 * 86_400)));
    assert!(topics.bytes(Topic::PLANS) < after, "by age, too");
}

#[test]
fn everything_written_is_published_once_in_order() {
    let bench = Bench::new();
    let mut publisher = bench.publisher();
    bench.notices(0..700);
    while publisher.round() {}
    bench.notices(700..701);
    while publisher.round() {}
    drop(publisher);
    while bench.publisher().round() {}
    assert_eq!(bench.audited(), (1..=701).collect::<Vec<u64>>());
    let published = "vertice_topic_published_total{topic=\"vertice.audit.v1\"} 701";
    assert!(bench.metric(published), "{}", bench.metrics.text());
}

#[test]
fn a_crash_before_the_place_is_kept_repeats_and_loses_nothing() {
    let bench = Bench::new();
    bench.notices(0..300);
    bench.faulty.no_position.store(true, Ordering::SeqCst);
    let mut publisher = bench.publisher();
    publisher.round();
    drop(publisher); // as kill -9 would: on the topic, but its place is not kept
    bench.faulty.no_position.store(false, Ordering::SeqCst);
    let mut publisher = bench.publisher();
    while publisher.round() {}
    let audited = bench.audited();
    assert!(audited.len() > 300, "{}", audited.len());
    let once: BTreeSet<u64> = audited.iter().copied().collect();
    assert_eq!(once, (1..=300).collect());
}

#[test]
fn a_place_that_cannot_be_kept_does_not_repeat_while_the_node_lives() {
    let bench = Bench::new();
    let mut publisher = bench.publisher();
    bench.faulty.no_position.store(true, Ordering::SeqCst);
    for round in 0..5 {
        bench.notices(round * 10..round * 10 + 10);
        publisher.round();
        bench.clock.advance(Duration::from_secs(60));
    }
    bench.faulty.no_position.store(false, Ordering::SeqCst);
    publisher.round();
    assert_eq!(bench.audited(), (1..=50).collect::<Vec<u64>>());
}

/// Fails `rounds` times, is counted, then drains.
fn outage(bench: &Bench, fault: &AtomicBool, publisher: &mut Publisher<Faulty>) {
    fault.store(true, Ordering::SeqCst);
    bench.notices(0..40);
    for _ in 0..3 {
        assert!(!publisher.round(), "a failure is no reason to hurry");
        bench.clock.advance(Duration::from_secs(60));
    }
    let failures = "vertice_topic_publish_failures_total{topic=\"vertice.audit.v1\"} 3";
    assert!(bench.metric(failures), "{}", bench.metrics.text());
    let waits = "vertice_topic_backlog{topic=\"vertice.audit.v1\"} 40";
    assert!(bench.metric(waits), "{}", bench.metrics.text());
    fault.store(false, Ordering::SeqCst);
    while publisher.round() {}
    let drained = "vertice_topic_backlog{topic=\"vertice.audit.v1\"} 0";
    assert!(bench.metric(drained), "{}", bench.metrics.text());
}

#[test]
fn a_full_disk_fills_the_backlog_is_counted_and_drains() {
    let bench = Bench::new();
    let fault = Arc::clone(&bench.faulty.no_append);
    outage(&bench, &fault, &mut bench.publisher());
    assert_eq!(bench.audited(), (1..=40).collect::<Vec<u64>>());
}

#[test]
fn a_failed_sync_may_repeat_and_loses_nothing() {
    let bench = Bench::new();
    let fault = Arc::clone(&bench.faulty.no_sync);
    outage(&bench, &fault, &mut bench.publisher());
    let once: BTreeSet<u64> = bench.audited().into_iter().collect();
    assert_eq!(once, (1..=40).collect());
}

#[test]
fn a_failure_waits_before_it_is_tried_again() {
    let bench = Bench::new();
    let mut publisher = bench.publisher();
    bench.faulty.no_append.store(true, Ordering::SeqCst);
    bench.notices(0..1);
    for _ in 0..10 {
        publisher.round();
    }
    let failures = "vertice_topic_publish_failures_total{topic=\"vertice.audit.v1\"} 1";
    assert!(bench.metric(failures), "{}", bench.metrics.text());
}

#[test]
fn a_folder_that_cannot_be_made_holds_back_its_topic_only() {
    let bench = Bench::new();
    let folder = bench.folder.path().join("topics");
    std::fs::create_dir_all(&folder).unwrap();
    let in_the_way = folder.join("vertice.approvals.v1");
    std::fs::write(&in_the_way, "a file").unwrap();
    let mut publisher = bench.publisher();
    bench.notices(0..3);
    publisher.round();
    assert_eq!(bench.audited(), [1, 2, 3], "the others go on");
    std::fs::remove_file(&in_the_way).unwrap();
    bench.clock.advance(Duration::from_secs(60));
    while publisher.round() {}
    let drained = "vertice_topic_backlog{topic=\"vertice.approvals.v1\"} 0";
    assert!(bench.metric(drained), "{}", bench.metrics.text());
}

#[test]
fn a_new_store_under_old_topics_is_published_from_its_start() {
    let bench = Bench::new();
    bench
        .faulty
        .clone()
        .set_published(Topic::AUDIT, 1000)
        .unwrap();
    bench.notices(0..3);
    bench.publisher().round();
    assert_eq!(bench.audited(), [1, 2, 3]);
}

#[test]
fn what_no_message_can_hold_becomes_a_dead_letter_and_the_rest_goes_on() {
    let bench = Bench::new();
    let text = "x".repeat(bus::MESSAGE_BYTES_MAX);
    bench.notices(0..2);
    let huge = JournalRecord {
        time: bench.clock.now(),
        who: "w".repeat(5000),
        entry: JournalEntry::Notice { text },
    };
    bench.store.commit(vec![Change::Journal(huge)]).unwrap();
    bench.notices(2..4);
    let mut publisher = bench.publisher();
    while publisher.round() {}
    assert_eq!(bench.audited(), [1, 2, 4, 5]);
    let bus = Embedded::new(bench.faulty.topics.clone(), Limits::default());
    let letters = bus.dead_letters(0, 10).unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].letter.position, 3);
    let counted = "vertice_topic_refused_total{topic=\"vertice.audit.v1\"} 1";
    assert!(bench.metric(counted), "{}", bench.metrics.text());
}

#[test]
fn room_that_was_freed_for_undo_is_not_taken() {
    let bench = Bench::new();
    let mut publisher = bench.publisher();
    bench.notices(0..3);
    while publisher.round() {}
    bench.notices(3..9);
    bench.store.release_reserve().unwrap();
    assert!(!publisher.round());
    let waits = "vertice_topic_backlog{topic=\"vertice.audit.v1\"} 6";
    assert!(bench.metric(waits), "{}", bench.metrics.text());
    assert_eq!(bench.audited(), [1, 2, 3]);
    // A refused commit takes the reserve again, now that there is room.
    for _ in 0..64 {
        let value = Change::Value {
            key: "key".into(),
            value: "value".into(),
        };
        drop(bench.store.commit(vec![value]));
    }
    while publisher.round() {}
    assert_eq!(bench.audited(), (1..=9).collect::<Vec<u64>>());
}
