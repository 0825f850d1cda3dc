//! `net.block_egress`: drops all traffic to a destination, or to one of its ports.

use event::{Action, ActionId, ActionKind, Reversibility, RuleDiff, Ttl};

use super::{Card, Parameter, ParameterKind, Values, element, family};

pub(super) static CARD: Card = Card {
    kind: ActionKind::BlockEgress,
    d3fend: &["D3-OTF"],
    react: &["RA3107"],
    does: "drops all traffic to the destination, output and forward, or to one port of it",
    hurts: "whoever uses the same destination: on a shared cloud or CDN address, many sites",
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
            name: "port",
            kind: ParameterKind::Port,
            required: false,
        },
    ],
    make,
    diff,
    sentence,
};

fn make(values: &Values) -> Option<Action> {
    Some(Action::BlockEgress {
        address: values.ip?,
        port: values.port,
    })
}

fn diff(action: &Action, ttl: Ttl, id: ActionId) -> RuleDiff {
    let Action::BlockEgress { address, port } = action else {
        return RuleDiff::default();
    };
    let family = family(address.ip());
    match port {
        Some(port) => element(
            &format!("egressport{family}"),
            &format!("{address} . {port}"),
            "",
            (ttl, id),
        ),
        None => element(
            &format!("egress{family}"),
            &address.to_string(),
            "",
            (ttl, id),
        ),
    }
}

fn sentence(action: &Action, ttl: Ttl) -> String {
    format!("Block traffic to {} for {ttl}", action.target())
}
