//! The names by which tenants know hosts: keyed hashes of the hosts' own, so that nothing follows from them.
//!
//! A name is a function of the region's secret, the tenant and the host. The same host has another name for each tenant, so
//! that two of them cannot find out that they share it; whoever guesses a host's own name has no way to check the guess; and
//! nothing has to be kept for it but the secret, which is made once and stored with the tenants' objects.

use ring::hmac::{Context, HMAC_SHA256, Key, Tag};

use meridian_environment::Ids;
use meridian_store::{Compare, KeyRange, Op, OpResult, RangeRequest, Store, Tenant, Txn};

use crate::binding::{decode_secret, encode_secret};
use crate::{Failure, key};

/// How virtual nodes' names begin.
const PREFIX: &str = "node-";
/// The bytes of the hash that make the name. With 300,000 hosts the chance that two share a name is one in four hundred million.
const NAMED: usize = 8;
const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// The maker of names.
#[derive(Debug)]
pub(crate) struct Names {
    key: Key,
}

impl Names {
    pub(crate) fn new(secret: &[u8; 32]) -> Self {
        Self { key: Key::new(HMAC_SHA256, secret) }
    }

    /// The names of a region: by the secret that its store has, or by one that is made and stored now.
    pub(crate) async fn open(store: &Store, ids: &Ids) -> Result<Self, Failure> {
        let key = key::names_secret();
        let stored = store.range(&RangeRequest::new(KeyRange::single(&key))).await?;
        if let Some(kv) = stored.kvs.first() {
            return read(&kv.value);
        }
        let mut secret = [0; 32];
        for part in secret.chunks_mut(8) {
            part.copy_from_slice(&ids.seed().to_le_bytes());
        }
        let txn = Txn::new(&Tenant::system())
            .when(Compare::absent(&key))
            .then(Op::put(&key, encode_secret(&secret)))
            .otherwise(Op::get(&key));
        let result = store.txn(txn).await?;
        if result.succeeded {
            return Ok(Self::new(&secret));
        }
        // Another process of the same region was first.
        let found = match result.results.first() {
            Some(OpResult::Range(range)) => range.kvs.first(),
            _ => None,
        };
        found.map_or_else(
            || Err(Failure::internal("the secret of the region is neither there nor can it be made")),
            |kv| read(&kv.value),
        )
    }

    /// The name by which a tenant knows a host.
    pub(crate) fn node(&self, tenant: &Tenant, host: &str) -> String {
        let tag = self.tag(tenant, host);
        let mut name = String::with_capacity(PREFIX.len() + 2 * NAMED);
        name.push_str(PREFIX);
        for byte in tag.as_ref().iter().take(NAMED) {
            for digit in [byte >> 4, byte & 15] {
                name.push(char::from(DIGITS[usize::from(digit)]));
            }
        }
        name
    }

    /// The uid of the node by which a tenant knows a host; nothing of the name follows from it.
    pub(crate) fn uid(&self, tenant: &Tenant, host: &str) -> String {
        let tag = self.tag(tenant, host);
        let mut bytes = [0; 16];
        bytes.iter_mut().zip(tag.as_ref().iter().skip(NAMED)).for_each(|(byte, of)| *byte = *of);
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }

    fn tag(&self, tenant: &Tenant, host: &str) -> Tag {
        let mut context = Context::with_key(&self.key);
        context.update(tenant.as_str().as_bytes());
        // No tenant's name has a slash, so no two pairs are hashed alike.
        context.update(b"/");
        context.update(host.as_bytes());
        context.sign()
    }
}

fn read(stored: &bytes::Bytes) -> Result<Names, Failure> {
    let secret = decode_secret(stored)
        .map_err(|error| Failure::internal(format!("the secret of the region cannot be read: {error}")))?;
    Ok(Names::new(&secret))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_name_follows_from_secret_tenant_and_host_and_from_nothing_less() {
        let tenant = |name| Tenant::new(name).unwrap();
        let (one, other) = (Names::new(&[1; 32]), Names::new(&[2; 32]));
        let blue = one.node(&tenant("blue"), "host-1");
        assert_eq!(one.node(&tenant("blue"), "host-1"), blue);
        assert!(blue.len() == 21 && blue.starts_with("node-"), "{blue}");
        for differs in [
            other.node(&tenant("blue"), "host-1"),
            one.node(&tenant("red"), "host-1"),
            one.node(&tenant("blue"), "host-2"),
        ] {
            assert_ne!(differs, blue);
        }
        // Moving letters from one part to the other makes another pair.
        assert_ne!(one.node(&tenant("ab"), "c"), one.node(&tenant("a"), "bc"));
        let uid = one.uid(&tenant("blue"), "host-1");
        assert!(uid.parse::<Uuid>().is_ok_and(|uid| uid.get_version_num() == 4));
        assert!(!uid.replace('-', "").contains(&blue[5..13]), "{uid} {blue}");
    }
}
