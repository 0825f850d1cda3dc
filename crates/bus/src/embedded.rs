//! The bus of one process, on a durable log that its owner lends.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use event::Time;

use crate::dead::{self, DeadLetter, Entry, KeptLetter};
use crate::{Bus, BusError, Delivery, MESSAGE_BYTES_MAX, Message, Subscription, Topic, envelope};

/// Most messages read at a time, whatever a consumer asks for.
const READ_COUNT_MAX: usize = 1024;
/// Most polls of a consumer remembered one by one until they are committed; later ones are
/// remembered as one, so that its lag shrinks in larger steps.
const POLLS_MAX: usize = 4096;

/// Whatever the log below says went wrong.
pub type StorageError = Box<dyn std::error::Error + Send + Sync>;

/// A durable log per topic and a durable position per consumer: what [`Embedded`] stands on.
pub trait Segments: Send {
    /// Appends records, in order, and returns their sequences. Not yet durable.
    ///
    /// # Errors
    /// Nothing of the records remains.
    fn append(
        &mut self,
        topic: Topic,
        records: &[(Time, &[u8])],
    ) -> Result<Range<u64>, StorageError>;

    /// Makes everything appended to the topic durable.
    ///
    /// # Errors
    /// What is durable is unknown: the log must refuse the topic from then on, until it is opened
    /// again.
    fn sync(&mut self, topic: Topic) -> Result<(), StorageError>;

    /// Up to `count_max` records from `sequence` on; fewer or none at the end. Sequences may have
    /// gaps.
    ///
    /// # Errors
    /// The log cannot be read.
    fn read(
        &mut self,
        topic: Topic,
        sequence: u64,
        count_max: usize,
    ) -> Result<Vec<Stored>, StorageError>;

    /// Sequence of the next record of the topic.
    ///
    /// # Errors
    /// The log cannot be opened.
    fn next_sequence(&mut self, topic: Topic) -> Result<u64, StorageError>;

    /// Makes a consumer's position durable.
    ///
    /// # Errors
    /// The position before still stands.
    fn commit(&mut self, topic: Topic, consumer: &str, position: u64) -> Result<(), StorageError>;

    /// A consumer's durable position; `None` for a new one.
    ///
    /// # Errors
    /// It cannot be read.
    fn committed(&mut self, topic: Topic, consumer: &str) -> Result<Option<u64>, StorageError>;
}

/// A record of the log below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its sequence.
    pub sequence: u64,
    /// Its time.
    pub time: Time,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes a topic's slowest live consumer may lag before publishing is refused; at least
    /// [`MESSAGE_BYTES_MAX`]. 64 MiB.
    pub backlog_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            backlog_bytes: 64 * 1024 * 1024,
        }
    }
}

/// How far a topic's slowest live consumer lags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Bytes not yet committed.
    pub bytes: u64,
    /// Live consumers.
    pub consumers: usize,
    /// Batches refused as [`BusError::Full`] so far.
    pub refused: u64,
    /// Records passed by because they are not of this bus's form.
    pub unreadable: u64,
}

/// The bus of one process.
pub struct Embedded<S> {
    limits: Limits,
    inner: Mutex<Inner<S>>,
    published: Condvar,
}

struct Inner<S> {
    segments: S,
    topics: HashMap<Topic, TopicState>, // at most Topic::ALL
}

#[derive(Default)]
struct TopicState {
    /// Running total of bytes published.
    bytes_total: u64,
    consumers: HashMap<String, Consumer>,
    refused: u64,
    unreadable: u64,
}

#[derive(Default)]
struct Consumer {
    /// Next sequence to hand out.
    next: u64,
    committed: u64,
    /// Running total of the topic at the committed position.
    committed_bytes: u64,
    /// One entry a poll that is not yet committed: position and running total behind it.
    polled: VecDeque<(u64, u64)>,
}

/// A part of a topic.
struct Page {
    deliveries: Vec<Delivery>,
    /// Position behind the last record, readable or not.
    next: u64,
    /// Running total behind the last readable record.
    bytes_after: Option<u64>,
}

impl<S: Segments> Embedded<S> {
    /// A bus on these segments.
    pub fn new(segments: S, limits: Limits) -> Self {
        let backlog_bytes = limits.backlog_bytes.max(MESSAGE_BYTES_MAX as u64);
        Self {
            limits: Limits { backlog_bytes },
            inner: Mutex::new(Inner {
                segments,
                topics: HashMap::new(),
            }),
            published: Condvar::new(),
        }
    }

    /// How far a topic's slowest live consumer lags, and what was refused: for metrics.
    pub fn backlog(&self, topic: Topic) -> Backlog {
        let inner = self.lock();
        let state = inner.topics.get(&topic);
        state.map_or_else(Backlog::default, |state| Backlog {
            bytes: state.backlog_bytes(),
            consumers: state.consumers.len(),
            refused: state.refused,
            unreadable: state.unreadable,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner<S>> {
        // No call below leaves half a change behind: each changes memory after the log agreed.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find_letter(&self, number: u64) -> Result<DeadLetter, BusError> {
        let found = self
            .lock()
            .read(Topic::DEAD_LETTERS, number, 1)?
            .deliveries
            .pop();
        match found.map(|delivery| (delivery.position, dead::decode(&delivery.message))) {
            Some((position, Some(Entry::Letter(letter)))) if position == number => Ok(letter),
            _ => Err(BusError::NoLetter { number }),
        }
    }

    fn publish_one(&self, topic: Topic, message: Message) -> Result<Range<u64>, BusError> {
        self.publish(topic, &[message])
    }
}

impl TopicState {
    fn backlog_bytes(&self) -> u64 {
        let slowest = self
            .consumers
            .values()
            .map(|consumer| consumer.committed_bytes)
            .min();
        slowest.map_or(0, |committed| self.bytes_total.saturating_sub(committed))
    }
}

impl<S: Segments> Inner<S> {
    /// The topic's state; the running total is taken up from the last record at first use.
    fn state(&mut self, topic: Topic) -> Result<&mut TopicState, BusError> {
        if !self.topics.contains_key(&topic) {
            let next = self.segments.next_sequence(topic).map_err(storage(topic))?;
            let bytes_total = self.bytes_at(topic, next.saturating_sub(1), next)?;
            let state = TopicState {
                bytes_total,
                ..TopicState::default()
            };
            self.topics.insert(topic, state);
        }
        Ok(self.topics.entry(topic).or_default())
    }

    /// Running total at `position`, read from the record at `sequence`: before it, or behind it
    /// when `position` is. 0 when there is none.
    fn bytes_at(&mut self, topic: Topic, sequence: u64, position: u64) -> Result<u64, BusError> {
        let read = self
            .segments
            .read(topic, sequence, 1)
            .map_err(storage(topic))?;
        let opened = read
            .first()
            .and_then(|stored| envelope::open(stored.time, &stored.bytes));
        Ok(opened.map_or(0, |opened| {
            if position > sequence {
                opened.bytes_after
            } else {
                opened.bytes_before
            }
        }))
    }

    /// Reads a page; what is not of the bus's form is counted and passed by.
    fn read(&mut self, topic: Topic, from: u64, count_max: usize) -> Result<Page, BusError> {
        let count = count_max.clamp(1, READ_COUNT_MAX);
        let stored = self
            .segments
            .read(topic, from, count)
            .map_err(storage(topic))?;
        let mut page = Page {
            deliveries: Vec::with_capacity(stored.len()),
            next: from,
            bytes_after: None,
        };
        for record in stored {
            page.next = record.sequence.saturating_add(1);
            let Some(opened) = envelope::open(record.time, &record.bytes) else {
                self.state(topic)?.unreadable += 1;
                continue;
            };
            page.bytes_after = Some(opened.bytes_after);
            page.deliveries.push(Delivery {
                position: record.sequence,
                message: opened.message,
            });
        }
        Ok(page)
    }

    fn consumer(&mut self, subscription: &Subscription) -> Result<&mut Consumer, BusError> {
        let topic = subscription.topic;
        let consumers = &mut self.state(topic)?.consumers;
        let unknown = || BusError::Unsubscribed {
            topic,
            consumer: subscription.consumer.clone(),
        };
        consumers
            .get_mut(&subscription.consumer)
            .ok_or_else(unknown)
    }

    /// Hands out what is there now.
    fn take(&mut self, subscription: &Subscription, max: usize) -> Result<Vec<Delivery>, BusError> {
        let next = self.consumer(subscription)?.next;
        let page = self.read(subscription.topic, next, max)?;
        let consumer = self.consumer(subscription)?;
        consumer.next = page.next;
        if let Some(bytes_after) = page.bytes_after {
            if consumer.polled.len() == POLLS_MAX {
                consumer.polled.pop_back();
            }
            consumer.polled.push_back((page.next, bytes_after));
        }
        Ok(page.deliveries)
    }
}

impl<S: Segments> Bus for Embedded<S> {
    fn publish(&self, topic: Topic, batch: &[Message]) -> Result<Range<u64>, BusError> {
        let limit_bytes = self.limits.backlog_bytes;
        let bytes = check_batch(batch, limit_bytes)?;
        let mut inner = self.lock();
        let state = inner.state(topic)?;
        let backlog_bytes = state.backlog_bytes();
        if !state.consumers.is_empty() && backlog_bytes.saturating_add(bytes) > limit_bytes {
            state.refused += 1;
            return Err(BusError::Full {
                topic,
                backlog_bytes,
                limit_bytes,
            });
        }
        let records = seal_all(batch, state.bytes_total);
        let records: Vec<(Time, &[u8])> = records.iter().map(|(t, b)| (*t, b.as_slice())).collect();
        let range = inner
            .segments
            .append(topic, &records)
            .map_err(storage(topic))?;
        // Counted before the sync: if that fails, what is there may be delivered all the same.
        inner.state(topic)?.bytes_total += bytes;
        inner.segments.sync(topic).map_err(storage(topic))?;
        drop(inner);
        self.published.notify_all();
        Ok(range)
    }

    fn subscribe(&self, topic: Topic, consumer: &str) -> Result<Subscription, BusError> {
        let mut inner = self.lock();
        if inner.state(topic)?.consumers.contains_key(consumer) {
            let consumer = consumer.to_owned();
            return Err(BusError::Subscribed { topic, consumer });
        }
        let committed = inner
            .segments
            .committed(topic, consumer)
            .map_err(storage(topic))?;
        let next = inner
            .segments
            .next_sequence(topic)
            .map_err(storage(topic))?;
        // A position beyond the end (the log lost its tail) must not hide what is published next.
        let committed = committed.unwrap_or(0).min(next);
        let committed_bytes = if committed == next {
            inner.state(topic)?.bytes_total
        } else {
            inner.bytes_at(topic, committed, committed)?
        };
        let live = Consumer {
            next: committed,
            committed,
            committed_bytes,
            polled: VecDeque::new(),
        };
        inner
            .state(topic)?
            .consumers
            .insert(consumer.to_owned(), live);
        Ok(Subscription {
            topic,
            consumer: consumer.to_owned(),
        })
    }

    fn poll(
        &self,
        subscription: &Subscription,
        count_max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, BusError> {
        let mut inner = self.lock();
        let taken = inner.take(subscription, count_max)?;
        if !taken.is_empty() || wait.is_zero() {
            return Ok(taken);
        }
        // Woken for another topic, it comes back empty early: the caller polls in a loop anyway.
        let waited = self.published.wait_timeout(inner, wait);
        let (mut inner, _) = waited.unwrap_or_else(PoisonError::into_inner);
        inner.take(subscription, count_max)
    }

    fn commit(&self, subscription: &Subscription, position: u64) -> Result<(), BusError> {
        let topic = subscription.topic;
        let mut inner = self.lock();
        let consumer = inner.consumer(subscription)?;
        let position = position.min(consumer.next);
        if position <= consumer.committed {
            return Ok(());
        }
        let stored = inner
            .segments
            .commit(topic, &subscription.consumer, position);
        stored.map_err(storage(topic))?;
        let consumer = inner.consumer(subscription)?;
        consumer.committed = position;
        while let Some((end, bytes)) = consumer.polled.front().copied() {
            if end > position {
                break;
            }
            consumer.committed_bytes = bytes;
            consumer.polled.pop_front();
        }
        Ok(())
    }

    fn unsubscribe(&self, subscription: Subscription) {
        let mut inner = self.lock();
        if let Some(state) = inner.topics.get_mut(&subscription.topic) {
            state.consumers.remove(&subscription.consumer);
        }
    }

    fn dead_letter(&self, letter: &DeadLetter) -> Result<u64, BusError> {
        let message = Message {
            key: letter.key.clone(),
            time: letter.time,
            bytes: dead::encode(letter),
        };
        Ok(self.publish_one(Topic::DEAD_LETTERS, message)?.start)
    }

    fn dead_letters(&self, first: u64, count_max: usize) -> Result<Vec<KeptLetter>, BusError> {
        let mut letters: Vec<KeptLetter> = Vec::new();
        let mut next = first;
        loop {
            // To the end of the topic, also when enough are found: a mark may stand anywhere behind.
            let page = self
                .lock()
                .read(Topic::DEAD_LETTERS, next, READ_COUNT_MAX)?;
            if page.next == next {
                return Ok(letters);
            }
            next = page.next;
            for delivery in &page.deliveries {
                note(&mut letters, delivery, count_max);
            }
        }
    }

    fn replay(&self, number: u64, now: Time) -> Result<Range<u64>, BusError> {
        let letter = self.find_letter(number)?;
        let Some(topic) = Topic::named(&letter.origin) else {
            let origin = letter.origin;
            return Err(BusError::NotATopic { number, origin });
        };
        let message = Message {
            key: letter.key,
            time: now,
            bytes: letter.bytes,
        };
        let range = self.publish_one(topic, message)?;
        self.mark_replayed(number, now)?;
        Ok(range)
    }

    fn mark_replayed(&self, number: u64, now: Time) -> Result<(), BusError> {
        self.find_letter(number)?;
        let mark = Message {
            key: String::new(),
            time: now,
            bytes: dead::encode_mark(number),
        };
        self.publish_one(Topic::DEAD_LETTERS, mark)?;
        Ok(())
    }
}

/// Enters a record of the dead letter topic into a listing.
fn note(letters: &mut Vec<KeptLetter>, delivery: &Delivery, count_max: usize) {
    match dead::decode(&delivery.message) {
        Some(Entry::Letter(letter)) if letters.len() < count_max => letters.push(KeptLetter {
            number: delivery.position,
            replayed: false,
            letter,
        }),
        Some(Entry::Replayed(number)) => {
            let place = letters.binary_search_by_key(&number, |kept| kept.number);
            if let Some(kept) = place.ok().and_then(|place| letters.get_mut(place)) {
                kept.replayed = true;
            }
        }
        Some(Entry::Letter(_)) | None => {}
    }
}

/// Checks a batch and returns its bytes.
fn check_batch(batch: &[Message], limit_bytes: u64) -> Result<u64, BusError> {
    let mut bytes = 0_u64;
    for message in batch {
        envelope::check(message)?;
        bytes = bytes.saturating_add(envelope::size(message));
    }
    if bytes > limit_bytes {
        return Err(BusError::TooLarge {
            what: "a batch",
            bytes: usize::try_from(bytes).unwrap_or(usize::MAX),
            max: usize::try_from(limit_bytes).unwrap_or(usize::MAX),
        });
    }
    Ok(bytes)
}

fn seal_all(batch: &[Message], bytes_before: u64) -> Vec<(Time, Vec<u8>)> {
    let mut before = bytes_before;
    let mut records = Vec::with_capacity(batch.len());
    for message in batch {
        records.push((message.time, envelope::seal(message, before)));
        before = before.saturating_add(envelope::size(message));
    }
    records
}

fn storage(topic: Topic) -> impl Fn(StorageError) -> BusError {
    move |source| BusError::Storage { topic, source }
}
