//! The contract of a parser: what it is given, what it answers.

use std::time::Duration;

use event::{Body, Event, Name, Origin, RAW_BYTES_MAX, Time, TimeQuality};

use crate::text::cut;

/// Bytes of the longest record that is looked at; a longer one is [`BadReason::TooLong`].
pub const RECORD_BYTES_MAX: usize = 1 << 20;

/// The farthest zone from UTC, seconds; a setting beyond it is clamped.
pub const ZONE_OFFSET_MAX_S: i32 = 24 * 3600;

/// One record as it was read.
#[derive(Clone, Copy, Debug)]
pub struct RawRecord<'a> {
    /// The stream it was read from.
    pub stream: &'a Name,
    /// Byte offset in a file, running number elsewhere.
    pub position: u64,
    /// When it was read.
    pub observed: Time,
    /// One line, without its newline (a carriage return before it is tolerated).
    pub bytes: &'a [u8],
    /// Could anyone who can send a datagram have made it up?
    pub spoofable: bool,
}

/// What a parser cannot know from the records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Seconds east of UTC for times without a zone; clamped to ±[`ZONE_OFFSET_MAX_S`].
    pub zone_offset_s: i32,
}

impl Settings {
    /// The zone in microseconds, within its limits.
    pub(crate) fn zone_offset_us(self) -> i64 {
        let seconds = self
            .zone_offset_s
            .clamp(-ZONE_OFFSET_MAX_S, ZONE_OFFSET_MAX_S);
        i64::from(seconds).saturating_mul(1_000_000)
    }
}

/// What became of a record. Every record is exactly one of these.
#[derive(Clone, Debug, PartialEq)]
pub enum Parsed {
    /// Understood.
    Event(Box<Event>),
    /// Holds no event, and rightly so: counted as dropped.
    Nothing(DropReason),
    /// Not understood: to the dead letters with its reason.
    Bad(BadReason),
}

/// Why a record without an event is in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DropReason {
    /// Empty, or white space.
    Blank,
    /// A comment of the format.
    Comment,
    /// A line that says how to read the others.
    Header,
    /// A sensor's or daemon's record about itself, such as its statistics.
    Foreign,
}

impl DropReason {
    /// The word for counters.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Blank => "blank",
            Self::Comment => "comment",
            Self::Header => "header",
            Self::Foreign => "foreign",
        }
    }
}

/// Why a record was not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum BadReason {
    /// Longer than [`RECORD_BYTES_MAX`].
    #[error("longer than {RECORD_BYTES_MAX} bytes")]
    TooLong,
    /// Not of this format.
    #[error("not of this format")]
    Form,
    /// A time that does not exist, or none where one must be.
    #[error("no such time")]
    Time,
    /// Not JSON, not an object, or cut off.
    #[error("broken JSON")]
    Json,
    /// A table row without a header before it, or with another number of columns.
    #[error("columns do not fit the header")]
    Columns,
    /// A field that must be there is missing or is not what it must be.
    #[error("field {0} is missing or wrong")]
    Field(&'static str),
}

impl BadReason {
    /// The word for counters.
    pub const fn word(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::Form => "form",
            Self::Time => "time",
            Self::Json => "json",
            Self::Columns => "columns",
            Self::Field(_) => "field",
        }
    }
}

/// Turns the records of one stream into events.
pub trait Parser: Send {
    /// The format's name.
    fn name(&self) -> &'static str;

    /// Reads one record. Total: answers for any bytes, in time linear in their number.
    fn parse(&mut self, record: &RawRecord<'_>) -> Parsed;

    /// Connections forgotten at [`crate::CONNECTIONS_MAX`] since the start: for metrics.
    fn evicted(&self) -> u64 {
        0
    }
}

/// A time and how far it can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) time: Time,
    pub(crate) quality: TimeQuality,
}

/// How far a record's time may lie after the time of reading. What is later is no usable time
/// (a clock gone wrong, or a forger who would move every window on): the time of reading stands in.
const AHEAD_MAX: Duration = Duration::from_secs(86_400);

impl Stamp {
    fn believable(self, observed: Time) -> Self {
        if self.time <= observed.plus(AHEAD_MAX) {
            return self;
        }
        Self {
            time: observed,
            quality: TimeQuality::Guessed,
        }
    }
}

/// The event of a record.
pub(crate) fn event_of(
    record: &RawRecord<'_>,
    parser: &Name,
    stamp: Stamp,
    host: Option<Name>,
    body: Body,
) -> Box<Event> {
    let stamp = stamp.believable(record.observed);
    Box::new(Event {
        id: Event::id_of(record.stream.as_str(), record.position, record.bytes),
        time: stamp.time,
        time_quality: stamp.quality,
        observed: record.observed,
        origin: Origin {
            stream: record.stream.clone(),
            parser: parser.clone(),
            position: record.position,
        },
        host,
        body,
        spoofable: record.spoofable,
        raw: raw_of(record.bytes),
    })
}

/// The record as kept in the event: invalid UTF-8 replaced, cut at `RAW_BYTES_MAX`.
fn raw_of(bytes: &[u8]) -> String {
    let head = bytes
        .get(..bytes.len().min(RAW_BYTES_MAX))
        .unwrap_or_default();
    match std::str::from_utf8(head) {
        Ok(text) => text.into(),
        Err(_) => cut(&String::from_utf8_lossy(head), RAW_BYTES_MAX).into(),
    }
}

/// What can be said of a record before its format is looked at.
pub(crate) fn refused(bytes: &[u8]) -> Option<Parsed> {
    if bytes.len() > RECORD_BYTES_MAX {
        Some(Parsed::Bad(BadReason::TooLong))
    } else if bytes.iter().all(u8::is_ascii_whitespace) {
        Some(Parsed::Nothing(DropReason::Blank))
    } else {
        None
    }
}
