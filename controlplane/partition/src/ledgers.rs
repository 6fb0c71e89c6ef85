//! The streams to the ledgers of host partitions: opened, greeted, and opened again after any end.

use std::sync::Arc;
use std::time::Duration;

use meridian_environment::Ids;
use meridian_proto::v1::{
    Goodbye, HostPartitionMessage, TenantPartitionMessage, host_partition_message, tenant_partition_message,
};
use meridian_proto::{Connector, Duplex};
use tokio::sync::mpsc;

use crate::actor::Input;
use crate::hello;
use crate::replicas::Identity;
use crate::stream::outlet;

/// The longest wait before the first try again; it doubles with each failure.
const FIRST_WAIT: Duration = Duration::from_millis(50);

/// Failures after which tries are as rare as they get.
const MANY: u32 = 16;

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
    let mut failures = 0;
    while !inputs.is_closed() {
        link += 1;
        match open(&identity, &address).await {
            Ok((epoch, stream)) => {
                let is_final = serve(&address, link, epoch, stream, &inputs).await;
                failures = if is_final { MANY } else { 1 };
            }
            Err(reason) => {
                tracing::debug!(host_partition = %address.name, reason, "no stream to the ledger");
                failures += 1;
            }
        }
        let until = identity.clock.now() + wait(failures, ids.seed());
        tokio::select! {
            () = identity.clock.wait_until(until) => {}
            () = inputs.closed() => return,
        }
    }
}

/// Full jitter: anything up to a limit that doubles, so that those who lost one server do not come back as one.
fn wait(failures: u32, chance: u64) -> Duration {
    let limit = FIRST_WAIT.saturating_mul(1 << failures.min(MANY)).min(LONGEST_WAIT);
    let nanoseconds = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(chance % nanoseconds.max(1))
}

/// Opens a stream; the answer has the host partition's epoch.
async fn open(identity: &Identity, address: &Address) -> Result<(u64, Stream), String> {
    let deadline = identity.clock.now() + hello::HELLO_TIMEOUT;
    let greeting = async {
        let mut stream = address.connector.connect().await.map_err(|error| error.to_string())?;
        let ours = hello::hello(&identity.cell, &identity.name, identity.epoch);
        let ours = message(tenant_partition_message::Message::Hello(ours));
        stream.sender.send(ours).await.map_err(|_| "the stream ended before the hello".to_owned())?;
        let theirs = match stream.receiver.recv().await.and_then(|first| first.message) {
            Some(host_partition_message::Message::Hello(theirs)) => theirs,
            Some(host_partition_message::Message::Goodbye(goodbye)) => return Err(goodbye.reason),
            _ => return Err("the stream did not open with a hello".to_owned()),
        };
        let fits = hello::check(&theirs, &identity.cell).and_then(|()| {
            let reason = || {
                format!("you are host partition {:?}, want {:?} at this address", theirs.name, address.name)
            };
            if theirs.name == *address.name {
                return Ok(());
            }
            Err(Goodbye { reason: reason(), is_final: true })
        });
        if let Err(goodbye) = fits {
            let reason = goodbye.reason.clone();
            let _ = stream.sender.try_send(message(tenant_partition_message::Message::Goodbye(goodbye)));
            return Err(reason);
        }
        Ok((theirs.epoch, stream))
    };
    tokio::select! {
        opened = greeting => opened,
        () = identity.clock.wait_until(deadline) => Err("no hello in time".to_owned()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_spread_below_a_limit_that_doubles() {
        for failures in [1, 3, 40] {
            let limit = FIRST_WAIT.saturating_mul(1 << failures.min(MANY)).min(LONGEST_WAIT);
            let waits: Vec<Duration> =
                (0..100).map(|i: u64| wait(failures, i.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
            assert!(waits.iter().all(|wait| *wait < limit));
            assert!(waits.iter().any(|wait| *wait > limit / 2) && waits.iter().any(|wait| *wait < limit / 2));
        }
    }
}
