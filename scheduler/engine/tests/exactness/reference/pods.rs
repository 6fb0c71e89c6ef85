//! Which pods the terms of a pod mean.

use std::collections::BTreeMap;

use meridian_engine::{Demand, Identity, LabelSelector, Operator, PodAffinityTerm};

type Labels = BTreeMap<String, String>;

/// The labels of namespaces that have been told, by tenant and name.
pub(crate) type Namespaces = BTreeMap<(String, String), Labels>;

/// Whether the selector matches. None matches nothing, an empty one everything.
pub(crate) fn selects(selector: &LabelSelector, labels: &Labels) -> bool {
    let Some(requirements) = selector else { return false };
    requirements.iter().all(|requirement| {
        let value = labels.get(&requirement.key);
        match &requirement.operator {
            Operator::In(values) => value.is_some_and(|value| values.contains(value)),
            Operator::NotIn(values) => !value.is_some_and(|value| values.contains(value)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::GreaterThan(_) | Operator::LessThan(_) => unreachable!("refused at the border"),
        }
    })
}

/// Whether a term of `owner` means `pod`.
pub(crate) fn means(
    term: &PodAffinityTerm,
    owner: &Identity,
    pod: &Identity,
    namespaces: &Namespaces,
) -> bool {
    if owner.tenant != pod.tenant || !selects(&term.selector, &pod.labels) {
        return false;
    }
    if term.namespaces.is_empty() && term.namespace_selector.is_none() {
        return owner.namespace == pod.namespace;
    }
    let key = (pod.tenant.clone(), pod.namespace.clone());
    let mut labels = namespaces.get(&key).cloned().unwrap_or_default();
    labels.entry("kubernetes.io/metadata.name".to_owned()).or_insert_with(|| pod.namespace.clone());
    term.namespaces.contains(&pod.namespace) || selects(&term.namespace_selector, &labels)
}

/// Whether all of the owner's required terms mean the pod.
pub(crate) fn meets_affinity(owner: &Demand, pod: &Identity, namespaces: &Namespaces) -> bool {
    owner.terms.affinity.iter().all(|term| means(term, &owner.identity, pod, namespaces))
}
