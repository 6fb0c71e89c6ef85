//! The API server: a generic registry over a partitioned store, and Kubernetes' HTTP API upon it.
//!
//! A [`Registry`] has two stores: the tenants' objects in one, the hosts in the other. Every request has a [`Caller`], whose
//! tenant is all that it sees. [`Registry::create`], `get`, `list`, `watch`, `update`, `patch` and `delete` are the verbs of
//! Kubernetes with its rules, and answer with an [`Entry`], the stored bytes of an object, or a [`Failure`], Kubernetes'
//! `Status`. One path serves all kinds; which there are, and how they are decoded, defaulted and validated, says the schema.
//!
//! Reads come from memory: one task a store applies its commits, in order, to a cache, and a read waits until the cache has
//! reached what was acknowledged before it. The cache also remembers recent changes, and a [`WatchStream`] or a [`Follow`]
//! is a place among them. A write is one transaction that holds only if what it was decided on is still so.
//!
//! The verbs answer with what the caller's tenant may see, and take that back: tenants see nodes of their own in the place of
//! hosts. Parts in the same process use [`Registry::modify`] (read, change, write), [`Registry::stored`], `cached` and
//! [`Registry::follow`] (everything in a partition, then every change in the order of commits). Resource versions are each
//! tenant's own; operators may look at all tenants, in the partition's ([`Registry::list_across`],
//! [`Registry::watch_across`]).
//!
//! Leases of hosts are not stored: they are a view of what [`Heartbeats`] are told.
//!
//! Pods are more than objects: a [`BindingRecord`] says that a pod holds resources of a host. Records are written only here,
//! in one transaction with the pod, by the rules that keep a host from being given away twice:
//! [`Registry::append_bindings`], [`Registry::append_gang`], [`Registry::append_fence`], [`Registry::pod_stopped`], and deletes.
//!
//! What people should know of an object is told as an event: a [`Recorder`] writes it in the background.
//!
//! [`serve`] puts all of it behind HTTP.

mod binding;
mod budget;
mod cache;
mod caller;
mod change;
mod entry;
mod failure;
mod http;
mod key;
mod list;
mod metrics;
mod object;
mod options;
mod recorder;
mod registry;
mod view;
mod watch;

pub use self::binding::{
    BindOrder, BindRequest, BindResult, BindingRecord, BindingState, ClaimName, Fenced,
    HOST_PARTITION_ANNOTATION, HeldBinding, INCARNATION_ANNOTATION, RecordError,
};
pub use self::budget::{DISRUPTION_TIMEOUT, allow_disruptions, budget_selector, forbid_disruptions};
pub use self::cache::{Follow, Heartbeats};
pub use self::caller::Caller;
pub use self::change::{Change, FollowError};
pub use self::entry::{Entry, Labels, TENANT_ANNOTATION};
pub use self::failure::{Details, Failure, FailureCause, Reason};
pub use self::http::{
    ExplainRequest, ReadinessCheck, ServeError, ServeLimits, ServeOptions, TlsError, kubeconfig, serve, tls,
};
pub use self::list::List;
pub use self::object::seconds;
pub use self::options::{
    CreateOptions, DeleteOptions, ListOptions, Patch, PatchKind, PatchOptions, Preconditions,
    PropagationPolicy, Sub, UpdateOptions, WatchOptions,
};
pub use self::recorder::{Event, EventSubject, Recorder, RecorderOptions, shortened};
pub use self::registry::{
    Deleted, OpenError, Patched, Registry, RegistryLimits, RegistryOptions, Updated, WatchStream,
};
pub use self::watch::WatchEvent;
