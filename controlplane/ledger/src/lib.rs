//! The bind and ledger protocol as pure state machines.
//!
//! A pod is bound in the tenant partition's store, and only there: its append decides. The host partition keeps, in
//! memory, the account of what has been given away on each host, so that no two tenant partitions give the same room
//! away. Everything that passes between the two may be lost, late, doubled or stale, and nothing rests on a clock.
//!
//! - [`host::Ledger`] is the host partition's side: claims, what became of them, and what each host should run;
//! - [`tenant::Claims`] is the tenant partition's side, as far as it is kept in memory: the claims under way.
//!
//! Inputs are method calls; what follows from them is returned, or taken with [`host::Ledger::take_changes`]. Nothing here
//! does I/O, reads a clock or waits. The words: `te` is the epoch of a tenant partition's process, `he` that of a host
//! partition's, an *incarnation* counts how often a host came with an empty local store, and a [`ClaimId`] names one
//! attempt to bind a pod and is never used again.

#![forbid(unsafe_code)]

mod account;
pub mod host;
mod identity;
pub mod tenant;

pub use self::account::Free;
pub use self::identity::{ClaimId, HostNumber, Uid};
