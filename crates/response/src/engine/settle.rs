//! Settling one effect: ends claims whose time is over, tells what is now known, asks for what is
//! still wanted, and sets the next alarm. The one place where desire meets belief.

use event::{ActionId, Outcome, Time};

use super::Engine;
use super::receipts::Told;
use super::state::{Believed, Effect, Ending, Key, Phase, Timer};

impl Engine {
    pub(super) fn settle(&mut self, key: Key) {
        self.expire(key);
        self.overdue(key);
        self.tell_released(key);
        self.tell_verified(key);
        if self.drop_finished(key) {
            return;
        }
        let Some(effect) = self.tables.effects.get(&key) else {
            return;
        };
        if !effect.queued && self.needs_operation(effect) {
            self.queue.push_back(key);
            if let Some(effect) = self.tables.effects.get_mut(&key) {
                effect.queued = true;
            }
        }
        self.arm(key);
    }

    fn expire(&mut self, key: Key) {
        let Some(effect) = self.tables.effects.get(&key) else {
            return;
        };
        for id in effect.claims.clone() {
            let over = self
                .tables
                .actions
                .get(&id)
                .is_none_or(|action| action.until <= self.now);
            if over {
                self.release(id, Ending::Expired, "its time is over");
            }
        }
    }

    /// Intents that are not read back in time: failed if nothing left this engine, else unknown.
    fn overdue(&mut self, key: Key) {
        let Some(effect) = self.tables.effects.get(&key) else {
            return;
        };
        for id in effect.claims.clone() {
            let Some(action) = self.tables.actions.get_mut(&id) else {
                continue;
            };
            if action.phase != Phase::Intent || action.due > self.now {
                continue;
            }
            let seconds = self.config.answer_s;
            if action.sent {
                action.phase = Phase::Unknown;
                let until = action.until;
                let why = format!("asked for, and no answer for {seconds} s; still asking");
                self.tell(id, Told::new(Outcome::Unknown, why).until(until));
            } else {
                let why = format!("the actuator was not reached for {seconds} s; nothing was sent");
                self.fail(id, why);
            }
        }
    }

    /// An apply came to nothing.
    pub(super) fn fail(&mut self, id: ActionId, why: String) {
        let ratification = "the step failed";
        self.close_wait(
            id,
            event::decision::ApprovalState::Stale,
            super::ENGINE,
            ratification,
        );
        self.abandon(id, Told::new(Outcome::Failed, why));
        self.failed(id);
    }

    /// Claims that were let go while others keep the effect, or whose absence is known.
    fn tell_released(&mut self, key: Key) {
        let Some(effect) = self.tables.effects.get(&key) else {
            return;
        };
        let kept = !effect.claims.is_empty();
        let absent = effect.believed == Believed::Absent && effect.pending.is_none();
        if effect.leaving.is_empty() || !(kept || absent) {
            return;
        }
        for id in effect.leaving.clone() {
            self.tell_one_released(key, id, kept);
        }
        if let Some(effect) = self.tables.effects.get_mut(&key) {
            effect.leaving.clear();
        }
    }

    fn tell_one_released(&mut self, key: Key, id: ActionId, kept: bool) {
        let Some(action) = self.tables.actions.get(&id) else {
            return;
        };
        let Phase::Leaving(ending) = action.phase else {
            return;
        };
        let reason = action.reason.clone();
        let told = match self.kept_because(key).filter(|_| kept) {
            Some((because, until)) => {
                let detail = format!("{reason}: claim released; {because}");
                Told::new(Outcome::Partial, detail).until(until)
            }
            None if action.sent || action.verified => {
                let mut told = Told::new(ending.outcome(), format!("{reason}: read back: absent"));
                told.diff.removed.clone_from(&action.step.diff.added);
                told
            }
            None => Told::new(ending.outcome(), format!("{reason}: nothing was sent")),
        };
        self.finish(id, told);
    }

    /// Claims that the last read-back covers.
    fn tell_verified(&mut self, key: Key) {
        let Some(effect) = self.tables.effects.get(&key) else {
            return;
        };
        let Believed::Present(kernel) = effect.believed else {
            return;
        };
        let lease = self.after(self.config.lease_s);
        let leased = effect.leased;
        let mut covered = Vec::new();
        for id in &effect.claims {
            let Some(action) = self.tables.actions.get(id) else {
                continue;
            };
            let owed = matches!(action.phase, Phase::Intent | Phase::Unknown | Phase::Lost)
                || action.extended;
            let wanted = if leased {
                action.until.min(lease)
            } else {
                action.until
            };
            let renewed = leased && action.verified;
            if owed && (kernel.plus(super::claims::TOLERANCE) >= wanted || renewed) {
                covered.push(*id);
            }
        }
        let effect = self.tables.effects.get_mut(&key);
        let shown = effect
            .map(|effect| std::mem::take(&mut effect.shown))
            .unwrap_or_default();
        for id in covered {
            self.verified(id, &shown);
        }
    }

    fn verified(&mut self, id: ActionId, shown: &str) {
        let Some(action) = self.tables.actions.get_mut(&id) else {
            return;
        };
        action.phase = Phase::Standing;
        action.verified = true;
        action.extended = false;
        let (until, plan) = (action.until, action.plan);
        let mut told = Told::new(Outcome::Verified, "read back: present").until(until);
        if !shown.is_empty() {
            let line = event::hostile(shown);
            told.detail = format!("read back: {line}");
            told.diff.added.push(line);
        }
        self.tell(id, told);
        self.tables.moved.push(plan);
    }

    /// An effect that nobody wants and that is not there is forgotten.
    fn drop_finished(&mut self, key: Key) -> bool {
        let Some(effect) = self.tables.effects.get(&key) else {
            return true;
        };
        let gone = effect.believed == Believed::Absent && effect.pending.is_none();
        if !gone || !effect.claims.is_empty() || !effect.leaving.is_empty() {
            return false;
        }
        if let Some(effect) = self.tables.effects.remove(&key)
            && let Some(at) = effect.armed
        {
            self.tables.timers.remove(&(at, Timer::Effect(key)));
        }
        true
    }

    /// Is there something to ask of the actuator about this effect now?
    pub(super) fn needs_operation(&self, effect: &Effect) -> bool {
        if effect.pending.is_some() || effect.retry_at > self.now {
            return false;
        }
        if effect.claims.is_empty() {
            let grace = effect
                .orphan_since
                .is_some_and(|since| self.grace_end(since) > self.now);
            return effect.believed != Believed::Absent && !effect.stuck && !grace;
        }
        let may_apply = self.mode != event::Mode::Observe;
        match effect.believed {
            Believed::Absent | Believed::Unknown => may_apply,
            Believed::Present(kernel) => {
                let shorten = self
                    .claimed_until(effect)
                    .is_some_and(|until| kernel > until);
                (may_apply || shorten) && !self.kernel_fits(effect, kernel)
            }
        }
    }

    pub(super) fn grace_end(&self, since: Time) -> Time {
        since.plus(std::time::Duration::from_secs(u64::from(
            self.config.orphan_grace_s,
        )))
    }

    /// Sets the alarm for the next thing that time alone will change.
    fn arm(&mut self, key: Key) {
        let Some(effect) = self.tables.effects.get(&key) else {
            return;
        };
        let at = self.next_alarm(effect);
        let old = effect.armed;
        if at == old {
            return;
        }
        if let Some(old) = old {
            self.tables.timers.remove(&(old, Timer::Effect(key)));
        }
        if let Some(at) = at {
            self.tables.timers.insert((at, Timer::Effect(key)));
        }
        if let Some(effect) = self.tables.effects.get_mut(&key) {
            effect.armed = at;
        }
    }

    fn next_alarm(&self, effect: &Effect) -> Option<Time> {
        let mut alarms = Vec::new();
        for action in effect
            .claims
            .iter()
            .filter_map(|id| self.tables.actions.get(id))
        {
            alarms.push(action.until);
            if action.phase == Phase::Intent {
                alarms.push(action.due);
            }
        }
        alarms.push(effect.retry_at);
        if let Believed::Present(kernel) = effect.believed {
            alarms.extend(self.renew_at(effect, kernel));
        }
        alarms.extend(effect.orphan_since.map(|since| self.grace_end(since)));
        alarms.into_iter().filter(|at| *at > self.now).min()
    }
}
