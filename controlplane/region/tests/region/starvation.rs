//! A pod that needs more room than comes up at a time gets it, however many small ones come and go.

use std::collections::VecDeque;
use std::time::Duration;

use meridian_api::{Caller, CreateOptions, DeleteOptions};
use meridian_replica::QueueSettings;
use meridian_schema::pod;
use meridian_store::Tenant;
use serde_json::json;

use crate::world::World;

async fn create(world: &World, tenant: &Tenant, name: &str, milli: i64) -> String {
    let object = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {
            "containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": format!("{milli}m")}}}],
            "terminationGracePeriodSeconds": 1,
        },
    });
    let (caller, options) = (Caller::component("test", tenant), CreateOptions::default());
    let created = world.region.registry().create(&caller, pod(), "default", object, &options).await;
    created.unwrap().uid.clone()
}

async fn delete(world: &World, tenant: &Tenant, name: &str) {
    let (caller, options) = (Caller::component("test", tenant), DeleteOptions::default());
    world.region.registry().delete(&caller, pod(), "default", name, &options).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn small_pods_that_come_and_go_do_not_keep_a_large_one_away_for_ever() {
    let world = World::new(1).await;
    let settings = QueueSettings { keep_after: Duration::from_secs(1), ..QueueSettings::default() };
    world.region.queue().settle(settings).unwrap();
    let (blue, red) = (Tenant::new("blue").unwrap(), Tenant::new("red").unwrap());
    let node = world.node(&world.host()).unwrap();
    let cpu = node["status"]["allocatable"]["cpu"].as_str().unwrap();
    let all: i64 =
        cpu.strip_suffix('m').map_or_else(|| cpu.parse::<i64>().unwrap() * 1000, |m| m.parse().unwrap());
    let (small, most) = (all * 45 / 100, all * 90 / 100);

    let mut running = VecDeque::new();
    for name in ["first", "second"] {
        let uid = create(&world, &red, name, small).await;
        world.until_phase(&uid, "Running").await;
        running.push_back(name.to_owned());
    }
    let large = create(&world, &blue, "large", most).await;
    world.until_waits(&large, "Insufficient cpu").await;
    let mut round = 0;
    loop {
        round += 1;
        let name = format!("small-{round}");
        let uid = create(&world, &red, &name, small).await;
        delete(&world, &red, &running.pop_front().unwrap()).await;
        tokio::select! {
            _ = world.until_phase(&uid, "Running") => running.push_back(name),
            _ = world.until(&large, "a host", |pod| pod["status"]["nominatedNodeName"].is_string()) => {
                running.push_back(name);
                break;
            }
        }
    }
    // The last one may have come just before room was kept.
    for name in running {
        delete(&world, &red, &name).await;
    }
    world.until_phase(&large, "Running").await;
    world.end().await;
}
