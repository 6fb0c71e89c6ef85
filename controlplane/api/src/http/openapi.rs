//! OpenAPI: version 3 in a document for each group and version, version 2 in one, as JSON and as protobuf.
//!
//! The documents are made by the schema table when the first client asks.

use std::sync::OnceLock;

use axum::body::Body;
use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderValue, Response};

use super::document::Document;
use super::negotiate;
use super::query::Query;
use super::refuse;
use crate::Failure;

/// Version 2 in protobuf, as clients ask for it (with and without the `@`, for historic reasons) and as it is answered.
const V2_PROTOBUF: [&str; 2] = [
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
    "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
];

/// What was made so far.
#[derive(Debug, Default)]
pub(super) struct OpenApi {
    v2_json: OnceLock<Document>,
    v2_protobuf: OnceLock<Document>,
    index: OnceLock<Document>,
}

impl OpenApi {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// `/openapi/v2`
    pub(super) fn v2(&self, headers: &HeaderMap, accept: Option<&str>) -> Result<Response<Body>, Failure> {
        if negotiate::prefers(accept, &V2_PROTOBUF).is_some() {
            let document = self
                .v2_protobuf
                .get_or_init(|| Document::from_bytes(meridian_schema::openapi_v2_protobuf().clone()));
            let [_, content_type] = V2_PROTOBUF;
            return Ok(document.respond(headers, content_type));
        }
        negotiate::encoding(accept)?;
        let document =
            self.v2_json.get_or_init(|| Document::from_bytes(meridian_schema::openapi_v2_json().clone()));
        Ok(document.respond(headers, "application/json"))
    }

    /// `/openapi/v3`
    pub(super) fn index(&self, headers: &HeaderMap, accept: Option<&str>) -> Result<Response<Body>, Failure> {
        negotiate::encoding(accept)?;
        let document =
            self.index.get_or_init(|| Document::from_bytes(meridian_schema::openapi_v3_index().clone()));
        Ok(document.respond(headers, "application/json"))
    }

    /// `/openapi/v3/{path}`. A URL with the current hash names these bytes for ever.
    pub(super) fn v3(
        &self,
        headers: &HeaderMap,
        accept: Option<&str>,
        path: &str,
        query: &Query<'_>,
    ) -> Result<Response<Body>, Failure> {
        negotiate::encoding(accept)?;
        let bytes = meridian_schema::openapi_v3(path).ok_or_else(refuse::no_such_page)?;
        let document = Document::from_bytes(bytes.clone());
        let mut response = document.respond(headers, "application/json");
        if query
            .text("hash")
            .is_some_and(|hash| meridian_schema::openapi_v3_hash(path).is_some_and(|now| now == hash))
        {
            response
                .headers_mut()
                .insert(CACHE_CONTROL, HeaderValue::from_static("public, immutable, max-age=31536000"));
        }
        Ok(response)
    }
}
