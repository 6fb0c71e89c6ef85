//! Disruption budgets: what `kubectl drain` may do and what not.

use std::process::Stdio;

use crate::process::{Kubectl, Region, kubectls};

/// The pods of the test's deployment, which has two on each host on average, so that a host has to be emptied in steps.
const REPLICAS: i64 = 40;

fn replicas(budget: i64) -> String {
    format!(r#"{{"spec":{{"minAvailable":{budget}}}}}"#)
}

/// With the oldest and the newest kubectl: what they do is the same, but every step of it makes them wait.
#[test]
fn a_budget_holds_while_a_host_is_emptied() {
    let region = Region::start(&[
        "--hosts",
        "20",
        "--create-delay",
        "20",
        "--start-delay",
        "30",
        "--stop-delay",
        "20",
    ]);
    let mut programs = kubectls();
    programs.sort_by_key(|program| Kubectl::new(program, &region.kubeconfig()).minor_version());
    programs.drain(1..programs.len().saturating_sub(1));
    for program in programs {
        eprintln!("with {}", program.display());
        a_host_is_emptied(&Kubectl::new(&program, &region.kubeconfig()));
    }
}

fn a_host_is_emptied(kubectl: &Kubectl) {
    kubectl.run(&["create", "deployment", "web", "--image=nginx", &format!("--replicas={REPLICAS}")]);
    kubectl.run(&["rollout", "status", "deployment", "web", "--timeout=60s"]);
    kubectl.run(&["apply", "-f", "examples/web-budget.yaml"]);
    kubectl.run(&["patch", "pdb", "web", "--type=merge", "-p", &replicas(REPLICAS)]);
    let (host, pods) = crowded_host(kubectl);
    kubectl.becomes(&["get", "pdb", "web", "-o", "jsonpath={.status.desiredHealthy}"], "40");

    // Nothing may go: every pod is wanted.
    let refused = kubectl.refused(&["drain", &host, "--ignore-daemonsets", "--timeout=2s"]);
    assert!(
        refused.contains("Cannot evict pod as it would violate the pod's disruption budget."),
        "{refused}"
    );
    let left =
        kubectl.run(&["get", "pods", "--field-selector", &format!("spec.nodeName={host}"), "-o", "name"]);
    assert_eq!(left.lines().count(), pods);

    // One at a time may go.
    kubectl.run(&["patch", "pdb", "web", "--type=merge", "-p", &replicas(REPLICAS - 1)]);
    let printed = kubectl.run(&["get", "pdb", "web", "--no-headers"]);
    let columns: Vec<_> = printed.split_whitespace().take(3).collect();
    assert_eq!(columns, ["web", "39", "N/A"]);
    let ready = "jsonpath={.status.readyReplicas}{\"\\n\"}";
    let watching = kubectl
        .command(&["get", "deployment", "web", "--watch", "-o", ready])
        .stdout(Stdio::piped())
        .spawn()
        .expect("kubectl starts");
    let drained = kubectl.run(&["drain", &host, "--ignore-daemonsets", "--timeout=90s"]);
    let id = watching.id().to_string();
    std::process::Command::new("kill").arg(&id).status().expect("kill runs");
    let told = watching.wait_with_output().expect("kubectl ends").stdout;
    let told = String::from_utf8(told).expect("it prints UTF-8");
    let ready: Vec<i64> = told.lines().map(|line| line.parse().unwrap_or_default()).collect();
    assert!(!ready.is_empty() && ready.iter().all(|ready| *ready >= REPLICAS - 1), "{ready:?}");
    assert!(drained.matches("evicting pod default/web-").count() >= pods, "{drained}");
    let evicted = drained.lines().filter(|line| line.starts_with("pod/web-") && line.ends_with(" evicted"));
    assert_eq!(evicted.count(), pods, "{drained}");

    kubectl.run(&["uncordon", &host]);
    kubectl.run(&["delete", "pdb,deployment", "web"]);
    kubectl.gone("pods", "app=web");
}

/// A host with more than one pod but as few as there are, and how many.
fn crowded_host(kubectl: &Kubectl) -> (String, usize) {
    let column = "custom-columns=HOST:.spec.nodeName";
    let hosts = kubectl.run(&["get", "pods", "-l", "app=web", "-o", column, "--no-headers"]);
    let count = |host: &str| hosts.lines().filter(|line| *line == host).count();
    let crowded = hosts.lines().filter(|host| count(host) > 1);
    let host = crowded.min_by_key(|host| count(host)).expect("there are more pods than hosts");
    (host.to_owned(), count(host))
}
