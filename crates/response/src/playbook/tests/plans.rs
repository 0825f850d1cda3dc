//! What is planned: triggers, gates, ladders, ids, hashes, and what never becomes an action.

use event::{Action, Gate};
use proptest::prelude::*;

use super::*;

fn planned(incident: &Incident) -> Vec<Plan> {
    embedded().plan(incident, &context(&Rails::default()))
}

fn steps(incident: &Incident) -> Vec<String> {
    let plans = planned(incident);
    let steps = plans.iter().flat_map(|plan| &plan.steps);
    let words = steps.map(|step| format!("{} {:?}: {}", step.id, step.gate, step.sentence));
    words.collect()
}

#[test]
fn brute_force_is_slowed_then_blocked_then_blocked_for_long() {
    let slow = "slow Auto: Limit 203.0.113.7 to 5/min for 5 min";
    let mut found = incident("T1110.001", 0.55, Severity::High);
    assert_eq!(steps(&found), [slow]);
    found = incident("T1110.001", 0.75, Severity::High);
    let block = "block Auto: Block 203.0.113.7 for 10 min";
    assert_eq!(steps(&found), [slow, block]);
    found = incident("T1110.001", 0.95, Severity::High);
    found
        .latest
        .facts
        .insert("success_after_failures".into(), 1.0);
    let long = "block_long Auto: Block 203.0.113.7 for 1 d";
    assert_eq!(steps(&found), [slow, block, long]);
}
