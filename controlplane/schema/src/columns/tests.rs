//! Rows.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::age::words;
use super::{table_cells, table_columns};
use crate::table::{self, Kind};

const CREATED: &str = "2026-01-01T00:00:00Z";

fn now() -> Timestamp {
    "2026-01-01T00:03:20Z".parse().unwrap()
}

/// The cells that are always shown.
fn row(kind: &Kind, mut object: Value) -> Vec<Value> {
    object["metadata"]["creationTimestamp"] = json!(CREATED);
    let cells = table_cells(kind, &object, now());
    assert_eq!(cells.len(), table_columns(kind).len());
    let shown = table_columns(kind).iter().zip(cells).filter(|(column, _)| column.priority == 0);
    shown.map(|(_, cell)| cell).collect()
}

#[test]
fn ages_in_words() {
    for (seconds, expected) in [
        (-5, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (200, "3m20s"),
        (600, "10m"),
        (10_799, "179m"),
        (10_800, "3h"),
        (11_100, "3h5m"),
        (28_800, "8h"),
        (172_799, "47h"),
        (172_800, "2d"),
        (183_600, "2d3h"),
        (691_200, "8d"),
        (63_072_000, "2y"),
        (63_158_400, "2y1d"),
        (252_288_000, "8y"),
    ] {
        assert_eq!(words(seconds), expected, "{seconds}");
    }
    let unknown = table_cells(table::config_map(), &json!({"metadata": {"name": "c"}}), now());
    assert_eq!(unknown[2], "<unknown>");
}

#[test]
fn every_kind_names_its_objects_and_describes_its_columns() {
    for kind in table::kinds() {
        let columns = table_columns(kind);
        assert_eq!(columns.iter().filter(|column| column.format == "name").count(), 1, "{}", kind.kind);
        assert!(columns.iter().all(|column| !column.description.is_empty()));
        assert_eq!(table_cells(kind, &Value::Null, now()).len(), columns.len(), "{}", kind.kind);
    }
}

/// Status, readiness and restarts of a pod with two containers and what is said of it.
fn pod(spec: Value, status: Value, deleted: bool) -> [String; 3] {
    let mut object = json!({"metadata": {"name": "web"}, "spec": spec, "status": status});
    object["spec"]["containers"] = json!([{"name": "a"}, {"name": "b"}]);
    if deleted {
        object["metadata"]["deletionTimestamp"] = json!(CREATED);
    }
    let cells = row(table::pod(), object);
    [1, 2, 3].map(|at: usize| cells[at].as_str().unwrap().to_owned())
}

fn container(name: &str, ready: bool, state: Value) -> Value {
    json!({"name": name, "ready": ready, "state": state, "restartCount": 0})
}

#[test]
fn pods() {
    let running = || json!({"running": {}});
    let ended = |code: i64, reason: &str| json!({"terminated": {"exitCode": code, "reason": reason}});
    let both = |a: Value, b: Value| json!({"phase": "Running", "containerStatuses": [a, b]});
    let pending = json!({"phase": "Pending"});
    assert_eq!(pod(json!({}), pending.clone(), false), ["0/2", "Pending", "0"]);
    assert_eq!(pod(json!({}), pending, true), ["0/2", "Terminating", "0"]);
    assert_eq!(pod(json!({}), json!({"phase": "Succeeded"}), true), ["0/2", "Succeeded", "0"]);
    assert_eq!(
        pod(json!({}), json!({"phase": "Failed", "reason": "Evicted"}), false),
        ["0/2", "Evicted", "0"]
    );
    assert_eq!(
        pod(json!({}), json!({"phase": "Running", "reason": "NodeLost"}), true),
        ["0/2", "Unknown", "0"]
    );
    let gated = json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]});
    assert_eq!(pod(json!({}), gated, false), ["0/2", "SchedulingGated", "0"]);

    let fine = both(container("a", true, running()), container("b", true, running()));
    assert_eq!(pod(json!({}), fine, false), ["2/2", "Running", "0"]);
    let mut crashing = container("a", false, json!({"waiting": {"reason": "CrashLoopBackOff"}}));
    crashing["restartCount"] = json!(3);
    crashing["lastState"] = json!({"terminated": {"finishedAt": "2026-01-01T00:02:20Z"}});
    let status = both(crashing, container("b", true, running()));
    assert_eq!(pod(json!({}), status, false), ["1/2", "CrashLoopBackOff", "3 (60s ago)"]);

    let mixed = both(container("a", false, ended(0, "Completed")), container("b", true, running()));
    assert_eq!(pod(json!({}), mixed, false), ["1/2", "NotReady", "0"]);
    let killed = both(
        container("a", false, json!({"terminated": {"exitCode": 137, "signal": 9}})),
        container("b", false, json!({})),
    );
    assert_eq!(pod(json!({}), killed, false), ["0/2", "Signal:9", "0"]);
    let failed = both(container("a", false, ended(3, "")), container("b", false, json!({})));
    assert_eq!(pod(json!({}), failed, false), ["0/2", "ExitCode:3", "0"]);
}

#[test]
fn pods_that_prepare() {
    let spec = json!({"initContainers": [{"name": "i"}, {"name": "side", "restartPolicy": "Always"}]});
    let status = |first: Value| {
        json!({
            "phase": "Pending",
            "initContainerStatuses": [container("i", false, first)],
            "containerStatuses": [container("a", false, json!({"waiting": {"reason": "PodInitializing"}}))],
        })
    };
    assert_eq!(pod(spec.clone(), status(json!({"running": {}})), false), ["0/3", "Init:0/2", "0"]);
    let waiting = status(json!({"waiting": {"reason": "ImagePullBackOff"}}));
    assert_eq!(pod(spec.clone(), waiting, false), ["0/3", "Init:ImagePullBackOff", "0"]);
    let failed = status(json!({"terminated": {"exitCode": 1}}));
    assert_eq!(pod(spec.clone(), failed, false), ["0/3", "Init:ExitCode:1", "0"]);
    let mut done = status(json!({"terminated": {"exitCode": 0}}));
    done["initContainerStatuses"][0]["restartCount"] = json!(4);
    assert_eq!(pod(spec.clone(), done.clone(), false), ["0/3", "PodInitializing", "0"]);
    let mut side = container("side", true, json!({"running": {}}));
    side["started"] = json!(true);
    done["initContainerStatuses"].as_array_mut().unwrap().push(side);
    assert_eq!(pod(spec, done, false), ["1/3", "PodInitializing", "0"]);
}

#[test]
fn wide_columns_of_a_pod() {
    let object = json!({
        "metadata": {"name": "web"},
        "spec": {"nodeName": "host-1", "readinessGates": [{"conditionType": "x/up"}, {"conditionType": "x/fed"}]},
        "status": {"podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.2"}], "conditions": [{"type": "x/up", "status": "True"}]},
    });
    assert_eq!(
        table_cells(table::pod(), &object, now())[5..],
        [json!("10.0.0.2"), json!("host-1"), json!("<none>"), json!("1/2")]
    );
    let none = table_cells(table::pod(), &json!({}), now());
    assert!(none[5..].iter().all(|cell| cell == "<none>"));
}

#[test]
fn nodes() {
    let node = |labels: Value, spec: Value, conditions: Value| {
        let status = json!({"conditions": conditions, "nodeInfo": {"kubeletVersion": "v1.33.0"}});
        row(
            table::node(),
            json!({"metadata": {"name": "n", "labels": labels}, "spec": spec, "status": status}),
        )
    };
    let ready = json!([{"type": "Ready", "status": "True"}]);
    let labels = json!({"node-role.kubernetes.io/worker": "", "kubernetes.io/role": "edge"});
    let cells = node(labels, json!({"unschedulable": true}), ready);
    assert_eq!(
        cells,
        [
            json!("n"),
            json!("Ready,SchedulingDisabled"),
            json!("edge,worker"),
            json!("3m20s"),
            json!("v1.33.0")
        ]
    );
    assert_eq!(node(json!({}), json!({}), json!([{"type": "Ready", "status": "Unknown"}]))[1], "NotReady");
    assert_eq!(node(json!({}), json!({}), json!([]))[1..3], [json!("Unknown"), json!("<none>")]);
}

#[test]
fn other_kinds() {
    let named = |rest: Value| {
        let mut object = rest;
        object["metadata"] = json!({"name": "x"});
        object
    };
    let (name, age) = (json!("x"), json!("3m20s"));
    let workload = named(json!({
        "spec": {"replicas": 3, "selector": {"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "c", "operator": "In", "values": ["e", "d"]}]},
            "template": {"spec": {"containers": [{"name": "m", "image": "i:1"}, {"name": "n", "image": "j"}]}}},
        "status": {"replicas": 3, "readyReplicas": 1, "updatedReplicas": 2, "availableReplicas": 1},
    }));
    assert_eq!(
        row(table::deployment(), workload.clone()),
        [name.clone(), json!("1/3"), json!(2), json!(1), age.clone()]
    );
    assert_eq!(
        row(table::replica_set(), workload.clone()),
        [name.clone(), json!(3), json!(3), json!(1), age.clone()]
    );
    assert_eq!(
        table_cells(table::deployment(), &workload, now())[5..],
        [json!("m,n"), json!("i:1,j"), json!("a=b,c in (d,e)")],
    );
    let cases = [
        (
            table::namespace(),
            json!({"status": {"phase": "Active"}}),
            vec![name.clone(), json!("Active"), age.clone()],
        ),
        (
            table::config_map(),
            json!({"data": {"a": "b"}, "binaryData": {"c": ""}}),
            vec![name.clone(), json!(2), age.clone()],
        ),
        (
            table::secret(),
            json!({"type": "Opaque", "data": {"a": ""}}),
            vec![name.clone(), json!("Opaque"), json!(1), age.clone()],
        ),
        (table::service_account(), json!({}), vec![name.clone(), json!(0), age.clone()]),
        (
            table::lease(),
            json!({"spec": {"holderIdentity": "me"}}),
            vec![name.clone(), json!("me"), age.clone()],
        ),
        (
            table::pod_disruption_budget(),
            json!({"spec": {"minAvailable": "50%"}, "status": {"disruptionsAllowed": 2}}),
            vec![name.clone(), json!("50%"), json!("N/A"), json!(2), age.clone()],
        ),
        (
            table::pod_disruption_budget(),
            json!({"spec": {"maxUnavailable": 0}}),
            vec![name.clone(), json!("N/A"), json!("0"), json!(0), age.clone()],
        ),
        (
            table::priority_class(),
            json!({"value": 7}),
            vec![name, json!(7), json!(false), age, json!("PreemptLowerPriority")],
        ),
    ];
    for (kind, object, expected) in cases {
        assert_eq!(row(kind, named(object)), expected, "{}", kind.kind);
    }
}

#[test]
fn events() {
    let event = json!({
        "metadata": {"name": "web.1"},
        "type": "Normal", "reason": "Scheduled", "message": " placed \n",
        "involvedObject": {"kind": "Pod", "name": "web", "fieldPath": "spec"},
        "eventTime": "2026-01-01T00:03:10.000000Z",
        "reportingComponent": "scheduler", "reportingInstance": "a",
    });
    let cells = table_cells(table::event(), &event, now());
    let expected = ["10s", "Normal", "Scheduled", "pod/web", "spec", "scheduler, a", "placed", "10s"];
    assert_eq!(cells[..8], expected.map(|cell| json!(cell)));
    assert_eq!(cells[8..], [json!(1), json!("web.1")]);
    let mut series = event;
    series["series"] = json!({"count": 5, "lastObservedTime": "2026-01-01T00:03:15.000000Z"});
    let cells = table_cells(table::event(), &series, now());
    assert_eq!([&cells[0], &cells[7], &cells[8]], [&json!("5s"), &json!("10s"), &json!(5)]);
}
