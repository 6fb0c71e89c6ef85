//! What the table says of single fields, checked by one walk over the object: what must be there, which values exist, what
//! text looks like, how large numbers may be.

use serde_json::{Map, Value};

use crate::decode::Path;
use crate::rules::{Format, Inner, Rule, Rules, rules, rules_at};
use crate::table::{Field, MessageRef, Type};

use super::cause::Causes;
use super::names;

/// The largest number of a port.
const MAX_PORT: i64 = 65_535;

/// Checks the fields of an object, but for those named in `without`, against the rules of its message.
pub(super) fn walk(message: MessageRef, object: &Value, without: &[&str], causes: &mut Causes) {
    let Value::Object(map) = object else { return };
    let rules = rules(message);
    for rule in rules.required.iter().filter_map(|place| rules.fields.get(*place)) {
        require(rule, map.get(rule.field.name), &Path::ROOT, causes);
    }
    for (name, value) in map.iter().filter(|(name, _)| !without.contains(&name.as_str())) {
        check_field(message, rules, name, value, &Path::ROOT, causes);
    }
}

fn walk_map(
    message: MessageRef,
    rules: &'static Rules,
    map: &Map<String, Value>,
    path: &Path<'_>,
    causes: &mut Causes,
) {
    for place in &rules.required {
        if let Some(rule) = rules.fields.get(*place) {
            require(rule, map.get(rule.field.name), path, causes);
        }
    }
    for (name, value) in map {
        check_field(message, rules, name, value, path, causes);
    }
}

fn check_field(
    message: MessageRef,
    rules: &'static Rules,
    name: &str,
    value: &Value,
    path: &Path<'_>,
    causes: &mut Causes,
) {
    let rule = message.place(name).and_then(|place| rules.fields.get(place));
    if let Some(rule) = rule.filter(|rule| rule.checked) {
        check(rule, value, &path.name(name), causes);
    }
}

fn require(rule: &Rule, value: Option<&Value>, path: &Path<'_>, causes: &mut Causes) {
    let value = value.unwrap_or(&Value::Null);
    let path = path.name(rule.field.name);
    let missing = match (&rule.field.value, value) {
        // A number that is not there is a zero to Kubernetes.
        (Type::Int32 | Type::Int64 | Type::IntOrString, value) => {
            if matches!(value, Value::Null) || *value == 0 {
                require_number(rule, &path, causes);
            }
            false
        }
        (Type::Boolean, _) => false,
        (Type::Message(_), value) => value.is_null(),
        (_, Value::Null) => !rule.may_be_empty,
        (_, Value::String(text)) => text.is_empty() && !rule.may_be_empty,
        (_, Value::Array(list)) => list.is_empty(),
        _ => false,
    };
    if missing {
        causes.required(&path, "");
    }
}

fn require_number(rule: &Rule, path: &Path<'_>, causes: &mut Causes) {
    if rule.zero_is_missing {
        causes.required(path, "");
    } else if rule.format == Some(Format::PortOrName) {
        check_bounds(1, Some(MAX_PORT), 0, path, causes);
    } else if let Some(minimum) = rule.field.minimum {
        check_bounds(minimum, rule.field.maximum, 0, path, causes);
    }
}

fn check(rule: &Rule, value: &Value, path: &Path<'_>, causes: &mut Causes) {
    match (rule.inner, value) {
        (Inner::Nothing, Value::Array(list)) => {
            for (index, element) in list.iter().enumerate() {
                check_one(rule, element, &path.index(index), causes);
            }
        }
        (Inner::Nothing | Inner::Quantities, value) => check_one(rule, value, path, causes),
        (Inner::Message(id), Value::Object(map)) => {
            let (message, rules) = rules_at(id);
            walk_map(message, rules, map, path, causes);
        }
        (Inner::List(id), Value::Array(list)) => {
            let (message, rules) = rules_at(id);
            for (index, element) in list.iter().enumerate() {
                if let Value::Object(map) = element {
                    walk_map(message, rules, map, &path.index(index), causes);
                }
            }
        }
        (Inner::Map(id), Value::Object(entries)) => {
            let (message, rules) = rules_at(id);
            for (key, element) in entries {
                if let Value::Object(map) = element {
                    walk_map(message, rules, map, &path.key(key), causes);
                }
            }
        }
        _ => {}
    }
}

fn check_one(rule: &Rule, value: &Value, path: &Path<'_>, causes: &mut Causes) {
    match value {
        Value::String(text) if text.is_empty() => {}
        Value::String(text) => check_text(rule, text, path, causes),
        Value::Number(number) => {
            let Some(number) = number.as_i64() else { return };
            if rule.format == Some(Format::PortOrName) {
                if number != 0 {
                    check_bounds(1, Some(MAX_PORT), number, path, causes);
                }
            } else if let Some(minimum) = rule.field.minimum {
                // Zero is as good as absent where Kubernetes does not tell the two apart.
                if number != 0 || rule.field.optional_pointer {
                    check_bounds(minimum, rule.field.maximum, number, path, causes);
                }
            }
        }
        _ => {}
    }
}

fn check_text(rule: &Rule, text: &str, path: &Path<'_>, causes: &mut Causes) {
    let field: &Field = rule.field;
    if !field.enumeration.is_empty() && !field.enumeration.contains(&text) {
        causes.not_supported(path, text, field.enumeration);
    }
    let Some(format) = rule.format else { return };
    let problems = match format {
        Format::DnsLabel => names::dns_label(text),
        Format::DnsSubdomain => names::dns_subdomain(text),
        Format::LabelKey => names::qualified_name(text),
        Format::LabelValue => names::label_value(text),
        Format::PortName | Format::PortOrName => names::port_name(text),
        Format::Ip => names::ip(text),
        Format::VariableName => names::variable_name(text),
        Format::HeaderName => names::header_name(text),
    };
    causes.malformed(path, text, problems);
}

/// Whether a number lies within bounds, in the words that Kubernetes has for bounds of this kind.
pub(super) fn check_bounds(
    minimum: i64,
    maximum: Option<i64>,
    number: i64,
    path: &Path<'_>,
    causes: &mut Causes,
) {
    if number >= minimum && maximum.is_none_or(|maximum| number <= maximum) {
        return;
    }
    let detail = match (minimum, maximum) {
        (0, None) => "must be greater than or equal to 0".to_owned(),
        (1, None) => "must be greater than 0".to_owned(),
        (600, None) => "may not specify a duration less than 10 minutes".to_owned(),
        (minimum, None) => format!("must be greater than or equal to {minimum}"),
        (0, Some(0o777)) => "must be a number between 0 and 0777 (octal), both inclusive".to_owned(),
        (1, Some(100)) => "must be in the range 1-100".to_owned(),
        (minimum, Some(maximum)) => format!("must be between {minimum} and {maximum}, inclusive"),
    };
    causes.invalid(path, number, &detail);
}
