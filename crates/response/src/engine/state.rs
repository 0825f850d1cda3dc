//! What the engine remembers: runs, actions, effects with their claims, waits.
//!
//! All times here are on the engine's own scale, which never runs backwards (see `clock`).
//! Absent on purpose: behaviour beyond reading these tables; and anything about a closed run but
//! its last revision.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use event::decision::Approval;
use event::{Action, ActionId, ActionKind, FindingId, Outcome, Plan, PlanId, PlanStep, Time};
use ipnet::IpNet;

/// What an effect touches: two actions with the same key share one kernel element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    kind: ActionKind,
    network: IpNet,
    port: Option<u16>,
}

impl Key {
    pub(super) fn of(action: &Action) -> Self {
        let port = match action {
            Action::BlockEgress { port, .. } => *port,
            Action::BlockIp { .. } | Action::RateLimit { .. } => None,
        };
        Self {
            kind: action.kind(),
            network: action.network(),
            port,
        }
    }

    pub(super) const fn kind(&self) -> ActionKind {
        self.kind
    }
}

/// Where an action stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Its turn has not come.
    Planned,
    /// Waits for a person, or for a veto window to pass; nothing stands.
    Gated,
    /// Journalled as intended; not read back yet.
    Intent,
    /// Asked for, and no answer in time. The claim is kept, the truth is still sought.
    Unknown,
    /// Read back.
    Standing,
    /// Was read back and could not be asserted again; tried until its time is over.
    Lost,
    /// Its claim is released; the read-back is awaited.
    Leaving(Ending),
    /// Over.
    Done(Outcome),
}

impl Phase {
    /// Does the action hold a claim on its effect?
    pub(super) const fn claims(self) -> bool {
        matches!(
            self,
            Self::Intent | Self::Unknown | Self::Standing | Self::Lost
        )
    }
}

/// Why a claim was released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Taken back by a person, a rail, a compensation.
    Undone,
    /// Its time was over.
    Expired,
}

impl Ending {
    pub(super) const fn outcome(self) -> Outcome {
        match self {
            Self::Undone => Outcome::Undone,
            Self::Expired => Outcome::Expired,
        }
    }
}

/// One action of one run.
#[derive(Clone, Debug)]
pub(super) struct ActionState {
    pub(super) plan: PlanId,
    pub(super) step: Box<PlanStep>,
    pub(super) key: Key,
    pub(super) phase: Phase,
    /// When the intent was journalled, wall time.
    pub(super) intended: Time,
    /// When the claim began, for the longest it may last.
    pub(super) since: Time,
    /// Claimed until.
    pub(super) until: Time,
    /// An answer is due by this time.
    pub(super) due: Time,
    /// A person approved it.
    pub(super) approved: bool,
    /// The gate was passed; the step may act.
    pub(super) passed: bool,
    /// Part of a request that left, or may have left.
    pub(super) sent: bool,
    /// Was read back at least once.
    pub(super) verified: bool,
    /// The claim grew; a new receipt is owed when that is read back.
    pub(super) extended: bool,
    /// A newer revision named the step while it was ending: applied anew after that.
    pub(super) again: Option<Box<PlanStep>>,
    /// A person said no; asked again only by a new run.
    pub(super) refused: bool,
    /// Why it ends, for the receipt.
    pub(super) reason: String,
    /// Receipts written so far.
    pub(super) receipts: u32,
    /// The newest of them, for undo by receipt.
    pub(super) receipt_ids: Vec<event::ReceiptId>,
}

impl ActionState {
    pub(super) fn new(plan: PlanId, step: PlanStep) -> Self {
        Self {
            plan,
            key: Key::of(&step.action),
            step: Box::new(step),
            phase: Phase::Planned,
            intended: Time::EPOCH,
            since: Time::EPOCH,
            until: Time::EPOCH,
            due: Time::EPOCH,
            approved: false,
            passed: false,
            sent: false,
            verified: false,
            extended: false,
            again: None,
            refused: false,
            reason: String::new(),
            receipts: 0,
            receipt_ids: Vec::new(),
        }
    }

    /// Drops what only a gate shows; many actions stand at once.
    pub(super) fn slim(&mut self) {
        self.step.gate_why = String::new();
        self.step.sentence = String::new();
        self.step.blast.notes = Vec::new();
    }

    /// Back to the start, for a new application under the same id.
    pub(super) fn renew(&mut self) {
        self.phase = Phase::Planned;
        self.approved = false;
        self.passed = false;
        self.sent = false;
        self.verified = false;
        self.extended = false;
        self.reason.clear();
    }
}

/// One run.
#[derive(Clone, Debug)]
pub(super) struct Run {
    /// The newest revision, without its steps (they are in the action table).
    pub(super) plan: Plan,
    pub(super) deadline: Time,
    /// Actions of the newest revision in order, then older ones that still matter.
    pub(super) actions: Vec<ActionId>,
    /// Actions in the order they were intended.
    pub(super) applied: Vec<ActionId>,
    pub(super) finding: Option<FindingId>,
}

/// What the kernel is believed to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Believed {
    /// Read back, or certain because nobody ever asked for it.
    Absent,
    /// Read back; the kernel lets go at this time.
    Present(Time),
    /// A request may or may not have been carried out.
    Unknown,
}

/// One effect in the kernel and who wants it.
#[derive(Clone, Debug)]
pub(super) struct Effect {
    /// What is asked of the actuator.
    pub(super) action: Action,
    /// The action written into the kernel element.
    pub(super) creator: ActionId,
    /// Actions that want it.
    pub(super) claims: Vec<ActionId>,
    /// Actions that let go and are owed a receipt.
    pub(super) leaving: Vec<ActionId>,
    pub(super) believed: Believed,
    /// Serial of the request under way.
    pub(super) pending: Option<u64>,
    /// The element as last read back; empty once told.
    pub(super) shown: String,
    /// Serial of the last request, to tell older dumps from newer ones.
    pub(super) serial: u64,
    pub(super) tries: u32,
    pub(super) retry_at: Time,
    pub(super) queued: bool,
    pub(super) armed: Option<Time>,
    /// Nobody known wants it: since when.
    pub(super) orphan_since: Option<Time>,
    /// Undo was given up; the kernel's own timeout is what is left.
    pub(super) stuck: bool,
    /// An effect on our own side: the kernel holds it by lease only.
    pub(super) leased: bool,
}

impl Effect {
    pub(super) const fn new(action: Action, creator: ActionId, believed: Believed) -> Self {
        Self {
            action,
            creator,
            claims: Vec::new(),
            leaving: Vec::new(),
            believed,
            pending: None,
            shown: String::new(),
            serial: 0,
            tries: 0,
            retry_at: Time::EPOCH,
            queued: false,
            armed: None,
            orphan_since: None,
            stuck: false,
            leased: false,
        }
    }
}

/// An open wait.
#[derive(Clone, Debug)]
pub(super) struct Wait {
    pub(super) approval: Approval,
    pub(super) ends: Time,
}

/// What wakes the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    Effect(Key),
    Wait(ActionId),
    Run(PlanId),
}

/// How often a step of a playbook was applied anew to a key.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Relapse {
    pub(super) ended: u32,
    pub(super) touched: Time,
}

/// The tables.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) runs: BTreeMap<PlanId, Run>,
    pub(super) actions: BTreeMap<ActionId, ActionState>,
    pub(super) effects: BTreeMap<Key, Effect>,
    pub(super) waits: BTreeMap<ActionId, Wait>,
    pub(super) timers: BTreeSet<(Time, Timer)>,
    pub(super) receipts: BTreeMap<event::ReceiptId, ActionId>,
    /// Targets that a person freed: nothing new there without a person, until this time.
    pub(super) held: BTreeMap<Key, Time>,
    pub(super) relapses: BTreeMap<(String, String, String), Relapse>,
    /// Effects to look at again.
    pub(super) dirty: Todo<Key>,
    /// Runs to look at again.
    pub(super) moved: Todo<PlanId>,
}

/// What is still to be looked at, each thing once, in the order it was named: an undo keeps its
/// order, and nothing calls itself.
#[derive(Debug)]
pub(super) struct Todo<T> {
    order: VecDeque<T>,
    members: BTreeSet<T>,
}

impl<T: Ord + Copy> Todo<T> {
    pub(super) fn push(&mut self, item: T) {
        if self.members.insert(item) {
            self.order.push_back(item);
        }
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        let item = self.order.pop_front()?;
        self.members.remove(&item);
        Some(item)
    }
}

impl<T> Default for Todo<T> {
    fn default() -> Self {
        Self {
            order: VecDeque::new(),
            members: BTreeSet::new(),
        }
    }
}
