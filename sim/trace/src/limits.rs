//! What a row may hold. One function checks a host and one a pod, and every reader and the table writer call them.
//!
//! The limits refuse what cannot be meant and what would overflow further on. They do not judge whether a pod can be
//! placed: a pod that asks for nothing, or for more than any host has, is a valid row with a foreseeable outcome.

use std::fmt::Display;

use crate::row::{TraceHost, TracePod};

/// The largest quantity: larger ones are not exact as a floating point number.
pub const MAX_QUANTITY: i64 = (1 << 53) - 1;

/// The largest processor capacity of a host, in thousandths: a million processors.
pub const MAX_HOST_CPU_MILLI: i64 = 1_000_000_000;

/// The largest memory of a host, in bytes: 1 PiB.
pub const MAX_HOST_MEMORY: i64 = 1 << 50;

/// The largest number of devices of a host, and that a pod may ask for.
pub const MAX_DEVICES: u32 = 64;

/// A whole device, in thousandths.
pub const DEVICE_MILLI: u32 = 1000;

/// The latest arrival and the longest duration, in milliseconds (about 285,000 years): their sum never overflows.
pub const MAX_TIME_MS: u64 = (1 << 53) - 1;

/// The longest name of a host, pod, tenant, zone or model, in bytes.
pub const MAX_NAME_BYTES: usize = 253;

/// The largest number of device models that a pod may list.
pub const MAX_MODELS: usize = 64;

/// What separates the models of a pod in one cell of a table.
pub const MODEL_SEPARATOR: char = '|';

/// A value of a row that is out of bounds, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} is {value:?}, want {want}")]
pub struct OutOfBounds {
    /// The field of the row.
    pub field: &'static str,
    /// What it holds.
    pub value: String,
    /// What would be right.
    pub want: String,
}

/// Checks a host.
pub fn check_host(host: &TraceHost) -> Result<(), OutOfBounds> {
    check_name("name", &host.name)?;
    check_capacity("cpu_milli", host.cpu_milli, MAX_HOST_CPU_MILLI)?;
    check_capacity("memory", host.memory, MAX_HOST_MEMORY)?;
    check_quantity("pods", host.pods)?;
    check_device_count(host.device_count)?;
    match &host.device_model {
        Some(model) => check_model("device_model", model)?,
        None if host.device_count > 0 => {
            let want = format!("a model, since device_count is {}", host.device_count);
            return Err(out_of_bounds("device_model", "", want));
        }
        None => {}
    }
    host.zone.as_deref().map_or(Ok(()), |zone| check_name("zone", zone))
}

/// Checks a pod.
pub fn check_pod(pod: &TracePod) -> Result<(), OutOfBounds> {
    check_name("name", &pod.name)?;
    check_name("tenant", &pod.tenant)?;
    check_time("arrival_ms", pod.arrival_ms)?;
    pod.duration_ms.map_or(Ok(()), |duration| check_time("duration_ms", duration))?;
    check_quantity("cpu_milli", pod.cpu_milli)?;
    check_quantity("memory", pod.memory)?;
    check_device_count(pod.device_count)?;
    if pod.device_count == 0 && pod.device_milli != 0 {
        return Err(out_of_bounds("device_milli", pod.device_milli, "0, since device_count is 0"));
    }
    if pod.device_count > 0 && !(1..=DEVICE_MILLI).contains(&pod.device_milli) {
        return Err(out_of_bounds("device_milli", pod.device_milli, format!("1 to {DEVICE_MILLI}")));
    }
    if pod.device_models.len() > MAX_MODELS {
        let found = format!("{} models", pod.device_models.len());
        return Err(out_of_bounds("device_models", found, format!("at most {MAX_MODELS}")));
    }
    pod.device_models.iter().try_for_each(|model| check_model("device_models", model))
}

fn check_capacity(field: &'static str, value: i64, most: i64) -> Result<(), OutOfBounds> {
    if value == 0 {
        return Err(out_of_bounds(field, value, "at least 1"));
    }
    if !(1..=most).contains(&value) {
        return Err(out_of_bounds(field, value, format!("1 to {most}")));
    }
    Ok(())
}

fn check_quantity(field: &'static str, value: i64) -> Result<(), OutOfBounds> {
    if !(0..=MAX_QUANTITY).contains(&value) {
        return Err(out_of_bounds(field, value, format!("0 to {MAX_QUANTITY}")));
    }
    Ok(())
}

fn check_time(field: &'static str, value: u64) -> Result<(), OutOfBounds> {
    if value > MAX_TIME_MS {
        return Err(out_of_bounds(field, value, format!("0 to {MAX_TIME_MS}")));
    }
    Ok(())
}

fn check_device_count(count: u32) -> Result<(), OutOfBounds> {
    if count > MAX_DEVICES {
        return Err(out_of_bounds("device_count", count, format!("0 to {MAX_DEVICES}")));
    }
    Ok(())
}

fn check_name(field: &'static str, name: &str) -> Result<(), OutOfBounds> {
    if name.is_empty() || name.len() > MAX_NAME_BYTES {
        return Err(out_of_bounds(field, name, format!("1 to {MAX_NAME_BYTES} bytes")));
    }
    // Names end up in reports and logs, where a line break or an escape sequence would forge lines.
    if name.chars().any(char::is_control) {
        return Err(out_of_bounds(field, name, "no control characters"));
    }
    Ok(())
}

fn check_model(field: &'static str, model: &str) -> Result<(), OutOfBounds> {
    if model.is_empty() {
        return Err(out_of_bounds(field, model, "no empty model"));
    }
    check_name(field, model)?;
    if model.contains(MODEL_SEPARATOR) {
        return Err(out_of_bounds(
            field,
            model,
            format!("models without `{MODEL_SEPARATOR}` in their names"),
        ));
    }
    Ok(())
}

fn out_of_bounds(field: &'static str, value: impl Display, want: impl Into<String>) -> OutOfBounds {
    OutOfBounds { field, value: value.to_string(), want: want.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> TraceHost {
        TraceHost { name: "h".into(), cpu_milli: 1, memory: 1, ..TraceHost::default() }
    }

    fn pod() -> TracePod {
        TracePod { name: "p".into(), tenant: "t".into(), ..TracePod::default() }
    }

    fn check(result: Result<(), OutOfBounds>, want: &str) {
        assert_eq!(result.unwrap_err().to_string(), want);
    }

    #[test]
    fn hosts_at_the_limits_are_valid() {
        assert_eq!(check_host(&host()), Ok(()));
        let largest = TraceHost {
            cpu_milli: MAX_HOST_CPU_MILLI,
            memory: MAX_HOST_MEMORY,
            pods: MAX_QUANTITY,
            device_model: Some("T4".into()),
            device_count: MAX_DEVICES,
            zone: Some("z".repeat(MAX_NAME_BYTES)),
            ..host()
        };
        assert_eq!(check_host(&largest), Ok(()));
    }

    #[test]
    fn hosts_beyond_the_limits_are_refused() {
        let h = host;
        check(check_host(&TraceHost { name: String::new(), ..h() }), "name is \"\", want 1 to 253 bytes");
        check(
            check_host(&TraceHost { name: "a\nb".into(), ..h() }),
            r#"name is "a\nb", want no control characters"#,
        );
        check(check_host(&TraceHost { cpu_milli: 0, ..h() }), "cpu_milli is \"0\", want at least 1");
        check(check_host(&TraceHost { memory: 0, ..h() }), "memory is \"0\", want at least 1");
        check(check_host(&TraceHost { cpu_milli: -1, ..h() }), "cpu_milli is \"-1\", want 1 to 1000000000");
        check(
            check_host(&TraceHost { memory: MAX_HOST_MEMORY + 1, ..h() }),
            "memory is \"1125899906842625\", want 1 to 1125899906842624",
        );
        check(check_host(&TraceHost { pods: -1, ..h() }), "pods is \"-1\", want 0 to 9007199254740991");
        check(check_host(&TraceHost { device_count: 65, ..h() }), "device_count is \"65\", want 0 to 64");
        check(
            check_host(&TraceHost { device_count: 2, ..h() }),
            "device_model is \"\", want a model, since device_count is 2",
        );
        check(
            check_host(&TraceHost { device_model: Some("a|b".into()), ..h() }),
            "device_model is \"a|b\", want models without `|` in their names",
        );
    }

    #[test]
    fn pods_that_ask_for_nothing_or_too_much_are_valid() {
        assert_eq!(check_pod(&pod()), Ok(()));
        let greedy = TracePod {
            cpu_milli: MAX_QUANTITY,
            memory: MAX_QUANTITY,
            arrival_ms: MAX_TIME_MS,
            duration_ms: Some(MAX_TIME_MS),
            device_count: MAX_DEVICES,
            device_milli: 500,
            ..pod()
        };
        assert_eq!(check_pod(&greedy), Ok(()));
    }

    #[test]
    fn pods_beyond_the_limits_are_refused() {
        let p = pod;
        let gpu = || TracePod { device_count: 1, device_milli: 1000, ..pod() };
        check(check_pod(&TracePod { tenant: String::new(), ..p() }), "tenant is \"\", want 1 to 253 bytes");
        check(
            check_pod(&TracePod { cpu_milli: -5, ..p() }),
            "cpu_milli is \"-5\", want 0 to 9007199254740991",
        );
        check(
            check_pod(&TracePod { memory: MAX_QUANTITY + 1, ..p() }),
            "memory is \"9007199254740992\", want 0 to 9007199254740991",
        );
        check(
            check_pod(&TracePod { duration_ms: Some(u64::MAX), ..p() }),
            "duration_ms is \"18446744073709551615\", want 0 to 9007199254740991",
        );
        check(
            check_pod(&TracePod { device_milli: 1, ..p() }),
            "device_milli is \"1\", want 0, since device_count is 0",
        );
        check(check_pod(&TracePod { device_milli: 0, ..gpu() }), "device_milli is \"0\", want 1 to 1000");
        check(
            check_pod(&TracePod { device_milli: 1001, ..gpu() }),
            "device_milli is \"1001\", want 1 to 1000",
        );
        check(check_pod(&TracePod { device_count: 65, ..gpu() }), "device_count is \"65\", want 0 to 64");
        let models = vec!["T4".to_owned(); 65];
        check(
            check_pod(&TracePod { device_models: models, ..gpu() }),
            "device_models is \"65 models\", want at most 64",
        );
    }
}
