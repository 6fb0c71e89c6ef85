//! Who owns what: kept from the changes of the partition, so that no controller has to search for it.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use meridian_api::Entry;
use meridian_store::Tenant;
use rustc_hash::{FxHashMap, FxHashSet};
use serde::Deserialize;

use crate::key::ObjectKey;
use crate::pod::Pod;

/// A uid is unique among all objects of all tenants; a reference counts only inside its tenant all the same.
type Uid = Box<str>;

/// What is known of ownership.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// Every object by its uid.
    by_uid: FxHashMap<Uid, ObjectKey>,
    /// By an owner's uid, what names it as an owner.
    dependents: FxHashMap<Uid, BTreeSet<ObjectKey>>,
    /// By a controller's uid, the pods that it controls.
    pods: FxHashMap<Uid, FxHashMap<ObjectKey, Arc<Pod>>>,
    /// What an object's references are, to be taken back when it changes.
    references: FxHashMap<ObjectKey, Vec<Reference>>,
    /// Pods and ReplicaSets that nobody controls, by namespace.
    orphans: FxHashMap<(Tenant, Box<str>), FxHashSet<ObjectKey>>,
}

/// One owner of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) uid: Uid,
    pub(crate) is_controller: bool,
    pub(crate) blocks_deletion: bool,
}

/// What an object says about itself that ownership depends on.
#[derive(Debug, Default)]
pub(crate) struct Outline {
    pub(crate) references: Vec<Reference>,
    pub(crate) finalizers: Vec<String>,
}

impl Outline {
    /// Reads a stored object.
    pub(crate) fn parse(entry: &Entry) -> Result<Self, serde_json::Error> {
        let mut metadata = serde_json::Deserializer::from_slice(entry.metadata_on());
        let metadata = Metadata::deserialize(&mut metadata)?;
        let references = metadata.owner_references.into_iter().map(|reference| Reference {
            uid: reference.uid.into(),
            is_controller: reference.controller,
            blocks_deletion: reference.block_owner_deletion,
        });
        Ok(Self { references: references.collect(), finalizers: metadata.finalizers })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    #[serde(borrow, default)]
    owner_references: Vec<OwnerReference<'a>>,
    #[serde(default)]
    finalizers: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OwnerReference<'a> {
    #[serde(borrow)]
    uid: Cow<'a, str>,
    #[serde(default)]
    controller: bool,
    #[serde(default)]
    block_owner_deletion: bool,
}

impl Index {
    /// Takes an object in, new or changed.
    pub(crate) fn put(&mut self, entry: &Entry, outline: &Outline) {
        let key = ObjectKey::of(entry);
        self.detach(&key);
        self.by_uid.insert(entry.uid.as_str().into(), key.clone());
        for reference in &outline.references {
            self.dependents.entry(reference.uid.clone()).or_default().insert(key.clone());
        }
        let controller = outline.references.iter().find(|reference| reference.is_controller);
        match controller {
            Some(controller) if entry.kind.kind == "Pod" => match Pod::parse(&entry.bytes) {
                Ok(pod) => {
                    self.pods.entry(controller.uid.clone()).or_default().insert(key.clone(), Arc::new(pod));
                }
                Err(error) => tracing::warn!(%key, %error, "a stored pod cannot be read"),
            },
            None if matches!(entry.kind.kind, "Pod" | "ReplicaSet") && !entry.deleting => {
                self.orphans.entry(place(&key)).or_default().insert(key.clone());
            }
            _ => {}
        }
        if !outline.references.is_empty() {
            self.references.insert(key, outline.references.clone());
        }
    }

    /// Forgets an object.
    pub(crate) fn remove(&mut self, entry: &Entry) {
        let key = ObjectKey::of(entry);
        self.detach(&key);
        self.by_uid.remove(entry.uid.as_str());
    }

    fn detach(&mut self, key: &ObjectKey) {
        for reference in self.references.remove(key).unwrap_or_default() {
            if let Some(dependents) = self.dependents.get_mut(&reference.uid) {
                dependents.remove(key);
                if dependents.is_empty() {
                    self.dependents.remove(&reference.uid);
                }
            }
            if let Some(pods) = self.pods.get_mut(&reference.uid) {
                pods.remove(key);
                if pods.is_empty() {
                    self.pods.remove(&reference.uid);
                }
            }
        }
        let place = place(key);
        if let Some(orphans) = self.orphans.get_mut(&place) {
            orphans.remove(key);
            if orphans.is_empty() {
                self.orphans.remove(&place);
            }
        }
    }

    /// The object of a uid.
    pub(crate) fn object(&self, uid: &str) -> Option<&ObjectKey> {
        self.by_uid.get(uid)
    }

    /// What names a uid as an owner.
    pub(crate) fn dependents(&self, uid: &str) -> Vec<ObjectKey> {
        self.dependents.get(uid).map(|keys| keys.iter().cloned().collect()).unwrap_or_default()
    }

    /// Whether one of an owner's dependents keeps it from going before them.
    pub(crate) fn blocks(&self, owner: &str, dependent: &ObjectKey) -> bool {
        let references = self.references.get(dependent);
        references.is_some_and(|references| {
            references.iter().any(|reference| &*reference.uid == owner && reference.blocks_deletion)
        })
    }

    /// The pods that an owner controls.
    pub(crate) fn pods(&self, controller: &str) -> Vec<Arc<Pod>> {
        self.pods.get(controller).map(|pods| pods.values().cloned().collect()).unwrap_or_default()
    }

    /// Whether an owner controls a pod that runs, or will.
    pub(crate) fn has_active_pods(&self, controller: &str) -> bool {
        self.pods
            .get(controller)
            .is_some_and(|pods| pods.values().any(|pod| pod.phase != crate::pod::Phase::Ended))
    }

    /// Those of a kind that nobody controls in a namespace.
    pub(crate) fn orphans(&self, tenant: &Tenant, namespace: &str, kind: &str) -> Vec<ObjectKey> {
        let orphans = self.orphans.get(&(tenant.clone(), namespace.into()));
        orphans.into_iter().flatten().filter(|key| key.kind.kind == kind).cloned().collect()
    }

    /// Every object that names an owner which is not there.
    pub(crate) fn abandoned(&self) -> Vec<ObjectKey> {
        let absent = |reference: &Reference| !self.by_uid.contains_key(&reference.uid);
        let all = self.references.iter();
        all.filter(|(_, references)| references.iter().any(absent)).map(|(key, _)| key.clone()).collect()
    }
}

fn place(key: &ObjectKey) -> (Tenant, Box<str>) {
    (key.tenant.clone(), key.namespace.clone())
}
