//! Volumes that the pods of one host at a time may use: claims of persistent volumes, the disks of virtual machines among
//! them.
//!
//! Who uses one is recorded beside the pods and written in the same transactions as their binding records, so two pods on
//! different hosts cannot both be bound to it, and it is let go only with the record of the last pod that used it: when
//! that pod is known to have stopped. What may be mounted by many hosts at once is not told apart yet, so every claim counts.

use std::collections::BTreeMap;

use serde_json::Value;

use meridian_store::{Compare, Key, KeyRange, Op, RangeRequest, Revision, Tenant, Txn};

use super::Registry;
use crate::binding::VolumeHolders;
use crate::object::{at, meta, text};
use crate::{BindResult, BindingRecord, Failure, key};

/// The names of claims that a pod uses, each once.
pub(super) fn exclusive(pod: &Value) -> Vec<String> {
    let volumes = at(pod, &["spec", "volumes"]).and_then(Value::as_array);
    let mut names: Vec<String> = volumes
        .into_iter()
        .flatten()
        .filter_map(|volume| {
            let claimed = text(volume, &["persistentVolumeClaim", "claimName"]);
            if !claimed.is_empty() {
                return Some(claimed.to_owned());
            }
            // The claim that is made for a pod is called after both.
            volume.get("ephemeral").filter(|given| given.is_object())?;
            Some(format!("{}-{}", meta(pod, "name"), text(volume, &["name"])))
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Volumes that are being taken by one append.
#[derive(Debug, Default)]
pub(super) struct Taking {
    volumes: BTreeMap<Key, (Revision, VolumeHolders)>,
}

impl Taking {
    /// The append with what it takes, on the condition that nobody else did in between.
    pub(super) fn add_to(self, mut txn: Txn) -> Txn {
        for (key, (modified, holders)) in self.volumes {
            txn = txn.when(Compare::modified(&key, modified)).then(Op::put(&key, holders.encode()));
        }
        txn
    }
}

/// Volumes that are being let go of with a pod.
#[derive(Debug, Default)]
pub(super) struct Released {
    names: Vec<String>,
    /// Where each is kept, when that was written, and who is left; none: it is not held at all.
    volumes: Vec<(Key, Revision, Option<VolumeHolders>)>,
}

impl Released {
    pub(super) fn is_of(&self, names: &[String]) -> bool {
        self.names == names
    }

    pub(super) fn volumes(&self) -> Vec<String> {
        self.names.clone()
    }

    /// What must hold, and what is to be written then.
    pub(super) fn parts(&self) -> (Vec<Compare>, Vec<Op>) {
        let guards =
            self.volumes.iter().map(|(key, modified, _)| Compare::modified(key, *modified)).collect();
        let write = |(key, _, left): &(Key, Revision, Option<VolumeHolders>)| {
            let left = left.as_ref()?;
            Some(if left.uids.is_empty() { Op::delete(key) } else { Op::put(key, left.encode()) })
        };
        (guards, self.volumes.iter().filter_map(write).collect())
    }
}

impl Registry {
    /// Takes the volumes of a pod that is to be bound, beside those that its gang takes. The answer is what is in its way.
    pub(super) async fn take_volumes(
        &self,
        tenant: &Tenant,
        ns: &str,
        record: &BindingRecord,
        taking: &mut Taking,
    ) -> Result<Option<BindResult>, Failure> {
        for volume in &record.volumes {
            let key = key::volume(tenant, ns, volume);
            if !taking.volumes.contains_key(&key) {
                let (modified, holders) = self.stored_holders(&key).await?;
                let none = || VolumeHolders { host: record.host.clone(), uids: Vec::new() };
                taking.volumes.insert(key.clone(), (modified, holders.unwrap_or_else(none)));
            }
            let Some((_, holders)) = taking.volumes.get_mut(&key) else { continue };
            if holders.host != record.host {
                let (volume, host) = (volume.clone(), holders.host.clone());
                return Ok(Some(BindResult::VolumeHeld { volume, host }));
            }
            if !holders.uids.contains(&record.uid) {
                holders.uids.push(record.uid.clone());
            }
        }
        Ok(None)
    }

    /// What is to be written for a pod to let go of its volumes.
    pub(super) async fn release_volumes(
        &self,
        tenant: &Tenant,
        ns: &str,
        uid: &str,
        names: Vec<String>,
    ) -> Result<Released, Failure> {
        let mut volumes = Vec::with_capacity(names.len());
        for name in &names {
            let key = key::volume(tenant, ns, name);
            let (modified, mut holders) = self.stored_holders(&key).await?;
            if let Some(holders) = &mut holders {
                holders.uids.retain(|holder| holder != uid);
            }
            volumes.push((key, modified, holders));
        }
        Ok(Released { names, volumes })
    }

    async fn stored_holders(&self, key: &Key) -> Result<(Revision, Option<VolumeHolders>), Failure> {
        let range = RangeRequest::new(KeyRange::single(key));
        let found = self.cache(meridian_schema::pod()).store().range(&range).await?;
        match found.kvs.first() {
            None => Ok((Revision(0), None)),
            Some(kv) => {
                let holders = VolumeHolders::decode(&kv.value).map_err(Failure::internal)?;
                Ok((kv.modified, Some(holders)))
            }
        }
    }
}
