//! Bounds on the scores of hosts, shared by all classes, and the search that they guide.
//!
//! Where a profile has the form of [`Linear`] and spreads, a class costs a host
//!
//! ```text
//! cost = fit * scale * (w1 * x + w2 * y) + 50 * balance * |x - y|,   x = l1 + r1 * i1,   y = l2 + r2 * i2
//! ```
//!
//! points, with `l` the shares of CPU and memory in use, `i` the shares of one unit and `r` what the class asks for. That is
//! the larger of two sums, each linear in `x` and `y`. A host with both sums of `l1` and `l2` and both `i` no larger than
//! another's is better for every class, whatever it asks for. So the hosts of a block that no other host beats, its
//! *front*, bound what the block can score for any class: about five points of 64 hosts, repaired from the journal.
//!
//! A search takes the least cost of the fronts of 16 blocks at a time, goes from the most promising group to the next,
//! bounds the blocks of a group more closely, and scores those that can hold a better host, or an equal one earlier in the
//! order: it is exact. It serves classes never seen before, and known ones whose index has fallen far behind.
//!
//! Hosts that most classes may not use (cordoned, or with taints that repel) have a table of their own, so that they do not
//! lead others astray.

mod front;
mod table;

use self::front::Front;
use self::table::Table;
use crate::candidates::Nearest;
use crate::cell::{BLOCK, Cell, block_of};
use crate::index::{self, Best};
use crate::kernel::{self, Candidates, Dominance, Whole};
use crate::linear::Linear;
use crate::mask;
use crate::plugins::{Context, Key, NONE, lane_of, score_of};
use crate::profile::Arithmetic;
use crate::resource::ResourceId;
use crate::score;

/// Blocks of a group: as many numbers as the widest vectors hold.
pub(crate) const FAN: usize = 16;

/// Points of a front at the most.
pub(crate) const POINTS: usize = 16;

/// How much a score may differ from the cost that it stands for because scores are rounded and single precision is used,
/// in points per unit of weight. Shares up to 2 are computed to 2^-22, costs to 2^-14 points; a score's rounding adds 2^-13.
const ROUNDING: f32 = 1.0 / 1024.0;

/// Shares of one unit that differ by no more than this factor count as equal; on a host that has room this shifts costs
/// by a fraction of [`ROUNDING`].
const NEAR: f32 = 1.0 + 1e-6;

/// In our own arithmetic scores are cut off at -100 points, which hosts with room do not reach: shares after placing are
/// then at most 1, plus what the host's pods and the class count for beyond what they ask for, which may be this much each.
const MOST_PADDING: f32 = 0.5;
const MOST_LOAD: f32 = 1.5;

/// The share of all blocks that a search evaluates before a scan is the cheaper way.
const MOST_EVALUATED: usize = 2;

/// How much more a host costs than a point of its front in kube-scheduler's arithmetic, in points for each of weight: what
/// rounding down takes is then no more than what tells them apart.
const WHOLE_MARGIN: f32 = 0.5;

/// The fronts of a cell, with what a search needs.
#[derive(Debug, Default)]
pub(crate) struct Bounds {
    /// Of hosts for all, and of hosts set apart.
    tables: [Table; 2],
    blocks: usize,
    version: u64,
    /// The largest share of one unit on any host so far.
    steepest: [f32; 2],
    /// Per group, the score that its best host may reach, in the profile's unit; less than any number once looked at.
    open: Vec<f32>,
}

/// What a class asks for, as bounds count it.
#[derive(Clone, Copy, Debug)]
struct Request {
    /// Units of the two resources.
    requests: [f32; 2],
    whole: Whole,
    /// What a host scores that costs nothing, rounding included, in the profile's unit.
    top: f32,
    unit: f32,
}

/// The coefficients of the cost for a profile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cost {
    /// Of a share of the first resource, in points.
    pub(crate) first: f32,
    /// Of a share of the second resource, in points.
    pub(crate) second: f32,
    /// Of the difference of the shares, in points.
    pub(crate) difference: f32,
}

impl Cost {
    fn of(linear: &Linear, balance: i32) -> Cost {
        let fit = linear.fit as f32 * linear.scale;
        Cost {
            first: fit * linear.weights[0],
            second: fit * linear.weights[1],
            difference: 50.0 * balance as f32,
        }
    }
}

/// What a search found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(crate) best: Option<Best>,
    /// How many blocks had to be evaluated to know.
    pub(crate) evaluated: usize,
}

/// Whether classes of a profile and a constraint set can be searched for by bounds.
pub(crate) fn applies<'a>(context: &Context<'a>) -> Option<&'a Linear> {
    let linear = context.plugins.linear.as_ref()?;
    // A profile that packs likes best the hosts that have no room: bounds that know nothing of room would mislead.
    // Nor do they know of pods that come to less on some hosts.
    (linear.free && Linear::holds(context.set) && !context.ask.shares()).then_some(linear)
}

fn dominance(linear: &Linear) -> Dominance {
    let cost = Cost::of(linear, linear.balance);
    let is_monotone = cost.difference <= cost.first && cost.difference <= cost.second;
    Dominance {
        cost,
        margin: match linear.arithmetic {
            Arithmetic::Meridian => 2.0 * rounding(linear),
            Arithmetic::Kubernetes => WHOLE_MARGIN * (linear.fit + linear.balance) as f32,
        },
        must_keep_margin: linear.arithmetic == Arithmetic::Meridian,
        near: NEAR,
        least: if is_monotone { 0.0 } else { 1.0 / NEAR },
    }
}

fn rounding(linear: &Linear) -> f32 {
    ROUNDING * (linear.fit + linear.balance) as f32
}

impl Bounds {
    /// The best host for a class; `None` where bounds do not hold for it.
    pub(crate) fn search(&mut self, context: &Context<'_>, linear: &Linear) -> Option<Found> {
        self.catch_up(context.cell, linear);
        let request = self.request(context, linear)?;
        let mut leader = Leader { block: 0, key: NONE };
        let most = self.blocks / MOST_EVALUATED + FAN;
        let Some(evaluated) = self.look(context, linear, &request, &mut leader, most) else {
            return Some(Found { best: index::scan(context), evaluated: self.blocks });
        };
        let Leader { block, key } = leader;
        let best = (key != NONE).then(|| Best { slot: block * BLOCK + lane_of(key), score: score_of(key) });
        Some(Found { best, evaluated })
    }

    /// Offers the best hosts of the blocks that are most likely to have one that is near enough, a few more than there is
    /// room for.
    pub(crate) fn near(&mut self, context: &Context<'_>, linear: &Linear, near: &mut Nearest) {
        self.catch_up(context.cell, linear);
        if let Some(request) = self.request(context, linear) {
            let most = 2 * near.most();
            self.look(context, linear, &request, near, most);
        }
    }

    /// What a class asks for, where bounds hold for it.
    fn request(&self, context: &Context<'_>, linear: &Linear) -> Option<Request> {
        let ask = context.ask;
        let padding = linear.resources.map(|resource| ask.scoring_request(resource) - ask.request(resource));
        let (requests, balance) = match linear.arithmetic {
            Arithmetic::Meridian => {
                let shares = [0, 1].map(|number| padding[number] as f32 * self.steepest[number]);
                if shares.iter().any(|share| *share > MOST_PADDING) {
                    return None;
                }
                (linear.resources.map(|resource| ask.scoring_request(resource)), linear.balance)
            }
            Arithmetic::Kubernetes => {
                // Hosts are bounded by what is asked for alone. A class that counts for less would score more.
                if padding.iter().any(|padding| *padding < 0) {
                    return None;
                }
                (linear.resources.map(|resource| ask.request(resource)), linear.balance_for(ask))
            }
        };
        let unit = score::unit(linear.arithmetic) as f32;
        let most = 100.0 * (linear.fit + balance) as f32;
        let total = most + linear.base as f32 / unit;
        Some(Request {
            requests: requests.map(|request| request as f32),
            whole: Whole {
                cost: Cost::of(linear, balance),
                fit: linear.fit as f32,
                balance: balance as f32,
                slack: ROUNDING,
                margin: dominance(linear).margin,
            },
            top: total + rounding(linear) + total * f32::EPSILON * 4.0,
            unit,
        })
    }

    /// Evaluates blocks, the most promising first, until no other can have what is wanted. How many there were; `None` when
    /// that was not enough.
    fn look(
        &mut self,
        context: &Context<'_>,
        linear: &Linear,
        request: &Request,
        wanted: &mut impl Wanted,
        most: usize,
    ) -> Option<usize> {
        let mut evaluated = 0;
        for (table, admitted) in self.tables.iter().zip([context.set.admits_rest, context.set.admits_apart]) {
            if !admitted || table.groups() == 0 {
                continue;
            }
            bound_groups(table, linear, request, &mut self.open);
            loop {
                let (group, bound) = kernel::largest(&self.open);
                if bound == f32::NEG_INFINITY || !wanted.wants(bound.floor() as i64, group * FAN) {
                    break;
                }
                self.open[group] = f32::NEG_INFINITY;
                look_at_group(table, group, context, linear, request, wanted, most, &mut evaluated)?;
            }
        }
        Some(evaluated)
    }

    /// Has the fronts catch up with the cell.
    fn catch_up(&mut self, cell: &Cell, linear: &Linear) {
        if self.version == cell.journal.version() {
            return;
        }
        self.blocks = cell.blocks();
        let dominance = dominance(linear);
        let Bounds { tables: [rest, apart], steepest, version, blocks, .. } = self;
        rest.resize(*blocks);
        if apart.groups() > 0 {
            apart.resize(*blocks);
        }
        cell.journal.changed_since(*version, |block| {
            let (alive, away) = (cell.alive[block], cell.apart[block]);
            rest.set(block, &front(cell, linear, dominance, block, alive & !away, steepest));
            if away != 0 && apart.groups() == 0 {
                apart.resize(*blocks);
            }
            if apart.groups() > 0 {
                apart.set(block, &front(cell, linear, dominance, block, alive & away, steepest));
            }
        });
        *version = cell.journal.version();
    }
}

/// What a search is for.
trait Wanted {
    /// Whether a block that may reach a score is of interest.
    fn wants(&self, score: i64, block: usize) -> bool;

    /// Whether a block is of interest whatever it may reach.
    fn has(&self, _block: usize) -> bool {
        true
    }

    /// Takes in the best host of a block.
    fn take(&mut self, block: usize, key: Key);
}

/// The best host so far; the first of equal ones.
struct Leader {
    block: usize,
    key: Key,
}

impl Wanted for Leader {
    fn wants(&self, score: i64, block: usize) -> bool {
        let best = score_of(self.key);
        self.key == NONE || score > best || (score == best && block < self.block)
    }

    fn take(&mut self, block: usize, key: Key) {
        if key != NONE && self.wants(score_of(key), block) {
            *self = Leader { block, key };
        }
    }
}

impl Wanted for Nearest {
    fn wants(&self, score: i64, _: usize) -> bool {
        score >= self.floor()
    }

    fn has(&self, block: usize) -> bool {
        self.has_block(block)
    }

    fn take(&mut self, block: usize, key: Key) {
        self.offer(block, key);
    }
}

/// What the best host of each group of blocks may reach.
fn bound_groups(table: &Table, linear: &Linear, request: &Request, open: &mut Vec<f32>) {
    let Request { requests, whole, top, unit } = *request;
    open.clear();
    open.extend((0..table.groups()).map(|group| {
        let bound = (top - kernel::least_cost(table.points(group), requests, whole.cost)) * unit;
        // Whole numbers make ties, of which the first is the one to look at.
        if linear.arithmetic == Arithmetic::Kubernetes { bound.floor() } else { bound }
    }));
}

/// Evaluates the blocks of a group that may have what is wanted; `None` when there are too many.
#[expect(clippy::too_many_arguments, reason = "the inner part of one loop")]
fn look_at_group(
    table: &Table,
    group: usize,
    context: &Context<'_>,
    linear: &Linear,
    request: &Request,
    wanted: &mut impl Wanted,
    most: usize,
    evaluated: &mut usize,
) -> Option<()> {
    let (points, requests) = (table.points(group), request.requests);
    let mut bounds = match linear.arithmetic {
        Arithmetic::Meridian => kernel::highest_scores(points, requests, linear),
        Arithmetic::Kubernetes => kernel::highest_points(points, requests, request.whole, linear),
    };
    let view = context.view(score::Extremes::default());
    loop {
        let highest = bounds.iter().fold(i32::MIN, |highest, bound| highest.max(*bound));
        let place = bounds.iter().position(|bound| *bound == highest)?;
        let block = group * FAN + place;
        if highest == i32::MIN || !wanted.wants(highest.into(), block) {
            return Some(());
        }
        bounds[place] = i32::MIN;
        if !wanted.has(block) {
            continue;
        }
        if *evaluated >= most {
            return None;
        }
        *evaluated += 1;
        wanted.take(block, context.best(&view, block, context.feasible(block)));
    }
}

/// The front of the hosts of `mask` in a block.
fn front(
    cell: &Cell,
    linear: &Linear,
    dominance: Dominance,
    block: usize,
    mut mask: u64,
    steepest: &mut [f32; 2],
) -> Front {
    // A host with no room for one more pod takes nothing, however little it is loaded.
    if mask != 0 && cell.columns.extremes(ResourceId::PODS, block).0 < 1 {
        mask &= kernel::admitting(cell.columns.free_block(ResourceId::PODS, block), 1);
    }
    if mask == 0 {
        return Front::EMPTY;
    }
    let [Some(one), Some(other)] = linear.resources.map(|resource| cell.columns.share(resource)) else {
        return Front::UNBOUNDED;
    };
    let mut load = [*block_of(&one.load, block), *block_of(&other.load, block)];
    if !cell.columns.scored_as_requested() && !settle_padding(cell, linear, block, mask, &mut load) {
        return Front::UNBOUNDED;
    }
    let inverse = [block_of(&one.inverse, block), block_of(&other.inverse, block)];
    let mut keys = [0.0; BLOCK];
    let extent = kernel::candidates(mask, [&load[0], &load[1]], inverse, &mut keys);
    for (steepest, inverse) in steepest.iter_mut().zip(extent.most_inverse) {
        *steepest = steepest.max(inverse);
    }
    let holds = match linear.arithmetic {
        Arithmetic::Meridian => extent.most_load <= MOST_LOAD,
        // Shares are cut off at the whole, which hosts with room do not reach, and resources that are not offered do not
        // count at all.
        Arithmetic::Kubernetes => extent.most_load <= 1.0 && extent.least_inverse > 0.0,
    };
    if !holds {
        return Front::UNBOUNDED;
    }
    let candidates =
        Candidates { load: [&load[0], &load[1]], inverse: [inverse[0], inverse[1]], keys: &keys };
    Front::of(candidates, dominance)
}

/// Sets right the loads of hosts whose pods count in scoring for something else than they ask for. False where the bounds
/// do not hold for one of them.
fn settle_padding(
    cell: &Cell,
    linear: &Linear,
    block: usize,
    mask: u64,
    load: &mut [[f32; BLOCK]; 2],
) -> bool {
    for lane in mask::bits(mask) {
        let slot = block * BLOCK + lane;
        if !cell.columns.is_padded(slot) {
            continue;
        }
        for (resource, load) in linear.resources.iter().zip(load.iter_mut()) {
            let (requested, _) = crate::cell::shares(
                cell.columns.requested(*resource, slot),
                cell.columns.allocatable(*resource, slot),
            );
            match linear.arithmetic {
                Arithmetic::Meridian if load[lane] - requested > MOST_PADDING => return false,
                Arithmetic::Meridian => {}
                Arithmetic::Kubernetes if load[lane] < requested => return false,
                // What pods ask for alone counts for balance, and less in use is better for the rest.
                Arithmetic::Kubernetes => load[lane] = requested,
            }
        }
    }
    true
}
