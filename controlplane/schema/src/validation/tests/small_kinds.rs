//! Kinds with few rules of their own, and bodies that are no object of a kind.

use serde_json::{Value, json};

use super::{filled, refused, refused_update, words};
use crate::table::{
    config_map, event, lease, message as named, namespace, node, priority_class, secret, service_account,
};
use crate::validation::{validate_message, validate_status_update};

#[test]
fn metadata_of_any_object() {
    let account = json!({
        "metadata": {"name": "robot", "namespace": "default", "labels": {}, "annotations": {}},
    });
    let subdomain = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and \
        must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
        '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
    let qualified = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
        alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
        '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
    let controller = |name: &str| json!({"apiVersion": "v1", "kind": "Pod", "name": name, "uid": name, "controller": true});
    refused(
        service_account(),
        &account,
        &[
            (
                "/metadata/name",
                json!("Web"),
                &[&format!("metadata.name: Invalid value: \"Web\": {subdomain}")],
            ),
            (
                "/metadata/name",
                json!(null),
                &["metadata.name: Required value: name or generateName is required"],
            ),
            (
                "/metadata/name",
                json!("a".repeat(254)),
                &[&format!(
                    "metadata.name: Invalid value: \"{}\": must be no more than 253 bytes",
                    "a".repeat(254)
                )],
            ),
            ("/metadata/generateName", json!("web-"), &[]),
            (
                "/metadata/generateName",
                json!("Web-"),
                &[&format!("metadata.generateName: Invalid value: \"Web-\": {subdomain}")],
            ),
            ("/metadata/namespace", json!(null), &["metadata.namespace: Required value"]),
            (
                "/metadata/namespace",
                json!("a.b"),
                &["metadata.namespace: Invalid value: \"a.b\": must not contain dots"],
            ),
            (
                "/metadata/labels/-a",
                json!("b"),
                &[&format!("metadata.labels: Invalid value: \"-a\": {qualified}")],
            ),
            (
                "/metadata/labels/~1a",
                json!("b"),
                &["metadata.labels: Invalid value: \"/a\": prefix part must be non-empty"],
            ),
            ("/metadata/annotations/A", json!("\u{e4}"), &[]),
            (
                "/metadata/annotations/a",
                json!("a".repeat(256 * 1024)),
                &["metadata.annotations: Too long: may not be more than 262144 bytes"],
            ),
            (
                "/metadata/finalizers",
                json!(["orphan", "foregroundDeletion"]),
                &[
                    "metadata.finalizers: Invalid value: [\"orphan\",\"foregroundDeletion\"]: finalizer orphan and \
             foregroundDeletion cannot be both set",
                ],
            ),
            (
                "/metadata/ownerReferences",
                json!([{"apiVersion": "v1", "kind": "Pod", "name": "a"}]),
                &["metadata.ownerReferences.uid: Invalid value: \"\": must not be empty"],
            ),
            (
                "/metadata/ownerReferences",
                json!([controller("a"), controller("b")]),
                &[&format!(
                    "metadata.ownerReferences: Invalid value: {}: Only one reference can have Controller set to true. Found \
             \"true\" in references for Pod/a and Pod/b",
                    json!([controller("a"), controller("b")]),
                )],
            ),
            (
                "/metadata/ownerReferences",
                json!([{"apiVersion": "v1", "kind": "Event", "name": "a", "uid": "u"}]),
                &[
                    "metadata.ownerReferences: Invalid value: {\"apiVersion\":\"v1\",\"kind\":\"Event\",\"name\":\"a\",\"uid\":\"u\"}: \
             /v1, Kind=Event is disallowed from being an owner",
                ],
            ),
        ],
    );
}

#[test]
fn namespaces() {
    let right =
        filled(namespace(), json!({"metadata": {"name": "team"}, "spec": {"finalizers": ["kubernetes"]}}));
    refused(
        namespace(),
        &right,
        &[
            (
                "/metadata/name",
                json!("a.b"),
                &["metadata.name: Invalid value: \"a.b\": must not contain dots"],
            ),
            ("/metadata/namespace", json!("x"), &["metadata.namespace: Forbidden: not allowed on this type"]),
            (
                "/spec/finalizers",
                json!(["mine"]),
                &[
                    "spec.finalizers[0]: Invalid value: \"mine\": name is neither a standard finalizer name nor is it fully \
             qualified",
                ],
            ),
        ],
    );
    let mut ended = right.clone();
    ended["status"]["phase"] = json!("Terminating");
    assert_eq!(
        words(&validate_status_update(namespace(), &ended, &right)),
        [
            "status.Phase: Invalid value: \"Terminating\": may only be 'Active' if `deletionTimestamp` is empty",
        ]
    );
}

#[test]
fn nodes() {
    let right = json!({
        "metadata": {"name": "host-1"},
        "spec": {"providerID": "p", "podCIDRs": ["10.0.0.0/24"]},
        "status": {"capacity": {"cpu": "4"}, "addresses": []},
    });
    refused(
        node(),
        &right,
        &[
            (
                "/spec/taints",
                json!([{"key": "a", "effect": "Sometimes"}]),
                &[
                    "spec.taints[0].effect: Unsupported value: \"Sometimes\": supported values: \"NoExecute\", \"NoSchedule\", \
             \"PreferNoSchedule\"",
                ],
            ),
            (
                "/spec/taints",
                json!([{"key": "a", "effect": "NoSchedule"}, {"key": "a", "effect": "NoSchedule"}]),
                &[
                    "spec.taints[1]: Duplicate value: {\"effect\":\"NoSchedule\",\"key\":\"a\"}: taints must be unique by key and \
             effect pair",
                ],
            ),
            (
                "/spec/podCIDRs/0",
                json!("10.0.0.0"),
                &[
                    "spec.podCIDRs[0]: Invalid value: \"10.0.0.0\": must be a valid CIDR value, (e.g. 10.9.8.0/24 or \
             2001:db8::/64)",
                ],
            ),
            (
                "/status/capacity/cpu",
                json!("-4"),
                &["status.capacity[cpu]: Invalid value: \"-4\": must be greater than or equal to 0"],
            ),
            (
                "/status/addresses",
                json!([{"type": "Hostname", "address": "a"}, {"type": "Hostname", "address": "a"}]),
                &["status.addresses[1]: Duplicate value: {\"address\":\"a\",\"type\":\"Hostname\"}"],
            ),
        ],
    );
    refused_update(
        node(),
        &right,
        &[
            ("/spec/unschedulable", json!(true), &[]),
            (
                "/spec/providerID",
                json!("q"),
                &[
                    "spec.providerID: Forbidden: node updates may not change providerID except from \"\" to valid",
                ],
            ),
            (
                "/spec/podCIDRs/0",
                json!("10.0.1.0/24"),
                &["spec.podCIDRs: Forbidden: node updates may not change podCIDR except from \"\" to valid"],
            ),
        ],
    );
}

#[test]
fn config_maps() {
    let right =
        json!({"metadata": {"name": "c", "namespace": "default"}, "data": {"a": "b"}, "binaryData": {}});
    refused(
        config_map(),
        &right,
        &[
            (
                "/data/a b",
                json!("x"),
                &[
                    "data[a b]: Invalid value: \"a b\": a valid config key must consist of alphanumeric characters, '-', '_' or '.' \
             (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
                ],
            ),
            (
                "/binaryData/a",
                json!("AA=="),
                &["data[a]: Invalid value: \"a\": duplicate of key present in binaryData"],
            ),
            (
                "/data/large",
                json!("x".repeat(1024 * 1024)),
                &[": Too long: may not be more than 1048576 bytes"],
            ),
        ],
    );
    let mut set = right;
    set["immutable"] = json!(true);
    refused_update(
        config_map(),
        &set,
        &[
            ("/metadata/labels", json!({"a": "b"}), &[]),
            (
                "/immutable",
                json!(null),
                &["immutable: Forbidden: field is immutable when `immutable` is set"],
            ),
            ("/data/a", json!("c"), &["data: Forbidden: field is immutable when `immutable` is set"]),
            (
                "/binaryData/b",
                json!("AA=="),
                &["binaryData: Forbidden: field is immutable when `immutable` is set"],
            ),
        ],
    );
}

#[test]
fn secrets() {
    let right =
        json!({"metadata": {"name": "s", "namespace": "default"}, "type": "Opaque", "data": {"a": "AA=="}});
    refused(
        secret(),
        &right,
        &[
            ("/data/..", json!("AA=="), &["data[..]: Invalid value: \"..\": must not be '..'"]),
            (
                "/data/a",
                json!("AAAA".repeat(1024 * 1024 / 3 + 1)),
                &["data: Too long: may not be more than 1048576 bytes"],
            ),
            (
                "/type",
                json!("kubernetes.io/tls"),
                &["data[tls.crt]: Required value", "data[tls.key]: Required value"],
            ),
            (
                "/type",
                json!("kubernetes.io/basic-auth"),
                &["data[username]: Required value", "data[password]: Required value"],
            ),
            ("/type", json!("kubernetes.io/ssh-auth"), &["data[ssh-privatekey]: Required value"]),
            ("/type", json!("kubernetes.io/dockercfg"), &["data[.dockercfg]: Required value"]),
            ("/type", json!("kubernetes.io/dockerconfigjson"), &["data[.dockerconfigjson]: Required value"]),
            (
                "/type",
                json!("kubernetes.io/service-account-token"),
                &["metadata.annotations[kubernetes.io/service-account.name]: Required value"],
            ),
        ],
    );
    let mut set = right;
    set["immutable"] = json!(true);
    refused_update(
        secret(),
        &set,
        &[
            ("/type", json!("mine"), &["type: Invalid value: \"mine\": field is immutable"]),
            ("/data/a", json!("AQ=="), &["data: Forbidden: field is immutable when `immutable` is set"]),
        ],
    );
}

#[test]
fn events_and_leases() {
    let right = json!({"metadata": {"name": "e", "namespace": "default"}, "involvedObject": {"namespace": "default"}});
    refused(
        event(),
        &right,
        &[
            (
                "/involvedObject/namespace",
                json!("other"),
                &["involvedObject.namespace: Invalid value: \"other\": does not match event.namespace"],
            ),
            ("/involvedObject/namespace", json!(null), &[]),
            (
                "/eventTime",
                json!("2026-01-01T00:00:00.000000Z"),
                &[
                    "reportingController: Required value",
                    "reportingInstance: Required value",
                    "action: Required value",
                    "reason: Required value",
                ],
            ),
        ],
    );
    let right = json!({"metadata": {"name": "l", "namespace": "default"}, "spec": {}});
    refused(
        lease(),
        &right,
        &[
            (
                "/spec/leaseDurationSeconds",
                json!(0),
                &["spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0"],
            ),
            (
                "/spec/leaseTransitions",
                json!(-1),
                &["spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0"],
            ),
        ],
    );
}

#[test]
fn priority_classes() {
    let right = filled(priority_class(), json!({"metadata": {"name": "high"}, "value": 0}));
    refused(
        priority_class(),
        &right,
        &[
            (
                "/value",
                json!(1_000_000_001),
                &["value: Forbidden: maximum allowed value of a user defined priority is 1000000000"],
            ),
            (
                "/metadata/name",
                json!("system-mine"),
                &[
                    "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only",
                ],
            ),
            (
                "/preemptionPolicy",
                json!("Often"),
                &[
                    "preemptionPolicy: Unsupported value: \"Often\": supported values: \"Never\", \"PreemptLowerPriority\"",
                ],
            ),
        ],
    );
    refused(
        priority_class(),
        &json!({"metadata": {"name": "system-node-critical"}, "value": 2_000_001_000}),
        &[],
    );
    refused_update(
        priority_class(),
        &right,
        &[
            ("/description", json!("for the few"), &[]),
            ("/value", json!(5), &["value: Forbidden: may not be changed in an update."]),
            (
                "/preemptionPolicy",
                json!("Never"),
                &["preemptionPolicy: Invalid value: \"Never\": field is immutable"],
            ),
        ],
    );
}

#[test]
fn bodies_of_requests() {
    let check = |name: &str, body: Value| words(&validate_message(named(name).unwrap(), &body));
    let none = Vec::<String>::new();
    let binding = "io.k8s.api.core.v1.Binding";
    assert_eq!(check(binding, json!({"target": {"kind": "Node", "name": "host"}})), none);
    assert_eq!(check(binding, json!({})), ["target: Required value"]);
    assert_eq!(
        check(binding, json!({"target": {"kind": "Pod"}})),
        [
            "target.kind: Unsupported value: \"Pod\": supported values: \"Node\", \"<empty>\"",
            "target.name: Required value",
        ]
    );
    let scale = "io.k8s.api.autoscaling.v1.Scale";
    assert_eq!(
        check(scale, json!({"spec": {"replicas": -1}})),
        ["spec.replicas: Invalid value: -1: must be greater than or equal to 0",]
    );
    let options = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions";
    assert_eq!(
        check(options, json!({"dryRun": ["Some"], "propagationPolicy": "Maybe"})),
        [
            "propagationPolicy: Unsupported value: \"Maybe\": supported values: \"Background\", \"Foreground\", \"Orphan\"",
            "dryRun: Unsupported value: [\"Some\"]: supported values: \"All\"",
        ]
    );
    assert_eq!(
        check(options, json!({"orphanDependents": true, "propagationPolicy": "Orphan"})),
        [
            "propagationPolicy: Invalid value: \"Orphan\": orphanDependents and deletionPropagation cannot be both set",
        ]
    );
    let eviction = json!({"deleteOptions": {"orphanDependents": true, "propagationPolicy": "Orphan"}});
    assert_eq!(check("io.k8s.api.policy.v1.Eviction", eviction).len(), 1);
}
