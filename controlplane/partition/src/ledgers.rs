//! The streams to the ledgers of host partitions: opened, greeted, and opened again after any end.

use std::sync::Arc;
use std::time::Duration;

use meridian_environment::Ids;
use meridian_proto::v1::{
    HostPartitionMessage, TenantPartitionMessage, host_partition_message, tenant_partition_message,
};
use meridian_proto::{Backoff, Connector, Duplex, open};
use tokio::sync::mpsc;

use crate::actor::Input;
use crate::replicas::Identity;
use crate::stream::outlet;

/// The longest wait before any try again.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

type Stream = Duplex<TenantPartitionMessage, HostPartitionMessage>;

/// Where a host partition's ledger is.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    /// The place among the partition's ledgers.
    pub(crate) ledger: usize,
    /// The host partition's name.
    pub(crate) name: Arc<str>,
    /// How to reach it.
    pub(crate) connector: Connector<TenantPartitionMessage, HostPartitionMessage>,
}

/// Keeps a stream to a ledger open until the partition is gone.
pub(crate) async fn keep(identity: Identity, ids: Arc<Ids>, address: Address, inputs: mpsc::Sender<Input>) {
    let mut link = 0;
    let mut backoff = Backoff::new(LONGEST_WAIT);
    while !inputs.is_closed() {
        link += 1;
        let opened = open(&address.connector, identity.hello(), Some(&*address.name), &*identity.clock).await;
        let is_final = match opened {
            Ok((stream, theirs)) => {
                backoff.succeeded();
                serve(&address, link, theirs.epoch, stream, &inputs).await
            }
            Err(error) => {
                tracing::debug!(host_partition = %address.name, %error, "no stream to the ledger");
                error.is_final()
            }
        };
        if is_final {
            backoff.refused();
        }
        let until = identity.clock.now() + backoff.next(ids.seed());
        tokio::select! {
            () = identity.clock.wait_until(until) => {}
            () = inputs.closed() => return,
        }
    }
}

/// Passes messages both ways until the stream ends. Says whether the peer ended it for good.
async fn serve(
    address: &Address,
    link: u64,
    epoch: u64,
    stream: Stream,
    inputs: &mpsc::Sender<Input>,
) -> bool {
    let ledger = address.ledger;
    let (outlet, inlet, mut closed) = outlet();
    let Duplex { sender, mut receiver } = stream;
    let took = move || Input::LedgerTook { ledger, link };
    let mut passing = tokio::spawn(inlet.pass_on(sender, inputs.clone(), took));
    if inputs.send(Input::LedgerUp { ledger, link, epoch, outlet }).await.is_err() {
        return true;
    }
    let is_final = loop {
        let next = tokio::select! {
            next = receiver.recv() => next,
            _ = &mut closed => break true,
            _ = &mut passing => break false,
        };
        match next {
            Some(HostPartitionMessage {
                message: Some(host_partition_message::Message::Goodbye(goodbye)),
            }) => {
                tracing::info!(host_partition = %address.name, reason = %goodbye.reason, "ledger says goodbye");
                break goodbye.is_final;
            }
            Some(HostPartitionMessage { message: Some(message) }) => {
                if inputs.send(Input::Ledger { ledger, link, message }).await.is_err() {
                    return true;
                }
            }
            Some(HostPartitionMessage { message: None }) => {}
            None => break false,
        }
    };
    let _ = inputs.send(Input::LedgerDown { ledger, link }).await;
    is_final
}

/// A message to a host partition.
pub(crate) fn message(message: tenant_partition_message::Message) -> TenantPartitionMessage {
    TenantPartitionMessage { message: Some(message) }
}
