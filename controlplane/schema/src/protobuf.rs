//! Bodies in protobuf (`application/vnd.kubernetes.protobuf`), as `kubectl create` and programs in Go send them.
//!
//! Such a body is the four bytes `k8s\0` and a `runtime.Unknown`, which names a type and carries the object's bytes.
//! The bytes are read along the table. Go writes every field that is no pointer, set or not, so what says nothing is
//! left away as in JSON. Nothing is reserved for what a length promises: memory grows with what is really there.

mod reader;
mod special;

#[cfg(test)]
mod encode;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

use crate::decode::{DecodeError, MAX_DEPTH, Path, kept};
use crate::table::{Message, MessageRef, Numbered, Type, message_named, table};
use reader::{Reader, WireValue};

/// What every body in protobuf begins with.
const MAGIC: &[u8] = b"k8s\0";

/// What a body says of its type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TypeMeta {
    /// `apiVersion`, such as `apps/v1`.
    pub api_version: String,
    /// `kind`, such as `Deployment`.
    pub kind: String,
}

/// Reads a body in protobuf: an object of any kind, or a body such as `DeleteOptions` or `Eviction`.
pub fn decode_protobuf(body: &[u8]) -> Result<(TypeMeta, Value), DecodeError> {
    let envelope = |problem: String| DecodeError::NotProtobuf {
        message: "runtime.Unknown".to_owned(),
        path: String::new(),
        problem,
    };
    let Some(unknown) = body.strip_prefix(MAGIC) else {
        return Err(envelope("it does not start with the bytes \"k8s\\0\"".to_owned()));
    };
    let (types, raw) = read_unknown(unknown).map_err(envelope)?;
    let Some(message) = message_named(&types.api_version, &types.kind) else {
        return Err(DecodeError::UnknownKind { api_version: types.api_version, kind: types.kind });
    };
    let mut object = Map::new();
    Decoder { top: message }.fields(message, raw, &mut object, &Path::ROOT, 0)?;
    for (name, value) in [("apiVersion", &types.api_version), ("kind", &types.kind)] {
        if message.place(name).is_some() {
            object.insert(name.to_owned(), Value::String(value.clone()));
        }
    }
    Ok((types, Value::Object(object)))
}

/// The type and the bytes of the object.
fn read_unknown(bytes: &[u8]) -> Result<(TypeMeta, &[u8]), String> {
    let mut types = TypeMeta::default();
    let mut raw: &[u8] = &[];
    let mut reader = Reader::new(bytes);
    while let Some((number, value)) = reader.next()? {
        match (number, value) {
            (1, WireValue::Bytes(bytes)) => {
                let mut reader = Reader::new(bytes);
                while let Some((number, value)) = reader.next()? {
                    match number {
                        1 => types.api_version = value.text()?.to_owned(),
                        2 => types.kind = value.text()?.to_owned(),
                        _ => {}
                    }
                }
            }
            (2, value) => raw = value.bytes()?,
            (3, value) if !value.bytes()?.is_empty() => {
                return Err("its content is encoded, want it plain".to_owned());
            }
            (4, value) => match value.text()? {
                "" | "application/vnd.kubernetes.protobuf" => {}
                other => {
                    return Err(format!(
                        "its content is {other:?}, want application/vnd.kubernetes.protobuf"
                    ));
                }
            },
            _ => {}
        }
    }
    Ok((types, raw))
}

/// One reading of an object.
struct Decoder {
    top: MessageRef,
}

impl Decoder {
    #[cold]
    fn error(&self, path: &Path<'_>, problem: String) -> DecodeError {
        DecodeError::NotProtobuf { message: self.top.name.to_owned(), path: path.to_string(), problem }
    }

    /// Reads the fields of a message into an object. A message that comes twice adds to what is there.
    fn fields(
        &self,
        message: &'static Message,
        bytes: &[u8],
        object: &mut Map<String, Value>,
        path: &Path<'_>,
        depth: usize,
    ) -> Result<(), DecodeError> {
        if depth > MAX_DEPTH {
            return Err(DecodeError::TooDeep { path: path.to_string(), limit: MAX_DEPTH });
        }
        let mut reader = Reader::new(bytes);
        while let Some((number, wire)) = reader.next().map_err(|problem| self.error(path, problem))? {
            match message.numbered(number) {
                // A field that a newer client knows.
                None => {}
                Some(Numbered::Inline(id)) => {
                    let bytes = wire.bytes().map_err(|problem| self.error(path, problem))?;
                    self.fields(table().message(id), bytes, object, path, depth + 1)?;
                }
                Some(Numbered::Field(place)) => {
                    let field = &message.fields[usize::from(place)];
                    let path = path.name(field.name);
                    match &field.value {
                        Type::List(element) => {
                            if let Value::Array(list) =
                                object.entry(field.name).or_insert_with(|| Value::Array(Vec::new()))
                            {
                                self.elements(element, wire, list, &path, depth)?;
                            }
                        }
                        Type::Map(value) => {
                            if let Value::Object(map) =
                                object.entry(field.name).or_insert_with(|| Value::Object(Map::new()))
                            {
                                self.entry(value, wire, map, &path, depth)?;
                            }
                        }
                        Type::Message(id) => {
                            let bytes = wire.bytes().map_err(|problem| self.error(&path, problem))?;
                            if let Value::Object(inner) =
                                object.entry(field.name).or_insert_with(|| Value::Object(Map::new()))
                            {
                                self.fields(table().message(*id), bytes, inner, &path, depth + 1)?;
                            }
                        }
                        value => {
                            match self.scalar(value, wire, &path)? {
                                Some(value) if kept(field, &value) => {
                                    object.insert(field.name.to_owned(), value)
                                }
                                _ => object.remove(field.name),
                            };
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn elements(
        &self,
        element: &Type,
        wire: WireValue<'_>,
        list: &mut Vec<Value>,
        path: &Path<'_>,
        depth: usize,
    ) -> Result<(), DecodeError> {
        let path = path.index(list.len());
        if let (Type::Int32 | Type::Int64 | Type::Boolean, WireValue::Bytes(packed)) = (element, &wire) {
            let mut reader = Reader::new(packed);
            while let Some(number) = reader.packed().map_err(|problem| self.error(&path, problem))? {
                list.extend(self.scalar(element, WireValue::Number(number), &path)?);
            }
            return Ok(());
        }
        list.push(self.value(element, wire, &path, depth)?);
        Ok(())
    }

    fn entry(
        &self,
        value_type: &Type,
        wire: WireValue<'_>,
        map: &mut Map<String, Value>,
        path: &Path<'_>,
        depth: usize,
    ) -> Result<(), DecodeError> {
        let bytes = wire.bytes().map_err(|problem| self.error(path, problem))?;
        let mut reader = Reader::new(bytes);
        let (mut key, mut value) = ("", WireValue::Bytes(&[]));
        while let Some((number, wire)) = reader.next().map_err(|problem| self.error(path, problem))? {
            match number {
                1 => key = wire.text().map_err(|problem| self.error(path, problem))?,
                2 => value = wire,
                _ => {}
            }
        }
        let value = self.value(value_type, value, &path.name(key), depth)?;
        map.insert(key.to_owned(), value);
        Ok(())
    }

    /// A value in a list or a map, where nothing can be absent.
    fn value(
        &self,
        value: &Type,
        wire: WireValue<'_>,
        path: &Path<'_>,
        depth: usize,
    ) -> Result<Value, DecodeError> {
        match value {
            Type::Message(id) => {
                let bytes = wire.bytes().map_err(|problem| self.error(path, problem))?;
                let mut object = Map::new();
                self.fields(table().message(*id), bytes, &mut object, path, depth + 1)?;
                Ok(Value::Object(object))
            }
            Type::List(_) | Type::Map(_) => Err(self.error(path, "a list in a list".to_owned())),
            scalar => Ok(self.scalar(scalar, wire, path)?.unwrap_or(Value::Null)),
        }
    }

    /// `None` if nothing is set.
    fn scalar(
        &self,
        value: &Type,
        wire: WireValue<'_>,
        path: &Path<'_>,
    ) -> Result<Option<Value>, DecodeError> {
        special::scalar(value, wire).map_err(|problem| self.error(path, problem))
    }
}
