//! The head of a syslog line: priority, time, host, program, process.

use event::{Time, TimeQuality};

use super::NOT_SYSLOG;
use crate::calendar::{with_year, without_year};
use crate::record::{BadReason, Stamp};
use crate::text::{number, whole};

/// Bytes looked at for a tag: a longer one is message text.
const TAG_BYTES_MAX: usize = 128;
/// Elements of RFC 5424 structured data passed over; a line with more is refused.
const ELEMENTS_MAX: usize = 64;

/// A syslog line, split.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    pub(super) stamp: Stamp,
    pub(super) host: Option<&'a str>,
    pub(super) program: &'a str,
    pub(super) pid: Option<u32>,
    pub(super) message: &'a str,
}

/// Splits a line of any of the four forms.
pub(super) fn read(text: &str, observed: Time, zone_offset_us: i64) -> Result<Line<'_>, BadReason> {
    let text = text.trim_end_matches(['\r', '\n', '\0']);
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (had_priority, rest) = match priority(text) {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    if had_priority && let Some(rest) = version(rest) {
        return modern(rest, observed, zone_offset_us);
    }
    let timed =
        without_year(rest, observed, zone_offset_us).or_else(|| with_year(rest, zone_offset_us));
    match timed {
        Some((Some(stamp), rest)) => Ok(classic(rest, stamp)),
        Some((None, _)) => Err(BadReason::Time),
        // A device that sends a priority and then what it likes: the time of reading stands in.
        None if had_priority => Ok(classic_untimed(rest, observed)),
        None => Err(NOT_SYSLOG),
    }
}

/// Could this be the start of a syslog line?
pub(super) fn looks_like(text: &str) -> bool {
    priority(text).is_some()
        || without_year(text, Time::EPOCH, 0).is_some()
        || with_year(text, 0).is_some()
}

/// `<0>` to `<191>`; what follows it.
fn priority(text: &str) -> Option<&str> {
    let (value, rest) = number(text.strip_prefix('<')?, 3)?;
    let rest = rest.strip_prefix('>')?;
    (value <= 191).then_some(rest)
}

/// The version and blank of RFC 5424 (`1 `); what follows it.
fn version(text: &str) -> Option<&str> {
    let (value, rest) = number(text, 2)?;
    let rest = rest.strip_prefix(' ')?;
    (value > 0).then_some(rest)
}

/// RFC 5424 after its version: `TIME HOST APP PROCID MSGID SD [MSG]`.
fn modern(text: &str, observed: Time, zone_offset_us: i64) -> Result<Line<'_>, BadReason> {
    let (time, rest) = text.split_once(' ').ok_or(NOT_SYSLOG)?;
    let stamp = modern_time(time, observed, zone_offset_us)?;
    let (host, rest) = rest.split_once(' ').ok_or(NOT_SYSLOG)?;
    let (program, rest) = rest.split_once(' ').ok_or(NOT_SYSLOG)?;
    let (process, rest) = rest.split_once(' ').ok_or(NOT_SYSLOG)?;
    let (_, rest) = rest.split_once(' ').ok_or(NOT_SYSLOG)?;
    let rest = structured_data(rest).ok_or(NOT_SYSLOG)?;
    let message = rest.strip_prefix(' ').unwrap_or(rest);
    Ok(Line {
        stamp,
        host: present(host),
        program: present(program).unwrap_or_default(),
        pid: whole(process),
        message: message.strip_prefix('\u{feff}').unwrap_or(message),
    })
}

fn modern_time(text: &str, observed: Time, zone_offset_us: i64) -> Result<Stamp, BadReason> {
    if text == "-" {
        return Ok(Stamp {
            time: observed,
            quality: TimeQuality::Guessed,
        });
    }
    match with_year(text, zone_offset_us) {
        Some((Some(stamp), "")) => Ok(stamp),
        _ => Err(BadReason::Time),
    }
}

fn present(text: &str) -> Option<&str> {
    (!text.is_empty() && text != "-").then_some(text)
}

/// Passes over `-` or `[id name="value" …]…`; values may hold `\]`, `\"`, `\\` and brackets.
fn structured_data(text: &str) -> Option<&str> {
    if let Some(rest) = text.strip_prefix('-') {
        return Some(rest);
    }
    let mut rest = text.strip_prefix('[').and_then(element)?;
    for _ in 0..ELEMENTS_MAX {
        match rest.strip_prefix('[') {
            Some(inner) => rest = element(inner)?,
            None => return Some(rest),
        }
    }
    None
}

/// What follows the bracket that closes an element.
fn element(text: &str) -> Option<&str> {
    let mut in_value = false;
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_value => escaped = true,
            b'"' => in_value = !in_value,
            b']' if !in_value => return text.get(at.checked_add(1)?..),
            _ => {}
        }
    }
    None
}

fn classic_untimed(text: &str, observed: Time) -> Line<'_> {
    let stamp = Stamp {
        time: observed,
        quality: TimeQuality::Guessed,
    };
    match tag(text) {
        Some((program, pid, message)) => line(stamp, None, program, pid, message),
        None => line(stamp, None, "", None, text),
    }
}

/// `[HOST ]TAG MESSAGE` after the time. A host is left out by some writers, and a tag by others.
fn classic(text: &str, stamp: Stamp) -> Line<'_> {
    let text = text.strip_prefix(':').unwrap_or(text);
    let text = text.trim_start_matches(' ');
    if let Some((program, pid, message)) = tag(text) {
        return line(stamp, None, program, pid, message);
    }
    let Some((host, rest)) = text.split_once(' ') else {
        return line(stamp, present(text), "", None, "");
    };
    let rest = rest.trim_start_matches(' ');
    match tag(rest) {
        Some((program, pid, message)) => line(stamp, present(host), program, pid, message),
        None => line(stamp, present(host), "", None, rest),
    }
}

const fn line<'a>(
    stamp: Stamp,
    host: Option<&'a str>,
    program: &'a str,
    pid: Option<u32>,
    message: &'a str,
) -> Line<'a> {
    Line {
        stamp,
        host,
        program,
        pid,
        message,
    }
}

/// `prog:`, `prog[12]:`, `prog[12] `, `[prog]:`, `[prog] ` at the start of `text`, and the message.
fn tag(text: &str) -> Option<(&str, Option<u32>, &str)> {
    let end = text
        .bytes()
        .take(TAG_BYTES_MAX)
        .position(|byte| byte == b' ')
        .unwrap_or_else(|| text.len().min(TAG_BYTES_MAX));
    let word = text.get(..end)?;
    let message = text.get(end..)?.strip_prefix(' ').unwrap_or_default();
    let colon = word.strip_suffix(':');
    let word = colon.unwrap_or(word);
    if let Some(inner) = word.strip_prefix('[') {
        let program = inner.strip_suffix(']')?;
        return (!program.is_empty()).then_some((program, None, message));
    }
    if let Some((program, process)) = word.split_once('[') {
        let process = process.strip_suffix(']')?;
        return (!program.is_empty()).then(|| (program, whole(process), message));
    }
    (colon.is_some() && !word.is_empty()).then_some((word, None, message))
}
