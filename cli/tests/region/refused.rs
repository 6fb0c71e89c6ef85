//! What a region refuses to start with or to take, and how it says so.

use std::fs;
use std::net::TcpListener;

use crate::process::{Kubectl, Process, Region, kubectls, meridian};

const QUICK: [&str; 8] = ["--hosts", "3", "--create-delay", "5", "--start-delay", "5", "--stop-delay", "5"];

/// Starts a region that does not start. The answer is what it says.
fn up(arguments: &[&str]) -> String {
    let output = meridian().arg("up").args(arguments).output().expect("the program runs");
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).expect("it prints UTF-8")
}

#[test]
fn a_second_process_on_a_data_directory_is_refused() {
    let region = Region::start(&QUICK);
    let dir = region.dir.path().to_str().expect("the path is text");
    let said = up(&["--listen", "127.0.0.1:0", "--data-dir", dir]);
    assert!(said.contains(dir) && said.contains("in use"), "{said}");
    // The first one did not notice.
    let program = kubectls().pop().expect("there is a kubectl");
    Kubectl::new(&program, &region.kubeconfig()).run(&["create", "configmap", "a"]);
}

#[test]
fn a_port_in_use_is_refused() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = taken.local_addr().expect("it has an address").to_string();
    let dir = tempfile::tempdir().expect("a directory can be made");
    let said = up(&["--listen", &address, "--data-dir", dir.path().to_str().expect("the path is text")]);
    assert!(said.contains(&address) && said.contains("--listen"), "{said}");
}

#[test]
fn an_address_that_others_reach_is_refused() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let said = up(&["--listen", "0.0.0.0:0", "--data-dir", dir.path().to_str().expect("the path is text")]);
    assert!(said.contains("0.0.0.0") && said.contains("loopback"), "{said}");
}

#[test]
fn a_corrupt_data_directory_is_refused_and_left_alone() {
    let region = Region::start(&QUICK);
    let program = kubectls().pop().expect("there is a kubectl");
    let kubectl = Kubectl::new(&program, &region.kubeconfig());
    for index in 0..20 {
        kubectl.run(&["create", "configmap", &format!("c{index}"), "--from-literal=a=b"]);
    }
    let dir = region.kill();
    let log = fs::read_dir(dir.path().join("tenants"))
        .expect("the store's directory is there")
        .map(|entry| entry.expect("it can be read").path())
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("log-")))
        .expect("there is a log");
    let mut bytes = fs::read(&log).expect("the log can be read");
    // In the midst of what was acknowledged: what follows is whole, so this is no torn end.
    bytes[600] ^= 0xff;
    fs::write(&log, &bytes).expect("the log can be written");
    let said = up(&["--listen", "127.0.0.1:0", "--data-dir", dir.path().to_str().expect("the path is text")]);
    let name = log.file_name().expect("it has a name").to_string_lossy().into_owned();
    assert!(said.contains(&name) && said.contains("corrupt at offset") && said.contains("backup"), "{said}");
    assert_eq!(fs::read(&log).expect("the log can be read"), bytes);
}

#[test]
fn arguments_that_contradict_each_other_are_refused() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let dir = dir.path().to_str().expect("the path is text");
    let said = up(&["--data-dir", dir, "--store", "etcd", "--listen", "127.0.0.1:0"]);
    assert!(said.contains("--etcd-endpoints"), "{said}");
    let said = up(&["--data-dir", dir, "--etcd-endpoints", "http://127.0.0.1:1", "--listen", "127.0.0.1:0"]);
    assert!(said.contains("--store etcd"), "{said}");
}

#[test]
fn a_manifest_that_is_wrong_is_refused_with_its_field() {
    let region = Region::start(&QUICK);
    let program = kubectls().pop().expect("there is a kubectl");
    let kubectl = Kubectl::new(&program, &region.kubeconfig());
    let dir = tempfile::tempdir().expect("a directory can be made");
    let pod = |container: &str| {
        let path = dir.path().join("pod.yaml");
        let text = format!(
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: wrong\nspec:\n  containers:\n  - name: c\n    image: i\n{container}"
        );
        fs::write(&path, text).expect("the manifest can be written");
        path.to_str().expect("the path is text").to_owned()
    };
    let cases = [
        ("    resources: {requests: {cpu: 12x}}\n", "spec.containers[0].resources.requests"),
        ("    imagePullPolicy: Sometimes\n", "spec.containers[0].imagePullPolicy"),
        ("    ports: [{containerPort: 99999}]\n", "spec.containers[0].ports[0].containerPort"),
        ("  - name: c\n    image: j\n", "spec.containers[1].name"),
    ];
    for (part, field) in cases {
        let said = kubectl.refused(&["create", "--validate=false", "-f", &pod(part)]);
        assert!(said.contains(field), "{part}: {said}");
    }
    let said = kubectl.refused(&["create", "-f", &pod("    colour: blue\n")]);
    assert!(said.contains("colour"), "{said}");
    let said = kubectl.refused(&["create", "configmap", "Wrong"]);
    assert!(said.contains("metadata.name") && said.contains("RFC 1123"), "{said}");
}

#[test]
fn a_region_ends_well_when_it_is_asked_to() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let mut command = meridian();
    command.args(["up", "--hosts", "3", "--listen", "127.0.0.1:0", "--data-dir"]).arg(dir.path());
    let mut process = Process::start(&mut command);
    process.line("API");
    // Also before it is ready.
    let (well, said) = process.interrupt();
    assert!(well && said.contains("shutting down"), "{said}");
}
