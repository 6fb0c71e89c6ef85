//! What is queued and what comes out: pods alone and groups of pods.

use std::time::Duration;

use crate::class::ClassId;

/// A tenant, by a small number that the caller gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantId(pub u32);

/// The most pods of a group.
pub const MAX_GROUP: u32 = 1024;

/// A pod to be queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The caller's number for the pod, unlike those of all others that wait.
    pub pod: u64,
    /// Its class. The scheduler must not forget it while the pod waits.
    pub class: ClassId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Higher goes first, within the tenant. See [`Queue`](super::Queue) for those above all tenants.
    pub priority: i32,
    /// Goes before the others of its tenant and priority.
    pub first: bool,
    /// How often it has been placed in vain, which decides how long it rests when that happens again.
    pub failures: u32,
    /// The group that it is placed with, all or none.
    pub group: Option<Membership>,
}

/// Belonging to a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The caller's number for the group, unlike those of the tenant's other groups.
    pub group: u64,
    /// How many members must wait together before the group is tried: 1 to [`MAX_GROUP`]. What was said last holds.
    pub least: u32,
}

impl Pending {
    /// A pod alone, of the tenant 0 and priority 0.
    pub fn new(pod: u64, class: ClassId) -> Pending {
        Pending {
            pod,
            class,
            tenant: TenantId::default(),
            priority: 0,
            first: false,
            failures: 0,
            group: None,
        }
    }
}

/// A pod that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The caller's number for the pod.
    pub pod: u64,
    /// Its class.
    pub class: ClassId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Its priority.
    pub priority: i32,
    /// Goes before the others of its tenant and priority.
    pub first: bool,
    /// How often it has been placed in vain.
    pub failures: u32,
    /// The queue's time when it came.
    pub since: Duration,
    /// Its place among all pods ever queued: otherwise equal, the lower goes first.
    pub(super) order: u64,
}

/// A group whose members wait together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingGroup {
    /// The caller's number for the group.
    pub group: u64,
    /// Whose it is.
    pub tenant: TenantId,
    /// How many must be placed together.
    pub least: u32,
    /// How often it has been tried in vain.
    pub failures: u32,
    /// All members that wait, by arrival.
    pub members: Vec<Waiting>,
}

/// What is to be tried next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// A pod alone.
    Pod(Waiting),
    /// A group.
    Group(WaitingGroup),
}

impl From<Waiting> for Next {
    fn from(waiting: Waiting) -> Next {
        Next::Pod(waiting)
    }
}

impl From<WaitingGroup> for Next {
    fn from(group: WaitingGroup) -> Next {
        Next::Group(group)
    }
}

/// Why something was not queued or not settled. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// The pod waits already.
    #[error("pod {pod} waits already")]
    Duplicate {
        /// The pod.
        pod: u64,
    },
    /// No group can be so small or so large.
    #[error("group {group} wants at least {least} members, want 1 to {MAX_GROUP}")]
    GroupSize {
        /// The group.
        group: u64,
        /// How many it wants.
        least: u32,
    },
    /// No more pods can be members.
    #[error("group {group} has {MAX_GROUP} members that wait, which is the most")]
    GroupFull {
        /// The group.
        group: u64,
    },
    /// A weight outside its range.
    #[error("weight is {weight}, want 1 to {most}", most = super::settings::MAX_WEIGHT)]
    Weight {
        /// What was given.
        weight: u32,
    },
    /// A guarantee outside its range.
    #[error("guaranteed share is {millionths} millionths, want 0 to 1000000")]
    Guarantee {
        /// What was given.
        millionths: u32,
    },
    /// More is guaranteed than there is.
    #[error("guaranteed shares would sum up to {millionths} millionths, want at most 1000000")]
    Guarantees {
        /// The sum.
        millionths: u64,
    },
    /// A wait that ends before it begins.
    #[error(
        "backoff goes from {initial:?} to {most:?}, want more than nothing and at most an hour, in this order"
    )]
    Backoff {
        /// The first wait.
        initial: Duration,
        /// The longest.
        most: Duration,
    },
    /// More tenants than are kept apart.
    #[error("more than {most} tenants wait or hold something", most = super::tenant::MAX_TENANTS)]
    Tenants,
}
