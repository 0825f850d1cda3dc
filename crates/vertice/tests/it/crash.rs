//! kill -9 of a node that reads: every line is in the event log exactly once, and the findings are
//! those of a run that nobody interrupted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use event::{Clock, Time};
use store::{IncidentQuery, Store};
use vertice::clock::SystemClock;

use crate::home::{Home, Running, pause, until};
use crate::lines;

/// Kills when `VERTICE_KILLS` says nothing else.
const KILLS: u32 = 15;
/// Lines that the feeder appends before each kill.
const LINES_PER_KILL: u32 = 300;

/// A small generator of our own: the same moments in every run.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// 0 up to, not including, `sides`.
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// A number from the environment, else the usual one.
pub(crate) fn number(name: &str, usual: u32) -> u32 {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap())
}

/// Line number `number` of the torture: several attackers, with their numbers in the process id.
fn line(start: Time, number: u32) -> String {
    let time = start.plus(Duration::from_millis(2) * number);
    let source = number % 7;
    let user = number % 3;
    let text =
        format!("Failed password for user{user} from 203.0.113.{source} port 4{source}00 ssh2");
    lines::sshd(time, number, &text)
}

/// Findings by id, with what they say.
fn findings(home: &Home) -> BTreeMap<String, String> {
    let store = home.store();
    let query = IncidentQuery {
        limit: 1000,
        ..IncidentQuery::default()
    };
    let mut found = BTreeMap::new();
    for incident in store.incidents(&query).unwrap() {
        for finding in store.findings_of(incident.id, 10_000).unwrap() {
            found.insert(finding.id.to_string(), finding.why);
        }
    }
    found
}

/// The numbers of the lines in the event log, in order.
fn logged_numbers(home: &Home) -> Vec<u32> {
    let number = |raw: &str| {
        let (_, rest) = raw.split_once("sshd[").unwrap();
        rest.split_once(']').unwrap().0.parse().unwrap()
    };
    home.logged()
        .iter()
        .map(|event| number(&event.raw))
        .collect()
}

fn assert_exactly_once(home: &Home, count: u32) {
    let numbers = logged_numbers(home);
    let distinct: BTreeSet<u32> = numbers.iter().copied().collect();
    let missing: Vec<u32> = (0..count)
        .filter(|number| !distinct.contains(number))
        .collect();
    assert!(
        missing.is_empty(),
        "{} missing, first {:?}",
        missing.len(),
        missing.first()
    );
    assert_eq!(
        numbers.len(),
        distinct.len(),
        "{} repeated",
        numbers.len() - distinct.len()
    );
}

#[test]
fn killed_at_any_moment_every_line_counts_once() {
    let kills = number("VERTICE_KILLS", KILLS);
    let lines_total = kills * LINES_PER_KILL;
    let start = SystemClock
        .now()
        .minus(Duration::from_secs(u64::from(lines_total) / 500 + 5));
    let home = Home::new();
    home.follow("auth.log", "console.enabled = false");
    let mut dice = Dice(0x5eed_0001);
    let mut fed = 0;
    for kill in 1..=kills {
        let until_line = kill * LINES_PER_KILL;
        let node = Running::spawn(home.command(&["run"]));
        if dice.roll(4) > 0 {
            node.wait_for("ready");
        }
        // Some lines in pieces, so that the kill may fall into one.
        while fed < until_line {
            let count = u32::try_from(dice.roll(60)).unwrap().min(until_line - fed);
            let chunk: String = (fed..fed + count)
                .map(|number| line(start, number))
                .collect();
            let (head, tail) =
                chunk.split_at(usize::try_from(dice.roll(chunk.len() as u64 + 1)).unwrap());
            home.append("auth.log", head);
            pause(Duration::from_micros(dice.roll(3000)));
            home.append("auth.log", tail);
            fed += count;
        }
        pause(Duration::from_millis(dice.roll(120)));
        node.kill();
    }
    home.configure(&format!(
        "console.enabled = false\n{}",
        home.source("auth.log", false)
    ));
    home.run_until_end();
    assert_exactly_once(&home, lines_total);
    // A second look changes nothing.
    home.run_until_end();
    assert_exactly_once(&home, lines_total);
    let calm = Home::new();
    let log = std::fs::read(home.path("auth.log")).unwrap();
    std::fs::create_dir(calm.path("x")).unwrap();
    // The same path, for ids name the stream.
    let path = home.path("auth.log").display().to_string();
    calm.configure(&format!("console.enabled = false\n[[source]]\nfile = {path:?}\nfollow = false\nformat = \"syslog\"\n"));
    assert_eq!(
        log.iter().filter(|byte| **byte == b'\n').count(),
        usize::try_from(lines_total).unwrap()
    );
    calm.run_until_end();
    assert_exactly_once(&calm, lines_total);
    assert_eq!(findings(&home), findings(&calm));
    assert!(findings(&calm).len() >= 7);
}

#[test]
fn killed_while_it_catches_up_the_rest_is_read_once() {
    let home = Home::new();
    let start = SystemClock.now().minus(Duration::from_secs(120));
    let count = 40_000;
    let log: String = (0..count).map(|number| line(start, number)).collect();
    home.write("auth.log", log);
    home.configure(&format!(
        "console.enabled = false\n{}",
        home.source("auth.log", false)
    ));
    let mut dice = Dice(0x5eed_0002);
    let mut held = 0;
    let mut parts = 0;
    for _ in 0..6 {
        let node = Running::spawn(home.command(&["run"]));
        node.wait_for("ready");
        // It may be reading again what the log holds already, or be beyond that.
        let more = usize::try_from(dice.roll(3)).unwrap() * 1500;
        until("part of the file", || {
            (home.logged().len() >= held + more).then_some(())
        });
        node.kill();
        held = home.logged().len();
        parts += u32::from(held < usize::try_from(count).unwrap());
    }
    assert!(parts >= 3, "the kills came too late to tell anything");
    home.run_until_end();
    assert_exactly_once(&home, count);
}

/// The recording of a real attack, in pieces with an end of the node between them.
#[test]
fn a_recorded_attack_is_judged_the_same_with_stops_in_between() {
    let text = std::str::from_utf8(vertice::demo::AUTH_LOG).unwrap();
    let all: Vec<&str> = text.split_inclusive('\n').collect();
    let home = Home::new();
    let basis = "console.enabled = false";
    home.configure(&format!("{basis}\n{}", home.source("auth.log", false)));
    home.write("auth.log", "");
    let mut dice = Dice(0x5eed_0004);
    let mut fed = 0;
    while fed < all.len() {
        let count = 1 + usize::try_from(dice.roll(40)).unwrap();
        let piece = all[fed..all.len().min(fed + count)].concat();
        home.append("auth.log", piece);
        fed += count;
        home.run_until_end();
    }
    let calm = Home::new();
    let path = home.path("auth.log").display().to_string();
    calm.configure(&format!(
        "{basis}\n[[source]]\nfile = {path:?}\nfollow = false\nformat = \"syslog\"\n"
    ));
    calm.run_until_end();
    assert_eq!(home.logged().len(), calm.logged().len());
    let bodies = |home: &Home| -> Vec<event::Body> {
        home.logged().into_iter().map(|event| event.body).collect()
    };
    for (interrupted, whole) in bodies(&home).iter().zip(&bodies(&calm)) {
        assert_eq!(interrupted, whole);
    }
    assert_eq!(findings(&home), findings(&calm));
    assert!(!findings(&calm).is_empty());
}
