//! Taking plans and moving runs along: order, budget, deadline, the end of a run.
//!
//! A revision replaces the steps that have not begun. A claim that stands is extended, never
//! doubled. A plan seen before (a redelivery, an older revision) is passed by.
//!
//! Absent on purpose: gates (`gates`) and effects (`claims`, `settle`).

use std::collections::BTreeMap;

use event::journal::JournalEntry;
use event::{ActionId, FindingId, Gate, Mode, OnError, Outcome, Plan, PlanId, PlanStep, Time};

use super::receipts::Told;
use super::state::{ActionState, Key, Phase, Run, Timer};
use super::{ENGINE, Engine, MEMORY_MAX, RUNS_MAX, STEPS_MAX};

/// A claim is extended only when that adds at least one part in this many of its TTL.
const EXTENSION_PART: u32 = 10;

impl Engine {
    pub(super) fn take_plan(&mut self, plan: Plan, finding: Option<FindingId>) {
        if self.is_repeated(&plan) || self.changes_nothing(&plan) {
            self.counters.plans_repeated += 1;
            return;
        }
        if let Some(why) = self.refusal(&plan) {
            self.counters.plans_refused += 1;
            let id = plan.id;
            self.notice(format!("plan {id} is not taken: {why}"));
            return;
        }
        self.counters.plans += 1;
        self.void_waits_of(&plan);
        self.record(JournalEntry::Planned {
            plan: Box::new(plan.clone()),
        });
        let id = plan.id;
        let steps = plan.steps.iter();
        let longer: Vec<_> = steps
            .filter_map(|step| self.extension(&plan, step))
            .collect();
        self.adopt(plan);
        if let Some(run) = self.tables.runs.get_mut(&id) {
            run.finding = finding.or(run.finding);
        }
        for (action, until) in longer {
            self.prolong(action, until, ENGINE);
        }
        self.tables.moved.push(id);
    }

    fn is_repeated(&self, plan: &Plan) -> bool {
        let live = self.tables.runs.get(&plan.id).map(|run| run.plan.revision);
        let known = live.or_else(|| self.closed.get(&plan.id).copied());
        known.is_some_and(|revision| plan.revision <= revision)
    }

    fn refusal(&self, plan: &Plan) -> Option<String> {
        if self.inner(plan.deadline) <= self.now {
            return Some(format!("its deadline {} is over", plan.deadline));
        }
        if plan.steps.len() > STEPS_MAX {
            let steps = plan.steps.len();
            return Some(format!("{steps} steps are more than {STEPS_MAX}"));
        }
        let known = self.tables.runs.contains_key(&plan.id);
        (!known && self.tables.runs.len() >= RUNS_MAX).then(|| format!("{RUNS_MAX} runs are alive"))
    }

    /// Puts a plan into the tables; the part that the journal's fold shares.
    pub(super) fn adopt(&mut self, mut plan: Plan) {
        let id = plan.id;
        let deadline = self.inner(plan.deadline);
        let steps = std::mem::take(&mut plan.steps);
        let old = self.tables.runs.remove(&id);
        if let Some(run) = &old {
            self.tables.timers.remove(&(run.deadline, Timer::Run(id)));
        }
        let (older, applied, finding) = old.map_or_else(Default::default, |run| {
            (run.actions, run.applied, run.finding)
        });
        let standing = self.standing_keys(&older);
        let mut actions = Vec::with_capacity(steps.len());
        for step in steps {
            let same = standing.get(&(step.id.clone(), Key::of(&step.action)));
            let action = same.copied().unwrap_or(step.action_id);
            if !actions.contains(&action) && self.adopt_step(id, action, step) {
                actions.push(action);
            }
        }
        for action in older {
            if !actions.contains(&action) {
                self.drop_unbegun(action);
                actions.push(action);
            }
        }
        let run = Run {
            plan,
            deadline,
            actions,
            applied,
            finding,
        };
        self.tables.runs.insert(id, run);
        self.tables.timers.insert((deadline, Timer::Run(id)));
    }

    /// Step and target of actions that hold a claim: a plan made with another relapse count while
    /// they stand means them.
    fn standing_keys(&self, actions: &[ActionId]) -> BTreeMap<(String, Key), ActionId> {
        let states = actions
            .iter()
            .filter_map(|id| Some((*id, self.tables.actions.get(id)?)));
        states
            .filter(|(_, action)| action.phase.claims() && action.until > self.now)
            .map(|(id, action)| ((action.step.id.clone(), action.key), id))
            .collect()
    }

    /// Takes a step into the table; `false` if its id belongs to another run or target.
    fn adopt_step(&mut self, plan: PlanId, id: ActionId, step: PlanStep) -> bool {
        match self.tables.actions.get_mut(&id) {
            None => {
                self.tables.actions.insert(id, ActionState::new(plan, step));
            }
            Some(action) if action.plan != plan || action.key != Key::of(&step.action) => {
                return false;
            }
            Some(action) => match action.phase {
                Phase::Gated if self.tables.waits.contains_key(&id) => *action.step = step,
                Phase::Leaving(_) => action.again = Some(Box::new(step)),
                // The journal's fold learns of an end in time only by its receipt.
                phase if phase.claims() && action.until <= self.now => {
                    action.again = Some(Box::new(step));
                }
                Phase::Planned | Phase::Gated => {
                    *action.step = step;
                    action.phase = Phase::Planned;
                    action.passed = false;
                    action.approved = false;
                }
                Phase::Done(_) if !action.refused => {
                    *action.step = step;
                    action.renew();
                }
                _ => {}
            },
        }
        true
    }

    /// Ends a step that a newer revision does not name, unless it has begun.
    fn drop_unbegun(&mut self, id: ActionId) {
        if let Some(action) = self.tables.actions.get_mut(&id)
            && matches!(action.phase, Phase::Planned | Phase::Gated)
        {
            action.phase = Phase::Done(Outcome::Denied);
        }
    }

    /// A new revision names a step that stands: its claim grows, if that is worth a record and
    /// nobody has a say in it.
    fn extension(&self, plan: &Plan, step: &PlanStep) -> Option<(ActionId, Time)> {
        let (id, action) = self.same_step(plan.id, step)?;
        let until = self.now.plus(step.ttl.duration());
        let least = step.ttl.duration() / EXTENSION_PART;
        let worth = until > action.until && until.since(action.until) >= least;
        let freely = step.gate == Gate::Auto
            && self.mode == Mode::Act
            && !plan.spoofable
            && !self.is_held(action.key);
        (action.phase.claims() && worth && freely).then_some((id, until))
    }

    /// The action of a run that a step of a newer revision means.
    fn same_step(&self, plan: PlanId, step: &PlanStep) -> Option<(ActionId, &ActionState)> {
        let key = Key::of(&step.action);
        let run = self.tables.runs.get(&plan)?;
        let actions = run
            .actions
            .iter()
            .filter_map(|id| Some((*id, self.tables.actions.get(id)?)));
        let mut same = actions.filter(|(_, action)| action.step.id == step.id && action.key == key);
        same.next()
    }

    /// Would this revision only say again what is under way? A flood of findings about a blocked
    /// address must not become a flood of plans in the journal. The run's deadline stays then.
    fn changes_nothing(&self, plan: &Plan) -> bool {
        let run = self.tables.runs.get(&plan.id);
        if !run.is_some_and(|run| run.plan.hash == plan.hash && run.deadline > self.now) {
            return false;
        }
        plan.steps.iter().all(|step| {
            let Some((_, action)) = self.same_step(plan.id, step) else {
                return false;
            };
            match action.phase {
                Phase::Planned | Phase::Gated => true,
                Phase::Done(Outcome::Denied) => action.refused || step.gate == Gate::Deny,
                phase => phase.claims() && self.extension(plan, step).is_none(),
            }
        })
    }

    /// Moves a run as far as it can go now.
    pub(super) fn advance(&mut self, plan: PlanId) {
        let Some(run) = self.tables.runs.get(&plan) else {
            return;
        };
        for id in run.actions.clone() {
            let phase = self.tables.actions.get(&id).map(|action| action.phase);
            if phase == Some(Phase::Planned) {
                self.advance_action(id);
            }
        }
        self.close_if_over(plan);
    }

    fn advance_action(&mut self, id: ActionId) {
        match self.readiness(id) {
            Readiness::Waits => {}
            Readiness::Never(why) => {
                self.finish(
                    id,
                    Told::new(Outcome::Failed, format!("not started: {why}")),
                );
            }
            Readiness::Ready => self.pass_gate(id),
        }
    }

    fn readiness(&self, id: ActionId) -> Readiness {
        let Some(action) = self.tables.actions.get(&id) else {
            return Readiness::Waits;
        };
        let Some(run) = self.tables.runs.get(&action.plan) else {
            return Readiness::Waits;
        };
        let mut waits = false;
        for name in &action.step.after {
            let states = run
                .actions
                .iter()
                .filter_map(|id| self.tables.actions.get(id));
            let Some(needed) = states.into_iter().find(|other| other.step.id == *name) else {
                return Readiness::Never(format!("there is no step {}", event::hostile(name)));
            };
            match needed.phase {
                Phase::Standing | Phase::Done(Outcome::Simulated | Outcome::Expired) => {}
                Phase::Done(outcome) => {
                    let name = event::hostile(name);
                    return Readiness::Never(format!("step {name} ended as {outcome}"));
                }
                Phase::Leaving(_) => {
                    return Readiness::Never(format!("step {} ends", event::hostile(name)));
                }
                _ => waits = true,
            }
        }
        if waits {
            Readiness::Waits
        } else {
            Readiness::Ready
        }
    }

    /// A step failed: by its author's word the run goes on, or what it did is taken back, the
    /// last first.
    pub(super) fn failed(&mut self, id: ActionId) {
        let Some(action) = self.tables.actions.get(&id) else {
            return;
        };
        let why = format!(
            "compensation: step {} failed",
            event::hostile(&action.step.id)
        );
        if action.step.on_error == OnError::Compensate {
            let plan = action.plan;
            self.undo_run(plan, ENGINE, &why);
        }
    }

    /// The run's deadline: nothing new begins; what is not read back is taken back; what stands
    /// is held by its own time.
    pub(super) fn deadline(&mut self, plan: PlanId) {
        let Some(run) = self.tables.runs.get(&plan) else {
            return;
        };
        let why = "the deadline of the run is over";
        for id in run.actions.clone() {
            let Some(action) = self.tables.actions.get(&id) else {
                continue;
            };
            match action.phase {
                Phase::Planned | Phase::Gated => self.cancel(id, ENGINE, Outcome::Failed, why),
                Phase::Intent | Phase::Unknown => {
                    self.undo_action(id, ENGINE, why);
                }
                _ => {}
            }
        }
        self.tables.moved.push(plan);
    }

    fn close_if_over(&mut self, plan: PlanId) {
        let Some(run) = self.tables.runs.get(&plan) else {
            return;
        };
        let states = run
            .actions
            .iter()
            .filter_map(|id| self.tables.actions.get(id));
        let mut outcomes: BTreeMap<&'static str, u32> = BTreeMap::new();
        for action in states {
            let Phase::Done(outcome) = action.phase else {
                return;
            };
            if action.refused && run.deadline > self.now {
                return; // a person's no holds for the rest of the run
            }
            *outcomes.entry(outcome.word()).or_default() += 1;
        }
        let words: Vec<String> = outcomes
            .into_iter()
            .map(|(word, count)| format!("{count} {word}"))
            .collect();
        let how = if words.is_empty() {
            "nothing to do".to_owned()
        } else {
            words.join(", ")
        };
        self.record(JournalEntry::Closed { plan, how });
        self.forget_run(plan);
    }

    /// Drops a closed run from memory; its last revision stays, for redeliveries.
    pub(super) fn forget_run(&mut self, plan: PlanId) {
        let Some(run) = self.tables.runs.remove(&plan) else {
            return;
        };
        self.tables.timers.remove(&(run.deadline, Timer::Run(plan)));
        for id in run.actions {
            if let Some(action) = self.tables.actions.remove(&id) {
                if let Some(effect) = self.tables.effects.get_mut(&action.key) {
                    effect.claims.retain(|claim| *claim != id);
                    effect.leaving.retain(|leaving| *leaving != id);
                }
                for receipt in action.receipt_ids {
                    self.tables.receipts.remove(&receipt);
                }
            }
        }
        if self.closed.insert(plan, run.plan.revision).is_none() {
            self.closed_order.push_back(plan);
        }
        if self.closed_order.len() > MEMORY_MAX
            && let Some(oldest) = self.closed_order.pop_front()
        {
            self.closed.remove(&oldest);
            self.counters.forgotten += 1;
        }
    }

    /// Timers that are due.
    pub(super) fn run_timers(&mut self) {
        let mut due = Vec::new();
        while let Some((at, timer)) = self.tables.timers.pop_first() {
            if at > self.now {
                self.tables.timers.insert((at, timer));
                break;
            }
            due.push(timer);
        }
        for timer in due {
            match timer {
                Timer::Effect(key) => {
                    if let Some(effect) = self.tables.effects.get_mut(&key) {
                        effect.armed = None;
                    }
                    self.tables.dirty.push(key);
                }
                Timer::Wait(id) => self.wait_over(id),
                Timer::Run(plan) => self.deadline(plan),
            }
        }
    }
}

enum Readiness {
    Ready,
    Waits,
    Never(String),
}
