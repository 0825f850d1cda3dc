//! The bus: how the nouns travel between the parts of Vértice, and where poison is kept.
//!
//! One trait, [`Bus`]. [`Embedded`] serves one process from a durable log that its owner lends it
//! through [`Segments`]. Delivery is at least once: a consumer gets everything behind its
//! committed position again after a restart, and drops what it has by the nouns' own ids. A topic
//! whose slowest live consumer lags by more than the limit refuses new messages with
//! [`BusError::Full`]: the publisher waits, and through it its source.
//!
//! Absent on purpose: threads, async, transactions across topics, and the log itself (an area
//! depends on no other).
#![warn(missing_docs)]

mod dead;
mod embedded;
mod envelope;
mod topic;

#[cfg(test)]
mod tests;

use std::ops::Range;
use std::time::Duration;

use event::Time;

pub use dead::{DeadLetter, KeptLetter};
pub use embedded::{Backlog, Embedded, Limits, Segments, StorageError, Stored};
pub use topic::Topic;

/// Largest message, key and bytes together.
pub const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Longest key, bytes.
pub const KEY_BYTES_MAX: usize = 1024;

/// What is published: the owner of the key decides what must stay in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Messages of one key stay in order on one worker.
    pub key: String,
    /// When, for retention and for reading by time.
    pub time: Time,
    /// The noun, encoded by its owner.
    pub bytes: Vec<u8>,
}

/// What a consumer receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its place in the topic. Commit `position + 1` when it is done.
    pub position: u64,
    /// The message.
    pub message: Message,
}

/// A live consumer of one topic. Not to be cloned: two consumers have two names.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Subscription {
    topic: Topic,
    consumer: String,
}

impl Subscription {
    /// What is consumed.
    pub fn topic(&self) -> Topic {
        self.topic
    }

    /// By whom.
    pub fn consumer(&self) -> &str {
        &self.consumer
    }
}

/// One bus, whatever carries it. Calls block for as long as the disk or the broker takes.
pub trait Bus: Send + Sync {
    /// Publishes a batch, in order; after `Ok` it is durable. Returns its positions.
    ///
    /// # Errors
    /// [`BusError::Full`]: nothing was published, wait for the consumers and try again.
    /// [`BusError::TooLarge`]: it never will be. [`BusError::Storage`].
    fn publish(&self, topic: Topic, batch: &[Message]) -> Result<Range<u64>, BusError>;

    /// Starts a named consumer at its committed position; a new name starts at the oldest message.
    ///
    /// # Errors
    /// [`BusError::Subscribed`] while that name is live; [`BusError::Storage`].
    fn subscribe(&self, topic: Topic, consumer: &str) -> Result<Subscription, BusError>;

    /// The next messages, at most `count_max`, waiting up to `wait` for the first; empty if none
    /// came. Each message is handed out once a subscription.
    ///
    /// # Errors
    /// [`BusError::Unsubscribed`] after [`Bus::unsubscribe`]; [`BusError::Storage`].
    fn poll(
        &self,
        subscription: &Subscription,
        count_max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, BusError>;

    /// Everything below `position` is done: a restart begins there. Never goes back.
    ///
    /// # Errors
    /// [`BusError::Unsubscribed`], [`BusError::Storage`].
    fn commit(&self, subscription: &Subscription, position: u64) -> Result<(), BusError>;

    /// Ends a consumer; what it has not committed no longer holds publishers back.
    fn unsubscribe(&self, subscription: Subscription);

    /// Keeps poison: why, and its original bytes. Returns the letter's number.
    ///
    /// # Errors
    /// [`BusError::TooLarge`], [`BusError::Storage`].
    fn dead_letter(&self, letter: &DeadLetter) -> Result<u64, BusError>;

    /// Letters from number `first` on, oldest first, at most `count_max`.
    ///
    /// # Errors
    /// [`BusError::Storage`].
    fn dead_letters(&self, first: u64, count_max: usize) -> Result<Vec<KeptLetter>, BusError>;

    /// Publishes a letter's original bytes again where they came from, and marks it.
    ///
    /// # Errors
    /// [`BusError::NoLetter`]; [`BusError::NotATopic`] when it came from a source and not from a
    /// topic: its reader takes it from [`Bus::dead_letters`] and marks it; as [`Bus::publish`].
    fn replay(&self, number: u64, now: Time) -> Result<Range<u64>, BusError>;

    /// Marks a letter as replayed by its reader.
    ///
    /// # Errors
    /// [`BusError::NoLetter`], [`BusError::Storage`].
    fn mark_replayed(&self, number: u64, now: Time) -> Result<(), BusError>;
}

/// Why the bus refused.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The slowest consumer lags too far: wait and try again.
    #[error("{topic} is full: {backlog_bytes} bytes wait, the limit is {limit_bytes}")]
    Full {
        /// The topic.
        topic: Topic,
        /// Bytes that its slowest consumer has not committed.
        backlog_bytes: u64,
        /// [`Limits::backlog_bytes`].
        limit_bytes: u64,
    },
    /// Above a limit that waiting does not change.
    #[error("{what} of {bytes} bytes is above the limit of {max}")]
    TooLarge {
        /// Key, message or batch.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// That consumer is live already.
    #[error("{consumer:?} consumes {topic} already")]
    Subscribed {
        /// The topic.
        topic: Topic,
        /// Its name.
        consumer: String,
    },
    /// That consumer has ended.
    #[error("{consumer:?} does not consume {topic} any more")]
    Unsubscribed {
        /// The topic.
        topic: Topic,
        /// Its name.
        consumer: String,
    },
    /// There is no such letter, or retention removed it.
    #[error("there is no dead letter {number}")]
    NoLetter {
        /// The number asked for.
        number: u64,
    },
    /// The letter did not come from a topic.
    #[error("dead letter {number} came from {origin:?}, which is not a topic")]
    NotATopic {
        /// The letter.
        number: u64,
        /// Where it came from.
        origin: String,
    },
    /// The log below failed.
    #[error("{topic}: {source}")]
    Storage {
        /// The topic.
        topic: Topic,
        /// Its words.
        source: StorageError,
    },
}

impl BusError {
    /// May the same call succeed later without anyone changing anything?
    pub fn retry_helps(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::Storage { .. })
    }
}
