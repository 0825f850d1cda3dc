//! A running node in mode observe, without privileges: what it sees, remembers and never does.

use std::collections::BTreeMap;
use std::net::UdpSocket;

use event::{Entity, Gate, Incident, Mode, Outcome, Receipt, Role};
use response::playbook::{PlanContext, Playbook, Playbooks};
use store::{IncidentQuery, ReceiptQuery, Store};

use crate::home::{Home, children, until};
use crate::lines;

fn incidents(home: &Home) -> Vec<Incident> {
    home.store().incidents(&IncidentQuery::default()).unwrap()
}

fn receipts(home: &Home) -> Vec<Receipt> {
    let query = ReceiptQuery {
        limit: 1000,
        ..ReceiptQuery::default()
    };
    home.store().receipts(&query).unwrap()
}

/// Everything that a restart must not change, by name.
fn tally(home: &Home) -> BTreeMap<&'static str, Vec<String>> {
    let store = home.store();
    let incidents = incidents(home);
    let findings = incidents
        .iter()
        .flat_map(|incident| store.findings_of(incident.id, 1000).unwrap());
    let findings: Vec<String> = findings.map(|finding| finding.id.to_string()).collect();
    let events = home
        .logged()
        .iter()
        .map(|event| event.id.to_string())
        .collect();
    let letters = store.dead_letters(1000).unwrap();
    BTreeMap::from([
        ("events", events),
        ("findings", findings),
        (
            "incidents",
            incidents
                .iter()
                .map(|incident| incident.id.to_string())
                .collect(),
        ),
        (
            "receipts",
            receipts(home)
                .iter()
                .map(|receipt| receipt.id.to_string())
                .collect(),
        ),
        (
            "dead letters",
            letters
                .iter()
                .map(|letter| letter.position.to_string())
                .collect(),
        ),
    ])
}

#[test]
fn an_attack_is_seen_planned_and_explained_and_nothing_is_done() {
    let home = Home::new();
    home.follow("auth.log", "");
    home.append("auth.log", lines::guessing("192.0.2.99", 2));
    let node = home.start(&[]);
    assert_eq!(incidents(&home).len(), 0);
    home.append("auth.log", lines::guessing("203.0.113.7", 40));
    let found = until("a block that is only simulated", || {
        let all = receipts(&home);
        all.into_iter()
            .find(|receipt| receipt.action.kind().word() == "net.block_ip")
    });
    assert_eq!(found.action.target(), "203.0.113.7");
    for receipt in receipts(&home) {
        assert_eq!(receipt.outcome, Outcome::Simulated, "{}", receipt.detail);
        assert_eq!(receipt.undo, "", "what was not done cannot be undone");
        assert_eq!(receipt.expires, None);
    }
    assert_eq!(
        children(node.pid()),
        [],
        "no privileged process in mode observe"
    );
    let walk = home
        .vertice(&["explain", &found.id.to_string()])
        .expect(0)
        .out;
    for word in [
        "net.block_ip 203.0.113.7",
        "brute_force_response",
        "203.0.113.7 failed",
        "auth.log at ",
    ] {
        assert!(walk.contains(word), "{word}: {walk}");
    }
    assert!(
        walk.contains("Failed password for root from 203.0.113.7 port 40000 ssh2"),
        "{walk}"
    );
    let said = node.stop();
    assert!(said.contains("mode observe"), "{said}");
}

#[test]
fn restarts_neither_lose_nor_repeat() {
    let home = Home::new();
    home.follow("auth.log", "");
    home.append("auth.log", "what is this\n");
    home.append("auth.log", lines::guessing("203.0.113.7", 40));
    let node = home.start(&[]);
    until("all events", || (home.logged().len() == 40).then_some(()));
    node.stop();
    let before = tally(&home);
    assert_eq!(before["dead letters"].len(), 1);
    assert!(!before["receipts"].is_empty());
    // In order, killed, and in order again: with nothing new to read.
    home.start(&[]).stop();
    assert_eq!(tally(&home), before);
    home.start(&[]).kill();
    assert_eq!(tally(&home), before);
    let node = home.start(&[]);
    home.append("auth.log", lines::guessing("192.0.2.99", 1));
    until("the new event", || {
        (home.logged().len() == 41).then_some(())
    });
    node.stop();
    let mut after = tally(&home);
    after.get_mut("events").unwrap().pop();
    assert_eq!(after, before);
}

#[test]
fn bad_lines_are_kept_apart_and_counted() {
    let home = Home::new();
    home.follow("auth.log", "");
    home.append(
        "auth.log",
        b"\x00\x01\x02\xff\n\n# a comment\nno time, no host\n",
    );
    home.append("auth.log", vec![b'A'; 1_500_000]);
    home.append("auth.log", "\n");
    home.append("auth.log", lines::guessing("203.0.113.7", 30));
    let node = home.start(&[]);
    until("all events", || (home.logged().len() == 30).then_some(()));
    let source = until("the source's account", || {
        let status = home
            .vertice(&["--json", "status"])
            .expect(0)
            .json()
            .remove(0);
        let source = status["sources"][0].clone();
        (source["kept"] == 30).then_some(source)
    });
    let count = |name: &str| source[name].as_u64().unwrap();
    assert_eq!(count("lines"), 35);
    assert_eq!(
        count("lines"),
        count("kept") + count("dropped") + count("bad")
    );
    let letters = home.store().dead_letters(100).unwrap();
    assert_eq!(letters.len() as u64, count("bad"));
    assert!(
        letters
            .iter()
            .any(|letter| letter.bytes == b"\x00\x01\x02\xff"),
        "the bytes as they came"
    );
    assert!(letters.iter().all(|letter| !letter.reason.is_empty()));
    node.stop();
}

/// What the shipped playbooks would do about an incident if the matrix alone decided.
fn planned(incident: &Incident) -> Vec<event::Plan> {
    let shipped = Playbooks::embedded().into_iter();
    let parsed = shipped.map(|(_, text)| Playbook::parse(text).unwrap());
    let playbooks = Playbooks::new(parsed.collect()).unwrap();
    let rails = response::rails::Rails::default();
    let context = PlanContext {
        mode: Mode::Act,
        now: incident.last,
        rails: &rails,
        relapses: &|_, _, _| 0,
        connections: &|_| None,
    };
    playbooks.plan(incident, &context)
}

/// Who the findings say it was, and whom the plans touch.
fn accused(home: &Home) -> Vec<String> {
    let store = home.store();
    let mut found = Vec::new();
    for incident in incidents(home) {
        let sources = |finding: event::Finding| {
            let named: Vec<String> = finding
                .in_role(Role::Source)
                .map(|entity| format!("{entity:?}"))
                .collect();
            named
        };
        found.extend(
            store
                .findings_of(incident.id, 1000)
                .unwrap()
                .into_iter()
                .flat_map(sources),
        );
        let steps = planned(&incident).into_iter().flat_map(|plan| plan.steps);
        found.extend(steps.map(|step| step.action.target()));
    }
    found.extend(receipts(home).iter().map(|receipt| receipt.action.target()));
    found
}

#[test]
fn a_user_name_that_forges_an_address_never_blocks_it() {
    let home = Home::new();
    home.configure(&home.source("auth.log", false));
    for name in [
        "root from 8.8.8.8",
        "root from 8.8.8.8 port 22 ssh2",
        "invalid user x from 8.8.8.8 port 22 ssh2",
        "rhost=8.8.8.8",
        "x from 8.8.8.8 port 1 ssh2: Failed password for root from 8.8.8.8 port 22",
        "::ffff:8.8.8.8 from ::ffff:8.8.8.8",
    ] {
        let honest = lines::guessing("203.0.113.9", 40);
        home.append(
            "auth.log",
            honest.replace("for root from", &format!("for {name} from")),
        );
        let invalid = lines::guessing("203.0.113.9", 40);
        let line = format!("Invalid user {name} from");
        home.append(
            "auth.log",
            invalid
                .replace("Failed password for root from", &line)
                .replace(" ssh2", ""),
        );
    }
    // The line of the fail2ban CVE class, as in the issue.
    let forged = lines::guessing("10.0.0.1", 40).replace("root from", "root from 8.8.8.8 from");
    home.append("auth.log", forged);
    home.run_until_end();
    let accused = accused(&home);
    assert!(
        accused.iter().any(|who| who.contains("203.0.113.9")),
        "{accused:?}"
    );
    assert!(
        accused.iter().any(|who| who.contains("10.0.0.1")),
        "{accused:?}"
    );
    assert!(
        !accused.iter().any(|who| who.contains("8.8.8.8")),
        "{accused:?}"
    );
}

#[test]
fn addresses_in_disguise_never_widen_a_block() {
    let home = Home::new();
    home.configure(&home.source("auth.log", false));
    for source in [
        "0.0.0.0/0",
        "127.1",
        "0177.0.0.1",
        "fe80::1%eth0",
        "::ffff:127.0.0.1",
        "255.255.255.255",
        "0x7f.0.0.1",
        "::",
        "224.0.0.1",
    ] {
        home.append("auth.log", lines::guessing(source, 40));
    }
    home.append("auth.log", lines::guessing("::ffff:203.0.113.7", 40));
    home.run_until_end();
    let targets: Vec<String> = receipts(&home)
        .iter()
        .filter(|receipt| receipt.outcome == Outcome::Simulated)
        .map(|receipt| receipt.action.target())
        .collect();
    assert!(!targets.is_empty());
    for target in targets {
        assert_eq!(
            target, "203.0.113.7",
            "a mapped address is its IPv4 address, the others are nobody's"
        );
    }
}

#[test]
fn what_anyone_could_have_sent_never_acts_by_itself() {
    let home = Home::new();
    let free = UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    home.configure(&format!("[[source]]\nudp = \"{free}\"\n"));
    let node = home.start(&[]);
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    for line in lines::guessing("203.0.113.7", 60).lines() {
        let message = format!("<38>{line}");
        sender.send_to(message.as_bytes(), free).unwrap();
    }
    let incident = until("an incident", || incidents(&home).pop());
    until("every datagram", || {
        (home.logged().len() == 60).then_some(())
    });
    node.stop();
    assert!(incident.spoofable && incident.latest.spoofable);
    assert!(home.logged().iter().all(|event| event.spoofable));
    assert!(
        incident.entities.iter().any(
            |found| matches!(&found.entity, Entity::Ip(ip) if ip.to_string() == "203.0.113.7")
        )
    );
    let plans = planned(&incident);
    assert!(!plans.is_empty());
    for step in plans.iter().flat_map(|plan| &plan.steps) {
        let waits = matches!(step.gate, Gate::Approve { .. } | Gate::Deny);
        assert!(
            waits,
            "{}: {:?}, {}",
            step.sentence, step.gate, step.gate_why
        );
    }
}

#[test]
fn standard_input_is_read_to_its_end() {
    let home = Home::new();
    home.configure("[[source]]\nfile = \"-\"\nfollow = false\n");
    let input = lines::guessing("203.0.113.7", 40);
    home.vertice_reading(&["run", "--until-end"], input.as_bytes())
        .expect(0);
    assert_eq!(home.logged().len(), 40);
    assert_eq!(incidents(&home).len(), 1);
}

#[test]
fn clocks_that_are_wrong_lose_nothing() {
    let home = Home::new();
    home.configure(&home.source("auth.log", false));
    let line = |year: &str| lines::guessing("203.0.113.7", 30).replacen("2026", year, 30);
    for year in ["1970", "1999", "2099", "9999", "0001"] {
        home.append("auth.log", line(year));
    }
    home.append("auth.log", lines::guessing("203.0.113.8", 30));
    home.run_until_end();
    let store = home.store();
    assert_eq!(
        home.logged().len() + store.dead_letters(1000).unwrap().len(),
        180
    );
    let accused = accused(&home);
    assert!(
        accused.iter().any(|who| who.contains("203.0.113.8")),
        "{accused:?}"
    );
}

/// The files of the event log.
fn segments(home: &Home) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(home.state().join("log")).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.metadata().unwrap().len() > 0);
    files.sort();
    files
}

#[test]
fn a_damaged_log_is_said_and_reading_goes_on() {
    let home = Home::new();
    home.follow("auth.log", "");
    home.append("auth.log", lines::guessing("203.0.113.7", 40));
    let node = home.start(&[]);
    until("all events", || (home.logged().len() == 40).then_some(()));
    node.stop();
    let path = segments(&home).pop().unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    std::fs::write(&path, &bytes).unwrap();
    let held = home.logged().len();
    assert!(held < 40, "a flipped bit is noticed");
    let node = home.start(&[]);
    home.append("auth.log", lines::guessing("192.0.2.99", 3));
    until("the new events", || {
        (home.logged().len() == held + 3).then_some(())
    });
    node.stop();
    home.vertice(&["audit", "verify"]).expect(0);
    assert_eq!(incidents(&home).len(), 1);
}

#[test]
fn a_torn_end_of_the_log_is_cut_and_read_again() {
    let home = Home::new();
    home.follow("auth.log", "");
    let node = home.start(&[]);
    home.append("auth.log", lines::guessing("203.0.113.7", 40));
    until("all events", || (home.logged().len() == 40).then_some(()));
    until("the incident", || incidents(&home).pop());
    node.kill();
    let path = segments(&home).pop().unwrap();
    let length = path.metadata().unwrap().len();
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_len(length - 7).unwrap();
    let node = home.start(&[]);
    until("all events again", || {
        (home.logged().len() == 40).then_some(())
    });
    node.stop();
    assert_eq!(incidents(&home).len(), 1);
}

#[test]
fn a_state_file_that_is_none_is_refused_and_left_alone() {
    let home = Home::new();
    home.follow("auth.log", "");
    home.start(&[]).stop();
    let path = home.state().join("state.db");
    let garbage = vec![0x5a; 100_000];
    for name in ["state.db-wal", "state.db-shm"] {
        std::fs::remove_file(home.state().join(name)).unwrap_or_default();
    }
    std::fs::write(&path, &garbage).unwrap();
    home.vertice(&["run"]).refused(70);
    home.vertice(&["incidents"]).refused(4);
    assert_eq!(
        std::fs::read(&path).unwrap(),
        garbage,
        "for whoever wants to save what is left"
    );
}
