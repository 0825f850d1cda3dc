//! What we planned and did about one incident: one line an action, with its newest outcome.

use std::collections::{BTreeMap, BTreeSet};

use event::{ActionId, Gate, IncidentId, Outcome, Plan, PlanStep, Receipt, ReceiptId};
use serde::Serialize;
use store::{PAGE_MAX, ReceiptQuery, Store, StoreError};

use crate::frame::words::Moment;

/// One action and what became of it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ActionLine {
    pub(crate) action: ActionId,
    pub(crate) playbook: String,
    pub(crate) sentence: String,
    pub(crate) kind: &'static str,
    pub(crate) target: String,
    pub(crate) gate: &'static str,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) detail: String,
    pub(crate) time: Option<Moment>,
    pub(crate) expires: Option<Moment>,
    pub(crate) undo: String,
    /// Set where an effect stands that a person can undo.
    pub(crate) receipt: Option<ReceiptId>,
    /// It waits for a person.
    pub(crate) waits: bool,
}

/// All actions of an incident: plans newest first, then receipts of steps that no plan names any
/// more.
pub(crate) fn of(store: &dyn Store, incident: IncidentId) -> Result<Vec<ActionLine>, StoreError> {
    let query = ReceiptQuery {
        incident: Some(incident),
        limit: PAGE_MAX,
        ..ReceiptQuery::default()
    };
    let mut newest: BTreeMap<ActionId, Receipt> = BTreeMap::new();
    for receipt in store.receipts(&query)? {
        newest.entry(receipt.action_id).or_insert(receipt);
    }
    let waiting = store.approvals(true, PAGE_MAX)?;
    let waiting: BTreeSet<ActionId> = waiting.iter().map(|approval| approval.id).collect();
    let mut lines = Vec::new();
    for plan in store.plans_of(incident)? {
        for step in &plan.steps {
            let receipt = newest.remove(&step.action_id);
            let waits = waiting.contains(&step.action_id);
            lines.push(line_of_step(&plan, step, receipt, waits));
        }
    }
    lines.extend(newest.into_values().map(line_of_receipt));
    Ok(lines)
}

fn line_of_step(plan: &Plan, step: &PlanStep, receipt: Option<Receipt>, waits: bool) -> ActionLine {
    let told = receipt.as_ref();
    ActionLine {
        action: step.action_id,
        playbook: format!("{} v{}", plan.playbook, plan.playbook_version),
        sentence: step.sentence.clone(),
        kind: step.action.kind().word(),
        target: step.action.target(),
        gate: gate_word(step.gate),
        outcome: told.map(|receipt| receipt.outcome),
        detail: told.map_or_else(String::new, |receipt| receipt.detail.clone()),
        time: told.map(|receipt| Moment(receipt.time)),
        expires: told.and_then(|receipt| receipt.expires).map(Moment),
        undo: told.map_or_else(String::new, |receipt| receipt.undo.clone()),
        receipt: told.and_then(undoable),
        waits,
    }
}

fn line_of_receipt(receipt: Receipt) -> ActionLine {
    ActionLine {
        action: receipt.action_id,
        playbook: receipt.step.clone(),
        sentence: format!(
            "{} {}",
            receipt.action.kind().word(),
            receipt.action.target()
        ),
        kind: receipt.action.kind().word(),
        target: receipt.action.target(),
        gate: "",
        outcome: Some(receipt.outcome),
        time: Some(Moment(receipt.time)),
        expires: receipt.expires.map(Moment),
        receipt: undoable(&receipt),
        detail: receipt.detail,
        undo: receipt.undo,
        waits: false,
    }
}

fn undoable(receipt: &Receipt) -> Option<ReceiptId> {
    receipt.outcome.stands().then_some(receipt.id)
}

const fn gate_word(gate: Gate) -> &'static str {
    match gate {
        Gate::Auto => "auto",
        Gate::Ratify { .. } => "ratify",
        Gate::Veto { .. } => "veto",
        Gate::Approve { .. } => "approve",
        Gate::Deny => "deny",
    }
}
