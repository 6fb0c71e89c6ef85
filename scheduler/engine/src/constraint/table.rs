//! All constraint sets in use, interned and counted.

use rustc_hash::FxHashMap;

use super::{ConstraintKey, ConstraintSet};

/// The number of a constraint set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SetId(u32);

/// Constraint sets with how many classes use each.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConstraintTable {
    sets: Vec<Option<(ConstraintSet, u32)>>,
    ids: FxHashMap<ConstraintKey, u32>,
    unused: Vec<u32>,
}

impl ConstraintTable {
    /// The set for `key`, counted once more.
    pub(crate) fn intern(&mut self, key: ConstraintKey) -> SetId {
        if let Some(id) = self.ids.get(&key) {
            if let Some((_, users)) = &mut self.sets[*id as usize] {
                *users += 1;
            }
            return SetId(*id);
        }
        let entry = Some((ConstraintSet::new(key.clone()), 1));
        let id = match self.unused.pop() {
            Some(id) => {
                self.sets[id as usize] = entry;
                id
            }
            None => {
                self.sets.push(entry);
                self.sets.len() as u32 - 1
            }
        };
        self.ids.insert(key, id);
        SetId(id)
    }

    /// Counts one user less; the last one takes the set with it.
    pub(crate) fn forget(&mut self, id: SetId) {
        let entry = &mut self.sets[id.0 as usize];
        if let Some((set, users)) = entry {
            *users -= 1;
            if *users == 0 {
                self.ids.remove(&set.key);
                *entry = None;
                self.unused.push(id.0);
            }
        }
    }

    /// The set, as it was when it was last brought up to date.
    pub(crate) fn get(&self, id: SetId) -> Option<&ConstraintSet> {
        self.sets.get(id.0 as usize)?.as_ref().map(|(set, _)| set)
    }

    /// The set; ids come from [`intern`](Self::intern) and live as long as their users.
    pub(crate) fn get_mut(&mut self, id: SetId) -> &mut ConstraintSet {
        match &mut self.sets[id.0 as usize] {
            Some((set, _)) => set,
            None => unreachable!("a class keeps its constraint set alive"),
        }
    }
}
