//! The walk along the table.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::path::Path;
use super::{DecodeError, Decoded, FieldValidation, MAX_DEPTH, canonical_time, check_quantity};
use crate::base64;
use crate::table::{Field, Message, Type, table};

/// How many unknown or repeated fields are listed; more are only counted as one more line.
const MAX_FINDINGS: usize = 64;

/// How much of a text is shown in an error.
const SHOWN: usize = 64;

/// What one walk gathers.
pub(crate) struct Walk {
    validation: FieldValidation,
    findings: Vec<String>,
    /// Set when the walk fails; the error that serde carries is then of no interest.
    error: Option<DecodeError>,
}

impl Walk {
    pub(crate) fn new(validation: FieldValidation) -> Walk {
        Walk { validation, findings: Vec::new(), error: None }
    }

    pub(crate) fn fail(&mut self, error: DecodeError) {
        self.error.get_or_insert(error);
    }

    pub(crate) fn take_error(&mut self) -> Option<DecodeError> {
        self.error.take()
    }

    /// What the validation makes of the findings.
    pub(crate) fn finish(self, object: Value) -> Result<Decoded, DecodeError> {
        match self.validation {
            FieldValidation::Strict if !self.findings.is_empty() => Err(DecodeError::Strict(self.findings)),
            _ => Ok(Decoded { object, warnings: self.findings }),
        }
    }

    fn find(&mut self, what: &str, path: &Path<'_>) {
        if self.validation == FieldValidation::Ignore || self.findings.len() > MAX_FINDINGS {
            return;
        }
        if self.findings.len() == MAX_FINDINGS {
            self.findings.push("and more".to_owned());
            return;
        }
        let finding = format!("{what} field \"{path}\"");
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }
}

/// One value to be read. `None` comes out for `null`.
pub(crate) struct Seed<'w, 'p> {
    pub(crate) walk: &'w mut Walk,
    pub(crate) value: &'w Type,
    pub(crate) path: &'p Path<'p>,
}

impl Seed<'_, '_> {
    fn want(&self) -> &'static str {
        match self.value {
            Type::String => "text",
            Type::Boolean => "true or false",
            Type::Int32 => "a whole number of 32 bits",
            Type::Int64 => "a whole number of 64 bits",
            Type::Bytes => "text in base64",
            Type::Quantity => "a quantity such as \"500m\" or \"2Gi\"",
            Type::IntOrString => "a whole number of 32 bits or text",
            Type::Time | Type::MicroTime => "a time such as \"2006-01-02T15:04:05Z\"",
            Type::Object | Type::Message(_) | Type::Map(_) => "an object",
            Type::List(_) => "a list",
        }
    }

    #[cold]
    fn wrong<E: Error>(self, got: impl Into<String>) -> E {
        let want = self.want();
        self.walk.fail(DecodeError::WrongType { path: self.path.to_string(), got: got.into(), want });
        E::custom("wrong type")
    }

    #[cold]
    fn bad<E: Error>(self, problem: String) -> E {
        self.walk.fail(DecodeError::BadValue { path: self.path.to_string(), problem });
        E::custom("bad value")
    }

    fn text<E: Error>(self, text: Cow<'_, str>) -> Result<Option<Value>, E> {
        Ok(Some(Value::String(match self.value {
            Type::String | Type::IntOrString => text.into_owned(),
            Type::Quantity => match check_quantity(&text) {
                Ok(quantity) => quantity.into_owned(),
                Err(problem) => return Err(self.bad(problem)),
            },
            Type::Bytes => match base64::decoded_length(&text) {
                Ok(_) => text.into_owned(),
                Err(problem) => return Err(self.bad(problem)),
            },
            Type::Time | Type::MicroTime => match canonical_time(text, matches!(self.value, Type::MicroTime))
            {
                Ok(time) => time,
                Err(problem) => return Err(self.bad(problem)),
            },
            _ => return Err(self.wrong(format!("a string {}", shown(&text)))),
        })))
    }

    fn whole<E: Error>(self, number: i64) -> Result<Option<Value>, E> {
        match self.value {
            Type::Int64 => Ok(Some(Value::from(number))),
            Type::Int32 | Type::IntOrString if i32::try_from(number).is_ok() => Ok(Some(Value::from(number))),
            Type::Quantity => self.text(Cow::Owned(number.to_string())),
            _ => Err(self.wrong(format!("the number {number}"))),
        }
    }
}

/// A text as an error shows it.
pub(super) fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}...", &text[..end]),
        None => format!("{text:?}"),
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_, '_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_, '_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.want())
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        match self.value {
            Type::Boolean => Ok(Some(Value::Bool(value))),
            _ => Err(self.wrong(value.to_string())),
        }
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        self.whole(value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        match i64::try_from(value) {
            Ok(value) => self.whole(value),
            Err(_) => Err(self.wrong(format!("the number {value}"))),
        }
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        match self.value {
            Type::Quantity => {
                let text = value.to_string();
                self.text(Cow::Owned(text))
            }
            _ => Err(self.wrong(format!("the number {value}"))),
        }
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        self.text(Cow::Borrowed(value))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Self::Value, E> {
        self.text(Cow::Owned(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let Type::List(element) = self.value else {
            return Err(self.wrong("a list"));
        };
        let mut list = Vec::with_capacity(elements.size_hint().unwrap_or(0).min(64));
        loop {
            let path = self.path.index(list.len());
            let seed = Seed { walk: &mut *self.walk, value: element, path: &path };
            match elements.next_element_seed(seed)? {
                Some(value) => list.push(value.unwrap_or_else(|| zero(element))),
                None => return Ok(Some(Value::Array(list))),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Self::Value, A::Error> {
        match self.value {
            Type::Message(id) => self.fields(table().message(*id), entries),
            Type::Map(value) => self.entries(value, entries),
            Type::Object => {
                let path = self.path;
                let anything = Anything { walk: self.walk, path, depth: 0 };
                anything.visit_map(entries).map(Some)
            }
            _ => Err(self.wrong("an object")),
        }
    }
}

impl Seed<'_, '_> {
    fn fields<'de, A: MapAccess<'de>>(
        self,
        message: &'static Message,
        mut entries: A,
    ) -> Result<Option<Value>, A::Error> {
        let mut object = Map::new();
        let mut seen = 0u64;
        while let Some(key) = entries.next_key_seed(Key(message))? {
            let place = match key {
                Known::Place(place) => place,
                Known::Not(name) => {
                    self.walk.find("unknown", &self.path.name(&name));
                    entries.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            let field = &message.fields[place];
            let path = self.path.name(field.name);
            if seen & (1 << place) != 0 {
                self.walk.find("duplicate", &path);
            }
            seen |= 1 << place;
            let seed = Seed { walk: &mut *self.walk, value: &field.value, path: &path };
            match entries.next_value_seed(seed)? {
                Some(value) if kept(field, &value) => object.insert(field.name.to_owned(), value),
                _ => object.remove(field.name),
            };
        }
        Ok(Some(Value::Object(object)))
    }

    fn entries<'de, A: MapAccess<'de>>(
        self,
        value: &Type,
        mut entries: A,
    ) -> Result<Option<Value>, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let path = self.path.name(&key);
            if map.contains_key(&key) {
                self.walk.find("duplicate", &path);
            }
            let seed = Seed { walk: &mut *self.walk, value, path: &path };
            let value = entries.next_value_seed(seed)?.unwrap_or_else(|| zero(value));
            map.insert(key, value);
        }
        Ok(Some(Value::Object(map)))
    }
}

/// Whether a value says more than an absent field would.
pub(crate) fn kept(field: &Field, value: &Value) -> bool {
    if field.required || field.optional_pointer {
        return true;
    }
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_i64() != Some(0) || matches!(field.value, Type::IntOrString),
        Value::String(text) => !text.is_empty() || matches!(field.value, Type::IntOrString),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty() || !matches!(field.value, Type::Map(_)),
    }
}

/// What `null` stands for where a value cannot be absent: in a list or a map.
fn zero(value: &Type) -> Value {
    match value {
        Type::String | Type::Bytes | Type::Time | Type::MicroTime => Value::String(String::new()),
        Type::Boolean => Value::Bool(false),
        Type::Int32 | Type::Int64 | Type::IntOrString => Value::from(0),
        Type::Quantity => Value::String("0".to_owned()),
        Type::Object | Type::Message(_) | Type::Map(_) => Value::Object(Map::new()),
        Type::List(_) => Value::Array(Vec::new()),
    }
}

/// The name of a field, looked up without keeping it.
struct Key(&'static Message);

enum Known {
    Place(usize),
    Not(String),
}

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Known;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Known, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key {
    type Value = Known;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Known, E> {
        Ok(self.0.place(name).map_or_else(|| Known::Not(name.to_owned()), Known::Place))
    }
}

/// A value that nothing is known of, taken as it is.
struct Anything<'w, 'p> {
    walk: &'w mut Walk,
    path: &'p Path<'p>,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Anything<'_, '_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        if self.depth > MAX_DEPTH {
            self.walk.fail(DecodeError::TooDeep { path: self.path.to_string(), limit: MAX_DEPTH });
            return Err(D::Error::custom("too deep"));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Anything<'_, '_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        loop {
            let element = Anything { walk: &mut *self.walk, path: self.path, depth: self.depth + 1 };
            match elements.next_element_seed(element)? {
                Some(value) => list.push(value),
                None => return Ok(Value::Array(list)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let value = Anything { walk: &mut *self.walk, path: self.path, depth: self.depth + 1 };
            map.insert(key, entries.next_value_seed(value)?);
        }
        Ok(Value::Object(map))
    }
}
