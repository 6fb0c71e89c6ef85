//! Policies by name: what `--policy` chooses.

use meridian_engine::{Arithmetic, FitStrategy, Profile, ScorePlugin, TypicalPod};

use crate::SimulationError;

/// A way of placing that has a name, or a profile from a file.
#[derive(Clone, Debug, PartialEq)]
pub enum Policy {
    /// The default profile.
    Meridian,
    /// kube-scheduler's default profile in its own arithmetic.
    Kubernetes,
    /// The most free share left after placing wins, balance aside.
    LeastAllocated,
    /// The least free share left after placing wins.
    MostAllocated,
    /// The first host that fits.
    FirstFit,
    /// The least CPU and devices left after placing.
    BestFit,
    /// Fragmentation gradient descent.
    Fgd,
    /// Least loss of room for the pods that usually come.
    Fragmentation,
    /// A profile that somebody wrote.
    Profile(Box<Profile>),
}

/// The names of policies, each with what it does.
pub const POLICIES: [(&str, &str); 8] = [
    ("meridian", "default: spread over CPU and memory in balance, honour preferences"),
    ("kubernetes", "kube-scheduler's default profile in its whole-number arithmetic"),
    ("least-allocated", "spread: the most free share of CPU and memory wins"),
    ("most-allocated", "pack: the least free share of CPU and memory wins"),
    ("first-fit", "the first host that fits"),
    ("best-fit", "pack: the least CPU and GPU left, relative to the largest host"),
    ("fgd", "GPU fragmentation gradient descent (Weng et al., USENIX ATC 2023)"),
    ("fragmentation", "pack: the least loss of room for the pods that usually come, learned on the way"),
];

impl Policy {
    /// The policy of a name.
    pub fn named(name: &str) -> Result<Policy, SimulationError> {
        match name {
            "meridian" => Ok(Policy::Meridian),
            "kubernetes" => Ok(Policy::Kubernetes),
            "least-allocated" => Ok(Policy::LeastAllocated),
            "most-allocated" => Ok(Policy::MostAllocated),
            "first-fit" => Ok(Policy::FirstFit),
            "best-fit" => Ok(Policy::BestFit),
            "fgd" => Ok(Policy::Fgd),
            "fragmentation" => Ok(Policy::Fragmentation),
            _ => Err(SimulationError::UnknownPolicy {
                name: name.to_owned(),
                want: POLICIES.map(|(name, _)| name).join(", "),
            }),
        }
    }

    /// The policy's name, or that of its profile.
    pub fn name(&self) -> &str {
        match self {
            Policy::Meridian => "meridian",
            Policy::Kubernetes => "kubernetes",
            Policy::LeastAllocated => "least-allocated",
            Policy::MostAllocated => "most-allocated",
            Policy::FirstFit => "first-fit",
            Policy::BestFit => "best-fit",
            Policy::Fgd => "fgd",
            Policy::Fragmentation => "fragmentation",
            Policy::Profile(profile) => &profile.name,
        }
    }

    /// Whether the policy wants to know which pods to expect.
    pub fn needs_typical_pods(&self) -> bool {
        *self == Policy::Fgd
    }

    /// The engine's profile for the policy; `typical` are the pods to expect.
    pub fn profile(&self, typical: &[TypicalPod]) -> Result<Profile, SimulationError> {
        let strategy = |strategy| Profile {
            scores: Profile::with_strategy(self.name(), Arithmetic::Meridian, strategy)
                .scores
                .into_iter()
                .filter(|score| !matches!(score.plugin, ScorePlugin::NodeResourcesBalancedAllocation { .. }))
                .collect(),
            ..Profile::with_strategy(self.name(), Arithmetic::Meridian, FitStrategy::LeastAllocated)
        };
        Ok(match self {
            Policy::Meridian => Profile::meridian(),
            Policy::Kubernetes => Profile::kubernetes(),
            Policy::LeastAllocated => strategy(FitStrategy::LeastAllocated),
            Policy::MostAllocated => strategy(FitStrategy::MostAllocated),
            Policy::FirstFit => Profile::first_fit(),
            Policy::BestFit => Profile::with_score(self.name(), ScorePlugin::BestFit),
            Policy::Fgd if typical.is_empty() => {
                return Err(SimulationError::NothingTypical { name: self.name().to_owned() });
            }
            Policy::Fgd => {
                let typical = typical.to_vec();
                Profile::with_score(self.name(), ScorePlugin::GpuFragmentation { typical })
            }
            Policy::Fragmentation => Profile::fragmentation(),
            Policy::Profile(profile) => (**profile).clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{POLICIES, Policy};
    use meridian_engine::TypicalPod;

    #[test]
    fn every_listed_policy_has_a_valid_profile() {
        let typical =
            TypicalPod { cpu_milli: 1, device_count: 1, device_milli: 1000, models: Vec::new(), share: 1.0 };
        for (name, _) in POLICIES {
            let policy = Policy::named(name).unwrap();
            assert_eq!(policy.name(), name);
            policy.profile(std::slice::from_ref(&typical)).unwrap().validate().unwrap();
        }
    }

    #[test]
    fn an_unknown_policy_is_refused_with_the_names_there_are() {
        let error = Policy::named("best").unwrap_err().to_string();
        assert!(error.contains("\"best\"") && error.contains("best-fit, fgd"), "{error}");
        let error = Policy::Fgd.profile(&[]).unwrap_err().to_string();
        assert!(error.contains("fgd"), "{error}");
    }
}
