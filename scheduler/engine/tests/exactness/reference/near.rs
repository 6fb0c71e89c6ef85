//! `InterPodAffinity`: pods near each other, looked for anew for each decision.

use std::collections::{BTreeMap, BTreeSet};

use meridian_engine::{Demand, PodAffinityTerm, Profile};

use super::machine::Machine;
use super::pods::{Namespaces, means, meets_affinity};

/// A topology key and a value.
type Pair = (String, String);

/// What the filter looks at.
pub(crate) struct Near {
    affinity: BTreeSet<Pair>,
    anti_affinity: BTreeSet<Pair>,
    kept_away: BTreeSet<Pair>,
    matches_itself: bool,
    is_idle: bool,
}

fn pair(machine: &Machine, term: &PodAffinityTerm) -> Option<Pair> {
    let value = machine.host.labels.get(&term.topology_key)?;
    Some((term.topology_key.clone(), value.clone()))
}

/// What the filter looks at, as things are.
pub(crate) fn near(machines: &[&Machine], demand: &Demand, namespaces: &Namespaces, is_idle: bool) -> Near {
    let mut near = Near {
        affinity: BTreeSet::new(),
        anti_affinity: BTreeSet::new(),
        kept_away: BTreeSet::new(),
        matches_itself: meets_affinity(demand, &demand.identity, namespaces),
        is_idle,
    };
    let own = &demand.identity;
    for machine in machines {
        for pod in &machine.pods {
            let other = &pod.demand.identity;
            if meets_affinity(demand, other, namespaces) {
                near.affinity.extend(demand.terms.affinity.iter().filter_map(|term| pair(machine, term)));
            }
            let kept = demand.terms.anti_affinity.iter().filter(|term| means(term, own, other, namespaces));
            near.anti_affinity.extend(kept.filter_map(|term| pair(machine, term)));
            let keeping = pod.demand.terms.anti_affinity.iter();
            let keeping = keeping.filter(|term| means(term, other, own, namespaces));
            near.kept_away.extend(keeping.filter_map(|term| pair(machine, term)));
        }
    }
    near
}

impl Near {
    pub(crate) fn refusal(&self, machine: &Machine, demand: &Demand) -> Option<&'static str> {
        let labels = &machine.host.labels;
        let pairs: Option<Vec<Pair>> = demand.terms.affinity.iter().map(|term| pair(machine, term)).collect();
        let is_near = match pairs {
            None => false,
            Some(_) if self.is_idle => true,
            Some(pairs) if pairs.iter().all(|pair| self.affinity.contains(pair)) => true,
            Some(_) => self.affinity.is_empty() && self.matches_itself,
        };
        if !is_near {
            return Some("node(s) didn't match pod affinity rules");
        }
        if self.is_idle {
            return None;
        }
        let mut anti = demand.terms.anti_affinity.iter().filter_map(|term| pair(machine, term));
        if anti.any(|pair| self.anti_affinity.contains(&pair)) {
            return Some("node(s) didn't match pod anti-affinity rules");
        }
        let mut pairs = labels.iter().map(|(key, value)| (key.clone(), value.clone()));
        pairs
            .any(|pair| self.kept_away.contains(&pair))
            .then_some("node(s) didn't satisfy existing pods anti-affinity rules")
    }
}

/// What draws to each feasible host, less what repels.
pub(crate) fn sums(
    profile: &Profile,
    machines: &[&Machine],
    feasible: &[&Machine],
    demand: &Demand,
    namespaces: &Namespaces,
) -> Vec<i64> {
    let arguments = &profile.topology;
    if arguments.ignores_preferred_terms_of_existing_pods && demand.terms.preferred.is_empty() {
        return vec![0; feasible.len()];
    }
    let mut worth: BTreeMap<Pair, i64> = BTreeMap::new();
    let mut add = |machine: &Machine, term: &PodAffinityTerm, weight: i32| {
        if let Some(pair) = pair(machine, term) {
            *worth.entry(pair).or_default() += i64::from(weight);
        }
    };
    let own = &demand.identity;
    for machine in machines {
        for pod in &machine.pods {
            let other = &pod.demand.identity;
            for weighted in &demand.terms.preferred {
                if means(&weighted.term, own, other, namespaces) {
                    add(machine, &weighted.term, weighted.weight);
                }
            }
            for weighted in &pod.demand.terms.preferred {
                if means(&weighted.term, other, own, namespaces) {
                    add(machine, &weighted.term, weighted.weight);
                }
            }
            for term in &pod.demand.terms.affinity {
                if means(term, other, own, namespaces) {
                    add(machine, term, arguments.hard_pod_affinity_weight);
                }
            }
        }
    }
    let of = |machine: &&Machine| {
        let pairs = machine.host.labels.iter();
        pairs.filter_map(|(key, value)| worth.get(&(key.clone(), value.clone()))).sum()
    };
    feasible.iter().map(of).collect()
}

/// Scaled so that the least becomes 0 and the largest 100.
pub(crate) fn normalised(sums: &[i64]) -> Vec<i64> {
    let (least, most) = (sums.iter().min().copied().unwrap_or(0), sums.iter().max().copied().unwrap_or(0));
    let scaled = |sum: &i64| match most - least {
        0 => 0,
        range => (100.0 * ((sum - least) as f64 / range as f64)) as i64,
    };
    sums.iter().map(scaled).collect()
}
