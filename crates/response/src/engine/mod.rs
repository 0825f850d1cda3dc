//! The response engine: plans in, journal records and actuator requests out, receipts by read-back.
//!
//! One pure state machine over the journal. The driver's contract: commit `records` durably, then
//! send `requests`, then publish `answers`. A crash between any two of these loses nothing: the
//! state is the fold of the records, and the first thing a restored engine asks for is a dump of
//! what stands, which settles everything that was under way. Records that cannot be committed
//! (a full disk) are a crash too: nothing of that step is sent, and the engine is restored.
//!
//! An effect on a target is a set of claims, each with its own end; the kernel element lives until
//! the last one ends. Nothing is called verified, undone or expired that was not read back.
//!
//! Absent on purpose: I/O, clocks, threads, randomness, and any knowledge of how an effect is made.

mod claims;
mod clock;
mod decisions;
mod fold;
mod gates;
mod link;
mod plans;
mod receipts;
mod reconcile;
mod reply;
mod settle;
mod state;
mod undo;

use std::collections::{BTreeMap, VecDeque};

use event::actuate::{Reply, Request};
use event::decision::{Approval, Decision, DecisionAnswer};
use event::journal::{JournalEntry, JournalRecord};
use event::{Action, ActionId, FindingId, Mode, Plan, PlanId, Receipt, Time};

use crate::rails::Rails;
use decisions::Tickets;
use link::Link;
use state::{Key, Tables};

/// Who writes records that no person caused.
pub const ENGINE: &str = "engine";
/// Most runs alive at once; a plan beyond is refused with a notice.
pub const RUNS_MAX: usize = 262_144;
/// Most steps in one plan; a plan with more is refused with a notice.
pub const STEPS_MAX: usize = 64;
/// Most waits open at once; a step beyond is denied with that reason.
pub const WAITS_MAX: usize = 4096;
/// Most freed targets remembered; beyond, those that would lapse first are forgotten.
pub const HELD_MAX: usize = 262_144;
/// Most relapse counts and closed runs remembered; beyond, the oldest is forgotten.
pub const MEMORY_MAX: usize = 65_536;
/// Most change requests under way at once. While they are, further operations gather, so that
/// load makes requests fuller and not more.
pub const IN_FLIGHT_MAX: usize = 8;
/// How long a target that a person freed needs a person for anything new, seconds.
pub const HELD_S: u32 = 86_400;

/// How the engine behaves.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// What it may do by itself. A restored engine takes the more careful of this and the last
    /// `ModeSet` of its journal.
    pub mode: Mode,
    /// Kernel timeout of effects on our own side, seconds; they let go when the engine is dead.
    pub lease_s: u32,
    /// A lease is renewed when this much of it has passed, seconds.
    pub renew_s: u32,
    /// What stands is compared with the journal this often, seconds.
    pub reconcile_s: u32,
    /// The actuator is greeted this often, to learn of a table made anew, seconds.
    pub hello_s: u32,
    /// How long an effect that nobody wants may stand before it is removed, seconds.
    pub orphan_grace_s: u32,
    /// A request without a reply for this long is given up, and a dump asked for, seconds.
    pub reply_s: u32,
    /// An action without a read-back for this long is failed (nothing sent) or unknown, seconds.
    pub answer_s: u32,
    /// Window of an approval that the engine itself asks for (mode `ask`, caps), seconds.
    pub approval_s: u32,
    /// How failing operations are tried again.
    pub retry: Retry,
    /// What may be done without a person.
    pub caps: Caps,
    /// Fencing epoch, in each request.
    pub fence: u64,
}

/// How failing operations are tried again.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    /// Tries of an apply before it has failed.
    pub apply_tries: u32,
    /// Pause before the second try, milliseconds; each further pause is four times as long.
    pub apply_first_ms: u32,
    /// Tries of an undo before an operator is called.
    pub undo_tries: u32,
    /// Pause before the second try of an undo, seconds; doubles up to `pause_max_s`.
    pub undo_first_s: u32,
    /// Longest pause, seconds.
    pub pause_max_s: u32,
}

/// What may be done without a person; beyond, the class needs approval.
#[derive(Clone, Copy, Debug)]
pub struct Caps {
    /// New address blocks in any 60 s.
    pub ip_blocks_per_minute: u32,
    /// Effects that stand at once.
    pub live_blocks: u32,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            mode: Mode::Observe,
            lease_s: 900,
            renew_s: 300,
            reconcile_s: 30,
            hello_s: 1,
            orphan_grace_s: 60,
            reply_s: 5,
            answer_s: 30,
            approval_s: 900,
            retry: Retry::default(),
            caps: Caps::default(),
            fence: 1,
        }
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            apply_tries: 3,
            apply_first_ms: 200,
            undo_tries: 10,
            undo_first_s: 1,
            pause_max_s: 300,
        }
    }
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            ip_blocks_per_minute: 1000,
            live_blocks: 200_000,
        }
    }
}

/// What can happen to the engine.
#[derive(Clone, Debug)]
pub enum Input {
    /// A new plan, or an amplified revision of a live run with the same id.
    Plan(Box<Plan>),
    /// The actuator answered.
    Reply(Reply),
    /// The actuator's connection is gone: what was under way may or may not have been done.
    ActuatorLost,
    /// There is a connection to the actuator again.
    ActuatorBack,
    /// A person decided.
    Decision {
        /// The caller's number for the decision, repeated in the answer.
        ticket: i64,
        /// The decision.
        decision: Decision,
    },
    /// What must never be touched, from now on.
    Rails(Rails),
    /// A person changes the mode.
    SetMode {
        /// The new mode.
        mode: Mode,
        /// Who.
        who: String,
    },
    /// Time passed. Wanted once a second, and after each restart.
    Tick,
}

/// What the driver must do, in the order of the fields.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Output {
    /// Commit these durably first.
    pub records: Vec<JournalRecord>,
    /// Then send these to the actuator, in order.
    pub requests: Vec<Request>,
    /// Then answer these tickets.
    pub answers: Vec<(i64, DecisionAnswer)>,
    /// The receipts among the records, for the incident's story.
    pub receipts: Vec<Receipt>,
}

/// An effect that stands, by the last read-back.
#[derive(Clone, Debug, PartialEq)]
pub struct StandingEffect {
    /// The action written into the kernel element.
    pub action_id: ActionId,
    /// The run of that action, or of the first claim if that run is over.
    pub plan: PlanId,
    /// The effect.
    pub action: Action,
    /// When the last claim ends, wall time.
    pub expires: Time,
    /// The actions that want it.
    pub claims: Vec<ActionId>,
}

/// Counts since the engine was made or restored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EngineCounters {
    /// Plans taken, revisions included.
    pub plans: u64,
    /// Plans passed by: seen before, or older than what is known.
    pub plans_repeated: u64,
    /// Plans refused: past their deadline, too many steps, table full.
    pub plans_refused: u64,
    /// Operations asked of the actuator.
    pub operations: u64,
    /// Requests sent.
    pub requests: u64,
    /// Replies that nothing waited for.
    pub replies_unexpected: u64,
    /// Requests given up without a reply.
    pub requests_unanswered: u64,
    /// Effects that nobody wanted, removed.
    pub orphans_removed: u64,
    /// Elements of others seen in our tables; left alone.
    pub foreign: u64,
    /// Effects that were missing and asserted again.
    pub reasserted: u64,
    /// Steps that a rail stopped.
    pub railed: u64,
    /// Steps that wait for a person because a cap was reached.
    pub capped: u64,
    /// Jumps of the wall clock by more than 60 s.
    pub clock_jumps: u64,
    /// Undos given up: an operator is needed.
    pub undo_given_up: u64,
    /// Memory entries forgotten at their limit.
    pub forgotten: u64,
}

/// The engine. See the module's text for the driver's contract.
#[derive(Debug)]
pub struct Engine {
    config: EngineConfig,
    mode: Mode,
    /// The journal names a mode.
    mode_journalled: bool,
    rails: Rails,
    clock: clock::Scale,
    now: Time,
    awake: bool,
    tables: Tables,
    link: Link,
    queue: VecDeque<Key>,
    tickets: Tickets,
    /// Times of automatic address blocks in the last minute.
    blocks: VecDeque<Time>,
    cap_noticed: Option<Time>,
    /// Last revision of closed runs, oldest first.
    closed: BTreeMap<PlanId, u32>,
    closed_order: VecDeque<PlanId>,
    out: Output,
    counters: EngineCounters,
}

impl Engine {
    /// An engine with an empty journal.
    pub fn new(config: EngineConfig) -> Self {
        Self {
            mode: config.mode,
            mode_journalled: false,
            link: Link::new(config.fence),
            config,
            rails: Rails::default(),
            clock: clock::Scale::default(),
            now: Time::EPOCH,
            awake: false,
            tables: Tables::default(),
            queue: VecDeque::new(),
            tickets: Tickets::default(),
            blocks: VecDeque::new(),
            cap_noticed: None,
            closed: BTreeMap::new(),
            closed_order: VecDeque::new(),
            out: Output::default(),
            counters: EngineCounters::default(),
        }
    }

    /// An engine as its journal left it. Its first step asks for a dump and settles what was
    /// under way; until that is answered nothing else is asked of the actuator.
    pub fn restore(config: EngineConfig, records: impl IntoIterator<Item = JournalRecord>) -> Self {
        let mut engine = Self::new(config);
        for record in records {
            engine.fold(record);
        }
        engine.fold_end();
        engine
    }

    /// Takes one input. `now` is wall time; see `clock` for what happens when it jumps.
    pub fn step(&mut self, input: Input, now: Time) -> Output {
        self.step_all(vec![input], now)
    }

    /// Takes several inputs at once, so that their operations share requests and their records
    /// one commit. Among decisions, those that take back go first: a tie is theirs.
    pub fn step_all(&mut self, inputs: Vec<Input>, now: Time) -> Output {
        self.begin_step(now);
        let mut allowing = Vec::new();
        let mut denying = Vec::new();
        for input in inputs {
            match input {
                Input::Decision { ticket, decision } if decisions::takes_back(&decision.wish) => {
                    denying.push((ticket, decision));
                }
                Input::Decision { ticket, decision } => allowing.push((ticket, decision)),
                other => {
                    self.take(other);
                    self.progress();
                }
            }
        }
        for (ticket, decision) in denying.into_iter().chain(allowing) {
            self.decide(ticket, decision);
            self.progress();
        }
        self.end_step()
    }

    /// Time first: what silence has decided is decided before anything else.
    fn begin_step(&mut self, now: Time) {
        self.observe_clock(now);
        self.wake();
        self.run_timers();
        self.progress();
    }

    fn end_step(&mut self) -> Output {
        self.flush();
        self.answer_tickets();
        std::mem::take(&mut self.out)
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Plan(plan) => self.take_plan(*plan, None),
            Input::Reply(reply) => self.take_reply(reply),
            Input::ActuatorLost => self.actuator_lost(),
            Input::ActuatorBack => self.actuator_back(),
            Input::Decision { ticket, decision } => self.decide(ticket, decision),
            Input::Rails(rails) => self.take_rails(rails),
            Input::SetMode { mode, who } => self.set_mode(mode, &who),
            Input::Tick => {}
        }
    }

    /// Names the finding that moved a run, for its receipts. A plan does not carry it; a run
    /// restored from the journal knows it from its earlier receipts. Unnamed, receipts carry an
    /// id of zeros and readers go by the incident.
    pub fn moved_by(&mut self, plan: PlanId, finding: FindingId) {
        if let Some(run) = self.tables.runs.get_mut(&plan) {
            run.finding = Some(finding);
        }
    }

    /// Like a step with [`Input::Plan`], naming the finding that moved the run.
    pub fn step_plan(&mut self, plan: Plan, finding: FindingId, now: Time) -> Output {
        self.begin_step(now);
        self.take_plan(plan, Some(finding));
        self.progress();
        self.end_step()
    }

    /// How often this step of this playbook was applied to this key and ended: the planner's
    /// ladder, and the count in a new action's id. An application that still stands does not
    /// count, so that a plan made meanwhile names the same action and extends it.
    pub fn relapses(&self, playbook: &str, key: &str, step: &str) -> u32 {
        let name = (playbook.to_owned(), key.to_owned(), step.to_owned());
        self.tables
            .relapses
            .get(&name)
            .map_or(0, |relapse| relapse.ended)
    }

    /// What stands, by the last read-back.
    pub fn standing(&self) -> Vec<StandingEffect> {
        let effects = self.tables.effects.values();
        effects
            .filter_map(|effect| self.standing_effect(effect))
            .collect()
    }

    fn standing_effect(&self, effect: &state::Effect) -> Option<StandingEffect> {
        let state::Believed::Present(_) = effect.believed else {
            return None;
        };
        let first = self.tables.actions.get(effect.claims.first()?)?;
        let creator = self.tables.actions.get(&effect.creator);
        Some(StandingEffect {
            action_id: effect.creator,
            plan: creator.map_or(first.plan, |action| action.plan),
            action: effect.action.clone(),
            expires: self.wall(self.claimed_until(effect)?),
            claims: effect.claims.clone(),
        })
    }

    /// What waits for a person, first asked first.
    pub fn waiting(&self) -> Vec<&Approval> {
        let mut waits: Vec<&Approval> = self
            .tables
            .waits
            .values()
            .map(|wait| &wait.approval)
            .collect();
        waits.sort_by_key(|approval| (approval.asked, approval.id));
        waits
    }

    /// Counts since the start.
    pub const fn counters(&self) -> EngineCounters {
        self.counters
    }

    /// The mode now.
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    fn take_rails(&mut self, rails: Rails) {
        self.rails = rails;
        self.link.protect_due = true;
        let mut hits = Vec::new();
        for effect in self
            .tables
            .effects
            .values()
            .filter(|e| !e.claims.is_empty())
        {
            if let Err(hit) = self.rails.check(&effect.action, true) {
                hits.push((effect.claims.clone(), hit.to_string()));
            }
        }
        for (claims, why) in hits {
            self.notice(format!(
                "an effect stands against the rails and is undone: {why}"
            ));
            for action in claims {
                self.undo_action(action, ENGINE, &why);
            }
        }
    }

    fn set_mode(&mut self, mode: Mode, who: &str) {
        self.mode = mode;
        self.tables.held.clear();
        self.record_by(who, JournalEntry::ModeSet { mode });
        if mode == Mode::Observe {
            self.void_waits("the mode is observe now");
        }
        self.look_at_all();
    }

    /// Works until nothing is left that a change of this step touched.
    fn progress(&mut self) {
        loop {
            if let Some(key) = self.tables.dirty.pop() {
                self.settle(key);
            } else if let Some(plan) = self.tables.moved.pop() {
                self.advance(plan);
            } else {
                return;
            }
        }
    }

    fn record(&mut self, entry: JournalEntry) {
        self.record_by(ENGINE, entry);
    }

    fn record_by(&mut self, who: &str, entry: JournalEntry) {
        self.out.records.push(JournalRecord {
            time: self.wall(self.now),
            who: who.to_owned(),
            entry,
        });
    }

    fn notice(&mut self, text: String) {
        self.record(JournalEntry::Notice { text });
    }
}

#[cfg(test)]
mod tests;
