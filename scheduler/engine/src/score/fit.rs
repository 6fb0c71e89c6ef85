//! `NodeResourcesFit`: resources in use after placing, few (spread), many (pack) or along a line of the user's.

use super::share::{self, Weighted};
use super::{MAX_POINTS, Points, Score, View};
use crate::cell::{BLOCK, Cell};
use crate::kernel;
use crate::profile::{Arithmetic, FitStrategy, ResourceWeight, ShapePoint};

/// A shape's scores go up to 10, plugins' to 100.
const SHAPE_SCALE: i64 = 10;

pub(super) struct NodeResourcesFit {
    strategy: FitStrategy,
    resources: Vec<Weighted>,
    arithmetic: Arithmetic,
    /// The sum of all weights, those of resources offered nowhere included.
    total: i64,
}

impl NodeResourcesFit {
    pub(super) fn new(
        strategy: &FitStrategy,
        resources: &[ResourceWeight],
        arithmetic: Arithmetic,
        cell: &Cell,
    ) -> NodeResourcesFit {
        NodeResourcesFit {
            strategy: strategy.clone(),
            resources: share::weighted(resources, cell),
            arithmetic,
            total: resources.iter().map(|entry| entry.weight).sum(),
        }
    }

    /// One host in kube-scheduler's whole numbers.
    fn whole(&self, view: &View<'_>, slot: usize) -> i64 {
        let (mut sum, mut weights) = (0, 0);
        for Weighted { resource, weight } in &self.resources {
            let Some((requested, allocatable)) = share::requested(view, *resource, slot, false) else {
                continue;
            };
            let score = match &self.strategy {
                FitStrategy::LeastAllocated => (allocatable - requested).max(0) * MAX_POINTS / allocatable,
                FitStrategy::MostAllocated => requested.min(allocatable) * MAX_POINTS / allocatable,
                FitStrategy::RequestedToCapacityRatio(shape) => {
                    let utilization =
                        if requested > allocatable { 100 } else { requested * 100 / allocatable };
                    let score = line(shape, utilization);
                    // Only here a resource without a score does not dilute the others.
                    if score == 0 {
                        continue;
                    }
                    score
                }
            };
            sum += score * weight;
            weights += weight;
        }
        if weights == 0 {
            return 0;
        }
        match self.strategy {
            FitStrategy::RequestedToCapacityRatio(_) => (sum as f64 / weights as f64).round() as i64,
            _ => sum / weights,
        }
    }

    /// A block in our own arithmetic.
    fn fine(&self, view: &View<'_>, block: usize, points: &mut Points) {
        let mut sums = [0.0_f32; BLOCK];
        let mut after = [0.0_f32; BLOCK];
        for Weighted { resource, weight } in &self.resources {
            share::after(view, *resource, block, &mut after);
            let weight = *weight as f32;
            match &self.strategy {
                FitStrategy::LeastAllocated => kernel::add_shares(&after, true, weight, &mut sums),
                FitStrategy::MostAllocated => kernel::add_shares(&after, false, weight, &mut sums),
                FitStrategy::RequestedToCapacityRatio(shape) => {
                    for lane in 0..BLOCK {
                        sums[lane] += fine_line(shape, after[lane] * 100.0) * weight;
                    }
                }
            }
        }
        let scale = match self.strategy {
            FitStrategy::RequestedToCapacityRatio(_) => 1.0 / self.total as f32,
            _ => 100.0 / self.total as f32,
        };
        kernel::scaled(&sums, scale, points);
    }
}

impl Score for NodeResourcesFit {
    fn score(&self, view: &View<'_>, block: usize, mask: u64, points: &mut Points) {
        match self.arithmetic {
            Arithmetic::Kubernetes => share::each(block, mask, points, |slot| self.whole(view, slot) as i32),
            Arithmetic::Meridian => self.fine(view, block, points),
        }
    }
}

/// The broken line through a shape's points, in whole numbers.
fn line(shape: &[ShapePoint], utilization: i64) -> i64 {
    let score = |point: &ShapePoint| point.score * SHAPE_SCALE;
    let above = shape.partition_point(|point| point.utilization < utilization);
    match (above.checked_sub(1).map(|below| &shape[below]), shape.get(above)) {
        (None, Some(first)) => score(first),
        (Some(below), Some(above)) => {
            score(below)
                + (score(above) - score(below)) * (utilization - below.utilization)
                    / (above.utilization - below.utilization)
        }
        (Some(last), None) => score(last),
        (None, None) => 0,
    }
}

/// The broken line through a shape's points.
fn fine_line(shape: &[ShapePoint], utilization: f32) -> f32 {
    let score = |point: &ShapePoint| (point.score * SHAPE_SCALE) as f32;
    let above = shape.partition_point(|point| (point.utilization as f32) < utilization);
    match (above.checked_sub(1).map(|below| &shape[below]), shape.get(above)) {
        (None, Some(first)) => score(first),
        (Some(below), Some(above)) => {
            let start = below.utilization as f32;
            score(below)
                + (score(above) - score(below)) * (utilization - start) / (above.utilization as f32 - start)
        }
        (Some(last), None) => score(last),
        (None, None) => 0.0,
    }
}
