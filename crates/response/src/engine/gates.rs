//! Who must agree before a step acts, and what becomes of a wait.
//!
//! A wait is journalled before anybody can be told of it. It ends once: by enough persons, by one
//! no, by silence, or because the plan it belongs to changed.
//!
//! Absent on purpose: the matrix that chooses a gate (the planner's), and the wishes of persons
//! (`decisions`).

use event::decision::{Approval, ApprovalState};
use event::journal::JournalEntry;
use event::{ActionId, ActionKind, Gate, Mode, Outcome, Plan, PlanId, Time};

use super::receipts::Told;
use super::state::{Key, Phase, Timer, Wait};
use super::{ENGINE, Engine, WAITS_MAX};

/// Seconds of the window that the cap on new blocks counts.
const CAP_WINDOW_S: u64 = 60;

/// Which way a step may go now.
enum Way {
    Act,
    /// Acts, and ends after so many seconds unless ratified.
    ActFor(u32),
    Wait(Gate),
    Show,
    Stop(Outcome, String),
}

impl Engine {
    pub(super) fn pass_gate(&mut self, id: ActionId) {
        match self.way(id) {
            Way::Act => self.begin(id, None),
            Way::ActFor(seconds) => {
                if self.open_wait(id, Gate::Ratify { seconds }) {
                    self.begin(id, Some(seconds));
                }
            }
            Way::Wait(gate) => {
                self.open_wait(id, gate);
            }
            Way::Show => {
                let told = Told::new(Outcome::Simulated, "mode observe: nothing was done");
                self.finish(id, told);
            }
            Way::Stop(outcome, why) => {
                self.finish(id, Told::new(outcome, why));
                if outcome == Outcome::Failed {
                    self.failed(id);
                }
            }
        }
    }

    fn way(&mut self, id: ActionId) -> Way {
        let Some(action) = self.tables.actions.get(&id) else {
            return Way::Stop(Outcome::Failed, "the step is not known".to_owned());
        };
        if let Err(hit) = self.rails.check(&action.step.action, true) {
            self.counters.railed += 1;
            return Way::Stop(Outcome::Failed, hit.to_string());
        }
        if let Gate::Deny = action.step.gate {
            return Way::Stop(Outcome::Denied, action.step.gate_why.clone());
        }
        if let Some(why) = self.budget_used_up(action.plan) {
            return Way::Stop(Outcome::Denied, why);
        }
        if self.mode == Mode::Observe {
            return Way::Show;
        }
        let (gate, key) = (action.step.gate, action.key);
        if action.passed && (action.approved || !self.at_cap(key)) {
            return Way::Act;
        }
        if self.needs_person(id) || self.at_cap(key) {
            return Way::Wait(self.at_least_one_person(gate));
        }
        match gate {
            Gate::Auto | Gate::Deny => Way::Act,
            Gate::Ratify { seconds } => Way::ActFor(seconds),
            Gate::Veto { .. } | Gate::Approve { .. } => Way::Wait(gate),
        }
    }

    /// Reasons beside the matrix why a person must agree.
    fn needs_person(&self, id: ActionId) -> bool {
        let Some(action) = self.tables.actions.get(&id) else {
            return true;
        };
        let run = self.tables.runs.get(&action.plan);
        let spoofable = run.is_none_or(|run| run.plan.spoofable);
        self.mode == Mode::Ask
            || spoofable
            || self.is_held(action.key)
            || self.rails.check(&action.step.action, false).is_err()
    }

    const fn at_least_one_person(&self, gate: Gate) -> Gate {
        match gate {
            Gate::Approve { .. } => gate,
            _ => Gate::Approve {
                persons: 1,
                seconds: self.config.approval_s,
            },
        }
    }

    fn budget_used_up(&self, plan: PlanId) -> Option<String> {
        let run = self.tables.runs.get(&plan)?;
        let used = u32::try_from(run.applied.len()).unwrap_or(u32::MAX);
        let most = run.plan.actions_max;
        (used >= most).then(|| format!("the run's budget of {most} actions is used up"))
    }

    pub(super) fn is_held(&self, key: Key) -> bool {
        self.tables
            .held
            .get(&key)
            .is_some_and(|until| *until > self.now)
    }

    /// Is the class at its cap, so that one more needs a person?
    fn at_cap(&mut self, key: Key) -> bool {
        if self
            .tables
            .effects
            .get(&key)
            .is_some_and(|effect| !effect.claims.is_empty())
        {
            return false; // one more claim is not one more effect
        }
        let window = std::time::Duration::from_secs(CAP_WINDOW_S);
        while self
            .blocks
            .front()
            .is_some_and(|at| at.plus(window) <= self.now)
        {
            self.blocks.pop_front();
        }
        let recent = u32::try_from(self.blocks.len()).unwrap_or(u32::MAX);
        let live = u32::try_from(self.tables.effects.len()).unwrap_or(u32::MAX);
        let caps = self.config.caps;
        let minute = key.kind() == ActionKind::BlockIp && recent >= caps.ip_blocks_per_minute;
        if !minute && live < caps.live_blocks {
            return false;
        }
        self.counters.capped += 1;
        let noticed = self
            .cap_noticed
            .is_some_and(|at| self.now.since(at) < window);
        if !noticed {
            self.cap_noticed = Some(self.now);
            self.notice(format!(
                "cap reached: {recent} new blocks in the last minute, {live} effects alive; \
                 further ones wait for a person"
            ));
        }
        true
    }

    /// Counts a new block that no person approved; to be called before its claim.
    pub(super) fn count_block(&mut self, key: Key, approved: bool) {
        let stands = self
            .tables
            .effects
            .get(&key)
            .is_some_and(|effect| !effect.claims.is_empty());
        if !stands && key.kind() == ActionKind::BlockIp && !approved {
            self.blocks.push_back(self.now);
        }
    }

    /// Opens and journals a wait; `false` when there is no room and the step is denied.
    fn open_wait(&mut self, id: ActionId, gate: Gate) -> bool {
        if self.tables.waits.len() >= WAITS_MAX {
            let why = format!("{WAITS_MAX} steps wait already");
            self.finish(id, Told::new(Outcome::Denied, why));
            return false;
        }
        let Some(approval) = self.approval(id, gate) else {
            return false;
        };
        if let Some(action) = self.tables.actions.get_mut(&id) {
            action.phase = Phase::Gated;
        }
        let ends = self.after(window_of(gate));
        self.record(JournalEntry::Gate {
            approval: Box::new(approval.clone()),
        });
        self.insert_wait(id, approval, ends);
        true
    }

    fn approval(&self, id: ActionId, gate: Gate) -> Option<Approval> {
        let action = self.tables.actions.get(&id)?;
        let run = self.tables.runs.get(&action.plan)?;
        Some(Approval {
            id,
            plan: action.plan,
            plan_hash: run.plan.hash.clone(),
            incident: run.plan.incident,
            title: run.plan.sentence.clone(),
            step: action.step.as_ref().clone(),
            gate,
            asked: self.wall(self.now),
            ends: self.wall(self.after(window_of(gate))),
            approved_by: Vec::new(),
            state: ApprovalState::Waiting,
            ended: None,
        })
    }

    pub(super) fn insert_wait(&mut self, id: ActionId, approval: Approval, ends: Time) {
        if let Some(old) = self.tables.waits.insert(id, Wait { approval, ends }) {
            self.tables.timers.remove(&(old.ends, Timer::Wait(id)));
        }
        self.tables.timers.insert((ends, Timer::Wait(id)));
    }

    pub(super) fn remove_wait(&mut self, id: ActionId) -> Option<Wait> {
        let wait = self.tables.waits.remove(&id)?;
        self.tables.timers.remove(&(wait.ends, Timer::Wait(id)));
        Some(wait)
    }

    /// Ends a wait and journals how.
    pub(super) fn close_wait(&mut self, id: ActionId, state: ApprovalState, who: &str, why: &str) {
        let Some(mut wait) = self.remove_wait(id) else {
            return;
        };
        wait.approval.state = state;
        wait.approval.ended = Some(why.to_owned());
        self.record_by(
            who,
            JournalEntry::Gate {
                approval: Box::new(wait.approval),
            },
        );
    }

    /// Writes a wait down again after the wall clock moved.
    pub(super) fn redate_wait(&mut self, id: ActionId) {
        let Some(wait) = self.tables.waits.get(&id) else {
            return;
        };
        let mut approval = wait.approval.clone();
        approval.ends = self.wall(wait.ends);
        if let Some(wait) = self.tables.waits.get_mut(&id) {
            wait.approval = approval.clone();
        }
        self.record(JournalEntry::Gate {
            approval: Box::new(approval),
        });
    }

    /// Lets a wait end later, never earlier.
    pub(super) fn postpone_wait(&mut self, id: ActionId, ends: Time) {
        let Some(wait) = self.tables.waits.get(&id) else {
            return;
        };
        if wait.ends >= ends {
            return;
        }
        let approval = wait.approval.clone();
        self.insert_wait(id, approval, ends);
        self.redate_wait(id);
    }

    /// Silence decides.
    pub(super) fn wait_over(&mut self, id: ActionId) {
        let Some(gate) = self.tables.waits.get(&id).map(|wait| wait.approval.gate) else {
            return;
        };
        match gate {
            Gate::Veto { seconds } => {
                let why = format!("nobody vetoed within {seconds} s");
                self.close_wait(id, ApprovalState::Approved, ENGINE, &why);
                self.let_pass(id, false);
            }
            Gate::Ratify { seconds } => {
                let why = format!("nobody ratified within {seconds} s: dissolves");
                self.close_wait(id, ApprovalState::TimedOut, ENGINE, &why);
                self.dissolve(id, &why);
            }
            Gate::Auto | Gate::Deny | Gate::Approve { .. } => {
                let seconds = window_of(gate);
                let why = format!("nobody approved within {seconds} s: silence denies");
                self.close_wait(id, ApprovalState::TimedOut, ENGINE, &why);
                self.finish(id, Told::new(Outcome::Denied, why));
            }
        }
    }

    /// A gate is passed: the step's turn comes again, at once.
    pub(super) fn let_pass(&mut self, id: ActionId, approved: bool) {
        let Some(action) = self.tables.actions.get_mut(&id) else {
            return;
        };
        action.passed = true;
        action.approved = approved;
        action.phase = Phase::Planned;
        let plan = action.plan;
        self.tables.moved.push(plan);
    }

    /// The plan of these waits changed: they are void. Ratification of what stands is asked anew
    /// under the new plan, within the same time.
    pub(super) fn void_waits_of(&mut self, newer: &Plan) {
        let Some(run) = self.tables.runs.get(&newer.id) else {
            return;
        };
        let same_hash = run.plan.hash == newer.hash;
        for id in run.actions.clone() {
            let Some(wait) = self.tables.waits.get(&id) else {
                continue;
            };
            let named = newer.steps.iter().any(|step| step.action_id == id);
            if same_hash && named {
                continue;
            }
            let (mut approval, ends) = (wait.approval.clone(), wait.ends);
            self.close_wait(id, ApprovalState::Stale, ENGINE, "the plan changed");
            if let Gate::Ratify { .. } = approval.gate {
                newer.hash.clone_into(&mut approval.plan_hash);
                approval.approved_by.clear();
                self.record(JournalEntry::Gate {
                    approval: Box::new(approval.clone()),
                });
                self.insert_wait(id, approval, ends);
            }
        }
    }

    /// All waits are void; what has not begun ends here.
    pub(super) fn void_waits(&mut self, why: &str) {
        let ids: Vec<ActionId> = self.tables.waits.keys().copied().collect();
        for id in ids {
            let acts = self
                .tables
                .actions
                .get(&id)
                .is_some_and(|action| action.phase.claims());
            if acts {
                continue; // a ratification: its effect ends by itself
            }
            self.cancel(id, ENGINE, Outcome::Denied, why);
        }
    }

    /// Ends a step that has not begun.
    pub(super) fn cancel(&mut self, id: ActionId, who: &str, outcome: Outcome, why: &str) {
        let state = if who == ENGINE {
            ApprovalState::Stale
        } else {
            ApprovalState::Denied
        };
        self.close_wait(id, state, who, why);
        self.finish(id, Told::new(outcome, why));
    }
}

/// The window of a gate, seconds.
const fn window_of(gate: Gate) -> u32 {
    match gate {
        Gate::Auto | Gate::Deny => 0,
        Gate::Ratify { seconds } | Gate::Veto { seconds } | Gate::Approve { seconds, .. } => {
            seconds
        }
    }
}
