//! The one rule: an area depends on `event` (and `attack` where said) and on no other area; the
//! core has no runtime, no clock and no randomness.

use std::path::Path;

use anyhow::{Context, Result};

use super::Problems;

/// Area → areas that it may depend on. `vertice` may depend on all.
const EDGES: &[(&str, &[&str])] = &[
    ("actuator", &["event"]),
    ("attack", &["event"]),
    ("bus", &["event"]),
    ("console", &["event", "store"]),
    ("event", &[]),
    ("fusion", &["attack", "event"]),
    ("log", &["event"]),
    ("response", &["attack", "event"]),
    ("sentinel", &["attack", "event"]),
    ("sources", &["event"]),
    ("store", &["event"]),
];

/// Crates that the pure core never has.
const BANNED: &[&str] = &[
    "tokio",
    "hyper",
    "axum",
    "reqwest",
    "rand",
    "getrandom",
    "chrono",
];
/// Areas with an asynchronous edge.
const ASYNC: &[&str] = &["console", "vertice"];

pub(super) fn check(root: &Path, problems: &mut Problems) -> Result<()> {
    for entry in std::fs::read_dir(root.join("crates"))? {
        let folder = entry?.path();
        let area = folder
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        let area = area.unwrap_or_default();
        let text = std::fs::read_to_string(folder.join("Cargo.toml")).context(area.clone())?;
        let manifest: toml::Table = text.parse()?;
        let Some(dependencies) = manifest.get("dependencies").and_then(toml::Value::as_table)
        else {
            continue;
        };
        for name in dependencies.keys() {
            dependency(&area, name, problems);
        }
    }
    Ok(())
}

fn dependency(area: &str, name: &str, problems: &mut Problems) {
    let ours = if name == "segment" { "log" } else { name };
    let is_area = EDGES.iter().any(|(known, _)| *known == ours);
    let allowed = EDGES
        .iter()
        .find(|(known, _)| *known == area)
        .map(|(_, allowed)| *allowed);
    match allowed {
        Some(allowed) if is_area && !allowed.contains(&ours) => {
            problems.push(format!(
                "crates/{area}: a new edge to {ours}; write an ADR first"
            ));
        }
        None if area != "vertice" => {
            problems.push(format!(
                "crates/{area}: not in the table of xtask/src/tidy/star.rs"
            ));
        }
        _ => {}
    }
    if BANNED.contains(&name) && !ASYNC.contains(&area) {
        problems.push(format!("crates/{area}: {name} has no place in the core"));
    }
}
