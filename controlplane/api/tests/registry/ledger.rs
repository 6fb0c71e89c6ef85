//! Pods and binding records under random operations: one after the other against a model, and many at once against the
//! rules, read off the store's own history.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use meridian_api::{BindRequest, BindResult, BindingState, DeleteOptions, Entry, Sub};
use meridian_schema as schema;
use meridian_store::{Change, KeyRange, Revision, Tenant, WatchRequest};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::region::{Region, binding, pod, system};

/// Something that somebody does.
#[derive(Clone, Debug)]
enum Act {
    Create {
        name: usize,
        finalizer: bool,
    },
    Delete {
        name: usize,
        force: bool,
    },
    Unhold {
        name: usize,
    },
    /// Of the current pod of that name, or of one before it.
    Bind {
        name: usize,
        back: usize,
        host: usize,
        epoch: u64,
        again: bool,
    },
    Stop {
        name: usize,
        back: usize,
        host: usize,
    },
    Fence {
        epoch: u64,
    },
    Finish {
        name: usize,
    },
    Clobber {
        name: usize,
    },
}

const NAMES: [&str; 2] = ["a", "b"];
const HOSTS: [&str; 2] = ["host-1", "host-2"];

fn acts(length: usize) -> impl Strategy<Value = Vec<Act>> {
    let (name, host, back) = (0..NAMES.len(), 0..HOSTS.len(), 0..2_usize);
    let act = prop_oneof![
        4 => (name.clone(), prop::bool::weighted(0.2)).prop_map(|(name, finalizer)| Act::Create { name, finalizer }),
        3 => (name.clone(), any::<bool>()).prop_map(|(name, force)| Act::Delete { name, force }),
        1 => name.clone().prop_map(|name| Act::Unhold { name }),
        6 => (name.clone(), back.clone(), host.clone(), 0..4_u64, any::<bool>())
            .prop_map(|(name, back, host, epoch, again)| Act::Bind { name, back, host, epoch, again }),
        4 => (name.clone(), back, host).prop_map(|(name, back, host)| Act::Stop { name, back, host }),
        2 => (1..4_u64).prop_map(|epoch| Act::Fence { epoch }),
        1 => name.clone().prop_map(|name| Act::Finish { name }),
        1 => name.prop_map(|name| Act::Clobber { name }),
    ];
    prop::collection::vec(act, 1..length)
}

/// The pods that there were, by name, newest last, and the claims made.
#[derive(Default)]
struct Known {
    pods: [Vec<Entry>; 2],
    claims: u64,
}

impl Known {
    fn pod(&self, name: usize, back: usize) -> Option<&Entry> {
        let pods = &self.pods[name];
        pods.len().checked_sub(1 + back).map(|at| &pods[at])
    }
}

#[derive(Clone, Debug, PartialEq)]
struct ModelPod {
    uid: String,
    bound: bool,
    grace: Option<i64>,
    finished: bool,
    held: bool,
}

#[derive(Clone, Debug, PartialEq)]
struct ModelRecord {
    uid: String,
    host: &'static str,
    claim: u64,
    state: BindingState,
}

/// What should be, in a few lines.
#[derive(Default)]
struct Model {
    pods: [Option<ModelPod>; 2],
    records: [Option<ModelRecord>; 2],
    fence: u64,
}

impl Model {
    fn own(&self, name: usize) -> bool {
        let uid = self.pods[name].as_ref().map(|pod| pod.uid.as_str());
        self.records[name]
            .as_ref()
            .is_some_and(|record| record.state != BindingState::Ghost && Some(record.uid.as_str()) == uid)
    }

    fn set(&mut self, name: usize, state: BindingState) {
        self.records[name].as_mut().unwrap().state = state;
    }

    fn delete(&mut self, name: usize, force: bool) {
        let own = self.own(name);
        let Some(pod) = &mut self.pods[name] else { return };
        let grace = if own && !force { 30 } else { 0 };
        if !pod.held && (!own || grace == 0) {
            self.pods[name] = None;
            if own {
                self.set(name, BindingState::Ghost);
            }
            return;
        }
        pod.grace = Some(pod.grace.map_or(grace, |before| before.min(grace)));
        if own {
            self.set(name, BindingState::Terminating);
        }
    }

    fn unhold(&mut self, name: usize) {
        let own = self.own(name);
        let Some(pod) = &mut self.pods[name] else { return };
        pod.held = false;
        match (pod.grace, own) {
            (Some(0), true) => {
                self.pods[name] = None;
                self.set(name, BindingState::Ghost);
            }
            (Some(_), false) => self.pods[name] = None,
            _ => {}
        }
    }

    fn bind(&mut self, name: usize, uid: &str, host: &'static str, epoch: u64, claim: u64) -> String {
        let Some(pod) = self.pods[name].as_mut().filter(|pod| pod.uid == uid) else {
            return "NotPending".to_owned();
        };
        match &self.records[name] {
            Some(record) if record.uid != uid => return "NameHeld".to_owned(),
            Some(record) if record.claim == claim => return "Bound".to_owned(),
            Some(_) => return "NotPending".to_owned(),
            None => {}
        }
        if pod.bound || pod.finished || pod.grace.is_some() {
            return "NotPending".to_owned();
        }
        if epoch == 0 || epoch != self.fence {
            return format!("Fenced {}", self.fence);
        }
        pod.bound = true;
        self.records[name] =
            Some(ModelRecord { uid: uid.to_owned(), host, claim, state: BindingState::Bound });
        "Bound".to_owned()
    }

    fn stop(&mut self, name: usize, uid: &str, host: &str) {
        let of_record =
            self.records[name].as_ref().is_some_and(|record| record.uid == uid && record.host == host);
        if of_record {
            self.records[name] = None;
            self.pods[name].take_if(|pod| pod.uid == uid && pod.grace.is_some() && !pod.held);
        }
    }
}

fn result(result: &BindResult) -> String {
    match result {
        BindResult::Bound(_) => "Bound".to_owned(),
        BindResult::NotPending => "NotPending".to_owned(),
        BindResult::NameHeld => "NameHeld".to_owned(),
        BindResult::Fenced { current } => format!("Fenced {current}"),
        BindResult::VolumeHeld { volume, host } => format!("VolumeHeld {volume} {host}"),
        BindResult::GangRefused => "GangRefused".to_owned(),
        BindResult::Failed(failure) => panic!("{failure}"),
    }
}

async fn set_status(region: &Region, name: &str, change: impl Fn(&mut Value) + Send + Sync) {
    let changed = |pod: &mut Value| {
        change(&mut pod["status"]);
        true
    };
    let (ns, sub) = ("default", Some(Sub::Status));
    region.registry.modify(&system(), schema::pod(), ns, name, None, sub, changed).await.unwrap();
}

async fn unhold(region: &Region, name: &str) {
    let changed = |pod: &mut Value| {
        pod["metadata"]["finalizers"] = json!([]);
        true
    };
    region.registry.modify(&system(), schema::pod(), "default", name, None, None, changed).await.unwrap();
}

fn new_pod(name: usize, finalizer: bool) -> Value {
    let mut object = pod(NAMES[name]);
    if finalizer {
        object["metadata"]["finalizers"] = json!(["example.com/hold"]);
    }
    object
}

fn delete_options(force: bool) -> DeleteOptions {
    DeleteOptions { grace_period_seconds: force.then_some(0), ..DeleteOptions::default() }
}

/// Does one thing, in the model too, and compares the answers.
async fn step(region: &Region, known: &mut Known, model: &mut Model, act: &Act) {
    let registry = &region.registry;
    let tenant = Tenant::system();
    match act.clone() {
        Act::Create { name, finalizer } => {
            let created = region.create("system", schema::pod(), new_pod(name, finalizer)).await;
            assert_eq!(created.is_ok(), model.pods[name].is_none());
            if let Ok(entry) = created {
                let uid = entry.uid.clone();
                known.pods[name].push((*entry).clone());
                model.pods[name] =
                    Some(ModelPod { uid, bound: false, grace: None, finished: false, held: finalizer });
            }
        }
        Act::Delete { name, force } => {
            let deleted = region.delete_with(schema::pod(), NAMES[name], &delete_options(force)).await;
            assert_eq!(deleted.is_ok(), model.pods[name].is_some());
            model.delete(name, force);
            assert_eq!(deleted.is_ok_and(|deleted| !deleted.gone), model.pods[name].is_some());
        }
        Act::Unhold { name } => {
            unhold(region, NAMES[name]).await;
            model.unhold(name);
        }
        Act::Bind { name, back, host, epoch, again } => {
            known.claims += u64::from(!again);
            let claim = known.claims;
            let Some(entry) = known.pod(name, back) else { return };
            let request = BindRequest { host_epoch: epoch, ..binding(entry, HOSTS[host], claim) };
            let bound = registry.append_bindings(&tenant, &[request]).await;
            assert_eq!(result(&bound[0]), model.bind(name, &entry.uid, HOSTS[host], epoch, claim));
        }
        Act::Stop { name, back, host } => {
            let Some(entry) = known.pod(name, back) else { return };
            registry.pod_stopped(&tenant, "default", NAMES[name], &entry.uid, HOSTS[host]).await.unwrap();
            model.stop(name, &entry.uid, HOSTS[host]);
        }
        Act::Fence { epoch } => {
            let fenced = registry.append_fence("hosts", epoch).await;
            assert_eq!(fenced.is_ok(), epoch >= model.fence);
            if let Ok(fenced) = fenced {
                model.fence = epoch;
                let listed: Vec<_> = fenced.bindings.iter().map(|held| held.record.uid.clone()).collect();
                let there: Vec<_> = model.records.iter().flatten().map(|record| record.uid.clone()).collect();
                assert_eq!(listed, there);
            }
        }
        Act::Finish { name } => {
            set_status(region, NAMES[name], |status| status["phase"] = json!("Succeeded")).await;
            model.pods[name].iter_mut().for_each(|pod| pod.finished = true);
        }
        Act::Clobber { name } => {
            set_status(region, NAMES[name], |status| status["conditions"] = json!([])).await;
        }
    }
}

/// Compares what is there with the model.
async fn compare(region: &Region, model: &Model) {
    for (name, text) in NAMES.into_iter().enumerate() {
        let pod = region.get(schema::pod(), text).await.ok().map(|entry| {
            let value = entry.value();
            ModelPod {
                uid: entry.uid.clone(),
                bound: !entry.node_name.is_empty(),
                grace: value["metadata"]["deletionGracePeriodSeconds"].as_i64().filter(|_| entry.deleting),
                finished: value["status"]["phase"] == "Succeeded",
                held: value["metadata"].get("finalizers").is_some_and(|all| all != &json!([])),
            }
        });
        assert_eq!(pod, model.pods[name], "pod {text}");
        let record =
            region.registry.cached_binding(&Tenant::system(), "default", text).map(|record| ModelRecord {
                uid: record.uid.clone(),
                host: HOSTS[usize::from(record.host == HOSTS[1])],
                claim: record.claim.sequence,
                state: record.state,
            });
        assert_eq!(record, model.records[name], "record of {text}");
    }
}

fn run<F: Future<Output = ()>>(test: F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(test);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn one_after_the_other_does_what_the_model_does(acts in acts(60)) {
        run(async {
            let region = Region::new().await;
            let (mut known, mut model) = (Known::default(), Model::default());
            for act in &acts {
                step(&region, &mut known, &mut model, act).await;
                compare(&region, &model).await;
            }
            let region = region.restarted().await;
            compare(&region, &model).await;
        });
    }

    #[test]
    fn many_at_once_keep_the_rules(acts in acts(120)) {
        run(async {
            let region = Region::new().await;
            let mut known = Known::default();
            let mut stopped = BTreeSet::new();
            for name in 0..NAMES.len() {
                let entry = region.create("system", schema::pod(), new_pod(name, false)).await.unwrap();
                known.pods[name].push((*entry).clone());
            }
            let mut answers = Vec::new();
            for some in acts.chunks(8) {
                let all = some.iter().map(|act| attempt(&region, &mut known, &mut stopped, act)).collect::<Vec<_>>();
                for entry in join_all(all).await.into_iter().flatten() {
                    match entry {
                        Answer::Created(name, entry) => known.pods[name].push(entry),
                        Answer::Bound(claim, entry) => answers.push((claim, entry)),
                    }
                }
            }
            check(&region, &stopped, &answers).await;
        });
    }
}

enum Answer {
    Created(usize, Entry),
    /// By which claim.
    Bound(u64, Entry),
}

type Attempt<'a> = std::pin::Pin<Box<dyn Future<Output = Option<Answer>> + Send + 'a>>;

/// Something that is done while other things are done. A claim's number says under which epoch it was accepted.
fn attempt<'a>(
    region: &'a Region,
    known: &mut Known,
    stopped: &mut BTreeSet<(String, String)>,
    act: &Act,
) -> Attempt<'a> {
    let registry = &region.registry;
    let tenant = Tenant::system();
    match act.clone() {
        Act::Create { name, finalizer } => Box::pin(async move {
            let created = region.create("system", schema::pod(), new_pod(name, finalizer)).await.ok()?;
            Some(Answer::Created(name, (*created).clone()))
        }),
        Act::Delete { name, force } => Box::pin(async move {
            // It may be gone already.
            let _ = region.delete_with(schema::pod(), NAMES[name], &delete_options(force)).await;
            None
        }),
        Act::Unhold { name } => Box::pin(async move {
            unhold(region, NAMES[name]).await;
            None
        }),
        Act::Bind { name, back, host, epoch, .. } => {
            known.claims += 1;
            let claim = known.claims * 10 + epoch;
            let Some(request) = known.pod(name, back).map(|entry| binding(entry, HOSTS[host], claim)) else {
                return Box::pin(std::future::ready(None));
            };
            let request = BindRequest { host_epoch: epoch, ..request };
            Box::pin(async move {
                match registry.append_bindings(&tenant, &[request]).await.remove(0) {
                    BindResult::Bound(entry) => Some(Answer::Bound(claim, (*entry).clone())),
                    other => {
                        result(&other);
                        None
                    }
                }
            })
        }
        Act::Stop { name, back, host } => {
            let Some(entry) = known.pod(name, back) else { return Box::pin(std::future::ready(None)) };
            let uid = entry.uid.clone();
            stopped.insert((uid.clone(), HOSTS[host].to_owned()));
            Box::pin(async move {
                registry.pod_stopped(&tenant, "default", NAMES[name], &uid, HOSTS[host]).await.unwrap();
                None
            })
        }
        Act::Fence { epoch } => Box::pin(async move {
            let _ = registry.append_fence("hosts", epoch).await;
            None
        }),
        Act::Finish { name } => Box::pin(async move {
            set_status(region, NAMES[name], |status| status["phase"] = json!("Succeeded")).await;
            None
        }),
        Act::Clobber { name } => Box::pin(async move {
            set_status(region, NAMES[name], |status| status["conditions"] = json!([])).await;
            None
        }),
    }
}

/// What the history says of a name.
#[derive(Default)]
struct Past {
    pod: Option<Value>,
    record: Option<meridian_api::BindingRecord>,
}

/// Reads the store's history, commit by commit, and holds each to the rules.
async fn check(region: &Region, stopped: &BTreeSet<(String, String)>, answers: &[(u64, Entry)]) {
    let request = WatchRequest::new(KeyRange::every_tenant()).from(Revision(2)).with_progress();
    let mut watch = region.tenants.watch(request).await.unwrap();
    let end = region.tenants.revision().await.unwrap();
    let mut names: BTreeMap<String, Past> = BTreeMap::new();
    let mut fence = 0;
    let mut bound = BTreeMap::new();
    loop {
        let batch = watch.next().await.unwrap();
        for commit in &batch.commits {
            for event in &commit.events {
                let path = std::str::from_utf8(event.change.key().path()).unwrap();
                let value = match &event.change {
                    Change::Put(kv) => Some(kv.value.clone()),
                    Change::Delete(_) => None,
                };
                if let Some(name) = path.strip_prefix("/-bindings/default/") {
                    let record = value.map(|value| meridian_api::BindingRecord::decode(&value).unwrap());
                    let past = names.entry(name.to_owned()).or_default();
                    hold(commit, name, past.record.as_ref(), record.as_ref(), fence, stopped);
                    if let Some(record) = record.as_ref().filter(|record| record.state == BindingState::Bound)
                    {
                        let before = bound.insert(record.uid.clone(), record.claim.sequence);
                        assert_eq!(before, None, "bound a second time");
                    }
                    past.record = record;
                } else if let Some(name) = path.strip_prefix("/pods/default/") {
                    let past = names.entry(name.to_owned()).or_default();
                    let pod = value.map(|value| serde_json::from_slice::<Value>(&value).unwrap());
                    if let (None, Some(gone)) = (&pod, &past.pod) {
                        // The record's change, if any, came first: its key sorts before the pod's.
                        let left =
                            past.record.as_ref().filter(|record| record.uid == gone["metadata"]["uid"]);
                        assert!(
                            left.is_none_or(|record| record.state == BindingState::Ghost),
                            "gone, and held: {left:?}"
                        );
                    }
                    past.pod = pod;
                } else if path.starts_with("/-fences/") {
                    let raised = u64::from_le_bytes(value.unwrap()[12..].try_into().unwrap());
                    assert!(raised >= fence);
                    fence = raised;
                }
            }
        }
        if batch.through >= end {
            break;
        }
    }
    for (claim, entry) in answers {
        assert_eq!(bound.get(&entry.uid), Some(claim), "answered as bound, and it was not");
    }
    assert_eq!(bound.len(), answers.len(), "bound, and not answered so");
}

/// Holds one change of a binding record to the rules.
fn hold(
    commit: &meridian_store::Commit,
    name: &str,
    before: Option<&meridian_api::BindingRecord>,
    after: Option<&meridian_api::BindingRecord>,
    fence: u64,
    stopped: &BTreeSet<(String, String)>,
) {
    let pod_path = format!("/pods/default/{name}");
    let pod = commit.events.iter().find(|event| event.change.key().path() == pod_path.as_bytes());
    match (before, after) {
        (None, Some(record)) => {
            assert_eq!(record.state, BindingState::Bound);
            assert_eq!(record.claim.sequence % 10, fence, "under an epoch that is over");
            assert!(matches!(pod.map(|event| &event.change), Some(Change::Put(_))));
        }
        (Some(before), Some(after)) => {
            assert_eq!((&before.uid, &before.host, &before.claim), (&after.uid, &after.host, &after.claim));
            match after.state {
                BindingState::Bound => panic!("bound again"),
                BindingState::Terminating => assert_eq!(before.state, BindingState::Bound),
                BindingState::Ghost => {
                    assert_ne!(before.state, BindingState::Ghost);
                    assert!(matches!(pod.map(|event| &event.change), Some(Change::Delete(_))));
                }
            }
        }
        (Some(before), None) => {
            assert!(
                stopped.contains(&(before.uid.clone(), before.host.clone())),
                "released, and not stopped"
            );
        }
        (None, None) => panic!("nothing deleted"),
    }
}
