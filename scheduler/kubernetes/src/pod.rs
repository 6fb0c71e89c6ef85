//! From a Pod object to a demand of the engine.

use std::collections::BTreeMap;

use meridian_engine::{Constraints, Demand, Identity, Links, Runtime};
use serde_json::Value;

use crate::error::{ObjectError, invalid};
use crate::tree::{Path, read};

mod affinity;
mod numa;
mod ports;
mod requests;
mod spec;
mod terms;
mod tolerations;
mod unsupported;

pub(crate) use self::spec::GivenSpreadConstraint;
pub(crate) use self::terms::spread_constraints;

/// The scheduler of pods that name none.
pub const DEFAULT_SCHEDULER_NAME: &str = "default-scheduler";

/// A translated pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// Who the pod is, and what callers need to know beside the demand.
    pub view: PodView,
    /// What the engine places.
    ///
    /// `spec.nodeName` is no part of it: kube-scheduler never places a pod that has one, and with it each running pod
    /// would be a scheduling class of its own, instead of sharing that of its pending siblings. It is in
    /// [`PodView::bound_to`]; [`Pod::pinned_demand`] is for those who check that one host.
    pub demand: Demand,
    /// Paths of fields that restrict where or when the pod may run and that the engine does not honour yet. A pod
    /// with any of them must not be placed as if they were not there.
    pub unsupported: Vec<String>,
}

/// Who a pod is, for callers of the translation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodView {
    /// The namespace, `default` when the object has none.
    pub namespace: String,
    /// The name, unique in the namespace.
    pub name: String,
    /// The unique id; empty for an object that was never stored.
    pub uid: String,
    /// The profile that the pod chooses.
    pub scheduler_name: String,
    /// Higher goes first.
    pub priority: i32,
    /// No other pod makes way for it (`preemptionPolicy: Never`).
    pub never_preempts: bool,
    /// The host that the pod is bound to.
    pub bound_to: Option<String>,
    /// How far the pod has come.
    pub phase: Phase,
    /// Being deleted, though perhaps still running.
    pub deleting: bool,
    /// It belongs to its host and does not move when the host is drained: a pod of a DaemonSet, or one that the host runs by
    /// itself (a mirror pod).
    pub stays: bool,
    /// It has a controller, which makes another in its place when it is evicted.
    pub is_controlled: bool,
    /// Its owner does not want it moved: it is annotated `cluster-autoscaler.kubernetes.io/safe-to-evict: "false"`.
    pub is_unsafe_to_evict: bool,
}

/// How far a pod has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Not all containers have started.
    #[default]
    Pending,
    /// Containers run.
    Running,
    /// All containers have ended well.
    Succeeded,
    /// All containers have ended, at least one of them badly.
    Failed,
    /// The host has not been heard of.
    Unknown,
}

impl Pod {
    /// The demand with the one host that the pod is bound to, for those who check whether that host may take it.
    pub fn pinned_demand(&self) -> Demand {
        let mut demand = self.demand.clone();
        demand.constraints.node_name.clone_from(&self.view.bound_to);
        demand
    }
}

impl PodView {
    /// `namespace/name`.
    pub fn key(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// Whether the pod takes something from the host that it is bound to: all do until they have ended.
    pub fn holds_resources(&self) -> bool {
        self.bound_to.is_some() && !matches!(self.phase, Phase::Succeeded | Phase::Failed)
    }
}

/// Turns a Pod object into a demand, by the rules of Kubernetes 1.34 and with the defaults of its API server.
///
/// A pod that is bound counts with the larger of what it asks for and what its host has given to it, so that a resize
/// in progress is never counted twice or not at all.
///
/// The pod's tenant is not in the object: those who have tenants add it to the demand's identity.
pub fn pod_from_object(object: &Value) -> Result<Pod, ObjectError> {
    let root = Path::Root;
    let object: spec::PodObject<'_> = read(object, &root)?;
    let view = view(&object)?;
    let spec = &object.spec;
    let path = root.field("spec");
    let runtime = runtime(spec)?;
    if spec.containers.is_empty() && runtime == Runtime::Containers {
        return Err(ObjectError::Missing {
            path: "spec.containers".to_owned(),
            want: "at least one container",
        });
    }
    let status = view.bound_to.is_some().then_some(&object.status);
    let requested = requests::requested(spec, status, &path)?;
    let (required, preferred) = affinity::node_affinity(&spec.affinity.node_affinity, &path)?;
    let numa = numa::numa(&object.metadata.annotations, &requested.requests)?;
    let demand = Demand {
        numa,
        requests: requested.requests,
        scoring: requested.scoring,
        devices: None,
        links: Links::Anywhere,
        runtime,
        ports: ports::host_ports(spec, &path)?,
        constraints: Constraints {
            node_name: None,
            node_selector: owned(&spec.node_selector),
            required,
            preferred,
            tolerations: tolerations::tolerations(&spec.tolerations, &path.field("tolerations"))?,
        },
        identity: Identity {
            tenant: String::new(),
            namespace: view.namespace.clone(),
            labels: owned(&object.metadata.labels),
        },
        terms: terms::pod_terms(spec, &object.metadata, &path)?,
    };
    demand.validate().map_err(ObjectError::Demand)?;
    let unsupported = unsupported::unsupported(spec, &path);
    Ok(Pod { view, demand, unsupported })
}

/// What runs the pod: containers, or one virtual machine in their place.
fn runtime(spec: &spec::PodSpec<'_>) -> Result<Runtime, ObjectError> {
    if spec.virtual_machine.is_none() {
        return Ok(Runtime::Containers);
    }
    for (field, containers) in [("containers", &spec.containers), ("initContainers", &spec.init_containers)] {
        if let Some(container) = containers.first() {
            let path = format!("spec.{field}[0].name");
            return Err(invalid(path, container.name, "no containers beside a virtualMachine"));
        }
    }
    Ok(Runtime::VirtualMachine)
}

fn view(object: &spec::PodObject<'_>) -> Result<PodView, ObjectError> {
    if let Some(kind) = object.kind.filter(|kind| *kind != "Pod") {
        return Err(invalid("kind", kind, "Pod"));
    }
    let metadata = &object.metadata;
    if metadata.name.is_empty() {
        return Err(ObjectError::Missing { path: "metadata.name".to_owned(), want: "the pod's name" });
    }
    let or = |text: &str, default: &str| if text.is_empty() { default.to_owned() } else { text.to_owned() };
    Ok(PodView {
        namespace: or(metadata.namespace, "default"),
        name: metadata.name.to_owned(),
        uid: metadata.uid.to_owned(),
        scheduler_name: or(object.spec.scheduler_name, DEFAULT_SCHEDULER_NAME),
        priority: object.spec.priority.unwrap_or(0),
        never_preempts: object.spec.preemption_policy == "Never",
        bound_to: (!object.spec.node_name.is_empty()).then(|| object.spec.node_name.to_owned()),
        phase: phase(object.status.phase)?,
        deleting: metadata.deletion_timestamp.is_some(),
        stays: metadata.annotations.mirror.is_some()
            || metadata.owner_references.iter().any(|owner| owner.controller && owner.kind == "DaemonSet"),
        is_controlled: metadata.owner_references.iter().any(|owner| owner.controller),
        is_unsafe_to_evict: metadata.annotations.safe_to_evict == Some("false"),
    })
}

fn phase(name: &str) -> Result<Phase, ObjectError> {
    match name {
        "" | "Pending" => Ok(Phase::Pending),
        "Running" => Ok(Phase::Running),
        "Succeeded" => Ok(Phase::Succeeded),
        "Failed" => Ok(Phase::Failed),
        "Unknown" => Ok(Phase::Unknown),
        _ => Err(invalid("status.phase", name, "Pending, Running, Succeeded, Failed or Unknown")),
    }
}

fn owned(map: &BTreeMap<&str, &str>) -> BTreeMap<String, String> {
    map.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[cfg(test)]
mod tests;
