//! What pods are told by, and what they want of the pods around them.

use meridian_engine::{
    Identity, LabelSelector, PodAffinityTerm, PodTerms, SpreadConstraint, WeightedPodTerm,
};
use meridian_proto::v1;

use crate::constraint::{requirement_from_message, requirement_to_message};
use crate::error::{WireError, limit};

pub(crate) fn identity_to_message(identity: &Identity) -> v1::Identity {
    v1::Identity {
        tenant: identity.tenant.clone(),
        namespace: identity.namespace.clone(),
        labels: identity.labels.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
    }
}

pub(crate) fn identity_from_message(message: v1::Identity) -> Result<Identity, WireError> {
    limit(message.labels.len(), || "demand.identity.labels".to_owned())?;
    Ok(Identity {
        tenant: message.tenant,
        namespace: message.namespace,
        labels: message.labels.into_iter().collect(),
    })
}

pub(crate) fn terms_to_message(terms: &PodTerms) -> v1::PodTerms {
    v1::PodTerms {
        spread: terms.spread.iter().map(spread_to_message).collect(),
        default_spread: selector_to_message(&terms.default_spread),
        affinity: terms.affinity.iter().map(term_to_message).collect(),
        anti_affinity: terms.anti_affinity.iter().map(term_to_message).collect(),
        preferred: terms
            .preferred
            .iter()
            .map(|weighted| v1::WeightedPodTerm {
                weight: weighted.weight,
                term: Some(term_to_message(&weighted.term)),
            })
            .collect(),
    }
}

pub(crate) fn terms_from_message(message: v1::PodTerms) -> Result<PodTerms, WireError> {
    let v1::PodTerms { spread, default_spread, affinity, anti_affinity, preferred } = message;
    Ok(PodTerms {
        spread: all(spread, "spread", spread_from_message)?,
        default_spread: selector_from_message(default_spread, "demand.terms.default_spread")?,
        affinity: all(affinity, "affinity", term_from_message)?,
        anti_affinity: all(anti_affinity, "anti_affinity", term_from_message)?,
        preferred: all(preferred, "preferred", weighted_from_message)?,
    })
}

/// Reads each item of a list of the terms, with its field.
fn all<M, T>(
    messages: Vec<M>,
    list: &str,
    read: fn(M, &str) -> Result<T, WireError>,
) -> Result<Vec<T>, WireError> {
    limit(messages.len(), || format!("demand.terms.{list}"))?;
    let read = |(position, message)| read(message, &format!("demand.terms.{list}[{position}]"));
    messages.into_iter().enumerate().map(read).collect()
}

fn spread_to_message(constraint: &SpreadConstraint) -> v1::SpreadConstraint {
    v1::SpreadConstraint {
        max_skew: constraint.max_skew,
        topology_key: constraint.topology_key.clone(),
        required: constraint.is_required,
        selector: selector_to_message(&constraint.selector),
        min_domains: constraint.min_domains,
        honors_affinity: constraint.honors_affinity,
        honors_taints: constraint.honors_taints,
    }
}

fn spread_from_message(message: v1::SpreadConstraint, field: &str) -> Result<SpreadConstraint, WireError> {
    Ok(SpreadConstraint {
        max_skew: message.max_skew,
        topology_key: message.topology_key,
        is_required: message.required,
        selector: selector_from_message(message.selector, &format!("{field}.selector"))?,
        min_domains: message.min_domains,
        honors_affinity: message.honors_affinity,
        honors_taints: message.honors_taints,
    })
}

fn term_to_message(term: &PodAffinityTerm) -> v1::PodAffinityTerm {
    v1::PodAffinityTerm {
        topology_key: term.topology_key.clone(),
        selector: selector_to_message(&term.selector),
        namespaces: term.namespaces.iter().cloned().collect(),
        namespace_selector: selector_to_message(&term.namespace_selector),
    }
}

fn term_from_message(message: v1::PodAffinityTerm, field: &str) -> Result<PodAffinityTerm, WireError> {
    limit(message.namespaces.len(), || format!("{field}.namespaces"))?;
    Ok(PodAffinityTerm {
        topology_key: message.topology_key,
        selector: selector_from_message(message.selector, &format!("{field}.selector"))?,
        namespaces: message.namespaces.into_iter().collect(),
        namespace_selector: selector_from_message(
            message.namespace_selector,
            &format!("{field}.namespace_selector"),
        )?,
    })
}

fn weighted_from_message(message: v1::WeightedPodTerm, field: &str) -> Result<WeightedPodTerm, WireError> {
    let term = message.term.ok_or_else(|| WireError::Missing { field: format!("{field}.term") })?;
    Ok(WeightedPodTerm { weight: message.weight, term: term_from_message(term, &format!("{field}.term"))? })
}

fn selector_to_message(selector: &LabelSelector) -> Option<v1::LabelSelector> {
    let requirements = selector.as_ref()?;
    Some(v1::LabelSelector { requirements: requirements.iter().map(requirement_to_message).collect() })
}

fn selector_from_message(
    message: Option<v1::LabelSelector>,
    field: &str,
) -> Result<LabelSelector, WireError> {
    let Some(message) = message else { return Ok(None) };
    limit(message.requirements.len(), || format!("{field}.requirements"))?;
    let read = |(position, message)| {
        requirement_from_message(message, || format!("{field}.requirements[{position}]"))
    };
    message.requirements.into_iter().enumerate().map(read).collect::<Result<_, _>>().map(Some)
}
