//! What is planned: triggers, gates, ladders, ids, hashes, and what never becomes an action.

use event::{Action, Address, Gate};
use proptest::prelude::*;

use super::*;

fn planned(incident: &Incident) -> Vec<Plan> {
    embedded().plan(incident, &context(&Rails::default()))
}

fn words(plans: &[Plan]) -> Vec<String> {
    let steps = plans.iter().flat_map(|plan| &plan.steps);
    let words = steps.map(|step| format!("{} {:?}: {}", step.id, step.gate, step.sentence));
    words.collect()
}

fn route(technique: &str, severity: Severity) -> Vec<String> {
    let plans = planned(&incident(technique, 0.95, severity));
    plans.into_iter().map(|plan| plan.playbook).collect()
}

const APPROVE: Gate = crate::gates::approve(1);

fn source(incident: &mut Incident, address: &str) {
    let address: Address = address.parse().unwrap();
    incident
        .latest
        .entities
        .retain(|entity| entity.role != Role::Source);
    let source = EntityRef::new(Role::Source, Entity::Ip(address));
    incident.latest.entities.push(source);
}

#[test]
fn brute_force_is_slowed_then_blocked_then_blocked_for_long() {
    let slow = "slow Auto: Limit 203.0.113.7 to 5/min for 5 min";
    let mut found = incident("T1110.001", 0.55, Severity::High);
    assert_eq!(words(&planned(&found)), [slow]);
    found = incident("T1110.001", 0.75, Severity::High);
    let block = "block Auto: Block 203.0.113.7 for 10 min";
    assert_eq!(words(&planned(&found)), [slow, block]);
    for fact in [("success_after_failures", 1.0), ("distinct_users", 10.0)] {
        found = incident("T1110.003", 0.95, Severity::High);
        found.latest.facts.insert(fact.0.into(), fact.1);
        let long = "block_long Auto: Block 203.0.113.7 for 1 d";
        assert_eq!(words(&planned(&found)), [slow, block, long]);
    }
    found.confidence = Confidence::clamped(0.49);
    let shown = [
        "slow Deny: Limit 203.0.113.7 to 10/min for 10 min",
        "block Deny: Block 203.0.113.7 for 30 min",
    ];
    assert_eq!(words(&planned(&found)), shown);
}

#[test]
fn rt4_sub_techniques_and_scans_reach_a_playbook() {
    for technique in ["T1110", "T1110.001", "T1110.003", "T1110.004"] {
        assert_eq!(
            route(technique, Severity::Medium),
            ["brute_force_response"],
            "{technique}"
        );
    }
    assert_eq!(route("T1046", Severity::Low), ["default_high_severity"]);
    for technique in [
        "T1059.001",
        "T1021.002",
        "T1048.003",
        "T1486",
        "T1071.001",
        "T1078",
    ] {
        assert_eq!(
            route(technique, Severity::High),
            ["default_high_severity"],
            "{technique}"
        );
        assert!(route(technique, Severity::Medium).is_empty(), "{technique}");
    }
}

#[test]
fn the_ladder_climbs_with_each_relapse() {
    let found = incident("T1110", 0.95, Severity::High);
    let rails = Rails::default();
    let mut rungs = Vec::new();
    for relapses in [0, 1, 2, 3, 4, u32::MAX] {
        let ask = |playbook: &str, key: &str, step: &str| {
            assert_eq!((playbook, key), ("brute_force_response", "203.0.113.7"));
            if step == "block" { relapses } else { 0 }
        };
        let context = PlanContext {
            relapses: &ask,
            ..context(&rails)
        };
        let plan = embedded().plan(&found, &context).remove(0);
        rungs.push(plan.steps[1].sentence.clone());
        assert_eq!(plan.steps[1].relapse, relapses);
    }
    let rungs: Vec<&str> = rungs
        .iter()
        .filter_map(|words| words.strip_prefix("Block 203.0.113.7 for "))
        .collect();
    assert_eq!(
        rungs,
        ["10 min", "40 min", "160 min", "640 min", "1 d", "1 d"]
    );
}

#[test]
fn an_automatic_block_is_short_unless_we_are_certain() {
    let mut found = incident("T1110", 0.80, Severity::High);
    found
        .latest
        .facts
        .insert("success_after_failures".into(), 1.0);
    assert_eq!(
        words(&planned(&found))[2],
        "block_long Auto: Block 203.0.113.7 for 1 h"
    );
    found.spoofable = true; // a person decides, so the playbook's own time holds
    let long = format!("block_long {APPROVE:?}: Block 203.0.113.7 for 1 d");
    assert_eq!(words(&planned(&found))[2], long);
}

#[test]
fn each_source_of_one_finding_gets_its_own_run() {
    let mut found = incident("T1110", 0.95, Severity::High);
    for host in 1..=100 {
        let address: Address = format!("198.51.100.{host}").parse().unwrap();
        found
            .latest
            .entities
            .push(EntityRef::new(Role::Source, Entity::Ip(address)));
    }
    let plans = planned(&found);
    assert_eq!(plans.len(), 64);
    assert!(
        plans[0]
            .sentence
            .ends_with("(64 of 101 targets of this finding)"),
        "{}",
        plans[0].sentence
    );
    let keys: std::collections::BTreeSet<&str> =
        plans.iter().map(|plan| plan.key.as_str()).collect();
    let ids: std::collections::BTreeSet<String> =
        plans.iter().map(|plan| plan.id.to_string()).collect();
    assert_eq!((keys.len(), ids.len()), (64, 64));
}

#[test]
fn a_key_of_many_values_stays_small() {
    let text = "\
vertice: playbook/v1
name: wide
version: 1
when: 'true'
key: [user, src.host, dst.host, src.ip]
inputs: {src.ip: ip, src.host: host, dst.host: host, user: user}
limits: {deadline: 2h, max_actions: 20, max_ttl: 24h}
steps: [{id: slow, do: net.rate_limit, with: {ip: src.ip, rate: 5/min}, ttl: 5m}]
";
    let playbook = Playbook::parse(text.as_bytes()).unwrap();
    let mut found = incident("T1110", 0.95, Severity::High);
    for index in 0..300 {
        let name = Name::new(&format!("name{index}"));
        let address: Address = format!("2001:db8::{index:x}").parse().unwrap();
        found.latest.entities.extend([
            EntityRef::new(Role::Target, Entity::User(name.clone())),
            EntityRef::new(Role::Source, Entity::Host(name.clone())),
            EntityRef::new(Role::Destination, Entity::Host(name)),
            EntityRef::new(Role::Source, Entity::Ip(address)),
        ]);
    }
    let run = dry_run(&playbook, &found, &context(&Rails::default()));
    assert_eq!(run.more.len(), 63);
    let sentence = run.plan.unwrap().sentence;
    let targets = 301_u64 * 300 * 301 * 301;
    assert!(
        sentence.ends_with(&format!("(64 of {targets} targets of this finding)")),
        "{sentence}"
    );
}

#[test]
fn spoofable_records_never_act_by_themselves() {
    for mark in 0..2 {
        let mut found = incident("T1110", 0.99, Severity::Critical);
        if mark == 0 {
            found.spoofable = true;
        } else {
            found.latest.spoofable = true; // the incident as a whole rests on better records
        }
        let plan = planned(&found).remove(0);
        assert!(plan.spoofable);
        assert!(plan.steps.iter().all(|step| step.gate == APPROVE));
    }
}

#[test]
fn an_address_of_an_older_finding_is_never_a_target() {
    let mut found = incident("T1110", 0.99, Severity::Critical);
    found.latest.entities.clear();
    assert!(planned(&found).is_empty());
    let run = dry_run(&embedded().list()[0], &found, &context(&Rails::default()));
    assert_eq!(
        (run.matched, run.why.as_str()),
        (false, "the newest finding names no src.ip")
    );
}

#[test]
fn a_closed_incident_is_left_alone() {
    let mut found = incident("T1110", 0.99, Severity::Critical);
    found.state = IncidentState::Closed;
    assert!(planned(&found).is_empty());
    let run = dry_run(&embedded().list()[0], &found, &context(&Rails::default()));
    assert_eq!(
        (run.matched, run.why.as_str()),
        (false, "the incident is closed")
    );
}

#[test]
fn rails_become_gates() {
    let rails = Rails {
        never_block: vec![("203.0.113.1/32".parse().unwrap(), "default gateway".into())],
        critical: vec!["10.0.0.53/32".parse().unwrap()],
        ..Rails::default()
    };
    let gates = |address: &str| {
        let mut found = incident("T1110", 0.95, Severity::High);
        source(&mut found, address);
        let plan = embedded().plan(&found, &context(&rails)).remove(0);
        plan.steps
            .into_iter()
            .map(|step| (step.gate, step.gate_why))
            .collect::<Vec<_>>()
    };
    for address in [
        "203.0.113.1",
        "::ffff:203.0.113.1",
        "2002:cb00:7101::1",
        "127.0.0.1",
        "::1",
        "0.0.0.0",
        "255.255.255.255",
    ] {
        assert!(
            gates(address).iter().all(|(gate, _)| *gate == Gate::Deny),
            "{address}"
        );
    }
    assert_eq!(
        gates("203.0.113.1")[1].1,
        "rail never_block: 203.0.113.1/32 overlaps 203.0.113.1/32, which is never blocked: default gateway"
    );
    let internal = gates("10.1.2.3");
    assert_eq!(internal[0].0, Gate::Ratify { seconds: 900 });
    assert_eq!(internal[1].0, APPROVE);
    assert!(
        internal[1]
            .1
            .ends_with("no automatic block of an internal source"),
        "{}",
        internal[1].1
    );
    assert_eq!(gates("10.0.0.53")[0].0, Gate::Veto { seconds: 120 });
}

#[test]
fn mode_ask_makes_everything_wait() {
    let rails = Rails::default();
    let context = PlanContext {
        mode: Mode::Ask,
        ..context(&rails)
    };
    let plan = embedded()
        .plan(&incident("T1110", 0.95, Severity::High), &context)
        .remove(0);
    assert!(plan.steps.iter().all(|step| step.gate == APPROVE));
}

#[test]
fn the_blast_radius_counts_connections() {
    let rails = Rails::default();
    for (count, note) in [
        (Some(3), "3 connections open to it now"),
        (Some(1), "1 connection open to it now"),
        (None, "may hurt everybody"),
    ] {
        let context = PlanContext {
            connections: &|_| count,
            ..context(&rails)
        };
        let plan = embedded()
            .plan(&incident("T1110", 0.95, Severity::High), &context)
            .remove(0);
        let blast = &plan.steps[1].blast;
        assert!(blast.notes[0].starts_with(note), "{blast:?}");
        assert_eq!((blast.addresses, blast.internal), (1, false));
    }
}

#[test]
fn a_step_is_left_out_with_those_that_wait_for_it() {
    let text = "\
vertice: playbook/v1
name: chain
version: 1
when: 'true'
key: [src.ip, dst.ip]
inputs: {src.ip: ip, dst.ip: ip, user: {type: user, optional: true}}
limits: {deadline: 2h, max_actions: 20, max_ttl: 24h}
steps:
  - {id: last, do: net.block_egress, with: {ip: dst.ip, port: 443}, ttl: 5m, after: [middle]}
  - {id: middle, do: net.block_ip, with: {ip: src.ip}, ttl: 5m, after: [first]}
  - {id: first, if: 'user == \"mallory\"', do: net.block_ip, with: {ip: src.ip, prefix_v4: 24}, ttl: 5m}
";
    let playbook = Playbook::parse(text.as_bytes()).unwrap();
    let mut found = incident("T1110", 0.95, Severity::High);
    let destination = Entity::Ip("198.51.100.9".parse().unwrap());
    found
        .latest
        .entities
        .push(EntityRef::new(Role::Destination, destination));
    let rails = Rails::default();
    let left_out = dry_run(&playbook, &found, &context(&rails));
    assert_eq!((left_out.matched, left_out.plan), (true, None));
    assert_eq!(
        left_out.why,
        "when is met; \
        step first is left out: user == \"mallory\" is false; \
        step middle is left out: it waits for first, which is left out; \
        step last is left out: it waits for middle, which is left out; no step is left"
    );
    found
        .latest
        .entities
        .retain(|entity| entity.role != Role::Target);
    let missing = dry_run(&playbook, &found, &context(&rails)).why;
    assert!(
        missing.contains(
            "step first is left out: user == \"mallory\" cannot be told: user is missing"
        ),
        "{missing}"
    );
    found.latest.entities.push(EntityRef::new(
        Role::Target,
        Entity::User(Name::new("mallory")),
    ));
    let plan = dry_run(&playbook, &found, &context(&rails)).plan.unwrap();
    assert_eq!(plan.key, "203.0.113.7, 198.51.100.9");
    let expected = [
        format!("first {APPROVE:?}: Block 203.0.113.0/24 for 5 min"), // a range waits for a person
        "middle Auto: Block 203.0.113.7 for 5 min".into(),
        "last Auto: Block traffic to 198.51.100.9:443 for 5 min".into(),
    ];
    assert_eq!(words(&[plan]), expected);
}

#[test]
fn ids_and_hashes_are_deterministic_and_bind_what_matters() {
    let found = incident("T1110", 0.95, Severity::High);
    let rails = Rails::default();
    let plan =
        |found: &Incident, context: &PlanContext<'_>| embedded().plan(found, context).remove(0);
    let first = plan(&found, &context(&rails));
    assert_eq!(first, plan(&found, &context(&rails)));
    let id = event::PlanId::of(&[found.id.bytes(), b"brute_force_response", b"203.0.113.7"]);
    assert_eq!(first.id, id);
    let action = event::ActionId::of(&[id.bytes(), b"block", b"203.0.113.7", &0_u32.to_le_bytes()]);
    assert_eq!(first.steps[1].action_id, action);
    let later = PlanContext {
        now: Time::from_seconds(1_800_000_000),
        ..context(&rails)
    };
    assert_eq!(plan(&found, &later).hash, first.hash, "time is not bound");
    let again = Incident {
        revision: 7,
        ..found.clone()
    };
    let again = plan(&again, &context(&rails));
    assert_eq!((first.revision, again.revision), (1, 7));
    assert_eq!(
        again.hash, first.hash,
        "planning the same again voids no decision"
    );
    let relapsed = PlanContext {
        relapses: &|_, _, _| 1,
        ..context(&rails)
    };
    assert_ne!(plan(&found, &relapsed).hash, first.hash);
    assert_ne!(plan(&found, &relapsed).steps[1].action_id, action);
    let mut more = found;
    more.latest
        .facts
        .insert("success_after_failures".into(), 1.0);
    assert_eq!(plan(&more, &context(&rails)).id, first.id);
    assert_ne!(plan(&more, &context(&rails)).hash, first.hash);
}

#[test]
fn two_playbooks_of_one_name_are_refused() {
    let (_, text) = Playbooks::embedded()[0];
    let twice = vec![
        Playbook::parse(text).unwrap(),
        Playbook::parse(text).unwrap(),
    ];
    let problem = Playbooks::new(twice).unwrap_err();
    assert_eq!(
        problem.to_string(),
        "4:7: two playbooks are named brute_force_response"
    );
}

/// Texts that attackers put where names go.
const HOSTILE: [&str; 12] = [
    "{{7*7}}",
    "${jndi:ldap://x}",
    "$__ip__:value",
    "<!channel>",
    "[x](javascript:alert(1))",
    "<script>alert(1)</script>",
    "a\nadd element inet vertice block4 { 0.0.0.0/0 }",
    "\u{202e}7.311.0.302",
    "\u{1b}[2J",
    "-f",
    "../../etc/shadow",
    "0.0.0.0/0",
];

#[test]
fn hostile_text_never_reaches_an_action() {
    for text in HOSTILE {
        let mut found = incident("T1110", 0.95, Severity::High);
        let make: [fn(Name) -> Entity; 5] = [
            Entity::Host,
            Entity::User,
            Entity::Process,
            Entity::File,
            Entity::Domain,
        ];
        for make in make {
            for role in [
                Role::Source,
                Role::Destination,
                Role::Actor,
                Role::Target,
                Role::Observer,
            ] {
                found
                    .latest
                    .entities
                    .push(EntityRef::new(role, make(Name::new(text))));
            }
        }
        found.title = text.into();
        found.latest.facts.insert(text.into(), 1.0);
        found.latest.detector = Name::new(text);
        let plan = planned(&found).remove(0);
        assert_eq!(plan.key, "203.0.113.7");
        for step in &plan.steps {
            let shown = serde_json::to_string(&(
                &step.action,
                &step.diff,
                &step.sentence,
                &step.undo,
                &step.gate_why,
                &step.blast,
            ))
            .unwrap();
            assert!(!shown.contains(text), "{shown}");
        }
        let whole = plan
            .sentence
            .chars()
            .all(|character| !character.is_control() && character != '\u{202e}');
        assert!(whole, "{:?}", plan.sentence);
    }
}

fn entity() -> impl Strategy<Value = EntityRef> {
    let roles = [
        Role::Source,
        Role::Destination,
        Role::Actor,
        Role::Target,
        Role::Observer,
    ];
    let interesting = [
        "127.0.0.1",
        "203.0.113.1",
        "::ffff:203.0.113.1",
        "2002:cb00:7101::1",
        "10.0.0.1",
        "fe80::1",
        "0.0.0.0",
    ];
    let address = prop_oneof![
        any::<std::net::IpAddr>().prop_map(Address::from),
        prop::sample::select(interesting.to_vec()).prop_map(|text| text.parse().unwrap()),
    ];
    let entity = prop_oneof![
        address.prop_map(Entity::Ip),
        any::<String>().prop_map(|text| Entity::Host(Name::new(&text))),
        any::<String>().prop_map(|text| Entity::User(Name::new(&text))),
    ];
    (prop::sample::select(roles.to_vec()), entity)
        .prop_map(|(role, entity)| EntityRef::new(role, entity))
}

proptest! {
    /// Whatever an incident holds: a refused action is denied, what needs a person waits for one,
    /// and every target is an address that the newest finding named as a source.
    #[test]
    fn no_plan_acts_against_a_rail(
        entities in prop::collection::vec(entity(), 0..12),
        confidence in 0.0_f64..=1.0,
        severity in prop::sample::select(Severity::ALL.to_vec()),
        technique in prop::sample::select(vec!["T1110.001", "T1046", "T1486"]),
        spoofable: bool,
        success in 0.0_f64..=1.0,
    ) {
        let rails = Rails {
            never_block: vec![("203.0.113.1/32".parse().unwrap(), "gateway".into())],
            ..Rails::default()
        };
        let mut found = incident(technique, confidence, severity);
        found.latest.entities = entities;
        found.latest.spoofable = spoofable;
        found.latest.facts.insert("success_after_failures".into(), success);
        for plan in embedded().plan(&found, &context(&rails)) {
            prop_assert!(!plan.steps.is_empty() && plan.steps.len() <= plan.actions_max as usize);
            for step in &plan.steps {
                if rails.check(&step.action, true).is_err() {
                    prop_assert_eq!(step.gate, Gate::Deny);
                } else if spoofable || rails.check(&step.action, false).is_err() {
                    let waits = matches!(step.gate, Gate::Approve { .. } | Gate::Deny);
                    prop_assert!(waits);
                }
                let address = match &step.action {
                    Action::BlockIp { target } => Address::from(target.addr()),
                    Action::RateLimit { address, .. } | Action::BlockEgress { address, .. } => *address,
                };
                let named = found.latest.in_role(Role::Source).any(|entity| entity.address() == Some(address));
                prop_assert!(named && step.ttl.seconds() <= 86_400);
            }
        }
    }

    #[test]
    fn any_bytes_as_playbook_or_condition_end_in_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        fuzz_playbook(&bytes);
        fuzz_condition(&bytes);
    }

    /// Shipped playbooks with a few characters changed: parsed or refused with a place inside.
    #[test]
    fn a_mutated_playbook_is_refused_with_a_place_inside(
        edits in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select("{}[]&*!|>'\"%@`:,-# \t\nx0\u{7}é".chars().collect::<Vec<_>>())), 1..6),
    ) {
        let (_, text) = Playbooks::embedded()[0];
        let mut text: Vec<char> = std::str::from_utf8(text).unwrap().chars().collect();
        for (index, character) in edits {
            let at = index.index(text.len());
            text[at] = character;
        }
        let text: String = text.into_iter().collect();
        if let Err(problems) = Playbook::parse(text.as_bytes()) {
            prop_assert!(!problems.is_empty());
            let lines: Vec<usize> = text.split('\n').map(|line| line.chars().count()).collect();
            for problem in problems {
                let width = lines.get(problem.line as usize - 1);
                prop_assert!(width.is_some_and(|width| problem.column as usize <= width + 1), "{problem} in {text}");
            }
        }
    }

    /// Words of the language in any order: nothing panics, and what parses can be judged.
    #[test]
    fn any_words_as_a_condition_end_in_an_answer(words in prop::collection::vec(prop::sample::select(vec![
        "incident", "finding", "user", "src", "ip", "confidence", "severity", ".", "(", ")", "[", "]", ",", "&&", "||", "!",
        "==", "<", "in", "\"high\"", "\"T1110\"", "0.5", "has", "size", "cidr", "technique", "startsWith", "\"10.0.0.0/8\"", "true", " ",
    ]), 0..24)) {
        fuzz_condition(words.join("").as_bytes());
        fuzz_condition(words.join(" ").as_bytes());
    }
}
