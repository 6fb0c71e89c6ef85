//! The numbers that order a partition.

use std::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// A place in the partition's history. A fresh partition stands at 1; every durable append takes the next one.
    Revision
}
number! {
    /// A place in one tenant's own history. A tenant without writes stands at 1; each of its write transactions takes
    /// the next one, whatever other tenants do.
    TenantRevision
}
number! {
    /// The epoch of a writer of the partition (`te`). Only the highest one appends.
    Epoch
}
number! {
    /// The name of a lease. 0 stands for none and is no lease's name.
    LeaseId
}

impl Revision {
    /// The revision of a partition nothing was ever written to.
    pub const FIRST: Self = Self(1);

    /// The one after this.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl TenantRevision {
    /// The revision of a tenant that never wrote.
    pub const FIRST: Self = Self(1);

    /// The one after this.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}
