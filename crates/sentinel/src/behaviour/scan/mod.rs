//! Finds horizontal and vertical scans in flows (ATT&CK T1046). Method and limits: README.md
//! beside this file.
//!
//! Absent on purpose: alerts of other detectors, flows picked up in the middle, payloads.

mod limits;
mod targets;

use event::body::{Flow, FlowState};
use event::{
    Address, Detector, Entity, EntityRef, Event, Finding, Out, Role, Severity, SnapshotError,
    TechniqueId,
};
use serde::{Deserialize, Serialize};

use crate::DetectorEntry;
use crate::claim::{Claim, Rule, digest, moment, part, spoken};
use crate::snapshot;
use crate::table::Table;
pub use limits::Limits;
use targets::{Contact, Due, Targets};

/// The detector's name.
const NAME: &str = "scan";
/// Raised when the state's form changes.
const VERSION: u32 = 1;

const TECHNIQUES: &[TechniqueId] = &[TechniqueId::new(1046)];

const VERTICAL: Rule = Rule {
    detector: NAME,
    id: "scan.vertical",
    title: "One source tries many ports of one host",
    techniques: TECHNIQUES,
};
const HORIZONTAL: Rule = Rule {
    detector: NAME,
    id: "scan.horizontal",
    title: "One source tries many hosts at one port",
    techniques: TECHNIQUES,
};

/// This detector's line in the list of all.
pub(crate) const ENTRY: DetectorEntry = DetectorEntry {
    name: NAME,
    new: |settings| Box::new(Scan::new(settings.scan.clone())),
    techniques: TECHNIQUES,
    description: "Horizontal and vertical scans, by targets that never answer",
};

/// See the module.
struct Scan {
    limits: Limits,
    /// By source and host: ports.
    ports: Table<(Address, Address), Targets>,
    /// By source and port: hosts.
    hosts: Table<(Address, u16), Targets>,
}

#[derive(Serialize, Deserialize)]
struct State {
    ports: Vec<((Address, Address), Targets)>,
    hosts: Vec<((Address, u16), Targets)>,
}

impl Scan {
    fn new(limits: Limits) -> Self {
        Self {
            ports: Table::new(limits.keys_max),
            hosts: Table::new(limits.keys_max),
            limits,
        }
    }

    fn vertical(&mut self, event: &Event, flow: &Flow, answered: bool, out: &mut Out) {
        let key = (flow.source, flow.destination);
        let Some(state) = entry(&mut self.ports, key, answered) else {
            return;
        };
        let entities = entities(event, flow);
        let contact = contact(event, answered, digest(&flow.destination_port), &entities);
        if let Some(due) = state.note(&contact, self.limits.ports_min, &self.limits) {
            let what = format!("{} ports of {}", due.distinct, flow.destination);
            let minimum = self.limits.ports_min;
            let claim = claim(flow.source, state, due, (what, minimum), &self.limits);
            out.finding(told(&VERTICAL, claim, ("distinct_ports", due)));
        }
    }

    fn horizontal(&mut self, event: &Event, flow: &Flow, answered: bool, out: &mut Out) {
        let key = (flow.source, flow.destination_port);
        let Some(state) = entry(&mut self.hosts, key, answered) else {
            return;
        };
        let entities = entities(event, flow);
        let contact = contact(event, answered, digest(&flow.destination), &entities);
        if let Some(due) = state.note(&contact, self.limits.hosts_min, &self.limits) {
            let what = format!("{} hosts at port {}", due.distinct, flow.destination_port);
            let minimum = self.limits.hosts_min;
            let claim = claim(flow.source, state, due, (what, minimum), &self.limits);
            out.finding(told(&HORIZONTAL, claim, ("distinct_hosts", due)));
        }
    }
}

impl Detector for Scan {
    fn name(&self) -> &'static str {
        NAME
    }

    fn observe(&mut self, event: &Event, out: &mut Out) {
        let Some(flow) = event.as_flow() else { return };
        let answered = match flow.state {
            FlowState::Established => true,
            FlowState::Rejected | FlowState::Unanswered => false,
            FlowState::Partial => return,
        };
        self.vertical(event, flow, answered, out);
        self.horizontal(event, flow, answered, out);
    }

    fn snapshot(&self) -> Vec<u8> {
        let state = State {
            ports: self.ports.to_vec(),
            hosts: self.hosts.to_vec(),
        };
        snapshot::write(NAME, VERSION, state)
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        *self = Self::new(self.limits.clone());
        let state: State = snapshot::read(NAME, VERSION, bytes)?;
        self.ports.refill(state.ports);
        self.hosts.refill(state.hosts);
        Ok(())
    }

    fn size(&self) -> (usize, u64) {
        let evicted = self.ports.evicted() + self.hosts.evicted();
        (self.ports.len() + self.hosts.len(), evicted)
    }
}

/// A key begins with a flow that failed: ordinary traffic takes up no place.
fn entry<K: Clone + Eq + std::hash::Hash>(
    table: &mut Table<K, Targets>,
    key: K,
    answered: bool,
) -> Option<&mut Targets> {
    if answered {
        table.get_mut(&key)
    } else {
        Some(table.entry(key))
    }
}

fn contact<'a>(
    event: &Event,
    answered: bool,
    target: u64,
    entities: &'a [EntityRef],
) -> Contact<'a> {
    Contact {
        target,
        time: moment(event),
        id: event.id,
        answered,
        spoofable: event.spoofable,
        entities,
    }
}

fn entities(event: &Event, flow: &Flow) -> Vec<EntityRef> {
    let mut entities = vec![EntityRef::new(
        Role::Destination,
        Entity::Ip(flow.destination),
    )];
    let observer = event.host.iter().cloned().map(Entity::Host);
    entities.extend(observer.map(|host| EntityRef::new(Role::Observer, host)));
    entities
}

fn claim(
    source: Address,
    state: &Targets,
    due: Due,
    (what, minimum): (String, u32),
    limits: &Limits,
) -> Claim {
    let growth = (due.distinct as f64 / f64::from(minimum.max(1)))
        .max(1.0)
        .log(4.0);
    let surplus =
        (due.failed_share - limits.failed_share_min) / (1.0 - limits.failed_share_min).max(0.01);
    let mut entities = state.entities.clone();
    entities.push(EntityRef::new(Role::Source, Entity::Ip(source)));
    Claim {
        severity: if source.is_internal() {
            Severity::High
        } else {
            Severity::Medium
        },
        parts: vec![
            part("threshold_reached", 1.0, 0.6),
            part("distinct_targets", growth, 0.6),
            part("failed_share", surplus, 0.4),
        ],
        entities,
        evidence: state.evidence(),
        why: format!(
            "{source} tried {what} within {}, {:.0} % of them in vain",
            spoken(limits.window()),
            due.failed_share * 100.0,
        ),
        facts: vec![
            ("failed_share", due.failed_share),
            ("window_s", limits.window().as_secs() as f64),
        ],
    }
}

fn told(rule: &Rule, mut claim: Claim, (name, due): (&'static str, Due)) -> Finding {
    claim.facts.push((name, due.distinct as f64));
    rule.finding(claim)
}

#[cfg(test)]
mod tests;
