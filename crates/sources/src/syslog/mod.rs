//! Syslog as files and the network carry it: RFC 3164 with and without priority, RFC 5424, and
//! the ISO-time form of today's rsyslog files. The message goes to the program decoders.
//!
//! RFC 3164 has no year: the latest one is taken in which the time is at most one day after the
//! time of reading. What has no tag is an event of the program "".
//!
//! Absent on purpose: octet-counted framing (the listener's), and multi-line messages.

mod header;
#[cfg(test)]
mod tests;

use event::Name;

use crate::names::Names;
use crate::programs::{Message, Programs};
use crate::record::{BadReason, Parsed, Parser, RawRecord, Settings, event_of, refused};

/// Reads syslog lines of any of the four forms, mixed as they come.
pub(crate) struct Syslog {
    parser: Name,
    zone_offset_us: i64,
    names: Names,
    programs: Programs,
}

impl Syslog {
    /// A parser that has seen nothing.
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            parser: Name::new("syslog"),
            zone_offset_us: settings.zone_offset_us(),
            names: Names::default(),
            programs: Programs::default(),
        }
    }
}

impl Parser for Syslog {
    fn name(&self) -> &'static str {
        "syslog"
    }

    fn parse(&mut self, record: &RawRecord<'_>) -> Parsed {
        if let Some(answer) = refused(record.bytes) {
            return answer;
        }
        let text = String::from_utf8_lossy(record.bytes);
        let line = match header::read(&text, record.observed, self.zone_offset_us) {
            Ok(line) => line,
            Err(reason) => return Parsed::Bad(reason),
        };
        let host = line.host.map(|host| self.names.name(host));
        let message = Message {
            time: line.stamp.time,
            host: host.as_ref(),
            program: line.program,
            pid: line.pid,
            text: line.message,
        };
        let body = self.programs.decode(&message);
        Parsed::Event(event_of(record, &self.parser, line.stamp, host, body))
    }

    fn evicted(&self) -> u64 {
        self.programs.evicted()
    }
}

/// Could this line be syslog? Looks at its first bytes only.
pub(crate) fn looks_like(text: &str) -> bool {
    header::looks_like(text)
}

/// A line of none of the four forms.
const NOT_SYSLOG: BadReason = BadReason::Form;
