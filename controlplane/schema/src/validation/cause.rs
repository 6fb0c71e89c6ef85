//! What is wrong with an object: causes as a Kubernetes `Status` lists them.

use std::fmt;

use serde_json::Value;

use crate::decode::Path;

/// The kind of a cause, in the words that clients compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CauseReason {
    /// Something that the field names is not there.
    FieldValueNotFound,
    /// The field must be given.
    FieldValueRequired,
    /// The value is there twice.
    FieldValueDuplicate,
    /// The value is malformed or out of bounds.
    FieldValueInvalid,
    /// The value is none of those that exist.
    FieldValueNotSupported,
    /// The value would be right elsewhere.
    FieldValueForbidden,
    /// The value is too long.
    FieldValueTooLong,
}

impl CauseReason {
    /// The reason as it stands in a `StatusCause`.
    pub fn as_str(self) -> &'static str {
        match self {
            CauseReason::FieldValueNotFound => "FieldValueNotFound",
            CauseReason::FieldValueRequired => "FieldValueRequired",
            CauseReason::FieldValueDuplicate => "FieldValueDuplicate",
            CauseReason::FieldValueInvalid => "FieldValueInvalid",
            CauseReason::FieldValueNotSupported => "FieldValueNotSupported",
            CauseReason::FieldValueForbidden => "FieldValueForbidden",
            CauseReason::FieldValueTooLong => "FieldValueTooLong",
        }
    }

    /// How a message of this reason begins.
    fn title(self) -> &'static str {
        match self {
            CauseReason::FieldValueNotFound => "Not found",
            CauseReason::FieldValueRequired => "Required value",
            CauseReason::FieldValueDuplicate => "Duplicate value",
            CauseReason::FieldValueInvalid => "Invalid value",
            CauseReason::FieldValueNotSupported => "Unsupported value",
            CauseReason::FieldValueForbidden => "Forbidden",
            CauseReason::FieldValueTooLong => "Too long",
        }
    }
}

impl fmt::Display for CauseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that is wrong with an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The kind of the problem.
    pub reason: CauseReason,
    /// The path of the field, such as `spec.containers[0].name`.
    pub field: String,
    /// What is wrong and what would be right, without the path.
    pub message: String,
}

/// `spec.containers[0].name: Required value`.
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// The most causes that are collected of one object; whoever sends more mistakes learns of the others later.
const MAX_CAUSES: usize = 256;

/// The most bytes of a value that a message repeats.
const MAX_SHOWN: usize = 1024;

/// What has been found wrong so far.
#[derive(Debug, Default)]
pub(crate) struct Causes(Vec<Cause>);

impl Causes {
    fn push(&mut self, reason: CauseReason, path: &Path<'_>, value: Option<&str>, detail: &str) {
        if self.0.len() >= MAX_CAUSES {
            return;
        }
        let mut message = reason.title().to_owned();
        for part in [value.unwrap_or_default(), detail] {
            if !part.is_empty() {
                message.push_str(": ");
                message.push_str(part);
            }
        }
        let cause = Cause { reason, field: path.to_string(), message };
        // The table and a rule of the kind may find the same thing.
        if !self.0.contains(&cause) {
            self.0.push(cause);
        }
    }

    pub(crate) fn required(&mut self, path: &Path<'_>, detail: &str) {
        self.push(CauseReason::FieldValueRequired, path, None, detail);
    }

    pub(crate) fn forbidden(&mut self, path: &Path<'_>, detail: &str) {
        self.push(CauseReason::FieldValueForbidden, path, None, detail);
    }

    pub(crate) fn invalid(&mut self, path: &Path<'_>, value: impl Shown, detail: &str) {
        self.push(CauseReason::FieldValueInvalid, path, Some(&value.shown()), detail);
    }

    pub(crate) fn duplicate(&mut self, path: &Path<'_>, value: impl Shown) {
        self.push(CauseReason::FieldValueDuplicate, path, Some(&value.shown()), "");
    }

    pub(crate) fn duplicate_because(&mut self, path: &Path<'_>, value: impl Shown, detail: &str) {
        self.push(CauseReason::FieldValueDuplicate, path, Some(&value.shown()), detail);
    }

    pub(crate) fn not_found(&mut self, path: &Path<'_>, value: impl Shown) {
        self.push(CauseReason::FieldValueNotFound, path, Some(&value.shown()), "");
    }

    pub(crate) fn not_supported(&mut self, path: &Path<'_>, value: impl Shown, supported: &[&str]) {
        let supported: Vec<_> = supported.iter().map(|value| value.shown()).collect();
        let detail = format!("supported values: {}", supported.join(", "));
        self.push(CauseReason::FieldValueNotSupported, path, Some(&value.shown()), &detail);
    }

    pub(crate) fn too_long(&mut self, path: &Path<'_>, most: usize) {
        self.push(CauseReason::FieldValueTooLong, path, None, &format!("may not be more than {most} bytes"));
    }

    /// One cause for each message that a check of a text returned.
    pub(crate) fn malformed<'a>(
        &mut self,
        path: &Path<'_>,
        value: &str,
        messages: impl IntoIterator<Item = impl AsRef<str> + 'a>,
    ) {
        for message in messages {
            self.invalid(path, value, message.as_ref());
        }
    }

    pub(crate) fn into_vec(self) -> Vec<Cause> {
        self.0
    }
}

/// How a message repeats a value: text in quotes, numbers bare, everything else as JSON.
pub(crate) trait Shown {
    fn shown(&self) -> String;
}

impl Shown for &str {
    fn shown(&self) -> String {
        let mut end = self.len().min(MAX_SHOWN);
        while !self.is_char_boundary(end) {
            end -= 1;
        }
        format!("{:?}", &self[..end])
    }
}

impl Shown for i64 {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Shown for bool {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Shown for &Value {
    fn shown(&self) -> String {
        match self {
            Value::Null => "\"null\"".to_owned(),
            Value::String(text) => text.as_str().shown(),
            value => {
                let mut json = value.to_string();
                if json.len() > MAX_SHOWN {
                    let mut end = MAX_SHOWN;
                    while !json.is_char_boundary(end) {
                        end -= 1;
                    }
                    json.truncate(end);
                    json.push_str("...");
                }
                json
            }
        }
    }
}
