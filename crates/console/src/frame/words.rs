//! Words that render themselves, so that a thing looks the same on every page: times, severity,
//! entities, kinds of wait. Each is a small template of its own and escapes what it holds.

use askama::Template;
use askama::filters::HtmlSafe;
use event::{Entity, EntityRef, Gate, Outcome, Severity, Silence, Time};
use serde::Serialize;
use std::time::Duration;

use super::filters;

/// A point in time on a page; in JSON the plain time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub(crate) struct Moment(pub(crate) Time);

/// A time element that the time module can turn local.
#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<time datetime="{{ iso }}" title="{{ iso }}" data-form="{{ form }}">{{ text }}</time>"#
)]
pub(crate) struct Stamp {
    iso: String,
    form: &'static str,
    text: String,
}

impl HtmlSafe for Stamp {}

impl Moment {
    fn stamp(self, form: &'static str, text: String) -> Stamp {
        let iso = format!("{}Z", self.part(0, 19));
        Stamp { iso, form, text }
    }

    fn part(self, start: usize, end: usize) -> String {
        let text = self.0.to_string();
        text.get(start..end).unwrap_or_default().to_owned()
    }

    /// Date and time.
    pub(crate) fn full(self) -> Stamp {
        self.stamp(
            "full",
            format!("{} {}", self.part(0, 10), self.part(11, 19)),
        )
    }

    /// Time of day.
    pub(crate) fn clock(self) -> Stamp {
        self.stamp("clock", self.part(11, 19))
    }

    /// The day.
    pub(crate) fn day(self) -> Stamp {
        self.stamp("day", self.part(0, 10))
    }

    /// Is it the same day, in UTC?
    pub(crate) fn same_day(self, other: Self) -> bool {
        self.part(0, 10) == other.part(0, 10)
    }

    /// How long ago it was at `now`.
    pub(crate) fn age(self, now: &Self) -> Stamp {
        self.stamp("age", age(now.0.since(self.0)))
    }

    /// How long until then from `now`.
    pub(crate) fn left(self, now: &Self) -> Stamp {
        let text = if self.0 > now.0 {
            span(self.0.since(now.0))
        } else {
            "time is over".to_owned()
        };
        self.stamp("left", text)
    }
}

/// A duration in its largest unit: "12 min".
pub(crate) fn age(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min", seconds / 60),
        seconds @ 3600..86_400 => format!("{} h", seconds / 3600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

/// A duration in its two largest units: "12 min 05 s".
pub(crate) fn span(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        seconds @ 3600..86_400 => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
        seconds => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// Severity by shape, word and colour.
#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<span class="sev sev-{{ severity.word() }}"><i aria-hidden="true">{{ self.shape() }}</i>{{ severity.word() }}</span>"#
)]
pub(crate) struct SeverityWord {
    severity: Severity,
}

impl HtmlSafe for SeverityWord {}

impl SeverityWord {
    const fn shape(&self) -> &'static str {
        match self.severity {
            Severity::Critical => "▲",
            Severity::High => "◆",
            Severity::Medium => "●",
            Severity::Low => "○",
            Severity::Info => "·",
        }
    }
}

/// Severity as it looks everywhere.
pub(crate) const fn severity(severity: &Severity) -> SeverityWord {
    SeverityWord {
        severity: *severity,
    }
}

/// An entity with its part, as a chip.
#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<span class="chip"><span>{{ role }} {{ kind }}</span><bdi class="mono">{{ value|hostile }}</bdi></span>"#
)]
pub(crate) struct Chip {
    role: &'static str,
    kind: &'static str,
    value: String,
}

impl HtmlSafe for Chip {}

/// An entity as it looks everywhere.
pub(crate) fn chip(found: &EntityRef) -> Chip {
    Chip {
        role: found.role.word(),
        kind: found.entity.kind().word(),
        value: plain(&found.entity),
    }
}

fn plain(entity: &Entity) -> String {
    entity.to_string()
}

/// What kind of wait a gate is: never drawn alike, since silence means opposite things.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Silence: nothing is done.
    Approve,
    /// Silence: it runs by itself.
    Veto,
    /// Silence: what was done dissolves.
    Ratify,
}

impl Kind {
    /// Of a gate; one where nothing can wait does nothing on silence.
    pub(crate) const fn of(gate: Gate) -> Self {
        match gate.silence() {
            Some(Silence::ItRuns) => Self::Veto,
            Some(Silence::ItDissolves) => Self::Ratify,
            Some(Silence::NothingIsDone) | None => Self::Approve,
        }
    }

    /// The word used in class names.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Veto => "veto",
            Self::Ratify => "ratify",
        }
    }

    /// The label, with a shape of its own.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Approve => "? approve",
            Self::Veto => "▶ veto",
            Self::Ratify => "◌ ratify",
        }
    }

    /// What silence means, in full.
    pub(crate) const fn silence(self) -> &'static str {
        match self {
            Self::Approve => "If nobody answers, nothing is done.",
            Self::Veto => "If nobody objects, it runs by itself.",
            Self::Ratify => "It is already in force. If nobody ratifies it, it dissolves.",
        }
    }

    /// What silence means, in a few words before the countdown.
    pub(crate) const fn until(self) -> &'static str {
        match self {
            Self::Approve => "lapses in",
            Self::Veto => "runs in",
            Self::Ratify => "dissolves in",
        }
    }

    /// The word on the button that says yes.
    pub(crate) const fn yes(self) -> &'static str {
        match self {
            Self::Approve => "Approve",
            Self::Veto => "Let it run now",
            Self::Ratify => "Ratify",
        }
    }

    /// The word on the button that says no.
    pub(crate) const fn no(self) -> &'static str {
        match self {
            Self::Approve => "Deny",
            Self::Veto => "Veto",
            Self::Ratify => "Take it back",
        }
    }
}

/// The class of an outcome's tag.
pub(crate) const fn outcome_class(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Verified => "tag-good",
        Outcome::Applied => "tag-ours",
        Outcome::Failed | Outcome::Unknown | Outcome::Partial => "tag-bad",
        Outcome::Simulated | Outcome::Undone | Outcome::Expired | Outcome::Denied => "tag-quiet",
    }
}

/// Bytes in a unit that reads well.
pub(crate) fn bytes(count: &u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    let mut rest = *count;
    if rest < 1000 {
        return format!("{rest} B");
    }
    for unit in UNITS {
        if rest < 1_000_000 {
            return format!("{}.{} {unit}", rest / 1000, rest % 1000 / 100);
        }
        rest /= 1000;
    }
    format!("{} PB", rest / 1000)
}

/// A count with thin groups: 1 204 332.
pub(crate) fn grouped(count: &u64) -> String {
    let digits = count.to_string();
    let mut shown = String::with_capacity(digits.len() * 2);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push('\u{202f}');
        }
        shown.push(digit);
    }
    shown
}

/// A rate: one decimal below ten, none above; never NaN.
pub(crate) fn rate(value: &f64) -> String {
    match *value {
        value if !value.is_finite() || value < 0.0 => "0".to_owned(),
        value if value < 10.0 => format!("{value:.1}"),
        value => format!("{value:.0}"),
    }
}

/// A count that fits into a figure: in full below a hundred thousand, then in thousands, millions
/// or milliards.
pub(crate) fn short(count: &u64) -> String {
    let (unit, size) = match *count {
        0..100_000 => return grouped(count),
        100_000..1_000_000 => ("k", 1_000),
        1_000_000..1_000_000_000 => ("M", 1_000_000),
        _ => ("G", 1_000_000_000),
    };
    let tenths = count / (size / 10);
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}
