//! The fields of a scheduler configuration, read strictly: what is not here is an error.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::pod::GivenSpreadConstraint;

use super::process::{ClientConnectionSpec, LeaderElectionSpec};

/// What every kind of file starts with.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Header<'a> {
    pub(super) api_version: &'a str,
    pub(super) kind: &'a str,
}

/// Fields that start with an underscore are accepted and have no effect.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(super) struct Configuration<'a> {
    #[serde(rename = "apiVersion")]
    _api_version: IgnoredAny,
    #[serde(rename = "kind")]
    _kind: IgnoredAny,
    #[serde(rename = "metadata")]
    _metadata: Option<IgnoredAny>,
    #[serde(borrow)]
    pub(super) leader_election: Option<LeaderElectionSpec<'a>>,
    #[serde(borrow)]
    pub(super) client_connection: Option<ClientConnectionSpec<'a>>,
    #[serde(rename = "enableProfiling")]
    _enable_profiling: bool,
    #[serde(rename = "enableContentionProfiling")]
    _enable_contention_profiling: bool,
    #[serde(rename = "delayCacheUntilActive")]
    _delay_cache_until_active: bool,
    pub(super) parallelism: Option<i64>,
    pub(super) percentage_of_nodes_to_score: Option<i64>,
    pub(super) pod_initial_backoff_seconds: Option<i64>,
    pub(super) pod_max_backoff_seconds: Option<i64>,
    pub(super) extenders: Vec<IgnoredAny>,
    #[serde(borrow)]
    pub(super) profiles: Vec<ProfileSpec<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(super) struct ProfileSpec<'a> {
    pub(super) scheduler_name: Option<&'a str>,
    pub(super) percentage_of_nodes_to_score: Option<i64>,
    #[serde(borrow)]
    pub(super) plugins: Plugins<'a>,
    #[serde(borrow)]
    pub(super) plugin_config: Vec<PluginConfig<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(super) struct Plugins<'a> {
    #[serde(borrow)]
    pub(super) multi_point: PluginSet<'a>,
    #[serde(borrow)]
    pub(super) filter: PluginSet<'a>,
    #[serde(borrow)]
    pub(super) score: PluginSet<'a>,
    #[serde(borrow)]
    pub(super) pre_enqueue: PluginSet<'a>,
    #[serde(borrow)]
    pub(super) queue_sort: PluginSet<'a>,
    #[serde(borrow)]
    pub(super) pre_filter: PluginSet<'a>,
    #[serde(borrow)]
    pub(super) post_filter: PluginSet<'a>,
    #[serde(borrow)]
    pub(super) pre_score: PluginSet<'a>,
    #[serde(borrow)]
    pub(super) reserve: PluginSet<'a>,
    #[serde(borrow)]
    pub(super) permit: PluginSet<'a>,
    #[serde(borrow)]
    pub(super) pre_bind: PluginSet<'a>,
    #[serde(borrow)]
    pub(super) bind: PluginSet<'a>,
    #[serde(borrow)]
    pub(super) post_bind: PluginSet<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct PluginSet<'a> {
    #[serde(borrow)]
    pub(super) enabled: Vec<Plugin<'a>>,
    #[serde(borrow)]
    pub(super) disabled: Vec<Plugin<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Plugin<'a> {
    pub(super) name: &'a str,
    pub(super) weight: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct PluginConfig<'a> {
    pub(super) name: &'a str,
    /// Its fields depend on the name.
    pub(super) args: Value,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(super) struct FitArguments<'a> {
    pub(super) api_version: Option<&'a str>,
    pub(super) kind: Option<&'a str>,
    pub(super) ignored_resources: Vec<IgnoredAny>,
    pub(super) ignored_resource_groups: Vec<IgnoredAny>,
    #[serde(borrow)]
    pub(super) scoring_strategy: Option<ScoringStrategy<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(super) struct ScoringStrategy<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'a str,
    #[serde(borrow)]
    pub(super) resources: Vec<ResourceSpec<'a>>,
    pub(super) requested_to_capacity_ratio: Option<RatioArguments>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ResourceSpec<'a> {
    pub(super) name: &'a str,
    pub(super) weight: i64,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RatioArguments {
    pub(super) shape: Vec<Point>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Point {
    pub(super) utilization: i64,
    pub(super) score: i64,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(super) struct BalancedArguments<'a> {
    pub(super) api_version: Option<&'a str>,
    pub(super) kind: Option<&'a str>,
    #[serde(borrow)]
    pub(super) resources: Vec<ResourceSpec<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(super) struct SpreadArguments<'a> {
    pub(super) api_version: Option<&'a str>,
    pub(super) kind: Option<&'a str>,
    #[serde(borrow)]
    pub(super) default_constraints: Vec<GivenSpreadConstraint<'a>>,
    pub(super) defaulting_type: &'a str,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(super) struct PodAffinityArguments<'a> {
    pub(super) api_version: Option<&'a str>,
    pub(super) kind: Option<&'a str>,
    pub(super) hard_pod_affinity_weight: Option<i64>,
    pub(super) ignore_preferred_terms_of_existing_pods: bool,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(super) struct AffinityArguments<'a> {
    pub(super) api_version: Option<&'a str>,
    pub(super) kind: Option<&'a str>,
    pub(super) added_affinity: Option<IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(super) struct PreemptionArguments<'a> {
    pub(super) api_version: Option<&'a str>,
    pub(super) kind: Option<&'a str>,
    pub(super) min_candidate_nodes_percentage: Option<i64>,
    pub(super) min_candidate_nodes_absolute: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(super) struct VolumeArguments<'a> {
    pub(super) api_version: Option<&'a str>,
    pub(super) kind: Option<&'a str>,
    pub(super) bind_timeout_seconds: Option<i64>,
    pub(super) shape: Vec<Point>,
}
