//! What was seen: one shape per class of event.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::entity::{Address, Name};
use crate::score::Severity;

/// What was seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "class", rename_all = "snake_case")]
pub enum Body {
    /// An attempt to log in, or a disturbance before one.
    Auth(Auth),
    /// A session that opened or closed.
    Session(Session),
    /// A command run, or a change of identity, with another account's rights (sudo, su, pkexec).
    Privilege(Privilege),
    /// A change of accounts or groups.
    Account(Account),
    /// Logging or auditing cleared, stopped, switched off or restarted.
    Audit(Audit),
    /// Traffic between two endpoints.
    Flow(Flow),
    /// A claim of another detector, such as Suricata.
    Alert(Alert),
    /// Understood as a record, not as a class: its fields by their original names.
    Other(Other),
}

/// The other end of a connection, as a log line names it: not always an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// As written in the record (`192.030.0.6`, `example.com`).
    pub text: Name,
    /// Set only if `text` is an address in plain form; nothing else can ever be blocked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    /// Source port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

impl Peer {
    /// A peer from the text that names it.
    pub fn new(text: &str, port: Option<u16>) -> Self {
        Self {
            text: Name::new(text),
            address: text.parse().ok(),
            port,
        }
    }
}

/// An attempt to log in, or a disturbance before one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Auth {
    /// How it ended.
    pub outcome: AuthOutcome,
    /// The program asked (`sshd`, `login`, `vsftpd`).
    pub service: Name,
    /// `password`, `publickey`, `keyboard-interactive/pam`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<Name>,
    /// The account named by the peer: hostile text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Name>,
    /// Does the account exist on that host? `None` when the record does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_exists: Option<bool>,
    /// Who asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<Peer>,
    /// Process that handled it: joins the lines of one connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// The record says that the same attempt failed this many times ("message repeated 5 times").
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub count: u32,
}

const fn one() -> u32 {
    1
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
const fn is_one(count: &u32) -> bool {
    *count == 1
}

/// How an attempt to log in ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthOutcome {
    /// Let in.
    Accepted,
    /// A credential was offered and was wrong.
    Failed,
    /// Refused by policy before or despite the credential (AllowUsers, root login, too many tries).
    Refused,
    /// The account named does not exist; a `Failed` for the same attempt may follow.
    UnknownUser,
    /// No credential was judged: connection reset or closed before authentication, bad protocol,
    /// no common algorithm. Weak evidence.
    Probe,
    /// The log says that this failure is the echo of one already reported (PAM beside sshd): it
    /// is recognised but must not be counted again.
    Echo,
}

/// A session that opened or closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Opened (true) or closed.
    pub opened: bool,
    /// The program that holds it.
    pub service: Name,
    /// The account.
    pub user: Name,
    /// Who asked for it, if the record says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Name>,
    /// Process that holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
}

/// A command run, or a change of identity, with another account's rights.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Privilege {
    /// `sudo`, `su`, `pkexec`, `doas`.
    pub tool: Name,
    /// Was it allowed?
    pub granted: bool,
    /// Who asked.
    pub actor: Name,
    /// Whose rights were asked for.
    pub target: Name,
    /// The command line, if one was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Name>,
    /// Working directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<Name>,
    /// Why it was refused, in the record's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Name>,
}

/// A change of accounts or groups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// What changed.
    pub change: AccountChange,
    /// The account; for a group change, the member.
    pub user: Name,
    /// The group, where one is concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Name>,
    /// Numeric user id, where given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Who did it, where given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Name>,
}

/// What changed about an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountChange {
    /// A new account.
    Created,
    /// An account removed.
    Deleted,
    /// Password changed or set.
    PasswordChanged,
    /// Put into a group.
    AddedToGroup,
    /// Taken out of a group.
    RemovedFromGroup,
    /// Locked, unlocked, renamed, shell or home changed.
    Modified,
    /// A new group.
    GroupCreated,
}

/// Logging or auditing cleared, stopped, switched off or restarted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// What happened.
    pub change: AuditChange,
    /// The log file, daemon or rule concerned.
    pub object: Name,
    /// Who did it, where given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Name>,
}

/// What happened to a log or an audit service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditChange {
    /// Contents removed.
    Cleared,
    /// The service stopped.
    Stopped,
    /// Switched off while the service runs.
    Disabled,
    /// The service started.
    Started,
}

/// Traffic between two endpoints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// Who opened it.
    pub source: Address,
    /// Who was called.
    pub destination: Address,
    /// Port of the opener (0 where the protocol has none).
    pub source_port: u16,
    /// Port called (0 where the protocol has none).
    pub destination_port: u16,
    /// Transport.
    pub transport: Transport,
    /// How the connection went.
    pub state: FlowState,
    /// Application protocol as the sensor names it (`ssh`, `http`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<Name>,
    /// Packets and bytes from the opener.
    pub sent: Volume,
    /// Packets and bytes to the opener.
    pub received: Volume,
    /// From first to last packet, microseconds.
    pub duration_us: u64,
}

/// Packets and bytes in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Packets.
    pub packets: u64,
    /// Bytes, headers included where the sensor counts them.
    pub bytes: u64,
}

/// Transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are the protocols'")]
pub enum Transport {
    Tcp,
    Udp,
    Icmp,
    Sctp,
    Other,
}

/// How a connection went, whatever the sensor calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlowState {
    /// Both sides talked (Zeek SF, S1, RSTO …; Suricata established, closed with replies).
    Established,
    /// Asked, and refused by reset or ICMP (Zeek REJ).
    Rejected,
    /// Asked, and nobody answered (Zeek S0).
    Unanswered,
    /// Picked up in the middle or otherwise odd (Zeek OTH, SH, …).
    Partial,
}

/// A claim of another detector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// The detector's own rule number.
    pub signature_id: u64,
    /// The rule's title.
    pub signature: Name,
    /// The rule's category.
    pub category: Name,
    /// How bad the detector says it is.
    pub severity: Severity,
    /// Was the traffic blocked by the detector itself?
    pub blocked: bool,
    /// Endpoints as the alert gives them.
    pub source: Address,
    /// Endpoints as the alert gives them.
    pub destination: Address,
    /// Source port (0 where there is none).
    pub source_port: u16,
    /// Destination port (0 where there is none).
    pub destination_port: u16,
    /// Transport.
    pub transport: Transport,
}

/// A record understood in form only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Other {
    /// The program or record type that wrote it (`cron`, `dns`, `kernel`).
    pub program: Name,
    /// Process, where given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Fields by their original names; bounded by the source.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, String>,
}

impl Default for Name {
    fn default() -> Self {
        Self::new("")
    }
}
