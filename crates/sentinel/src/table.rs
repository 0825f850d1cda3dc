//! A table with a fixed number of keys: what is touched least recently gives way, and is counted.
//!
//! The hasher is keyed at random (attackers choose the keys), so nothing here ever walks the hash
//! map: every walk follows the order of use, which is the same for the same input.
//! Absent on purpose: expiry by time; an idle key costs nothing but its place.

use std::collections::HashMap;
use std::hash::Hash;

/// No slot.
const NONE: usize = usize::MAX;

/// At most `keys_max` keys with their states, in order of use.
pub(crate) struct Table<K, V> {
    index: HashMap<K, usize>,
    slots: Vec<Slot<K, V>>,
    newest: usize,
    oldest: usize,
    keys_max: usize,
    evicted: u64,
}

struct Slot<K, V> {
    key: K,
    value: V,
    newer: usize,
    older: usize,
}

impl<K: Clone + Eq + Hash, V: Default> Table<K, V> {
    /// An empty table for `keys_max` keys, at least one.
    pub(crate) fn new(keys_max: usize) -> Self {
        Self {
            index: HashMap::new(),
            slots: Vec::new(),
            newest: NONE,
            oldest: NONE,
            keys_max: keys_max.max(1),
            evicted: 0,
        }
    }

    /// The state of `key`, a fresh one if it is new; it is now the one used last.
    pub(crate) fn entry(&mut self, key: K) -> &mut V {
        let at = match self.index.get(&key) {
            Some(at) => *at,
            None => self.place(key),
        };
        self.touch(at);
        &mut self.slots[at].value
    }

    /// The state of `key`, if there is one; the order of use stays.
    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let at = *self.index.get(key)?;
        self.slots.get_mut(at).map(|slot| &mut slot.value)
    }

    /// Keys held.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Keys that gave way since the start.
    pub(crate) const fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Every key with its state, the least recently used first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let mut at = self.oldest;
        std::iter::from_fn(move || {
            let slot = self.slots.get(at)?;
            at = slot.newer;
            Some((&slot.key, &slot.value))
        })
    }

    /// A copy of all, in the order of [`Table::iter`].
    pub(crate) fn to_vec(&self) -> Vec<(K, V)>
    where
        V: Clone,
    {
        self.iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }

    /// Every state for change, in no promised order.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.slots
            .iter_mut()
            .map(|slot| (&slot.key, &mut slot.value))
    }

    /// Takes up keys in the order that [`Table::iter`] gave them.
    pub(crate) fn refill(&mut self, entries: Vec<(K, V)>) {
        for (key, value) in entries {
            *self.entry(key) = value;
        }
    }

    fn place(&mut self, key: K) -> usize {
        if self.slots.len() < self.keys_max {
            let at = self.slots.len();
            self.index.insert(key.clone(), at);
            self.slots.push(Slot {
                key,
                value: V::default(),
                newer: NONE,
                older: NONE,
            });
            return at;
        }
        let at = self.oldest;
        self.unlink(at);
        self.evicted = self.evicted.saturating_add(1);
        self.index.insert(key.clone(), at);
        let slot = &mut self.slots[at];
        slot.value = V::default();
        let gone = std::mem::replace(&mut slot.key, key);
        self.index.remove(&gone);
        at
    }

    fn touch(&mut self, at: usize) {
        if at == self.newest {
            return;
        }
        self.unlink(at);
        let before = std::mem::replace(&mut self.newest, at);
        self.slots[at].older = before;
        match self.slots.get_mut(before) {
            Some(slot) => slot.newer = at,
            None => self.oldest = at,
        }
    }

    /// Takes a slot out of the order; a slot that is in no order stays so.
    fn unlink(&mut self, at: usize) {
        let (newer, older) = (self.slots[at].newer, self.slots[at].older);
        if let Some(slot) = self.slots.get_mut(newer) {
            slot.older = older;
        } else if self.newest == at {
            self.newest = older;
        }
        if let Some(slot) = self.slots.get_mut(older) {
            slot.newer = newer;
        } else if self.oldest == at {
            self.oldest = newer;
        }
        self.slots[at].newer = NONE;
        self.slots[at].older = NONE;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_key_gives_way() {
        let mut table: Table<u32, u32> = Table::new(3);
        for key in [1, 2, 3] {
            *table.entry(key) = key * 10;
        }
        table.entry(1);
        *table.entry(4) = 40;
        let held: Vec<_> = table.iter().map(|(key, value)| (*key, *value)).collect();
        assert_eq!(held, [(3, 30), (1, 10), (4, 40)]);
        assert_eq!((table.len(), table.evicted()), (3, 1));
        assert!(table.get_mut(&2).is_none());
    }

    #[test]
    fn a_table_of_one_key_works() {
        let mut table: Table<u32, u32> = Table::new(0);
        for key in 0..100 {
            *table.entry(key) += 1;
        }
        assert_eq!(table.iter().count(), 1);
        assert_eq!(table.evicted(), 99);
    }

    #[test]
    fn a_refilled_table_evicts_in_the_same_order() {
        let mut first: Table<u32, u32> = Table::new(50);
        for step in 0..500_u32 {
            *first.entry(step * 7919 % 83) = step;
        }
        let held: Vec<(u32, u32)> = first.iter().map(|(key, value)| (*key, *value)).collect();
        let mut second: Table<u32, u32> = Table::new(50);
        second.refill(held);
        for step in 0..200_u32 {
            *first.entry(step * 31 % 97) = step;
            *second.entry(step * 31 % 97) = step;
        }
        assert!(first.iter().eq(second.iter()));
    }
}
