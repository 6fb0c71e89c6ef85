//! Names and reasons come from traces, and a trace may hold anything. Shown to people, a name must not move the
//! cursor, break a table into pieces or turn the direction of the text around it.

/// The text on one line, with every character that acts instead of showing replaced by a visible mark.
pub(crate) fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_whitespace() { ' ' } else { mark(c) }).collect()
}

/// As [`visible`], but at most so many characters of it; what was cut off is marked.
pub(crate) fn visible_start(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => visible(&text[..end]) + "…",
        None => visible(text),
    }
}

fn mark(c: char) -> char {
    let acts = c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    if acts { char::REPLACEMENT_CHARACTER } else { c }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_act_become_marks() {
        assert_eq!(visible("0/3 nodes are available"), "0/3 nodes are available");
        assert_eq!(visible("a\nb\tc"), "a b c");
        assert_eq!(visible("\u{1b}[2Jx\0"), "\u{fffd}[2Jx\u{fffd}");
        assert_eq!(visible("\u{202e}evil"), "\u{fffd}evil");
    }

    #[test]
    fn the_start_is_counted_in_characters() {
        assert_eq!(visible_start("äöü", 3), "äöü");
        assert_eq!(visible_start("äöü", 2), "äö…");
    }
}
