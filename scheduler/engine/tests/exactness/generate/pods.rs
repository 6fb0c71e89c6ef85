//! Random names and labels of pods, and what they want of each other.

use std::collections::BTreeMap;

use meridian_engine::{
    Identity, LabelSelector, Operator, PodAffinityTerm, PodTerms, Requirement, SpreadConstraint,
    WeightedPodTerm,
};

use super::Random;

/// Keys of hosts' labels that make domains: few, several, one of each host, and none.
const KEYS: [&str; 7] = [
    "zone",
    "zone",
    "disk",
    "kubernetes.io/hostname",
    "kubernetes.io/hostname",
    "topology.kubernetes.io/zone",
    "nobody",
];

const LABELS: [&str; 2] = ["app", "tier"];

const VALUES: [&str; 3] = ["x", "y", ""];

const NAMESPACES: [&str; 2] = ["one", "two"];

const TENANTS: [&str; 4] = ["", "", "", "other"];

/// Who a pod is. Where pods want nothing of each other, one in five has labels all the same.
pub(crate) fn identity(random: &mut Random, sociable: usize) -> Identity {
    if !random.percent(sociable.max(20)) {
        return Identity::default();
    }
    Identity { tenant: random.word(&TENANTS), namespace: random.word(&NAMESPACES), labels: labels(random) }
}

fn labels(random: &mut Random) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    for key in LABELS {
        if random.percent(75) {
            labels.insert(key.to_owned(), random.word(&VALUES));
        }
    }
    labels
}

/// What a pod wants of others: a few of the features at a time.
pub(crate) fn terms(random: &mut Random) -> PodTerms {
    let mut terms = PodTerms::default();
    if random.percent(35) {
        terms.spread = random.several(1..=3, spread_constraint);
    }
    if random.percent(35) {
        terms.default_spread = selector(random);
    }
    if random.percent(20) {
        terms.affinity = random.several(1..=2, term);
    }
    if random.percent(25) {
        terms.anti_affinity = random.several(1..=2, term);
    }
    if random.percent(35) {
        terms.preferred = random.several(1..=3, |random| WeightedPodTerm {
            weight: *random.pick(&[1, 10, 100, -1, -10, -100]),
            term: term(random),
        });
    }
    terms
}

pub(crate) fn spread_constraint(random: &mut Random) -> SpreadConstraint {
    let is_required = random.percent(50);
    SpreadConstraint {
        max_skew: *random.pick(&[1, 1, 2, 5]),
        topology_key: random.word(&KEYS[..6]),
        is_required,
        selector: selector(random),
        min_domains: (is_required && random.percent(25)).then(|| random.within(1..=5) as u32),
        honors_affinity: random.percent(70),
        honors_taints: random.percent(40),
    }
}

fn term(random: &mut Random) -> PodAffinityTerm {
    let mut term = PodAffinityTerm {
        topology_key: random.word(&KEYS),
        selector: selector(random),
        ..PodAffinityTerm::default()
    };
    if random.percent(25) {
        term.namespaces = random.several(1..=2, |random| random.word(&NAMESPACES)).into_iter().collect();
    }
    if random.percent(25) {
        term.namespace_selector = namespace_selector(random);
    }
    term
}

fn selector(random: &mut Random) -> LabelSelector {
    if random.percent(4) {
        return None;
    }
    Some(random.several(0..=2, |random| Requirement {
        key: random.word(&LABELS),
        operator: match random.below(8) {
            0..=4 => Operator::In(random.several(1..=2, |random| random.word(&VALUES))),
            5 => Operator::NotIn(random.several(0..=2, |random| random.word(&VALUES))),
            6 => Operator::Exists,
            _ => Operator::DoesNotExist,
        },
    }))
}

fn namespace_selector(random: &mut Random) -> LabelSelector {
    Some(random.several(0..=1, |random| match random.below(4) {
        0 => Requirement {
            key: "kubernetes.io/metadata.name".to_owned(),
            operator: Operator::In(vec![random.word(&NAMESPACES)]),
        },
        1 => Requirement { key: "team".to_owned(), operator: Operator::NotIn(vec!["x".to_owned()]) },
        _ => Requirement { key: "team".to_owned(), operator: Operator::In(vec![random.word(&VALUES)]) },
    }))
}

/// A namespace, and its labels from now on.
pub(crate) fn namespace(random: &mut Random) -> (String, String, Option<BTreeMap<String, String>>) {
    let labels = random.percent(85).then(|| {
        let mut labels = BTreeMap::new();
        if random.percent(80) {
            labels.insert("team".to_owned(), random.word(&VALUES));
        }
        labels
    });
    (random.word(&TENANTS), random.word(&NAMESPACES), labels)
}
