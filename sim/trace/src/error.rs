//! What can be wrong with a trace, said so that its author can find the place.

use std::borrow::Cow;
use std::io;

use parquet::errors::ParquetError;

use crate::limits::OutOfBounds;

/// How much of a bad value an error repeats, in characters.
const SHOWN: usize = 80;

/// Why a trace could not be read, written or made.
///
/// `row` is the number of the line in a text file (the header of a CSV file is usually row 1), and the number of the
/// row in a Parquet table, where the first is 1.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// The file could not be opened.
    #[error("cannot open {file}")]
    Open {
        /// The file.
        file: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Reading failed on the way.
    #[error("{file}: cannot read past row {row}")]
    Read {
        /// The file.
        file: String,
        /// The last row that was read; 0 if none was.
        row: u64,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Creating or writing failed.
    #[error("cannot write {file}")]
    Write {
        /// The file.
        file: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A compressed file lacks its end.
    #[error("{file}: the gzip data ends early, after row {row}: the file was cut off, fetch it again")]
    Truncated {
        /// The file.
        file: String,
        /// The last whole row; 0 if there was none.
        row: u64,
    },
    /// There are no rows.
    #[error("{file}: holds no rows, want at least one{after}", after = if *.header { " after the header" } else { "" })]
    Empty {
        /// The file.
        file: String,
        /// Whether there is a header, at least.
        header: bool,
    },
    /// More rows than this reader keeps in memory.
    #[error("{file}, row {row}: more than {limit} rows, want a Parquet table for so many")]
    TooManyRows {
        /// The file.
        file: String,
        /// The row that is one too many.
        row: u64,
        /// The limit.
        limit: usize,
    },
    /// A line, or a header of many lines, is longer than any trace needs.
    #[error("{file}, row {row}: the {what} is longer than {limit} bytes")]
    TooLong {
        /// The file.
        file: String,
        /// The row.
        row: u64,
        /// What is too long.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// Not text.
    #[error("{file}, row {row}, column {column}: not UTF-8, want text in UTF-8")]
    NotUtf8 {
        /// The file.
        file: String,
        /// The row.
        row: u64,
        /// The column, or its number where it has no name.
        column: Cow<'static, str>,
    },
    /// A quote opens or ends where none can.
    #[error(
        "{file}, row {row}, column {column}: a stray quote, want \"...\" around a whole value, in one line"
    )]
    Quote {
        /// The file.
        file: String,
        /// The row.
        row: u64,
        /// The number of the column; the first is 1.
        column: usize,
    },
    /// A row has more or fewer fields than the header.
    #[error("{file}, row {row}: {found} fields, want {want}")]
    FieldCount {
        /// The file.
        file: String,
        /// The row.
        row: u64,
        /// How many fields the row has.
        found: usize,
        /// How many it should have.
        want: usize,
    },
    /// The header lacks a column.
    #[error("{place}: no column {column}, want it in the header", place = place(file, *row))]
    MissingColumn {
        /// The file.
        file: String,
        /// The header's row; 0 in a Parquet table.
        row: u64,
        /// The column.
        column: String,
    },
    /// The header names a column twice.
    #[error("{place}: column {column} appears twice in the header, want it once", place = place(file, *row))]
    DuplicateColumn {
        /// The file.
        file: String,
        /// The header's row; 0 in a Parquet table.
        row: u64,
        /// The column.
        column: String,
    },
    /// The header names a column that means nothing here.
    #[error("{file}, row {row}: unknown column {column:?}, want some of {known}")]
    UnknownColumn {
        /// The file.
        file: String,
        /// The header's row.
        row: u64,
        /// The column.
        column: String,
        /// The columns there are.
        known: String,
    },
    /// A value is wrong.
    #[error("{place}, column {column}: {value:?}, want {want}", place = place(file, *row))]
    Value {
        /// The file.
        file: String,
        /// The row.
        row: u64,
        /// The column.
        column: Cow<'static, str>,
        /// The value, shortened where it is long.
        value: String,
        /// What would be right.
        want: String,
    },
    /// Two rows have one name.
    #[error(
        "{file}, row {row}, column {column}: {name:?} is already the name of row {first}, want unique names"
    )]
    DuplicateName {
        /// The file.
        file: String,
        /// The second row with this name.
        row: u64,
        /// The column.
        column: &'static str,
        /// The name.
        name: String,
        /// The first row with this name.
        first: u64,
    },
    /// The Parquet library refuses the file.
    #[error("{file}: not a readable Parquet file after row {row}")]
    Parquet {
        /// The file.
        file: String,
        /// The last row that was read; 0 if none was.
        row: u64,
        /// Why.
        #[source]
        source: ParquetError,
    },
    /// A Parquet file, but not the table that was asked for.
    #[error("{file}: the table is of format {found:?}, want {want:?}")]
    Format {
        /// The file.
        file: String,
        /// The format that its metadata names; empty if none.
        found: String,
        /// The format that was asked for.
        want: &'static str,
    },
    /// A table that a newer version of this program wrote, or that names no version.
    #[error(
        "{file}: {format} is of version {found:?}, want 1 to {newest}: a higher version is from a newer Meridian"
    )]
    Version {
        /// The file.
        file: String,
        /// The format.
        format: &'static str,
        /// The version that its metadata names.
        found: String,
        /// The newest version that can be read.
        newest: u32,
    },
    /// A column of a Parquet table has another type.
    #[error("{file}: column {column} is of type {found}, want {want}")]
    ColumnType {
        /// The file.
        file: String,
        /// The column.
        column: String,
        /// Its type.
        found: String,
        /// The type it should have.
        want: String,
    },
    /// A parameter of the generator is out of bounds.
    #[error("synthetic trace: {parameter} is {value}, want {want}")]
    Parameter {
        /// The parameter.
        parameter: &'static str,
        /// Its value.
        value: String,
        /// What would be right.
        want: &'static str,
    },
}

impl TraceError {
    /// A wrong value at a place.
    pub(crate) fn value(
        file: &str,
        row: u64,
        column: impl Into<Cow<'static, str>>,
        value: &str,
        want: impl Into<String>,
    ) -> Self {
        Self::Value {
            file: file.to_owned(),
            row,
            column: column.into(),
            value: shorten(value),
            want: want.into(),
        }
    }

    /// A row that breaks a limit, in a file whose columns are named like the row's fields.
    pub(crate) fn limit(file: &str, row: u64, broken: OutOfBounds) -> Self {
        Self::value(file, row, broken.field, &broken.value, broken.want)
    }
}

/// A place in a file; row 0 is the file as a whole.
fn place(file: &str, row: u64) -> String {
    if row == 0 { file.to_owned() } else { format!("{file}, row {row}") }
}

/// The beginning of a value: a hostile file must not fill the log.
pub(crate) fn shorten(value: &str) -> String {
    match value.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &value[..end]),
        None => value.to_owned(),
    }
}
