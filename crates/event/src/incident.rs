//! `Incident`: findings that belong together, told as one story.

use serde::{Deserialize, Serialize};

use crate::entity::EntityRef;
use crate::finding::Finding;
use crate::id::{FindingId, IncidentId};
use crate::score::{Confidence, Severity};
use crate::technique::{Tactic, TechniqueId};
use crate::time::Time;

/// Findings that belong together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Hash of the seed finding.
    pub id: IncidentId,
    /// Counts up with each change.
    pub revision: u64,
    /// One sentence for a person, already escaped.
    pub title: String,
    /// Open, contained or closed.
    pub state: IncidentState,
    /// The highest severity of its findings, never lowered.
    pub severity: Severity,
    /// Noisy-or over the best finding of each independent detector and rule.
    pub confidence: Confidence,
    /// The furthest tactic reached, by its techniques.
    pub stage: Option<Tactic>,
    /// Event time of the first evidence.
    pub first: Time,
    /// Event time of the newest evidence.
    pub last: Time,
    /// Who and what, sorted, bounded.
    pub entities: Vec<EntityRef>,
    /// All techniques, sorted.
    pub techniques: Vec<TechniqueId>,
    /// Ids of its findings in order of joining, bounded.
    pub findings: Vec<FindingId>,
    /// All findings that joined, also those beyond the bound.
    pub findings_total: u64,
    /// The newest finding that moved it: `finding` in playbook conditions.
    pub latest: Finding,
    /// Why each finding joined.
    pub joins: Vec<JoinReason>,
    /// What happened and what was done, in order of time, bounded.
    pub timeline: Vec<TimelineEntry>,
    /// Does every finding rest on spoofable records?
    pub spoofable: bool,
}

impl Incident {
    /// Does it show `technique`, or a sub-technique of it?
    pub fn shows(&self, technique: TechniqueId) -> bool {
        self.techniques.iter().any(|shown| technique.covers(*shown))
    }
}

/// Where an incident stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentState {
    /// Somebody or a playbook still has to act.
    Open,
    /// A verified effect stands against it.
    Contained,
    /// Quiet and over, or closed by a person.
    Closed,
}

/// Why a finding joined an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JoinReason {
    /// The finding that joined.
    pub finding: FindingId,
    /// In words ("same source 203.0.113.7, 12 s apart"), already escaped.
    pub why: String,
    /// The score that made it join, 0..; the seed has 0.
    pub score: f64,
}

/// One line of an incident's story.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineEntry {
    /// When.
    pub time: Time,
    /// The attacker's doing or ours.
    pub kind: TimelineKind,
    /// One sentence, already escaped.
    pub text: String,
    /// Id of what it tells of (a finding, plan or receipt), as text.
    pub reference: String,
}

/// Whose doing a timeline entry tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimelineKind {
    /// A finding: what the attacker did.
    Finding,
    /// A plan was made.
    Plan,
    /// What was done, and whether it was verified.
    Receipt,
    /// A person decided.
    Decision,
}
