//! Deployments, replica sets and their templates.

use serde_json::{Value, json};

use super::{filled, refused, refused_update, words};
use crate::table::{deployment, replica_set};
use crate::validation::validate_status_update;

fn workload(kind: &crate::Kind) -> Value {
    let object = json!({
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "main", "image": "web:1"}]},
            },
        },
    });
    filled(kind, object)
}

#[test]
fn selector_and_template_fit_together() {
    for (kind, name) in [(deployment(), "deployment"), (replica_set(), "replicaset")] {
        refused(
            kind,
            &workload(kind),
            &[
                (
                    "/spec/replicas",
                    json!(-1),
                    &["spec.replicas: Invalid value: -1: must be greater than or equal to 0"],
                ),
                (
                    "/spec/selector",
                    json!({}),
                    &[&format!("spec.selector: Invalid value: {{}}: empty selector is invalid for {name}")],
                ),
                (
                    "/spec/template/metadata/labels",
                    json!({"app": "db"}),
                    &[
                        "spec.template.metadata.labels: Invalid value: {\"app\":\"db\"}: `selector` does not match template `labels`",
                    ],
                ),
                (
                    "/spec/template/metadata",
                    json!(null),
                    &[
                        "spec.template.metadata.labels: Invalid value: {}: `selector` does not match template `labels`",
                    ],
                ),
                (
                    "/spec/template/spec/restartPolicy",
                    json!("Never"),
                    &[
                        "spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: \"Always\"",
                    ],
                ),
                (
                    "/spec/template/spec/activeDeadlineSeconds",
                    json!(5),
                    &[
                        "spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicaSet is not Supported",
                    ],
                ),
                (
                    "/spec/template/spec/containers/0/image",
                    json!(""),
                    &["spec.template.spec.containers[0].image: Required value"],
                ),
                (
                    "/spec/template/spec/ephemeralContainers",
                    json!([{"name": "debug", "image": "shell"}]),
                    &[
                        "spec.template.spec.ephemeralContainers: Forbidden: ephemeral containers not allowed in pod template",
                    ],
                ),
                (
                    "/spec/template/metadata/labels/b",
                    json!("-"),
                    &[
                        "spec.template.metadata.labels: Invalid value: \"-\": a valid label must be an empty string or consist of \
                 alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. \
                 'MyValue',  or 'my_value',  or '12345', regex used for validation is \
                 '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
                    ],
                ),
                // A template's ports are completed in the pods made from it.
                ("/spec/template/spec/hostNetwork", json!(true), &[]),
            ],
        );
        refused_update(
            kind,
            &workload(kind),
            &[
                ("/spec/replicas", json!(5), &[]),
                ("/spec/template/spec/containers/0/image", json!("web:2"), &[]),
                (
                    "/spec/selector/matchLabels/app",
                    json!("db"),
                    &[
                        "spec.template.metadata.labels: Invalid value: {\"app\":\"web\"}: `selector` does not match template \
                 `labels`",
                        "spec.selector: Invalid value: {\"matchLabels\":{\"app\":\"db\"}}: field is immutable",
                    ],
                ),
            ],
        );
    }
    let missing: &[&str] = &["spec.selector: Required value"];
    refused(
        replica_set(),
        &workload(replica_set()),
        &[
            ("/spec/selector", json!(null), missing),
            ("/spec/template", json!(null), &["spec.template: Required value"]),
        ],
    );
    refused(
        deployment(),
        &workload(deployment()),
        &[
            ("/spec/selector", json!(null), missing),
            ("/spec/template", json!(null), &["spec.template: Required value"]),
        ],
    );
}

#[test]
fn strategy() {
    refused(
        deployment(),
        &workload(deployment()),
        &[
            (
                "/spec/strategy/type",
                json!("Replace"),
                &[
                    "spec.strategy.type: Unsupported value: \"Replace\": supported values: \"Recreate\", \"RollingUpdate\"",
                ],
            ),
            (
                "/spec/strategy/type",
                json!("Recreate"),
                &[
                    "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'",
                ],
            ),
            (
                "/spec/strategy/rollingUpdate",
                json!({"maxSurge": 0, "maxUnavailable": 0}),
                &[
                    "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0",
                ],
            ),
            (
                "/spec/strategy/rollingUpdate",
                json!({"maxSurge": "0%", "maxUnavailable": "101%"}),
                &[
                    "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"101%\": must not be greater than 100%",
                ],
            ),
            (
                "/spec/strategy/rollingUpdate",
                json!({"maxSurge": -1, "maxUnavailable": "x"}),
                &[
                    "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"x\": a valid percent string must be a numeric \
             string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
                    "spec.strategy.rollingUpdate.maxSurge: Invalid value: -1: must be greater than or equal to 0",
                ],
            ),
            (
                "/spec/minReadySeconds",
                json!(600),
                &["spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds"],
            ),
        ],
    );
}

#[test]
fn counts_in_status() {
    let status = |status| json!({"metadata": {"name": "web", "namespace": "default"}, "status": status});
    let old = status(json!({"replicas": 2, "collisionCount": 1}));
    let new =
        status(json!({"replicas": 2, "updatedReplicas": 3, "readyReplicas": 1, "availableReplicas": 2}));
    assert_eq!(
        words(&validate_status_update(deployment(), &new, &old)),
        [
            "status.updatedReplicas: Invalid value: 3: cannot be greater than status.replicas",
            "status.availableReplicas: Invalid value: 2: cannot be greater than readyReplicas",
            "status.collisionCount: Invalid value: 0: cannot be decremented",
        ]
    );
    let new = status(json!({"replicas": 0, "fullyLabeledReplicas": -1}));
    assert_eq!(
        words(&validate_status_update(replica_set(), &new, &old)),
        ["status.fullyLabeledReplicas: Invalid value: -1: must be greater than or equal to 0",]
    );
}
