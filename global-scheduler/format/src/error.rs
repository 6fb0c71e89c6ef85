//! What can be wrong with a file.

use meridian_global_engine::ModelError;

/// Why a file could not be read. The caller knows the file's name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// A number that is missing, no number, or out of range.
    #[error("line {line}: {what} is {found}, want {want}")]
    Number {
        /// The line, from 1.
        line: usize,
        /// Which number.
        what: String,
        /// What stands there.
        found: String,
        /// What would be right.
        want: String,
    },
    /// More than the instance has.
    #[error("line {line}: {found:?} follows the last number, want the end of the file")]
    Trailing {
        /// The line, from 1.
        line: usize,
        /// What follows.
        found: String,
    },
    /// The numbers make no model.
    #[error("the instance is no model")]
    Model(#[from] ModelError),
}
