//! A region of a few hosts, and what its users do to it.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use meridian_api::{BindingState, Caller, Change, CreateOptions, DeleteOptions, Failure};
use meridian_edge_agent::Delays;
use meridian_engine::Profile;
use meridian_environment::{Ids, MonotonicClock};
use meridian_region::{ControlPlaneOptions, Region, RegionOptions, Storage};
use meridian_schema::{Home, pod};
use meridian_store::Tenant;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

/// Longest wait for anything: only what hangs fails by it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A region, and the directory that it keeps everything in.
pub(crate) struct World {
    pub(crate) region: Region,
    dir: TempDir,
    hosts: u32,
    starts: u64,
}

impl World {
    /// A new region, once its hosts have joined.
    pub(crate) async fn new(hosts: u32) -> Self {
        Box::pin(Self::start(TempDir::new().unwrap(), hosts, 1)).await
    }

    /// The region ends in order, and starts again with all it had.
    pub(crate) async fn restart(self) -> Self {
        let Self { region, dir, hosts, starts } = self;
        soon("the region's end", Box::pin(region.shutdown())).await;
        Box::pin(Self::start(dir, hosts, starts + 1)).await
    }

    async fn start(dir: TempDir, hosts: u32, starts: u64) -> Self {
        let milliseconds = Duration::from_millis;
        let delays =
            Delays { create: milliseconds(1), start: milliseconds(1), stop: milliseconds(1), ..Delays::ZERO };
        let region = Region::start(RegionOptions {
            control_plane: ControlPlaneOptions {
                cell: "region".to_owned(),
                schedulers: vec!["default-scheduler".to_owned()],
                storage: Storage::embedded(dir.path()),
                listener: TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap(),
                tls: None,
                clock: Arc::new(MonotonicClock::new()),
                // No id comes twice, also not after a restart.
                ids: Arc::new(Ids::seeded(starts)),
                metrics: prometheus::Registry::new(),
                readiness: Vec::new(),
            },
            hosts,
            delays,
            seed: 1,
            agents: dir.path().join("agents.redb"),
            profile: Profile::meridian(),
        });
        let region = soon("the region's start", Box::pin(region)).await.unwrap();
        let mut progress = region.progress();
        soon("all hosts", progress.wait_for(|progress| progress.is_ready)).await.unwrap();
        Self { region, dir, hosts, starts }
    }

    pub(crate) async fn end(self) {
        soon("the region's end", Box::pin(self.region.shutdown())).await;
    }

    /// The first host's name.
    pub(crate) fn host(&self) -> String {
        self.region.hosts().names().next().unwrap()
    }

    pub(crate) fn node(&self, name: &str) -> Option<Value> {
        let node = meridian_schema::node();
        self.region.registry().cached(&Tenant::system(), node, "", name).map(|entry| entry.value())
    }

    /// Creates a pod that asks for so much CPU, on a host of its choice where one is named. The answer is its uid.
    pub(crate) async fn create(&self, tenant: &Tenant, name: &str, cpu: &str, host: &str) -> String {
        let mut spec = json!({
            "containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": cpu}}}],
            "terminationGracePeriodSeconds": 1,
        });
        if !host.is_empty() {
            spec["nodeName"] = host.into();
        }
        let object = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec});
        let caller = Caller::component("test", tenant);
        let options = CreateOptions::default();
        let created = self.region.registry().create(&caller, pod(), "default", object, &options).await;
        created.unwrap().uid.clone()
    }

    pub(crate) async fn bind(&self, tenant: &Tenant, name: &str, host: &str) -> Result<(), Failure> {
        let binding = json!({"metadata": {"name": name}, "target": {"kind": "Node", "name": host}});
        let (caller, options) = (Caller::component("test", tenant), CreateOptions::default());
        let bound = self.region.registry().bind(&caller, "default", name, binding, &options);
        soon("the binding", bound).await
    }

    pub(crate) async fn delete(&self, name: &str, grace: Option<i64>) {
        let options = DeleteOptions { grace_period_seconds: grace, ..DeleteOptions::default() };
        let caller = Caller::system("test");
        self.region.registry().delete(&caller, pod(), "default", name, &options).await.unwrap();
    }

    pub(crate) async fn delete_node(&self, name: &str) {
        let (caller, options) = (Caller::system("test"), DeleteOptions::default());
        let node = meridian_schema::node();
        self.region.registry().delete(&caller, node, "", name, &options).await.unwrap();
    }

    /// Waits until the pod of a uid is so.
    pub(crate) async fn until(&self, uid: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let find = |change: &Change| match change {
            Change::Put { entry, .. } if entry.kind.kind == "Pod" && entry.uid == uid => {
                last = entry.value();
                Some(&last).filter(|pod| is_so(pod)).cloned()
            }
            _ => None,
        };
        let found = tokio::time::timeout(PATIENCE, self.follow(Home::Tenants, find)).await;
        found.unwrap_or_else(|_| panic!("waited in vain for: {what}, of the pod {last}"))
    }

    pub(crate) async fn until_phase(&self, uid: &str, phase: &str) -> Value {
        self.until(uid, phase, |pod| pod["status"]["phase"] == phase).await
    }

    /// Waits until a pod waits, and its condition says so.
    pub(crate) async fn until_waits(&self, uid: &str, why: &str) -> Value {
        let waits = |pod: &Value| {
            let conditions = pod["status"]["conditions"].as_array();
            conditions.into_iter().flatten().any(|condition| {
                condition["status"] == "False"
                    && condition["message"].as_str().is_some_and(|message| message.contains(why))
            })
        };
        self.until(uid, why, waits).await
    }

    /// Waits until a host's Node is so.
    pub(crate) async fn until_node(&self, name: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let find = |change: &Change| match change {
            Change::Put { entry, .. } if entry.kind.kind == "Node" && entry.name == name => {
                Some(entry.value()).filter(|node| is_so(node))
            }
            _ => None,
        };
        soon(what, self.follow(Home::Hosts, find)).await
    }

    /// Waits until nothing is held under a pod's name.
    pub(crate) async fn until_released(&self, name: &str) {
        let registry = self.region.registry();
        let free = async {
            while registry.cached_binding(&Tenant::system(), "default", name).is_some() {
                tokio::task::yield_now().await;
            }
        };
        soon("the end of the binding", free).await;
    }

    pub(crate) fn state(&self, name: &str) -> Option<BindingState> {
        let record = self.region.registry().cached_binding(&Tenant::system(), "default", name);
        record.map(|record| record.state)
    }

    async fn follow<T>(&self, home: Home, mut find: impl FnMut(&Change) -> Option<T>) -> T {
        let mut follow = self.region.registry().follow(home);
        loop {
            let changes = follow.next().await.unwrap();
            if let Some(found) = changes.iter().find_map(&mut find) {
                return found;
            }
        }
    }
}

/// Waits for what must come.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited in vain for: {what}"),
    }
}
