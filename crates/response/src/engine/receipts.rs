//! Receipts: what the reader is told, only ever what was read back.

use event::journal::JournalEntry;
use event::{ActionId, FindingId, Outcome, Receipt, ReceiptId, RuleDiff, Time};

use super::Engine;
use super::state::ActionState;

/// Receipts of one action by which it can be undone; of more, the newest.
const RECEIPTS_MAX: usize = 16;

/// The parts of a receipt that differ.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) outcome: Outcome,
    /// Already escaped.
    pub(super) detail: String,
    /// Engine time; `None` when nothing stands.
    pub(super) expires: Option<Time>,
    /// Lines of the packet filter, as read back.
    pub(super) diff: RuleDiff,
}

impl Told {
    pub(super) fn new(outcome: Outcome, detail: impl Into<String>) -> Self {
        Self {
            outcome,
            detail: detail.into(),
            expires: None,
            diff: RuleDiff::default(),
        }
    }

    pub(super) fn until(mut self, expires: Time) -> Self {
        self.expires = Some(expires);
        self
    }
}

/// The id of the next receipt of an action.
pub(super) fn receipt_id(action: ActionId, outcome: Outcome, serial: u32) -> ReceiptId {
    let parts: [&[u8]; 3] = [
        action.bytes(),
        outcome.word().as_bytes(),
        &serial.to_le_bytes(),
    ];
    ReceiptId::of(&parts)
}

impl Engine {
    /// Writes a receipt of an action that is still in the table.
    pub(super) fn tell(&mut self, id: ActionId, told: Told) {
        let Some(action) = self.tables.actions.get_mut(&id) else {
            debug_assert!(false, "a receipt for {id}, which is not in the table");
            return;
        };
        let receipt_id = receipt_id(id, told.outcome, action.receipts);
        action.receipts = action.receipts.saturating_add(1);
        let expires = told.expires;
        let expires = expires.map(|inner| self.wall(inner));
        let Some(receipt) = self.receipt(id, receipt_id, told, expires) else {
            return;
        };
        self.remember_receipt(id, receipt_id);
        self.out.receipts.push(receipt.clone());
        self.record(JournalEntry::Receipt {
            receipt: Box::new(receipt),
        });
    }

    /// An effect can be undone by naming any of its newest receipts.
    pub(super) fn remember_receipt(&mut self, id: ActionId, receipt: ReceiptId) {
        let Some(action) = self.tables.actions.get_mut(&id) else {
            return;
        };
        action.receipt_ids.push(receipt);
        self.tables.receipts.insert(receipt, id);
        if action.receipt_ids.len() > RECEIPTS_MAX {
            self.tables.receipts.remove(&action.receipt_ids.remove(0));
        }
    }

    fn receipt(
        &self,
        action_id: ActionId,
        id: ReceiptId,
        told: Told,
        expires: Option<Time>,
    ) -> Option<Receipt> {
        let action: &ActionState = self.tables.actions.get(&action_id)?;
        let run = self.tables.runs.get(&action.plan)?;
        let undo = if told.outcome.stands() {
            action.step.undo.clone()
        } else {
            String::new()
        };
        let now = self.wall(self.now);
        Some(Receipt {
            id,
            action_id,
            plan: action.plan,
            incident: run.plan.incident,
            finding: run.finding.unwrap_or(FindingId::from_bytes([0; 16])),
            step: action.step.id.clone(),
            action: action.step.action.clone(),
            outcome: told.outcome,
            detail: told.detail,
            intended: if action.intended == Time::EPOCH {
                now
            } else {
                action.intended
            },
            time: now,
            expires,
            diff: told.diff,
            undo,
        })
    }

    /// Ends an action with a receipt: its last state.
    pub(super) fn finish(&mut self, id: ActionId, told: Told) {
        let outcome = told.outcome;
        self.tell(id, told);
        self.end(id, outcome);
    }

    /// Marks an action as over, or as begun anew if a revision asked for that meanwhile; counts a
    /// relapse if it ever stood.
    pub(super) fn end(&mut self, id: ActionId, outcome: Outcome) {
        let Some(action) = self.tables.actions.get_mut(&id) else {
            return;
        };
        action.phase = super::state::Phase::Done(outcome);
        let (plan, stood) = (action.plan, action.verified);
        if let Some(step) = action.again.take() {
            action.step = step;
            action.renew();
        }
        self.tables.moved.push(plan);
        if stood {
            self.count_relapse(id);
        }
        self.ticket_action_over(id, outcome);
    }

    fn count_relapse(&mut self, id: ActionId) {
        let Some(action) = self.tables.actions.get(&id) else {
            return;
        };
        let Some(run) = self.tables.runs.get(&action.plan) else {
            return;
        };
        let name = (
            run.plan.playbook.clone(),
            run.plan.key.clone(),
            action.step.id.clone(),
        );
        let now = self.now;
        let relapse = self.tables.relapses.entry(name).or_default();
        relapse.ended = relapse.ended.saturating_add(1);
        relapse.touched = now;
        if self.tables.relapses.len() > super::MEMORY_MAX {
            self.forget_relapses();
        }
    }

    /// Forgets the oldest quarter at once, so that a full table costs little per entry.
    fn forget_relapses(&mut self) {
        let relapses = &mut self.tables.relapses;
        let mut times: Vec<Time> = relapses.values().map(|relapse| relapse.touched).collect();
        times.sort_unstable();
        let border = times.get(times.len() / 4).copied().unwrap_or(Time::EPOCH);
        let before = relapses.len();
        relapses.retain(|_, relapse| relapse.touched > border);
        let gone = before.saturating_sub(relapses.len());
        self.counters.forgotten += u64::try_from(gone).unwrap_or(u64::MAX);
    }
}
