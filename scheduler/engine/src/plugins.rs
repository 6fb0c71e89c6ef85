//! A profile at work: its filters and scores as plugins over blocks.

use std::sync::Arc;

use crate::ask::Ask;
use crate::cell::{BLOCK, Cell};
use crate::constraint::ConstraintSet;
use crate::fit;
use crate::kernel;
use crate::linear::Linear;
use crate::profile::{Arithmetic, FilterPlugin, Profile, ScorePlugin};
use crate::resource::Resources;
use crate::score::{self, Extremes, Fragmentation, GpuFragmentation, Points, Score, Supply, View};

/// The compiled form of a [`Profile`].
pub(crate) struct Plugins {
    pub(crate) filters: Vec<FilterPlugin>,
    pub(crate) scores: Vec<WeightedPlugin>,
    /// Decides which device a sharing pod gets, where the profile minds fragmentation.
    pub(crate) fragmentation: Option<GpuFragmentation>,
    /// Decides which devices a pod gets, where the profile has `Fragmentation` and something has been learned.
    pub(crate) supply: Option<Arc<Supply>>,
    /// How much of a point one is in scores.
    pub(crate) unit: i32,
    pub(crate) arithmetic: Arithmetic,
    pub(crate) weights: TopologyWeights,
    /// The score in closed form, where it has one.
    pub(crate) linear: Option<Linear>,
    /// Whether scores depend on the largest host of the cell.
    pub(crate) scaled: bool,
    /// Whether raw taint scores are normalised over the feasible hosts.
    normalises_taints: bool,
    /// Whether raw affinity scores are normalised over the feasible hosts.
    normalises_affinity: bool,
}

/// The weights of the plugins whose points are a matter of other pods or of all feasible hosts; 0 of those left out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TopologyWeights {
    pub(crate) spread: i64,
    pub(crate) near: i64,
    pub(crate) taints: i64,
    pub(crate) preferred: i64,
}

impl TopologyWeights {
    fn of(profile: &Profile) -> TopologyWeights {
        let weight = |plugin: &ScorePlugin| {
            profile.scores.iter().find(|score| score.plugin == *plugin).map_or(0, |score| score.weight)
        };
        TopologyWeights {
            spread: weight(&ScorePlugin::PodTopologySpread),
            near: weight(&ScorePlugin::InterPodAffinity),
            taints: weight(&ScorePlugin::TaintToleration),
            preferred: weight(&ScorePlugin::NodeAffinity),
        }
    }
}

/// A score plugin with its weight.
pub(crate) struct WeightedPlugin {
    pub(crate) name: &'static str,
    pub(crate) weight: i32,
    pub(crate) plugin: Box<dyn Score>,
    about: About,
}

/// What a score plugin's points are a matter of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    /// The host, and what it runs.
    Host,
    /// The host, and where scores are normalised all feasible hosts.
    Statics,
    /// Other pods.
    Pods,
}

impl About {
    fn of(plugin: &ScorePlugin) -> About {
        match plugin {
            ScorePlugin::PodTopologySpread | ScorePlugin::InterPodAffinity => About::Pods,
            ScorePlugin::TaintToleration | ScorePlugin::NodeAffinity => About::Statics,
            _ => About::Host,
        }
    }
}

impl Plugins {
    /// Compiles a valid profile; the resources it names get columns in `cell`.
    pub(crate) fn new(profile: &Profile, cell: &mut Cell) -> Plugins {
        for score in &profile.scores {
            if let ScorePlugin::NodeResourcesFit { resources, .. }
            | ScorePlugin::NodeResourcesBalancedAllocation { resources } = &score.plugin
            {
                let extended = resources
                    .iter()
                    .filter(|entry| cell.resource(&entry.resource).is_none())
                    .map(|entry| (entry.resource.clone(), 0))
                    .collect();
                cell.intern(&Resources { extended, ..Resources::default() });
            }
        }
        let kubernetes = profile.arithmetic == Arithmetic::Kubernetes;
        let has = |name: &str| profile.scores.iter().any(|score| score.plugin.name() == name);
        let fragmentation = profile.scores.iter().find_map(|score| match &score.plugin {
            ScorePlugin::GpuFragmentation { typical } => {
                Some(GpuFragmentation::new(typical.clone(), score::unit(profile.arithmetic)))
            }
            _ => None,
        });
        Plugins {
            filters: FilterPlugin::ALL
                .into_iter()
                .filter(|filter| profile.filters.contains(filter))
                .collect(),
            scores: profile
                .scores
                .iter()
                .map(|score| WeightedPlugin {
                    name: score.plugin.name(),
                    weight: score.weight as i32,
                    plugin: score::plugin(&score.plugin, profile.arithmetic, cell),
                    about: About::of(&score.plugin),
                })
                .collect(),
            fragmentation,
            supply: None,
            unit: score::unit(profile.arithmetic),
            arithmetic: profile.arithmetic,
            weights: TopologyWeights::of(profile),
            linear: Linear::of(profile, cell),
            scaled: has("BestFit"),
            normalises_taints: kubernetes && has("TaintToleration"),
            normalises_affinity: kubernetes && has("NodeAffinity"),
        }
    }
}

impl Plugins {
    /// Has `Fragmentation` value hosts in another way. All scores it gave are stale.
    pub(crate) fn value_by(&mut self, supply: Arc<Supply>) {
        for score in self.scores.iter_mut().filter(|score| score.name == ScorePlugin::Fragmentation.name()) {
            score.plugin = Box::new(Fragmentation { supply: Some(Arc::clone(&supply)), unit: self.unit });
        }
        self.supply = Some(supply);
    }
}

/// A class against the cell under a profile: what a decision looks at.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) cell: &'a Cell,
    pub(crate) plugins: &'a Plugins,
    pub(crate) ask: &'a Ask,
    pub(crate) set: &'a ConstraintSet,
}

/// The best host of a block: its score, and in the low bits its lane, inverted so that of equal scores the first wins.
pub(crate) type Key = i64;

/// The key of a block without a feasible host.
pub(crate) const NONE: Key = i64::MIN;

const LANE_BITS: u32 = 6;

/// The score of a key that is not [`NONE`]; `NONE` stays below all scores.
pub(crate) fn score_of(key: Key) -> i64 {
    key >> LANE_BITS
}

/// The lane of a key that is not [`NONE`].
pub(crate) fn lane_of(key: Key) -> usize {
    BLOCK - 1 - (key & (BLOCK as i64 - 1)) as usize
}

fn key(score: i32, lane: usize) -> Key {
    (i64::from(score) << LANE_BITS) | (BLOCK - 1 - lane) as i64
}

impl<'a> Context<'a> {
    pub(crate) fn view(&self, extremes: Extremes) -> View<'a> {
        View { cell: self.cell, ask: self.ask, set: self.set, extremes, topology: None }
    }

    /// The hosts of a block that all filters admit.
    pub(crate) fn feasible(&self, block: usize) -> u64 {
        let mask = self.set.mask(block);
        if mask == 0 {
            return 0;
        }
        fit::available(self.cell, self.ask, block, mask)
    }

    /// Whether scores depend on the extremes of raw scores over all feasible hosts.
    pub(crate) fn normalises(&self) -> bool {
        (self.plugins.normalises_taints && self.set.discouraged.is_some())
            || (self.plugins.normalises_affinity && self.set.preferred.is_some())
    }

    /// The largest raw scores of the feasible hosts of a block.
    pub(crate) fn extremes(&self, block: usize, feasible: u64) -> Extremes {
        let mut extremes = Extremes::default();
        for bit in crate::mask::bits(feasible) {
            let slot = block * BLOCK + bit;
            extremes = extremes.max(Extremes {
                discouraged: self.set.discouraged.as_ref().map_or(0, |column| column[slot]),
                preferred: self.set.preferred.as_ref().map_or(0, |column| column[slot]),
            });
        }
        extremes
    }

    /// The same for a pod as it is on the hosts of a pool.
    fn within(&self, pool: usize) -> Context<'a> {
        Context { ask: &self.ask.by_pool[pool], ..*self }
    }

    /// The points of the hosts of `feasible` where the pod comes to less on some hosts, as `score` has them for each pool.
    #[cold]
    fn by_pool(
        &self,
        view: &View<'_>,
        block: usize,
        feasible: u64,
        score: impl Fn(&Context<'_>, &View<'_>, u64) -> Points,
    ) -> Points {
        let mut all = [0; BLOCK];
        self.cell.pools.split(block, feasible, |pool, hosts| {
            let context = self.within(pool);
            let points = score(&context, &View { ask: context.ask, ..*view }, hosts);
            for bit in crate::mask::bits(hosts) {
                all[bit] = points[bit];
            }
        });
        all
    }

    /// The total scores of the feasible hosts of a block.
    pub(crate) fn totals(&self, view: &View<'_>, block: usize, feasible: u64) -> Points {
        if self.ask.shares() {
            return self
                .by_pool(view, block, feasible, |context, view, hosts| context.totals(view, block, hosts));
        }
        let mut totals = [0; BLOCK];
        let mut points = [0; BLOCK];
        for score in &self.plugins.scores {
            if score.plugin.skips(self.ask) {
                continue;
            }
            score.plugin.score(view, block, feasible, &mut points);
            kernel::add_weighted(&points, score.weight, &mut totals);
        }
        totals
    }

    /// The scores of the feasible hosts of a block but for what other pods add; without what no load changes where
    /// that is added elsewhere.
    pub(crate) fn base(&self, view: &View<'_>, block: usize, feasible: u64, without_statics: bool) -> Points {
        if self.ask.shares() {
            return self.by_pool(view, block, feasible, |context, view, hosts| {
                context.base(view, block, hosts, without_statics)
            });
        }
        let mut totals = [0; BLOCK];
        if let Some(linear) = &self.plugins.linear
            && Linear::holds(self.set)
            && linear.totals(self.cell, self.ask, block, &mut totals)
        {
            return totals;
        }
        totals.fill(0);
        let mut points = [0; BLOCK];
        for score in &self.plugins.scores {
            let is_left_out = match score.about {
                About::Host => false,
                About::Statics => without_statics,
                About::Pods => true,
            };
            if is_left_out || score.plugin.skips(self.ask) {
                continue;
            }
            score.plugin.score(view, block, feasible, &mut points);
            kernel::add_weighted(&points, score.weight, &mut totals);
        }
        totals
    }

    /// The best feasible host of a block.
    pub(crate) fn best(&self, view: &View<'_>, block: usize, feasible: u64) -> Key {
        if feasible == 0 {
            return NONE;
        }
        if self.ask.shares() {
            let mut best = NONE;
            self.cell.pools.split(block, feasible, |pool, hosts| {
                let context = self.within(pool);
                best = best.max(context.best(&View { ask: context.ask, ..*view }, block, hosts));
            });
            return best;
        }
        if let Some(linear) = &self.plugins.linear
            && Linear::holds(self.set)
            && let Some((total, lane)) = linear.best(self.cell, self.ask, block, feasible)
        {
            return key(total, lane);
        }
        let (total, lane) = kernel::best_lane(&mut self.totals(view, block, feasible), feasible);
        key(total, lane)
    }
}
