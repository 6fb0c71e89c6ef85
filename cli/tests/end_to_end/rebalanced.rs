//! `rebalance`: moves that leave a cluster better, from a dump.

use serde_json::{Value, json};

use crate::folder::Folder;

fn node(name: &str, cpu: &str, labels: Value) -> Value {
    json!({"kind": "Node", "apiVersion": "v1", "metadata": {"name": name, "labels": labels},
        "status": {"allocatable": {"cpu": cpu, "memory": "8Gi", "pods": "110"}}})
}

fn pod(name: &str, node: &str, cpu: &str, owner: &str) -> Value {
    let owners = match owner {
        "" => json!([]),
        kind => json!([{"kind": kind, "name": "o", "controller": true}]),
    };
    json!({"kind": "Pod", "apiVersion": "v1",
        "metadata": {"name": name, "namespace": "shop", "uid": name, "ownerReferences": owners},
        "spec": {"nodeName": node,
            "containers": [{"name": "c", "resources": {"requests": {"cpu": cpu, "memory": "1Gi"}}}]},
        "status": {"phase": "Running"}})
}

/// Three hosts of four CPUs: one with a pod of one CPU and one of a DaemonSet, one with three CPUs taken, one with two.
fn items() -> Vec<Value> {
    vec![
        node("a", "4", json!({})),
        node("b", "4", json!({"disk": "ssd"})),
        node("c", "4", json!({})),
        pod("web-1", "a", "1", "ReplicaSet"),
        pod("log-a", "a", "100m", "DaemonSet"),
        pod("web-2", "b", "3", "ReplicaSet"),
        pod("web-3", "c", "2", "ReplicaSet"),
    ]
}

fn folder(items: &[Value]) -> Folder {
    let folder = Folder::new();
    folder.write("dump.json", json!({"kind": "List", "apiVersion": "v1", "items": items}).to_string());
    folder
}

/// The moves as `pod from to`.
fn moves(answer: &Value) -> Vec<String> {
    let text = |one: &Value, key: &str| one[key].as_str().unwrap_or_default().to_owned();
    let moves = answer["moves"].as_array().expect("an array of moves");
    moves
        .iter()
        .map(|one| format!("{} {} {}", text(one, "name"), text(one, "from"), text(one, "to")))
        .collect()
}

#[test]
fn hosts_are_emptied_that_others_have_room_for() {
    let folder = folder(&items());
    let answer = folder.json("rebalance --consolidate --dump dump.json");
    // To b goes what b has room for; c and b cannot take each other's.
    assert_eq!(answer["emptied"], json!(["a"]));
    assert_eq!(moves(&answer), ["web-1 a c"]);
    assert_eq!((&answer["moves"][0]["why"], &answer["left_over"]), (&json!("consolidate"), &json!(0)));
    assert_eq!(answer["before"]["resources"], answer["after"]["resources"]);
    let ran = folder.runs("rebalance --consolidate --dump dump.json");
    assert!(
        ran.out.contains("\nshop/web-1  a     c   its host can be emptied\n\nemptied: a\n"),
        "{}",
        ran.out
    );
}

#[test]
fn a_host_is_emptied_whole_or_not_at_all() {
    let mut items = items();
    // The smaller one would have the better place on c, where only the larger one fits.
    items.extend([pod("web-4", "a", "1500m", "ReplicaSet"), pod("web-5", "c", "500m", "ReplicaSet")]);
    let folder = folder(&items);
    let answer = folder.json("rebalance --consolidate --dump dump.json");
    assert_eq!(
        (moves(&answer), &answer["emptied"]),
        (vec!["web-4 a c".to_owned(), "web-1 a b".to_owned()], &json!(["a"]))
    );
    let answer = folder.json("rebalance --consolidate --most-moves 1 --dump dump.json");
    assert_eq!((moves(&answer).len(), &answer["emptied"]), (0, &json!([])));
    let mut tight = items;
    tight.push(pod("web-6", "b", "500m", "ReplicaSet"));
    let answer = self::folder(&tight).json("rebalance --consolidate --dump dump.json");
    assert_eq!((moves(&answer).len(), &answer["emptied"]), (0, &json!([])));
    assert_eq!(answer["before"], answer["after"]);
}

#[test]
fn what_nobody_would_make_anew_keeps_its_host() {
    let mut kept = items();
    kept.push(pod("bare", "a", "100m", ""));
    let answer = folder(&kept).json("rebalance --consolidate --dump dump.json");
    assert_eq!((moves(&answer), &answer["emptied"]), (vec!["web-3 c a".to_owned()], &json!(["c"])));
    let mut kept = items();
    kept[3]["metadata"]["annotations"] = json!({"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"});
    let answer = folder(&kept).json("rebalance --drain a --dump dump.json");
    assert_eq!(answer["stuck"], json!([{"pod": "shop/web-1", "why": "its owner does not want it moved"}]));
}

#[test]
fn drained_hosts_are_left_in_as_many_steps_as_it_takes() {
    let mut items = items();
    items.extend([pod("small", "c", "100m", "Job"), pod("bare", "c", "100m", "")]);
    let folder = folder(&items);
    let answer = folder.json("rebalance --drain c --dump dump.json");
    assert_eq!(moves(&answer), ["web-3 c a", "small c b"]);
    assert_eq!(answer["drained"], json!(["c"]));
    assert_eq!(
        answer["stuck"],
        json!([{"pod": "shop/bare", "why": "it has no controller: nobody would make it anew"}])
    );
    let answer = folder.json("rebalance --drain c --most-moves 1 --dump dump.json");
    assert_eq!((moves(&answer).len(), &answer["left_over"]), (1, &json!(1)));
    // Nothing goes from one drained host to the other.
    let answer = folder.json("rebalance --drain a,c --dump dump.json");
    assert_eq!(moves(&answer), ["web-1 a b"]);
    assert_eq!(answer["stuck"][0]["pod"], "shop/web-3");
    assert!(answer["stuck"][0]["why"].as_str().unwrap().starts_with("0/3 nodes are available: "));
}

#[test]
fn pods_go_that_their_hosts_do_not_admit_any_more() {
    let mut items = items();
    items[6]["spec"]["nodeSelector"] = json!({"disk": "ssd"});
    items[5]["spec"]["containers"][0]["resources"]["requests"]["cpu"] = json!("1");
    let answer = folder(&items).json("rebalance --correct --dump dump.json");
    assert_eq!(moves(&answer), ["web-3 c b"]);
    assert_eq!(answer["moves"][0]["why"], "correct");
    // A host that is only cordoned keeps what it has.
    let mut cordoned = self::items();
    cordoned[2]["spec"] = json!({"unschedulable": true});
    assert_eq!(moves(&folder(&cordoned).json("rebalance --correct --dump dump.json")).len(), 0);
}

#[test]
fn pods_leave_the_zone_that_has_too_many() {
    let zone = |name: &str, zone: &str| node(name, "8", json!({"topology.kubernetes.io/zone": zone}));
    let mut items = vec![zone("a", "one"), zone("b", "one"), zone("c", "two")];
    for (number, host) in ["a", "a", "b", "b"].iter().enumerate() {
        let mut one = pod(&format!("web-{number}"), host, "1", "ReplicaSet");
        one["metadata"]["labels"] = json!({"app": "web"});
        one["spec"]["topologySpreadConstraints"] = json!([{"maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule",
            "topologyKey": "topology.kubernetes.io/zone", "labelSelector": {"matchLabels": {"app": "web"}}}]);
        items.push(one);
    }
    let answer = folder(&items).json("rebalance --correct --dump dump.json");
    assert_eq!(moves(&answer), ["web-0 a c", "web-1 a c"]);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let folder = folder(&items());
    folder.fails(
        "rebalance --dump dump.json",
        "nothing is asked for, want --drain NODE, --correct or --consolidate",
    );
    folder
        .fails("rebalance --drain z --dump dump.json", "host z is not in the cluster, whose first host is a");
    assert_eq!(folder.run("rebalance --drain a --carry-out --dump dump.json").code, Some(2));
    assert_eq!(folder.run("rebalance --drain a --most-moves 0 --dump dump.json").code, Some(2));
}

#[test]
fn pods_keep_to_numa_nodes_where_they_go_and_where_they_come_back_to() {
    let of_nodes = |mut item: Value, value: &str| {
        item["metadata"]["annotations"] = json!({"meridian.io/numa-nodes": value});
        item
    };
    let halves = r#"[{"cpu": "2", "memory": "4Gi"}, {"cpu": "2", "memory": "4Gi"}]"#;
    let items = [
        of_nodes(node("a", "4", json!({})), halves),
        of_nodes(node("b", "4", json!({})), halves),
        of_nodes(pod("one", "a", "1500m", "ReplicaSet"), "1"),
        of_nodes(pod("two", "a", "1500m", "ReplicaSet"), "1"),
        of_nodes(pod("there", "b", "1", "ReplicaSet"), "1"),
    ];
    // Of two halves of b one is taken in part: there is room for one more pod, and by CPU alone there would be for both.
    let folder = folder(&items);
    let answer = folder.json("rebalance --drain a --dump dump.json");
    assert_eq!(moves(&answer).len(), 1, "{answer}");
    let stuck = answer["stuck"].as_array().expect("an array of pods");
    assert_eq!(stuck.len(), 1, "{answer}");
    // Neither host has a node for all that is on the other: what has gone is put back on the node that it was on.
    let answer = folder.json("rebalance --consolidate --dump dump.json");
    assert_eq!((moves(&answer).len(), &answer["emptied"]), (0, &json!([])), "{answer}");
}
