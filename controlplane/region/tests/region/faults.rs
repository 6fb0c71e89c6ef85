//! Hosts that fail, and what becomes of their pods.

use meridian_api::{BindingState, INCARNATION_ANNOTATION};
use meridian_edge_agent::HostFault;
use meridian_store::Tenant;

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn pods_of_a_host_that_comes_anew_have_failed_and_their_room_is_free() {
    let world = World::new(1).await;
    let (system, host) = (Tenant::system(), world.host());
    let cpu = world.node(&host).unwrap()["status"]["allocatable"]["cpu"].as_str().unwrap().to_owned();
    let first = world.create(&system, "first", &cpu, "").await;
    world.until_phase(&first, "Running").await;
    world.region.hosts().fail(&host, HostFault::Wipe).unwrap();
    let pod = world.until_phase(&first, "Failed").await;
    assert_eq!(pod["status"]["reason"], "NodeLost");
    world.until_released("first").await;
    let second = world.create(&system, "second", &cpu, "").await;
    world.until_phase(&second, "Running").await;
    assert_eq!(world.node(&host).unwrap()["metadata"]["annotations"][INCARNATION_ANNOTATION], "2");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_of_a_host_that_lost_its_power_run_there_again() {
    let world = World::new(2).await;
    let (system, host) = (Tenant::system(), world.host());
    let first = world.create(&system, "first", "100m", &host).await;
    world.until_phase(&first, "Running").await;
    let mut registered = world.region.hosts().registered();
    world.region.hosts().fail(&host, HostFault::Crash).unwrap();
    registered.wait_for(|registered| *registered == 1).await.unwrap();
    // What is bound meanwhile runs as well.
    let second = world.create(&system, "second", "100m", &host).await;
    world.region.hosts().recover(&host).unwrap();
    world.until_phase(&second, "Running").await;
    let pod = world.until_phase(&first, "Running").await;
    assert_eq!(pod["spec"]["nodeName"], host);
    assert_eq!(world.state("first"), Some(BindingState::Bound));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_deleted_by_force_holds_its_name_until_its_host_has_stopped_it() {
    let world = World::new(2).await;
    let (system, host) = (Tenant::system(), world.host());
    let first = world.create(&system, "web", "100m", &host).await;
    world.until_phase(&first, "Running").await;
    world.region.hosts().fail(&host, HostFault::LinkDown).unwrap();
    world.delete("web", Some(0)).await;
    let second = world.create(&system, "web", "100m", "").await;
    world.until_waits(&second, "deleted by force").await;
    // Also over a restart of all but the host's memory of it: the link is up again then.
    let world = world.restart().await;
    world.until_phase(&second, "Running").await;
    assert_eq!(world.state("web"), Some(BindingState::Bound));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_node_of_a_host_out_of_reach_is_deleted_and_comes_back_with_it() {
    let world = World::new(2).await;
    let (system, host) = (Tenant::system(), world.host());
    let first = world.create(&system, "first", "100m", &host).await;
    world.until_phase(&first, "Running").await;
    let mut registered = world.region.hosts().registered();
    world.region.hosts().fail(&host, HostFault::LinkDown).unwrap();
    registered.wait_for(|registered| *registered == 1).await.unwrap();
    // To delete the Node says that the host is off.
    world.delete_node(&host).await;
    let pod = world.until_phase(&first, "Failed").await;
    assert_eq!(pod["status"]["reason"], "NodeLost");
    world.until_released("first").await;
    world.region.hosts().recover(&host).unwrap();
    world.until_node(&host, "the Node is back", |_| true).await;
    let second = world.create(&system, "second", "100m", &host).await;
    world.until_phase(&second, "Running").await;
    world.end().await;
}
