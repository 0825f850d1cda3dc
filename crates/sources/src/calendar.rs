//! Times as logs write them: with or without zone, with or without year.
//!
//! Absent on purpose: a clock (the time of reading is an argument) and time-zone names.

use event::{Time, TimeQuality};
use jiff::civil::DateTime;
use jiff::tz::Offset;

use crate::record::Stamp;
use crate::text::number;

/// Microseconds of one day: how far ahead of the time of reading a clock may be.
const DAY_US: i64 = 86_400_000_000;
/// Years looked back for a day that not every year has (29 February, around 1900 and 2100).
const YEARS_BACK_MAX: i16 = 9;
const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// A day and time of day without a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Civil {
    month: u32,
    day: u32,
    hour: u32,
    minute: u32,
    second: u32,
    micros: i64,
}

impl Civil {
    /// Microseconds since the epoch as if in UTC; a leap second counts as the second before it.
    fn micros_in(self, year: i16) -> Option<i64> {
        let small = |value: u32| i8::try_from(value).ok();
        let second = if self.second == 60 { 59 } else { self.second };
        let civil = DateTime::new(
            year,
            small(self.month)?,
            small(self.day)?,
            small(self.hour)?,
            small(self.minute)?,
            small(second)?,
            0,
        );
        let timestamp = Offset::UTC.to_timestamp(civil.ok()?).ok()?;
        timestamp.as_microsecond().checked_add(self.micros)
    }
}

/// A time at the start of `text` in the form `Nov 24 12:00:01`, and what follows it.
///
/// The year is the latest in which the time is at most one day after `observed`.
/// `None`: not of this form. `Some(None)`: of this form, but no such time.
pub(crate) fn without_year(
    text: &str,
    observed: Time,
    zone_offset_us: i64,
) -> Option<(Option<Stamp>, &str)> {
    let name = text.as_bytes().get(..3)?;
    let index = MONTHS.iter().position(|month| *month == name)?;
    let month = u32::try_from(index).ok()?.checked_add(1)?;
    let rest = text.get(3..)?.strip_prefix(' ')?.trim_start_matches(' ');
    let (day, rest) = number(rest, 2)?;
    let rest = rest.strip_prefix(' ')?;
    let (first, after_first) = number(rest, 4)?;
    // Some writers put the year in: `Nov 24 2026 12:00:01`.
    let (year, rest) = match after_first.strip_prefix(' ') {
        Some(after_year) if first > 999 => (i16::try_from(first).ok(), after_year),
        _ => (None, rest),
    };
    let (civil, rest) = time_of_day(rest, month, day)?;
    let stamp = match year {
        Some(year) => stamp_in(civil, year, zone_offset_us, TimeQuality::NoZone),
        None => nearest(civil, observed, zone_offset_us),
    };
    Some((stamp, rest))
}

fn time_of_day(text: &str, month: u32, day: u32) -> Option<(Civil, &str)> {
    let (hour, rest) = number(text, 2)?;
    let (minute, rest) = number(rest.strip_prefix(':')?, 2)?;
    let (second, rest) = number(rest.strip_prefix(':')?, 2)?;
    let (micros, rest) = fraction(rest);
    let civil = Civil {
        month,
        day,
        hour,
        minute,
        second,
        micros,
    };
    Some((civil, rest))
}

/// A fraction of a second (`.123456`, `,123`) in microseconds; further digits are cut.
fn fraction(text: &str) -> (i64, &str) {
    let Some(digits) = text.strip_prefix(['.', ',']) else {
        return (0, text);
    };
    let count = digits.bytes().take_while(u8::is_ascii_digit).count();
    if count == 0 {
        return (0, text);
    }
    let mut micros: i64 = 0;
    for place in 0..6 {
        let digit = digits
            .as_bytes()
            .get(place)
            .filter(|byte| byte.is_ascii_digit());
        let value = digit.map_or(0, |byte| i64::from(byte.saturating_sub(b'0')));
        micros = micros.saturating_mul(10).saturating_add(value);
    }
    (micros, digits.get(count..).unwrap_or_default())
}

fn stamp_in(civil: Civil, year: i16, zone_offset_us: i64, quality: TimeQuality) -> Option<Stamp> {
    let micros = civil.micros_in(year)?.checked_sub(zone_offset_us)?;
    Some(Stamp {
        time: Time::from_micros(micros),
        quality,
    })
}

fn nearest(civil: Civil, observed: Time, zone_offset_us: i64) -> Option<Stamp> {
    let observed = observed.micros();
    let this_year = Offset::UTC
        .to_datetime(jiff::Timestamp::from_microsecond(observed).ok()?)
        .year();
    let latest = observed.saturating_add(DAY_US);
    for back in -1..YEARS_BACK_MAX {
        let stamp = this_year
            .checked_sub(back)
            .and_then(|year| stamp_in(civil, year, zone_offset_us, TimeQuality::NoYear));
        if let Some(stamp) = stamp
            && stamp.time.micros() <= latest
        {
            return Some(stamp);
        }
    }
    None
}

/// A time at the start of `text` in the form `2026-11-24T12:00:01.123456+01:00` (a blank for the
/// `T`, a comma for the point, `+0100` and `Z` are read too), and what follows it.
///
/// `None`: not of this form. `Some(None)`: of this form, but no such time.
pub(crate) fn with_year(text: &str, zone_offset_us: i64) -> Option<(Option<Stamp>, &str)> {
    let (year, rest) = number(text, 4)?;
    if text.len().saturating_sub(rest.len()) != 4 {
        return None;
    }
    let (month, rest) = number(rest.strip_prefix('-')?, 2)?;
    let (day, rest) = number(rest.strip_prefix('-')?, 2)?;
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let (civil, rest) = time_of_day(rest, month, day)?;
    let year = i16::try_from(year).ok()?;
    let Some((zone, rest)) = zone(rest) else {
        let stamp = stamp_in(civil, year, zone_offset_us, TimeQuality::NoZone);
        return Some((stamp, rest));
    };
    let stamp = zone.and_then(|offset| stamp_in(civil, year, offset, TimeQuality::Exact));
    Some((stamp, rest))
}

/// The zone in microseconds east of UTC, `Some(None)` where it is impossible.
fn zone(text: &str) -> Option<(Option<i64>, &str)> {
    if let Some(rest) = text.strip_prefix(['Z', 'z']) {
        return Some((Some(0), rest));
    }
    let (sign, rest) = match text.strip_prefix('+') {
        Some(rest) => (1, rest),
        None => (-1, text.strip_prefix('-')?),
    };
    let (hours, rest) = number(rest, 2)?;
    let rest = rest.strip_prefix(':').unwrap_or(rest);
    let (minutes, rest) = number(rest, 2)?;
    if hours > 23 || minutes > 59 {
        return Some((None, rest));
    }
    let minutes = hours.saturating_mul(60).saturating_add(minutes);
    let micros = i64::from(minutes).saturating_mul(60_000_000);
    Some((Some(micros.saturating_mul(sign)), rest))
}

/// A number of seconds in decimal (`1517422326.539915`, `1.5e9`) in microseconds, rounded down.
pub(crate) fn decimal_seconds(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let count = digits.bytes().take_while(u8::is_ascii_digit).count();
    let seconds: i64 = digits.get(..count)?.parse().ok()?;
    let (micros, rest) = fraction(digits.get(count..)?);
    if !rest.is_empty() {
        return scientific_seconds(text);
    }
    let whole = seconds.checked_mul(1_000_000)?.checked_add(micros)?;
    whole.checked_mul(sign)
}

fn scientific_seconds(text: &str) -> Option<i64> {
    let seconds: f64 = text.parse().ok()?;
    let duration = std::time::Duration::try_from_secs_f64(seconds).ok()?;
    i64::try_from(duration.as_micros()).ok()
}
