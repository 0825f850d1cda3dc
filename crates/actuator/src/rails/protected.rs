//! The never-block list: networks, why each is on it, and overlap in both directions.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::error::ActuatorError;
use crate::netlink::table::overlap;

/// Networks on the list, at most; more are refused, none is forgotten.
pub const PROTECTED_MAX: usize = 16_384;
/// Networks named in a reply, at most: it has to fit one message.
pub const READY_NETWORKS_MAX: usize = 2048;

/// Never blocked on any host.
const ALWAYS: [(&str, &str); 12] = [
    ("0.0.0.0/8", "unspecified"),
    ("127.0.0.0/8", "loopback"),
    ("169.254.0.0/16", "link-local"),
    ("224.0.0.0/4", "multicast"),
    ("255.255.255.255/32", "broadcast"),
    ("::/96", "unspecified, loopback and IPv4-compatible"),
    (
        "::ffff:0:0/96",
        "IPv4-mapped: no form of an address on the wire",
    ),
    ("64:ff9b:1::/48", "local-use NAT64: hides an IPv4 address"),
    ("2002::/16", "6to4: hides an IPv4 address"),
    ("fe80::/10", "link-local"),
    ("fec0::/10", "site-local"),
    ("ff00::/8", "multicast"),
];

const NAT64: u128 = 0x0064_ff9b << 96;
const MAPPED: u128 = 0xffff << 32;
const SIX_TO_FOUR: u128 = 0x2002 << 112;

/// The list.
#[derive(Debug)]
pub(super) struct Protected {
    /// Sorted by address; holds derived forms too.
    networks: BTreeMap<IpNet, String>,
    shown: Vec<IpNet>,
    /// Added since the effects that stand were last held against the list.
    fresh: Vec<IpNet>,
}

/// Fresh networks that are compared one by one; with more of them the whole list is searched.
const FRESH_COMPARED_MAX: usize = 64;

impl Protected {
    pub(super) fn new() -> Self {
        let mut protected = Self {
            networks: BTreeMap::new(),
            shown: Vec::new(),
            fresh: Vec::new(),
        };
        for (text, why) in ALWAYS {
            if let Ok(network) = text.parse() {
                protected.add_always(network, why);
            }
        }
        protected
    }

    /// A form that is banned as such says nothing about the IPv4 addresses hidden in it.
    fn add_always(&mut self, network: IpNet, why: &str) {
        self.shown.push(network);
        let hidden = match network {
            IpNet::V4(network) => nat64(network),
            IpNet::V6(_) => None,
        };
        for form in std::iter::once(network).chain(hidden) {
            self.networks.insert(form, why.to_owned());
            self.fresh.push(form);
        }
    }

    /// Adds a network in all its forms; tells whether it was new.
    pub(super) fn add(&mut self, network: IpNet, why: &str) -> Result<bool, ActuatorError> {
        let network = network.trunc();
        if self.networks.contains_key(&network) {
            return Ok(false);
        }
        let forms = forms(network);
        let count = self.networks.len().saturating_add(forms.len());
        if count > PROTECTED_MAX {
            let max = PROTECTED_MAX;
            return Err(ActuatorError::TooManyProtected { count, max });
        }
        for form in forms {
            self.networks.entry(form).or_insert_with(|| why.to_owned());
            self.fresh.push(form);
        }
        if self.shown.len() < READY_NETWORKS_MAX {
            self.shown.push(network);
        }
        Ok(true)
    }

    pub(super) fn shown(&self) -> Vec<IpNet> {
        self.shown.clone()
    }

    /// Does it overlap what was added since [`Protected::checked`]?
    pub(super) fn overlaps_fresh(&self, network: IpNet) -> bool {
        if self.fresh.len() > FRESH_COMPARED_MAX {
            return self.overlap(network).is_some();
        }
        self.fresh.iter().any(|fresh| overlap(*fresh, network))
    }

    pub(super) fn has_fresh(&self) -> bool {
        !self.fresh.is_empty()
    }

    /// All effects that stand have been held against the list.
    pub(super) fn checked(&mut self) {
        self.fresh.clear();
    }

    /// Why a network may not be touched; `None` when it overlaps nothing on the list.
    pub(super) fn overlap(&self, network: IpNet) -> Option<String> {
        let network = network.trunc();
        let found = self.around(network).or_else(|| self.within(network));
        let (protected, why) = found?;
        Some(format!(
            "{network} overlaps never-block {protected} ({why})"
        ))
    }

    /// A protected network that holds `network`, or is it.
    fn around(&self, network: IpNet) -> Option<(&IpNet, &String)> {
        (0..=network.prefix_len()).find_map(|prefix| {
            let wider = IpNet::new(network.addr(), prefix).ok()?.trunc();
            self.networks.get_key_value(&wider)
        })
    }

    /// A protected network inside `network`.
    fn within(&self, network: IpNet) -> Option<(&IpNet, &String)> {
        let last = IpNet::from(network.broadcast());
        self.networks
            .range(network..=last)
            .find(|(protected, _)| network.contains(*protected))
    }
}

/// A network in all forms in which it can stand in a packet: itself, the IPv4 network hidden in
/// it, and that one's NAT64 form. (6to4 and mapped forms are on the list as a whole.)
fn forms(network: IpNet) -> Vec<IpNet> {
    let mut forms = vec![network];
    let ipv4 = match network {
        IpNet::V4(network) => Some(network),
        IpNet::V6(network) => hidden(network),
    };
    if let Some(ipv4) = ipv4 {
        forms.push(IpNet::V4(ipv4));
        forms.extend(nat64(ipv4));
    }
    forms
}

fn hidden(network: Ipv6Net) -> Option<Ipv4Net> {
    let bits = u128::from(network.addr());
    let upper = bits >> 32;
    let (address, prefix) = if upper == MAPPED >> 32 || upper == NAT64 >> 32 {
        (bits, network.prefix_len().checked_sub(96)?)
    } else if bits >> 112 == SIX_TO_FOUR >> 112 {
        let prefix = network.prefix_len().checked_sub(16)?;
        (bits >> 80, prefix.min(32))
    } else {
        return None;
    };
    let address = u32::try_from(address & u128::from(u32::MAX)).ok()?;
    let network = Ipv4Net::new(Ipv4Addr::from(address), prefix).ok()?;
    Some(network.trunc())
}

fn nat64(network: Ipv4Net) -> Option<IpNet> {
    let bits = NAT64 | u128::from(u32::from(network.addr()));
    let prefix = network.prefix_len().checked_add(96)?;
    IpNet::new(IpAddr::V6(Ipv6Addr::from(bits)), prefix).ok()
}
