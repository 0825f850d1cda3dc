//! The typed references that a playbook may name: a closed list, each with where its values are.
//!
//! Values come from the newest finding alone. An address that only an older finding named is
//! never a target: that finding had its own plan, and its records may be worth less.

use event::{Address, Entity, EntityKind, Finding, Name, Role};

/// A value of the incident by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Reference {
    DestinationHost,
    DestinationIp,
    SourceHost,
    SourceIp,
    User,
}

/// A resolved value. Only an address can ever become a target.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Bound {
    Ip(Address),
    Text(Name),
}

impl Reference {
    /// All references, sorted by their words.
    pub(super) const ALL: [Self; 5] = [
        Self::DestinationHost,
        Self::DestinationIp,
        Self::SourceHost,
        Self::SourceIp,
        Self::User,
    ];

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::DestinationHost => "dst.host",
            Self::DestinationIp => "dst.ip",
            Self::SourceHost => "src.host",
            Self::SourceIp => "src.ip",
            Self::User => "user",
        }
    }

    pub(super) fn of(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|reference| reference.word() == word)
    }

    /// The type that `inputs:` declares it with.
    pub(super) const fn kind(self) -> EntityKind {
        match self {
            Self::DestinationHost | Self::SourceHost => EntityKind::Host,
            Self::DestinationIp | Self::SourceIp => EntityKind::Ip,
            Self::User => EntityKind::User,
        }
    }

    /// Where its values stand in a finding, the first role that has any.
    const fn roles(self) -> &'static [Role] {
        match self {
            Self::DestinationHost | Self::DestinationIp => &[Role::Destination],
            Self::SourceHost | Self::SourceIp => &[Role::Source],
            Self::User => &[Role::Target, Role::Actor],
        }
    }

    /// Its values in a finding, sorted, each once.
    pub(super) fn values(self, finding: &Finding) -> Vec<Bound> {
        for role in self.roles() {
            let found = finding.in_role(*role);
            let mut values: Vec<Bound> = found.filter_map(|entity| self.bound(entity)).collect();
            values.sort_unstable();
            values.dedup();
            if !values.is_empty() {
                return values;
            }
        }
        Vec::new()
    }

    fn bound(self, entity: &Entity) -> Option<Bound> {
        match entity {
            Entity::Ip(address) if self.kind() == EntityKind::Ip => Some(Bound::Ip(*address)),
            Entity::Host(name) if self.kind() == EntityKind::Host => {
                Some(Bound::Text(name.clone()))
            }
            Entity::User(name) if self.kind() == EntityKind::User => {
                Some(Bound::Text(name.clone()))
            }
            _ => None,
        }
    }
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Text(name) => name.fmt(f),
        }
    }
}
