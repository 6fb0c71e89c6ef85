//! What may change in a pod, in its status, and in the metadata of any object.

use serde_json::{Value, json};

use super::{a_pod, refused_update, with, words};
use crate::table::pod;
use crate::validation::{validate_status_update, validate_update};

const FORBIDDEN: &str = "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,\
    `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing \
    tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\nchanged: ";

#[test]
fn specification_of_a_pod() {
    let forbidden = |field: &str| format!("{FORBIDDEN}{field}");
    refused_update(
        pod(),
        &a_pod(),
        &[
            ("/metadata/labels/app", json!("other"), &[]),
            ("/spec/containers/0/image", json!("web:2"), &[]),
            ("/spec/initContainers/0/image", json!("tool:2"), &[]),
            ("/spec/activeDeadlineSeconds", json!(5), &[]),
            ("/spec/tolerations/-", json!({"key": "b", "operator": "Exists"}), &[]),
            ("/spec/containers/0/command", json!(["x"]), &[&forbidden("spec.containers")]),
            ("/spec/nodeName", json!("host"), &[&forbidden("spec.nodeName")]),
            (
                "/spec/terminationGracePeriodSeconds",
                json!(1),
                &[&forbidden("spec.terminationGracePeriodSeconds")],
            ),
            ("/spec/priority", json!(1), &[&forbidden("spec.priority")]),
            ("/spec/nodeSelector", json!({"a": "b"}), &[&forbidden("spec.nodeSelector")]),
            (
                "/spec/tolerations",
                json!([]),
                &[
                    "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds",
                ],
            ),
            (
                "/spec/containers/-",
                json!({"name": "more", "image": "x", "imagePullPolicy": "Always"}),
                &["spec.containers: Forbidden: pod updates may not add or remove containers"],
            ),
            (
                "/spec/schedulingGates",
                json!([{"name": "late"}]),
                &[
                    "spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'late'",
                ],
            ),
        ],
    );
    let limited = with(a_pod(), "/spec/activeDeadlineSeconds", json!(10));
    refused_update(
        pod(),
        &limited,
        &[
            ("/spec/activeDeadlineSeconds", json!(9), &[]),
            (
                "/spec/activeDeadlineSeconds",
                json!(11),
                &[
                    "spec.activeDeadlineSeconds: Invalid value: 11: must be less than or equal to previous value",
                ],
            ),
            (
                "/spec/activeDeadlineSeconds",
                json!(null),
                &[
                    "spec.activeDeadlineSeconds: Invalid value: \"null\": must not update from a positive integer to nil value",
                ],
            ),
        ],
    );
    let gated = with(a_pod(), "/spec/schedulingGates", json!([{"name": "wait"}]));
    refused_update(
        pod(),
        &gated,
        &[("/spec/schedulingGates", json!(null), &[]), ("/spec/nodeSelector", json!({"a": "b"}), &[])],
    );
}

#[test]
fn metadata() {
    refused_update(
        pod(),
        &with(a_pod(), "/metadata/uid", json!("u")),
        &[
            ("/metadata/uid", json!(null), &[]),
            ("/metadata/uid", json!("v"), &["metadata.uid: Invalid value: \"v\": field is immutable"]),
            ("/metadata/name", json!("db"), &["metadata.name: Invalid value: \"db\": field is immutable"]),
            (
                "/metadata/namespace",
                json!("x"),
                &["metadata.namespace: Invalid value: \"x\": field is immutable"],
            ),
            (
                "/metadata/creationTimestamp",
                json!("2026-01-01T00:00:00Z"),
                &["metadata.creationTimestamp: Invalid value: \"2026-01-01T00:00:00Z\": field is immutable"],
            ),
            (
                "/metadata/annotations/kubernetes.io~1config.mirror",
                json!("x"),
                &[
                    "metadata.annotations[kubernetes.io/config.mirror]: Invalid value: \"x\": must set spec.nodeName if mirror \
             pod annotation is set",
                    "metadata.annotations[kubernetes.io/config.mirror]: Forbidden: may not add mirror pod annotation",
                ],
            ),
        ],
    );
    let going = with(a_pod(), "/metadata/deletionTimestamp", json!("2026-01-01T00:00:00Z"));
    refused_update(
        pod(),
        &going,
        &[(
            "/metadata/finalizers",
            json!(["a.b/c"]),
            &[
                "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new \
         finalizers []string{\"a.b/c\"}",
            ],
        )],
    );
}

#[test]
fn an_update_may_leave_out_what_is_empty() {
    let old = with(a_pod(), "/spec/nodeSelector", json!({}));
    let new = with(old.clone(), "/spec/nodeSelector", Value::Null);
    assert_eq!(validate_update(pod(), &new, &old), []);
}

#[test]
fn status_of_a_pod() {
    let mut pod_once = a_pod();
    pod_once["spec"]["restartPolicy"] = json!("Never");
    let ended = json!({"terminated": {"exitCode": 0}});
    let old = with(
        pod_once.clone(),
        "/status",
        json!({
            "phase": "Running", "qosClass": "Burstable", "containerStatuses": [{"name": "main", "state": ended}],
        }),
    );
    let cases: [(&str, Value, &[&str]); 5] = [
        ("/status/phase", json!("Succeeded"), &[]),
        (
            "/status/qosClass",
            json!("Guaranteed"),
            &["status.qosClass: Invalid value: \"Guaranteed\": field is immutable"],
        ),
        (
            "/status/containerStatuses/0/state",
            json!({"running": {}}),
            &[
                "status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state",
            ],
        ),
        (
            "/status/podIPs",
            json!([{"ip": "10.0.0.1"}, {"ip": "10.0.0.1"}]),
            &[
                "status.podIPs[0].ip: Invalid value: \"10.0.0.1\": must be equal to `podIP`",
                "status.podIPs[1]: Duplicate value: {\"ip\":\"10.0.0.1\"}",
                "status.podIPs: Invalid value: [{\"ip\":\"10.0.0.1\"},{\"ip\":\"10.0.0.1\"}]: may specify no more than one IP \
             for each IP family",
            ],
        ),
        (
            "/status/hostIPs",
            json!([{"ip": "x"}]),
            &[
                "status.hostIPs[0].ip: Invalid value: \"x\": must be equal to `hostIP`",
                "status.hostIPs[0]: Invalid value: \"x\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
            ],
        ),
    ];
    for (pointer, value, expected) in cases {
        let new = with(old.clone(), pointer, value.clone());
        assert_eq!(words(&validate_status_update(pod(), &new, &old)), expected, "{pointer} = {value}");
    }
}
