//! Bindings to a host that somebody has named: by the `binding` subresource, or the pod itself in its spec.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use meridian_api::{BindOrder, Entry, Failure};
use meridian_proto::v1::{DecidedHost, outcome};
use meridian_store::Tenant;

use super::claim::{Attempt, Refusal};
use super::{Actor, Again, Asked};
use crate::bindings::PodName;
use crate::classes::{self, Described};
use crate::events::About;
use crate::hosts::HostPlace;
use crate::pods::{Blocked, Stage};
use crate::view::PodView;

/// How long until a host that a pod names is looked for again.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

impl Actor {
    /// Somebody asks for a pod to be bound to a host.
    pub(super) fn bind_order(&mut self, order: BindOrder) {
        let BindOrder { tenant, namespace, name, uid, .. } = &order;
        let entry = self.registry.cached(tenant, meridian_schema::pod(), namespace, name);
        match entry.filter(|entry| entry.uid == *uid) {
            Some(entry) => self.bind_found(order, Some(entry)),
            None => self.look(&tenant.clone(), &namespace.clone(), &name.clone(), Asked::Order(order)),
        }
    }

    /// The pod to be bound, if it is there, has been found.
    pub(super) fn bind_found(&mut self, order: BindOrder, entry: Option<Arc<Entry>>) {
        let BindOrder { name, uid, node, reply, .. } = order;
        let pod = meridian_schema::pod();
        let conflict = |why: String| Err(Failure::conflict(pod, &name, why));
        let Some(entry) = entry.filter(|entry| entry.uid == uid) else {
            let _ = reply.send(Err(Failure::not_found(pod, &name)));
            return;
        };
        if let Some(binding) = self.bindings.get(&uid) {
            let host = &binding.record.host;
            let shown = self.registry.host_name(&entry.tenant, host);
            let answer =
                if *host == node { Ok(()) } else { conflict(format!("it is bound to {shown} already")) };
            let _ = reply.send(answer);
            return;
        }
        let is_pinned = !entry.node_name.is_empty();
        if is_pinned && entry.node_name != node {
            let shown = self.registry.host_name(&entry.tenant, &entry.node_name);
            let _ = reply.send(conflict(format!("it asks for host {shown} itself")));
            return;
        }
        if let Some(live) = self.claims.of(&uid) {
            let (id, is_same) = (live.id.clone(), live.payload.pinned && is_pinned);
            match self.claims.payload_mut(&id) {
                // The pod itself has asked for the same before.
                Some(attempt) if is_same && attempt.reply.is_none() => attempt.reply = Some(reply),
                _ => {
                    let _ = reply.send(conflict("a host is being claimed for it already".to_owned()));
                }
            }
            return;
        }
        if self.is_name_held(&entry) {
            let why = "an earlier pod of this name is not known to have stopped";
            let _ = reply.send(conflict(why.to_owned()));
            return;
        }
        let attempt = self.attempt_for(&entry, &node, is_pinned);
        match attempt {
            Ok(mut attempt) => {
                attempt.reply = Some(reply);
                self.take_from_replica(&attempt.about.uid);
                self.attempt(attempt);
            }
            Err(failure) => {
                let _ = reply.send(Err(failure));
            }
        }
    }

    /// A pod that names its host: that host is claimed.
    pub(super) fn claim_pinned(&mut self, uid: &Arc<str>) {
        let Some(pod) = self.pods.get(uid).filter(|pod| pod.stage == Stage::Blocked(Blocked::Pinned)) else {
            return;
        };
        let About { tenant, namespace, name, .. } = &pod.about;
        let entry = self.registry.cached(tenant, meridian_schema::pod(), namespace, name);
        let Some(entry) = entry.filter(|entry| *entry.uid == **uid) else { return };
        let seen = pod.seen;
        if self.is_name_held(&entry) {
            return self.hold_for_name(uid);
        }
        match self.attempt_for(&entry, &entry.node_name, true) {
            Ok(attempt) => {
                if let Some(pod) = self.pods.get_mut(uid) {
                    pod.stage = Stage::Claiming;
                }
                self.attempt(Attempt { seen, ..attempt });
            }
            Err(failure) => {
                tracing::debug!(pod = %entry.name, host = %entry.node_name, %failure, "host cannot be claimed yet");
                self.later(LOOK_AGAIN, Again::Pinned(uid.clone()));
            }
        }
    }

    /// Whether an earlier pod of the same name is not known to have stopped: no host need be claimed before it is.
    fn is_name_held(&self, entry: &Entry) -> bool {
        let name = PodName {
            tenant: entry.tenant.clone(),
            namespace: entry.namespace.as_str().into(),
            name: entry.name.as_str().into(),
        };
        self.bindings.holder(&name).is_some_and(|holder| **holder != *entry.uid)
    }

    /// A pod's place with a replica ends, since somebody else has decided.
    fn take_from_replica(&mut self, uid: &Arc<str>) {
        if let Some(Stage::Offered { session, .. }) = self.pods.get(uid).map(|pod| pod.stage.clone()) {
            self.tell_outcome(Some(session), uid, outcome::Result::Gone, "");
        }
        if let Some(pod) = self.pods.get_mut(uid) {
            pod.stage = Stage::Claiming;
        }
    }

    fn attempt_for(&self, entry: &Arc<Entry>, node: &str, is_pinned: bool) -> Result<Attempt, Failure> {
        let pod = meridian_schema::pod();
        let view = PodView::read(&entry.bytes).map_err(Failure::internal)?;
        let asked = self.registry.asked_spec(&entry.tenant, view.spec);
        let described = Described::new(&entry.tenant, &entry.namespace, &view, &asked);
        let asked = classes::Asked::by(&described).map_err(|why| {
            let failure = Failure::conflict(pod, &entry.name, format!("it cannot be bound as it is: {why}"));
            failure.because("UnexpectedAdmissionError", &why, "spec")
        })?;
        let host = self.host(node).map_err(|why| {
            let refusal = Refusal::unasked(why);
            Failure::unavailable(refusal.told(&entry.tenant))
        })?;
        let spec = view.spec_view().map_err(Failure::internal)?;
        let profile = if spec.scheduler_name.is_empty() {
            meridian_kubernetes::DEFAULT_SCHEDULER_NAME
        } else {
            &spec.scheduler_name
        };
        Ok(Attempt {
            about: About {
                tenant: entry.tenant.clone(),
                namespace: entry.namespace.as_str().into(),
                name: entry.name.as_str().into(),
                uid: entry.uid.as_str().into(),
            },
            asked,
            profile: profile.into(),
            seen: self.now(),
            rest: VecDeque::from([host]),
            session: None,
            pinned: is_pinned,
            reply: None,
            refusal: None,
            victims: Vec::new(),
            keeps: None,
            has_preempted: false,
            has_fallen: false,
        })
    }

    /// Where a host's account is kept, as its Node object tells.
    fn host(&self, name: &str) -> Result<DecidedHost, String> {
        let node = meridian_schema::node();
        let entry = self.registry.cached(&Tenant::system(), node, "", name);
        let entry = entry.ok_or_else(|| format!("there is no host {name:?} now"))?;
        let place =
            HostPlace::of(&entry.bytes).map_err(|why| format!("host {name:?} cannot be claimed: {why}"))?;
        let partition = match (place.partition, &self.ledgers[..]) {
            (Some(partition), _) => partition,
            (None, [only]) => only.name.to_string(),
            (None, _) => {
                return Err(format!("host {name:?} does not say its host partition"));
            }
        };
        Ok(DecidedHost {
            partition,
            host: name.to_owned(),
            incarnation: place.incarnation,
            devices: 0,
            numa: 0,
            score: 0,
        })
    }
}
