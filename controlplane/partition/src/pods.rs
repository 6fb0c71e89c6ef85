//! The pods that wait for a host.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use meridian_store::Tenant;
use rustc_hash::FxHashMap;

use crate::assignment::SessionId;
use crate::events::About;
use crate::groups::GroupName;

/// How far a waiting pod has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// No replica has it: none leads its tenant, or it is held back for a moment after refusals.
    Waiting,
    /// In the queue of a replica, in this place.
    Queued {
        /// The replica.
        session: SessionId,
        /// Distinguishes this offer from earlier ones.
        offer: u64,
    },
    /// Sent to a replica, which decides.
    Offered {
        /// The replica.
        session: SessionId,
        /// The assignment that its decision must name.
        assignment: u64,
    },
    /// A host is being claimed, or its binding written.
    Claiming,
    /// Not to be decided as things are.
    Blocked(Blocked),
}

/// Why nobody is to decide on a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blocked {
    /// Its spec asks for what cannot be honoured, or is invalid.
    Spec,
    /// Its name is held by an earlier pod that is not known to have stopped.
    Name,
    /// It names its host itself.
    Pinned,
}

/// A pod without a host.
#[derive(Debug)]
pub(crate) struct Pending {
    /// Which pod.
    pub(crate) about: About,
    /// Its place among all, by when it was seen.
    pub(crate) order: u64,
    /// Its class; none: nobody is to choose a host for it.
    pub(crate) class: Option<u32>,
    /// The group that it is bound with, all or none.
    pub(crate) group: Option<Arc<GroupName>>,
    /// Whether it names its host itself.
    pub(crate) pinned: bool,
    /// The scheduler it asks for.
    pub(crate) profile: Arc<str>,
    /// Higher goes first.
    pub(crate) priority: i32,
    /// Whether others may be stopped for it.
    pub(crate) preempts: bool,
    /// When it was first seen.
    pub(crate) seen: Duration,
    /// How far it has come.
    pub(crate) stage: Stage,
    /// How often in a row all hosts of a decision refused it.
    pub(crate) refusals: u32,
    /// What its condition PodScheduled says, as far as known.
    pub(crate) said: Option<Arc<str>>,
    /// The host that its status says it will run on, as far as known.
    pub(crate) nominated: Option<Arc<str>>,
}

/// All pods without a host, by uid and by tenant.
#[derive(Debug, Default)]
pub(crate) struct Pods {
    pods: FxHashMap<Arc<str>, Pending>,
    tenants: HashMap<Tenant, BTreeMap<u64, Arc<str>>>,
    last_order: u64,
}

impl Pods {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.pods.len()
    }

    /// The pod of a uid.
    pub(crate) fn get(&self, uid: &str) -> Option<&Pending> {
        self.pods.get(uid)
    }

    /// The pod of a uid, to change.
    pub(crate) fn get_mut(&mut self, uid: &str) -> Option<&mut Pending> {
        self.pods.get_mut(uid)
    }

    /// A place behind all others.
    pub(crate) fn next_order(&mut self) -> u64 {
        self.last_order += 1;
        self.last_order
    }

    /// Adds a pod that is not there yet.
    pub(crate) fn insert(&mut self, pod: Pending) {
        let uid = pod.about.uid.clone();
        self.tenants.entry(pod.about.tenant.clone()).or_default().insert(pod.order, uid.clone());
        self.pods.insert(uid, pod);
    }

    /// Takes a pod out.
    pub(crate) fn remove(&mut self, uid: &str) -> Option<Pending> {
        let pod = self.pods.remove(uid)?;
        if let Some(uids) = self.tenants.get_mut(&pod.about.tenant) {
            uids.remove(&pod.order);
            if uids.is_empty() {
                self.tenants.remove(&pod.about.tenant);
            }
        }
        Some(pod)
    }

    /// The tenants that have any.
    pub(crate) fn tenants(&self) -> impl Iterator<Item = &Tenant> {
        self.tenants.keys()
    }

    /// A tenant's pods, in the order in which they were seen.
    pub(crate) fn of_tenant(&self, tenant: &Tenant) -> impl Iterator<Item = &Arc<str>> {
        self.tenants.get(tenant).into_iter().flat_map(BTreeMap::values)
    }

    /// All of them, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Pending> {
        self.pods.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenants_pods_come_in_the_order_of_their_arrival() {
        let mut pods = Pods::default();
        for (tenant, uid) in [("b", "1"), ("a", "2"), ("b", "0")] {
            let about = About {
                tenant: Tenant::new(tenant).unwrap(),
                namespace: "default".into(),
                name: uid.into(),
                uid: uid.into(),
            };
            let order = pods.next_order();
            pods.insert(Pending {
                about,
                order,
                class: None,
                group: None,
                pinned: false,
                profile: "x".into(),
                priority: 0,
                preempts: true,
                seen: Duration::ZERO,
                stage: Stage::Waiting,
                refusals: 0,
                said: None,
                nominated: None,
            });
        }
        let b = Tenant::new("b").unwrap();
        let of_b = |pods: &Pods| pods.of_tenant(&b).map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(of_b(&pods), ["1", "0"]);
        assert!(pods.remove("1").is_some() && pods.remove("1").is_none());
        assert_eq!(of_b(&pods), ["0"]);
        pods.remove("0");
        assert_eq!((pods.tenants().count(), pods.len()), (1, 1));
    }
}
