//! The best-host index of one class.
//!
//! It holds the best host of every block, and the best score of every 64 blocks above that: 300,000 hosts are 37 kB. It
//! is repaired from the cell's journal, so the next pod of a known class costs a rescoring of the blocks that changed,
//! and the host it names is exactly the one that a full scan would find.

use rayon::prelude::*;

use crate::candidates::Nearest;
use crate::plugins::{Context, Key, NONE, lane_of, score_of};
use crate::score::Extremes;

/// Blocks under one entry of the upper level.
const GROUP: usize = 64;

/// From how many blocks on a scan is worth spreading over threads, and how many one piece of work has.
const PARALLEL_BLOCKS: usize = 512;

/// The best hosts of a class at a version of the cell.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    keys: Vec<Key>,
    /// Per group of blocks, the best score.
    groups: Vec<i64>,
    version: u64,
    basis: Basis,
    /// Per block, the extremes of its feasible hosts; kept where scores are normalised.
    extremes: Option<Vec<Extremes>>,
}

/// What all scores rest on beside their host: a change of it makes every score stale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Basis {
    extremes: Extremes,
    scale: (i64, i64),
}

/// A host and its score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Best {
    pub(crate) slot: usize,
    pub(crate) score: i64,
}

fn best_of(block: usize, key: Key) -> Option<Best> {
    (key != NONE).then(|| Best { slot: block * crate::cell::BLOCK + lane_of(key), score: score_of(key) })
}

/// The largest hosts of the cell, where scores depend on them.
pub(crate) fn scale(context: &Context<'_>) -> (i64, i64) {
    if context.plugins.scaled { (context.cell.largest_cpu(), context.cell.largest_devices()) } else { (0, 0) }
}

fn map_blocks<T: Send>(context: &Context<'_>, compute: impl Fn(usize) -> T + Sync + Send) -> Vec<T> {
    let blocks = context.cell.blocks();
    if blocks < PARALLEL_BLOCKS {
        (0..blocks).map(compute).collect()
    } else {
        (0..blocks).into_par_iter().with_min_len(PARALLEL_BLOCKS / 2).map(compute).collect()
    }
}

/// The best host by a scan of all blocks, for a class that may never come again.
pub(crate) fn scan(context: &Context<'_>) -> Option<Best> {
    let extremes = if context.normalises() {
        map_blocks(context, |block| context.extremes(block, context.feasible(block)))
            .into_iter()
            .fold(Extremes::default(), Extremes::max)
    } else {
        Extremes::default()
    };
    let view = context.view(extremes);
    let keys = map_blocks(context, |block| context.best(&view, block, context.feasible(block)));
    let mut best = (0, NONE);
    for (block, key) in keys.into_iter().enumerate() {
        if score_of(key) > score_of(best.1) {
            best = (block, key);
        }
    }
    best_of(best.0, best.1)
}

impl Index {
    /// Builds the index by a scan of all blocks.
    pub(crate) fn build(context: &Context<'_>) -> Index {
        let extremes = context
            .normalises()
            .then(|| map_blocks(context, |block| context.extremes(block, context.feasible(block))));
        let mut index = Index {
            keys: Vec::new(),
            groups: Vec::new(),
            version: context.cell.journal.version(),
            basis: Basis { extremes: overall(extremes.as_deref()), scale: scale(context) },
            extremes,
        };
        index.rescore(context);
        index
    }

    /// How many bytes the index takes.
    pub(crate) fn bytes(&self) -> usize {
        self.keys.len() * size_of::<Key>()
            + self.groups.len() * size_of::<i64>()
            + self.extremes.as_ref().map_or(0, |extremes| extremes.len() * size_of::<Extremes>())
    }

    /// How many blocks have to be rescored, at the most, to catch up.
    pub(crate) fn behind(&self, context: &Context<'_>) -> usize {
        let changes = context.cell.journal.version() - self.version;
        usize::try_from(changes).unwrap_or(usize::MAX).min(context.cell.blocks())
    }

    /// Whether the index says what is at a version of the cell.
    pub(crate) fn is_at(&self, version: u64) -> bool {
        self.version == version
    }

    /// The best hosts of blocks, as far as they are near enough.
    pub(crate) fn near(&self, mut near: Nearest) -> Nearest {
        for (group, keys) in self.keys.chunks(GROUP).enumerate() {
            if self.groups[group] < near.floor() {
                continue;
            }
            for (block, key) in keys.iter().enumerate() {
                near.offer(group * GROUP + block, *key);
            }
        }
        near
    }

    /// Catches up with the cell and names the best host.
    pub(crate) fn best(&mut self, context: &Context<'_>) -> Option<Best> {
        if context.normalises() != self.extremes.is_some() || scale(context) != self.basis.scale {
            *self = Index::build(context);
        } else {
            self.repair(context);
        }
        let (mut group, mut most) = (0, score_of(NONE));
        for (number, score) in self.groups.iter().enumerate() {
            if *score > most {
                (group, most) = (number, *score);
            }
        }
        let first = group * GROUP;
        let offset = self.keys.get(first..)?.iter().position(|key| score_of(*key) == most)?;
        best_of(first + offset, self.keys[first + offset])
    }

    fn repair(&mut self, context: &Context<'_>) {
        let journal = &context.cell.journal;
        if self.version == journal.version() {
            return;
        }
        let blocks = context.cell.blocks();
        self.keys.resize(blocks, NONE);
        self.groups.resize(blocks.div_ceil(GROUP), score_of(NONE));
        if let Some(extremes) = &mut self.extremes {
            extremes.resize(blocks, Extremes::default());
            journal.changed_since(self.version, |block| {
                extremes[block] = context.extremes(block, context.feasible(block));
            });
            let now = overall(Some(extremes));
            if now != self.basis.extremes {
                self.basis.extremes = now;
                self.version = journal.version();
                self.rescore(context);
                return;
            }
        }
        let view = context.view(self.basis.extremes);
        let mut stale = Vec::new();
        journal.changed_since(self.version, |block| {
            let key = context.best(&view, block, context.feasible(block));
            let old = std::mem::replace(&mut self.keys[block], key);
            let group = &mut self.groups[block / GROUP];
            if score_of(key) >= *group {
                *group = score_of(key);
            } else if score_of(old) == *group && stale.last() != Some(&(block / GROUP)) {
                // The group's best may have been this block's: look again once all blocks are repaired.
                stale.push(block / GROUP);
            }
        });
        for group in stale {
            self.summarise(group);
        }
        self.version = journal.version();
    }

    fn rescore(&mut self, context: &Context<'_>) {
        let view = context.view(self.basis.extremes);
        self.keys = map_blocks(context, |block| context.best(&view, block, context.feasible(block)));
        self.groups = vec![score_of(NONE); self.keys.len().div_ceil(GROUP)];
        for group in 0..self.groups.len() {
            self.summarise(group);
        }
    }

    fn summarise(&mut self, group: usize) {
        let blocks = &self.keys[group * GROUP..((group + 1) * GROUP).min(self.keys.len())];
        self.groups[group] = blocks.iter().map(|key| score_of(*key)).max().unwrap_or(score_of(NONE));
    }
}

fn overall(extremes: Option<&[Extremes]>) -> Extremes {
    extremes.unwrap_or_default().iter().copied().fold(Extremes::default(), Extremes::max)
}
