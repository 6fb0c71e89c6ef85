//! The host partition: nodes, links to agents, the ledger and the feed of hosts.
//!
//! [`HostPartition::start`] loads the records of hosts and the tenant partitions known from the hosts' store, whose open
//! epoch is the partition's, `he`. One task then owns everything: the ledger (`meridian_ledger`, which has the rules), what
//! each host should run, and the feed. It is told by tasks that read from streams: of tenant partitions, which claim room
//! and say what became of their claims; of agents, which say what their hosts are and have, and are told what to run; and of
//! scheduler replicas, which follow all hosts and all that is given away on them. What must be durable before it is acted
//! on (a host's number, incarnation and capacity, a tenant partition that was not known) is written by tasks of its own.
//!
//! Heartbeats are not stored: a Node says how its host is when that changes, and no more often. When a host was last heard
//! of say the Leases in namespace `kube-node-lease`, the registry's view of what it is told here ([`Heartbeats`]).
//!
//! [`Heartbeats`]: meridian_api::Heartbeats

#![forbid(unsafe_code)]

mod actor;
mod desired;
mod durable;
mod feed;
mod host;
mod input;
mod metrics;
mod node;
mod outlet;
mod partition;
mod record;

pub use self::partition::{HostPartition, HostPartitionOptions, StartError};
pub use self::record::RecordError;
