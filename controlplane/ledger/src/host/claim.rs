//! Claims, their answers, and what they are refused for.

use std::sync::Arc;

use meridian_engine::{Demand, DemandError, Host, HostId, PlaceError, Seat};

use crate::account::{Account, Free, TakeError};
use crate::identity::{ClaimId, Uid};

/// A tenant partition's wish to bind a pod to a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The claim's name.
    pub id: ClaimId,
    /// The pod's tenant.
    pub tenant: Arc<str>,
    /// The pod.
    pub uid: Uid,
    /// The host's name.
    pub host: String,
    /// The incarnation of the host that was decided on.
    pub incarnation: u64,
    /// What the pod takes; constraints are not looked at.
    pub demand: Demand,
    /// The devices and NUMA nodes wanted.
    pub seat: Seat,
    /// The host partition's epoch that the claim is for.
    pub host_epoch: u64,
    /// Claims on the same host whose room it may wait for: those of the pods that make way for this one. None: it is
    /// accepted at once or not at all.
    pub victims: Vec<ClaimId>,
    /// Whether it may wait for room that pods of anybody have, until they end by themselves.
    pub keeps: bool,
}

/// What a claim came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The claim.
    pub claim: ClaimId,
    /// Why it is refused; none: it is accepted, or waits.
    pub refusal: Option<Refusal>,
    /// Whether it waits for room that its victims have. Nothing may be bound under it until it is accepted.
    pub is_waiting: bool,
    /// What is free on the host now; nothing where there is no such host.
    pub free: Free,
}

/// Why a claim is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The claim is for a later epoch: another process has taken this partition over, and this one must end.
    #[error(
        "the claim is for epoch {named}, and this host partition's process is of epoch {own}: it has been deposed"
    )]
    Deposed {
        /// This process' epoch.
        own: u64,
        /// The claim's.
        named: u64,
    },
    /// The claim is for an epoch that is over.
    #[error(
        "the claim is for epoch {named} of the host partition, which is in epoch {own}: list to it first"
    )]
    Fenced {
        /// This process' epoch.
        own: u64,
        /// The claim's.
        named: u64,
    },
    /// The tenant partition has not said Hello.
    #[error("the tenant partition is not known here: open a stream with a Hello first")]
    UnknownPartition,
    /// Not all bindings are known.
    #[error("the ledger is recovering: retry when it has been listed to")]
    Recovering,
    /// A later claim of the same partition has been decided, so this one is late or doubled.
    #[error("a later claim has been decided: claim again under a new name")]
    Stale,
    /// There is no such host.
    #[error("host {host} is not one of this partition's")]
    UnknownHost {
        /// The name given.
        host: String,
    },
    /// The host has come anew since it was decided on.
    #[error("the host is in its incarnation {own}, not {named}")]
    Incarnation {
        /// The host's.
        own: u64,
        /// The claim's.
        named: u64,
    },
    /// The host has not said what it runs, or is not heard of.
    #[error("host {host} is not ready")]
    NotReady {
        /// The host.
        host: String,
    },
    /// The demand makes no sense.
    #[error("the demand is invalid: {0}")]
    Demand(DemandError),
    /// Not enough is free.
    #[error(
        "Node didn't have enough resource: {resource}, requested: {requested}, used: {used}, capacity: {capacity}"
    )]
    Insufficient {
        /// The resource's name.
        resource: String,
        /// What was asked for.
        requested: i64,
        /// What is taken.
        used: i64,
        /// What the host offers.
        capacity: i64,
    },
    /// A port is taken.
    #[error("node(s) didn't have free ports for the requested pod ports")]
    Port,
    /// Another claim of its group is refused, and a group is accepted as a whole.
    #[error("claim {other} of the same group is refused")]
    Group {
        /// The other.
        other: ClaimId,
    },
    /// A device named has not enough free, or the wrong number of devices is named.
    #[error("the devices named cannot be given: {0}")]
    Devices(PlaceError),
    /// A NUMA node named has not enough free or not the devices, or the wrong number of nodes is named.
    #[error("the NUMA nodes named cannot be given: {0}")]
    Numa(PlaceError),
}

impl Refusal {
    /// As Kubernetes' kubelet words the reason of a pod that it refuses.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Self::Deposed { .. } => "Deposed".to_owned(),
            Self::Fenced { .. } => "Fenced".to_owned(),
            Self::UnknownPartition => "UnknownPartition".to_owned(),
            Self::Recovering => "Recovering".to_owned(),
            Self::Stale => "Stale".to_owned(),
            Self::UnknownHost { .. } => "NodeNotFound".to_owned(),
            Self::Incarnation { .. } => "NodeIncarnation".to_owned(),
            Self::NotReady { .. } => "NodeNotReady".to_owned(),
            Self::Demand(_) => "InvalidDemand".to_owned(),
            Self::Insufficient { resource, .. } => format!("OutOf{resource}"),
            Self::Group { .. } => "GroupRefused".to_owned(),
            Self::Port => "NodePorts".to_owned(),
            Self::Devices(_) => "OutOfdevices".to_owned(),
            Self::Numa(_) => "TopologyAffinityError".to_owned(),
        }
    }
}

/// Why room could not be taken, with the numbers that people want to see.
pub(super) fn refusal(
    error: TakeError,
    demand: &Demand,
    host: &Host,
    id: HostId,
    account: &Account,
) -> Refusal {
    match error {
        TakeError::Demand(error) => Refusal::Demand(error),
        TakeError::Place(PlaceError::Insufficient { resource }) => {
            let cell = account.cell();
            let requested = match resource.as_str() {
                "pods" => 1,
                name => demand.requests.named().find(|(asked, _)| *asked == name).map_or(0, |(_, much)| much),
            };
            let known = cell.resource(&resource);
            let capacity = known.and_then(|known| cell.allocatable(id, known)).unwrap_or(0);
            let free = known.and_then(|known| cell.free(id, known)).unwrap_or(0);
            Refusal::Insufficient { resource, requested, used: capacity - free, capacity }
        }
        TakeError::Place(PlaceError::PortTaken) => Refusal::Port,
        TakeError::Place(
            error @ (PlaceError::InsufficientDevices | PlaceError::WrongDevices | PlaceError::NotLinked),
        ) => Refusal::Devices(error),
        TakeError::Place(error @ (PlaceError::InsufficientNuma | PlaceError::WrongNuma)) => {
            Refusal::Numa(error)
        }
        TakeError::Place(_) => Refusal::UnknownHost { host: host.name.clone() },
    }
}
