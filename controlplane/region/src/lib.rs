//! A region put together from its parts.
//!
//! [`ControlPlane`] is one process of a control plane: the stores, the API server, a tenant partition, a host partition and
//! the controllers. Scheduler replicas and agents reach it over gRPC, on the port of the API. [`Region`] adds a replica and
//! simulated hosts in the same process; they are the same code on the same streams, with no network in between.

mod control_plane;
mod faults;
mod region;
mod storage;

pub use self::control_plane::{ControlPlane, ControlPlaneError, ControlPlaneOptions};
pub use self::region::{Progress, Region, RegionError, RegionOptions};
pub use self::storage::{Storage, StorageError};
