//! Publishes what the store holds: the response journal, the findings and the incidents are the
//! outboxes, written in the transaction of their turn; this thread puts them on their topics
//! afterwards, so that no turn ever waits for it.
//!
//! At least once: a page is published and synced, then its place is kept with the topic. What
//! lies between a crash and that is published again, and consumers drop it by our own ids. A
//! failure is counted, said, and tried again with growing pauses; meanwhile the store is the
//! backlog, as it is while the store's reserve is given back: topics never take undo's room.
//! What can never be published goes to the dead letters of the bus.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use bus::{
    Bus, BusError, DeadLetter, Embedded, KEY_BYTES_MAX, Limits, Message, Segments, StorageError,
    Topic,
};
use event::Clock;
use store::{Outbox, Store};

use super::outbox::{self, Row};
use super::{Published, Topics};
use crate::metrics::Metrics;

/// How often the thread looks for something to publish.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Rows of one page: published, synced and kept as one.
const PAGE_ROWS: usize = 256;
/// Pages of one topic before the next one has its turn.
const PAGES_A_ROUND: usize = 16;
/// Bytes after which a batch goes out.
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// First pause after a failure; it doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(500);
/// Longest pause after failures.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// How often old messages are removed.
const RETAIN_EVERY: Duration = Duration::from_secs(60);
/// How long a node that ends waits for the rest to be published; what is left goes out at the
/// next start.
const END_WAIT: Duration = Duration::from_secs(10);
/// Bytes kept of a row that is too large for the bus; the whole lies in the store.
const LETTER_BYTES_MAX: usize = 64 * 1024;

/// What feeds a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Feed {
    /// Records of the response journal of this kind (`planned`, …); all of them if none is named.
    Journal(Option<&'static str>),
    /// A table of nouns.
    Nouns(Outbox),
}

/// Topics and their feeds, by name of the topic.
pub(super) const FEEDS: [(Topic, Feed); 6] = [
    (Topic::APPROVALS, Feed::Journal(Some("gate"))),
    (Topic::AUDIT, Feed::Journal(None)),
    (Topic::FINDINGS, Feed::Nouns(Outbox::Findings)),
    (Topic::INCIDENTS, Feed::Nouns(Outbox::Incidents)),
    (Topic::PLANS, Feed::Journal(Some("planned"))),
    (Topic::RECEIPTS, Feed::Journal(Some("receipt"))),
];

/// Publishes; one a node.
pub struct Publisher<S> {
    bus: Embedded<S>,
    segments: S,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    site: String,
    lanes: Vec<Lane>,
    /// The store's marker when everything was published.
    quiet_at: Option<u64>,
}

/// One topic on its way.
struct Lane {
    topic: Topic,
    feed: Feed,
    /// The last row on the topic; `None` until it was read.
    at: Option<u64>,
    /// Does the topic's file say so too?
    kept: bool,
    /// Not before this time, after a failure.
    not_before: Duration,
    pause: Duration,
}

/// Why a page did not go out.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Bus(#[from] BusError),
    #[error("outbox: {0}")]
    Store(#[from] store::StoreError),
    #[error("position: {0}")]
    Position(StorageError),
}

impl<S: Segments + Published + Clone> Publisher<S> {
    /// A publisher of this store's outboxes; `site` is the key of findings.
    pub fn new(
        segments: S,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
        site: String,
    ) -> Self {
        let lane = |(topic, feed)| Lane {
            topic,
            feed,
            at: None,
            kept: true,
            not_before: Duration::ZERO,
            pause: PAUSE_MIN,
        };
        Self {
            bus: Embedded::new(segments.clone(), Limits::default()),
            segments,
            store,
            clock,
            metrics,
            site,
            lanes: FEEDS.map(lane).into(),
            quiet_at: None,
        }
    }

    /// Publishes some of what waits on every topic; true if more may wait that could go out now.
    pub fn round(&mut self) -> bool {
        let marker = self.store.change_marker().ok();
        if marker.is_some() && marker == self.quiet_at {
            return false;
        }
        if !self.store.reserve_held() {
            // The disk was full: what room there is belongs to undo.
            self.lanes.iter().for_each(|lane| self.measure(lane));
            return false;
        }
        let now = self.clock.elapsed();
        let mut lanes = std::mem::take(&mut self.lanes);
        let (mut more, mut failed) = (false, false);
        for lane in &mut lanes {
            if lane.not_before > now {
                failed = true;
                continue;
            }
            match self.lane(lane) {
                Ok(full) => {
                    lane.pause = PAUSE_MIN;
                    more |= full;
                }
                Err(error) => {
                    failed = true;
                    self.put_off(lane, &error);
                }
            }
            self.measure(lane);
        }
        self.lanes = lanes;
        self.quiet_at = marker.filter(|_| !more && !failed);
        more
    }

    fn put_off(&self, lane: &mut Lane, error: &Failure) {
        let topic = lane.topic;
        self.metrics.topics.failed(topic);
        tracing::warn!(%topic, %error, pause = ?lane.pause, "not published yet");
        lane.not_before = self.clock.elapsed().saturating_add(lane.pause);
        lane.pause = lane.pause.saturating_mul(2).min(PAUSE_MAX);
    }

    /// Publishes pages of one topic; true if there are more.
    fn lane(&self, lane: &mut Lane) -> Result<bool, Failure> {
        self.take_up(lane)?;
        for _ in 0..PAGES_A_ROUND {
            self.keep(lane)?;
            if !self.page(lane)? {
                return Ok(false);
            }
        }
        self.keep(lane)?;
        Ok(true)
    }

    /// Finds out how far the topic is.
    fn take_up(&self, lane: &mut Lane) -> Result<(), Failure> {
        if lane.at.is_some() {
            return Ok(());
        }
        let topic = lane.topic;
        let published = self.segments.clone().published(topic);
        let published = published.map_err(Failure::Position)?;
        let head = self.head(lane.feed)?;
        if published > head {
            tracing::warn!(%topic, published, head, "the store is another one: published anew");
        }
        lane.at = Some(if published > head { 0 } else { published });
        Ok(())
    }

    fn head(&self, feed: Feed) -> Result<u64, Failure> {
        Ok(match feed {
            Feed::Journal(_) => self.store.journal_head()?,
            Feed::Nouns(outbox) => self.store.outbox_head(outbox)?,
        })
    }

    /// Keeps the lane's place with its topic, if that is not done.
    fn keep(&self, lane: &mut Lane) -> Result<(), Failure> {
        if let (false, Some(at)) = (lane.kept, lane.at) {
            let kept = self.segments.clone().set_published(lane.topic, at);
            kept.map_err(Failure::Position)?;
            lane.kept = true;
        }
        Ok(())
    }

    /// Publishes one page; false if there was none.
    fn page(&self, lane: &mut Lane) -> Result<bool, Failure> {
        let after = lane.at.unwrap_or(0);
        let rows = match lane.feed {
            Feed::Journal(kind) => {
                let rows = self.store.audit(after, PAGE_ROWS)?;
                rows.into_iter()
                    .map(|row| outbox::of_journal(row, kind))
                    .collect()
            }
            Feed::Nouns(nouns) => {
                let rows = self.store.outbox(nouns, after, PAGE_ROWS)?;
                let found = rows
                    .into_iter()
                    .map(|row| outbox::of_noun(nouns, row, &self.site, self.clock.now()));
                found.collect::<Vec<Row>>()
            }
        };
        let Some(last) = rows.last().map(|row| row.sequence) else {
            return Ok(false);
        };
        if lane.feed == Feed::Nouns(Outbox::Findings) {
            self.missing(after, &rows);
        }
        self.publish(lane, rows)?;
        self.advance(lane, last);
        self.keep(lane)?;
        Ok(true)
    }

    /// Findings are numbered without a gap: a gap is what the store had to drop meanwhile.
    fn missing(&self, after: u64, rows: &[Row]) {
        let first = rows.first().map_or(after, |row| row.sequence);
        let gap = first.saturating_sub(after.saturating_add(1));
        if gap > 0 {
            tracing::error!(
                gap,
                "findings were dropped from the store before publishing"
            );
            self.metrics.topics.lost(Topic::FINDINGS, gap);
        }
    }

    fn advance(&self, lane: &mut Lane, sequence: u64) {
        if lane.at.is_none_or(|at| at < sequence) {
            lane.at = Some(sequence);
            lane.kept = false;
        }
    }

    /// Publishes rows in batches. The place moves with each batch, so that a later failure does
    /// not repeat it.
    fn publish(&self, lane: &mut Lane, rows: Vec<Row>) -> Result<(), Failure> {
        let mut batch: Vec<Message> = Vec::new();
        let (mut bytes, mut last) = (0, lane.at.unwrap_or(0));
        for row in rows {
            let Some(message) = row.message else { continue };
            let size = message.bytes.len();
            if bytes + size > BATCH_BYTES && !batch.is_empty() {
                self.send(lane, &mut batch, last)?;
                bytes = 0;
            }
            match message_of(message) {
                Ok(message) => {
                    bytes += size;
                    batch.push(message);
                }
                Err(message) => {
                    self.send(lane, &mut batch, last)?;
                    bytes = 0;
                    self.give_up(lane.topic, row.sequence, message)?;
                    self.advance(lane, row.sequence);
                }
            }
            last = row.sequence;
        }
        self.send(lane, &mut batch, last)
    }

    fn send(&self, lane: &mut Lane, batch: &mut Vec<Message>, last: u64) -> Result<(), Failure> {
        if batch.is_empty() {
            return Ok(());
        }
        self.bus.publish(lane.topic, batch)?;
        self.metrics.topics.published(lane.topic, batch.len());
        batch.clear();
        self.advance(lane, last);
        Ok(())
    }

    /// A row that the bus will never take: its head goes to the dead letters, the whole stays in
    /// the store under its sequence.
    fn give_up(&self, topic: Topic, sequence: u64, message: Message) -> Result<(), Failure> {
        let mut bytes = message.bytes;
        let reason = format!("{} bytes are too many for a message", bytes.len());
        tracing::error!(%topic, sequence, reason, "not publishable");
        bytes.truncate(LETTER_BYTES_MAX);
        self.bus.dead_letter(&DeadLetter {
            origin: format!("outbox of {topic}"),
            position: sequence,
            key: message.key,
            stage: "publish".into(),
            reason,
            attempts: 1,
            time: message.time,
            bytes,
        })?;
        self.metrics.topics.refused(topic);
        Ok(())
    }

    fn measure(&self, lane: &Lane) {
        if let (Ok(head), Some(at)) = (self.head(lane.feed), lane.at) {
            let backlog = head.saturating_sub(at);
            self.metrics.topics.backlog(lane.topic, backlog);
        }
    }
}

/// The message if the bus can ever take it. A key too long is cut: it only sorts.
fn message_of(mut message: Message) -> Result<Message, Message> {
    while message.key.len() > KEY_BYTES_MAX {
        message.key.pop();
    }
    if message.key.len().saturating_add(message.bytes.len()) > bus::MESSAGE_BYTES_MAX {
        return Err(message);
    }
    Ok(message)
}

/// The publisher's thread.
pub struct Running {
    stop: Arc<AtomicBool>,
    thread: std::thread::Thread,
    ended: Receiver<()>,
}

impl Running {
    /// Lets it publish what is there, and waits for that, but not for ever.
    pub fn stop(self) {
        self.ask();
        if let Err(RecvTimeoutError::Timeout) = self.ended.recv_timeout(END_WAIT) {
            tracing::warn!("the rest is published at the next start");
        }
    }
}

impl Running {
    fn ask(&self) {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.ask(); // a node that failed leaves no thread behind
    }
}

/// Starts the thread.
///
/// # Errors
/// The system has no thread to give.
pub fn start(
    topics: Topics,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    site: String,
) -> std::io::Result<Running> {
    let stop = Arc::new(AtomicBool::new(false));
    let stopping = Arc::clone(&stop);
    let (sender, ended) = sync_channel(1);
    let publishing = move || {
        let shared = (topics.clone(), Arc::clone(&clock), Arc::clone(&metrics));
        let mut publisher = Publisher::new(topics, store, clock, metrics, site);
        let mut retained = Duration::ZERO;
        while !stopping.load(Ordering::SeqCst) {
            let more = publisher.round();
            retained = retain(&shared, retained);
            if !more {
                std::thread::park_timeout(LOOK_EVERY);
            }
        }
        while publisher.round() {}
        sender.send(()).unwrap_or_default();
    };
    let builder = std::thread::Builder::new().name("publish".into());
    let thread = builder.spawn(publishing)?.thread().clone();
    Ok(Running {
        stop,
        thread,
        ended,
    })
}

/// Removes old messages when it is time, and measures what is left.
fn retain(shared: &(Topics, Arc<dyn Clock>, Arc<Metrics>), last: Duration) -> Duration {
    let (topics, clock, metrics) = shared;
    let elapsed = clock.elapsed();
    if elapsed.saturating_sub(last) < RETAIN_EVERY && last > Duration::ZERO {
        return last;
    }
    let trimmed = topics.retain(clock.now());
    if trimmed.failed > 0 {
        tracing::warn!(topics = trimmed.failed, "retention failed");
    }
    for (topic, _) in FEEDS {
        metrics.topics.bytes(topic, topics.bytes(topic));
    }
    elapsed.max(Duration::from_nanos(1))
}
