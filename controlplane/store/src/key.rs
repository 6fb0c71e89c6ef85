//! Tenants, keys and ranges of keys.
//!
//! A key is stored as `tenant 0x00 path`. A tenant's name is a DNS label, so the zero byte ends it: all keys of a tenant
//! lie in one range, no tenant's range holds another's keys, and keys order by tenant and then by path. The path is the
//! caller's, any bytes.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use crate::Error;

/// The longest name of a tenant, as for any DNS label.
pub const MAX_TENANT_NAME: usize = 63;

const END_OF_TENANT: u8 = 0;

/// The name of a tenant: a DNS label. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tenant(Arc<str>);

impl Tenant {
    /// The tenant of everything that belongs to none.
    pub const SYSTEM: &'static str = "system";

    /// A tenant by its name.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when the name is no DNS label.
    pub fn new(name: &str) -> Result<Self, Error> {
        let inner = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-';
        let edge = |b: Option<&u8>| b.is_some_and(|b| inner(b) && *b != b'-');
        let bytes = name.as_bytes();
        if bytes.len() > MAX_TENANT_NAME
            || !edge(bytes.first())
            || !edge(bytes.last())
            || !bytes.iter().all(inner)
        {
            return Err(Error::Invalid {
                what: format!(
                    "tenant {name:?}: want 1 to {MAX_TENANT_NAME} of a-z, 0-9 and -, with no - at either end"
                ),
            });
        }
        Ok(Self(name.into()))
    }

    /// The tenant `system`.
    #[must_use]
    pub fn system() -> Self {
        Self(Self::SYSTEM.into())
    }

    /// Whether this is the tenant `system`.
    #[must_use]
    pub fn is_system(&self) -> bool {
        &*self.0 == Self::SYSTEM
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for Tenant {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Tenant {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A key: a tenant and a path. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Bytes);

impl Key {
    /// The key of a path in a tenant.
    #[must_use]
    pub fn new(tenant: &Tenant, path: impl AsRef<[u8]>) -> Self {
        Self(encode(tenant, path.as_ref()))
    }

    /// A key from its stored form, where that is one.
    pub(crate) fn from_encoded(encoded: Bytes) -> Option<Self> {
        Tenant::new(tenant_name(&encoded)?).ok().map(|_| Self(encoded))
    }

    /// A key from bytes that a `Key` was made into before.
    pub(crate) fn trusted(encoded: Bytes) -> Self {
        Self(encoded)
    }

    /// The name of the tenant it belongs to.
    #[must_use]
    pub fn tenant(&self) -> &str {
        tenant_name(&self.0).unwrap_or_default()
    }

    /// The path inside the tenant.
    #[must_use]
    pub fn path(&self) -> &[u8] {
        let tenant = self.0.iter().position(|&b| b == END_OF_TENANT);
        tenant.map_or(&[], |at| &self.0[at + 1..])
    }

    pub(crate) fn encoded(&self) -> &Bytes {
        &self.0
    }

    pub(crate) fn belongs_to(&self, tenant: &Tenant) -> bool {
        self.tenant() == tenant.as_str()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.tenant(), self.path().escape_ascii())
    }
}

/// A half-open range of keys, `[start, end)`.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyRange {
    start: Bytes,
    /// Empty: to the very end.
    end: Bytes,
}

impl KeyRange {
    /// Every key of a tenant.
    #[must_use]
    pub fn tenant(tenant: &Tenant) -> Self {
        Self::prefix(tenant, b"")
    }

    /// The keys of a tenant whose path starts with `prefix`.
    #[must_use]
    pub fn prefix(tenant: &Tenant, prefix: impl AsRef<[u8]>) -> Self {
        let start = encode(tenant, prefix.as_ref());
        let end = successor_of_prefix(&start);
        Self { start, end }
    }

    /// The keys of a tenant from path `start` up to, and without, path `end`.
    #[must_use]
    pub fn between(tenant: &Tenant, start: impl AsRef<[u8]>, end: impl AsRef<[u8]>) -> Self {
        Self { start: encode(tenant, start.as_ref()), end: encode(tenant, end.as_ref()) }
    }

    /// One key.
    #[must_use]
    pub fn single(key: &Key) -> Self {
        let mut end = BytesMut::with_capacity(key.0.len() + 1);
        end.put_slice(&key.0);
        end.put_u8(0);
        Self { start: key.0.clone(), end: end.freeze() }
    }

    /// Every key of every tenant: for operators, and for the cache that serves all.
    #[must_use]
    pub fn every_tenant() -> Self {
        Self { start: Bytes::new(), end: Bytes::new() }
    }

    /// This range from behind `key` on: the next page after a page that ended with `key`.
    #[must_use]
    pub fn after(&self, key: &Key) -> Self {
        let next = Self::single(key).end;
        Self { start: next.max(self.start.clone()), end: self.end.clone() }
    }

    /// Whether a key lies in it.
    #[must_use]
    pub fn contains(&self, key: &Key) -> bool {
        self.holds(&key.0)
    }

    /// The tenant all of its keys belong to, where they belong to one.
    #[must_use]
    pub fn tenant_name(&self) -> Option<&str> {
        let name = tenant_name(&self.start)?;
        let (end, rest) = (self.end.get(..name.len())?, self.end.get(name.len()..)?);
        // The end of a whole tenant is its name and 0x01.
        (end == name.as_bytes() && (rest.first() == Some(&END_OF_TENANT) || rest == [END_OF_TENANT + 1]))
            .then_some(name)
    }

    pub(crate) fn belongs_to(&self, tenant: &Tenant) -> bool {
        self.tenant_name() == Some(tenant.as_str())
    }

    pub(crate) fn holds(&self, encoded: &[u8]) -> bool {
        encoded >= &self.start[..] && (self.end.is_empty() || encoded < &self.end[..])
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.end.is_empty() && self.start >= self.end
    }

    pub(crate) fn start(&self) -> &Bytes {
        &self.start
    }

    pub(crate) fn end(&self) -> &Bytes {
        &self.end
    }

    pub(crate) fn from_encoded(start: Bytes, end: Bytes) -> Self {
        Self { start, end }
    }
}

impl fmt::Debug for KeyRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {})", self.start.escape_ascii(), self.end.escape_ascii())
    }
}

fn encode(tenant: &Tenant, path: &[u8]) -> Bytes {
    let mut encoded = BytesMut::with_capacity(tenant.len() + 1 + path.len());
    encoded.put_slice(tenant.as_bytes());
    encoded.put_u8(END_OF_TENANT);
    encoded.put_slice(path);
    encoded.freeze()
}

fn tenant_name(encoded: &[u8]) -> Option<&str> {
    let end = encoded.iter().take(MAX_TENANT_NAME + 1).position(|&b| b == END_OF_TENANT)?;
    std::str::from_utf8(&encoded[..end]).ok()
}

/// The first key behind all that start with `prefix`. A prefix starts with a tenant's name, which is never all 0xff.
fn successor_of_prefix(prefix: &[u8]) -> Bytes {
    let keep = prefix.iter().rposition(|&b| b != u8::MAX).map_or(0, |at| at + 1);
    let mut end = prefix[..keep].to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_dns_labels_name_tenants() {
        for good in ["a", "system", "team-7", "0"] {
            assert_eq!(Tenant::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "-a", "a-", "A", "a.b", "a/b", "a\0b", "ä", &"a".repeat(64)] {
            assert!(Tenant::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_range_holds_its_tenant_and_no_other() {
        let (a, ab) = (Tenant::new("a").unwrap(), Tenant::new("a-b").unwrap());
        let (of_a, of_ab) = (KeyRange::tenant(&a), KeyRange::tenant(&ab));
        for path in [&b""[..], b"\0", b"x", b"\xff\xff"] {
            assert!(of_a.contains(&Key::new(&a, path)) && !of_a.contains(&Key::new(&ab, path)));
            assert!(of_ab.contains(&Key::new(&ab, path)) && !of_ab.contains(&Key::new(&a, path)));
        }
        assert_eq!(of_a.tenant_name(), Some("a"));
        assert_eq!(KeyRange::prefix(&a, b"\xff").tenant_name(), Some("a"));
        assert_eq!(KeyRange::between(&ab, "x", "y").tenant_name(), Some("a-b"));
        assert_eq!(KeyRange::single(&Key::new(&a, "x")).tenant_name(), Some("a"));
        assert_eq!(KeyRange::every_tenant().tenant_name(), None);
        let spanning = KeyRange { start: encode(&a, b"x"), end: encode(&ab, b"x") };
        assert_eq!(spanning.tenant_name(), None);
    }

    #[test]
    fn the_next_page_starts_behind_the_last_key() {
        let a = Tenant::new("a").unwrap();
        let page = KeyRange::tenant(&a).after(&Key::new(&a, "m"));
        assert!(!page.contains(&Key::new(&a, "m")) && page.contains(&Key::new(&a, "m\0")));
        assert_eq!(page.tenant_name(), Some("a"));
    }
}
