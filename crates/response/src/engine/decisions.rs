//! What persons decide: approve, deny, undo. The first decision on a wait wins; a no always does,
//! also over a yes that came first; nobody counts twice; a yes names the plan it was shown.
//!
//! Undo tickets are answered when the world was read back, or when that takes too long.
//! Absent on purpose: who may decide (authentication and roles are the caller's).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use event::decision::{ApprovalState, Decision, DecisionAnswer, Wish};
use event::journal::JournalEntry;
use event::{ActionId, Gate, Outcome, Time};

use super::Engine;
use super::state::Phase;

/// Decisions whose answer is remembered, so that a repeated one is not carried out twice.
const DECISIONS_MAX: usize = 1024;
/// Undo tickets that wait for read-back; more are answered at once.
const TICKETS_MAX: usize = 256;

/// Tickets and past decisions.
#[derive(Debug, Default)]
pub(super) struct Tickets {
    open: Vec<Ticket>,
    past: VecDeque<(Decision, DecisionAnswer)>,
}

#[derive(Debug)]
struct Ticket {
    number: i64,
    awaited: BTreeSet<ActionId>,
    outcomes: BTreeMap<&'static str, u32>,
    due: Time,
}

/// Does this wish take something back? Such wishes win ties.
pub(super) const fn takes_back(wish: &Wish) -> bool {
    !matches!(wish, Wish::Approve { .. })
}

/// What a wish came to: an answer, and actions whose read-back completes it.
struct Carried {
    answer: DecisionAnswer,
    awaited: Vec<ActionId>,
}

impl Engine {
    pub(super) fn decide(&mut self, number: i64, decision: Decision) {
        let past = self
            .tickets
            .past
            .iter()
            .find(|(known, _)| *known == decision);
        if let Some((_, answer)) = past {
            let answer = answer.clone();
            self.out.answers.push((number, answer));
            return;
        }
        let carried = self.carry_out(&decision);
        if carried.answer.accepted {
            self.refuse_denied(&decision.wish);
        }
        self.record_by(
            &decision.who.clone(),
            JournalEntry::Decided {
                decision: decision.clone(),
                answer: carried.answer.clone(),
            },
        );
        self.remember(decision, carried.answer.clone());
        if carried.awaited.is_empty() || self.tickets.open.len() >= TICKETS_MAX {
            self.out.answers.push((number, carried.answer));
            return;
        }
        let due = self.after(self.config.answer_s);
        self.tickets.open.push(Ticket {
            number,
            awaited: carried.awaited.into_iter().collect(),
            outcomes: BTreeMap::new(),
            due,
        });
    }

    pub(super) fn remember(&mut self, decision: Decision, answer: DecisionAnswer) {
        self.tickets.past.push_back((decision, answer));
        if self.tickets.past.len() > DECISIONS_MAX {
            self.tickets.past.pop_front();
        }
    }

    fn carry_out(&mut self, decision: &Decision) -> Carried {
        let who = event::hostile(&decision.who);
        let reason = event::hostile(&decision.reason);
        match &decision.wish {
            Wish::Approve { action, plan_hash } => self.approve(*action, plan_hash, decision),
            Wish::Deny { action } => {
                let why = format!("denied by {who}: {reason}");
                self.take_back(*action, &decision.who, &why)
            }
            Wish::Undo { receipt } => match self.tables.receipts.get(receipt).copied() {
                Some(action) => {
                    let why = format!("undone by {who}: {reason}");
                    self.take_back(action, &decision.who, &why)
                }
                None => no(format!("nothing stands of receipt {receipt}")),
            },
            Wish::UndoRun { plan } if !self.tables.runs.contains_key(plan) => {
                no(format!("run {plan} is not alive: nothing stands of it"))
            }
            Wish::UndoRun { plan } => {
                let why = format!("run undone by {who}: {reason}");
                let ids = self.undo_run(*plan, &decision.who, &why);
                under_way(ids, "the run's waits are void")
            }
            Wish::UndoAll => {
                let why = format!("everything undone by {who}: {reason}");
                let (ids, waits) = self.undo_all(&decision.who, &why);
                under_way(ids, &format!("{waits} waits are void"))
            }
        }
    }

    /// Steps that were denied when a person took a run back stay denied for the rest of it.
    pub(super) fn refuse_denied(&mut self, wish: &Wish) {
        let only = match wish {
            Wish::UndoRun { plan } => Some(*plan),
            Wish::UndoAll => None,
            _ => return,
        };
        for action in self.tables.actions.values_mut() {
            let meant = only.is_none_or(|plan| plan == action.plan);
            action.refused |= meant && action.phase == Phase::Done(Outcome::Denied);
        }
    }

    fn take_back(&mut self, action: ActionId, who: &str, why: &str) -> Carried {
        let phase = self.tables.actions.get(&action).map(|state| state.phase);
        match phase {
            None => no(format!("nothing waits or stands as {action}")),
            Some(Phase::Done(outcome)) => no(format!("nothing stands: it ended as {outcome}")),
            Some(Phase::Planned | Phase::Gated) => {
                self.undo_action(action, who, why);
                yes("denied: nothing was done")
            }
            Some(_) => {
                self.undo_action(action, who, why);
                under_way(vec![action], "its claim is released")
            }
        }
    }

    fn approve(&mut self, id: ActionId, plan_hash: &str, decision: &Decision) -> Carried {
        let Some(wait) = self.tables.waits.get_mut(&id) else {
            let phase = self.tables.actions.get(&id).map(|action| action.phase);
            return no(match phase {
                Some(Phase::Done(outcome)) => format!("too late: it ended as {outcome}"),
                Some(Phase::Planned) => "it does not wait yet".to_owned(),
                Some(_) => "too late: somebody decided already".to_owned(),
                None => format!("nothing waits as {id}"),
            });
        };
        if wait.ends <= self.now {
            return no("too late: silence decided".to_owned());
        }
        if wait.approval.plan_hash != plan_hash {
            return no("stale: the plan changed".to_owned());
        }
        if wait.approval.approved_by.contains(&decision.who) {
            return no("refused: the same person counts once".to_owned());
        }
        wait.approval.approved_by.push(decision.who.clone());
        let given = wait.approval.approved_by.len();
        let gate = wait.approval.gate;
        let needed = match gate {
            Gate::Approve { persons, .. } => usize::from(persons.max(1)),
            _ => 1,
        };
        if given < needed {
            let approval = Box::new(wait.approval.clone());
            self.record_by(&decision.who, JournalEntry::Gate { approval });
            return yes(&format!("{given} of {needed} persons agree"));
        }
        self.approved(id, gate, decision);
        yes("approved")
    }

    fn approved(&mut self, id: ActionId, gate: Gate, decision: &Decision) {
        let who = event::hostile(&decision.who);
        let reason = event::hostile(&decision.reason);
        let ratifies = matches!(gate, Gate::Ratify { .. });
        let verb = if ratifies { "ratified" } else { "approved" };
        let why = format!("{verb} by {who}: {reason}");
        self.close_wait(id, ApprovalState::Approved, &decision.who, &why);
        if !ratifies {
            self.let_pass(id, true);
            return;
        }
        let Some(action) = self.tables.actions.get_mut(&id) else {
            return;
        };
        action.approved = true;
        let until = action.since.plus(action.step.ttl.duration());
        if until > action.until {
            self.prolong(id, until, &decision.who);
        }
    }

    /// An action is over: tickets that waited for it come closer to their answer.
    pub(super) fn ticket_action_over(&mut self, id: ActionId, outcome: Outcome) {
        for ticket in &mut self.tickets.open {
            if ticket.awaited.remove(&id) {
                *ticket.outcomes.entry(outcome.word()).or_default() += 1;
            }
        }
    }

    /// Answers tickets that are complete, or late.
    pub(super) fn answer_tickets(&mut self) {
        let now = self.now;
        let open = std::mem::take(&mut self.tickets.open);
        for ticket in open {
            if ticket.awaited.is_empty() || ticket.due <= now {
                self.out.answers.push((ticket.number, told(&ticket)));
            } else {
                self.tickets.open.push(ticket);
            }
        }
    }
}

fn told(ticket: &Ticket) -> DecisionAnswer {
    let mut parts: Vec<String> = Vec::new();
    for (word, count) in &ticket.outcomes {
        parts.push(match *word {
            "undone" | "expired" => format!("{count} undone, read back: absent"),
            "partial" => format!("{count} released; the effect stays because of another incident"),
            other => format!("{count} ended as {other}"),
        });
    }
    if !ticket.awaited.is_empty() {
        parts.push(format!("{} not read back yet", ticket.awaited.len()));
    }
    DecisionAnswer {
        accepted: true,
        detail: parts.join("; "),
    }
}

const fn no(detail: String) -> Carried {
    Carried {
        answer: DecisionAnswer {
            accepted: false,
            detail,
        },
        awaited: Vec::new(),
    }
}

fn yes(detail: &str) -> Carried {
    Carried {
        answer: DecisionAnswer {
            accepted: true,
            detail: detail.to_owned(),
        },
        awaited: Vec::new(),
    }
}

fn under_way(awaited: Vec<ActionId>, beside: &str) -> Carried {
    let count = awaited.len();
    let detail = if count == 0 {
        format!("nothing stood; {beside}")
    } else {
        format!("undoing {count}; {beside}")
    };
    Carried {
        answer: DecisionAnswer {
            accepted: true,
            detail,
        },
        awaited,
    }
}
