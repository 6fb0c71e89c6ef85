//! The controllers at work on a real registry. Hosts are missing, so the tests say of pods what their agents would.

#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "controllers/disruption.rs"]
mod disruption;

use std::sync::Arc;
use std::time::Duration;

use meridian_api::{
    Caller, Change, CreateOptions, DeleteOptions, Entry, PropagationPolicy, Registry, RegistryLimits,
    RegistryOptions, Sub,
};
use meridian_controllers::{Controllers, ControllersOptions};
use meridian_environment::{Ids, MonotonicClock};
use meridian_schema::{Home, Kind};
use meridian_store::{EmbeddedOptions, Store, Tenant};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Longest wait for anything: only what hangs fails by it.
const PATIENCE: Duration = Duration::from_secs(60);

struct World {
    registry: Registry,
    controllers: Controllers,
    stores: [Store; 2],
    caller: Caller,
    _dir: TempDir,
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(MonotonicClock::new());
        let ids = Arc::new(Ids::seeded(11));
        let open =
            |name: &str| Store::open_embedded(EmbeddedOptions::new(dir.path().join(name)), clock.clone());
        let (tenants, hosts) = (open("tenants").await.unwrap(), open("hosts").await.unwrap());
        let registry = Registry::open(RegistryOptions {
            tenants: tenants.clone(),
            hosts: hosts.clone(),
            clock: clock.clone(),
            ids: ids.clone(),
            limits: RegistryLimits::default(),
        })
        .await
        .unwrap();
        let metrics = prometheus::Registry::new();
        let options = ControllersOptions { registry: registry.clone(), clock, ids, metrics };
        let controllers = Controllers::start(options).unwrap();
        Self { registry, controllers, stores: [tenants, hosts], caller: Caller::system("test"), _dir: dir }
    }

    async fn end(self) {
        self.controllers.shutdown().await;
        self.registry.shutdown().await;
        for store in self.stores {
            store.close().await;
        }
    }

    async fn create(&self, kind: &'static Kind, object: Value) -> Arc<Entry> {
        let ns = if kind.namespaced { "default" } else { "" };
        self.registry.create(&self.caller, kind, ns, object, &CreateOptions::default()).await.unwrap()
    }

    async fn change(&self, kind: &'static Kind, name: &str, change: impl FnMut(&mut Value) -> bool + Send) {
        self.registry.modify(&self.caller, kind, "default", name, None, None, change).await.unwrap();
    }

    async fn delete(&self, kind: &'static Kind, name: &str, policy: PropagationPolicy) {
        let options = DeleteOptions { propagation_policy: Some(policy), ..DeleteOptions::default() };
        let ns = if kind.namespaced { "default" } else { "" };
        self.registry.delete(&self.caller, kind, ns, name, &options).await.unwrap();
    }

    fn get(&self, kind: &'static Kind, name: &str) -> Option<Value> {
        self.registry.cached(&Tenant::system(), kind, "default", name).map(|entry| entry.value())
    }

    fn list(&self, kind: &'static Kind) -> Vec<Value> {
        let all = self.registry.cached_list(Some(&Tenant::system()), kind, "default");
        all.iter().map(|entry| entry.value()).collect()
    }

    /// Waits for a condition, looking again whenever something changed.
    async fn until(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let mut changes = self.registry.follow(Home::Tenants);
        let waiting = async {
            while !holds(self) {
                changes.next().await.unwrap();
            }
        };
        if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
            let pods = self.list(meridian_schema::pod()).len();
            let sets = self.list(meridian_schema::replica_set());
            panic!(
                "{what}: not in time; {pods} pods, {sets:#?}, {:#?}",
                self.list(meridian_schema::deployment())
            );
        }
    }

    /// Says of every pod that appears that it runs and is ready, as agents would.
    fn run_pods(&self) -> tokio::task::JoinHandle<()> {
        let (registry, caller) = (self.registry.clone(), self.caller.clone());
        tokio::spawn(async move {
            let mut changes = registry.follow(Home::Tenants);
            while let Ok(batch) = changes.next().await {
                for change in batch {
                    let Change::Put { entry, previous: None } = change else { continue };
                    if entry.kind.kind == "Pod" {
                        let ready = |pod: &mut Value| {
                            let now = "2026-01-01T00:00:00Z";
                            pod["status"]["phase"] = "Running".into();
                            pod["status"]["conditions"] =
                                json!([{"type": "Ready", "status": "True", "lastTransitionTime": now}]);
                            true
                        };
                        let (kind, ns, name) = (entry.kind, &entry.namespace, &entry.name);
                        let status = Some(Sub::Status);
                        let caller = Caller::component("test", &entry.tenant);
                        // It may be gone again.
                        let _ = registry.modify(&caller, kind, ns, name, None, status, ready).await;
                    }
                }
            }
            drop(caller);
        })
    }
}

fn deployment(replicas: i64, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}},
            "revisionHistoryLimit": 1,
            "progressDeadlineSeconds": 600,
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "c", "image": image}]},
            },
        },
    })
}

fn is_rolled_out(world: &World, replicas: i64) -> bool {
    world.get(meridian_schema::deployment(), "web").is_some_and(|web| {
        let status = |name: &str| web["status"][name].as_i64().unwrap_or(0);
        web["metadata"]["generation"] == web["status"]["observedGeneration"]
            && ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas"]
                .iter()
                .all(|name| status(name) == replicas)
    })
}

fn condition(object: &Value, kind: &str) -> String {
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let found = conditions.iter().find(|condition| condition["type"] == kind);
    found.map(|condition| format!("{} {}", condition["status"], condition["reason"])).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_rolls_out_scales_and_goes() {
    let world = World::new().await;
    let agents = world.run_pods();
    let (deployments, sets, pods) =
        (meridian_schema::deployment(), meridian_schema::replica_set(), meridian_schema::pod());
    world.create(deployments, deployment(5, "one")).await;
    world.until("five pods run", |world| is_rolled_out(world, 5)).await;
    let web = world.get(deployments, "web").unwrap();
    assert_eq!(web["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "1");
    assert_eq!(condition(&web, "Progressing"), r#""True" "NewReplicaSetAvailable""#);
    assert_eq!(condition(&web, "Available"), r#""True" "MinimumReplicasAvailable""#);

    for (revision, image) in [("2", "two"), ("3", "three")] {
        world
            .change(deployments, "web", |web| {
                web["spec"]["template"]["spec"]["containers"][0]["image"] = image.into();
                true
            })
            .await;
        world.until(image, |world| is_rolled_out(world, 5)).await;
        world
            .until("the number of the roll-out", |world| {
                let web = world.get(deployments, "web").unwrap();
                web["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == revision
            })
            .await;
    }
    // The counts of a status may be ahead of the last deletions.
    world
        .until("all run the third", |world| {
            let running = world.list(pods);
            running.len() == 5 && running.iter().all(|pod| pod["spec"]["containers"][0]["image"] == "three")
        })
        .await;
    // One old one is kept for a roll-back, as asked for.
    world.until("old replica sets are forgotten", |world| world.list(sets).len() == 2).await;

    world
        .change(deployments, "web", |web| {
            web["spec"]["replicas"] = 40.into();
            true
        })
        .await;
    world.until("forty pods run", |world| is_rolled_out(world, 40) && world.list(pods).len() == 40).await;
    world
        .change(deployments, "web", |web| {
            web["spec"]["replicas"] = 3.into();
            true
        })
        .await;
    world.until("three pods are left", |world| is_rolled_out(world, 3) && world.list(pods).len() == 3).await;

    world.delete(deployments, "web", PropagationPolicy::Background).await;
    world.until("all is gone", |world| world.list(sets).is_empty() && world.list(pods).is_empty()).await;
    agents.abort();
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_that_go_are_replaced_and_strangers_are_adopted() {
    let world = World::new().await;
    let (sets, pods) = (meridian_schema::replica_set(), meridian_schema::pod());
    let spec = json!({"containers": [{"name": "c", "image": "i"}]});
    let stranger = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "stranger", "labels": {"app": "a"}}, "spec": spec,
    });
    world.create(pods, stranger).await;
    let set = json!({
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": "a"},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"app": "a"}},
            "template": {"metadata": {"labels": {"app": "a"}}, "spec": spec},
        },
    });
    let set = world.create(sets, set).await;
    let three = |world: &World| {
        let owned = |pod: &Value| pod["metadata"]["ownerReferences"][0]["uid"] == set.uid.as_str();
        world.list(pods).iter().filter(|pod| owned(pod)).count() == 3
    };
    world.until("three pods", three).await;
    assert!(
        world.list(pods).iter().any(|pod| pod["metadata"]["name"] == "stranger"),
        "the stranger is one of them"
    );
    world.delete(pods, "stranger", PropagationPolicy::Background).await;
    world
        .until("another takes its place", |world| world.get(pods, "stranger").is_none() && three(world))
        .await;
    // One whose labels are changed is let go and replaced.
    let name = world.list(pods)[0]["metadata"]["name"].as_str().unwrap().to_owned();
    world
        .change(pods, &name, |pod| {
            pod["metadata"]["labels"]["app"] = "other".into();
            true
        })
        .await;
    let free = |world: &World| world.get(pods, &name).unwrap()["metadata"].get("ownerReferences").is_none();
    world.until("it is free and replaced", |world| free(world) && three(world)).await;
    // Left behind, the others lose their owner and stay.
    world.delete(sets, "a", PropagationPolicy::Orphan).await;
    world.until("the set is gone", |world| world.get(sets, "a").is_none()).await;
    let left = world.list(pods);
    assert_eq!(left.len(), 4);
    assert!(left.iter().all(|pod| pod["metadata"].get("ownerReferences").is_none()), "{left:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_that_waits_goes_last() {
    let world = World::new().await;
    let agents = world.run_pods();
    let (deployments, sets, pods) =
        (meridian_schema::deployment(), meridian_schema::replica_set(), meridian_schema::pod());
    world.create(deployments, deployment(4, "one")).await;
    world.until("four pods run", |world| is_rolled_out(world, 4)).await;
    let mut changes = world.registry.follow(Home::Tenants);
    world.delete(deployments, "web", PropagationPolicy::Foreground).await;
    let order = async {
        let mut gone = Vec::new();
        loop {
            for change in changes.next().await.unwrap() {
                if let Change::Deleted(entry) = change
                    && ["Pod", "ReplicaSet", "Deployment"].contains(&entry.kind.kind)
                {
                    gone.push(entry.kind.kind);
                    if entry.kind.kind == "Deployment" {
                        return gone;
                    }
                }
            }
        }
    };
    let gone = tokio::time::timeout(PATIENCE, order).await.expect("it goes in time");
    assert_eq!(gone, ["Pod", "Pod", "Pod", "Pod", "ReplicaSet", "Deployment"]);
    assert!(world.list(sets).is_empty() && world.list(pods).is_empty());
    agents.abort();
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_takes_all_it_holds_with_it() {
    let world = World::new().await;
    for tenant in [Tenant::system(), Tenant::new("blue").unwrap()] {
        let caller = Caller::component("test", &tenant);
        let namespaces = meridian_schema::namespace();
        let create = |kind: &'static Kind, ns: &'static str, object: Value| {
            let (registry, caller) = (world.registry.clone(), caller.clone());
            async move { registry.create(&caller, kind, ns, object, &CreateOptions::default()).await }
        };
        let team = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}});
        create(namespaces, "", team).await.unwrap();
        let accounts = meridian_schema::service_account();
        world
            .until("it has a service account", |world| {
                world.registry.cached(&tenant, accounts, "team", "default").is_some()
            })
            .await;
        let map = |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
        for index in 0..50 {
            create(meridian_schema::config_map(), "team", map(&format!("m{index}"))).await.unwrap();
        }
        let options = DeleteOptions::default();
        world.registry.delete(&caller, namespaces, "", "team", &options).await.unwrap();
        let refused = create(meridian_schema::config_map(), "team", map("late")).await.unwrap_err();
        assert!(matches!(refused.to_status()["code"].as_u64(), Some(403 | 404)), "{refused}");
        world
            .until("it is gone", |world| world.registry.cached(&tenant, namespaces, "", "team").is_none())
            .await;
        let left = world.registry.cached_list(Some(&tenant), meridian_schema::config_map(), "team");
        assert!(left.is_empty(), "{left:?}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_names_an_owner_that_never_was_is_collected() {
    let world = World::new().await;
    let map = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "lost",
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "ghost",
                "uid": "00000000-0000-4000-8000-000000000000",
            }],
        },
    });
    world.create(meridian_schema::config_map(), map).await;
    world.until("it is gone", |world| world.get(meridian_schema::config_map(), "lost").is_none()).await;
    world.end().await;
}
