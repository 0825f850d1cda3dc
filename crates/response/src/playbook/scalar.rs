//! Scalars read strictly: what YAML readers disagree about is refused, not guessed.

use event::{Gate, Ttl};

use super::problem::{Place, Problem, quoted};
use super::tree::Scalar;
use crate::gates;

/// Longest effect: nothing that the product does by itself holds longer than a day.
pub(super) const TTL_SECONDS_MAX: u64 = 86_400;

/// Words that some YAML readers turn into true, false or nothing.
const TRAPS: [&str; 10] = [
    "y", "n", "yes", "no", "on", "off", "true", "false", "null", "~",
];

/// A text that every YAML reader reads as the same text.
pub(super) fn word(at: Place, scalar: &Scalar<'_>) -> Result<String, Problem> {
    let lower = scalar.text.to_ascii_lowercase();
    if scalar.plain && TRAPS.contains(&lower.as_str()) {
        let message = format!(
            "{} without quotes is not a text in every YAML reader",
            scalar.text
        );
        return Err(at
            .problem(message)
            .hint(format!("write \"{}\"", scalar.text)));
    }
    if scalar.text.is_empty() {
        return Err(at.problem("nothing stands here"));
    }
    Ok(scalar.text.clone())
}

/// A name of our own: lower case, digits and underscores, at most 64.
pub(super) fn name(at: Place, scalar: &Scalar<'_>) -> Result<String, Problem> {
    const NAME_BYTES_MAX: usize = 64;
    let text = word(at, scalar)?;
    let starts = text.starts_with(|first: char| first.is_ascii_lowercase());
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if starts && text.len() <= NAME_BYTES_MAX && text.bytes().all(plain) {
        return Ok(text);
    }
    let problem = at.problem(format!("{} is not a name", quoted(&text)));
    Err(problem.hint("a lower-case letter, then letters, digits and _, at most 64"))
}

/// A whole number in plain digits within a range.
pub(super) fn whole(
    at: Place,
    scalar: &Scalar<'_>,
    range: std::ops::RangeInclusive<u32>,
) -> Result<u32, Problem> {
    let text = &scalar.text;
    let (low, high) = (range.start(), range.end());
    let refused = || {
        let message = format!(
            "{} is not a whole number from {low} to {high}",
            quoted(text)
        );
        at.problem(message)
    };
    if !scalar.plain {
        return Err(refused().hint("write it without quotes"));
    }
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || (text.len() > 1 && text.starts_with('0')) {
        return Err(refused().hint("plain digits only"));
    }
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(refused)
}

/// `true` or `false`, nothing else.
pub(super) fn boolean(at: Place, scalar: &Scalar<'_>) -> Result<bool, Problem> {
    match (scalar.plain, scalar.text.as_str()) {
        (true, "true") => Ok(true),
        (true, "false") => Ok(false),
        _ => {
            let message = format!("{} is neither true nor false", quoted(&scalar.text));
            Err(at.problem(message))
        }
    }
}

/// A time such as `30s`, `10m`, `2h` or `1d`, in seconds, 1 to `max`.
pub(super) fn seconds(at: Place, text: &str, max: u64) -> Result<u64, Problem> {
    let shown = quoted(text);
    let refused = || {
        let problem = at.problem(format!("{shown} is not a time"));
        problem.hint("such as 30s, 10m, 2h or 1d")
    };
    let (digits, unit) = match text.char_indices().last() {
        Some((last, 's')) => (text.get(..last), 1),
        Some((last, 'm')) => (text.get(..last), 60),
        Some((last, 'h')) => (text.get(..last), 3600),
        Some((last, 'd')) => (text.get(..last), 86_400),
        _ => return Err(refused()),
    };
    let digits = digits.unwrap_or_default();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(refused());
    }
    let count = digits.parse::<u64>().unwrap_or(u64::MAX);
    match count.saturating_mul(unit) {
        0 => Err(at.problem(format!("{shown} is no time at all: at least 1s"))),
        seconds if seconds > max => {
            let longest = Ttl::new(max).map_or_else(|_| max.to_string(), |ttl| ttl.to_string());
            Err(at.problem(format!("{shown} is longer than {longest}")))
        }
        seconds => Ok(seconds),
    }
}

/// `matrix`, `approve(n)` or `veto(s)`.
pub(super) fn gate(at: Place, text: &str) -> Result<Option<Gate>, Problem> {
    let refused = || {
        let problem = at.problem(format!("{} is not a gate", quoted(text)));
        problem.hint("matrix, approve(1) to approve(5), or veto(30) to veto(300) in seconds")
    };
    if text == "matrix" {
        return Ok(None);
    }
    let (name, argument) = text
        .strip_suffix(')')
        .and_then(|head| head.split_once('('))
        .ok_or_else(refused)?;
    let number: u32 = argument.parse().map_err(|_| refused())?;
    match (name, u8::try_from(number)) {
        ("approve", Ok(persons @ 1..=5)) => Ok(Some(gates::approve(persons))),
        ("veto", _) if (30..=300).contains(&number) => Ok(Some(Gate::Veto { seconds: number })),
        _ => Err(refused()),
    }
}
