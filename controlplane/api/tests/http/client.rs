//! A client of few words: one connection per request, the body whole or piece by piece.

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// An answer that has arrived whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The value at a JSON pointer.
    pub(crate) fn at(&self, pointer: &str) -> Value {
        self.json().pointer(pointer).cloned().unwrap_or(Value::Null)
    }

    /// That the request was refused so, with a proper `Status`.
    #[track_caller]
    pub(crate) fn refused(&self, code: u16, reason: &str, message: &str) {
        let status = self.json();
        let said = status["message"].as_str().unwrap_or_default();
        assert_eq!((self.status.as_u16(), status["reason"].as_str()), (code, Some(reason)), "{status}");
        assert_eq!(
            (&status["kind"], &status["apiVersion"], &status["status"], &status["code"]),
            (&"Status".into(), &"v1".into(), &"Failure".into(), &code.into()),
            "{status}"
        );
        assert!(said.contains(message), "{said:?} does not say {message:?}");
    }
}

/// A request on a connection of its own.
pub(crate) async fn open(address: SocketAddr, request: Request<Full<Bytes>>) -> hyper::Response<Incoming> {
    over_http1(TcpStream::connect(address).await.unwrap(), request).await
}

/// A request over HTTP/2 without TLS.
pub(crate) async fn open_http2(
    address: SocketAddr,
    request: Request<Full<Bytes>>,
) -> hyper::Response<Incoming> {
    over_http2(TcpStream::connect(address).await.unwrap(), request).await
}

/// A request over HTTP/1.1 on a connection that is there.
pub(crate) async fn over_http1(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> hyper::Response<Incoming> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender.send_request(request).await.unwrap()
}

/// A request over HTTP/2 on a connection that is there.
pub(crate) async fn over_http2(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> hyper::Response<Incoming> {
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender.send_request(request).await.unwrap()
}

/// The whole of an answer.
pub(crate) async fn whole(response: hyper::Response<Incoming>) -> Answer {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer { status: parts.status, headers: parts.headers, body }
}

/// The lines of an answer, as they come.
pub(crate) struct Lines {
    body: Incoming,
    read: Vec<u8>,
}

impl Lines {
    pub(crate) fn new(response: hyper::Response<Incoming>) -> Self {
        Self { body: response.into_body(), read: Vec::new() }
    }

    /// The next line as JSON; none at the end.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).unwrap());
            }
            let frame = self.body.frame().await?.unwrap();
            if let Ok(data) = frame.into_data() {
                self.read.extend_from_slice(&data);
            }
        }
    }
}
