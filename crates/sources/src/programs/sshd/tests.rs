//! What lines of sshd mean, one by one and in the order of one connection.

use event::Body;
use event::body::{Auth, AuthOutcome};

use crate::testing::{parse_at, parser, read_at, said};
use crate::{Parsed, Parser};

fn auth(text: &str) -> Auth {
    match said("sshd", text) {
        Body::Auth(auth) => auth,
        other => panic!("{text}: {other:?}"),
    }
}

/// The outcomes of one connection's lines, `None` for a line without one.
fn outcomes(lines: &[&str]) -> Vec<Option<AuthOutcome>> {
    let mut parser = parser("syslog");
    lines
        .iter()
        .map(|line| next(&mut *parser, line).map(|auth| auth.outcome))
        .collect()
}

fn next(parser: &mut dyn Parser, text: &str) -> Option<Auth> {
    let line = format!("Nov 24 12:00:01 web1 sshd[7]: {text}");
    match parse_at(parser, read_at(), line.as_bytes()) {
        Parsed::Event(event) => event.as_auth().cloned(),
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn methods_decide_what_a_failure_is() {
    let outcome = |text: &str| auth(text).outcome;
    let tail = "from 192.0.2.7 port 9 ssh2";
    for (method, expected) in [
        ("password", AuthOutcome::Failed),
        ("keyboard-interactive/pam", AuthOutcome::Failed),
        ("hostbased", AuthOutcome::Failed),
        ("none", AuthOutcome::Probe),
        ("publickey", AuthOutcome::Echo),
    ] {
        assert_eq!(
            outcome(&format!("Failed {method} for root {tail}")),
            expected
        );
    }
    let unknown = format!("Failed publickey for invalid user x {tail}: RSA SHA256:a");
    assert_eq!(outcome(&unknown), AuthOutcome::Failed);
}

#[test]
fn a_login_with_the_second_key_is_no_offence() {
    use AuthOutcome::{Accepted, Echo};
    let told = outcomes(&[
        "Failed publickey for git from 192.0.2.7 port 9 ssh2: ED25519 SHA256:a",
        "Accepted publickey for git from 192.0.2.7 port 9 ssh2: RSA SHA256:b",
        "Received disconnect from 192.0.2.7 port 9:11: disconnected by user",
        "Disconnected from user git 192.0.2.7 port 9",
    ]);
    assert_eq!(told, [Some(Echo), Some(Accepted), None, None]);
}

#[test]
fn one_attempt_is_one_offence_however_often_it_is_told() {
    use AuthOutcome::{Echo, Failed};
    let told = outcomes(&[
        "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.7  user=root",
        "Failed password for root from 192.0.2.7 port 9 ssh2",
        "Received disconnect from 192.0.2.7 port 9:11: Bye Bye [preauth]",
        "Disconnected from authenticating user root 192.0.2.7 port 9 [preauth]",
    ]);
    assert_eq!(told, [Some(Echo), Some(Failed), Some(Echo), Some(Echo)]);
}

#[test]
fn an_offence_without_a_peer_is_told_again_by_the_line_that_has_one() {
    let mut parser = parser("syslog");
    let first = next(
        &mut *parser,
        "User root not allowed because account is locked",
    )
    .unwrap();
    assert_eq!((first.outcome, first.peer), (AuthOutcome::Refused, None));
    let second = next(
        &mut *parser,
        "Connection closed by 192.0.2.7 port 9 [preauth]",
    )
    .unwrap();
    assert_eq!(second.outcome, AuthOutcome::Refused);
    assert_eq!(second.peer.unwrap().text.as_str(), "192.0.2.7");
}

#[test]
fn two_readings_are_told_apart_by_the_connection() {
    let doubtful = "Failed publickey for x from 198.51.100.4 port 1 ssh2: RSA SHA256:a from 192.0.2.7 port 9 ssh2: RSA SHA256:b";
    assert_eq!(auth(doubtful).peer.unwrap().address, None);
    let mut parser = parser("syslog");
    next(
        &mut *parser,
        "Connection from 192.0.2.7 port 9 on 192.0.2.1 port 22",
    );
    let told = next(&mut *parser, doubtful).unwrap();
    assert_eq!(told.peer.unwrap().address, "192.0.2.7".parse().ok());
    assert_eq!(
        told.user.unwrap().as_str(),
        "x from 198.51.100.4 port 1 ssh2: RSA SHA256:a"
    );
}

#[test]
fn a_process_number_used_again_is_another_connection() {
    let mut parser = parser("syslog");
    let mut at = |time: &str, text: &str| {
        let line = format!("Nov 24 {time} web1 sshd[7]: {text}");
        match parse_at(&mut *parser, read_at(), line.as_bytes()) {
            Parsed::Event(event) => event.as_auth().cloned(),
            other => panic!("{other:?}"),
        }
    };
    at(
        "12:00:00",
        "Failed password for root from 192.0.2.7 port 9 ssh2",
    );
    let soon = at(
        "12:05:00",
        "fatal: no matching mac found: client a server b [preauth]",
    );
    assert!(soon.unwrap().peer.is_some());
    let late = at(
        "13:05:00",
        "fatal: no matching mac found: client a server b [preauth]",
    );
    assert!(late.unwrap().peer.is_none());
}

#[test]
fn pam_alone_counts_after_three_and_not_once_sshd_was_heard() {
    let line = "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.7";
    let told = outcomes(&[line; 5]);
    let failed = told
        .iter()
        .filter(|told| **told == Some(AuthOutcome::Failed));
    assert_eq!(failed.count(), 2);
    let mut lines = vec!["Invalid user a from 192.0.2.7 port 9"];
    lines.extend([line; 5]);
    let told = outcomes(&lines);
    assert!(!told.contains(&Some(AuthOutcome::Failed)));
}

#[test]
fn lines_about_other_things_are_messages() {
    for text in [
        "Server listening on :: port 22.",
        "reverse mapping checking getaddrinfo for a.example.com [192.0.2.7] failed - POSSIBLE BREAK-IN ATTEMPT!",
        "Address 192.0.2.7 maps to a.example.com, but this does not map back to the address.",
        "Received signal 15; terminating.",
        "Postponed publickey for git from 192.0.2.7 port 9 ssh2 [preauth]",
        "error: PAM: pam_open_session(): Permission denied",
        "Failed to release session: Interrupted system call",
    ] {
        assert!(matches!(said("sshd", text), Body::Other(_)), "{text}");
    }
}
