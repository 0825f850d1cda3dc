//! fail2ban's own expectations as an oracle: every line it must match is recognised with its host
//! and time, and no line it must not match is an offence.
//!
//! The modes of a section count together: what one of them matches is expected, and a line that
//! must not match "in normal mode" only is passed over. An offence is
//! `Failed`, `Refused`, `UnknownUser` or `Probe` with a peer; `Echo` and `Accepted` are no offence,
//! but recognised where fail2ban speaks up at such a line for failures before it.

use std::time::Duration;

use super::{data, parse};
use crate::{Parsed, Settings, by_name};
use event::body::{Auth, AuthOutcome};
use event::{Address, Body, Event, Time, TimeQuality};
use serde_json::Value;

/// The data's zone is Europe/Zurich, and each of its times with a zone lies in summer.
const ZURICH_SUMMER: Duration = Duration::from_secs(7200);

struct Case {
    expected: Value,
    line: String,
}

/// Each expectation with its log line; one of a pair that differs by mode only is left out.
fn cases(text: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut pending: Option<Value> = None;
    for line in text.lines() {
        if let Some(json) = line.strip_prefix("# failJSON: ") {
            pending = Some(serde_json::from_str(json).unwrap());
        } else if !line.starts_with('#') && !line.is_empty() {
            let expected = pending.take().expect("an expectation before each line");
            let constraint = expected["constraint"].as_str().unwrap_or_default();
            if !constraint.contains("!= 'aggressive'") {
                let line = line.to_owned();
                cases.push(Case { expected, line });
            }
        }
    }
    cases
}

fn time_of(expected: &Value) -> Option<Time> {
    let text = format!("{}Z", expected["time"].as_str()?);
    Some(text.parse().unwrap())
}

fn host_of(expected: &Value) -> Option<&str> {
    ["host", "ip4", "ip6"]
        .iter()
        .find_map(|key| expected[*key].as_str())
}

fn same_host(auth: &Auth, host: &str) -> bool {
    let Some(peer) = &auth.peer else { return false };
    match (peer.address, host.parse::<Address>()) {
        (Some(address), Ok(expected)) => address == expected,
        _ => peer.text.as_str() == host,
    }
}

fn same_time(event: &Event, expected: Time) -> bool {
    let local = match event.time_quality {
        TimeQuality::Exact => event.time.plus(ZURICH_SUMMER),
        _ => event.time,
    };
    local.seconds() == expected.seconds()
}

fn is_offence(auth: &Auth) -> bool {
    let benign = matches!(auth.outcome, AuthOutcome::Accepted | AuthOutcome::Echo);
    auth.peer.is_some() && !benign
}

#[derive(Default)]
struct Score {
    wanted: usize,
    recognised: usize,
    offences: usize,
    unwanted: usize,
    one_mode_only: usize,
    wrong: Vec<String>,
}

fn judge(score: &mut Score, case: &Case, parsed: &Parsed) {
    let event = match parsed {
        Parsed::Event(event) => Some(event.as_ref()),
        _ => None,
    };
    let auth = event.and_then(Event::as_auth);
    if case.expected["match"].as_bool().unwrap() {
        score.wanted += 1;
        let host = host_of(&case.expected);
        let host_fits =
            |auth: &Auth| host.map_or_else(|| auth.peer.is_some(), |h| same_host(auth, h));
        let time = time_of(&case.expected);
        let time_fits = time.is_none_or(|time| event.is_some_and(|event| same_time(event, time)));
        let fits = time_fits && auth.is_some_and(host_fits);
        score.recognised += usize::from(fits);
        score.offences += usize::from(auth.is_some_and(is_offence));
        if !fits {
            score.wrong.push(format!("missed {} {parsed:?}", case.line));
        }
    } else if case.expected["desc"]
        .as_str()
        .is_some_and(|desc| desc.contains("normal mode"))
    {
        score.one_mode_only += 1;
    } else {
        score.unwanted += 1;
        if auth.is_some_and(is_offence) {
            score.wrong.push(format!("false {} {parsed:?}", case.line));
        }
    }
}

/// Runs a file through `format`, each line turned into that format's record by `record`.
fn run(name: &str, format: &str, record: fn(&str) -> String) -> Option<Score> {
    let file = data(&format!("detection/fail2ban-logs/{name}"))?;
    let text = std::fs::read_to_string(file).unwrap();
    let cases = cases(&text);
    let mut parser = by_name(format, &Settings::default()).unwrap();
    let mut score = Score::default();
    for (at, case) in cases.iter().enumerate() {
        let next = cases[at..].iter().find_map(|case| time_of(&case.expected));
        let previous = || {
            let before = cases[..at].iter().rev();
            before.clone().find_map(|case| time_of(&case.expected))
        };
        let time = next.or_else(previous).unwrap_or(Time::EPOCH);
        let observed = time.plus(Duration::from_secs(3600));
        let line = record(&case.line);
        let parsed = parse(&mut *parser, at as u64, observed, line.as_bytes());
        judge(&mut score, case, &parsed);
    }
    let falsely = score.wrong.iter().filter(|line| line.starts_with("false"));
    println!(
        "{name}: {} of {} recognised ({} as an offence of their own), {} of {} false, {} false in one mode only",
        score.recognised,
        score.wanted,
        score.offences,
        falsely.count(),
        score.unwanted,
        score.one_mode_only
    );
    Some(score)
}

fn as_it_is(line: &str) -> String {
    line.to_owned()
}

/// `srv sshd[1]: MESSAGE` as the journal's JSON.
fn as_journal(line: &str) -> String {
    let (head, message) = line.split_once("]: ").unwrap();
    let (host, tag) = head.split_once(' ').unwrap();
    let (program, pid) = tag.split_once('[').unwrap();
    serde_json::json!({
        "__REALTIME_TIMESTAMP": "1100000000000000", "_HOSTNAME": host, "_PID": pid,
        "SYSLOG_IDENTIFIER": program, "_COMM": program, "MESSAGE": message,
    })
    .to_string()
}

#[test]
fn sshd_lines_are_recognised_with_host_and_time() {
    let Some(score) = run("sshd", "syslog", as_it_is) else {
        return;
    };
    assert_eq!(score.wrong, Vec::<String>::new());
    assert_eq!((score.wanted, score.recognised), (109, 109));
}

#[test]
fn sshd_messages_in_the_journal_are_recognised() {
    let Some(score) = run("sshd-journal", "journald", as_journal) else {
        return;
    };
    assert_eq!(score.wrong, Vec::<String>::new());
    assert_eq!((score.wanted, score.recognised), (89, 89));
}

#[test]
fn failures_that_pam_reports_are_recognised() {
    let Some(score) = run("pam-generic", "syslog", as_it_is) else {
        return;
    };
    assert!(score.recognised == score.wanted && score.wanted > 0);
    // `pop(pam_unix)[1]:` is the form before Linux-PAM 0.99, which fail2ban gave up and we read.
    let [old_form] = score.wrong.as_slice() else {
        panic!("{:?}", score.wrong)
    };
    assert!(old_form.contains("pop(pam_unix)[4920]"));
}

#[test]
fn a_body_of_another_class_is_not_recognised() {
    let case = Case {
        expected: serde_json::json!({"match": true, "host": "192.0.2.1"}),
        line: String::new(),
    };
    let mut parser = by_name("syslog", &Settings::default()).unwrap();
    let line = b"Nov 24 12:00:01 host cron[1]: Failed password for x from 192.0.2.1 port 2 ssh2";
    let parsed = parse(&mut *parser, 0, Time::EPOCH, line);
    assert!(matches!(&parsed, Parsed::Event(event) if matches!(event.body, Body::Other(_))));
    let mut score = Score::default();
    judge(&mut score, &case, &parsed);
    assert_eq!((score.wanted, score.recognised), (1, 0));
}
