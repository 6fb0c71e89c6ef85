//! The suite: tenants that want more than there is, and a hand that kills.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use kube::{Client, Config};
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;
use serde_json::json;
use tempfile::TempDir;

use crate::history::{self, Found};
use crate::parts::{self, Part, Placement};

const TENANTS: [&str; 6] = ["amber", "blue", "coral", "dove", "ebony", "fern"];
const REPLICAS: usize = 4;
const HOSTS: u32 = 6;
const ROUNDS: usize = 24;
const PATIENCE: Duration = Duration::from_secs(120);

/// A region under attack.
struct Suite {
    placement: Placement,
    address: SocketAddr,
    dir: TempDir,
    control_plane: Option<Part>,
    replicas: Vec<Option<Part>>,
    hosts: Option<Part>,
    random: ChaCha12Rng,
    pods: AtomicU64,
}

pub(crate) fn run(placement: Placement, seed: u64) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime can be made");
    let mut suite = Suite::start(placement, seed);
    runtime.block_on(async {
        suite.ready().await;
        suite.namespaces().await;
        for round in 0..ROUNDS {
            suite.create(12).await;
            suite.delete().await;
            // Every third round is quiet, so that the region also fills up.
            if round % 3 != 2 {
                suite.strike();
            }
        }
        suite.settle().await;
    });
    let full = suite.stopped(&runtime);
    assert!(full.bound > 100, "many pods were bound: {full:?}");
    assert!(full.fullest > 90, "the region was nearly full: {full:?}");
    // What was deleted by force is gone from the API before its host has stopped it, so nobody can be asked whether it has: the
    // region is given a few chances to have come that far.
    let mut empty = full;
    for _ in 0..5 {
        suite.resume();
        runtime.block_on(async {
            suite.ready().await;
            suite.clear().await;
        });
        empty = suite.stopped(&runtime);
        if empty.held == 0 {
            return;
        }
    }
    panic!("something is held by pods that are gone: {empty:?}");
}

impl Suite {
    fn start(placement: Placement, seed: u64) -> Self {
        // A port that was free a moment ago: parts that start again must find it where it was.
        let address = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let mut suite = Self {
            placement,
            address: address.expect("a port is free"),
            dir: tempfile::tempdir().expect("a directory can be made"),
            control_plane: None,
            replicas: (0..REPLICAS).map(|_| None).collect(),
            hosts: None,
            random: ChaCha12Rng::seed_from_u64(seed),
            pods: AtomicU64::new(0),
        };
        suite.resume();
        suite
    }

    /// Starts what does not run.
    fn resume(&mut self) {
        let (placement, address) = (self.placement, self.address);
        if self.control_plane.is_none() {
            self.control_plane = Some(parts::control_plane(placement, address, self.dir.path()));
        }
        if self.hosts.is_none() {
            let state = self.dir.path().join("agents.redb");
            self.hosts = Some(parts::hosts(placement, address, HOSTS, &state));
        }
        for (number, replica) in self.replicas.iter_mut().enumerate() {
            replica.get_or_insert_with(|| parts::replica(placement, address, &format!("replica-{number}")));
        }
    }

    /// Kills something, and starts it again.
    fn strike(&mut self) {
        match self.random.random_range(0..10) {
            0..2 => self.control_plane = None,
            2..4 => self.hosts = None,
            4 => {
                self.control_plane = None;
                self.hosts = None;
                self.replicas.fill_with(|| None);
            }
            _ => {
                let victim = self.random.random_range(0..REPLICAS);
                self.replicas[victim] = None;
            }
        }
        self.resume();
    }

    /// Kills everything and reads what happened.
    fn stopped(&mut self, runtime: &tokio::runtime::Runtime) -> Found {
        self.replicas.fill_with(|| None);
        self.hosts = None;
        self.control_plane = None;
        runtime.block_on(history::check(self.dir.path()))
    }

    fn client(&self, tenant: &str) -> Client {
        let url = format!("http://{}/tenants/{tenant}", self.address);
        let mut config = Config::new(url.parse().expect("it is a URL"));
        config.default_namespace = "work".to_owned();
        Client::try_from(config).expect("a client can be made")
    }

    fn pods(&self, tenant: &str) -> Api<Pod> {
        Api::default_namespaced(self.client(tenant))
    }

    /// Waits until all hosts have joined.
    async fn ready(&self) {
        let config = Config::new(format!("http://{}", self.address).parse().expect("it is a URL"));
        let nodes: Api<Node> = Api::all(Client::try_from(config).expect("a client can be made"));
        let joined = async {
            loop {
                let ready = |node: &Node| {
                    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
                    conditions
                        .into_iter()
                        .flatten()
                        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
                };
                match nodes.list(&ListParams::default()).await {
                    Ok(nodes) if nodes.items.iter().filter(|node| ready(node)).count() == HOSTS as usize => {
                        return;
                    }
                    // The control plane may not listen yet.
                    _ => tokio::task::yield_now().await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, joined).await.expect("all hosts join in time");
    }

    async fn namespaces(&self) {
        let namespace: Namespace =
            serde_json::from_value(json!({"metadata": {"name": "work"}})).expect("it is a namespace");
        for tenant in TENANTS {
            let api: Api<Namespace> = Api::all(self.client(tenant));
            api.create(&PostParams::default(), &namespace).await.expect("it is created");
        }
    }

    /// Each tenant creates some pods. While the control plane is away nothing is created, and nothing is lost.
    async fn create(&mut self, each: usize) {
        let mut wanted = Vec::new();
        for tenant in TENANTS {
            for _ in 0..each {
                let number = self.pods.fetch_add(1, Ordering::Relaxed);
                let cpu = ["250m", "500m", "1", "2", "3"].choose(&mut self.random).expect("there are some");
                wanted.push((tenant, pod(&format!("pod-{number}"), cpu)));
            }
        }
        let apis: Vec<(Api<Pod>, Pod)> =
            wanted.into_iter().map(|(tenant, pod)| (self.pods(tenant), pod)).collect();
        join_all(apis.iter().map(|(api, pod)| async move {
            // Whether it was created shows in the history.
            let _ = api.create(&PostParams::default(), pod).await;
        }))
        .await;
    }

    /// Some pods go, some of them by force; some of their names are used again.
    async fn delete(&mut self) {
        for tenant in TENANTS {
            let api = self.pods(tenant);
            let Ok(present) = api.list(&ListParams::default()).await else { continue };
            for pod in present.items {
                let Some(name) = pod.metadata.name else { continue };
                let dice = self.random.random_range(0..100);
                let options =
                    if dice < 4 { DeleteParams::default().grace_period(0) } else { DeleteParams::default() };
                if dice < 12 {
                    let _ = api.delete(&name, &options).await;
                }
                if dice < 6 {
                    let _ = api.create(&PostParams::default(), &self::pod(&name, "500m")).await;
                }
            }
        }
    }

    /// Waits until nothing changes any more: every pod runs, or waits for room.
    async fn settle(&self) {
        let settled = async {
            loop {
                let mut is_settled = true;
                for tenant in TENANTS {
                    match self.pods(tenant).list(&ListParams::default()).await {
                        Ok(pods) => is_settled &= pods.items.iter().all(rests),
                        Err(_) => is_settled = false,
                    }
                }
                if is_settled {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, settled).await.expect("the region comes to rest in time");
    }

    /// Deletes all pods, and waits until they are gone.
    async fn clear(&self) {
        for tenant in TENANTS {
            let api = self.pods(tenant);
            let all = ListParams::default();
            let options = DeleteParams { grace_period_seconds: Some(1), ..DeleteParams::default() };
            api.delete_collection(&options, &all).await.expect("all pods of a tenant are deleted");
            let gone = async {
                while !api.list(&all).await.expect("the list comes").items.is_empty() {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(PATIENCE, gone).await.expect("all pods go in time");
        }
    }
}

/// Whether a pod runs, or is known to find no room.
fn rests(pod: &Pod) -> bool {
    let Some(status) = &pod.status else { return false };
    let waits = status.conditions.iter().flatten().any(|condition| {
        condition.type_ == "PodScheduled"
            && condition.status == "False"
            && condition.reason.as_deref() == Some("Unschedulable")
    });
    pod.metadata.deletion_timestamp.is_none() && (status.phase.as_deref() == Some("Running") || waits)
}

fn pod(name: &str, cpu: &str) -> Pod {
    serde_json::from_value(json!({
        "metadata": {"name": name},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "containers": [{
                "name": "c",
                "image": "i",
                "resources": {"requests": {"cpu": cpu, "memory": "256Mi"}},
            }],
        },
    }))
    .expect("it is a pod")
}
