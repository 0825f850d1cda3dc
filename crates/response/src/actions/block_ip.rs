//! `net.block_ip`: drops all traffic from an address or a range.

use event::{Action, ActionId, ActionKind, Reversibility, RuleDiff, Ttl};
use ipnet::IpNet;

use super::{Card, Parameter, ParameterKind, Values, bare, element, family};

pub(super) static CARD: Card = Card {
    kind: ActionKind::BlockIp,
    d3fend: &["D3-ITF"],
    react: &["RA3101", "RA5101"],
    does: "drops all traffic from the address, input and forward, also of open connections",
    hurts: "everybody behind the same address: an office, a carrier NAT, a cloud egress",
    reversibility: Reversibility::SelfExpiring,
    inverse: "the set element is deleted with the last claim; the kernel lets go at the TTL",
    verify: "dropped",
    post_check: "the element is read back from the kernel with its comment and remaining time",
    parameters: &[
        Parameter {
            name: "ip",
            kind: ParameterKind::Ip,
            required: true,
        },
        Parameter {
            name: "prefix_v4",
            kind: ParameterKind::PrefixV4,
            required: false,
        },
        Parameter {
            name: "prefix_v6",
            kind: ParameterKind::PrefixV6,
            required: false,
        },
    ],
    make,
    diff,
    sentence,
};

fn make(values: &Values) -> Option<Action> {
    let ip = values.ip?.ip();
    let prefix = if ip.is_ipv4() {
        values.prefix_v4.unwrap_or(32)
    } else {
        values.prefix_v6.unwrap_or(128)
    };
    let target = IpNet::new(ip, prefix).ok()?.trunc();
    Some(Action::BlockIp { target })
}

fn diff(action: &Action, ttl: Ttl, id: ActionId) -> RuleDiff {
    let network = action.network();
    let host = network.prefix_len() == network.max_prefix_len();
    let name = if host { "block" } else { "blocknet" };
    let set = format!("{name}{}", family(network.addr()));
    element(&set, &bare(network), "", (ttl, id))
}

fn sentence(action: &Action, ttl: Ttl) -> String {
    format!("Block {} for {ttl}", action.target())
}
