//! The streams of scheduler replicas: each says hello, and from then on speaks with the partition.

use std::sync::Arc;

use meridian_environment::Clock;
use meridian_proto::v1::{
    Goodbye, Hello, PartitionMessage, ReplicaMessage, partition_message, replica_message,
};
use meridian_proto::{Duplex, HELLO_TIMEOUT, Listener};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::actor::Input;
use crate::stream::{Closed, outlet};

/// What every stream is told of the partition.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// The partition's cell.
    pub(crate) cell: Arc<str>,
    /// Its name.
    pub(crate) name: Arc<str>,
    /// Its epoch, `te`.
    pub(crate) epoch: u64,
    /// The clock.
    pub(crate) clock: Arc<dyn Clock>,
}

impl Identity {
    /// What the partition says first on every stream.
    pub(crate) fn hello(&self) -> Hello {
        Hello::new(&self.cell, &self.name, self.epoch)
    }
}

type Stream = Duplex<PartitionMessage, ReplicaMessage>;

/// Takes the streams that replicas open, until nobody can open one or the partition is gone.
pub(crate) async fn accept(
    identity: Identity,
    mut listener: Listener<PartitionMessage, ReplicaMessage>,
    inputs: mpsc::Sender<Input>,
) {
    let mut session = 0;
    loop {
        let stream = tokio::select! {
            stream = listener.accept() => stream,
            () = inputs.closed() => return,
        };
        let Some(stream) = stream else { return };
        session += 1;
        tokio::spawn(serve(identity.clone(), session, stream, inputs.clone()));
    }
}

async fn serve(identity: Identity, session: u64, mut stream: Stream, inputs: mpsc::Sender<Input>) {
    let name = match greet(&identity, &mut stream).await {
        Ok(name) => name,
        Err(goodbye) => {
            tracing::info!(reason = %goodbye.reason, "replica refused");
            let _ = stream.sender.try_send(message(partition_message::Message::Goodbye(goodbye)));
            return;
        }
    };
    let (outlet, inlet, closed) = outlet();
    let Duplex { sender, receiver } = stream;
    let passing = tokio::spawn(inlet.pass_on(sender, inputs.clone(), move || Input::ReplicaTook { session }));
    if inputs.send(Input::ReplicaJoined { session, name, outlet }).await.is_ok() {
        listen(session, receiver, closed, passing, &inputs).await;
        let _ = inputs.send(Input::ReplicaLeft { session }).await;
    }
}

async fn greet(identity: &Identity, stream: &mut Stream) -> Result<String, Goodbye> {
    let deadline = identity.clock.now() + HELLO_TIMEOUT;
    let first = tokio::select! {
        first = stream.receiver.recv() => first,
        () = identity.clock.wait_until(deadline) => None,
    };
    let Some(ReplicaMessage { message: Some(replica_message::Message::Hello(theirs)) }) = first else {
        return Err(Goodbye::no_hello());
    };
    theirs.check(&identity.cell)?;
    let ours = identity.hello();
    let _ = stream.sender.send(message(partition_message::Message::Hello(ours.into()))).await;
    Ok(theirs.name)
}

async fn listen(
    session: u64,
    mut receiver: mpsc::Receiver<ReplicaMessage>,
    mut closed: Closed,
    mut passing: JoinHandle<()>,
    inputs: &mpsc::Sender<Input>,
) {
    loop {
        let next = tokio::select! {
            next = receiver.recv() => next,
            _ = &mut closed => return,
            // One that takes nothing any more cannot be led by, whatever it still says.
            _ = &mut passing => return,
        };
        match next {
            Some(ReplicaMessage { message: Some(replica_message::Message::Goodbye(goodbye)) }) => {
                tracing::info!(reason = %goodbye.reason, "replica says goodbye");
                return;
            }
            Some(ReplicaMessage { message: Some(message) }) => {
                if inputs.send(Input::Replica { session, message }).await.is_err() {
                    return;
                }
            }
            // A message of a newer version.
            Some(ReplicaMessage { message: None }) => {}
            None => return,
        }
    }
}

/// A message to a replica.
pub(crate) fn message(message: partition_message::Message) -> PartitionMessage {
    PartitionMessage { message: Some(message) }
}
