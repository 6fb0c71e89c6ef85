//! Binding records: what a tenant partition has decided about pods and hosts.

mod record;

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;

use meridian_store::Tenant;

pub use self::record::RecordError;
pub(crate) use self::record::{decode_fence, decode_secret, encode_fence, encode_secret};
use crate::{Entry, Failure};

/// On a Node: the host partition that keeps the host's ledger.
pub const HOST_PARTITION_ANNOTATION: &str = "meridian.io/host-partition";

/// On a Node: the host's incarnation, which claims on it carry.
pub const INCARNATION_ANNOTATION: &str = "meridian.io/incarnation";

/// The name of a claim: unique for ever.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClaimName {
    /// The tenant partition that made it.
    pub partition: String,
    /// Under which of its epochs.
    pub epoch: u64,
    /// Its number in that epoch.
    pub sequence: u64,
}

/// Where a bound pod stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BindingState {
    /// It is to run.
    Bound,
    /// It is to end, and its host has not reported that it did.
    Terminating,
    /// It was deleted by force: gone from the API, while it still holds its host and its name.
    Ghost,
}

/// That a pod holds resources of a host. Only the host's report that the pod stopped ends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindingRecord {
    /// The pod's uid.
    pub uid: String,
    /// The host.
    pub host: String,
    /// The host partition that keeps the host's ledger.
    pub host_partition: String,
    /// Which life of the host.
    pub incarnation: u64,
    /// The claim that was accepted.
    pub claim: ClaimName,
    /// What it holds: an encoded `meridian.v1.Demand`.
    pub demand: Bytes,
    /// The devices it holds, one bit each.
    pub devices: u64,
    /// The NUMA nodes it sits on, one bit each; none where it was not placed by node.
    pub numa: u32,
    /// The volumes that no pod on another host may use beside it: names of claims in its namespace. Whoever binds leaves them
    /// out: they are read from the pod as it is when it is bound.
    pub volumes: Vec<String>,
    /// Where the pod stands.
    pub state: BindingState,
}

/// Who uses a volume that pods on one host at a time may use. As long as there is one of them, no pod elsewhere is bound that
/// wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VolumeHolders {
    /// The host.
    pub(crate) host: String,
    /// The pods there.
    pub(crate) uids: Vec<String>,
}

/// A pod to be bound.
#[derive(Clone, Debug)]
pub struct BindRequest {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub name: String,
    /// The pod's uid.
    pub uid: String,
    /// What to record. Its state is [`BindingState::Bound`], its uid the pod's.
    pub record: BindingRecord,
    /// The epoch of the host partition that accepted the claim.
    pub host_epoch: u64,
}

/// What came of a binding.
#[derive(Clone, Debug)]
pub enum BindResult {
    /// It is durable. The pod as it is now.
    Bound(Arc<Entry>),
    /// The pod is gone, going, finished, or bound already.
    NotPending,
    /// The claim was accepted under an epoch of the host partition that is over.
    Fenced {
        /// The epoch that counts.
        current: u64,
    },
    /// An instance of that name, deleted by force, is not known to have stopped.
    NameHeld,
    /// A pod on another host uses a volume that the pod wants, or is not known to have stopped using it.
    VolumeHeld {
        /// The volume: the name of a claim in the pod's namespace.
        volume: String,
        /// The other host.
        host: String,
    },
    /// Another member of its gang could not be bound.
    GangRefused,
    /// It could not be tried. Where the outcome is unknown it says so, and the record tells.
    Failed(Failure),
}

/// A binding that exists, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldBinding {
    /// The tenant.
    pub tenant: Tenant,
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub name: String,
    /// What is recorded.
    pub record: Arc<BindingRecord>,
}

/// The answer to a fence: from its place in the log on, bindings of older epochs are refused.
#[derive(Clone, Debug)]
pub struct Fenced {
    /// The epoch that counts now.
    pub epoch: u64,
    /// All bindings at hosts of that host partition, as of that append.
    pub bindings: Vec<HeldBinding>,
}

/// That somebody asked for a pod to be bound to a certain host: the tenant partition is to claim it and bind.
#[derive(Debug)]
pub struct BindOrder {
    /// The tenant.
    pub tenant: Tenant,
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub name: String,
    /// The pod's uid.
    pub uid: String,
    /// The host.
    pub node: String,
    /// Where to say what came of it.
    pub reply: oneshot::Sender<Result<(), Failure>>,
}
