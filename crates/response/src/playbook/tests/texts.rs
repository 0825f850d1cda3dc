//! The explanation and the schema, as people and editors see them.

use expect_test::expect_file;

use super::*;

#[test]
fn explanations_fit_a_terminal_and_read_well() {
    let files = [
        expect_file!["expected/brute_force_response.txt"],
        expect_file!["expected/default_high_severity.txt"],
    ];
    for (playbook, file) in embedded().list().iter().zip(files) {
        let text = explain(playbook);
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
        file.assert_eq(&text);
    }
}

#[test]
fn a_long_word_is_cut_and_every_gate_is_told() {
    let (_, text) = Playbooks::embedded()[1];
    let text = std::str::from_utf8(text).unwrap();
    let long = format!("finding.{} > 1 && incident.unmatched", "x".repeat(200));
    let text = text.replace("incident.unmatched", &long);
    let text = text.replace("approve(1)", "veto(60)");
    let shown = explain(&Playbook::parse(text.as_bytes()).unwrap());
    assert!(
        shown.lines().all(|line| line.chars().count() <= 80),
        "{shown}"
    );
    assert!(
        shown.contains("60 s for a veto; silence lets it run"),
        "{shown}"
    );
}

#[test]
fn shipped_playbooks_are_short() {
    for (name, text) in Playbooks::embedded() {
        let lines = std::str::from_utf8(text).unwrap().lines().count();
        assert!(lines <= 40, "{name} has {lines} lines");
    }
}

#[test]
fn the_schema_names_all_that_the_check_knows() {
    let schema = schema();
    let step = &schema["properties"]["steps"]["items"]["properties"];
    let mut keys: Vec<&str> = step
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let mut known = check::step::STEP_KEYS.to_vec();
    keys.sort_unstable();
    known.sort_unstable();
    assert_eq!(keys, known);
    let top: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
    assert_eq!(top.len(), check::PLAYBOOK_KEYS.len());
    expect_file!["expected/schema.json"]
        .assert_eq(&(serde_json::to_string_pretty(&schema).unwrap() + "\n"));
}

#[test]
fn the_example_of_the_readme_is_a_playbook() {
    let text = include_str!("../README.md");
    let example = text
        .split("```yaml\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let playbook = Playbook::parse(example.unwrap().as_bytes()).unwrap();
    assert_eq!((playbook.name(), playbook.steps.len()), ("guard", 2));
}
