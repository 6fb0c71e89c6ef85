//! The answer to a list.

use std::sync::Arc;

use crate::Entry;

/// Objects as of one moment, or a page of them.
#[derive(Clone, Debug, Default)]
pub struct List {
    /// The objects, in the order of their keys.
    pub items: Vec<Arc<Entry>>,
    /// As of when, in the tenant's own sequence.
    pub resource_version: u64,
    /// Where to go on, if there is more.
    pub continue_token: Option<String>,
    /// How many more there are, where that is known.
    pub remaining: Option<u64>,
}
