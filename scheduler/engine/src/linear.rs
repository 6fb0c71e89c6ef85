//! The common profile in closed form.
//!
//! When load counts only through the shares of CPU and memory in use (`NodeResourcesFit` that spreads or packs, with or
//! without `NodeResourcesBalancedAllocation`), a host's score is a piecewise linear function of those two shares, in
//! kube-scheduler's arithmetic but for rounding down. One loop then scores a block, in the place of a loop for each plugin,
//! with the very same results; and the same coefficients bound scores from above (see [`bound`](crate::bound)).

use crate::ask::Ask;
use crate::cell::{BLOCK, Cell, block_of};
use crate::constraint::ConstraintSet;
use crate::kernel::{self, Lanes, WholeLanes};
use crate::profile::{Arithmetic, FitStrategy, Profile, ResourceWeight, ScorePlugin};
use crate::resource::ResourceId;
use crate::score;

/// The coefficients of a profile's score.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Linear {
    pub(crate) arithmetic: Arithmetic,
    /// CPU and memory, in the order in which the profile lists them.
    pub(crate) resources: [ResourceId; 2],
    /// How much each counts in `NodeResourcesFit`.
    pub(crate) weights: [f32; 2],
    /// Whether free shares count (spread) or used ones (pack).
    pub(crate) free: bool,
    /// 100 over the sum of the weights.
    pub(crate) scale: f32,
    /// The profile's weight of `NodeResourcesFit`.
    pub(crate) fit: i32,
    /// The profile's weight of `NodeResourcesBalancedAllocation`; 0 without it.
    pub(crate) balance: i32,
    /// What the plugins that load does not change give to every host.
    pub(crate) base: i32,
}

fn lanes<'a>(cell: &'a Cell, ask: &Ask, block: usize, resource: ResourceId) -> Option<Lanes<'a>> {
    let share = cell.columns.share(resource)?;
    Some(Lanes {
        load: block_of(&share.load, block),
        inverse: block_of(&share.inverse, block),
        request: ask.scoring_request(resource) as f32,
    })
}

fn whole_lanes<'a>(cell: &'a Cell, ask: &Ask, block: usize, resource: ResourceId) -> Option<WholeLanes<'a>> {
    let share = cell.columns.share(resource)?;
    Some(WholeLanes {
        allocatable: cell.columns.allocatable_block(resource, block),
        free: cell.columns.free_block(resource, block),
        scored: block_of(&share.requested, block),
        scoring_request: ask.scoring_request(resource),
        request: ask.request(resource),
    })
}

fn is_pair(resources: &[ResourceWeight]) -> bool {
    let mut names: Vec<&str> = resources.iter().map(|entry| entry.resource.as_str()).collect();
    names.sort_unstable();
    names == ["cpu", "memory"]
}

impl Linear {
    /// The coefficients, where a profile has that form.
    pub(crate) fn of(profile: &Profile, cell: &Cell) -> Option<Linear> {
        let mut linear: Option<Linear> = None;
        let (mut balance, mut base) = (0, 0_i32);
        for score in &profile.scores {
            let weight = score.weight as i32;
            match &score.plugin {
                ScorePlugin::NodeResourcesFit { strategy, resources } if is_pair(resources) => {
                    let free = match strategy {
                        FitStrategy::LeastAllocated => true,
                        FitStrategy::MostAllocated => false,
                        FitStrategy::RequestedToCapacityRatio(_) => return None,
                    };
                    let [one, other] = resources.as_slice() else { return None };
                    linear = Some(Linear {
                        arithmetic: profile.arithmetic,
                        resources: [cell.resource(&one.resource)?, cell.resource(&other.resource)?],
                        weights: [one.weight as f32, other.weight as f32],
                        free,
                        scale: 100.0 / (one.weight + other.weight) as f32,
                        fit: weight,
                        balance: 0,
                        base: 0,
                    });
                }
                ScorePlugin::NodeResourcesBalancedAllocation { resources } if is_pair(resources) => {
                    balance = weight;
                }
                // Without a taint that counts every host gets full points; without a preferred term none gets any.
                ScorePlugin::TaintToleration => {
                    let full = 100 * score::unit(profile.arithmetic);
                    base = base.wrapping_add(full.wrapping_mul(weight));
                }
                // What other pods add is added elsewhere.
                ScorePlugin::NodeAffinity
                | ScorePlugin::PodTopologySpread
                | ScorePlugin::InterPodAffinity => {}
                _ => return None,
            }
        }
        linear.map(|linear| Linear { balance, base, ..linear })
    }

    /// Whether the form holds for a class: no host is preferred whatever its load.
    pub(crate) fn holds(set: &ConstraintSet) -> bool {
        set.discouraged.is_none() && set.preferred.is_none()
    }

    /// The best total among the hosts of `mask` in a block, and the first lane that has it.
    pub(crate) fn best(&self, cell: &Cell, ask: &Ask, block: usize, mask: u64) -> Option<(i32, usize)> {
        let [one, other] = self.resources;
        match self.arithmetic {
            Arithmetic::Meridian => {
                let (one, other) = (lanes(cell, ask, block, one)?, lanes(cell, ask, block, other)?);
                Some(kernel::best_linear(one, other, self, mask))
            }
            Arithmetic::Kubernetes => {
                let (one, other) =
                    (whole_lanes(cell, ask, block, one)?, whole_lanes(cell, ask, block, other)?);
                kernel::best_whole(one, other, self, self.balance_for(ask), mask)
            }
        }
    }

    /// The totals of all hosts of a block. Returns false where they do not have the form there.
    pub(crate) fn totals(&self, cell: &Cell, ask: &Ask, block: usize, totals: &mut [i32; BLOCK]) -> bool {
        let [one, other] = self.resources;
        match self.arithmetic {
            Arithmetic::Meridian => {
                let lanes = lanes(cell, ask, block, one).zip(lanes(cell, ask, block, other));
                lanes.is_some_and(|(one, other)| {
                    kernel::all_linear(one, other, self, totals);
                    true
                })
            }
            Arithmetic::Kubernetes => {
                let lanes = whole_lanes(cell, ask, block, one).zip(whole_lanes(cell, ask, block, other));
                lanes.is_some_and(|(one, other)| {
                    kernel::all_whole(one, other, self, self.balance_for(ask), totals)
                })
            }
        }
    }

    /// The weight of balance for a class: kube-scheduler does not balance what asks for nothing.
    pub(crate) fn balance_for(&self, ask: &Ask) -> i32 {
        let asks = self.resources.iter().any(|resource| ask.request(*resource) > 0);
        if asks || self.arithmetic == Arithmetic::Meridian { self.balance } else { 0 }
    }
}
