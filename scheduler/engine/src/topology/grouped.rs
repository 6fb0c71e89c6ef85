//! The best-host index of classes that mind the pods around them.
//!
//! Hosts are grouped by their [signatures](super::signature). The index holds, for each group, the best host by all that
//! is no matter of other pods: of each block and, in a heap, of all blocks. A pod that is placed anywhere changes what a
//! whole domain of hosts is worth; but it changes it for groups as wholes. So a decision looks at the blocks in which
//! something happened, as every index does, then adds to each group's best host what the rules make of the group now.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rustc_hash::FxHashMap;

use super::outcome::{Judge, Outcome, Points, Seen};
use super::signature::Layout;
use super::terms::Rules;
use crate::candidates::Nearest;
use crate::cell::BLOCK;
use crate::index::{Best, scale};
use crate::mask;
use crate::plugins::{Context, TopologyWeights};
use crate::score::Extremes;

/// Entries of a heap that may be stale, beyond as many as are not.
const SLACK: usize = 64;

/// The index of a shape of classes.
#[derive(Clone, Debug)]
pub(crate) struct Grouped {
    version: u64,
    epoch: u64,
    scale: (i64, i64),
    layout: Layout,
    groups: Vec<Group>,
    by_signature: FxHashMap<Box<[i64]>, u32>,
    unused: Vec<u32>,
    /// Per block, the groups of its feasible hosts.
    blocks: Vec<Vec<Entry>>,
    entries: usize,
    scratch: Scratch,
}

/// Hosts of one signature.
#[derive(Clone, Debug, Default)]
struct Group {
    signature: Box<[i64]>,
    hosts: u32,
    /// In how many blocks there are some.
    blocks: u32,
    /// The best host of each block, with some that were and are no more.
    heap: BinaryHeap<(i32, Reverse<u32>)>,
}

/// The hosts of a group in a block.
#[derive(Clone, Copy, Debug)]
struct Entry {
    group: u32,
    hosts: u32,
    score: i32,
    slot: u32,
}

#[derive(Clone, Debug, Default)]
struct Scratch {
    signature: Vec<i64>,
    entries: Vec<Entry>,
    outcomes: Vec<Outcome>,
    live: Vec<u32>,
}

impl Grouped {
    /// Builds the index by a look at all hosts.
    pub(crate) fn build(context: &Context<'_>, rules: &Rules) -> Grouped {
        let mut index = Grouped::new(context, rules);
        for block in 0..context.cell.blocks() {
            index.refresh(context, block, u64::MAX);
        }
        index
    }

    /// The best of some hosts, which are given by block.
    pub(crate) fn best_among(context: &Context<'_>, rules: &Rules, hosts: &[(u32, u64)]) -> Option<Best> {
        let mut index = Grouped::new(context, rules);
        for (block, within) in hosts {
            index.refresh(context, *block as usize, *within);
        }
        index.best_known(context, rules)
    }

    fn new(context: &Context<'_>, rules: &Rules) -> Grouped {
        let topology = &context.cell.topology;
        Grouped {
            version: context.cell.journal.version(),
            epoch: topology.epoch,
            scale: scale(context),
            layout: Layout::new(topology, rules, context.normalises()),
            groups: Vec::new(),
            by_signature: FxHashMap::default(),
            unused: Vec::new(),
            blocks: vec![Vec::new(); context.cell.blocks()],
            entries: 0,
            scratch: Scratch::default(),
        }
    }

    /// About how many bytes the index takes.
    pub(crate) fn bytes(&self) -> usize {
        self.blocks.len() * size_of::<Vec<Entry>>()
            + self.entries * (size_of::<Entry>() + 2 * size_of::<(i32, Reverse<u32>)>())
            + self.groups.len() * (size_of::<Group>() + self.scratch.signature.len() * 16)
    }

    /// Catches up with the cell and names the best host.
    pub(crate) fn best(&mut self, context: &Context<'_>, rules: &Rules) -> Option<Best> {
        self.catch_up(context, rules);
        self.best_known(context, rules)
    }

    /// The best of the hosts that have been looked at.
    fn best_known(&mut self, context: &Context<'_>, rules: &Rules) -> Option<Best> {
        self.judge(context, rules);
        let Grouped { groups, blocks, scratch, .. } = self;
        let mut best: Option<Best> = None;
        for (number, outcome) in scratch.live.iter().zip(&scratch.outcomes) {
            if !outcome.is_admitted {
                continue;
            }
            let Some((base, slot)) = groups[*number as usize].best(*number, blocks) else { continue };
            let score = i64::from(base) + outcome.total(&context.plugins.weights);
            let is_better = best.is_none_or(|best| {
                score > best.score || (score == best.score && (slot as usize) < best.slot)
            });
            if is_better {
                best = Some(Best { slot: slot as usize, score });
            }
        }
        best
    }

    /// The best host of each group in each block, with what it scored when the best of all was last asked for.
    pub(crate) fn near(&self, weights: &TopologyWeights, mut near: Nearest) -> Nearest {
        let mut totals = vec![None; self.groups.len()];
        for (number, outcome) in self.scratch.live.iter().zip(&self.scratch.outcomes) {
            totals[*number as usize] = outcome.is_admitted.then(|| outcome.total(weights));
        }
        for entry in self.blocks.iter().flatten() {
            if let Some(total) = totals[entry.group as usize] {
                let (slot, score) = (entry.slot as usize, i64::from(entry.score) + total);
                near.offer_host(Best { slot, score });
            }
        }
        near
    }

    /// What a host scores that is feasible but for other pods; `None` where these keep the class away.
    pub(crate) fn score(&mut self, context: &Context<'_>, rules: &Rules, slot: usize) -> Option<i64> {
        self.catch_up(context, rules);
        self.judge(context, rules);
        let outcome = self.outcome(context, slot, &mut Vec::new())?;
        let (block, bit) = (slot / BLOCK, slot % BLOCK);
        let has_statics = self.layout.statics_at.is_some();
        let base = context.base(&context.view(Extremes::default()), block, 1 << bit, has_statics);
        Some(i64::from(base[bit]) + outcome.total(&context.plugins.weights))
    }

    /// What becomes of a host that is feasible but for other pods; `None` where these keep the class away.
    fn outcome(&self, context: &Context<'_>, slot: usize, signature: &mut Vec<i64>) -> Option<Outcome> {
        self.layout.signature(context, slot, signature)?;
        let group = self.by_signature.get(signature.as_slice())?;
        let place = self.scratch.live.binary_search(group).ok()?;
        Some(self.scratch.outcomes[place]).filter(|outcome| outcome.is_admitted)
    }

    /// The hosts that the rules refuse taken out of `feasible`, and the points of the others.
    pub(crate) fn points(&mut self, context: &Context<'_>, rules: &Rules, feasible: &mut [u64]) -> Points {
        self.catch_up(context, rules);
        self.judge(context, rules);
        let slots = feasible.len() * BLOCK;
        let mut points = Points { spread: vec![0; slots], near: vec![0; slots] };
        let mut signature = Vec::new();
        for (block, word) in feasible.iter_mut().enumerate() {
            for bit in mask::bits(*word) {
                let slot = block * BLOCK + bit;
                match self.outcome(context, slot, &mut signature) {
                    Some(outcome) => {
                        (points.spread[slot], points.near[slot]) = (outcome.spread, outcome.near);
                    }
                    None => *word &= !(1 << bit),
                }
            }
        }
        points
    }

    /// What becomes of each group now.
    fn judge(&mut self, context: &Context<'_>, rules: &Rules) {
        let Grouped { groups, scratch, layout, .. } = self;
        scratch.live.clear();
        let live = groups.iter().enumerate().filter(|(_, group)| group.hosts > 0);
        scratch.live.extend(live.map(|(number, _)| number as u32));
        let seen: Vec<Seen<'_>> = scratch
            .live
            .iter()
            .map(|number| &groups[*number as usize])
            .map(|group| Seen { signature: &group.signature, hosts: group.hosts })
            .collect();
        let arithmetic = context.plugins.arithmetic;
        let judge = Judge { topology: &context.cell.topology, rules, layout, arithmetic };
        judge.outcomes(&seen, &mut scratch.outcomes);
    }

    fn catch_up(&mut self, context: &Context<'_>, rules: &Rules) {
        let topology = &context.cell.topology;
        if self.epoch != topology.epoch
            || self.scale != scale(context)
            || self.layout.statics_at.is_some() != context.normalises()
            || !self.layout.holds(topology)
        {
            *self = Grouped::build(context, rules);
            return;
        }
        let journal = &context.cell.journal;
        if self.version == journal.version() {
            return;
        }
        self.blocks.resize(context.cell.blocks(), Vec::new());
        journal.changed_since(self.version, |block| self.refresh(context, block, u64::MAX));
        self.version = journal.version();
    }

    /// Looks at the hosts of a block anew, as far as they are among those of a mask.
    fn refresh(&mut self, context: &Context<'_>, block: usize, within: u64) {
        let feasible = context.feasible(block) & within;
        let mut new = std::mem::take(&mut self.scratch.entries);
        let mut signature = std::mem::take(&mut self.scratch.signature);
        new.clear();
        if feasible != 0 {
            let view = context.view(Extremes::default());
            let totals = context.base(&view, block, feasible, self.layout.statics_at.is_some());
            for lane in mask::bits(feasible) {
                let slot = block * BLOCK + lane;
                if self.layout.signature(context, slot, &mut signature).is_none() {
                    continue;
                }
                let (score, slot) = (totals[lane], slot as u32);
                let groups = &self.groups;
                let known =
                    new.iter_mut().find(|entry| *groups[entry.group as usize].signature == *signature);
                match known {
                    Some(entry) => {
                        entry.hosts += 1;
                        if score > entry.score {
                            (entry.score, entry.slot) = (score, slot);
                        }
                    }
                    None => new.push(Entry { group: self.group(&signature), hosts: 1, score, slot }),
                }
            }
        }
        self.replace(block, &new);
        self.scratch.entries = new;
        self.scratch.signature = signature;
    }

    /// The number of the group with a signature.
    fn group(&mut self, signature: &[i64]) -> u32 {
        if let Some(number) = self.by_signature.get(signature) {
            return *number;
        }
        let group = Group { signature: signature.into(), ..Group::default() };
        let number = match self.unused.pop() {
            Some(number) => {
                self.groups[number as usize] = group;
                number
            }
            None => {
                self.groups.push(group);
                self.groups.len() as u32 - 1
            }
        };
        self.by_signature.insert(signature.into(), number);
        number
    }

    /// Puts a block's groups in the place of those it had.
    fn replace(&mut self, block: usize, new: &[Entry]) {
        let mut old = std::mem::take(&mut self.blocks[block]);
        self.entries = self.entries + new.len() - old.len();
        for entry in new {
            let former = old.iter().find(|former| former.group == entry.group);
            let group = &mut self.groups[entry.group as usize];
            group.hosts += entry.hosts;
            match former {
                Some(former) => group.hosts -= former.hosts,
                None => group.blocks += 1,
            }
            if former.is_none_or(|former| (former.score, former.slot) != (entry.score, entry.slot)) {
                group.heap.push((entry.score, Reverse(entry.slot)));
            }
        }
        for former in &old {
            if new.iter().any(|entry| entry.group == former.group) {
                continue;
            }
            let group = &mut self.groups[former.group as usize];
            group.hosts -= former.hosts;
            group.blocks -= 1;
            if group.blocks == 0 {
                let signature = std::mem::take(&mut group.signature);
                group.heap.clear();
                self.by_signature.remove(&signature);
                self.unused.push(former.group);
            }
        }
        old.clear();
        old.extend_from_slice(new);
        self.blocks[block] = old;
        for entry in new {
            let group = &mut self.groups[entry.group as usize];
            if group.heap.len() > 2 * group.blocks as usize + SLACK {
                group.sweep(entry.group, &self.blocks);
            }
        }
    }
}

impl Group {
    /// The best host, and its score but for the pods around.
    fn best(&mut self, number: u32, blocks: &[Vec<Entry>]) -> Option<(i32, u32)> {
        loop {
            let (score, Reverse(slot)) = *self.heap.peek()?;
            if is_current(number, score, slot, blocks) {
                return Some((score, slot));
            }
            self.heap.pop();
        }
    }

    /// Drops what is stale.
    fn sweep(&mut self, number: u32, blocks: &[Vec<Entry>]) {
        let mut all = std::mem::take(&mut self.heap).into_vec();
        all.sort_unstable();
        all.dedup();
        all.retain(|(score, Reverse(slot))| is_current(number, *score, *slot, blocks));
        self.heap = all.into();
    }
}

/// Whether a host is still the best of a group in its block.
fn is_current(group: u32, score: i32, slot: u32, blocks: &[Vec<Entry>]) -> bool {
    let here = &blocks[slot as usize / BLOCK];
    here.iter().any(|entry| entry.group == group && entry.score == score && entry.slot == slot)
}
