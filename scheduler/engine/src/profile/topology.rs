//! Arguments of the plugins that look at other pods.

use super::ProfileError;
use crate::demand::SpreadConstraint;

/// Arguments of `PodTopologySpread` and `InterPodAffinity`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopologyArguments {
    /// How pods are spread that do not say so themselves and belong to something that runs several.
    pub default_spread: DefaultSpread,
    /// What a required affinity term of a running pod is worth to those it matches, 0 to 100.
    pub hard_pod_affinity_weight: i32,
    /// Whether pods without preferred terms of their own are placed without regard to those of others.
    pub ignores_preferred_terms_of_existing_pods: bool,
}

impl Default for TopologyArguments {
    fn default() -> Self {
        TopologyArguments {
            default_spread: DefaultSpread::system(),
            hard_pod_affinity_weight: 1,
            ignores_preferred_terms_of_existing_pods: false,
        }
    }
}

/// Spread constraints for pods without any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefaultSpread {
    constraints: Vec<SpreadConstraint>,
    is_system: bool,
}

impl DefaultSpread {
    /// kube-scheduler's own: over hosts and over zones, as well as may be. Hosts may lack a zone.
    pub fn system() -> DefaultSpread {
        let constraint = |topology_key: &str, max_skew| SpreadConstraint {
            max_skew,
            topology_key: topology_key.to_owned(),
            is_required: false,
            ..SpreadConstraint::default()
        };
        let constraints =
            vec![constraint("kubernetes.io/hostname", 3), constraint("topology.kubernetes.io/zone", 5)];
        DefaultSpread { constraints, is_system: true }
    }

    /// These, whose selectors are not looked at; none spread nothing.
    pub fn list(constraints: Vec<SpreadConstraint>) -> DefaultSpread {
        DefaultSpread { constraints, is_system: false }
    }

    /// The constraints.
    pub fn constraints(&self) -> &[SpreadConstraint] {
        &self.constraints
    }

    /// Whether they are kube-scheduler's own.
    pub fn is_system(&self) -> bool {
        self.is_system
    }
}

impl TopologyArguments {
    pub(super) fn validate(&self, profile: &str) -> Result<(), ProfileError> {
        if !(0..=100).contains(&self.hard_pod_affinity_weight) {
            return Err(ProfileError::OutOfRange {
                profile: profile.to_owned(),
                plugin: "InterPodAffinity",
                field: "hardPodAffinityWeight",
                value: self.hard_pod_affinity_weight.into(),
                want: "0 to 100",
            });
        }
        for (number, constraint) in self.default_spread.constraints.iter().enumerate() {
            if let Err(source) = constraint.validate(&format!("defaultConstraints[{number}]")) {
                return Err(ProfileError::DefaultConstraint { profile: profile.to_owned(), source });
            }
        }
        Ok(())
    }
}
