//! What the tests of all detectors share: samples in, findings out, golden files.

use std::time::Duration;

use event::body::{Auth, AuthOutcome, Peer};
use event::{Body, Detector, Event, Finding, Name, Origin, Out, Time, TimeQuality};

/// 2026-03-01T12:00:00Z: when the made-up events begin.
pub(crate) const START_S: i64 = 1_772_366_400;

/// An event `at_s` seconds after the start.
pub(crate) fn event(at_s: f64, host: &str, body: Body) -> Event {
    let time = Time::from_seconds(START_S).plus(Duration::from_secs_f64(at_s));
    let raw = serde_json::to_string(&body).unwrap();
    Event {
        id: Event::id_of(
            "test",
            u64::try_from(time.micros()).unwrap(),
            raw.as_bytes(),
        ),
        time,
        time_quality: TimeQuality::Exact,
        observed: time,
        origin: Origin {
            stream: Name::new("test"),
            parser: Name::new("test"),
            position: 0,
        },
        host: (!host.is_empty()).then(|| Name::new(host)),
        body,
        spoofable: false,
        raw,
    }
}

/// A login attempt at sshd of web01.
pub(crate) fn auth(at_s: f64, outcome: AuthOutcome, peer: &str, user: &str) -> Event {
    let user_exists = (outcome == AuthOutcome::UnknownUser).then_some(false);
    let body = Auth {
        outcome,
        service: Name::new("sshd"),
        method: Some(Name::new("password")),
        user: (!user.is_empty()).then(|| Name::new(user)),
        user_exists,
        peer: Some(Peer::new(peer, Some(40_022))),
        pid: None,
        count: 1,
    };
    event(at_s, "web01", Body::Auth(body))
}

/// The events of a sample file, one JSON object a line.
pub(crate) fn sample(text: &str) -> Vec<Event> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// What `detector` finds in `events`, the watermark following two minutes behind.
pub(crate) fn findings(detector: &mut dyn Detector, events: &[Event]) -> Vec<Finding> {
    let mut out = Out::default();
    let mut found = Vec::new();
    for event in events {
        detector.observe(event, &mut out);
        detector.advance(event.time.minus(Duration::from_secs(120)), &mut out);
        found.extend(out.take());
    }
    found
}

/// Findings as the golden files hold them: one JSON object a line.
pub(crate) fn lines(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        text.push_str(&serde_json::to_string(finding).unwrap());
        text.push('\n');
    }
    text
}

/// A restart anywhere must change nothing: cuts the events at each of `cuts` places.
pub(crate) fn assert_restart_changes_nothing(
    new: &dyn Fn() -> Box<dyn Detector>,
    events: &[Event],
) {
    let whole = findings(new().as_mut(), events);
    for cut in (0..events.len()).step_by(events.len().div_ceil(12).max(1)) {
        let (before, after) = events.split_at(cut);
        let mut first = new();
        let mut found = findings(first.as_mut(), before);
        let mut second = new();
        second.restore(&first.snapshot()).unwrap();
        assert_eq!(second.snapshot(), first.snapshot());
        assert_eq!(second.size().0, first.size().0);
        found.extend(findings(second.as_mut(), after));
        assert_eq!(found, whole, "cut at {cut}");
    }
    assert!(new().restore(b"{}").is_err());
}
