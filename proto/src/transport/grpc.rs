//! The four services over gRPC: a server end that opens a stream within its process for each call, and connectors that
//! make such calls. Both only move messages.

use std::pin::Pin;
use std::time::Duration;

use futures::{Stream, StreamExt};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status, Streaming};

use super::pool::{Held, Pool};
use super::{ConnectError, Connector, Duplex};
use crate::v1;

/// The largest message, in bytes: a batch of pods, each of up to 1.5 MiB.
const MAX_MESSAGE: usize = 64 << 20;

/// Messages under way in each direction between a stream and its connection.
const CAPACITY: usize = 64;

/// Time to wait for a connection before it counts as refused.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A peer that answers no ping for this long is taken for gone, so that a broken line ends the stream.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

type Outgoing<M> = Pin<Box<dyn Stream<Item = Result<M, Status>> + Send>>;

/// Moves what comes over the network to a channel until either ends. A client holds its place on a connection so long.
fn pump<M: Send + 'static>(mut incoming: Streaming<M>, to: mpsc::Sender<M>, place: Option<Held>) {
    tokio::spawn(async move {
        let _place = place;
        loop {
            let next = tokio::select! {
                next = incoming.next() => next,
                () = to.closed() => return,
            };
            match next {
                Some(Ok(message)) => {
                    if to.send(message).await.is_err() {
                        return;
                    }
                }
                Some(Err(status)) => {
                    tracing::debug!(%status, "stream broken");
                    return;
                }
                None => return,
            }
        }
    });
}

async fn serve<Out, In>(
    connector: &Connector<In, Out>,
    request: Request<Streaming<In>>,
) -> Result<Response<Outgoing<Out>>, Status>
where
    Out: Send + 'static,
    In: Send + 'static,
{
    let Duplex { sender, receiver } =
        connector.connect().await.map_err(|error| Status::unavailable(error.to_string()))?;
    pump(request.into_inner(), sender, None);
    Ok(Response::new(Box::pin(ReceiverStream::new(receiver).map(Ok))))
}

fn endpoint(address: &str) -> Result<Endpoint, ConnectError> {
    let endpoint = Endpoint::from_shared(address.to_owned())
        .map_err(|source| ConnectError::Address { address: address.to_owned(), source })?;
    Ok(endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .keep_alive_while_idle(true)
        .tcp_nodelay(true))
}

macro_rules! service {
    (
        $(#[$serve_doc:meta])* $serve:ident, $(#[$connect_doc:meta])* $connect:ident:
        $client:ty, $server:ident :: $server_type:ident, $service:path, $adapter:ident, $stream:ident, $method:ident ($request:ident) -> $response:ident
    ) => {
        struct $adapter(Connector<v1::$request, v1::$response>);

        #[tonic::async_trait]
        impl $service for $adapter {
            type $stream = Outgoing<v1::$response>;

            async fn $method(
                &self,
                request: Request<Streaming<v1::$request>>,
            ) -> Result<Response<Self::$stream>, Status> {
                serve(&self.0, request).await
            }
        }

        $(#[$serve_doc])*
        #[must_use]
        pub fn $serve(connector: Connector<v1::$request, v1::$response>) -> tonic::service::Routes {
            let server = v1::$server::$server_type::new($adapter(connector))
                .max_decoding_message_size(MAX_MESSAGE)
                .max_encoding_message_size(MAX_MESSAGE);
            tonic::service::Routes::new(server)
        }

        impl Connector<v1::$request, v1::$response> {
            $(#[$connect_doc])*
            ///
            /// Connections are made when streams are opened, and shared by as many as every server takes.
            ///
            /// # Errors
            ///
            /// [`ConnectError::Address`] when `address` is none.
            pub fn $connect(address: &str) -> Result<Self, ConnectError> {
                let pool = Pool::new(endpoint(address)?);
                let address = address.to_owned();
                Ok(Self::new(move || {
                    let (channel, place) = pool.channel();
                    let mut client = <$client>::new(channel)
                        .max_decoding_message_size(MAX_MESSAGE)
                        .max_encoding_message_size(MAX_MESSAGE);
                    let address = address.clone();
                    Box::pin(async move {
                        let (sender, outgoing) = mpsc::channel(CAPACITY);
                        let (incoming, receiver) = mpsc::channel(CAPACITY);
                        let answer = client
                            .$method(ReceiverStream::new(outgoing))
                            .await
                            .map_err(|status| ConnectError::Refused { address, source: Box::new(status) })?;
                        pump(answer.into_inner(), incoming, Some(place));
                        Ok(Duplex { sender, receiver })
                    })
                }))
            }
        }
    };
}

service!(
    /// A tenant partition's service for scheduler replicas, for a gRPC server.
    scheduling_service,
    /// A tenant partition's scheduling service at `http://HOST:PORT`.
    scheduling_at:
    v1::scheduling_client::SchedulingClient<Channel>,
    scheduling_server::SchedulingServer,
    v1::scheduling_server::Scheduling,
    SchedulingAdapter,
    ScheduleStream,
    schedule(ReplicaMessage) -> PartitionMessage
);

service!(
    /// A host partition's feed of hosts, for a gRPC server.
    host_feed_service,
    /// A host partition's feed at `http://HOST:PORT`.
    host_feed_at:
    v1::host_feed_client::HostFeedClient<Channel>,
    host_feed_server::HostFeedServer,
    v1::host_feed_server::HostFeed,
    HostFeedAdapter,
    FollowStream,
    follow(HostFeedRequest) -> HostFeedResponse
);

service!(
    /// A host partition's ledger, for a gRPC server.
    ledger_service,
    /// A host partition's ledger at `http://HOST:PORT`.
    ledger_at:
    v1::ledger_client::LedgerClient<Channel>,
    ledger_server::LedgerServer,
    v1::ledger_server::Ledger,
    LedgerAdapter,
    SettleStream,
    settle(TenantPartitionMessage) -> HostPartitionMessage
);

service!(
    /// A host partition's service for the agents of its hosts, for a gRPC server.
    link_service,
    /// A host partition's service for agents at `http://HOST:PORT`.
    link_at:
    v1::link_client::LinkClient<Channel>,
    link_server::LinkServer,
    v1::link_server::Link,
    LinkAdapter,
    AttachStream,
    attach(AgentMessage) -> LinkMessage
);
