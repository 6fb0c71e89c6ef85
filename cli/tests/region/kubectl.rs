//! What people do with kubectl, with every kubectl that is installed.

use std::path::Path;
use std::process::Stdio;

use crate::process::{Kubectl, Process, Region, kubectls};

/// Delays that are long enough to be seen on the way and short enough to wait for.
const QUICK: [&str; 8] =
    ["--hosts", "20", "--create-delay", "20", "--start-delay", "30", "--stop-delay", "20"];

#[test]
fn every_kubectl_works_with_a_region() {
    let region = Region::start(&QUICK);
    for program in kubectls() {
        eprintln!("with {}", program.display());
        let kubectl = Kubectl::new(&program, &region.kubeconfig());
        a_deployment_lives(&kubectl);
        pods_are_told_about(&kubectl);
        hosts_are_heard_of(&kubectl);
        hosts_are_emptied(&kubectl);
        small_objects_are_kept(&kubectl);
        operators_see_all_tenants(&kubectl, &region.url);
        fields_are_explained(&kubectl);
    }
}

fn a_deployment_lives(kubectl: &Kubectl) {
    assert_eq!(kubectl.run(&["apply", "-f", "examples/web.yaml"]), "deployment.apps/web created\n");
    assert_eq!(kubectl.run(&["apply", "-f", "examples/web.yaml"]), "deployment.apps/web unchanged\n");
    let rolled = kubectl.run(&["rollout", "status", "deployment", "web", "--timeout=60s"]);
    assert!(rolled.contains("deployment \"web\" successfully rolled out"), "{rolled}");
    let pods = kubectl.run(&["get", "pods", "-l", "app=web", "-o", "wide", "--no-headers"]);
    assert_eq!(pods.lines().count(), 4, "{pods}");
    assert!(pods.lines().all(|pod| pod.contains("1/1") && pod.contains("Running")), "{pods}");

    kubectl.run(&["scale", "deployment", "web", "--replicas=7"]);
    kubectl.run(&["rollout", "status", "deployment", "web", "--timeout=60s"]);
    let counts = "jsonpath={.status.replicas} {.status.readyReplicas} {.status.updatedReplicas}";
    assert_eq!(kubectl.run(&["get", "deployment", "web", "-o", counts]), "7 7 7");

    kubectl.run(&["set", "image", "deployment/web", "server=nginx:1.28"]);
    kubectl.run(&["rollout", "status", "deployment", "web", "--timeout=60s"]);
    let sets = kubectl.run(&["get", "replicasets", "-l", "app=web", "--no-headers"]);
    assert_eq!(sets.lines().count(), 2, "{sets}");
    kubectl.run(&["rollout", "undo", "deployment", "web"]);
    kubectl.run(&["rollout", "status", "deployment", "web", "--timeout=60s"]);
    let image = "jsonpath={.spec.template.spec.containers[0].image}";
    assert_eq!(kubectl.run(&["get", "deployment", "web", "-o", image]), "nginx:1.27");

    let described = kubectl.run(&["describe", "deployment", "web"]);
    assert!(described.contains("ScalingReplicaSet") && described.contains("7 available"), "{described}");
    kubectl.run(&["delete", "deployment", "web", "--timeout=60s"]);
    kubectl.gone("pods", "app=web");
    assert_eq!(kubectl.run(&["get", "pods,replicasets", "-l", "app=web", "-o", "name"]), "");
}

fn pods_are_told_about(kubectl: &Kubectl) {
    kubectl.run(&["apply", "-f", "examples/too-large.yaml"]);
    kubectl.run(&["wait", "--for=condition=PodScheduled=false", "pod/too-large", "--timeout=60s"]);
    let described = kubectl.run(&["describe", "pod", "too-large"]);
    assert!(described.contains("FailedScheduling"), "{described}");
    assert!(described.contains("0/20 nodes are available"), "{described}");
    let pods = kubectl.run(&["get", "pod", "too-large", "--no-headers"]);
    assert!(pods.contains("0/1") && pods.contains("Pending"), "{pods}");
    kubectl.run(&["delete", "-f", "examples/too-large.yaml"]);

    kubectl.run(&["apply", "-f", "examples/batch.yaml"]);
    kubectl.run(&["label", "pods", "-l", "app=batch", "colour=blue"]);
    assert_eq!(kubectl.run(&["get", "pods", "-l", "colour in (blue)", "-o", "name"]).lines().count(), 3);
    kubectl.run(&["wait", "--for=condition=Ready", "pod/batch-3", "--timeout=60s"]);
    let running = kubectl.run(&["get", "pods", "--field-selector", "status.phase=Running", "-o", "name"]);
    assert!(running.contains("pod/batch-3"), "{running}");
    kubectl.run(&["delete", "-f", "examples/batch.yaml", "--timeout=60s"]);
    assert_eq!(kubectl.run(&["get", "pods", "-o", "name"]), "");
}

fn hosts_are_heard_of(kubectl: &Kubectl) {
    let leases = kubectl.run(&["get", "leases", "-n", "kube-node-lease", "--no-headers"]);
    assert_eq!(leases.lines().count(), 20, "{leases}");
    assert!(leases.lines().all(|lease| lease.matches("host-").count() == 2), "{leases}");
    assert_eq!(kubectl.run(&["get", "lease", "-A", "--chunk-size=3", "-o", "name"]).lines().count(), 20);
    let described = kubectl.run(&["describe", "node", "host-00001"]);
    let renewed = described.lines().find(|line| line.trim_start().starts_with("RenewTime:"));
    assert!(renewed.is_some_and(|line| !line.contains("unset")), "{described}");
    let refused = kubectl.refused(&["delete", "lease", "-n", "kube-node-lease", "host-00001"]);
    assert!(refused.contains("Forbidden"), "{refused}");
}

fn hosts_are_emptied(kubectl: &Kubectl) {
    kubectl.run(&["create", "deployment", "spread", "--image=nginx", "--replicas=40"]);
    kubectl.run(&["rollout", "status", "deployment", "spread", "--timeout=60s"]);
    let column = "custom-columns=HOST:.spec.nodeName";
    let hosts = kubectl.run(&["get", "pods", "-l", "app=spread", "-o", column, "--no-headers"]);
    let host = hosts.lines().next().expect("pods run").to_owned();
    kubectl.run(&["cordon", &host]);
    let node = kubectl.run(&["get", "node", &host, "--no-headers"]);
    assert!(node.contains("Ready,SchedulingDisabled"), "{node}");
    let on_host = format!("spec.nodeName={host}");
    let pods = kubectl.run(&["get", "pods", "--field-selector", &on_host, "-o", "name"]);
    let drained = kubectl.run(&["drain", &host, "--ignore-daemonsets", "--timeout=60s"]);
    for pod in pods.lines().map(|pod| pod.trim_start_matches("pod/")) {
        assert!(drained.contains(&format!("evicting pod default/{pod}")), "{drained}");
        assert!(drained.contains(&format!("pod/{pod} evicted")), "{drained}");
    }
    assert_eq!(kubectl.run(&["get", "pods", "--field-selector", &on_host, "-o", "name"]), "");
    kubectl.run(&["uncordon", &host]);
    kubectl.run(&["rollout", "status", "deployment", "spread", "--timeout=60s"]);
    kubectl.run(&["delete", "deployment", "spread"]);
    kubectl.gone("pods", "app=spread");
}

fn small_objects_are_kept(kubectl: &Kubectl) {
    kubectl.run(&["create", "namespace", "team"]);
    kubectl.run(&["-n", "team", "create", "configmap", "settings", "--from-literal=mode=fast"]);
    kubectl.run(&["-n", "team", "create", "secret", "generic", "key", "--from-literal=token=abc"]);
    kubectl.run(&["-n", "team", "create", "serviceaccount", "robot"]);
    kubectl.run(&["create", "priorityclass", "urgent", "--value=1000"]);
    let value = kubectl.run(&["-n", "team", "get", "secret", "key", "-o", "jsonpath={.data.token}"]);
    assert_eq!(value, "YWJj");
    kubectl.run(&["-n", "team", "annotate", "configmap", "settings", "note=one"]);
    edit(kubectl, &["-n", "team", "edit", "configmap", "settings"], "s/mode: fast/mode: slow/");
    let mode = "jsonpath={.data.mode} {.metadata.annotations.note}";
    assert_eq!(kubectl.run(&["-n", "team", "get", "configmap", "settings", "-o", mode]), "slow one");
    let patch = r#"{"data":{"mode":null,"level":"3"}}"#;
    kubectl.run(&["-n", "team", "patch", "configmap", "settings", "--type=merge", "-p", patch]);
    assert_eq!(
        kubectl.run(&["-n", "team", "get", "configmap", "settings", "-o", "jsonpath={.data}"]),
        r#"{"level":"3"}"#
    );
    kubectl.run(&["delete", "priorityclass", "urgent"]);
    kubectl.run(&["delete", "namespace", "team", "--timeout=60s"]);
    let gone = kubectl.refused(&["-n", "team", "get", "configmap", "settings"]);
    assert!(gone.contains("NotFound"), "{gone}");
}

/// `kubectl edit`, with an editor that is a sed script.
fn edit(kubectl: &Kubectl, arguments: &[&str], script: &str) {
    let output = kubectl
        .command(arguments)
        .env("KUBE_EDITOR", format!("sed -i '{script}'"))
        .stdout(Stdio::piped())
        .output()
        .expect("kubectl runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn operators_see_all_tenants(kubectl: &Kubectl, url: &str) {
    let server = |tenant: &str| format!("--server={url}/tenants/{tenant}");
    let (all, blue, red) = (server("all"), server("blue"), server("red"));
    kubectl.run(&[&blue, "create", "configmap", "settings"]);
    let columns = r"custom-columns=TENANT:.metadata.annotations.meridian\.io/tenant,NAME:.metadata.name";
    let watch = [&all, "get", "configmaps", "-A", "-w", "--no-headers", "-o", columns];
    let mut watch = Process::start(&mut kubectl.command(&watch));
    watch.line("blue");
    kubectl.run(&[&red, "create", "configmap", "settings"]);
    watch.line("red");
    let table = kubectl.run(&[&all, "get", "configmaps", "-A"]);
    let rows: Vec<Vec<&str>> = table.lines().map(|row| row.split_whitespace().take(3).collect()).collect();
    let expected =
        [["NAMESPACE", "TENANT", "NAME"], ["default", "blue", "settings"], ["default", "red", "settings"]];
    assert_eq!(rows, expected, "{table}");
    let refused = kubectl.refused(&[&all, "delete", "configmap", "settings"]);
    assert!(refused.contains("name its tenant"), "{refused}");
    for tenant in [&blue, &red] {
        kubectl.run(&[tenant, "delete", "configmap", "settings"]);
    }
}

fn fields_are_explained(kubectl: &Kubectl) {
    let explained = kubectl.run(&["explain", "deployment.spec.strategy"]);
    assert!(explained.contains("rollingUpdate") && explained.contains("DESCRIPTION"), "{explained}");
    let resources = kubectl.run(&["api-resources", "-o", "name"]);
    for resource in [
        "pods",
        "deployments.apps",
        "leases.coordination.k8s.io",
        "poddisruptionbudgets.policy",
        "priorityclasses.scheduling.k8s.io",
        "podgroups.scheduling.x-k8s.io",
    ] {
        assert!(resources.lines().any(|line| line == resource), "{resource} is not in {resources}");
    }
    let version = kubectl.run(&["version"]);
    assert!(version.contains("Server Version"), "{version}");
}

#[test]
fn a_pod_is_explained() {
    let region = Region::start(&QUICK);
    let program = kubectls().pop().expect("there is a kubectl");
    let kubectl = Kubectl::new(&program, &region.kubeconfig());
    kubectl.run(&["apply", "-f", "examples/too-large.yaml"]);
    kubectl.run(&["wait", "--for=condition=PodScheduled=false", "pod/too-large", "--timeout=60s"]);
    let why = explain(&region.kubeconfig(), "too-large");
    assert!(why.contains("0/20 nodes are available") && why.contains("Insufficient cpu"), "{why}");
    kubectl.run(&["apply", "-f", "examples/web.yaml"]);
    kubectl.run(&["rollout", "status", "deployment", "web", "--timeout=60s"]);
    let pods = kubectl.run(&["get", "pods", "-l", "app=web", "-o", "name"]);
    let pod = pods.lines().next().expect("pods run").trim_start_matches("pod/").to_owned();
    let host = kubectl.run(&["get", "pod", &pod, "-o", "jsonpath={.spec.nodeName}"]);
    let why = explain(&region.kubeconfig(), &pod);
    assert!(why.contains(&host) && why.contains("NodeResourcesFit"), "{why}");
}

fn explain(kubeconfig: &Path, pod: &str) -> String {
    let output = crate::process::meridian()
        .args(["explain", "pod", pod, "--kubeconfig"])
        .arg(kubeconfig)
        .output()
        .expect("the program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it prints UTF-8")
}

/// A host that fails is marked, and takes pods again when it has recovered.
#[test]
fn a_host_fails_and_recovers() {
    let region = Region::start(&QUICK);
    let program = kubectls().pop().expect("there is a kubectl");
    let kubectl = Kubectl::new(&program, &region.kubeconfig());
    kubectl.run(&["create", "deployment", "web", "--image=nginx", "--replicas=40"]);
    kubectl.run(&["rollout", "status", "deployment", "web", "--timeout=60s"]);
    let host = "host-00001";
    let on_host = format!("spec.nodeName={host}");
    let pods = ["get", "pods", "--field-selector", on_host.as_str(), "-o", "name"];
    assert!(!kubectl.run(&pods).is_empty(), "some pods are on {host}");
    // It comes back without anything that ran there: the pods are replaced.
    kubectl.run(&["annotate", "node", host, "sim.meridian.io/fault=wipe"]);
    kubectl.run(&["annotate", "node", host, "sim.meridian.io/fault-"]);
    kubectl.run(&["wait", "--for=condition=Ready", &format!("node/{host}"), "--timeout=90s"]);
    kubectl.run(&["scale", "deployment", "web", "--replicas=45"]);
    kubectl.run(&["rollout", "status", "deployment", "web", "--timeout=90s"]);
    let running = ["get", "pods", "-l", "app=web", "--field-selector", "status.phase=Running", "-o", "name"];
    assert_eq!(kubectl.run(&running).lines().count(), 45);
}
