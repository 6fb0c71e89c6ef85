//! Why an object could not be translated.

use meridian_engine::{DemandError, HostError};

/// Why an object could not be translated: where in it, what is there, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectError {
    /// A value of the wrong type, or an unknown field where fields are checked.
    #[error("{path}: {problem}")]
    Shape {
        /// The field's path.
        path: String,
        /// What is wrong and what was expected.
        problem: String,
    },
    /// A field that must be there.
    #[error("{path} is missing, want {want}")]
    Missing {
        /// The field's path.
        path: String,
        /// What should be there.
        want: &'static str,
    },
    /// A value of the right type that makes no sense.
    #[error("{path} is {value}, want {want}")]
    Invalid {
        /// The field's path.
        path: String,
        /// What was given.
        value: String,
        /// What would be right.
        want: String,
    },
    /// The engine refuses the host.
    #[error("{0}")]
    Host(HostError),
    /// The engine refuses the demand.
    #[error("spec: {0}")]
    Demand(DemandError),
}

/// How much of a given text is repeated in an error.
const SHOWN: usize = 80;

/// `text` in quotes and escaped, shortened when it is long.
pub(crate) fn quoted(text: &str) -> String {
    format!("{:?}", shortened(text, SHOWN))
}

/// At most `most` characters of `text`.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// A text that is not one of those that are allowed.
pub(crate) fn invalid(path: impl ToString, value: &str, want: impl ToString) -> ObjectError {
    ObjectError::Invalid { path: path.to_string(), value: quoted(value), want: want.to_string() }
}

/// A number that is not one of those that are allowed.
pub(crate) fn invalid_number(path: impl ToString, value: impl ToString, want: impl ToString) -> ObjectError {
    ObjectError::Invalid { path: path.to_string(), value: value.to_string(), want: want.to_string() }
}
