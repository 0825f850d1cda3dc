//! A seeded world around the engine: a kernel with timeouts, an actuator that may lose replies,
//! die between operations, hang or come back with an empty table, a journal, and a driver that
//! may crash between any two of its duties. Invariants are checked at every turn.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use event::actuate::{
    Answer, BATCH_MAX, Element, MESSAGE_BYTES_MAX, OperationResult, Reply, Request, Verb,
};
use event::decision::DecisionAnswer;
use event::journal::{JournalEntry, JournalRecord};
use event::{Action, ActionId, Outcome, Receipt, Time};

use crate::engine::state::Key;
use crate::engine::{Engine, EngineConfig, Input};

/// A small generator (splitmix64): the same seed, the same run.
#[derive(Clone, Debug)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    /// True in so many of a hundred cases.
    pub(super) fn percent(&mut self, percent: u64) -> bool {
        percent > 0 && self.below(100) < percent
    }
}

/// What may go wrong, in percent per occasion.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Chaos {
    pub(super) lose_reply: u64,
    pub(super) die_between: u64,
    pub(super) hang: u64,
    pub(super) flush: u64,
    pub(super) crash: u64,
}

#[derive(Clone, Debug)]
struct Standing {
    id: ActionId,
    action: Action,
    expires: Time,
}

/// The world.
pub(super) struct World {
    pub(super) engine: Engine,
    config: EngineConfig,
    pub(super) journal: Vec<JournalRecord>,
    kernel: BTreeMap<Key, Standing>,
    pub(super) receipts: Vec<Receipt>,
    pub(super) answers: Vec<(i64, DecisionAnswer)>,
    pub(super) requests: u64,
    pub(super) operations: u64,
    /// True time; the wall clock is this plus `wall_shift`.
    pub(super) now: Time,
    pub(super) wall_shift_s: i64,
    inbox: VecDeque<Request>,
    outbox: VecDeque<Reply>,
    pub(super) reachable: bool,
    back_at: Option<Time>,
    hung_until: Time,
    generation: u64,
    fence: u64,
    /// Targets the actuator refuses by rail, or fails at.
    pub(super) railed: BTreeSet<String>,
    pub(super) failing: BTreeSet<String>,
    /// Targets whose removal fails.
    pub(super) sticky: BTreeSet<String>,
    pub(super) random: Random,
    pub(super) chaos: Chaos,
    pub(super) crash_at: Option<u64>,
    pub(super) point: u64,
    /// From the journal: targets of actions, actions intended, last end of each target.
    keys: BTreeMap<ActionId, Key>,
    intended: BTreeSet<ActionId>,
    ends: BTreeMap<Key, Time>,
    unwanted: BTreeMap<Key, Time>,
    pub(super) unwanted_max_s: u64,
    /// How far a kernel timeout may lie behind the claim: an actuator that hangs counts from
    /// when it wakes, until the engine has seen it.
    pub(super) late_max_s: u64,
}

pub(super) const START: i64 = 1_790_000_000;

impl World {
    pub(super) fn new(config: EngineConfig, seed: u64) -> Self {
        Self {
            engine: Engine::new(config.clone()),
            fence: config.fence,
            config,
            journal: Vec::new(),
            kernel: BTreeMap::new(),
            receipts: Vec::new(),
            answers: Vec::new(),
            requests: 0,
            operations: 0,
            now: Time::from_seconds(START),
            wall_shift_s: 0,
            inbox: VecDeque::new(),
            outbox: VecDeque::new(),
            reachable: true,
            back_at: None,
            hung_until: Time::EPOCH,
            generation: 1,
            railed: BTreeSet::new(),
            failing: BTreeSet::new(),
            sticky: BTreeSet::new(),
            random: Random(seed),
            chaos: Chaos::default(),
            crash_at: None,
            point: 0,
            keys: BTreeMap::new(),
            intended: BTreeSet::new(),
            ends: BTreeMap::new(),
            unwanted: BTreeMap::new(),
            unwanted_max_s: 95,
            late_max_s: 1,
        }
    }

    pub(super) fn wall(&self) -> Time {
        let micros = self.wall_shift_s * 1_000_000;
        Time::from_micros(self.now.micros() + micros)
    }

    /// Addresses that the kernel stops now.
    pub(super) fn targets(&self) -> Vec<String> {
        self.kernel
            .values()
            .map(|standing| standing.action.target())
            .collect()
    }

    /// Seconds until the kernel lets a target go.
    pub(super) fn kernel_left(&self, target: &str) -> Option<u64> {
        let mut all = self.kernel.values();
        let one = all.find(|standing| standing.action.target() == target)?;
        Some(one.expires.since(self.now).as_secs())
    }

    pub(super) fn plant(&mut self, id: ActionId, action: Action, seconds: u64) {
        let expires = self.now.plus(Duration::from_secs(seconds));
        self.kernel.insert(
            Key::of(&action),
            Standing {
                id,
                action,
                expires,
            },
        );
    }

    pub(super) fn flush_kernel(&mut self, new_generation: bool) {
        self.kernel.clear();
        self.generation += u64::from(new_generation);
    }

    /// The newest receipt of an action.
    pub(super) fn outcome(&self, id: ActionId) -> Option<Outcome> {
        self.receipt(id).map(|receipt| receipt.outcome)
    }

    pub(super) fn receipt(&self, id: ActionId) -> Option<&Receipt> {
        self.receipts
            .iter()
            .rev()
            .find(|receipt| receipt.action_id == id)
    }

    pub(super) fn notices(&self) -> Vec<&str> {
        let texts = self
            .journal
            .iter()
            .filter_map(|record| match &record.entry {
                JournalEntry::Notice { text } => Some(text.as_str()),
                _ => None,
            });
        texts.collect()
    }

    /// One input through the driver's contract, redelivered after a crash as the bus would.
    pub(super) fn give(&mut self, input: Input) {
        let redelivered = matches!(input, Input::Plan(_) | Input::Decision { .. });
        let mut attempts = 0;
        while !self.attempt(input.clone()) && redelivered && attempts < 5 {
            attempts += 1;
        }
    }

    fn attempt(&mut self, input: Input) -> bool {
        let output = self.engine.step(input, self.wall());
        self.carry(output)
    }

    pub(super) fn carry(&mut self, output: crate::engine::Output) -> bool {
        let something = !output.records.is_empty() || !output.requests.is_empty();
        if something && self.crashes() {
            return false;
        }
        for record in output.records {
            self.commit(record);
        }
        self.receipts.extend(output.receipts);
        if something && self.crashes() {
            return false;
        }
        for request in output.requests {
            self.check_request(&request);
            self.requests += 1;
            if self.reachable {
                self.inbox.push_back(request);
            }
            if self.crashes() {
                return false;
            }
        }
        self.answers.extend(output.answers);
        true
    }

    fn commit(&mut self, record: JournalRecord) {
        match &record.entry {
            JournalEntry::Planned { plan } => {
                let steps = plan.steps.iter();
                self.keys
                    .extend(steps.map(|step| (step.action_id, Key::of(&step.action))));
            }
            JournalEntry::Intent { action, until, .. } => {
                self.intended.insert(*action);
                let end = self.ends.entry(self.keys[action]).or_insert(*until);
                *end = (*end).max(*until);
            }
            _ => {}
        }
        self.journal.push(record);
    }

    fn crashes(&mut self) -> bool {
        self.point += 1;
        let now = self.crash_at == Some(self.point) || self.random.percent(self.chaos.crash);
        if now {
            self.restart();
        }
        now
    }

    /// kill -9 of the engine: what is committed stays, the connection is gone.
    pub(super) fn restart(&mut self) {
        self.fence += 1;
        self.config.fence = self.fence;
        if self.random.percent(50) {
            self.inbox.clear();
        }
        self.pump();
        self.outbox.clear();
        self.engine = Engine::restore(self.config.clone(), self.journal.clone());
    }

    fn check_request(&mut self, request: &Request) {
        let bytes = serde_json::to_vec(request).unwrap().len();
        assert!(bytes <= MESSAGE_BYTES_MAX, "a request of {bytes} bytes");
        let Verb::Change { operations } = &request.verb else {
            return;
        };
        assert!(operations.len() <= BATCH_MAX);
        self.operations += u64::try_from(operations.len()).unwrap();
        for operation in operations
            .iter()
            .filter(|operation| operation.present_s.is_some())
        {
            let intended = self.intended.contains(&operation.action_id);
            assert!(
                intended,
                "asked for {} before its intent",
                operation.action_id
            );
        }
    }

    /// The actuator works through what it was sent.
    pub(super) fn pump(&mut self) {
        while self.reachable && self.hung_until <= self.now {
            let Some(request) = self.inbox.pop_front() else {
                return;
            };
            if self.random.percent(self.chaos.hang) {
                let seconds = 1 + self.random.below(15);
                self.hung_until = self.now.plus(Duration::from_secs(seconds));
            }
            let Some(answer) = self.answer(&request) else {
                return; // died
            };
            if !self.random.percent(self.chaos.lose_reply) {
                let serial = request.serial;
                self.outbox.push_back(Reply { serial, answer });
            }
        }
    }

    fn answer(&mut self, request: &Request) -> Option<Answer> {
        if request.fence < self.fence {
            let reason = format!("fence {} is stale", request.fence);
            return Some(Answer::Refused { reason });
        }
        match &request.verb {
            Verb::Hello => Some(Answer::Ready {
                generation: self.generation,
                protected: Vec::new(),
            }),
            Verb::Change { operations } => {
                let mut results = Vec::new();
                for operation in operations {
                    if self.random.percent(self.chaos.die_between) {
                        self.die();
                        return None;
                    }
                    results.push(self.operate(operation));
                }
                Some(Answer::Changed { results })
            }
            Verb::Dump { offset } => Some(self.dump(*offset)),
            Verb::Protect { .. } => Some(Answer::Protected {
                removed: Vec::new(),
            }),
        }
    }

    fn operate(&mut self, operation: &event::actuate::Operation) -> OperationResult {
        let key = Key::of(&operation.action);
        let target = operation.action.target();
        let reason = format!("{target} as told");
        match operation.present_s {
            Some(_) if self.railed.contains(&target) => OperationResult::Railed { reason },
            Some(_) if self.failing.contains(&target) => OperationResult::Failed { reason },
            None if self.sticky.contains(&target) => OperationResult::Failed { reason },
            Some(seconds) => {
                assert!(seconds > 0);
                let expires = self.now.plus(Duration::from_secs(u64::from(seconds)));
                let (id, action) = (operation.action_id, operation.action.clone());
                self.kernel.insert(
                    key,
                    Standing {
                        id,
                        action,
                        expires,
                    },
                );
                OperationResult::Present {
                    expires_s: seconds,
                    shown: format!("{target} timeout {seconds}s"),
                }
            }
            None => {
                self.kernel.remove(&key);
                OperationResult::Absent
            }
        }
    }

    fn dump(&self, offset: u32) -> Answer {
        const PAGE: usize = 100;
        let skip = usize::try_from(offset).unwrap();
        let elements: Vec<Element> = self
            .kernel
            .values()
            .skip(skip)
            .take(PAGE)
            .map(|standing| Element {
                action_id: Some(standing.id),
                action: standing.action.clone(),
                expires_s: u32::try_from(standing.expires.since(self.now).as_secs()).unwrap(),
            })
            .collect();
        let next = skip + elements.len();
        let more = next < self.kernel.len();
        Answer::Standing {
            elements,
            next: more.then(|| u32::try_from(next).unwrap()),
        }
    }

    /// The actuator dies; it is back a little later, with or without its table.
    pub(super) fn die(&mut self) {
        self.reachable = false;
        self.inbox.clear();
        self.outbox.clear();
        let seconds = 1 + self.random.below(5);
        self.back_at = Some(self.now.plus(Duration::from_secs(seconds)));
        self.give(Input::ActuatorLost);
    }

    pub(super) fn come_back(&mut self) {
        self.reachable = true;
        self.back_at = None;
        self.generation += 1;
        if self.random.percent(50) {
            self.kernel.clear();
        }
        self.give(Input::ActuatorBack);
    }

    /// Actuator and engine talk until both are quiet.
    pub(super) fn talk(&mut self) {
        for _ in 0..1000 {
            self.pump();
            let Some(reply) = self.outbox.pop_front() else {
                return;
            };
            self.give(Input::Reply(reply));
        }
        panic!("engine and actuator never come to rest");
    }

    /// Hands requests over without the checks that take a whole journal each.
    pub(super) fn send(&mut self, requests: Vec<Request>) {
        self.inbox.extend(requests);
    }

    /// Like [`Self::talk`], for many effects.
    pub(super) fn talk_unchecked(&mut self) {
        let now = self.now;
        self.kernel.retain(|_, standing| standing.expires > now);
        loop {
            self.pump();
            let Some(reply) = self.outbox.pop_front() else {
                return;
            };
            let output = self.engine.step(Input::Reply(reply), self.wall());
            self.journal.extend(output.records);
            self.receipts.extend(output.receipts);
            self.requests += u64::try_from(output.requests.len()).unwrap();
            self.inbox.extend(output.requests);
        }
    }

    /// Lets time pass in steps, with a tick at each.
    pub(super) fn pass(&mut self, seconds: u64, step_s: u64) {
        let mut left = seconds;
        while left > 0 {
            let step = step_s.min(left);
            left -= step;
            self.now = self.now.plus(Duration::from_secs(step));
            let now = self.now;
            self.kernel.retain(|_, standing| standing.expires > now);
            if self.random.percent(self.chaos.flush) {
                self.flush_kernel(true);
            }
            if self.back_at.is_some_and(|at| at <= now) {
                self.come_back();
            }
            self.give(Input::Tick);
            self.talk();
            self.check();
        }
    }

    /// What must hold at any time.
    fn check(&mut self) {
        let wanted: BTreeSet<Key> = self.engine.wanted_keys();
        let now = self.now;
        self.unwanted
            .retain(|key, _| self.kernel.contains_key(key) && !wanted.contains(key));
        for (key, standing) in &self.kernel {
            if wanted.contains(key) {
                continue;
            }
            let since = *self.unwanted.entry(*key).or_insert(now);
            let seconds = now.since(since).as_secs();
            let most = self.unwanted_max_s;
            assert!(
                seconds <= most,
                "{standing:?} stands unwanted for {seconds} s"
            );
        }
        self.check_ends();
    }

    /// No element outlives the longest claim that was ever journalled for its target.
    fn check_ends(&self) {
        if self.wall_shift_s != 0 {
            return;
        }
        for (key, standing) in &self.kernel {
            let Some(end) = self.ends.get(key) else {
                continue; // planted by the test
            };
            let latest = end.plus(Duration::from_secs(self.late_max_s));
            assert!(standing.expires <= latest, "{standing:?} outlives {end}");
        }
    }
}

impl Engine {
    /// Targets that some claim or a release under way still speaks for.
    fn wanted_keys(&self) -> BTreeSet<Key> {
        let effects = self.tables.effects.iter();
        let wanted = effects.filter(|(_, effect)| !effect.claims.is_empty());
        wanted.map(|(key, _)| *key).collect()
    }
}
