//! The schema table of the API: decoding, defaulting, validation, OpenAPI, protobuf and tables.
//!
//! One table (the text files in `table/`) says of every message which fields it has: JSON name, protobuf number, type,
//! and what is published about it (required, default, merge key, list type, ...). Everything here walks that table over
//! `serde_json::Value`; there is no Rust type for a kind. Adding a kind is adding lines to the table.

mod base64;
mod columns;
mod decode;
mod defaults;
mod openapi;
mod patch;
mod protobuf;
mod read;
mod rules;
#[cfg(test)]
mod sample;
mod selector;
mod table;
mod validation;

pub use columns::{Column, table_cells, table_columns};
pub use decode::{
    DecodeError, Decoded, FieldValidation, decode_json, decode_plain_json, decode_value, decode_yaml,
};
pub use defaults::{admit_pod, apply_defaults, apply_message_defaults, initial_status, qos_class};
pub use openapi::{
    openapi_v2_hash, openapi_v2_json, openapi_v2_protobuf, openapi_v3, openapi_v3_hash, openapi_v3_index,
};
pub use patch::{PatchError, strategic_merge_patch, strategic_merge_patch_of};
pub use protobuf::{TypeMeta, decode_protobuf};
pub use selector::{FieldSelector, LabelSelector, Labels, SelectorError};
pub use table::{
    Field, Home, Kind, ListType, Message, MessageId, MessageRef, PatchStrategy, Subresource, Type,
    config_map, deployment, event, kind, kind_named, kinds, lease, message, message_named, namespace, node,
    pod, pod_disruption_budget, pod_group, priority_class, replica_set, secret, service_account,
};
pub use validation::{
    Cause, CauseReason, validate_generate_name, validate_message, validate_name, validate_new,
    validate_pod_status, validate_status_update, validate_update,
};
