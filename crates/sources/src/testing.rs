//! What the tests of the formats share: one record at a time, and samples against their goldens.

use event::{Body, Event, Name, Time};

use crate::{Parsed, Parser, RawRecord, Settings, auto, by_name};

/// When the samples were read: a day after the last of them was written.
pub(crate) fn read_at() -> Time {
    "2026-11-25T12:00:00Z".parse().unwrap()
}

/// A new parser by name.
pub(crate) fn parser(format: &str) -> Box<dyn Parser> {
    let settings = Settings::default();
    match format {
        "auto" => auto(&settings),
        _ => by_name(format, &settings).unwrap(),
    }
}

/// Parses one line read at `observed`.
pub(crate) fn parse_at(parser: &mut dyn Parser, observed: Time, line: &[u8]) -> Parsed {
    parser.parse(&RawRecord {
        stream: &Name::new("sample"),
        position: 0,
        observed,
        bytes: line,
        spoofable: false,
    })
}

/// Parses one line of a format by a new parser.
pub(crate) fn parse(format: &str, line: &[u8]) -> Parsed {
    parse_at(&mut *parser(format), read_at(), line)
}

/// The event of one line of a format.
pub(crate) fn event(format: &str, line: &str) -> Event {
    match parse(format, line.as_bytes()) {
        Parsed::Event(event) => *event,
        other => panic!("{line:?} is {other:?}"),
    }
}

/// The body of one syslog message of `program`.
pub(crate) fn said(program: &str, text: &str) -> Body {
    event(
        "syslog",
        &format!("Nov 24 12:00:01 web1 {program}[77]: {text}"),
    )
    .body
}

/// What became of each line of a sample, one line each.
pub(crate) fn told(format: &str, sample: &[u8]) -> String {
    let mut parser = parser(format);
    let mut told = String::new();
    let sample = sample.strip_suffix(b"\n").unwrap_or(sample);
    for line in sample.split(|byte| *byte == b'\n') {
        told.push_str(&one(&parse_at(&mut *parser, read_at(), line)));
        told.push('\n');
    }
    told
}

fn one(parsed: &Parsed) -> String {
    match parsed {
        Parsed::Event(event) => {
            let host = event.host.as_ref().map_or("-", Name::as_str);
            let quality = serde_json::to_string(&event.time_quality).unwrap();
            let body = serde_json::to_string(&event.body).unwrap();
            let mark = if event.spoofable { " spoofable" } else { "" };
            format!("{} {quality} {host}{mark} {body}", event.time)
        }
        Parsed::Nothing(reason) => format!("nothing: {}", reason.word()),
        Parsed::Bad(reason) => format!("bad: {reason}"),
    }
}
