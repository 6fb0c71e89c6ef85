//! What can be wrong with a file.

use meridian_global_engine::ModelError;
use meridian_global_world::Problem;

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
    /// More text than such a file may have.
    #[error("the file has {found} bytes, want at most {limit} for {kind}")]
    TooLarge {
        /// JSON or YAML.
        kind: &'static str,
        /// How many there are.
        found: usize,
        /// How many there may be.
        limit: usize,
    },
    /// The file is no JSON, or no YAML, or has not the fields that it should have.
    #[error("{path}: {problem}")]
    Shape {
        /// The field.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The file describes a world that cannot be.
    #[error(transparent)]
    World(#[from] Problem),
    /// A table without a column.
    #[error("there is no column {want}, want a header line with it")]
    Column {
        /// The names that it may have.
        want: String,
    },
    /// A row of a table.
    #[error("line {line}: {problem}")]
    Row {
        /// The line, from 1.
        line: u64,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// The numbers make no model.
    #[error("the instance is no model")]
    Model(#[from] ModelError),
}
