//! Finds the incidents that a finding could belong to, without looking at all of them.

use std::collections::{BTreeSet, HashMap};

use event::{Entity, IncidentId, Role};

use crate::limits::{DEGREE_COMMON, DEGREE_MAX};
use crate::link::{Member, is_thing};

/// Under what a finding can be found. Every tie of `link` that can suffice alone has its key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Key {
    /// It names this source.
    Source(Entity),
    /// It tells of a success at this destination.
    Breached(Entity),
    /// It has no source and happens on this host.
    Local(Entity),
    /// It names this file, program or domain.
    Thing(Entity),
}

/// Keys and entities → open incidents.
#[derive(Debug, Default)]
pub(crate) struct Index {
    keys: HashMap<Key, BTreeSet<IncidentId>>,
    /// Open incidents that name an entity.
    degrees: HashMap<Entity, BTreeSet<IncidentId>>,
}

impl Index {
    /// Incidents that hold a finding which `member` could be tied to.
    pub(crate) fn candidates(&self, member: &Member) -> BTreeSet<IncidentId> {
        let mut found = BTreeSet::new();
        for key in asked(member) {
            let held = self.keys.get(&key).filter(|held| held.len() <= DEGREE_MAX);
            found.extend(held.into_iter().flatten().copied());
        }
        found
    }

    /// How much an entity says: all if it is in few open incidents, nothing if in many.
    pub(crate) fn rarity(&self, entity: &Entity) -> f64 {
        match self.degrees.get(entity).map_or(0, BTreeSet::len) {
            degree if degree > DEGREE_MAX => 0.0,
            degree if degree > DEGREE_COMMON => 0.5,
            _ => 1.0,
        }
    }

    pub(crate) fn insert(&mut self, member: &Member, incident: IncidentId) {
        for key in offered(member) {
            add(self.keys.entry(key).or_default(), incident);
        }
        for found in &member.entities {
            add(
                self.degrees.entry(found.entity.clone()).or_default(),
                incident,
            );
        }
    }

    pub(crate) fn remove(&mut self, member: &Member, incident: IncidentId) {
        for key in offered(member) {
            take(&mut self.keys, &key, incident);
        }
        for found in &member.entities {
            take(&mut self.degrees, &found.entity, incident);
        }
    }
}

/// Beyond the limit the exact set no longer matters.
fn add(held: &mut BTreeSet<IncidentId>, incident: IncidentId) {
    if held.len() <= DEGREE_MAX {
        held.insert(incident);
    }
}

fn take<K: Eq + std::hash::Hash>(
    table: &mut HashMap<K, BTreeSet<IncidentId>>,
    key: &K,
    incident: IncidentId,
) {
    if let Some(held) = table.get_mut(key) {
        held.remove(&incident);
        if held.is_empty() {
            table.remove(key);
        }
    }
}

/// Keys under which a finding is filed.
fn offered(member: &Member) -> BTreeSet<Key> {
    let mut keys: BTreeSet<Key> = things(member).collect();
    keys.extend(member.in_role(Role::Source).cloned().map(Key::Source));
    for destination in member.in_role(Role::Destination) {
        if member.breach {
            keys.insert(Key::Breached(destination.clone()));
        }
        if member.is_local() {
            keys.insert(Key::Local(destination.clone()));
        }
    }
    keys
}

/// Keys under which its relatives are filed, whichever of the two came first.
fn asked(member: &Member) -> BTreeSet<Key> {
    let mut keys: BTreeSet<Key> = things(member).collect();
    for source in member.in_role(Role::Source) {
        keys.insert(Key::Source(source.clone()));
        keys.insert(Key::Breached(source.clone()));
    }
    for destination in member.in_role(Role::Destination) {
        if member.breach {
            keys.insert(Key::Source(destination.clone()));
            keys.insert(Key::Local(destination.clone()));
        }
        if member.is_local() {
            keys.insert(Key::Breached(destination.clone()));
            keys.insert(Key::Local(destination.clone()));
        }
    }
    keys
}

fn things(member: &Member) -> impl Iterator<Item = Key> {
    let entities = member.entities.iter().map(|found| &found.entity);
    entities
        .filter(|entity| is_thing(entity))
        .cloned()
        .map(Key::Thing)
}

#[cfg(test)]
impl Index {
    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.degrees.is_empty()
    }
}
