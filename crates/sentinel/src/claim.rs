//! What every finding of this crate is built from, so that ids, order and bounds are the same
//! everywhere.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use event::{
    Confidence, EVIDENCE_MAX, Entity, EntityRef, Event, EventId, Finding, Name, Role, RuleRef,
    ScorePart, Severity, TechniqueId, Time,
};

/// How long after its time an event may come and still count as if it had come in order.
pub(crate) const LATENESS: Duration = Duration::from_secs(120);

/// A rule of a detector.
pub(crate) struct Rule {
    pub(crate) detector: &'static str,
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    pub(crate) techniques: &'static [TechniqueId],
}

/// What a finding says, apart from its rule.
pub(crate) struct Claim {
    pub(crate) severity: Severity,
    /// Named parts; the confidence is their noisy-or, at most [`CONFIDENCE_MAX`].
    pub(crate) parts: Vec<ScorePart>,
    pub(crate) entities: Vec<EntityRef>,
    pub(crate) evidence: Evidence,
    pub(crate) why: String,
    pub(crate) facts: Vec<(&'static str, f64)>,
}

/// The events that a claim rests on.
#[derive(Default)]
pub(crate) struct Evidence {
    /// Some of them, at most [`EVIDENCE_MAX`] are kept: the first eight and the newest.
    pub(crate) seen: Vec<(Time, EventId)>,
    /// All of them.
    pub(crate) total: u64,
    pub(crate) spoofable: bool,
}

/// No behaviour is ever certain.
const CONFIDENCE_MAX: f64 = 0.99;

/// Oldest pieces of evidence that are always kept.
pub(crate) const EVIDENCE_OLDEST: usize = 8;

impl Rule {
    /// The finding that this rule makes of `claim`.
    pub(crate) fn finding(&self, claim: Claim) -> Finding {
        let mut seen = claim.evidence.seen;
        seen.sort_unstable();
        seen.dedup();
        if seen.len() > EVIDENCE_MAX {
            let surplus = seen.len() - EVIDENCE_MAX;
            seen.drain(EVIDENCE_OLDEST..EVIDENCE_OLDEST + surplus);
        }
        let evidence: Vec<EventId> = seen.iter().map(|(_, id)| *id).collect();
        let mut entities = claim.entities;
        entities.sort_unstable();
        entities.dedup();
        let facts = claim.facts.into_iter();
        Finding {
            id: Finding::id_of(self.detector, self.id, &evidence),
            time: seen.last().map_or(Time::EPOCH, |(time, _)| *time),
            first: seen.first().map_or(Time::EPOCH, |(time, _)| *time),
            detector: Name::new(self.detector),
            rule: RuleRef {
                id: Name::new(self.id),
                title: Name::new(self.title),
            },
            severity: claim.severity,
            confidence: confidence(&claim.parts),
            techniques: self.techniques.to_vec(),
            entities,
            evidence_total: claim.evidence.total.max(evidence.len() as u64),
            evidence,
            why: claim.why,
            parts: claim.parts,
            facts: facts
                .map(|(name, value)| (name.to_owned(), value))
                .collect::<BTreeMap<_, _>>(),
            spoofable: claim.evidence.spoofable,
        }
    }
}

impl Evidence {
    /// One event.
    pub(crate) fn one(event: &Event) -> Self {
        Self {
            seen: vec![(event.time, event.id)],
            total: 1,
            spoofable: event.spoofable,
        }
    }
}

/// A named part of a score: `value` and `weight` are brought into 0..=1.
pub(crate) fn part(name: &'static str, value: f64, weight: f64) -> ScorePart {
    ScorePart {
        name: Name::new(name),
        value: Confidence::clamped(value).get(),
        weight,
    }
}

/// Noisy-or of weighted parts.
fn confidence(parts: &[ScorePart]) -> Confidence {
    let doubt: f64 = parts
        .iter()
        .map(|part| 1.0 - part.value * part.weight)
        .product();
    Confidence::clamped((1.0 - doubt).min(CONFIDENCE_MAX))
}

/// The time that windows use: the event's own, unless it lies so far ahead of the time of reading
/// that one record with a wrong clock would blind the detector for what comes after it.
pub(crate) fn moment(event: &Event) -> Time {
    if event.time > event.observed.plus(LATENESS) {
        event.observed
    } else {
        event.time
    }
}

/// The host that an event tells of: as named in the record, empty if it names none.
pub(crate) fn host_of(event: &Event) -> Name {
    event.host.clone().unwrap_or_default()
}

/// `host` as destination and as observer; nothing if it has no name.
pub(crate) fn host_entities(host: &Name) -> Vec<EntityRef> {
    if host.as_str().is_empty() {
        return Vec::new();
    }
    vec![
        EntityRef::new(Role::Destination, Entity::Host(host.clone())),
        EntityRef::new(Role::Observer, Entity::Host(host.clone())),
    ]
}

/// A short stand-in for a text of up to a kilobyte, to tell texts apart. 64 bits of SipHash with a
/// fixed key: the same in every run, so that a snapshot stays valid.
pub(crate) fn digest<T: Hash>(value: &T) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// ` on web01`, or nothing for a host without a name.
pub(crate) fn on_host(host: &Name) -> String {
    if host.as_str().is_empty() {
        String::new()
    } else {
        format!(" on {host}")
    }
}

/// `1 time`, `5 times`.
pub(crate) fn counted(count: u64, word: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {word}{plural}")
}

/// `45 s`, `12 min`, `3 h`.
pub(crate) fn spoken(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

/// The level at which a key that has reached `value` is told of again: `level`, made fourfold
/// until it lies above. `None` when no number is large enough.
pub(crate) fn next_level(level: u64, value: u64) -> Option<u64> {
    let mut next = level.max(1);
    while next <= value {
        next = next.checked_mul(4)?;
    }
    Some(next)
}
