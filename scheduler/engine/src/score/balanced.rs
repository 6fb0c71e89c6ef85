//! `NodeResourcesBalancedAllocation`: resources evenly in use after placing.

use super::share::{self, Weighted};
use super::{MAX_POINTS, Points, Score, View, fixed};
use crate::ask::Ask;
use crate::cell::{BLOCK, Cell};
use crate::kernel;
use crate::profile::{Arithmetic, ResourceWeight};

pub(super) struct BalancedAllocation {
    resources: Vec<Weighted>,
    arithmetic: Arithmetic,
}

impl BalancedAllocation {
    pub(super) fn new(
        resources: &[ResourceWeight],
        arithmetic: Arithmetic,
        cell: &Cell,
    ) -> BalancedAllocation {
        BalancedAllocation { resources: share::weighted(resources, cell), arithmetic }
    }

    fn whole(&self, view: &View<'_>, slot: usize) -> i64 {
        let fractions = || {
            self.resources.iter().filter_map(|entry| {
                let (requested, allocatable) = share::requested(view, entry.resource, slot, true)?;
                Some((requested as f64 / allocatable as f64).min(1.0))
            })
        };
        let mut first = fractions();
        let deviation = match (first.next(), first.next(), first.next()) {
            (_, None, _) => 0.0,
            (Some(one), Some(other), None) => (one - other).abs() / 2.0,
            _ => {
                let count = fractions().count() as f64;
                let mean = fractions().fold(0.0, |sum, fraction| sum + fraction) / count;
                let squares = fractions()
                    .fold(0.0, |squares, fraction| squares + (fraction - mean) * (fraction - mean));
                (squares / count).sqrt()
            }
        };
        ((1.0 - deviation) * MAX_POINTS as f64) as i64
    }

    fn fine(&self, view: &View<'_>, block: usize, points: &mut Points) {
        match self.resources.as_slice() {
            [] | [_] => points.fill(fixed(100.0)),
            [one, other] => {
                let (mut first, mut second) = ([0.0; BLOCK], [0.0; BLOCK]);
                share::after(view, one.resource, block, &mut first);
                share::after(view, other.resource, block, &mut second);
                kernel::balance(&first, &second, points);
            }
            resources => {
                let mut after = vec![[0.0; BLOCK]; resources.len()];
                for (entry, after) in resources.iter().zip(&mut after) {
                    share::after(view, entry.resource, block, after);
                }
                let count = after.len() as f32;
                for lane in 0..BLOCK {
                    let mean = after.iter().fold(0.0, |sum, after| sum + after[lane]) / count;
                    let squares = after
                        .iter()
                        .fold(0.0, |sum, after| sum + (after[lane] - mean) * (after[lane] - mean));
                    points[lane] = fixed(100.0 * (1.0 - (squares / count).sqrt()));
                }
            }
        }
    }
}

impl Score for BalancedAllocation {
    fn score(&self, view: &View<'_>, block: usize, mask: u64, points: &mut Points) {
        match self.arithmetic {
            Arithmetic::Kubernetes => share::each(block, mask, points, |slot| self.whole(view, slot) as i32),
            Arithmetic::Meridian => self.fine(view, block, points),
        }
    }

    /// kube-scheduler does not balance what asks for nothing.
    fn skips(&self, ask: &Ask) -> bool {
        self.arithmetic == Arithmetic::Kubernetes
            && self.resources.iter().all(|entry| ask.request(entry.resource) == 0)
    }
}
