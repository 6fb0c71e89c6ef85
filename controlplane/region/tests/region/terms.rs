//! Terms between pods, from manifests over HTTP to the hosts that run them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use meridian_engine::Profile;
use meridian_environment::{Ids, MonotonicClock};
use meridian_proto::Connector;
use meridian_replica::{Replica, ReplicaOptions};
use serde_json::{Value, json};

use crate::tenants::fetch;
use crate::world::World;

const ZONE: &str = "topology.kubernetes.io/zone";
const HOST: &str = "kubernetes.io/hostname";

/// The hosts of these tests: two in each zone.
const HOSTS: u32 = 6;

async fn send(world: &World, method: &str, path: &str, body: &Value) -> Value {
    let answer = fetch(world.region.address(), method, path, "application/json", body).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
    assert!((200..300).contains(&status), "{method} {path}: {answer}");
    serde_json::from_str(body).unwrap()
}

/// Creates a pod of an app, with more in its spec. The answer is its uid.
async fn create(world: &World, place: (&str, &str), name: &str, app: &str, more: Value) -> String {
    let (tenant, namespace) = place;
    let mut spec = json!({
        "containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": "10m"}}}],
        "terminationGracePeriodSeconds": 1,
    });
    for (field, value) in more.as_object().unwrap() {
        spec[field] = value.clone();
    }
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": app}}, "spec": spec,
    });
    let path = format!("/tenants/{tenant}/api/v1/namespaces/{namespace}/pods");
    send(world, "POST", &path, &pod).await["metadata"]["uid"].as_str().unwrap().to_owned()
}

async fn namespace(world: &World, tenant: &str, name: &str, labels: Value) {
    let object = json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels},
    });
    send(world, "POST", &format!("/tenants/{tenant}/api/v1/namespaces"), &object).await;
}

/// Where a pod runs.
async fn host(world: &World, uid: &str) -> String {
    let pod = world.until_phase(uid, "Running").await;
    pod["spec"]["nodeName"].as_str().unwrap().to_owned()
}

fn zone(world: &World, host: &str) -> String {
    world.node(host).unwrap()["metadata"]["labels"][ZONE].as_str().unwrap().to_owned()
}

/// How many of these pods run in each zone.
async fn by_zone(world: &World, uids: &[String]) -> BTreeMap<String, usize> {
    let mut zones = BTreeMap::new();
    for uid in uids {
        *zones.entry(zone(world, &host(world, uid).await)).or_default() += 1;
    }
    zones
}

fn selects(app: &str) -> Value {
    json!({"matchLabels": {"app": app}})
}

fn spread(app: &str, when_unsatisfiable: &str) -> Value {
    json!({"topologySpreadConstraints": [{
        "maxSkew": 1, "topologyKey": ZONE, "whenUnsatisfiable": when_unsatisfiable, "labelSelector": selects(app),
    }]})
}

fn required(kind: &str, term: Value) -> Value {
    json!({"affinity": {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}})
}

fn apart(app: &str) -> Value {
    required("podAntiAffinity", json!({"topologyKey": HOST, "labelSelector": selects(app)}))
}

#[tokio::test(flavor = "multi_thread")]
async fn terms_hold_from_manifest_to_host_and_after_a_restart() {
    let world = World::new(HOSTS).await;
    let blue = ("blue", "default");
    let mut even = Vec::new();
    for number in 0..9 {
        let spec = spread("even", "DoNotSchedule");
        even.push(create(&world, blue, &format!("even-{number}"), "even", spec).await);
    }
    assert_eq!(by_zone(&world, &even).await.into_values().collect::<Vec<_>>(), [3, 3, 3]);
    let mut likes = Vec::new();
    for number in 0..6 {
        let spec = spread("likes", "ScheduleAnyway");
        likes.push(create(&world, ("red", "default"), &format!("likes-{number}"), "likes", spec).await);
    }
    assert_eq!(by_zone(&world, &likes).await.into_values().collect::<Vec<_>>(), [2, 2, 2]);

    let mut alone = Vec::new();
    for number in 0..HOSTS {
        alone.push(create(&world, blue, &format!("alone-{number}"), "alone", apart("alone")).await);
    }
    let mut taken = BTreeSet::new();
    for uid in &alone {
        taken.insert(host(&world, uid).await);
    }
    assert_eq!(taken.len(), HOSTS as usize, "one on each host");
    let late = create(&world, blue, "late", "alone", apart("alone")).await;
    world.until_waits(&late, "node(s) didn't match pod anti-affinity rules").await;
    // A pod that says nothing itself is kept away by those that do.
    let silent = create(&world, blue, "silent", "alone", json!({})).await;
    world.until_waits(&silent, "node(s) didn't satisfy existing pods anti-affinity rules").await;
    // Pods of another tenant are nobody that terms speak of.
    let other = create(&world, ("red", "default"), "other", "alone", apart("alone")).await;
    host(&world, &other).await;

    let world = world.restart().await;
    // Another class than that of before, which may have been looked at before the hosts were back.
    let mut another = apart("alone");
    another["containers"] = json!([{"name": "c", "image": "i", "resources": {"requests": {"cpu": "11m"}}}]);
    let later = create(&world, blue, "later", "alone", another).await;
    world.until_waits(&later, "node(s) didn't match pod anti-affinity rules").await;
    for number in 9..12 {
        let spec = spread("even", "DoNotSchedule");
        even.push(create(&world, blue, &format!("even-{number}"), "even", spec).await);
    }
    assert_eq!(by_zone(&world, &even).await.into_values().collect::<Vec<_>>(), [4, 4, 4]);
    let left = host(&world, &alone[0]).await;
    for name in ["silent", "later", "alone-0"] {
        let path = format!("/tenants/blue/api/v1/namespaces/default/pods/{name}");
        send(&world, "DELETE", &path, &Value::Null).await;
    }
    assert_eq!(host(&world, &late).await, left, "there is one host for it");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_go_where_others_are_by_their_namespaces_labels() {
    let world = World::new(HOSTS).await;
    let blue = ("blue", "default");
    namespace(&world, "blue", "data", json!({"team": "data"})).await;
    namespace(&world, "blue", "spare", json!({})).await;
    let cache = create(&world, blue, "cache", "cache", json!({})).await;
    let there = zone(&world, &host(&world, &cache).await);
    let near = required("podAffinity", json!({"topologyKey": ZONE, "labelSelector": selects("cache")}));
    let mut webs = Vec::new();
    for number in 0..6 {
        webs.push(create(&world, blue, &format!("web-{number}"), "web", near.clone()).await);
    }
    assert_eq!(by_zone(&world, &webs).await, BTreeMap::from([(there, webs.len())]));

    let db = create(&world, ("blue", "data"), "db", "db", json!({})).await;
    let its_host = host(&world, &db).await;
    let beside = |team: &str| {
        let selector = json!({"matchLabels": {"team": team}});
        let term =
            json!({"topologyKey": HOST, "labelSelector": selects("db"), "namespaceSelector": selector});
        required("podAffinity", term)
    };
    let reader = create(&world, blue, "reader", "reader", beside("data")).await;
    assert_eq!(host(&world, &reader).await, its_host);
    // No namespace bears the label, until one does.
    let waits = create(&world, blue, "waits", "reader", beside("spare")).await;
    world.until_waits(&waits, "node(s) didn't match pod affinity rules").await;
    let spare = create(&world, ("blue", "spare"), "db", "db", json!({})).await;
    let its_host = host(&world, &spare).await;
    let labels = json!({"metadata": {"labels": {"team": "spare"}}});
    send(&world, "PATCH", "/tenants/blue/api/v1/namespaces/spare", &labels).await;
    assert_eq!(host(&world, &waits).await, its_host);
    world.end().await;
}

/// Another replica of the region, over the network.
fn replica(world: &World) -> Replica {
    let address = format!("http://{}", world.region.address());
    Replica::start(ReplicaOptions {
        name: "scheduler-1".to_owned(),
        cell: "region".to_owned(),
        profiles: vec![Profile::meridian()],
        partitions: vec![Connector::scheduling_at(&address).unwrap()],
        hosts: vec![Connector::host_feed_at(&address).unwrap()],
        clock: Arc::new(MonotonicClock::new()),
        ids: Arc::new(Ids::seeded(77)),
        metrics: prometheus::Registry::new(),
    })
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn terms_hold_while_tenants_go_from_one_replica_to_another() {
    let world = World::new(HOSTS).await;
    let tenants: Vec<String> = (0..8).map(|number| format!("t{number}")).collect();
    let mut pods: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut other = None;
    for round in 0..HOSTS {
        for tenant in &tenants {
            let uid =
                create(&world, (tenant, "default"), &format!("pod-{round}"), "alone", apart("alone")).await;
            pods.entry(tenant).or_default().push(uid);
        }
        // Claims of the last round are under way, or bound a moment ago.
        match other.take() {
            None => other = Some(replica(&world)),
            Some(replica) if round % 2 == 1 => Box::pin(Replica::shutdown(replica)).await,
            kept => other = kept,
        }
    }
    for (tenant, uids) in pods {
        let mut taken = BTreeSet::new();
        for uid in &uids {
            taken.insert(host(&world, uid).await);
        }
        assert_eq!(taken.len(), uids.len(), "tenant {tenant} has two pods on one host");
    }
    if let Some(replica) = other {
        Box::pin(replica.shutdown()).await;
    }
    world.end().await;
}
