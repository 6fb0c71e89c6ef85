//! What is known of one host beside the columns.

use std::sync::Arc;

use super::label::Label;
use super::taint::TaintId;

/// A host's name, labels and taints, interned.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) name: Arc<str>,
    /// Sorted by key.
    pub(crate) labels: Vec<Label>,
    /// In the order of the description.
    pub(crate) taints: Vec<TaintId>,
}
