//! The response journal: what the engine writes down *before* it acts, and what it rebuilds
//! itself from. Written by `response`, kept by `store`, carried by `vertice`.

use serde::{Deserialize, Serialize};

use crate::decision::{Approval, Decision};
use crate::id::{ActionId, PlanId};
use crate::plan::{Mode, Plan};
use crate::receipt::Receipt;
use crate::time::Time;

/// One record. The engine's state is the fold of all records in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JournalRecord {
    /// When it was written, wall time.
    pub time: Time,
    /// Who caused it (`engine`, `cli:root`, `console:ana`).
    pub who: String,
    /// What happened.
    pub entry: JournalEntry,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub enum JournalEntry {
    /// A plan, or a new revision of one.
    Planned {
        /// The whole plan.
        plan: Box<Plan>,
    },
    /// A step waits at a gate, or its wait changed.
    Gate {
        /// The wait as it now stands.
        approval: Box<Approval>,
    },
    /// About to ask the actuator to make the effect present until `until`.
    Intent {
        /// The action.
        action: ActionId,
        /// Its run.
        plan: PlanId,
        /// Step id.
        step: String,
        /// Claimed until this wall time.
        until: Time,
        /// Approved by a person?
        approved: bool,
    },
    /// About to ask the actuator to make the effect absent.
    UndoIntent {
        /// The action.
        action: ActionId,
        /// Why, in words.
        reason: String,
    },
    /// What became of it.
    Receipt {
        /// The receipt.
        receipt: Box<Receipt>,
    },
    /// A person decided.
    Decided {
        /// The decision.
        decision: Decision,
        /// What became of it.
        answer: crate::decision::DecisionAnswer,
    },
    /// The run is over.
    Closed {
        /// The run.
        plan: PlanId,
        /// How, in words.
        how: String,
    },
    /// The mode changed.
    ModeSet {
        /// The new mode.
        mode: Mode,
    },
    /// Something an operator must know: orphan removed, rail hit, clock jump, brake.
    Notice {
        /// In words, already escaped.
        text: String,
    },
}
