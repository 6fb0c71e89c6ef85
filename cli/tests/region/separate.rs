//! A region in processes of their own: a control plane, schedulers and hosts, over gRPC.

use std::path::PathBuf;

use tempfile::TempDir;

use crate::process::{Kubectl, Process, kubectls, meridian};

/// A control plane in a process of its own.
struct ControlPlane {
    process: Process,
    dir: TempDir,
    url: String,
}

impl ControlPlane {
    fn start(dir: TempDir, listen: &str) -> Self {
        let mut command = meridian();
        command.args(["apiserver", "--listen", listen, "--data-dir"]).arg(dir.path());
        let mut process = Process::start(&mut command);
        let url = process.line("API");
        process.line("data");
        Self { process, dir, url }
    }

    fn kubeconfig(&self) -> PathBuf {
        self.dir.path().join("kubeconfig")
    }
}

fn scheduler(url: &str, name: &str) -> Process {
    let mut command = meridian();
    command.args(["scheduler", "--server", url, "--name", name]);
    let mut process = Process::start(&mut command);
    process.line("scheduler");
    process
}

fn hosts(url: &str, dir: &TempDir) -> Process {
    let mut command = meridian();
    command.args(["agent", "--simulated", "10", "--server", url]);
    command.args(["--create-delay", "5", "--start-delay", "5", "--stop-delay", "5", "--state"]);
    command.arg(dir.path().join("agents.redb"));
    let mut process = Process::start(&mut command);
    process.line("10 simulated hosts");
    process
}

#[test]
fn each_part_may_be_killed_and_started_again() {
    let state = tempfile::tempdir().expect("a directory can be made");
    let control_plane =
        ControlPlane::start(tempfile::tempdir().expect("a directory can be made"), "127.0.0.1:0");
    let url = control_plane.url.clone();
    let listen = url.trim_start_matches("http://").to_owned();
    let agents = hosts(&url, &state);
    let schedulers = [scheduler(&url, "one"), scheduler(&url, "two")];
    let program = kubectls().pop().expect("there is a kubectl");
    let kubectl = Kubectl::new(&program, &control_plane.kubeconfig());
    kubectl.run(&["create", "deployment", "web", "--image=nginx", "--replicas=20"]);
    kubectl.run(&["rollout", "status", "deployment", "web", "--timeout=60s"]);

    let [one, _two] = schedulers;
    one.kill();
    kubectl.run(&["scale", "deployment", "web", "--replicas=25"]);
    kubectl.run(&["rollout", "status", "deployment", "web", "--timeout=60s"]);

    let ControlPlane { process, dir, .. } = control_plane;
    process.kill();
    let control_plane = ControlPlane::start(dir, &listen);
    assert_eq!(control_plane.url, url);
    kubectl.run(&["scale", "deployment", "web", "--replicas=30"]);
    kubectl.run(&["rollout", "status", "deployment", "web", "--timeout=90s"]);

    // The hosts, which went on, are heard of by the new process; a watch tells when.
    let renewed = ["get", "leases", "-n", "kube-node-lease", "-w", "-o", "custom-columns=AT:.spec.renewTime"];
    let mut leases = Process::start(&mut kubectl.command(&renewed));
    for _ in 0..10 {
        leases.line("20");
    }

    agents.kill();
    let _agents = hosts(&url, &state);
    kubectl.run(&["scale", "deployment", "web", "--replicas=35"]);
    kubectl.run(&["rollout", "status", "deployment", "web", "--timeout=90s"]);
    let restarts = "jsonpath={.items[*].status.containerStatuses[*].restartCount}";
    let restarts = kubectl.run(&["get", "pods", "-l", "app=web", "-o", restarts]);
    assert!(restarts.split_whitespace().all(|count| count == "0"), "{restarts}");
}
