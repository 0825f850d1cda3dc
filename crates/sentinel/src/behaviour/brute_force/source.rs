//! Who fails: the peer of a login attempt.

use std::fmt;

use event::{Address, Entity, EntityRef, Name, Role, body::Peer};
use serde::{Deserialize, Serialize};

/// A peer without its port.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Source {
    /// By address: only such a source can ever be blocked.
    Address(Address),
    /// By another text, such as a resolved name.
    Text(Name),
}

impl Source {
    pub(super) fn of(peer: &Peer) -> Self {
        match peer.address {
            Some(address) => Self::Address(address),
            None => Self::Text(peer.text.clone()),
        }
    }

    pub(super) fn entity(&self) -> EntityRef {
        let entity = match self {
            Self::Address(address) => Entity::Ip(*address),
            Self::Text(name) => Entity::Host(name.clone()),
        };
        EntityRef::new(Role::Source, entity)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => fmt::Display::fmt(address, f),
            Self::Text(name) => fmt::Display::fmt(name, f),
        }
    }
}
