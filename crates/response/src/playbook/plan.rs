//! From a playbook and an incident to plans: values bound, gates asked, rails checked, ids given.
//!
//! Pure: the same playbook, incident and context give the same plans. A value that is not there
//! makes its step (or the whole run) not happen; it is never replaced by a text.

use event::{
    Action, ActionId, Address, BlastRadius, Gate, Incident, IncidentState, Mode, Plan, PlanId,
    PlanStep, Time, Ttl,
};
use serde::Serialize;

use super::condition::{Scene, Verdict};
use super::reference::{Bound, Reference};
use super::{Playbook, Step};
use crate::actions::{self, Values};
use crate::gates::{self, GateInput};
use crate::rails::Rails;

/// Most runs that one finding starts in one playbook; further keys are counted in the sentence.
pub(super) const KEYS_MAX: usize = 64;

/// What a plan depends on beside playbook and incident.
#[derive(Clone, Copy)]
pub struct PlanContext<'a> {
    /// What the engine may do by itself.
    pub mode: Mode,
    /// Wall time, for the plan's created and deadline.
    pub now: Time,
    /// What is never done.
    pub rails: &'a Rails,
    /// How often a step was applied anew to the key's target: playbook, key, step.
    pub relapses: &'a dyn Fn(&str, &str, &str) -> u32,
    /// Live connections to an address, where that is known: for the blast radius.
    pub connections: &'a dyn Fn(Address) -> Option<u32>,
}

impl std::fmt::Debug for PlanContext<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PlanContext")
            .field("mode", &self.mode)
            .field("now", &self.now)
            .field("rails", &self.rails)
            .finish_non_exhaustive()
    }
}

/// What became of one playbook.
pub(super) struct Attempt {
    /// Did its trigger match for any key?
    pub(super) matched: bool,
    /// Why it matched or not, and which steps were left out, in words.
    pub(super) why: Vec<String>,
    pub(super) plans: Vec<Plan>,
}

type Binding = Vec<(Reference, Bound)>;

/// Tries one playbook. `unmatched`: no other playbook matched.
pub(super) fn attempt(
    playbook: &Playbook,
    incident: &Incident,
    context: &PlanContext<'_>,
    unmatched: bool,
) -> Attempt {
    let mut attempt = Attempt {
        matched: false,
        why: Vec::new(),
        plans: Vec::new(),
    };
    if incident.state == IncidentState::Closed {
        attempt.why.push("the incident is closed".into());
        return attempt;
    }
    let bindings = match bind(playbook, incident) {
        Ok(bindings) => bindings,
        Err(why) => {
            attempt.why.push(why);
            return attempt;
        }
    };
    for key in bindings.keys {
        let mut run = Run {
            playbook,
            incident,
            context,
            key_text: joined(&key),
            bound: [key, bindings.singles.clone()].concat(),
            unmatched,
            total: bindings.total,
            why: &mut attempt.why,
        };
        match run.judge(&playbook.when) {
            Verdict::Unmet(why) => attempt.why.push(format!("when is not met: {why}")),
            Verdict::Met => {
                attempt.matched = true;
                attempt.plans.extend(run.plan());
            }
        }
    }
    attempt
}

/// The values that one finding gives to a playbook.
struct Bindings {
    /// Inputs outside the key that have exactly one value.
    singles: Binding,
    /// One binding per key, at most [`KEYS_MAX`].
    keys: Vec<Binding>,
    /// Keys of this finding, also beyond [`KEYS_MAX`].
    total: usize,
}

fn bind(playbook: &Playbook, incident: &Incident) -> Result<Bindings, String> {
    let mut singles = Vec::new();
    for input in &playbook.inputs {
        let reference = input.reference;
        let mut values = reference.values(&incident.latest);
        if values.is_empty() && !input.optional {
            return Err(format!("the newest finding names no {}", reference.word()));
        }
        // Several values of an input outside the key are no value: nobody said which is meant.
        if values.len() == 1 && !playbook.key.contains(&reference) {
            singles.extend(values.pop().map(|value| (reference, value)));
        }
    }
    let (keys, total) = keys(playbook, incident);
    Ok(Bindings {
        singles,
        keys,
        total,
    })
}

/// Every combination of the key's values, cut at [`KEYS_MAX`] while it grows, and their number.
fn keys(playbook: &Playbook, incident: &Incident) -> (Vec<Binding>, usize) {
    let mut keys: Vec<Binding> = vec![Vec::new()];
    let mut total: usize = 1;
    for reference in &playbook.key {
        let values = reference.values(&incident.latest);
        total = total.saturating_mul(values.len());
        let longer = keys.iter().flat_map(|key| {
            values.iter().map(|value| {
                let mut longer = key.clone();
                longer.push((*reference, value.clone()));
                longer
            })
        });
        keys = longer.take(KEYS_MAX).collect();
    }
    (keys, total)
}

fn joined(key: &Binding) -> String {
    let words: Vec<String> = key.iter().map(|(_, value)| value.to_string()).collect();
    words.join(", ")
}

/// One playbook, one incident, one key.
struct Run<'a> {
    playbook: &'a Playbook,
    incident: &'a Incident,
    context: &'a PlanContext<'a>,
    key_text: String,
    bound: Binding,
    unmatched: bool,
    /// Keys of this finding, also beyond [`KEYS_MAX`].
    total: usize,
    why: &'a mut Vec<String>,
}

impl Run<'_> {
    fn judge(&self, condition: &super::condition::Condition) -> Verdict {
        condition.judge(&Scene {
            incident: self.incident,
            bound: &self.bound,
            unmatched: self.unmatched,
        })
    }

    fn plan(&mut self) -> Option<Plan> {
        let playbook = self.playbook;
        let id = PlanId::of(&[
            self.incident.id.bytes(),
            playbook.name.as_bytes(),
            self.key_text.as_bytes(),
        ]);
        let mut steps: Vec<PlanStep> = Vec::new();
        for step in &playbook.steps {
            match self.step(step, id, &steps) {
                Ok(resolved) => steps.push(resolved),
                Err(why) => self
                    .why
                    .push(format!("step {} is left out: {why}", step.id)),
            }
        }
        if steps.is_empty() {
            return None;
        }
        let hash = hash(id, playbook, &self.key_text, &steps);
        Some(Plan {
            id,
            // The engine passes by what it has seen: the incident's count orders the revisions.
            revision: u32::try_from(self.incident.revision).unwrap_or(u32::MAX),
            incident: self.incident.id,
            playbook: playbook.name.clone(),
            playbook_version: playbook.version,
            key: self.key_text.clone(),
            sentence: self.sentence(&steps),
            severity: self.incident.severity,
            confidence: self.incident.confidence,
            spoofable: self.spoofable(),
            created: self.context.now,
            deadline: self.context.now.plus(playbook.limits.deadline),
            actions_max: playbook.limits.actions_max,
            steps,
            hash,
        })
    }

    /// The values come from the newest finding, so its records count as much as the incident's.
    const fn spoofable(&self) -> bool {
        self.incident.spoofable || self.incident.latest.spoofable
    }

    fn step(&self, step: &Step, plan: PlanId, done: &[PlanStep]) -> Result<PlanStep, String> {
        if let Some(condition) = &step.condition
            && let Verdict::Unmet(why) = self.judge(condition)
        {
            return Err(why);
        }
        let missing = |id: &&String| !done.iter().any(|done| done.id == **id);
        if let Some(id) = step.after.iter().find(missing) {
            return Err(format!("it waits for {id}, which is left out"));
        }
        let found = self.bound.iter().find(|(known, _)| *known == step.target);
        let Some((_, Bound::Ip(address))) = found else {
            return Err(format!("{} is missing", step.target.word()));
        };
        let values = Values {
            ip: Some(*address),
            ..step.constants
        };
        let made = (actions::card(step.kind).make)(&values);
        let action = made.ok_or_else(|| format!("{} is missing a value", step.kind.word()))?;
        Ok(self.resolved(step, plan, action, *address))
    }

    fn resolved(&self, step: &Step, plan: PlanId, action: Action, address: Address) -> PlanStep {
        let context = self.context;
        let relapse = (context.relapses)(&self.playbook.name, &self.key_text, &step.id);
        let action_id = ActionId::of(&[
            plan.bytes(),
            step.id.as_bytes(),
            action.target().as_bytes(),
            &relapse.to_le_bytes(),
        ]);
        let input = self.gate_input(step, &action, address);
        let (gate, gate_why) = gate(step, &action, input, context.rails);
        let mut ttl = step.ttl.at(relapse);
        let automatic = matches!(gate, Gate::Auto | Gate::Ratify { .. });
        if let Some(limit) = gates::ttl_limit(input).filter(|_| automatic) {
            ttl = ttl.min(limit);
        }
        PlanStep {
            id: step.id.clone(),
            stage: step.stage,
            action_id,
            relapse,
            ttl,
            after: step.after.clone(),
            on_error: step.on_error,
            gate,
            gate_why,
            blast: self.blast(&action, address),
            diff: actions::diff(&action, ttl, action_id),
            undo: format!("vertice undo --run {plan}"),
            sentence: actions::sentence(&action, ttl),
            action,
        }
    }

    fn gate_input(&self, step: &Step, action: &Action, address: Address) -> GateInput {
        let rails = self.context.rails;
        GateInput {
            severity: self.incident.severity,
            confidence: self.incident.confidence,
            internal: rails.is_internal(address),
            critical: rails.is_critical(address),
            reversibility: actions::card(action.kind()).reversibility,
            spoofable: self.spoofable(),
            mode: self.context.mode,
            stage: step.stage,
            detectors: 1, // an incident does not carry its detectors: assume the least
        }
    }

    fn blast(&self, action: &Action, address: Address) -> BlastRadius {
        let network = action.network();
        let host_bits = u32::from(network.max_prefix_len() - network.prefix_len());
        let mut notes = Vec::new();
        if host_bits == 0 {
            match (self.context.connections)(address) {
                Some(1) => notes.push("1 connection open to it now".into()),
                Some(count) => notes.push(format!("{count} connections open to it now")),
                None => {}
            }
        }
        notes.push(format!("may hurt {}", actions::card(action.kind()).hurts));
        BlastRadius {
            addresses: 1_u64.checked_shl(host_bits).unwrap_or(u64::MAX),
            internal: self.context.rails.is_internal(address),
            notes,
        }
    }

    fn sentence(&self, steps: &[PlanStep]) -> String {
        let words: Vec<&str> = steps.iter().map(|step| step.sentence.as_str()).collect();
        let title = event::hostile(&self.incident.title);
        let mut sentence = format!("{}: {title}", words.join("; "));
        if self.total > KEYS_MAX {
            let total = self.total;
            sentence.push_str(&format!(" ({KEYS_MAX} of {total} targets of this finding)"));
        }
        sentence
    }
}

/// The matrix, made stricter by the author, then by the rails.
fn gate(step: &Step, action: &Action, input: GateInput, rails: &Rails) -> (Gate, String) {
    let (mut gate, mut why) = gates::matrix(input);
    if let Some(asked) = step.gate
        && gates::stricter(gate, asked) != gate
    {
        gate = gates::stricter(gate, asked);
        why.push_str("; the playbook asks for it");
    }
    if let Err(hit) = rails.check(action, true) {
        return (Gate::Deny, hit.to_string());
    }
    if let Err(hit) = rails.check(action, false) {
        gate = gates::stricter(gate, gates::approve(1));
        why = format!("{why}; {hit}");
    }
    (gate, why)
}

/// What an approval binds. Times of planning are not part of it: planning the same again does not
/// void a decision.
#[derive(Serialize)]
struct Binds<'a> {
    plan: PlanId,
    playbook: &'a str,
    version: u32,
    key: &'a str,
    actions_max: u32,
    deadline_s: u64,
    steps: Vec<BindsStep<'a>>,
}

#[derive(Serialize)]
struct BindsStep<'a> {
    id: &'a str,
    action_id: ActionId,
    action: &'a Action,
    ttl: Ttl,
    after: &'a [String],
    on_error: event::OnError,
}

fn hash(plan: PlanId, playbook: &Playbook, key: &str, steps: &[PlanStep]) -> String {
    let binds = Binds {
        plan,
        playbook: &playbook.name,
        version: playbook.version,
        key,
        actions_max: playbook.limits.actions_max,
        deadline_s: playbook.limits.deadline.as_secs(),
        steps: steps
            .iter()
            .map(|step| BindsStep {
                id: &step.id,
                action_id: step.action_id,
                action: &step.action,
                ttl: step.ttl,
                after: &step.after,
                on_error: step.on_error,
            })
            .collect(),
    };
    let text = serde_json::to_vec(&binds).expect("ids, words and numbers always serialise");
    blake3::hash(&text).to_hex().to_string()
}
