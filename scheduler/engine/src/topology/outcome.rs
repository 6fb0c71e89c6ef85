//! What the rules of a class make of hosts by their signatures, as the counts are now.

use super::Topology;
use super::signature::{Layout, Place};
use super::terms::{Rules, Soft};
use crate::kernel::fixed;
use crate::plugins::TopologyWeights;
use crate::profile::Arithmetic;
use crate::score::MAX_POINTS;

/// Hosts of one signature.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen<'a> {
    pub(super) signature: &'a [i64],
    /// How many of them are feasible but for the pods around.
    pub(super) hosts: u32,
}

/// What becomes of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) is_admitted: bool,
    /// Points of `PodTopologySpread`.
    pub(super) spread: i32,
    /// Points of `InterPodAffinity`.
    pub(super) near: i32,
    /// Points of `TaintToleration` and `NodeAffinity`, where they are in the signature.
    pub(super) taints: i32,
    pub(super) preferred: i32,
}

/// Points by slot, for explanations.
#[derive(Clone, Debug, Default)]
pub(crate) struct Points {
    pub(crate) spread: Vec<i32>,
    pub(crate) near: Vec<i32>,
}

/// A class' rules against the counts.
#[derive(Clone, Copy)]
pub(super) struct Judge<'a> {
    pub(super) topology: &'a Topology,
    pub(super) rules: &'a Rules,
    pub(super) layout: &'a Layout,
    pub(super) arithmetic: Arithmetic,
}

impl Outcome {
    /// The weighted sum of the points.
    pub(super) fn total(&self, weights: &TopologyWeights) -> i64 {
        i64::from(self.spread) * weights.spread
            + i64::from(self.near) * weights.near
            + i64::from(self.taints) * weights.taints
            + i64::from(self.preferred) * weights.preferred
    }
}

impl Judge<'_> {
    /// The outcome of each signature; of those not admitted nothing else is told.
    pub(super) fn outcomes(&self, seen: &[Seen<'_>], outcomes: &mut Vec<Outcome>) {
        outcomes.clear();
        outcomes.extend(seen.iter().map(|seen| Outcome {
            is_admitted: seen.hosts > 0 && self.admits(seen.signature),
            ..Outcome::default()
        }));
        match self.arithmetic {
            Arithmetic::Meridian => {
                for (seen, outcome) in seen.iter().zip(outcomes.iter_mut()).filter(|(_, to)| to.is_admitted) {
                    outcome.spread = self.absolute_spread(seen.signature);
                    let near = self.near(seen.signature) as f32;
                    outcome.near = fixed(100.0 * near / (near.abs() + 100.0));
                }
            }
            Arithmetic::Kubernetes => {
                self.normalise_spread(seen, outcomes);
                self.normalise_near(seen, outcomes);
                self.normalise_statics(seen, outcomes);
            }
        }
    }

    fn admits(&self, signature: &[i64]) -> bool {
        let Judge { topology, rules, layout, .. } = self;
        let keeps_skews = rules.hard.iter().zip(&layout.hard).all(|(hard, place)| {
            topology.keeps_skew(hard, self.count(hard.counter, *place, signature), i64::MAX)
        });
        let taken =
            |counter: super::Id, place: usize| self.count(counter, Place::Domain(place), signature) > 0;
        let is_near = layout.affinity.iter().all(|(counter, place)| taken(*counter, *place))
            && layout.affinity_at.is_none_or(|place| signature[place] == 1);
        keeps_skews
            && (is_near || topology.may_be_first(rules))
            && !layout.zero.iter().any(|(counter, place)| taken(*counter, *place))
    }

    /// What a counter counts for hosts with a signature.
    fn count(&self, counter: super::Id, place: Place, signature: &[i64]) -> i64 {
        match place {
            Place::Count(place) => signature[place],
            Place::Domain(place) => match u32::try_from(signature[place]) {
                Ok(value) => self.topology.counters.get(counter).count(value),
                Err(_) => 0,
            },
        }
    }

    fn is_scored(&self, signature: &[i64]) -> bool {
        self.layout.scored_at.is_none_or(|place| signature[place] == 1)
    }

    /// The soft constraints that a host has a domain for, with its count there.
    fn counts<'s>(&'s self, signature: &'s [i64]) -> impl Iterator<Item = (usize, &'s Soft, i64)> {
        self.rules.soft.iter().zip(&self.layout.soft).enumerate().filter_map(|(number, (soft, place))| {
            let (Place::Domain(at) | Place::Count(at)) = *place;
            (signature[at] >= 0).then(|| (number, soft, self.count(soft.counter, *place, signature)))
        })
    }

    /// Full points for the emptiest domains, half where a domain has `max_skew` pods more, the mean of all constraints.
    fn absolute_spread(&self, signature: &[i64]) -> i32 {
        if self.rules.soft.is_empty() || !self.is_scored(signature) {
            return 0;
        }
        let mut sum = 0.0;
        for (_, soft, count) in self.counts(signature) {
            let skew = (count - self.topology.counters.get(soft.counter).least()).max(0) as f32;
            let bearable = soft.max_skew as f32;
            sum += 100.0 * bearable / (bearable + skew);
        }
        fixed(sum / self.rules.soft.len() as f32)
    }

    /// The sum of all that draws, less all that repels.
    fn near(&self, signature: &[i64]) -> i64 {
        let domains = self.layout.near.iter();
        let sum: i64 = domains
            .map(|(counter, factor, place)| self.count(*counter, Place::Domain(*place), signature) * factor)
            .sum();
        sum + self.layout.near_at.map_or(0, |place| signature[place])
    }

    fn normalise_spread(&self, seen: &[Seen<'_>], outcomes: &mut [Outcome]) {
        if self.rules.soft.is_empty() {
            return;
        }
        let weights = self.weights(seen, outcomes);
        let raw = |signature: &[i64]| {
            let mut sum = 0.0;
            for (number, soft, count) in self.counts(signature) {
                sum += count as f64 * weights[number] + (soft.max_skew - 1) as f64;
            }
            sum.round() as i64
        };
        let (mut least, mut most) = (i64::MAX, 0);
        let scored =
            |seen: &Seen<'_>, outcome: &Outcome| outcome.is_admitted && self.is_scored(seen.signature);
        for (seen, _) in seen.iter().zip(&*outcomes).filter(|(seen, outcome)| scored(seen, outcome)) {
            let raw = raw(seen.signature);
            (least, most) = (least.min(raw), most.max(raw));
        }
        for (seen, outcome) in seen.iter().zip(outcomes.iter_mut()).filter(|(seen, to)| scored(seen, to)) {
            outcome.spread = if most == 0 {
                MAX_POINTS as i32
            } else {
                (MAX_POINTS * (most + least - raw(seen.signature)) / most) as i32
            };
        }
    }

    /// How much a pod counts in each soft constraint: the more domains there are, the more.
    fn weights(&self, seen: &[Seen<'_>], outcomes: &[Outcome]) -> Vec<f64> {
        let scored = || {
            let all = seen.iter().zip(outcomes);
            let scored = all.filter(|(seen, to)| to.is_admitted && self.is_scored(seen.signature));
            scored.map(|(seen, _)| seen)
        };
        let size = |(soft, place): (&Soft, &Place)| match *place {
            Place::Count(_) if soft.is_by_host => scored().map(|seen| seen.hosts as usize).sum(),
            Place::Count(at) => {
                let having = scored().filter(|seen| seen.signature[at] >= 0);
                let lacking = scored().any(|seen| seen.signature[at] < 0);
                having.map(|seen| seen.hosts as usize).sum::<usize>() + usize::from(lacking)
            }
            Place::Domain(at) => {
                let mut values: Vec<i64> = scored().map(|seen| seen.signature[at]).collect();
                values.sort_unstable();
                values.dedup();
                values.len()
            }
        };
        let sizes = self.rules.soft.iter().zip(&self.layout.soft).map(size);
        sizes.map(|size| ((size + 2) as f64).ln()).collect()
    }

    fn normalise_near(&self, seen: &[Seen<'_>], outcomes: &mut [Outcome]) {
        if self.rules.near.is_empty() {
            return;
        }
        let (mut least, mut most) = (i64::MAX, i64::MIN);
        for (seen, _) in seen.iter().zip(&*outcomes).filter(|(_, outcome)| outcome.is_admitted) {
            let near = self.near(seen.signature);
            (least, most) = (least.min(near), most.max(near));
        }
        if most <= least {
            return;
        }
        for (seen, outcome) in seen.iter().zip(outcomes.iter_mut()).filter(|(_, to)| to.is_admitted) {
            let share = (self.near(seen.signature) - least) as f64 / (most - least) as f64;
            outcome.near = (MAX_POINTS as f64 * share) as i32;
        }
    }

    fn normalise_statics(&self, seen: &[Seen<'_>], outcomes: &mut [Outcome]) {
        let Some(at) = self.layout.statics_at else { return };
        let admitted = || seen.iter().zip(&*outcomes).filter(|(_, outcome)| outcome.is_admitted);
        let most = |at: usize| admitted().map(|(seen, _)| seen.signature[at]).max().unwrap_or(0);
        let (most_taints, most_preferred) = (most(at), most(at + 1));
        let share = |raw: i64, most: i64| if most == 0 { 0 } else { (MAX_POINTS * raw / most) as i32 };
        for (seen, outcome) in seen.iter().zip(outcomes.iter_mut()).filter(|(_, to)| to.is_admitted) {
            outcome.taints = MAX_POINTS as i32 - share(seen.signature[at], most_taints);
            outcome.preferred = share(seen.signature[at + 1], most_preferred);
        }
    }
}
