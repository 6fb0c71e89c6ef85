//! Starting and ending the partition.

use std::fmt;
use std::sync::Arc;

use meridian_api::{Change, Follow, FollowError, Registry};
use meridian_environment::Clock;
use meridian_kubernetes::host_from_node;
use meridian_ledger::host::Ledger;
use meridian_proto::Listener;
use meridian_proto::v1::{
    AgentMessage, HostFeedRequest, HostFeedResponse, HostPartitionMessage, LinkMessage,
    TenantPartitionMessage,
};
use meridian_schema::Home;
use meridian_store::{RangeRequest, Store};
use rustc_hash::FxHashMap;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::actor::{Actor, Parts};
use crate::durable::Durable;
use crate::host::HostState;
use crate::input::{Input, Names, listen};
use crate::metrics::Metrics;
use crate::node::{self, Health};
use crate::record::{self, NodeRecord, RecordError};

/// Inputs that may wait for the partition's task. More wait in the streams they come from.
const INPUTS: usize = 1024;

/// What a host partition is made of.
#[derive(Debug)]
pub struct HostPartitionOptions {
    /// Its name.
    pub name: String,
    /// The cell that it belongs to; peers of another are refused.
    pub cell: String,
    /// The registry, for Node objects.
    pub registry: Registry,
    /// The hosts' store. The epoch under which it is open is the partition's, `he`.
    pub store: Store,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Where tenant partitions open streams.
    pub ledger: Listener<HostPartitionMessage, TenantPartitionMessage>,
    /// Where agents open streams.
    pub links: Listener<LinkMessage, AgentMessage>,
    /// Where scheduler replicas open streams.
    pub feed: Listener<HostFeedResponse, HostFeedRequest>,
    /// Where the partition's metrics go.
    pub metrics: prometheus::Registry,
}

/// Why a host partition could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The store failed.
    #[error("reading the records of hosts")]
    Store(#[source] meridian_store::Error),
    /// A record cannot be used.
    #[error("reading the records of hosts")]
    Record(#[source] RecordError),
    /// The registry gave no Nodes.
    #[error("reading the Nodes")]
    Nodes(#[source] FollowError),
    /// The records contradict each other.
    #[error("the record of host {name} contradicts another")]
    Host {
        /// The host.
        name: String,
        /// How.
        #[source]
        source: meridian_engine::HostError,
    },
    /// The metrics are registered already.
    #[error("registering metrics")]
    Metrics(#[source] prometheus::Error),
}

/// A running host partition. Dropped without [`shutdown`](Self::shutdown), it ends without saying goodbye.
pub struct HostPartition {
    inputs: mpsc::Sender<Input>,
    actor: JoinHandle<()>,
    listeners: Vec<JoinHandle<()>>,
    epoch: u64,
}

impl HostPartition {
    /// Loads what is durable and starts. The ledger is recovering until all tenant partitions known have listed.
    ///
    /// # Errors
    ///
    /// [`StartError`]
    pub async fn start(options: HostPartitionOptions) -> Result<Self, StartError> {
        let HostPartitionOptions { name, cell, registry, store, clock, ledger, links, feed, metrics } =
            options;
        let metrics = Metrics::new(&metrics).map_err(StartError::Metrics)?;
        let epoch = store.epoch().0;
        let mut follow = registry.follow(Home::Hosts);
        let nodes = nodes(&mut follow).await?;
        let (hosts, state) = load(&store, &clock, epoch, &nodes).await?;
        let heartbeats = registry.heartbeats();
        for host in hosts.iter().filter(|host| host.has_node) {
            if let Some(node) = nodes.get(&**host.name()) {
                heartbeats.appeared(node);
            }
        }
        metrics.recovering.set(i64::from(!state.is_open()));
        let (inputs, told) = mpsc::channel(INPUTS);
        let name: Arc<str> = Arc::from(name);
        let durable = Durable::new(store, registry, Arc::clone(&clock), inputs.clone(), Arc::clone(&name));
        let actor = Actor::new(Parts {
            name,
            cell,
            epoch,
            clock,
            durable,
            inputs: inputs.clone(),
            follow,
            heartbeats,
            metrics,
            ledger: state,
            hosts,
        });
        let actor = tokio::spawn(Box::pin(actor.run(told)));
        let names = Arc::new(Names::default());
        let listeners = vec![
            tokio::spawn(listen(ledger, Arc::clone(&names), inputs.clone(), Input::Tenant)),
            tokio::spawn(listen(links, Arc::clone(&names), inputs.clone(), Input::Agent)),
            tokio::spawn(listen(feed, names, inputs.clone(), Input::Replica)),
        ];
        Ok(Self { inputs, actor, listeners, epoch })
    }

    /// The partition's epoch, `he`.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether it has ended, because another process has taken the partition over or the registry was shut down.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.actor.is_finished()
    }

    /// Returns once it [is over](Self::is_over): the process is of no more use then, and should end as well.
    pub async fn ended(&self) {
        self.inputs.closed().await;
    }

    /// Ends the partition: says goodbye to all that are connected.
    pub async fn shutdown(mut self) {
        // It may have ended by itself.
        let _ = self.inputs.send(Input::Shutdown).await;
        if let Err(error) = (&mut self.actor).await {
            tracing::error!(%error, "the host partition's task ended badly");
        }
    }
}

impl Drop for HostPartition {
    fn drop(&mut self) {
        self.actor.abort();
        for listener in &self.listeners {
            listener.abort();
        }
    }
}

impl fmt::Debug for HostPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostPartition").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

/// The Nodes there are.
async fn nodes(follow: &mut Follow) -> Result<FxHashMap<String, Arc<meridian_api::Entry>>, StartError> {
    let mut nodes = FxHashMap::default();
    loop {
        for change in follow.next().await.map_err(StartError::Nodes)? {
            match change {
                Change::Put { entry, .. } if std::ptr::eq(entry.kind, meridian_schema::node()) => {
                    nodes.insert(entry.name.clone(), entry);
                }
                Change::Deleted(entry) => drop(nodes.remove(&entry.name)),
                Change::InSync => return Ok(nodes),
                _ => {}
            }
        }
    }
}

async fn load(
    store: &Store,
    clock: &Arc<dyn Clock>,
    epoch: u64,
    nodes: &FxHashMap<String, Arc<meridian_api::Entry>>,
) -> Result<(Vec<HostState>, Ledger), StartError> {
    let known =
        store.range(&RangeRequest::new(record::tenant_partitions())).await.map_err(StartError::Store)?;
    let mut partitions = Vec::with_capacity(known.kvs.len());
    for kv in &known.kvs {
        partitions.push(record::decode_tenant_partition(&kv.key, &kv.value).map_err(StartError::Record)?);
    }
    let mut ledger = Ledger::new(epoch, partitions);
    let records = store.range(&RangeRequest::new(record::hosts())).await.map_err(StartError::Store)?;
    let mut hosts = Vec::with_capacity(records.kvs.len());
    for kv in &records.kvs {
        let record = NodeRecord::decode(&kv.key, &kv.value).map_err(StartError::Record)?;
        let node = nodes.get(&*record.name);
        let object = node.map(|node| node.value());
        let described = object.as_ref().and_then(|object| host_from_node(object).ok());
        let description = record.applied_to(described.unwrap_or_default());
        ledger
            .add_host(record.number, &description, record.incarnation)
            .map_err(|source| StartError::Host { name: record.name.to_string(), source })?;
        let mut host = HostState::new(record, description, clock.now());
        if let (Some(node), Some(object)) = (node, &object) {
            host.has_node = true;
            host.modified = node.modified;
            host.is_out_of_service = node::is_out_of_service(object);
            // Until it has been silent for long enough it is as it was.
            host.marked = Health::of(object);
            host.health = host.marked;
        }
        hosts.push(host);
    }
    Ok((hosts, ledger))
}
