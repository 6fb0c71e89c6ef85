//! A report as one JSON object.
//!
//! The fields are those of the structs, in their order. Floats that are not finite come out as `null`, since JSON
//! has no other word for them.

use serde::Serialize;

use crate::{GlobalReport, OpenbReport, SimulationReport};

/// How JSON is laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JsonStyle {
    /// One field a line, for people.
    #[default]
    Pretty,
    /// All on one line, for files with one object a line.
    Compact,
}

impl SimulationReport {
    /// The whole report as one JSON object, without a newline at the end.
    pub fn to_json(&self, style: JsonStyle) -> String {
        render(self, style)
    }
}

impl OpenbReport {
    /// The whole report as one JSON object, without a newline at the end.
    pub fn to_json(&self, style: JsonStyle) -> String {
        render(self, style)
    }
}

impl GlobalReport {
    /// The whole report as one JSON object, without a newline at the end.
    pub fn to_json(&self, style: JsonStyle) -> String {
        render(self, style)
    }
}

fn render(report: &impl Serialize, style: JsonStyle) -> String {
    let json = match style {
        JsonStyle::Pretty => serde_json::to_string_pretty(report),
        JsonStyle::Compact => serde_json::to_string(report),
    };
    json.expect("the reports are structs with string keys, which always have a JSON form")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::{Arrived, example};

    fn keys(value: &Value) -> Vec<&str> {
        let mut keys = value.as_object().unwrap().keys().map(String::as_str).collect::<Vec<_>>();
        keys.sort_unstable();
        keys
    }

    #[test]
    fn simulation_has_the_agreed_fields() {
        let report = example::report();
        for style in [JsonStyle::Pretty, JsonStyle::Compact] {
            let json: Value = serde_json::from_str(&report.to_json(style)).unwrap();
            assert_eq!(
                keys(&json),
                [
                    "parameters",
                    "policy",
                    "queue_delay",
                    "samples",
                    "seed",
                    "summary",
                    "tenants",
                    "timings",
                    "title",
                    "unplaced"
                ]
            );
            assert_eq!(keys(&json["summary"]).len(), 11);
            assert_eq!(json["summary"]["hosts"], report.summary.hosts);
            assert_eq!(json["samples"].as_array().unwrap().len(), report.samples.len());
            assert_eq!(json["timings"]["decision_nanoseconds"]["count"], report.summary.pods_placed);
        }
    }

    #[test]
    fn openb_is_exactly_as_agreed() {
        let arrived = Arrived {
            percent: 100,
            allocation_mean: 92.5,
            allocation_stdev: 0.25,
            fragmentation_mean: 4.0,
            fragmentation_stdev: 0.5,
        };
        let report = OpenbReport {
            policy: "fragmentation".into(),
            seeds: 10,
            decisions_per_second: 125_000.5,
            arrived: vec![arrived],
        };
        assert_eq!(
            report.to_json(JsonStyle::Compact),
            concat!(
                r#"{"policy":"fragmentation","seeds":10,"decisions_per_second":125000.5,"arrived":[{"percent":100,"#,
                r#""allocation_mean":92.5,"allocation_stdev":0.25,"fragmentation_mean":4.0,"fragmentation_stdev":0.5}]}"#
            )
        );
    }

    #[test]
    fn unknown_floats_are_null() {
        let mut report = example::report();
        report.samples[0].cpu_percent = f64::NAN;
        report.samples[1].device_percent = Some(f64::INFINITY);
        let text = report.to_json(JsonStyle::Compact);
        let json: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["samples"][0]["cpu_percent"], Value::Null);
        assert_eq!(json["samples"][1]["device_percent"], Value::Null);
        assert!(!text.contains("NaN") && !text.contains("inf"));
    }
}
