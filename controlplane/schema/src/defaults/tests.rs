//! Objects before and after.

use serde_json::{Value, json};

use super::*;
use crate::table::{deployment, message, namespace, node, pod, replica_set, secret};

/// Fills an object in, checks that doing it again changes nothing, and gives back the part at a pointer.
fn filled(kind: &Kind, mut object: Value, pointer: &str) -> Value {
    apply_defaults(kind, &mut object);
    let once = object.clone();
    apply_defaults(kind, &mut object);
    assert_eq!(object, once);
    object.pointer(pointer).cloned().unwrap_or(Value::Null)
}

fn spec(spec: Value) -> Value {
    filled(pod(), json!({"spec": spec}), "/spec")
}

fn container(container: Value) -> Value {
    spec(json!({"containers": [container]}))["containers"][0].clone()
}

#[test]
fn a_pod_that_says_little() {
    assert_eq!(
        spec(json!({"containers": [{"name": "a", "image": "b"}]})),
        json!({
            "containers": [{
                "name": "a",
                "image": "b",
                "imagePullPolicy": "Always",
                "resources": {},
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
            }],
            "dnsPolicy": "ClusterFirst",
            "enableServiceLinks": true,
            "restartPolicy": "Always",
            "schedulerName": "default-scheduler",
            "securityContext": {},
            "terminationGracePeriodSeconds": 30,
        })
    );
}

#[test]
fn what_is_said_stays() {
    let said =
        json!({"restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "enableServiceLinks": false});
    let after = spec(said.clone());
    for (name, value) in said.as_object().unwrap() {
        assert_eq!(after[name], *value);
    }
}

#[test]
fn pull_policy_by_tag() {
    for (image, policy) in [
        ("web", "Always"),
        ("web:latest", "Always"),
        ("host:5000/web", "Always"),
        ("web:1", "IfNotPresent"),
        ("host:5000/web:1", "IfNotPresent"),
        ("web@sha256:00", "IfNotPresent"),
        ("web:latest@sha256:00", "IfNotPresent"),
    ] {
        assert_eq!(container(json!({"image": image}))["imagePullPolicy"], policy, "{image}");
    }
    assert_eq!(container(json!({"image": "web", "imagePullPolicy": "Never"}))["imagePullPolicy"], "Never");
}

#[test]
fn ports_and_probes() {
    assert_eq!(
        container(json!({"ports": [{"containerPort": 1}]}))["ports"],
        json!([{"containerPort": 1, "protocol": "TCP"}])
    );
    let on_host = spec(json!({"hostNetwork": true, "containers": [{"ports": [{"containerPort": 1}]}]}));
    assert_eq!(on_host["containers"][0]["ports"][0]["hostPort"], 1);
    assert_eq!(
        container(json!({"livenessProbe": {"httpGet": {"port": 1}}}))["livenessProbe"],
        json!({
            "failureThreshold": 3,
            "httpGet": {"path": "/", "port": 1, "scheme": "HTTP"},
            "periodSeconds": 10,
            "successThreshold": 1,
            "timeoutSeconds": 1,
        })
    );
    let variable =
        container(json!({"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]}));
    assert_eq!(variable["env"][0]["valueFrom"]["fieldRef"]["apiVersion"], "v1");
}

#[test]
fn requests_follow_limits() {
    let resources = json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}});
    assert_eq!(
        container(json!({"resources": resources}))["resources"]["requests"],
        json!({"cpu": "500m", "memory": "1Gi"})
    );
    let template = json!({"spec": {"containers": [{"resources": {"limits": {"cpu": "1"}}}]}});
    let template = filled(deployment(), json!({"spec": {"template": template}}), "/spec/template/spec");
    assert_eq!(
        template["containers"][0]["resources"],
        json!({"limits": {"cpu": "1"}}),
        "that of pods made from it do"
    );
    assert!(template.get("enableServiceLinks").is_none());
}

#[test]
fn volumes_and_accounts() {
    let after = spec(json!({
        "serviceAccountName": "robot",
        "volumes": [
            {"name": "a"},
            {"name": "b", "secret": {"secretName": "s"}},
            {"name": "c", "hostPath": {"path": "/"}},
            {"name": "d", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
        ],
    }));
    assert_eq!(after["serviceAccount"], "robot");
    assert_eq!(
        after["volumes"],
        json!([
            {"name": "a", "emptyDir": {}},
            {"name": "b", "secret": {"secretName": "s", "defaultMode": 420}},
            {"name": "c", "hostPath": {"path": "/", "type": ""}},
            {"name": "d", "projected": {"defaultMode": 420, "sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 3600}}]}},
        ])
    );
    assert_eq!(spec(json!({"serviceAccount": "old"}))["serviceAccountName"], "old");
}

#[test]
fn workloads() {
    let spec = |kind, spec: Value| filled(kind, json!({"spec": spec}), "/spec");
    assert_eq!(
        spec(deployment(), json!({})),
        json!({
            "progressDeadlineSeconds": 600,
            "replicas": 1,
            "revisionHistoryLimit": 10,
            "strategy": {"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}, "type": "RollingUpdate"},
        })
    );
    let half = spec(deployment(), json!({"replicas": 0, "strategy": {"rollingUpdate": {"maxSurge": 1}}}));
    assert_eq!(half["replicas"], 0);
    assert_eq!(
        half["strategy"],
        json!({"rollingUpdate": {"maxSurge": 1, "maxUnavailable": "25%"}, "type": "RollingUpdate"})
    );
    assert_eq!(
        spec(deployment(), json!({"strategy": {"type": "Recreate"}}))["strategy"],
        json!({"type": "Recreate"})
    );
    assert_eq!(spec(replica_set(), json!({})), json!({"replicas": 1}));
    let template = spec(replica_set(), json!({"template": {"spec": {"containers": [{"image": "a:1"}]}}}));
    assert_eq!(template["template"]["spec"]["containers"][0]["imagePullPolicy"], "IfNotPresent");
}

#[test]
fn small_kinds() {
    let after = filled(secret(), json!({"data": {"a": "AA=="}, "stringData": {"a": "x", "b": "yz"}}), "");
    assert_eq!(after, json!({"data": {"a": "eA==", "b": "eXo="}, "type": "Opaque"}));
    let after = filled(namespace(), json!({"metadata": {"name": "team"}}), "");
    assert_eq!(
        after,
        json!({
            "metadata": {"name": "team", "labels": {"kubernetes.io/metadata.name": "team"}},
            "status": {"phase": "Active"},
        })
    );
    assert_eq!(
        filled(node(), json!({"status": {"capacity": {"cpu": "4"}}}), "/status/allocatable"),
        json!({"cpu": "4"})
    );
    let mut scale = json!({"spec": {}});
    apply_message_defaults(message("io.k8s.api.autoscaling.v1.Scale").unwrap(), &mut scale);
    assert_eq!(scale, json!({"spec": {}}));
}

#[test]
fn admission_tolerates_lost_hosts_for_a_while() {
    let tolerated = |tolerations: Value| {
        let mut pod = json!({"spec": {"tolerations": tolerations}});
        admit_pod(&mut pod);
        let keys = pod["spec"]["tolerations"].as_array().unwrap().iter();
        keys.map(|toleration| toleration["key"].as_str().unwrap_or("*").to_owned()).collect::<Vec<_>>()
    };
    let (not_ready, unreachable) = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable");
    assert_eq!(tolerated(json!([])), [not_ready, unreachable]);
    assert_eq!(tolerated(json!([{"key": not_ready, "operator": "Exists"}])), [not_ready, unreachable]);
    assert_eq!(
        tolerated(json!([{"key": not_ready, "effect": "NoSchedule"}])),
        [not_ready, not_ready, unreachable]
    );
    assert_eq!(tolerated(json!([{"operator": "Exists"}])), ["*"]);
    let mut pod = json!({"spec": {}});
    admit_pod(&mut pod);
    assert_eq!(
        pod["spec"]["tolerations"][0],
        json!({
            "effect": "NoExecute", "key": not_ready, "operator": "Exists", "tolerationSeconds": 300,
        })
    );
}

#[test]
fn classes_of_service() {
    let class = |containers: Value| qos_class(&json!({"spec": {"containers": containers}}));
    let both = |cpu: &str, memory: &str| json!({"cpu": cpu, "memory": memory});
    let with =
        |requests: Value, limits: Value| json!({"resources": {"requests": requests, "limits": limits}});
    assert_eq!(class(json!([{}])), "BestEffort");
    assert_eq!(class(json!([with(json!({"example.com/gpu": "1", "cpu": "0"}), json!({}))])), "BestEffort");
    assert_eq!(class(json!([with(both("1", "1Gi"), both("1000m", "1Gi"))])), "Guaranteed");
    assert_eq!(class(json!([with(both("1", "1Gi"), both("2", "1Gi"))])), "Burstable");
    assert_eq!(class(json!([with(both("1", "1Gi"), both("1", "1Gi")), {}])), "Burstable");
    assert_eq!(class(json!([with(json!({"cpu": "1"}), json!({}))])), "Burstable");
}

#[test]
fn status_at_creation() {
    let begun = |kind, mut object: Value| {
        initial_status(kind, &mut object);
        object
    };
    let claimed = json!({"spec": {"containers": [{}]}, "status": {"phase": "Running"}});
    assert_eq!(begun(pod(), claimed)["status"], json!({"phase": "Pending", "qosClass": "BestEffort"}));
    let gated = begun(pod(), json!({"spec": {"schedulingGates": [{"name": "wait"}]}}));
    assert_eq!(gated["status"]["conditions"][0]["reason"], "SchedulingGated");
    let team = begun(namespace(), json!({"spec": {"finalizers": ["a.b/c"]}}));
    assert_eq!(team, json!({"spec": {"finalizers": ["a.b/c", "kubernetes"]}, "status": {"phase": "Active"}}));
    assert_eq!(begun(replica_set(), json!({}))["status"], json!({"replicas": 0}));
    let host = json!({"status": {"capacity": {"cpu": "4"}}});
    assert_eq!(begun(node(), host.clone()), host);
}
