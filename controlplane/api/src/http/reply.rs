//! Answers: objects in the form agreed on, statuses, and what headers go with them.

use axum::body::Body;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER, VARY, WARNING};
use http::{HeaderValue, Response, StatusCode};
use serde_json::{Value, json};
use std::io::Write;

use super::negotiate::{Encoding, Form, Shape};
use super::table::{self, Columns};
use super::yaml;
use crate::{Entry, Failure};

/// From this size on an answer is compressed for those who take it compressed.
pub(super) const COMPRESSED_FROM: usize = 128 << 10;

/// Above this many bytes of warnings the rest is not sent.
const WARNINGS: usize = 4 << 10;

/// The answer that holds one object.
pub(super) fn entry(
    code: StatusCode,
    form: Form,
    entry: &Entry,
    columns: &Columns<'_>,
    gzip: bool,
) -> Response<Body> {
    let mut out = Vec::with_capacity(entry.bytes.len() + 64);
    match form.shape {
        Shape::Whole => entry.write_json(&mut out),
        Shape::Metadata(version) => {
            table::write_metadata(&mut out, &entry.value(), version.api_version(), "PartialObjectMetadata")
        }
        Shape::Table(version) => {
            let meta =
                table::ListMeta { resource_version: entry.resource_version(), ..table::ListMeta::default() };
            table::write_table_start(&mut out, version, &meta, Some(columns));
            table::write_row(&mut out, version, entry, columns);
            table::write_table_end(&mut out);
        }
    }
    encoded(code, form.encoding, out, gzip)
}

/// The answer that holds some other value.
pub(super) fn value(code: StatusCode, encoding: Encoding, value: &Value) -> Response<Body> {
    encoded(code, encoding, value.to_string().into_bytes(), false)
}

/// The answer that says why not.
pub(super) fn failure(encoding: Encoding, failure: &Failure) -> Response<Body> {
    let code = StatusCode::from_u16(failure.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = value(code, encoding, &failure.to_status());
    if let Some(seconds) = failure.retry_after_seconds() {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// The `Status` of a deletion that is done.
pub(super) fn deleted(entry: &Entry) -> Value {
    json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {
            "name": entry.name,
            "group": entry.kind.group,
            "kind": entry.kind.plural,
            "uid": entry.uid,
        },
    })
}

/// The `Status` of something that was done and has no object to show.
pub(super) fn success(code: StatusCode) -> Value {
    json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": code.as_u16() })
}

/// Bytes of JSON as an answer in an encoding.
pub(super) fn encoded(code: StatusCode, encoding: Encoding, json: Vec<u8>, gzip: bool) -> Response<Body> {
    let value = || serde_json::from_slice::<Value>(&json).unwrap_or(Value::Null);
    let bytes = match encoding {
        Encoding::PrettyJson => format!("{:#}\n", value()).into_bytes(),
        Encoding::Yaml => yaml::to_yaml(&value()).into_bytes(),
        Encoding::Json => json,
    };
    let compressed = if gzip && bytes.len() >= COMPRESSED_FROM { compress(&bytes) } else { None };
    let gzip = compressed.is_some();
    let mut response = Response::new(Body::from(compressed.unwrap_or_else(|| Bytes::from(bytes))));
    *response.status_mut() = code;
    head(&mut response, encoding, gzip);
    response
}

/// The headers of every answer that is about objects.
pub(super) fn head(response: &mut Response<Body>, encoding: Encoding, gzip: bool) {
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(encoding.content_type()));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    if gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
}

fn compress(bytes: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::fast());
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

/// Adds what the client should know although its request was done.
pub(super) fn warn(response: &mut Response<Body>, warnings: &[String]) {
    let mut total = 0;
    for warning in warnings {
        let quoted: String = warning
            .chars()
            .flat_map(|c| match c {
                '"' | '\\' => vec!['\\', c],
                ' '..='~' => vec![c],
                // A header holds no line ends and nothing but ASCII that every client reads alike.
                _ => vec!['?'],
            })
            .collect();
        total += quoted.len();
        if total > WARNINGS {
            return;
        }
        if let Ok(header) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
            response.headers_mut().append(WARNING, header);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_fit_into_headers() {
        let mut response = Response::new(Body::empty());
        warn(
            &mut response,
            &["unknown field \"spec.a\"".to_owned(), "line\nend é".to_owned(), "x".repeat(5000)],
        );
        let headers: Vec<_> = response.headers().get_all(WARNING).iter().collect();
        assert_eq!(headers, [r#"299 - "unknown field \"spec.a\"""#, r#"299 - "line?end ?""#]);
    }

    #[test]
    fn a_failure_says_when_to_try_again() {
        let response = failure(Encoding::Json, &Failure::unavailable("later"));
        assert_eq!(
            (response.status(), &response.headers()[RETRY_AFTER]),
            (StatusCode::SERVICE_UNAVAILABLE, &HeaderValue::from(1))
        );
    }
}
