//! IPv6 forms that carry an IPv4 address: blocking one may cut the machine behind the other.
//!
//! Only the forms that a router or the kernel turns back into IPv4: mapped, compatible, 6to4,
//! NAT64 (well-known and local-use prefix) and Teredo's server. Absent: ISATAP, which is matched
//! by interface and not by prefix.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// A form: its name, its prefix, and the bit at which the 32 bits of the IPv4 address begin.
struct Form {
    name: &'static str,
    prefix: Ipv6Addr,
    prefix_bits: u8,
    at_bit: u8,
}

const FORMS: [Form; 6] = [
    Form {
        name: "v4-mapped",
        prefix: Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0),
        prefix_bits: 96,
        at_bit: 96,
    },
    Form {
        name: "v4-compatible",
        prefix: Ipv6Addr::UNSPECIFIED,
        prefix_bits: 96,
        at_bit: 96,
    },
    Form {
        name: "6to4",
        prefix: Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0),
        prefix_bits: 16,
        at_bit: 16,
    },
    Form {
        name: "NAT64",
        prefix: Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0),
        prefix_bits: 96,
        at_bit: 96,
    },
    Form {
        name: "local NAT64",
        prefix: Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0),
        prefix_bits: 48,
        at_bit: 96,
    },
    Form {
        name: "Teredo",
        prefix: Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0),
        prefix_bits: 32,
        at_bit: 32,
    },
];

/// Every IPv4 network that `network` carries, with the name of the form.
pub(super) fn all(network: Ipv6Net) -> impl Iterator<Item = (&'static str, Ipv4Net)> {
    FORMS
        .iter()
        .filter_map(move |form| Some((form.name, carried(form, network)?)))
}

fn carried(form: &Form, network: Ipv6Net) -> Option<Ipv4Net> {
    let prefix = Ipv6Net::new(form.prefix, form.prefix_bits).ok()?;
    if network.contains(&prefix) {
        return Some(Ipv4Net::default()); // the whole form, so every IPv4 address
    }
    if !prefix.contains(&network) {
        return None;
    }
    let shift = 96_u8.checked_sub(form.at_bit)?;
    let bits = u32::try_from((u128::from(network.network()) >> shift) & u128::from(u32::MAX));
    let known = network.prefix_len().saturating_sub(form.at_bit).min(32);
    let carried = Ipv4Net::new(Ipv4Addr::from(bits.ok()?), known).ok()?;
    Some(carried.trunc())
}
