//! Score plugins: how well a class fits on each host of a block.
//!
//! A plugin fills in points for the 64 hosts of a block; the profile's weights add them up. Points are whole numbers
//! in the profile's unit: points of 0 to 100 in kube-scheduler's arithmetic, 1/4096 of a point in our own. The lanes of
//! hosts outside the mask may hold anything. A new policy is a file here, a variant of
//! [`ScorePlugin`](crate::ScorePlugin) and a line in [`plugin`].

mod affinity;
mod balanced;
mod best_fit;
mod fit;
mod fragmentation;
mod share;
mod supply;
mod taint;
mod topology;

pub(crate) use self::fragmentation::{GpuFragmentation, first_fitting};
pub(crate) use self::supply::{Fragmentation, Kind, Shape, Supply};
use crate::ask::Ask;
use crate::cell::{BLOCK, Cell};
use crate::constraint::ConstraintSet;
use crate::kernel::fixed;
use crate::profile::{Arithmetic, ScorePlugin};
use crate::topology::TopologyPoints;

/// The most that a plugin gives, in whole points.
pub(crate) const MAX_POINTS: i64 = 100;

/// How much of a point one is in our own arithmetic.
pub(crate) const UNIT: i32 = 4096;

/// Points of the 64 hosts of a block.
pub(crate) type Points = [i32; BLOCK];

/// What plugins see: a class against the cell as it is now.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) cell: &'a Cell,
    pub(crate) ask: &'a Ask,
    pub(crate) set: &'a ConstraintSet,
    pub(crate) extremes: Extremes,
    /// What the pods around are worth, where that has been worked out for all hosts.
    pub(crate) topology: Option<&'a TopologyPoints>,
}

/// The largest raw scores over all feasible hosts, by which kube-scheduler's arithmetic normalises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extremes {
    /// Most taints that make a feasible host less liked.
    pub(crate) discouraged: u16,
    /// Largest sum of preferred weights on a feasible host.
    pub(crate) preferred: i32,
}

impl Extremes {
    pub(crate) fn max(self, other: Extremes) -> Extremes {
        Extremes {
            discouraged: self.discouraged.max(other.discouraged),
            preferred: self.preferred.max(other.preferred),
        }
    }
}

/// A score plugin at work.
pub(crate) trait Score: Send + Sync {
    /// Fills in the points of the hosts in `mask`.
    fn score(&self, view: &View<'_>, block: usize, mask: u64, points: &mut Points);

    /// Whether the plugin has nothing to say about a class.
    fn skips(&self, _ask: &Ask) -> bool {
        false
    }
}

/// The plugin that a profile names. Resources have been interned in `cell`.
pub(crate) fn plugin(spec: &ScorePlugin, arithmetic: Arithmetic, cell: &Cell) -> Box<dyn Score> {
    match spec {
        ScorePlugin::NodeResourcesFit { strategy, resources } => {
            Box::new(fit::NodeResourcesFit::new(strategy, resources, arithmetic, cell))
        }
        ScorePlugin::NodeResourcesBalancedAllocation { resources } => {
            Box::new(balanced::BalancedAllocation::new(resources, arithmetic, cell))
        }
        ScorePlugin::TaintToleration => Box::new(taint::TaintToleration { arithmetic }),
        ScorePlugin::NodeAffinity => Box::new(affinity::NodeAffinity { arithmetic }),
        ScorePlugin::PodTopologySpread => Box::new(topology::PodTopologySpread),
        ScorePlugin::InterPodAffinity => Box::new(topology::InterPodAffinity),
        ScorePlugin::BestFit => Box::new(best_fit::BestFit { unit: unit(arithmetic) }),
        ScorePlugin::GpuFragmentation { typical } => {
            Box::new(GpuFragmentation::new(typical.clone(), unit(arithmetic)))
        }
        ScorePlugin::Fragmentation => Box::new(Fragmentation { supply: None, unit: unit(arithmetic) }),
    }
}

/// How much of a point one is.
pub(crate) fn unit(arithmetic: Arithmetic) -> i32 {
    match arithmetic {
        Arithmetic::Meridian => UNIT,
        Arithmetic::Kubernetes => 1,
    }
}
