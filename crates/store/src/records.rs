//! What goes into the store beside the nouns of `event`, and the questions asked of it.

use event::decision::{Decision, DecisionAnswer};
use event::journal::JournalRecord;
use event::{Event, Finding, Incident, IncidentId, IncidentState, Plan, Severity, Time};
use serde::{Deserialize, Serialize};

/// Dead letters kept; the oldest go and are counted.
pub const DEAD_LETTERS_MAX: u64 = 10_000;
/// Bytes of all dead letters kept; the oldest go and are counted.
pub const DEAD_LETTERS_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Bytes kept of one dead letter; a longer one is cut and its reason says so.
pub const DEAD_LETTER_BYTES_MAX: usize = 1024 * 1024;
/// Evidence events kept; the oldest go and are counted.
pub const EVIDENCE_ROWS_MAX: u64 = 1_000_000;
/// Findings kept; the oldest go and are counted.
pub const FINDINGS_MAX: u64 = 1_000_000;
/// Incidents kept; closed ones go first, longest unchanged first, and are counted.
pub const INCIDENTS_MAX: u64 = 100_000;
/// Sessions kept; those that end first go first.
pub const SESSIONS_MAX: u64 = 10_000;
/// Accounts that can exist; one more is refused.
pub const USERS_MAX: u64 = 1_000;
/// Decisions that can wait for an answer; one more is refused.
pub const DECISIONS_WAITING_MAX: u64 = 10_000;
/// Rows that one page of a list holds at most; a larger limit means this one.
pub const PAGE_MAX: usize = 500;
/// Bytes of bodies after which one read of an outbox or of dead letters in order stops.
pub const OUTBOX_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Rows that one read of journal, audit log or dead letters returns at most.
pub const BATCH_ROWS_MAX: usize = 10_000;
/// Largest snapshot, bytes.
pub const SNAPSHOT_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Largest body, value or offset, bytes.
pub const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// One change of a commit.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// An incident as it now stands; replaces what was there.
    Incident(Incident),
    /// A finding and the incident that it joined; replaces what was there.
    Finding {
        /// The incident.
        incident: IncidentId,
        /// The finding.
        finding: Finding,
    },
    /// An event that a finding rests on; the first with an id stays.
    Evidence(Event),
    /// A plan as it now stands.
    Plan(Plan),
    /// Appended to journal and audit log; what it says of plans, waits, receipts and decisions is
    /// projected in the same transaction.
    Journal(JournalRecord),
    /// What became of a decision.
    Answer {
        /// The decision.
        ticket: DecisionTicket,
        /// Its answer.
        answer: DecisionAnswer,
    },
    /// How far a stream is read, in the source's own words.
    Offset {
        /// The stream.
        stream: String,
        /// Where it stands.
        state: String,
    },
    /// The state of a detector or of fusion.
    Snapshot {
        /// Whose.
        name: String,
        /// The state.
        bytes: Vec<u8>,
    },
    /// An account, new or changed. A changed password ends its sessions.
    User(User),
    /// Removes an account and ends its sessions.
    RemoveUser(String),
    /// A session of an account that exists.
    Session(Session),
    /// Ends a session, by the hash of its token.
    RemoveSession([u8; 32]),
    /// A single value under a key.
    Value {
        /// The key.
        key: String,
        /// The value.
        value: String,
    },
    /// A record that could not be used. Its `id` is given by the store; the same record again
    /// changes nothing.
    DeadLetter(DeadLetter),
    /// Removes a dead letter: it became something after all.
    RemoveDeadLetter(u64),
    /// Fails the commit unless this handle took an epoch and still owns it.
    Fence,
}

/// Number of a decision, in the order of writing.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct DecisionTicket(pub i64);

/// An unanswered or answered decision with its number.
pub type NumberedDecision = (DecisionTicket, Decision);

/// What an account may do; each role includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UserRole {
    /// Looks.
    Viewer,
    /// Works on incidents.
    Analyst,
    /// Decides at gates and undoes.
    Approver,
    /// Manages accounts.
    Admin,
}

impl UserRole {
    /// All roles, in order.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Analyst, Self::Approver, Self::Admin];

    /// The word used in every output.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Analyst => "analyst",
            Self::Approver => "approver",
            Self::Admin => "admin",
        }
    }
}

impl std::fmt::Display for UserRole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.word())
    }
}

impl std::str::FromStr for UserRole {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|role| role.word() == text);
        found.ok_or_else(|| format!("{text:?} is not one of viewer, analyst, approver, admin"))
    }
}

/// An account.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// Its name.
    pub name: String,
    /// What it may do.
    pub role: UserRole,
    /// PHC string of its password; never the password.
    pub password_hash: String,
    /// When it was made.
    pub created: Time,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "User({:?}, {})", self.name, self.role)
    }
}

/// A session of a person. The store knows no time: the reader compares `expires`.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    /// Hash of its token; the token itself is never stored.
    pub token_hash: [u8; 32],
    /// The account.
    pub user: String,
    /// What it may do: when read, never more than the account may now.
    pub role: UserRole,
    /// The secret that forms must repeat.
    pub csrf: String,
    /// When it began.
    pub created: Time,
    /// When it ends.
    pub expires: Time,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Session of {:?}, ends {}", self.user, self.expires)
    }
}

/// A record that could not be used, with its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Number given by the store; what a writer puts here is not looked at.
    pub id: u64,
    /// When it was set aside.
    pub time: Time,
    /// The hop that could not use it.
    pub stage: String,
    /// Why, already escaped.
    pub reason: String,
    /// The stream it came from.
    pub stream: String,
    /// Where in the stream.
    pub position: u64,
    /// The record as it came.
    pub bytes: Vec<u8>,
}

/// Nouns that can be read in the order in which they were written, to be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outbox {
    /// Findings, in the order of joining.
    Findings,
    /// Incidents, in the order of their last change: a state that was overtaken before it was
    /// read is left out, the newest one never is.
    Incidents,
}

/// A noun of an [`Outbox`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxRow {
    /// Its place; only grows, may have gaps.
    pub sequence: u64,
    /// The noun, JSON, as it lies in the store.
    pub body: String,
}

/// Which incidents, newest change first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IncidentQuery {
    /// Only in this state.
    pub state: Option<IncidentState>,
    /// Only at least so severe.
    pub severity_min: Option<Severity>,
    /// At most so many, and at most [`PAGE_MAX`].
    pub limit: usize,
    /// Leave out so many first.
    pub offset: usize,
}

impl Default for IncidentQuery {
    fn default() -> Self {
        Self {
            state: None,
            severity_min: None,
            limit: 100,
            offset: 0,
        }
    }
}

/// Which receipts, newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiptQuery {
    /// Only the last receipt of each action, and only where an effect stands by it.
    pub standing_only: bool,
    /// Only of this incident.
    pub incident: Option<IncidentId>,
    /// At most so many, and at most [`PAGE_MAX`].
    pub limit: usize,
    /// Leave out so many first.
    pub offset: usize,
}

impl Default for ReceiptQuery {
    fn default() -> Self {
        Self {
            standing_only: false,
            incident: None,
            limit: 100,
            offset: 0,
        }
    }
}
