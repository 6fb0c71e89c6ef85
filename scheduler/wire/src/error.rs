//! Why a message cannot be read.

use meridian_engine::{DemandError, HostError};

/// The most items of one list in a message: taints, tolerations, values of a requirement and the like. Work on some of
/// them grows with the square of their number.
pub(crate) const MAX_ITEMS: usize = 4096;

/// Why a message cannot be read. It is refused as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// Something that cannot be left out.
    #[error("{field} is missing")]
    Missing {
        /// The field's path.
        field: String,
    },
    /// A number that stands for nothing here: from a newer sender, or left at zero.
    #[error("{field} is {number}, which stands for nothing known; want one of {known}")]
    Unknown {
        /// The field's path.
        field: String,
        /// What was given.
        number: i32,
        /// What would be right.
        known: &'static str,
    },
    /// A port that is none.
    #[error("{field} is {port}, want 1 to 65535")]
    NoPort {
        /// The field's path.
        field: String,
        /// What was given.
        port: u32,
    },
    /// A resource that has a field of its own among the others.
    #[error("{field} names {name}, which has a field of its own")]
    ReservedResource {
        /// The field's path.
        field: &'static str,
        /// The resource.
        name: String,
    },
    /// A group that is too small or too large.
    #[error("group.least is {least}, want 1 to {most}", most = meridian_engine::MAX_GROUP)]
    GroupSize {
        /// How many members it wants.
        least: u32,
    },
    /// A list that is too long.
    #[error("{field} has {count} items, want at most {MAX_ITEMS}")]
    TooMany {
        /// The field's path.
        field: String,
        /// How many there are.
        count: usize,
    },
    /// A demand that the engine refuses.
    #[error("demand: {0}")]
    Demand(#[from] DemandError),
    /// A host that the engine refuses.
    #[error(transparent)]
    Host(#[from] HostError),
}

/// Refuses a list that is too long; the field's path is worked out only then.
pub(crate) fn limit(count: usize, field: impl FnOnce() -> String) -> Result<(), WireError> {
    if count <= MAX_ITEMS { Ok(()) } else { Err(WireError::TooMany { field: field(), count }) }
}
