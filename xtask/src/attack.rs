//! `cargo xtask attack <bundle>`: ATT&CK's STIX bundle → the catalogue that `crates/attack` embeds.
//!
//! Deterministic: the same bundle gives the same bytes. A technique without id, name or tactic and
//! a `revoked-by` that leads nowhere are errors, for a silent gap would be found by a user first.
//! Absent on purpose: descriptions, links and citations, which the product does not show.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// First line of the catalogue, as MITRE's terms of use ask for it.
const COPYRIGHT: &str = "© 2025 The MITRE Corporation. This work is reproduced and distributed \
     with the permission of The MITRE Corporation.";
const TERMS: &str =
    "Terms of use: https://attack.mitre.org/resources/legal-and-branding/terms-of-use/";
const COLUMNS: &str = "id\tstatus\treplaced_by\tversion\tname\ttactics\tplatforms";

/// Writes the catalogue of `bundle` to `out`.
///
/// # Errors
/// If a file cannot be read or written, or the bundle lacks something that each row needs.
pub(crate) fn run(bundle: &Path, out: &Path) -> Result<()> {
    let text = std::fs::read_to_string(bundle)
        .with_context(|| format!("cannot read {}", bundle.display()))?;
    let root: Value =
        serde_json::from_str(&text).with_context(|| format!("{} is not JSON", bundle.display()))?;
    let catalogue = catalogue(&root, &release(&root, bundle)?)?;
    std::fs::write(out, catalogue).with_context(|| format!("cannot write {}", out.display()))
}

/// The release is named by the collection object, or in a selection without one by the file.
fn release(root: &Value, bundle: &Path) -> Result<String> {
    let collection = objects(root)?
        .iter()
        .find(|object| text(object, "type") == Some("x-mitre-collection"));
    if let Some(version) = collection.and_then(|found| text(found, "x_mitre_version")) {
        return Ok(version.to_owned());
    }
    let name = bundle.file_name().and_then(|name| name.to_str());
    let digits: String = name
        .and_then(|name| name.strip_prefix("enterprise-attack-"))
        .unwrap_or_default()
        .chars()
        .take_while(|character| character.is_ascii_digit() || *character == '.')
        .collect();
    let version = digits.trim_end_matches('.');
    ensure!(
        !version.is_empty(),
        "no release: no x-mitre-collection object, and {} is not named enterprise-attack-<release>.json",
        bundle.display()
    );
    Ok(version.to_owned())
}

fn catalogue(root: &Value, release: &str) -> Result<String> {
    let objects = objects(root)?;
    let ids = external_ids(objects)?;
    let replaced = replacements(objects, &ids)?;
    let mut rows = BTreeMap::new();
    for object in objects.iter().filter(|object| is_technique(object)) {
        let (id, row) = row(object, &replaced)?;
        ensure!(
            rows.insert(id.clone(), row).is_none(),
            "two techniques have the id {id}"
        );
    }
    let mut written = format!("# {COPYRIGHT}\n# {TERMS}\n# release\t{release}\n# {COLUMNS}\n");
    for row in rows.values() {
        writeln!(written, "{row}")?;
    }
    Ok(written)
}

/// One line of the catalogue and its key.
fn row(object: &Value, replaced: &BTreeMap<&str, String>) -> Result<(String, String)> {
    let id = external_id(object)?.to_owned();
    let name = text(object, "name").with_context(|| format!("{id} has no name"))?;
    let status = if flag(object, "revoked") {
        "revoked"
    } else if flag(object, "x_mitre_deprecated") {
        "deprecated"
    } else {
        "live"
    };
    let replaced_by = text(object, "id")
        .and_then(|stix| replaced.get(stix))
        .map_or("", String::as_str);
    ensure!(
        status != "revoked" || !replaced_by.is_empty(),
        "{id} is revoked, but nothing says by what"
    );
    let tactics = tactics(object);
    ensure!(
        !tactics.is_empty() || status != "live",
        "{id} has no tactic"
    );
    let (tactics, platforms) = (tactics.join(","), platforms(object).join(","));
    let fields = [
        id.as_str(),
        status,
        replaced_by,
        text(object, "x_mitre_version").unwrap_or_default(),
        name,
        tactics.as_str(),
        platforms.as_str(),
    ];
    ensure!(
        fields
            .iter()
            .all(|field| !field.contains(['\t', '\n', '\r'])),
        "{id}: a field holds a tab or a line end"
    );
    let line = fields.join("\t");
    Ok((id, line))
}

/// STIX id of a technique → ATT&CK id of what revoked it.
fn replacements<'a>(
    objects: &'a [Value],
    ids: &BTreeMap<&str, &str>,
) -> Result<BTreeMap<&'a str, String>> {
    let mut replaced = BTreeMap::new();
    for object in objects {
        let revoked_by = text(object, "relationship_type") == Some("revoked-by");
        let source = text(object, "source_ref").filter(|id| id.starts_with("attack-pattern--"));
        if let (true, Some(source)) = (revoked_by, source) {
            let target = text(object, "target_ref").unwrap_or_default();
            let id = ids
                .get(target)
                .with_context(|| format!("{source} is revoked by {target}, which is absent"))?;
            replaced.insert(source, (*id).to_owned());
        }
    }
    Ok(replaced)
}

fn external_ids(objects: &[Value]) -> Result<BTreeMap<&str, &str>> {
    let techniques = objects.iter().filter(|object| is_technique(object));
    techniques
        .map(|object| {
            let stix = text(object, "id").context("an attack-pattern has no id")?;
            Ok((stix, external_id(object)?))
        })
        .collect()
}

fn external_id(object: &Value) -> Result<&str> {
    let references = object.get("external_references").and_then(Value::as_array);
    references
        .into_iter()
        .flatten()
        .filter(|reference| text(reference, "source_name") == Some("mitre-attack"))
        .find_map(|reference| text(reference, "external_id"))
        .with_context(|| format!("{:?} has no ATT&CK id", text(object, "id")))
}

fn tactics(object: &Value) -> Vec<&str> {
    let phases = object.get("kill_chain_phases").and_then(Value::as_array);
    let mut tactics: Vec<&str> = phases
        .into_iter()
        .flatten()
        .filter(|phase| text(phase, "kill_chain_name") == Some("mitre-attack"))
        .filter_map(|phase| text(phase, "phase_name"))
        .collect();
    tactics.sort_unstable();
    tactics.dedup();
    tactics
}

fn platforms(object: &Value) -> Vec<&str> {
    let listed = object.get("x_mitre_platforms").and_then(Value::as_array);
    let mut platforms: Vec<&str> = listed
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    platforms.sort_unstable();
    platforms.dedup();
    platforms
}

fn objects(root: &Value) -> Result<&[Value]> {
    let objects = root.get("objects").and_then(Value::as_array);
    objects
        .map(Vec::as_slice)
        .context("the bundle has no list \"objects\"")
}

fn is_technique(object: &Value) -> bool {
    text(object, "type") == Some("attack-pattern")
}

fn text<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get(key).and_then(Value::as_str)
}

fn flag(object: &Value, key: &str) -> bool {
    object.get(key).and_then(Value::as_bool).unwrap_or(false)
}

#[cfg(test)]
mod tests;
