//! Every package's licence is on the list of `deny.toml`, and there are not too many packages.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::Problems;
use crate::programs::command;

/// Packages in the lock file of the default build.
const PACKAGES_MAX: usize = 400;

pub(super) fn check(root: &Path, problems: &mut Problems) -> Result<()> {
    let deny: toml::Table = std::fs::read_to_string(root.join("deny.toml"))?.parse()?;
    let allowed = deny.get("licenses").and_then(|table| table.get("allow"));
    let allowed: Vec<&str> = allowed
        .and_then(toml::Value::as_array)
        .map(|list| list.iter().filter_map(toml::Value::as_str).collect())
        .unwrap_or_default();
    let output = command("cargo")
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(root)
        .output()?;
    let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo metadata")?;
    let packages = metadata
        .get("packages")
        .and_then(Value::as_array)
        .context("packages")?;
    for package in packages {
        let text = |key: &str| package.get(key).and_then(Value::as_str).unwrap_or_default();
        if !acceptable(text("license"), &allowed) {
            problems.push(format!(
                "{}: licence {:?} is not on the list",
                text("name"),
                text("license")
            ));
        }
    }
    let linux = on_linux(root)?;
    if linux > PACKAGES_MAX {
        problems.push(format!("{linux} packages are more than {PACKAGES_MAX}"));
    }
    Ok(())
}

/// An expression such as `MIT OR Apache-2.0`, `(MIT OR Apache-2.0) AND Unicode-3.0`, or the old
/// `MIT/Apache-2.0`: every part joined by AND needs one allowed alternative.
fn acceptable(expression: &str, allowed: &[&str]) -> bool {
    expression.split(" AND ").all(|part| {
        part.split(" OR ")
            .flat_map(|part| part.split('/'))
            .any(|licence| allowed.contains(&licence.trim_matches(['(', ')', ' '])))
    })
}

/// Packages that a build of the product on Linux compiles.
fn on_linux(root: &Path) -> Result<usize> {
    let tree = [
        "tree",
        "--locked",
        "-p",
        "vertice",
        "-e",
        "normal,build",
        "--prefix",
        "none",
    ];
    let output = command("cargo").args(tree).current_dir(root).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut names: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split(" (").next())
        .filter(|name| !name.is_empty())
        .collect();
    names.sort_unstable();
    names.dedup();
    Ok(names.len())
}
