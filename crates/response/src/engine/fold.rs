//! The state as the fold of the journal. Reads only; what it leaves open, the first dump settles.

use event::decision::{Approval, ApprovalState};
use event::journal::{JournalEntry, JournalRecord};
use event::{ActionId, Gate, Outcome, Receipt, Time};

use super::state::{Believed, Ending, Phase};
use super::{ENGINE, Engine};

impl Engine {
    pub(super) fn fold(&mut self, record: JournalRecord) {
        self.fold_clock(record.time);
        match record.entry {
            JournalEntry::Planned { plan } => self.adopt(*plan),
            JournalEntry::Gate { approval } => self.fold_gate(*approval),
            JournalEntry::Intent {
                action,
                until,
                approved,
                ..
            } => self.fold_intent(action, until, approved),
            JournalEntry::UndoIntent { action, reason } => {
                self.fold_undo(action, &record.who, &reason);
            }
            JournalEntry::Receipt { receipt } => self.fold_receipt(&receipt),
            JournalEntry::Decided { decision, answer } => {
                if answer.accepted {
                    self.refuse_denied(&decision.wish);
                }
                self.remember(decision, answer);
            }
            JournalEntry::Closed { plan, .. } => self.forget_run(plan),
            JournalEntry::ModeSet { mode } => {
                self.mode = mode;
                self.mode_journalled = true;
                self.tables.held.clear();
            }
            JournalEntry::Notice { .. } => {}
        }
    }

    /// After the last record: the more careful mode, and nothing believed of the kernel.
    pub(super) fn fold_end(&mut self) {
        if self.mode_journalled {
            self.mode = more_careful(self.mode, self.config.mode);
        }
        for effect in self.tables.effects.values_mut() {
            effect.believed = Believed::Unknown;
        }
        let idle =
            |effect: &super::state::Effect| effect.claims.is_empty() && effect.leaving.is_empty();
        self.tables.effects.retain(|_, effect| !idle(effect));
        while self.tables.dirty.pop().is_some() {}
        while self.tables.moved.pop().is_some() {}
    }

    fn fold_gate(&mut self, approval: Approval) {
        let id = approval.id;
        self.remove_wait(id);
        let Some(action) = self.tables.actions.get_mut(&id) else {
            return;
        };
        let gated = action.phase == Phase::Gated;
        match approval.state {
            ApprovalState::Waiting => {
                if action.phase == Phase::Planned {
                    action.phase = Phase::Gated;
                }
                let ends = self.inner(approval.ends);
                self.insert_wait(id, approval, ends);
            }
            ApprovalState::Approved => {
                action.approved = !approval.approved_by.is_empty();
                if gated {
                    action.passed = !matches!(approval.gate, Gate::Ratify { .. });
                    action.phase = Phase::Planned;
                }
            }
            ApprovalState::Denied => {
                action.refused |= gated;
            }
            ApprovalState::TimedOut | ApprovalState::Stale => {
                if gated {
                    action.phase = Phase::Planned;
                }
            }
        }
    }

    fn fold_intent(&mut self, id: ActionId, until: Time, approved: bool) {
        let until = self.inner(until);
        let Some(action) = self.tables.actions.get_mut(&id) else {
            return;
        };
        action.approved = approved;
        if action.phase.claims() {
            action.until = until;
            action.since = self.now;
            action.extended = true;
            return;
        }
        let key = action.key;
        self.count_block(key, approved);
        self.claim(id, until);
        if let Some(action) = self.tables.actions.get_mut(&id) {
            action.sent = true; // it may have been
        }
    }

    fn fold_undo(&mut self, id: ActionId, who: &str, reason: &str) {
        let Some(action) = self.tables.actions.get(&id) else {
            return;
        };
        let (key, claims) = (action.key, action.phase.claims());
        if who != ENGINE {
            self.hold(key);
        }
        if claims {
            // Which of the two endings it is only shows in the receipt's word; a dissolved
            // ratification that crashed before its receipt is told as undone.
            self.release(id, Ending::Undone, reason);
        }
    }

    fn fold_receipt(&mut self, receipt: &Receipt) {
        let id = receipt.action_id;
        if *receipt.finding.bytes() != [0; 16]
            && let Some(run) = self.tables.runs.get_mut(&receipt.plan)
        {
            run.finding = Some(receipt.finding);
        }
        self.remember_receipt(id, receipt.id);
        let Some(action) = self.tables.actions.get_mut(&id) else {
            return;
        };
        action.receipts = action.receipts.saturating_add(1);
        match receipt.outcome {
            Outcome::Applied | Outcome::Verified => {
                action.phase = Phase::Standing;
                action.verified = true;
                action.extended = false;
            }
            Outcome::Unknown => {
                if action.phase == Phase::Intent {
                    action.phase = Phase::Unknown;
                }
            }
            Outcome::Failed if action.verified && action.phase.claims() => {
                action.phase = Phase::Lost;
            }
            outcome => self.fold_over(id, outcome),
        }
    }

    fn fold_over(&mut self, id: ActionId, outcome: Outcome) {
        let Some(key) = self.tables.actions.get(&id).map(|action| action.key) else {
            return;
        };
        if let Some(effect) = self.tables.effects.get_mut(&key) {
            effect.claims.retain(|claim| *claim != id);
            effect.leaving.retain(|leaving| *leaving != id);
            if effect.claims.is_empty() && effect.leaving.is_empty() {
                self.tables.effects.remove(&key);
            }
        }
        self.end(id, outcome);
    }
}

const fn more_careful(one: event::Mode, other: event::Mode) -> event::Mode {
    use event::Mode::{Act, Ask, Observe};
    match (one, other) {
        (Observe, _) | (_, Observe) => Observe,
        (Ask, _) | (_, Ask) => Ask,
        (Act, Act) => Act,
    }
}
