//! A list on its way out: written from the objects' stored bytes, a piece at a time.
//!
//! A short list is one piece and has a length; a long one is streamed, so that its encoded form is never whole in
//! memory. The objects themselves are shared with the cache.

use std::convert::Infallible;
use std::io::Write;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{Response, StatusCode};
use meridian_schema::Kind;
use prometheus::IntCounter;

use super::negotiate::{Encoding, Form, Shape};
use super::reply;
use super::table::{self, Columns, Include, ListMeta};
use crate::{Entry, Failure, List, Reason};

/// About how many bytes a piece has.
const PIECE: usize = reply::COMPRESSED_FROM;

/// How much is encoded otherwise than as compact JSON, which is done at once.
const WHOLE: usize = 64 << 20;

/// Objects, those not yet written, and how.
struct Writer {
    kind: &'static Kind,
    shape: Shape,
    include: Include,
    across: bool,
    now: jiff::Timestamp,
    meta: ListMeta,
    items: Vec<Arc<Entry>>,
    /// The next item; before the first piece none is next.
    at: Option<usize>,
    ended: bool,
}

/// The answer that holds a list.
pub(super) fn respond(
    form: Form,
    columns: &Columns<'static>,
    list: List,
    gzip: bool,
    sent: &IntCounter,
) -> Result<Response<Body>, Failure> {
    let mut writer = Writer {
        kind: columns.kind,
        shape: form.shape,
        include: columns.include,
        across: columns.across,
        now: columns.now,
        meta: ListMeta {
            resource_version: list.resource_version,
            continue_token: list.continue_token,
            remaining: list.remaining,
        },
        items: list.items,
        at: None,
        ended: false,
    };
    let mut first = Vec::new();
    writer.piece(&mut first, PIECE);
    if form.encoding != Encoding::Json {
        while !writer.ended {
            if first.len() > WHOLE {
                return Err(Failure::new(
                    Reason::NotAcceptable,
                    format!(
                        "more than {WHOLE} bytes are listed as application/json only: set a limit, or accept that"
                    ),
                ));
            }
            writer.piece(&mut first, PIECE);
        }
    }
    if writer.ended {
        return Ok(reply::encoded(StatusCode::OK, form.encoding, first, gzip));
    }
    let sent = sent.clone();
    let body = if gzip {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        // Writing to memory does not fail.
        drop(encoder.write_all(&first));
        Body::from_stream(futures::stream::iter(Compressed { writer, encoder: Some(encoder), sent }))
    } else {
        sent.inc_by(first.len() as u64);
        let rest = Plain { writer, sent };
        let first = std::iter::once(Ok::<_, Infallible>(Bytes::from(first)));
        Body::from_stream(futures::stream::iter(first.chain(rest)))
    };
    let mut response = Response::new(body);
    reply::head(&mut response, form.encoding, gzip);
    Ok(response)
}

impl Writer {
    /// Appends at least `size` bytes to `out`, if there are so many.
    fn piece(&mut self, out: &mut Vec<u8>, size: usize) {
        let start = out.len();
        let (across, now) = (self.across, self.now);
        let columns = Columns { kind: self.kind, include: self.include, across, now };
        let mut at = match self.at {
            Some(at) => at,
            None => {
                self.start(out, &columns);
                0
            }
        };
        while let Some(entry) = self.items.get(at) {
            if out.len() - start >= size {
                self.at = Some(at);
                return;
            }
            if at > 0 {
                out.push(b',');
            }
            let seen = across.then(|| entry.across_tenants());
            let entry = seen.as_ref().unwrap_or(entry);
            match self.shape {
                Shape::Whole => entry.write_json(out),
                Shape::Table(version) => table::write_row(out, version, entry, &columns),
                Shape::Metadata(version) => {
                    table::write_metadata(
                        out,
                        &entry.value(),
                        version.api_version(),
                        "PartialObjectMetadata",
                    );
                }
            }
            at += 1;
        }
        self.at = Some(at);
        self.ended = true;
        table::write_table_end(out);
    }

    fn start(&self, out: &mut Vec<u8>, columns: &Columns<'_>) {
        let (api_version, kind) = match self.shape {
            Shape::Table(version) => {
                return table::write_table_start(out, version, &self.meta, Some(columns));
            }
            Shape::Whole => (self.kind.api_version(), self.kind.kind),
            Shape::Metadata(version) => (version.api_version(), "PartialObjectMetadata"),
        };
        out.extend_from_slice(b"{\"kind\":\"");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"List\",\"apiVersion\":\"");
        out.extend_from_slice(api_version.as_bytes());
        out.extend_from_slice(b"\",");
        self.meta.write(out);
        out.extend_from_slice(b",\"items\":[");
    }
}

/// The pieces as they are.
struct Plain {
    writer: Writer,
    sent: IntCounter,
}

impl Iterator for Plain {
    type Item = Result<Bytes, Infallible>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.writer.ended {
            return None;
        }
        let mut piece = Vec::with_capacity(PIECE + PIECE / 4);
        self.writer.piece(&mut piece, PIECE);
        self.sent.inc_by(piece.len() as u64);
        Some(Ok(Bytes::from(piece)))
    }
}

/// The pieces compressed.
struct Compressed {
    writer: Writer,
    encoder: Option<GzEncoder<Vec<u8>>>,
    sent: IntCounter,
}

impl Iterator for Compressed {
    type Item = std::io::Result<Bytes>;

    fn next(&mut self) -> Option<Self::Item> {
        let encoder = self.encoder.as_mut()?;
        let mut piece = Vec::with_capacity(PIECE + PIECE / 4);
        while encoder.get_ref().is_empty() && !self.writer.ended {
            piece.clear();
            self.writer.piece(&mut piece, PIECE);
            if let Err(error) = encoder.write_all(&piece) {
                self.encoder = None;
                return Some(Err(error));
            }
        }
        let compressed = if self.writer.ended {
            self.encoder.take()?.finish()
        } else {
            Ok(std::mem::take(encoder.get_mut()))
        };
        Some(compressed.map(|bytes| {
            self.sent.inc_by(bytes.len() as u64);
            Bytes::from(bytes)
        }))
    }
}
