//! Uids of pods as keys.

use std::fmt::{self, Write};

/// A pod's uid. Nearly all are UUIDs in the usual spelling, which take no memory of their own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Uid {
    /// Both halves of a UUID.
    Uuid(u64, u64),
    /// Anything else, as it is spelled.
    Other(Box<str>),
}

/// Where the hyphens of a UUID stand.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

impl Uid {
    pub(crate) fn new(text: &str) -> Uid {
        parse(text.as_bytes()).unwrap_or_else(|| Uid::Other(text.into()))
    }
}

fn parse(text: &[u8]) -> Option<Uid> {
    if text.len() != 36 {
        return None;
    }
    let mut value: u128 = 0;
    for (place, byte) in text.iter().enumerate() {
        let digit = match byte {
            b'-' if HYPHENS.contains(&place) => continue,
            _ if HYPHENS.contains(&place) => return None,
            b'0'..=b'9' => byte - b'0',
            // Upper case is another spelling, and would come back changed.
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        value = (value << 4) | u128::from(digit);
    }
    Some(Uid::Uuid((value >> 64) as u64, value as u64))
}

impl fmt::Display for Uid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (high, low) = match self {
            Uid::Uuid(high, low) => (high, low),
            Uid::Other(text) => return out.write_str(text),
        };
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let bytes = ((u128::from(*high) << 64) | u128::from(*low)).to_be_bytes();
        for (place, byte) in bytes.into_iter().enumerate() {
            if matches!(place, 4 | 6 | 8 | 10) {
                out.write_char('-')?;
            }
            out.write_char(char::from(DIGITS[usize::from(byte >> 4)]))?;
            out.write_char(char::from(DIGITS[usize::from(byte & 15)]))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Uid;

    #[test]
    fn every_spelling_comes_back_as_it_was() {
        let plain = "0f8fad5b-d9cb-469f-a165-70867728950e";
        assert!(matches!(Uid::new(plain), Uid::Uuid(0x0f8f_ad5b_d9cb_469f, 0xa165_7086_7728_950e)));
        for text in [
            plain,
            "00000000-0000-0000-0000-000000000000",
            "0F8FAD5B-d9cb-469f-a165-70867728950e",
            "0f8fad5b-d9cb-469f-a165+70867728950e",
            "0f8fad5bd-9cb-469f-a165-70867728950e",
            "pod-1",
            "",
            "ééééééééééééééééééé",
        ] {
            assert_eq!(Uid::new(text).to_string(), text);
        }
        assert_ne!(Uid::new("a"), Uid::new("b"));
    }
}
