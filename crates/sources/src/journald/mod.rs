//! journald's JSON export (`journalctl -o json`): one object a line, the message to the program
//! decoders.
//!
//! Fields that start with an underscore are the journal's own; `SYSLOG_IDENTIFIER` is the
//! writer's claim. A record whose claim and `_COMM` differ is marked spoofable (`logger -t sshd` is
//! open to everybody), and so is one of a plain user, except by a program of that name in a
//! system folder: `sudo` and `su` log under the user's own id.
//!
//! Absent on purpose: the binary export format, cursors (the reader's), and other fields.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use event::{Name, Time, TimeQuality};
use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess, Visitor};

use crate::names::Names;
use crate::programs::{Message, Programs};
use crate::record::{BadReason, Parsed, Parser, RawRecord, Stamp, event_of, refused};
use crate::text::{cut, whole};

/// Bytes kept of a message that came as a list of numbers.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// Bytes the kernel keeps of a program's name in `_COMM`.
const COMMAND_BYTES_MAX: usize = 15;

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(rename = "__REALTIME_TIMESTAMP", borrow, default)]
    realtime_us: Option<Cow<'a, str>>,
    #[serde(rename = "_SOURCE_REALTIME_TIMESTAMP", borrow, default)]
    source_realtime_us: Option<Cow<'a, str>>,
    #[serde(rename = "_HOSTNAME", borrow, default)]
    host: Option<Text<'a>>,
    #[serde(rename = "_COMM", borrow, default)]
    command: Option<Text<'a>>,
    #[serde(rename = "SYSLOG_IDENTIFIER", borrow, default)]
    identifier: Option<Text<'a>>,
    #[serde(rename = "_PID", borrow, default)]
    pid: Option<Text<'a>>,
    #[serde(rename = "SYSLOG_PID", borrow, default)]
    claimed_pid: Option<Text<'a>>,
    #[serde(rename = "_UID", borrow, default)]
    user_id: Option<Text<'a>>,
    #[serde(rename = "_EXE", borrow, default)]
    executable: Option<Text<'a>>,
    #[serde(rename = "MESSAGE", borrow, default)]
    message: Option<Text<'a>>,
}

/// A field: text, a list of bytes (where it is not UTF-8), a list of texts (given twice).
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor).map(Self)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a text, a list of bytes or a list of texts")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.into()))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Cow::Owned(number.to_string()))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(""))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut bytes = Vec::new();
        while let Some(item) = items.next_element::<Item<'de>>()? {
            match item {
                Item::Byte(byte) => bytes.push(byte),
                Item::Text(text) => bytes.extend_from_slice(text.as_bytes()),
            }
            if bytes.len() > MESSAGE_BYTES_MAX {
                return Err(de::Error::custom("message too long"));
            }
        }
        Ok(Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()))
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Item<'a> {
    Byte(u8),
    Text(#[serde(borrow)] Cow<'a, str>),
}

/// Reads the journal's JSON lines.
pub(crate) struct Journald {
    parser: Name,
    names: Names,
    programs: Programs,
}

impl Journald {
    /// A parser that has seen nothing.
    pub(crate) fn new() -> Self {
        Self {
            parser: Name::new("journald"),
            names: Names::default(),
            programs: Programs::default(),
        }
    }

    fn event(&mut self, record: &RawRecord<'_>, line: &Line<'_>) -> Parsed {
        let Some(stamp) = stamp(line) else {
            return Parsed::Bad(BadReason::Time);
        };
        let Some(text) = text(&line.message) else {
            return Parsed::Bad(BadReason::Field("MESSAGE"));
        };
        let host = text_of(&line.host).map(|host| self.names.name(host));
        let program = text_of(&line.identifier).or_else(|| text_of(&line.command));
        let pid = text_of(&line.pid).or_else(|| text_of(&line.claimed_pid));
        let message = Message {
            time: stamp.time,
            host: host.as_ref(),
            program: program.unwrap_or_default(),
            pid: pid.and_then(whole),
            text: text.trim_end_matches('\n'),
        };
        let body = self.programs.decode(&message);
        let mut event = event_of(record, &self.parser, stamp, host, body);
        event.spoofable |= claimed(line);
        Parsed::Event(event)
    }
}

impl Parser for Journald {
    fn name(&self) -> &'static str {
        "journald"
    }

    fn parse(&mut self, record: &RawRecord<'_>) -> Parsed {
        if let Some(answer) = refused(record.bytes) {
            return answer;
        }
        match serde_json::from_slice::<Line<'_>>(record.bytes) {
            Ok(line) => self.event(record, &line),
            Err(_) => Parsed::Bad(BadReason::Json),
        }
    }

    fn evicted(&self) -> u64 {
        self.programs.evicted()
    }
}

fn text<'a>(field: &'a Option<Text<'_>>) -> Option<&'a str> {
    field.as_ref().map(|text| text.0.as_ref())
}

fn text_of<'a>(field: &'a Option<Text<'_>>) -> Option<&'a str> {
    text(field).filter(|text| !text.is_empty())
}

/// The time of writing where the journal knows it, else of receipt.
fn stamp(line: &Line<'_>) -> Option<Stamp> {
    let received: i64 = whole(line.realtime_us.as_deref()?)?;
    let written = line.source_realtime_us.as_deref().and_then(whole);
    Some(Stamp {
        time: Time::from_micros(written.unwrap_or(received)),
        quality: TimeQuality::Exact,
    })
}

/// Is the program's name only a claim?
fn claimed(line: &Line<'_>) -> bool {
    let Some(claim) = text_of(&line.identifier) else {
        return false;
    };
    let claim = claim.rsplit('/').next().unwrap_or(claim);
    let plain_user = text_of(&line.user_id).is_some_and(|id| id != "0");
    if plain_user && !installed(claim, text_of(&line.executable)) {
        return true;
    }
    text_of(&line.command).is_some_and(|command| !same_command(claim, command))
}

/// Folders in which only root installs programs.
const SYSTEM_FOLDERS: [&str; 6] = [
    "/bin/",
    "/sbin/",
    "/usr/bin/",
    "/usr/lib/",
    "/usr/libexec/",
    "/usr/sbin/",
];

fn installed(claim: &str, executable: Option<&str>) -> bool {
    let Some(path) = executable else { return false };
    let known = SYSTEM_FOLDERS.iter().any(|folder| path.starts_with(folder));
    known && path.rsplit('/').next() == Some(claim)
}

/// The kernel cuts a program's name; `CRON` is cron's.
fn same_command(claim: &str, command: &str) -> bool {
    let claim = cut(claim, COMMAND_BYTES_MAX);
    claim.eq_ignore_ascii_case(command)
}
