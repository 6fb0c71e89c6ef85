//! Streams to partitions: opened, kept, and opened again.
//!
//! A session moves messages between its stream and the service and knows nothing of scheduling. It never waits for the peer
//! to take something while the peer may wait for it to do the same.

use std::sync::Arc;
use std::time::Duration;

use meridian_environment::{Clock, Ids};
use meridian_proto::{Connector, Duplex, v1};
use tokio::sync::{Notify, mpsc, watch};

use crate::backoff::Backoff;
use crate::hello;
use crate::service::Input;

/// How long a peer may take to open a stream and to say hello.
const OPENING: Duration = Duration::from_secs(10);

/// Messages from the service that wait for their stream.
const CAPACITY: usize = 16;

/// What every session of a replica has.
#[derive(Clone, Debug)]
pub(crate) struct Common {
    pub(crate) cell: String,
    pub(crate) name: String,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<Ids>,
    pub(crate) inputs: mpsc::Sender<Input>,
    /// Tells the service that a stream has room again.
    pub(crate) wake: Arc<Notify>,
    /// Turns true, or ends, when the replica stops.
    pub(crate) stop: watch::Receiver<bool>,
}

/// A message of any service.
pub(crate) enum Sorted<M> {
    Hello(v1::Hello),
    Goodbye(v1::Goodbye),
    Other(M),
}

/// One side of a service: which messages go out and come in, and what the service is told of them.
pub(crate) trait Side: Send {
    type Out: Send + 'static;
    type In: Send + 'static;

    /// The message that carries a hello.
    fn hello(hello: v1::Hello) -> Self::Out;
    /// The message that carries a goodbye.
    fn goodbye(goodbye: v1::Goodbye) -> Self::Out;
    /// What kind of message came in.
    fn sort(message: Self::In) -> Sorted<Self::In>;

    /// How far this side has followed the other.
    fn position(&self) -> Option<v1::Position>;
    /// The service is told so when a stream opens.
    fn opened(&mut self, hello: &v1::Hello, out: mpsc::Sender<Self::Out>) -> Input;
    /// The service is told so when a message comes; `None`: nothing is meant.
    fn received(&mut self, message: Self::In) -> Option<Input>;
    /// The service is told so when the stream ends; `is_refused`: by the service, which must hear all anew.
    fn closed(&mut self, is_refused: bool) -> Input;
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It can be opened again.
    Broken,
    /// Opening it again as things are is in vain.
    Final,
    /// The replica stops.
    Stopped,
}

fn last_words(reason: &str) -> v1::Goodbye {
    v1::Goodbye { reason: reason.to_owned(), is_final: false }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error is the replica's end as well.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Keeps a stream open until the replica stops.
pub(crate) async fn keep<S: Side>(mut side: S, connector: Connector<S::Out, S::In>, common: Common) {
    let mut backoff = Backoff::default();
    let mut stop = common.stop.clone();
    loop {
        let end = tokio::select! {
            () = stopped(&mut stop) => return,
            opened = open::<S>(&connector, &common, side.position()) => match opened {
                Err(end) => end,
                Ok((stream, hello)) => {
                    backoff.succeeded();
                    follow(&mut side, stream, hello, &common).await
                }
            },
        };
        match end {
            End::Stopped => return,
            End::Final => backoff.refused(),
            End::Broken => {}
        }
        let at = common.clock.now() + backoff.next(&common.ids);
        tokio::select! {
            () = stopped(&mut stop) => return,
            () = common.clock.wait_until(at) => {}
        }
    }
}

/// Opens a stream and exchanges hellos.
async fn open<S: Side>(
    connector: &Connector<S::Out, S::In>,
    common: &Common,
    position: Option<v1::Position>,
) -> Result<(Duplex<S::Out, S::In>, v1::Hello), End> {
    let opening = async {
        let mut stream = connector.connect().await.map_err(|error| {
            tracing::debug!(replica = common.name, %error, "a partition cannot be reached");
            End::Broken
        })?;
        let hello = S::hello(hello::hello(&common.cell, &common.name, position));
        stream.sender.send(hello).await.map_err(|_| End::Broken)?;
        let refusal = match stream.receiver.recv().await.map(S::sort) {
            None => return Err(End::Broken),
            Some(Sorted::Hello(hello)) => match hello::check(&hello, &common.cell) {
                Ok(()) => return Ok((stream, hello)),
                Err(refusal) => refusal,
            },
            Some(Sorted::Goodbye(goodbye)) => return Err(parted(common, &goodbye)),
            Some(Sorted::Other(_)) => last_words("the first message is no Hello, want one"),
        };
        tracing::warn!(replica = common.name, reason = refusal.reason, "a partition's opening is refused");
        let _ = stream.sender.send(S::goodbye(refusal)).await;
        Err(End::Final)
    };
    let late = common.clock.now() + OPENING;
    tokio::select! {
        opened = opening => opened,
        () = common.clock.wait_until(late) => {
            tracing::warn!(replica = common.name, "a partition did not say hello in time");
            Err(End::Broken)
        }
    }
}

fn parted(common: &Common, goodbye: &v1::Goodbye) -> End {
    tracing::warn!(
        replica = common.name,
        reason = goodbye.reason,
        is_final = goodbye.is_final,
        "a partition parts"
    );
    if goodbye.is_final { End::Final } else { End::Broken }
}

/// Moves messages until the stream ends.
async fn follow<S: Side>(
    side: &mut S,
    mut stream: Duplex<S::Out, S::In>,
    hello: v1::Hello,
    common: &Common,
) -> End {
    let (out, mut outgoing) = mpsc::channel(CAPACITY);
    if common.inputs.send(side.opened(&hello, out)).await.is_err() {
        return End::Stopped;
    }
    let mut stop = common.stop.clone();
    let mut pending: Option<S::Out> = None;
    let (end, is_refused) = loop {
        let is_idle = pending.is_none();
        tokio::select! {
            () = stopped(&mut stop) => {
                let _ = stream.sender.try_send(S::goodbye(last_words("the replica stops")));
                break (End::Stopped, false);
            }
            next = outgoing.recv(), if is_idle => match next {
                Some(message) => {
                    pending = Some(message);
                    common.wake.notify_one();
                }
                // The service has ended the stream, and has said why.
                None => break (End::Broken, true),
            },
            permit = stream.sender.reserve(), if !is_idle => match permit {
                Ok(permit) => {
                    if let Some(message) = pending.take() {
                        permit.send(message);
                    }
                }
                Err(_) => break (End::Broken, false),
            },
            message = stream.receiver.recv() => match message.map(S::sort) {
                None => break (End::Broken, false),
                Some(Sorted::Goodbye(goodbye)) => break (parted(common, &goodbye), false),
                Some(Sorted::Hello(_)) => {
                    let _ = stream.sender.try_send(S::goodbye(last_words("a second Hello came, want one")));
                    break (End::Broken, true);
                }
                Some(Sorted::Other(message)) => {
                    if let Some(input) = side.received(message)
                        && common.inputs.send(input).await.is_err()
                    {
                        break (End::Stopped, false);
                    }
                }
            },
        }
    };
    if common.inputs.send(side.closed(is_refused)).await.is_err() {
        return End::Stopped;
    }
    end
}

/// The stream to a tenant partition.
#[derive(Debug)]
pub(crate) struct Tenants {
    pub(crate) number: usize,
}

impl Side for Tenants {
    type Out = v1::ReplicaMessage;
    type In = v1::PartitionMessage;

    fn hello(hello: v1::Hello) -> Self::Out {
        v1::ReplicaMessage { message: Some(v1::replica_message::Message::Hello(hello)) }
    }

    fn goodbye(goodbye: v1::Goodbye) -> Self::Out {
        v1::ReplicaMessage { message: Some(v1::replica_message::Message::Goodbye(goodbye)) }
    }

    fn sort(message: Self::In) -> Sorted<Self::In> {
        use v1::partition_message::Message;
        match message.message {
            Some(Message::Hello(hello)) => Sorted::Hello(hello),
            Some(Message::Goodbye(goodbye)) => Sorted::Goodbye(goodbye),
            other => Sorted::Other(v1::PartitionMessage { message: other }),
        }
    }

    fn position(&self) -> Option<v1::Position> {
        None
    }

    fn opened(&mut self, _: &v1::Hello, out: mpsc::Sender<Self::Out>) -> Input {
        Input::StreamOpened { stream: self.number, out }
    }

    fn received(&mut self, message: Self::In) -> Option<Input> {
        Some(Input::Stream { stream: self.number, message: Box::new(message) })
    }

    fn closed(&mut self, _: bool) -> Input {
        Input::StreamClosed { stream: self.number }
    }
}

/// The stream to a host partition.
#[derive(Debug)]
pub(crate) struct Hosts {
    number: usize,
    /// How far this stream's partition has been followed.
    position: v1::Position,
    /// Whether the position can be resumed from: a full account has been heard up to there.
    is_complete: bool,
}

impl Hosts {
    pub(crate) fn new(number: usize) -> Hosts {
        Hosts { number, position: v1::Position::default(), is_complete: false }
    }
}

impl Side for Hosts {
    type Out = v1::HostFeedRequest;
    type In = v1::HostFeedResponse;

    fn hello(hello: v1::Hello) -> Self::Out {
        v1::HostFeedRequest { message: Some(v1::host_feed_request::Message::Hello(hello)) }
    }

    fn goodbye(goodbye: v1::Goodbye) -> Self::Out {
        v1::HostFeedRequest { message: Some(v1::host_feed_request::Message::Goodbye(goodbye)) }
    }

    fn sort(message: Self::In) -> Sorted<Self::In> {
        use v1::host_feed_response::Message;
        match message.message {
            Some(Message::Hello(hello)) => Sorted::Hello(hello),
            Some(Message::Goodbye(goodbye)) => Sorted::Goodbye(goodbye),
            other => Sorted::Other(v1::HostFeedResponse { message: other }),
        }
    }

    fn position(&self) -> Option<v1::Position> {
        self.is_complete.then(|| self.position.clone())
    }

    fn opened(&mut self, hello: &v1::Hello, out: mpsc::Sender<Self::Out>) -> Input {
        let is_resumed =
            self.is_complete && self.position.name == hello.name && self.position.epoch == hello.epoch;
        if !is_resumed {
            self.is_complete = false;
            self.position = v1::Position { name: hello.name.clone(), epoch: hello.epoch, number: 0 };
        }
        Input::FeedOpened { feed: self.number, name: hello.name.clone(), is_resumed, out }
    }

    fn received(&mut self, message: Self::In) -> Option<Input> {
        let Some(v1::host_feed_response::Message::Changes(changes)) = message.message else { return None };
        self.position.number = changes.number;
        self.is_complete = (self.is_complete && !changes.restart) || changes.in_sync;
        Some(Input::Feed { feed: self.number, changes })
    }

    fn closed(&mut self, is_refused: bool) -> Input {
        if is_refused {
            self.is_complete = false;
        }
        Input::FeedClosed { feed: self.number }
    }
}
