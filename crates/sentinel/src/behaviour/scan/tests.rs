use std::collections::BTreeSet;

use event::body::{Transport, Volume};
use event::{Body, EVIDENCE_MAX};
use expect_test::expect_file;

use super::*;
use crate::testing::{assert_restart_changes_nothing, event, findings, lines, sample};

fn detector() -> Box<dyn Detector> {
    Box::new(Scan::new(Limits::default()))
}

fn flow(at_s: f64, source: &str, destination: &str, port: u16, state: FlowState) -> Event {
    let body = Flow {
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
        source_port: 40_000,
        destination_port: port,
        transport: Transport::Tcp,
        state,
        application: None,
        sent: Volume::default(),
        received: Volume::default(),
        duration_us: 0,
    };
    event(at_s, "gw", Body::Flow(body))
}

fn found(events: &[Event]) -> Vec<Finding> {
    findings(detector().as_mut(), events)
}

#[test]
fn malicious_sample() {
    let found = found(&sample(include_str!("samples/malicious.jsonl")));
    expect_file!["expected/malicious.jsonl"].assert_eq(&lines(&found));
}

#[test]
fn benign_sample_stays_silent() {
    assert_eq!(found(&sample(include_str!("samples/benign.jsonl"))), []);
}

#[test]
fn a_vertical_scan_grows_fourfold_between_findings() {
    let events: Vec<Event> = (1..=1000_u16)
        .map(|port| {
            let at = f64::from(port) * 0.05;
            flow(at, "203.0.113.7", "10.0.0.5", port, FlowState::Rejected)
        })
        .collect();
    let found = found(&events);
    let ports: Vec<f64> = found
        .iter()
        .map(|finding| finding.facts["distinct_ports"])
        .collect();
    assert_eq!(ports, [20.0, 80.0, 320.0]);
    let ids: BTreeSet<_> = found.iter().map(|finding| finding.id).collect();
    assert_eq!(ids.len(), 3);
    assert!(
        found
            .iter()
            .all(|finding| finding.evidence.len() <= EVIDENCE_MAX)
    );
    assert!(found[2].confidence.get() > 0.85);
    assert!(found[0].spoofable, "no answer proves the source");
}

#[test]
fn answered_targets_are_no_scan_and_prove_the_source() {
    let mut events = Vec::new();
    for number in 0..100_u16 {
        let at = f64::from(number);
        let state = if number % 10 == 0 {
            FlowState::Unanswered
        } else {
            FlowState::Established
        };
        events.push(flow(
            at,
            "10.0.0.9",
            &format!("198.51.100.{number}"),
            443,
            state,
        ));
    }
    assert_eq!(found(&events), []);
    let mut scan: Vec<Event> = (0..40_u16)
        .map(|port| {
            flow(
                f64::from(port),
                "203.0.113.7",
                "10.0.0.5",
                port,
                FlowState::Rejected,
            )
        })
        .collect();
    scan.insert(
        5,
        flow(4.5, "203.0.113.7", "10.0.0.5", 22, FlowState::Established),
    );
    assert!(!found(&scan)[0].spoofable);
}

#[test]
fn the_order_within_the_lateness_does_not_matter() {
    let events = sample(include_str!("samples/malicious.jsonl"));
    let keys = |found: &[Finding]| -> BTreeSet<(String, String)> {
        let keys = found.iter().map(|finding| {
            let source: String = finding
                .in_role(Role::Source)
                .map(ToString::to_string)
                .collect();
            (finding.rule.id.as_str().to_owned(), source)
        });
        keys.collect()
    };
    let in_order = keys(&found(&events));
    assert!(!in_order.is_empty());
    for stride in [3, 7, 13] {
        let mut shuffled: Vec<Event> = Vec::new();
        for chunk in events.chunks(40) {
            let length = chunk.len();
            shuffled.extend((0..length).map(|at| chunk[(at * stride + 5) % length].clone()));
            let missed = chunk
                .iter()
                .filter(|event| !shuffled.contains(event))
                .cloned();
            let missed: Vec<Event> = missed.collect();
            shuffled.extend(missed);
        }
        assert_eq!(keys(&found(&shuffled)), in_order, "stride {stride}");
    }
}

#[test]
fn a_restart_changes_nothing() {
    let events = sample(include_str!("samples/malicious.jsonl"));
    assert_restart_changes_nothing(&detector, &events);
}

#[test]
fn many_sources_stay_within_the_limit() {
    let mut detector = Scan::new(Limits {
        keys_max: 50,
        ..Limits::default()
    });
    let mut out = Out::default();
    for number in 0..20_000_u32 {
        let [_, a, b, c] = number.to_be_bytes();
        let source = format!("10.{a}.{b}.{c}");
        detector.observe(
            &flow(1.0, &source, "10.9.9.9", 22, FlowState::Rejected),
            &mut out,
        );
    }
    assert_eq!(detector.size(), (100, 2 * 19_950));
}
