//! `meridian rebalance --carry-out`: pods leave a host of a live region.

use crate::process::{Kubectl, Region, kubectls, meridian};

#[test]
fn a_host_is_emptied_and_its_pods_run_elsewhere() {
    let region =
        Region::start(&["--hosts", "6", "--create-delay", "5", "--start-delay", "5", "--stop-delay", "5"]);
    let kubectl = Kubectl::new(&kubectls()[0], &region.kubeconfig());
    kubectl.run(&["create", "deployment", "web", "--image=nginx", "--replicas=12"]);
    kubectl.run(&["rollout", "status", "deployment", "web", "--timeout=60s"]);
    let host = kubectl.run(&["get", "pods", "-l", "app=web", "-o", "jsonpath={.items[0].spec.nodeName}"]);
    let on_host = format!("spec.nodeName={host}");
    let before = kubectl.run(&["get", "pods", "-o", "name", "--field-selector", &on_host]).lines().count();
    assert!(before > 0);

    let arguments = ["rebalance", "--drain", &host, "--server", &region.url];
    let only_told = meridian().args(arguments).output().expect("the program runs");
    assert!(only_told.status.success(), "{only_told:?}");
    kubectl.becomes(&["get", "node", &host, "-o", "jsonpath={.spec.unschedulable}"], "");

    let ran = meridian().args(arguments).arg("--carry-out").output().expect("the program runs");
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}");
    assert!(said.contains(&format!("cordoned {host}\n")), "{said}");
    assert_eq!(
        said.lines().filter(|line| line.starts_with("evicted default/web-")).count(),
        before,
        "{said}"
    );
    kubectl.becomes(&["get", "pods", "-o", "name", "--field-selector", &on_host], "");
    kubectl.becomes(&["get", "deployment", "web", "-o", "jsonpath={.status.readyReplicas}"], "12");

    // With a budget that holds all back nothing goes, and it is said so.
    let other = kubectl.run(&["get", "pods", "-l", "app=web", "-o", "jsonpath={.items[0].spec.nodeName}"]);
    kubectl.run(&["create", "poddisruptionbudget", "web", "--selector=app=web", "--min-available=12"]);
    kubectl.becomes(&["get", "pdb", "web", "-o", "jsonpath={.status.desiredHealthy}"], "12");
    let arguments = ["rebalance", "--drain", &other, "--most-moves", "1", "--carry-out", "--patience", "2"];
    let ran = meridian().args(arguments).args(["--server", &region.url]).output().expect("the program runs");
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(!ran.status.success());
    assert!(said.contains("disruption budget") && said.contains("1 of 1 pods were held back"), "{said}");
}
