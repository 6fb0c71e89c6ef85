//! The scheduler of any Kubernetes cluster, on a region that it has never seen.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use futures::{StreamExt, TryStreamExt, pin_mut};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Event, Node, Pod};
use k8s_openapi::api::scheduling::v1::PriorityClass;
use kube::api::{Api, ListParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, Config};
use serde_json::json;
use tempfile::TempDir;

use crate::process::{PATIENCE, Process, Region, meridian};

const QUICK: [&str; 8] = ["--hosts", "8", "--create-delay", "5", "--start-delay", "5", "--stop-delay", "5"];

const CONFIGURATION: &str = "
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
leaderElection: {leaderElect: true, leaseDuration: 8s, renewDeadline: 6s, retryPeriod: 500ms}
profiles:
- schedulerName: spreading
- schedulerName: packing
  pluginConfig:
  - name: NodeResourcesFit
    args: {scoringStrategy: {type: MostAllocated}}
";

async fn client(region: &Region) -> Client {
    let config = Kubeconfig::read_from(region.kubeconfig()).expect("the kubeconfig can be read");
    let config = Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await;
    Client::try_from(config.expect("the kubeconfig is right")).expect("a client can be made")
}

/// A scheduler of the region's API, not waited for.
fn scheduler(region: &Region, dir: &TempDir, name: &str) -> (Process, String) {
    let config: PathBuf = dir.path().join("config.yaml");
    std::fs::write(&config, CONFIGURATION).expect("the configuration can be written");
    let mut command = meridian();
    command.args(["scheduler", "--listen", "127.0.0.1:0", "--name", name, "--kubeconfig"]);
    command.arg(region.kubeconfig()).arg("--config").arg(config);
    let mut process = Process::start(&mut command);
    let metrics = process.line("metrics");
    process.line("waiting");
    (process, metrics)
}

fn pod(name: &str, scheduler: &str, cpu: &str) -> Pod {
    serde_json::from_value(json!({
        "metadata": {"name": name, "labels": {"app": scheduler}},
        "spec": {
            "schedulerName": scheduler,
            "containers": [{"name": "c", "image": "nginx", "resources": {"requests": {"cpu": cpu}}}],
        },
    }))
    .expect("it is a pod")
}

async fn create(pods: &Api<Pod>, scheduler: &str, numbers: std::ops::Range<u32>) {
    futures::stream::iter(numbers)
        .for_each_concurrent(16, |number| async move {
            let pod = pod(&format!("{scheduler}-{number}"), scheduler, "100m");
            pods.create(&PostParams::default(), &pod).await.expect("it is created");
        })
        .await;
}

/// Waits until so many pods of an app run, and says where each is.
async fn running(pods: &Api<Pod>, app: &str, count: usize) -> BTreeMap<String, String> {
    let selector = watcher::Config::default().labels(&format!("app={app}"));
    let seen = watcher(pods.clone(), selector).default_backoff().applied_objects();
    pin_mut!(seen);
    let mut placed: BTreeMap<String, String> = BTreeMap::new();
    let all = async {
        while placed.len() < count {
            let pod = seen.try_next().await.expect("the watch goes well").expect("a watcher never ends");
            let status = pod.status.unwrap_or_default();
            if status.phase.as_deref() != Some("Running") {
                continue;
            }
            let node = pod.spec.and_then(|spec| spec.node_name).expect("what runs is on a node");
            let name = pod.metadata.name.expect("it has a name");
            let before = placed.insert(name.clone(), node.clone());
            assert!(before.is_none_or(|before| before == node), "{name} was moved to {node}");
        }
    };
    tokio::time::timeout(PATIENCE, all).await.unwrap_or_else(|_| panic!("{count} pods of {app} run in time"));
    placed
}

fn get(url: &str) -> String {
    let rest = url.trim_start_matches("http://");
    let (address, path) = rest.split_once('/').expect("the URL has a path");
    let mut stream = TcpStream::connect(address).expect("it listens");
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")
        .expect("it takes requests");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers in UTF-8");
    answer
}

fn value(metrics: &str, series: &str) -> f64 {
    let line = metrics.lines().find(|line| line.starts_with(series));
    let line = line.unwrap_or_else(|| panic!("no {series} in {metrics}"));
    line.rsplit(' ').next().and_then(|value| value.parse().ok()).expect("a series has a value")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_that_name_a_profile_are_scheduled_and_no_others() {
    let region = Region::start(&QUICK);
    let dir = tempfile::tempdir().expect("a directory can be made");
    let client = client(&region).await;
    let pods: Api<Pod> = Api::default_namespaced(client.clone());
    // Before it starts: nobody else takes them.
    create(&pods, "spreading", 0..20).await;
    create(&pods, "nobody", 0..1).await;
    create(&pods, "default-scheduler", 0..5).await;
    running(&pods, "default-scheduler", 5).await;
    let waiting = pods.list(&ListParams::default().labels("app=spreading")).await.expect("the list comes");
    assert!(waiting.items.iter().all(|pod| pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_none())));

    let (mut process, metrics) = scheduler(&region, &dir, "one");
    process.line("leads");
    let spread: BTreeSet<String> = running(&pods, "spreading", 20).await.into_values().collect();
    assert!(spread.len() > 3, "20 pods are spread over hosts of several sizes: {spread:?}");
    create(&pods, "packing", 0..10).await;
    let packed: BTreeSet<String> = running(&pods, "packing", 10).await.into_values().collect();
    assert_eq!(packed.len(), 1, "10 small pods are packed");
    let nobody = pods.get("nobody-0").await.expect("it is there");
    assert_eq!(nobody.spec.and_then(|spec| spec.node_name), None);

    // What fits nowhere says so, in its events and its status, and goes when there is room.
    let nodes: Api<Node> = Api::all(client.clone());
    pods.create(&PostParams::default(), &pod("huge", "packing", "100000")).await.expect("it is created");
    let events: Api<Event> = Api::default_namespaced(client.clone());
    let failed = event(&events, "huge", "FailedScheduling").await;
    let message = failed.message.unwrap_or_default();
    let want = "0/8 nodes are available: 8 Insufficient cpu. preemption: 0/8 nodes are available: ";
    assert!(message.starts_with(want), "{message}");
    let component = failed.source.and_then(|source| source.component);
    assert_eq!((component.as_deref(), failed.type_.as_deref()), (Some("packing"), Some("Warning")));
    let huge = pods.get("huge").await.expect("it is there");
    let conditions = huge.status.and_then(|status| status.conditions).unwrap_or_default();
    let scheduled = conditions.iter().find(|condition| condition.type_ == "PodScheduled");
    let scheduled = scheduled.expect("the condition is written before the event");
    assert_eq!((&*scheduled.status, scheduled.reason.as_deref()), ("False", Some("Unschedulable")));
    let event = event(&events, "packing-0", "Scheduled").await;
    let node = packed.first().expect("there is one");
    assert_eq!(event.message, Some(format!("Successfully assigned default/packing-0 to {node}")));
    assert_eq!(nodes.list(&ListParams::default()).await.expect("the list comes").items.len(), 8);

    let answer = get(&metrics);
    assert_eq!(value(&answer, "scheduler_pending_pods{queue=\"unschedulable\"}"), 1.0);
    let series = "scheduler_schedule_attempts_total{profile=\"spreading\",result=\"scheduled\"}";
    assert_eq!(value(&answer, series), 20.0);
    assert_eq!(value(&answer, "leader_election_master_status{name=\"kube-scheduler\"}"), 1.0);
    assert!(value(&answer, "scheduler_pod_scheduling_sli_duration_seconds_count{attempts=\"1\"}") >= 20.0);
    for path in ["healthz", "livez", "readyz"] {
        let answer = get(&metrics.replace("metrics", path));
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    }
    let (well, said) = process.interrupt();
    assert!(well, "{said}");
    // The lease has been given up.
    let leases: Api<Lease> = Api::namespaced(client, "kube-system");
    let lease = leases.get("meridian-scheduler").await.expect("it is there");
    assert_eq!(lease.spec.and_then(|spec| spec.holder_identity).as_deref(), Some(""));
}

/// Waits for an event about a pod.
async fn event(events: &Api<Event>, pod: &str, reason: &str) -> Event {
    let selector = format!("involvedObject.name={pod},reason={reason}");
    let seen = watcher(events.clone(), watcher::Config::default().fields(&selector)).default_backoff();
    let seen = seen.applied_objects();
    pin_mut!(seen);
    let found = tokio::time::timeout(PATIENCE, seen.try_next()).await.expect("the event comes in time");
    found.expect("the watch goes well").expect("a watcher never ends")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_takes_over_from_one_that_is_killed() {
    let region = Region::start(&QUICK);
    let dir = tempfile::tempdir().expect("a directory can be made");
    let client = client(&region).await;
    let pods: Api<Pod> = Api::default_namespaced(client.clone());
    let (mut first, _) = scheduler(&region, &dir, "first");
    first.line("leads");
    let (mut second, metrics) = scheduler(&region, &dir, "second");
    let creating = tokio::spawn({
        let pods = pods.clone();
        async move { create(&pods, "spreading", 0..200).await }
    });
    running(&pods, "spreading", 20).await;
    first.kill();
    creating.await.expect("all are created");
    second.line("leads");
    let placed = running(&pods, "spreading", 200).await;
    assert!(value(&get(&metrics), "scheduler_scheduler_cache_size{type=\"pods\"}") >= 200.0);
    assert_eq!(placed.len(), 200);

    // What is there counts for the next that come.
    create(&pods, "packing", 0..100).await;
    let packed = running(&pods, "packing", 100).await;
    check_room(&client, &placed.into_iter().chain(packed).collect()).await;
    let (well, said) = second.interrupt();
    assert!(well, "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_of_lower_priority_make_way() {
    let region =
        Region::start(&["--hosts", "1", "--create-delay", "5", "--start-delay", "5", "--stop-delay", "5"]);
    let dir = tempfile::tempdir().expect("a directory can be made");
    let client = client(&region).await;
    let pods: Api<Pod> = Api::default_namespaced(client.clone());
    let (mut process, metrics) = scheduler(&region, &dir, "one");
    process.line("leads");
    let class: PriorityClass = serde_json::from_value(json!({"metadata": {"name": "high"}, "value": 100}))
        .expect("it is a priority class");
    let classes: Api<PriorityClass> = Api::all(client.clone());
    classes.create(&PostParams::default(), &class).await.expect("it is created");
    let milli = allocatable(&client).await;
    // Two fill the host but for a little; what comes then needs the room of one.
    for name in ["low-0", "low-1"] {
        let low = pod(name, "spreading", &format!("{}m", milli * 2 / 5));
        pods.create(&PostParams::default(), &low).await.expect("it is created");
    }
    running(&pods, "spreading", 2).await;
    let plan =
        meridian().args(["whatif", "--json", "--server", &region.url]).output().expect("the program runs");
    let answer: serde_json::Value = serde_json::from_slice(&plan.stdout).expect("it prints JSON");
    assert_eq!(answer["before"]["resources"]["cpu"]["used"], json!(milli * 2 / 5 * 2));

    let mut high = pod("high", "packing", &format!("{}m", milli * 2 / 5));
    high.spec.as_mut().expect("it has a spec").priority_class_name = Some("high".to_owned());
    pods.create(&PostParams::default(), &high).await.expect("it is created");
    running(&pods, "packing", 1).await;
    let left = pods.list(&ListParams::default().labels("app=spreading")).await.expect("the list comes").items;
    assert_eq!(left.len(), 1, "one made way");
    let gone = if left[0].metadata.name.as_deref() == Some("low-0") { "low-1" } else { "low-0" };
    let events: Api<Event> = Api::default_namespaced(client);
    let told = event(&events, gone, "Preempted").await;
    let message = told.message.unwrap_or_default();
    assert!(message.starts_with("Preempted by pod default/high on node "), "{message}");
    assert_eq!(value(&get(&metrics), "scheduler_preemption_attempts_total"), 1.0);
    let failed = "reason=FailedScheduling,involvedObject.name=high";
    let failed = events.list(&ListParams::default().fields(failed)).await.expect("the list comes");
    let rejected =
        |event: &Event| event.message.as_deref().is_some_and(|told| told.contains("binding rejected"));
    assert!(!failed.items.iter().any(rejected), "{failed:?}");
    let (well, said) = process.interrupt();
    assert!(well, "{said}");
}

/// What the only host offers, in thousandths of a CPU.
async fn allocatable(client: &Client) -> u64 {
    let nodes: Api<Node> = Api::all(client.clone());
    let node = nodes.list(&ListParams::default()).await.expect("the list comes").items.remove(0);
    let offered = node.status.and_then(|status| status.allocatable).expect("it offers something");
    let cpu = &offered["cpu"].0;
    match cpu.strip_suffix('m') {
        Some(milli) => milli.parse().expect("thousandths of CPUs are a number"),
        None => cpu.parse::<u64>().expect("CPUs are a number") * 1_000,
    }
}

/// No host has more pods of 100 thousandths than its CPUs come to.
async fn check_room(client: &Client, placed: &BTreeMap<String, String>) {
    let nodes: Api<Node> = Api::all(client.clone());
    for node in nodes.list(&ListParams::default()).await.expect("the list comes") {
        let name = node.metadata.name.expect("it has a name");
        let offered = node.status.and_then(|status| status.allocatable).expect("it offers something");
        let cpu = &offered["cpu"].0;
        let milli: usize = match cpu.strip_suffix('m') {
            Some(milli) => milli.parse().expect("thousandths of CPUs are a number"),
            None => cpu.parse::<usize>().expect("CPUs are a number") * 1_000,
        };
        let here = placed.values().filter(|on| **on == name).count();
        assert!(here * 100 <= milli, "{name}: {here} pods on {milli} thousandths of a CPU");
    }
}

#[test]
fn what_makes_no_sense_is_refused_with_the_field() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("it can be written");
        path
    };
    let kubeconfig =
        write("kubeconfig", "apiVersion: v1\nkind: Config\nclusters: []\ncontexts: []\nusers: []\n");
    let refused = |kubeconfig: &Path, config: &Path| {
        let output = meridian()
            .args(["scheduler", "--kubeconfig"])
            .arg(kubeconfig)
            .arg("--config")
            .arg(config)
            .output()
            .expect("the program runs");
        assert!(!output.status.success());
        String::from_utf8(output.stderr).expect("it prints UTF-8")
    };
    let wrong = write("wrong.yaml", &CONFIGURATION.replace("leaseDuration: 8s", "leaseDuration: 1s"));
    let error = refused(&kubeconfig, &wrong);
    assert!(error.contains("leaderElection.leaseDuration is 1s, want more than renewDeadline"), "{error}");
    let right = write("right.yaml", CONFIGURATION);
    let error = refused(&kubeconfig, &right);
    assert!(error.starts_with("error: reading") && error.contains("kubeconfig"), "{error}");
    let error = refused(&dir.path().join("missing"), &right);
    assert!(error.contains("missing"), "{error}");
}
