//! `region/bind` and `region/deployment`: pods through a whole region.

use meridian_api::{Caller, Change, CreateOptions, Entry, Registry};
use meridian_schema::Home;
use rustc_hash::FxHashMap;
use serde_json::json;

use crate::figure::{Direction, Figure, Goal};
use crate::load::{self, Target, failed, p99_milliseconds};
use crate::parameters::{BenchError, Parameters, count};
use crate::region::create::per_second;
use crate::region::setting::{Setting, block_on};
use crate::{Clock, process};

pub(super) const CONNECTIONS: usize = 64;
pub(super) const PATH: &str = "/api/v1/namespaces/default/pods";

pub(crate) fn bind(parameters: &Parameters, clock: Clock) -> Result<Figure, BenchError> {
    let hosts = count("hosts", parameters.hosts, 5000)?;
    let pods = count("pods", parameters.pods, 10_000)? as usize;
    let seed = parameters.seed;
    let measured = block_on(async move {
        let setting = Setting::region(hosts, seed).await?;
        let measured = create_and_bind(&setting, pods, clock).await;
        setting.end().await;
        measured
    })?;
    let goal = Goal { direction: Direction::AtLeast, bound: 5_000.0 };
    Ok(Figure::new("region/bind", per_second(pods, measured.took), "pods/s", goal)
        .with("hosts", hosts)
        .with("pods", pods)
        .with("connections", CONNECTIONS)
        .with("created_per_second", per_second(pods, measured.creating).round())
        .with("processor_milliseconds_per_pod", (measured.processor as f64 / pods as f64 * 1e3).round() / 1e3)
        .with("p99_milliseconds", measured.p99.round()))
}

struct Measured {
    /// From the first request until the last pod was bound, in nanoseconds.
    took: u64,
    creating: u64,
    /// Of everything in this process, in milliseconds.
    processor: u64,
    /// From a request to the pod's binding, in milliseconds.
    p99: f64,
}

async fn create_and_bind(setting: &Setting, pods: usize, clock: Clock) -> Result<Measured, BenchError> {
    let registry = setting.registry().clone();
    let bound = tokio::spawn(until(registry, pods, clock, |entry| !entry.node_name.is_empty()));
    let target = Target { address: setting.address(), tls: None, path: PATH };
    let bodies = load::pods("pod", pods);
    let (start, processor) = (clock(), process::processor_milliseconds());
    let sent = load::post(target, CONNECTIONS, bodies, clock).await?;
    let creating = clock() - start;
    let bound = bound.await.map_err(failed)??;
    let processor = process::processor_milliseconds() - processor;
    let end = bound.values().copied().max().unwrap_or(start);
    let latencies = sent.iter().enumerate().map(|(index, sent)| {
        let at = bound.get(&format!("pod-{index:06}")).copied().unwrap_or(u64::MAX);
        at.saturating_sub(sent.at)
    });
    Ok(Measured { took: end - start, creating, processor, p99: p99_milliseconds(latencies.collect()) })
}

/// Waits until so many pods of the default namespace are as wanted. The answer is when each was seen to be so first.
pub(super) async fn until(
    registry: Registry,
    count: usize,
    clock: Clock,
    is_wanted: impl Fn(&Entry) -> bool,
) -> Result<FxHashMap<String, u64>, BenchError> {
    let mut follow = registry.follow(Home::Tenants);
    let mut seen = FxHashMap::default();
    while seen.len() < count {
        for change in follow.next().await.map_err(failed)? {
            if let Change::Put { entry, .. } = change
                && entry.kind.kind == "Pod"
                && is_wanted(&entry)
                && !seen.contains_key(&entry.name)
            {
                seen.insert(entry.name.clone(), clock());
            }
        }
    }
    Ok(seen)
}

pub(super) fn is_running(entry: &Entry) -> bool {
    entry.value().pointer("/status/phase").is_some_and(|phase| phase == "Running")
}

pub(crate) fn deployment(parameters: &Parameters, clock: Clock) -> Result<Figure, BenchError> {
    let hosts = count("hosts", parameters.hosts, 5000)?;
    let replicas = count("pods", parameters.pods, 3000)? as usize;
    let seed = parameters.seed;
    let took = block_on(async move {
        let setting = Setting::region(hosts, seed).await?;
        let registry = setting.registry().clone();
        let running = tokio::spawn(until(registry.clone(), replicas, clock, is_running));
        let start = clock();
        let body = manifest(replicas);
        let caller = Caller::system("bench");
        registry
            .create(&caller, meridian_schema::deployment(), "default", body, &CreateOptions::default())
            .await
            .map_err(failed)?;
        running.await.map_err(failed)??;
        let took = clock() - start;
        setting.end().await;
        Ok(took)
    })?;
    let goal = Goal { direction: Direction::AtLeast, bound: 3_000.0 };
    Ok(Figure::new("region/deployment", per_second(replicas, took), "pods/s", goal)
        .with("hosts", hosts)
        .with("replicas", replicas)
        .with("seconds", took as f64 / 1e9))
}

fn manifest(replicas: usize) -> serde_json::Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{
                    "name": "server",
                    "image": "registry.example/web:1.4",
                    "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}},
                }]},
            },
        },
    })
}
