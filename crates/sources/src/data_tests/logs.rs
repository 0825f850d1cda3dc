//! Whole logs of others: nothing of a real auth.log is refused, and every row of a Zeek log is
//! kept, dropped or bad.

use event::Time;

use super::{Tally, data};
use crate::{Parsed, Settings, auto, by_name};

fn read_at() -> Time {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

/// Reads a syslog file of loghub; `None` where it is not there.
fn loghub(name: &str) -> Option<Tally> {
    let text = std::fs::read(data(&format!("detection/loghub/{name}"))?).unwrap();
    let mut parser = by_name("syslog", &Settings::default()).unwrap();
    let tally = Tally::of(&mut *parser, read_at(), &text);
    println!("{name}: {} lines, {:?}", tally.lines, tally.classes);
    assert_eq!((tally.lines, tally.bad, tally.kept), (2000, 0, 2000));
    Some(tally)
}

#[test]
fn a_real_brute_force_is_counted_attempt_by_attempt() {
    let Some(tally) = loghub("OpenSSH_2k.log") else {
        return;
    };
    // grep -c 'Failed password' gives 520 lines, two of which are repetitions in one line.
    assert_eq!(tally.classes["auth failed"], 520);
    assert_eq!(tally.classes["auth unknownuser"], 113);
    assert_eq!(tally.classes["auth accepted"], 1);
}

#[test]
fn where_sshd_itself_is_silent_pam_counts() {
    let Some(tally) = loghub("Linux_2k.log") else {
        return;
    };
    assert!(tally.classes["auth failed"] > 400, "{tally:?}");
    assert_eq!(tally.classes["auth echo"], 3);
}

/// Reads a Zeek log with its own parser and with the detecting one: both must agree.
fn zeek(path: &str) -> Option<Tally> {
    let text = std::fs::read(data(&format!("traffic/{path}"))?).unwrap();
    let mut parser = by_name("zeek_conn", &Settings::default()).unwrap();
    let tally = Tally::of(&mut *parser, read_at(), &text);
    let detected = Tally::of(&mut *auto(&Settings::default()), read_at(), &text);
    println!(
        "{path}: {} lines = {} kept + {} dropped + {} bad; {:?} {:?}",
        tally.lines, tally.kept, tally.dropped, tally.bad, tally.classes, tally.reasons
    );
    assert_eq!(tally.lines, tally.kept + tally.dropped + tally.bad);
    assert_eq!(tally.kept, detected.kept);
    Some(tally)
}

/// Rows of a log as any tool would count them: lines that are neither empty nor a header.
fn rows(path: &str) -> Option<usize> {
    let text = std::fs::read_to_string(data(&format!("traffic/{path}"))?).unwrap();
    let row = |line: &&str| !line.is_empty() && !line.starts_with('#');
    Some(text.lines().filter(row).count())
}

#[test]
fn every_row_of_a_whole_zeek_log_is_a_flow() {
    for path in [
        "labelled-zeek/stratosphere/001-zeek-scenario-malicious/labeled-conn.log",
        "labelled-zeek/stratosphere/008-zeek-mixed/conn.log.labeled",
        "labelled-zeek/stratosphere/010-zeek-mixed/conn.log.labeled",
        "labelled-zeek/idps/ctu-botnet-4/conn.log.labeled",
        "c2/apt29/day1/zeek/NASHUA_conn.log",
        "c2/apt29/day1/zeek/SCRANTON_conn.log",
        "c2/apt29/day2/zeek/NEWYORK_conn.log",
        "c2/apt29/day2/zeek/SCRANTON_conn.log",
        "c2/apt29/day2/zeek/UTICA-C_conn.log",
        "robust/rita-zeek-logs/open_conns/closed/conn.log",
    ] {
        let (Some(rows), Some(tally)) = (rows(path), zeek(path)) else {
            return;
        };
        let other = tally.classes.get("other").copied().unwrap_or_default();
        assert_eq!((tally.kept, tally.bad, other), (rows, 0, 0), "{path}");
    }
}

#[test]
fn broken_zeek_logs_are_counted_row_by_row() {
    for path in [
        "beacon/rita-proxy/conn.log",
        "robust/rita-zeek-logs/json_with_all_fields/conn.log",
        "robust/rita-zeek-logs/json_with_all_fields/open_conn.log",
        "robust/rita-zeek-logs/open_conns/open/conn.log",
        "robust/rita-zeek-logs/open_conns/open/open_conn.log",
        "robust/rita-zeek-logs/truncated/conn.log",
        "robust/rita-zeek-logs/truncated/conn_json.log",
        "robust/rita-zeek-logs/truncated/conn_top.log",
    ] {
        let (Some(rows), Some(tally)) = (rows(path), zeek(path)) else {
            return;
        };
        assert_eq!(tally.kept + tally.bad, rows, "{path}");
    }
}

#[test]
fn a_row_without_a_header_is_refused() {
    let mut parser = by_name("zeek_conn", &Settings::default()).unwrap();
    let row = b"1517336042.09\tC\t192.0.2.1\t1\t192.0.2.2\t80\ttcp";
    let parsed = super::parse(&mut *parser, 0, read_at(), row);
    assert_eq!(parsed, Parsed::Bad(crate::BadReason::Columns));
}
