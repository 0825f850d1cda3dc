//! Playbooks: the language, its check, its explanation, and the plan that it makes of an incident.
//!
//! A playbook is YAML that people write in 15 to 40 lines (guide 04, section 5). It is checked as a
//! whole before it is ever used: every problem with its line and column. Values are typed
//! references into the incident, never text pasted into text, so that no text of an attacker can
//! become part of an action. There is no `undo:` to write or to forget: the inverse belongs to the
//! action.
//!
//! Absent on purpose: scripts, templates, loops, playbooks that call playbooks, and branching on an
//! actor's name.

mod check;
mod condition;
mod dry_run;
mod explain;
mod plan;
mod problem;
mod reference;
mod scalar;
mod schema;
mod tree;

use std::time::Duration;

use event::{ActionKind, Gate, Incident, OnError, Plan, Stage, TechniqueId, Ttl};

use crate::actions::Values;
use condition::Condition;
use reference::Reference;

pub use dry_run::{DryRun, dry_run};
pub use explain::explain;
pub use plan::PlanContext;
pub use problem::Problem;
pub use schema::schema;

/// A checked playbook.
#[derive(Clone, Debug, PartialEq)]
pub struct Playbook {
    name: String,
    version: u32,
    when: Condition,
    key: Vec<Reference>,
    inputs: Vec<Input>,
    limits: Limits,
    /// In an order in which every step follows those that it waits for.
    steps: Vec<Step>,
    /// Where the name stands, for a report of two playbooks of one name.
    named_at: problem::Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Input {
    reference: Reference,
    optional: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Limits {
    deadline: Duration,
    actions_max: u32,
    ttl_max: Ttl,
}

#[derive(Clone, Debug, PartialEq)]
struct Step {
    id: String,
    stage: Stage,
    condition: Option<Condition>,
    kind: ActionKind,
    target: Reference,
    /// The author's constants; the target joins them when the plan is made.
    constants: Values,
    ttl: Ladder,
    /// What the author asks for beyond the matrix.
    gate: Option<Gate>,
    after: Vec<String>,
    on_error: OnError,
}

/// How long an effect holds the first time, and after each relapse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ladder {
    first: Ttl,
    factor: u32,
    max: Ttl,
}

impl Ladder {
    /// The time after `relapses` relapses: first × factor^relapses, at most max.
    fn at(self, relapses: u32) -> Ttl {
        let factor = u64::from(self.factor).saturating_pow(relapses);
        let seconds = u64::from(self.first.seconds()).saturating_mul(factor);
        Ttl::new(seconds).map_or(self.max, |ttl| ttl.min(self.max))
    }
}

impl Playbook {
    /// Reads and checks one playbook.
    ///
    /// # Errors
    /// Every problem found, in order of place; at most 50.
    pub fn parse(text: &[u8]) -> Result<Self, Vec<Problem>> {
        check::check(text)
    }

    /// Its name, unique among loaded playbooks.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its version, from 1.
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// The techniques that its trigger asks for, sorted. Each covers its sub-techniques.
    pub fn techniques(&self) -> Vec<TechniqueId> {
        self.when.techniques()
    }

    /// Does it only act where no other playbook matched?
    pub fn is_default(&self) -> bool {
        self.when.asks_unmatched()
    }
}

/// All playbooks in use.
#[derive(Clone, Debug, PartialEq)]
pub struct Playbooks {
    /// Defaults last, otherwise by name.
    list: Vec<Playbook>,
}

impl Playbooks {
    /// Puts playbooks into use.
    ///
    /// # Errors
    /// A [`Problem`] that names the second playbook of the same name, and its place.
    pub fn new(mut list: Vec<Playbook>) -> Result<Self, Problem> {
        let order = |playbook: &Playbook| (playbook.is_default(), playbook.name.clone());
        list.sort_by_cached_key(order);
        let mut names: Vec<&Playbook> = list.iter().collect();
        names.sort_by_key(|playbook| &playbook.name);
        for pair in names.windows(2) {
            if let [one, other] = pair
                && one.name == other.name
            {
                let message = format!("two playbooks are named {}", other.name);
                let problem = other.named_at.problem(message);
                return Err(problem.hint("rename one of them, or remove it"));
            }
        }
        Ok(Self { list })
    }

    /// The playbooks that ship with the product: file name and text.
    pub fn embedded() -> Vec<(&'static str, &'static [u8])> {
        vec![
            (
                "brute_force_response.yaml",
                include_bytes!("../../../../playbooks/brute_force_response.yaml"),
            ),
            (
                "default_high_severity.yaml",
                include_bytes!("../../../../playbooks/default_high_severity.yaml"),
            ),
        ]
    }

    /// The playbooks in use: defaults last, otherwise by name.
    pub fn list(&self) -> &[Playbook] {
        &self.list
    }

    /// The fourth hop: what to do about an incident. Empty when no playbook matches.
    ///
    /// One plan per playbook and key. Deterministic: the same incident and context give the same
    /// plans, ids and hashes.
    pub fn plan(&self, incident: &Incident, context: &PlanContext<'_>) -> Vec<Plan> {
        let mut plans = Vec::new();
        let mut unmatched = true;
        for playbook in &self.list {
            let asked = unmatched && playbook.is_default();
            let attempt = plan::attempt(playbook, incident, context, asked);
            unmatched &= !attempt.matched || playbook.is_default();
            plans.extend(attempt.plans);
        }
        plans
    }
}

/// Fuzz entry: any bytes as a playbook; what parses is also explained.
pub fn fuzz_playbook(bytes: &[u8]) {
    if let Ok(playbook) = Playbook::parse(bytes) {
        assert!(!explain(&playbook).is_empty());
    }
}

/// Fuzz entry: any bytes as a condition; what parses is also judged.
pub fn fuzz_condition(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(condition) = Condition::parse(text, &Reference::ALL) {
        assert!(condition.techniques().len() <= text.len());
    }
}

#[cfg(test)]
mod tests;
