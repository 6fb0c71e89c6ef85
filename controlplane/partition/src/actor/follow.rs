//! The picture of pods and bindings, kept by the store's history.

use std::sync::Arc;

use meridian_api::{BindingRecord, BindingState, Change, Entry};
use meridian_ledger::ClaimId;
use meridian_proto::v1::ClaimState;
use tokio::sync::oneshot;

use super::{Actor, Again};
use crate::bindings::{Binding, PodName};
use crate::classes::{Described, Refusal, Wanted};
use crate::events::About;
use crate::pods::{Blocked, Pending, Stage};
use crate::view::PodView;

impl Actor {
    /// The history will be told from its beginning.
    pub(super) fn restart(&mut self, answer: oneshot::Sender<()>) {
        self.in_sync = false;
        self.unseen = self.pods.iter().map(|pod| pod.about.uid.clone()).collect();
        self.bindings.begin_round();
        self.groups.begin_round();
        self.namespaces.begin_round();
        let _ = answer.send(());
    }

    pub(super) fn changes(&mut self, changes: Vec<Change>) {
        for change in changes {
            match change {
                Change::Binding { tenant, namespace, name, record } => {
                    let name = PodName { tenant, namespace: namespace.into(), name: name.into() };
                    match record {
                        Some(record) => self.record_put(name, record),
                        None => self.record_gone(&name),
                    }
                }
                Change::Put { entry, previous } if entry.kind.kind == "Pod" => {
                    self.pod_put(&entry, previous.as_deref())
                }
                Change::Deleted(entry) if entry.kind.kind == "Pod" => self.pod_gone(&entry.uid),
                Change::Put { entry, .. } if entry.kind.kind == "PodGroup" => self.group_put(&entry),
                Change::Deleted(entry) if entry.kind.kind == "PodGroup" => self.group_gone(&entry),
                Change::Put { entry, .. } if entry.kind.kind == "Namespace" => {
                    if self.namespaces.put(&entry) {
                        self.tell_namespace(&entry.tenant, &entry.name);
                    }
                }
                Change::Deleted(entry) if entry.kind.kind == "Namespace" => {
                    self.namespaces.remove(&entry.tenant, &entry.name);
                    self.tell_namespace(&entry.tenant, &entry.name);
                }
                Change::Put { .. } | Change::Deleted(_) => {}
                Change::InSync => self.became_in_sync(),
            }
        }
    }

    /// All has been told: what was not is gone, and what waited for the whole picture can be decided.
    fn became_in_sync(&mut self) {
        for uid in std::mem::take(&mut self.unseen) {
            self.pod_gone(&uid);
        }
        for binding in self.bindings.end_round() {
            self.release(&binding);
        }
        self.groups.end_round();
        for (tenant, name) in self.namespaces.end_round() {
            self.tell_namespace(&tenant, &name);
        }
        self.in_sync = true;
        let mut waiting: Vec<(u64, Arc<str>)> =
            self.pods.iter().map(|pod| (pod.order, pod.about.uid.clone())).collect();
        waiting.sort_unstable();
        for (_, uid) in waiting {
            self.examine(&uid);
        }
    }

    /// Whoever can decide on a pod is asked to, or the pod is told why nobody can.
    pub(super) fn examine(&mut self, uid: &Arc<str>) {
        let Some(pod) = self.pods.get(uid) else { return };
        let name = PodName {
            tenant: pod.about.tenant.clone(),
            namespace: pod.about.namespace.clone(),
            name: pod.about.name.clone(),
        };
        match pod.stage {
            Stage::Blocked(Blocked::Pinned) => self.claim_pinned(&uid.clone()),
            Stage::Waiting | Stage::Queued { .. } | Stage::Offered { .. } | Stage::Blocked(Blocked::Name) => {
                let held = self.bindings.holder(&name).is_some_and(|holder| **holder != **uid);
                if held {
                    self.hold_for_name(uid);
                } else if pod.stage == Stage::Blocked(Blocked::Name) {
                    self.let_go(uid);
                } else {
                    self.offer(uid);
                }
            }
            Stage::Claiming | Stage::Blocked(Blocked::Spec) => {}
        }
    }

    fn pod_put(&mut self, entry: &Arc<Entry>, previous: Option<&Entry>) {
        self.unseen.remove(&*entry.uid);
        if previous.is_none() && !entry.node_name.is_empty() {
            self.bound_seen(entry);
        }
        if let Some(binding) = self.bindings.get(&entry.uid) {
            // What the host runs is described anew: an image, a grace period, a size. That it was bound is told elsewhere.
            let was_bound = previous.is_some_and(|previous| !previous.node_name.is_empty());
            if self.in_sync && was_bound && !entry.deleting && !is_same_but_for_status(previous, entry) {
                let (id, host_partition) = self.claim_of(&binding.record);
                self.send_spec(&host_partition, &id, entry.clone());
            }
            return;
        }
        let view = match PodView::read(&entry.bytes) {
            Ok(view) => view,
            Err(error) => {
                tracing::error!(pod = %entry.name, namespace = %entry.namespace, %error, "a stored pod cannot be read");
                return;
            }
        };
        if let Some(pod) = self.pods.get(&entry.uid) {
            let has_host = !entry.node_name.is_empty() && !pod.pinned;
            if entry.deleting || view.has_ended() || has_host {
                self.pod_gone(&entry.uid);
            } else if !is_same_but_for_status(previous, entry) {
                let uid = pod.about.uid.clone();
                self.respecified(&uid, &view);
                self.rejoin(&uid, Self::group_of(entry, &view));
            }
        } else if !entry.deleting && view.phase() == "Pending" {
            self.pod_appeared(entry, &view);
        }
    }

    fn pod_appeared(&mut self, entry: &Entry, view: &PodView<'_>) {
        let about = About {
            tenant: entry.tenant.clone(),
            namespace: entry.namespace.as_str().into(),
            name: entry.name.as_str().into(),
            uid: entry.uid.as_str().into(),
        };
        let uid = about.uid.clone();
        let wanted = if entry.node_name.is_empty() {
            let spec = self.registry.asked_spec(&about.tenant, view.spec);
            let wanted = self.classes.want(&Described::new(&about.tenant, &about.namespace, view, &spec));
            if !self.profiles.contains(&wanted.profile) {
                return;
            }
            wanted
        } else {
            // Whoever named the host has scheduled the pod.
            let profile = meridian_kubernetes::DEFAULT_SCHEDULER_NAME.into();
            let refusal = Refusal { reason: "Unschedulable", message: "".into() };
            Wanted { profile, priority: 0, preempts: false, class: Err(refusal) }
        };
        if let Ok(class) = wanted.class {
            self.classes.hold(class);
        }
        let stage = if self.claims.of(&uid).is_some() {
            // A binding was ordered before the history told of the pod.
            Stage::Claiming
        } else if !entry.node_name.is_empty() {
            Stage::Blocked(Blocked::Pinned)
        } else if wanted.class.is_err() {
            Stage::Blocked(Blocked::Spec)
        } else {
            Stage::Waiting
        };
        let said = view.condition("PodScheduled").filter(|condition| condition.status == "False");
        let order = self.pods.next_order();
        self.pods.insert(Pending {
            about,
            order,
            class: wanted.class.as_ref().ok().copied(),
            group: Self::group_of(entry, view),
            pinned: !entry.node_name.is_empty(),
            profile: wanted.profile,
            priority: wanted.priority,
            preempts: wanted.preempts,
            seen: self.identity.clock.now(),
            stage: stage.clone(),
            refusals: 0,
            said: said.map(|condition| condition.message.into()),
            nominated: view.nominated().map(Into::into),
        });
        self.count_member(&uid);
        // Of a claim that is no more: none outlives the process that made it.
        if self.claims.of(&uid).is_none() {
            self.clear_nomination(&uid);
        }
        if stage == Stage::Blocked(Blocked::Spec)
            && let Err(refusal) = wanted.class
        {
            self.say_unschedulable(&uid, refusal.reason, &refusal.message);
        } else if self.in_sync {
            self.examine(&uid);
        }
    }

    /// A waiting pod's spec or labels are others now. A claim under way goes on: what it claimed was right when it was decided.
    fn respecified(&mut self, uid: &Arc<str>, view: &PodView<'_>) {
        let Some(pod) = self.pods.get(uid) else { return };
        if pod.pinned {
            return;
        }
        let About { tenant, namespace, .. } = &pod.about;
        let spec = self.registry.asked_spec(tenant, view.spec);
        let wanted = self.classes.want(&Described::new(tenant, namespace, view, &spec));
        let class = wanted.class.as_ref().ok().copied();
        let is_same =
            pod.class == class && (pod.priority, pod.preempts) == (wanted.priority, wanted.preempts);
        if is_same && class.is_some() {
            return;
        }
        if let Some(class) = class {
            self.classes.hold(class);
        }
        self.take_back(uid);
        let Some(pod) = self.pods.get_mut(uid) else { return };
        let before = std::mem::replace(&mut pod.class, class);
        (pod.priority, pod.preempts) = (wanted.priority, wanted.preempts);
        match (&wanted.class, &pod.stage) {
            (_, Stage::Claiming) => {}
            (Ok(_), _) => pod.stage = Stage::Waiting,
            (Err(_), _) => pod.stage = Stage::Blocked(Blocked::Spec),
        }
        if let Some(before) = before {
            self.classes.release(before);
        }
        self.count_member(uid);
        match wanted.class {
            Ok(_) if self.in_sync => self.examine(uid),
            Ok(_) => {}
            Err(refusal) => self.say_unschedulable(uid, refusal.reason, &refusal.message),
        }
    }

    /// A pod needs no host any more.
    fn pod_gone(&mut self, uid: &str) {
        self.take_back(uid);
        self.withdraw_claim(uid);
        self.forget_pending(uid);
    }

    /// Takes a pod out of those that wait.
    pub(super) fn forget_pending(&mut self, uid: &str) {
        let Some(pod) = self.pods.remove(uid) else { return };
        if let Some(class) = pod.class {
            self.classes.release(class);
        }
        if let Some(group) = pod.group {
            self.groups.leave(&group, pod.order);
        }
    }

    fn record_put(&mut self, name: PodName, record: Arc<BindingRecord>) {
        let (id, host_partition) = self.claim_of(&record);
        if self.claims.get(&id).is_some() {
            let entry = self.pod_entry(&name, &record.uid);
            self.bound(&id, entry);
        }
        if self.pods.get(&record.uid).is_some() {
            self.group_bound(&record.uid);
            self.pod_gone(&record.uid);
        }
        let entry = (record.state == BindingState::Terminating).then(|| self.pod_entry(&name, &record.uid));
        let before = self.bindings.put(name, record.clone());
        let is_news = self.in_sync && before != Some(record.state);
        if is_news && record.state != BindingState::Bound {
            // How long the pod may take to end is written in it.
            if let Some(entry) = entry.flatten() {
                self.send_spec(&host_partition, &id, entry);
            }
            self.settle(&host_partition, &id, ClaimState::Terminating);
        }
    }

    /// A pod is known to have stopped: its room and its name are free.
    fn record_gone(&mut self, name: &PodName) {
        if let Some(binding) = self.bindings.take(name) {
            self.release(&binding);
        }
        // Another pod may have waited for the name.
        let entry = self.registry.cached(&name.tenant, meridian_schema::pod(), &name.namespace, &name.name);
        if let Some(entry) = entry
            && let Some(pod) = self.pods.get(&entry.uid)
            && pod.stage == Stage::Blocked(Blocked::Name)
        {
            let uid = pod.about.uid.clone();
            self.let_go(&uid);
        }
    }

    fn release(&mut self, binding: &Binding) {
        self.groups.unbind(&binding.record.uid);
        let (id, host_partition) = self.claim_of(&binding.record);
        self.settle(&host_partition, &id, ClaimState::Void);
        self.claim_ended(&binding.name.tenant, &id);
    }

    /// A pod that waited for its name waits for a host now.
    fn let_go(&mut self, uid: &Arc<str>) {
        let Some(pod) = self.pods.get_mut(uid) else { return };
        if pod.pinned {
            pod.stage = Stage::Blocked(Blocked::Pinned);
            return self.later(std::time::Duration::ZERO, Again::Pinned(uid.clone()));
        }
        pod.stage = Stage::Waiting;
        self.offer(uid);
    }

    /// The claim that a record names, and the host partition that keeps it.
    pub(super) fn claim_of(&self, record: &BindingRecord) -> (ClaimId, Arc<str>) {
        let own = self.claims.partition();
        let claim = &record.claim;
        let partition = if claim.partition == **own { own.clone() } else { claim.partition.as_str().into() };
        let id = ClaimId { partition, epoch: claim.epoch, sequence: claim.sequence };
        (id, record.host_partition.as_str().into())
    }

    /// The pod of a name, if it is still the one of this uid.
    pub(super) fn pod_entry(&self, name: &PodName, uid: &str) -> Option<Arc<Entry>> {
        let pod = meridian_schema::pod();
        self.registry.cached(&name.tenant, pod, &name.namespace, &name.name).filter(|entry| entry.uid == uid)
    }
}

/// Whether nothing but the status is another than before. In the stored form the status comes last, and no other object in a
/// pod is called so.
fn is_same_but_for_status(before: Option<&Entry>, now: &Entry) -> bool {
    const STATUS: &[u8] = b",\"status\":{";
    let Some(before) = before.filter(|before| before.uid == now.uid) else { return false };
    let head = |bytes: &'_ [u8]| bytes.windows(STATUS.len()).rposition(|window| window == STATUS);
    match (head(&before.bytes), head(&now.bytes)) {
        (Some(old), Some(new)) => before.bytes.get(..old) == now.bytes.get(..new),
        _ => before.bytes == now.bytes,
    }
}

#[cfg(test)]
mod tests {
    use meridian_api::{Caller, CreateOptions, Registry, RegistryLimits, RegistryOptions};
    use meridian_environment::{Ids, ManualClock};
    use meridian_store::{EmbeddedOptions, Store};
    use serde_json::json;
    use tokio::sync::mpsc;

    use super::*;
    use crate::actor::Parts;
    use crate::metrics::Metrics;
    use crate::replicas::Identity;
    use crate::stream::outlet;

    async fn registry(dir: &std::path::Path, clock: &Arc<ManualClock>) -> Registry {
        let open = |name: &str| {
            let options = EmbeddedOptions { segment_bytes: 1 << 20, ..EmbeddedOptions::new(dir.join(name)) };
            Store::open_embedded(options, clock.clone())
        };
        let (tenants, hosts) = (open("tenants").await.unwrap(), open("hosts").await.unwrap());
        let (ids, limits) = (Arc::new(Ids::seeded(1)), RegistryLimits::default());
        Registry::open(RegistryOptions { tenants, hosts, clock: clock.clone(), ids, limits }).await.unwrap()
    }

    async fn pod(registry: &Registry, name: &str) -> Arc<Entry> {
        let object = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {"schedulerName": "default-scheduler", "containers": [{"name": "a", "image": "b"}]},
        });
        let (caller, options) = (Caller::system("test"), CreateOptions::default());
        registry.create(&caller, meridian_schema::pod(), "default", object, &options).await.unwrap()
    }

    fn told(actor: &mut Actor, pods: &[&Arc<Entry>]) {
        let (answer, mut answered) = oneshot::channel();
        actor.restart(answer);
        assert!(answered.try_recv().is_ok());
        let put = |entry: &&Arc<Entry>| Change::Put { entry: Arc::clone(entry), previous: None };
        actor.changes(pods.iter().map(put).collect());
        actor.changes(vec![Change::InSync]);
    }

    #[tokio::test]
    async fn an_account_told_anew_takes_away_what_it_does_not_name_and_leaves_the_rest() {
        let dir = tempfile::TempDir::new().unwrap();
        let clock = Arc::new(ManualClock::new());
        let registry = registry(dir.path(), &clock).await;
        let (old, kept, new) =
            (pod(&registry, "old").await, pod(&registry, "kept").await, pod(&registry, "new").await);
        let ((_inputs, inputs), (_bind, binder)) = (mpsc::channel(1), mpsc::channel(1));
        let (_explain, explainer) = mpsc::channel(1);
        let mut actor = Actor::new(Parts {
            identity: Identity { cell: "c".into(), name: "tp".into(), epoch: 1, clock },
            registry: registry.clone(),
            ids: Arc::new(Ids::seeded(1)),
            metrics: Metrics::new(&prometheus::Registry::new()).unwrap(),
            schedulers: vec!["default-scheduler".to_owned()],
            ledgers: Vec::new(),
            inputs,
            binder,
            explainer,
        });
        let (outlet, _inlet, _closed) = outlet();
        actor.replica_joined(1, "r".to_owned(), outlet);
        told(&mut actor, &[&old, &kept]);
        actor.fill_sessions();
        let offered = Stage::Offered { session: 1, assignment: 1 };
        assert!([&old, &kept].iter().all(|entry| actor.pods.get(&entry.uid).unwrap().stage == offered));

        told(&mut actor, &[&kept, &new]);
        assert!(actor.pods.get(&old.uid).is_none(), "it vanished while nobody listened");
        assert_eq!(actor.pods.get(&kept.uid).unwrap().stage, offered, "it stays where it was");
        assert!(matches!(actor.pods.get(&new.uid).unwrap().stage, Stage::Queued { session: 1, .. }));
        registry.shutdown().await;
    }
}
