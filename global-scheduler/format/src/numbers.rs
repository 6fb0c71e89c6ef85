//! Files of numbers apart by white space.

use crate::error::FormatError;

/// The words of a file, one after another, with their lines.
pub(crate) struct Numbers<'a> {
    lines: std::iter::Enumerate<std::str::Lines<'a>>,
    words: std::str::SplitWhitespace<'a>,
    line: usize,
}

impl<'a> Numbers<'a> {
    pub(crate) fn new(text: &'a str) -> Numbers<'a> {
        Numbers { lines: text.lines().enumerate(), words: "".split_whitespace(), line: 1 }
    }

    fn word(&mut self) -> Option<&'a str> {
        loop {
            if let Some(word) = self.words.next() {
                return Some(word);
            }
            let (number, line) = self.lines.next()?;
            self.line = number + 1;
            self.words = line.split_whitespace();
        }
    }

    /// A count from 1 to `most`.
    pub(crate) fn count(&mut self, what: &str, most: usize) -> Result<usize, FormatError> {
        let want = || format!("a whole number from 1 to {most}");
        let word = self.word();
        match word.map(str::parse) {
            Some(Ok(count)) if (1..=most).contains(&count) => Ok(count),
            _ => Err(self.wrong(what.to_owned(), word, want())),
        }
    }

    /// A number from 0 to 1e12, or a word that stands for one.
    pub(crate) fn amount(
        &mut self,
        what: impl Fn() -> String,
        stands_for: Option<(&str, f64)>,
    ) -> Result<f64, FormatError> {
        let word = self.word();
        if let (Some(word), Some((name, value))) = (word, stands_for)
            && word == name
        {
            return Ok(value);
        }
        match word.map(str::parse::<f64>) {
            Some(Ok(amount)) if (0.0..=1e12).contains(&amount) => Ok(amount),
            _ => Err(self.wrong(what(), word, "a number from 0 to 1e12".to_owned())),
        }
    }

    pub(crate) fn end(&mut self) -> Result<(), FormatError> {
        match self.word() {
            None => Ok(()),
            Some(word) => Err(FormatError::Trailing { line: self.line, found: clip(word) }),
        }
    }

    fn wrong(&self, what: String, found: Option<&str>, want: String) -> FormatError {
        let found =
            found.map_or_else(|| "missing: the file ends".to_owned(), |word| format!("{:?}", clip(word)));
        FormatError::Number { line: self.line, what, found, want }
    }
}

/// The beginning of a word, since a hostile one may be as long as the file.
fn clip(word: &str) -> String {
    word.chars().take(40).collect()
}
