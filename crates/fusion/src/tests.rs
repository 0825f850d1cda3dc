use std::collections::{BTreeMap, BTreeSet};

use event::{
    Confidence, Entity, EntityRef, EventId, FindingId, Name, Role, RuleRef, Severity, Tactic,
    TechniqueId,
};
use proptest::prelude::*;

use super::*;

const START_S: i64 = 1_772_366_400;

fn time(at_s: i64) -> Time {
    Time::from_seconds(START_S + at_s)
}

fn ip(role: Role, address: &str) -> EntityRef {
    EntityRef::new(role, Entity::Ip(address.parse().unwrap()))
}

fn host(role: Role, name: &str) -> EntityRef {
    EntityRef::new(role, Entity::Host(Name::new(name)))
}

fn user(role: Role, name: &str) -> EntityRef {
    EntityRef::new(role, Entity::User(Name::new(name)))
}

fn finding(at_s: i64, rule: &str, entities: Vec<EntityRef>) -> Finding {
    let mut entities = entities;
    entities.sort_unstable();
    let evidence = vec![EventId::of(&[&at_s.to_le_bytes(), rule.as_bytes()])];
    let detector = rule.split('.').next().unwrap_or_default();
    let text = format!("{entities:?}");
    Finding {
        id: FindingId::of(&[rule.as_bytes(), &at_s.to_le_bytes(), text.as_bytes()]),
        time: time(at_s),
        first: time(at_s - 30),
        detector: Name::new(detector),
        rule: RuleRef {
            id: Name::new(rule),
            title: Name::new(rule),
        },
        severity: Severity::Medium,
        confidence: Confidence::new(0.6).unwrap(),
        techniques: vec![TechniqueId::sub(1110, 1)],
        entities,
        evidence,
        evidence_total: 1,
        why: format!("{rule} was seen"),
        parts: Vec::new(),
        facts: BTreeMap::new(),
        spoofable: false,
    }
}

fn guessing(at_s: i64, source: &str, target: &str) -> Finding {
    let mut made = finding(
        at_s,
        "brute_force.password_guessing",
        vec![
            ip(Role::Source, source),
            host(Role::Destination, target),
            host(Role::Observer, target),
            user(Role::Target, "root"),
            user(Role::Target, "admin"),
        ],
    );
    made.facts.insert("failures".to_owned(), 212.0);
    made.facts.insert("distinct_users".to_owned(), 14.0);
    made
}

fn success(at_s: i64, source: &str, target: &str, account: &str) -> Finding {
    let mut made = finding(
        at_s,
        "brute_force.success_after_failures",
        vec![
            ip(Role::Source, source),
            host(Role::Destination, target),
            host(Role::Observer, target),
            user(Role::Target, account),
        ],
    );
    made.facts.insert("success_after_failures".to_owned(), 1.0);
    made.facts.insert("failures".to_owned(), 212.0);
    made.facts.insert("distinct_users".to_owned(), 14.0);
    made.severity = Severity::Critical;
    made.techniques = vec![TechniqueId::new(1078), TechniqueId::new(1110)];
    made
}

fn tampering(at_s: i64, target: &str, actor: &str) -> Finding {
    let mut made = finding(
        at_s,
        "patterns.log_tampering",
        vec![
            host(Role::Destination, target),
            host(Role::Observer, target),
            user(Role::Actor, actor),
        ],
    );
    made.techniques = vec![TechniqueId::sub(1070, 2)];
    made
}

fn fusion() -> Fusion {
    Fusion::new(Limits::default())
}

/// Everything joined: which findings share an incident, by final id.
fn grouping(findings: &[Finding]) -> BTreeMap<IncidentId, BTreeSet<FindingId>> {
    let mut fusion = fusion();
    for finding in findings {
        fusion.join(finding.clone());
    }
    let open = fusion.open.iter();
    open.map(|(id, open)| (*id, open.incident.findings.iter().copied().collect()))
        .collect()
}

#[test]
fn one_source_is_one_incident_with_a_title_and_a_stage() {
    let mut fusion = fusion();
    let first = fusion.join(guessing(0, "203.0.113.7", "web01"));
    let second = fusion.join(success(120, "203.0.113.7", "web01", "root"));
    assert_eq!(first.incident.id, second.incident.id);
    assert_eq!((first.incident.revision, second.incident.revision), (1, 2));
    assert_eq!(
        second.incident.title,
        "203.0.113.7 is guessing passwords on web01: 212 failures for 14 users, then logged in as root"
    );
    assert_eq!(second.incident.stage, Some(Tactic::CredentialAccess));
    assert_eq!(second.incident.severity, Severity::Critical);
    let confidence = second.incident.confidence.get();
    assert!(
        (confidence - 0.6).abs() < 1e-9,
        "one detector counts once: {confidence}"
    );
    let why = &second.incident.joins[1].why;
    assert!(why.starts_with("same source 203.0.113.7"), "{why}");
    assert!(
        why.ends_with("120 s apart") || why.ends_with("2 min apart"),
        "{why}"
    );
}

#[test]
fn two_attackers_of_one_host_are_two_incidents() {
    let mut fusion = fusion();
    fusion.join(guessing(0, "203.0.113.7", "web01"));
    fusion.join(guessing(5, "198.51.100.9", "web01"));
    assert_eq!(fusion.open_count(), 2);
}

#[test]
fn what_happens_on_a_host_after_a_break_in_joins_it() {
    let mut fusion = fusion();
    fusion.join(success(0, "203.0.113.7", "web01", "root"));
    let joined = fusion.join(tampering(600, "web01", "root"));
    assert_eq!(fusion.open_count(), 1);
    let why = &joined.incident.joins[1].why;
    assert!(why.contains("broken into"), "{why}");
    assert!(joined.incident.title.ends_with("; patterns.log_tampering"));
    assert_eq!(
        joined.incident.confidence,
        Confidence::clamped(1.0 - 0.4 * 0.4)
    );
    let elsewhere = fusion.join(tampering(660, "mail01", "root"));
    assert_ne!(elsewhere.incident.id, joined.incident.id);
}

#[test]
fn a_machine_broken_into_that_attacks_is_a_pivot() {
    let mut fusion = fusion();
    let mut first = success(0, "203.0.113.7", "web01", "root");
    first.entities.push(ip(Role::Destination, "10.0.0.5"));
    fusion.join(first);
    let joined = fusion.join(guessing(900, "10.0.0.5", "db01"));
    assert_eq!(fusion.open_count(), 1);
    assert!(
        joined.incident.joins[1]
            .why
            .contains("was attacked and then attacks")
    );
}

#[test]
fn causes_do_not_run_backwards() {
    let mut fusion = fusion();
    fusion.join(tampering(0, "web01", "root"));
    fusion.join(success(3600, "203.0.113.7", "web01", "root"));
    assert_eq!(fusion.open_count(), 2);
}

#[test]
fn a_finding_joins_once() {
    let mut fusion = fusion();
    let first = fusion.join(guessing(0, "203.0.113.7", "web01"));
    let again = fusion.join(guessing(0, "203.0.113.7", "web01"));
    assert_eq!(first, again);
}

#[test]
fn a_link_that_arrives_last_merges_two_incidents_and_names_the_lost_id() {
    let mut fusion = fusion();
    let guess = fusion.join(guessing(0, "203.0.113.7", "web01")).incident.id;
    let local = fusion.join(tampering(400, "web01", "root")).incident.id;
    assert_ne!(guess, local);
    let joined = fusion.join(success(100, "203.0.113.7", "web01", "root"));
    assert_eq!(joined.incident.id, guess);
    assert_eq!(joined.merged, [local]);
    let entry = TimelineEntry {
        time: time(500),
        kind: TimelineKind::Plan,
        text: "a plan was made".to_owned(),
        reference: "pl-1".to_owned(),
    };
    let noted = fusion.note(local, entry.clone()).unwrap();
    assert_eq!(noted.id, guess, "a former id leads on");
    assert!(fusion.note(local, entry).is_none(), "said already");
}

#[test]
fn the_id_follows_an_earlier_finding_only_until_the_watermark() {
    let mut fusion = fusion();
    let first = fusion
        .join(guessing(50, "203.0.113.7", "web01"))
        .incident
        .id;
    let earlier = fusion.join(guessing(20, "203.0.113.7", "web01"));
    assert_ne!(earlier.incident.id, first);
    assert_eq!(earlier.merged, [first]);
    fusion.advance(time(15));
    let late = fusion.join(guessing(10, "203.0.113.7", "web01"));
    assert_eq!(late.incident.id, earlier.incident.id);
    assert!(late.merged.is_empty());
}

#[test]
fn the_same_source_days_later_is_another_incident() {
    let mut fusion = fusion();
    let first = fusion.join(guessing(0, "203.0.113.7", "web01")).incident;
    let closed = fusion.advance(time(86_401));
    assert_eq!(closed.len(), 1);
    assert_eq!(
        (closed[0].id, closed[0].state),
        (first.id, IncidentState::Closed)
    );
    let second = fusion
        .join(guessing(90_000, "203.0.113.7", "web01"))
        .incident;
    assert_ne!(first.id, second.id);
    assert_eq!(fusion.open_count(), 1);
}

#[test]
fn state_moves_between_open_contained_and_closed() {
    let mut fusion = fusion();
    let id = fusion.join(guessing(0, "203.0.113.7", "web01")).incident.id;
    let contained = fusion.contained(id, true, time(3)).unwrap();
    assert_eq!(contained.state, IncidentState::Contained);
    assert!(fusion.contained(id, true, time(4)).is_none());
    assert_eq!(
        fusion.contained(id, false, time(5)).unwrap().state,
        IncidentState::Open
    );
    assert_eq!(
        fusion.close(id, time(6)).unwrap().state,
        IncidentState::Closed
    );
    assert!(fusion.close(id, time(7)).is_none());
    assert!(fusion.contained(id, true, time(8)).is_none());
}

#[test]
fn above_the_limit_the_coldest_is_handed_out_closed_and_counted() {
    let mut fusion = Fusion::new(Limits {
        incidents_max: 10,
        ..Limits::default()
    });
    for number in 0..50_u8 {
        fusion.join(guessing(
            i64::from(number),
            &format!("203.0.113.{number}"),
            "web01",
        ));
    }
    assert_eq!((fusion.open_count(), fusion.evicted()), (10, 40));
    let closed = fusion.advance(time(60));
    assert_eq!(closed.len(), 40);
    assert!(
        closed
            .iter()
            .all(|incident| incident.state == IncidentState::Closed)
    );
    assert!(fusion.advance(time(61)).is_empty());
}

#[test]
fn one_incident_stays_bounded() {
    let mut fusion = fusion();
    let mut last = None;
    for number in 0..2000_i64 {
        let mut made = guessing(number, "203.0.113.7", &format!("host{number}"));
        made.entities
            .push(user(Role::Target, &format!("user{number}")));
        last = Some(fusion.join(made).incident);
    }
    let incident = last.unwrap();
    assert_eq!(incident.findings_total, 2000);
    assert!(incident.findings.len() <= 256 && incident.joins.len() <= 256);
    assert!(incident.entities.len() <= 128 && incident.timeline.len() <= 200);
    assert!(incident.entities.is_sorted());
    assert_eq!(fusion.open_count(), 1);
    fusion.close(incident.id, time(3000));
    assert!(fusion.index.is_empty(), "nothing of it is left behind");
}

#[test]
fn a_source_that_is_everywhere_says_nothing() {
    let mut fusion = fusion();
    for number in 0..5000_i64 {
        let source = format!("10.1.{}.{}", number / 250, number % 250);
        fusion.join(guessing(number, &source, "web01"));
    }
    assert_eq!(
        fusion.open_count(),
        5000,
        "one host does not glue its attackers together"
    );
}

#[test]
fn spoofable_only_if_every_finding_is() {
    let mut fusion = fusion();
    let mut made = guessing(0, "203.0.113.7", "web01");
    made.spoofable = true;
    assert!(fusion.join(made).incident.spoofable);
    assert!(
        !fusion
            .join(guessing(9, "203.0.113.7", "web01"))
            .incident
            .spoofable
    );
}

/// Three attackers on two hosts, one of whom gets in, tampers and pivots.
fn story() -> Vec<Finding> {
    let mut breach = success(100, "203.0.113.7", "web01", "root");
    breach.entities.push(ip(Role::Destination, "10.0.0.5"));
    breach.entities.sort_unstable();
    vec![
        guessing(0, "203.0.113.7", "web01"),
        guessing(10, "198.51.100.9", "web01"),
        guessing(20, "192.0.2.77", "mail01"),
        guessing(60, "203.0.113.7", "web01"),
        breach,
        tampering(130, "web01", "root"),
        guessing(160, "10.0.0.5", "db01"),
        guessing(170, "198.51.100.9", "mail01"),
        tampering(180, "mail01", "anna"),
    ]
}

#[test]
fn a_restart_changes_nothing() {
    let story = story();
    for cut in 0..story.len() {
        let (mut whole, mut first) = (fusion(), fusion());
        for finding in &story[..cut] {
            whole.join(finding.clone());
            first.join(finding.clone());
        }
        let mut second = fusion();
        second.restore(&first.snapshot()).unwrap();
        assert_eq!(second.snapshot(), first.snapshot());
        for finding in &story[cut..] {
            assert_eq!(second.join(finding.clone()), whole.join(finding.clone()));
        }
        assert_eq!(second.advance(time(900_000)), whole.advance(time(900_000)));
    }
    assert!(matches!(
        fusion().restore(b"x"),
        Err(RestoreError::Broken(_))
    ));
}

#[test]
fn the_story_is_four_incidents() {
    let mut sizes: Vec<usize> = grouping(&story()).values().map(BTreeSet::len).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 1, 2, 5]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_arrival_has_no_say(shuffled in Just(story()).prop_shuffle()) {
        prop_assert_eq!(grouping(&shuffled), grouping(&story()));
    }

    #[test]
    fn random_findings_give_the_same_incidents_in_any_order(
        (plain, shuffled) in prop::collection::vec((0..20_000_i64, 0..5_u8, 0..3_u8, 0..4_u8), 1..24)
            .prop_flat_map(|made| (Just(made.clone()), Just(made).prop_shuffle())),
    ) {
        let made = |list: &[(i64, u8, u8, u8)]| -> Vec<Finding> {
            list.iter().map(|(at, source, target, kind)| {
                let (source, target) = (format!("10.0.0.{source}"), format!("host{target}"));
                match kind {
                    0 => guessing(*at, &source, &target),
                    1 => success(*at, &source, &target, "root"),
                    2 => tampering(*at, &target, "root"),
                    _ => finding(*at, "scan.vertical", vec![
                        ip(Role::Source, &source), ip(Role::Destination, "10.0.0.3"),
                    ]),
                }
            }).collect()
        };
        prop_assert_eq!(grouping(&made(&plain)), grouping(&made(&shuffled)));
    }
}

#[test]
fn findings_without_entities_stay_alone() {
    let mut fusion = fusion();
    fusion.join(finding(0, "patterns.odd", Vec::new()));
    fusion.join(finding(1, "patterns.odd", Vec::new()));
    assert_eq!(fusion.open_count(), 2);
}
