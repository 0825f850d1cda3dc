//! The worker's mailbox: two bounded queues and one place to wait. Control messages (replies,
//! decisions, stop) always come before feed batches, so a flood of logs never delays an answer.
//!
//! A full feed queue makes the sender wait, which stops reading from files: back-pressure reaches
//! the source. A full control queue refuses, and the caller counts it.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Feed bytes that may wait.
pub const FEED_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Control messages that may wait.
pub const CONTROL_MAX: usize = 16_384;

/// Two bounded queues with one waiter.
#[derive(Debug)]
pub struct Mailbox<C, F> {
    queues: Mutex<Queues<C, F>>,
    arrived: Condvar,
    taken: Condvar,
}

#[derive(Debug)]
struct Queues<C, F> {
    control: VecDeque<C>,
    feed: VecDeque<(F, usize)>,
    feed_bytes: usize,
    closed: bool,
}

/// What the worker found in its mailbox.
#[derive(Debug)]
pub struct Mail<C, F> {
    /// All control messages that waited.
    pub control: Vec<C>,
    /// At most one batch.
    pub feed: Option<F>,
}

impl<C, F> Default for Mailbox<C, F> {
    fn default() -> Self {
        let queues = Queues {
            control: VecDeque::new(),
            feed: VecDeque::new(),
            feed_bytes: 0,
            closed: false,
        };
        Self {
            queues: Mutex::new(queues),
            arrived: Condvar::new(),
            taken: Condvar::new(),
        }
    }
}

impl<C, F> Mailbox<C, F> {
    fn lock(&self) -> MutexGuard<'_, Queues<C, F>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves a control message; gives it back when the queue is full or closed.
    ///
    /// # Errors
    /// The message itself.
    pub fn control(&self, message: C) -> Result<(), C> {
        let mut queues = self.lock();
        if queues.closed || queues.control.len() >= CONTROL_MAX {
            return Err(message);
        }
        queues.control.push_back(message);
        drop(queues);
        self.arrived.notify_one();
        Ok(())
    }

    /// Leaves a batch of `bytes` bytes, waiting for room; false once the mailbox is closed.
    pub fn feed(&self, batch: F, bytes: usize) -> bool {
        let mut queues = self.lock();
        while !queues.closed && queues.feed_bytes > 0 && queues.feed_bytes + bytes > FEED_BYTES_MAX
        {
            queues = self
                .taken
                .wait(queues)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if queues.closed {
            return false;
        }
        queues.feed_bytes += bytes;
        queues.feed.push_back((batch, bytes));
        drop(queues);
        self.arrived.notify_one();
        true
    }

    /// Takes what is there, waiting at most `patience` when nothing is. Without `with_feed` the
    /// batches stay where they are, and push back.
    pub fn take(&self, patience: Duration, with_feed: bool) -> Mail<C, F> {
        let mut queues = self.lock();
        if queues.control.is_empty() && (queues.feed.is_empty() || !with_feed) {
            let waited = self.arrived.wait_timeout(queues, patience);
            queues = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let control = queues.control.drain(..).collect();
        let next = if with_feed {
            queues.feed.pop_front()
        } else {
            None
        };
        let feed = next.map(|(batch, bytes)| {
            queues.feed_bytes -= bytes;
            batch
        });
        drop(queues);
        self.taken.notify_all();
        Mail { control, feed }
    }

    /// Bytes of feed that wait now.
    pub fn feed_bytes(&self) -> usize {
        self.lock().feed_bytes
    }

    /// Refuses everything from now on; what waits can still be taken.
    pub fn close(&self) {
        self.lock().closed = true;
        self.taken.notify_all();
        self.arrived.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_comes_before_feed_and_nothing_is_lost() {
        let mailbox = Mailbox::<u8, &str>::default();
        assert!(mailbox.feed("batch", 5));
        mailbox.control(1).unwrap();
        mailbox.control(2).unwrap();
        let mail = mailbox.take(Duration::ZERO, true);
        assert_eq!((mail.control, mail.feed), (vec![1, 2], Some("batch")));
        assert_eq!(mailbox.feed_bytes(), 0);
    }

    #[test]
    fn a_full_feed_waits_until_there_is_room() {
        let mailbox = Mailbox::<(), u32>::default();
        assert!(mailbox.feed(1, FEED_BYTES_MAX));
        std::thread::scope(|scope| {
            let sender = scope.spawn(|| mailbox.feed(2, 10));
            assert_eq!(mailbox.take(Duration::from_secs(5), true).feed, Some(1));
            assert!(sender.join().unwrap());
        });
        assert_eq!(mailbox.take(Duration::ZERO, true).feed, Some(2));
    }

    #[test]
    fn a_closed_mailbox_refuses_and_a_full_control_queue_too() {
        let mailbox = Mailbox::<usize, ()>::default();
        for message in 0..CONTROL_MAX {
            mailbox.control(message).unwrap();
        }
        assert_eq!(mailbox.control(7), Err(7));
        mailbox.close();
        assert!(!mailbox.feed((), 1));
        assert_eq!(
            mailbox.take(Duration::ZERO, true).control.len(),
            CONTROL_MAX
        );
    }
}
