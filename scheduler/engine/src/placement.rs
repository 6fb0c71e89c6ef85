//! Placements: what has been committed to a host, as a value.

use std::num::NonZeroU32;
use std::sync::Arc;

use crate::ask::Ask;
use crate::cell::HostId;
use crate::topology;

/// A pod's hold on a host. Give it to [`Scheduler::release`](crate::Scheduler::release) when the pod has stopped; there
/// is one value for each hold, so nothing can be given back twice.
#[derive(Debug)]
#[must_use = "a placement holds resources until it is released"]
pub struct Placement {
    host: HostId,
    devices: u64,
    ask: Arc<Ask>,
    /// Its number among the tracked pods of its host.
    pub(crate) tracked: Option<NonZeroU32>,
    pub(crate) is_nomination: bool,
    member: topology::Id,
}

impl Placement {
    pub(crate) fn new(host: HostId, devices: u64, ask: Arc<Ask>) -> Placement {
        Placement { host, devices, member: ask.member, ask, tracked: None, is_nomination: false }
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
        self.devices
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
