//! Times: read as RFC 3339, kept in UTC in the one form that Kubernetes writes.

use std::borrow::Cow;
use std::fmt::Write;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::walk::shown;

/// The time in the form of whole seconds (`2006-01-02T15:04:05Z`) or of microseconds (`2006-01-02T15:04:05.000000Z`).
pub(crate) fn canonical_time(text: Cow<'_, str>, micro: bool) -> Result<String, String> {
    let time = if has_form(text.as_bytes()) { text.parse::<Timestamp>().ok() } else { None };
    time.and_then(|time| format_time(time, micro)).ok_or_else(|| {
        format!("got the time {}, want one such as \"2006-01-02T15:04:05Z\" (RFC 3339)", shown(&text))
    })
}

/// Whether the separators are where RFC 3339 has them; `jiff` takes other forms, too.
fn has_form(text: &[u8]) -> bool {
    const SEPARATORS: [(usize, u8); 5] = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    let zone = text.ends_with(b"Z") || matches!(text, [.., b'+' | b'-', _, _, b':', _, _]);
    text.len() >= 20 && zone && SEPARATORS.iter().all(|(at, separator)| text.get(*at) == Some(separator))
}

/// A time as Kubernetes writes it; `None` for years that do not have four digits.
pub(crate) fn format_time(time: Timestamp, micro: bool) -> Option<String> {
    let civil = TimeZone::UTC.to_datetime(time);
    if civil.year() < 0 {
        return None;
    }
    let mut text = String::with_capacity(27);
    // Writing to a string does not fail.
    let _ = write!(
        text,
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        civil.year(),
        civil.month(),
        civil.day(),
        civil.hour(),
        civil.minute(),
        civil.second()
    );
    if micro {
        let _ = write!(text, ".{:06}", civil.subsec_nanosecond() / 1_000);
    }
    text.push('Z');
    Some(text)
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::canonical_time;

    #[test]
    fn times_have_one_form() {
        for (text, micro, kept) in [
            ("2026-01-02T03:04:05Z", false, "2026-01-02T03:04:05Z"),
            ("2026-01-02T03:04:05.999Z", false, "2026-01-02T03:04:05Z"),
            ("2026-01-02T00:30:00+01:00", false, "2026-01-01T23:30:00Z"),
            ("2026-01-02T03:04:05Z", true, "2026-01-02T03:04:05.000000Z"),
            ("2026-01-02T03:04:05.0000019-00:30", true, "2026-01-02T03:34:05.000001Z"),
            ("0001-01-01T00:00:00Z", false, "0001-01-01T00:00:00Z"),
        ] {
            assert_eq!(canonical_time(Cow::Borrowed(text), micro).as_deref(), Ok(kept), "{text}");
        }
    }

    #[test]
    fn other_forms_are_refused() {
        for text in [
            "",
            "now",
            "2026-01-02",
            "2026-01-02T03:04:05",
            "2026-01-02 03:04:05Z",
            "20260102T030405Z",
            "2026-13-02T03:04:05Z",
            "2026-02-30T03:04:05Z",
            "2026-01-02T03:04:05+01:00[Europe/Berlin]",
            "-002026-01-02T03:04:05Z",
        ] {
            assert!(canonical_time(Cow::Borrowed(text), false).is_err(), "{text}");
        }
    }
}
