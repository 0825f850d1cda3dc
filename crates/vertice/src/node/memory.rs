//! What the pipeline remembers between turns beside the areas' own state: recent events for
//! evidence, known findings, the last decision seen, when to snapshot.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use event::{ActionId, Address, Finding, FindingId, IncidentId, Receipt};
use store::{Change, DecisionTicket, NumberedDecision, Store, StoreError};

use super::connections::Connections;
use super::recent::Recent;

/// A snapshot is made when this long has passed …
const SNAPSHOT_EVERY: Duration = Duration::from_secs(30);
/// … or this many events were read.
const SNAPSHOT_EVENTS: u64 = 500_000;
/// Decisions taken in one turn.
const DECISIONS_MAX: usize = 256;

/// What the pipeline remembers between turns.
#[derive(Debug, Default)]
pub struct Memory {
    /// Events since the start.
    pub events: u64,
    /// Events that came later than detectors wait.
    pub late: u64,
    /// Findings since the start.
    pub findings: u64,
    /// Actions whose effect stands, by incident; an incident is contained while it has one.
    standing: HashMap<IncidentId, HashSet<ActionId>>,
    /// The newest events.
    pub(crate) recent: Recent,
    marker: u64,
    ticket: DecisionTicket,
    snapshot_at: Duration,
    snapshot_events: u64,
    /// Live connections of this machine, for the blast radius; `None` when enforcing elsewhere.
    pub(crate) connections: Option<Connections>,
}

impl Memory {
    /// Stores the events that a finding rests on, as far as they are still here.
    pub fn evidence(&self, finding: &Finding, changes: &mut Vec<Change>) {
        let events = finding.evidence.iter().filter_map(|id| self.recent.get(id));
        changes.extend(events.map(|event| Change::Evidence(event.clone())));
    }

    /// Was this finding committed already? After a crash its records may be read again, from the
    /// log or, where they did not reach it, from their source.
    pub fn is_known(store: &dyn Store, id: FindingId) -> bool {
        matches!(store.finding(id), Ok(Some(_)))
    }

    /// Takes note of a receipt; does any effect stand against its incident now?
    pub fn stands(&mut self, receipt: &Receipt) -> bool {
        let actions = self.standing.entry(receipt.incident).or_default();
        if receipt.outcome.stands() {
            actions.insert(receipt.action_id);
        } else {
            actions.remove(&receipt.action_id);
        }
        let stands = !actions.is_empty();
        if !stands {
            self.standing.remove(&receipt.incident);
        }
        stands
    }

    /// Live connections between this machine and `address`.
    pub fn connections(&self, address: Address) -> Option<u32> {
        self.connections
            .as_ref()
            .map(|connections| connections.with(address))
    }

    /// Decisions that nobody has answered yet, when the store says that something changed.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn new_decisions(
        &mut self,
        store: &dyn Store,
    ) -> Result<Vec<NumberedDecision>, StoreError> {
        let marker = store.change_marker()?;
        if marker == self.marker {
            return Ok(Vec::new());
        }
        self.marker = marker;
        let decisions = store.decisions_after(self.ticket, DECISIONS_MAX)?;
        if let Some((ticket, _)) = decisions.last() {
            self.ticket = *ticket;
        }
        Ok(decisions)
    }

    /// Is it time to snapshot? Takes note that it is done.
    pub fn snapshot_due(&mut self, elapsed: Duration, stopping: bool) -> bool {
        let events = self.events.saturating_sub(self.snapshot_events);
        let aged = elapsed.saturating_sub(self.snapshot_at) >= SNAPSHOT_EVERY;
        let due = stopping || aged || events >= SNAPSHOT_EVENTS;
        if due {
            self.snapshot_at = elapsed;
            self.snapshot_events = self.events;
        }
        due
    }
}
