//! What the partition's one task is told, and the tasks that read from streams to tell it.

use meridian_api::Entry;
use meridian_proto::v1::{
    AgentMessage, HostFeedRequest, HostFeedResponse, HostPartitionMessage, LinkMessage,
    TenantPartitionMessage,
};
use meridian_proto::{Duplex, Listener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc;

use crate::durable::{Failed, Written};
use crate::node::Health;
use crate::record::NodeRecord;

/// Names a stream that somebody opened. Never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SessionId(u64);

/// What happens on a stream.
#[derive(Debug)]
pub(crate) enum Event<Out, In> {
    /// It was opened; this is the way back.
    Opened(mpsc::Sender<Out>),
    /// Something came.
    Message(In),
    /// It ended.
    Closed,
}

pub(crate) type TenantEvent = Event<HostPartitionMessage, TenantPartitionMessage>;
pub(crate) type AgentEvent = Event<LinkMessage, AgentMessage>;
pub(crate) type ReplicaEvent = Event<HostFeedResponse, HostFeedRequest>;

/// What the partition's one task is told.
#[derive(Debug)]
pub(crate) enum Input {
    /// By a tenant partition.
    Tenant(SessionId, TenantEvent),
    /// By an agent.
    Agent(SessionId, AgentEvent),
    /// By a scheduler replica.
    Replica(SessionId, ReplicaEvent),
    /// A peer that was slow may have room again.
    Room(SessionId),
    /// A host's record and Node are written, or could not be.
    Registered {
        /// The agent that asked for it.
        session: SessionId,
        /// The record as it is now.
        record: Box<NodeRecord>,
        /// The Node, or why there is none.
        result: Result<Arc<Entry>, Failed>,
    },
    /// A host was durably declared off, or could not be.
    DeclaredOff {
        /// The record as it is now.
        record: Box<NodeRecord>,
        /// Whether it was done.
        result: Result<Written, Failed>,
    },
    /// A host's record was deleted, or could not be.
    Removed {
        /// The host.
        name: Arc<str>,
        /// Whether it was done.
        result: Result<Written, Failed>,
    },
    /// A tenant partition was durably adopted, or could not be.
    Adopted {
        /// The partition.
        partition: Arc<str>,
        /// Whether it was done.
        result: Result<Written, Failed>,
    },
    /// A Node says how its host is, or could not be made to.
    Marked {
        /// The host.
        name: Arc<str>,
        /// How it is.
        health: Health,
        /// Whether it was done.
        result: Result<Written, Failed>,
    },
    /// End.
    Shutdown,
}

/// Gives streams their names.
#[derive(Debug, Default)]
pub(crate) struct Names(AtomicU64);

impl Names {
    pub(crate) fn next(&self) -> SessionId {
        SessionId(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// Takes streams, for as long as somebody can open one, and tells what happens on them.
pub(crate) async fn listen<Out, In>(
    mut listener: Listener<Out, In>,
    names: Arc<Names>,
    inputs: mpsc::Sender<Input>,
    wrap: fn(SessionId, Event<Out, In>) -> Input,
) where
    Out: Send + 'static,
    In: Send + 'static,
{
    while let Some(Duplex { sender, mut receiver }) = listener.accept().await {
        let session = names.next();
        if inputs.send(wrap(session, Event::Opened(sender))).await.is_err() {
            return;
        }
        let inputs = inputs.clone();
        tokio::spawn(async move {
            loop {
                let message = tokio::select! {
                    message = receiver.recv() => message,
                    () = inputs.closed() => return,
                };
                let Some(message) = message else { break };
                if inputs.send(wrap(session, Event::Message(message))).await.is_err() {
                    return;
                }
            }
            // Nobody is there to be told once the partition has ended.
            let _ = inputs.send(wrap(session, Event::Closed)).await;
        });
    }
}
