//! What the stores say happened, commit by commit.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use meridian_environment::MonotonicClock;
use meridian_store::{Change, EmbeddedOptions, Error, KeyRange, Revision, Store, WatchRequest};
use serde_json::Value;

/// Where binding records are among a tenant's keys.
const BINDINGS: &str = "/-bindings/";
const PODS: &str = "/pods/";
/// Longest wait for a store that somebody had.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a host has, or a pod takes: thousandths of a core, bytes, and pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Amount {
    cpu: i64,
    memory: i64,
    pods: i64,
}

impl Amount {
    fn plus(self, other: Self) -> Self {
        Self { cpu: self.cpu + other.cpu, memory: self.memory + other.memory, pods: self.pods + other.pods }
    }

    fn fits(self, into: Self) -> bool {
        self.cpu <= into.cpu && self.memory <= into.memory && self.pods <= into.pods
    }
}

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Bindings ever made.
    pub(crate) bound: usize,
    /// Bindings that are held in the end.
    pub(crate) held: usize,
    /// The fullest that any host ever was, in hundredths of its CPU.
    pub(crate) fullest: i64,
}

/// Reads the history of a region that does not run, and checks every commit of it.
pub(crate) async fn check(dir: &Path) -> Found {
    let capacity = capacities(&open(&dir.join("hosts")).await).await;
    assert!(!capacity.is_empty(), "hosts have joined");
    let store = open(&dir.join("tenants")).await;
    let mut checker = Checker { capacity, ..Checker::default() };
    let through = store.revision().await.expect("the store has a revision");
    assert_eq!(store.compacted().await.expect("the store answers"), Revision(0), "all history is there");
    let request = WatchRequest::new(KeyRange::every_tenant()).from(Revision(1));
    let mut watch = store.watch(request).await.expect("all history can be watched");
    let mut seen = Revision(0);
    while seen < through {
        let batch = watch.next().await.expect("the watch goes well");
        seen = batch.through;
        for commit in batch.commits {
            checker.commit(commit.tenant.as_str(), commit.revision, &commit.events);
        }
    }
    store.close().await;
    checker.found.held = checker.held.len();
    checker.found
}

async fn open(dir: &Path) -> Store {
    let opening = async {
        loop {
            match Store::open_embedded(EmbeddedOptions::new(dir), Arc::new(MonotonicClock::new())).await {
                // Who was killed lets go of it a moment later.
                Err(Error::InUse { .. }) => tokio::task::yield_now().await,
                opened => return opened.expect("the store opens"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, opening).await.expect("the store is let go of in time")
}

/// What each host can be given, by its name. Hosts of the suite never change.
async fn capacities(store: &Store) -> HashMap<String, Amount> {
    let request = meridian_store::RangeRequest::new(KeyRange::every_tenant());
    let range = store.range(&request).await.expect("the store can be read");
    let nodes = range.kvs.iter().filter_map(|item| {
        let path = String::from_utf8(item.key.path().to_vec()).ok()?;
        let name = path.strip_prefix("/nodes//")?;
        let node: Value = serde_json::from_slice(&item.value).expect("a stored node is JSON");
        let amount = |name: &str| quantity(&node["status"]["allocatable"][name]);
        let capacity =
            Amount { cpu: amount("cpu"), memory: amount("memory") / 1000, pods: amount("pods") / 1000 };
        Some((name.to_owned(), capacity))
    });
    let capacities = nodes.collect();
    store.close().await;
    capacities
}

#[derive(Default)]
struct Checker {
    capacity: HashMap<String, Amount>,
    /// What is held, by tenant, namespace and name.
    held: BTreeMap<(String, String), (String, Amount)>,
    used: HashMap<String, Amount>,
    /// Where each pod was bound, by uid.
    bound_to: HashMap<String, String>,
    found: Found,
}

impl Checker {
    fn commit(&mut self, tenant: &str, revision: Revision, events: &[meridian_store::Event]) {
        for event in events {
            let path = String::from_utf8(event.change.key().path().to_vec()).expect("paths are text");
            if let Some(name) = path.strip_prefix(PODS) {
                if let Change::Put(item) = &event.change {
                    let pod: Value = serde_json::from_slice(&item.value).expect("a stored pod is JSON");
                    self.pod(tenant, name, &pod, revision);
                }
            } else if let Some(name) = path.strip_prefix(BINDINGS)
                && matches!(event.change, Change::Delete(_))
                && let Some((host, amount)) = self.held.remove(&(tenant.to_owned(), name.to_owned()))
            {
                let used = self.used.entry(host).or_default();
                *used = Amount {
                    cpu: used.cpu - amount.cpu,
                    memory: used.memory - amount.memory,
                    pods: used.pods - amount.pods,
                };
            }
        }
    }

    /// A pod was written. Where it names a host for the first time, it was bound.
    fn pod(&mut self, tenant: &str, name: &str, pod: &Value, revision: Revision) {
        let Some(host) = pod["spec"]["nodeName"].as_str() else { return };
        let uid = pod["metadata"]["uid"].as_str().expect("a stored pod has a uid").to_owned();
        if let Some(before) = self.bound_to.get(&uid) {
            assert_eq!(before, host, "pod {tenant} {name} moved at revision {revision}");
            return;
        }
        self.bound_to.insert(uid, host.to_owned());
        self.found.bound += 1;
        let requests = &pod["spec"]["containers"][0]["resources"]["requests"];
        let amount =
            Amount { cpu: quantity(&requests["cpu"]), memory: quantity(&requests["memory"]) / 1000, pods: 1 };
        let before = self.held.insert((tenant.to_owned(), name.to_owned()), (host.to_owned(), amount));
        assert_eq!(
            before, None,
            "pod {tenant} {name} was bound at revision {revision} while its name was held"
        );
        let used = self.used.entry(host.to_owned()).or_default();
        *used = used.plus(amount);
        let capacity = self.capacity.get(host).copied().unwrap_or_default();
        assert!(used.fits(capacity), "host {host} was given {used:?} of {capacity:?} at revision {revision}");
        self.found.fullest = self.found.fullest.max(used.cpu * 100 / capacity.cpu.max(1));
    }
}

/// A quantity in thousandths.
fn quantity(value: &Value) -> i64 {
    let text = value.as_str().unwrap_or("0");
    let quantity = meridian_kubernetes::Quantity::parse(text).expect("a stored quantity can be read");
    quantity.milli().expect("it is in range")
}
