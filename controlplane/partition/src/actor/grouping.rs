//! Which pods belong to which group, and that none is offered to a replica before enough are there.

use std::sync::Arc;

use meridian_api::{Caller, Entry, Registry, Sub};
use meridian_kubernetes::DEFAULT_SCHEDULER_NAME;
use serde_json::Value;

use super::{Actor, Done};
use crate::groups::{GROUP_LABEL, GroupName, Standing, Status, spec_of};
use crate::merge::object_at;
use crate::view::PodView;

impl Actor {
    /// A PodGroup is there, or is another.
    pub(super) fn group_put(&mut self, entry: &Entry) {
        let spec = spec_of(&entry.namespace, &entry.name, &entry.value());
        self.groups.describe(&group_name(entry, &entry.name), Some(spec));
    }

    /// A PodGroup is gone.
    pub(super) fn group_gone(&mut self, entry: &Entry) {
        self.groups.describe(&group_name(entry, &entry.name), None);
    }

    /// The group that a pod names.
    pub(super) fn group_of(entry: &Entry, view: &PodView<'_>) -> Option<Arc<GroupName>> {
        view.label(GROUP_LABEL).map(|name| Arc::new(group_name(entry, &name)))
    }

    /// A pod is seen for the first time that is bound already.
    pub(super) fn bound_seen(&mut self, entry: &Entry) {
        if let Ok(view) = PodView::read(&entry.bytes)
            && !view.has_ended()
            && let Some(group) = Self::group_of(entry, &view)
        {
            self.groups.bind(&group, &entry.uid);
        }
    }

    /// A pod's binding is durable: it counts among the bound ones of its group.
    pub(super) fn group_bound(&mut self, uid: &str) {
        if let Some(group) = self.pods.get(uid).and_then(|pod| pod.group.clone()) {
            self.groups.bind(&group, uid);
        }
    }

    /// A pod that waits names a group, another or none.
    pub(super) fn rejoin(&mut self, uid: &Arc<str>, group: Option<Arc<GroupName>>) {
        let Some(pod) = self.pods.get_mut(uid) else { return };
        if pod.group == group {
            return;
        }
        let order = pod.order;
        let counts = pod.class.is_some() && !pod.pinned;
        let former = std::mem::replace(&mut pod.group, group.clone());
        if let Some(former) = former {
            self.groups.leave(&former, order);
        }
        if let Some(group) = group.filter(|_| counts) {
            self.groups.join(&group, order, uid.clone());
        }
        self.take_back(uid);
        if self.in_sync {
            self.examine(uid);
        }
    }

    /// A pod waits or not for a host that somebody is to choose: only those that do are members to be placed.
    pub(super) fn count_member(&mut self, uid: &str) {
        let Some(pod) = self.pods.get(uid) else { return };
        let Some(group) = pod.group.clone() else { return };
        if pod.class.is_some() && !pod.pinned {
            self.groups.join(&group, pod.order, pod.about.uid.clone());
        } else {
            self.groups.leave(&group, pod.order);
        }
    }

    /// Whether a pod's group, if it has one, can be decided on. Where not, the pod is told why.
    pub(super) fn may_be_offered(&mut self, uid: &str) -> bool {
        let Some(group) = self.pods.get(uid).and_then(|pod| pod.group.clone()) else { return true };
        let GroupName { namespace, name, .. } = &*group;
        let why = match self.groups.standing(&group) {
            Standing::Complete => return true,
            Standing::Missing => format!("pod group {namespace}/{name} does not exist"),
            Standing::Incomplete { least } => {
                format!("pod group {namespace}/{name} waits for members: {least} pods have to be there")
            }
        };
        self.say_unschedulable(uid, "Unschedulable", &why);
        false
    }

    /// Pods of groups of which something has changed are offered, offered anew, or taken back.
    pub(super) fn regroup(&mut self) {
        if !self.in_sync {
            return;
        }
        while let Some(regrouping) = self.groups.next_changed() {
            for uid in regrouping.waiting {
                if regrouping.is_stale {
                    self.take_back(&uid);
                }
                self.offer(&uid);
            }
            if let Some((group, status)) = regrouping.status {
                self.work.spawn(write_status(self.registry.clone(), group, status));
            }
        }
    }
}

/// Writes how far a group has come. It is for people: what cannot be written is written when it changes.
async fn write_status(registry: Registry, group: Arc<GroupName>, said: Status) -> Done {
    let GroupName { tenant, namespace, name } = &*group;
    let caller = Caller::component(DEFAULT_SCHEDULER_NAME, tenant);
    let change = |object: &mut Value| {
        let Some(status) = object_at(object, "status") else { return false };
        let phase = status.insert("phase".to_owned(), said.phase.into());
        let scheduled = status.insert("scheduled".to_owned(), said.scheduled.into());
        (phase, scheduled) != (Some(said.phase.into()), Some(said.scheduled.into()))
    };
    let kind = meridian_schema::pod_group();
    let written = registry.modify(&caller, kind, namespace, name, None, Some(Sub::Status), change).await;
    if let Err(failure) = written {
        tracing::debug!(%name, %namespace, %failure, "the status of a pod group is not written");
    }
    Done::GroupTold(group)
}

fn group_name(entry: &Entry, name: &str) -> GroupName {
    GroupName { tenant: entry.tenant.clone(), namespace: entry.namespace.as_str().into(), name: name.into() }
}
