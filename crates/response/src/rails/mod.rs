//! Rails: what no playbook, no approval and no incident can ever ask for.
//!
//! Two kinds: a hard rail stands whatever a person says (protected addresses, ranges so wide that
//! they are an outage); a soft rail only says "not by itself" (ranges, internal sources) and gives
//! way to an approval. The actuator checks its own rails again: two guards must both fail.
//!
//! Absent on purpose: finding out what to protect (own addresses, gateways, sessions): the caller
//! fills the lists. Caps on counts are the engine's and the actuator's.

mod embedded;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use event::{Action, Address};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Networks that the planner respects, beside the constants that always hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rails {
    /// Never touched: own addresses, gateways, resolvers, management; each with its reason.
    pub never_block: Vec<(IpNet, String)>,
    /// Our own networks, beside the ranges that never route on the Internet.
    pub internal: Vec<IpNet>,
    /// Internal assets whose loss hurts most: domain controllers, DNS, DHCP, gateways.
    pub critical: Vec<IpNet>,
}

/// A rail said no.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("rail {rail}: {why}")]
pub struct RailHit {
    /// Which rail: `special`, `never_block`, `embedded`, `too_wide`, `wide` or `internal`.
    pub rail: &'static str,
    /// Why, in one sentence, already escaped.
    pub why: String,
}

/// Widest IPv4 range that may be blocked with an approval.
pub const PREFIX_V4_MIN: u8 = 16;
/// Widest IPv6 range that may be blocked with an approval.
pub const PREFIX_V6_MIN: u8 = 32;

/// Addresses that stand for no single machine, or for this one: never a target.
const SPECIAL_V4: [(Ipv4Addr, u8, &str); 5] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8, "unspecified addresses"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "loopback"),
    (Ipv4Addr::new(169, 254, 0, 0), 16, "link-local addresses"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "multicast"),
    (Ipv4Addr::BROADCAST, 32, "broadcast"),
];
const SPECIAL_V6: [(Ipv6Addr, u8, &str); 4] = [
    (Ipv6Addr::UNSPECIFIED, 128, "the unspecified address"),
    (Ipv6Addr::LOCALHOST, 128, "loopback"),
    (
        Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0),
        10,
        "link-local addresses",
    ),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, "multicast"),
];

impl Rails {
    /// May this action be done: by itself, or with a person's approval?
    ///
    /// # Errors
    /// [`RailHit`] with the first rail in its way, hard rails first.
    pub fn check(&self, action: &Action, approved: bool) -> Result<(), RailHit> {
        let network = canonical(action.network());
        refuse_too_wide(network)?;
        refuse_special(network)?;
        self.refuse_protected(network)?;
        self.refuse_embedded(network)?;
        if approved {
            return Ok(());
        }
        refuse_wide(network)?;
        self.refuse_internal(action, network)
    }

    /// Is this address inside our own networks, or of a range that never routes outside?
    pub fn is_internal(&self, address: Address) -> bool {
        let host = IpNet::from(address.ip());
        address.is_internal()
            || self
                .internal
                .iter()
                .any(|net| overlap(canonical(*net), host))
    }

    /// Is this address one of the assets whose loss hurts most?
    pub fn is_critical(&self, address: Address) -> bool {
        let host = IpNet::from(address.ip());
        self.critical
            .iter()
            .any(|net| overlap(canonical(*net), host))
    }

    fn refuse_protected(&self, network: IpNet) -> Result<(), RailHit> {
        for (protected, why) in &self.never_block {
            if overlap(canonical(*protected), network) {
                let why = event::hostile(why);
                let sentence =
                    format!("{network} overlaps {protected}, which is never blocked: {why}");
                return Err(hit("never_block", sentence));
            }
        }
        Ok(())
    }

    /// An IPv6 address that carries an IPv4 address is as protected as that one.
    fn refuse_embedded(&self, network: IpNet) -> Result<(), RailHit> {
        let IpNet::V6(v6) = network else {
            return Ok(());
        };
        for (form, inner) in embedded::all(v6) {
            let inner = IpNet::V4(inner);
            let refused = refuse_special(inner).and_then(|()| self.refuse_protected(inner));
            if let Err(inner_hit) = refused {
                let why = format!("{network} is a {form} form of {inner}: {}", inner_hit.why);
                return Err(hit("embedded", why));
            }
        }
        Ok(())
    }

    fn refuse_internal(&self, action: &Action, network: IpNet) -> Result<(), RailHit> {
        let source = matches!(action, Action::BlockIp { .. });
        let inside = |net: &IpNet| overlap(canonical(*net), network);
        let ends = [network.network(), network.broadcast()];
        let by_nature = ends.into_iter().any(|ip| Address::from(ip).is_internal());
        if source && (by_nature || self.internal.iter().any(inside)) {
            let why = format!("{network} is internal: no automatic block of an internal source");
            return Err(hit("internal", why));
        }
        Ok(())
    }
}

fn refuse_too_wide(network: IpNet) -> Result<(), RailHit> {
    let limit = match network {
        IpNet::V4(_) => PREFIX_V4_MIN,
        IpNet::V6(_) => PREFIX_V6_MIN,
    };
    if network.prefix_len() < limit {
        let why = format!("{network} is wider than /{limit}: never blocked");
        return Err(hit("too_wide", why));
    }
    Ok(())
}

fn refuse_wide(network: IpNet) -> Result<(), RailHit> {
    if network.prefix_len() < network.max_prefix_len() {
        let why = format!("{network} is a range: wider than one address needs an approval");
        return Err(hit("wide", why));
    }
    Ok(())
}

fn refuse_special(network: IpNet) -> Result<(), RailHit> {
    for (special, what) in special() {
        if overlap(special, network) {
            let why = format!("{network} overlaps {special} ({what}), which is never blocked");
            return Err(hit("special", why));
        }
    }
    Ok(())
}

fn special() -> impl Iterator<Item = (IpNet, &'static str)> {
    let v4 = SPECIAL_V4
        .into_iter()
        .map(|(ip, prefix, what)| (IpNet::new_assert(IpAddr::V4(ip), prefix), what));
    let v6 = SPECIAL_V6
        .into_iter()
        .map(|(ip, prefix, what)| (IpNet::new_assert(IpAddr::V6(ip), prefix), what));
    v4.chain(v6)
}

/// The one form of a network: host bits cleared, v4-mapped IPv6 as IPv4.
pub fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else {
        return network.trunc();
    };
    match mapped(v6) {
        Some(v4) => IpNet::V4(v4),
        None => network.trunc(),
    }
}

fn mapped(v6: Ipv6Net) -> Option<Ipv4Net> {
    let v4 = v6.addr().to_ipv4_mapped()?;
    let prefix = v6.prefix_len().checked_sub(96)?;
    Ipv4Net::new(v4, prefix).ok().map(|net| net.trunc())
}

/// Do two canonical networks share an address? Two networks overlap only if one holds the other.
fn overlap(one: IpNet, other: IpNet) -> bool {
    one.contains(&other) || other.contains(&one)
}

const fn hit(rail: &'static str, why: String) -> RailHit {
    RailHit { rail, why }
}

#[cfg(test)]
mod tests;
