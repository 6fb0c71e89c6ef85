//! The partition's one task. It owns the ledger and everything that is kept in memory, takes in what it is told, and
//! tells others what follows. It never waits for a peer or a disk: writes are done by tasks of their own, which report
//! back, and a peer that is slow has its messages wait in its outlet.
//!
//! Inputs that are there together are taken in together; what follows for one peer goes out as one message.

mod agents;
mod changes;
mod flush;
mod nodes;
mod replicas;
mod statuses;
mod tenants;
mod upkeep;

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use meridian_api::{Follow, Heartbeats};
use meridian_environment::Clock;
use meridian_ledger::host::Ledger;
use meridian_ledger::{ClaimId, HostNumber, Uid};
use meridian_proto::v1::{self, Goodbye, HostFeedResponse, HostPartitionMessage, LinkMessage};
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::sync::mpsc;

use crate::durable::{Durable, Failed};
use crate::feed::Feed;
use crate::host::HostState;
use crate::input::{Event, Input, SessionId};
use crate::metrics::Metrics;
use crate::outlet::{Broken, Outlet};

/// Inputs taken in together.
const AT_ONCE: usize = 256;

/// A tenant partition, whether it is connected or not.
#[derive(Debug, Default)]
struct TenantState {
    session: Option<SessionId>,
    /// Its epoch, `te`, as it last said Hello.
    epoch: u64,
    is_adopting: bool,
    relist: bool,
    answers: Vec<v1::Answer>,
    audits: Vec<ClaimId>,
    specs_wanted: Vec<ClaimId>,
    statuses: VecDeque<(HostNumber, Uid)>,
}

/// How far a stream of an agent has come.
#[derive(Clone, Debug, PartialEq, Eq)]
enum AgentPhase {
    /// It has not said Hello.
    New,
    /// It has: its host's name, its incarnation, and how far it has followed this epoch.
    Greeted { name: Arc<str>, incarnation: u64, position: Option<u64> },
    /// Its record and Node are being written.
    Registering { name: Arc<str>, position: Option<u64> },
    /// Taken in.
    Live { host: HostNumber },
}

/// Who is at the other end of a stream.
#[derive(Debug)]
enum Peer {
    Tenant { outlet: Outlet<HostPartitionMessage>, partition: Option<Arc<str>>, epoch: u64 },
    Agent { outlet: Outlet<LinkMessage>, phase: AgentPhase },
    Replica { outlet: Outlet<HostFeedResponse>, is_following: bool },
}

#[derive(Debug)]
struct Session {
    peer: Peer,
    opened: Duration,
}

/// What is kept of a bound pod until its host has it.
#[derive(Clone, Debug)]
struct Spec {
    object: bytes::Bytes,
    tenant: Arc<str>,
}

pub(crate) struct Actor {
    name: Arc<str>,
    cell: String,
    epoch: u64,
    clock: Arc<dyn Clock>,
    durable: Durable,
    inputs: mpsc::Sender<Input>,
    follow: Follow,
    /// Where Leases say when hosts were last heard of.
    heartbeats: Heartbeats,
    /// The Nodes that have been told since following began anew, until all have been.
    resync: Option<FxHashSet<String>>,
    metrics: Metrics,
    ledger: Ledger,
    hosts: FxHashMap<HostNumber, HostState>,
    by_name: FxHashMap<Arc<str>, HostNumber>,
    next_number: u32,
    /// Hosts that are being taken in for the first time.
    arriving: FxHashSet<Arc<str>>,
    tenants: FxHashMap<Arc<str>, TenantState>,
    sessions: FxHashMap<SessionId, Session>,
    /// The streams of replicas that follow.
    following: Vec<SessionId>,
    /// The ledger has opened, and they have not been told.
    has_opened: bool,
    specs: FxHashMap<ClaimId, Spec>,
    /// The time that pods may take to end, where that is not the usual one.
    graces: FxHashMap<ClaimId, i64>,
    feed: Feed,
    /// Hosts for which something is to go out.
    dirty: Vec<HostNumber>,
    /// Hosts without a Node, which go once nothing is left on them.
    leaving: Vec<HostNumber>,
    next_tick: Duration,
    ticks: u64,
    swept: usize,
    is_over: bool,
}

/// What an actor is made of.
pub(crate) struct Parts {
    pub(crate) name: Arc<str>,
    pub(crate) cell: String,
    pub(crate) epoch: u64,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) durable: Durable,
    pub(crate) inputs: mpsc::Sender<Input>,
    pub(crate) follow: Follow,
    pub(crate) heartbeats: Heartbeats,
    pub(crate) metrics: Metrics,
    pub(crate) ledger: Ledger,
    pub(crate) hosts: Vec<HostState>,
}

impl Actor {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { name, cell, epoch, clock, durable, inputs, follow, heartbeats, metrics, ledger, hosts } =
            parts;
        let next_number = hosts.iter().map(|host| host.number().0.saturating_add(1)).max().unwrap_or(0);
        let by_name = hosts.iter().map(|host| (Arc::clone(host.name()), host.number())).collect();
        let leaving = hosts.iter().filter(|host| !host.has_node).map(HostState::number).collect();
        let tenants = ledger.unanswered().into_iter().map(|name| (name, TenantState::default())).collect();
        let next_tick = clock.now();
        Self {
            name,
            cell,
            epoch,
            clock,
            durable,
            inputs,
            follow,
            heartbeats,
            resync: None,
            metrics,
            ledger,
            hosts: hosts.into_iter().map(|host| (host.number(), host)).collect(),
            by_name,
            next_number,
            arriving: FxHashSet::default(),
            tenants,
            sessions: FxHashMap::default(),
            following: Vec::new(),
            has_opened: false,
            specs: FxHashMap::default(),
            graces: FxHashMap::default(),
            feed: Feed::default(),
            dirty: Vec::new(),
            leaving,
            next_tick,
            ticks: 0,
            swept: 0,
            is_over: false,
        }
    }

    /// Runs until it is told to end or has been deposed.
    pub(crate) async fn run(mut self, mut inputs: mpsc::Receiver<Input>) {
        let mut batch = Vec::with_capacity(AT_ONCE);
        let durable = self.durable.clone();
        let mut deposed = pin!(durable.deposed());
        while !self.is_over {
            let clock = Arc::clone(&self.clock);
            tokio::select! {
                count = inputs.recv_many(&mut batch, AT_ONCE) => {
                    if count == 0 {
                        break;
                    }
                }
                changes = self.follow.next() => self.nodes_changed(changes),
                failed = &mut deposed => {
                    self.failed("keeping the partition", &failed);
                    self.is_over = true;
                }
                () = clock.wait_until(self.next_tick) => self.tick(),
            }
            for input in batch.drain(..) {
                self.take(input);
            }
            self.apply_changes();
            self.flush();
        }
        self.say_goodbye();
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Tenant(session, Event::Opened(sender)) => {
                let outlet = Outlet::new(session, sender, self.inputs.clone());
                self.open(session, Peer::Tenant { outlet, partition: None, epoch: 0 });
            }
            Input::Agent(session, Event::Opened(sender)) => {
                let outlet = Outlet::new(session, sender, self.inputs.clone());
                self.open(session, Peer::Agent { outlet, phase: AgentPhase::New });
            }
            Input::Replica(session, Event::Opened(sender)) => {
                let outlet = Outlet::new(session, sender, self.inputs.clone());
                self.open(session, Peer::Replica { outlet, is_following: false });
            }
            Input::Tenant(session, Event::Message(message)) => self.tenant_says(session, message),
            Input::Agent(session, Event::Message(message)) => self.agent_says(session, message),
            Input::Replica(session, Event::Message(message)) => self.replica_says(session, message),
            Input::Tenant(session, Event::Closed)
            | Input::Agent(session, Event::Closed)
            | Input::Replica(session, Event::Closed) => self.close(session),
            Input::Room(session) => self.resume(session),
            Input::Registered { session, record, result } => self.registered(session, *record, result),
            Input::DeclaredOff { record, result } => self.declared_off(*record, result),
            Input::Removed { name, result } => self.removed(&name, result),
            Input::Adopted { partition, result } => self.adopted(&partition, result),
            Input::Marked { name, health, result } => self.marked(&name, health, result),
            Input::Shutdown => self.is_over = true,
        }
    }

    fn open(&mut self, session: SessionId, peer: Peer) {
        self.sessions.insert(session, Session { peer, opened: self.clock.now() });
    }

    /// A stream has ended, or is ended here.
    fn close(&mut self, session: SessionId) {
        let Some(closed) = self.sessions.remove(&session) else { return };
        match closed.peer {
            Peer::Tenant { partition: Some(partition), .. } => {
                if let Some(tenant) = self.tenants.get_mut(&partition)
                    && tenant.session == Some(session)
                {
                    tenant.session = None;
                    tenant.answers.clear();
                    tenant.audits.clear();
                    tenant.specs_wanted.clear();
                    tenant.statuses.clear();
                }
            }
            Peer::Agent { phase: AgentPhase::Live { host }, .. } => {
                if let Some(host) = self.hosts.get_mut(&host)
                    && host.session == Some(session)
                {
                    host.session = None;
                    host.is_complete = false;
                    host.inventory = None;
                }
            }
            Peer::Replica { is_following: true, .. } => {
                self.following.retain(|following| *following != session)
            }
            _ => {}
        }
    }

    /// Ends a stream, with words.
    fn refuse(&mut self, session: SessionId, goodbye: Goodbye) {
        tracing::info!(?session, reason = %goodbye.reason, "stream refused");
        if let Some(open) = self.sessions.get_mut(&session) {
            // The peer may be gone already.
            let _ = match &mut open.peer {
                Peer::Tenant { outlet, .. } => outlet.send(v1::HostPartitionMessage {
                    message: Some(v1::host_partition_message::Message::Goodbye(goodbye)),
                }),
                Peer::Agent { outlet, .. } => {
                    outlet.send(LinkMessage { message: Some(v1::link_message::Message::Goodbye(goodbye)) })
                }
                Peer::Replica { outlet, .. } => outlet.send(HostFeedResponse {
                    message: Some(v1::host_feed_response::Message::Goodbye(goodbye)),
                }),
            };
        }
        self.close(session);
    }

    fn resume(&mut self, session: SessionId) {
        let Some(open) = self.sessions.get_mut(&session) else { return };
        let resumed = match &mut open.peer {
            Peer::Tenant { outlet, .. } => outlet.resume(),
            Peer::Agent { outlet, .. } => outlet.resume(),
            Peer::Replica { outlet, .. } => outlet.resume(),
        };
        self.or_close(session, resumed);
    }

    fn or_close(&mut self, session: SessionId, sent: Result<(), Broken>) {
        if sent.is_err() {
            tracing::info!(?session, "stream ended: the peer is gone or too slow");
            self.close(session);
        }
    }

    fn send_tenant(&mut self, session: SessionId, message: v1::host_partition_message::Message) {
        let Some(Session { peer: Peer::Tenant { outlet, .. }, .. }) = self.sessions.get_mut(&session) else {
            return;
        };
        let sent = outlet.send(HostPartitionMessage { message: Some(message) });
        self.or_close(session, sent);
    }

    fn send_agent(&mut self, session: SessionId, message: v1::link_message::Message) {
        let Some(Session { peer: Peer::Agent { outlet, .. }, .. }) = self.sessions.get_mut(&session) else {
            return;
        };
        let sent = outlet.send(LinkMessage { message: Some(message) });
        self.or_close(session, sent);
    }

    fn send_replica(&mut self, session: SessionId, message: v1::host_feed_response::Message) {
        let Some(Session { peer: Peer::Replica { outlet, .. }, .. }) = self.sessions.get_mut(&session) else {
            return;
        };
        let sent = outlet.send(HostFeedResponse { message: Some(message) });
        self.or_close(session, sent);
    }

    fn hello(&self) -> v1::Hello {
        v1::Hello::new(&self.cell, &self.name, self.epoch)
    }

    /// A write failed. Where this process has been deposed it ends.
    fn failed(&mut self, what: &str, failed: &Failed) {
        if let Failed::Deposed(error) = failed {
            tracing::error!(%error, "another process has taken this host partition over: ending");
            self.is_over = true;
        } else {
            tracing::warn!(error = %failed, "{what} failed");
        }
    }

    fn say_goodbye(&mut self) {
        let sessions: Vec<SessionId> = self.sessions.keys().copied().collect();
        for session in sessions {
            self.refuse(session, Goodbye::later("the host partition's process is ending: come again"));
        }
    }
}

/// A claim's name as messages have it.
fn claim_message(claim: &ClaimId) -> v1::ClaimId {
    v1::ClaimId { partition: claim.partition.to_string(), epoch: claim.epoch, sequence: claim.sequence }
}
