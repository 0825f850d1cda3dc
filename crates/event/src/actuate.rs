//! The actuator's protocol: one JSON document per seqpacket message, both ways, bounded.
//!
//! Verbs are "ensure present until" and "ensure absent": idempotent, so a lost reply is answered
//! by asking again. The actuator trusts no caller: it checks every request against rails of its
//! own and reads back what it did before it answers.

use serde::{Deserialize, Serialize};

use crate::id::ActionId;
use crate::plan::Action;

/// Largest message, bytes, either way.
pub const MESSAGE_BYTES_MAX: usize = 128 * 1024;
/// Most operations in one request; more are sent in several.
pub const BATCH_MAX: usize = 256;

/// A request of the engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Repeated in the reply.
    pub serial: u64,
    /// Fencing epoch of the engine: one below the highest seen is refused.
    pub fence: u64,
    /// What to do.
    pub verb: Verb,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum Verb {
    /// Are you there, and what can you do?
    Hello,
    /// Make these present or absent, as one transaction per operation group, then read back.
    Change {
        /// At most [`BATCH_MAX`].
        operations: Vec<Operation>,
    },
    /// What stands?
    Dump {
        /// Elements to skip (paging).
        offset: u32,
    },
    /// Never touch these from now on, beside what the actuator found itself; effects that overlap
    /// are removed at once.
    Protect {
        /// Networks in CIDR form.
        networks: Vec<ipnet::IpNet>,
    },
}

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// The action, written into the kernel element's comment.
    pub action_id: ActionId,
    /// The effect.
    pub action: Action,
    /// Make present for this many seconds from now, or absent (`None`).
    pub present_s: Option<u32>,
    /// Has a person approved this very operation? Lifts the automatic caps, never the rails.
    #[serde(default)]
    pub approved: bool,
}

/// A reply of the actuator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// The request's serial.
    pub serial: u64,
    /// What became of it.
    pub answer: Answer,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// To `Hello`.
    Ready {
        /// Changes each time the kernel's table had to be made anew (start, flush by others).
        generation: u64,
        /// Networks that the actuator itself will not touch.
        protected: Vec<ipnet::IpNet>,
    },
    /// To `Change`: one result per operation, in order.
    Changed {
        /// The results.
        results: Vec<OperationResult>,
    },
    /// To `Dump`.
    Standing {
        /// A page of what stands.
        elements: Vec<Element>,
        /// Offset of the next page; `None` on the last.
        next: Option<u32>,
    },
    /// To `Protect`.
    Protected {
        /// Effects removed because they overlapped.
        removed: Vec<ActionId>,
    },
    /// The request as a whole was refused (stale fence, too large, not understood).
    Refused {
        /// Why.
        reason: String,
    },
}

/// What became of one operation, by read-back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum OperationResult {
    /// Read back: it stands.
    Present {
        /// Seconds until the kernel lets go.
        expires_s: u32,
        /// The element as the packet filter shows it.
        shown: String,
    },
    /// Read back: it does not stand.
    Absent,
    /// A rail said no; nothing was done.
    Railed {
        /// Which rail, and why.
        reason: String,
    },
    /// The kernel said no, or read-back disagreed.
    Failed {
        /// Why.
        reason: String,
    },
}

/// One effect that stands in the kernel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Element {
    /// The action that made it; `None` if its comment is not one of ours.
    pub action_id: Option<ActionId>,
    /// The effect.
    pub action: Action,
    /// Seconds until the kernel lets go.
    pub expires_s: u32,
}
