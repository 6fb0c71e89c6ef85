//! OpenAPI documents of the API, made from the table: version 3 by group and version, and version 2 of everything, as
//! JSON and as the protobuf of gnostic. Clients complete, explain, validate and patch by them.
//!
//! Each document is made when it is first asked for, and kept.

mod descriptions;
mod gnostic;
mod paths;
mod schemas;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::hash::Hasher;
use std::sync::LazyLock;

use bytes::Bytes;
use rustc_hash::FxHasher;
use serde_json::{Map, Value, json};

use crate::table::{Kind, kinds};
use descriptions::Descriptions;
use schemas::Schemas;

/// Which version of OpenAPI a document is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flavour {
    Two,
    Three,
}

impl Flavour {
    /// Where documents keep schemas.
    fn reference(self, name: &str) -> Value {
        match self {
            Flavour::Two => json!({ "$ref": format!("#/definitions/{name}") }),
            Flavour::Three => json!({ "$ref": format!("#/components/schemas/{name}") }),
        }
    }
}

/// A document and a word that changes with it.
struct Document {
    bytes: Bytes,
    hash: String,
}

impl Document {
    fn new(bytes: Vec<u8>) -> Document {
        let mut hash = String::new();
        for seed in 0..2u8 {
            let mut hasher = FxHasher::default();
            hasher.write_u8(seed);
            hasher.write(&bytes);
            hash.push_str(&format!("{:016X}", hasher.finish()));
        }
        Document { bytes: Bytes::from(bytes), hash }
    }
}

/// The documents of version 3 by path, such as `apis/apps/v1`.
static THREE: LazyLock<BTreeMap<String, Document>> = LazyLock::new(|| {
    let descriptions = Descriptions::load();
    let mut groups: BTreeMap<String, Vec<&'static Kind>> = BTreeMap::new();
    for kind in kinds() {
        groups.entry(group_path(kind)).or_default().push(kind);
    }
    let documents = groups.into_iter().map(|(path, kinds)| {
        let document = three(&kinds, &descriptions);
        (path, Document::new(document.to_string().into_bytes()))
    });
    documents.collect()
});

static THREE_INDEX: LazyLock<Bytes> = LazyLock::new(|| {
    let paths: Map<String, Value> = THREE
        .iter()
        .map(|(path, document)| {
            (
                path.clone(),
                json!({ "serverRelativeURL": format!("/openapi/v3/{path}?hash={}", document.hash) }),
            )
        })
        .collect();
    Bytes::from(json!({ "paths": paths }).to_string())
});

/// Both forms of version 2, made together since one is made from the other.
static TWO: LazyLock<(Document, Document)> = LazyLock::new(|| {
    let document = two(&Descriptions::load());
    (Document::new(document.to_string().into_bytes()), Document::new(gnostic::encode(&document)))
});

/// The path of a group and version, such as `api/v1` or `apis/apps/v1`.
fn group_path(kind: &Kind) -> String {
    if kind.group.is_empty() {
        format!("api/{}", kind.version)
    } else {
        format!("apis/{}", kind.api_version())
    }
}

/// The answer to `/openapi/v3`: which documents there are, each with a path that changes with its contents.
pub fn openapi_v3_index() -> &'static Bytes {
    &THREE_INDEX
}

/// The document of version 3 of a group and version, such as `api/v1` or `apis/apps/v1`.
pub fn openapi_v3(group_version: &str) -> Option<&'static Bytes> {
    THREE.get(group_version).map(|document| &document.bytes)
}

/// The hash of a document of version 3, as the index gives it; an `ETag` for it.
pub fn openapi_v3_hash(group_version: &str) -> Option<&'static str> {
    THREE.get(group_version).map(|document| document.hash.as_str())
}

/// The document of version 2 as JSON.
pub fn openapi_v2_json() -> &'static Bytes {
    &TWO.0.bytes
}

/// The document of version 2 as protobuf.
///
/// Clients ask for it as `application/com.github.proto-openapi.spec.v2@v1.0+protobuf`, but cannot parse that as the type of
/// an answer (`@` may not be in one): the answer is an `application/com.github.proto-openapi.spec.v2.v1.0+protobuf`.
pub fn openapi_v2_protobuf() -> &'static Bytes {
    &TWO.1.bytes
}

/// A hash of the document of version 2, an `ETag` for both of its forms.
pub fn openapi_v2_hash() -> &'static str {
    &TWO.0.hash
}

fn information() -> Value {
    json!({ "title": "Meridian", "version": concat!("v", env!("CARGO_PKG_VERSION")) })
}

fn three(kinds: &[&'static Kind], descriptions: &Descriptions) -> Value {
    let mut schemas = Schemas::new(Flavour::Three, descriptions);
    let mut paths = Map::new();
    for kind in kinds {
        schemas.kind(kind);
        paths::add(Flavour::Three, kind, &mut paths);
    }
    json!({
        "openapi": "3.0.0",
        "info": information(),
        "paths": paths,
        "components": { "schemas": schemas.finish() },
    })
}

fn two(descriptions: &Descriptions) -> Value {
    let mut schemas = Schemas::new(Flavour::Two, descriptions);
    let mut paths = Map::new();
    for kind in kinds() {
        schemas.kind(kind);
        paths::add(Flavour::Two, kind, &mut paths);
    }
    json!({ "swagger": "2.0", "info": information(), "paths": paths, "definitions": schemas.finish() })
}
