//! The name of an object among all objects of all tenants.

use std::fmt;
use std::hash::{Hash, Hasher};

use meridian_api::Entry;
use meridian_schema::Kind;
use meridian_store::Tenant;

/// Which object.
#[derive(Clone)]
pub(crate) struct ObjectKey {
    pub(crate) kind: &'static Kind,
    pub(crate) tenant: Tenant,
    /// Empty where the kind has none.
    pub(crate) namespace: Box<str>,
    pub(crate) name: Box<str>,
}

impl ObjectKey {
    pub(crate) fn of(entry: &Entry) -> Self {
        Self::new(entry.kind, &entry.tenant, &entry.namespace, &entry.name)
    }

    pub(crate) fn new(kind: &'static Kind, tenant: &Tenant, namespace: &str, name: &str) -> Self {
        Self { kind, tenant: tenant.clone(), namespace: namespace.into(), name: name.into() }
    }

    fn parts(&self) -> (&'static str, &'static str, &str, &str, &str) {
        (self.kind.group, self.kind.kind, self.tenant.as_str(), &self.namespace, &self.name)
    }
}

impl PartialEq for ObjectKey {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for ObjectKey {}

impl PartialOrd for ObjectKey {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ObjectKey {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.parts().cmp(&other.parts())
    }
}

impl Hash for ObjectKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.kind, self.name)?;
        if !self.namespace.is_empty() {
            write!(f, " in namespace {}", self.namespace)?;
        }
        write!(f, " of tenant {}", self.tenant)
    }
}
