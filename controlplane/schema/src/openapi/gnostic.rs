//! The document of version 2 as protobuf, in the messages of gnostic (`openapi.v2.Document`), which older clients ask for.
//!
//! Only what our documents contain is written. The numbers are those of the published interface.

use serde_json::{Map, Value};

/// A message as it is written.
#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }

    fn bytes(&mut self, number: u64, bytes: &[u8]) {
        self.varint(number << 3 | 2);
        self.varint(bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
    }

    fn message(&mut self, number: u64, message: Writer) {
        self.bytes(number, &message.bytes);
    }

    fn boolean(&mut self, number: u64, value: Option<&Value>) {
        if value.and_then(Value::as_bool) == Some(true) {
            self.varint(number << 3);
            self.varint(1);
        }
    }

    fn text(&mut self, number: u64, value: Option<&Value>) {
        if let Some(text) = value.and_then(Value::as_str) {
            self.bytes(number, text.as_bytes());
        }
    }

    fn texts(&mut self, number: u64, values: Option<&Value>) {
        for value in values.and_then(Value::as_array).into_iter().flatten() {
            self.text(number, Some(value));
        }
    }

    /// A pair of a name and a message.
    fn named(&mut self, number: u64, name: &str, message: Writer) {
        let mut pair = Writer::default();
        pair.bytes(1, name.as_bytes());
        pair.message(2, message);
        self.message(number, pair);
    }

    /// Whatever begins with `x-`, each as YAML (which JSON is).
    fn extensions(&mut self, number: u64, object: &Map<String, Value>) {
        for (name, value) in object.iter().filter(|(name, _)| name.starts_with("x-")) {
            self.named(number, name, any(value));
        }
    }
}

fn any(value: &Value) -> Writer {
    let mut any = Writer::default();
    any.bytes(2, value.to_string().as_bytes());
    any
}

fn entries(value: Option<&Value>) -> impl Iterator<Item = (&String, &Map<String, Value>)> {
    let entries = value.and_then(Value::as_object).into_iter().flatten();
    entries.filter_map(|(name, value)| value.as_object().map(|value| (name, value)))
}

/// The document's protobuf.
pub(super) fn encode(document: &Value) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.text(1, document.get("swagger"));
    let information = document.get("info");
    let mut info = Writer::default();
    info.text(1, information.and_then(|info| info.get("title")));
    info.text(2, information.and_then(|info| info.get("version")));
    writer.message(2, info);
    let mut paths = Writer::default();
    for (path, item) in entries(document.get("paths")) {
        paths.named(2, path, path_item(item));
    }
    writer.message(8, paths);
    let mut definitions = Writer::default();
    for (name, definition) in entries(document.get("definitions")) {
        definitions.named(1, name, schema(definition));
    }
    writer.message(9, definitions);
    writer.bytes
}

fn path_item(item: &Map<String, Value>) -> Writer {
    let mut writer = Writer::default();
    for (method, number) in [("get", 2), ("put", 3), ("post", 4), ("delete", 5), ("patch", 8)] {
        if let Some(Value::Object(described)) = item.get(method) {
            writer.message(number, operation(described));
        }
    }
    parameters(&mut writer, 9, item.get("parameters"));
    writer
}

fn operation(operation: &Map<String, Value>) -> Writer {
    let mut writer = Writer::default();
    writer.texts(1, operation.get("tags"));
    writer.text(5, operation.get("operationId"));
    writer.texts(6, operation.get("produces"));
    writer.texts(7, operation.get("consumes"));
    parameters(&mut writer, 8, operation.get("parameters"));
    let mut responses = Writer::default();
    for (status, response) in entries(operation.get("responses")) {
        let mut described = Writer::default();
        described.text(1, response.get("description"));
        if let Some(Value::Object(of)) = response.get("schema") {
            let mut item = Writer::default();
            item.message(1, schema(of));
            described.message(2, item);
        }
        let mut value = Writer::default();
        value.message(1, described);
        responses.named(1, status, value);
    }
    writer.message(9, responses);
    writer.extensions(13, operation);
    writer
}

fn parameters(writer: &mut Writer, number: u64, parameters: Option<&Value>) {
    for parameter in parameters.and_then(Value::as_array).into_iter().flatten() {
        let mut fields = Writer::default();
        let mut chosen = Writer::default();
        if parameter.get("in").is_some_and(|place| place == "body") {
            fields.text(2, parameter.get("name"));
            fields.text(3, parameter.get("in"));
            fields.boolean(4, parameter.get("required"));
            if let Some(Value::Object(of)) = parameter.get("schema") {
                fields.message(5, schema(of));
            }
            chosen.message(1, fields);
        } else {
            let path = parameter.get("in").is_some_and(|place| place == "path");
            fields.boolean(1, parameter.get("required"));
            fields.text(2, parameter.get("in"));
            fields.text(3, parameter.get("description"));
            fields.text(4, parameter.get("name"));
            // A query parameter has one more field before its type.
            fields.text(if path { 5 } else { 6 }, parameter.get("type"));
            fields.boolean(if path { 19 } else { 20 }, parameter.get("uniqueItems"));
            let mut place = Writer::default();
            place.message(if path { 4 } else { 3 }, fields);
            chosen.message(2, place);
        }
        let mut item = Writer::default();
        item.message(1, chosen);
        writer.message(number, item);
    }
}

fn schema(schema_of: &Map<String, Value>) -> Writer {
    let mut writer = Writer::default();
    writer.text(1, schema_of.get("$ref"));
    writer.text(2, schema_of.get("format"));
    writer.text(4, schema_of.get("description"));
    if let Some(default) = schema_of.get("default") {
        writer.message(5, any(default));
    }
    writer.texts(19, schema_of.get("required"));
    if let Some(Value::Object(of)) = schema_of.get("additionalProperties") {
        let mut item = Writer::default();
        item.message(1, schema(of));
        writer.message(21, item);
    }
    if let Some(of) = schema_of.get("type") {
        let mut item = Writer::default();
        item.text(1, Some(of));
        writer.message(22, item);
    }
    if let Some(Value::Object(of)) = schema_of.get("items") {
        let mut items = Writer::default();
        items.message(1, schema(of));
        writer.message(23, items);
    }
    if schema_of.contains_key("properties") {
        let mut properties = Writer::default();
        for (name, of) in entries(schema_of.get("properties")) {
            properties.named(1, name, schema(of));
        }
        writer.message(25, properties);
    }
    writer.extensions(31, schema_of);
    writer
}
