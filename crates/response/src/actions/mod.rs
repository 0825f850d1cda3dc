//! Actions: one file each, with what it does, whom it may hurt, and how it is undone.
//!
//! A [`Card`] is all that people and the planner need to know about an action. Adding one is a
//! file here, a variant in `event::Action` and its work in the actuator.
//!
//! Absent on purpose: doing it. That, and reading it back, is the actuator's alone. There is no
//! action that runs a script, and there never will be.

mod block_egress;
mod block_ip;
mod rate_limit;

use std::net::IpAddr;

use event::{Action, ActionId, ActionKind, Rate, Reversibility, RuleDiff, Ttl};
use ipnet::IpNet;

/// What one action is, for people and for the planner.
#[derive(Debug)]
pub struct Card {
    /// The action.
    pub kind: ActionKind,
    /// MITRE D3FEND technique ids.
    pub d3fend: &'static [&'static str],
    /// Nearest RE&CT action ids: the effect, then its inverse where one exists.
    pub react: &'static [&'static str],
    /// What it does, one sentence without a full stop.
    pub does: &'static str,
    /// Whom it may hurt besides the attacker, one sentence without a full stop.
    pub hurts: &'static str,
    /// Whether and how the effect ends.
    pub reversibility: Reversibility,
    /// How it is undone, one sentence without a full stop.
    pub inverse: &'static str,
    /// The word of `verify:` in a playbook.
    pub verify: &'static str,
    /// What is read back before anybody says `verified`, one sentence without a full stop.
    pub post_check: &'static str,
    /// The parameters of `with:`, sorted by name.
    pub parameters: &'static [Parameter],
    /// The action from its resolved parameters; `None` when one is missing.
    pub(crate) make: fn(&Values) -> Option<Action>,
    /// The rule lines that come and go.
    diff: fn(&Action, Ttl, ActionId) -> RuleDiff,
    /// One sentence: what, to whom, for how long.
    sentence: fn(&Action, Ttl) -> String,
}

/// A parameter of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name under `with:`.
    pub name: &'static str,
    /// What it takes.
    pub kind: ParameterKind,
    /// Must it be there?
    pub required: bool,
}

/// What a parameter takes. Only [`ParameterKind::Ip`] comes from the incident, as a typed
/// reference; the others are the author's own constants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterKind {
    /// A reference to an input of type `ip`.
    Ip,
    /// A rate such as `5/min`.
    Rate,
    /// A port, 1 to 65535.
    Port,
    /// Width of an IPv4 range, 16 to 32.
    PrefixV4,
    /// Width of an IPv6 range, 32 to 128.
    PrefixV6,
}

impl ParameterKind {
    /// What to write, for messages.
    pub const fn expected(self) -> &'static str {
        match self {
            Self::Ip => "an input of type ip, such as src.ip",
            Self::Rate => "a rate such as 5/min, 10/s or 100/h",
            Self::Port => "a port from 1 to 65535",
            Self::PrefixV4 => "a whole number from 16 to 32",
            Self::PrefixV6 => "a whole number from 32 to 128",
        }
    }
}

/// Resolved parameters. Typed, so that no text of an attacker can be one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Values {
    pub(crate) ip: Option<event::Address>,
    pub(crate) rate: Option<Rate>,
    pub(crate) port: Option<u16>,
    pub(crate) prefix_v4: Option<u8>,
    pub(crate) prefix_v6: Option<u8>,
}

/// All actions, sorted by their words.
pub static ALL: [&Card; 3] = [&block_egress::CARD, &block_ip::CARD, &rate_limit::CARD];

/// The card of a kind.
pub const fn card(kind: ActionKind) -> &'static Card {
    match kind {
        ActionKind::BlockEgress => &block_egress::CARD,
        ActionKind::BlockIp => &block_ip::CARD,
        ActionKind::RateLimit => &rate_limit::CARD,
    }
}

/// The rule lines that come and go with this action.
pub fn diff(action: &Action, ttl: Ttl, id: ActionId) -> RuleDiff {
    (card(action.kind()).diff)(action, ttl, id)
}

/// One sentence for a person: what, to whom, for how long.
pub fn sentence(action: &Action, ttl: Ttl) -> String {
    (card(action.kind()).sentence)(action, ttl)
}

/// A set element as a line of the packet filter; `limit` is the rate statement, if any.
fn element(set: &str, key: &str, limit: &str, tail: (Ttl, ActionId)) -> RuleDiff {
    let (ttl, id) = tail;
    let time = filter_time(ttl);
    let line = format!(
        "add element inet vertice {set} {{ {key}{limit} timeout {time} comment \"{id}\" }}"
    );
    RuleDiff {
        removed: Vec::new(),
        added: vec![line],
    }
}

/// `4` or `6`: the last letter of a set's name.
const fn family(ip: IpAddr) -> char {
    match ip {
        IpAddr::V4(_) => '4',
        IpAddr::V6(_) => '6',
    }
}

/// One address without its `/32`, a range with its width.
fn bare(network: IpNet) -> String {
    if network.prefix_len() == network.max_prefix_len() {
        network.addr().to_string()
    } else {
        network.to_string()
    }
}

/// A time as the packet filter writes it: `1d2h3m4s` without the zero parts.
fn filter_time(ttl: Ttl) -> String {
    let seconds = ttl.seconds();
    let parts = [
        (seconds / 86_400, 'd'),
        (seconds / 3600 % 24, 'h'),
        (seconds / 60 % 60, 'm'),
        (seconds % 60, 's'),
    ];
    let mut text = String::new();
    for (count, unit) in parts {
        if count > 0 {
            text.push_str(&count.to_string());
            text.push(unit);
        }
    }
    text
}

#[cfg(test)]
mod tests;
