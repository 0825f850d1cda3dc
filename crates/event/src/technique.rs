//! ATT&CK technique ids and tactics, checked in form only; `attack` knows which exist.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An ATT&CK technique id such as `T1110` or `T1110.003`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TechniqueId {
    number: u16,
    sub: u16, // 0 = none; ATT&CK numbers sub-techniques from 001
}

/// A text has not the form of a technique id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not a technique id such as T1110 or T1110.003")]
pub struct TechniqueIdError {
    /// The refused text, cut to 64 characters.
    pub value: String,
}

impl TechniqueId {
    /// `T<number>` without a sub-technique. `number` is the four digits, 0 to 9999.
    pub const fn new(number: u16) -> Self {
        Self { number, sub: 0 }
    }

    /// `T<number>.<sub>`, `sub` 1 to 999.
    pub const fn sub(number: u16, sub: u16) -> Self {
        Self { number, sub }
    }

    /// The technique that a sub-technique belongs to; itself for a technique.
    #[must_use]
    pub const fn parent(self) -> Self {
        Self {
            number: self.number,
            sub: 0,
        }
    }

    /// Is this a sub-technique?
    pub const fn is_sub(self) -> bool {
        self.sub != 0
    }

    /// Does a rule written for `self` cover `other`? A parent covers its sub-techniques.
    pub fn covers(self, other: Self) -> bool {
        self == other || (!self.is_sub() && self == other.parent())
    }
}

impl fmt::Display for TechniqueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "T{:04}", self.number)?;
        if self.sub != 0 {
            write!(f, ".{:03}", self.sub)
        } else {
            Ok(())
        }
    }
}

impl fmt::Debug for TechniqueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for TechniqueId {
    type Err = TechniqueIdError;

    fn from_str(text: &str) -> Result<Self, TechniqueIdError> {
        parse(text).ok_or_else(|| TechniqueIdError {
            value: text.chars().take(64).collect(),
        })
    }
}

fn parse(text: &str) -> Option<TechniqueId> {
    let digits = text.strip_prefix('T')?;
    let (number, sub) = match digits.split_once('.') {
        Some((number, sub)) => (number, Some(sub)),
        None => (digits, None),
    };
    let sub = match sub {
        Some(sub) => Some(number_of(sub, 3)?).filter(|sub| *sub > 0)?,
        None => 0,
    };
    Some(TechniqueId {
        number: number_of(number, 4)?,
        sub,
    })
}

fn number_of(digits: &str, length: usize) -> Option<u16> {
    let plain = digits.len() == length && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}

impl Serialize for TechniqueId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TechniqueId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// An ATT&CK enterprise tactic, in kill-chain order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names are ATT&CK's own")]
pub enum Tactic {
    Reconnaissance,
    ResourceDevelopment,
    InitialAccess,
    Execution,
    Persistence,
    PrivilegeEscalation,
    DefenseEvasion,
    CredentialAccess,
    Discovery,
    LateralMovement,
    Collection,
    CommandAndControl,
    Exfiltration,
    Impact,
}

impl Tactic {
    /// All tactics, in kill-chain order.
    pub const ALL: [Self; 14] = [
        Self::Reconnaissance,
        Self::ResourceDevelopment,
        Self::InitialAccess,
        Self::Execution,
        Self::Persistence,
        Self::PrivilegeEscalation,
        Self::DefenseEvasion,
        Self::CredentialAccess,
        Self::Discovery,
        Self::LateralMovement,
        Self::Collection,
        Self::CommandAndControl,
        Self::Exfiltration,
        Self::Impact,
    ];

    /// ATT&CK's short name, such as `credential-access`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Reconnaissance => "reconnaissance",
            Self::ResourceDevelopment => "resource-development",
            Self::InitialAccess => "initial-access",
            Self::Execution => "execution",
            Self::Persistence => "persistence",
            Self::PrivilegeEscalation => "privilege-escalation",
            Self::DefenseEvasion => "defense-evasion",
            Self::CredentialAccess => "credential-access",
            Self::Discovery => "discovery",
            Self::LateralMovement => "lateral-movement",
            Self::Collection => "collection",
            Self::CommandAndControl => "command-and-control",
            Self::Exfiltration => "exfiltration",
            Self::Impact => "impact",
        }
    }
}

impl fmt::Display for Tactic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl FromStr for Tactic {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|tactic| tactic.word() == text);
        found.ok_or_else(|| format!("{text:?} is not an ATT&CK enterprise tactic"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn form_is_checked() {
        assert_eq!(
            "T1110.003".parse::<TechniqueId>().unwrap(),
            TechniqueId::sub(1110, 3)
        );
        for bad in [
            "",
            "T",
            "T111",
            "T11100",
            "t1110",
            "T1110.",
            "T1110.000",
            "T1110.1",
            "T+110",
        ] {
            assert!(bad.parse::<TechniqueId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_parent_covers_its_subs_and_not_the_reverse() {
        let (parent, sub) = (TechniqueId::new(1110), TechniqueId::sub(1110, 1));
        assert!(parent.covers(sub) && parent.covers(parent));
        assert!(!sub.covers(parent));
    }
}
