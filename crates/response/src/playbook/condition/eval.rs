//! Judges a checked condition against an incident. Three-valued: a value that is not there is
//! neither true nor false, `false && missing` is false, `true || missing` is true.

use event::{Address, EntityRef, Incident};
use ipnet::IpNet;

use super::super::reference::{Bound, Reference};
use super::check::state_step;
use super::{COST_MAX, Comparison, Condition, Expr, Kind, Path, Root};

/// What a condition looks at.
#[derive(Clone, Copy)]
pub(in super::super) struct Scene<'a> {
    pub(in super::super) incident: &'a Incident,
    /// The inputs that have exactly one value.
    pub(in super::super) bound: &'a [(Reference, Bound)],
    /// Did no other playbook match?
    pub(in super::super) unmatched: bool,
}

/// The outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Verdict {
    Met,
    /// Not met, and why, in words.
    Unmet(String),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Seen<'a> {
    Bool(bool),
    Number(f64),
    Text(&'a str),
    Step(u8),
    Ip(Address),
    Missing,
}

pub(super) fn judge(condition: &Condition, scene: &Scene<'_>) -> Verdict {
    let mut judge = Judge {
        scene: *scene,
        cost: COST_MAX,
        missing: None,
    };
    let terms = match &condition.root.kind {
        Kind::All(terms) => terms.as_slice(),
        _ => std::slice::from_ref(&condition.root),
    };
    for term in terms {
        judge.missing = None;
        let words = condition.excerpt(term);
        match judge.truth(term) {
            _ if judge.cost == 0 => return Verdict::Unmet(format!("{words} costs too much")),
            Some(true) => {}
            Some(false) => return Verdict::Unmet(format!("{words} is false")),
            None => {
                let name = judge.missing.unwrap_or_default();
                return Verdict::Unmet(format!("{words} cannot be told: {name} is missing"));
            }
        }
    }
    Verdict::Met
}

struct Judge<'a> {
    scene: Scene<'a>,
    cost: u32,
    /// Name of the first value that was not there.
    missing: Option<String>,
}

// Recursion is bounded: the parser refuses more than DEPTH_MAX levels.
impl<'a> Judge<'a> {
    fn pay(&mut self, steps: usize) -> bool {
        let steps = u32::try_from(steps).unwrap_or(u32::MAX);
        self.cost = self.cost.saturating_sub(steps);
        self.cost > 0
    }

    fn truth(&mut self, expr: &'a Expr) -> Option<bool> {
        if !self.pay(1) {
            return None;
        }
        match &expr.kind {
            Kind::All(terms) => self.chain(terms, false),
            Kind::Any(terms) => self.chain(terms, true),
            Kind::Not(inner) => self.truth(inner).map(|truth| !truth),
            Kind::Has(path) => Some(self.value(path) != Seen::Missing || self.is_list(path)),
            Kind::Technique(Root::Incident, id) => Some(self.scene.incident.shows(*id)),
            Kind::Technique(Root::Finding, id) => {
                let shown = &self.scene.incident.latest.techniques;
                Some(shown.iter().any(|shown| id.covers(*shown)))
            }
            Kind::StartsWith(receiver, prefix) => match self.seen(receiver) {
                Seen::Text(text) => Some(text.starts_with(prefix)),
                _ => None,
            },
            Kind::Compare(comparison, left, right) => {
                let (left, right) = (self.seen(left), self.seen(right));
                compare(*comparison, left, right)
            }
            Kind::In(left, right) => self.inside(left, right),
            _ => match self.seen(expr) {
                Seen::Bool(truth) => Some(truth),
                Seen::Number(number) => Some(is_true(number)),
                _ => None,
            },
        }
    }

    /// `decisive` true: any; `decisive` false: all.
    fn chain(&mut self, terms: &'a [Expr], decisive: bool) -> Option<bool> {
        let mut result = Some(!decisive);
        for term in terms {
            match self.truth(term) {
                Some(truth) if truth == decisive => return Some(decisive),
                Some(_) => {}
                None => result = None,
            }
        }
        result
    }

    fn seen(&mut self, expr: &'a Expr) -> Seen<'a> {
        match &expr.kind {
            Kind::Number(number) => Seen::Number(*number),
            Kind::Text(text) => Seen::Text(text),
            Kind::Step(step) => Seen::Step(*step),
            Kind::Ip(address) => Seen::Ip(*address),
            Kind::Bool(truth) => Seen::Bool(*truth),
            Kind::Path(path) => {
                let value = self.value(path);
                if value == Seen::Missing && self.missing.is_none() {
                    self.missing = Some(name(path));
                }
                value
            }
            Kind::Size(inner) => self.size(inner),
            _ => self.truth(expr).map_or(Seen::Missing, Seen::Bool),
        }
    }

    fn value(&self, path: &'a Path) -> Seen<'a> {
        let incident = self.scene.incident;
        let finding = &incident.latest;
        match path {
            Path::IncidentConfidence => Seen::Number(incident.confidence.get()),
            Path::FindingConfidence => Seen::Number(finding.confidence.get()),
            Path::IncidentSeverity => Seen::Step(incident.severity as u8),
            Path::FindingSeverity => Seen::Step(finding.severity as u8),
            Path::IncidentStage => incident
                .stage
                .map_or(Seen::Missing, |stage| Seen::Step(stage as u8)),
            Path::IncidentState => Seen::Step(state_step(incident.state)),
            Path::IncidentSpoofable => Seen::Bool(incident.spoofable),
            Path::FindingSpoofable => Seen::Bool(finding.spoofable),
            Path::IncidentUnmatched => Seen::Bool(self.scene.unmatched),
            Path::FindingDetector => Seen::Text(finding.detector.as_str()),
            Path::FindingRule => Seen::Text(finding.rule.id.as_str()),
            Path::Fact(name) => finding
                .facts
                .get(name)
                .map_or(Seen::Missing, |fact| Seen::Number(*fact)),
            Path::Input(reference) => self.input(*reference),
            Path::IncidentEntities | Path::FindingEntities | Path::IncidentFindings => {
                Seen::Missing
            }
        }
    }

    fn input(&self, wanted: Reference) -> Seen<'a> {
        let bound = self.scene.bound;
        let found = bound.iter().find(|(reference, _)| *reference == wanted);
        match found {
            Some((_, Bound::Ip(address))) => Seen::Ip(*address),
            Some((_, Bound::Text(name))) => Seen::Text(name.as_str()),
            None => Seen::Missing,
        }
    }

    const fn is_list(&self, path: &Path) -> bool {
        matches!(path, Path::IncidentFindings) || self.entities(path).is_some()
    }

    const fn entities(&self, path: &Path) -> Option<&'a [EntityRef]> {
        match path {
            Path::IncidentEntities => Some(self.scene.incident.entities.as_slice()),
            Path::FindingEntities => Some(self.scene.incident.latest.entities.as_slice()),
            _ => None,
        }
    }

    fn size(&mut self, expr: &'a Expr) -> Seen<'a> {
        let count = match &expr.kind {
            Kind::Path(Path::IncidentFindings) => self.scene.incident.findings_total,
            Kind::Path(path) if self.is_list(path) => {
                self.entities(path).map_or(0, |list| list.len() as u64)
            }
            _ => match self.seen(expr) {
                Seen::Text(text) => text.chars().count() as u64,
                _ => return Seen::Missing,
            },
        };
        // Counts stay far below 2^53, where a float would lose them.
        Seen::Number(count as f64)
    }

    fn inside(&mut self, left: &'a Expr, right: &'a Expr) -> Option<bool> {
        let needle = self.seen(left);
        if needle == Seen::Missing {
            return None;
        }
        match &right.kind {
            Kind::List(items) => {
                let mut found = false;
                for item in items {
                    self.pay(1);
                    found |= compare(Comparison::Equal, needle, self.seen(item)) == Some(true);
                }
                Some(found)
            }
            Kind::Net(net) => match needle {
                Seen::Ip(address) => Some(net.contains(&IpNet::from(address.ip()))),
                _ => None,
            },
            Kind::Path(path) => {
                let entities = self.entities(path)?;
                self.pay(entities.len());
                Some(entities.iter().any(|entity| is_named(entity, needle)))
            }
            _ => None,
        }
    }
}

fn is_named(entity: &EntityRef, needle: Seen<'_>) -> bool {
    use event::Entity::{Domain, File, Host, Ip, Process, User};
    match (&entity.entity, needle) {
        (Ip(address), Seen::Ip(wanted)) => *address == wanted,
        (Ip(address), Seen::Text(wanted)) => wanted.parse() == Ok(*address),
        (Host(name) | User(name) | Process(name) | File(name) | Domain(name), Seen::Text(text)) => {
            name.as_str() == text
        }
        _ => false,
    }
}

fn compare(comparison: Comparison, left: Seen<'_>, right: Seen<'_>) -> Option<bool> {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let order = match (left, right) {
        (Seen::Number(one), Seen::Number(other)) => one.partial_cmp(&other)?,
        (Seen::Step(one), Seen::Step(other)) => one.cmp(&other),
        (Seen::Text(one), Seen::Text(other)) => one.cmp(other),
        (Seen::Ip(one), Seen::Ip(other)) => one.cmp(&other),
        (Seen::Bool(one), Seen::Bool(other)) => one.cmp(&other),
        (Seen::Bool(one), Seen::Number(other)) => one.cmp(&is_true(other)),
        (Seen::Number(one), Seen::Bool(other)) => is_true(one).cmp(&other),
        _ => return None,
    };
    Some(match comparison {
        Comparison::Equal => order == Equal,
        Comparison::Unequal => order != Equal,
        Comparison::Less => order == Less,
        Comparison::LessOrEqual => order != Greater,
        Comparison::Greater => order == Greater,
        Comparison::GreaterOrEqual => order != Less,
    })
}

/// A fact is true unless it is 0 (or no number at all).
fn is_true(number: f64) -> bool {
    number != 0.0 && !number.is_nan()
}

fn name(path: &Path) -> String {
    match path {
        Path::Fact(name) => format!("finding.{name}"),
        Path::Input(reference) => reference.word().into(),
        Path::IncidentStage => "incident.stage".into(),
        _ => "a value".into(),
    }
}
