//! Everything that one table promises is kept by another: techniques reach playbooks, keys of the
//! configuration stand in schema and reference, metrics stand in their document.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use event::{
    Confidence, Entity, EntityRef, Event, Finding, Incident, IncidentId, IncidentState, Mode, Name,
    Plan, Role, RuleRef, Severity, TechniqueId, Time,
};
use response::playbook::{PlanContext, Playbook, Playbooks};
use response::rails::Rails;
use serde_json::Value;
use vertice::config::{Config, Source};
use vertice::metrics::Metrics;

use crate::home::{Home, until};
use crate::lines;

/// An incident of high severity from an outside address that shows one technique.
fn incident(technique: TechniqueId) -> Incident {
    let time = Time::from_seconds(1_790_000_000);
    let evidence = vec![Event::id_of("auth.log", 0, b"a line")];
    let entities = vec![
        EntityRef::new(Role::Source, Entity::Ip("203.0.113.7".parse().unwrap())),
        EntityRef::new(Role::Destination, Entity::Host(Name::new("web01"))),
    ];
    let latest = Finding {
        id: Finding::id_of("synthetic", "synthetic.one", &evidence),
        time,
        first: time,
        detector: Name::new("synthetic"),
        rule: RuleRef {
            id: Name::new("synthetic.one"),
            title: Name::new("Synthetic"),
        },
        severity: Severity::High,
        confidence: Confidence::new(0.95).unwrap(),
        techniques: vec![technique],
        entities: entities.clone(),
        evidence,
        evidence_total: 1,
        why: "synthetic".into(),
        parts: Vec::new(),
        facts: std::collections::BTreeMap::new(),
        spoofable: false,
    };
    Incident {
        id: IncidentId::of(&[b"synthetic"]),
        revision: 1,
        title: "synthetic".into(),
        state: IncidentState::Open,
        severity: Severity::High,
        confidence: latest.confidence,
        stage: None,
        first: time,
        last: time,
        entities,
        techniques: vec![technique],
        findings: vec![latest.id],
        findings_total: 1,
        latest,
        joins: Vec::new(),
        timeline: Vec::new(),
        spoofable: false,
    }
}

fn plans(technique: TechniqueId) -> Vec<Plan> {
    let shipped = Playbooks::embedded().into_iter();
    let parsed = shipped.map(|(_, text)| Playbook::parse(text).unwrap());
    let playbooks = Playbooks::new(parsed.collect()).unwrap();
    let rails = Rails::default();
    let context = PlanContext {
        mode: Mode::Act,
        now: Time::from_seconds(1_790_000_000),
        rails: &rails,
        relapses: &|_, _, _| 0,
        connections: &|_| None,
    };
    playbooks.plan(&incident(technique), &context)
}

#[test]
fn every_technique_that_a_detector_can_claim_reaches_a_playbook() {
    let mut seen = 0;
    for detector in sentinel::ALL {
        for technique in detector.techniques {
            let plans = plans(*technique);
            assert!(!plans.is_empty(), "{} {technique}", detector.name);
            assert!(
                plans.iter().all(|plan| !plan.steps.is_empty()),
                "{technique}"
            );
            let catalogued = attack::technique(*technique).is_some();
            assert!(catalogued, "{technique} is not in the catalogue");
            seen += 1;
        }
    }
    assert!(seen > 10, "{seen}");
}

#[test]
fn rt4_techniques_without_a_playbook_of_their_own_reach_parent_or_default() {
    for (technique, playbook) in [
        ("T1110.004", "brute_force_response"),
        ("T1059.001", "default_high_severity"),
        ("T1021.002", "default_high_severity"),
        ("T1048.003", "default_high_severity"),
        ("T1486", "default_high_severity"),
        ("T1071.001", "default_high_severity"),
        ("T1046", "default_high_severity"),
    ] {
        let plans = plans(technique.parse().unwrap());
        let names: Vec<&str> = plans.iter().map(|plan| plan.playbook.as_str()).collect();
        assert_eq!(names, [playbook], "{technique}");
    }
}

/// Dotted keys of a value; of the sources, those of one.
fn keys(prefix: &str, value: &Value, found: &mut BTreeSet<String>) {
    let Value::Object(members) = value else {
        found.insert(prefix.to_owned());
        return;
    };
    for (name, member) in members {
        let separator = if prefix.is_empty() { "" } else { "." };
        keys(&format!("{prefix}{separator}{name}"), member, found);
    }
}

fn configuration_keys() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut whole = serde_json::to_value(Config::default()).unwrap();
    whole["source"] = serde_json::to_value(Source::default()).unwrap();
    keys("", &whole, &mut found);
    found
}

#[test]
fn every_key_stands_in_the_schema_and_nothing_else() {
    let schema = vertice::config::schema();
    let mut described = BTreeSet::new();
    let mut stack = vec![(String::new(), &schema)];
    while let Some((prefix, object)) = stack.pop() {
        assert_eq!(object["additionalProperties"], false, "{prefix}");
        for (name, property) in object["properties"].as_object().unwrap() {
            let separator = if prefix.is_empty() { "" } else { "." };
            let key = format!("{prefix}{separator}{name}");
            let inner = if property["items"].is_object() {
                &property["items"]
            } else {
                property
            };
            if inner["properties"].is_object() {
                stack.push((key, inner));
            } else {
                assert!(
                    inner["description"]
                        .as_str()
                        .is_some_and(|text| !text.is_empty()),
                    "{key}"
                );
                described.insert(key);
            }
        }
    }
    assert_eq!(described, configuration_keys());
}

#[test]
fn every_key_stands_in_the_reference_and_nothing_else() {
    let reference = vertice::config::reference();
    let named: BTreeSet<String> = reference
        .lines()
        .filter(|line| !line.starts_with(' ') && !line.is_empty())
        .map(str::to_owned)
        .collect();
    assert_eq!(named, configuration_keys());
    // The sentence for a threshold must not have crept into other sections.
    for (key, sentence) in reference.lines().zip(reference.lines().skip(1)).step_by(2) {
        let is_threshold = sentence.trim_start().starts_with("threshold of a detector");
        assert!(
            !is_threshold || key.starts_with("detect."),
            "{key} has no sentence"
        );
    }
}

#[test]
fn the_reference_can_be_written_as_a_configuration() {
    let home = Home::new();
    let shown = home.vertice(&["--json", "config", "show"]).expect(0).json();
    let listed: BTreeSet<String> = shown
        .iter()
        .map(|row| row["key"].as_str().unwrap().to_owned())
        .collect();
    let expected: BTreeSet<String> = configuration_keys()
        .into_iter()
        .filter(|key| !key.starts_with("source."))
        .collect();
    let mut listed_sections: BTreeSet<String> = listed;
    listed_sections.remove("source");
    assert_eq!(listed_sections, expected);
    // Every default can be said aloud: a file with all of them loads to the same configuration.
    let mut text = String::new();
    for row in &shown {
        let (key, value) = (row["key"].as_str().unwrap(), &row["value"]);
        if !value.is_null() && key != "source" {
            text.push_str(&format!("{key} = {value}\n"));
        }
    }
    home.write("config.toml", text);
    home.vertice(&["config", "check"]).expect(0);
    let again = home.vertice(&["--json", "config", "show"]).expect(0).json();
    for (first, second) in shown.iter().zip(&again) {
        assert_eq!(
            (&first["key"], &first["value"]),
            (&second["key"], &second["value"])
        );
    }
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap()
        .to_path_buf()
}

/// What `/metrics` of a node serves that has seen an attack.
fn served_by_a_node() -> String {
    let home = Home::new();
    home.follow("auth.log", "");
    home.append("auth.log", lines::guessing("203.0.113.7", 40));
    let node = home.start(&[]);
    let said = until("the console's address", || {
        let said = node.said();
        said.contains("console at").then_some(said)
    });
    let address = said.split("http://").nth(1).unwrap();
    let address = address.split('/').next().unwrap().to_owned();
    let text = until("metrics of receipts and records", || {
        let text = get(&address, "/metrics");
        let all = ["vertice_receipts_total{", "vertice_records_total{"];
        all.iter().all(|name| text.contains(name)).then_some(text)
    });
    node.stop();
    text
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer
}

#[test]
fn the_document_names_every_metric_and_nothing_else() {
    let path = repository().join("docs/reference/metrics.md");
    let document = std::fs::read_to_string(path).unwrap();
    let row = |line: &str| {
        let name = line.strip_prefix("| `")?.split(['`', '{']).next()?;
        Some(name.strip_suffix("_total").unwrap_or(name).to_owned())
    };
    let documented: BTreeSet<String> = document.lines().filter_map(row).collect();
    // A source without a problem has no row: one is counted by hand.
    let metrics = Metrics::default();
    metrics.problem("a.log");
    let text = served_by_a_node() + &metrics.text();
    let served: BTreeSet<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .filter_map(|line| line.split(' ').next().map(str::to_owned))
        .collect();
    assert!(served.len() > 10, "{text}");
    assert_eq!(documented, served);
}

#[test]
fn health_and_readiness_are_told() {
    let home = Home::new();
    home.follow("auth.log", "");
    let node = home.start(&[]);
    node.wait_for("console at");
    let address = node.said();
    let address = address.split("http://").nth(1).unwrap();
    let address = address.split('/').next().unwrap();
    for path in ["/healthz", "/readyz"] {
        until(path, || Some(get(address, path)));
    }
    node.stop();
}
