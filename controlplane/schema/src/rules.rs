//! The part of the schema table that defaulting and validation walk: for each message only the fields that have a rule, or
//! that lead to one.
//!
//! Most of a table is of no concern to them (names, numbers, patch strategies, whole messages of status), so it is made
//! small once; a walk then looks up each field that an object has, and the few that it must or should have.

use std::sync::LazyLock;

use serde_json::Value;

use crate::table::{Field, Message, MessageRef, Type, table};

/// Messages whose rules no single field can state: functions of their own check them whole, so the walk stops there.
const CHECKED_BY_FUNCTIONS: &[&str] = &["ObjectMeta", "LabelSelector", "NodeSelectorTerm"];

/// What a field's text must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    DnsLabel,
    DnsSubdomain,
    LabelKey,
    LabelValue,
    PortName,
    PortOrName,
    Ip,
    VariableName,
    HeaderName,
}

impl Format {
    fn named(name: &str) -> Option<Format> {
        Some(match name {
            "dns-label" => Format::DnsLabel,
            "dns-subdomain" => Format::DnsSubdomain,
            "label-key" => Format::LabelKey,
            "label-value" => Format::LabelValue,
            "port-name" => Format::PortName,
            "port-or-name" => Format::PortOrName,
            "ip" => Format::Ip,
            "environment-name" => Format::VariableName,
            "header-name" => Format::HeaderName,
            _ => return None,
        })
    }
}

/// What of a value leads to further rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inner {
    /// The value is all there is.
    Nothing,
    /// A message.
    Message(u16),
    /// A list of messages.
    List(u16),
    /// A map of messages.
    Map(u16),
    /// A map of quantities, or a quantity.
    Quantities,
}

/// A field with its rules.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) field: &'static Field,
    pub(crate) format: Option<Format>,
    pub(crate) inner: Inner,
    /// Whether empty text is as good as any other.
    pub(crate) may_be_empty: bool,
    /// Whether zero is as good as absent for a number that is required, rather than out of bounds.
    pub(crate) zero_is_missing: bool,
    /// Whether there is something to check in the value or below.
    pub(crate) checked: bool,
}

/// The rules of a message.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    /// For each field of the message, in its order.
    pub(crate) fields: Vec<Rule>,
    /// Places of the fields that must be there.
    pub(crate) required: Vec<usize>,
    /// Fields that are filled in, with what.
    pub(crate) defaults: Vec<(&'static Field, Value)>,
    /// Places of the fields below which something is filled in.
    pub(crate) filled_below: Vec<usize>,
}

static RULES: LazyLock<Vec<Rules>> = LazyLock::new(compile);

/// The rules of a message.
pub(crate) fn rules(message: MessageRef) -> &'static Rules {
    &RULES[usize::from(message.id.0)]
}

/// The rules of the message at this place of the table.
pub(crate) fn rules_at(id: u16) -> (MessageRef, &'static Rules) {
    (&table().messages[usize::from(id)], &RULES[usize::from(id)])
}

fn compile() -> Vec<Rules> {
    let messages: &'static [Message] = &table().messages;
    let mut all: Vec<Rules> = messages
        .iter()
        .map(|message| Rules {
            fields: message.fields.iter().map(rule).collect(),
            required: places(message, |field| field.required),
            defaults: message.fields.iter().filter_map(|field| Some((field, default(field)?))).collect(),
            filled_below: Vec::new(),
        })
        .collect();
    for rules in all.iter_mut().zip(messages).filter(|(_, message)| stops(message)).map(|(rules, _)| rules) {
        *rules = Rules { fields: std::mem::take(&mut rules.fields), ..Rules::default() };
        rules.fields.iter_mut().for_each(|rule| (rule.checked, rule.inner) = (false, Inner::Nothing));
    }
    // What lies below counts too; messages refer to each other in any order, so until nothing changes.
    loop {
        let checks: Vec<bool> = all
            .iter()
            .map(|rules| !rules.required.is_empty() || rules.fields.iter().any(|rule| rule.checked))
            .collect();
        let fills: Vec<bool> =
            all.iter().map(|rules| !rules.defaults.is_empty() || !rules.filled_below.is_empty()).collect();
        let mut changed = false;
        for rules in &mut all {
            for (place, rule) in rules.fields.iter_mut().enumerate() {
                let Some(inner) = below(rule.inner) else { continue };
                if checks[inner] && !rule.checked {
                    (rule.checked, changed) = (true, true);
                }
                if fills[inner] && !rules.filled_below.contains(&place) {
                    rules.filled_below.push(place);
                    changed = true;
                }
            }
        }
        if !changed {
            return all;
        }
    }
}

fn stops(message: &Message) -> bool {
    CHECKED_BY_FUNCTIONS.iter().any(|name| message.name.rsplit('.').next() == Some(name))
}

fn below(inner: Inner) -> Option<usize> {
    match inner {
        Inner::Message(id) | Inner::List(id) | Inner::Map(id) => Some(usize::from(id)),
        Inner::Nothing | Inner::Quantities => None,
    }
}

fn places(message: &'static Message, which: impl Fn(&Field) -> bool) -> Vec<usize> {
    message.fields.iter().enumerate().filter(|(_, field)| which(field)).map(|(place, _)| place).collect()
}

fn rule(field: &'static Field) -> Rule {
    let inner = match &field.value {
        Type::Message(id) => Inner::Message(id.0),
        Type::List(element) => match &**element {
            Type::Message(id) => Inner::List(id.0),
            _ => Inner::Nothing,
        },
        Type::Map(value) => match &**value {
            Type::Message(id) => Inner::Map(id.0),
            Type::Quantity => Inner::Quantities,
            _ => Inner::Nothing,
        },
        _ => Inner::Nothing,
    };
    let format = field.format.and_then(Format::named);
    let checked = format.is_some()
        || !field.enumeration.is_empty()
        || field.minimum.is_some()
        || field.maximum.is_some();
    let flag = |name| field.attribute(name).is_some();
    let (may_be_empty, zero_is_missing) = (flag("may-be-empty"), flag("zero-is-missing"));
    Rule { field, format, inner, may_be_empty, zero_is_missing, checked }
}

/// The value that is filled in, which the table writes as JSON, or bare if it is text.
fn default(field: &'static Field) -> Option<Value> {
    let text = field.default?;
    Some(match field.value {
        Type::String | Type::Quantity => Value::from(text),
        _ => serde_json::from_str(text).unwrap_or_else(|_| Value::from(text)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Formats of metadata, which functions check.
    const CHECKED_ELSEWHERE: [&str; 3] = ["name", "labels", "annotations"];

    #[test]
    fn the_table_has_no_format_that_nobody_checks() {
        for field in table().messages.iter().flat_map(|message| &message.fields) {
            let Some(format) = field.format else { continue };
            assert!(
                Format::named(format).is_some() || CHECKED_ELSEWHERE.contains(&format),
                "{format} of {}",
                field.name
            );
        }
    }

    #[test]
    fn what_is_filled_in_is_allowed() {
        for message in &table().messages {
            for (field, default) in &rules(message).defaults {
                let text = default.as_str().unwrap_or_default();
                let allowed =
                    field.enumeration.is_empty() || text.is_empty() || field.enumeration.contains(&text);
                assert!(allowed, "{default} of {} in {}", field.name, message.name);
                let number = default.as_i64();
                let within = number.is_none_or(|number| {
                    field.minimum.is_none_or(|minimum| number >= minimum)
                        && field.maximum.is_none_or(|maximum| number <= maximum)
                });
                assert!(within, "{default} of {} in {}", field.name, message.name);
            }
        }
    }
}
