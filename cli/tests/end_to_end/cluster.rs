//! `explain cluster`: a pod against a dump of a Kubernetes cluster.

use crate::folder::Folder;

/// Two nodes, one of them tainted; a pod that runs, one that waits for room and one with a claim.
const DUMP: &str = r#"{"kind": "List", "apiVersion": "v1", "items": [
  {"kind": "Node", "apiVersion": "v1", "metadata": {"name": "east", "labels": {"zone": "east"}},
   "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"}}},
  {"kind": "Node", "apiVersion": "v1", "metadata": {"name": "west"},
   "spec": {"taints": [{"key": "spot", "value": "yes", "effect": "NoSchedule"}]},
   "status": {"allocatable": {"cpu": "8", "memory": "16Gi", "pods": "110"}}},
  {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "runs", "namespace": "shop", "uid": "1"},
   "spec": {"nodeName": "east", "containers": [{"name": "c", "resources": {"requests": {"cpu": "3", "memory": "1Gi"}}}]},
   "status": {"phase": "Running"}},
  {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "waits", "namespace": "shop", "uid": "2"},
   "spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "1500m", "memory": "1Gi"}}}]},
   "status": {"phase": "Pending"}},
  {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "claims", "namespace": "shop", "uid": "3"},
   "spec": {"tolerations": [{"key": "spot", "operator": "Exists"}],
     "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
     "containers": [{"name": "c", "resources": {"requests": {"cpu": "1500m", "memory": "1Gi"}}}]},
   "status": {"phase": "Pending"}}
]}"#;

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("dump.json", DUMP);
    folder
}

#[test]
fn a_pod_that_waits_is_told_why() {
    let told = folder().runs("explain cluster shop/waits --dump dump.json --policy kubernetes").out;
    let want =
        "  0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint {spot: yes}.\n";
    assert!(told.contains("  not placed\n") && told.contains(want), "{told}");
}

#[test]
fn a_pod_that_runs_is_taken_off_its_node_first() {
    let told = folder().runs("explain cluster shop/runs --dump dump.json").out;
    assert!(told.contains("  placed on east\n  1/2 nodes are available"), "{told}");
}

#[test]
fn what_is_not_looked_at_is_said() {
    let ran = folder().runs("explain cluster shop/claims --dump dump.json");
    assert!(ran.out.contains("  placed on west\n"), "{}", ran.out);
    assert!(
        ran.err.contains("note: ") && ran.err.contains("volumes[0].persistentVolumeClaim"),
        "{}",
        ran.err
    );
}

#[test]
fn mistakes_are_answered() {
    let folder = folder();
    folder.fails(
        "explain cluster shop/nobody --dump dump.json",
        "pod shop/nobody is not in the trace, whose first pod is shop/runs",
    );
    folder.write("broken.json", &DUMP[..DUMP.len() / 2]);
    folder.fails_with("explain cluster shop/runs --dump broken.json", &["broken.json"]);
    folder.write("odd.json", DUMP.replace("1500m", "a lot"));
    folder.fails_with("explain cluster shop/runs --dump odd.json", &["resources.requests.cpu", "a lot"]);
}
