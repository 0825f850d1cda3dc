//! The language as a JSON Schema, for editors. Built from the same tables as the check, which is
//! stricter: references, cycles and types are its alone.

use event::ActionKind;
use serde_json::{Value, json};

use super::check::step::{STAGES, STEP_KEYS};
use super::check::{self, ACTIONS_MAX, KEY_MAX, STEPS_MAX};
use super::condition::LENGTH_MAX;
use super::reference::Reference;
use crate::actions::{self, ParameterKind};
use crate::rails::{PREFIX_V4_MIN, PREFIX_V6_MIN};

/// The JSON Schema (draft 2020-12) of a playbook.
pub fn schema() -> Value {
    let references = Reference::ALL.map(Reference::word);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Vértice playbook",
        "type": "object",
        "additionalProperties": false,
        "required": check::PLAYBOOK_KEYS,
        "properties": {
            "vertice": {"const": "playbook/v1"},
            "name": name(),
            "version": {"type": "integer", "minimum": 1, "maximum": 1_000_000},
            "when": condition(),
            "key": {
                "type": "array", "minItems": 1, "maxItems": KEY_MAX, "uniqueItems": true,
                "items": {"enum": references},
            },
            "inputs": inputs(),
            "limits": {
                "type": "object",
                "additionalProperties": false,
                "required": check::LIMIT_KEYS,
                "properties": {
                    "deadline": time(),
                    "max_actions": {"type": "integer", "minimum": 1, "maximum": ACTIONS_MAX},
                    "max_ttl": time(),
                },
            },
            "steps": {"type": "array", "minItems": 1, "maxItems": STEPS_MAX, "items": step()},
        },
    })
}

fn name() -> Value {
    json!({"type": "string", "pattern": "^[a-z][a-z0-9_]{0,63}$"})
}

fn condition() -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": LENGTH_MAX})
}

fn time() -> Value {
    json!({"type": "string", "pattern": "^[0-9]+[smhd]$"})
}

fn inputs() -> Value {
    let properties = Reference::ALL.iter().map(|reference| {
        let kind = reference.kind().word();
        let long = json!({
            "type": "object", "additionalProperties": false, "required": ["type"],
            "properties": {"type": {"const": kind}, "optional": {"type": "boolean"}},
        });
        let schema = json!({"anyOf": [{"const": kind}, long]});
        (reference.word().to_owned(), schema)
    });
    let properties: serde_json::Map<String, Value> = properties.collect();
    json!({"type": "object", "additionalProperties": false, "properties": properties})
}

fn step() -> Value {
    let ladder = json!({
        "type": "object", "additionalProperties": false, "required": ["first", "factor", "max"],
        "properties": {
            "first": time(),
            "factor": {"type": "integer", "minimum": 2, "maximum": 100},
            "max": time(),
        },
    });
    let mut properties = json!({
        "id": name(),
        "stage": {"enum": STAGES.map(|(word, _)| word)},
        "if": condition(),
        "do": {"enum": ActionKind::ALL.map(ActionKind::word)},
        "with": {"type": "object"},
        "ttl": {"anyOf": [time(), ladder]},
        "gate": {"type": "string", "pattern": "^(matrix|approve\\([1-5]\\)|veto\\([0-9]{2,3}\\))$"},
        "after": {"type": "array", "items": name()},
        "on_error": {"enum": ["continue", "compensate"]},
        "verify": {"enum": ["dropped", "limited"]},
    });
    if let Some(known) = properties.as_object_mut() {
        known.retain(|key, _| STEP_KEYS.contains(&key.as_str()));
    }
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["id", "do", "with", "ttl"],
        "properties": properties,
        "oneOf": actions::ALL.map(with),
    })
}

/// One action: its word, its parameters, its check.
fn with(card: &actions::Card) -> Value {
    let properties = card.parameters.iter();
    let properties: serde_json::Map<String, Value> = properties
        .map(|parameter| (parameter.name.to_owned(), parameter_schema(parameter.kind)))
        .collect();
    let required: Vec<&str> = card
        .parameters
        .iter()
        .filter(|parameter| parameter.required)
        .map(|parameter| parameter.name)
        .collect();
    json!({
        "description": card.does,
        "properties": {
            "do": {"const": card.kind.word()},
            "with": {
                "additionalProperties": false, "required": required, "properties": properties,
            },
            "verify": {"const": card.verify},
        },
    })
}

fn parameter_schema(kind: ParameterKind) -> Value {
    match kind {
        ParameterKind::Ip => json!({"enum": ["dst.ip", "src.ip"]}),
        ParameterKind::Rate => json!({"type": "string", "pattern": "^[0-9]+/(s|min|h)$"}),
        ParameterKind::Port => json!({"type": "integer", "minimum": 1, "maximum": u16::MAX}),
        ParameterKind::PrefixV4 => {
            json!({"type": "integer", "minimum": PREFIX_V4_MIN, "maximum": 32})
        }
        ParameterKind::PrefixV6 => {
            json!({"type": "integer", "minimum": PREFIX_V6_MIN, "maximum": 128})
        }
    }
}
