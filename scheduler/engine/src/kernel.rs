//! Inner loops over the 64 hosts of a block, and over the points that bound what hosts can score.
//!
//! Each is compiled for the plain instruction set and for wide vectors, and the processor at hand chooses, so that one
//! binary runs everywhere. Results do not depend on the choice: no step is fused or reordered.

#![allow(
    clippy::needless_range_loop,
    clippy::manual_clamp,
    reason = "loops over lanes, and bounds without a panic on the way, are what compilers turn into vectors"
)]

mod bounds;

use multiversion::multiversion;

pub(crate) use self::bounds::{
    Candidates, Coordinate, Dominance, Points, Whole, candidates, front, highest_points, highest_scores,
    largest, least_cost,
};
use crate::cell::BLOCK;
use crate::linear::Linear;

/// A resource over a block: the share in use, the share of one unit, and how many units the class counts.
#[derive(Clone, Copy)]
pub(crate) struct Lanes<'a> {
    pub(crate) load: &'a [f32; BLOCK],
    pub(crate) inverse: &'a [f32; BLOCK],
    pub(crate) request: f32,
}

/// Points from -100 to 100 in 1/4096, rounded to the nearest, ties to even. Below zero where scoring counts more than
/// there is.
///
/// Adding 1.5 * 2^23 leaves the rounded value in the low bits of the sum, as that is where the unit is the last place. A
/// cast would do the same, but its saturation keeps compilers from using vectors.
#[inline(always)]
pub(crate) fn fixed(points: f32) -> i32 {
    const SHIFT: f32 = 12_582_912.0;
    let shifted = points.max(-100.0).min(100.0) * crate::score::UNIT as f32 + SHIFT;
    (shifted.to_bits() as i32).wrapping_sub(SHIFT.to_bits() as i32)
}

/// The hosts with at least `request` free, as a mask.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw", "x86_64+avx2+bmi1+bmi2"))]
pub(crate) fn admitting(free: &[i64; BLOCK], request: i64) -> u64 {
    let mut mask = 0;
    for (bit, free) in free.iter().enumerate() {
        mask |= u64::from(crate::fit::admits(*free, request)) << bit;
    }
    mask
}

/// The share of a resource in use once the class is placed.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
pub(crate) fn after(lanes: Lanes<'_>, after: &mut [f32; BLOCK]) {
    for lane in 0..BLOCK {
        after[lane] = lanes.load[lane] + lanes.request * lanes.inverse[lane];
    }
}

/// Adds to each lane's sum the share in use, or the share that stays free, times a weight.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
pub(crate) fn add_shares(after: &[f32; BLOCK], free: bool, weight: f32, sums: &mut [f32; BLOCK]) {
    if free {
        for lane in 0..BLOCK {
            sums[lane] += (1.0 - after[lane]) * weight;
        }
    } else {
        for lane in 0..BLOCK {
            sums[lane] += after[lane] * weight;
        }
    }
}

/// Points of `sums * scale`.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
pub(crate) fn scaled(sums: &[f32; BLOCK], scale: f32, points: &mut [i32; BLOCK]) {
    for lane in 0..BLOCK {
        points[lane] = fixed(sums[lane] * scale);
    }
}

/// Points for how near two shares are to each other.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
pub(crate) fn balance(one: &[f32; BLOCK], other: &[f32; BLOCK], points: &mut [i32; BLOCK]) {
    for lane in 0..BLOCK {
        points[lane] = fixed(100.0 * (1.0 - (one[lane] - other[lane]).abs() * 0.5));
    }
}

/// Adds points times a weight to totals.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
pub(crate) fn add_weighted(points: &[i32; BLOCK], weight: i32, totals: &mut [i32; BLOCK]) {
    for lane in 0..BLOCK {
        totals[lane] = totals[lane].wrapping_add(points[lane].wrapping_mul(weight));
    }
}

/// The largest total among the lanes of `mask`, and the first lane that has it. `mask` is not empty.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw", "x86_64+avx2+bmi1+bmi2"))]
pub(crate) fn best_lane(totals: &mut [i32; BLOCK], mask: u64) -> (i32, usize) {
    best_of(totals, mask)
}

#[inline(always)]
fn best_of(totals: &mut [i32; BLOCK], mask: u64) -> (i32, usize) {
    if mask != u64::MAX {
        for (lane, total) in totals.iter_mut().enumerate() {
            *total = if mask >> lane & 1 == 1 { *total } else { i32::MIN };
        }
    }
    let most = totals.iter().fold(i32::MIN, |most, total| most.max(*total));
    let mut having = 0_u64;
    for (lane, total) in totals.iter().enumerate() {
        having |= u64::from(*total == most) << lane;
    }
    (most, (having & mask).trailing_zeros() as usize)
}

/// Totals of a profile in closed form, and the best of them: what [`after`], [`add_shares`], [`scaled`], [`balance`],
/// [`add_weighted`] and [`best_lane`] come to one after the other, step by step alike.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw", "x86_64+avx2+bmi1+bmi2"))]
pub(crate) fn best_linear(one: Lanes<'_>, other: Lanes<'_>, linear: &Linear, mask: u64) -> (i32, usize) {
    let mut totals = [0; BLOCK];
    linear_totals(one, other, linear, &mut totals);
    best_of(&mut totals, mask)
}

/// Totals of a profile in closed form.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw", "x86_64+avx2+bmi1+bmi2"))]
pub(crate) fn all_linear(one: Lanes<'_>, other: Lanes<'_>, linear: &Linear, totals: &mut [i32; BLOCK]) {
    linear_totals(one, other, linear, totals);
}

#[inline(always)]
fn linear_totals(one: Lanes<'_>, other: Lanes<'_>, linear: &Linear, totals: &mut [i32; BLOCK]) {
    let Linear { weights: [first, second], free, scale, fit, balance, base, .. } = *linear;
    for lane in 0..BLOCK {
        let one = one.load[lane] + one.request * one.inverse[lane];
        let other = other.load[lane] + other.request * other.inverse[lane];
        let sum =
            if free { (1.0 - one) * first + (1.0 - other) * second } else { one * first + other * second };
        let balanced = fixed(100.0 * (1.0 - (one - other).abs() * 0.5));
        totals[lane] = fixed(sum * scale)
            .wrapping_mul(fit)
            .wrapping_add(balanced.wrapping_mul(balance))
            .wrapping_add(base);
    }
}

/// A resource over a block as kube-scheduler counts it.
#[derive(Clone, Copy)]
pub(crate) struct WholeLanes<'a> {
    pub(crate) allocatable: &'a [i64; BLOCK],
    pub(crate) free: &'a [i64; BLOCK],
    /// What pods count for in `NodeResourcesFit`.
    pub(crate) scored: &'a [i64; BLOCK],
    /// What the class counts for there.
    pub(crate) scoring_request: i64,
    /// What the class asks for.
    pub(crate) request: i64,
}

/// Up to so much allocatable, double precision gives kube-scheduler's whole-number quotients: a hundredfold is exact, and a
/// quotient of at most 100 that is no whole number is further from one than it is rounded.
const MOST_EXACT: i64 = 1 << 45;

/// Totals of a profile in kube-scheduler's whole numbers, and the best of them; `None` where a host offers too much for
/// double precision.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw", "x86_64+avx2+bmi1+bmi2+fma"))]
pub(crate) fn best_whole(
    one: WholeLanes<'_>,
    other: WholeLanes<'_>,
    linear: &Linear,
    balance: i32,
    mask: u64,
) -> Option<(i32, usize)> {
    let mut totals = [0; BLOCK];
    whole_totals(one, other, linear, balance, &mut totals).then(|| best_of(&mut totals, mask))
}

/// Totals of a profile in kube-scheduler's whole numbers; false where a host offers too much for double precision.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw", "x86_64+avx2+bmi1+bmi2+fma"))]
pub(crate) fn all_whole(
    one: WholeLanes<'_>,
    other: WholeLanes<'_>,
    linear: &Linear,
    balance: i32,
    totals: &mut [i32; BLOCK],
) -> bool {
    whole_totals(one, other, linear, balance, totals)
}

#[inline(always)]
fn whole_totals(
    one: WholeLanes<'_>,
    other: WholeLanes<'_>,
    linear: &Linear,
    balance: i32,
    totals: &mut [i32; BLOCK],
) -> bool {
    let Linear { weights: [first, second], free, fit, base, .. } = *linear;
    let (first, second) = (f64::from(first), f64::from(second));
    let mut most = 0;
    for lane in 0..BLOCK {
        let (one_offered, other_offered) = (one.allocatable[lane], other.allocatable[lane]);
        most |= one_offered | other_offered;
        let points = |offered: i64, taken: i64| {
            let taken = if taken < offered { taken } else { offered };
            let counted = if free { offered - taken } else { taken };
            (counted as f64 * 100.0 / offered as f64).floor()
        };
        let share = |lanes: &WholeLanes<'_>| {
            let offered = lanes.allocatable[lane];
            let share = (offered - lanes.free[lane] + lanes.request) as f64 / offered as f64;
            if share > 1.0 { 1.0 } else { share }
        };
        // What a host does not offer does not count; quotients by zero are left behind unused.
        let one_points = points(one_offered, one.scored[lane] + one.scoring_request);
        let other_points = points(other_offered, other.scored[lane] + other.scoring_request);
        let one_weighted = if one_offered > 0 { one_points * first } else { 0.0 };
        let other_weighted = if other_offered > 0 { other_points * second } else { 0.0 };
        let weights =
            if one_offered > 0 { first } else { 0.0 } + if other_offered > 0 { second } else { 0.0 };
        let fitting = if weights > 0.0 { ((one_weighted + other_weighted) / weights).floor() } else { 0.0 };
        let apart = (share(&one) - share(&other)).abs() / 2.0;
        let apart = if one_offered > 0 && other_offered > 0 { apart } else { 0.0 };
        let balanced = ((1.0 - apart) * 100.0).floor();
        totals[lane] = (fitting as i32)
            .wrapping_mul(fit)
            .wrapping_add((balanced as i32).wrapping_mul(balance))
            .wrapping_add(base);
    }
    most < MOST_EXACT
}
