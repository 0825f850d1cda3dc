//! Claims: who wants an effect, until when, and what the kernel should therefore hold.
//!
//! Absent on purpose: talking to the actuator (`link`) and believing it (`reply`, `reconcile`).

use std::time::Duration;

use event::journal::JournalEntry;
use event::{ActionId, Address, Time};

use super::Engine;
use super::receipts::Told;
use super::state::{ActionState, Believed, Effect, Ending, Key, Phase};

/// How far a kernel timeout may lie beside the wanted one. Kernels count in seconds.
pub(super) const TOLERANCE: Duration = Duration::from_secs(3);

impl Engine {
    /// Writes the intent down and claims the effect: for its TTL, or for less until ratified.
    pub(super) fn begin(&mut self, id: ActionId, life_s: Option<u32>) {
        let Some(action) = self.tables.actions.get_mut(&id) else {
            return;
        };
        let ttl = action.step.ttl.seconds();
        let life = Duration::from_secs(u64::from(life_s.map_or(ttl, |life| life.min(ttl))));
        let until = self.now.plus(life);
        let (plan, key, approved) = (action.plan, action.key, action.approved);
        let entry = JournalEntry::Intent {
            action: id,
            plan,
            step: action.step.id.clone(),
            until: self.clock.wall(until),
            approved,
        };
        self.record(entry);
        self.count_block(key, approved);
        self.claim(id, until);
    }

    /// The claim itself; the part that the journal's fold shares.
    pub(super) fn claim(&mut self, id: ActionId, until: Time) {
        let due = self.after(self.config.answer_s);
        let wall = self.wall(self.now);
        let Some(action) = self.tables.actions.get_mut(&id) else {
            return;
        };
        action.phase = Phase::Intent;
        action.intended = wall;
        action.since = self.now;
        action.until = until;
        action.due = due;
        action.sent = false;
        action.slim();
        action.verified = false;
        action.extended = false;
        let (key, plan) = (action.key, action.plan);
        let wanted = action.step.action.clone();
        let leased = is_leased(action);
        if let Some(run) = self.tables.runs.get_mut(&plan) {
            run.applied.push(id);
        }
        let known = self.link.reconciled;
        let believed = if known {
            Believed::Absent
        } else {
            Believed::Unknown
        };
        let effects = &mut self.tables.effects;
        let effect = effects
            .entry(key)
            .or_insert_with(|| Effect::new(wanted.clone(), id, believed));
        if effect.claims.is_empty() && !matches!(effect.believed, Believed::Present(_)) {
            effect.creator = id;
        }
        if effect.claims.is_empty() {
            effect.action = wanted;
        }
        effect.leased |= leased;
        effect.orphan_since = None;
        effect.stuck = false;
        effect.tries = 0;
        effect.retry_at = Time::EPOCH;
        if !effect.claims.contains(&id) {
            effect.claims.push(id);
        }
        read_back_anew(effect);
        self.tables.dirty.push(key);
    }

    /// A claim gets another end: longer by a new revision or a ratification.
    pub(super) fn prolong(&mut self, id: ActionId, until: Time, who: &str) {
        let Some(action) = self.tables.actions.get_mut(&id) else {
            return;
        };
        action.until = until;
        action.since = self.now;
        action.extended = true;
        let key = action.key;
        let entry = JournalEntry::Intent {
            action: id,
            plan: action.plan,
            step: action.step.id.clone(),
            until: self.clock.wall(until),
            approved: action.approved,
        };
        self.record_by(who, entry);
        if let Some(effect) = self.tables.effects.get_mut(&key) {
            read_back_anew(effect);
        }
        self.tables.dirty.push(key);
    }

    /// An action lets go of its effect; a receipt is owed once that is read back.
    pub(super) fn release(&mut self, id: ActionId, ending: Ending, reason: &str) {
        let Some(action) = self.tables.actions.get_mut(&id) else {
            return;
        };
        action.phase = Phase::Leaving(ending);
        reason.clone_into(&mut action.reason);
        let (key, plan) = (action.key, action.plan);
        if let Some(effect) = self.tables.effects.get_mut(&key) {
            effect.claims.retain(|claim| *claim != id);
            effect.tries = 0;
            effect.retry_at = Time::EPOCH;
            if !effect.leaving.contains(&id) {
                effect.leaving.push(id);
            }
        }
        self.tables.dirty.push(key);
        self.tables.moved.push(plan);
    }

    /// An action gives up its claim without an effect of its own.
    pub(super) fn abandon(&mut self, id: ActionId, told: Told) {
        if let Some(key) = self.tables.actions.get(&id).map(|action| action.key) {
            if let Some(effect) = self.tables.effects.get_mut(&key) {
                effect.claims.retain(|claim| *claim != id);
            }
            self.tables.dirty.push(key);
        }
        self.finish(id, told);
    }

    /// When the last claim ends.
    pub(super) fn claimed_until(&self, effect: &Effect) -> Option<Time> {
        let actions = effect
            .claims
            .iter()
            .filter_map(|id| self.tables.actions.get(id));
        actions.map(|action| action.until).max()
    }

    /// When the kernel should let go: at the last claim's end, or with the lease.
    pub(super) fn kernel_until(&self, effect: &Effect) -> Option<Time> {
        let until = self.claimed_until(effect)?;
        if effect.leased {
            return Some(until.min(self.after(self.config.lease_s)));
        }
        Some(until)
    }

    /// Does the kernel's end fit the claims?
    pub(super) fn kernel_fits(&self, effect: &Effect, believed: Time) -> bool {
        let (Some(until), Some(wanted)) = (self.claimed_until(effect), self.kernel_until(effect))
        else {
            return true;
        };
        let too_long = believed > wanted.plus(TOLERANCE);
        let too_short = believed.plus(TOLERANCE) < until;
        let renew_at = self.after(self.config.lease_s.saturating_sub(self.config.renew_s));
        let lease_runs = effect.leased && believed > renew_at;
        !too_long && (!too_short || lease_runs)
    }

    /// When a lease must be renewed.
    pub(super) fn renew_at(&self, effect: &Effect, believed: Time) -> Option<Time> {
        let until = self.claimed_until(effect)?;
        let rest = self.config.lease_s.saturating_sub(self.config.renew_s);
        let renew = believed.minus(Duration::from_secs(u64::from(rest)));
        (effect.leased && believed.plus(TOLERANCE) < until).then_some(renew)
    }

    /// Which other incident keeps an effect standing.
    pub(super) fn kept_because(&self, key: Key) -> Option<(String, Time)> {
        let effect = self.tables.effects.get(&key)?;
        let other = self.tables.actions.get(effect.claims.first()?)?;
        let run = self.tables.runs.get(&other.plan)?;
        let until = self.claimed_until(effect)?;
        let incident = run.plan.incident;
        Some((
            format!("the effect stays because of incident {incident}"),
            until,
        ))
    }
}

/// A new or longer claim is not verified by what was read back before it was made.
const fn read_back_anew(effect: &mut Effect) {
    if matches!(effect.believed, Believed::Present(_)) {
        effect.believed = Believed::Unknown;
    }
}

/// Effects on our own side let go when the engine is dead; only blocks of external addresses may
/// be held for their whole TTL.
fn is_leased(action: &ActionState) -> bool {
    let address = Address::from(action.step.action.network().addr());
    action.step.blast.internal || address.is_internal()
}
