//! What is kept in memory of one host beside the ledger's account.

use std::sync::Arc;
use std::time::Duration;

use meridian_engine::Host;
use meridian_ledger::{ClaimId, HostNumber, Uid};
use meridian_proto::v1::{DesiredPod, InventoryPod, StatusReport, StatusStoredNumber};
use meridian_store::Revision;
use rustc_hash::FxHashMap;

use crate::desired::DesiredState;
use crate::input::SessionId;
use crate::node::Health;
use crate::record::NodeRecord;

/// Statuses of pods that the ledger does not know yet and that are kept, for each host.
pub(crate) const MOST_UNKNOWN_STATUSES: usize = 1024;

/// A status that no tenant partition has stored yet.
#[derive(Debug)]
pub(crate) struct PendingStatus {
    pub(crate) report: StatusReport,
    /// Waits to be sent.
    pub(crate) is_queued: bool,
    /// When it was last sent.
    pub(crate) sent: Option<Duration>,
}

/// One host.
#[derive(Debug)]
pub(crate) struct HostState {
    pub(crate) record: NodeRecord,
    /// The host as replicas are told of it.
    pub(crate) description: Host,
    /// The revision of the Node that the description was last taken from.
    pub(crate) modified: Revision,
    /// Whether there is a Node; without one the host goes once nothing is left on it.
    pub(crate) has_node: bool,
    pub(crate) is_out_of_service: bool,
    /// The agent's stream, once it has been taken in.
    pub(crate) session: Option<SessionId>,
    /// A write of the record is under way.
    pub(crate) is_writing: bool,
    /// The record is being deleted.
    pub(crate) is_leaving: bool,
    pub(crate) last_heard: Duration,
    pub(crate) health: Health,
    /// What the Node says.
    pub(crate) marked: Health,
    pub(crate) is_marking: bool,
    /// What the agent said it has, while the ledger is recovering.
    pub(crate) inventory: Option<Vec<InventoryPod>>,
    /// Whether the agent goes on from what it was told before.
    pub(crate) is_resumed: bool,
    /// Whether the agent has been told everything since its inventory.
    pub(crate) is_complete: bool,
    pub(crate) desired: DesiredState,
    /// Orders since the last change was numbered, and the claims whose pods they say to run.
    pub(crate) orders: Vec<DesiredPod>,
    pub(crate) runs: Vec<ClaimId>,
    pub(crate) statuses: FxHashMap<Uid, PendingStatus>,
    /// Statuses that were stored and are to be acknowledged.
    pub(crate) stored: Vec<StatusStoredNumber>,
    pub(crate) is_dirty: bool,
}

impl HostState {
    pub(crate) fn new(record: NodeRecord, description: Host, now: Duration) -> Self {
        Self {
            description,
            record,
            modified: Revision(0),
            has_node: false,
            is_out_of_service: false,
            session: None,
            is_writing: false,
            is_leaving: false,
            last_heard: now,
            health: Health::Unknown,
            marked: Health::Unknown,
            is_marking: false,
            inventory: None,
            is_resumed: false,
            is_complete: false,
            desired: DesiredState::default(),
            orders: Vec::new(),
            runs: Vec::new(),
            statuses: FxHashMap::default(),
            stored: Vec::new(),
            is_dirty: false,
        }
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.record.name
    }

    pub(crate) fn number(&self) -> HostNumber {
        self.record.number
    }
}
