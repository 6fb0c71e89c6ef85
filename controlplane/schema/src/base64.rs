//! Standard base64 with padding, in which JSON carries bytes.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The text for these bytes.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let index = bits >> (18 - 6 * at) & 63;
            text.push(if at <= chunk.len() { char::from(ALPHABET[index as usize]) } else { '=' });
        }
    }
    text
}

/// How many bytes a text stands for, or what is wrong with it. Line ends may lie anywhere between.
pub(crate) fn decoded_length(text: &str) -> Result<usize, String> {
    let (mut significant, mut padding) = (0usize, 0usize);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'\r' | b'\n' => continue,
            b'=' => padding += 1,
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' if padding == 0 => {}
            _ => return Err(format!("illegal base64 data at input byte {at}")),
        }
        significant += 1;
    }
    if significant % 4 != 0 || padding > 2 {
        return Err(format!("illegal base64 data at input byte {}", text.len()));
    }
    Ok(significant / 4 * 3 - padding)
}

#[cfg(test)]
mod tests {
    use super::{decoded_length, encode};

    #[test]
    fn bytes_of_every_length_are_written_with_padding() {
        let texts = ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(|bytes| encode(bytes.as_bytes()));
        assert_eq!(texts, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"]);
        assert_eq!(encode(&[0xfb, 0xff, 0xfe]), "+//+");
    }

    #[test]
    fn length_is_that_of_the_bytes() {
        for length in 0..20 {
            assert_eq!(decoded_length(&encode(&vec![7; length])), Ok(length));
        }
        assert_eq!(decoded_length("Zm9v\nYg==\n"), Ok(4));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["Zg", "Zg=", "Z===", "====", "Zg==Zg==", "Zm 9", "Zm9-", "ü==="] {
            assert!(decoded_length(text).is_err(), "{text}");
        }
    }
}
