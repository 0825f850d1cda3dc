//! `Finding`: a detector's claim, with what it rests on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::entity::{Entity, EntityRef, Name, Role};
use crate::id::{EventId, FindingId};
use crate::score::{Confidence, Severity};
use crate::technique::TechniqueId;
use crate::time::Time;

/// Evidence ids kept in one finding; more are counted in [`Finding::evidence_total`].
pub const EVIDENCE_MAX: usize = 64;

/// A detector's claim.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Hash of detector, rule and evidence.
    pub id: FindingId,
    /// Event time of the newest evidence.
    pub time: Time,
    /// Event time of the oldest evidence.
    pub first: Time,
    /// The detector's name.
    pub detector: Name,
    /// The rule or behaviour inside the detector.
    pub rule: RuleRef,
    /// How bad if true.
    pub severity: Severity,
    /// How sure, calibrated.
    pub confidence: Confidence,
    /// ATT&CK techniques, sorted.
    pub techniques: Vec<TechniqueId>,
    /// Who and what, sorted.
    pub entities: Vec<EntityRef>,
    /// The telling events, oldest first, at most [`EVIDENCE_MAX`].
    pub evidence: Vec<EventId>,
    /// All events that it rests on.
    pub evidence_total: u64,
    /// One sentence for a person, already escaped.
    pub why: String,
    /// The confidence's named parts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<ScorePart>,
    /// Facts that playbook conditions may ask for (`success_after_failures`: 1, `failures`: 212).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, f64>,
    /// Does any of it rest on records that anyone could have made up? Then no automatic block.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub spoofable: bool,
}

/// A rule by id and title.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleRef {
    /// Stable id (`brute_force.password_guessing`).
    pub id: Name,
    /// Title for a person.
    pub title: Name,
}

/// A named part of a score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScorePart {
    /// What it measures.
    pub name: Name,
    /// 0..=1.
    pub value: f64,
    /// Its weight in the score.
    pub weight: f64,
}

impl Finding {
    /// The id of a finding of `detector` and `rule` that rests on `evidence`.
    pub fn id_of(detector: &str, rule: &str, evidence: &[EventId]) -> FindingId {
        let mut parts: Vec<&[u8]> = vec![detector.as_bytes(), rule.as_bytes()];
        parts.extend(evidence.iter().map(|id| id.bytes().as_slice()));
        FindingId::of(&parts)
    }

    /// The entities that play `role`.
    pub fn in_role(&self, role: Role) -> impl Iterator<Item = &Entity> {
        self.entities
            .iter()
            .filter(move |entity| entity.role == role)
            .map(|found| &found.entity)
    }
}
