//! A load of HTTP requests: connections that are kept alive, one request after the other on each.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::Clock;
use crate::parameters::BenchError;

/// How the clients reach the server.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    /// What to trust, where the server speaks TLS; its certificate is for `localhost`.
    pub(crate) tls: Option<Arc<rustls::ClientConfig>>,
    pub(crate) path: &'static str,
}

/// When a request was sent and when its answer had come, in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sent {
    pub(crate) at: u64,
    pub(crate) answered: u64,
}

/// Posts `bodies` over so many connections, whichever is free taking the next. The answers have to be 201.
pub(crate) async fn post(
    target: Target,
    connections: usize,
    bodies: Arc<Vec<Bytes>>,
    clock: Clock,
) -> Result<Vec<Sent>, BenchError> {
    let next = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..connections)
        .map(|_| tokio::spawn(client(target.clone(), bodies.clone(), next.clone(), clock)))
        .collect();
    let mut sent = vec![Sent::default(); bodies.len()];
    for client in clients {
        for (index, times) in client.await.map_err(failed)?? {
            sent[index] = times;
        }
    }
    Ok(sent)
}

pub(crate) fn failed(error: impl std::fmt::Display) -> BenchError {
    BenchError::Setup(error.to_string())
}

async fn client(
    target: Target,
    bodies: Arc<Vec<Bytes>>,
    next: Arc<AtomicUsize>,
    clock: Clock,
) -> Result<Vec<(usize, Sent)>, BenchError> {
    let stream = TcpStream::connect(target.address).await.map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    match &target.tls {
        None => requests(stream, &target, &bodies, &next, clock).await,
        Some(config) => {
            let name = ServerName::try_from("localhost").map_err(failed)?;
            let stream = TlsConnector::from(config.clone()).connect(name, stream).await.map_err(failed)?;
            requests(stream, &target, &bodies, &next, clock).await
        }
    }
}

async fn requests(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    target: &Target,
    bodies: &[Bytes],
    next: &AtomicUsize,
    clock: Clock,
) -> Result<Vec<(usize, Sent)>, BenchError> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
    // It ends with the sender.
    tokio::spawn(connection);
    let mut sent = Vec::new();
    loop {
        let index = next.fetch_add(1, Ordering::Relaxed);
        let Some(body) = bodies.get(index) else { return Ok(sent) };
        let request = Request::post(target.path)
            .header(header::HOST, "localhost")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json")
            .body(Full::new(body.clone()))
            .map_err(failed)?;
        let at = clock();
        sender.ready().await.map_err(failed)?;
        let response = sender.send_request(request).await.map_err(failed)?;
        let status = response.status();
        let answer = response.into_body().collect().await.map_err(failed)?.to_bytes();
        if status.as_u16() != 201 {
            return Err(failed(format!("answered {status}: {}", String::from_utf8_lossy(&answer))));
        }
        sent.push((index, Sent { at, answered: clock() }));
    }
}

/// Manifests of so many pods, as a user would write them: one container with requests.
pub(crate) fn pods(prefix: &str, count: usize) -> Arc<Vec<Bytes>> {
    let pod = |index: usize| {
        serde_json::json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": format!("{prefix}-{index:06}"),
                "labels": {"app": prefix, "tier": "web"},
            },
            "spec": {"containers": [{
                "name": "server",
                "image": "registry.example/web:1.4",
                "ports": [{"containerPort": 8080}],
                "env": [{"name": "MODE", "value": "production"}],
                "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
            }]},
        })
    };
    Arc::new((0..count).map(|index| Bytes::from(pod(index).to_string())).collect())
}

/// The value below which 99 of 100 lie, in milliseconds.
pub(crate) fn p99_milliseconds(mut nanoseconds: Vec<u64>) -> f64 {
    nanoseconds.sort_unstable();
    let index = (nanoseconds.len() * 99).div_ceil(100).saturating_sub(1);
    nanoseconds.get(index).map_or(0.0, |value| *value as f64 / 1e6)
}
