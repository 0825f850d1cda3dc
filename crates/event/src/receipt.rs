//! `Receipt`: what changed, as read back from the world.

use serde::{Deserialize, Serialize};

use crate::id::{ActionId, FindingId, IncidentId, PlanId, ReceiptId};
use crate::plan::{Action, RuleDiff};
use crate::time::Time;

/// What became of one action. A later receipt of the same action replaces an earlier one for the
/// reader; both stay in the audit log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// Hash of action, outcome and serial.
    pub id: ReceiptId,
    /// The action.
    pub action_id: ActionId,
    /// The run it belongs to.
    pub plan: PlanId,
    /// The incident answered.
    pub incident: IncidentId,
    /// The finding that moved it.
    pub finding: FindingId,
    /// Step id in the playbook.
    pub step: String,
    /// What was asked.
    pub action: Action,
    /// What became of it.
    pub outcome: Outcome,
    /// In words: what was read back, or what went wrong. Already escaped.
    pub detail: String,
    /// When the intent was journalled.
    pub intended: Time,
    /// When this outcome was known.
    pub time: Time,
    /// When the effect ends by itself; `None` when nothing stands.
    pub expires: Option<Time>,
    /// What changed in the packet filter, as read back.
    pub diff: RuleDiff,
    /// The command that undoes it; empty when nothing stands.
    pub undo: String,
}

/// What became of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The actuator said yes; not yet read back.
    Applied,
    /// Read back from the world: the effect stands.
    Verified,
    /// Mode `observe`: this is what would have been done.
    Simulated,
    /// Part of it stands.
    Partial,
    /// It does not stand.
    Failed,
    /// Nobody can tell; a person must look.
    Unknown,
    /// Read back: the effect is gone because it was undone.
    Undone,
    /// Read back: the effect is gone because its time was over.
    Expired,
    /// A gate or a person said no; nothing was done.
    Denied,
}

impl Outcome {
    /// The word used in every output.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Verified => "verified",
            Self::Simulated => "simulated",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Undone => "undone",
            Self::Expired => "expired",
            Self::Denied => "denied",
        }
    }

    /// Does an effect stand in the world?
    pub const fn stands(self) -> bool {
        matches!(
            self,
            Self::Applied | Self::Verified | Self::Partial | Self::Unknown
        )
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.word())
    }
}
