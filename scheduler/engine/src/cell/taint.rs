//! Taints interned, with the hosts that have each as a bitmap.

use roaring::RoaringBitmap;
use rustc_hash::FxHashMap;

use crate::host::Taint;

/// The number of a taint in its cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TaintId(u32);

/// All taints of a cell.
#[derive(Clone, Debug, Default)]
pub(crate) struct TaintTable {
    taints: Vec<(Taint, RoaringBitmap)>,
    ids: FxHashMap<Taint, u32>,
    unused: Vec<u32>,
}

impl TaintTable {
    pub(crate) fn add(&mut self, slot: u32, taints: &[Taint]) -> Vec<TaintId> {
        taints
            .iter()
            .map(|taint| {
                let id = match self.ids.get(taint) {
                    Some(id) => *id,
                    None => self.intern(taint),
                };
                self.taints[id as usize].1.insert(slot);
                TaintId(id)
            })
            .collect()
    }

    pub(crate) fn remove(&mut self, slot: u32, taints: &[TaintId]) {
        for id in taints {
            let (taint, hosts) = &mut self.taints[id.0 as usize];
            // A taint that the description repeats is removed once.
            if hosts.remove(slot) && hosts.is_empty() {
                self.ids.remove(taint);
                self.unused.push(id.0);
            }
        }
    }

    pub(crate) fn get(&self, id: TaintId) -> &Taint {
        &self.taints[id.0 as usize].0
    }

    /// The taints that some host has, with those hosts.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Taint, &RoaringBitmap)> {
        self.taints.iter().filter(|(_, hosts)| !hosts.is_empty()).map(|(taint, hosts)| (taint, hosts))
    }

    fn intern(&mut self, taint: &Taint) -> u32 {
        let entry = (taint.clone(), RoaringBitmap::new());
        let id = match self.unused.pop() {
            Some(id) => {
                self.taints[id as usize] = entry;
                id
            }
            None => {
                self.taints.push(entry);
                self.taints.len() as u32 - 1
            }
        };
        self.ids.insert(taint.clone(), id);
        id
    }
}
