//! What the lines of one connection have shown so far, joined by host and process, bounded.

use std::collections::{HashMap, VecDeque};

use event::body::{AuthOutcome, Peer};
use event::{Name, Time};

use super::super::Message;

/// Connections remembered a stream; at the limit the oldest is forgotten and counted.
pub const CONNECTIONS_MAX: usize = 4096;
/// Microseconds between two lines after which a process number is taken for another connection.
/// No login lasts so long (LoginGraceTime is 120 s by default).
const IDLE_MAX_US: u64 = 600_000_000;

/// One connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Connection {
    /// Time of its last line.
    pub(super) last: Time,
    /// Who is at the other end.
    pub(super) peer: Option<Peer>,
    /// An offence with a peer was reported.
    pub(super) reported: bool,
    /// "Too many tries" was reported.
    pub(super) exceeded: bool,
    /// An offence was reported without a peer.
    pub(super) owed: Option<AuthOutcome>,
}

impl Connection {
    /// A connection with nothing against it.
    pub(super) fn since(last: Time) -> Self {
        Self {
            last,
            ..Self::default()
        }
    }
}

type Key = (Option<Name>, u32);

/// The connections of a stream.
#[derive(Debug, Default)]
pub(super) struct Connections {
    held: HashMap<Key, Connection>,
    /// The keys of `held`, oldest first.
    order: VecDeque<Key>,
    evicted: u64,
}

impl Connections {
    /// The connection a message belongs to, new if need be; `None` without a process number.
    pub(super) fn of(&mut self, message: &Message<'_>) -> Option<&mut Connection> {
        let key = (message.host.cloned(), message.pid?);
        if !self.held.contains_key(&key) {
            self.make_room();
            self.order.push_back(key.clone());
        }
        let connection = self.held.entry(key).or_default();
        let apart = message.time.micros().abs_diff(connection.last.micros());
        if apart > IDLE_MAX_US {
            *connection = Connection::default();
        }
        connection.last = message.time;
        Some(connection)
    }

    /// Connections forgotten at the limit.
    pub(super) const fn evicted(&self) -> u64 {
        self.evicted
    }

    fn make_room(&mut self) {
        while self.held.len() >= CONNECTIONS_MAX {
            let Some(oldest) = self.order.pop_front() else {
                return;
            };
            self.held.remove(&oldest);
            self.evicted = self.evicted.saturating_add(1);
        }
    }
}
