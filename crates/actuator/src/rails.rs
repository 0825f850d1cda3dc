//! Rails of the actuator itself: what it never touches, and how much it does by itself.
//!
//! The engine digests hostile input, so nothing it asks for is trusted: the never-block list is
//! found by the actuator ([`discover`]) and only ever grows, overlap counts in both directions,
//! and the caps have counters of their own. A person's approval lifts the caps, never the rails.
//!
//! Absent on purpose: any judgement about the finding behind a request.

mod discover;
mod ledger;
mod logins;
mod protected;

use std::time::Duration;

use event::actuate::Operation;
use event::{Action, Rate, Ttl};
use ipnet::IpNet;

pub(crate) use discover::can_discover;
pub use discover::discover;
pub use ledger::Limits;
pub use logins::login_sources;
pub use protected::{PROTECTED_MAX, READY_NETWORKS_MAX};

use crate::error::ActuatorError;
use crate::netlink::{Change, Put, Slot};
use ledger::Ledger;
use protected::Protected;

/// Widest IPv4 range that is ever blocked, prefix length.
const PREFIX_MIN_V4: u8 = 16;
/// Widest IPv6 range that is ever blocked, prefix length.
const PREFIX_MIN_V6: u8 = 32;
/// Most packets in a rate.
const RATE_PACKETS_MAX: u32 = 100_000;

/// The rails and their counters.
#[derive(Debug)]
pub struct Rails {
    protected: Protected,
    ledger: Ledger,
}

impl Rails {
    /// Rails with what is never blocked anywhere, and the configured networks.
    ///
    /// # Errors
    /// [`ActuatorError::TooManyProtected`] above [`PROTECTED_MAX`].
    pub fn new(limits: Limits, never_block: &[IpNet]) -> Result<Self, ActuatorError> {
        let mut rails = Self {
            protected: Protected::new(),
            ledger: Ledger::new(limits),
        };
        for network in never_block {
            rails.protect(*network, "configured")?;
        }
        Ok(rails)
    }

    /// Adds a network that is never touched from now on, in all forms it can be written in.
    /// Returns whether it was new.
    ///
    /// # Errors
    /// [`ActuatorError::TooManyProtected`] above [`PROTECTED_MAX`]; it is not added then.
    pub fn protect(&mut self, network: IpNet, why: &str) -> Result<bool, ActuatorError> {
        self.protected.add(network, why)
    }

    /// Does this action touch a protected network? Then the reason.
    pub fn touches_protected(&self, action: &Action) -> Option<String> {
        self.protected.overlap(action.network())
    }

    /// The protected networks as they were given, at most [`READY_NETWORKS_MAX`].
    pub fn protected(&self) -> Vec<IpNet> {
        self.protected.shown()
    }

    /// Checks one operation, and counts it when it makes something present.
    ///
    /// # Errors
    /// The rail that said no, and why, for people.
    pub fn admit(&mut self, operation: &Operation, now: Duration) -> Result<Change, String> {
        let slot = Slot::of(&operation.action);
        let Some(seconds) = operation.present_s else {
            return Ok(Change { slot, put: None });
        };
        if !(1..=Ttl::SECONDS_MAX).contains(&seconds) {
            return Err(format!("{seconds} s is not between 1 s and 30 days"));
        }
        check_form(&operation.action)?;
        if let Some(reason) = self.touches_protected(&operation.action) {
            return Err(reason);
        }
        check_width(operation.action.network(), operation.approved)?;
        self.ledger.admit(slot, now, seconds, operation.approved)?;
        let rate = match operation.action {
            Action::RateLimit { rate, .. } => Some(rate),
            Action::BlockIp { .. } | Action::BlockEgress { .. } => None,
        };
        let put = Put {
            seconds,
            action_id: operation.action_id,
            rate,
        };
        Ok(Change {
            slot,
            put: Some(put),
        })
    }

    /// Takes note of an element that stands already (from an earlier run).
    pub fn stands(&mut self, slot: Slot, now: Duration, seconds: u32) {
        self.ledger.stands(slot, now, seconds);
    }

    /// What may stand although it touches a network that was protected since
    /// [`Rails::checked`], sorted.
    pub fn newly_protected(&self) -> Vec<Slot> {
        if !self.protected.has_fresh() {
            return Vec::new();
        }
        let slots = self.ledger.slots();
        let mut touched: Vec<Slot> = slots
            .filter(|slot| self.protected.overlaps_fresh(slot.network()))
            .copied()
            .collect();
        touched.sort_unstable();
        touched
    }

    /// Takes note that nothing of [`Rails::newly_protected`] stands any more.
    pub fn checked(&mut self) {
        self.protected.checked();
    }

    /// Forgets effects whose time is over.
    pub fn forget_ended(&mut self, now: Duration) {
        self.ledger.forget_ended(now);
    }

    /// Takes note that an effect has gone, or never came.
    pub fn gone(&mut self, slot: Slot) {
        self.ledger.gone(slot);
    }
}

fn check_form(action: &Action) -> Result<(), String> {
    match action {
        Action::RateLimit { rate, .. } => check_rate(*rate),
        Action::BlockEgress { port: Some(0), .. } => Err("port 0 is not a port".to_owned()),
        Action::BlockIp { .. } | Action::BlockEgress { .. } => Ok(()),
    }
}

fn check_rate(rate: Rate) -> Result<(), String> {
    let packets = (1..=RATE_PACKETS_MAX).contains(&rate.packets);
    if packets && matches!(rate.per_seconds, 1 | 60 | 3600) {
        return Ok(());
    }
    Err(format!(
        "rate {}/{}s: 1 to {RATE_PACKETS_MAX} packets per 1, 60 or 3600 s",
        rate.packets, rate.per_seconds
    ))
}

fn check_width(network: IpNet, approved: bool) -> Result<(), String> {
    let prefix = network.prefix_len();
    let prefix_min = match network {
        IpNet::V4(_) => PREFIX_MIN_V4,
        IpNet::V6(_) => PREFIX_MIN_V6,
    };
    if prefix < prefix_min {
        return Err(format!("{network} is wider than /{prefix_min}: never"));
    }
    if prefix < network.max_prefix_len() && !approved {
        return Err(format!("{network} is a range: only when a person approved"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
