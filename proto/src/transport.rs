//! Streams of messages, within the process and over gRPC.

mod codec;
mod grpc;
mod pool;

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::sync::mpsc;

pub(crate) use self::codec::SmallBuffers;
pub use self::grpc::{host_feed_service, ledger_service, link_service, scheduling_service};

/// One end of a stream: what is sent, and what comes in. Dropping it, or its sender, ends the stream in that direction;
/// messages under way are lost then, as on any connection.
#[derive(Debug)]
pub struct Duplex<Out, In> {
    /// Messages to the other end. Waits where the other end is slow.
    pub sender: mpsc::Sender<Out>,
    /// Messages from the other end, in its order; `None`: the stream has ended.
    pub receiver: mpsc::Receiver<In>,
}

impl<Out, In> Duplex<Out, In> {
    /// Both ends of a stream that holds up to `capacity` messages under way in each direction.
    #[must_use]
    pub fn pair(capacity: usize) -> (Self, Duplex<In, Out>) {
        let (there, from_here) = mpsc::channel(capacity);
        let (back, from_there) = mpsc::channel(capacity);
        (Self { sender: there, receiver: from_there }, Duplex { sender: back, receiver: from_here })
    }
}

/// Why a stream could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Nobody accepts streams any more.
    #[error("{name} accepts no streams: it has been shut down")]
    ShutDown {
        /// What was to be connected to.
        name: &'static str,
    },
    /// The address cannot be used.
    #[error("{address:?} is no address of a server, want http://HOST:PORT")]
    Address {
        /// What was given.
        address: String,
        /// Why not.
        source: tonic::transport::Error,
    },
    /// The server does not answer, or refuses.
    #[error("opening a stream to {address} failed")]
    Refused {
        /// Where to.
        address: String,
        /// Its answer.
        source: Box<tonic::Status>,
    },
}

type Open<Out, In> = dyn Fn() -> BoxFuture<'static, Result<Duplex<Out, In>, ConnectError>> + Send + Sync;

/// Opens streams to one service, wherever it runs. Cheap to clone.
pub struct Connector<Out, In> {
    open: Arc<Open<Out, In>>,
}

impl<Out, In> Connector<Out, In> {
    fn new(
        open: impl Fn() -> BoxFuture<'static, Result<Duplex<Out, In>, ConnectError>> + Send + Sync + 'static,
    ) -> Self {
        Self { open: Arc::new(open) }
    }

    /// Opens a stream.
    ///
    /// # Errors
    ///
    /// [`ConnectError`], after which trying again later may help.
    pub async fn connect(&self) -> Result<Duplex<Out, In>, ConnectError> {
        (self.open)().await
    }
}

impl<Out, In> Clone for Connector<Out, In> {
    fn clone(&self) -> Self {
        Self { open: Arc::clone(&self.open) }
    }
}

impl<Out, In> fmt::Debug for Connector<Out, In> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").finish_non_exhaustive()
    }
}

/// Where a service takes the streams that others open, from this process and from the network alike.
#[derive(Debug)]
pub struct Listener<Out, In> {
    opened: mpsc::Receiver<Duplex<Out, In>>,
}

impl<Out, In> Listener<Out, In> {
    /// The next stream; `None` when nobody can open one any more.
    pub async fn accept(&mut self) -> Option<Duplex<Out, In>> {
        self.opened.recv().await
    }
}

/// A service inside this process: where others open streams, and where the service takes them. `name` is for errors;
/// `capacity` is the number of messages under way in each direction of a stream.
#[must_use]
pub fn local<Out, In>(name: &'static str, capacity: usize) -> (Connector<Out, In>, Listener<In, Out>)
where
    Out: Send + 'static,
    In: Send + 'static,
{
    let (opening, opened) = mpsc::channel(64);
    let connector = Connector::new(move || {
        let opening = opening.clone();
        Box::pin(async move {
            let (here, there) = Duplex::pair(capacity);
            opening.send(there).await.map_err(|_| ConnectError::ShutDown { name })?;
            Ok(here)
        })
    });
    (connector, Listener { opened })
}
