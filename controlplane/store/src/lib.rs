//! One partition's store: an ordered, durable, multi-version key space with etcd's semantics, on two engines.
//!
//! A [`Store`] is a handle to one open partition. [`Store::txn`] appends: a [`Txn`] compares, then writes, all or nothing,
//! at one [`Revision`]; when it returns, what it wrote is durable. [`Store::range`] reads at the latest revision or an
//! older one, [`Store::watch`] follows history from any revision that is not compacted, [`Store::compact`] gives old
//! history up, and leases delete their keys when nobody renews them.
//!
//! Every key belongs to a [`Tenant`], and so does every write transaction. Beside the partition's revision each tenant
//! has its own [`TenantRevision`], which grows by exactly one with each of its transactions, so that it tells the tenant
//! nothing of others; [`Store::tenant_revision`] and [`Store::partition_revision`] translate.
//!
//! A partition has one writer. Opening takes it over under the next [`Epoch`], durably, and an append of an older epoch is
//! refused. On a data directory a lock of the system keeps a second process out as well.
//!
//! The engines: *embedded* keeps the partition in memory and a write-ahead log with group commit on disk; *etcd* keeps it
//! in an etcd cluster of its own. Both are held to one conformance test. Time comes from a [`Clock`](meridian_environment::Clock).

mod counters;
mod embedded;
mod error;
#[cfg(feature = "etcd")]
mod etcd;
mod key;
mod lease;
mod limits;
mod revision;
mod store;
mod txn;
mod watch;

pub use self::counters::Counters;
pub use self::embedded::EmbeddedOptions;
pub use self::error::Error;
#[cfg(feature = "etcd")]
pub use self::etcd::EtcdOptions;
pub use self::key::{Key, KeyRange, MAX_TENANT_NAME, Tenant};
pub use self::lease::Lease;
pub use self::limits::Limits;
pub use self::revision::{Epoch, LeaseId, Revision, TenantRevision};
pub use self::store::Store;
pub use self::txn::{
    Compare, KeyValue, Op, OpResult, RangeRequest, RangeResult, Relation, Target, Txn, TxnResult,
};
pub use self::watch::{Batch, Change, Commit, Event, Watch, WatchRequest};
