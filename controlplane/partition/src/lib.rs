//! The tenant partition: what happens between a pod's being created and its being bound, and what its host tells of it after.
//!
//! It follows the tenants' store, offers pending pods to scheduler replicas, claims the hosts they choose at the ledgers of
//! host partitions, and appends the bindings. Only the store decides: the append of a binding names the epoch of the host
//! partition that accepted the claim, and is refused once a later epoch has been listed to. Claims, replicas and streams
//! may be lost at any time; what was to be told is told again when somebody asks.
//!
//! One task owns all state ([`Partition`]'s actor); streams and writes are tasks of their own that bring it what happened.
//! It never waits for a peer: what a slow one does not take is kept small or dropped, and the stream ended in the end.

#![forbid(unsafe_code)]

mod actor;
mod assignment;
mod bindings;
mod classes;
mod conditions;
mod events;
mod follow;
mod groups;
mod hosts;
mod ledgers;
mod merge;
mod metrics;
mod namespaces;
mod partition;
mod pods;
mod replicas;
mod statuses;
mod stream;
mod ties;
mod told;
mod view;
mod writes;

pub use self::partition::{Partition, PartitionOptions, StartError};
