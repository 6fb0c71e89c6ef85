//! Which objects a list or watch is about.

use meridian_schema::{FieldSelector, LabelSelector};

use crate::Entry;

/// Which objects of a kind.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    /// Of this namespace; empty: of all.
    pub(super) ns: String,
    labels: Option<LabelSelector>,
    fields: Option<FieldSelector>,
}

impl Filter {
    pub(super) fn new(ns: &str, labels: Option<&LabelSelector>, fields: Option<&FieldSelector>) -> Self {
        let labels = labels.filter(|labels| !labels.is_everything()).cloned();
        let fields = fields.filter(|fields| !fields.is_everything()).cloned();
        Self { ns: ns.to_owned(), labels, fields }
    }

    /// Whether every object of the namespace matches.
    pub(super) fn takes_all(&self) -> bool {
        self.labels.is_none() && self.fields.is_none()
    }

    pub(super) fn matches(&self, entry: &Entry) -> bool {
        self.may_match(entry)
            && self.labels.as_ref().is_none_or(|labels| labels.matches(&entry.labels))
            && self.fields.as_ref().is_none_or(|fields| fields.matches(&entry.stored_value()))
    }

    /// Whether an object may match, told without decoding it: the pods of a host or one object by its name are asked for
    /// often, and most objects are not among them.
    pub(super) fn may_match(&self, entry: &Entry) -> bool {
        let is = |field: &str, value: &str| {
            self.fields
                .as_ref()
                .and_then(|fields| fields.required(field))
                .is_none_or(|required| required == value)
        };
        (self.ns.is_empty() || entry.namespace == self.ns)
            && is("metadata.name", &entry.name)
            && is("metadata.namespace", &entry.namespace)
            && (entry.kind.kind != "Pod" || is("spec.nodeName", &entry.node_name))
    }
}
