//! The way out of a reading thread: the bounded channel, the stop signal, the counters.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Duration;

use event::{Clock, Name, Time};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

use super::batch::Batch;
use super::{Counts, Feed, Offset};

/// How long to wait before a full channel is tried again.
const RETRY: Duration = Duration::from_millis(2);

/// Reading is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stopped;

/// A signal that every thread can wait for, beside its own descriptors.
#[derive(Debug)]
pub(super) struct Stop {
    flag: AtomicBool,
    event: OwnedFd, // becomes readable, for good
}

impl Stop {
    pub(super) fn new() -> std::io::Result<Self> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self {
            flag: AtomicBool::new(false),
            event,
        })
    }

    pub(super) fn set(&self) {
        self.flag.store(true, Ordering::SeqCst);
        if rustix::io::write(&self.event, &1_u64.to_ne_bytes()).is_err() {
            tracing::debug!("stop was signalled before");
        }
    }

    pub(super) fn is_set(&self) -> bool {
        self.flag.load(Ordering::SeqCst)
    }

    /// Waits until it is set or the time is over.
    pub(super) fn wait(&self, time: Duration) {
        self.wait_beside(&[], Some(time));
    }

    /// Waits until it is set, one of `readable` can be read, or the time is over; tells which of
    /// them can be read.
    pub(super) fn wait_beside(
        &self,
        readable: &[BorrowedFd<'_>],
        time: Option<Duration>,
    ) -> Vec<bool> {
        let mut polled = vec![PollFd::new(&self.event, PollFlags::IN)];
        polled.extend(
            readable
                .iter()
                .map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)),
        );
        let time = time.map(|time| Timespec {
            tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(time.subsec_nanos()),
        });
        // An interrupted wait is a short one: every caller looks again.
        let woken = poll(&mut polled, time.as_ref()).is_ok();
        let mut ready = Vec::with_capacity(readable.len());
        ready.extend(
            polled
                .iter()
                .skip(1)
                .map(|fd| woken && !fd.revents().is_empty()),
        );
        ready
    }
}

impl AsFd for Stop {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}

/// Counted since the start, by all threads.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) records: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) cut: AtomicU64,
    pub(super) udp_dropped: AtomicU64,
    pub(super) connections_refused: AtomicU64,
    pub(super) files_refused: AtomicU64,
    pub(super) abandoned: AtomicU64,
}

impl Counters {
    pub(super) fn read(&self) -> Counts {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            records: of(&self.records),
            bytes: of(&self.bytes),
            cut: of(&self.cut),
            udp_dropped: of(&self.udp_dropped),
            connections_refused: of(&self.connections_refused),
            files_refused: of(&self.files_refused),
            abandoned: of(&self.abandoned),
        }
    }
}

/// Adds to a counter.
pub(super) fn count(counter: &AtomicU64, number: u64) {
    counter.fetch_add(number, Ordering::Relaxed);
}

/// The way out of one thread.
#[derive(Clone)]
pub(super) struct Outlet {
    sender: SyncSender<Feed>,
    clock: Arc<dyn Clock>,
    stop: Arc<Stop>,
    counters: Arc<Counters>,
}

impl Outlet {
    pub(super) fn new(
        sender: SyncSender<Feed>,
        clock: Arc<dyn Clock>,
        stop: Arc<Stop>,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            sender,
            clock,
            stop,
            counters,
        }
    }

    pub(super) fn now(&self) -> Time {
        self.clock.now()
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    pub(super) fn stop(&self) -> &Stop {
        &self.stop
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Hands a batch over, waiting while the channel is full. An empty one is not sent.
    pub(super) fn batch(&self, batch: &mut Batch, offsets: Vec<Offset>) -> Result<(), Stopped> {
        let (records, bytes) = (batch.records() as u64, batch.bytes() as u64);
        if records == 0 {
            return Ok(());
        }
        let sent = self.send(
            Feed::Batch {
                records: batch.take(),
                offsets,
            },
            None,
        );
        if sent != Ok(true) {
            count(&self.counters.abandoned, records);
            return Err(Stopped);
        }
        self.handed_over(records, bytes);
        Ok(())
    }

    /// Hands a batch over within `patience`, or drops it and returns how many records were lost.
    pub(super) fn batch_or_drop(
        &self,
        batch: &mut Batch,
        patience: Duration,
    ) -> Result<u64, Stopped> {
        let (records, bytes) = (batch.records() as u64, batch.bytes() as u64);
        if records == 0 {
            return Ok(0);
        }
        let feed = Feed::Batch {
            records: batch.take(),
            offsets: Vec::new(),
        };
        let sent = self.send(feed, Some(patience));
        if sent == Ok(true) {
            self.handed_over(records, bytes);
            return Ok(0);
        }
        sent.map(|_| records)
    }

    /// Tells a person.
    pub(super) fn problem(&self, stream: &Name, text: String) -> Result<(), Stopped> {
        self.send(
            Feed::Problem {
                stream: stream.clone(),
                text,
            },
            None,
        )
        .map(drop)
    }

    /// Tells that a stream ended.
    pub(super) fn ended(&self, stream: &Name) -> Result<(), Stopped> {
        self.send(
            Feed::Ended {
                stream: stream.clone(),
            },
            None,
        )
        .map(drop)
    }

    fn handed_over(&self, records: u64, bytes: u64) {
        count(&self.counters.records, records);
        count(&self.counters.bytes, bytes);
    }

    /// `Ok(false)`: the patience ended.
    fn send(&self, feed: Feed, patience: Option<Duration>) -> Result<bool, Stopped> {
        let mut feed = feed;
        let mut waited = Duration::ZERO;
        loop {
            match self.sender.try_send(feed) {
                Ok(()) => return Ok(true),
                Err(TrySendError::Disconnected(_)) => return Err(Stopped),
                Err(TrySendError::Full(back)) => feed = back,
            }
            if self.stop.is_set() {
                return Err(Stopped);
            }
            if patience.is_some_and(|patience| waited >= patience) {
                return Ok(false);
            }
            self.stop.wait(RETRY);
            waited += RETRY;
        }
    }
}
