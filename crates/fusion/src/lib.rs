//! Findings joined into incidents: the third hop.
//!
//! Two findings belong together when the tie between them (`link`) reaches a score; incidents are
//! the connected components. Since a tie depends on the two findings alone, the order of arrival
//! has no say. Method, what is decided and what it costs: README.md of this crate.
//!
//! Absent on purpose: indicators, feeds, graph and attribution; clocks and storage; un-merging.
#![warn(missing_docs)]

mod index;
mod limits;
mod link;
mod open;
mod story;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use event::{Finding, Incident, IncidentId, IncidentState, Time, TimelineEntry, TimelineKind};
use serde::{Deserialize, Serialize};

use index::Index;
pub use limits::Limits;
use limits::{ALIASES_MAX, CLOSING_MAX};
use link::{Link, Member};
use open::Open;

/// Raised when the snapshot's form changes.
const VERSION: u32 = 1;

/// Joins findings into incidents. Pure and bounded; see [`Limits`].
#[derive(Debug)]
pub struct Fusion {
    limits: Limits,
    open: BTreeMap<IncidentId, Open>,
    /// Open incidents by their newest finding: the coldest first.
    by_age: BTreeSet<(Time, IncidentId)>,
    index: Index,
    /// Former ids of open incidents.
    aliases: Aliases,
    /// Evicted, to be handed out closed by the next `advance`.
    closing: Vec<Incident>,
    watermark: Time,
    evicted: u64,
}

/// What became of a finding.
#[derive(Clone, Debug, PartialEq)]
pub struct Joined {
    /// The incident that it began or joined, as it is now.
    pub incident: Incident,
    /// Ids that are no incidents any more: they are part of `incident` now. Their plans, receipts
    /// and notes belong to it.
    pub merged: Vec<IncidentId>,
}

/// A state could not be taken up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// The bytes are no snapshot of fusion.
    #[error("snapshot of fusion cannot be read: {0}")]
    Broken(String),
    /// The bytes are of another version.
    #[error("snapshot of fusion has version {0}, wanted version {VERSION}")]
    Version(u32),
}

/// Former ids, the oldest given up first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Aliases {
    leads_to: BTreeMap<IncidentId, IncidentId>,
    order: VecDeque<IncidentId>,
}

#[derive(Serialize, Deserialize)]
struct State {
    version: u32,
    open: Vec<Open>,
    aliases: Aliases,
    closing: Vec<Incident>,
    watermark: Time,
    evicted: u64,
}

impl Fusion {
    /// Without any incident.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            open: BTreeMap::new(),
            by_age: BTreeSet::new(),
            index: Index::default(),
            aliases: Aliases::default(),
            closing: Vec::new(),
            watermark: Time::EPOCH,
            evicted: 0,
        }
    }

    /// The hop: a finding begins an incident, joins one, or joins several into one. A finding that
    /// is part of an incident already changes nothing.
    pub fn join(&mut self, finding: Finding) -> Joined {
        let member = Member::of(&finding);
        let ties = self.ties(&member);
        if let Some(known) = self.known(&finding, &ties) {
            return known;
        }
        let seed = (finding.time, finding.id);
        let in_time = finding.time >= self.watermark;
        let mut parts = ties
            .into_iter()
            .filter_map(|(id, link)| Some((self.take_out(id)?, link)));
        let Some((mut whole, link)) = parts.next() else {
            let merged = Vec::new();
            return self.joined(Open::begin(finding), merged);
        };
        let mut former = BTreeSet::from([whole.incident.id]);
        let mut why = link.why();
        for (part, link) in parts.collect::<Vec<_>>() {
            former.insert(part.incident.id);
            why.push_str(&format!(
                "; joins it with {}: {}",
                part.incident.id,
                link.why()
            ));
            whole.absorb(part);
        }
        if in_time {
            whole.seed = whole.seed.min(seed);
        }
        whole.take(finding, why, link.score);
        former.remove(&whole.incident.id);
        self.joined(whole, former.into_iter().collect())
    }

    /// Puts a plan, receipt or decision into the story; `None` if the incident is not open or the
    /// line stands there already. Former ids are understood.
    pub fn note(&mut self, incident: IncidentId, entry: TimelineEntry) -> Option<Incident> {
        let open = self.find(incident)?;
        if !open.tell(entry) {
            return None;
        }
        open.changed();
        Some(open.incident.clone())
    }

    /// A verified effect stands against it, or no longer does. `None` if nothing changes.
    pub fn contained(
        &mut self,
        incident: IncidentId,
        contained: bool,
        time: Time,
    ) -> Option<Incident> {
        let open = self.find(incident)?;
        let state = if contained {
            IncidentState::Contained
        } else {
            IncidentState::Open
        };
        if open.incident.state == state {
            return None;
        }
        open.incident.state = state;
        let text = if contained {
            "contained: a verified effect stands against it"
        } else {
            "open again: no effect stands against it"
        };
        open.tell(own_line(incident, time, text));
        open.changed();
        Some(open.incident.clone())
    }

    /// Closes an incident for good; `None` if it is not open. What comes after begins a new one.
    pub fn close(&mut self, incident: IncidentId, time: Time) -> Option<Incident> {
        let id = self.find(incident)?.incident.id;
        let mut open = self.take_out(id)?;
        self.aliases.forget(id);
        open.tell(own_line(id, time, "closed"));
        Some(closed(open))
    }

    /// Event time has reached `watermark`: incidents that were quiet for long close. Returned are
    /// these and those that had to give way since the last call.
    pub fn advance(&mut self, watermark: Time) -> Vec<Incident> {
        self.watermark = self.watermark.max(watermark);
        let mut done = std::mem::take(&mut self.closing);
        let quiet_since = self.watermark.minus(self.limits.quiet());
        while let Some((last, id)) = self.by_age.first().copied() {
            if last >= quiet_since {
                break;
            }
            done.extend(self.close(id, watermark));
        }
        done
    }

    /// The whole state, versioned.
    pub fn snapshot(&self) -> Vec<u8> {
        let state = State {
            version: VERSION,
            open: self.open.values().cloned().collect(),
            aliases: self.aliases.clone(),
            closing: self.closing.clone(),
            watermark: self.watermark,
            evicted: self.evicted,
        };
        serde_json::to_vec(&state).expect("every map has keys that are text")
    }

    /// Takes up what [`Fusion::snapshot`] wrote; on an error the state is as new.
    ///
    /// # Errors
    /// [`RestoreError`] if the bytes are broken or of another version.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<(), RestoreError> {
        *self = Self::new(self.limits.clone());
        let state: State = serde_json::from_slice(bytes)
            .map_err(|error| RestoreError::Broken(error.to_string()))?;
        if state.version != VERSION {
            return Err(RestoreError::Version(state.version));
        }
        for open in state.open {
            self.put_in(open);
        }
        self.aliases = state.aliases;
        self.closing = state.closing;
        self.watermark = state.watermark;
        self.evicted = state.evicted;
        Ok(())
    }

    /// Open and contained incidents held.
    pub fn open_count(&self) -> usize {
        self.open.len()
    }

    /// Incidents that were closed because there were too many.
    pub const fn evicted(&self) -> u64 {
        self.evicted
    }

    /// The incidents that `member` belongs to, the one with the earliest seed first, each with the
    /// strongest tie to one of its findings.
    fn ties(&self, member: &Member) -> Vec<(IncidentId, Link)> {
        let mut ties = Vec::new();
        for id in self.index.candidates(member) {
            let Some(open) = self.open.get(&id) else {
                continue;
            };
            let rarity = |entity: &event::Entity| self.index.rarity(entity);
            let links = open
                .members
                .iter()
                .map(|held| Link::between(held, member, &rarity));
            let best = links.max_by(|left, right| left.score.total_cmp(&right.score));
            if let Some(best) = best.filter(|best| best.score >= self.limits.join_score) {
                ties.push((open.seed, id, best));
            }
        }
        ties.sort_by_key(|(seed, _, _)| *seed);
        ties.into_iter().map(|(_, id, link)| (id, link)).collect()
    }

    /// The incident that holds this very finding already.
    fn known(&self, finding: &Finding, ties: &[(IncidentId, Link)]) -> Option<Joined> {
        let own = open::id_of(finding.id);
        let ids = ties.iter().map(|(id, _)| *id).chain([own]);
        let mut held = ids.filter_map(|id| self.open.get(&id));
        let open = held.find(|open| open.incident.findings.contains(&finding.id))?;
        Some(Joined {
            incident: open.incident.clone(),
            merged: Vec::new(),
        })
    }

    fn joined(&mut self, whole: Open, merged: Vec<IncidentId>) -> Joined {
        let incident = whole.incident.clone();
        for former in &merged {
            self.aliases.lead(*former, incident.id);
        }
        self.put_in(whole);
        while self.open.len() > self.limits.incidents_max.max(1) {
            self.evict(incident.id);
        }
        Joined { incident, merged }
    }

    /// Closes the coldest incident that is not `spared`.
    fn evict(&mut self, spared: IncidentId) {
        let coldest = self.by_age.iter().find(|(_, id)| *id != spared).copied();
        let Some(open) = coldest.and_then(|(_, id)| self.take_out(id)) else {
            return;
        };
        self.aliases.forget(open.incident.id);
        self.evicted = self.evicted.saturating_add(1);
        if self.closing.len() < CLOSING_MAX {
            self.closing.push(closed(open));
        }
    }

    fn find(&mut self, id: IncidentId) -> Option<&mut Open> {
        let id = self.aliases.resolve(id);
        self.open.get_mut(&id)
    }

    fn take_out(&mut self, id: IncidentId) -> Option<Open> {
        let open = self.open.remove(&id)?;
        self.by_age.remove(&(open.incident.last, id));
        for member in &open.members {
            self.index.remove(member, id);
        }
        Some(open)
    }

    fn put_in(&mut self, open: Open) {
        let id = open.incident.id;
        for member in &open.members {
            self.index.insert(member, id);
        }
        self.by_age.insert((open.incident.last, id));
        self.open.insert(id, open);
    }
}

fn closed(mut open: Open) -> Incident {
    open.incident.state = IncidentState::Closed;
    open.changed();
    open.incident
}

fn own_line(incident: IncidentId, time: Time, text: &str) -> TimelineEntry {
    TimelineEntry {
        time,
        kind: TimelineKind::Decision,
        text: text.to_owned(),
        reference: incident.to_string(),
    }
}

impl Aliases {
    /// What `id` is called now.
    fn resolve(&self, id: IncidentId) -> IncidentId {
        self.leads_to.get(&id).copied().unwrap_or(id)
    }

    /// `former` is now called `id`, and so is what was called `former`.
    fn lead(&mut self, former: IncidentId, id: IncidentId) {
        for held in self.leads_to.values_mut().filter(|held| **held == former) {
            *held = id;
        }
        if self.leads_to.insert(former, id).is_none() {
            self.order.push_back(former);
        }
        if self.order.len() > ALIASES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.leads_to.remove(&oldest);
        }
    }

    /// `id` is closed: nothing leads to it any more.
    fn forget(&mut self, id: IncidentId) {
        self.leads_to.retain(|_, held| *held != id);
        let held = &self.leads_to;
        self.order.retain(|former| held.contains_key(former));
    }
}

#[cfg(test)]
mod tests;
