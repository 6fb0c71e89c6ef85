//! Percent-encoding in paths and queries.

use std::borrow::Cow;

/// A path segment without its percent-encoding; `None` when what it encodes is not UTF-8.
///
/// A `%` that no two hexadecimal digits follow stands for itself.
pub(super) fn segment(text: &str) -> Option<Cow<'_, str>> {
    decode(text, false)
}

/// A name or value of a query, in which `+` is a space.
pub(super) fn query(text: &str) -> Option<Cow<'_, str>> {
    decode(text, true)
}

fn decode(text: &str, plus_is_space: bool) -> Option<Cow<'_, str>> {
    if !text.bytes().any(|byte| byte == b'%' || (plus_is_space && byte == b'+')) {
        return Some(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        match byte {
            b'%' => {
                if let (Some(high), Some(low)) = (ahead.next().and_then(hex), ahead.next().and_then(hex)) {
                    decoded.push(high << 4 | low);
                    bytes = ahead;
                } else {
                    decoded.push(byte);
                }
            }
            b'+' if plus_is_space => decoded.push(b' '),
            _ => decoded.push(byte),
        }
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        assert_eq!(segment("web-1").as_deref(), Some("web-1"));
        assert_eq!(segment("system%3Anode%2Fx").as_deref(), Some("system:node/x"));
        assert_eq!(segment("a+b").as_deref(), Some("a+b"));
        assert_eq!(query("a+b%3Dc").as_deref(), Some("a b=c"));
        assert_eq!(query("100%").as_deref(), Some("100%"));
        assert_eq!(query("%zz%4").as_deref(), Some("%zz%4"));
        assert_eq!(segment("%ff"), None);
    }
}
