//! `PodTopologySpread`: counts of pods by domain, made anew for each decision.

use std::collections::{BTreeMap, BTreeSet};

use meridian_engine::{Demand, Host, LabelSelector, Profile, SpreadConstraint, TaintEffect};

use super::machine::Machine;
use super::{filter, pods, selector};

const HOSTNAME: &str = "kubernetes.io/hostname";

/// A constraint with the pods that it counts.
struct Counted {
    constraint: SpreadConstraint,
    selector: LabelSelector,
    counts: BTreeMap<String, i64>,
}

/// The constraints that refuse hosts.
pub(crate) struct Hard {
    counted: Vec<Counted>,
    /// Nothing runs, and nothing is known of domains.
    is_idle: bool,
}

/// Those of one kind, and whether hosts must have the labels of all.
fn constraints(
    profile: &Profile,
    demand: &Demand,
    required: bool,
) -> (Vec<(SpreadConstraint, LabelSelector)>, bool) {
    let terms = &demand.terms;
    let (mut all, needs_all) = if terms.spread.is_empty() {
        let defaults = &profile.topology.default_spread;
        let applies = terms.default_spread.as_ref().is_some_and(|selector| !selector.is_empty());
        let constraints = if applies { defaults.constraints() } else { &[] };
        let all = constraints.iter().map(|one| (one.clone(), terms.default_spread.clone())).collect();
        (all, !defaults.is_system())
    } else {
        let own: Vec<_> = terms.spread.iter().map(|one| (one.clone(), one.selector.clone())).collect();
        (own, true)
    };
    all.retain(|(constraint, _)| constraint.is_required == required);
    (all, needs_all)
}

fn has_all(host: &Host, constraints: &[(SpreadConstraint, LabelSelector)]) -> bool {
    constraints.iter().all(|(constraint, _)| host.labels.contains_key(&constraint.topology_key))
}

fn counts_in(constraint: &SpreadConstraint, machine: &Machine, demand: &Demand) -> bool {
    let tainted = machine.host.taints.iter().any(|taint| {
        taint.effect != TaintEffect::PreferNoSchedule
            && !demand.constraints.tolerations.iter().any(|toleration| filter::matches(toleration, taint))
    });
    (!constraint.honors_affinity || selector::requirements_hold(&demand.constraints, &machine.host))
        && !(constraint.honors_taints && tainted)
}

/// How many pods of the machine the selector counts. One that matches everything counts nothing.
fn pods_on(machine: &Machine, selector: &LabelSelector, demand: &Demand) -> i64 {
    if selector.as_ref().is_some_and(Vec::is_empty) {
        return 0;
    }
    let counts = machine.pods.iter().filter(|pod| {
        let identity = &pod.demand.identity;
        !pod.is_terminating
            && identity.tenant == demand.identity.tenant
            && identity.namespace == demand.identity.namespace
            && pods::selects(selector, &identity.labels)
    });
    counts.count() as i64
}

/// The constraints that refuse hosts, as things are.
pub(crate) fn hard(profile: &Profile, machines: &[&Machine], demand: &Demand, is_idle: bool) -> Hard {
    let (all, _) = constraints(profile, demand, true);
    let counted = all.iter().map(|(constraint, selector)| {
        let mut counts = BTreeMap::new();
        for machine in machines.iter().filter(|machine| has_all(&machine.host, &all)) {
            if counts_in(constraint, machine, demand) {
                let value = machine.host.labels[&constraint.topology_key].clone();
                *counts.entry(value).or_default() += pods_on(machine, selector, demand);
            }
        }
        Counted { constraint: constraint.clone(), selector: selector.clone(), counts }
    });
    Hard { counted: counted.collect(), is_idle }
}

impl Hard {
    pub(crate) fn refusal(&self, machine: &Machine, demand: &Demand) -> Option<&'static str> {
        for Counted { constraint, selector, counts } in &self.counted {
            let Some(value) = machine.host.labels.get(&constraint.topology_key) else {
                return Some("node(s) didn't match pod topology spread constraints (missing required label)");
            };
            let mut least = counts.values().copied().min().unwrap_or(i64::from(i32::MAX));
            if counts.len() < constraint.min_domains.unwrap_or(1) as usize {
                least = 0;
            }
            let own = i64::from(pods::selects(selector, &demand.identity.labels));
            let here = counts.get(value).copied().unwrap_or(0);
            if !self.is_idle && here + own - least > i64::from(constraint.max_skew) {
                return Some("node(s) didn't match pod topology spread constraints");
            }
        }
        None
    }
}

/// The counts that the score of each constraint rests on, and which feasible hosts are left out.
struct Soft {
    constraints: Vec<(SpreadConstraint, LabelSelector)>,
    ignored: Vec<bool>,
    needs_all: bool,
}

fn soft(profile: &Profile, feasible: &[&Machine], demand: &Demand) -> Soft {
    let (constraints, needs_all) = constraints(profile, demand, false);
    let ignored = feasible.iter().map(|machine| needs_all && !has_all(&machine.host, &constraints)).collect();
    Soft { constraints, ignored, needs_all }
}

impl Soft {
    /// By domain, among all machines that count.
    fn counts(&self, number: usize, machines: &[&Machine], demand: &Demand) -> BTreeMap<Option<String>, i64> {
        let (constraint, selector) = &self.constraints[number];
        let mut counts = BTreeMap::new();
        for machine in machines {
            if self.needs_all && !has_all(&machine.host, &self.constraints) {
                continue;
            }
            if counts_in(constraint, machine, demand) {
                let value = machine.host.labels.get(&constraint.topology_key).cloned();
                *counts.entry(value).or_default() += pods_on(machine, selector, demand);
            }
        }
        counts
    }
}

/// kube-scheduler's whole numbers.
pub(crate) fn whole(
    profile: &Profile,
    machines: &[&Machine],
    feasible: &[&Machine],
    demand: &Demand,
) -> Vec<i64> {
    let soft = soft(profile, feasible, demand);
    if soft.constraints.is_empty() {
        return vec![0; feasible.len()];
    }
    let scored =
        || feasible.iter().zip(&soft.ignored).filter(|(_, ignored)| !**ignored).map(|(machine, _)| *machine);
    let mut raw = vec![0.0; feasible.len()];
    for (number, (constraint, selector)) in soft.constraints.iter().enumerate() {
        let key = &constraint.topology_key;
        let size = if key == HOSTNAME {
            scored().count()
        } else {
            scored().map(|machine| machine.host.labels.get(key)).collect::<BTreeSet<_>>().len()
        };
        let weight = ((size + 2) as f64).ln();
        let counts = soft.counts(number, machines, demand);
        for (raw, machine) in raw.iter_mut().zip(feasible) {
            let Some(value) = machine.host.labels.get(key) else { continue };
            let count = if key == HOSTNAME {
                pods_on(machine, selector, demand)
            } else {
                counts.get(&Some(value.clone())).copied().unwrap_or(0)
            };
            *raw += count as f64 * weight + f64::from(constraint.max_skew - 1);
        }
    }
    let raw: Vec<i64> = raw.into_iter().map(|raw| raw.round() as i64).collect();
    let kept = || raw.iter().zip(&soft.ignored).filter(|(_, ignored)| !**ignored).map(|(raw, _)| *raw);
    let (least, most) = (kept().min().unwrap_or(0), kept().max().unwrap_or(0).max(0));
    raw.iter()
        .zip(&soft.ignored)
        .map(|(raw, ignored)| match ignored {
            true => 0,
            false if most == 0 => 100,
            false => 100 * (most + least - raw) / most,
        })
        .collect()
}

/// Meridian's absolute points.
pub(crate) fn fine(
    profile: &Profile,
    machines: &[&Machine],
    feasible: &[&Machine],
    demand: &Demand,
) -> Vec<f32> {
    let soft = soft(profile, feasible, demand);
    if soft.constraints.is_empty() {
        return vec![0.0; feasible.len()];
    }
    let mut sums = vec![0.0; feasible.len()];
    for (number, (constraint, selector)) in soft.constraints.iter().enumerate() {
        let by_host = constraint.topology_key == HOSTNAME;
        let mut counts = soft.counts(number, machines, demand);
        counts.remove(&None);
        let least = if by_host {
            machines.iter().map(|machine| pods_on(machine, selector, demand)).min().unwrap_or(0)
        } else {
            counts.values().copied().min().unwrap_or(0)
        };
        for (sum, machine) in sums.iter_mut().zip(feasible) {
            let Some(value) = machine.host.labels.get(&constraint.topology_key) else { continue };
            let count = if by_host {
                pods_on(machine, selector, demand)
            } else {
                counts.get(&Some(value.clone())).copied().unwrap_or(0)
            };
            let skew = (count - least).max(0) as f32;
            let bearable = i64::from(constraint.max_skew) as f32;
            *sum += 100.0 * bearable / (bearable + skew);
        }
    }
    let count = soft.constraints.len() as f32;
    sums.iter().zip(&soft.ignored).map(|(sum, ignored)| if *ignored { 0.0 } else { sum / count }).collect()
}
