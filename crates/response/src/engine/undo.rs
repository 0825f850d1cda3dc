//! Taking effects back: one action, a run in reverse order, everything.
//!
//! An undo belongs to the action and not to the author of a playbook. It releases a claim; the
//! effect goes when no other claim is left. What was there before us is never touched.

use event::decision::ApprovalState;
use event::journal::JournalEntry;
use event::{ActionId, Outcome, PlanId, Time};

use super::state::{Believed, Ending, Key, Phase};
use super::{ENGINE, Engine, HELD_MAX, HELD_S};

impl Engine {
    /// Releases one action's claim, or ends it before it began. Says whether there was anything
    /// to take back.
    pub(super) fn undo_action(&mut self, id: ActionId, who: &str, reason: &str) -> bool {
        let Some(action) = self.tables.actions.get_mut(&id) else {
            return false;
        };
        let by_person = who != ENGINE;
        match action.phase {
            Phase::Planned | Phase::Gated => {
                action.refused = by_person;
                self.cancel(id, who, Outcome::Denied, reason);
                true
            }
            Phase::Intent | Phase::Unknown | Phase::Standing | Phase::Lost => {
                let key = action.key;
                self.close_wait(id, ApprovalState::Denied, who, reason);
                self.record_by(
                    who,
                    JournalEntry::UndoIntent {
                        action: id,
                        reason: reason.to_owned(),
                    },
                );
                if by_person {
                    self.hold(key);
                }
                self.release(id, Ending::Undone, reason);
                true
            }
            Phase::Leaving(_) => true,
            Phase::Done(_) => false,
        }
    }

    /// Takes a run back: steps that have not begun first, then what was done, the last first.
    pub(super) fn undo_run(&mut self, plan: PlanId, who: &str, reason: &str) -> Vec<ActionId> {
        let Some(run) = self.tables.runs.get(&plan) else {
            return Vec::new();
        };
        let mut ids = Vec::new();
        for id in run.actions.clone() {
            let phase = self.tables.actions.get(&id).map(|action| action.phase);
            match phase {
                Some(Phase::Planned | Phase::Gated) if who == ENGINE => {
                    let why = format!("not started: {reason}");
                    self.cancel(id, who, Outcome::Failed, &why);
                }
                Some(Phase::Planned | Phase::Gated) => {
                    self.undo_action(id, who, reason);
                }
                Some(Phase::Done(_)) | None => {}
                Some(_) => ids.push(id),
            }
        }
        self.sort_last_first(plan, &mut ids);
        for id in &ids {
            self.undo_action(*id, who, reason);
        }
        ids
    }

    fn sort_last_first(&self, plan: PlanId, ids: &mut [ActionId]) {
        let applied = self
            .tables
            .runs
            .get(&plan)
            .map(|run| run.applied.as_slice());
        let place = |id: &ActionId| {
            applied.and_then(|applied| applied.iter().rposition(|other| other == id))
        };
        ids.sort_by_key(|id| std::cmp::Reverse(place(id)));
    }

    /// The red button: every claim is released, every wait is void, orphans get no grace.
    /// Returns what is to be read back, and how many waits were voided.
    pub(super) fn undo_all(&mut self, who: &str, reason: &str) -> (Vec<ActionId>, usize) {
        let plans: Vec<PlanId> = self.tables.runs.keys().copied().collect();
        let before = self.tables.waits.len();
        let mut ids = Vec::new();
        for plan in plans {
            ids.extend(self.undo_run(plan, who, reason));
        }
        for (key, effect) in &mut self.tables.effects {
            if effect.orphan_since.is_some() && effect.believed != Believed::Absent {
                effect.orphan_since = None;
                self.tables.dirty.push(*key);
            }
        }
        (ids, before.saturating_sub(self.tables.waits.len()))
    }

    /// A person freed this target: nothing new there without a person, until a day has passed or
    /// the mode is set.
    pub(super) fn hold(&mut self, key: Key) {
        let until = self.after(HELD_S);
        if self.tables.held.len() >= HELD_MAX {
            self.forget_held();
        }
        self.tables.held.insert(key, until);
    }

    /// Forgets what has lapsed; if that is nothing, the quarter that would lapse first.
    fn forget_held(&mut self) {
        let held = &mut self.tables.held;
        let before = held.len();
        let mut ends: Vec<Time> = held.values().copied().collect();
        ends.sort_unstable();
        let quarter = ends.get(ends.len() / 4).copied().unwrap_or(self.now);
        let border = if ends.first().is_some_and(|end| *end <= self.now) {
            self.now
        } else {
            quarter
        };
        held.retain(|_, end| *end > border);
        let gone = before.saturating_sub(held.len());
        self.counters.forgotten += u64::try_from(gone).unwrap_or(u64::MAX);
    }

    /// Nobody ratified: the effect goes, which is an end of its time and not an undo.
    pub(super) fn dissolve(&mut self, id: ActionId, reason: &str) {
        let stands = self
            .tables
            .actions
            .get(&id)
            .is_some_and(|action| action.phase.claims());
        if !stands {
            return;
        }
        self.record(JournalEntry::UndoIntent {
            action: id,
            reason: reason.to_owned(),
        });
        self.release(id, Ending::Expired, reason);
    }
}
