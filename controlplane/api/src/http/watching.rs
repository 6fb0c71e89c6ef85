//! A watch on its way out: one line of JSON for each event, for as long as the client listens.

use std::convert::Infallible;
use std::pin::Pin;

use axum::body::Body;
use bytes::Bytes;
use http::Response;
use meridian_environment::Clock;
use prometheus::IntCounter;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::metrics::Held;
use super::negotiate::{Encoding, Form, Shape};
use super::reply;
use super::table::{self, Columns, Include, ListMeta};
use crate::{Entry, Failure, WatchEvent, WatchStream};
use meridian_schema::Kind;

/// Events that are there already are sent together, up to about so many bytes.
const PIECE: usize = 64 << 10;

/// A watch that is being served. Dropped with the connection, which ends the watch.
pub(super) struct Watching {
    pub(super) events: WatchStream,
    pub(super) kind: &'static Kind,
    /// Whether it is of all tenants.
    pub(super) across: bool,
    pub(super) form: Form,
    pub(super) include: Include,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) shutdown: CancellationToken,
    pub(super) sent: IntCounter,
    /// Counts the watch for as long as it is served.
    pub(super) _held: Held,
}

/// What is kept between two pieces.
struct Serving {
    watching: Watching,
    /// The server's end. That the time of the watch is up, the registry says.
    end: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Whether column definitions were sent.
    columns_sent: bool,
    ended: bool,
}

/// The answer that holds a watch.
pub(super) fn respond(watching: Watching) -> Response<Body> {
    let end = Box::pin(watching.shutdown.clone().cancelled_owned());
    let serving = Serving { watching, end, columns_sent: false, ended: false };
    let pieces = futures::stream::unfold(serving, |mut serving| async move {
        let piece = serving.piece().await?;
        serving.watching.sent.inc_by(piece.len() as u64);
        Some((Ok::<_, Infallible>(piece), serving))
    });
    let mut response = Response::new(Body::from_stream(pieces));
    reply::head(&mut response, Encoding::Json, false);
    response
}

impl Serving {
    /// The next events; none when the watch is over.
    async fn piece(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        let mut event = tokio::select! {
            biased;
            () = &mut self.end => return None,
            event = self.watching.events.next() => event?,
        };
        let mut out = Vec::new();
        loop {
            self.write(&mut out, &event);
            if self.ended || out.len() >= PIECE {
                break;
            }
            match self.watching.events.buffered() {
                Some(next) => event = next,
                None => break,
            }
        }
        Some(Bytes::from(out))
    }

    fn write(&mut self, out: &mut Vec<u8>, event: &WatchEvent) {
        match event {
            WatchEvent::Added(entry) => self.object(out, "ADDED", entry),
            WatchEvent::Modified(entry) => self.object(out, "MODIFIED", entry),
            WatchEvent::Deleted(entry) => self.object(out, "DELETED", entry),
            WatchEvent::Bookmark { resource_version, initial_events_end } => {
                self.bookmark(out, *resource_version, *initial_events_end);
            }
            WatchEvent::Error(failure) => {
                write_error(out, failure);
                self.ended = true;
            }
        }
    }

    fn object(&mut self, out: &mut Vec<u8>, what: &str, entry: &Entry) {
        start(out, what);
        match self.watching.form.shape {
            Shape::Whole => entry.write_json(out),
            Shape::Metadata(version) => {
                table::write_metadata(out, &entry.value(), version.api_version(), "PartialObjectMetadata");
            }
            Shape::Table(version) => {
                let columns = self.columns();
                let meta = ListMeta { resource_version: entry.resource_version(), ..ListMeta::default() };
                let first = !std::mem::replace(&mut self.columns_sent, true);
                table::write_table_start(out, version, &meta, first.then_some(&columns));
                table::write_row(out, version, entry, &columns);
                table::write_table_end(out);
            }
        }
        out.extend_from_slice(b"}\n");
    }

    fn bookmark(&mut self, out: &mut Vec<u8>, resource_version: u64, initial_events_end: bool) {
        start(out, "BOOKMARK");
        let mut metadata =
            json!({ "resourceVersion": resource_version.to_string(), "creationTimestamp": null });
        if initial_events_end {
            metadata["annotations"] = json!({ "k8s.io/initial-events-end": "true" });
        }
        let kind = self.watching.kind;
        let object = json!({ "kind": kind.kind, "apiVersion": kind.api_version(), "metadata": metadata });
        match self.watching.form.shape {
            Shape::Whole => out.extend_from_slice(object.to_string().as_bytes()),
            Shape::Metadata(version) => {
                table::write_metadata(out, &object, version.api_version(), "PartialObjectMetadata");
            }
            Shape::Table(version) => {
                let columns = self.columns();
                let meta = ListMeta { resource_version, ..ListMeta::default() };
                let first = !std::mem::replace(&mut self.columns_sent, true);
                table::write_table_start(out, version, &meta, first.then_some(&columns));
                table::write_bookmark_row(out, version, &object, &columns);
                table::write_table_end(out);
            }
        }
        out.extend_from_slice(b"}\n");
    }

    fn columns(&self) -> Columns<'static> {
        Columns {
            kind: self.watching.kind,
            include: self.watching.include,
            across: self.watching.across,
            now: self.watching.clock.date(),
        }
    }
}

fn start(out: &mut Vec<u8>, what: &str) {
    out.extend_from_slice(b"{\"type\":\"");
    out.extend_from_slice(what.as_bytes());
    out.extend_from_slice(b"\",\"object\":");
}

fn write_error(out: &mut Vec<u8>, failure: &Failure) {
    start(out, "ERROR");
    let status: Value = failure.to_status();
    out.extend_from_slice(status.to_string().as_bytes());
    out.extend_from_slice(b"}\n");
}
