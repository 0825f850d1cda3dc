//! Tests of the language: what is refused and where, what is planned, what is explained.

mod bad_inputs;
mod plans;
mod texts;

use event::{
    Confidence, Entity, EntityRef, EventId, Finding, Incident, IncidentId, IncidentState, Mode,
    Name, Role, RuleRef, Severity, TechniqueId, Time,
};

use super::*;
use crate::rails::Rails;

/// An incident of one finding: `203.0.113.7` against `web1`.
pub(super) fn incident(technique: &str, confidence: f64, severity: Severity) -> Incident {
    let techniques: Vec<TechniqueId> = vec![technique.parse().unwrap()];
    let entities = vec![
        EntityRef::new(Role::Source, Entity::Ip("203.0.113.7".parse().unwrap())),
        EntityRef::new(Role::Destination, Entity::Host(Name::new("web1"))),
        EntityRef::new(Role::Target, Entity::User(Name::new("root"))),
    ];
    let evidence = vec![EventId::of(&[b"line 1"])];
    let finding = Finding {
        id: Finding::id_of("brute_force", "brute_force.guessing", &evidence),
        time: Time::from_seconds(1_700_000_000),
        first: Time::from_seconds(1_699_999_940),
        detector: Name::new("brute_force"),
        rule: RuleRef {
            id: Name::new("brute_force.guessing"),
            title: Name::new("Password guessing"),
        },
        severity,
        confidence: Confidence::new(confidence).unwrap(),
        techniques: techniques.clone(),
        entities: entities.clone(),
        evidence,
        evidence_total: 1,
        why: "30 failures in 60 s".into(),
        parts: Vec::new(),
        facts: std::collections::BTreeMap::new(),
        spoofable: false,
    };
    Incident {
        id: IncidentId::of(&[finding.id.bytes()]),
        revision: 1,
        title: "203.0.113.7 guesses passwords on web1".into(),
        state: IncidentState::Open,
        severity,
        confidence: Confidence::new(confidence).unwrap(),
        stage: attack::furthest_tactic(&techniques),
        first: finding.first,
        last: finding.time,
        entities,
        techniques,
        findings: vec![finding.id],
        findings_total: 1,
        latest: finding,
        joins: Vec::new(),
        timeline: Vec::new(),
        spoofable: false,
    }
}

fn context(rails: &Rails) -> PlanContext<'_> {
    PlanContext {
        mode: Mode::Act,
        now: Time::from_seconds(1_700_000_000),
        rails,
        relapses: &|_, _, _| 0,
        connections: &|_| None,
    }
}

fn embedded() -> Playbooks {
    let parsed = Playbooks::embedded().into_iter();
    let list = parsed.map(|(name, text)| {
        Playbook::parse(text).unwrap_or_else(|problems| panic!("{name}: {problems:?}"))
    });
    Playbooks::new(list.collect()).unwrap()
}
