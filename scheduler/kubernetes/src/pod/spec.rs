//! The fields of a Pod object that matter here. Everything else is ignored.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::resources::Listed;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct PodObject<'a> {
    pub(super) kind: Option<&'a str>,
    #[serde(borrow)]
    pub(super) metadata: Metadata<'a>,
    #[serde(borrow)]
    pub(super) spec: PodSpec<'a>,
    #[serde(borrow)]
    pub(super) status: PodStatus<'a>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Metadata<'a> {
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
    pub(super) uid: &'a str,
    #[serde(borrow)]
    pub(super) labels: BTreeMap<&'a str, &'a str>,
    pub(super) deletion_timestamp: Option<IgnoredAny>,
    #[serde(borrow)]
    pub(super) annotations: PodAnnotations<'a>,
    #[serde(borrow)]
    pub(super) owner_references: Vec<OwnerReference<'a>>,
}

/// The annotations of a Pod that matter here.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct PodAnnotations<'a> {
    #[serde(rename = "kubernetes.io/config.mirror")]
    pub(super) mirror: Option<IgnoredAny>,
    /// By which owners keep their pods from being moved.
    #[serde(rename = "cluster-autoscaler.kubernetes.io/safe-to-evict")]
    pub(super) safe_to_evict: Option<&'a str>,
    #[serde(rename = "meridian.io/numa-nodes")]
    pub(super) numa_nodes: Option<&'a str>,
    #[serde(rename = "meridian.io/cpu-policy")]
    pub(super) cpu_policy: Option<&'a str>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct OwnerReference<'a> {
    pub(super) kind: &'a str,
    pub(super) controller: bool,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PodSpec<'a> {
    pub(super) node_name: &'a str,
    pub(super) scheduler_name: &'a str,
    pub(super) priority: Option<i32>,
    pub(super) preemption_policy: &'a str,
    pub(super) host_network: bool,
    #[serde(borrow)]
    pub(super) containers: Vec<Container<'a>>,
    #[serde(borrow)]
    pub(super) init_containers: Vec<Container<'a>>,
    #[serde(borrow)]
    pub(super) virtual_machine: Option<VirtualMachine<'a>>,
    #[serde(borrow)]
    pub(super) resources: ResourceRequirements<'a>,
    #[serde(borrow)]
    pub(super) overhead: Listed<'a>,
    #[serde(borrow)]
    pub(super) node_selector: BTreeMap<&'a str, &'a str>,
    #[serde(borrow)]
    pub(super) affinity: Affinity<'a>,
    #[serde(borrow)]
    pub(super) tolerations: Vec<GivenToleration<'a>>,
    #[serde(borrow)]
    pub(super) topology_spread_constraints: Vec<GivenSpreadConstraint<'a>>,
    pub(super) scheduling_gates: Vec<IgnoredAny>,
    pub(super) resource_claims: Vec<IgnoredAny>,
    pub(super) volumes: Vec<Volume>,
}

/// One virtual machine in the place of containers.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct VirtualMachine<'a> {
    pub(super) flavor: &'a str,
    #[serde(borrow)]
    pub(super) resources: ResourceRequirements<'a>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Container<'a> {
    pub(super) name: &'a str,
    pub(super) restart_policy: &'a str,
    #[serde(borrow)]
    pub(super) resources: ResourceRequirements<'a>,
    #[serde(borrow)]
    pub(super) ports: Vec<ContainerPort<'a>>,
}

impl Container<'_> {
    /// An init container that keeps running beside the others (a sidecar).
    pub(super) fn is_restartable(&self) -> bool {
        self.restart_policy == "Always"
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ResourceRequirements<'a> {
    #[serde(borrow)]
    pub(super) requests: Listed<'a>,
    #[serde(borrow)]
    pub(super) limits: Listed<'a>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ContainerPort<'a> {
    pub(super) container_port: i64,
    pub(super) host_port: i64,
    #[serde(rename = "hostIP")]
    pub(super) host_ip: &'a str,
    pub(super) protocol: &'a str,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Affinity<'a> {
    #[serde(borrow)]
    pub(super) node_affinity: NodeAffinity<'a>,
    #[serde(borrow)]
    pub(super) pod_affinity: TermLists<'a>,
    #[serde(borrow)]
    pub(super) pod_anti_affinity: TermLists<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct NodeAffinity<'a> {
    #[serde(borrow, rename = "requiredDuringSchedulingIgnoredDuringExecution")]
    pub(super) required: Option<NodeSelector<'a>>,
    #[serde(borrow, rename = "preferredDuringSchedulingIgnoredDuringExecution")]
    pub(super) preferred: Vec<PreferredSchedulingTerm<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct NodeSelector<'a> {
    #[serde(borrow)]
    pub(super) node_selector_terms: Vec<NodeSelectorTerm<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct NodeSelectorTerm<'a> {
    #[serde(borrow)]
    pub(super) match_expressions: Vec<GivenRequirement<'a>>,
    #[serde(borrow)]
    pub(super) match_fields: Vec<GivenRequirement<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct GivenRequirement<'a> {
    pub(super) key: &'a str,
    pub(super) operator: &'a str,
    #[serde(borrow)]
    pub(super) values: Vec<&'a str>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct PreferredSchedulingTerm<'a> {
    pub(super) weight: i64,
    #[serde(borrow)]
    pub(super) preference: NodeSelectorTerm<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct TermLists<'a> {
    #[serde(borrow, rename = "requiredDuringSchedulingIgnoredDuringExecution")]
    pub(super) required: Vec<GivenPodTerm<'a>>,
    #[serde(borrow, rename = "preferredDuringSchedulingIgnoredDuringExecution")]
    pub(super) preferred: Vec<GivenWeightedPodTerm<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct GivenWeightedPodTerm<'a> {
    pub(super) weight: i64,
    #[serde(borrow)]
    pub(super) pod_affinity_term: GivenPodTerm<'a>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct GivenPodTerm<'a> {
    pub(super) topology_key: &'a str,
    #[serde(borrow)]
    pub(super) label_selector: Option<GivenLabelSelector<'a>>,
    #[serde(borrow)]
    pub(super) namespaces: Vec<&'a str>,
    #[serde(borrow)]
    pub(super) namespace_selector: Option<GivenLabelSelector<'a>>,
    #[serde(borrow)]
    pub(super) match_label_keys: Option<Vec<&'a str>>,
    #[serde(borrow)]
    pub(super) mismatch_label_keys: Option<Vec<&'a str>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct GivenLabelSelector<'a> {
    #[serde(borrow)]
    pub(super) match_labels: BTreeMap<&'a str, &'a str>,
    #[serde(borrow)]
    pub(super) match_expressions: Vec<GivenRequirement<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct GivenToleration<'a> {
    pub(super) key: &'a str,
    pub(super) operator: &'a str,
    pub(super) value: &'a str,
    pub(super) effect: &'a str,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct GivenSpreadConstraint<'a> {
    pub(super) max_skew: i64,
    pub(super) topology_key: &'a str,
    pub(super) when_unsatisfiable: &'a str,
    #[serde(borrow)]
    pub(super) label_selector: Option<GivenLabelSelector<'a>>,
    pub(super) min_domains: Option<i64>,
    pub(super) node_affinity_policy: &'a str,
    pub(super) node_taints_policy: &'a str,
    #[serde(borrow)]
    pub(super) match_label_keys: Option<Vec<&'a str>>,
}

impl GivenSpreadConstraint<'_> {
    /// Whether it says which pods it is about.
    pub(crate) fn has_selector(&self) -> bool {
        self.label_selector.is_some() || self.match_label_keys.is_some()
    }
}

/// The kinds of volumes that restrict which hosts may take the pod.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Volume {
    pub(super) persistent_volume_claim: Option<IgnoredAny>,
    pub(super) ephemeral: Option<IgnoredAny>,
    pub(super) gce_persistent_disk: Option<IgnoredAny>,
    pub(super) aws_elastic_block_store: Option<IgnoredAny>,
    pub(super) azure_disk: Option<IgnoredAny>,
    pub(super) cinder: Option<IgnoredAny>,
    pub(super) iscsi: Option<IgnoredAny>,
    pub(super) rbd: Option<IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PodStatus<'a> {
    pub(super) phase: &'a str,
    #[serde(borrow)]
    pub(super) conditions: Vec<Condition<'a>>,
    #[serde(borrow)]
    pub(super) container_statuses: Vec<ContainerStatus<'a>>,
    #[serde(borrow)]
    pub(super) init_container_statuses: Vec<ContainerStatus<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Condition<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'a str,
    pub(super) reason: &'a str,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ContainerStatus<'a> {
    pub(super) name: &'a str,
    #[serde(borrow)]
    pub(super) resources: Option<ResourceRequirements<'a>>,
    #[serde(borrow)]
    pub(super) allocated_resources: Listed<'a>,
}
