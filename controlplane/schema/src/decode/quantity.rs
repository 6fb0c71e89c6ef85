//! Amounts, in the one form that Kubernetes keeps: no fraction, and the largest suffix that allows that.

use std::borrow::Cow;

use meridian_kubernetes::Quantity;

/// Suffixes of powers of a thousand, from thousandths on.
const DECIMAL: [&str; 8] = ["m", "", "k", "M", "G", "T", "P", "E"];

/// Suffixes of powers of 1,024.
const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/// The form in which an amount is kept, or what is wrong with the text.
pub(crate) fn check_quantity(text: &str) -> Result<Cow<'_, str>, String> {
    if is_plain(text) {
        return Ok(Cow::Borrowed(text));
    }
    let quantity = Quantity::parse(text).map_err(|error| error.to_string())?;
    // An amount that thousandths do not hold exactly, or that is too large for them, stays as it is written.
    Ok(match canonical(text, quantity) {
        Some(canonical) if Quantity::parse(&canonical) == Ok(quantity) => Cow::Owned(canonical),
        _ => Cow::Borrowed(text),
    })
}

/// Whether a text is beyond doubt an amount in its final form, as nearly all are: a few digits and a suffix.
fn is_plain(text: &str) -> bool {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, suffix) = text.split_at(digits);
    if number.starts_with('0') {
        return text == "0";
    }
    match suffix {
        "" | "m" | "k" | "M" | "G" | "T" => (1..=6).contains(&digits) && !number.ends_with("000"),
        "Ki" | "Mi" | "Gi" | "Ti" => {
            (1..=5).contains(&digits) && number.parse::<u32>().is_ok_and(|number| number % 1024 != 0)
        }
        _ => false,
    }
}

fn canonical(text: &str, quantity: Quantity) -> Option<String> {
    let milli = quantity.milli();
    if text.ends_with('i') {
        let mut value = quantity.value()?;
        if value.unsigned_abs() >= 1024 {
            let mut power = 0;
            while value % 1024 == 0 && power + 1 < BINARY.len() {
                value /= 1024;
                power += 1;
            }
            return Some(format!("{value}{}", BINARY[power]));
        }
    }
    let (mut number, mut power) = match milli {
        Some(milli) => (milli, 0),
        None => (quantity.value()?, 1),
    };
    if number == 0 {
        return Some("0".to_owned());
    }
    while number % 1000 == 0 && power + 1 < DECIMAL.len() {
        number /= 1000;
        power += 1;
    }
    // `E` at the end is the suffix; elsewhere, and `e`, it is an exponent.
    let exponent = text.bytes().any(|byte| byte == b'e') || text[..text.len() - 1].contains('E');
    Some(match power {
        1 => number.to_string(),
        0 if exponent => format!("{number}e-3"),
        power if exponent => format!("{number}e{}", (power - 1) * 3),
        power => format!("{number}{}", DECIMAL[power]),
    })
}

#[cfg(test)]
mod tests {
    use super::check_quantity;

    #[test]
    fn amounts_have_one_form() {
        for (text, kept) in [
            ("500m", "500m"),
            ("0.5", "500m"),
            ("1000m", "1"),
            ("1.5", "1500m"),
            ("100", "100"),
            ("1000", "1k"),
            ("1500", "1500"),
            ("2000000", "2M"),
            ("1Gi", "1Gi"),
            ("1024Mi", "1Gi"),
            ("1.5Gi", "1536Mi"),
            ("0.5Ki", "512"),
            ("128974848", "128974848"),
            ("1e3", "1e3"),
            ("12e6", "12e6"),
            ("2E", "2E"),
            ("+1", "1"),
            ("-1500m", "-1500m"),
            ("0", "0"),
            ("0Gi", "0"),
            ("00.0", "0"),
            ("007", "7"),
            ("100n", "100n"),
        ] {
            assert_eq!(check_quantity(text).as_deref(), Ok(kept), "{text}");
            assert_eq!(check_quantity(kept).as_deref(), Ok(kept), "{kept} is final");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "m", "1 Gi", "1GiB", "1mi", "ten", "1e", "--1", "1.2.3", "9999999999Ei", "１"] {
            assert!(check_quantity(text).is_err(), "{text:?}");
        }
    }
}
