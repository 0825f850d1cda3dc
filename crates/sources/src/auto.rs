//! Finds out what a stream is by its first lines, and stays open to a line of another known form.
//!
//! Three lines in a row of one form pin the stream to it: later lines go to that parser without a
//! look at their form. A line that it refuses is still tried by the form that it has.

use crate::eve::Eve;
use crate::event_lines::EventLines;
use crate::journald::Journald;
use crate::record::{BadReason, Parsed, Parser, RawRecord, Settings, refused};
use crate::syslog::{self, Syslog};
use crate::zeek_conn::ZeekConn;

/// Agreeing lines that pin a stream.
const PINNED_AFTER: u8 = 3;
/// Bytes of a line in which the telling key of a JSON object is looked for.
const LOOK_BYTES_MAX: usize = 4096;

/// The forms that can be told apart by a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Eve,
    Event,
    Journald,
    Syslog,
    Zeek,
}

/// A parser for a stream of unknown form.
pub(crate) struct Auto {
    eve: Eve,
    event: EventLines,
    journald: Journald,
    syslog: Syslog,
    zeek: ZeekConn,
    last: Option<Form>,
    agreeing: u8,
}

impl Auto {
    /// A parser that has seen nothing.
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            eve: Eve::new(settings),
            event: EventLines,
            journald: Journald::new(),
            syslog: Syslog::new(settings),
            zeek: ZeekConn::new(settings),
            last: None,
            agreeing: 0,
        }
    }

    fn parser(&mut self, form: Form) -> &mut dyn Parser {
        match form {
            Form::Eve => &mut self.eve,
            Form::Event => &mut self.event,
            Form::Journald => &mut self.journald,
            Form::Syslog => &mut self.syslog,
            Form::Zeek => &mut self.zeek,
        }
    }

    /// The line by its form, and that form remembered.
    fn by_look(&mut self, record: &RawRecord<'_>) -> Parsed {
        // A table's rows look like nothing: they belong to the header before them.
        let Some(form) =
            look(record.bytes).or_else(|| self.last.filter(|form| *form == Form::Zeek))
        else {
            return Parsed::Bad(BadReason::Form);
        };
        let parsed = self.parser(form).parse(record);
        if matches!(parsed, Parsed::Bad(_)) {
            return parsed;
        }
        if self.last == Some(form) {
            self.agreeing = self.agreeing.saturating_add(1);
        } else {
            self.last = Some(form);
            self.agreeing = 1;
        }
        parsed
    }
}

impl Parser for Auto {
    fn name(&self) -> &'static str {
        "auto"
    }

    fn parse(&mut self, record: &RawRecord<'_>) -> Parsed {
        if let Some(answer) = refused(record.bytes) {
            return answer;
        }
        let pinned = self.last.filter(|_| self.agreeing >= PINNED_AFTER);
        let Some(pinned) = pinned else {
            return self.by_look(record);
        };
        let parsed = self.parser(pinned).parse(record);
        match (&parsed, look(record.bytes)) {
            (Parsed::Bad(_), Some(form)) if form != pinned => self.parser(form).parse(record),
            _ => parsed,
        }
    }

    fn evicted(&self) -> u64 {
        self.syslog
            .evicted()
            .saturating_add(self.journald.evicted())
    }
}

/// The form of a line, if it has a known one.
fn look(bytes: &[u8]) -> Option<Form> {
    let head = bytes.get(..bytes.len().min(LOOK_BYTES_MAX))?;
    match head.first()? {
        b'{' => look_in_object(head),
        b'#' => Some(Form::Zeek),
        _ => {
            let text = String::from_utf8_lossy(head.get(..head.len().min(64))?);
            let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
            syslog::looks_like(text).then_some(Form::Syslog)
        }
    }
}

fn look_in_object(head: &[u8]) -> Option<Form> {
    let has = |key: &[u8]| memchr::memmem::find(head, key).is_some();
    if has(b"\"__REALTIME_TIMESTAMP\"") {
        Some(Form::Journald)
    } else if has(b"\"event_type\"") {
        Some(Form::Eve)
    } else if has(b"\"origin\"") && has(b"\"observed\"") {
        Some(Form::Event)
    } else if has(b"\"ts\"") {
        Some(Form::Zeek)
    } else {
        None
    }
}
