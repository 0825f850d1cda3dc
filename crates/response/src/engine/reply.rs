//! Replies of the actuator: belief follows read-back, result by result.
//!
//! A reply that nothing waits for (a lost connection's, one given up) is counted and passed by:
//! the dump that followed it knows better.

use std::time::Duration;

use event::ActionId;
use event::actuate::{Answer, OperationResult, Reply};
use event::{Outcome, Time};

use super::Engine;
use super::link::Flight;
use super::receipts::Told;
use super::state::{Believed, Key, Phase};

impl Engine {
    pub(super) fn take_reply(&mut self, reply: Reply) {
        let Some((_, flight)) = self.link.flights.remove(&reply.serial) else {
            self.counters.replies_unexpected += 1;
            return;
        };
        match (flight, reply.answer) {
            (Flight::Hello, Answer::Ready { generation, .. }) => self.greeted(generation),
            (Flight::Change { keys }, Answer::Changed { results }) => {
                self.link.changes = self.link.changes.saturating_sub(1);
                self.changed(reply.serial, keys, results);
            }
            (Flight::Change { keys }, Answer::Refused { reason }) => {
                self.link.changes = self.link.changes.saturating_sub(1);
                self.refused(reply.serial, keys, &reason);
            }
            (Flight::Dump, Answer::Standing { elements, next }) => self.dumped(elements, next),
            (Flight::Protect, Answer::Protected { removed }) => self.protected(removed),
            (flight, answer) => self.odd(flight, answer),
        }
    }

    /// An answer of another kind than the request, or a refusal of something else than a change.
    fn odd(&mut self, flight: Flight, answer: Answer) {
        self.counters.replies_unexpected += 1;
        if let Answer::Refused { reason } = answer {
            let reason = event::hostile(&reason);
            self.notice(format!("the actuator refused a request: {reason}"));
        }
        match flight {
            Flight::Change { keys } => {
                self.link.changes = self.link.changes.saturating_sub(1);
                for (key, _) in keys {
                    self.doubt_effect(key);
                }
            }
            Flight::Dump => {
                self.distrust();
                self.link.dump_at = self.after(self.config.reply_s);
            }
            Flight::Hello | Flight::Protect => {}
        }
    }

    fn doubt_effect(&mut self, key: Key) {
        if let Some(effect) = self.tables.effects.get_mut(&key) {
            effect.pending = None;
            effect.believed = Believed::Unknown;
        }
        self.tables.dirty.push(key);
    }

    /// A new generation means that the table was made anew: what stood may be gone.
    fn greeted(&mut self, generation: u64) {
        let known = self.link.generation.replace(generation);
        if known.is_some_and(|known| known != generation) {
            self.link.protect_due = true;
            self.link.dump_at = self.now;
        }
    }

    fn changed(&mut self, serial: u64, keys: Vec<(Key, bool)>, results: Vec<OperationResult>) {
        let mut results = results.into_iter();
        for (key, present) in keys {
            let ours = self
                .tables
                .effects
                .get_mut(&key)
                .filter(|e| e.pending == Some(serial));
            let Some(effect) = ours else {
                continue;
            };
            effect.pending = None;
            self.tables.dirty.push(key);
            match results.next() {
                Some(result) => self.take_result(key, present, result),
                None => self.doubt_effect(key), // a short answer: ask again
            }
        }
    }

    fn take_result(&mut self, key: Key, present: bool, result: OperationResult) {
        match (present, result) {
            (true, OperationResult::Present { expires_s, shown }) => {
                self.believe_present(key, expires_s, shown);
            }
            (false, OperationResult::Absent) => self.believe_absent(key),
            (true, OperationResult::Railed { reason }) => self.railed(key, &reason),
            (_, OperationResult::Railed { reason } | OperationResult::Failed { reason }) => {
                self.operation_failed(key, present, &reason);
            }
            (true, OperationResult::Absent) => {
                self.operation_failed(key, present, "read back: absent");
            }
            (false, OperationResult::Present { .. }) => {
                self.operation_failed(key, present, "read back: still present");
            }
        }
    }

    pub(super) fn believe_present(&mut self, key: Key, expires_s: u32, shown: String) {
        let until = self.now.plus(Duration::from_secs(u64::from(expires_s)));
        if let Some(effect) = self.tables.effects.get_mut(&key) {
            effect.believed = Believed::Present(until);
            effect.shown = shown;
            effect.tries = 0;
        }
    }

    pub(super) fn believe_absent(&mut self, key: Key) {
        let Some(effect) = self.tables.effects.get_mut(&key) else {
            return;
        };
        effect.believed = Believed::Absent;
        effect.shown = String::new();
        effect.tries = 0;
        effect.stuck = false;
        if effect.orphan_since.is_some() {
            self.counters.orphans_removed += 1;
            effect.orphan_since = None;
        }
        if let Some(first) = effect.claims.first() {
            effect.creator = *first;
        }
    }

    /// A rail of the actuator stands: nothing was done, and trying again would not help.
    fn railed(&mut self, key: Key, reason: &str) {
        self.counters.railed += 1;
        let reason = format!("rail of the actuator: {}", event::hostile(reason));
        if let Some(effect) = self.tables.effects.get_mut(&key) {
            effect.tries = effect.tries.saturating_add(1);
        }
        self.fail_claims(key, &reason);
        self.pause(key, true);
        if let Some(effect) = self.tables.effects.get_mut(&key)
            && effect.claims.is_empty()
            && !matches!(effect.believed, Believed::Present(_))
        {
            effect.believed = Believed::Absent;
        }
    }

    fn operation_failed(&mut self, key: Key, present: bool, reason: &str) {
        let retry = self.config.retry;
        let reason = event::hostile(reason);
        let Some(effect) = self.tables.effects.get_mut(&key) else {
            return;
        };
        effect.believed = Believed::Unknown;
        effect.tries = effect.tries.saturating_add(1);
        let tries = effect.tries;
        self.pause(key, present);
        if present && tries >= retry.apply_tries {
            self.fail_claims(key, &format!("tried {tries} times: {reason}"));
        }
        if !present && tries >= retry.undo_tries {
            self.give_up_undo(key, tries, &reason);
        }
    }

    /// Claims that never stood fail; those that did are lost and tried until their time is over.
    fn fail_claims(&mut self, key: Key, reason: &str) {
        let Some(effect) = self.tables.effects.get(&key) else {
            return;
        };
        for id in effect.claims.clone() {
            let Some(action) = self.tables.actions.get_mut(&id) else {
                continue;
            };
            match (action.verified, action.phase) {
                (true, Phase::Lost) => {}
                (true, _) => {
                    action.phase = Phase::Lost;
                    let why = format!("stood, and could not be asserted again: {reason}");
                    self.tell(id, Told::new(Outcome::Failed, why));
                }
                (false, _) => self.fail(id, reason.to_owned()),
            }
        }
    }

    /// Sets when the next try is due.
    fn pause(&mut self, key: Key, present: bool) {
        let retry = self.config.retry;
        let Some(effect) = self.tables.effects.get_mut(&key) else {
            return;
        };
        let step = effect.tries.saturating_sub(1).min(16);
        let most = u64::from(retry.pause_max_s) * 1000;
        let millis = if present {
            u64::from(retry.apply_first_ms).saturating_mul(1 << (2 * step))
        } else {
            u64::from(retry.undo_first_s * 1000).saturating_mul(1 << step)
        };
        let pause = millis
            .min(most)
            .saturating_add(jitter(effect.creator, step, millis.min(most)));
        effect.retry_at = self.now.plus(Duration::from_millis(pause));
    }

    fn give_up_undo(&mut self, key: Key, tries: u32, reason: &str) {
        let Some(effect) = self.tables.effects.get_mut(&key) else {
            return;
        };
        effect.stuck = true;
        let leaving = effect.leaving.clone();
        let target = effect.action.target();
        self.counters.undo_given_up += 1;
        self.notice(format!(
            "needs operator: undo on {target} failed {tries} times ({reason}); the kernel's own \
             timeout is what is left"
        ));
        for id in leaving {
            let why = format!("undo failed {tries} times: {reason}; needs operator");
            self.tell(id, Told::new(Outcome::Unknown, why));
        }
    }

    /// The whole request was refused (a stale fence, say): the same as each operation failing.
    fn refused(&mut self, serial: u64, keys: Vec<(Key, bool)>, reason: &str) {
        for (key, present) in keys {
            let ours = self
                .tables
                .effects
                .get_mut(&key)
                .filter(|e| e.pending == Some(serial));
            if let Some(effect) = ours {
                effect.pending = None;
                self.tables.dirty.push(key);
                self.operation_failed(key, present, reason);
            }
        }
    }

    /// The actuator removed what its new rails forbid.
    fn protected(&mut self, removed: Vec<ActionId>) {
        if removed.is_empty() {
            return;
        }
        let count = removed.len();
        self.notice(format!(
            "the actuator removed {count} effects that overlap protected networks"
        ));
        let why = "the actuator removed it: it overlaps a protected network";
        for id in removed {
            let Some(key) = self.tables.actions.get(&id).map(|action| action.key) else {
                continue;
            };
            let claims = self
                .tables
                .effects
                .get(&key)
                .map(|effect| effect.claims.clone());
            for claim in claims.unwrap_or_default() {
                self.undo_action(claim, super::ENGINE, why);
            }
        }
    }
}

/// Up to a quarter of the pause, the same for the same action and try.
fn jitter(action: ActionId, step: u32, millis: u64) -> u64 {
    let [first, second, ..] = *action.bytes();
    let seed = u64::from(first) << 8 | u64::from(second);
    let part = seed.wrapping_add(u64::from(step).wrapping_mul(40_503)) % 256;
    millis / 4 * part / 256
}

/// When the kernel lets go, by a dump taken now.
pub(super) fn kernel_end(now: Time, expires_s: u32) -> Time {
    now.plus(Duration::from_secs(u64::from(expires_s)))
}
