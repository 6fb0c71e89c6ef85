//! One line of CSV into its fields.

/// What is wrong with a line, and in which of its fields; the first is 1.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SplitError {
    /// A quote opens or ends inside a value, or does not end in the line.
    Quote(usize),
    /// The field is not UTF-8.
    NotUtf8(usize),
}

/// Splits a line into `cells`, which are cleared first.
pub(super) fn split(line: &[u8], cells: &mut Vec<String>) -> Result<(), SplitError> {
    cells.clear();
    let mut rest = Some(line);
    while let Some(line) = rest {
        let column = cells.len() + 1;
        let (cell, after) = match line.trim_ascii_start().strip_prefix(b"\"") {
            Some(line) => quoted(line).ok_or(SplitError::Quote(column))?,
            None => plain(line).ok_or(SplitError::Quote(column))?,
        };
        cells.push(String::from_utf8(cell).map_err(|_| SplitError::NotUtf8(column))?);
        rest = after;
    }
    Ok(())
}

type Field<'a> = (Vec<u8>, Option<&'a [u8]>);

/// A field up to the next comma, and what follows the comma.
fn plain(line: &[u8]) -> Option<Field<'_>> {
    let end = line.iter().position(|byte| *byte == b',').unwrap_or(line.len());
    let cell = line[..end].trim_ascii();
    (!cell.contains(&b'"')).then(|| (cell.to_vec(), line.get(end + 1..)))
}

/// A field behind its opening quote, and what follows the comma.
fn quoted(line: &[u8]) -> Option<Field<'_>> {
    let mut cell = Vec::new();
    let mut rest = line;
    loop {
        let quote = rest.iter().position(|byte| *byte == b'"')?;
        cell.extend_from_slice(&rest[..quote]);
        rest = &rest[quote + 1..];
        match rest.first() {
            Some(b'"') => {
                cell.push(b'"');
                rest = &rest[1..];
            }
            _ => break,
        }
    }
    let after = rest.trim_ascii_start();
    match after.first() {
        None => Some((cell, None)),
        Some(b',') => Some((cell, after.get(1..))),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, want: &[&str]) {
        let mut cells = vec!["left over".to_owned()];
        split(line.as_bytes(), &mut cells).unwrap();
        assert_eq!(cells, want, "{line}");
    }

    #[test]
    fn fields_are_split_at_commas() {
        check("a,b", &["a", "b"]);
        check("a", &["a"]);
        check(",", &["", ""]);
        check(" a , b b\t,", &["a", "b b", ""]);
    }

    #[test]
    fn quoted_fields_may_hold_commas_and_quotes() {
        check(r#""a,b",c"#, &["a,b", "c"]);
        check(r#" "say ""yes""" ,"""#, &["say \"yes\"", ""]);
        check(r#""","""""#, &["", "\""]);
        check(r#"" a ","#, &[" a ", ""]);
    }

    #[test]
    fn stray_quotes_and_bytes_are_refused() {
        let mut cells = Vec::new();
        assert_eq!(split(b"a,b\"c", &mut cells), Err(SplitError::Quote(2)));
        assert_eq!(split(b"a,\"b", &mut cells), Err(SplitError::Quote(2)));
        assert_eq!(split(b"\"a\"b,c", &mut cells), Err(SplitError::Quote(1)));
        assert_eq!(split(b"a,b,\xff", &mut cells), Err(SplitError::NotUtf8(3)));
    }
}
