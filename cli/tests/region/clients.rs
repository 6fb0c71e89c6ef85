//! Client libraries.

use std::process::Command;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::wait::{await_condition, conditions};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, Config};
use serde_json::json;

use crate::process::{PATIENCE, Region, meridian};

const QUICK: [&str; 8] = ["--hosts", "5", "--create-delay", "5", "--start-delay", "5", "--stop-delay", "5"];

async fn client(region: &Region) -> Client {
    let config = Kubeconfig::read_from(region.kubeconfig()).expect("the kubeconfig can be read");
    let config = Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await;
    Client::try_from(config.expect("the kubeconfig is right")).expect("a client can be made")
}

fn deployment(name: &str, replicas: i32) -> Deployment {
    serde_json::from_value(json!({
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "c", "image": "nginx"}]},
            },
        },
    }))
    .expect("it is a deployment")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kube_rs_works_with_a_region() {
    let region = Region::start(&QUICK);
    let client = client(&region).await;
    let pods: Api<Pod> = Api::default_namespaced(client.clone());
    let deployments: Api<Deployment> = Api::default_namespaced(client.clone());

    // A watcher from before anything is there sees every pod run.
    let seen = tokio::spawn({
        let pods = pods.clone();
        async move {
            let running = watcher(pods, watcher::Config::default().labels("app=web"))
                .default_backoff()
                .applied_objects()
                .try_filter(|pod| {
                    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
                    std::future::ready(phase == Some("Running"))
                });
            let mut names = std::collections::BTreeSet::new();
            let mut running = std::pin::pin!(running);
            while names.len() < 4 {
                let pod = running.next().await.expect("a watcher never ends").expect("the watch goes well");
                names.insert(pod.metadata.name);
            }
        }
    });
    deployments.create(&PostParams::default(), &deployment("web", 4)).await.expect("it is created");
    tokio::time::timeout(PATIENCE, seen).await.expect("all pods run in time").expect("the watcher goes well");

    let again =
        deployments.create(&PostParams::default(), &deployment("web", 4)).await.expect_err("it is there");
    assert!(
        matches!(&again, kube::Error::Api(status) if status.code == 409 && status.reason == "AlreadyExists")
    );
    let scale = Patch::Merge(json!({"spec": {"replicas": 6}}));
    deployments.patch_scale("web", &PatchParams::default(), &scale).await.expect("it scales");
    let mut stale = deployments.get("web").await.expect("it is there");
    stale.metadata.resource_version = Some("1".to_owned());
    let refused = deployments.replace("web", &PostParams::default(), &stale).await.expect_err("it is stale");
    assert!(
        matches!(&refused, kube::Error::Api(status) if status.code == 409 && status.reason == "Conflict")
    );

    let pages = ListParams::default().labels("app=web").limit(2);
    let first = pods.list(&pages).await.expect("a page comes");
    let token = first.metadata.continue_.clone().expect("there is more");
    let second = pods.list(&pages.continue_token(&token)).await.expect("a page comes");
    assert_eq!(first.metadata.resource_version, second.metadata.resource_version, "pages are of one moment");

    let running = await_condition(deployments.clone(), "web", conditions::is_deployment_completed());
    tokio::time::timeout(PATIENCE, running)
        .await
        .expect("it completes in time")
        .expect("the watch goes well");
    deployments.delete("web", &DeleteParams::foreground()).await.expect("it is deleted");
    let uid = stale.metadata.uid.expect("it has a uid");
    let gone = await_condition(deployments, "web", conditions::is_deleted(&uid));
    tokio::time::timeout(PATIENCE, gone).await.expect("it goes in time").expect("the watch goes well");
    let left = pods.list(&ListParams::default().labels("app=web")).await.expect("the list comes").items;
    assert!(left.is_empty(), "what it owned went before it: {left:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tenants_do_not_see_each_other() {
    let region = Region::start(&QUICK);
    let of = |tenant: &str| {
        let output = meridian()
            .args(["kubeconfig", "--server", &region.url, "--tenant", tenant])
            .output()
            .expect("the program runs");
        let text = String::from_utf8(output.stdout).expect("it prints UTF-8");
        Kubeconfig::from_yaml(&text).expect("it is a kubeconfig")
    };
    let mut clients = Vec::new();
    for tenant in ["blue", "green"] {
        let config = Config::from_custom_kubeconfig(of(tenant), &KubeConfigOptions::default()).await;
        clients
            .push(Client::try_from(config.expect("the kubeconfig is right")).expect("a client can be made"));
    }
    let [blue, green] = &clients[..] else { unreachable!("two were made") };
    let namespace: Namespace =
        serde_json::from_value(json!({"metadata": {"name": "shop"}})).expect("it is a namespace");
    for client in &clients {
        Api::<Namespace>::all(client.clone())
            .create(&PostParams::default(), &namespace)
            .await
            .expect("it is created");
    }
    let of_blue: Api<Deployment> = Api::namespaced(blue.clone(), "shop");
    of_blue.create(&PostParams::default(), &deployment("web", 3)).await.expect("it is created");
    let running = await_condition(of_blue, "web", conditions::is_deployment_completed());
    tokio::time::timeout(PATIENCE, running)
        .await
        .expect("it completes in time")
        .expect("the watch goes well");

    let of_green: Api<Pod> = Api::namespaced(green.clone(), "shop");
    let seen = of_green.list(&ListParams::default()).await.expect("the list comes");
    assert!(seen.items.is_empty());
    let map: ConfigMap =
        serde_json::from_value(json!({"metadata": {"name": "a"}})).expect("it is a config map");
    let maps: Api<ConfigMap> = Api::namespaced(green.clone(), "shop");
    let before: u64 = version(seen.metadata.resource_version.as_deref());
    let created = maps.create(&PostParams::default(), &map).await.expect("it is created");
    // Its own writes move a tenant's versions by one each, and nobody else's do.
    assert_eq!(version(created.metadata.resource_version.as_deref()), before + 1);
}

fn version(text: Option<&str>) -> u64 {
    text.and_then(|text| text.parse().ok()).expect("a resource version is a number")
}

/// Skipped, with a word about it, where the Python client is not installed.
#[test]
fn the_python_client_works_with_a_region() {
    let probe = Command::new("python3").args(["-c", "import kubernetes"]).output();
    if !probe.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: python3 has no package kubernetes");
        return;
    }
    let region = Region::start(&QUICK);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/region/client.py");
    let output = Command::new("python3").arg(script).arg(region.kubeconfig()).output().expect("python3 runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
