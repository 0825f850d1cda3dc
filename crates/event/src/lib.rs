//! The five nouns that cross an area's border, and the small words they are made of.
//!
//! `Event` (what was seen) → `Finding` (a detector's claim) → `Incident` (findings joined) →
//! `Plan` (what to do) → `Receipt` (what changed). Beside them stand the two protocols that more
//! than one area speaks: the actuator's ([`actuate`]) and the response journal's ([`journal`]).
//!
//! Absent on purpose: I/O, async, clocks, randomness, and any logic beyond constructing, parsing
//! and printing these types. A change here rebuilds everything: it is reviewed as an ADR.
#![warn(missing_docs)]

pub mod actuate;
pub mod body;
pub mod decision;
mod detector;
mod entity;
mod excerpt;
mod finding;
mod id;
mod incident;
pub mod journal;
mod plan;
mod receipt;
mod score;
mod seen;
mod technique;
mod time;

pub use body::Body;
pub use detector::{Detector, Out, SnapshotError};
pub use entity::{
    Address, AddressError, Entity, EntityKind, EntityRef, NAME_BYTES_MAX, Name, Role,
};
pub use excerpt::{EXCERPT_CHARS_MAX, Excerpt, hostile};
pub use finding::{EVIDENCE_MAX, Finding, RuleRef, ScorePart};
pub use id::{ActionId, EventId, FindingId, Id, IdError, IncidentId, Kind, PlanId, ReceiptId};
pub use incident::{Incident, IncidentState, JoinReason, TimelineEntry, TimelineKind};
pub use plan::{
    Action, ActionKind, BlastRadius, Gate, Mode, OnError, Plan, PlanStep, Rate, Reversibility,
    RuleDiff, Silence, Stage, Ttl, TtlError,
};
pub use receipt::{Outcome, Receipt};
pub use score::{Confidence, ConfidenceError, Severity};
pub use seen::{Event, ID_BYTES_MAX, Origin, RAW_BYTES_MAX, TimeQuality};
pub use technique::{Tactic, TechniqueId, TechniqueIdError};
pub use time::{Clock, ManualClock, Time, TimeError};
