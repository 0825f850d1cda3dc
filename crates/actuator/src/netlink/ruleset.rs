//! Our table: its sets, its three hooks and its rules, as netlink messages.
//!
//! In the words of `nft` (the test `the_ruleset_reads_as_documented` keeps this true):
//!
//! ```text
//! table inet vertice {
//!   set block4 { type ipv4_addr; flags timeout; }            # and block6, egress4, egress6
//!   set blocknet4 { type ipv4_addr; flags interval,timeout; } # and blocknet6
//!   set egressport4 { type ipv4_addr . inet_service; flags timeout; } # and egressport6
//!   set limit4 { type ipv4_addr; flags timeout; limit rate over 1/second; } # and limit6
//!   chain input | forward { type filter hook …; priority -10; policy accept;
//!     ip saddr @block4 counter drop                           # and the other source sets
//!   }
//!   chain forward | output { … ip daddr @egress4 counter drop # and the other egress sets }
//! }
//! ```
//!
//! A limit set's element carries its own `limit rate over N/unit`: the lookup breaks off while the
//! source is below its rate, so the drop behind it is reached only above.

use super::element::{SET_RATE, Set, write_limit};
use super::numbers::{APPEND, CREATE, NEW_CHAIN, NEW_RULE, NEW_SET, NEW_TABLE};
use super::socket::Part;
use super::wire::Writer;

/// Name of our table, family inet.
pub const TABLE: &str = "vertice";
/// Hook priority: before the usual filter at 0, so that established connections are cut too.
const PRIORITY: i32 = -10;

/// Attributes of tables, chains, rules, sets and element lists (`NFTA_*`).
pub(crate) mod attribute {
    pub(crate) const TABLE_NAME: u16 = 1;
    pub(crate) const TABLE_FLAGS: u16 = 2;
    pub(crate) const CHAIN_TABLE: u16 = 1;
    pub(crate) const CHAIN_NAME: u16 = 3;
    pub(crate) const CHAIN_HOOK: u16 = 4;
    pub(crate) const CHAIN_POLICY: u16 = 5;
    pub(crate) const CHAIN_TYPE: u16 = 7;
    pub(crate) const HOOK_NUMBER: u16 = 1;
    pub(crate) const HOOK_PRIORITY: u16 = 2;
    pub(crate) const RULE_TABLE: u16 = 1;
    pub(crate) const RULE_CHAIN: u16 = 2;
    pub(crate) const RULE_EXPRESSIONS: u16 = 4;
    pub(crate) const SET_TABLE: u16 = 1;
    pub(crate) const SET_NAME: u16 = 2;
    pub(crate) const SET_FLAGS: u16 = 3;
    pub(crate) const SET_KEY_KIND: u16 = 4;
    pub(crate) const SET_KEY_BYTES: u16 = 5;
    pub(crate) const SET_ID: u16 = 10;
    pub(crate) const SET_USERDATA: u16 = 13;
    pub(crate) const SET_EXPRESSION: u16 = 17;
    pub(crate) const LIST_TABLE: u16 = 1;
    pub(crate) const LIST_SET: u16 = 2;
    pub(crate) const LIST_ELEMENTS: u16 = 3;
    pub(crate) const EXPRESSION: u16 = 1;
    pub(crate) const EXPRESSION_NAME: u16 = 1;
    pub(crate) const EXPRESSION_DATA: u16 = 2;
}

const SET_INTERVAL: u32 = 4;
const SET_TIMEOUT: u32 = 16;
const KEY_IPV4: u32 = 7;
const KEY_IPV6: u32 = 8;
const KEY_PORT: u32 = 13;
/// Bits that `nft` shifts a key type by to join two.
const KEY_SHIFT: u32 = 6;
/// User data by which `nft` knows that a set's keys are in network order.
const SET_BYTE_ORDER_BIG: [u8; 6] = [0, 4, 2, 0, 0, 0];

/// The hooks that we sit on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chain {
    Input,
    Forward,
    Output,
}

impl Chain {
    pub(crate) const ALL: [Self; 3] = [Self::Input, Self::Forward, Self::Output];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Forward => "forward",
            Self::Output => "output",
        }
    }

    const fn hook(self) -> u32 {
        match self {
            Self::Input => 1,
            Self::Forward => 2,
            Self::Output => 3,
        }
    }

    /// Does a set's rule stand in this chain? Sources are met on input and forward, destinations
    /// on forward and output.
    const fn holds(self, set: Set) -> bool {
        let egress = matches!(
            set,
            Set::Egress4 | Set::Egress6 | Set::EgressPort4 | Set::EgressPort6
        );
        match self {
            Self::Input => !egress,
            Self::Forward => true,
            Self::Output => egress,
        }
    }
}

/// Flags a set of ours has.
pub(crate) const fn set_flags(set: Set) -> u32 {
    if set.is_range() {
        SET_INTERVAL | SET_TIMEOUT
    } else {
        SET_TIMEOUT
    }
}

/// The key type of a set of ours, as `nft` numbers it.
pub(crate) const fn key_kind(set: Set) -> u32 {
    let address = if set.is_ipv4() { KEY_IPV4 } else { KEY_IPV6 };
    if set.has_port() {
        (address << KEY_SHIFT) | KEY_PORT
    } else {
        address
    }
}

/// Bytes of a key in a set of ours.
pub(crate) const fn key_bytes(set: Set) -> u32 {
    if set.has_port() {
        set.address_bytes().saturating_add(4)
    } else {
        set.address_bytes()
    }
}

/// The messages that make the table and its sets.
pub(crate) fn table_and_sets() -> Vec<Part<'static>> {
    let mut parts = vec![Part::new(NEW_TABLE, CREATE, |writer| {
        writer.text(attribute::TABLE_NAME, TABLE);
        writer.number(attribute::TABLE_FLAGS, 0);
    })];
    for (id, set) in (1_u32..).zip(Set::ALL) {
        parts.push(Part::new(NEW_SET, CREATE, move |writer| {
            write_set(writer, set, id);
        }));
    }
    parts
}

fn write_set(writer: &mut Writer, set: Set, id: u32) {
    writer.text(attribute::SET_TABLE, TABLE);
    writer.text(attribute::SET_NAME, set.name());
    writer.number(attribute::SET_FLAGS, set_flags(set));
    writer.number(attribute::SET_KEY_KIND, key_kind(set));
    writer.number(attribute::SET_KEY_BYTES, key_bytes(set));
    writer.number(attribute::SET_ID, id);
    writer.bytes(attribute::SET_USERDATA, &SET_BYTE_ORDER_BIG);
    if set.is_limit() {
        writer.nested(attribute::SET_EXPRESSION, |writer| {
            write_limit(writer, SET_RATE);
        });
    }
}

/// The messages that make the chains and their rules.
pub(crate) fn chains_and_rules() -> Vec<Part<'static>> {
    let mut parts = Vec::new();
    for chain in Chain::ALL {
        parts.push(Part::new(NEW_CHAIN, CREATE, move |writer| {
            write_chain(writer, chain);
        }));
    }
    for chain in Chain::ALL {
        for set in Set::ALL.into_iter().filter(|set| chain.holds(*set)) {
            for protocol in protocols(set) {
                parts.push(Part::new(NEW_RULE, CREATE | APPEND, move |writer| {
                    write_rule(writer, chain, set, *protocol);
                }));
            }
        }
    }
    parts
}

const TCP: u8 = 6;
const UDP: u8 = 17;

/// A port set has one rule for TCP and one for UDP.
const fn protocols(set: Set) -> &'static [Option<u8>] {
    if set.has_port() {
        &[Some(TCP), Some(UDP)]
    } else {
        &[None]
    }
}

fn write_chain(writer: &mut Writer, chain: Chain) {
    writer.text(attribute::CHAIN_TABLE, TABLE);
    writer.text(attribute::CHAIN_NAME, chain.name());
    writer.text(attribute::CHAIN_TYPE, "filter");
    writer.number(attribute::CHAIN_POLICY, 1);
    writer.nested(attribute::CHAIN_HOOK, |writer| {
        writer.number(attribute::HOOK_NUMBER, chain.hook());
        writer.bytes(attribute::HOOK_PRIORITY, &PRIORITY.to_be_bytes());
    });
}

fn write_rule(writer: &mut Writer, chain: Chain, set: Set, protocol: Option<u8>) {
    writer.text(attribute::RULE_TABLE, TABLE);
    writer.text(attribute::RULE_CHAIN, chain.name());
    writer.nested(attribute::RULE_EXPRESSIONS, |writer| {
        if let Some(protocol) = protocol {
            write_match(writer, META_PROTOCOL, protocol);
        }
        let family = if set.is_ipv4() {
            NFPROTO_IPV4
        } else {
            NFPROTO_IPV6
        };
        write_match(writer, META_FAMILY, family);
        let source = !matches!(
            set,
            Set::Egress4 | Set::Egress6 | Set::EgressPort4 | Set::EgressPort6
        );
        let offset = match (set.is_ipv4(), source) {
            (true, true) => 12,
            (true, false) => 16,
            (false, true) => 8,
            (false, false) => 24,
        };
        write_payload(
            writer,
            REGISTER_1,
            NETWORK_HEADER,
            (offset, set.address_bytes()),
        );
        if set.has_port() {
            // The register behind the address: 4-byte registers are numbered from 8 on.
            let register = if set.is_ipv4() { 9 } else { 2 };
            write_payload(writer, register, TRANSPORT_HEADER, (2, 2));
        }
        write_lookup(writer, set);
        write_expression(writer, "counter", |_| ());
        write_drop(writer);
    });
}

const META_FAMILY: u32 = 15;
const META_PROTOCOL: u32 = 16;
const NFPROTO_IPV4: u8 = 2;
const NFPROTO_IPV6: u8 = 10;
const NETWORK_HEADER: u32 = 1;
const TRANSPORT_HEADER: u32 = 2;
const REGISTER_VERDICT: u32 = 0;
const REGISTER_1: u32 = 1;
const VERDICT_DROP: u32 = 0;

fn write_expression(writer: &mut Writer, name: &str, data: impl FnOnce(&mut Writer)) {
    writer.nested(attribute::EXPRESSION, |writer| {
        writer.text(attribute::EXPRESSION_NAME, name);
        writer.nested(attribute::EXPRESSION_DATA, data);
    });
}

/// `meta KEY == VALUE`.
fn write_match(writer: &mut Writer, key: u32, value: u8) {
    write_expression(writer, "meta", |writer| {
        writer.number(2, key);
        writer.number(1, REGISTER_1);
    });
    write_expression(writer, "cmp", |writer| {
        writer.number(1, REGISTER_1);
        writer.number(2, 0); // equal
        writer.nested(3, |writer| writer.bytes(1, &[value]));
    });
}

/// Loads (offset, bytes) of a header into a register.
fn write_payload(writer: &mut Writer, register: u32, base: u32, (offset, bytes): (u32, u32)) {
    write_expression(writer, "payload", |writer| {
        writer.number(1, register);
        writer.number(2, base);
        writer.number(3, offset);
        writer.number(4, bytes);
    });
}

fn write_lookup(writer: &mut Writer, set: Set) {
    write_expression(writer, "lookup", |writer| {
        writer.number(2, REGISTER_1);
        writer.text(1, set.name());
    });
}

fn write_drop(writer: &mut Writer) {
    write_expression(writer, "immediate", |writer| {
        writer.number(1, REGISTER_VERDICT);
        writer.nested(2, |writer| {
            writer.nested(2, |writer| writer.number(1, VERDICT_DROP));
        });
    });
}

#[cfg(test)]
mod tests;
