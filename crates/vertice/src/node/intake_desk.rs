//! Hop 1 with its bookkeeping: records go through their stream's parser, events into the durable
//! log, bad records to the dead letters, offsets beside the snapshot they belong to.
//!
//! read = kept + dropped + dead-lettered + known already; each is counted by source.
#![expect(
    clippy::vec_box,
    reason = "an event is moved several times on its way, and a box is eight bytes"
)]

use std::collections::HashMap;
use std::sync::Arc;

use event::{Clock, Event, Name, Origin, Time};
use segment::{LogError, Writer};
use sources::{Parsed, Parser, RawRecord, Settings};
use store::{Change, DeadLetter};

use super::ahead::Ahead;
use crate::intake::{Feed, Offset, Record};
use crate::metrics::Metrics;

/// Streams with a parser of their own; beyond this the oldest parser state is dropped.
const STREAMS_MAX: usize = 4096;

/// Counts of one stream since the start.
#[derive(Clone, Copy, Debug, Default)]
pub struct StreamCounts {
    /// Records read.
    pub read: u64,
    /// Events made.
    pub kept: u64,
    /// Records that are no events (comments, headers).
    pub dropped: u64,
    /// Records that could not be read: dead letters.
    pub bad: u64,
    /// Events that were in the log already, after a restart.
    pub known: u64,
    /// When the last record came.
    pub last_seen: Option<Time>,
}

/// Hop 1.
pub struct IntakeDesk {
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    log: Writer,
    settings: Settings,
    /// Stream prefix → format name, from the configuration.
    formats: Vec<(String, String)>,
    parsers: HashMap<Name, Box<dyn Parser>>,
    pending: HashMap<String, String>,
    /// Events in the log whose records will come by again.
    pub(crate) ahead: Ahead,
    /// Per stream.
    pub counts: HashMap<Name, StreamCounts>,
    /// Blocks of the log that were set aside when it was opened.
    pub bad_blocks: u64,
    /// JSON of the batch being written.
    buffer: Vec<u8>,
    /// Parsed, but not in the log yet.
    unwritten: (Vec<Box<Event>>, Vec<Offset>),
    unsynced: bool,
}

impl IntakeDesk {
    /// A desk that writes to `log`.
    pub fn new(
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
        log: Writer,
        settings: Settings,
    ) -> Self {
        Self {
            clock,
            metrics,
            log,
            settings,
            formats: Vec::new(),
            parsers: HashMap::new(),
            pending: HashMap::new(),
            ahead: Ahead::default(),
            counts: HashMap::new(),
            bad_blocks: 0,
            buffer: Vec::new(),
            unwritten: (Vec::new(), Vec::new()),
            unsynced: false,
        }
    }

    /// Records of streams that begin with `prefix` are of `format`.
    pub fn format(&mut self, prefix: String, format: String) {
        self.formats.push((prefix, format));
    }

    /// Takes a batch; the events are appended to the log, not yet durable.
    ///
    /// # Errors
    /// The log refused.
    pub fn receive(
        &mut self,
        feed: Feed,
        changes: &mut Vec<Change>,
    ) -> Result<Vec<Box<Event>>, LogError> {
        let (records, offsets) = match feed {
            Feed::Batch { records, offsets } => (records, offsets),
            Feed::Ended { stream } => {
                tracing::info!(%stream, "source ended");
                return Ok(Vec::new());
            }
            Feed::Problem { stream, text } => {
                tracing::warn!(%stream, text, "source has a problem");
                self.metrics.problem(stream.as_str());
                return Ok(Vec::new());
            }
        };
        let mut events = Vec::with_capacity(records.len());
        for record in &records {
            self.parse(record, &mut events, changes);
        }
        self.unwritten = (events, offsets);
        self.write()
    }

    /// Appends the events of the last batch to the log; after a failure it can be tried again, and
    /// nothing of the batch was written yet.
    ///
    /// # Errors
    /// The log refused again.
    pub fn write(&mut self) -> Result<Vec<Box<Event>>, LogError> {
        append(&mut self.log, &mut self.buffer, &self.unwritten.0)?;
        let (events, offsets) = std::mem::take(&mut self.unwritten);
        self.unsynced |= !events.is_empty();
        for offset in offsets {
            self.pending.insert(offset.stream, offset.state);
        }
        Ok(events)
    }

    /// Does a batch wait for room in the log?
    pub fn waits(&self) -> bool {
        !self.unwritten.0.is_empty()
    }

    /// Parses dead letters again, each with its own stream and position, and appends what they
    /// became to the log, not yet durable. True: the event was in the log already.
    ///
    /// # Errors
    /// The log refused: nothing was appended.
    pub(crate) fn again(
        &mut self,
        letters: &[DeadLetter],
    ) -> Result<Vec<(Parsed, bool)>, LogError> {
        let mut all = Vec::with_capacity(letters.len());
        let mut events = Vec::new();
        for letter in letters {
            let stream = Name::new(&letter.stream);
            let raw = RawRecord {
                stream: &stream,
                position: letter.position,
                observed: letter.time,
                bytes: &letter.bytes,
                spoofable: letter.stream.starts_with("udp:"),
            };
            let parsed = self.parser(&stream).parse(&raw);
            let mut known = false;
            if let Parsed::Event(event) = &parsed {
                known = self.ahead.take(event);
                events.extend((!known).then(|| event.clone()));
            }
            all.push((parsed, known));
        }
        append(&mut self.log, &mut self.buffer, &events)?;
        // The letters go in the transaction that follows: their events must be safe by then.
        self.log.sync()?;
        Ok(all)
    }

    fn parse(&mut self, record: &Record, events: &mut Vec<Box<Event>>, changes: &mut Vec<Change>) {
        let raw = RawRecord {
            stream: &record.stream,
            position: record.position,
            observed: record.observed,
            bytes: &record.bytes,
            spoofable: record.spoofable,
        };
        let parsed = self.parser(&record.stream).parse(&raw);
        self.ahead.passed(&record.stream, record.position);
        let counts = self.counts.entry(record.stream.clone()).or_default();
        counts.read += 1;
        counts.last_seen = Some(record.observed);
        match parsed {
            Parsed::Event(event) if self.ahead.take(&event) => counts.known += 1,
            Parsed::Event(event) => {
                counts.kept += 1;
                events.push(event);
            }
            Parsed::Nothing(_) => counts.dropped += 1,
            Parsed::Bad(reason) => {
                counts.bad += 1;
                let reason = reason.to_string();
                changes.push(Change::DeadLetter(dead_letter(
                    record,
                    reason,
                    self.clock.now(),
                )));
            }
        }
    }

    /// Shows a parser a record that it had read before the restart, so that it knows again which
    /// connections are being spoken of. One whose record will come by again is not shown twice.
    pub(crate) fn warm(&mut self, event: &Event) {
        if self.ahead.holds(event) {
            return;
        }
        let Origin {
            stream, position, ..
        } = &event.origin;
        let raw = RawRecord {
            stream,
            position: *position,
            observed: event.observed,
            bytes: event.raw.as_bytes(),
            spoofable: event.spoofable,
        };
        drop(self.parser(stream).parse(&raw));
    }

    fn parser(&mut self, stream: &Name) -> &mut Box<dyn Parser> {
        if self.parsers.len() >= STREAMS_MAX && !self.parsers.contains_key(stream) {
            self.parsers.clear();
        }
        let (formats, settings) = (&self.formats, &self.settings);
        self.parsers.entry(stream.clone()).or_insert_with(|| {
            let format = formats
                .iter()
                .find(|(prefix, _)| stream.as_str().starts_with(prefix));
            let named = format.and_then(|(_, format)| sources::by_name(format, settings));
            named.unwrap_or_else(|| sources::auto(settings))
        })
    }

    /// Makes everything received so far durable: from here on it is acknowledged.
    ///
    /// # Errors
    /// The log refused.
    pub fn sync(&mut self) -> anyhow::Result<()> {
        if std::mem::take(&mut self.unsynced) {
            self.log.sync()?;
        }
        Ok(())
    }

    /// Offsets and log position that belong to the snapshot being made.
    ///
    /// # Errors
    /// Old segments could not be removed.
    pub fn offsets(&mut self, changes: &mut Vec<Change>) -> anyhow::Result<()> {
        for (stream, state) in self.pending.drain() {
            changes.push(Change::Offset { stream, state });
        }
        let value = self.log.next_sequence().to_string();
        changes.push(Change::Value {
            key: super::LOG_SEQUENCE.into(),
            value,
        });
        // Offsets may lie before the end of the log until all of its records have come by again.
        let bytes = self.ahead.snapshot()?;
        changes.push(Change::Snapshot {
            name: super::AHEAD.into(),
            bytes,
        });
        self.log.retain(self.clock.now())?;
        Ok(())
    }

    /// Bytes that the log holds.
    pub fn log_bytes(&self) -> u64 {
        self.log.bytes()
    }
}

/// Events go through one buffer that is kept: a kilobyte that grows from nothing is copied four
/// times.
fn append(log: &mut Writer, buffer: &mut Vec<u8>, events: &[Box<Event>]) -> Result<(), LogError> {
    if events.is_empty() {
        return Ok(());
    }
    buffer.clear();
    let mut ends = Vec::with_capacity(events.len());
    for event in events {
        // An event is plain data without maps of odd keys: it always has a JSON form.
        serde_json::to_writer(&mut *buffer, event).unwrap_or_default();
        ends.push(buffer.len());
    }
    let mut start = 0;
    let mut records: Vec<(Time, &[u8])> = Vec::with_capacity(events.len());
    for (event, end) in events.iter().zip(ends) {
        records.push((event.time, buffer.get(start..end).unwrap_or_default()));
        start = end;
    }
    log.append(&records).map(drop)
}

fn dead_letter(record: &Record, reason: String, time: Time) -> DeadLetter {
    DeadLetter {
        id: 0,
        time,
        stage: "parse".into(),
        reason,
        stream: record.stream.as_str().into(),
        position: record.position,
        bytes: record.bytes.clone(),
    }
}
