//! A dump compared with the journal: present and wanted is settled, wanted and absent is asserted
//! again, present and unknown is an orphan that goes after its grace.
//!
//! Elements without our comment are somebody else's: counted, told once, never touched.

use event::ActionId;
use event::actuate::Element;

use super::Engine;
use super::link::{Dump, Seen};
use super::reply::kernel_end;
use super::state::{Believed, Effect, Key};

/// Most elements that one dump may show; more are not looked at.
const DUMP_ELEMENTS_MAX: usize = 1_048_576;

impl Engine {
    pub(super) fn dumped(&mut self, elements: Vec<Element>, next: Option<u32>) {
        let now = self.now;
        let Some(dump) = self.link.dump.as_mut() else {
            return;
        };
        for element in elements {
            let seen = Seen {
                action_id: element.action_id,
                until: kernel_end(now, element.expires_s),
                action: element.action,
            };
            dump.seen.insert(Key::of(&seen.action), seen);
        }
        let room = dump.seen.len() < DUMP_ELEMENTS_MAX;
        match next {
            Some(offset) if offset > dump.offset && room => {
                dump.offset = offset;
                self.send_next_page(offset);
            }
            _ => {
                if let Some(dump) = self.link.dump.take() {
                    self.reconcile(dump);
                }
            }
        }
    }

    fn reconcile(&mut self, dump: Dump) {
        self.link.reconciled = true;
        self.link.answered();
        let orphans = self.judge_missing(&dump);
        for (key, seen) in dump.seen {
            self.judge_seen(key, seen, dump.first);
        }
        if orphans > 0 {
            self.counters.reasserted += orphans;
            self.notice(format!(
                "{orphans} effects were not found in the packet filter and are asserted again"
            ));
        }
    }

    /// Effects that should stand, or may, and are not there. Returns how many had been read back.
    fn judge_missing(&mut self, dump: &Dump) -> u64 {
        let mut missing = 0;
        let mut keys = Vec::new();
        for (key, effect) in &self.tables.effects {
            if dump.seen.contains_key(key) || !judges(dump.first, effect) {
                continue;
            }
            let stood = matches!(effect.believed, Believed::Present(_))
                && self
                    .claimed_until(effect)
                    .is_some_and(|until| until > self.now);
            missing += u64::from(stood);
            keys.push(*key);
        }
        for key in keys {
            self.believe_absent_by_dump(key);
        }
        missing
    }

    fn believe_absent_by_dump(&mut self, key: Key) {
        if let Some(effect) = self.tables.effects.get_mut(&key) {
            effect.orphan_since = None; // gone by itself: nothing was removed by us
        }
        self.believe_absent(key);
        self.tables.dirty.push(key);
    }

    fn judge_seen(&mut self, key: Key, seen: Seen, first: u64) {
        let Some(effect) = self.tables.effects.get_mut(&key) else {
            match seen.action_id {
                Some(id) => self.found_orphan(key, id, seen),
                None => self.found_foreign(&seen),
            }
            return;
        };
        if !judges(first, effect) {
            return;
        }
        if effect.action != seen.action && !effect.claims.is_empty() {
            effect.believed = Believed::Unknown; // another rate: ours replaces it
        } else {
            effect.believed = Believed::Present(seen.until);
        }
        if let Some(id) = seen.action_id {
            effect.creator = id;
        }
        effect.stuck &= effect.claims.is_empty();
        self.tables.dirty.push(key);
    }

    fn found_orphan(&mut self, key: Key, id: ActionId, seen: Seen) {
        let target = seen.action.target();
        let kind = seen.action.kind().word();
        let grace = self.config.orphan_grace_s;
        let mut effect = Effect::new(seen.action, id, Believed::Present(seen.until));
        effect.orphan_since = Some(self.now);
        self.tables.effects.insert(key, effect);
        self.tables.dirty.push(key);
        self.notice(format!(
            "orphan: {kind} {target} stands as {id} and no live run wants it; removed in {grace} s"
        ));
    }

    fn found_foreign(&mut self, seen: &Seen) {
        self.counters.foreign += 1;
        if self.counters.foreign == 1 {
            let target = seen.action.target();
            self.notice(format!(
                "an element that is not ours stands in our table ({target}); it is left alone"
            ));
        }
    }

    /// All effects are looked at again.
    pub(super) fn look_at_all(&mut self) {
        let keys: Vec<Key> = self.tables.effects.keys().copied().collect();
        for key in keys {
            self.tables.dirty.push(key);
        }
    }

    /// The first step of a life sets every alarm. What is left of a TTL is the stored end less
    /// now, and never more than the whole, for engine time never runs backwards.
    pub(super) fn wake(&mut self) {
        if std::mem::replace(&mut self.awake, true) {
            return;
        }
        let due = self.after(self.config.answer_s);
        for action in self
            .tables
            .actions
            .values_mut()
            .filter(|action| action.phase.claims())
        {
            action.due = due;
        }
        self.restart_vetoes();
        self.look_at_all();
        let plans: Vec<_> = self.tables.runs.keys().copied().collect();
        for plan in plans {
            self.tables.moved.push(plan);
        }
    }
}

/// May a dump that began with serial `first` judge this effect? Not while a request about it is
/// under way, nor when one left after the dump did.
const fn judges(first: u64, effect: &Effect) -> bool {
    effect.pending.is_none() && effect.serial < first
}
