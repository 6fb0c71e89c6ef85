//! Arguments of plugins.

use meridian_engine::{
    FitStrategy, ResourceWeight, ScorePlugin, ShapePoint, TopologyArguments, WeightedScore,
};
use serde::Deserialize;
use serde_json::Value;

use super::plugins::{Dialect, Named, Scorer, named};
use super::shape::{
    AffinityArguments, BalancedArguments, FitArguments, PluginConfig, Point, PreemptionArguments,
    ResourceSpec, ScoringStrategy, VolumeArguments,
};
use super::{ConfigurationError, KUBERNETES_API_VERSION, MERIDIAN_API_VERSION, topology};
use crate::error::{ObjectError, invalid, invalid_number};
use crate::tree::{Path, read};

/// The arguments of all plugins of a profile, given or by default.
pub(super) struct Arguments {
    strategy: FitStrategy,
    fit: Vec<ResourceWeight>,
    balanced: Vec<ResourceWeight>,
    pub(super) topology: TopologyArguments,
}

impl Arguments {
    /// The engine's plugin with its arguments.
    pub(super) fn weighted(&self, scorer: Scorer, weight: i64) -> WeightedScore {
        let plugin = match scorer {
            Scorer::TaintToleration => ScorePlugin::TaintToleration,
            Scorer::NodeAffinity => ScorePlugin::NodeAffinity,
            Scorer::PodTopologySpread => ScorePlugin::PodTopologySpread,
            Scorer::InterPodAffinity => ScorePlugin::InterPodAffinity,
            Scorer::BestFit => ScorePlugin::BestFit,
            Scorer::Fragmentation => ScorePlugin::Fragmentation,
            Scorer::NodeResourcesFit => {
                ScorePlugin::NodeResourcesFit { strategy: self.strategy.clone(), resources: self.fit.clone() }
            }
            Scorer::NodeResourcesBalancedAllocation => {
                ScorePlugin::NodeResourcesBalancedAllocation { resources: self.balanced.clone() }
            }
        };
        WeightedScore { plugin, weight }
    }
}

/// The arguments at `path`.
pub(super) fn arguments(
    given: &[PluginConfig<'_>],
    dialect: Dialect,
    path: &Path<'_>,
) -> Result<Arguments, ConfigurationError> {
    let mut arguments = Arguments {
        strategy: FitStrategy::LeastAllocated,
        fit: default_resources(),
        balanced: default_resources(),
        topology: TopologyArguments::default(),
    };
    for (index, config) in given.iter().enumerate() {
        let path = path.item(index);
        let name = path.field("name");
        if given[..index].iter().any(|earlier| earlier.name == config.name) {
            return Err(ConfigurationError::twice(&name, config.name));
        }
        let named = named(config.name, dialect, &name)?;
        let path = path.field("args");
        match (named, config.name) {
            (Named::Known(_), "NodeResourcesFit") => fit(&mut arguments, &config.args, &path)?,
            (Named::Known(_), "NodeResourcesBalancedAllocation") => {
                arguments.balanced = balanced(&config.args, &path)?;
            }
            (Named::Known(_), "NodeAffinity") => affinity(&config.args, &path)?,
            (Named::Known(_), "PodTopologySpread") => {
                topology::spread(&mut arguments.topology, &config.args, &path)?;
            }
            (Named::Known(_), "InterPodAffinity") => {
                topology::pod_affinity(&mut arguments.topology, &config.args, &path)?;
            }
            (Named::Known(_), _) => {
                return Err(invalid(name, config.name, "a plugin that takes arguments").into());
            }
            (_, "DefaultPreemption") => preemption(&config.args, &path)?,
            (_, "VolumeBinding") => volumes(&config.args, &path)?,
            (Named::Lacking | Named::Around | Named::Preemption, _) => {
                let what = format!("giving arguments to plugin {}", config.name);
                return Err(ConfigurationError::not_supported(&name, what));
            }
        }
    }
    Ok(arguments)
}

fn fit(arguments: &mut Arguments, given: &Value, path: &Path<'_>) -> Result<(), ConfigurationError> {
    let given: FitArguments<'_> = optional(given, path)?;
    check_header(given.api_version, given.kind, "NodeResourcesFitArgs", path)?;
    for (field, ignored) in [
        ("ignoredResources", &given.ignored_resources),
        ("ignoredResourceGroups", &given.ignored_resource_groups),
    ] {
        if !ignored.is_empty() {
            return Err(ConfigurationError::not_supported(&path.field(field), "leaving resources out"));
        }
    }
    if let Some(strategy) = &given.scoring_strategy {
        let path = path.field("scoringStrategy");
        arguments.strategy = fit_strategy(strategy, &path)?;
        arguments.fit = resources(&strategy.resources, &path.field("resources"), 100)?;
    }
    Ok(())
}

fn fit_strategy(given: &ScoringStrategy<'_>, path: &Path<'_>) -> Result<FitStrategy, ConfigurationError> {
    let ratio = path.field("requestedToCapacityRatio");
    let strategy = match given.kind {
        "LeastAllocated" => FitStrategy::LeastAllocated,
        "MostAllocated" => FitStrategy::MostAllocated,
        "RequestedToCapacityRatio" => {
            let shape = given.requested_to_capacity_ratio.as_ref().map_or(&[][..], |ratio| &ratio.shape);
            return Ok(FitStrategy::RequestedToCapacityRatio(points(shape, &ratio.field("shape"))?));
        }
        other => {
            let want = "LeastAllocated, MostAllocated or RequestedToCapacityRatio";
            return Err(invalid(path.field("type"), other, want).into());
        }
    };
    if given.requested_to_capacity_ratio.is_some() {
        let want = "nothing, since the type is another one";
        return Err(invalid_number(ratio, "given", want).into());
    }
    Ok(strategy)
}

fn points(given: &[Point], path: &Path<'_>) -> Result<Vec<ShapePoint>, ConfigurationError> {
    if given.is_empty() {
        return Err(ObjectError::Missing { path: path.to_string(), want: "at least one point" }.into());
    }
    let mut points: Vec<ShapePoint> = Vec::with_capacity(given.len());
    for (index, point) in given.iter().enumerate() {
        let path = path.item(index);
        let least = points.last().map_or(0, |last| last.utilization + 1);
        if !(least..=100).contains(&point.utilization) {
            let want = format!("{least} to 100, growing from point to point");
            return Err(invalid_number(path.field("utilization"), point.utilization, want).into());
        }
        if !(0..=10).contains(&point.score) {
            return Err(invalid_number(path.field("score"), point.score, "0 to 10").into());
        }
        points.push(ShapePoint { utilization: point.utilization, score: point.score });
    }
    Ok(points)
}

fn balanced(given: &Value, path: &Path<'_>) -> Result<Vec<ResourceWeight>, ConfigurationError> {
    let given: BalancedArguments<'_> = optional(given, path)?;
    check_header(given.api_version, given.kind, "NodeResourcesBalancedAllocationArgs", path)?;
    resources(&given.resources, &path.field("resources"), 1)
}

fn affinity(given: &Value, path: &Path<'_>) -> Result<(), ConfigurationError> {
    let given: AffinityArguments<'_> = optional(given, path)?;
    check_header(given.api_version, given.kind, "NodeAffinityArgs", path)?;
    match given.added_affinity {
        Some(_) => {
            let path = path.field("addedAffinity");
            Err(ConfigurationError::not_supported(&path, "an affinity that is added to every pod"))
        }
        None => Ok(()),
    }
}

/// How many hosts to try victims on: it must make sense, and all are looked at.
fn preemption(given: &Value, path: &Path<'_>) -> Result<(), ConfigurationError> {
    let given: PreemptionArguments<'_> = optional(given, path)?;
    check_header(given.api_version, given.kind, "DefaultPreemptionArgs", path)?;
    let (share, count) = (given.min_candidate_nodes_percentage, given.min_candidate_nodes_absolute);
    if let Some(share) = share.filter(|share| !(0..=100).contains(share)) {
        return Err(invalid_number(path.field("minCandidateNodesPercentage"), share, "0 to 100").into());
    }
    if let Some(count) = count.filter(|count| *count < 0) {
        return Err(invalid_number(path.field("minCandidateNodesAbsolute"), count, "at least 0").into());
    }
    if (share, count) == (Some(0), Some(0)) {
        let want = "more than 0, since minCandidateNodesPercentage is 0";
        return Err(invalid_number(path.field("minCandidateNodesAbsolute"), 0, want).into());
    }
    Ok(())
}

/// How volumes are bound: it must make sense, and concerns no pod that is scheduled here.
fn volumes(given: &Value, path: &Path<'_>) -> Result<(), ConfigurationError> {
    let given: VolumeArguments<'_> = optional(given, path)?;
    check_header(given.api_version, given.kind, "VolumeBindingArgs", path)?;
    if let Some(timeout) = given.bind_timeout_seconds.filter(|timeout| *timeout < 0) {
        return Err(invalid_number(path.field("bindTimeoutSeconds"), timeout, "at least 0").into());
    }
    if !given.shape.is_empty() {
        points(&given.shape, &path.field("shape"))?;
    }
    Ok(())
}

/// The resources at `path`, CPU and memory when there are none. Without a weight, or with weight 0, a resource counts
/// once.
fn resources(
    given: &[ResourceSpec<'_>],
    path: &Path<'_>,
    max: i64,
) -> Result<Vec<ResourceWeight>, ConfigurationError> {
    if given.is_empty() {
        return Ok(default_resources());
    }
    let mut resources: Vec<ResourceWeight> = Vec::with_capacity(given.len());
    for (index, spec) in given.iter().enumerate() {
        let path = path.item(index);
        let name = path.field("name");
        if spec.name.is_empty() {
            return Err(ObjectError::Missing { path: name.to_string(), want: "a resource's name" }.into());
        }
        if given[..index].iter().any(|earlier| earlier.name == spec.name) {
            return Err(ConfigurationError::twice(&name, spec.name));
        }
        let weight = if spec.weight == 0 { 1 } else { spec.weight };
        if !(1..=max).contains(&weight) {
            let want = if max == 1 { "1".to_owned() } else { format!("1 to {max}") };
            return Err(invalid_number(path.field("weight"), weight, want).into());
        }
        resources.push(ResourceWeight { resource: spec.name.to_owned(), weight });
    }
    Ok(resources)
}

fn default_resources() -> Vec<ResourceWeight> {
    ["cpu", "memory"].map(|name| ResourceWeight { resource: name.to_owned(), weight: 1 }).into()
}

/// Arguments that are not there are those by default.
pub(super) fn optional<'de, T: Default + Deserialize<'de>>(
    given: &'de Value,
    path: &Path<'_>,
) -> Result<T, ConfigurationError> {
    if given.is_null() { Ok(T::default()) } else { Ok(read(given, path)?) }
}

/// Arguments may say of which kind they are, and then must be right.
pub(super) fn check_header(
    api_version: Option<&str>,
    kind: Option<&str>,
    want: &'static str,
    path: &Path<'_>,
) -> Result<(), ConfigurationError> {
    if let Some(kind) = kind.filter(|kind| *kind != want) {
        return Err(invalid(path.field("kind"), kind, want).into());
    }
    let known = [KUBERNETES_API_VERSION, MERIDIAN_API_VERSION];
    if let Some(version) = api_version.filter(|version| !known.contains(version)) {
        return Err(invalid(path.field("apiVersion"), version, KUBERNETES_API_VERSION).into());
    }
    Ok(())
}
