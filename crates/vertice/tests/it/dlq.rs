//! What leaves the node by its topics, and what comes back from the dead letters.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bus::{Bus, Embedded, Limits, Message, Topic};
use event::Incident;
use event::journal::JournalEntry;
use store::{Outbox, Store};
use vertice::topics::Topics;

use crate::home::{Home, until};
use crate::lines;

/// All messages of a topic of a node that has ended.
fn messages(home: &Home, topic: Topic) -> Vec<Message> {
    let topics = Topics::new(&home.state(), &vertice::config::Topics::default());
    let bus = Embedded::new(topics, Limits::default());
    let reader = bus.subscribe(topic, "it").unwrap();
    let mut all = Vec::new();
    loop {
        let some = bus.poll(&reader, 1000, Duration::ZERO).unwrap();
        if some.is_empty() {
            return all;
        }
        all.extend(some.into_iter().map(|delivery| delivery.message));
    }
}

/// What the journal holds, by topic.
fn journalled(home: &Home) -> BTreeMap<Topic, Vec<serde_json::Value>> {
    let mut found: BTreeMap<Topic, Vec<serde_json::Value>> = BTreeMap::new();
    for (_, record) in home.store().journal(0, 10_000).unwrap() {
        let (topic, noun) = match record.entry {
            JournalEntry::Planned { plan } => (Topic::PLANS, serde_json::to_value(plan)),
            JournalEntry::Gate { approval } => (Topic::APPROVALS, serde_json::to_value(approval)),
            JournalEntry::Receipt { receipt } => (Topic::RECEIPTS, serde_json::to_value(receipt)),
            _ => continue,
        };
        found.entry(topic).or_default().push(noun.unwrap());
    }
    found
}

fn nouns(messages: &[Message]) -> Vec<serde_json::Value> {
    let read = |message: &Message| serde_json::from_slice(&message.bytes).unwrap();
    messages.iter().map(read).collect()
}

#[test]
fn each_topic_holds_exactly_what_was_produced() {
    let home = Home::new();
    home.write("auth.log", vertice::demo::AUTH_LOG);
    home.configure(&home.source("auth.log", false));
    home.run_until_end();
    home.run_until_end(); // a second run publishes nothing again
    let journalled = journalled(&home);
    assert!(!journalled[&Topic::PLANS].is_empty());
    for topic in [Topic::APPROVALS, Topic::PLANS, Topic::RECEIPTS] {
        let produced = journalled.get(&topic).cloned().unwrap_or_default();
        assert_eq!(nouns(&messages(&home, topic)), produced, "{topic}");
    }
    let store = home.store();
    let findings = store.outbox(Outbox::Findings, 0, 10_000).unwrap();
    assert!(!findings.is_empty());
    let published = messages(&home, Topic::FINDINGS);
    assert!(published.iter().all(|message| message.key == "it"));
    let bodies: Vec<&[u8]> = findings.iter().map(|row| row.body.as_bytes()).collect();
    let published: Vec<&[u8]> = published.iter().map(|row| row.bytes.as_slice()).collect();
    assert_eq!(published, bodies);
    let audit = messages(&home, Topic::AUDIT);
    assert_eq!(audit.len() as u64, store.journal_head().unwrap());
    let mut last: BTreeMap<String, Incident> = BTreeMap::new();
    for message in messages(&home, Topic::INCIDENTS) {
        let incident = serde_json::from_slice(&message.bytes).unwrap();
        last.insert(message.key, incident);
    }
    let rows = store.outbox(Outbox::Incidents, 0, 10_000).unwrap();
    assert_eq!(rows.len(), last.len());
    for row in rows {
        let incident: Incident = serde_json::from_str(&row.body).unwrap();
        assert_eq!(last[&incident.id.to_string()], incident, "the last state");
    }
}

/// A node that read its log with the wrong format: everything is a dead letter.
fn poisoned() -> (Home, usize) {
    let home = Home::new();
    let good = lines::guessing("203.0.113.66", 30);
    home.write(
        "auth.log",
        [good.as_bytes(), b"\x01\x02 \xff poison\n"].concat(),
    );
    let wrong = home
        .source("auth.log", false)
        .replace("\"syslog\"", "\"eve\"");
    home.configure(&wrong);
    home.run_until_end();
    assert_eq!(home.logged(), []);
    (home, 31)
}

#[test]
fn dead_letters_are_listed_without_a_node_and_escaped() {
    let (home, count) = poisoned();
    let listed = home.vertice(&["--json", "dlq", "list"]).expect(0).json();
    assert_eq!(listed.len(), count);
    let newest = &listed[0];
    assert_eq!(newest["bytes"], "␁␂ \u{fffd} poison");
    assert_eq!(
        (&newest["stage"], &newest["length"]),
        (&"parse".into(), &11.into())
    );
    assert!(newest["reason"].as_str().is_some_and(|why| !why.is_empty()));
    let few = home.vertice(&["dlq", "list", "--limit", "1"]).expect(0);
    assert_eq!(few.out.lines().count(), 3, "{}", few.out);
    assert!(!few.out.contains('\u{1}'));
    home.vertice(&["dlq", "replay", "1"]).refused(4);
    home.vertice(&["dlq", "replay"]).refused(2);
    home.vertice(&["dlq", "replay", "1", "--all"]).refused(2);
}

#[test]
fn letters_become_events_once_their_parser_understands_them() {
    let (home, count) = poisoned();
    home.follow("auth.log", "");
    let node = home.start(&[]);
    let first = home
        .vertice(&["--json", "dlq", "replay", "1"])
        .expect(0)
        .json();
    assert_eq!(first[0]["became"], "event");
    let logged = home.logged();
    assert_eq!(logged.len(), 1, "no more than was asked for");
    assert_eq!(first[0]["detail"], logged[0].id.to_string());
    let again = home
        .vertice(&["--json", "dlq", "replay", "1"])
        .expect(1)
        .json();
    assert_eq!(again[0]["became"], "gone");
    let all = home
        .vertice(&["--json", "dlq", "replay", "--all"])
        .expect(1)
        .json();
    let became = |word: &str| all.iter().filter(|one| one["became"] == word).count();
    assert_eq!((became("event"), became("bad")), (count - 2, 1), "{all:?}");
    let left = home.vertice(&["--json", "dlq", "list"]).expect(0).json();
    assert_eq!(left.len(), 1);
    assert_eq!(home.logged().len(), count - 1);
    assert_eq!(
        home.store().incident_counts().unwrap().len(),
        1,
        "they go the way of every event"
    );
    node.stop();
    assert_eq!(home.logged().len(), count - 1, "kept");
    home.vertice(&["audit", "verify"]).expect(0);
}

#[test]
fn letters_replayed_are_the_events_that_they_would_have_been() {
    let (replayed, _) = poisoned();
    replayed.follow("auth.log", "");
    let node = replayed.start(&[]);
    replayed.vertice(&["dlq", "replay", "--all"]).expect(1);
    node.stop();
    let direct = Home::new();
    direct.configure(&replayed.source("auth.log", false));
    direct.run_until_end();
    let ids = |home: &Home| -> Vec<String> {
        home.logged()
            .iter()
            .map(|event| event.id.to_string())
            .collect()
    };
    assert_eq!(ids(&replayed), ids(&direct));
}

#[test]
fn a_killed_node_loses_nothing_on_its_topics() {
    let home = Home::new();
    home.write("auth.log", "");
    home.follow("auth.log", "");
    for number in 1..=4 {
        let node = home.start(&[]);
        home.append(
            "auth.log",
            lines::guessing(&format!("203.0.113.{number}"), 30),
        );
        let store = home.store();
        until("a finding", || {
            let head = store.outbox_head(Outbox::Findings).unwrap();
            (head >= number).then_some(())
        });
        node.kill(); // at once: on the topic or not, with its place kept or not
    }
    home.start(&[]).stop();
    let store = home.store();
    let produced = store.outbox(Outbox::Findings, 0, 10_000).unwrap();
    let produced: BTreeSet<Vec<u8>> = produced.into_iter().map(|row| row.body.into()).collect();
    let published = messages(&home, Topic::FINDINGS);
    let published: BTreeSet<Vec<u8>> = published.into_iter().map(|row| row.bytes).collect();
    assert!(produced.len() >= 4);
    assert_eq!(published, produced);
    let audited = nouns(&messages(&home, Topic::AUDIT));
    let audited: BTreeSet<u64> = audited
        .iter()
        .filter_map(|row| row["sequence"].as_u64())
        .collect();
    assert_eq!(audited, (1..=store.journal_head().unwrap()).collect());
}
