//! How long ago something was, in the words of `kubectl`: the coarser, the longer ago.

use jiff::Timestamp;
use serde_json::Value;

use crate::read::{get, text};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const YEAR: i64 = 365 * DAY;

/// What stands for a time that is not known.
const UNKNOWN: &str = "<unknown>";

/// How long ago an object was created.
pub(crate) fn age(object: &Value, now: Timestamp) -> String {
    since(text(get(object, "metadata"), "creationTimestamp"), now)
}

/// How long ago a time was.
pub(crate) fn since(time: &str, now: Timestamp) -> String {
    match time.parse::<Timestamp>() {
        Ok(time) => words(now.as_second().saturating_sub(time.as_second())),
        Err(_) => UNKNOWN.to_owned(),
    }
}

/// A number of seconds in words. A clock that runs a little behind is no reason to call an age invalid.
pub(super) fn words(seconds: i64) -> String {
    let two = |large: i64, small: i64, letters: [char; 2]| {
        let (whole, rest) = (seconds / large, seconds % large / small);
        match rest {
            0 => format!("{whole}{}", letters[0]),
            rest => format!("{whole}{}{rest}{}", letters[0], letters[1]),
        }
    };
    match seconds {
        ..-1 => "<invalid>".to_owned(),
        -1 => "0s".to_owned(),
        0..120 => format!("{seconds}s"),
        120..600 => two(MINUTE, 1, ['m', 's']),
        600..10_800 => format!("{}m", seconds / MINUTE),
        10_800..28_800 => two(HOUR, MINUTE, ['h', 'm']),
        28_800..172_800 => format!("{}h", seconds / HOUR),
        172_800..691_200 => two(DAY, HOUR, ['d', 'h']),
        691_200..63_072_000 => format!("{}d", seconds / DAY),
        63_072_000..252_288_000 => two(YEAR, DAY, ['y', 'd']),
        _ => format!("{}y", seconds / YEAR),
    }
}
