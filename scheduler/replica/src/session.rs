//! Streams to partitions: opened, kept, and opened again.
//!
//! A session moves messages between its stream and the service and knows nothing of scheduling. It never waits for the peer
//! to take something while the peer may wait for it to do the same.

use std::sync::Arc;
use std::time::Duration;

use meridian_environment::{Clock, Ids};
use meridian_proto::{Backoff, Connector, Duplex, OpenError, Said, StreamMessage, open, v1};
use tokio::sync::{Notify, mpsc, watch};

use crate::service::Input;

/// The longest wait before a stream is opened again.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

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

/// One side of a service: which messages go out and come in, and what the service is told of them.
pub(crate) trait Side: Send {
    type Out: StreamMessage;
    type In: StreamMessage;

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

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error is the replica's end as well.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Keeps a stream open until the replica stops.
pub(crate) async fn keep<S: Side>(mut side: S, connector: Connector<S::Out, S::In>, common: Common) {
    let mut backoff = Backoff::new(LONGEST_WAIT);
    let mut stop = common.stop.clone();
    loop {
        let mut hello = v1::Hello::new(&common.cell, &common.name, 0);
        hello.positions.extend(side.position());
        let end = tokio::select! {
            () = stopped(&mut stop) => return,
            opened = open(&connector, hello, None, &*common.clock) => match opened {
                Ok((stream, hello)) => {
                    backoff.succeeded();
                    follow(&mut side, stream, hello, &common).await
                }
                Err(OpenError::Connect(error)) => {
                    tracing::debug!(replica = common.name, %error, "a partition cannot be reached");
                    End::Broken
                }
                Err(error) => {
                    tracing::warn!(replica = common.name, %error, "no stream to a partition");
                    if error.is_final() { End::Final } else { End::Broken }
                }
            },
        };
        match end {
            End::Stopped => return,
            End::Final => backoff.refused(),
            End::Broken => {}
        }
        let at = common.clock.now() + backoff.next(common.ids.seed());
        tokio::select! {
            () = stopped(&mut stop) => return,
            () = common.clock.wait_until(at) => {}
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
                let _ = stream.sender.try_send(S::Out::goodbye(v1::Goodbye::later("the replica stops")));
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
            message = stream.receiver.recv() => match message.map(S::In::said) {
                None => break (End::Broken, false),
                Some(Said::Goodbye(goodbye)) => break (parted(common, &goodbye), false),
                Some(Said::Hello(_)) => {
                    let _ = stream.sender.try_send(S::Out::goodbye(v1::Goodbye::second_hello()));
                    break (End::Broken, true);
                }
                Some(Said::Other(message)) => {
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
