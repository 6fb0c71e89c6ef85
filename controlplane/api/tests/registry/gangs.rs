//! Appends that bind several pods, and volumes that pods on one host at a time may use.

use futures::future::join_all;
use meridian_api::{BindRequest, BindResult, BindingState, DeleteOptions, Entry};
use meridian_schema as schema;
use meridian_store::Tenant;
use serde_json::{Value, json};

use crate::region::{Region, binding, pod};

fn on(entry: &Entry, host: &str, partition: &str, sequence: u64, host_epoch: u64) -> BindRequest {
    let request = binding(entry, host, sequence);
    let record =
        meridian_api::BindingRecord { host_partition: partition.to_owned(), ..request.record.clone() };
    BindRequest { record, host_epoch, ..request }
}

fn with_claims(name: &str, claims: &[&str]) -> Value {
    let volume = |claim: &&str| json!({"name": claim, "persistentVolumeClaim": {"claimName": claim}});
    let mut pod = pod(name);
    pod["spec"]["volumes"] = claims.iter().map(volume).collect();
    pod
}

async fn create(region: &Region, object: Value) -> Entry {
    (*region.create("system", schema::pod(), object).await.unwrap()).clone()
}

async fn bind(region: &Region, entry: &Entry, host: &str, sequence: u64) -> BindResult {
    let request = binding(entry, host, sequence);
    region.registry.append_bindings(&entry.tenant, &[request]).await.remove(0)
}

async fn stopped(region: &Region, entry: &Entry, host: &str) {
    let stopped = region.registry.pod_stopped(&entry.tenant, "default", &entry.name, &entry.uid, host);
    stopped.await.unwrap();
}

fn is_held(result: &BindResult, by: &str) -> bool {
    matches!(result, BindResult::VolumeHeld { volume, host } if volume == "data" && host == by)
}

#[tokio::test]
async fn each_member_of_a_gang_wants_the_epoch_of_its_own_host_partition() {
    let region = Region::new().await;
    let registry = &region.registry;
    registry.append_fence("east", 3).await.unwrap();
    registry.append_fence("west", 7).await.unwrap();
    let a = create(&region, pod("a")).await;
    let b = create(&region, pod("b")).await;
    let gang = |first, east, west| [on(&a, "e1", "east", first, east), on(&b, "w1", "west", first + 1, west)];
    let old = registry.append_gang(&Tenant::system(), &gang(1, 3, 6)).await;
    assert!(matches!(&old[..], [BindResult::GangRefused, BindResult::Fenced { current: 7 }]), "{old:?}");
    // One fence moves while the append is under way: no member is bound.
    registry.append_fence("east", 4).await.unwrap();
    let old = registry.append_gang(&Tenant::system(), &gang(3, 3, 7)).await;
    assert!(matches!(&old[..], [BindResult::Fenced { current: 4 }, BindResult::GangRefused]), "{old:?}");
    assert!(registry.append_fence("west", 7).await.unwrap().bindings.is_empty());
    let bound = registry.append_gang(&Tenant::system(), &gang(5, 4, 7)).await;
    assert!(bound.iter().all(|result| matches!(result, BindResult::Bound(_))), "{bound:?}");
    // It was done, whatever is fenced since.
    registry.append_fence("west", 8).await.unwrap();
    let again = registry.append_gang(&Tenant::system(), &gang(5, 4, 7)).await;
    assert!(again.iter().all(|result| matches!(result, BindResult::Bound(_))), "{again:?}");
}

#[tokio::test]
async fn a_volume_is_used_on_one_host_until_the_last_pod_there_is_known_to_have_stopped() {
    let region = Region::new().await;
    region.registry.append_fence("hosts", 1).await.unwrap();
    let first = create(&region, with_claims("first", &["data", "logs"])).await;
    let beside = create(&region, with_claims("beside", &["data"])).await;
    let elsewhere = create(&region, with_claims("elsewhere", &["data"])).await;
    assert!(matches!(bind(&region, &first, "h1", 1).await, BindResult::Bound(_)));
    assert!(matches!(bind(&region, &first, "h1", 1).await, BindResult::Bound(_)), "the same append again");
    assert!(is_held(&bind(&region, &elsewhere, "h2", 2).await, "h1"));
    assert!(matches!(bind(&region, &beside, "h1", 3).await, BindResult::Bound(_)));
    let record = region.registry.cached_binding(&Tenant::system(), "default", "first").unwrap();
    assert_eq!(record.volumes, ["data", "logs"]);

    // Neither deleting it nor forcing that gives the volume back.
    region.delete(schema::pod(), "beside").await.unwrap();
    assert!(is_held(&bind(&region, &elsewhere, "h2", 4).await, "h1"));
    let force = DeleteOptions { grace_period_seconds: Some(0), ..DeleteOptions::default() };
    assert!(region.delete_with(schema::pod(), "first", &force).await.unwrap().gone);
    stopped(&region, &beside, "h1").await;
    let region = region.restarted().await;
    assert!(is_held(&bind(&region, &elsewhere, "h2", 5).await, "h1"));
    let ghost = region.registry.append_fence("hosts", 1).await.unwrap().bindings;
    assert_eq!((ghost.len(), ghost[0].record.state), (1, BindingState::Ghost));
    stopped(&region, &first, "h2").await;
    assert!(is_held(&bind(&region, &elsewhere, "h2", 6).await, "h1"), "another host knows nothing of it");
    stopped(&region, &first, "h1").await;
    stopped(&region, &first, "h1").await;
    assert!(matches!(bind(&region, &elsewhere, "h2", 7).await, BindResult::Bound(_)));
}

#[tokio::test]
async fn a_gang_does_not_tear_a_volume_between_hosts() {
    let region = Region::new().await;
    region.registry.append_fence("hosts", 1).await.unwrap();
    let a = create(&region, with_claims("a", &["data"])).await;
    let b = create(&region, with_claims("b", &["data"])).await;
    let torn = [binding(&a, "h1", 1), binding(&b, "h2", 2)];
    let results = region.registry.append_gang(&Tenant::system(), &torn).await;
    assert!(matches!(&results[0], BindResult::GangRefused) && is_held(&results[1], "h1"), "{results:?}");
    let together = [binding(&a, "h2", 3), binding(&b, "h2", 4)];
    let results = region.registry.append_gang(&Tenant::system(), &together).await;
    assert!(results.iter().all(|result| matches!(result, BindResult::Bound(_))), "{results:?}");
    // Each lets go of its own.
    let other = create(&region, with_claims("other", &["data"])).await;
    stopped(&region, &a, "h2").await;
    assert!(is_held(&bind(&region, &other, "h1", 5).await, "h2"));
    stopped(&region, &b, "h2").await;
    assert!(matches!(bind(&region, &other, "h1", 6).await, BindResult::Bound(_)));
}

/// Pods of a volume are bound and stop all at once, again and again: at no time two hosts have it, and in the end nobody.
#[tokio::test]
async fn however_many_bind_at_once_one_host_gets_the_volume() {
    let region = Region::new().await;
    let registry = &region.registry;
    registry.append_fence("hosts", 1).await.unwrap();
    let mut sequence = 0;
    for round in 0..20 {
        let mut pods = Vec::new();
        for number in 0..6 {
            pods.push(create(&region, with_claims(&format!("p{round}-{number}"), &["data"])).await);
        }
        let binds = pods.iter().enumerate().map(|(number, entry)| {
            sequence += 1;
            let request = binding(entry, ["h1", "h2", "h3"][number % 3], sequence);
            async move { registry.append_bindings(&entry.tenant, &[request]).await.remove(0) }
        });
        let results = join_all(binds).await;
        let hosts: Vec<String> = results
            .iter()
            .filter_map(|result| match result {
                BindResult::Bound(entry) => Some(entry.node_name.clone()),
                BindResult::VolumeHeld { .. } => None,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(hosts.len(), 2, "{results:?}");
        assert_eq!(hosts[0], hosts[1]);
        join_all(pods.iter().map(|entry| stopped(&region, entry, &hosts[0]))).await;
    }
}
