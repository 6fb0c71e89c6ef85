//! What happened in a partition, as parts in the same process see it.

use std::sync::Arc;

use meridian_store::Tenant;

use crate::{BindingRecord, Entry};

/// A change, in the order of commits. Of one commit, binding records come before objects.
#[derive(Clone, Debug)]
pub enum Change {
    /// An object was created or changed, or was there from the start.
    Put {
        /// It, now.
        entry: Arc<Entry>,
        /// It, before.
        previous: Option<Arc<Entry>>,
    },
    /// An object was deleted. Its last state, with the revision of its deletion.
    Deleted(Arc<Entry>),
    /// A binding record was written or deleted.
    Binding {
        /// The tenant.
        tenant: Tenant,
        /// The pod's namespace.
        namespace: String,
        /// The pod's name.
        name: String,
        /// What is recorded now; none: the pod was released.
        record: Option<Arc<BindingRecord>>,
    },
    /// Everything there was has been told; what follows is new.
    InSync,
}

/// Why following ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FollowError {
    /// More happened in the meantime than is remembered: follow anew.
    #[error("fell behind the changes that are remembered: follow anew, from what there is")]
    FellBehind,
    /// The registry was shut down.
    #[error("the registry is shut down")]
    Closed,
}
