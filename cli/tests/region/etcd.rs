//! A region whose objects are in an etcd.

use std::net::TcpListener;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::process::{Kubectl, PATIENCE, Process, Region, kubectls};

/// A real etcd, ended when dropped. None where it is not installed and nobody insists.
fn etcd(dir: &TempDir) -> Option<(Process, String)> {
    let url = || {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        format!("http://127.0.0.1:{}", listener.local_addr().expect("it has an address").port())
    };
    let (client, peer) = (url(), url());
    let mut command = Command::new("etcd");
    command
        .arg("--data-dir")
        .arg(dir.path())
        .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
        .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
        .args(["--initial-cluster", &format!("default={peer}"), "--max-txn-ops", "10000"])
        .args(["--max-request-bytes", "16777216", "--unsafe-no-fsync"])
        .stdin(Stdio::null());
    if Command::new("etcd").arg("--version").output().is_err() {
        let asked = std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(!asked, "there is no etcd: install the package etcd-server");
        return None;
    }
    let process = Process::start(&mut command);
    // It listens when it can be connected to.
    let address = client.trim_start_matches("http://").to_owned();
    let start = std::time::Duration::from_millis(50);
    let tries = PATIENCE.as_millis() / start.as_millis();
    let socket = address.parse().expect("it is an address");
    let listens = (0..tries).any(|_| std::net::TcpStream::connect_timeout(&socket, start).is_ok());
    assert!(listens, "etcd does not listen on {address}");
    Some((process, client))
}

#[test]
fn a_region_keeps_its_objects_in_etcd() {
    let etcd_dir = tempfile::tempdir().expect("a directory can be made");
    let Some((_etcd, endpoint)) = etcd(&etcd_dir) else { return };
    let arguments = ["--hosts", "5", "--store", "etcd", "--etcd-endpoints", &endpoint];
    let arguments =
        [&arguments[..], &["--create-delay", "5", "--start-delay", "5", "--stop-delay", "5"]].concat();
    let region = Region::start(&arguments);
    let program = kubectls().pop().expect("there is a kubectl");
    let kubectl = Kubectl::new(&program, &region.kubeconfig());
    kubectl.run(&["create", "deployment", "web", "--image=nginx", "--replicas=8"]);
    kubectl.run(&["rollout", "status", "deployment", "web", "--timeout=60s"]);
    let names = ["get", "pods", "-l", "app=web", "-o", "jsonpath={.items[*].metadata.uid}"];
    let before = kubectl.run(&names);

    let region = Region::start_in(region.kill(), &arguments);
    let kubectl = Kubectl::new(&program, &region.kubeconfig());
    assert_eq!(kubectl.run(&names), before);
    kubectl.run(&["scale", "deployment", "web", "--replicas=10"]);
    kubectl.run(&["rollout", "status", "deployment", "web", "--timeout=60s"]);
    kubectl.run(&["delete", "deployment", "web"]);
    kubectl.gone("pods", "app=web");
}
