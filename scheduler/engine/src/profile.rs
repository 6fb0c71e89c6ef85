//! Profiles: which filters hold and which scores count, as plain data.
//!
//! A profile file or a policy's name becomes a [`Profile`] at the border; the engine turns it into plugins. The plugins'
//! names are kube-scheduler's where the plugin is.

mod topology;

pub use self::topology::{DefaultSpread, TopologyArguments};

/// How scores are computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Arithmetic {
    /// Absolute scores on a scale of 0 to 100 in 1/4096 points; no normalisation.
    #[default]
    Meridian,
    /// kube-scheduler's whole numbers from 0 to 100, normalised over all feasible hosts where it does so.
    Kubernetes,
}

/// A filter plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FilterPlugin {
    /// Refuses cordoned hosts unless tolerated.
    NodeUnschedulable,
    /// Refuses all but the named host.
    NodeName,
    /// Refuses hosts with a taint that is not tolerated.
    TaintToleration,
    /// Refuses hosts that the selector or the required affinity does not match.
    NodeAffinity,
    /// Refuses hosts where what runs the pod is not ready. Never left out: the pod would not start.
    RuntimeReady,
    /// Refuses hosts where a wanted port is taken.
    NodePorts,
    /// Refuses hosts without room. Never left out: hosts are not overcommitted.
    NodeResourcesFit,
    /// Refuses hosts without the wanted devices. Never left out: devices are not overcommitted.
    DeviceFit,
    /// Refuses hosts without room on as many NUMA nodes as wanted. Never left out: nodes are not overcommitted.
    NumaTopology,
    /// Refuses hosts whose topology domain has too many pods already.
    PodTopologySpread,
    /// Refuses hosts for pods that run near them, or do not.
    InterPodAffinity,
}

impl FilterPlugin {
    /// All, in the order in which they are asked: a refused host is counted under the first that refuses it.
    pub const ALL: [FilterPlugin; 11] = [
        FilterPlugin::NodeUnschedulable,
        FilterPlugin::NodeName,
        FilterPlugin::TaintToleration,
        FilterPlugin::NodeAffinity,
        FilterPlugin::RuntimeReady,
        FilterPlugin::NodePorts,
        FilterPlugin::NodeResourcesFit,
        FilterPlugin::DeviceFit,
        FilterPlugin::NumaTopology,
        FilterPlugin::PodTopologySpread,
        FilterPlugin::InterPodAffinity,
    ];

    /// The name in profile files and records.
    pub fn name(self) -> &'static str {
        match self {
            FilterPlugin::NodeUnschedulable => "NodeUnschedulable",
            FilterPlugin::NodeName => "NodeName",
            FilterPlugin::TaintToleration => "TaintToleration",
            FilterPlugin::NodeAffinity => "NodeAffinity",
            FilterPlugin::RuntimeReady => "RuntimeReady",
            FilterPlugin::NodePorts => "NodePorts",
            FilterPlugin::NodeResourcesFit => "NodeResourcesFit",
            FilterPlugin::DeviceFit => "DeviceFit",
            FilterPlugin::NumaTopology => "NumaTopology",
            FilterPlugin::PodTopologySpread => "PodTopologySpread",
            FilterPlugin::InterPodAffinity => "InterPodAffinity",
        }
    }

    /// Whether a profile may leave it out.
    pub fn is_optional(self) -> bool {
        !matches!(
            self,
            FilterPlugin::RuntimeReady
                | FilterPlugin::NodePorts
                | FilterPlugin::NodeResourcesFit
                | FilterPlugin::DeviceFit
                | FilterPlugin::NumaTopology
        )
    }
}

/// A resource and its weight in a resource score.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ResourceWeight {
    /// The resource's name, such as `cpu`.
    pub resource: String,
    /// 1 to 100.
    pub weight: i64,
}

/// A point of the utilization shape of `RequestedToCapacityRatio`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ShapePoint {
    /// Percent of the capacity in use, 0 to 100; strictly increasing along the shape.
    pub utilization: i64,
    /// 0 to 10.
    pub score: i64,
}

/// How `NodeResourcesFit` scores.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FitStrategy {
    /// The most free share after placing wins: spreads.
    LeastAllocated,
    /// The least free share after placing wins: packs.
    MostAllocated,
    /// A broken line over the share in use after placing.
    RequestedToCapacityRatio(Vec<ShapePoint>),
}

/// A shape of pods that is typical for a cell, for the fragmentation measure (FGD, USENIX ATC 2023).
#[derive(Clone, Debug, PartialEq)]
pub struct TypicalPod {
    /// CPU in thousandths of a core.
    pub cpu_milli: i64,
    /// Devices asked for; 0 for a pod without.
    pub device_count: u32,
    /// Thousandths of each device.
    pub device_milli: u32,
    /// Acceptable models; empty accepts any.
    pub models: Vec<String>,
    /// Share of all pods, 0 to 1; the shares of one set sum to 1.
    pub share: f64,
}

/// A score plugin with its arguments.
#[derive(Clone, Debug, PartialEq)]
pub enum ScorePlugin {
    /// Resources in use after placing.
    NodeResourcesFit {
        /// What is preferred.
        strategy: FitStrategy,
        /// Which resources count, and how much.
        resources: Vec<ResourceWeight>,
    },
    /// Resources evenly in use after placing.
    NodeResourcesBalancedAllocation {
        /// Which resources count (their weights do not).
        resources: Vec<ResourceWeight>,
    },
    /// Few `PreferNoSchedule` taints that are not tolerated.
    TaintToleration,
    /// Preferred node affinity terms that match, by weight.
    NodeAffinity,
    /// Pods evenly over topology domains.
    PodTopologySpread,
    /// Pods near those that they, or those that, like or dislike each other.
    InterPodAffinity,
    /// CPU and devices left after placing, as shares of the largest host's, few preferred.
    BestFit,
    /// Least growth of the devices that typical pods cannot use (FGD).
    GpuFragmentation {
        /// The pods to expect.
        typical: Vec<TypicalPod>,
    },
    /// Least loss of room for the pods that usually come, which the scheduler learns as it places pods.
    Fragmentation,
}

impl ScorePlugin {
    /// The name in profile files and records.
    pub fn name(&self) -> &'static str {
        match self {
            ScorePlugin::NodeResourcesFit { .. } => "NodeResourcesFit",
            ScorePlugin::NodeResourcesBalancedAllocation { .. } => "NodeResourcesBalancedAllocation",
            ScorePlugin::TaintToleration => "TaintToleration",
            ScorePlugin::NodeAffinity => "NodeAffinity",
            ScorePlugin::PodTopologySpread => "PodTopologySpread",
            ScorePlugin::InterPodAffinity => "InterPodAffinity",
            ScorePlugin::BestFit => "BestFit",
            ScorePlugin::GpuFragmentation { .. } => "GpuFragmentation",
            ScorePlugin::Fragmentation => "Fragmentation",
        }
    }
}

/// A score plugin and how much it counts.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightedScore {
    /// The plugin.
    pub plugin: ScorePlugin,
    /// At least 1.
    pub weight: i64,
}

/// A way of scheduling: filters that must hold and scores that are added up.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// The name pods choose it by (`schedulerName`).
    pub name: String,
    /// How scores are computed.
    pub arithmetic: Arithmetic,
    /// Filters that hold; those that are not optional must be there.
    pub filters: Vec<FilterPlugin>,
    /// Scores that count. None: the first feasible host wins.
    pub scores: Vec<WeightedScore>,
    /// Arguments of `PodTopologySpread` and `InterPodAffinity`, for their filters and scores alike.
    pub topology: TopologyArguments,
}

/// Why a profile was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// A filter without which pods would go where they cannot run.
    #[error("profile {profile}: filter {filter} cannot be disabled, pods would go where they cannot run")]
    MissingFilter {
        /// The profile's name.
        profile: String,
        /// The filter's name.
        filter: &'static str,
    },
    /// A number that is out of range.
    #[error("profile {profile}: {plugin}: {field} is {value}, want {want}")]
    OutOfRange {
        /// The profile's name.
        profile: String,
        /// The plugin's name.
        plugin: &'static str,
        /// Which number.
        field: &'static str,
        /// What was given.
        value: i64,
        /// What would be right.
        want: &'static str,
    },
    /// A default spread constraint that makes no sense.
    #[error("profile {profile}: PodTopologySpread")]
    DefaultConstraint {
        /// The profile's name.
        profile: String,
        /// What is wrong with it.
        source: crate::demand::DemandError,
    },
    /// A list that must not be empty, or a plugin that is named twice.
    #[error("profile {profile}: {plugin}: {problem}")]
    Contradiction {
        /// The profile's name.
        profile: String,
        /// The plugin's name.
        plugin: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// Points are at most 100, in 1/4096, and totals are 32 bits wide.
const MAX_TOTAL_WEIGHT: i64 = 5_000;

fn weights(names: &[&str]) -> Vec<ResourceWeight> {
    names.iter().map(|name| ResourceWeight { resource: (*name).to_owned(), weight: 1 }).collect()
}

impl Profile {
    /// Our default: kube-scheduler's default filters and preferences in fine, absolute scores.
    pub fn meridian() -> Profile {
        Profile::with_strategy("meridian", Arithmetic::Meridian, FitStrategy::LeastAllocated)
    }

    /// kube-scheduler's default profile in its own arithmetic.
    pub fn kubernetes() -> Profile {
        Profile::with_strategy("default-scheduler", Arithmetic::Kubernetes, FitStrategy::LeastAllocated)
    }

    /// The default plugins with another strategy of `NodeResourcesFit`, over CPU and memory.
    pub fn with_strategy(name: &str, arithmetic: Arithmetic, strategy: FitStrategy) -> Profile {
        let resources = weights(&["cpu", "memory"]);
        let score = |plugin, weight| WeightedScore { plugin, weight };
        Profile {
            name: name.to_owned(),
            arithmetic,
            filters: FilterPlugin::ALL.to_vec(),
            scores: vec![
                score(ScorePlugin::TaintToleration, 3),
                score(ScorePlugin::NodeAffinity, 2),
                score(ScorePlugin::NodeResourcesFit { strategy, resources: resources.clone() }, 1),
                score(ScorePlugin::PodTopologySpread, 2),
                score(ScorePlugin::InterPodAffinity, 2),
                score(ScorePlugin::NodeResourcesBalancedAllocation { resources }, 1),
            ],
            topology: TopologyArguments::default(),
        }
    }

    /// All filters and one score.
    pub fn with_score(name: &str, plugin: ScorePlugin) -> Profile {
        Profile {
            name: name.to_owned(),
            arithmetic: Arithmetic::Meridian,
            filters: FilterPlugin::ALL.to_vec(),
            scores: vec![WeightedScore { plugin, weight: 1 }],
            topology: TopologyArguments::default(),
        }
    }

    /// Least fragmentation, where pods express no preference: what pods prefer comes first.
    pub fn fragmentation() -> Profile {
        let score = |plugin, weight| WeightedScore { plugin, weight };
        Profile {
            scores: vec![
                score(ScorePlugin::TaintToleration, 3),
                score(ScorePlugin::NodeAffinity, 2),
                score(ScorePlugin::Fragmentation, 1),
            ],
            ..Profile::with_score("fragmentation", ScorePlugin::Fragmentation)
        }
    }

    /// The first host that fits, in the order of hosts.
    pub fn first_fit() -> Profile {
        Profile { scores: Vec::new(), ..Profile::with_score("first-fit", ScorePlugin::BestFit) }
    }

    /// Checks that the profile makes sense.
    pub fn validate(&self) -> Result<(), ProfileError> {
        let profile = || self.name.clone();
        for filter in FilterPlugin::ALL {
            if !filter.is_optional() && !self.filters.contains(&filter) {
                return Err(ProfileError::MissingFilter { profile: profile(), filter: filter.name() });
            }
        }
        let mut total = 0;
        for (position, score) in self.scores.iter().enumerate() {
            let plugin = score.plugin.name();
            total += score.weight.min(MAX_TOTAL_WEIGHT + 1);
            if total > MAX_TOTAL_WEIGHT {
                return Err(ProfileError::OutOfRange {
                    profile: profile(),
                    plugin,
                    field: "sum of weights up to here",
                    value: total,
                    want: "at most 5000",
                });
            }
            if !(1..=1_000).contains(&score.weight) {
                return Err(ProfileError::OutOfRange {
                    profile: profile(),
                    plugin,
                    field: "weight",
                    value: score.weight,
                    want: "1 to 1000",
                });
            }
            if self.scores[..position].iter().any(|earlier| earlier.plugin.name() == plugin) {
                return Err(ProfileError::Contradiction {
                    profile: profile(),
                    plugin,
                    problem: "named twice",
                });
            }
            self.validate_arguments(&score.plugin)?;
        }
        self.topology.validate(&self.name)
    }

    fn validate_arguments(&self, plugin: &ScorePlugin) -> Result<(), ProfileError> {
        let name = plugin.name();
        let contradiction =
            |problem| Err(ProfileError::Contradiction { profile: self.name.clone(), plugin: name, problem });
        let out_of_range = |field, value, want| {
            Err(ProfileError::OutOfRange { profile: self.name.clone(), plugin: name, field, value, want })
        };
        match plugin {
            ScorePlugin::NodeResourcesFit { resources, .. }
            | ScorePlugin::NodeResourcesBalancedAllocation { resources } => {
                if resources.is_empty() {
                    return contradiction("no resources, want at least one");
                }
                for (position, entry) in resources.iter().enumerate() {
                    if !(1..=100).contains(&entry.weight) {
                        return out_of_range("resources weight", entry.weight, "1 to 100");
                    }
                    if resources[..position].iter().any(|earlier| earlier.resource == entry.resource) {
                        return contradiction("a resource is named twice");
                    }
                }
            }
            ScorePlugin::GpuFragmentation { typical } => {
                if typical.is_empty() {
                    return contradiction("no typical pods, want at least one");
                }
                if typical.iter().any(|pod| !pod.share.is_finite() || pod.share < 0.0) {
                    return contradiction("a typical pod's share is not a number of at least 0");
                }
            }
            ScorePlugin::Fragmentation => {
                if self.scores.iter().any(|score| score.plugin.name() == "GpuFragmentation") {
                    return contradiction("chooses devices, and so does GpuFragmentation, want one of them");
                }
            }
            ScorePlugin::TaintToleration
            | ScorePlugin::NodeAffinity
            | ScorePlugin::PodTopologySpread
            | ScorePlugin::InterPodAffinity
            | ScorePlugin::BestFit => {}
        }
        if let ScorePlugin::NodeResourcesFit {
            strategy: FitStrategy::RequestedToCapacityRatio(shape), ..
        } = plugin
        {
            if shape.is_empty() {
                return contradiction("no shape, want at least one point");
            }
            for (position, point) in shape.iter().enumerate() {
                if !(0..=100).contains(&point.utilization) {
                    return out_of_range("shape utilization", point.utilization, "0 to 100");
                }
                if !(0..=10).contains(&point.score) {
                    return out_of_range("shape score", point.score, "0 to 10");
                }
                if position > 0 && shape[position - 1].utilization >= point.utilization {
                    return contradiction("shape utilizations are not strictly increasing");
                }
            }
        }
        Ok(())
    }
}
