//! From bodies of requests to objects: types checked, unknown fields dropped, and everything said with its path.
//!
//! Text is walked once, along the table, straight into a `serde_json::Value`; no tree of anything else is built. What
//! comes out is what a Kubernetes API server would keep: `null` is as good as absent, an unset value that is written out
//! (an empty text, a zero, an empty list where "set to nothing" means nothing) is left away, times are in UTC.

mod error;
mod path;
mod plain;
mod quantity;
mod time;
mod walk;
mod yaml;

#[cfg(test)]
mod tests;

use serde::de::DeserializeSeed;
use serde_json::Value;

pub use error::DecodeError;
pub use plain::decode_plain_json;
pub(crate) use quantity::check_quantity;
pub(crate) use time::{canonical_time, format_time};
pub(crate) use walk::kept;
pub use yaml::decode_yaml;

use crate::table::{MessageRef, Type};
pub(crate) use path::Path;
use walk::{Seed, Walk};

/// What becomes of fields that the table does not know, and of fields that are there twice (the query parameter
/// `fieldValidation`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FieldValidation {
    /// They are dropped; of a field that is there twice, the last counts.
    Ignore,
    /// The same, and a warning says so.
    #[default]
    Warn,
    /// The body is refused.
    Strict,
}

/// An object, and what its author should know.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// The object, with known fields only.
    pub object: Value,
    /// Warnings, in the words of Kubernetes, such as `unknown field "spec.foo"`.
    pub warnings: Vec<String>,
}

/// How deep an object may be. `serde_json` holds texts to the same.
pub(crate) const MAX_DEPTH: usize = 128;

/// Reads a JSON body.
pub fn decode_json(
    message: MessageRef,
    body: &[u8],
    validation: FieldValidation,
) -> Result<Decoded, DecodeError> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let mut walk = Walk::new(validation);
    let object = match run(message, &mut walk, &mut deserializer) {
        Ok(object) => object,
        Err(error) => {
            return Err(walk.take_error().unwrap_or(DecodeError::NotJson { problem: error.to_string() }));
        }
    };
    deserializer.end().map_err(|error| DecodeError::NotJson { problem: error.to_string() })?;
    walk.finish(object)
}

/// Checks an object again, such as what came out of a patch.
pub fn decode_value(
    message: MessageRef,
    value: Value,
    validation: FieldValidation,
) -> Result<Decoded, DecodeError> {
    let mut walk = Walk::new(validation);
    match run(message, &mut walk, value) {
        Ok(object) => walk.finish(object),
        Err(error) => Err(walk.take_error().unwrap_or(DecodeError::NotJson { problem: error.to_string() })),
    }
}

/// Walks along the message.
fn run<'de, D: serde::Deserializer<'de>>(
    message: MessageRef,
    walk: &mut Walk,
    from: D,
) -> Result<Value, D::Error> {
    let top = Type::Message(message.id);
    let seed = Seed { walk, value: &top, path: &Path::ROOT };
    match seed.deserialize(from)? {
        Some(object) => Ok(object),
        None => {
            walk.fail(DecodeError::WrongType { path: String::new(), got: "null".into(), want: "an object" });
            Err(serde::de::Error::custom("null"))
        }
    }
}
