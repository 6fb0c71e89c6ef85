//! What a pod wants of the pods around it: topology spread constraints and affinity between pods.

use std::collections::BTreeMap;

use meridian_engine::{
    LabelSelector, Operator, PodAffinityTerm, PodTerms, Requirement, SpreadConstraint, WeightedPodTerm,
};

use super::affinity::{no_values, some_values};
use super::spec::{
    GivenLabelSelector, GivenPodTerm, GivenRequirement, GivenSpreadConstraint, GivenWeightedPodTerm,
    Metadata, PodSpec, TermLists,
};
use crate::error::{ObjectError, invalid, invalid_number};
use crate::tree::Path;

/// Labels in which the pods of one owner differ.
const OF_ONE_POD: [&str; 3] =
    ["statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index", "controller-revision-hash"];

/// Owners whose pods kube-scheduler spreads by default.
const SPREAD_OWNERS: [&str; 3] = ["ReplicaSet", "ReplicationController", "StatefulSet"];

type Labels<'a> = BTreeMap<&'a str, &'a str>;

/// The terms of a pod whose spec is at `path`.
pub(super) fn pod_terms(
    spec: &PodSpec<'_>,
    metadata: &Metadata<'_>,
    path: &Path<'_>,
) -> Result<PodTerms, ObjectError> {
    let labels = &metadata.labels;
    let affinity = path.field("affinity");
    let near = affinity.field("podAffinity");
    let apart = affinity.field("podAntiAffinity");
    let mut preferred = preferred_terms(&spec.affinity.pod_affinity, labels, 1, &near)?;
    preferred.extend(preferred_terms(&spec.affinity.pod_anti_affinity, labels, -1, &apart)?);
    Ok(PodTerms {
        spread: spread_constraints(
            &spec.topology_spread_constraints,
            labels,
            &path.field("topologySpreadConstraints"),
        )?,
        default_spread: default_spread(metadata),
        affinity: required_terms(&spec.affinity.pod_affinity, labels, &near)?,
        anti_affinity: required_terms(&spec.affinity.pod_anti_affinity, labels, &apart)?,
        preferred,
    })
}

/// Which pods default constraints spread. kube-scheduler takes the selectors of the services and of the owner that the
/// pod belongs to. Only the pod is known here; the pods of one owner's template are those with the same labels.
fn default_spread(metadata: &Metadata<'_>) -> LabelSelector {
    let is_one_of_many =
        metadata.owner_references.iter().any(|owner| owner.controller && SPREAD_OWNERS.contains(&owner.kind));
    let labels = metadata.labels.iter().filter(|(key, _)| !OF_ONE_POD.contains(key));
    let selector: Vec<Requirement> = labels.map(|(key, value)| equals(key, value)).collect();
    (is_one_of_many && !selector.is_empty()).then_some(selector)
}

fn equals(key: &str, value: &str) -> Requirement {
    Requirement { key: key.to_owned(), operator: Operator::In(vec![value.to_owned()]) }
}

pub(crate) fn spread_constraints(
    given: &[GivenSpreadConstraint<'_>],
    labels: &Labels<'_>,
    path: &Path<'_>,
) -> Result<Vec<SpreadConstraint>, ObjectError> {
    let mut constraints = Vec::with_capacity(given.len());
    for (index, one) in given.iter().enumerate() {
        let path = path.item(index);
        let is_same = |other: &GivenSpreadConstraint<'_>| {
            (other.topology_key, other.when_unsatisfiable) == (one.topology_key, one.when_unsatisfiable)
        };
        if given[..index].iter().any(is_same) {
            let want = "another topologyKey than that of an earlier one with the same whenUnsatisfiable";
            return Err(invalid(path.field("topologyKey"), one.topology_key, want));
        }
        constraints.push(spread_constraint(one, labels, &path)?);
    }
    Ok(constraints)
}

fn spread_constraint(
    given: &GivenSpreadConstraint<'_>,
    labels: &Labels<'_>,
    path: &Path<'_>,
) -> Result<SpreadConstraint, ObjectError> {
    let is_required = match given.when_unsatisfiable {
        "DoNotSchedule" => true,
        "ScheduleAnyway" => false,
        other => {
            let want = "DoNotSchedule or ScheduleAnyway";
            return Err(invalid(path.field("whenUnsatisfiable"), other, want));
        }
    };
    let max_skew = i32::try_from(given.max_skew)
        .ok()
        .filter(|skew| *skew >= 1)
        .ok_or_else(|| invalid_number(path.field("maxSkew"), given.max_skew, "1 to 2147483647"))?;
    let min_domains = match given.min_domains {
        None => None,
        Some(number) if !is_required => {
            let want = "none, since whenUnsatisfiable is ScheduleAnyway";
            return Err(invalid_number(path.field("minDomains"), number, want));
        }
        Some(number) => Some(
            u32::try_from(number)
                .ok()
                .filter(|domains| (1..=i32::MAX as u32).contains(domains))
                .ok_or_else(|| invalid_number(path.field("minDomains"), number, "1 to 2147483647"))?,
        ),
    };
    let mut selector = label_selector(given.label_selector.as_ref(), &path.field("labelSelector"))?;
    merge(&mut selector, given.match_label_keys.as_deref(), labels, true, &path.field("matchLabelKeys"))?;
    Ok(SpreadConstraint {
        max_skew,
        topology_key: topology_key(given.topology_key, path)?,
        is_required,
        selector,
        min_domains,
        honors_affinity: policy(given.node_affinity_policy, true, &path.field("nodeAffinityPolicy"))?,
        honors_taints: policy(given.node_taints_policy, false, &path.field("nodeTaintsPolicy"))?,
    })
}

fn policy(given: &str, default: bool, path: &Path<'_>) -> Result<bool, ObjectError> {
    match given {
        "" => Ok(default),
        "Honor" => Ok(true),
        "Ignore" => Ok(false),
        other => Err(invalid(path, other, "Honor or Ignore")),
    }
}

fn topology_key(given: &str, path: &Path<'_>) -> Result<String, ObjectError> {
    if given.is_empty() {
        let path = path.field("topologyKey").to_string();
        return Err(ObjectError::Missing { path, want: "the label whose values are the domains" });
    }
    Ok(given.to_owned())
}

fn required_terms(
    given: &TermLists<'_>,
    labels: &Labels<'_>,
    path: &Path<'_>,
) -> Result<Vec<PodAffinityTerm>, ObjectError> {
    let path = path.field("requiredDuringSchedulingIgnoredDuringExecution");
    let terms = given.required.iter().enumerate();
    terms.map(|(index, given)| term(given, labels, &path.item(index))).collect()
}

fn preferred_terms(
    given: &TermLists<'_>,
    labels: &Labels<'_>,
    sign: i32,
    path: &Path<'_>,
) -> Result<Vec<WeightedPodTerm>, ObjectError> {
    let path = path.field("preferredDuringSchedulingIgnoredDuringExecution");
    let one = |(index, given): (usize, &GivenWeightedPodTerm<'_>)| {
        let path = path.item(index);
        let weight = i32::try_from(given.weight)
            .ok()
            .filter(|weight| (1..=100).contains(weight))
            .ok_or_else(|| invalid_number(path.field("weight"), given.weight, "1 to 100"))?;
        let term = term(&given.pod_affinity_term, labels, &path.field("podAffinityTerm"))?;
        Ok(WeightedPodTerm { weight: weight * sign, term })
    };
    given.preferred.iter().enumerate().map(one).collect()
}

fn term(
    given: &GivenPodTerm<'_>,
    labels: &Labels<'_>,
    path: &Path<'_>,
) -> Result<PodAffinityTerm, ObjectError> {
    let (matched, mismatched) = (given.match_label_keys.as_deref(), given.mismatch_label_keys.as_deref());
    let keys = path.field("mismatchLabelKeys");
    for (index, key) in mismatched.unwrap_or_default().iter().enumerate() {
        if matched.unwrap_or_default().contains(key) {
            return Err(invalid(keys.item(index), key, "a key that is not in matchLabelKeys as well"));
        }
    }
    let mut selector = label_selector(given.label_selector.as_ref(), &path.field("labelSelector"))?;
    merge(&mut selector, matched, labels, true, &path.field("matchLabelKeys"))?;
    merge(&mut selector, mismatched, labels, false, &keys)?;
    let list = path.field("namespaces");
    for (index, namespace) in given.namespaces.iter().enumerate() {
        if namespace.is_empty() {
            return Err(invalid(list.item(index), namespace, "a namespace's name"));
        }
    }
    Ok(PodAffinityTerm {
        topology_key: topology_key(given.topology_key, path)?,
        selector,
        namespaces: given.namespaces.iter().map(|name| (*name).to_owned()).collect(),
        namespace_selector: label_selector(
            given.namespace_selector.as_ref(),
            &path.field("namespaceSelector"),
        )?,
    })
}

/// Adds what the pod's own labels have to be like for others to be like it, or unlike. Keys that the pod has no label of
/// say nothing. API servers have added the same already to what they store.
fn merge(
    selector: &mut LabelSelector,
    keys: Option<&[&str]>,
    labels: &Labels<'_>,
    alike: bool,
    path: &Path<'_>,
) -> Result<(), ObjectError> {
    let keys = keys.unwrap_or_default();
    let Some(requirements) = selector else {
        if keys.is_empty() {
            return Ok(());
        }
        let given = format!("a list of {}", keys.len());
        return Err(invalid_number(path, given, "none without a labelSelector"));
    };
    for (index, key) in keys.iter().enumerate() {
        if key.is_empty() || keys[..index].contains(key) {
            return Err(invalid(path.item(index), key, "a label's key, each given once"));
        }
        let Some(value) = labels.get(key) else { continue };
        let mut requirement = equals(key, value);
        if !alike {
            requirement.operator = Operator::NotIn(vec![(*value).to_owned()]);
        }
        if !requirements.contains(&requirement) {
            requirements.push(requirement);
        }
    }
    Ok(())
}

fn label_selector(
    given: Option<&GivenLabelSelector<'_>>,
    path: &Path<'_>,
) -> Result<LabelSelector, ObjectError> {
    let Some(given) = given else { return Ok(None) };
    let mut requirements: Vec<Requirement> =
        given.match_labels.iter().map(|(key, value)| equals(key, value)).collect();
    let path = path.field("matchExpressions");
    for (index, given) in given.match_expressions.iter().enumerate() {
        requirements.push(label_requirement(given, &path.item(index))?);
    }
    Ok(Some(requirements))
}

fn label_requirement(given: &GivenRequirement<'_>, path: &Path<'_>) -> Result<Requirement, ObjectError> {
    if given.key.is_empty() {
        return Err(ObjectError::Missing { path: path.field("key").to_string(), want: "a label's key" });
    }
    let operator = match given.operator {
        "In" => Operator::In(some_values(given, path)?),
        "NotIn" => Operator::NotIn(some_values(given, path)?),
        "Exists" => no_values(given, path, Operator::Exists)?,
        "DoesNotExist" => no_values(given, path, Operator::DoesNotExist)?,
        other => {
            return Err(invalid(path.field("operator"), other, "In, NotIn, Exists or DoesNotExist"));
        }
    };
    Ok(Requirement { key: given.key.to_owned(), operator })
}
