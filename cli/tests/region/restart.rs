//! A region that is killed, and one that is asked to end: both find everything again.

use std::collections::BTreeMap;

use crate::process::{Kubectl, Region, kubectls};

const QUICK: [&str; 8] = ["--hosts", "12", "--create-delay", "5", "--start-delay", "5", "--stop-delay", "5"];

/// Each pod's uid, host and number of restarts, by name.
fn pods(kubectl: &Kubectl) -> BTreeMap<String, String> {
    let columns = "custom-columns=NAME:.metadata.name,UID:.metadata.uid,HOST:.spec.nodeName,STARTED:.status.startTime,RESTARTS:.status.containerStatuses[0].restartCount";
    let table = kubectl.run(&["get", "pods", "--no-headers", "-o", columns]);
    table
        .lines()
        .filter_map(|line| line.split_once(char::is_whitespace))
        .map(|(name, rest)| (name.to_owned(), rest.split_whitespace().collect::<Vec<_>>().join(" ")))
        .collect()
}

fn kubectl(region: &Region) -> Kubectl {
    let program = kubectls().pop().expect("there is a kubectl");
    Kubectl::new(&program, &region.kubeconfig())
}

#[test]
fn a_killed_region_goes_on_where_it_was() {
    let region = Region::start(&QUICK);
    let kubectl_before = kubectl(&region);
    kubectl_before.run(&["create", "deployment", "web", "--image=nginx", "--replicas=30"]);
    kubectl_before.run(&["rollout", "status", "deployment", "web", "--timeout=60s"]);
    kubectl_before.run(&["create", "configmap", "settings", "--from-literal=mode=fast"]);
    let before = pods(&kubectl_before);
    assert_eq!(before.len(), 30);
    // What was acknowledged just before counts too.
    kubectl_before.run(&["scale", "deployment", "web", "--replicas=33"]);

    let region = Region::start_in(region.kill(), &QUICK);
    let kubectl = kubectl(&region);
    kubectl.run(&["rollout", "status", "deployment", "web", "--timeout=60s"]);
    let after = pods(&kubectl);
    assert_eq!(after.len(), 33);
    for (name, pod) in &before {
        assert_eq!(
            after.get(name),
            Some(pod),
            "pod {name} is the same, on the same host, and was not started again"
        );
    }
    assert_eq!(kubectl.run(&["get", "configmap", "settings", "-o", "jsonpath={.data.mode}"]), "fast");

    let (dir, well, said) = region.interrupt();
    assert!(well, "{said}");
    let region = Region::start_in(dir, &QUICK);
    assert_eq!(pods(&self::kubectl(&region)), after);
}

#[test]
fn what_was_deleted_stays_so_over_a_kill() {
    let region = Region::start(&QUICK);
    let before = kubectl(&region);
    before.run(&["create", "deployment", "web", "--image=nginx", "--replicas=5"]);
    before.run(&["rollout", "status", "deployment", "web", "--timeout=60s"]);
    before.run(&["delete", "deployment", "web", "--wait=false"]);

    let region = Region::start_in(region.kill(), &QUICK);
    let after = kubectl(&region);
    after.gone("pods", "app=web");
    assert_eq!(after.run(&["get", "deployments,replicasets,pods", "-o", "name"]), "");
    // What they held is free again.
    after.run(&["create", "deployment", "web", "--image=nginx", "--replicas=5"]);
    after.run(&["rollout", "status", "deployment", "web", "--timeout=60s"]);
}
