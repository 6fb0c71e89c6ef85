//! Values that protobuf has otherwise than JSON.

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::Value;

use super::reader::{Reader, WireValue};
use crate::base64;
use crate::decode::{check_quantity, format_time};
use crate::table::Type;

/// A value that is no list, map or message of the table; `None` if it says that nothing is set.
pub(super) fn scalar(value: &Type, wire: WireValue<'_>) -> Result<Option<Value>, String> {
    Ok(Some(match value {
        Type::String => Value::String(wire.text()?.to_owned()),
        Type::Boolean => Value::Bool(wire.number()? != 0),
        // Negative numbers are written with all 64 bits; protobuf cuts what a field cannot hold.
        Type::Int32 => Value::from(wire.number()? as i32),
        Type::Int64 => Value::from(wire.number()? as i64),
        Type::Bytes => Value::String(base64::encode(wire.bytes()?)),
        Type::Quantity => return quantity(wire.bytes()?).map(Some),
        Type::IntOrString => return int_or_string(wire.bytes()?).map(Some),
        Type::Time => return time(wire.bytes()?, false),
        Type::MicroTime => return time(wire.bytes()?, true),
        Type::Object => return raw(wire.bytes()?),
        Type::List(_) | Type::Map(_) | Type::Message(_) => return Ok(None),
    }))
}

/// A message with the text.
fn quantity(bytes: &[u8]) -> Result<Value, String> {
    let mut text = "";
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.next()? {
        if number == 1 {
            text = wire.text()?;
        }
    }
    if text.is_empty() {
        return Ok(Value::String("0".to_owned()));
    }
    check_quantity(text).map(|text: Cow<'_, str>| Value::String(text.into_owned()))
}

/// A message with what it is (0 a number, 1 text), the number and the text.
fn int_or_string(bytes: &[u8]) -> Result<Value, String> {
    let (mut kind, mut number, mut text) = (0, 0, "");
    let mut reader = Reader::new(bytes);
    while let Some((field, wire)) = reader.next()? {
        match field {
            1 => kind = wire.number()?,
            2 => number = wire.number()? as i32,
            3 => text = wire.text()?,
            _ => {}
        }
    }
    match kind {
        0 => Ok(Value::from(number)),
        1 => Ok(Value::String(text.to_owned())),
        other => Err(format!("got the type {other}, want 0 (a number) or 1 (text)")),
    }
}

/// A message with seconds and nanoseconds; an empty one is the time that is not set.
fn time(bytes: &[u8], micro: bool) -> Result<Option<Value>, String> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let (mut seconds, mut nanoseconds) = (0, 0);
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.next()? {
        match number {
            1 => seconds = wire.number()? as i64,
            2 => nanoseconds = wire.number()? as i32,
            _ => {}
        }
    }
    let time = Timestamp::new(seconds, if micro { nanoseconds } else { 0 }).ok();
    match time.and_then(|time| format_time(time, micro)) {
        Some(text) => Ok(Some(Value::String(text))),
        None => Err(format!("{seconds} s and {nanoseconds} ns are no time between the years 0 and 9999")),
    }
}

/// A message with JSON in it.
fn raw(bytes: &[u8]) -> Result<Option<Value>, String> {
    let mut json: &[u8] = &[];
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.next()? {
        if number == 1 {
            json = wire.bytes()?;
        }
    }
    if json.is_empty() {
        return Ok(None);
    }
    match serde_json::from_slice(json) {
        Ok(Value::Object(map)) => Ok(Some(Value::Object(map))),
        Ok(Value::Null) => Ok(None),
        Ok(_) => Err("got JSON that is no object".to_owned()),
        Err(error) => Err(format!("got text that is not JSON: {error}")),
    }
}
