//! Interned values, counted by their users.

use std::hash::Hash;
use std::sync::Arc;

use rustc_hash::FxHashMap;

/// The id of an interned value. The id of a dropped value never names another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Id {
    index: u32,
    serial: u32,
}

/// Values by their keys: equal keys, one value.
#[derive(Clone, Debug)]
pub(crate) struct Table<K, V> {
    entries: Vec<Option<Entry<K, V>>>,
    ids: FxHashMap<Arc<K>, Id>,
    unused: Vec<u32>,
    /// How many values there have been.
    serial: u32,
}

#[derive(Clone, Debug)]
struct Entry<K, V> {
    key: Arc<K>,
    value: V,
    users: u32,
    id: Id,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Table { entries: Vec::new(), ids: FxHashMap::default(), unused: Vec::new(), serial: 0 }
    }
}

impl<K: Hash + Eq, V> Table<K, V> {
    /// The id of a key that has a value.
    pub(crate) fn find(&self, key: &K) -> Option<Id> {
        self.ids.get(key).copied()
    }

    /// Counts one user more.
    pub(crate) fn hold(&mut self, id: Id) {
        if let Some(entry) = self.entry_mut(id) {
            entry.users += 1;
        }
    }

    /// Takes a value in for a key that has none, with one user.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Id {
        let key = Arc::new(key);
        let index = self.unused.pop().unwrap_or_else(|| {
            self.entries.push(None);
            self.entries.len() as u32 - 1
        });
        self.serial = self.serial.wrapping_add(1);
        let id = Id { index, serial: self.serial };
        self.entries[index as usize] = Some(Entry { key: Arc::clone(&key), value, users: 1, id });
        self.ids.insert(key, id);
        id
    }

    /// Counts one user less. The last one takes the value with it, which is returned with its key.
    pub(crate) fn release(&mut self, id: Id) -> Option<(Arc<K>, V)> {
        let entry = self.entry_mut(id)?;
        entry.users -= 1;
        if entry.users > 0 {
            return None;
        }
        let entry = self.entries[id.index as usize].take()?;
        self.ids.remove(&entry.key);
        self.unused.push(id.index);
        Some((entry.key, entry.value))
    }

    /// A value that is there, since whoever has its id is one of its users.
    pub(crate) fn get(&self, id: Id) -> &V {
        match &self.entries[id.index as usize] {
            Some(entry) if entry.id == id => &entry.value,
            _ => unreachable!("an interned value stays as long as it has users"),
        }
    }

    /// As [`get`](Self::get), to be changed.
    pub(crate) fn get_mut(&mut self, id: Id) -> &mut V {
        match &mut self.entries[id.index as usize] {
            Some(entry) if entry.id == id => &mut entry.value,
            _ => unreachable!("an interned value stays as long as it has users"),
        }
    }

    /// The key of a value that is there.
    pub(crate) fn key(&self, id: Id) -> &Arc<K> {
        match &self.entries[id.index as usize] {
            Some(entry) if entry.id == id => &entry.key,
            _ => unreachable!("an interned value stays as long as it has users"),
        }
    }

    /// All ids, in the order of their places.
    pub(crate) fn ids(&self) -> impl Iterator<Item = Id> + '_ {
        self.entries.iter().flatten().map(|entry| entry.id)
    }

    /// All values, in the order of their places.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = (Id, &Arc<K>, &mut V)> {
        self.entries.iter_mut().flatten().map(|entry| (entry.id, &entry.key, &mut entry.value))
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    fn entry_mut(&mut self, id: Id) -> Option<&mut Entry<K, V>> {
        self.entries.get_mut(id.index as usize)?.as_mut().filter(|entry| entry.id == id)
    }
}
