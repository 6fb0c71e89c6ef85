//! Pod groups from the API to the host, decided by the region's own replica.

use meridian_api::{Caller, CreateOptions};
use meridian_schema::{pod, pod_group};
use meridian_store::Tenant;
use serde_json::{Value, json};

use crate::world::{World, soon};

async fn group(world: &World, name: &str, least: u32) {
    let group = json!({
        "apiVersion": "scheduling.x-k8s.io/v1alpha1", "kind": "PodGroup",
        "metadata": {"name": name}, "spec": {"minMember": least, "scheduleTimeoutSeconds": 10},
    });
    let (caller, options) = (Caller::system("test"), CreateOptions::default());
    world.region.registry().create(&caller, pod_group(), "default", group, &options).await.unwrap();
}

/// Creates a pod of a group. The answer is its uid.
async fn member(world: &World, group: &str, name: &str, cpu: &str) -> String {
    let object = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "labels": {"scheduling.x-k8s.io/pod-group": group}},
        "spec": {
            "containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": cpu}}}],
            "terminationGracePeriodSeconds": 1,
        },
    });
    let (caller, options) = (Caller::system("test"), CreateOptions::default());
    let created = world.region.registry().create(&caller, pod(), "default", object, &options).await;
    created.unwrap().uid.clone()
}

/// Waits until a group's status says so.
async fn until_phase(world: &World, name: &str, phase: &str, scheduled: u64) {
    let says_so = async {
        loop {
            let found =
                world.region.registry().cached(&Tenant::system(), pod_group(), "default", name).unwrap();
            let status = &found.value()["status"];
            if status["phase"] == phase && status["scheduled"] == scheduled {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    soon("the status of a group", says_so).await;
}

fn is_held(world: &World, name: &str) -> bool {
    world.region.registry().cached_binding(&Tenant::system(), "default", name).is_some()
}

/// So many hundredths of the CPU that the only host has.
fn percent(world: &World, parts: i64) -> String {
    let node: Value = world.node(&world.host()).unwrap();
    let cpu = node["status"]["allocatable"]["cpu"].as_str().unwrap();
    let all: i64 = match cpu.strip_suffix('m') {
        Some(milli) => milli.parse().unwrap(),
        None => cpu.parse::<i64>().unwrap() * 1000,
    };
    format!("{}m", all * parts / 100)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_bound_whole_when_all_are_there_and_there_is_room() {
    let world = World::new(1).await;
    let some = percent(&world, 19);
    let first = member(&world, "workers", "a", &some).await;
    world.until_waits(&first, "pod group default/workers does not exist").await;
    group(&world, "workers", 3).await;
    let second = member(&world, "workers", "b", &some).await;
    for uid in [&first, &second] {
        world.until_waits(uid, "waits for members: 3 pods have to be there").await;
    }
    assert!(!is_held(&world, "a") && !is_held(&world, "b"));
    let third = member(&world, "workers", "c", &some).await;
    for uid in [&first, &second, &third] {
        world.until_phase(uid, "Running").await;
    }

    until_phase(&world, "workers", "Scheduled", 3).await;

    // Two more fit, and a group of three does not: none is bound, and all are told.
    group(&world, "late", 3).await;
    let mut late = Vec::new();
    for name in ["x", "y", "z"] {
        late.push(member(&world, "late", name, &some).await);
    }
    for uid in &late {
        world.until_waits(uid, "pod group default/late: 2/3 members of the pod group fit: 0/1 nodes").await;
    }
    assert!(["x", "y", "z"].iter().all(|name| !is_held(&world, name)));
    until_phase(&world, "late", "Scheduling", 0).await;
    world.delete("a", None).await;
    for uid in &late {
        world.until_phase(uid, "Running").await;
    }

    // A member that comes again joins those that run.
    let again = member(&world, "workers", "again", "1m").await;
    world.until_phase(&again, "Running").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_groups_with_room_for_one_exactly_one_runs() {
    let world = World::new(1).await;
    let large = percent(&world, 40);
    for name in ["one", "two"] {
        group(&world, name, 2).await;
    }
    let mut uids = Vec::new();
    for (group, name) in [("one", "one-a"), ("two", "two-a"), ("one", "one-b"), ("two", "two-b")] {
        uids.push((group, name, member(&world, group, name, &large).await));
    }
    let held = |group: &str| {
        let of_group = uids.iter().filter(|(of, ..)| *of == group);
        of_group.filter(|(_, name, _)| is_held(&world, name)).count()
    };
    let bound = async {
        while held("one") + held("two") == 0 {
            tokio::task::yield_now().await;
        }
    };
    soon("a group that is bound", bound).await;
    let (winner, loser) = if held("one") > 0 { ("one", "two") } else { ("two", "one") };
    for (group, _, uid) in &uids {
        if *group == winner {
            world.until_phase(uid, "Running").await;
        } else {
            world.until_waits(uid, "0/2 members of the pod group fit").await;
        }
    }
    assert_eq!((held(winner), held(loser)), (2, 0));
    world.end().await;
}
