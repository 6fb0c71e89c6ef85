//! JSON that follows no table, such as the body of a patch: whole, and with the fields that are there twice named.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::{Decoded, Path};

/// How many repeated fields are listed; of more, one more line says so.
const MAX_FINDINGS: usize = 64;

/// Reads JSON of no message. Of a field that is there twice the last counts, and a warning names it.
///
/// # Errors
///
/// That it is no JSON, or deeper than `serde_json` reads.
pub fn decode_plain_json(body: &[u8]) -> Result<Decoded, serde_json::Error> {
    let mut warnings = Vec::new();
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let seed = Plain { path: &Path::ROOT, warnings: &mut warnings };
    let object = seed.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(Decoded { object, warnings })
}

/// One value.
struct Plain<'w, 'p> {
    path: &'p Path<'p>,
    warnings: &'w mut Vec<String>,
}

impl Plain<'_, '_> {
    fn repeated(&mut self, name: &str) {
        if self.warnings.len() > MAX_FINDINGS {
            return;
        }
        let warning = match self.warnings.len() {
            MAX_FINDINGS => "and more".to_owned(),
            _ => format!("duplicate field \"{}\"", self.path.name(name)),
        };
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }
}

impl<'de> DeserializeSeed<'de> for Plain<'_, '_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Plain<'_, '_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
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
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        loop {
            let path = self.path.index(list.len());
            match elements.next_element_seed(Plain { path: &path, warnings: &mut *self.warnings })? {
                Some(element) => list.push(element),
                None => return Ok(Value::Array(list)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            if object.contains_key(&name) {
                self.repeated(&name);
            }
            let path = self.path.name(&name);
            let value = entries.next_value_seed(Plain { path: &path, warnings: &mut *self.warnings })?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_fields_are_named_by_their_place_and_the_last_counts() {
        let body = br#"[{"a":1,"b":{"c":null,"c":true,"c":-2}},{"a":"x","a":[1.5,{"a":0}]}]"#;
        let decoded = decode_plain_json(body).unwrap();
        assert_eq!(decoded.object, serde_json::json!([{"a": 1, "b": {"c": -2}}, {"a": [1.5, {"a": 0}]}]));
        assert_eq!(decoded.warnings, [r#"duplicate field "[0].b.c""#, r#"duplicate field "[1].a""#]);
        let many: String = (0..100).map(|i| format!("\"{i}\":0,\"{i}\":1,")).collect();
        let many = decode_plain_json(format!("{{{}\"z\":1}}", many).as_bytes()).unwrap();
        assert_eq!((many.warnings.len(), many.warnings.last().unwrap().as_str()), (65, "and more"));
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for body in ["", "{", "{\"a\":1}x", "[1,]", "{\"a\":nul}", &"[".repeat(100_000)] {
            assert!(decode_plain_json(body.as_bytes()).is_err());
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config { failure_persistence: None, ..Default::default() })]

        /// Where nothing is there twice, it is what any reader reads.
        #[test]
        fn it_reads_what_serde_json_reads(text in "[\\[\\]{}:,\"a1.e\\- tn]{0,24}") {
            let read = decode_plain_json(text.as_bytes()).map(|decoded| decoded.object).ok();
            proptest::prop_assert_eq!(read, serde_json::from_str::<Value>(&text).ok());
        }
    }
}
