//! Lines of a text file with their numbers, never more than one in memory.

use std::io::{self, BufRead, Read};

use crate::error::TraceError;

/// The longest line of any trace, in bytes, without its line end.
pub(crate) const MAX_LINE_BYTES: usize = 64 * 1024;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// Reads lines as bytes; line ends (LF or CRLF) and a byte order mark at the beginning are taken off.
pub(crate) struct Lines<R> {
    input: R,
    file: String,
    row: u64,
    line: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(input: R, file: impl Into<String>) -> Self {
        Self { input, file: file.into(), row: 0, line: Vec::new() }
    }

    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    /// The number of the line read last; the first is 1.
    pub(crate) fn row(&self) -> u64 {
        self.row
    }

    /// The line read last.
    pub(crate) fn line(&self) -> &[u8] {
        &self.line
    }

    /// Reads the next line. `false` at the end of the file.
    pub(crate) fn advance(&mut self) -> Result<bool, TraceError> {
        self.line.clear();
        // Room for CRLF after the longest line, so that one byte too many shows as one.
        let most = MAX_LINE_BYTES as u64 + 2;
        let read = self.input.by_ref().take(most).read_until(b'\n', &mut self.line);
        match read {
            Ok(0) => return Ok(false),
            Ok(_) => {}
            Err(source) => {
                self.line.clear();
                return Err(self.failed(source));
            }
        }
        self.row += 1;
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
            if self.line.last() == Some(&b'\r') {
                self.line.pop();
            }
        }
        if self.line.len() > MAX_LINE_BYTES {
            let (file, row) = (self.file.clone(), self.row);
            return Err(TraceError::TooLong { file, row, what: "line", limit: MAX_LINE_BYTES });
        }
        if self.row == 1 && self.line.starts_with(BOM) {
            self.line.drain(..BOM.len());
        }
        Ok(true)
    }

    fn failed(&self, source: io::Error) -> TraceError {
        let (file, row) = (self.file.clone(), self.row);
        if source.kind() == io::ErrorKind::UnexpectedEof {
            TraceError::Truncated { file, row }
        } else {
            TraceError::Read { file, row, source }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: &[u8]) -> Result<Vec<String>, TraceError> {
        let mut lines = Lines::new(input, "f");
        let mut found = Vec::new();
        while lines.advance()? {
            found.push(format!("{} {}", lines.row(), String::from_utf8_lossy(lines.line())));
        }
        Ok(found)
    }

    #[test]
    fn line_ends_and_byte_order_mark_are_taken_off() {
        assert_eq!(
            read(b"\xef\xbb\xbfa\r\n\nb\rc\n\xef\xbb\xbfd").unwrap(),
            ["1 a", "2 ", "3 b\rc", "4 \u{feff}d"]
        );
        assert_eq!(read(b"").unwrap(), Vec::<String>::new());
    }

    #[test]
    fn the_longest_line_is_read_and_a_longer_one_refused() {
        let longest = "x".repeat(MAX_LINE_BYTES);
        for end in ["", "\n", "\r\n"] {
            assert_eq!(read(format!("a\n{longest}{end}").as_bytes()).unwrap().len(), 2);
            let error = read(format!("a\n{longest}x{end}").as_bytes()).unwrap_err();
            assert_eq!(error.to_string(), "f, row 2: the line is longer than 65536 bytes");
        }
    }
}
