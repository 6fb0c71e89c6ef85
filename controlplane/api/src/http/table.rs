//! Objects as rows of a table, or cut down to their metadata: written piece by piece, so that long lists are never whole
//! in memory.

use jiff::Timestamp;
use meridian_schema::{Kind, table_cells, table_columns};
use serde_json::{Value, json};

use super::negotiate::MetaVersion;
use super::query::{self, Query};
use crate::{Entry, Failure};

/// What each row carries of its object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Include {
    Nothing,
    Metadata,
    Object,
}

impl Include {
    /// As the parameter `includeObject` says.
    pub(super) fn from_query(query: &Query<'_>) -> Result<Self, Failure> {
        match query.text("includeObject") {
            None | Some("Metadata") => Ok(Self::Metadata),
            Some("None") => Ok(Self::Nothing),
            Some("Object") => Ok(Self::Object),
            Some(value) => Err(query::invalid("includeObject", value, "want None, Metadata or Object")),
        }
    }
}

/// How the objects of a kind become rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Columns<'a> {
    pub(super) kind: &'a Kind,
    pub(super) include: Include,
    /// Whether objects are of all tenants: each row begins with its tenant then.
    pub(super) across: bool,
    /// When ages are counted from.
    pub(super) now: Timestamp,
}

/// The metadata of a list.
#[derive(Debug, Clone, Default)]
pub(super) struct ListMeta {
    pub(super) resource_version: u64,
    pub(super) continue_token: Option<String>,
    pub(super) remaining: Option<u64>,
}

impl ListMeta {
    /// `"metadata":{...}`
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\"metadata\":{\"resourceVersion\":\"");
        out.extend_from_slice(self.resource_version.to_string().as_bytes());
        out.push(b'"');
        if let Some(token) = &self.continue_token {
            out.extend_from_slice(b",\"continue\":");
            write(out, &json!(token));
        }
        if let Some(remaining) = self.remaining {
            out.extend_from_slice(b",\"remainingItemCount\":");
            out.extend_from_slice(remaining.to_string().as_bytes());
        }
        out.push(b'}');
    }
}

/// Everything of a table up to its first row. Only the first table of a watch has column definitions.
pub(super) fn write_table_start(
    out: &mut Vec<u8>,
    version: MetaVersion,
    meta: &ListMeta,
    columns: Option<&Columns<'_>>,
) {
    out.extend_from_slice(b"{\"kind\":\"Table\",\"apiVersion\":\"");
    out.extend_from_slice(version.api_version().as_bytes());
    out.extend_from_slice(b"\",");
    meta.write(out);
    out.extend_from_slice(b",\"columnDefinitions\":");
    match columns {
        None => out.extend_from_slice(b"null"),
        Some(columns) => {
            let tenant = json!({
                "name": "Tenant",
                "type": "string",
                "format": "",
                "description": "The tenant that the object belongs to.",
                "priority": 0,
            });
            let definitions = table_columns(columns.kind).iter().map(|column| {
                json!({
                    "name": column.name,
                    "type": column.r#type,
                    "format": column.format,
                    "description": column.description,
                    "priority": column.priority,
                })
            });
            let definitions = columns.across.then_some(tenant).into_iter().chain(definitions).collect();
            write(out, &Value::Array(definitions));
        }
    }
    out.extend_from_slice(b",\"rows\":[");
}

/// One row.
pub(super) fn write_row(out: &mut Vec<u8>, version: MetaVersion, entry: &Entry, columns: &Columns<'_>) {
    let value = entry.value();
    write_cells(out, &value, entry.tenant.as_str(), columns);
    match columns.include {
        Include::Nothing => out.extend_from_slice(b"null"),
        Include::Metadata => write_metadata(out, &value, version.api_version(), "PartialObjectMetadata"),
        Include::Object => entry.write_json(out),
    }
    out.push(b'}');
}

/// The row of a bookmark, which has nothing but a resource version.
pub(super) fn write_bookmark_row(
    out: &mut Vec<u8>,
    version: MetaVersion,
    bookmark: &Value,
    columns: &Columns<'_>,
) {
    write_cells(out, bookmark, "", columns);
    match columns.include {
        Include::Object => write(out, bookmark),
        Include::Nothing | Include::Metadata => {
            write_metadata(out, bookmark, version.api_version(), "PartialObjectMetadata");
        }
    }
    out.push(b'}');
}

pub(super) fn write_table_end(out: &mut Vec<u8>) {
    out.extend_from_slice(b"]}");
}

/// An object cut down to its metadata.
pub(super) fn write_metadata(out: &mut Vec<u8>, value: &Value, api_version: &str, kind: &str) {
    out.extend_from_slice(b"{\"kind\":\"");
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(b"\",\"apiVersion\":\"");
    out.extend_from_slice(api_version.as_bytes());
    out.extend_from_slice(b"\",\"metadata\":");
    write(out, value.get("metadata").unwrap_or(&Value::Null));
    out.push(b'}');
}

/// `{"cells":[...],"object":`
fn write_cells(out: &mut Vec<u8>, value: &Value, tenant: &str, columns: &Columns<'_>) {
    out.extend_from_slice(b"{\"cells\":");
    let mut cells = table_cells(columns.kind, value, columns.now);
    if columns.across {
        cells.insert(0, json!(tenant));
    }
    write(out, &Value::Array(cells));
    out.extend_from_slice(b",\"object\":");
}

fn write(out: &mut Vec<u8>, value: &Value) {
    // A value whose keys are strings is always written, and memory does not refuse.
    drop(serde_json::to_writer(out, value));
}
