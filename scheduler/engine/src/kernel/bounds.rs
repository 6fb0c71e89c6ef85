//! Inner loops over the points that bound what hosts can score.

#![allow(clippy::needless_range_loop, reason = "loops over lanes are what compilers turn into vectors")]

use multiversion::multiversion;

use super::fixed;
use crate::bound::{Cost, FAN, POINTS};
use crate::cell::BLOCK;
use crate::linear::Linear;

/// One number of each point of each block of a group.
pub(crate) type Coordinate = [[f32; FAN]; POINTS];

/// The points of a group of blocks, by row and block.
#[derive(Clone, Copy)]
pub(crate) struct Points<'a> {
    /// The shares in use.
    pub(crate) load: [&'a Coordinate; 2],
    /// The shares of one unit.
    pub(crate) inverse: [&'a Coordinate; 2],
    /// How many rows count.
    pub(crate) used: usize,
    /// Blocks that have points.
    pub(crate) present: u16,
    /// Blocks that may score anything.
    pub(crate) unbounded: u16,
    /// Blocks whose points stand for other hosts without a margin.
    pub(crate) coarse: u16,
}

/// The least that a host of any of the blocks costs, in points of score: less than any number where a block may score
/// anything, infinite where there is no host.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw", "x86_64+avx2"))]
pub(crate) fn least_cost(points: Points<'_>, requests: [f32; 2], cost: Cost) -> f32 {
    let Points { load, inverse, used, present, unbounded, .. } = points;
    if unbounded != 0 {
        return f32::NEG_INFINITY;
    }
    let used = if used < POINTS { used } else { POINTS };
    let mut least = [f32::INFINITY; FAN];
    if cost.first == cost.second && cost.first == cost.difference {
        // The usual profile: the larger share alone counts, twice.
        for row in 0..used {
            for block in 0..FAN {
                let one = load[0][row][block] + requests[0] * inverse[0][row][block];
                let other = load[1][row][block] + requests[1] * inverse[1][row][block];
                let more = if one > other { one } else { other };
                least[block] = if more < least[block] { more } else { least[block] };
            }
        }
        for block in 0..FAN {
            least[block] *= 2.0 * cost.first;
        }
    } else {
        for row in 0..used {
            for block in 0..FAN {
                let one = load[0][row][block] + requests[0] * inverse[0][row][block];
                let other = load[1][row][block] + requests[1] * inverse[1][row][block];
                let apart = (one - other).abs();
                let value = cost.first * one + cost.second * other + cost.difference * apart;
                least[block] = if value < least[block] { value } else { least[block] };
            }
        }
    }
    let mut all = f32::INFINITY;
    for block in 0..FAN {
        let value = if present >> block & 1 == 1 { least[block] } else { f32::INFINITY };
        all = if value < all { value } else { all };
    }
    all
}

/// Marks blocks that have no hosts, and those that may score anything.
#[inline(always)]
fn mark(points: Points<'_>, highest: &mut [i32; FAN]) {
    for block in 0..FAN {
        let absent = points.present >> block & 1 == 0;
        highest[block] = if absent { i32::MIN } else { highest[block] };
        highest[block] = if points.unbounded >> block & 1 == 1 { i32::MAX } else { highest[block] };
    }
}

/// The highest score among each block's points: the very number that [`best_linear`](super::best_linear) gives to a host
/// with the point's shares.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw", "x86_64+avx2"))]
pub(crate) fn highest_scores(points: Points<'_>, requests: [f32; 2], linear: &Linear) -> [i32; FAN] {
    let Linear { weights: [first, second], scale, fit, balance, base, .. } = *linear;
    let Points { load, inverse, used, .. } = points;
    let used = if used < POINTS { used } else { POINTS };
    let mut highest = [i32::MIN; FAN];
    for row in 0..used {
        for block in 0..FAN {
            let one = load[0][row][block] + requests[0] * inverse[0][row][block];
            let other = load[1][row][block] + requests[1] * inverse[1][row][block];
            let sum = (1.0 - one) * first + (1.0 - other) * second;
            let balanced = fixed(100.0 * (1.0 - (one - other).abs() * 0.5));
            let total = fixed(sum * scale)
                .wrapping_mul(fit)
                .wrapping_add(balanced.wrapping_mul(balance))
                .wrapping_add(base);
            highest[block] = if total > highest[block] { total } else { highest[block] };
        }
    }
    mark(points, &mut highest);
    highest
}

/// How kube-scheduler's whole points are bounded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whole {
    pub(crate) cost: Cost,
    /// The weights of the class.
    pub(crate) fit: f32,
    pub(crate) balance: f32,
    /// What single precision may miss, in points.
    pub(crate) slack: f32,
    /// How much more a host costs, in points, that its block's points do not stand for one by one.
    pub(crate) margin: f32,
}

/// The highest whole number of points that a host of each block may reach. Points are rounded down as kube-scheduler
/// rounds a host's; hosts that the points stand for cost more by a margin.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw", "x86_64+avx2"))]
pub(crate) fn highest_points(
    points: Points<'_>,
    requests: [f32; 2],
    whole: Whole,
    linear: &Linear,
) -> [i32; FAN] {
    let Points { load, inverse, used, coarse, .. } = points;
    let Whole { cost, fit, balance, slack, margin } = whole;
    let [first, second] = linear.weights;
    let weights = 1.0 / (first + second);
    let used = if used < POINTS { used } else { POINTS };
    let mut highest = [f32::NEG_INFINITY; FAN];
    let mut unrounded = [f32::NEG_INFINITY; FAN];
    for row in 0..used {
        for block in 0..FAN {
            let one = load[0][row][block] + requests[0] * inverse[0][row][block];
            let other = load[1][row][block] + requests[1] * inverse[1][row][block];
            let apart = (one - other).abs();
            let free = |share: f32| (100.0 * (1.0 - share) + slack).floor();
            let fitting = ((free(one) * first + free(other) * second) * weights + slack).floor();
            let balanced = (100.0 - 50.0 * apart + slack).floor();
            let rounded = fitting * fit + balanced * balance;
            let exact = 100.0 * (fit + balance)
                - (cost.first * one + cost.second * other + cost.difference * apart)
                + slack * (fit + balance);
            let others = exact - margin;
            unrounded[block] = if exact > unrounded[block] { exact } else { unrounded[block] };
            let value = if rounded > others { rounded } else { others };
            highest[block] = if value > highest[block] { value } else { highest[block] };
        }
    }
    let mut whole = [0; FAN];
    for block in 0..FAN {
        let most = if coarse >> block & 1 == 1 { unrounded[block] } else { highest[block] };
        whole[block] = (most.floor() as i32).saturating_add(linear.base);
    }
    mark(points, &mut whole);
    whole
}

/// What decides whether points hold for the hosts of `mask` in a block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    /// The largest share in use of either resource.
    pub(crate) most_load: f32,
    /// The smallest share of one unit of either resource.
    pub(crate) least_inverse: f32,
    /// The largest share of one unit of each resource.
    pub(crate) most_inverse: [f32; 2],
}

/// Makes the hosts of `mask` candidates for [`front`], and tells their extent.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw", "x86_64+avx2"))]
pub(crate) fn candidates(
    mask: u64,
    load: [&[f32; BLOCK]; 2],
    inverse: [&[f32; BLOCK]; 2],
    keys: &mut [f32; BLOCK],
) -> Extent {
    let mut most_load = [f32::NEG_INFINITY; FAN];
    let mut least_inverse = [f32::INFINITY; FAN];
    let mut most_inverse = [[0.0_f32; FAN]; 2];
    for chunk in 0..BLOCK / FAN {
        for part in 0..FAN {
            let lane = chunk * FAN + part;
            let is_in = mask >> lane & 1 == 1;
            keys[lane] = if is_in { 0.0 } else { f32::INFINITY };
            let more = if load[0][lane] > load[1][lane] { load[0][lane] } else { load[1][lane] };
            let more = if is_in { more } else { f32::NEG_INFINITY };
            most_load[part] = if more > most_load[part] { more } else { most_load[part] };
            let (one, other) = (inverse[0][lane], inverse[1][lane]);
            let less = if one < other { one } else { other };
            let less = if is_in { less } else { f32::INFINITY };
            least_inverse[part] = if less < least_inverse[part] { less } else { least_inverse[part] };
            let one = if is_in { one } else { 0.0 };
            let other = if is_in { other } else { 0.0 };
            most_inverse[0][part] = if one > most_inverse[0][part] { one } else { most_inverse[0][part] };
            most_inverse[1][part] = if other > most_inverse[1][part] { other } else { most_inverse[1][part] };
        }
    }
    let most = |lanes: [f32; FAN]| {
        lanes.iter().fold(f32::NEG_INFINITY, |most, lane| if *lane > most { *lane } else { most })
    };
    Extent {
        most_load: most(most_load),
        least_inverse: least_inverse
            .iter()
            .fold(f32::INFINITY, |least, lane| if *lane < least { *lane } else { least }),
        most_inverse: most_inverse.map(most),
    }
}

/// Hosts to choose from. Those at infinite `keys` do not count.
#[derive(Clone, Copy)]
pub(crate) struct Candidates<'a> {
    pub(crate) load: [&'a [f32; BLOCK]; 2],
    pub(crate) inverse: [&'a [f32; BLOCK]; 2],
    pub(crate) keys: &'a [f32; BLOCK],
}

/// When one candidate makes another superfluous. The cost of a candidate is the larger of two sums over its shares: it
/// is superfluous where another has both lower by `margin`, and shares of one unit that are no larger.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Dominance {
    pub(crate) cost: Cost,
    /// In points of score.
    pub(crate) margin: f32,
    /// Whether bounds do not hold without the margin.
    pub(crate) must_keep_margin: bool,
    /// The shares of one unit may be so many times as large and yet count as no larger.
    pub(crate) near: f32,
    /// They must be so many times as large at least: 0 where smaller ones are always better.
    pub(crate) least: f32,
}

/// Chooses candidates such that each of the others is superfluous, those of the least sums first, until all are dealt
/// with or there is no more room. Returns how many were chosen.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw", "x86_64+avx2"))]
pub(crate) fn front(candidates: Candidates<'_>, dominance: Dominance, chosen: &mut [u8]) -> usize {
    let Candidates { load: [x, y], inverse: [a, b], keys } = candidates;
    let Dominance { cost, margin, near, least, .. } = dominance;
    let mut sums = [[0.0_f32; BLOCK]; 2];
    let mut keys = *keys;
    for lane in 0..BLOCK {
        sums[0][lane] = (cost.first + cost.difference) * x[lane] + (cost.second - cost.difference) * y[lane];
        sums[1][lane] = (cost.first - cost.difference) * x[lane] + (cost.second + cost.difference) * y[lane];
        keys[lane] = if keys[lane] == f32::INFINITY { f32::INFINITY } else { sums[0][lane] + sums[1][lane] };
    }
    for count in 0..chosen.len() {
        let Some(place) = first_least(&keys) else { return count };
        chosen[count] = place as u8;
        let (first, second) = (sums[0][place] + margin, sums[1][place] + margin);
        for lane in 0..BLOCK {
            let costs_more = (sums[0][lane] >= first) & (sums[1][lane] >= second);
            let is_no_larger = (a[place] <= a[lane] * near) & (b[place] <= b[lane] * near);
            let is_no_smaller = (a[place] >= a[lane] * least) & (b[place] >= b[lane] * least);
            let is_same =
                (x[lane] == x[place]) & (y[lane] == y[place]) & (a[lane] == a[place]) & (b[lane] == b[place]);
            let is_superfluous = (costs_more & is_no_larger & is_no_smaller) | is_same;
            keys[lane] = if is_superfluous { f32::INFINITY } else { keys[lane] };
        }
    }
    chosen.len()
}

/// The place of the least key; `None` where all are infinite.
#[inline(always)]
fn first_least(keys: &[f32; BLOCK]) -> Option<usize> {
    let mut least = [f32::INFINITY; FAN];
    for chunk in 0..BLOCK / FAN {
        for lane in 0..FAN {
            let key = keys[chunk * FAN + lane];
            least[lane] = if key < least[lane] { key } else { least[lane] };
        }
    }
    let least = least.iter().fold(f32::INFINITY, |least, key| if *key < least { *key } else { least });
    if least == f32::INFINITY {
        return None;
    }
    let mut having = 0_u64;
    for (lane, key) in keys.iter().enumerate() {
        having |= u64::from(*key == least) << lane;
    }
    Some(having.trailing_zeros() as usize)
}

/// The largest number and the first place that has it.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
pub(crate) fn largest(numbers: &[f32]) -> (usize, f32) {
    let (chunks, rest) = numbers.as_chunks::<FAN>();
    let mut most = [f32::NEG_INFINITY; FAN];
    for chunk in chunks {
        for lane in 0..FAN {
            most[lane] = if chunk[lane] > most[lane] { chunk[lane] } else { most[lane] };
        }
    }
    let most = most
        .iter()
        .chain(rest)
        .fold(f32::NEG_INFINITY, |most, number| if *number > most { *number } else { most });
    (numbers.iter().position(|number| *number == most).unwrap_or(0), most)
}
