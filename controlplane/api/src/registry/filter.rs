//! Which objects a list or watch is about.

use std::sync::Arc;

use meridian_schema::{FieldSelector, LabelSelector};
use meridian_store::Tenant;

use crate::Entry;
use crate::view::View;

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

    /// What a viewer sees of an object, if that matches. Fields are those that the viewer sees: what is hidden cannot be
    /// searched for.
    pub(super) fn shown(&self, view: &View, viewer: &Tenant, entry: &Arc<Entry>) -> Option<Arc<Entry>> {
        let may = self.may_match(viewer, entry)
            && self.labels.as_ref().is_none_or(|labels| labels.matches(&entry.labels));
        if !may {
            return None;
        }
        let seen = view.see(viewer, entry.clone());
        let matches = self.is_on_node(&seen)
            && self.fields.as_ref().is_none_or(|fields| fields.matches(&seen.stored_value()));
        matches.then_some(seen)
    }

    /// Whether an object matches as it is stored.
    pub(super) fn matches(&self, view: &View, entry: &Arc<Entry>) -> bool {
        self.shown(view, &Tenant::system(), entry).is_some()
    }

    /// Whether an object may match, told without decoding it: the pods of a host or one object by its name are asked for
    /// often, and most objects are not among them.
    pub(super) fn may_match(&self, viewer: &Tenant, entry: &Entry) -> bool {
        (self.ns.is_empty() || entry.namespace == self.ns)
            && self.is("metadata.name", &entry.name)
            && self.is("metadata.namespace", &entry.namespace)
            // What others than operators call the node is told by what they see of the pod.
            && (!viewer.is_system() || self.is_on_node(entry))
    }

    fn is_on_node(&self, entry: &Entry) -> bool {
        entry.kind.kind != "Pod" || self.is("spec.nodeName", &entry.node_name)
    }

    fn is(&self, field: &str, value: &str) -> bool {
        let required = self.fields.as_ref().and_then(|fields| fields.required(field));
        required.is_none_or(|required| required == value)
    }
}
