//! CSV tables with a header, read row by row: columns are found by name, values are checked where they are taken out.
//!
//! Fields are separated by commas, and may be quoted with `"` (a quote inside is doubled); a quoted field ends in its
//! line, which keeps one row one line, its number true and memory bounded. Blank lines are skipped, and blanks around
//! a value do not count.

mod split;

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::BufRead;
use std::ops::RangeInclusive;

use self::split::{SplitError, split};
use crate::error::{TraceError, shorten};
use crate::limits::OutOfBounds;
use crate::lines::Lines;

/// The most rows that the CSV readers take, since they keep them all. Larger traces belong in Parquet tables.
pub const MAX_CSV_ROWS: usize = 4_000_000;

/// The columns that a kind of table has.
pub(crate) struct Columns {
    pub(crate) required: &'static [&'static str],
    pub(crate) optional: &'static [&'static str],
    /// Whether other columns are skipped. In tables written by hand they are more likely misspelt, so refused.
    pub(crate) skip_others: bool,
}

/// A CSV table behind its header.
pub(crate) struct Sheet<R> {
    lines: Lines<R>,
    header_row: u64,
    header: Vec<String>,
    places: Vec<(&'static str, usize)>,
    cells: Vec<String>,
    names: HashMap<String, u64>,
}

impl<R: BufRead> Sheet<R> {
    /// Reads the header and finds the columns.
    pub(crate) fn new(input: R, file: &str, columns: &Columns) -> Result<Self, TraceError> {
        let mut sheet = Self {
            lines: Lines::new(input, file),
            header_row: 0,
            header: Vec::new(),
            places: Vec::new(),
            cells: Vec::new(),
            names: HashMap::new(),
        };
        if !sheet.next_line()? {
            return Err(TraceError::Empty { file: file.to_owned(), header: false });
        }
        sheet.header_row = sheet.lines.row();
        sheet.header = std::mem::take(&mut sheet.cells);
        sheet.find(columns)?;
        Ok(sheet)
    }

    /// All rows, each turned into what `parse` makes of it.
    pub(crate) fn collect<T>(
        mut self,
        parse: impl Fn(&mut Row<'_>) -> Result<T, TraceError>,
    ) -> Result<Vec<T>, TraceError> {
        let mut rows = Vec::new();
        while let Some(mut row) = self.next_row()? {
            rows.push(parse(&mut row)?);
        }
        Ok(rows)
    }

    /// The next row, `None` after the last. A table without rows is an error.
    pub(crate) fn next_row(&mut self) -> Result<Option<Row<'_>>, TraceError> {
        if !self.next_line()? {
            if self.names.is_empty() {
                return Err(TraceError::Empty { file: self.lines.file().to_owned(), header: true });
            }
            return Ok(None);
        }
        let file = || self.lines.file().to_owned();
        let row = self.lines.row();
        if self.cells.len() != self.header.len() {
            let (found, want) = (self.cells.len(), self.header.len());
            return Err(TraceError::FieldCount { file: file(), row, found, want });
        }
        if self.names.len() == MAX_CSV_ROWS {
            return Err(TraceError::TooManyRows { file: file(), row, limit: MAX_CSV_ROWS });
        }
        Ok(Some(Row {
            file: self.lines.file(),
            row,
            places: &self.places,
            cells: &self.cells,
            names: &mut self.names,
        }))
    }

    fn find(&mut self, columns: &Columns) -> Result<(), TraceError> {
        let (file, row) = (|| self.lines.file().to_owned(), self.header_row);
        for (index, column) in self.header.iter().enumerate() {
            if self.header[..index].contains(column) {
                return Err(TraceError::DuplicateColumn { file: file(), row, column: shorten(column) });
            }
            match columns.required.iter().chain(columns.optional).find(|known| *known == column) {
                Some(known) => self.places.push((known, index)),
                None if columns.skip_others => {}
                None => {
                    let known = [columns.required, columns.optional].concat().join(", ");
                    return Err(TraceError::UnknownColumn {
                        file: file(),
                        row,
                        column: shorten(column),
                        known,
                    });
                }
            }
        }
        match columns.required.iter().find(|column| !self.places.iter().any(|(name, _)| name == *column)) {
            Some(column) => {
                Err(TraceError::MissingColumn { file: file(), row, column: (*column).to_owned() })
            }
            None => Ok(()),
        }
    }

    /// Splits the next line that is not blank into `cells`.
    fn next_line(&mut self) -> Result<bool, TraceError> {
        while self.lines.advance()? {
            if self.lines.line().iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            return match split(self.lines.line(), &mut self.cells) {
                Ok(()) => Ok(true),
                Err(error) => Err(self.not_split(error)),
            };
        }
        Ok(false)
    }

    fn not_split(&self, error: SplitError) -> TraceError {
        let (file, row) = (self.lines.file().to_owned(), self.lines.row());
        match error {
            SplitError::Quote(column) => TraceError::Quote { file, row, column },
            SplitError::NotUtf8(column) => {
                let column = match self.header.get(column - 1) {
                    Some(name) => Cow::Owned(shorten(name)),
                    None => Cow::Owned(column.to_string()),
                };
                TraceError::NotUtf8 { file, row, column }
            }
        }
    }
}

/// One row of a table.
pub(crate) struct Row<'a> {
    file: &'a str,
    row: u64,
    places: &'a [(&'static str, usize)],
    cells: &'a [String],
    names: &'a mut HashMap<String, u64>,
}

impl Row<'_> {
    /// Whether the table has this column.
    pub(crate) fn has(&self, column: &'static str) -> bool {
        self.places.iter().any(|(name, _)| *name == column)
    }

    /// The text of a cell; empty where the table lacks the column.
    pub(crate) fn text(&self, column: &'static str) -> &str {
        self.places.iter().find(|(name, _)| *name == column).map_or("", |(_, index)| &self.cells[*index])
    }

    /// The text of a cell, `None` where it is empty.
    pub(crate) fn text_if_any(&self, column: &'static str) -> Option<String> {
        Some(self.text(column)).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// The name in a cell, which no earlier row of the table may have.
    pub(crate) fn unique_name(&mut self, column: &'static str) -> Result<String, TraceError> {
        let name = self.text(column).to_owned();
        match self.names.insert(name.clone(), self.row) {
            None => Ok(name),
            Some(first) => Err(TraceError::DuplicateName {
                file: self.file.to_owned(),
                row: self.row,
                column,
                name: shorten(&name),
                first,
            }),
        }
    }

    /// A whole number of a cell that must have one.
    pub(crate) fn number<T>(&self, column: &'static str, bounds: RangeInclusive<i64>) -> Result<T, TraceError>
    where
        T: TryFrom<i64>,
    {
        let number = self.text(column).parse::<i64>().ok().filter(|number| bounds.contains(number));
        number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| {
            self.wrong(column, format!("a whole number from {} to {}", bounds.start(), bounds.end()))
        })
    }

    /// A whole number of a cell, `None` where the cell is empty or the table lacks the column.
    pub(crate) fn number_if_any<T>(
        &self,
        column: &'static str,
        bounds: RangeInclusive<i64>,
    ) -> Result<Option<T>, TraceError>
    where
        T: TryFrom<i64>,
    {
        if self.text(column).is_empty() { Ok(None) } else { self.number(column, bounds).map(Some) }
    }

    /// The error for a cell that holds something else than `want`.
    pub(crate) fn wrong(&self, column: &'static str, want: impl Into<String>) -> TraceError {
        TraceError::value(self.file, self.row, column, self.text(column), want)
    }

    /// The error for a broken limit, at the column that holds the field here.
    pub(crate) fn broken(&self, broken: OutOfBounds, renamed: &[(&'static str, &'static str)]) -> TraceError {
        let column =
            renamed.iter().find(|(field, _)| *field == broken.field).map_or(broken.field, |(_, to)| *to);
        if self.has(column) {
            self.wrong(column, broken.want)
        } else {
            TraceError::value(self.file, self.row, column, &broken.value, broken.want)
        }
    }
}

#[cfg(test)]
mod tests;
