//! NUMA nodes of the hosts that say of which they are made, accounted node by node.
//!
//! Only pods that ask for nodes are accounted here. All others run wherever there is room and are held by what the host as
//! a whole has, in which everything is counted.

use super::BLOCK;
use crate::ask::{Ask, NumaAsk};
use crate::host::NumaNode;
use crate::placement::{PlaceError, Seat};
use crate::resource::{ResourceId, ResourceTable};

/// The nodes of one host.
#[derive(Clone, Debug, Default)]
pub(crate) struct NumaSet {
    /// As the host says.
    described: Vec<NumaNode>,
    /// What is offered by node: CPU, memory and what some node names.
    listed: Vec<ResourceId>,
    /// By node, in the order of `listed`.
    offered: Vec<Vec<i64>>,
    /// By node, what pods took there, nodes that the host no longer has included.
    used: Vec<Vec<(ResourceId, i64)>>,
}

impl NumaSet {
    fn set(&mut self, described: &[NumaNode], resources: &ResourceTable) {
        let mut listed = vec![ResourceId::CPU, ResourceId::MEMORY];
        for name in described.iter().flat_map(|node| node.resources.extended.keys()) {
            if let Some(resource) = resources.get(name).filter(|resource| !listed.contains(resource)) {
                listed.push(resource);
            }
        }
        let offered = |node: &NumaNode| {
            let named = |resource: &ResourceId| {
                let name = resources.name(*resource);
                node.resources.named().find(|(known, _)| *known == name).map_or(0, |(_, quantity)| quantity)
            };
            listed.iter().map(named).collect()
        };
        self.offered = described.iter().map(offered).collect();
        self.used.resize(self.used.len().max(described.len()), Vec::new());
        self.described = described.to_vec();
        self.listed = listed;
    }

    fn is_unused(&self) -> bool {
        self.used.iter().all(Vec::is_empty)
    }

    /// How many nodes the host has.
    pub(crate) fn len(&self) -> usize {
        self.described.len()
    }

    /// What pods took of a resource on a node.
    pub(crate) fn used(&self, node: usize, resource: ResourceId) -> i64 {
        let used = self.used.get(node).into_iter().flatten();
        used.filter(|(known, _)| *known == resource).map(|(_, used)| *used).sum()
    }

    /// What each node offers of a resource; `None` where it is not offered by node.
    pub(crate) fn offered(&self, node: usize, resource: ResourceId) -> Option<i64> {
        let place = self.listed.iter().position(|listed| *listed == resource)?;
        self.offered.get(node)?.get(place).copied()
    }

    fn free(&self, node: usize, resource: ResourceId) -> Option<i64> {
        Some(self.offered(node, resource)? - self.used(node, resource))
    }

    /// Whether a node has room for a pod's share.
    fn fits(&self, node: usize, ask: &NumaAsk) -> bool {
        let has_room = |(resource, share): &(ResourceId, i64)| {
            self.free(node, *resource).is_none_or(|free| crate::fit::admits(free, *share))
        };
        node < self.len() && ask.shares.iter().all(has_room)
    }

    /// The devices of some nodes.
    pub(crate) fn devices(&self, nodes: u32) -> u64 {
        let nodes = crate::mask::bits(nodes.into()).filter_map(|node| self.described.get(node));
        nodes.fold(0, |devices, node| devices | node.devices)
    }

    /// The nodes that a pod should use: of those with room, the ones that have least CPU left over, then least memory, then
    /// the first. `has_devices` says whether the pod gets its devices out of some.
    pub(crate) fn choose(&self, ask: &NumaAsk, has_devices: impl Fn(u64) -> bool) -> Option<u32> {
        let fitting =
            (0..self.len()).filter(|node| self.fits(*node, ask)).fold(0, |mask, node| mask | 1 << node);
        let left = |nodes: u32| {
            let sum = |resource| {
                crate::mask::bits(nodes.into())
                    .map(|node| self.free(node, resource).unwrap_or(0))
                    .sum::<i64>()
            };
            (sum(ResourceId::CPU), sum(ResourceId::MEMORY), nodes)
        };
        (1..1_u32 << self.len())
            .filter(|nodes| nodes & !fitting == 0 && nodes.count_ones() == ask.nodes)
            .filter(|nodes| has_devices(self.devices(*nodes)))
            .min_by_key(|nodes| left(*nodes))
    }

    /// The same if nothing ran there.
    pub(crate) fn fits_when_idle(&self, ask: &NumaAsk, has_devices: impl Fn(u64) -> bool) -> bool {
        let idle = NumaSet { used: Vec::new(), ..self.clone() };
        idle.choose(ask, has_devices).is_some()
    }

    /// Takes a pod's share of each node.
    pub(crate) fn take(&mut self, ask: &NumaAsk, nodes: u32) {
        for node in crate::mask::bits(nodes.into()) {
            if self.used.len() <= node {
                self.used.resize(node + 1, Vec::new());
            }
            for (resource, share) in &ask.shares {
                match self.used[node].iter_mut().find(|(known, _)| known == resource) {
                    Some((_, used)) => *used += share,
                    None => self.used[node].push((*resource, *share)),
                }
            }
        }
    }

    /// Gives a pod's share of each node back.
    pub(crate) fn give(&mut self, ask: &NumaAsk, nodes: u32) {
        for node in crate::mask::bits(nodes.into()) {
            let Some(used) = self.used.get_mut(node) else { continue };
            for (resource, share) in &ask.shares {
                if let Some((_, used)) = used.iter_mut().find(|(known, _)| known == resource) {
                    *used -= share;
                }
            }
            used.retain(|(_, used)| *used != 0);
        }
    }
}

/// The nodes of all hosts that describe any, by slot.
#[derive(Clone, Debug, Default)]
pub(crate) struct NumaTable {
    sets: Vec<Option<Box<NumaSet>>>,
}

impl NumaTable {
    pub(crate) fn get(&self, slot: usize) -> Option<&NumaSet> {
        self.sets.get(slot)?.as_deref()
    }

    /// What a host says of its nodes.
    pub(crate) fn described(&self, slot: usize) -> &[NumaNode] {
        self.get(slot).map_or(&[], |set| &set.described)
    }

    /// Sets what a host says of its nodes; what is in use stays in use.
    pub(crate) fn set(&mut self, slot: usize, described: &[NumaNode], resources: &ResourceTable) {
        if self.sets.len() <= slot {
            if described.is_empty() {
                return;
            }
            self.sets.resize(slot + 1, None);
        }
        let entry = &mut self.sets[slot];
        if described.is_empty() && entry.as_ref().is_none_or(|set| set.is_unused()) {
            *entry = None;
            return;
        }
        entry.get_or_insert_default().set(described, resources);
    }

    pub(crate) fn clear(&mut self, slot: usize) {
        if let Some(entry) = self.sets.get_mut(slot) {
            *entry = None;
        }
    }

    /// Whether a pod may have these nodes: as many as it asks for, with room where `must_have_room`, and its devices on them.
    pub(crate) fn check(
        &self,
        slot: usize,
        ask: &Ask,
        Seat { devices, numa: nodes }: Seat,
        must_have_room: bool,
    ) -> Result<(), PlaceError> {
        let Some(asked) = &ask.numa else {
            return if nodes == 0 { Ok(()) } else { Err(PlaceError::WrongNuma) };
        };
        if nodes.count_ones() != asked.nodes {
            return Err(PlaceError::WrongNuma);
        }
        let set = self.get(slot).ok_or(PlaceError::InsufficientNuma)?;
        let fits = |node: usize| match must_have_room {
            true => set.fits(node, asked),
            false => set.offers(node, asked),
        };
        let all_fit = crate::mask::bits(nodes.into()).all(fits);
        if all_fit && devices & !set.devices(nodes) == 0 { Ok(()) } else { Err(PlaceError::InsufficientNuma) }
    }

    /// Takes what [`check`](Self::check) allows.
    pub(crate) fn take(&mut self, slot: usize, ask: &Ask, nodes: u32) {
        if let (Some(asked), Some(set)) = (&ask.numa, self.sets.get_mut(slot).and_then(Option::as_deref_mut))
        {
            set.take(asked, nodes);
        }
    }

    /// Gives back what [`take`](Self::take) took.
    pub(crate) fn give(&mut self, slot: usize, ask: &Ask, nodes: u32) {
        let (Some(asked), Some(entry)) = (&ask.numa, self.sets.get_mut(slot)) else { return };
        let Some(set) = entry.as_deref_mut() else { return };
        set.give(asked, nodes);
        if set.described.is_empty() && set.is_unused() {
            *entry = None;
        }
    }

    /// Whether no node of a placement is short of what is offered.
    pub(crate) fn is_seated(&self, slot: usize, ask: &Ask, Seat { devices, numa: nodes }: Seat) -> bool {
        let Some(asked) = &ask.numa else { return true };
        self.get(slot).is_some_and(|set| {
            devices & !set.devices(nodes) == 0
                && crate::mask::bits(nodes.into()).all(|node| {
                    let mut shares = asked.shares.iter();
                    node < set.len()
                        && shares.all(|(resource, _)| set.free(node, *resource).is_none_or(|free| free >= 0))
                })
        })
    }
}

impl NumaSet {
    /// Whether a node offers a pod's share, whoever has it.
    fn offers(&self, node: usize, ask: &NumaAsk) -> bool {
        let offers = |(resource, share): &(ResourceId, i64)| {
            self.offered(node, *resource).is_none_or(|offered| crate::fit::admits(offered, *share))
        };
        node < self.len() && ask.shares.iter().all(offers)
    }
}

/// The hosts of a block, among those of `mask`, on whose nodes a pod finds room.
pub(crate) fn admitting(cell: &super::Cell, block: usize, mut mask: u64, ask: &Ask) -> u64 {
    let Some(_) = &ask.numa else { return mask };
    for bit in crate::mask::bits(mask) {
        if cell.numa_nodes(ask, block * BLOCK + bit).is_none() {
            mask &= !(1 << bit);
        }
    }
    mask
}
