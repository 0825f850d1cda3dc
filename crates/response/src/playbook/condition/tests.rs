//! Conditions: every fault at its character, every value, and what is not there.

use event::{Entity, EntityRef, Incident, Name, Role};

use super::*;

fn fault(text: &str) -> String {
    let faults = Condition::parse(text, &Reference::ALL).expect_err("must be refused");
    let lines: Vec<String> = faults
        .iter()
        .map(|fault| {
            let hint = fault.hint.as_ref();
            let hint = hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
            format!("{}: {}{hint}", fault.at, fault.message)
        })
        .collect();
    lines.join(" | ")
}

#[test]
fn every_fault_has_its_place() {
    let conditions = [
        "",
        "true &&",
        "true true",
        "(true",
        "a = 1",
        "true & true",
        "1 + 1 == 2",
        "incident.confidence >= .5",
        "incident.confidence >= 1e3",
        "incident.confidence >= 0x10",
        "incident.confidence >= 5.",
        "incident.severity >= \"hgih\"",
        "incident.severity >= high",
        "incident.severity == 3",
        "incident.stage == \"impakt\"",
        "incident.state > \"open\"",
        "incident.confidence",
        "!incident.confidence",
        "incident.confidence == \"high\"",
        "incident.technique(T1110)",
        "incident.technique(\"brute force\")",
        "incident.technique(\"T9999\")",
        "technique(\"T1110\")",
        "user.technique(\"T1110\")",
        "src.ip == \"0177.0.0.1\"",
        "src.ip == \"203.0.113.7; reboot\"",
        "src.ip == user",
        "src.ip in cidr(\"10.0.0.0/33\")",
        "user in cidr(\"10.0.0.0/8\")",
        "src.ip in [\"10.0.0.1\", \"x\"]",
        "incident.severity in [\"high\", \"hihg\"]",
        "incident.confidence in incident.findings",
        "incident.confidence in finding.entities",
        "user in [finding.rule]",
        "1 < incident.confidence < 2",
        "size(incident.confidence) > 1",
        "incident.findings > 1",
        "has(1)",
        "hass(user)",
        "src.pi == \"x\"",
        "user.startswith(\"x\")",
        "startsWith(user, \"x\")",
        "user == \"x",
        "user == \"\\n\"",
        "user == '{{7*7}}",
        "${user} == 1",
        "{{user}} == 1",
        "user.name.first == \"x\"",
        "incident == 1",
        "user < \"x\"",
        "user matches \"x\"",
        "true in [true] in [true]",
        "\u{430} == 1",
        "true \u{202e}",
    ];
    let mut found = String::new();
    for text in conditions {
        found.push_str(&format!("{text:?}\n  {}\n", fault(text)));
    }
    expect_test::expect_file!["expected/faults.txt"].assert_eq(&found);
}

#[test]
fn length_depth_and_width_are_bounded() {
    let long = format!("user == \"{}\"", "x".repeat(2100));
    assert_eq!(
        fault(&long),
        "0: the condition has 2110 bytes, at most 2048 are allowed"
    );
    for open in ["(", "!", "!(", "[", "has("] {
        let deep = format!("{}true", open.repeat(500));
        assert!(fault(&deep).contains("nested more than 32 deep"), "{open}");
    }
    let wide = vec!["true"; 250].join(" && ");
    assert!(Condition::parse(&wide, &[]).is_ok());
}

fn scene_incident() -> Incident {
    let mut incident = super::super::tests::incident("T1110.004", 0.8, event::Severity::High);
    let facts = &mut incident.latest.facts;
    facts.insert("failures".into(), 212.0);
    facts.insert("success_after_failures".into(), 0.0);
    facts.insert("odd".into(), f64::NAN);
    let hostile = Entity::User(Name::new("{{7*7}}\n"));
    incident
        .entities
        .push(EntityRef::new(Role::Target, hostile));
    incident
}

fn judge(text: &str) -> Verdict {
    let incident = scene_incident();
    let condition = Condition::parse(text, &Reference::ALL)
        .unwrap_or_else(|faults| panic!("{text}: {faults:?}"));
    let inputs = [
        Reference::SourceIp,
        Reference::DestinationHost,
        Reference::DestinationIp,
    ];
    let bound: Vec<_> = inputs
        .into_iter()
        .filter_map(|reference| Some((reference, reference.values(&incident.latest).pop()?)))
        .collect();
    condition.judge(&Scene {
        incident: &incident,
        bound: &bound,
        unmatched: false,
    })
}

#[test]
fn what_is_met() {
    for text in [
        "true",
        "!false",
        "incident.technique(\"T1110\")",
        "incident.technique(\"T1110.004\")",
        "finding.technique(\"T1110\")",
        "incident.confidence >= 0.8 && incident.confidence < 1",
        "0.5 <= incident.confidence",
        "incident.severity >= \"medium\" && incident.severity != \"critical\"",
        "\"high\" == incident.severity",
        "incident.severity in [\"high\", \"critical\"]",
        "incident.stage >= \"initial-access\"",
        "incident.state == \"open\"",
        "!incident.spoofable && !finding.spoofable && incident.spoofable == false",
        "size(incident.findings) == 1 && size(incident.entities) == 4",
        "finding.detector == \"brute_force\" && finding.rule.startsWith(\"brute_force.\")",
        "finding.failures > 200 && finding.failures",
        "!finding.success_after_failures && finding.success_after_failures == false",
        "finding.failures == true",
        "src.ip == \"203.0.113.7\" && src.ip == \"::ffff:203.0.113.7\"",
        "src.ip in cidr(\"203.0.113.0/24\") && !(src.ip in cidr(\"10.0.0.0/8\"))",
        "src.ip in cidr(\"::ffff:203.0.113.0/120\")",
        "src.ip in [\"10.0.0.1\", \"203.0.113.7\"]",
        "src.ip in finding.entities && \"root\" in finding.entities",
        "dst.host == \"web1\" && dst.host.startsWith(\"web\") && size(dst.host) == 4",
        "has(src.ip) && !has(user) && has(finding.failures) && !has(finding.nothing)",
        "has(incident.entities)",
        "true || finding.nothing > 1",
        "finding.nothing > 1 || true",
        "false || (true && !(false || false))",
    ] {
        assert_eq!(judge(text), Verdict::Met, "{text}");
    }
}

#[test]
fn what_is_not_there_never_acts() {
    for (text, why) in [
        (
            "incident.technique(\"T1078\")",
            "incident.technique(\"T1078\") is false",
        ),
        (
            "true && incident.confidence >= 0.90",
            "incident.confidence >= 0.90 is false",
        ),
        (
            "finding.nothing > 1",
            "finding.nothing > 1 cannot be told: finding.nothing is missing",
        ),
        (
            "!(finding.nothing > 1)",
            "!(finding.nothing > 1) cannot be told: finding.nothing is missing",
        ),
        (
            "finding.nothing != 1",
            "finding.nothing != 1 cannot be told: finding.nothing is missing",
        ),
        (
            "false || finding.nothing",
            "false || finding.nothing cannot be told: finding.nothing is missing",
        ),
        (
            "user == \"root\"",
            "user == \"root\" cannot be told: user is missing",
        ),
        (
            "user != \"root\"",
            "user != \"root\" cannot be told: user is missing",
        ),
        (
            "!(dst.ip in cidr(\"10.0.0.0/8\"))",
            "!(dst.ip in cidr(\"10.0.0.0/8\")) cannot be told: dst.ip is missing",
        ),
        ("finding.odd", "finding.odd is false"),
        (
            "finding.odd > 0 || finding.odd <= 0",
            "finding.odd > 0 || finding.odd <= 0 cannot be told:  is missing",
        ),
        ("incident.unmatched", "incident.unmatched is false"),
    ] {
        assert_eq!(judge(text), Verdict::Unmet(why.into()), "{text}");
    }
}

#[test]
fn a_condition_cannot_cost_more_than_its_budget() {
    let mut incident = scene_incident();
    let entity = incident.entities[0].clone();
    incident.entities = vec![entity; 5000];
    let text = vec!["\"x\" in incident.entities"; 60].join(" || ");
    let condition = Condition::parse(&text, &[]).unwrap();
    let scene = Scene {
        incident: &incident,
        bound: &[],
        unmatched: false,
    };
    let Verdict::Unmet(why) = condition.judge(&scene) else {
        panic!("must not be met");
    };
    assert!(why.ends_with("costs too much"), "{why}");
}

#[test]
fn techniques_are_those_asked_for() {
    let text = "incident.technique(\"T1110\") && (incident.technique(\"T1078\") || true) \
                && !incident.technique(\"T1046\")";
    let ids = Condition::parse(text, &[]).unwrap().techniques();
    assert_eq!(ids, [TechniqueId::new(1078), TechniqueId::new(1110)]);
}

#[test]
fn a_revoked_technique_is_read_as_its_successor() {
    let ids = Condition::parse("incident.technique(\"T1086\")", &[])
        .unwrap()
        .techniques();
    assert_eq!(ids, [TechniqueId::sub(1059, 1)]);
}

#[test]
fn a_default_is_known_by_its_question() {
    for (text, asks) in [
        ("incident.unmatched && true", true),
        ("true || !(incident.unmatched)", true),
        ("incident.unmatched == true", true),
        ("incident.unmatched in [true]", true),
        ("incident.spoofable", false),
        ("finding.unmatched", false),
    ] {
        assert_eq!(
            Condition::parse(text, &[]).unwrap().asks_unmatched(),
            asks,
            "{text}"
        );
    }
}
