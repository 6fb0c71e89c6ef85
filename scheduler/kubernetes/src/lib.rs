//! The one translation from Kubernetes objects to the engine's hosts, demands and profiles.
//!
//! Everything that speaks Kubernetes and needs a scheduling decision goes through here, so that the scheduler
//! service, the ledger, the agent and the simulator cannot disagree about what a pod asks for:
//!
//! - [`host_from_node`] turns a Node into an engine [`Host`](meridian_engine::Host);
//! - [`pod_from_object`] turns a Pod into an engine [`Demand`](meridian_engine::Demand) with a [`PodView`] beside it,
//!   and lists the parts of the pod that the engine does not honour yet, so that nothing is dropped in silence;
//! - [`profiles_from_configuration`] turns a scheduler configuration file into engine
//!   [`Profile`](meridian_engine::Profile)s;
//! - [`Dump`] reads what `kubectl get nodes,pods -A -o json` prints;
//! - [`Manifests`] reads the files that people apply, as the pods that they would bring;
//! - [`Quantity`] is the exact reading of quantities such as `500m` and `1.5Gi` that all of these use.
//!
//! The rules are those of Kubernetes 1.34. Objects come as JSON values; the few fields that matter are read through
//! small typed views, and what is not known is ignored, as Kubernetes does. Defaults that an API server would have
//! filled in are filled in here too, so that a manifest and the stored object give the same demand.
//!
//! Nothing here does I/O but reading from a given reader, nothing keeps state, and nothing panics on any input. Each
//! error says where (a field path), what was found there and what would be right.
//!
//! ```
//! let pod = serde_json::json!({
//!     "metadata": {"name": "web-1"},
//!     "spec": {"containers": [{"resources": {"requests": {"cpu": "250m", "memory": "1.5Gi"}}}]},
//! });
//! let pod = meridian_kubernetes::pod_from_object(&pod)?;
//! assert_eq!(pod.view.key(), "default/web-1");
//! assert_eq!(pod.demand.requests.cpu_milli, 250);
//! assert_eq!(pod.demand.requests.memory, 1_610_612_736);
//! assert!(pod.unsupported.is_empty());
//! # Ok::<(), meridian_kubernetes::ObjectError>(())
//! ```

#![forbid(unsafe_code)]

mod configuration;
mod document;
mod dump;
mod error;
mod manifest;
mod node;
mod pod;
mod quantity;
mod resources;
mod tree;

pub use self::{
    configuration::{
        ClientConnection, ConfigurationError, DEFAULT_LEASE, KUBERNETES_API_VERSION, LeaderElection,
        MAX_CONFIGURATION_BYTES, MERIDIAN_API_VERSION, ProcessSettings, SchedulerConfiguration,
        profiles_from_configuration, scheduler_configuration,
    },
    document::DocumentError,
    dump::{Dump, DumpError, MAX_DUMP_BYTES, MAX_YAML_DUMP_BYTES},
    error::ObjectError,
    manifest::{
        MAX_MANIFEST_BYTES, MAX_MANIFEST_PODS, ManifestError, Manifests, PodGroup, Replicas, Workload,
    },
    node::host_from_node,
    pod::{DEFAULT_SCHEDULER_NAME, Phase, Pod, PodView, pod_from_object},
    quantity::{Quantity, QuantityError},
};
