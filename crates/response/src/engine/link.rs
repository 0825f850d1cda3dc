//! The engine's side of the actuator's protocol: what is under way, greetings, dumps, batches.
//!
//! At most [`super::IN_FLIGHT_MAX`] changes are under way; what comes meanwhile gathers and leaves
//! in full batches. After a loss or a silence nothing is changed until a dump has told what stands.

use std::collections::BTreeMap;

use event::ActionId;
use event::actuate::{BATCH_MAX, Operation, Request, Verb};
use event::{Action, Mode, Time};

use super::state::{Believed, Key};
use super::{Engine, IN_FLIGHT_MAX};

/// Networks in one `Protect`, so that the message stays below the protocol's limit.
const PROTECT_MAX: usize = 2048;
/// Longest pause between two dumps that got no answer, seconds.
const DUMP_PAUSE_MAX_S: u32 = 30;

/// A request under way.
#[derive(Debug)]
pub(super) enum Flight {
    Hello,
    Change { keys: Vec<(Key, bool)> },
    Dump,
    Protect,
}

/// An element as a dump showed it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) action_id: Option<ActionId>,
    pub(super) action: Action,
    pub(super) until: Time,
}

/// A dump under way.
#[derive(Debug)]
pub(super) struct Dump {
    /// Effects touched by this serial or a later one are not judged by this dump.
    pub(super) first: u64,
    pub(super) offset: u32,
    pub(super) seen: BTreeMap<Key, Seen>,
}

/// The connection as the engine sees it.
#[derive(Debug)]
pub(super) struct Link {
    fence: u64,
    next: u64,
    pub(super) up: bool,
    /// A dump was answered since the last doubt.
    pub(super) reconciled: bool,
    pub(super) generation: Option<u64>,
    pub(super) flights: BTreeMap<u64, (Time, Flight)>,
    pub(super) changes: usize,
    pub(super) dump: Option<Dump>,
    hello_at: Time,
    pub(super) dump_at: Time,
    silent_dumps: u32,
    pub(super) protect_due: bool,
}

impl Link {
    pub(super) const fn new(fence: u64) -> Self {
        Self {
            fence,
            next: 0,
            up: true,
            reconciled: false,
            generation: None,
            flights: BTreeMap::new(),
            changes: 0,
            dump: None,
            hello_at: Time::EPOCH,
            dump_at: Time::EPOCH,
            silent_dumps: 0,
            protect_due: false,
        }
    }

    /// Ask soon what stands.
    pub(super) fn hurry(&mut self, now: Time) {
        self.hello_at = now;
        self.dump_at = now;
    }

    /// Serials of one engine never repeat those of one with another fence.
    fn serial(&mut self) -> u64 {
        self.next = self.next.wrapping_add(1);
        self.fence.wrapping_shl(32).wrapping_add(self.next)
    }

    pub(super) fn answered(&mut self) {
        self.silent_dumps = 0;
    }
}

impl Engine {
    pub(super) fn actuator_lost(&mut self) {
        self.link.up = false;
        self.doubt();
    }

    pub(super) fn actuator_back(&mut self) {
        self.doubt();
        self.link.up = true;
        self.link.generation = None;
        self.link.protect_due = true;
        self.link.answered();
        self.link.hurry(self.now);
    }

    /// Everything under way may or may not have been done.
    fn doubt(&mut self) {
        let flights = std::mem::take(&mut self.link.flights);
        for (_, (_, flight)) in flights {
            self.doubt_flight(flight);
        }
        self.link.dump = None;
        self.link.reconciled = false;
    }

    fn doubt_flight(&mut self, flight: Flight) {
        let Flight::Change { keys } = flight else {
            return;
        };
        self.link.changes = self.link.changes.saturating_sub(1);
        for (key, _) in keys {
            if let Some(effect) = self.tables.effects.get_mut(&key) {
                effect.pending = None;
                effect.believed = Believed::Unknown;
            }
            self.tables.dirty.push(key);
        }
    }

    /// Gives up requests that got no reply: a dump will tell.
    fn give_up_silent(&mut self) {
        let patience = std::time::Duration::from_secs(u64::from(self.config.reply_s));
        let late = |(sent, _): &(Time, Flight)| sent.plus(patience) <= self.now;
        let serials: Vec<u64> = self
            .link
            .flights
            .iter()
            .filter(|(_, flight)| late(flight))
            .map(|(serial, _)| *serial)
            .collect();
        for serial in serials {
            let Some((_, flight)) = self.link.flights.remove(&serial) else {
                continue;
            };
            self.counters.requests_unanswered += 1;
            match flight {
                Flight::Hello | Flight::Protect => {}
                Flight::Change { .. } => {
                    self.doubt_flight(flight);
                    self.distrust();
                }
                Flight::Dump => {
                    self.link.silent_dumps = self.link.silent_dumps.saturating_add(1);
                    self.distrust();
                    let pause = 1_u32 << self.link.silent_dumps.min(5);
                    self.link.dump_at = self.after(pause.min(DUMP_PAUSE_MAX_S));
                }
            }
        }
    }

    /// No change leaves before a new dump is answered.
    pub(super) fn distrust(&mut self) {
        self.link.reconciled = false;
        self.link.dump = None;
        self.link.dump_at = self.link.dump_at.min(self.now);
        self.link
            .flights
            .retain(|_, (_, flight)| !matches!(flight, Flight::Dump));
    }

    /// Sends what is due. The last thing of each step.
    pub(super) fn flush(&mut self) {
        self.give_up_silent();
        self.progress();
        let idle = self.mode == Mode::Observe && self.tables.effects.is_empty();
        if !self.link.up || idle {
            return;
        }
        self.send_hello();
        self.send_protect();
        self.send_dump();
        while self.link.reconciled && self.link.changes < IN_FLIGHT_MAX && self.send_change() {}
    }

    fn send(&mut self, verb: Verb, flight: Flight) -> u64 {
        let serial = self.link.serial();
        self.counters.requests += 1;
        self.link.flights.insert(serial, (self.now, flight));
        self.out.requests.push(Request {
            serial,
            fence: self.config.fence,
            verb,
        });
        serial
    }

    fn send_hello(&mut self) {
        let waiting = self
            .link
            .flights
            .values()
            .any(|(_, flight)| matches!(flight, Flight::Hello));
        if waiting || self.link.hello_at > self.now {
            return;
        }
        self.link.hello_at = self.after(self.config.hello_s.max(1));
        self.send(Verb::Hello, Flight::Hello);
    }

    fn send_protect(&mut self) {
        if !std::mem::take(&mut self.link.protect_due) || self.rails.never_block.is_empty() {
            return;
        }
        let all = self.rails.never_block.len();
        if all > PROTECT_MAX {
            self.notice(format!(
                "{all} protected networks are more than {PROTECT_MAX}: the actuator learns of the \
                 first ones only, the engine keeps all"
            ));
        }
        let networks = self.rails.never_block.iter().take(PROTECT_MAX);
        let networks = networks.map(|(network, _)| *network).collect();
        self.send(Verb::Protect { networks }, Flight::Protect);
    }

    fn send_dump(&mut self) {
        if self.link.dump.is_some() || self.link.dump_at > self.now {
            return;
        }
        self.link.dump_at = self.after(self.config.reconcile_s.max(1));
        let first = self.send(Verb::Dump { offset: 0 }, Flight::Dump);
        self.link.dump = Some(Dump {
            first,
            offset: 0,
            seen: BTreeMap::new(),
        });
    }

    pub(super) fn send_next_page(&mut self, offset: u32) {
        self.send(Verb::Dump { offset }, Flight::Dump);
    }

    /// Sends one batch; `false` when nothing was left to send.
    fn send_change(&mut self) -> bool {
        let mut operations = Vec::new();
        let mut keys = Vec::new();
        while operations.len() < BATCH_MAX {
            let Some(key) = self.queue.pop_front() else {
                break;
            };
            if let Some(operation) = self.operation(key) {
                keys.push((key, operation.present_s.is_some()));
                operations.push(operation);
            }
        }
        if operations.is_empty() {
            return false;
        }
        self.counters.operations += u64::try_from(operations.len()).unwrap_or(u64::MAX);
        self.link.changes += 1;
        let marked = keys.clone();
        let serial = self.send(Verb::Change { operations }, Flight::Change { keys });
        for (key, _) in marked {
            self.mark_sent(key, serial);
        }
        true
    }

    /// The operation an effect needs now, if it still needs one.
    fn operation(&mut self, key: Key) -> Option<Operation> {
        let effect = self.tables.effects.get_mut(&key)?;
        effect.queued = false;
        let effect = self.tables.effects.get(&key)?;
        if !self.needs_operation(effect) {
            return None;
        }
        let present_s = match self.kernel_until(effect) {
            Some(until) => Some(seconds_up(until, self.now)?),
            None => None,
        };
        let mut claims = effect
            .claims
            .iter()
            .filter_map(|id| self.tables.actions.get(id));
        Some(Operation {
            action_id: effect.creator,
            action: effect.action.clone(),
            present_s,
            approved: claims.any(|action| action.approved),
        })
    }

    fn mark_sent(&mut self, key: Key, serial: u64) {
        let Some(effect) = self.tables.effects.get_mut(&key) else {
            return;
        };
        effect.pending = Some(serial);
        effect.serial = serial;
        for id in effect.claims.iter().chain(&effect.leaving) {
            if let Some(action) = self.tables.actions.get_mut(id) {
                action.sent = true;
            }
        }
    }
}

/// Whole seconds until then, rounded up; `None` when it is over.
fn seconds_up(until: Time, now: Time) -> Option<u32> {
    let micros = until.since(now).as_micros();
    let seconds = u32::try_from(micros.div_ceil(1_000_000)).ok()?;
    (seconds > 0).then_some(seconds)
}
