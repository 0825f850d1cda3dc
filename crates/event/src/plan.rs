//! `Plan`: what to do about an incident, resolved, with its gates, its blast radius and its undo.

use std::fmt;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::entity::Address;
use crate::id::{ActionId, IncidentId, PlanId};
use crate::score::{Confidence, Severity};
use crate::time::Time;

/// One run of one playbook against one incident and key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Hash of incident, playbook name and key.
    pub id: PlanId,
    /// Counts up when further findings amplify the run or a person changes it.
    pub revision: u32,
    /// The incident it answers.
    pub incident: IncidentId,
    /// Playbook name.
    pub playbook: String,
    /// Playbook version.
    pub playbook_version: u32,
    /// One live run per key (the resolved values, joined for people).
    pub key: String,
    /// Why it was made, in one sentence, already escaped.
    pub sentence: String,
    /// Severity of the incident when planned.
    pub severity: Severity,
    /// Confidence of the incident when planned.
    pub confidence: Confidence,
    /// Does it rest on spoofable records only?
    pub spoofable: bool,
    /// When it was planned.
    pub created: Time,
    /// The run ends at this time at the latest; effects are undone or held by their own TTL.
    pub deadline: Time,
    /// Actions the run may apply in all.
    pub actions_max: u32,
    /// The steps, resolved, in order.
    pub steps: Vec<PlanStep>,
    /// Hash (hexadecimal BLAKE3) of everything above that an approval binds.
    pub hash: String,
}

/// One resolved step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanStep {
    /// Id inside the playbook (`block`).
    pub id: String,
    /// Stage of the containment ladder.
    pub stage: Stage,
    /// What to do, resolved.
    pub action: Action,
    /// Id of the action: run + step + target + relapse count.
    pub action_id: ActionId,
    /// How often it was applied anew to this target in this run.
    pub relapse: u32,
    /// How long the effect holds.
    pub ttl: Ttl,
    /// Steps that must have succeeded first.
    pub after: Vec<String>,
    /// What to do when it fails.
    pub on_error: OnError,
    /// The gate that the matrix gave it.
    pub gate: Gate,
    /// Why that gate, in one sentence.
    pub gate_why: String,
    /// Whom and what it may hurt.
    pub blast: BlastRadius,
    /// Rules before and after.
    pub diff: RuleDiff,
    /// The command that undoes it.
    pub undo: String,
    /// One sentence for a person ("Block 203.0.113.7 for 10 min"), already escaped.
    pub sentence: String,
}

/// A privileged effect, closed and typed. A request to the actuator is one of these.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Action {
    /// Drop all traffic from these addresses (D3FEND D3-ITF, RE&CT RA3101).
    #[serde(rename = "net.block_ip")]
    BlockIp {
        /// One address as /32 or /128, or a range.
        target: IpNet,
    },
    /// Drop new packets from this address above a rate (D3-ITF).
    #[serde(rename = "net.rate_limit")]
    RateLimit {
        /// The address.
        address: Address,
        /// Packets let through.
        rate: Rate,
    },
    /// Drop all traffic to this destination (D3-OTF, RA3107).
    #[serde(rename = "net.block_egress")]
    BlockEgress {
        /// The destination.
        address: Address,
        /// Only this port (TCP and UDP), or all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        port: Option<u16>,
    },
}

/// The kinds of [`Action`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "see Action")]
pub enum ActionKind {
    #[serde(rename = "net.block_ip")]
    BlockIp,
    #[serde(rename = "net.rate_limit")]
    RateLimit,
    #[serde(rename = "net.block_egress")]
    BlockEgress,
}

impl ActionKind {
    /// All kinds, sorted by their words.
    pub const ALL: [Self; 3] = [Self::BlockEgress, Self::BlockIp, Self::RateLimit];

    /// The word used in playbooks and outputs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::BlockIp => "net.block_ip",
            Self::RateLimit => "net.rate_limit",
            Self::BlockEgress => "net.block_egress",
        }
    }
}

impl Action {
    /// Which kind it is.
    pub const fn kind(&self) -> ActionKind {
        match self {
            Self::BlockIp { .. } => ActionKind::BlockIp,
            Self::RateLimit { .. } => ActionKind::RateLimit,
            Self::BlockEgress { .. } => ActionKind::BlockEgress,
        }
    }

    /// The network that it touches.
    pub fn network(&self) -> IpNet {
        match self {
            Self::BlockIp { target } => target.trunc(),
            Self::RateLimit { address, .. } | Self::BlockEgress { address, .. } => {
                IpNet::from(address.ip())
            }
        }
    }

    /// The target in words: an address, a range, or address and port.
    pub fn target(&self) -> String {
        match self {
            Self::BlockIp { target } if target.prefix_len() == target.max_prefix_len() => {
                target.addr().to_string()
            }
            Self::BlockIp { target } => target.to_string(),
            Self::RateLimit { address, .. }
            | Self::BlockEgress {
                address,
                port: None,
            } => address.to_string(),
            Self::BlockEgress {
                address,
                port: Some(port),
            } if address.is_ipv4() => {
                format!("{address}:{port}")
            }
            Self::BlockEgress {
                address,
                port: Some(port),
            } => format!("[{address}]:{port}"),
        }
    }
}

/// Packets per time, printed and read as `5/min`, `10/s`, `100/h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Rate {
    /// Packets, at least 1.
    pub packets: u32,
    /// Per how many seconds: 1, 60 or 3600.
    pub per_seconds: u32,
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.per_seconds {
            1 => "s",
            60 => "min",
            3600 => "h",
            _ => return write!(f, "{}/{}s", self.packets, self.per_seconds),
        };
        write!(f, "{}/{unit}", self.packets)
    }
}

impl std::str::FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || format!("{text:?} is not a rate such as 5/min, 10/s or 100/h");
        let (packets, unit) = text.split_once('/').ok_or_else(refused)?;
        let per_seconds = match unit {
            "s" => 1,
            "min" => 60,
            "h" => 3600,
            _ => return Err(refused()),
        };
        let packets = packets
            .parse()
            .ok()
            .filter(|packets| (1..=100_000).contains(packets));
        Ok(Self {
            packets: packets.ok_or_else(refused)?,
            per_seconds,
        })
    }
}

/// How long an effect holds: 1 s to 30 days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Ttl(u32);

/// A number of seconds is not a TTL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a time to live of {seconds} s is not between 1 s and 30 days")]
pub struct TtlError {
    /// The refused number.
    pub seconds: u64,
}

impl Ttl {
    /// The longest: 30 days.
    pub const SECONDS_MAX: u32 = 30 * 86_400;

    /// From seconds.
    ///
    /// # Errors
    /// [`TtlError`] for 0 and above 30 days.
    pub fn new(seconds: u64) -> Result<Self, TtlError> {
        match u32::try_from(seconds) {
            Ok(short) if (1..=Self::SECONDS_MAX).contains(&short) => Ok(Self(short)),
            _ => Err(TtlError { seconds }),
        }
    }

    /// In seconds.
    pub const fn seconds(self) -> u32 {
        self.0
    }

    /// As a duration.
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.0 as u64)
    }
}

impl TryFrom<u64> for Ttl {
    type Error = TtlError;

    fn try_from(seconds: u64) -> Result<Self, TtlError> {
        Self::new(seconds)
    }
}

impl From<Ttl> for u64 {
    fn from(ttl: Ttl) -> Self {
        Self::from(ttl.0)
    }
}

impl fmt::Display for Ttl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0;
        match seconds {
            _ if seconds.is_multiple_of(86_400) => write!(f, "{} d", seconds / 86_400),
            _ if seconds.is_multiple_of(3600) => write!(f, "{} h", seconds / 3600),
            _ if seconds.is_multiple_of(60) => write!(f, "{} min", seconds / 60),
            _ => write!(f, "{seconds} s"),
        }
    }
}

/// Stage of the containment ladder, mildest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Minutes, mild: rate limit.
    Reflex,
    /// Block with a TTL.
    Primary,
    /// Isolation, locks: two independent detectors or a person.
    Secondary,
}

/// What to do when a step fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// Go on with the other steps.
    Continue,
    /// Undo what the run did, in reverse order.
    #[default]
    Compensate,
}

/// What must happen before a step acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "gate", rename_all = "snake_case")]
pub enum Gate {
    /// Acts at once.
    Auto,
    /// Acts at once, but lives only `seconds` unless a person ratifies it.
    Ratify {
        /// Life without ratification.
        seconds: u32,
    },
    /// Acts when `seconds` pass without a veto.
    Veto {
        /// The window.
        seconds: u32,
    },
    /// Waits for this many different persons; silence denies after `seconds`.
    Approve {
        /// Persons needed, at least 1.
        persons: u8,
        /// The window.
        seconds: u32,
    },
    /// Shown, never done.
    Deny,
}

/// What silence means at a gate: shown beside every wait, since it is not always the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Silence {
    /// Nothing is done.
    NothingIsDone,
    /// It runs by itself.
    ItRuns,
    /// What was done dissolves.
    ItDissolves,
}

impl Gate {
    /// What silence means here; `None` where nothing waits.
    pub const fn silence(self) -> Option<Silence> {
        match self {
            Self::Auto | Self::Deny => None,
            Self::Ratify { .. } => Some(Silence::ItDissolves),
            Self::Veto { .. } => Some(Silence::ItRuns),
            Self::Approve { .. } => Some(Silence::NothingIsDone),
        }
    }
}

/// Whether and how an effect ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reversibility {
    /// Ends by itself with its TTL, also when the engine is dead.
    SelfExpiring,
    /// Can be undone.
    Reversible,
    /// Cannot be undone.
    Irreversible,
}

/// Whom and what a step may hurt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlastRadius {
    /// Addresses touched (1 for a host; saturates).
    pub addresses: u64,
    /// Is the target inside our own networks?
    pub internal: bool,
    /// Sentences for a person, already escaped ("3 connections open to it now").
    pub notes: Vec<String>,
}

/// Rules before and after a step, as text lines of the packet filter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleDiff {
    /// Lines that go.
    pub removed: Vec<String>,
    /// Lines that come.
    pub added: Vec<String>,
}

/// What the engine may do by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Plans are made and shown, nothing is done.
    #[default]
    Observe,
    /// Every effect waits for a person.
    Ask,
    /// The gate matrix decides.
    Act,
}

impl Mode {
    /// The word used in every output.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Ask => "ask",
            Self::Act => "act",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}
