//! What can go wrong in a simulation.

use meridian_engine::{DemandError, HostError, ProfileError};
use meridian_trace::TraceError;

/// Why a simulation was not run to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimulationError {
    /// The policy's name means nothing.
    #[error("policy {name:?} is unknown, want one of {want}")]
    UnknownPolicy {
        /// The name given.
        name: String,
        /// The names that there are.
        want: String,
    },
    /// The policy needs to know which pods to expect.
    #[error("policy {name} weighs hosts by the pods to expect, and the trace has none")]
    NothingTypical {
        /// The policy's name.
        name: String,
    },
    /// The trace could not be read on.
    #[error("reading the trace")]
    Trace(#[from] TraceError),
    /// The profile makes no sense.
    #[error("setting up the scheduler")]
    Profile(#[from] ProfileError),
    /// The engine refused a host of the trace.
    #[error("taking in the hosts")]
    Host(#[from] HostError),
    /// The engine refused a pod of the trace.
    #[error("pod {pod}")]
    Demand {
        /// The pod's name.
        pod: String,
        /// Why.
        #[source]
        source: DemandError,
    },
    /// A trace without hosts.
    #[error("the trace has no hosts, want at least one")]
    NoHosts,
    /// A host that the cluster does not have.
    #[error("host {host} is not in the cluster, whose first host is {example}")]
    UnknownHost {
        /// The name given.
        host: String,
        /// A name that there is.
        example: String,
    },
    /// A pod that was only looked at does not go back to where it was.
    #[error("pod {pod} cannot be put back where it was: {source}")]
    NotPutBack {
        /// The pod as `namespace/name`.
        pod: String,
        /// Why.
        source: meridian_engine::PlaceError,
    },
    /// An experiment on devices needs some.
    #[error("the hosts have no devices, the experiment measures how many of them are allocated")]
    NoDevices,
    /// No pod asks for devices, so that arrivals never reach the wanted share of the capacity.
    #[error("no pod of the trace asks for devices, arrivals would never reach the capacity")]
    NoDevicePods,
    /// A number that is out of range.
    #[error("{field} is {value}, want {want}")]
    OutOfRange {
        /// Which number.
        field: &'static str,
        /// What was given.
        value: String,
        /// What would be right.
        want: &'static str,
    },
    /// A pod to tell about that is not in the trace.
    #[error("pod {pod} is not in the trace, whose first pod is {example}")]
    UnknownPod {
        /// The pod's name.
        pod: String,
        /// The name of a pod that is.
        example: String,
    },
}
