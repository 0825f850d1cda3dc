//! Who and what an event or a finding is about.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::excerpt::Excerpt;

/// An IP address in its one canonical form: a v4-mapped IPv6 address is the IPv4 address.
///
/// Parsing is strict: no zone (`fe80::1%eth0`), no octal or short IPv4 form (`0177.0.0.1`,
/// `127.1`), no surrounding space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "IpAddr", into = "IpAddr")]
pub struct Address(IpAddr);

/// A text is not an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{value} is not an IP address in plain form")]
pub struct AddressError {
    /// The refused text, escaped.
    pub value: Excerpt,
}

impl Address {
    /// The canonical address.
    pub const fn ip(self) -> IpAddr {
        self.0
    }

    /// Is it IPv4 (also when it came v4-mapped)?
    pub const fn is_ipv4(self) -> bool {
        self.0.is_ipv4()
    }

    /// Is it of a network that never routes on the Internet: RFC 1918, RFC 4193 (ULA), link
    /// local, loopback, RFC 6598 (carrier NAT)?
    pub fn is_internal(self) -> bool {
        match self.0 {
            IpAddr::V4(v4) => {
                let [first, second, ..] = v4.octets();
                let carrier_nat = first == 100 && (64..128).contains(&second);
                v4.is_private() || v4.is_loopback() || v4.is_link_local() || carrier_nat
            }
            IpAddr::V6(v6) => is_internal_v6(v6),
        }
    }
}

const fn is_internal_v6(v6: Ipv6Addr) -> bool {
    let [head, ..] = v6.segments();
    v6.is_loopback() || head & 0xfe00 == 0xfc00 || head & 0xffc0 == 0xfe80
}

impl From<IpAddr> for Address {
    fn from(ip: IpAddr) -> Self {
        Self(ip.to_canonical())
    }
}

impl From<Address> for IpAddr {
    fn from(address: Address) -> Self {
        address.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let refused = |_| AddressError {
            value: Excerpt::of(text.as_bytes()),
        };
        text.parse::<IpAddr>().map(Self::from).map_err(refused)
    }
}

/// A short shared text from outside (host, user, path, program). Cheap to clone; compared byte
/// by byte; shown only through [`crate::hostile`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Name(Arc<str>);

/// Bytes kept of a [`Name`].
pub const NAME_BYTES_MAX: usize = 1024;

impl Name {
    /// The text, cut at [`NAME_BYTES_MAX`] on a character border.
    pub fn new(text: &str) -> Self {
        let mut end = text.len().min(NAME_BYTES_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        Self(Arc::from(text.get(..end).unwrap_or_default()))
    }

    /// The text as it came.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Name {
    fn from(text: String) -> Self {
        Self::new(&text)
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0.as_ref().into()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::hostile(&self.0))
    }
}

/// Something that can be attacked, attack, or be used to attack.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", content = "value", rename_all = "snake_case")]
pub enum Entity {
    /// One address.
    Ip(Address),
    /// A machine by the name it gives itself in its logs.
    Host(Name),
    /// An account name on some host.
    User(Name),
    /// A program, by name or path.
    Process(Name),
    /// A file, by path.
    File(Name),
    /// A DNS name, lower case.
    Domain(Name),
}

/// The kinds of [`Entity`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "see Entity")]
pub enum EntityKind {
    Ip,
    Host,
    User,
    Process,
    File,
    Domain,
}

impl Entity {
    /// Which kind it is.
    pub const fn kind(&self) -> EntityKind {
        match self {
            Self::Ip(_) => EntityKind::Ip,
            Self::Host(_) => EntityKind::Host,
            Self::User(_) => EntityKind::User,
            Self::Process(_) => EntityKind::Process,
            Self::File(_) => EntityKind::File,
            Self::Domain(_) => EntityKind::Domain,
        }
    }

    /// The address, if it is one.
    pub const fn address(&self) -> Option<Address> {
        if let Self::Ip(address) = self {
            Some(*address)
        } else {
            None
        }
    }
}

impl EntityKind {
    /// The word used in every output.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::Host => "host",
            Self::User => "user",
            Self::Process => "process",
            Self::File => "file",
            Self::Domain => "domain",
        }
    }
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => fmt::Display::fmt(address, f),
            Self::Host(name)
            | Self::User(name)
            | Self::Process(name)
            | Self::File(name)
            | Self::Domain(name) => fmt::Display::fmt(name, f),
        }
    }
}

/// The part an entity plays in a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Where it came from (`src.ip`, …).
    Source,
    /// What it was aimed at (`dst.host`, …).
    Destination,
    /// The account that acted.
    Actor,
    /// The account, file or process that was acted upon.
    Target,
    /// The sensor or host that reported it.
    Observer,
}

impl Role {
    /// The word used in every output.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Destination => "destination",
            Self::Actor => "actor",
            Self::Target => "target",
            Self::Observer => "observer",
        }
    }
}

/// An entity in its role; serialised flat as `{role, kind, value}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EntityRef {
    /// The part it plays.
    pub role: Role,
    /// Who or what.
    #[serde(flatten)]
    pub entity: Entity,
}

impl EntityRef {
    /// An entity in a role.
    pub const fn new(role: Role, entity: Entity) -> Self {
        Self { role, entity }
    }
}

#[cfg(test)]
mod tests;
