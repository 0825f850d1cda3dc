//! One set element: which set an effect lives in, its key, its bytes and how `nft` shows it.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use event::{Action, ActionId, Address, Rate};
use ipnet::IpNet;

use super::ruleset::{TABLE, attribute as list};
use super::wire::{Attributes, Message, Writer};

/// Characters of a comment that are kept when it is read back.
const COMMENT_BYTES_MAX: usize = 128;
const MILLISECONDS: u64 = 1000;

/// Element attributes (`NFTA_SET_ELEM_*`).
mod attribute {
    pub(super) const ITEM: u16 = 1;
    pub(super) const KEY: u16 = 1;
    pub(super) const FLAGS: u16 = 3;
    pub(super) const TIMEOUT: u16 = 4;
    pub(super) const EXPIRATION: u16 = 5;
    pub(super) const USERDATA: u16 = 6;
    pub(super) const EXPRESSION: u16 = 7;
    pub(super) const VALUE: u16 = 1;
    pub(super) const EXPRESSION_NAME: u16 = 1;
    pub(super) const EXPRESSION_DATA: u16 = 2;
    /// Attributes of the limit expression (`NFTA_LIMIT_*`).
    pub(super) const RATE: u16 = 1;
    pub(super) const UNIT: u16 = 2;
    pub(super) const BURST: u16 = 3;
    pub(super) const LIMIT_KIND: u16 = 4;
    pub(super) const LIMIT_FLAGS: u16 = 5;
}

const INTERVAL_END: u32 = 1;
const LIMIT_OVER: u32 = 1;

/// The sets of our table, in the order in which they are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is documented by `name` and `of`")]
pub enum Set {
    Block4,
    Block6,
    BlockNet4,
    BlockNet6,
    Egress4,
    Egress6,
    EgressPort4,
    EgressPort6,
    Limit4,
    Limit6,
}

impl Set {
    /// All sets.
    pub const ALL: [Self; 10] = [
        Self::Block4,
        Self::Block6,
        Self::BlockNet4,
        Self::BlockNet6,
        Self::Egress4,
        Self::Egress6,
        Self::EgressPort4,
        Self::EgressPort6,
        Self::Limit4,
        Self::Limit6,
    ];

    /// Its name in the packet filter.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Block4 => "block4",
            Self::Block6 => "block6",
            Self::BlockNet4 => "blocknet4",
            Self::BlockNet6 => "blocknet6",
            Self::Egress4 => "egress4",
            Self::Egress6 => "egress6",
            Self::EgressPort4 => "egressport4",
            Self::EgressPort6 => "egressport6",
            Self::Limit4 => "limit4",
            Self::Limit6 => "limit6",
        }
    }

    /// The set of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|set| set.name() == name)
    }

    /// Does it hold IPv4 addresses?
    pub const fn is_ipv4(self) -> bool {
        matches!(
            self,
            Self::Block4 | Self::BlockNet4 | Self::Egress4 | Self::EgressPort4 | Self::Limit4
        )
    }

    /// Does it hold ranges (an interval set)?
    pub const fn is_range(self) -> bool {
        matches!(self, Self::BlockNet4 | Self::BlockNet6)
    }

    /// Does a key end in a port?
    pub const fn has_port(self) -> bool {
        matches!(self, Self::EgressPort4 | Self::EgressPort6)
    }

    /// Does an element carry a rate?
    pub const fn is_limit(self) -> bool {
        matches!(self, Self::Limit4 | Self::Limit6)
    }

    /// Bytes of an address.
    pub(crate) const fn address_bytes(self) -> u32 {
        if self.is_ipv4() { 4 } else { 16 }
    }
}

/// Where one effect stands in the kernel: the identity of a set element. Two actions that differ
/// only in their rate have the same slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    set: Set,
    network: IpNet,
    port: u16,
}

impl Slot {
    /// The slot of an action.
    pub fn of(action: &Action) -> Self {
        let network = action.network();
        let host = network.prefix_len() == network.max_prefix_len();
        let ipv4 = network.addr().is_ipv4();
        let port = match action {
            Action::BlockEgress { port, .. } => *port,
            Action::BlockIp { .. } | Action::RateLimit { .. } => None,
        };
        let (first, second) = match action {
            Action::BlockIp { .. } if host => (Set::Block4, Set::Block6),
            Action::BlockIp { .. } => (Set::BlockNet4, Set::BlockNet6),
            Action::RateLimit { .. } => (Set::Limit4, Set::Limit6),
            Action::BlockEgress { port: None, .. } => (Set::Egress4, Set::Egress6),
            Action::BlockEgress { port: Some(_), .. } => (Set::EgressPort4, Set::EgressPort6),
        };
        Self {
            set: if ipv4 { first } else { second },
            network,
            port: port.unwrap_or(0),
        }
    }

    /// The set it lives in.
    pub const fn set(&self) -> Set {
        self.set
    }

    /// The network it touches.
    pub const fn network(&self) -> IpNet {
        self.network
    }

    /// The key as `nft` writes it.
    pub fn key_text(&self) -> String {
        match (self.set.is_range(), self.set.has_port()) {
            (true, _) => self.network.to_string(),
            (_, true) => format!("{} . {}", self.network.addr(), self.port),
            _ => self.network.addr().to_string(),
        }
    }

    fn key(&self, address: IpAddr) -> Vec<u8> {
        let mut key = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        if self.set.has_port() {
            key.extend_from_slice(&self.port.to_be_bytes());
            key.extend_from_slice(&[0; 2]); // each part of a key fills whole registers
        }
        key
    }

    /// The first address behind the range; `None` when it ends with the last address there is.
    fn end(&self) -> Option<IpAddr> {
        match self.network.broadcast() {
            IpAddr::V4(last) => {
                let next = u32::from(last).checked_add(1)?;
                Some(IpAddr::V4(Ipv4Addr::from(next)))
            }
            IpAddr::V6(last) => {
                let next = u128::from(last).checked_add(1)?;
                Some(IpAddr::V6(Ipv6Addr::from(next)))
            }
        }
    }

    /// Writes the element without anything but its key: enough to find and to delete it.
    pub(crate) fn write_bare(&self, writer: &mut Writer) {
        self.write(writer, None, |_| ());
    }

    /// Writes the element with timeout, comment and rate.
    pub(crate) fn write_put(&self, put: &Put, writer: &mut Writer) {
        let timeout = u64::from(put.seconds).saturating_mul(MILLISECONDS);
        self.write(writer, Some(timeout), |writer| {
            writer.bytes(attribute::USERDATA, &comment_userdata(put.action_id));
            if let Some(rate) = put.rate {
                writer.nested(attribute::EXPRESSION, |writer| write_limit(writer, rate));
            }
        });
    }

    fn write(&self, writer: &mut Writer, timeout: Option<u64>, rest: impl FnOnce(&mut Writer)) {
        writer.nested(attribute::ITEM, |writer| {
            if let Some(timeout) = timeout {
                writer.number64(attribute::TIMEOUT, timeout);
            }
            write_value(writer, &self.key(self.network.network()));
            rest(writer);
        });
        let Some(end) = self.end().filter(|_| self.set.is_range()) else {
            return;
        };
        writer.nested(attribute::ITEM, |writer| {
            writer.number(attribute::FLAGS, INTERVAL_END);
            write_value(writer, &self.key(end));
        });
    }

    /// Writes a list message body (`NFTA_SET_ELEM_LIST_*`) for elements of one set.
    pub(crate) fn write_list(set: Set, writer: &mut Writer, elements: impl FnOnce(&mut Writer)) {
        writer.text(list::LIST_TABLE, TABLE);
        writer.text(list::LIST_SET, set.name());
        writer.nested(list::LIST_ELEMENTS, elements);
    }
}

fn write_value(writer: &mut Writer, key: &[u8]) {
    writer.nested(attribute::KEY, |writer| {
        writer.bytes(attribute::VALUE, key);
    });
}

/// Writes `limit rate over N/unit burst N packets`: N pass at once, then N in each unit.
pub(crate) fn write_limit(writer: &mut Writer, rate: Rate) {
    writer.text(attribute::EXPRESSION_NAME, "limit");
    writer.nested(attribute::EXPRESSION_DATA, |writer| {
        writer.number64(attribute::RATE, u64::from(rate.packets));
        writer.number64(attribute::UNIT, u64::from(rate.per_seconds));
        writer.number(attribute::BURST, rate.packets);
        writer.number(attribute::LIMIT_KIND, 0);
        writer.number(attribute::LIMIT_FLAGS, LIMIT_OVER);
    });
}

/// The comment as `nft` stores it: type 0, length with the NUL, text, NUL.
fn comment_userdata(action_id: ActionId) -> Vec<u8> {
    let text = action_id.to_string();
    let length = u8::try_from(text.len().saturating_add(1)).unwrap_or(u8::MAX);
    let mut bytes = vec![0, length];
    bytes.extend_from_slice(text.as_bytes());
    bytes.push(0);
    bytes
}

/// The text of the comment in an element's user data.
fn comment_of(mut userdata: &[u8]) -> Option<&str> {
    while let [kind, length, rest @ ..] = userdata {
        let length = usize::from(*length);
        let value = rest.get(..length)?;
        if *kind == 0 {
            let text = value.split(|byte| *byte == 0).next()?;
            return std::str::from_utf8(text.get(..text.len().min(COMMENT_BYTES_MAX))?).ok();
        }
        userdata = rest.get(length..)?;
    }
    None
}

/// What a present element carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Put {
    /// Seconds until the kernel lets go, at least 1.
    pub seconds: u32,
    /// Written into the comment.
    pub action_id: ActionId,
    /// Only in limit sets.
    pub rate: Option<Rate>,
}

/// One change of one slot: present with `put`, or absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Where.
    pub slot: Slot,
    /// What; `None` for absent.
    pub put: Option<Put>,
}

/// One element as the kernel shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Standing {
    /// Where.
    pub slot: Slot,
    /// Its rate, in limit sets.
    pub rate: Option<Rate>,
    /// The action named by the comment; `None` if the comment is not one of ours.
    pub action_id: Option<ActionId>,
    /// The timeout it was given, milliseconds; 0 for none.
    pub timeout_ms: u64,
    /// Milliseconds until the kernel lets go; 0 for never.
    pub expires_ms: u64,
}

impl Standing {
    /// Seconds until the kernel lets go, rounded up; `u32::MAX` for an element without timeout.
    pub fn expires_s(&self) -> u32 {
        if self.timeout_ms == 0 {
            return u32::MAX;
        }
        u32::try_from(self.expires_ms.div_ceil(MILLISECONDS)).unwrap_or(u32::MAX)
    }

    /// The effect that this element has.
    pub fn action(&self) -> Action {
        let address = Address::from(self.slot.network.addr());
        match (self.slot.set, self.rate) {
            (Set::Limit4 | Set::Limit6, rate) => Action::RateLimit {
                address,
                rate: rate.unwrap_or(SET_RATE),
            },
            (Set::Egress4 | Set::Egress6, _) => Action::BlockEgress {
                address,
                port: None,
            },
            (Set::EgressPort4 | Set::EgressPort6, _) => Action::BlockEgress {
                address,
                port: Some(self.slot.port),
            },
            _ => Action::BlockIp {
                target: self.slot.network,
            },
        }
    }

    /// The element as `nft list` would write it.
    pub fn shown(&self) -> String {
        let mut text = format!(
            "inet {TABLE} {} {}",
            self.slot.set.name(),
            self.slot.key_text()
        );
        if let Some(rate) = self.rate {
            let _infallible = write!(text, " limit rate over {}", nft_rate(rate));
        }
        if self.timeout_ms > 0 {
            let timeout = self.timeout_ms.div_ceil(MILLISECONDS);
            let _infallible = write!(text, " timeout {timeout}s expires {}s", self.expires_s());
        }
        if let Some(action_id) = self.action_id {
            let _infallible = write!(text, " comment \"{action_id}\"");
        }
        text
    }
}

/// The rate that a limit set gives to elements without one of their own.
pub(crate) const SET_RATE: Rate = Rate {
    packets: 1,
    per_seconds: 1,
};

fn nft_rate(rate: Rate) -> String {
    let unit = match rate.per_seconds {
        1 => "second",
        60 => "minute",
        3600 => "hour",
        other => return format!("{}/{other}s", rate.packets),
    };
    let packets = rate.packets;
    format!("{packets}/{unit} burst {packets} packets")
}

/// A raw element: the start or the end of a range, or a whole element of a hash set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Raw {
    address: IpAddr,
    port: u16,
    end: bool,
    rate: Option<Rate>,
    action_id: Option<ActionId>,
    timeout_ms: u64,
    expires_ms: u64,
}

/// Reads the elements of one message; elements that cannot be ours are left out.
pub(crate) fn read_message(message: &Message<'_>, mut each: impl FnMut(Set, Raw)) {
    let attributes = message.attributes();
    let Some(set) = attributes.text(list::LIST_SET).and_then(Set::of_name) else {
        return;
    };
    if attributes.text(list::LIST_TABLE) != Some(TABLE) {
        return;
    }
    let Some(elements) = attributes.inside(list::LIST_ELEMENTS) else {
        return;
    };
    for (_, payload) in elements {
        if let Some(raw) = read(set, Attributes(payload)) {
            each(set, raw);
        }
    }
}

fn read(set: Set, element: Attributes<'_>) -> Option<Raw> {
    let key = element.inside(attribute::KEY)?.find(attribute::VALUE)?;
    let (address, rest) = if set.is_ipv4() {
        let (octets, rest) = key.split_first_chunk::<4>()?;
        (IpAddr::from(*octets), rest)
    } else {
        let (octets, rest) = key.split_first_chunk::<16>()?;
        (IpAddr::from(*octets), rest)
    };
    let port = if set.has_port() {
        u16::from_be_bytes(*rest.first_chunk()?)
    } else {
        0
    };
    let comment = element.find(attribute::USERDATA).and_then(comment_of);
    let timeout_ms = element.number64(attribute::TIMEOUT).unwrap_or(0);
    Some(Raw {
        address,
        port,
        end: element.number(attribute::FLAGS).unwrap_or(0) & INTERVAL_END != 0,
        rate: element.inside(attribute::EXPRESSION).and_then(read_limit),
        action_id: comment.and_then(|text| text.parse().ok()),
        timeout_ms,
        expires_ms: element
            .number64(attribute::EXPIRATION)
            .unwrap_or(timeout_ms),
    })
}

fn read_limit(expression: Attributes<'_>) -> Option<Rate> {
    if expression.text(attribute::EXPRESSION_NAME) != Some("limit") {
        return None;
    }
    let data = expression.inside(attribute::EXPRESSION_DATA)?;
    Some(Rate {
        packets: u32::try_from(data.number64(attribute::RATE)?).ok()?,
        per_seconds: u32::try_from(data.number64(attribute::UNIT)?).ok()?,
    })
}

impl Raw {
    /// A whole element of a hash set.
    pub(crate) fn standing(&self, set: Set) -> Standing {
        self.with_network(set, IpNet::from(self.address))
    }

    fn with_network(&self, set: Set, network: IpNet) -> Standing {
        let slot = Slot {
            set,
            network,
            port: self.port,
        };
        Standing {
            slot,
            rate: self.rate,
            action_id: self.action_id,
            timeout_ms: self.timeout_ms,
            expires_ms: self.expires_ms,
        }
    }
}

/// Joins the starts and ends of an interval set to networks. A range that is no network (only
/// another program can have made it) is shown as the smallest network around it: it is for the
/// overlap check to refuse it, never to widen it.
pub(crate) fn join_ranges(set: Set, mut raws: Vec<Raw>) -> Vec<Standing> {
    raws.sort_by_key(|raw| (raw.address, !raw.end));
    let mut standing = Vec::new();
    let mut open: Option<Raw> = None;
    for raw in raws {
        if let Some(start) = open.take() {
            standing.extend(
                around(start.address, before(raw.address))
                    .map(|network| start.with_network(set, network)),
            );
        }
        open = (!raw.end).then_some(raw);
    }
    if let Some(start) = open {
        let last = if set.is_ipv4() {
            IpAddr::V4(Ipv4Addr::BROADCAST)
        } else {
            IpAddr::V6(Ipv6Addr::from(u128::MAX))
        };
        standing
            .extend(around(start.address, last).map(|network| start.with_network(set, network)));
    }
    standing
}

fn before(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => Ipv4Addr::from(u32::from(address).saturating_sub(1)).into(),
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address).saturating_sub(1)).into(),
    }
}

/// The smallest network that holds both addresses.
fn around(first: IpAddr, last: IpAddr) -> Option<IpNet> {
    let prefix = match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => {
            (u32::from(first) ^ u32::from(last)).leading_zeros()
        }
        (IpAddr::V6(first), IpAddr::V6(last)) => {
            (u128::from(first) ^ u128::from(last)).leading_zeros()
        }
        _ => return None,
    };
    let prefix = u8::try_from(prefix).ok()?;
    IpNet::new(first, prefix)
        .ok()
        .map(|network| network.trunc())
}

#[cfg(test)]
mod tests;
