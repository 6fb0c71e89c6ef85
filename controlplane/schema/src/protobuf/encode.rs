//! The other way, for tests: objects into protobuf by the same table, as a client in Go would write them.

use serde_json::{Map, Value};

use crate::table::{Message, Numbered, Type, table};

pub(super) fn tag(out: &mut Vec<u8>, number: u32, wire: u8) {
    varint(out, u64::from(number) << 3 | u64::from(wire));
}

pub(super) fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

pub(super) fn bytes(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    tag(out, number, 2);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(super) fn number(out: &mut Vec<u8>, field: u32, value: i64) {
    tag(out, field, 0);
    varint(out, value as u64);
}

/// A whole body.
pub(super) fn body(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
    let (mut types, mut out) = (Vec::new(), b"k8s\0".to_vec());
    bytes(&mut types, 1, api_version.as_bytes());
    bytes(&mut types, 2, kind.as_bytes());
    bytes(&mut out, 1, &types);
    bytes(&mut out, 2, raw);
    bytes(&mut out, 3, b"");
    bytes(&mut out, 4, b"");
    out
}

/// The fields of an object. Plain text, numbers and flags that are not set are written too, as Go does.
pub(super) fn message(message: &'static Message, object: &Map<String, Value>) -> Vec<u8> {
    let mut out = Vec::new();
    for (number, numbered) in &message.by_number {
        match numbered {
            Numbered::Inline(id) => bytes(&mut out, *number, &self::message(table().message(*id), object)),
            Numbered::Field(place) => {
                let field = &message.fields[usize::from(*place)];
                match object.get(field.name) {
                    Some(given) => value(&mut out, *number, &field.value, given),
                    None if field.optional_pointer => {}
                    None => match field.value {
                        Type::String => bytes(&mut out, *number, b""),
                        Type::Boolean | Type::Int32 | Type::Int64 => self::number(&mut out, *number, 0),
                        Type::Time => bytes(&mut out, *number, b""),
                        _ => {}
                    },
                }
            }
        }
    }
    out
}

fn value(out: &mut Vec<u8>, field: u32, of: &Type, given: &Value) {
    let text = given.as_str().unwrap_or_default();
    match of {
        Type::String => bytes(out, field, text.as_bytes()),
        Type::Boolean => number(out, field, i64::from(given == &Value::Bool(true))),
        Type::Int32 | Type::Int64 => number(out, field, given.as_i64().expect("a number")),
        Type::Bytes => bytes(out, field, &base64_decode(text)),
        Type::Quantity => {
            let mut inner = Vec::new();
            bytes(&mut inner, 1, text.as_bytes());
            bytes(out, field, &inner);
        }
        Type::IntOrString => {
            let mut inner = Vec::new();
            number(&mut inner, 1, i64::from(given.is_string()));
            number(&mut inner, 2, given.as_i64().unwrap_or(0));
            bytes(&mut inner, 3, text.as_bytes());
            bytes(out, field, &inner);
        }
        Type::Time | Type::MicroTime => {
            let time: jiff::Timestamp = text.parse().expect("a time");
            let mut inner = Vec::new();
            number(&mut inner, 1, time.as_second());
            number(&mut inner, 2, i64::from(time.subsec_nanosecond()));
            bytes(out, field, &inner);
        }
        Type::Object => {
            let mut inner = Vec::new();
            bytes(&mut inner, 1, given.to_string().as_bytes());
            bytes(out, field, &inner);
        }
        Type::Message(id) => {
            bytes(out, field, &message(table().message(*id), given.as_object().expect("an object")));
        }
        Type::List(element) => {
            for given in given.as_array().expect("a list") {
                value(out, field, element, given);
            }
        }
        Type::Map(inner) => {
            for (key, given) in given.as_object().expect("a map") {
                let mut entry = Vec::new();
                bytes(&mut entry, 1, key.as_bytes());
                value(&mut entry, 2, inner, given);
                bytes(out, field, &entry);
            }
        }
    }
}

fn base64_decode(text: &str) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b'=').map(digit).collect();
    let mut out = Vec::new();
    for chunk in digits.chunks(4) {
        let bits = chunk
            .iter()
            .enumerate()
            .fold(0u32, |bits, (at, digit)| bits | u32::from(*digit) << (18 - 6 * at));
        out.extend(&bits.to_be_bytes()[1..chunk.len()]);
    }
    out
}
