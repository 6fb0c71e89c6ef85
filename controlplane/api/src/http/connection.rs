//! One connection: TLS if there is any, then HTTP/1.1 or HTTP/2 as the client begins.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::answer;
use super::server::Server;
use super::stall::Stall;

/// The most requests at a time on one HTTP/2 connection.
const STREAMS: u32 = 1000;

/// How often a silent HTTP/2 client is asked whether it is there, and how long it may take to say so.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// Serves a connection until it ends, by itself or because the server does.
pub(super) async fn serve(
    server: Arc<Server>,
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    cut_off: CancellationToken,
) {
    let _counted = server.metrics.connected();
    // Answers are small and somebody waits for them. Where the system refuses, they are merely later.
    drop(stream.set_nodelay(true));
    let Some(acceptor) = acceptor else {
        return speak(server, stream, cut_off).await;
    };
    let patience = server.limits.patience;
    let greeted = tokio::select! {
        greeted = acceptor.accept(stream) => greeted,
        () = server.clock.wait_until(server.clock.now() + patience) => return,
        () = server.shutdown.cancelled() => return,
    };
    match greeted {
        Ok(stream) => speak(server, stream, cut_off).await,
        Err(error) => tracing::debug!(%error, "TLS failed"),
    }
}

async fn speak<S>(server: Arc<Server>, stream: S, cut_off: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = server.limits;
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle)
        .max_buf_size(limits.headers.max(8192));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(limits.headers).unwrap_or(u32::MAX))
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);

    let seen = Arc::new(AtomicBool::new(false));
    let service = service_fn({
        let (server, seen) = (Arc::clone(&server), Arc::clone(&seen));
        move |request: http::Request<Incoming>| {
            seen.store(true, Ordering::Relaxed);
            let server = Arc::clone(&server);
            async move { Ok::<_, Infallible>(answer::answer(server, request).await) }
        }
    });
    let mut connection =
        pin!(builder.serve_connection(TokioIo::new(Stall::new(stream, limits.patience)), service));
    let mut first_request = pin!(server.clock.wait_until(server.clock.now() + limits.patience));
    let (mut waiting, mut ending) = (true, false);
    loop {
        tokio::select! {
            outcome = connection.as_mut() => {
                if let Err(error) = outcome {
                    tracing::debug!(%error, "a connection broke off");
                }
                return;
            }
            // Whoever connects and says nothing, or half a line, holds a place that others could have.
            () = first_request.as_mut(), if waiting => {
                waiting = false;
                if !seen.load(Ordering::Relaxed) {
                    return;
                }
            }
            () = server.shutdown.cancelled(), if !ending => {
                ending = true;
                connection.as_mut().graceful_shutdown();
            }
            () = cut_off.cancelled() => return,
        }
    }
}
