//! The configuration's reference text and JSON Schema, both made from the default values, so that
//! they cannot drift from the code. Only the sentences live here.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::{Config, Source};

/// A sentence for each key, sorted. Keys of `detect` explain themselves by their names.
const SENTENCES: &[(&str, &str)] = &[
    ("console.enabled", "serve the web console"),
    (
        "console.listen",
        "address of the console; loopback by default",
    ),
    (
        "log.retain_days",
        "segments of the event log older than this many days go",
    ),
    (
        "log.retain_mib",
        "oldest segments go when the event log grows beyond this size",
    ),
    ("node.name", "name shown to people"),
    (
        "node.state",
        "folder for log, database and status (mode 0700)",
    ),
    (
        "node.zone_offset_minutes",
        "offset from UTC of log times without a zone",
    ),
    (
        "response.critical",
        "own networks where containment hurts most: gates ask for more",
    ),
    ("response.internal", "own networks beside RFC 1918 and ULA"),
    ("response.mode", "observe | ask | act"),
    (
        "response.namespace",
        "network namespace (ip netns) in which the actuator enforces",
    ),
    (
        "response.never_block",
        "networks never blocked, beside those found at start",
    ),
    (
        "response.new_per_minute",
        "address blocks a minute without a person's approval",
    ),
    (
        "response.playbooks",
        "folders of playbooks (*.yaml) that replace or join the shipped ones",
    ),
    (
        "source.file",
        "[[source]]: a file, a folder, or - for standard input",
    ),
    (
        "source.follow",
        "[[source]]: go on reading at the end, through rotation",
    ),
    (
        "source.format",
        "[[source]]: auto, or a format of `vertice detect --help`",
    ),
    ("source.tcp", "[[source]]: syslog over TCP on this address"),
    (
        "source.udp",
        "[[source]]: syslog over UDP on this address (never blocks by itself)",
    ),
    (
        "topics.retain_days",
        "messages of the bus older than this many days go, read or not",
    ),
    (
        "topics.retain_mib",
        "oldest messages of a topic go when it grows beyond this size, read or not",
    ),
];

fn sentence(key: &str) -> &'static str {
    let found = SENTENCES.iter().find(|(name, _)| *name == key);
    found.map_or("threshold of a detector", |(_, sentence)| sentence)
}

/// Every key with its default: sections and leaf values, dotted.
fn keys() -> Vec<(String, Value)> {
    let mut found = Vec::new();
    let defaults = serde_json::to_value(Config::default()).unwrap_or_default();
    walk("", &defaults, &mut found);
    found.retain(|(key, _)| key != "source");
    let source = serde_json::to_value(Source::default()).unwrap_or_default();
    walk("source", &source, &mut found);
    found.sort_by(|left, right| left.0.cmp(&right.0));
    found
}

fn walk(prefix: &str, value: &Value, found: &mut Vec<(String, Value)>) {
    // The configuration is nested two or three deep; this is our own value, not outside data.
    if let Value::Object(members) = value {
        for (name, member) in members {
            let key = if prefix.is_empty() {
                name.clone()
            } else {
                format!("{prefix}.{name}")
            };
            walk(&key, member, found);
        }
    } else {
        found.push((prefix.into(), value.clone()));
    }
}

/// The reference: one line a key with default and sentence.
pub fn reference() -> String {
    let mut text = String::new();
    for (key, default) in keys() {
        let line = writeln!(text, "{key}\n    {} (default {default})", sentence(&key));
        line.unwrap_or_default();
    }
    text
}

/// The JSON Schema (draft 2020-12) of the file.
pub fn schema() -> Value {
    let defaults = serde_json::to_value(Config::default()).unwrap_or_default();
    let mut root = object(&defaults, "");
    let source = serde_json::to_value(Source::default()).unwrap_or_default();
    let sources = json!({"type": "array", "items": object(&source, "source")});
    if let Some(properties) = root.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert("source".into(), sources);
    }
    root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    root["title"] = json!("Vértice configuration");
    root
}

fn object(value: &Value, prefix: &str) -> Value {
    let mut properties = Map::new();
    for (name, member) in value.as_object().into_iter().flatten() {
        let key = if prefix.is_empty() {
            name.clone()
        } else {
            format!("{prefix}.{name}")
        };
        let property = if member.is_object() {
            object(member, &key)
        } else {
            leaf(&key, member)
        };
        properties.insert(name.clone(), property);
    }
    json!({"type": "object", "additionalProperties": false, "properties": properties})
}

fn leaf(key: &str, default: &Value) -> Value {
    let kind = match default {
        Value::Bool(_) => json!("boolean"),
        Value::Number(number) if number.is_f64() => json!("number"),
        Value::Number(_) => json!("integer"),
        Value::Array(_) => json!("array"),
        // Optional keys have no default; they are texts, addresses or switches.
        Value::Null => json!(["string", "boolean"]),
        Value::String(_) | Value::Object(_) => json!("string"),
    };
    json!({"type": kind, "description": sentence(key), "default": default})
}
