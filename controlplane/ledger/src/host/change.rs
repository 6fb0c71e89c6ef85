//! What follows from inputs: what to tell tenant partitions, hosts and replicas.

use std::sync::Arc;

use meridian_engine::Demand;

use super::claim::Answer;
use super::entry::Entry;
use crate::identity::{ClaimId, HostNumber, Uid};

/// Something that followed from an input. To be done in order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// All tenant partitions have answered: claims are taken from here on.
    Opened,
    /// A demand got a number.
    Demand {
        /// The number, never used again for another.
        number: u32,
        /// The demand, without constraints.
        demand: Arc<Demand>,
    },
    /// Room was taken on a host; for an entry that was told before: it takes this from now on.
    Entered(Entry),
    /// Room was given back.
    Left(Entry),
    /// What a claim that waited has come to: tell its tenant partition.
    Answered(Answer),
    /// Whether a host takes claims changed: ask [`is_ready`](super::Ledger::is_ready).
    Readiness {
        /// The host.
        host: HostNumber,
    },
    /// The host should run a bound pod, whose spec is at hand.
    Run(Entry),
    /// The host should stop a pod.
    Stop {
        /// The host.
        host: HostNumber,
        /// The pod's tenant.
        tenant: Arc<str>,
        /// The pod.
        uid: Uid,
    },
    /// The end of a pod is stored: the host may forget it.
    Forget {
        /// The host.
        host: HostNumber,
        /// The pod's tenant.
        tenant: Arc<str>,
        /// The pod.
        uid: Uid,
    },
    /// A pod that is bound, or is to be stopped, is known to have stopped: tell its tenant partition until that settles it.
    Stopped(Entry),
    /// The spec of a bound pod is wanted from its tenant partition.
    SpecWanted {
        /// The claim.
        claim: ClaimId,
    },
}
