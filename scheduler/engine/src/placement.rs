//! Placements: what has been committed to a host, as a value.

use std::num::NonZeroU32;
use std::sync::Arc;

use crate::ask::Ask;
use crate::cell::HostId;
use crate::topology;

/// What a pod gets of a host by number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Seat {
    /// The mask of the device numbers.
    pub devices: u64,
    /// The mask of the NUMA nodes; none for a pod that is not placed by node.
    pub numa: u32,
}

impl From<u64> for Seat {
    /// Devices alone.
    fn from(devices: u64) -> Seat {
        Seat { devices, numa: 0 }
    }
}

/// A pod's hold on a host. Give it to [`Scheduler::release`](crate::Scheduler::release) when the pod has stopped; there
/// is one value for each hold, so nothing can be given back twice.
#[derive(Debug)]
#[must_use = "a placement holds resources until it is released"]
pub struct Placement {
    host: HostId,
    seat: Seat,
    ask: Arc<Ask>,
    /// Its number among the tracked pods of its host.
    pub(crate) tracked: Option<NonZeroU32>,
    pub(crate) is_nomination: bool,
    member: topology::Id,
}

impl Placement {
    pub(crate) fn new(host: HostId, seat: Seat, ask: Arc<Ask>) -> Placement {
        Placement { host, seat, member: ask.member, ask, tracked: None, is_nomination: false }
    }

    /// What terms between pods can tell of the pod now.
    pub(crate) fn member(&self) -> topology::Id {
        self.member
    }

    pub(crate) fn set_member(&mut self, member: topology::Id) {
        self.member = member;
    }

    /// Where.
    pub fn host(&self) -> HostId {
        self.host
    }

    /// The mask of the device numbers in use.
    pub fn devices(&self) -> u64 {
        self.seat.devices
    }

    /// The mask of the NUMA nodes in use, by a pod that is placed by node.
    pub fn numa(&self) -> u32 {
        self.seat.numa
    }

    /// Which devices and NUMA nodes are in use.
    pub fn seat(&self) -> Seat {
        self.seat
    }

    /// Whether the pod still waits for the room that it holds: see
    /// [`Scheduler::nominate`](crate::Scheduler::nominate).
    pub fn is_nomination(&self) -> bool {
        self.is_nomination
    }

    pub(crate) fn ask(&self) -> &Arc<Ask> {
        &self.ask
    }
}

/// Why a placement was refused. Nothing was taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlaceError {
    /// The host has been removed.
    #[error("the host has been removed")]
    Gone,
    /// The class has been forgotten.
    #[error("the class has been forgotten")]
    UnknownClass,
    /// Not enough of a resource is free now.
    #[error("insufficient {resource}")]
    Insufficient {
        /// The resource's name.
        resource: String,
    },
    /// A port is bound by another pod.
    #[error("a requested port is taken")]
    PortTaken,
    /// A named device has not enough free.
    #[error("a named device has not enough free")]
    InsufficientDevices,
    /// The named devices are not linked to each other.
    #[error("the named devices are not of one group of linked ones")]
    NotLinked,
    /// A named NUMA node has not enough free, or not the named devices.
    #[error("a named NUMA node has not enough free, or not the named devices")]
    InsufficientNuma,
    /// Another number of NUMA nodes is named than the class asks for.
    #[error("the number of named NUMA nodes is not what the class asks for")]
    WrongNuma,
    /// The mask names another number of devices than the class asks for.
    #[error("the number of named devices is not what the class asks for")]
    WrongDevices,
}

/// Why a release was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReleaseError {
    /// The host has been removed, and with it all that it ran.
    #[error("the host has been removed")]
    Gone,
}
