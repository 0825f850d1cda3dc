use std::path::PathBuf;

use serde_json::json;

use super::*;

fn technique(stix: &str, id: &str) -> Value {
    json!({
        "type": "attack-pattern", "id": stix, "name": format!("Name of {id}"),
        "x_mitre_version": "1.0", "x_mitre_platforms": ["macOS", "Linux"],
        "kill_chain_phases": [{"kill_chain_name": "mitre-attack", "phase_name": "impact"}],
        "external_references": [{"source_name": "mitre-attack", "external_id": id}],
    })
}

fn made(objects: &[Value]) -> Result<String> {
    catalogue(&json!({ "objects": objects }), "1.0")
}

#[test]
fn rows_are_sorted_and_complete() {
    let mut revoked = technique("attack-pattern--b", "T0001");
    revoked["revoked"] = json!(true);
    let successor = technique("attack-pattern--a", "T0002");
    let relation = json!({
        "type": "relationship", "relationship_type": "revoked-by",
        "source_ref": "attack-pattern--b", "target_ref": "attack-pattern--a",
    });
    let text = made(&[successor, relation, revoked]).unwrap();
    let rows: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(
        rows,
        [
            "T0001\trevoked\tT0002\t1.0\tName of T0001\timpact\tLinux,macOS",
            "T0002\tlive\t\t1.0\tName of T0002\timpact\tLinux,macOS",
        ]
    );
    assert!(text.starts_with("# © 2025 The MITRE Corporation."));
}

#[test]
fn gaps_are_errors_and_say_where() {
    let fails = |objects: &[Value]| made(objects).unwrap_err().to_string();
    let mut aimless = technique("attack-pattern--a", "T0001");
    aimless["kill_chain_phases"] = json!([]);
    assert_eq!(fails(&[aimless]), "T0001 has no tactic");
    let mut revoked = technique("attack-pattern--a", "T0001");
    revoked["revoked"] = json!(true);
    assert!(fails(&[revoked]).contains("nothing says by what"));
    let twice = [
        technique("attack-pattern--a", "T0001"),
        technique("attack-pattern--b", "T0001"),
    ];
    assert!(fails(&twice).contains("two techniques have the id T0001"));
    let mut broken = technique("attack-pattern--a", "T0001");
    broken["name"] = json!("a\tb");
    assert!(fails(&[broken]).contains("tab"));
    assert!(release(&json!({"objects": []}), Path::new("bundle.json")).is_err());
}

#[test]
fn the_committed_catalogue_is_what_the_bundle_gives() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let bundle = root.join("../shared/data/intel/attack/enterprise-attack-18.1.slim.json");
    if !bundle.exists() {
        println!("skipped: {} is not there", bundle.display());
        return;
    }
    let made = std::env::temp_dir().join(format!("attack-{}.tsv", std::process::id()));
    run(&bundle, &made).unwrap();
    let fresh = std::fs::read_to_string(&made).unwrap();
    std::fs::remove_file(&made).unwrap();
    let committed = root.join("crates/attack/data/enterprise.tsv");
    assert_eq!(fresh, std::fs::read_to_string(committed).unwrap());
}
