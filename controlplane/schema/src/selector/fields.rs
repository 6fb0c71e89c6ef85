//! Field selectors: which objects, by a few of their fields.

use serde_json::Value;

use super::{MAX_LENGTH, MAX_REQUIREMENTS, SelectorError};
use crate::read::get;
use crate::table::Kind;

/// The fields that every kind can be searched by; those of cluster-scoped kinds have no namespace.
const NAME: &str = "metadata.name";
const NAMESPACE: &str = "metadata.namespace";

/// What else a kind can be searched by.
fn fields(kind: &Kind) -> &'static [&'static str] {
    match kind.kind {
        "Pod" => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
        "Event" => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        "Node" => &["spec.unschedulable"],
        "Secret" => &["type"],
        "Namespace" => &["status.phase"],
        "ReplicaSet" => &["status.replicas"],
        _ => &[],
    }
}

/// Which objects, by their fields: all requirements have to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSelector {
    requirements: Vec<Requirement>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    field: &'static str,
    value: String,
    equal: bool,
}

impl FieldSelector {
    /// Reads the parameter of a list, such as `spec.nodeName=a,status.phase!=Failed`. Empty text selects everything.
    pub fn parse(kind: &Kind, text: &str) -> Result<FieldSelector, SelectorError> {
        if text.len() > MAX_LENGTH {
            return Err(SelectorError::TooLarge);
        }
        let mut selector = FieldSelector::default();
        for term in split(text).into_iter().filter(|term| !term.is_empty()) {
            let wrong = || SelectorError::Term { selector: text.to_owned(), term: term.to_owned() };
            let (field, value, equal) = split_term(term).ok_or_else(wrong)?;
            let value = unescape(value).ok_or_else(wrong)?;
            if selector.requirements.len() >= MAX_REQUIREMENTS {
                return Err(SelectorError::TooLarge);
            }
            selector.requirements.push(Requirement { field: supported(kind, field)?, value, equal });
        }
        Ok(selector)
    }

    /// Whether an object is selected.
    pub fn matches(&self, object: &Value) -> bool {
        self.requirements.iter().all(|requirement| holds(object, requirement))
    }

    /// Whether every object is selected.
    pub fn is_everything(&self) -> bool {
        self.requirements.is_empty()
    }

    /// The value that a field must have, if the selector says so; a list can start from there.
    pub fn required(&self, field: &str) -> Option<&str> {
        let found =
            self.requirements.iter().find(|requirement| requirement.equal && requirement.field == field)?;
        Some(&found.value)
    }
}

fn supported(kind: &Kind, field: &str) -> Result<&'static str, SelectorError> {
    let common: &[&str] = if kind.namespaced { &[NAME, NAMESPACE] } else { &[NAME] };
    let found = common.iter().chain(fields(kind)).find(|known| **known == field);
    found.copied().ok_or_else(|| SelectorError::Field { field: field.to_owned() })
}

/// Terms are separated by commas that no backslash stands before.
fn split(text: &str) -> Vec<&str> {
    let (mut terms, mut start, mut escaped) = (Vec::new(), 0, false);
    for (at, letter) in text.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ',' => {
                terms.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    terms.push(&text[start..]);
    terms
}

/// Field, value, and whether they must be equal.
fn split_term(term: &str) -> Option<(&str, &str, bool)> {
    let at = term.find(['=', '!'])?;
    let (field, rest) = term.split_at(at);
    let (value, equal) = if let Some(value) = rest.strip_prefix("!=") {
        (value, false)
    } else if let Some(value) = rest.strip_prefix("==") {
        (value, true)
    } else {
        (rest.strip_prefix('=')?, true)
    };
    Some((field, value, equal))
}

/// A value as it was meant; a backslash stands before backslashes, commas and equals signs, and before nothing else.
fn unescape(value: &str) -> Option<String> {
    let mut plain = String::with_capacity(value.len());
    let mut letters = value.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some(letter @ ('\\' | ',' | '=')) => plain.push(letter),
                _ => return None,
            },
            ',' | '=' => return None,
            letter => plain.push(letter),
        }
    }
    Some(plain)
}

fn holds(object: &Value, requirement: &Requirement) -> bool {
    let value = match requirement.field {
        // The name of who reports, which lies one level lower than its label says.
        "source" => get(get(object, "source"), "component"),
        field => field.split('.').fold(object, get),
    };
    let wanted = requirement.value.as_str();
    let equal = match value {
        Value::Null if matches!(requirement.field, "spec.unschedulable" | "spec.hostNetwork") => {
            wanted == "false"
        }
        Value::Null if requirement.field == "status.replicas" => wanted == "0",
        Value::Null => wanted.is_empty(),
        Value::String(text) => text == wanted,
        Value::Bool(flag) => wanted == if *flag { "true" } else { "false" },
        Value::Number(number) => wanted.parse::<i64>().is_ok_and(|wanted| number.as_i64() == Some(wanted)),
        Value::Array(_) | Value::Object(_) => false,
    };
    equal == requirement.equal
}
