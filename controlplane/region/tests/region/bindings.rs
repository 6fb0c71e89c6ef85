//! Pods whose hosts users choose: they claim at the ledger like all others.

use meridian_api::{HOST_PARTITION_ANNOTATION, INCARNATION_ANNOTATION};
use meridian_store::Tenant;

use crate::world::World;

/// More than any host has.
const TOO_MUCH: &str = "1000";

#[tokio::test(flavor = "multi_thread")]
async fn hosts_that_users_choose_are_claimed_and_may_refuse() {
    let world = World::new(3).await;
    let (system, host) = (Tenant::system(), world.host());
    let annotations = &world.node(&host).unwrap()["metadata"]["annotations"];
    assert_eq!(annotations[INCARNATION_ANNOTATION], "1");
    assert!(annotations[HOST_PARTITION_ANNOTATION].is_string());

    let fits = world.create(&system, "fits", "100m", &host).await;
    let pod = world.until_phase(&fits, "Running").await;
    assert_eq!(pod["spec"]["nodeName"], host);
    let large = world.create(&system, "large", TOO_MUCH, &host).await;
    let pod = world.until_phase(&large, "Failed").await;
    assert_eq!(pod["status"]["reason"], "OutOfcpu");
    let message = pod["status"]["message"].as_str().unwrap();
    assert!(message.contains("requested: 1000000") && message.contains("used: "), "{message}");
    assert_eq!(world.state("large"), None, "it holds nothing");
    // A tenant chooses among the nodes that it sees, and is not told what others take.
    let blue = Tenant::new("blue").unwrap();
    let small = world.create(&blue, "small", "1m", "").await;
    let pod = world.until_phase(&small, "Running").await;
    let node =
        world.region.registry().host_name(&blue, pod["spec"]["nodeName"].as_str().unwrap()).into_owned();
    let large = world.create(&blue, "large", TOO_MUCH, &node).await;
    let pod = world.until_phase(&large, "Failed").await;
    let message = pod["status"]["message"].as_str().unwrap();
    assert!(message.ends_with("requested: 1000000"), "{message}");

    // The subresource, for pods that name no host: what fits nowhere stays Pending all the while.
    let waits = world.create(&system, "waits", TOO_MUCH, "").await;
    world.until_waits(&waits, "nodes are available").await;
    let refused = world.bind(&system, "waits", &host).await.unwrap_err();
    assert!(refused.is_conflict() && refused.message.contains("requested: 1000000"), "{refused:?}");
    let nowhere = world.bind(&system, "waits", "no-such-host").await.unwrap_err();
    assert_eq!(nowhere.code, 503);
    let pod = world.until_phase(&waits, "Pending").await;
    assert!(pod["spec"]["nodeName"].is_null());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_goes_on_after_a_restart() {
    let world = World::new(1).await;
    let (system, host) = (Tenant::system(), world.host());
    let cpu = world.node(&host).unwrap()["status"]["allocatable"]["cpu"].as_str().unwrap().to_owned();
    let first = world.create(&system, "first", &cpu, "").await;
    world.until_phase(&first, "Running").await;
    let second = world.create(&system, "second", &cpu, "").await;
    world.until_waits(&second, "nodes are available").await;

    let world = world.restart().await;
    let pod = world.until_phase(&first, "Running").await;
    assert_eq!(pod["status"]["containerStatuses"][0]["restartCount"], 0);
    world.delete("first", None).await;
    world.until_phase(&second, "Running").await;
    world.end().await;
}
