//! A document that stays the same while the server runs, with the tag by which a client's copy is known.

use std::fmt::Write;
use std::hash::Hasher;

use axum::body::Body;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use rustc_hash::FxHasher;
use serde_json::Value;

use super::negotiate::Encoding;
use super::yaml;

/// Bytes of JSON (or of whatever its content type says) and their tag.
#[derive(Debug)]
pub(super) struct Document {
    bytes: Bytes,
    etag: HeaderValue,
}

impl Document {
    pub(super) fn new(value: &Value) -> Self {
        Self::from_bytes(Bytes::from(value.to_string()))
    }

    pub(super) fn from_bytes(bytes: Bytes) -> Self {
        let mut hasher = FxHasher::default();
        hasher.write(&bytes);
        let (hash, length) = (hasher.finish(), bytes.len());
        let mut tag = String::new();
        // Writing to a string does not fail.
        let _ = write!(tag, "\"{hash:016x}{length:x}\"");
        let etag = HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("\"\""));
        Self { bytes, etag }
    }

    /// The document, or 304 when the client has it.
    pub(super) fn respond(&self, request: &HeaderMap, content_type: &str) -> Response<Body> {
        let known = request.get(IF_NONE_MATCH).is_some_and(|tags| {
            tags.to_str().is_ok_and(|tags| {
                tags.split(',')
                    .any(|tag| tag.trim().trim_start_matches("W/").as_bytes() == self.etag.as_bytes())
            })
        });
        let mut response = Response::new(if known { Body::empty() } else { Body::from(self.bytes.clone()) });
        if known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        } else if let Ok(content_type) = HeaderValue::from_str(content_type) {
            response.headers_mut().insert(CONTENT_TYPE, content_type);
        }
        let headers = response.headers_mut();
        headers.insert(ETAG, self.etag.clone());
        headers.insert(VARY, HeaderValue::from_static("Accept"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
        response
    }

    /// The document in an encoding, of which YAML is made on the spot.
    pub(super) fn respond_as(&self, request: &HeaderMap, encoding: Encoding) -> Response<Body> {
        match encoding {
            Encoding::Json | Encoding::PrettyJson => self.respond(request, encoding.content_type()),
            Encoding::Yaml => {
                let value = serde_json::from_slice(&self.bytes).unwrap_or(Value::Null);
                let mut response = Response::new(Body::from(yaml::to_yaml(&value)));
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/yaml"));
                response
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_copy_that_is_current_is_not_sent_again() {
        let document = Document::new(&json!({ "a": 1 }));
        let first = document.respond(&HeaderMap::new(), "application/json");
        assert_eq!(first.status(), 200);
        let mut request = HeaderMap::new();
        request.insert(IF_NONE_MATCH, first.headers()[ETAG].clone());
        assert_eq!(document.respond(&request, "application/json").status(), 304);
        let other = Document::new(&json!({ "a": 2 }));
        assert_eq!(other.respond(&request, "application/json").status(), 200);
    }
}
