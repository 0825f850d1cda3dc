use std::collections::BTreeSet;

use event::body::AuthOutcome::{Accepted, Echo, Failed, Probe, UnknownUser};
use event::{Body, Finding, Severity};
use expect_test::expect_file;
use proptest::prelude::*;

use super::*;
use crate::testing::{assert_restart_changes_nothing, auth, findings, lines, sample};

fn detector() -> Box<dyn Detector> {
    Box::new(BruteForce::new(Limits::default()))
}

fn found(events: &[Event]) -> Vec<Finding> {
    findings(detector().as_mut(), events)
}

fn rules(events: &[Event]) -> Vec<String> {
    let found = found(events).into_iter();
    found
        .map(|finding| finding.rule.id.as_str().to_owned())
        .collect()
}

fn guesses(count: u32, step_s: f64, user: &str) -> Vec<Event> {
    let at = |number: u32| f64::from(number) * step_s;
    (0..count)
        .map(|number| auth(at(number), Failed, "203.0.113.7", user))
        .collect()
}

#[test]
fn malicious_sample() {
    let found = found(&sample(include_str!("samples/malicious.jsonl")));
    expect_file!["expected/malicious.jsonl"].assert_eq(&lines(&found));
}

#[test]
fn benign_sample_stays_silent() {
    let found = found(&sample(include_str!("samples/benign.jsonl")));
    assert_eq!(found, []);
}

#[test]
fn five_plain_failures_are_probably_guessing() {
    let found = found(&guesses(5, 20.0, "root"));
    assert_eq!(found.len(), 1);
    let confidence = found[0].confidence.get();
    assert!((0.55..0.68).contains(&confidence), "{confidence}");
    assert_eq!(found[0].severity, Severity::Medium);
    assert_eq!(found[0].facts["failures"], 5.0);
    assert!(rules(&guesses(4, 20.0, "root")).is_empty());
}

#[test]
fn five_nonexistent_users_are_surely_guessing() {
    let users = ["oracle", "test", "git", "pi", "deploy"];
    let events: Vec<Event> = users
        .iter()
        .enumerate()
        .map(|(at, user)| auth(at as f64, UnknownUser, "203.0.113.7", user))
        .collect();
    let found = found(&events);
    assert!(found[0].confidence.get() >= 0.9, "{}", found[0].confidence);
}

#[test]
fn rt12_five_hundred_failures_from_a_zero_baseline_score_high() {
    let found = found(&guesses(500, 0.5, "root"));
    let totals: Vec<f64> = found
        .iter()
        .map(|finding| finding.facts["failures"])
        .collect();
    assert_eq!(totals, [5.0, 20.0, 80.0, 320.0], "grows fourfold each time");
    let last = found.last().unwrap();
    assert!(last.confidence.get() >= 0.9 && last.severity == Severity::High);
    let ids: BTreeSet<_> = found.iter().map(|finding| finding.id).collect();
    assert_eq!(ids.len(), 4, "each its own evidence");
    assert!(last.evidence.len() <= event::EVIDENCE_MAX);
    assert_eq!(last.evidence_total, 320);
}

#[test]
fn failures_spread_over_more_than_the_window_stay_silent() {
    assert!(rules(&guesses(100, 200.0, "root")).is_empty());
}

#[test]
fn a_burst_after_the_pause_is_told_again() {
    let mut events = guesses(6, 1.0, "root");
    let later = |number: u32| auth(3600.0 + f64::from(number), Failed, "203.0.113.7", "root");
    events.extend((0..6).map(later));
    assert_eq!(rules(&events).len(), 2);
}

#[test]
fn one_attempt_of_an_unknown_user_counts_once_in_any_order() {
    let mut events = Vec::new();
    for number in 0..4_u32 {
        for (shift, outcome) in [(0.0, UnknownUser), (0.2, Failed)] {
            let mut event = auth(f64::from(number) + shift, outcome, "203.0.113.7", "oracle");
            if let Body::Auth(auth) = &mut event.body {
                auth.pid = Some(1000 + number);
                auth.user_exists = Some(false);
            }
            events.push(event);
        }
    }
    assert!(rules(&events).is_empty(), "four attempts in eight lines");
    events.reverse();
    assert!(rules(&events).is_empty());
}

#[test]
fn echoes_and_repeated_deliveries_are_not_counted() {
    let mut events: Vec<Event> = (0..50)
        .map(|at| auth(f64::from(at), Echo, "203.0.113.7", "root"))
        .collect();
    let four = guesses(4, 1.0, "root");
    for _ in 0..5 {
        events.extend(four.clone());
    }
    assert!(rules(&events).is_empty());
}

#[test]
fn a_repeated_message_counts_as_often_as_it_says() {
    let mut event = auth(0.0, Failed, "203.0.113.7", "root");
    if let Body::Auth(auth) = &mut event.body {
        auth.count = 5;
    }
    assert_eq!(rules(&[event]), ["brute_force.password_guessing"]);
}

#[test]
fn a_load_balancer_that_probes_the_port_is_not_guessing() {
    let events: Vec<Event> = (0..2000)
        .map(|at| auth(f64::from(at) * 2.0, Probe, "10.0.0.9", ""))
        .collect();
    assert!(rules(&events).is_empty());
}

#[test]
fn keys_that_an_agent_offers_are_weak() {
    let mut events = guesses(20, 1.0, "anna");
    for event in &mut events {
        if let Body::Auth(auth) = &mut event.body {
            auth.method = Some(Name::new("publickey"));
        }
    }
    events.push(auth(30.0, Accepted, "203.0.113.7", "anna"));
    let told = rules(&events);
    assert!(!told.contains(&"brute_force.password_guessing".to_owned()));
}

#[test]
fn spraying_is_many_accounts_from_one_source() {
    let events: Vec<Event> = (0..12)
        .map(|at| {
            auth(
                f64::from(at) * 30.0,
                Failed,
                "2001:db8::7",
                &format!("user{at}"),
            )
        })
        .collect();
    let told = found(&events);
    let spray = told
        .iter()
        .find(|finding| finding.rule.id.as_str().ends_with("spraying"));
    let spray = spray.unwrap();
    assert_eq!(spray.facts["distinct_users"], 10.0);
    assert_eq!(spray.in_role(Role::Target).count(), 8, "enough to be told");
    assert!(spray.confidence.get() >= 0.75);
}

#[test]
fn distributed_guessing_is_many_sources_at_one_account() {
    let events: Vec<Event> = (0..10)
        .map(|at| {
            auth(
                f64::from(at) * 20.0,
                Failed,
                &format!("198.51.100.{at}"),
                "anna",
            )
        })
        .collect();
    let told = found(&events);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].rule.id.as_str(), "brute_force.distributed_guessing");
    assert_eq!(told[0].in_role(Role::Source).count(), 10);
}

#[test]
fn a_login_after_many_failures_is_critical_and_told_once() {
    let mut events = guesses(12, 1.0, "root");
    events.push(auth(15.0, Accepted, "203.0.113.7", "root"));
    events.push(auth(16.0, Accepted, "203.0.113.7", "root"));
    let told = found(&events);
    let success: Vec<&Finding> = told
        .iter()
        .filter(|finding| finding.facts["success_after_failures"] == 1.0)
        .collect();
    assert_eq!(success.len(), 1);
    assert_eq!(success[0].severity, Severity::Critical);
    assert_eq!(success[0].facts["failures"], 12.0);
    let users: Vec<String> = success[0]
        .in_role(Role::Target)
        .map(ToString::to_string)
        .collect();
    assert_eq!(users, ["root"]);
}

#[test]
fn somebody_who_mistypes_now_and_then_stays_silent() {
    let mut events = Vec::new();
    for hour in 0..6 {
        let start = f64::from(hour) * 200.0;
        events.push(auth(start, Failed, "192.0.2.4", "anna"));
        events.push(auth(start + 4.0, Failed, "192.0.2.4", "anna"));
        events.push(auth(start + 9.0, Accepted, "192.0.2.4", "anna"));
    }
    let told = rules(&events);
    assert!(
        !told.contains(&"brute_force.success_after_failures".to_owned()),
        "{told:?}"
    );
}

#[test]
fn a_clock_that_runs_ahead_does_not_blind_the_detector() {
    let mut early = auth(0.0, Failed, "203.0.113.7", "root");
    early.time = "2099-01-01T00:00:00Z".parse().unwrap();
    let mut events = vec![early];
    events.extend(guesses(5, 1.0, "root"));
    assert_eq!(rules(&events), ["brute_force.password_guessing"]);
}

#[test]
fn hostile_user_names_are_shown_escaped() {
    let events = guesses(5, 1.0, "a\u{1b}[2J\u{202e}b");
    let told = found(&events);
    assert!(told[0].why.contains("a␛[2J⟦U+202E⟧b"), "{}", told[0].why);
    assert!(!told[0].why.contains('\u{1b}'));
}

#[test]
fn one_spoofable_record_makes_the_finding_spoofable() {
    let mut events = guesses(5, 1.0, "root");
    events[2].spoofable = true;
    assert!(found(&events)[0].spoofable);
}

#[test]
fn two_hundred_thousand_sources_stay_within_the_limit() {
    let limits = Limits {
        keys_max: 200,
        ..Limits::default()
    };
    let mut detector = BruteForce::new(limits);
    let mut out = Out::default();
    let mut event = auth(0.0, Failed, "203.0.113.7", "root");
    for number in 0..200_000_u32 {
        if let Body::Auth(auth) = &mut event.body
            && let Some(peer) = &mut auth.peer
        {
            peer.address = Some(std::net::IpAddr::from(number.to_be_bytes()).into());
        }
        let mut id = [0; 16];
        id[..4].copy_from_slice(&number.to_be_bytes());
        event.id = event::EventId::from_bytes(id);
        detector.observe(&event, &mut out);
    }
    let (keys, evicted) = detector.size();
    assert!(keys <= 400, "{keys}");
    assert!(evicted >= 399_000, "{evicted}");
}

#[test]
fn a_restart_changes_nothing() {
    let events = sample(include_str!("samples/malicious.jsonl"));
    assert_restart_changes_nothing(&detector, &events);
}

/// What stays the same whatever the order: the rule and whom it tells of.
fn keys(found: &[Finding]) -> BTreeSet<(String, String)> {
    let keys = found.iter().map(|finding| {
        let sources: Vec<String> = finding
            .in_role(Role::Source)
            .map(ToString::to_string)
            .collect();
        let subject = if finding.rule.id.as_str().ends_with("distributed_guessing") {
            finding
                .in_role(Role::Target)
                .map(ToString::to_string)
                .collect()
        } else {
            sources.join(" ")
        };
        (finding.rule.id.as_str().to_owned(), subject)
    });
    keys.collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn order_within_the_lateness_does_not_matter(shifts in prop::collection::vec(0.0..115.0_f64, 64)) {
        let mut events = sample(include_str!("samples/malicious.jsonl"));
        let in_order = keys(&found(&events));
        let mut keyed: Vec<(f64, Event)> = events
            .drain(..)
            .enumerate()
            .map(|(at, event)| (event.time.micros() as f64 / 1e6 + shifts[at % shifts.len()], event))
            .collect();
        keyed.sort_by(|left, right| left.0.total_cmp(&right.0));
        let shuffled: Vec<Event> = keyed.into_iter().map(|(_, event)| event).collect();
        prop_assert_eq!(keys(&found(&shuffled)), in_order);
    }

    #[test]
    fn nothing_that_can_be_parsed_makes_it_fail(
        outcome in 0..6_usize,
        times in prop::collection::vec(-4e12..4e12_f64, 1..40),
        user in ".{0,40}",
        peer in ".{0,40}",
    ) {
        let outcome = [Accepted, Failed, AuthOutcome::Refused, UnknownUser, Probe, Echo][outcome];
        let mut events = Vec::new();
        for time in times {
            let mut event = auth(0.0, outcome, &peer, &user);
            event.time = Time::from_micros(time as i64 * 1000);
            events.push(event);
        }
        let _counted = found(&events).len();
    }
}
