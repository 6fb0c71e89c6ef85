//! The regional scheduler's engine: exact, fast, deterministic, and nothing else.
//!
//! A [`Cell`] holds hosts in columns. Pods come as [`Demand`]s; equal demands are one class. For a class the
//! [`Scheduler`] looks at every host, filters and scores them block by block under its [`Profile`], and names the best
//! one; for a class it knows it repairs an index from what changed instead of looking again. [`check`] recomputes the
//! cell's accounts from the placements.
//!
//! The engine does no I/O, reads no clock, draws no random numbers and knows nothing of Kubernetes objects; those who
//! drive it (scheduler replicas, the ledger, agents, the simulator) translate at their border.

mod ask;
mod bound;
mod candidates;
mod cell;
mod checker;
mod class;
mod constraint;
mod demand;
mod explain;
mod fit;
mod gang;
mod host;
mod index;
mod kernel;
mod lacking;
mod linear;
mod mask;
mod mix;
mod placement;
mod plugins;
mod preempt;
mod profile;
mod queue;
mod resource;
mod scheduler;
mod score;
mod topology;

pub use self::candidates::Part;
pub use self::cell::{Cell, HostId};
pub use self::checker::{Violation, check};
pub use self::class::ClassId;
pub use self::demand::{
    Constraints, Demand, DemandError, DeviceDemand, HostPort, Identity, LabelSelector, Links, NumaDemand,
    Operator, PodAffinityTerm, PodTerms, PreferredTerm, Protocol, Requirement, Runtime, ScoringRequests,
    SelectorTerm, SpreadConstraint, Toleration, TolerationOperator, WeightedPodTerm,
};
pub use self::explain::{Candidate, Explanation, ScorePart};
pub use self::gang::{
    Gang, GangError, GangExplanation, GangPlan, MAX_GANG, PlacedGang, PlacedMember, RefusedMember, Topology,
    TopologyDomain,
};
pub use self::host::{
    DEVICE_MILLI, Devices, Host, HostError, MAX_DEVICES, MAX_NUMA_NODES, MAX_OVERCOMMIT, NumaNode,
    Overcommit, Runtimes, Taint, TaintEffect,
};
pub use self::placement::{PlaceError, Placement, ReleaseError, Seat};
pub use self::preempt::{Preemption, PreemptionExplanation, Running};
pub use self::profile::{
    Arithmetic, DefaultSpread, FilterPlugin, FitStrategy, Profile, ProfileError, ResourceWeight, ScorePlugin,
    ShapePoint, TopologyArguments, TypicalPod, WeightedScore,
};
pub use self::queue::{
    Backoff, CRITICAL_PRIORITY, MAX_GROUP, Membership, Next, Pending, Queue, QueueError, TenantId,
    TenantSettings, TenantStatus, Waiting, WaitingGroup,
};
pub use self::resource::{MAX_QUANTITY, MAX_RESOURCES, ResourceId, Resources};
pub use self::scheduler::{Choice, Scheduler, Search};
