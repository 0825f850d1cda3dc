//! What one playbook would do about one incident, and why it would not.

use event::{Incident, Plan};

use super::Playbook;
use super::plan::{self, PlanContext};

/// The outcome of trying one playbook alone.
#[derive(Clone, Debug, PartialEq)]
pub struct DryRun {
    /// Did its trigger match?
    pub matched: bool,
    /// Why it matched or not, and which steps were left out, in words, already escaped.
    pub why: String,
    /// The plan; the first, if one finding gives several keys.
    pub plan: Option<Plan>,
    /// The plans of further keys.
    pub more: Vec<Plan>,
}

/// Tries one playbook alone: as if no other one had matched.
pub fn dry_run(playbook: &Playbook, incident: &Incident, context: &PlanContext<'_>) -> DryRun {
    let attempt = plan::attempt(playbook, incident, context, true);
    let mut plans = attempt.plans.into_iter();
    let plan = plans.next();
    let mut why = attempt.why;
    if attempt.matched {
        why.insert(0, "when is met".into());
    }
    if attempt.matched && plan.is_none() {
        why.push("no step is left".into());
    }
    DryRun {
        matched: attempt.matched,
        why: event::hostile(&why.join("; ")),
        plan,
        more: plans.collect(),
    }
}
