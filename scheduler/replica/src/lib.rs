//! The scheduler as a service: feeds in, decisions out.
//!
//! A [`Replica`] follows every host partition's feed, mirrors all hosts and what the ledgers have given away into one engine,
//! takes pending pods from the tenant partitions, and sends its decisions back. It decides and proposes; the ledgers
//! dispose. So whatever it believes wrongly costs a refusal and a second decision, and never an overcommitted host.
//!
//! ```text
//! tenant partitions ==pods, outcomes==> sessions --batches--> service (one thread) --> core --> engine
//!                  <==decisions=======           <-----------
//! host partitions  ==hosts, entries==>
//! ```
//!
//! `core` is the state and knows no streams, clock or threads. `service` is the thread that owns it: between any two batches
//! of 64 decisions it takes in what has come. `session` keeps one stream to each partition.
//!
//! # Room is counted once
//!
//! From its decision on, a pod's room is taken as an *assumption*. The host feed's entry for the pod on that host replaces
//! the assumption. It ends without an entry when the decision is refused, when the pod is withdrawn or gone, or, where no
//! decision is under way that could still hold, after half a minute in which its host's feed was in sync. Entries end only
//! when the feed says so.
//!
//! # Who makes way
//!
//! A pod that fits nowhere may take the room of its tenant's pods of lower priority. Who these are is asked of the tenant
//! partition only then (`core/preempt`); the engine names host and victims, and the decision is sent with them.
//!
//! # How it recovers
//!
//! Nothing is kept on disk: everything is somebody else's and is heard again.
//!
//! - *A tenant partition's stream breaks.* Pods that wait are forgotten, the new stream says them again. Decisions under way
//!   may hold or not: their assumptions stay until an entry comes, the pod is said again, or half a minute has passed.
//! - *A host partition's stream breaks.* Its hosts stay as they were, and the next stream goes on from the last change heard
//!   of that epoch. Decisions go on meanwhile: the ledger refuses what no longer fits.
//! - *A host partition starts again.* It says everything anew. The account is collected aside and takes the old one's place
//!   when it is complete: hosts keep their places by name, entries by claim, and what is not in it ends.
//! - *The replica starts.* It decides when it has heard every host partition once, or, when one stays away, those that it
//!   has heard after ten seconds. It is ready while it is in sync with all of them.
//! - *A peer says what makes no sense* (a class, host or demand never defined). The stream ends with a Goodbye that says
//!   what was wrong, and all is heard anew. A pod or host that cannot be read is refused alone: the pod is reported as
//!   unschedulable with the reason, and on the host nothing is placed.
//! - *An entry does not fit into the mirror* (the host has shrunk, or an assumption here stands in the way and will be
//!   refused). The host takes no new pods until it does.
//!
//! Streams are opened again after waits with full jitter.

mod core;
mod metrics;
mod replica;
mod service;
mod session;
mod tenant_metrics;

pub use self::core::{Core, QueueSettings, SettingsError, Violation};
pub use self::replica::{QueueHandle, Replica, ReplicaError, ReplicaOptions};
