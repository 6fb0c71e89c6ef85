//! Bounds on the scores of blocks, shared by all classes, and the search that they guide.
//!
//! Where a profile has the form of [`Linear`] and spreads, a class costs a host
//!
//! ```text
//! cost = fit * scale * (w1 * (l1 + a) + w2 * (l2 + b)) + 50 * balance * |(l1 + a) - (l2 + b)|
//! ```
//!
//! points, with `l1`, `l2` the shares of CPU and memory in use and `a`, `b` the shares that the class adds. On hosts of one
//! kind `a` and `b` are constants, and all of the cost but `fit * 100 * b` depends only on `l1`, `l2` and the *tilt* `a - b`.
//! So the least cost of a block at a tilt serves every class of that tilt, whatever its size. Tilts are rounded to a grid;
//! between two points of the grid the cost grows no slower than `w1 * fit * scale - 50 * balance`, which gives a bound.
//!
//! A search looks at the bounds of all blocks, evaluates the most promising block, and then only those whose bound
//! reaches the best score found. It is exact: blocks that it leaves out cannot hold a better host. It serves classes never
//! seen before, and known ones whose index has fallen far behind.

use rustc_hash::FxHashMap;

use crate::candidates::Nearest;
use crate::cell::{BLOCK, block_of};
use crate::class::ClassId;
use crate::index::Best;
use crate::kernel;
use crate::linear::Linear;
use crate::plugins::{Context, Key, NONE, lane_of, score_of};
use crate::score;

/// The distance of the grid's points: a share of a host.
const STEP: f32 = 1.0 / 256.0;

/// How much a bound may fall short because scores are rounded and single precision is used, in points per unit of weight.
/// Shares up to 2 are computed to 2^-22, costs to 2^-14 points; a score's rounding adds 2^-13.
const ROUNDING: f32 = 1.0 / 1024.0;

/// Shares in use, and shares that a class adds, for which costs are linear: scores are cut off at -100 points, which
/// these two together do not reach. Loads above 1 come of pods that scoring counts for more than they ask for.
pub(crate) const MOST_LOAD: f32 = 1.0 + 1.0 / 16.0;
const MOST_SHARE: f32 = 1.0 - 1.0 / 16.0;

/// Promising blocks without a host that fits, after which a search stops to choose.
const MISSES: usize = 16;

/// Lists kept at the most: each has a number per block.
const MAX_LISTS: usize = 4096;

/// The least costs of blocks, by kind of host and tilt.
#[derive(Debug, Default)]
pub(crate) struct Bounds {
    lists: FxHashMap<(u32, i32), List>,
    ticks: u64,
    /// The bound of each block for the class at hand, in points.
    bounds: Vec<f32>,
    /// Blocks yet to be evaluated.
    open: Vec<u32>,
    /// The blocks that the last search evaluated, with their best hosts.
    evaluated: Vec<(usize, Key)>,
    /// What the last search was for: a class, and the cell's version.
    searched: Option<(ClassId, u64)>,
}

/// Least costs at one tilt on hosts of one kind.
#[derive(Debug, Default)]
struct List {
    /// Per block, in points; infinite where no host is of the kind.
    costs: Vec<f32>,
    version: u64,
    used: u64,
}

/// The coefficients of the cost on one kind of host, for one class.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// Of a share of the first resource, in points.
    pub(crate) first: f32,
    /// Of a share of the second resource, in points.
    pub(crate) second: f32,
    /// Of the difference of the shares, in points.
    pub(crate) difference: f32,
}

impl Cost {
    fn of(linear: &Linear) -> Cost {
        let fit = linear.fit as f32 * linear.scale;
        Cost {
            first: fit * linear.weights[0],
            second: fit * linear.weights[1],
            difference: 50.0 * linear.balance as f32,
        }
    }
}

/// Whether classes of a profile and a constraint set can be searched for by bounds.
pub(crate) fn applies<'a>(context: &Context<'a>) -> Option<&'a Linear> {
    let linear = context.plugins.linear.as_ref()?;
    (Linear::holds(context.set) && linear.bounds(context.cell, context.ask)).then_some(linear)
}

impl Bounds {
    /// The best host for a class, and how many blocks had to be evaluated to know.
    pub(crate) fn search(&mut self, context: &Context<'_>, linear: &Linear) -> (Option<Best>, usize) {
        let unit = score::unit(linear.arithmetic) as f32;
        // What a host would score that costs nothing.
        let top = 100.0 * (linear.fit + linear.balance) as f32 + linear.base as f32 / unit;
        self.bound(context, linear, top);
        let slack = ROUNDING * (linear.fit + linear.balance) as f32 + top * f32::EPSILON * 4.0;
        // The score, in points, that a block must be able to reach to be of interest.
        let mut wanted = f32::NEG_INFINITY;
        let mut best = (0, NONE);
        self.evaluated.clear();
        let evaluated = &mut self.evaluated;
        let view = context.view(score::Extremes::default());
        let mut evaluate = |block: usize, best: &mut (usize, i64), wanted: &mut f32| {
            let key = context.best(&view, block, context.feasible(block));
            evaluated.push((block, key));
            let better = score_of(key) > score_of(best.1)
                || (key != NONE && score_of(key) == score_of(best.1) && block < best.0);
            if better {
                *best = (block, key);
                *wanted = score_of(key) as f32 / unit - slack;
            }
        };
        // The most promising blocks first, until one has a host that fits. Where several have none, hosts are scarce for
        // the class, and all blocks are gone through.
        for _ in 0..MISSES {
            let (block, bound) = kernel::largest(&self.bounds);
            if bound == f32::NEG_INFINITY {
                return (None, self.evaluated.len());
            }
            self.bounds[block] = f32::NEG_INFINITY;
            evaluate(block, &mut best, &mut wanted);
            if best.1 != NONE {
                break;
            }
        }
        self.open.clear();
        kernel::at_least(&self.bounds, wanted.max(f32::MIN), &mut self.open);
        if self.open.len() <= BLOCK {
            let bounds = &self.bounds;
            self.open.sort_unstable_by(|one, other| {
                bounds[*other as usize].total_cmp(&bounds[*one as usize]).then(one.cmp(other))
            });
        }
        for block in &self.open {
            let block = *block as usize;
            // A later block has to do better by one at least: of equal scores the first host wins.
            let needed = if block < best.0 { wanted } else { wanted + 1.0 / unit };
            if self.bounds[block] >= needed {
                evaluate(block, &mut best, &mut wanted);
            }
        }
        let (block, key) = best;
        if key == NONE {
            return (None, self.evaluated.len());
        }
        (Some(Best { slot: block * BLOCK + lane_of(key), score: score_of(key) }), self.evaluated.len())
    }

    /// Notes what the last search was for.
    pub(crate) fn searched_for(&mut self, class: ClassId, version: u64) {
        self.searched = Some((class, version));
    }

    /// The best hosts of the blocks that were evaluated, as far as they are near enough; none where the last search was
    /// for something else.
    pub(crate) fn near(&self, class: ClassId, version: u64, mut near: Nearest) -> Nearest {
        if self.searched == Some((class, version)) {
            self.evaluated.iter().for_each(|(block, key)| near.offer(*block, *key));
        }
        near
    }

    /// Fills in the bound of every block.
    fn bound(&mut self, context: &Context<'_>, linear: &Linear, top: f32) {
        let cell = context.cell;
        self.ticks += 1;
        self.bounds.clear();
        self.bounds.resize(cell.blocks(), f32::NEG_INFINITY);
        let cost = Cost::of(linear);
        for (kind, cpu_milli, memory) in cell.kinds.iter() {
            let offered =
                linear.resources.map(|resource| if resource.index() == 0 { cpu_milli } else { memory });
            let share = |number: usize| {
                let (_, inverse) = crate::cell::shares(0, offered[number]);
                context.ask.scoring_request(linear.resources[number]) as f32 * inverse
            };
            let (first, second) = (share(0), share(1));
            // Hosts that offer less than is asked for are out of the question even when idle.
            if (0..2).any(|number| context.ask.request(linear.resources[number]) > offered[number]) {
                continue;
            }
            if first.max(second) > MOST_SHARE {
                for (block, bound) in self.bounds.iter_mut().enumerate() {
                    if cell.kinds.block(block).contains(&kind) {
                        *bound = f32::INFINITY;
                    }
                }
                continue;
            }
            let tilt = first - second;
            let point = (tilt / STEP).floor();
            // From the point on, each share of tilt costs at least so much.
            let rest = tilt - point * STEP;
            let growth = cost.first - cost.difference;
            let shift = (cost.first + cost.second) * second + growth * rest;
            self.refresh(context, linear, kind, point as i32, cost);
            if let Some(list) = self.lists.get(&(kind, point as i32)) {
                kernel::raise_bounds(&list.costs, top - shift, &mut self.bounds);
            }
        }
        // Hosts of a kind not told apart may be as good as any.
        for (block, bound) in self.bounds.iter_mut().enumerate() {
            if cell.kinds.has_others(block) {
                *bound = f32::INFINITY;
            }
        }
    }

    /// Has the list of a kind and a point of the grid catch up with the cell, new if need be.
    fn refresh(&mut self, context: &Context<'_>, linear: &Linear, kind: u32, point: i32, cost: Cost) {
        let cell = context.cell;
        if self.lists.len() >= MAX_LISTS && !self.lists.contains_key(&(kind, point)) {
            let mut used: Vec<u64> = self.lists.values().map(|list| list.used).collect();
            used.sort_unstable();
            let median = used[used.len() / 2];
            self.lists.retain(|_, list| list.used > median);
        }
        let list = self.lists.entry((kind, point)).or_default();
        list.used = self.ticks;
        list.costs.resize(cell.blocks(), f32::INFINITY);
        let [Some(first), Some(second)] = linear.resources.map(|resource| cell.columns.share(resource))
        else {
            return;
        };
        let costs = &mut list.costs;
        cell.journal.changed_since(list.version, |block| {
            costs[block] = kernel::least_cost(
                block_of(&first.load, block),
                block_of(&second.load, block),
                cell.kinds.block(block),
                kind,
                point as f32 * STEP,
                cost,
            );
        });
        list.version = cell.journal.version();
    }
}
