//! Reads typed views out of a JSON value and says where it failed.
//!
//! `serde_json` can do the first, but its errors do not name the field. This reader carries the path along. It also
//! reads `null` as Kubernetes does: a field that is `null` is a field that is not there.
//!
//! It recurses as deep as the typed view, never as deep as the value.

use std::fmt;

use serde::Deserialize;
use serde::de::value::BorrowedStrDeserializer;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::Value;

use crate::error::{ObjectError, shortened};

/// The longest description of a problem, which may repeat the input.
const MAX_PROBLEM: usize = 300;

/// A place in an object.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Path<'p> {
    /// The object itself.
    Root,
    /// A field of an object or a key of a map.
    Field(&'p Path<'p>, &'p str),
    /// An item of a list.
    Item(&'p Path<'p>, usize),
}

impl<'p> Path<'p> {
    pub(crate) fn field(&'p self, name: &'p str) -> Path<'p> {
        Path::Field(self, name)
    }

    pub(crate) fn item(&'p self, index: usize) -> Path<'p> {
        Path::Item(self, index)
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Root => f.write_str("object"),
            Path::Field(parent, name) => {
                let plain =
                    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
                match (parent, plain && name.len() <= 80) {
                    (Path::Root, true) => f.write_str(name),
                    (_, true) => write!(f, "{parent}.{name}"),
                    // Keys with dots of their own would be read as several fields.
                    (_, false) => write!(f, "{parent}[{:?}]", shortened(name, 80)),
                }
            }
            Path::Item(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// Reads a `T` out of `value`, which is at `path`.
pub(crate) fn read<'de, T: Deserialize<'de>>(value: &'de Value, path: &Path<'_>) -> Result<T, ObjectError> {
    T::deserialize(Reader { value, path }).map_err(|located| ObjectError::Shape {
        path: located.path.unwrap_or_else(|| path.to_string()),
        problem: shortened(&located.problem, MAX_PROBLEM),
    })
}

/// A failure, with its place once a reader has added it.
#[derive(Debug)]
struct Located {
    path: Option<String>,
    problem: String,
}

impl Located {
    fn at(self, path: &Path<'_>) -> Located {
        Located { path: Some(self.path.unwrap_or_else(|| path.to_string())), ..self }
    }
}

impl fmt::Display for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl std::error::Error for Located {}

impl de::Error for Located {
    fn custom<T: fmt::Display>(problem: T) -> Located {
        Located { path: None, problem: problem.to_string() }
    }

    // In the words of those who write objects, not of those who read them.
    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Located {
        let expected = match expected.to_string().as_str() {
            "a borrowed string" => "a string".to_owned(),
            other => other.to_owned(),
        };
        match found {
            de::Unexpected::Unit => de::Error::custom(format!("invalid type: null, expected {expected}")),
            found => de::Error::custom(format!("invalid type: {found}, expected {expected}")),
        }
    }
}

struct Reader<'de, 'p> {
    value: &'de Value,
    path: &'p Path<'p>,
}

impl<'de> Reader<'de, '_> {
    fn visit<V: Visitor<'de>>(self, visitor: V, nulls: Nulls) -> Result<V::Value, Located> {
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(number), _, _) => visitor.visit_u64(number),
                (None, Some(number), _) => visitor.visit_i64(number),
                (None, None, Some(number)) => visitor.visit_f64(number),
                (None, None, None) => Err(de::Error::custom("a number that cannot be represented")),
            },
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Array(items) => {
                visitor.visit_seq(Items { items: items.iter().enumerate(), path: self.path })
            }
            Value::Object(fields) => {
                visitor.visit_map(Fields { fields: fields.iter(), current: None, nulls, path: self.path })
            }
        }
        .map_err(|located| located.at(self.path))
    }
}

/// What a `null` inside an object means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Nulls {
    /// The field is not there.
    Absent,
    /// The key is there, with an empty value.
    Kept,
}

impl<'de> Deserializer<'de> for Reader<'de, '_> {
    type Error = Located;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Located> {
        self.visit(visitor, Nulls::Kept)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Located> {
        let found = match self.value {
            Value::Object(_) => return self.visit(visitor, Nulls::Absent),
            Value::Null => "null".to_owned(),
            // serde would take the items for the fields in their order.
            Value::Array(_) => "sequence".to_owned(),
            other => shortened(&other.to_string(), 80),
        };
        let problem = format!("invalid type: {found}, expected an object");
        Err(Located { path: Some(self.path.to_string()), problem })
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Located> {
        match self.value {
            Value::Null => visitor.visit_borrowed_str(""),
            _ => self.visit(visitor, Nulls::Kept),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Located> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Located> {
        match self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Located> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Located> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct seq tuple
        tuple_struct map enum identifier
    }
}

struct Items<'de, 'p> {
    items: std::iter::Enumerate<std::slice::Iter<'de, Value>>,
    path: &'p Path<'p>,
}

impl<'de> SeqAccess<'de> for Items<'de, '_> {
    type Error = Located;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Located> {
        let Some((index, value)) = self.items.next() else { return Ok(None) };
        let path = self.path.item(index);
        seed.deserialize(Reader { value, path: &path }).map(Some).map_err(|located| located.at(&path))
    }
}

struct Fields<'de, 'p> {
    fields: serde_json::map::Iter<'de>,
    current: Option<(&'de str, &'de Value)>,
    nulls: Nulls,
    path: &'p Path<'p>,
}

impl<'de> MapAccess<'de> for Fields<'de, '_> {
    type Error = Located;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Located> {
        for (key, value) in self.fields.by_ref() {
            if self.nulls == Nulls::Absent && value.is_null() {
                continue;
            }
            self.current = Some((key, value));
            let read = seed.deserialize(BorrowedStrDeserializer::new(key));
            return read.map(Some).map_err(|located: Located| located.at(&self.path.field(key)));
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Located> {
        let Some((key, value)) = self.current.take() else {
            return Err(de::Error::custom("a value was read before its key"));
        };
        let path = self.path.field(key);
        seed.deserialize(Reader { value, path: &path }).map_err(|located| located.at(&path))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(rename_all = "camelCase", default, deny_unknown_fields)]
    struct Sample<'a> {
        name: &'a str,
        some_items: Vec<Sample<'a>>,
        labels: BTreeMap<&'a str, String>,
        weight: Option<i32>,
    }

    #[track_caller]
    fn fails(value: &Value, want: &str) {
        let error = read::<Sample<'_>>(value, &Path::Root).expect_err(want).to_string();
        assert!(error.starts_with(want), "{error}");
    }

    #[test]
    fn null_is_absent() {
        let value = json!({"name": null, "someItems": null, "labels": {"a": null}, "weight": null});
        let sample: Sample<'_> = read(&value, &Path::Root).unwrap();
        assert_eq!(sample, Sample { labels: [("a", String::new())].into(), ..Sample::default() });
    }

    #[test]
    fn errors_say_where() {
        fails(&json!(null), "object: invalid type: null, expected an object");
        fails(&json!({"name": 1}), "name: invalid type: integer `1`, expected a string");
        fails(&json!({"someItems": {}}), "someItems: invalid type: map, expected a sequence");
        fails(
            &json!({"someItems": [{}, {"weight": "x"}]}),
            "someItems[1].weight: invalid type: string \"x\"",
        );
        fails(&json!({"someItems": [null]}), "someItems[0]: invalid type: null, expected an object");
        fails(&json!({"someItems": [[]]}), "someItems[0]: invalid type: sequence, expected an object");
        fails(&json!({"labels": {"a.b/c": true}}), "labels[\"a.b/c\"]: invalid type: boolean `true`");
        fails(
            &json!({"someItems": [{"extra": 1}]}),
            "someItems[0].extra: unknown field `extra`, expected one of",
        );
        fails(
            &json!({"weight": 1_u64 << 40}),
            "weight: invalid value: integer `1099511627776`, expected i32",
        );
    }

    #[test]
    fn long_input_is_not_repeated_whole() {
        let value = json!({"weight": "x".repeat(10_000)});
        let error = read::<Sample<'_>>(&value, &Path::Root).unwrap_err().to_string();
        assert!(error.len() < 400, "{}", error.len());
    }
}
