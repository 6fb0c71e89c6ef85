//! From text to a JSON value: JSON or YAML, with every key at most once.
//!
//! A key that is given twice is refused in both: one of the two would be lost, and nobody could say which.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::error::quoted;

/// Why a text is neither JSON nor YAML that can be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// More text than such a file may have.
    #[error("the text has more than {limit} bytes, want at most {limit}")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The text starts like JSON and is none.
    #[error("reading JSON: {0}")]
    Json(serde_json::Error),
    /// The text is no YAML, or of a kind that takes unreasonable memory to read.
    #[error("reading YAML: {0}")]
    Yaml(String),
}

/// Whether the text is meant as JSON: it starts with a brace.
pub(crate) fn is_json(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

/// Reads text of at most `limit` bytes.
pub(crate) fn read(text: &str, limit: u64) -> Result<Value, DocumentError> {
    if text.len() as u64 > limit {
        return Err(DocumentError::TooLarge { limit });
    }
    let Unique(value) = if is_json(text) {
        serde_json::from_str(text).map_err(DocumentError::Json)?
    } else {
        serde_saphyr::from_str_with_options(text, yaml_options(text.len()))
            .map_err(|error| DocumentError::Yaml(error.to_string()))?
    };
    Ok(value)
}

/// Options that let memory grow with the text and no faster: aliases must not multiply it.
pub(crate) fn yaml_options(length: usize) -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: length.saturating_add(16),
            max_nodes: length.saturating_add(16),
            max_total_scalar_bytes: length.saturating_mul(2),
            max_aliases: 1_000,
            max_anchors: 1_000,
            max_documents: 1,
        },
        strict_booleans: true,
        with_snippet: false,
    }
}

/// A JSON value that was read without losing a key.
pub(crate) struct Unique(pub(crate) Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Unique, D::Error> {
        deserializer.deserialize_any(UniqueVisitor).map(Unique)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Value, E> {
        Number::from_f64(number).map(Value::Number).ok_or_else(|| E::custom("a number that is not finite"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Unique(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = fields.next_key::<String>()? {
            if object.contains_key(&key) {
                return Err(A::Error::custom(format!("the key {} is given twice", quoted(&key))));
            }
            let Unique(value) = fields.next_value()?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_json_and_yaml_alike() {
        let want = json!({"a": [1, -2, 0.5, "x", true, null], "b": {"c": "on", "d": {}}});
        let texts = [
            "{\"a\":\t[1, -2, 0.5, \"x\", true, null], \"b\": {\"c\": \"on\", \"d\": {}}}",
            "a: [1, -2, 0.5, x, true, null]\nb:\n  c: on\n  d: {}\n",
        ];
        for text in texts {
            assert_eq!(read(text, 1_000).unwrap(), want);
        }
    }

    #[test]
    fn refuses_what_would_lose_something() {
        for (text, want) in [
            ("{\"a\": 1, \"a\": 2}", "\"a\" is given twice"),
            ("a: 1\na: 2\n", "duplicate"),
            ("a: 1\n---\na: 2\n", "document"),
            ("a: .nan\n", ""),
            ("{\"a\": ", "reading JSON: EOF"),
            ("a: [", "reading YAML"),
            ("a: *b\n", "reading YAML"),
        ] {
            let error = read(text, 1_000).expect_err(text).to_string();
            assert!(error.contains(want), "{error}");
        }
        assert!(matches!(read("a: 1", 3), Err(DocumentError::TooLarge { limit: 3 })));
    }

    #[test]
    fn refuses_bombs() {
        let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let below = format!("*a{}, ", level - 1).repeat(8);
            laughs += &format!("a{level}: &a{level} [{below}]\n");
        }
        assert!(read(&laughs, 1 << 20).is_err());
        assert!(read(&format!("a: {}", "[".repeat(100_000)), 1 << 20).is_err());
        assert!(read(&format!("{{\"a\": {}", "[".repeat(100_000)), 1 << 20).is_err());
    }
}
