//! Labels interned, with the hosts that have each as a bitmap.

use std::collections::BTreeMap;

use roaring::RoaringBitmap;
use rustc_hash::FxHashMap;

/// A label of a host: the numbers of its key and of its value under that key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Label {
    pub(crate) key: u32,
    pub(crate) value: u32,
}

/// All keys and values of labels in a cell. Bitmaps are compressed since a value may belong to one host only, as
/// `kubernetes.io/hostname` does.
#[derive(Clone, Debug, Default)]
pub(crate) struct LabelIndex {
    keys: Vec<Key>,
    by_name: FxHashMap<Box<str>, u32>,
}

#[derive(Clone, Debug, Default)]
struct Key {
    hosts: RoaringBitmap,
    values: Vec<Value>,
    by_name: FxHashMap<Box<str>, u32>,
    unused: Vec<u32>,
}

#[derive(Clone, Debug, Default)]
struct Value {
    name: Box<str>,
    hosts: RoaringBitmap,
}

impl LabelIndex {
    pub(crate) fn add(&mut self, slot: u32, labels: &BTreeMap<String, String>) -> Vec<Label> {
        let mut interned: Vec<Label> = labels
            .iter()
            .map(|(key, value)| {
                let key = self.intern(key);
                Label { key, value: self.keys[key as usize].add(slot, value) }
            })
            .collect();
        interned.sort_unstable_by_key(|label| label.key);
        interned
    }

    pub(crate) fn remove(&mut self, slot: u32, labels: &[Label]) {
        for label in labels {
            self.keys[label.key as usize].remove(slot, label.value);
        }
    }

    /// The number of a key that some host has or had.
    pub(crate) fn key(&self, name: &str) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    /// The hosts that have the key.
    pub(crate) fn hosts_with_key(&self, key: u32) -> &RoaringBitmap {
        &self.keys[key as usize].hosts
    }

    /// The values of a key with the hosts that have each.
    pub(crate) fn values(&self, key: u32) -> impl Iterator<Item = (&str, &RoaringBitmap)> {
        self.keys[key as usize].values.iter().map(|value| (&*value.name, &value.hosts))
    }

    /// The hosts that have the label.
    pub(crate) fn hosts_with(&self, key: u32, value: &str) -> Option<&RoaringBitmap> {
        let key = &self.keys[key as usize];
        key.by_name.get(value).map(|value| &key.values[*value as usize].hosts)
    }

    /// The text of a label's value.
    pub(crate) fn value(&self, label: Label) -> &str {
        &self.keys[label.key as usize].values[label.value as usize].name
    }

    fn intern(&mut self, name: &str) -> u32 {
        if let Some(key) = self.by_name.get(name) {
            return *key;
        }
        let key = self.keys.len() as u32;
        self.keys.push(Key::default());
        self.by_name.insert(name.into(), key);
        key
    }
}

impl Key {
    fn add(&mut self, slot: u32, name: &str) -> u32 {
        let value = match self.by_name.get(name) {
            Some(value) => *value,
            None => {
                let value = self.unused.pop().unwrap_or_else(|| {
                    self.values.push(Value::default());
                    self.values.len() as u32 - 1
                });
                self.values[value as usize].name = name.into();
                self.by_name.insert(name.into(), value);
                value
            }
        };
        self.values[value as usize].hosts.insert(slot);
        self.hosts.insert(slot);
        value
    }

    /// Values that no host has any more are dropped: names of hosts come and go for ever.
    fn remove(&mut self, slot: u32, number: u32) {
        let value = &mut self.values[number as usize];
        value.hosts.remove(slot);
        self.hosts.remove(slot);
        if value.hosts.is_empty() {
            self.by_name.remove(&value.name);
            value.name = Box::default();
            self.unused.push(number);
        }
    }
}
