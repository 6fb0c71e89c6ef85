use super::*;

const COLUMNS: Columns = Columns { required: &["name", "size"], optional: &["note"], skip_others: false };

fn read(input: &[u8]) -> Result<Vec<(String, u32, String)>, TraceError> {
    let mut sheet = Sheet::new(input, "t.csv", &COLUMNS)?;
    let mut found = Vec::new();
    while let Some(mut row) = sheet.next_row()? {
        found.push((row.unique_name("name")?, row.number("size", 0..=9)?, row.text("note").to_owned()));
    }
    Ok(found)
}

fn check(input: impl AsRef<[u8]>, want: &str) {
    assert_eq!(read(input.as_ref()).unwrap_err().to_string(), want);
}

#[test]
fn columns_are_found_by_name() {
    let want = vec![("a".to_owned(), 1, "x".to_owned()), ("b".to_owned(), 2, String::new())];
    assert_eq!(read(b"name,size,note\na,1,x\nb,2,\n").unwrap(), want);
    assert_eq!(read(b"note,size,name\nx,1,a\n,2,b").unwrap(), want);
    assert_eq!(read(b"size,name\n1,a").unwrap(), [("a".to_owned(), 1, String::new())]);
}

#[test]
fn byte_order_mark_blank_lines_and_crlf_are_tolerated() {
    let want = vec![("a".to_owned(), 1, "x".to_owned()), ("b".to_owned(), 2, "y".to_owned())];
    assert_eq!(
        read(b"\xef\xbb\xbf\r\n\r\nname,size,note\r\n\r\na,1,x\r\n  \r\n\nb,2,y\r\n\r\n").unwrap(),
        want
    );
    // And the row numbers stay those of the lines.
    check(
        "\u{feff}\r\n\r\nname,size\r\n\r\na,1\r\n\r\n\r\nb,-\r\n",
        "t.csv, row 8, column size: \"-\", want a whole number from 0 to 9",
    );
}

#[test]
fn tables_without_rows_are_refused() {
    check("", "t.csv: holds no rows, want at least one");
    check("\n \n", "t.csv: holds no rows, want at least one");
    check("name,size\n\n", "t.csv: holds no rows, want at least one after the header");
    check("name,size", "t.csv: holds no rows, want at least one after the header");
}

#[test]
fn bad_headers_are_refused() {
    check("name\na", "t.csv, row 1: no column size, want it in the header");
    check("\nname,size,name\na,1,b", "t.csv, row 2: column name appears twice in the header, want it once");
    check("name,size,notes\na,1,b", "t.csv, row 1: unknown column \"notes\", want some of name, size, note");
    check("name,size,\na,1,b", "t.csv, row 1: unknown column \"\", want some of name, size, note");
}

#[test]
fn bad_rows_are_refused() {
    check("name,size\na,1\nb", "t.csv, row 3: 1 fields, want 2");
    check("name,size\na,1,2", "t.csv, row 2: 3 fields, want 2");
    check(
        "name,size\na,\"1",
        "t.csv, row 2, column 2: a stray quote, want \"...\" around a whole value, in one line",
    );
    check(b"name,size\na,1\nb,\xff", "t.csv, row 3, column size: not UTF-8, want text in UTF-8");
    check(b"name,\xff\na,1\n", "t.csv, row 1, column 2: not UTF-8, want text in UTF-8");
    check(
        "name,size\na,1\nb,2\na,3",
        "t.csv, row 4, column name: \"a\" is already the name of row 2, want unique names",
    );
    let long = "x".repeat(70_000);
    check(format!("name,size\n{long},1"), "t.csv, row 2: the line is longer than 65536 bytes");
}

#[test]
fn bad_numbers_are_refused() {
    for value in ["", "10", "-1", "1.5", "1e3", "0x1", "9223372036854775808", "one", "NaN"] {
        check(
            format!("name,size\na,{value}"),
            &format!("t.csv, row 2, column size: {value:?}, want a whole number from 0 to 9"),
        );
    }
    let long = "7".repeat(500);
    let shown = "7".repeat(80) + "...";
    check(
        format!("name,size\na,{long}"),
        &format!("t.csv, row 2, column size: {shown:?}, want a whole number from 0 to 9"),
    );
}
