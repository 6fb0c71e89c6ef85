//! Figures as people read them: grouped digits, short forms, and times in the unit that fits.

/// What stands for a figure that is not known.
pub(crate) const UNKNOWN: &str = "–";

/// A count in full: `1,234,567`.
pub(crate) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Three digits and a letter: `950`, `1.23k`, `45.6M`.
pub(crate) fn short(value: f64) -> String {
    if !value.is_finite() {
        return UNKNOWN.into();
    }
    let letters = ["", "k", "M", "G", "T", "P", "E"];
    let mut scaled = value;
    let mut letter = 0;
    // 999.5 would be rounded to a fourth digit.
    while scaled.abs() >= 999.5 && letter + 1 < letters.len() {
        scaled /= 1000.0;
        letter += 1;
    }
    if scaled.abs() >= 1e6 {
        return format!("{value:.0e}");
    }
    format!("{}{}", three_digits(scaled), letters[letter])
}

/// A percentage with one decimal: `71.3 %`.
pub(crate) fn percent(value: f64) -> String {
    match value {
        value if !value.is_finite() => UNKNOWN.into(),
        value if value.abs() >= 1e6 => format!("{value:.1e} %"),
        // Adding zero makes a plain zero of the negative one.
        value => format!("{:.1} %", value + 0.0),
    }
}

/// A percentage with two decimals, to compare with published ones: `95.21 %`.
pub(crate) fn fine_percent(value: f64) -> String {
    if value.is_finite() { format!("{value:.2} %") } else { UNKNOWN.to_owned() }
}

/// A part of a whole in percent: `99.8 %`. Not rounded to all or nothing of it, since those are promises.
pub(crate) fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return UNKNOWN.into();
    }
    let exact = part as f64 / whole as f64 * 100.0;
    match exact {
        exact if part > 0 && exact < 0.1 => "< 0.1 %".into(),
        exact if part < whole => percent(exact.min(99.9)),
        exact => percent(exact),
    }
}

/// Milliseconds: `0 ms`, `12.5 s`, `4 min 10 s`, `3 h 20 min`, `2 d 4 h`.
pub(crate) fn milliseconds(value: f64) -> String {
    if !value.is_finite() {
        return UNKNOWN.into();
    }
    let seconds = (value / 1000.0).round();
    if value < 999.5 {
        format!("{} ms", three_digits(value))
    } else if value < 59_950.0 {
        format!("{} s", three_digits(value / 1000.0))
    } else if seconds < 3_600.0 {
        parts(seconds, 60.0, "min", "s")
    } else if seconds < 86_400.0 {
        parts((seconds / 60.0).round(), 60.0, "h", "min")
    } else if seconds < 86_400_000.0 {
        parts((seconds / 3_600.0).round(), 24.0, "d", "h")
    } else {
        format!("{} d", short(seconds / 86_400.0))
    }
}

/// Nanoseconds: `850 ns`, `12.5 µs`, `4.2 ms`, and from a second on as [`milliseconds`].
pub(crate) fn nanoseconds(value: f64) -> String {
    if !value.is_finite() {
        UNKNOWN.into()
    } else if value < 999.5 {
        format!("{} ns", three_digits(value))
    } else if value < 999_500.0 {
        format!("{} µs", three_digits(value / 1e3))
    } else {
        milliseconds(value / 1e6)
    }
}

/// A number of small units as so many large ones and the rest: 250 s as `4 min 10 s`.
fn parts(small: f64, per_large: f64, large_name: &str, small_name: &str) -> String {
    let large = (small / per_large).floor();
    let rest = small - large * per_large;
    if rest == 0.0 {
        format!("{large:.0} {large_name}")
    } else {
        format!("{large:.0} {large_name} {rest:.0} {small_name}")
    }
}

/// At most three digits, without zeros at the end of the decimals.
fn three_digits(value: f64) -> String {
    let decimals = match value.abs() {
        size if size < 9.995 => 2,
        size if size < 99.95 => 1,
        _ => 0,
    };
    let text = format!("{value:.decimals$}");
    if decimals == 0 { text } else { text.trim_end_matches('0').trim_end_matches('.').to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(count(u64::MAX), "18,446,744,073,709,551,615");
    }

    #[test]
    fn short_forms_keep_three_digits() {
        let forms = [0.0, 0.5, 9.999, 950.0, 999.6, 1_234.0, 45_600_000.0, 1e300 * 1e300].map(short);
        assert_eq!(forms, ["0", "0.5", "10", "950", "1k", "1.23k", "45.6M", "–"]);
    }

    #[test]
    fn times_are_in_the_unit_that_fits() {
        let times = [0.0, 12.34, 999.6, 12_500.0, 59_990.0, 250_000.0, 12_000_000.0, 187_200_000.0];
        assert_eq!(
            times.map(milliseconds),
            ["0 ms", "12.3 ms", "1 s", "12.5 s", "1 min", "4 min 10 s", "3 h 20 min", "2 d 4 h"]
        );
        let times = [0.0, 850.0, 12_500.0, 4_200_000.0, 61e9];
        assert_eq!(times.map(nanoseconds), ["0 ns", "850 ns", "12.5 µs", "4.2 ms", "1 min 1 s"]);
        assert_eq!(milliseconds(f64::NAN), "–");
        assert_eq!(milliseconds(u64::MAX as f64), "214G d");
    }

    #[test]
    fn nearly_all_is_not_all() {
        assert_eq!(share(1, 1_000_000), "< 0.1 %");
        assert_eq!(share(0, 1_000_000), "0.0 %");
        assert_eq!(share(999_999, 1_000_000), "99.9 %");
        assert_eq!(share(5, 5), "100.0 %");
        assert_eq!(share(0, 0), "–");
    }
}
