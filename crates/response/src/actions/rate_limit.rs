//! `net.rate_limit`: lets only so many packets of an address through.

use event::{Action, ActionId, ActionKind, Rate, Reversibility, RuleDiff, Ttl};

use super::{Card, Parameter, ParameterKind, Values, element, family};

pub(super) static CARD: Card = Card {
    kind: ActionKind::RateLimit,
    d3fend: &["D3-ITF"],
    react: &["RA3101", "RA5101"],
    does: "drops new packets from the address above the rate; below it all passes",
    hurts: "everybody behind the same address is slowed, nobody is cut off",
    reversibility: Reversibility::SelfExpiring,
    inverse: "the set element is deleted with the last claim; the kernel lets go at the TTL",
    verify: "limited",
    post_check: "the element is read back from the kernel with its rate and remaining time",
    parameters: &[
        Parameter {
            name: "ip",
            kind: ParameterKind::Ip,
            required: true,
        },
        Parameter {
            name: "rate",
            kind: ParameterKind::Rate,
            required: true,
        },
    ],
    make,
    diff,
    sentence,
};

fn make(values: &Values) -> Option<Action> {
    let (address, rate) = (values.ip?, values.rate?);
    Some(Action::RateLimit { address, rate })
}

fn diff(action: &Action, ttl: Ttl, id: ActionId) -> RuleDiff {
    let Action::RateLimit { address, rate } = action else {
        return RuleDiff::default();
    };
    let set = format!("limit{}", family(address.ip()));
    let limit = format!(" limit rate over {}", filter_rate(*rate));
    element(&set, &address.to_string(), &limit, (ttl, id))
}

/// A rate as the packet filter writes it.
fn filter_rate(rate: Rate) -> String {
    let unit = match rate.per_seconds {
        1 => "second",
        3600 => "hour",
        _ => "minute",
    };
    let packets = rate.packets;
    format!("{packets}/{unit} burst {packets} packets")
}

fn sentence(action: &Action, ttl: Ttl) -> String {
    let Action::RateLimit { address, rate } = action else {
        return String::new();
    };
    format!("Limit {address} to {rate} for {ttl}")
}
