//! Schemas of messages.

use serde_json::{Map, Value, json};

use super::Flavour;
use super::descriptions::Descriptions;
use crate::table::{Field, Kind, ListType, Message, MessageRef, Type, kinds, message_named};

/// Names of the types that have no fields.
const QUANTITY: &str = "io.k8s.apimachinery.pkg.api.resource.Quantity";
const INT_OR_STRING: &str = "io.k8s.apimachinery.pkg.util.intstr.IntOrString";
const TIME: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Time";
const MICRO_TIME: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime";
const FIELDS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1";

/// The schemas of a document as they are gathered.
pub(super) struct Schemas<'d> {
    flavour: Flavour,
    descriptions: &'d Descriptions,
    schemas: Map<String, Value>,
}

impl<'d> Schemas<'d> {
    pub(super) fn new(flavour: Flavour, descriptions: &'d Descriptions) -> Schemas<'d> {
        Schemas { flavour, descriptions, schemas: Map::new() }
    }

    pub(super) fn finish(self) -> Map<String, Value> {
        self.schemas
    }

    /// Adds everything that requests about a kind carry.
    pub(super) fn kind(&mut self, kind: &'static Kind) {
        self.message(kind.message());
        self.list(kind);
        for subresource in kind.subresources {
            self.message(subresource.message());
        }
        for name in ["DeleteOptions", "Status"] {
            if let Some(message) = message_named(kind.api_version(), name) {
                self.message(message);
            }
        }
    }

    fn message(&mut self, message: MessageRef) {
        if self.schemas.contains_key(message.name) {
            return;
        }
        // Held against messages that contain themselves.
        self.schemas.insert(message.name.to_owned(), Value::Null);
        let mut properties = Map::new();
        let mut required = Vec::new();
        for field in &message.fields {
            properties.insert(field.name.to_owned(), self.field(message, field));
            if field.required {
                required.push(field.name);
            }
        }
        let mut schema = Map::new();
        self.describe(&mut schema, message.name, "");
        schema.insert("type".to_owned(), json!("object"));
        schema.insert("properties".to_owned(), Value::Object(properties));
        if !required.is_empty() {
            schema.insert("required".to_owned(), json!(required));
        }
        if message.atomic {
            schema.insert("x-kubernetes-map-type".to_owned(), json!("atomic"));
        }
        let named = group_version_kinds(message);
        if !named.is_empty() {
            schema.insert("x-kubernetes-group-version-kind".to_owned(), Value::Array(named));
        }
        self.schemas.insert(message.name.to_owned(), Value::Object(schema));
    }

    /// The list of a kind is a kind of its own.
    fn list(&mut self, kind: &'static Kind) {
        let message = kind.message();
        if let Some(Type::Message(_)) = message.field("metadata").map(|field| &field.value)
            && let Some(metadata) = crate::table::message("io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta")
        {
            self.message(metadata);
            let mut properties = Map::new();
            for name in ["apiVersion", "kind"] {
                if let Some(field) = message.field(name) {
                    properties.insert(name.to_owned(), self.field(message, field));
                }
            }
            let items = json!({ "type": "array", "items": self.flavour.reference(message.name),
                "description": format!("The objects of kind {}.", kind.kind) });
            properties.insert("items".to_owned(), items);
            properties.insert("metadata".to_owned(), self.flavour.reference(metadata.name));
            let schema = json!({
                "description": format!("{}List is a list of objects of kind {}.", kind.kind, kind.kind),
                "type": "object",
                "properties": properties,
                "required": ["items"],
                "x-kubernetes-group-version-kind": [
                    { "group": kind.group, "version": kind.version, "kind": format!("{}List", kind.kind) },
                ],
            });
            self.schemas.insert(format!("{}List", message.name), schema);
        }
    }

    fn describe(&self, schema: &mut Map<String, Value>, message: &str, field: &str) {
        let said = if field.is_empty() {
            self.descriptions.message(message)
        } else {
            self.descriptions.field(message, field)
        };
        if let Some(said) = said {
            schema.insert("description".to_owned(), json!(said));
        }
    }

    fn field(&mut self, message: &Message, field: &'static Field) -> Value {
        let value = self.value(&field.value);
        let mut schema = match (self.flavour, value) {
            // In version 3, what stands beside a reference is not read.
            (Flavour::Three, Value::Object(value)) if value.contains_key("$ref") => {
                Map::from_iter([("allOf".to_owned(), json!([value]))])
            }
            (_, Value::Object(value)) => value,
            (_, _) => Map::new(),
        };
        self.describe(&mut schema, message.name, field.name);
        if let Some(default) = field.default {
            schema.insert("default".to_owned(), default_value(field, default));
        }
        if self.flavour == Flavour::Three && !field.enumeration.is_empty() {
            schema.insert("enum".to_owned(), json!(field.enumeration));
        }
        let list_type = match field.list_type {
            None => None,
            Some(ListType::Atomic) => Some("atomic"),
            Some(ListType::Set) => Some("set"),
            Some(ListType::Map) => Some("map"),
        };
        if let Some(list_type) = list_type {
            schema.insert("x-kubernetes-list-type".to_owned(), json!(list_type));
        }
        if !field.list_keys.is_empty() {
            schema.insert("x-kubernetes-list-map-keys".to_owned(), json!(field.list_keys));
        }
        if let Some(key) = field.merge_key {
            schema.insert("x-kubernetes-patch-merge-key".to_owned(), json!(key));
        }
        let strategies = match (field.patch_strategy.merge, field.patch_strategy.retain_keys) {
            (false, false) => field.patch_strategy.replace.then_some("replace"),
            (true, false) => Some("merge"),
            (false, true) => Some("retainKeys"),
            (true, true) => Some("merge,retainKeys"),
        };
        if let Some(strategies) = strategies {
            schema.insert("x-kubernetes-patch-strategy".to_owned(), json!(strategies));
        }
        Value::Object(schema)
    }

    fn value(&mut self, value: &'static Type) -> Value {
        match value {
            Type::String => json!({ "type": "string" }),
            Type::Boolean => json!({ "type": "boolean" }),
            Type::Int32 => json!({ "type": "integer", "format": "int32" }),
            Type::Int64 => json!({ "type": "integer", "format": "int64" }),
            Type::Bytes => json!({ "type": "string", "format": "byte" }),
            Type::Quantity => {
                let three = json!({ "oneOf": [{ "type": "string" }, { "type": "number" }] });
                self.plain(QUANTITY, json!({ "type": "string" }), three)
            }
            Type::IntOrString => {
                let two = json!({ "type": "string", "format": "int-or-string" });
                let three = json!({ "oneOf": [{ "type": "integer" }, { "type": "string" }], "format": "int-or-string" });
                self.plain(INT_OR_STRING, two, three)
            }
            Type::Time => {
                let time = json!({ "type": "string", "format": "date-time" });
                self.plain(TIME, time.clone(), time)
            }
            Type::MicroTime => {
                let time = json!({ "type": "string", "format": "date-time" });
                self.plain(MICRO_TIME, time.clone(), time)
            }
            Type::Object => self.plain(FIELDS, json!({ "type": "object" }), json!({ "type": "object" })),
            Type::Message(_) => match value.message() {
                Some(message) => {
                    self.message(message);
                    self.flavour.reference(message.name)
                }
                None => json!({}),
            },
            Type::List(element) => json!({ "type": "array", "items": self.value(element) }),
            Type::Map(value) => json!({ "type": "object", "additionalProperties": self.value(value) }),
        }
    }

    /// A type without fields, which has a schema of its own all the same.
    fn plain(&mut self, name: &str, two: Value, three: Value) -> Value {
        if !self.schemas.contains_key(name) {
            let mut schema = match (self.flavour, two, three) {
                (Flavour::Two, Value::Object(schema), _) | (Flavour::Three, _, Value::Object(schema)) => {
                    schema
                }
                _ => Map::new(),
            };
            self.describe(&mut schema, name, "");
            self.schemas.insert(name.to_owned(), Value::Object(schema));
        }
        self.flavour.reference(name)
    }
}

/// The default of a field as JSON; the table has text bare.
fn default_value(field: &Field, default: &str) -> Value {
    match field.value {
        Type::String | Type::Quantity | Type::IntOrString => json!(default),
        _ => serde_json::from_str(default).unwrap_or_else(|_| json!(default)),
    }
}

/// The names under which bodies are of this message.
fn group_version_kinds(message: MessageRef) -> Vec<Value> {
    let mut named: Vec<(&str, &str, &str)> = Vec::new();
    for kind in kinds() {
        if kind.message() == message {
            named.push((kind.group, kind.version, kind.kind));
        }
        // Every group takes options in its own name.
        if message.short_name() == "DeleteOptions" {
            named.push((kind.group, kind.version, "DeleteOptions"));
        }
        for subresource in kind.subresources {
            if subresource.message() == message {
                named.push((subresource.group, subresource.version, subresource.kind));
            }
        }
    }
    if message.short_name() == "Status" && message.place("apiVersion").is_some() {
        named.push(("", "v1", "Status"));
    }
    named.sort_unstable();
    named.dedup();
    let objects = named
        .into_iter()
        .map(|(group, version, kind)| json!({ "group": group, "version": version, "kind": kind }));
    objects.collect()
}
