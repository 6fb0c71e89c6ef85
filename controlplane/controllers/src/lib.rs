//! The controllers of a tenant partition: they bring what there is closer to what was asked for.
//!
//! - *Deployment*: ReplicaSets, one for each template, scaled so that a roll-out keeps its promises.
//! - *ReplicaSet*: pods of a template, as many as are wanted.
//! - *Disruption*: how many of the pods that each budget protects may be evicted.
//! - *Namespace*: a service account for each, and the end of all it holds when it is deleted.
//! - *Garbage*: what is owned goes when its owners are gone.
//!
//! A controller is a function from what is there to a step; it keeps no state between its passes over a key, and the next
//! pass is the retry. Changes of the partition put keys in queues; a queue hands a key to one worker at a time, and a pass
//! ends when the index shows what it wrote, so that no step is done twice. What a step should be is computed from plain
//! counts and objects in modules of their own, without writing anything.

mod controllers;
mod deployment;
mod disruption;
mod garbage;
mod index;
mod key;
mod metrics;
mod namespace;
mod object;
mod owner;
mod pod;
mod queue;
mod recorder;
mod replica_set;
mod world;

use std::time::Duration;

use jiff::Timestamp;

pub use self::controllers::{Controllers, ControllersOptions};

/// The time from now to a moment; a millisecond at least, so that the moment has passed by then.
fn until(now: Timestamp, at: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO) + Duration::from_millis(1)
}
