//! Text on its way into the page. Every string that is not ours goes through here.

use std::fmt::{self, Display, Write};

use crate::text::visible;

/// Text as the content of an element or as a quoted attribute: it cannot end either of them.
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in visible(self.0).chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_meaning_in_html_loses_it() {
        assert_eq!(
            Escaped(r#"<a b="c" d='&e;'>"#).to_string(),
            "&lt;a b=&quot;c&quot; d=&#39;&amp;e;&#39;&gt;"
        );
        assert_eq!(Escaped("team-α/größe").to_string(), "team-α/größe");
        assert_eq!(Escaped("a\0\u{202e}b").to_string(), "a\u{fffd}\u{fffd}b");
    }
}
