//! The state of a node: incidents, plans, receipts, the response journal, the audit chain,
//! decisions of people, offsets, snapshots, accounts. One trait, one backend (SQLite).
//!
//! A commit is one transaction and is on disk when it returns. The journal and the audit log are
//! the same rows, so the chain covers exactly what the engine rebuilds itself from. Other
//! processes (the command line) read the same file and write decisions into it.
//!
//! Absent on purpose: any clock (all times come in the records), any opinion about what a change
//! means, async, and the events themselves, which live in the segment log.
#![warn(missing_docs)]

mod audit;
mod error;
mod records;
mod sqlite;
mod status;

use event::decision::{Approval, Decision, DecisionAnswer};
use event::journal::JournalRecord;
use event::{
    ActionId, Event, EventId, Finding, FindingId, Incident, IncidentId, IncidentState, Plan,
    PlanId, Receipt, ReceiptId, Severity,
};

pub use audit::{AuditBreak, AuditFault, AuditHead, AuditReport, AuditRow, GENESIS, HASH_BYTES};
pub use error::StoreError;
pub use records::{
    BATCH_ROWS_MAX, BODY_BYTES_MAX, Change, DEAD_LETTER_BYTES_MAX, DEAD_LETTERS_BYTES_MAX,
    DEAD_LETTERS_MAX, DECISIONS_WAITING_MAX, DeadLetter, DecisionTicket, EVIDENCE_ROWS_MAX,
    FINDINGS_MAX, INCIDENTS_MAX, IncidentQuery, NumberedDecision, OUTBOX_BYTES_MAX, Outbox,
    OutboxRow, PAGE_MAX, ReceiptQuery, SESSIONS_MAX, SNAPSHOT_BYTES_MAX, Session, USERS_MAX, User,
    UserRole,
};
pub use sqlite::{Limits, OpenRole, Options, RESERVE_FILE, STATE_FILE, Sqlite};
pub use status::{
    ActuatorStatus, HopStatus, STATUS_BYTES_MAX, STATUS_FILE, SourceStatus, Status, read_status,
    write_status,
};

/// The state of a node. Every method fails with a [`StoreError`] when the backend does.
///
/// Lists are bounded by [`PAGE_MAX`] or [`BATCH_ROWS_MAX`] whatever limit is asked for. A row of
/// a projection that cannot be understood is left out of lists and counted in
/// [`Store::unreadable`]; asked for alone, and in the journal, it is [`StoreError::Corrupt`].
pub trait Store: Send + Sync {
    /// Applies all changes in order in one transaction; on `Ok` they are on disk, on `Err` none
    /// was made.
    fn commit(&self, changes: Vec<Change>) -> Result<(), StoreError>;

    /// Takes over: from now on commits of every other holder fail with [`StoreError::Fenced`].
    fn take_epoch(&self) -> Result<u64, StoreError>;

    /// An incident.
    fn incident(&self, id: IncidentId) -> Result<Option<Incident>, StoreError>;
    /// Incidents, newest change first.
    fn incidents(&self, query: &IncidentQuery) -> Result<Vec<Incident>, StoreError>;
    /// How many incidents there are by state and severity; zeros are left out.
    fn incident_counts(&self) -> Result<Vec<(IncidentState, Severity, u64)>, StoreError>;
    /// A finding.
    fn finding(&self, id: FindingId) -> Result<Option<Finding>, StoreError>;
    /// Findings of an incident, newest event time first.
    fn findings_of(&self, incident: IncidentId, limit: usize) -> Result<Vec<Finding>, StoreError>;
    /// An event that a finding rests on.
    fn evidence(&self, id: EventId) -> Result<Option<Event>, StoreError>;
    /// A plan, in its newest revision.
    fn plan(&self, id: PlanId) -> Result<Option<Plan>, StoreError>;
    /// Plans of an incident, newest first.
    fn plans_of(&self, incident: IncidentId) -> Result<Vec<Plan>, StoreError>;

    /// A receipt.
    fn receipt(&self, id: ReceiptId) -> Result<Option<Receipt>, StoreError>;
    /// Receipts of a run in the order of writing; the oldest are left out beyond [`PAGE_MAX`].
    fn receipts_of(&self, plan: PlanId) -> Result<Vec<Receipt>, StoreError>;
    /// The last receipt of an action: what is known of it now.
    fn latest_receipt(&self, action: ActionId) -> Result<Option<Receipt>, StoreError>;
    /// Receipts, newest first.
    fn receipts(&self, query: &ReceiptQuery) -> Result<Vec<Receipt>, StoreError>;

    /// Steps at gates: those that wait first (by when silence decides), then the newest.
    fn approvals(&self, waiting_only: bool, limit: usize) -> Result<Vec<Approval>, StoreError>;
    /// A step at a gate.
    fn approval(&self, id: ActionId) -> Result<Option<Approval>, StoreError>;

    /// Writes a person's decision for the engine, in a transaction of its own. Refused when
    /// [`DECISIONS_WAITING_MAX`] wait already.
    fn decide(&self, decision: &Decision) -> Result<DecisionTicket, StoreError>;
    /// Unanswered decisions after `ticket`, in order.
    fn decisions_after(
        &self,
        ticket: DecisionTicket,
        limit: usize,
    ) -> Result<Vec<NumberedDecision>, StoreError>;
    /// What became of a decision; `None` while it waits.
    fn decision_answer(&self, ticket: DecisionTicket)
    -> Result<Option<DecisionAnswer>, StoreError>;

    /// Journal records after the sequence `after`, in order, each with its sequence (1, 2, …):
    /// the audit rows of the same numbers, understood.
    fn journal(&self, after: u64, limit: usize) -> Result<Vec<(u64, JournalRecord)>, StoreError>;
    /// Sequence of the last journal record; 0 if there is none.
    fn journal_head(&self) -> Result<u64, StoreError>;
    /// Audit rows after the sequence `after`, in order.
    fn audit(&self, after: u64, limit: usize) -> Result<Vec<AuditRow>, StoreError>;
    /// Walks the whole audit log and names the first row that does not hold.
    fn verify_audit(&self) -> Result<AuditReport, StoreError>;

    /// Nouns of an outbox after the sequence `after`, in order; at most [`BATCH_ROWS_MAX`], and no
    /// more once [`OUTBOX_BYTES_MAX`] is reached.
    fn outbox(
        &self,
        outbox: Outbox,
        after: u64,
        limit: usize,
    ) -> Result<Vec<OutboxRow>, StoreError>;
    /// Sequence of the last noun of an outbox; 0 if there is none.
    fn outbox_head(&self, outbox: Outbox) -> Result<u64, StoreError>;

    /// How far each stream is read, sorted by stream.
    fn offsets(&self) -> Result<Vec<(String, String)>, StoreError>;
    /// A stored state.
    fn snapshot(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError>;
    /// A stored value.
    fn value(&self, key: &str) -> Result<Option<String>, StoreError>;

    /// An account.
    fn user(&self, name: &str) -> Result<Option<User>, StoreError>;
    /// All accounts, sorted by name.
    fn users(&self) -> Result<Vec<User>, StoreError>;
    /// A session by the hash of its token, also when it has ended: compare `expires`.
    fn session(&self, token_hash: &[u8; 32]) -> Result<Option<Session>, StoreError>;

    /// Dead letters, newest first.
    fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>, StoreError>;
    /// How many dead letters there are.
    fn dead_letter_count(&self) -> Result<u64, StoreError>;
    /// A dead letter.
    fn dead_letter(&self, id: u64) -> Result<Option<DeadLetter>, StoreError>;
    /// Dead letters after the number `after`, oldest first; no more once [`OUTBOX_BYTES_MAX`] is
    /// reached.
    fn dead_letters_after(&self, after: u64, limit: usize) -> Result<Vec<DeadLetter>, StoreError>;
    /// What went because a table was at its limit, by table, since the file was made.
    fn dropped(&self) -> Result<Vec<(String, u64)>, StoreError>;
    /// Rows left out of lists since this handle was opened because they could not be understood.
    fn unreadable(&self) -> u64;

    /// Differs from its last value whenever anybody has written since, also another process.
    fn change_marker(&self) -> Result<u64, StoreError>;

    /// Work that need not be part of a commit (moving the write-ahead log into the file). Worth
    /// calling once a second or so, from another thread than the one that commits.
    fn maintain(&self) -> Result<(), StoreError>;

    /// Gives the reserved space back to the file system, so that undo records still fit.
    fn release_reserve(&self) -> Result<(), StoreError>;
    /// Is the reserved space held? While it is not, commits without an undo record are refused
    /// with [`StoreError::Full`] until it could be taken again.
    fn reserve_held(&self) -> bool;
}

#[cfg(test)]
mod contract;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
