//! Why a body is no object.

use thiserror::Error;

/// Why a body is no object of the kind that it should be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The text is not JSON.
    #[error("the body is not JSON: {problem}")]
    NotJson {
        /// What the parser says.
        problem: String,
    },
    /// The text is not YAML, or more of it than is read.
    #[error("the body is not YAML: {problem}")]
    NotYaml {
        /// What the parser says.
        problem: String,
    },
    /// A value has another type than its field.
    #[error("{}got {got}, want {want}", at(path))]
    WrongType {
        /// The field, such as `spec.containers[0].name`; empty for the object itself.
        path: String,
        /// What was given.
        got: String,
        /// What would be right.
        want: &'static str,
    },
    /// A text that its field cannot take.
    #[error("{}{problem}", at(path))]
    BadValue {
        /// The field.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Fields that are unknown or there twice, where that is refused.
    #[error("strict decoding error: {}", .0.join(", "))]
    Strict(
        /// Each of them, such as `unknown field "spec.foo"`.
        Vec<String>,
    ),
    /// Deeper than objects may be.
    #[error("{}deeper than {limit} levels", at(path))]
    TooDeep {
        /// The field.
        path: String,
        /// The most levels there may be.
        limit: usize,
    },
    /// A protobuf body breaks off or contradicts itself.
    #[error("the body is not protobuf of {message}: {}{problem}", at(path))]
    NotProtobuf {
        /// The message that is read.
        message: String,
        /// The field.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// A protobuf body of a type that is not served.
    #[error("no kind {kind:?} in {api_version:?} is known")]
    UnknownKind {
        /// `apiVersion` as given.
        api_version: String,
        /// `kind` as given.
        kind: String,
    },
}

fn at(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("{path}: ") }
}
