//! Why a patch cannot be applied.

use serde_json::Value;
use thiserror::Error;

use crate::decode::Path;

/// Why a strategic merge patch cannot be applied.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PatchError {
    /// The patch, or an element of a list that is merged by key, is no object.
    #[error("{}a strategic merge patch wants an object here", at(path))]
    NotAnObject {
        /// The place in the patch.
        path: String,
    },
    /// A value beside a directive for lists is no list.
    #[error("{}a strategic merge patch wants a list here", at(path))]
    NotAList {
        /// The place in the patch.
        path: String,
    },
    /// A directive that there is none of.
    #[error("{}unknown patch directive {directive:?} with the value {value}", at(path))]
    UnknownDirective {
        /// The place in the patch.
        path: String,
        /// The key.
        directive: String,
        /// Its value, in JSON.
        value: String,
    },
    /// A directive whose value does not fit.
    #[error("{}{directive}: {problem}", at(path))]
    BadDirective {
        /// The place in the patch.
        path: String,
        /// The directive.
        directive: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// An element of a list that is merged by key lacks that key.
    #[error("{}the element does not contain declared merge key: {merge_key}", at(path))]
    NoMergeKey {
        /// The place in the patch.
        path: String,
        /// The key that it should have.
        merge_key: &'static str,
    },
    /// Deeper than objects may be.
    #[error("{}deeper than {limit} levels", at(path))]
    TooDeep {
        /// The place in the patch.
        path: String,
        /// The most levels there may be.
        limit: usize,
    },
}

impl PatchError {
    pub(super) fn unknown_directive(path: &Path<'_>, directive: &str, value: &Value) -> PatchError {
        let mut value = value.to_string();
        if value.len() > 64 {
            value = value.chars().take(64).chain("...".chars()).collect();
        }
        PatchError::UnknownDirective { path: path.to_string(), directive: directive.to_owned(), value }
    }
}

fn at(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("{path}: ") }
}
