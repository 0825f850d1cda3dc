//! One open incident: the noun that leaves fusion, and what is remembered to go on with it.

use std::collections::BTreeMap;

use event::{
    Confidence, Finding, FindingId, Incident, IncidentId, IncidentState, JoinReason, Name, Time,
    TimelineEntry, TimelineKind,
};
use serde::{Deserialize, Serialize};

use crate::limits::{
    ENTITIES_MAX, FINDINGS_MAX, MEMBERS_MAX, RULES_MAX, TECHNIQUES_MAX, TIMELINE_FIRST,
    TIMELINE_MAX,
};
use crate::link::Member;
use crate::story;

/// An open incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Open {
    pub(crate) incident: Incident,
    /// Its earliest finding by time and id: what the incident's id is made from.
    pub(crate) seed: (Time, FindingId),
    /// Its newest findings, for comparison; sorted by time and id.
    pub(crate) members: Vec<Member>,
    /// By rule id.
    pub(crate) rules: BTreeMap<Name, RuleSeen>,
    /// Facts for the title: the greatest seen.
    pub(crate) facts: story::Facts,
}

/// The best finding of one rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RuleSeen {
    pub(crate) detector: Name,
    pub(crate) title: Name,
    pub(crate) confidence: Confidence,
    pub(crate) first: Time,
}

/// The id of the incident that begins with `seed`.
pub(crate) fn id_of(seed: FindingId) -> IncidentId {
    IncidentId::of(&[seed.bytes()])
}

impl Open {
    /// An incident of one finding.
    pub(crate) fn begin(finding: Finding) -> Self {
        let seed = (finding.time, finding.id);
        let mut open = Self {
            incident: empty(&finding),
            seed,
            members: Vec::new(),
            rules: BTreeMap::new(),
            facts: story::Facts::default(),
        };
        open.take(finding, "first of its incident".to_owned(), 0.0);
        open
    }

    /// Takes up a finding that belongs here.
    pub(crate) fn take(&mut self, finding: Finding, why: String, score: f64) {
        self.keep_member(Member::of(&finding));
        self.facts.take(&finding);
        self.keep_rule(&finding);
        let incident = &mut self.incident;
        incident.severity = incident.severity.max(finding.severity);
        incident.first = incident.first.min(finding.first);
        incident.last = incident.last.max(finding.time);
        incident.spoofable &= finding.spoofable;
        incident.findings_total = incident.findings_total.saturating_add(1);
        insert_sorted(&mut incident.entities, &finding.entities, ENTITIES_MAX);
        insert_sorted(
            &mut incident.techniques,
            &finding.techniques,
            TECHNIQUES_MAX,
        );
        push_bounded(&mut incident.findings, finding.id);
        push_bounded(
            &mut incident.joins,
            JoinReason {
                finding: finding.id,
                why,
                score,
            },
        );
        self.tell(TimelineEntry {
            time: finding.time,
            kind: TimelineKind::Finding,
            text: finding.why.clone(),
            reference: finding.id.to_string(),
        });
        self.incident.latest = finding;
        self.changed();
    }

    /// Takes up all of another incident; the earlier seed wins.
    pub(crate) fn absorb(&mut self, other: Self) {
        self.seed = self.seed.min(other.seed);
        for member in other.members {
            self.keep_member(member);
        }
        for (id, rule) in other.rules {
            self.keep_rule_seen(id, rule);
        }
        self.facts.absorb(other.facts);
        let (mine, theirs) = (&mut self.incident, other.incident);
        mine.severity = mine.severity.max(theirs.severity);
        mine.first = mine.first.min(theirs.first);
        mine.last = mine.last.max(theirs.last);
        mine.spoofable &= theirs.spoofable;
        mine.revision = mine.revision.max(theirs.revision);
        mine.findings_total = mine.findings_total.saturating_add(theirs.findings_total);
        if theirs.state == IncidentState::Open {
            mine.state = IncidentState::Open;
        }
        insert_sorted(&mut mine.entities, &theirs.entities, ENTITIES_MAX);
        insert_sorted(&mut mine.techniques, &theirs.techniques, TECHNIQUES_MAX);
        for id in theirs.findings {
            push_bounded(&mut mine.findings, id);
        }
        for reason in theirs.joins {
            push_bounded(&mut mine.joins, reason);
        }
        for entry in theirs.timeline {
            self.tell(entry);
        }
        self.changed();
    }

    /// Puts a line into the story, in order of time; false if it stands there already.
    pub(crate) fn tell(&mut self, entry: TimelineEntry) -> bool {
        let timeline = &mut self.incident.timeline;
        if timeline.contains(&entry) {
            return false;
        }
        let at = timeline
            .partition_point(|held| (held.time, &held.reference) <= (entry.time, &entry.reference));
        timeline.insert(at, entry);
        if timeline.len() > TIMELINE_MAX {
            timeline.remove(TIMELINE_FIRST);
        }
        true
    }

    /// Something visible changed: counts up and writes title, stage and confidence anew.
    pub(crate) fn changed(&mut self) {
        self.incident.revision = self.incident.revision.saturating_add(1);
        self.incident.id = id_of(self.seed.1);
        self.incident.confidence = confidence(&self.rules);
        self.incident.stage = attack::furthest_tactic(&self.incident.techniques);
        self.incident.title = story::title(self);
    }

    fn keep_member(&mut self, member: Member) {
        let key = (member.time, member.id);
        let at = self
            .members
            .partition_point(|held| (held.time, held.id) < key);
        if self
            .members
            .get(at)
            .is_some_and(|held| held.id == member.id)
        {
            return;
        }
        self.members.insert(at, member);
        let surplus = self.members.len().saturating_sub(MEMBERS_MAX);
        self.members.drain(..surplus);
    }

    fn keep_rule(&mut self, finding: &Finding) {
        let seen = RuleSeen {
            detector: finding.detector.clone(),
            title: finding.rule.title.clone(),
            confidence: finding.confidence,
            first: finding.time,
        };
        self.keep_rule_seen(finding.rule.id.clone(), seen);
    }

    fn keep_rule_seen(&mut self, id: Name, seen: RuleSeen) {
        if let Some(held) = self.rules.get_mut(&id) {
            if seen.confidence > held.confidence {
                held.confidence = seen.confidence;
            }
            held.first = held.first.min(seen.first);
        } else if self.rules.len() < RULES_MAX {
            self.rules.insert(id, seen);
        }
    }
}

/// Noisy-or over detectors of the best finding of each. Rules of one detector see the same
/// records, so the best one speaks for all of them.
fn confidence(rules: &BTreeMap<Name, RuleSeen>) -> Confidence {
    let mut best: BTreeMap<&Name, Confidence> = BTreeMap::new();
    for rule in rules.values() {
        let held = best.entry(&rule.detector).or_default();
        if rule.confidence > *held {
            *held = rule.confidence;
        }
    }
    best.values()
        .fold(Confidence::ZERO, |sum, one| sum.or(*one))
}

fn empty(finding: &Finding) -> Incident {
    Incident {
        id: id_of(finding.id),
        revision: 0,
        title: String::new(),
        state: IncidentState::Open,
        severity: finding.severity,
        confidence: Confidence::ZERO,
        stage: None,
        first: finding.first,
        last: finding.time,
        entities: Vec::new(),
        techniques: Vec::new(),
        findings: Vec::new(),
        findings_total: 0,
        latest: finding.clone(),
        joins: Vec::new(),
        timeline: Vec::new(),
        spoofable: true,
    }
}

fn insert_sorted<T: Ord + Clone>(held: &mut Vec<T>, new: &[T], items_max: usize) {
    for item in new {
        if held.len() >= items_max {
            return;
        }
        if let Err(at) = held.binary_search(item) {
            held.insert(at, item.clone());
        }
    }
}

/// Keeps the first one, which is the seed, and the newest.
fn push_bounded<T>(held: &mut Vec<T>, item: T) {
    if held.len() >= FINDINGS_MAX {
        held.remove(1);
    }
    held.push(item);
}
