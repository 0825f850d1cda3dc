//! What waits for a person, and what persons decided.

use serde::{Deserialize, Serialize};

use crate::id::{ActionId, IncidentId, PlanId, ReceiptId};
use crate::plan::{Gate, PlanStep};
use crate::time::Time;

/// A step that waits at a gate. Its `id` is the action's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    /// The action that waits.
    pub id: ActionId,
    /// Its run.
    pub plan: PlanId,
    /// Hash of the resolved plan that a decision must name.
    pub plan_hash: String,
    /// The incident.
    pub incident: IncidentId,
    /// Title of the incident when asked, already escaped.
    pub title: String,
    /// The whole step: sentence, diff, blast radius, undo.
    pub step: PlanStep,
    /// The gate it waits at.
    pub gate: Gate,
    /// When the wait began.
    pub asked: Time,
    /// When silence decides.
    pub ends: Time,
    /// Who has said yes so far.
    pub approved_by: Vec<String>,
    /// Where it stands.
    pub state: ApprovalState,
    /// Who ended it and why, once it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
}

/// Where a wait stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalState {
    /// Somebody may still decide.
    Waiting,
    /// Enough persons said yes (or nobody vetoed).
    Approved,
    /// A person said no.
    Denied,
    /// Silence decided.
    TimedOut,
    /// The plan changed: this wait is void.
    Stale,
}

/// What a person wants. Written to the store by CLI and console; read by the engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Who, as authenticated (`cli:root`, `console:ana`).
    pub who: String,
    /// When it was written.
    pub time: Time,
    /// Why, in the person's words.
    pub reason: String,
    /// What.
    pub wish: Wish,
}

/// What a person can wish for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "wish", rename_all = "snake_case")]
pub enum Wish {
    /// Yes to a waiting step (or ratify a standing one) of exactly this plan.
    Approve {
        /// The action.
        action: ActionId,
        /// The hash that was shown.
        plan_hash: String,
    },
    /// No to a waiting step; also takes back a standing one. Always wins.
    Deny {
        /// The action.
        action: ActionId,
    },
    /// Undo one receipt's effect.
    Undo {
        /// The receipt.
        receipt: ReceiptId,
    },
    /// Undo a whole run.
    UndoRun {
        /// The run.
        plan: PlanId,
    },
    /// The red button: undo everything and plan nothing new for those targets until asked.
    UndoAll,
}

/// What became of a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionAnswer {
    /// Was it carried out?
    pub accepted: bool,
    /// In words, already escaped ("undone, read back: absent", "stale: the plan changed").
    pub detail: String,
}
