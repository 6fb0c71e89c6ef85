//! Writing a JSON value down as YAML, for those who ask for `application/yaml`.
//!
//! Block style for what has members, and every text that could be taken for anything but itself in double quotes.

use std::fmt::Write;

use serde_json::Value;

/// The value as one YAML document.
pub(super) fn to_yaml(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(members) if !members.is_empty() => block(&mut out, value, 0),
        Value::Array(items) if !items.is_empty() => block(&mut out, value, 0),
        _ => {
            scalar(&mut out, value);
            out.push('\n');
        }
    }
    out
}

/// A value with members, from the start of a line (or from where its first member may begin).
fn block(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(members) => {
            for (at, (name, member)) in members.iter().enumerate() {
                if at > 0 {
                    spaces(out, indent);
                }
                text(out, name);
                out.push(':');
                if is_block(member) {
                    out.push('\n');
                    // Sequences stand at their parent's column, as kubectl prints them.
                    let inner = if member.is_array() { indent } else { indent + 2 };
                    spaces(out, inner);
                    block(out, member, inner);
                } else {
                    out.push(' ');
                    scalar(out, member);
                    out.push('\n');
                }
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    spaces(out, indent);
                }
                out.push_str("- ");
                if is_block(item) {
                    block(out, item, indent + 2);
                } else {
                    scalar(out, item);
                    out.push('\n');
                }
            }
        }
        _ => scalar(out, value),
    }
}

fn is_block(value: &Value) -> bool {
    match value {
        Value::Object(members) => !members.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    }
}

fn scalar(out: &mut String, value: &Value) {
    match value {
        Value::String(string) => text(out, string),
        Value::Object(_) => out.push_str("{}"),
        Value::Array(_) => out.push_str("[]"),
        // Writing to a string does not fail.
        other => {
            let _ = write!(out, "{other}");
        }
    }
}

fn text(out: &mut String, text: &str) {
    if is_plain(text) {
        out.push_str(text);
    } else {
        quoted(out, text);
    }
}

/// A text in double quotes. What YAML does not count as printable, or counts as the end of a line, is escaped.
fn quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            ' '..='~'
            | '\u{a0}'..='\u{2027}'
            | '\u{202a}'..='\u{d7ff}'
            | '\u{e000}'..='\u{fefe}'
            | '\u{ff00}'..='\u{fffd}'
            | '\u{10000}'.. => out.push(c),
            _ => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
        }
    }
    out.push('"');
}

/// Whether a text means itself without quotes, to any reader of YAML 1.1 or 1.2.
fn is_plain(text: &str) -> bool {
    const WORDS: [&str; 12] =
        ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf", "infinity"];
    let Some(first) = text.bytes().next() else { return false };
    // A number, a date or an infinity begins with a digit, a sign or a dot; so do few names that need to be pretty.
    first.is_ascii_alphabetic()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte))
        && !WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

fn spaces(out: &mut String, count: usize) {
    out.extend(std::iter::repeat_n(' ', count));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_and_sequences_are_indented() {
        let value = json!({
            "kind": "Pod",
            "metadata": {"labels": {}, "name": "web"},
            "spec": {"containers": [{"args": ["-v", "x: y"], "name": "a"}, {}], "hostNetwork": true, "replicas": 3},
        });
        let expected = "kind: Pod\n\
                        metadata:\n  labels: {}\n  name: web\n\
                        spec:\n  containers:\n  - args:\n    - \"-v\"\n    - \"x: y\"\n    name: a\n  - {}\n  hostNetwork: true\n  replicas: 3\n";
        assert_eq!(to_yaml(&value), expected);
        assert_eq!(to_yaml(&json!({})), "{}\n");
        assert_eq!(to_yaml(&json!([[1, 2], []])), "- - 1\n  - 2\n- []\n");
    }

    #[test]
    fn what_could_be_taken_for_something_else_is_quoted() {
        for odd in
            ["", "yes", "Null", "1.0", "2000-01-01", "a: b", "a #b", "-", "é", "a\nb", "~", "0x1f", "1e3"]
        {
            assert_eq!(to_yaml(&json!(odd)), format!("{}\n", json!(odd)), "{odd:?}");
        }
        assert_eq!(to_yaml(&json!("apps/v1")), "apps/v1\n");
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config { failure_persistence: None, ..Default::default() })]

        #[test]
        fn what_is_written_is_read_back_the_same(
            data in proptest::collection::btree_map("[-._a-zA-Z0-9]{1,8}", ".{0,12}|[-+~!&*%@`#:?0-9a-z \\n\\t.]{0,8}", 0..6)
        ) {
            use meridian_schema::{FieldValidation, config_map, decode_yaml};
            let object = json!({ "apiVersion": "v1", "data": data, "kind": "ConfigMap", "metadata": { "name": "a" } });
            let text = to_yaml(&object);
            let read = decode_yaml(config_map().message(), text.as_bytes(), FieldValidation::Strict)
                .unwrap_or_else(|error| panic!("{error}: {text}"));
            let written = object["data"].as_object().unwrap();
            let empty = serde_json::Map::new();
            let found = read.object["data"].as_object().unwrap_or(&empty);
            proptest::prop_assert_eq!(found, written, "{}", text);
        }
    }
}
