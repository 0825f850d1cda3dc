//! Our own events, read back.

use expect_test::{ExpectFile, expect_file};

use crate::Parsed;
use crate::testing::{event, parse, told};

fn check(sample: &[u8], expected: &ExpectFile) {
    expected.assert_eq(&told("event", sample));
}

#[test]
fn forged_and_impossible_events() {
    check(
        include_bytes!("samples/hostile.jsonl"),
        &expect_file!["expected/hostile.txt"],
    );
}

#[test]
fn an_event_of_each_parser_reads_back_unchanged() {
    for (format, line) in [
        (
            "syslog",
            "Nov 24 12:00:01 web1 sshd[1]: Failed password for root from 192.0.2.7 port 9 ssh2",
        ),
        ("syslog", "Nov 24 12:00:01 web1 cron[1]: \u{fffd} \u{1b}[2J"),
        (
            "syslog",
            "Nov 24 12:00:01 web1 useradd[1]: new user: name=eve, UID=1001, GID=1001",
        ),
    ] {
        let made = event(format, line);
        let written = serde_json::to_string(&made).unwrap();
        let read = parse("event", written.as_bytes());
        assert_eq!(read, Parsed::Event(Box::new(made)));
    }
}
