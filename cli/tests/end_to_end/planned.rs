//! `plan` and `whatif`: what would become of a cluster, from a dump.

use serde_json::json;

use crate::folder::Folder;

/// Three hosts, of which one is tainted; pods that run, one of them of a DaemonSet, and one that waits.
fn folder() -> Folder {
    let node = |name: &str, cpu: &str, taints: serde_json::Value| {
        json!({"kind": "Node", "apiVersion": "v1",
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
            "spec": {"taints": taints},
            "status": {"allocatable": {"cpu": cpu, "memory": "8Gi", "pods": "110"}}})
    };
    let pod = |name: &str, node: &str, cpu: &str, owner: &str| {
        json!({"kind": "Pod", "apiVersion": "v1",
            "metadata": {"name": name, "namespace": "shop", "uid": name,
                "ownerReferences": [{"kind": owner, "name": "o", "controller": true}]},
            "spec": {"nodeName": node,
                "containers": [{"name": "c", "resources": {"requests": {"cpu": cpu, "memory": "1Gi"}}}]},
            "status": {"phase": if node.is_empty() { "Pending" } else { "Running" }}})
    };
    let spot = json!([{"key": "spot", "value": "yes", "effect": "NoSchedule"}]);
    let items = [
        node("a", "4", json!([])),
        node("b", "4", json!([])),
        node("c", "8", spot),
        pod("web-1", "a", "2", "ReplicaSet"),
        pod("web-2", "b", "1", "ReplicaSet"),
        pod("log-a", "a", "500m", "DaemonSet"),
        pod("waits", "", "3500m", "ReplicaSet"),
    ];
    let folder = Folder::new();
    folder.write("dump.json", json!({"kind": "List", "apiVersion": "v1", "items": items}).to_string());
    folder
}

fn deployment(name: &str, replicas: u32, cpu: &str, rest: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: shop}}\nspec:\n  replicas: {replicas}\n  \
         selector: {{matchLabels: {{app: {name}}}}}\n  template:\n    metadata: {{labels: {{app: {name}{rest}}}}}\n    \
         spec: {{containers: [{{name: c, image: i, resources: {{requests: {{cpu: {cpu}}}}}}}]}}\n"
    )
}

#[test]
fn a_plan_says_where_pods_go_and_what_would_let_the_others_in() {
    let folder = folder();
    folder.write("new.yaml", deployment("small", 3, "1", "") + "---\n" + &deployment("large", 2, "5", ""));
    let ran = folder.runs("plan -f new.yaml --dump dump.json --policy kubernetes");
    let want = "\
policy kubernetes

workload               priority  pods  placed  pending  hosts
Deployment shop/small  0         3     3       0        b (2), a (1)
Deployment shop/large  0         2     0       2

Deployment shop/large: 2 wait
  0/3 nodes are available: 1 node(s) had untolerated taint {spot: yes}, 2 Insufficient cpu.
  all 2 would go: asking for 500m cpu in the place of 5
  1 of 2 would go: tolerating the taint spot=yes:NoSchedule

in use  before               after
cpu     3.5 of 16.0 (21.9 %)  6.5 of 16.0 (40.6 %)
";
    assert!(ran.out.starts_with(&want[..want.find("in use").unwrap()]), "{}", ran.out);
    assert!(
        ran.out.contains("3.5 of 16.0 (21.9 %)") && ran.out.contains("6.5 of 16.0 (40.6 %)"),
        "{}",
        ran.out
    );
    let answer = folder.json("plan -f new.yaml --dump dump.json --policy kubernetes");
    assert_eq!(answer["workloads"][0]["placed"], json!({"a": 1, "b": 2}));
    assert_eq!(answer["workloads"][1]["remedies"][1]["places"], 1);
    assert_eq!(answer["after"]["resources"]["cpu"], json!({"used": 6_500, "offered": 16_000}));
}

#[test]
fn more_hosts_are_asked_for_where_only_they_help() {
    let folder = folder();
    folder.write("new.yaml", deployment("many", 9, "3", ""));
    let answer = folder.json("plan -f new.yaml --dump dump.json --policy kubernetes");
    let workload = &answer["workloads"][0];
    assert_eq!((&workload["placed"], &workload["pending"]), (&json!({"b": 1}), &json!(8)));
    let remedies: Vec<String> =
        workload["remedies"].as_array().unwrap().iter().map(ToString::to_string).collect();
    let hosts = r#"{"change":"8 more hosts like a, of which there are 2","places":8}"#;
    assert!(remedies.iter().any(|remedy| remedy == hosts), "{remedies:?}");
}

#[test]
fn groups_go_all_or_none_and_daemons_everywhere() {
    let folder = folder();
    let group = "apiVersion: scheduling.x-k8s.io/v1alpha1\nkind: PodGroup\nmetadata: {name: g, namespace: shop}\nspec: {minMember: 3}\n---\n";
    let label = ", scheduling.x-k8s.io/pod-group: g";
    let daemon = "---\napiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: d, namespace: shop}\nspec: {template: {spec: {tolerations: [{operator: Exists}], containers: [{name: c, resources: {requests: {cpu: 100m}}}]}}}\n";
    folder.write("new.yaml", format!("{group}{}{daemon}", deployment("gang", 3, "2", label)));
    let answer = folder.json("plan -f new.yaml --dump dump.json");
    assert_eq!(answer["workloads"][0]["placed"], json!({}));
    assert_eq!(answer["workloads"][0]["pending"], 3);
    let why = answer["workloads"][0]["why"].as_str().unwrap();
    assert!(why.starts_with("1/3 members of the pod group fit"), "{why}");
    assert_eq!(answer["workloads"][1]["placed"], json!({"a": 1, "b": 1, "c": 1}));
}

#[test]
fn pods_of_lower_priority_make_way_unless_the_policy_forbids_it() {
    let folder = folder();
    let class =
        "apiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {name: high}\nvalue: 1000\n---\n";
    let urgent = |rest: &str| {
        let bare = deployment("urgent", 2, "3500m", "");
        class.to_owned()
            + &bare
                .replace("spec: {containers", &format!("spec: {{priorityClassName: high{rest}, containers"))
    };
    folder.write("new.yaml", urgent(""));
    let answer = folder.json("plan -f new.yaml --dump dump.json --policy kubernetes");
    let workload = &answer["workloads"][0];
    assert_eq!(workload["placed"], json!({"a": 1, "b": 1}), "{workload}");
    let preempted: Vec<&str> =
        workload["preempted"].as_array().unwrap().iter().filter_map(serde_json::Value::as_str).collect();
    assert!(preempted.contains(&"shop/web-1") && preempted.contains(&"shop/web-2"), "{preempted:?}");
    let ran = folder.runs("plan -f new.yaml --dump dump.json --policy kubernetes");
    assert!(ran.out.contains("Deployment shop/urgent: 2 would make way: "), "{}", ran.out);
    folder.write("never.yaml", urgent(", preemptionPolicy: Never"));
    let answer = folder.json("plan -f never.yaml --dump dump.json --policy kubernetes");
    assert_eq!(
        (&answer["workloads"][0]["placed"], &answer["workloads"][0]["pending"]),
        (&json!({}), &json!(2))
    );
}

#[test]
fn draining_says_which_pods_move_and_which_wait() {
    let folder = folder();
    let answer = folder.json("whatif --drain a --dump dump.json");
    assert_eq!(answer["moves"], json!([{"pod": "shop/web-1", "from": "a", "to": "b"}]));
    // A pod of a DaemonSet goes with its host.
    assert_eq!(answer["ended"], 1);
    assert_eq!((&answer["before"]["hosts"], &answer["after"]["hosts"]), (&json!(3), &json!(2)));
    assert_eq!(answer["pending"][0]["pod"], "shop/waits");
    let answer = folder.json("whatif --drain a,b --dump dump.json");
    let evicted: Vec<&str> =
        answer["evicted"].as_array().unwrap().iter().filter_map(|waits| waits["pod"].as_str()).collect();
    assert_eq!(evicted, ["shop/web-1", "shop/web-2"]);
    assert_eq!(
        answer["evicted"][0]["why"],
        "0/1 nodes are available: 1 node(s) had untolerated taint {spot: yes}."
    );
    let ran = folder.runs("whatif --drain a --dump dump.json");
    let moves = ran.out.lines().find(|line| line.starts_with("pods that would move"));
    assert!(moves.is_some_and(|line| line.ends_with("  1")), "{}", ran.out);
    assert!(ran.out.contains("\npod         from  to\nshop/web-1  a     b\n"), "{}", ran.out);
}

#[test]
fn hosts_that_are_added_take_what_waits() {
    let folder = folder();
    let answer = folder.json("whatif --add 2 --like a --dump dump.json");
    assert_eq!(answer["placed"], json!([{"pod": "shop/waits", "from": null, "to": "a-new-1"}]));
    assert_eq!(answer["after"]["hosts"], 5);
    assert_eq!(answer["moves"], json!([]));
}

#[test]
fn another_policy_places_all_anew() {
    let folder = folder();
    let answer = folder.json("whatif --policy most-allocated --dump dump.json");
    assert_eq!(answer["policy"], "most-allocated");
    assert_eq!(answer["moves"].as_array().unwrap().len(), 1, "{answer}");
    assert_eq!(answer["ended"], 0);
    assert_eq!(answer["placed"].as_array().unwrap().len(), 1, "packing makes room for what waits: {answer}");
}

#[test]
fn mistakes_are_answered() {
    let folder = folder();
    folder.write("bad.yaml", deployment("small", 1, "many", ""));
    folder.write("none.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: s}\n");
    folder.fails(
        "plan -f none.yaml --dump dump.json",
        "the manifests bring no pods, want a Pod, Deployment, StatefulSet, DaemonSet or Job",
    );
    folder.fails_with(
        "plan -f bad.yaml --dump dump.json",
        &["reading bad.yaml: document 1 (Deployment small): spec.template.spec.containers[0].resources.requests.cpu"],
    );
    folder.fails("whatif --drain z --dump dump.json", "host z is not in the cluster, whose first host is a");
    folder.fails_with("whatif --drain a --server nonsense", &["--server \"nonsense\" is no URL"]);
}
