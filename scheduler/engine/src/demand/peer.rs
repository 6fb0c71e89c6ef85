//! What pods want of the pods around them: topology spread and affinity between pods, by Kubernetes' rules.
//!
//! Hosts with one value of a label, the *topology key*, are a *topology domain*. Terms select pods by their labels and
//! namespaces, within one tenant.

use std::collections::{BTreeMap, BTreeSet};

use super::{DemandError, Operator, Requirement, out_of_range};

/// Constraints and terms of one kind that a pod may have.
const MAX_TERMS: usize = 64;

/// What the terms of pods can tell a pod by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Terms see pods of their own tenant only.
    pub tenant: String,
    /// The namespace, within the tenant.
    pub namespace: String,
    /// The pod's labels.
    pub labels: BTreeMap<String, String>,
}

/// A selector of labels: all requirements must hold. `None` selects nothing, no requirements select everything.
pub type LabelSelector = Option<Vec<Requirement>>;

/// Keeps the pods that a selector matches evenly spread over topology domains.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SpreadConstraint {
    /// How many pods more than the emptiest domain a domain may have; at least 1.
    pub max_skew: i32,
    /// The label whose values are the domains.
    pub topology_key: String,
    /// Whether hosts that would break the constraint are refused (`DoNotSchedule`) or only liked less
    /// (`ScheduleAnyway`).
    pub is_required: bool,
    /// Which pods of the pod's namespace count. One without requirements counts none, as in kube-scheduler.
    pub selector: LabelSelector,
    /// With fewer domains than these the emptiest counts as having no pods; only where the constraint is required.
    pub min_domains: Option<u32>,
    /// Whether hosts that the pod's node selector and required affinity do not match are left out of the counts.
    pub honors_affinity: bool,
    /// Whether hosts with taints that the pod does not tolerate are left out of the counts.
    pub honors_taints: bool,
}

impl Default for SpreadConstraint {
    fn default() -> Self {
        SpreadConstraint {
            max_skew: 1,
            topology_key: String::new(),
            is_required: true,
            selector: None,
            min_domains: None,
            honors_affinity: true,
            honors_taints: false,
        }
    }
}

/// Names pods in the domains of a topology key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PodAffinityTerm {
    /// The label whose values are the domains.
    pub topology_key: String,
    /// Which pods.
    pub selector: LabelSelector,
    /// In which namespaces. None, and no selector of namespaces: the pod's own.
    pub namespaces: BTreeSet<String>,
    /// In which namespaces beside those named, by the namespaces' labels.
    pub namespace_selector: LabelSelector,
}

/// A term that draws a pod to the domains of other pods, or keeps it away.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WeightedPodTerm {
    /// 1 to 100 draws, -1 to -100 keeps away.
    pub weight: i32,
    /// Which pods, in which domains.
    pub term: PodAffinityTerm,
}

/// What a pod wants of the pods around it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PodTerms {
    /// How pods are to be spread.
    pub spread: Vec<SpreadConstraint>,
    /// The pods that the profile's default constraints spread, where the pod has none of its own and belongs to
    /// something that runs several. `None`, or no requirements: the defaults do not apply.
    pub default_spread: LabelSelector,
    /// Domains that must have a pod of each term.
    pub affinity: Vec<PodAffinityTerm>,
    /// Domains that must have no pod of any term, now and as long as the pod runs.
    pub anti_affinity: Vec<PodAffinityTerm>,
    /// Domains that are liked more or less.
    pub preferred: Vec<WeightedPodTerm>,
}

impl PodTerms {
    /// Whether the pod wants nothing of others.
    pub fn is_empty(&self) -> bool {
        *self == PodTerms::default()
    }

    /// Whether hosts may be refused because of other pods.
    pub fn is_required(&self) -> bool {
        let is_spread = self.spread.iter().any(|constraint| constraint.is_required);
        is_spread || !self.affinity.is_empty() || !self.anti_affinity.is_empty()
    }

    /// What others meet of the terms of a pod that has its host: spread constraints are of no more use then.
    pub fn carried(&self) -> PodTerms {
        let (affinity, anti_affinity) = (self.affinity.clone(), self.anti_affinity.clone());
        PodTerms { affinity, anti_affinity, preferred: self.preferred.clone(), ..PodTerms::default() }
    }

    pub(super) fn validate(&self) -> Result<(), DemandError> {
        for (field, count) in [
            ("spread", self.spread.len()),
            ("affinity", self.affinity.len()),
            ("anti_affinity", self.anti_affinity.len()),
            ("preferred", self.preferred.len()),
        ] {
            if count > MAX_TERMS {
                return Err(out_of_range(&format!("terms.{field}"), count as i64, 0, MAX_TERMS as i64));
            }
        }
        for (number, constraint) in self.spread.iter().enumerate() {
            constraint.validate(&format!("terms.spread[{number}]"))?;
        }
        selector_is_valid(&self.default_spread, "terms.default_spread")?;
        for (field, terms) in [("affinity", &self.affinity), ("anti_affinity", &self.anti_affinity)] {
            for (number, term) in terms.iter().enumerate() {
                term.validate(&format!("terms.{field}[{number}]"))?;
            }
        }
        for (number, weighted) in self.preferred.iter().enumerate() {
            let field = format!("terms.preferred[{number}]");
            if weighted.weight == 0 {
                return Err(DemandError::NoWeight { field: format!("{field}.weight") });
            }
            if !(-100..=100).contains(&weighted.weight) {
                return Err(out_of_range(&format!("{field}.weight"), weighted.weight.into(), -100, 100));
            }
            weighted.term.validate(&format!("{field}.term"))?;
        }
        Ok(())
    }
}

impl SpreadConstraint {
    /// Checks a constraint that errors call `field`.
    pub(crate) fn validate(&self, field: &str) -> Result<(), DemandError> {
        if self.max_skew < 1 {
            let field = format!("{field}.max_skew");
            return Err(out_of_range(&field, self.max_skew.into(), 1, i32::MAX.into()));
        }
        if self.topology_key.is_empty() {
            return Err(DemandError::NoTopologyKey { field: format!("{field}.topology_key") });
        }
        match self.min_domains {
            Some(0) => return Err(out_of_range(&format!("{field}.min_domains"), 0, 1, i32::MAX.into())),
            Some(_) if !self.is_required => {
                return Err(DemandError::MinDomains { field: format!("{field}.min_domains") });
            }
            Some(_) | None => {}
        }
        selector_is_valid(&self.selector, &format!("{field}.selector"))
    }
}

impl PodAffinityTerm {
    fn validate(&self, field: &str) -> Result<(), DemandError> {
        if self.topology_key.is_empty() {
            return Err(DemandError::NoTopologyKey { field: format!("{field}.topology_key") });
        }
        selector_is_valid(&self.selector, &format!("{field}.selector"))?;
        selector_is_valid(&self.namespace_selector, &format!("{field}.namespace_selector"))
    }
}

/// Pods and namespaces are not selected by numbers.
fn selector_is_valid(selector: &LabelSelector, field: &str) -> Result<(), DemandError> {
    let by_number = |requirement: &&Requirement| {
        matches!(requirement.operator, Operator::GreaterThan(_) | Operator::LessThan(_))
    };
    match selector.iter().flatten().find(by_number) {
        Some(requirement) => {
            Err(DemandError::Comparison { field: field.to_owned(), key: requirement.key.clone() })
        }
        None => Ok(()),
    }
}
