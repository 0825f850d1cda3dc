//! Deterministic ids: a 128-bit BLAKE3 prefix of what the thing was made from, so that replaying
//! the same input gives the same ids.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What an id stands for; gives the prefix in its text form.
pub trait Kind: Copy + Eq + Ord + std::hash::Hash + fmt::Debug {
    /// Two letters before the dash.
    const PREFIX: &'static str;
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $marker:ident, $alias:ident, $prefix:literal;)*) => {$(
        #[doc(hidden)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $marker;
        impl Kind for $marker { const PREFIX: &'static str = $prefix; }
        $(#[$doc])*
        pub type $alias = Id<$marker>;
    )*};
}

kinds! {
    /// An event: hash of its source, position and content.
    EventKind, EventId, "ev";
    /// A finding: hash of its detector, rule and evidence.
    FindingKind, FindingId, "fi";
    /// An incident: hash of its seed finding.
    IncidentKind, IncidentId, "in";
    /// A plan (one playbook run): hash of incident, playbook and key.
    PlanKind, PlanId, "pl";
    /// An action: hash of run, step, target and relapse count (never a fencing epoch).
    ActionKindOfId, ActionId, "ac";
    /// A receipt: hash of the action and its outcome.
    ReceiptKind, ReceiptId, "rc";
}

/// A typed 128-bit id, printed as `ev-` and 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id<K> {
    bytes: [u8; 16],
    kind: PhantomData<K>,
}

/// A text is not an id of the wanted kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not an id of the form {prefix}-<32 hexadecimal digits>")]
pub struct IdError {
    /// The prefix that was wanted.
    pub prefix: &'static str,
    /// The refused text, cut to 64 characters.
    pub value: String,
}

impl<K: Kind> Id<K> {
    /// The id of something made from `parts`. Parts are length-prefixed, so `["ab", "c"]` and
    /// `["a", "bc"]` differ; the kind is hashed too.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(K::PREFIX.as_bytes());
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        let mut bytes = [0; 16];
        hasher.finalize_xof().fill(&mut bytes);
        Self {
            bytes,
            kind: PhantomData,
        }
    }

    /// The raw 16 bytes.
    pub const fn bytes(&self) -> &[u8; 16] {
        &self.bytes
    }

    /// From the raw 16 bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self {
            bytes,
            kind: PhantomData,
        }
    }
}

impl<K: Kind> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(K::PREFIX)?;
        f.write_str("-")?;
        let mut text = [0u8; 32];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.bytes) {
            if let [high, low] = pair {
                *high = hex_digit(byte >> 4);
                *low = hex_digit(byte & 15);
            }
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

const fn hex_digit(nibble: u8) -> u8 {
    if nibble < 10 {
        b'0' + nibble
    } else {
        b'a' + nibble - 10
    }
}

impl<K: Kind> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<K: Kind> FromStr for Id<K> {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let refused = || IdError {
            prefix: K::PREFIX,
            value: text.chars().take(64).collect(),
        };
        let rest = text
            .strip_prefix(K::PREFIX)
            .and_then(|rest| rest.strip_prefix('-'));
        let digits = rest.ok_or_else(refused)?.as_bytes();
        let mut bytes = [0; 16];
        if digits.len() != 32 {
            return Err(refused());
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| refused())?;
            if pair.starts_with('+') {
                return Err(refused());
            }
            *byte = u8::from_str_radix(pair, 16).map_err(|_| refused())?;
        }
        Ok(Self {
            bytes,
            kind: PhantomData,
        })
    }
}

impl<K: Kind> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, K: Kind> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
