//! Selectors: which objects a list, a watch or a workload is about.

mod fields;
mod labels;
mod lexer;
mod requirement;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;

use serde_json::{Map, Value};
use thiserror::Error;

pub use fields::FieldSelector;
pub use labels::LabelSelector;

/// The longest text that is read as a selector.
const MAX_LENGTH: usize = 64 * 1024;

/// The most requirements of a selector.
const MAX_REQUIREMENTS: usize = 1024;

/// Why a selector cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SelectorError {
    /// The text of a label selector is malformed.
    #[error("unable to parse requirement: {problem}")]
    Requirement {
        /// What was found, and what would be right.
        problem: String,
    },
    /// The text of a field selector is malformed.
    #[error("invalid selector: '{selector}'; can't understand '{term}'")]
    Term {
        /// The whole text.
        selector: String,
        /// The part that is malformed.
        term: String,
    },
    /// The kind cannot be searched by this field.
    #[error("field label not supported: {field}")]
    Field {
        /// The field.
        field: String,
    },
    /// An operator of a selector that is an object.
    #[error("{operator:?} is not a valid label selector operator, want In, NotIn, Exists or DoesNotExist")]
    Operator {
        /// The operator.
        operator: String,
    },
    /// More than is read.
    #[error("selector is too large, want at most {MAX_LENGTH} bytes and {MAX_REQUIREMENTS} requirements")]
    TooLarge,
}

/// Labels, however they are kept.
pub trait Labels {
    /// The value of the label of this key.
    fn label(&self, key: &str) -> Option<&str>;
}

impl Labels for Map<String, Value> {
    fn label(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Value::as_str)
    }
}

/// An object of labels; anything else has none.
impl Labels for Value {
    fn label(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Value::as_str)
    }
}

impl Labels for BTreeMap<String, String> {
    fn label(&self, key: &str) -> Option<&str> {
        self.get(key).map(String::as_str)
    }
}

impl<S: BuildHasher> Labels for HashMap<String, String, S> {
    fn label(&self, key: &str) -> Option<&str> {
        self.get(key).map(String::as_str)
    }
}

/// Pairs in the order of their keys.
impl<K: AsRef<str>, V: AsRef<str>> Labels for [(K, V)] {
    fn label(&self, key: &str) -> Option<&str> {
        let found = self.binary_search_by(|(other, _)| other.as_ref().cmp(key)).ok()?;
        self.get(found).map(|(_, value)| value.as_ref())
    }
}

/// Pairs in the order of their keys.
impl<K: AsRef<str>, V: AsRef<str>> Labels for Vec<(K, V)> {
    fn label(&self, key: &str) -> Option<&str> {
        self.as_slice().label(key)
    }
}

/// Pairs in the order of their keys.
impl<K: AsRef<str>, V: AsRef<str>> Labels for Box<[(K, V)]> {
    fn label(&self, key: &str) -> Option<&str> {
        (**self).label(key)
    }
}
