//! Kubernetes quantities: `500m`, `1.5Gi`, `1e3`.
//!
//! A quantity is kept in thousand-millionths of its unit, the finest step that Kubernetes knows, as a 128-bit whole
//! number; there is no floating point anywhere. Where Kubernetes rounds, it rounds away from zero (who asks for
//! something gets something), and so does this. Where Kubernetes caps a number that is too large, this refuses it.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, Visitor};

#[cfg(test)]
mod tests;

/// Thousand-millionths in one unit.
const NANO: i128 = 1_000_000_000;

/// Thousand-millionths in one thousandth.
const NANO_IN_MILLI: i128 = 1_000_000;

/// The largest magnitude: 2^63 - 1 whole units, as in Kubernetes.
const LIMIT: i128 = i64::MAX as i128 * NANO;

/// The longest text that is read as a quantity. The longest sensible one has some 30 characters.
const MAX_LENGTH: usize = 128;

/// An exact amount of a resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity {
    /// Never beyond [`LIMIT`] in either direction.
    nano: i128,
}

/// Why a text is no quantity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QuantityError {
    /// No digits where the number should be.
    #[error("quantity {text:?} does not start with a number, want one such as 500m, 1.5 or 2Gi")]
    NoNumber {
        /// What was given.
        text: String,
    },
    /// Something after the number that is no suffix.
    #[error(
        "quantity {text:?} has the unknown suffix {suffix:?}, want none, n, u, m, k, M, G, T, P, E, Ki, Mi, Gi, Ti, \
         Pi, Ei or an exponent such as e3"
    )]
    UnknownSuffix {
        /// What was given.
        text: String,
        /// The part after the number.
        suffix: String,
    },
    /// Beyond 2^63 - 1, or with more digits than can be kept exactly.
    #[error("quantity {text:?} is out of range, want at most {max} and at most 19 decimals", max = i64::MAX)]
    OutOfRange {
        /// What was given.
        text: String,
    },
    /// A text that no person or program would write as a number.
    #[error("quantity has {length} characters, want at most {MAX_LENGTH}")]
    TooLong {
        /// The length in bytes.
        length: usize,
    },
}

/// What the suffix multiplies by.
#[derive(Clone, Copy)]
enum Scale {
    /// A power of ten.
    Ten(i32),
    /// A power of two.
    Two(u32),
}

impl Quantity {
    /// Nothing.
    pub const ZERO: Quantity = Quantity { nano: 0 };

    /// So many thousandths.
    pub const fn from_milli(milli: i64) -> Quantity {
        Quantity { nano: milli as i128 * NANO_IN_MILLI }
    }

    /// So many whole units.
    pub const fn from_whole(whole: i64) -> Quantity {
        // The lowest whole number has no counterpart; one step above it is as good.
        let whole = if whole == i64::MIN { -i64::MAX } else { whole };
        Quantity { nano: whole as i128 * NANO }
    }

    /// Reads a quantity.
    pub fn parse(text: &str) -> Result<Quantity, QuantityError> {
        if text.len() > MAX_LENGTH {
            return Err(QuantityError::TooLong { length: text.len() });
        }
        let (negative, unsigned) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let (whole, rest) = split_digits(unsigned);
        let (fraction, suffix) = match rest.strip_prefix('.') {
            Some(rest) => split_digits(rest),
            None => ("", rest),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(QuantityError::NoNumber { text: text.to_owned() });
        }
        let Some(scale) = scale(suffix) else {
            return Err(QuantityError::UnknownSuffix { text: text.to_owned(), suffix: suffix.to_owned() });
        };
        match magnitude(whole, fraction.trim_end_matches('0'), scale) {
            Some(nano) if nano <= LIMIT => Ok(Quantity { nano: if negative { -nano } else { nano } }),
            _ => Err(QuantityError::OutOfRange { text: text.to_owned() }),
        }
    }

    /// Thousandths, rounded away from zero; `None` when there are too many for 64 bits.
    pub fn milli(self) -> Option<i64> {
        i64::try_from(divide_up(self.nano, NANO_IN_MILLI)).ok()
    }

    /// Whole units, rounded away from zero; `None` when there are too many for 64 bits.
    pub fn value(self) -> Option<i64> {
        i64::try_from(divide_up(self.nano, NANO)).ok()
    }

    /// Below zero.
    pub fn is_negative(self) -> bool {
        self.nano < 0
    }

    /// Rounded to thousandths, as an API server does with every quantity of a resource list that it stores.
    pub fn rounded_to_milli(self) -> Quantity {
        Quantity { nano: (divide_up(self.nano, NANO_IN_MILLI) * NANO_IN_MILLI).clamp(-LIMIT, LIMIT) }
    }

    /// The sum; what would lie beyond the largest quantity becomes that quantity.
    pub fn saturating_add(self, other: Quantity) -> Quantity {
        Quantity { nano: (self.nano + other.nano).clamp(-LIMIT, LIMIT) }
    }
}

/// The quantity as plain decimals, without a suffix.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.nano < 0 { "-" } else { "" };
        let (whole, fraction) = (self.nano.abs() / NANO, self.nano.abs() % NANO);
        if fraction == 0 {
            return write!(f, "{sign}{whole}");
        }
        let fraction = format!("{fraction:09}");
        write!(f, "{sign}{whole}.{}", fraction.trim_end_matches('0'))
    }
}

impl std::str::FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Quantity, QuantityError> {
        Quantity::parse(text)
    }
}

/// Text or a number, as in Kubernetes; `null` is nothing.
impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Quantity, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Quantity;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a quantity such as 500m, 1.5 or 2Gi")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Quantity, E> {
                Quantity::parse(text).map_err(E::custom)
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Quantity, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Quantity, E> {
                self.visit_str(&number.to_string())
            }

            // The shortest decimals that read back as the same number are the ones that were written.
            fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Quantity, E> {
                if number.abs() > i64::MAX as f64 {
                    return Err(E::custom(QuantityError::OutOfRange { text: format!("{number:e}") }));
                }
                self.visit_str(&number.to_string())
            }

            fn visit_unit<E: serde::de::Error>(self) -> Result<Quantity, E> {
                Ok(Quantity::ZERO)
            }
        }

        deserializer.deserialize_any(Text).map_err(D::Error::custom)
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(u8::is_ascii_digit).count())
}

fn scale(suffix: &str) -> Option<Scale> {
    Some(match suffix {
        "" => Scale::Ten(0),
        "n" => Scale::Ten(-9),
        "u" => Scale::Ten(-6),
        "m" => Scale::Ten(-3),
        "k" => Scale::Ten(3),
        "M" => Scale::Ten(6),
        "G" => Scale::Ten(9),
        "T" => Scale::Ten(12),
        "P" => Scale::Ten(15),
        "E" => Scale::Ten(18),
        "Ki" => Scale::Two(10),
        "Mi" => Scale::Two(20),
        "Gi" => Scale::Two(30),
        "Ti" => Scale::Two(40),
        "Pi" => Scale::Two(50),
        "Ei" => Scale::Two(60),
        _ => Scale::Ten(suffix.strip_prefix(['e', 'E'])?.parse().ok()?),
    })
}

/// The number in thousand-millionths, rounded up; `None` when it does not fit.
fn magnitude(whole: &str, fraction: &str, scale: Scale) -> Option<i128> {
    let mut mantissa: i128 = 0;
    for digit in whole.bytes().chain(fraction.bytes()) {
        mantissa = mantissa.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
    }
    if mantissa == 0 {
        return Some(0);
    }
    let decimals = i32::try_from(fraction.len()).ok()?;
    let exponent = match scale {
        Scale::Ten(power) => power.checked_add(9)?.checked_sub(decimals)?,
        Scale::Two(power) => {
            mantissa = mantissa.checked_mul(1_i128.checked_shl(power)?)?;
            9 - decimals
        }
    };
    match 10_i128.checked_pow(exponent.unsigned_abs()) {
        Some(power) if exponent >= 0 => mantissa.checked_mul(power),
        Some(power) => Some(divide_up(mantissa, power)),
        // Less than the finest step, and so one step.
        None if exponent < 0 => Some(1),
        None => None,
    }
}

/// Divides by a positive number and rounds away from zero.
fn divide_up(number: i128, by: i128) -> i128 {
    let quotient = number / by;
    if number % by == 0 { quotient } else { quotient + number.signum() }
}
