//! What patches of well-known clients do.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{strategic_merge_patch, strategic_merge_patch_of};
use crate::decode::{FieldValidation, decode_value};
use crate::sample::{Dice, object};
use crate::table::{Kind, config_map, deployment, message, node, pod, pod_disruption_budget};

fn patched(kind: &Kind, original: Value, patch: Value) -> Value {
    strategic_merge_patch(kind, &original, &patch).expect("a good patch")
}

fn refusal(kind: &Kind, original: Value, patch: Value) -> String {
    strategic_merge_patch(kind, &original, &patch).expect_err("a bad patch").to_string()
}

fn containers(list: Value) -> Value {
    json!({ "spec": { "containers": list } })
}

fn names(object: &Value) -> Vec<&str> {
    let list = object["spec"]["containers"].as_array().expect("a list");
    list.iter().filter_map(|element| element["name"].as_str()).collect()
}

#[test]
fn elements_are_found_by_the_merge_key() {
    let original = containers(json!([
        { "name": "a", "image": "a:1", "ports": [{ "containerPort": 80, "name": "http" }] },
        { "name": "b", "image": "b:1" },
    ]));
    let patch = containers(json!([
        { "name": "a", "image": "a:2", "ports": [{ "containerPort": 443 }] },
        { "name": "c", "image": "c:1", "command": null },
    ]));
    let result = patched(pod(), original, patch);
    // What the patch brings stays together, before what it does not mention.
    assert_eq!(names(&result), ["a", "c", "b"]);
    assert_eq!(result["spec"]["containers"][0]["image"], "a:2");
    let ports = &result["spec"]["containers"][0]["ports"];
    assert_eq!(ports, &json!([{ "containerPort": 443 }, { "containerPort": 80, "name": "http" }]));
    assert_eq!(result["spec"]["containers"][1], json!({ "name": "c", "image": "c:1" }));
}

#[test]
fn a_selector_that_is_to_be_replaced_is_not_merged() {
    let selecting =
        |labels: Value| json!({ "spec": { "minAvailable": 1, "selector": { "matchLabels": labels } } });
    let patch = json!({ "spec": { "selector": { "matchLabels": { "tier": "front" } } } });
    let result = patched(pod_disruption_budget(), selecting(json!({ "app": "web" })), patch.clone());
    assert_eq!(result, selecting(json!({ "tier": "front" })));
    // That of a Deployment is merged.
    let result = patched(deployment(), selecting(json!({ "app": "web" })), patch);
    assert_eq!(result, selecting(json!({ "app": "web", "tier": "front" })));
}

#[test]
fn the_image_of_a_deployment_is_set_as_kubectl_set_image_does() {
    let original = json!({
        "metadata": { "name": "web" },
        "spec": { "replicas": 3, "template": { "spec": { "containers": [
            { "name": "web", "image": "web:1", "args": ["-v"] }, { "name": "side", "image": "s" },
        ] } } },
    });
    let patch = json!({ "spec": { "template": { "spec": {
        "$setElementOrder/containers": [{ "name": "web" }, { "name": "side" }],
        "containers": [{ "name": "web", "image": "web:2" }],
    } } } });
    let result = patched(deployment(), original, patch);
    let wanted =
        json!([{ "name": "web", "image": "web:2", "args": ["-v"] }, { "name": "side", "image": "s" }]);
    assert_eq!(result["spec"]["template"]["spec"]["containers"], wanted);
    assert_eq!(result["spec"]["replicas"], 3);
}

#[test]
fn maps_merge_and_null_removes() {
    let original = json!({ "metadata": { "labels": { "a": "1", "b": "2" }, "annotations": { "x": "y" } } });
    let patch = json!({ "metadata": { "labels": { "a": null, "c": "3", "d": null }, "annotations": null } });
    assert_eq!(patched(pod(), original, patch), json!({ "metadata": { "labels": { "b": "2", "c": "3" } } }));
    let data = patched(config_map(), json!({}), json!({ "data": { "$weird": "stays", "gone": null } }));
    assert_eq!(data, json!({ "data": { "$weird": "stays" } }));
}

#[test]
fn atomic_lists_are_replaced() {
    let original = json!({ "spec": { "taints": [{ "key": "a", "effect": "NoSchedule" }] } });
    let patch = json!({ "spec": { "taints": [{ "key": "b", "effect": "NoExecute" }] } });
    assert_eq!(patched(node(), original, patch.clone()), patch);
    let original = containers(json!([{ "name": "a", "command": ["sh", "-c"] }]));
    let result = patched(pod(), original, containers(json!([{ "name": "a", "command": ["true"] }])));
    assert_eq!(result, containers(json!([{ "name": "a", "command": ["true"] }])));
}

#[test]
fn conditions_merge_by_type_and_addresses_too() {
    let original = json!({ "status": {
        "conditions": [{ "type": "Ready", "status": "True", "reason": "r" }, { "type": "Other", "status": "False" }],
        "addresses": [{ "type": "InternalIP", "address": "10.0.0.1" }],
    } });
    let patch = json!({ "status": {
        "conditions": [{ "type": "Ready", "status": "Unknown" }],
        "addresses": [{ "type": "InternalIP", "address": "10.0.0.2" }],
    } });
    let wanted = json!({ "status": {
        "conditions": [{ "type": "Ready", "status": "Unknown", "reason": "r" }, { "type": "Other", "status": "False" }],
        "addresses": [{ "type": "InternalIP", "address": "10.0.0.2" }],
    } });
    assert_eq!(patched(node(), original, patch), wanted);
}

#[test]
fn elements_are_deleted_by_directive() {
    let original = containers(json!([{ "name": "a" }, { "name": "b", "image": "i" }, { "name": "c" }]));
    let patch = containers(
        json!([{ "$patch": "delete", "name": "a" }, { "name": "b", "image": "j" }, { "$patch": "delete", "name": "zz" }]),
    );
    assert_eq!(
        patched(pod(), original, patch),
        containers(json!([{ "name": "b", "image": "j" }, { "name": "c" }]))
    );
    // What is deleted from nothing is not there either.
    let result =
        patched(pod(), json!({}), containers(json!([{ "$patch": "delete", "name": "a" }, { "name": "b" }])));
    assert_eq!(result, containers(json!([{ "name": "b" }])));
}

#[test]
fn lists_and_objects_are_replaced_by_directive() {
    let original = containers(json!([{ "name": "a", "image": "i" }, { "name": "b" }]));
    let patch = containers(json!([{ "name": "a", "tty": true }, { "$patch": "replace" }]));
    assert_eq!(patched(pod(), original, patch), containers(json!([{ "name": "a", "tty": true }])));

    let original =
        json!({ "spec": { "securityContext": { "runAsUser": 1, "fsGroup": 2 }, "nodeName": "n" } });
    let patch = json!({ "spec": { "securityContext": { "$patch": "replace", "runAsUser": 3 } } });
    let wanted = json!({ "spec": { "securityContext": { "runAsUser": 3 }, "nodeName": "n" } });
    assert_eq!(patched(pod(), original.clone(), patch), wanted);
    let patch = json!({ "spec": { "securityContext": { "$patch": "delete" } } });
    assert_eq!(
        patched(pod(), original, patch),
        json!({ "spec": { "securityContext": {}, "nodeName": "n" } })
    );
}

#[test]
fn retained_keys_are_all_that_stays() {
    let original = json!({ "spec": { "replicas": 2, "strategy": {
        "type": "RollingUpdate", "rollingUpdate": { "maxSurge": 1 },
    } } });
    let patch = json!({ "spec": { "strategy": { "$retainKeys": ["type"], "type": "Recreate" } } });
    let wanted = json!({ "spec": { "replicas": 2, "strategy": { "type": "Recreate" } } });
    assert_eq!(patched(deployment(), original, patch), wanted);

    let original = json!({ "spec": { "volumes": [{ "name": "v", "emptyDir": {} }] } });
    let patch = json!({ "spec": { "volumes": [
        { "$retainKeys": ["name", "hostPath"], "name": "v", "hostPath": { "path": "/x" } },
    ] } });
    let wanted = json!({ "spec": { "volumes": [{ "name": "v", "hostPath": { "path": "/x" } }] } });
    assert_eq!(patched(pod(), original, patch), wanted);

    let said = refusal(pod(), json!({}), json!({ "spec": { "$retainKeys": ["nodeName"], "hostname": "h" } }));
    assert_eq!(said, "spec: $retainKeys: the patch sets \"hostname\", which is not among the keys that stay");
}

#[test]
fn plain_values_are_added_removed_and_ordered() {
    let finalizers = |list: Value| json!({ "metadata": { "finalizers": list } });
    let result = patched(pod(), finalizers(json!(["a", "b"])), finalizers(json!(["b", "c"])));
    assert_eq!(result, finalizers(json!(["a", "b", "c"])));
    let patch = json!({ "metadata": { "$deleteFromPrimitiveList/finalizers": ["a", "zz"] } });
    assert_eq!(patched(pod(), finalizers(json!(["a", "b"])), patch.clone()), finalizers(json!(["b"])));
    assert_eq!(patched(pod(), json!({ "metadata": {} }), patch), json!({ "metadata": {} }));
    let patch = json!({ "metadata": {
        "$deleteFromPrimitiveList/finalizers": ["a"],
        "$setElementOrder/finalizers": ["c", "b"],
        "finalizers": ["c"],
    } });
    assert_eq!(patched(pod(), finalizers(json!(["a", "b"])), patch), finalizers(json!(["c", "b"])));
}

#[test]
fn order_is_the_patchs_and_what_it_does_not_know_keeps_its_place() {
    let original = containers(
        json!([{ "name": "1" }, { "name": "x" }, { "name": "2" }, { "name": "3" }, { "name": "y" }]),
    );
    let order = |order: &[&str], list: Value| {
        let order: Vec<_> = order.iter().map(|name| json!({ "name": name })).collect();
        json!({ "spec": { "$setElementOrder/containers": order, "containers": list } })
    };
    let result = patched(pod(), original.clone(), order(&["3", "new", "1", "2"], json!([{ "name": "new" }])));
    assert_eq!(names(&result), ["x", "3", "new", "1", "2", "y"]);
    // Only the order changes.
    let patch = json!({ "spec": { "$setElementOrder/containers": [{ "name": "2" }, { "name": "1" }] } });
    let result = patched(pod(), containers(json!([{ "name": "1" }, { "name": "2" }])), patch.clone());
    assert_eq!(names(&result), ["2", "1"]);
    assert_eq!(patched(pod(), json!({ "spec": {} }), patch), json!({ "spec": {} }));

    let said = refusal(pod(), original, order(&["1"], json!([{ "name": "2" }])));
    assert_eq!(
        said,
        "spec.containers: $setElementOrder/: the list of the order lacks element 0 of the patch"
    );
}

#[test]
fn what_is_no_directive_is_refused() {
    for (patch, wanted) in [
        (json!([]), "a strategic merge patch wants an object here"),
        (
            json!({ "spec": { "$patch": "merge" } }),
            "spec: unknown patch directive \"$patch\" with the value \"merge\"",
        ),
        (json!({ "spec": { "$unknown": 1 } }), "spec: unknown patch directive \"$unknown\" with the value 1"),
        (
            containers(json!([{ "name": "a", "$patch": "wipe" }])),
            "spec.containers[0]: unknown patch directive \"$patch\" with the value \"wipe\"",
        ),
        (
            containers(json!([{ "name": "a" }, { "image": "i" }])),
            "spec.containers[1]: the element does not contain declared merge key: name",
        ),
        (
            containers(json!([{ "$patch": "delete" }])),
            "spec.containers[0]: the element does not contain declared merge key: name",
        ),
        (containers(json!(["a"])), "spec.containers[0]: a strategic merge patch wants an object here"),
        (
            json!({ "metadata": { "$deleteFromPrimitiveList/finalizers": "a" } }),
            "metadata.$deleteFromPrimitiveList/finalizers: $deleteFromPrimitiveList/: want a list of values",
        ),
        (
            json!({ "spec": { "$setElementOrder/containers": [], "containers": 7 } }),
            "spec.containers: a strategic merge patch wants a list here",
        ),
    ] {
        assert_eq!(refusal(pod(), json!({}), patch), wanted);
    }
}

#[test]
fn a_patch_too_deep_is_refused() {
    let mut deep = json!({});
    for _ in 0..400 {
        deep = json!({ "a": deep });
    }
    assert!(refusal(pod(), json!({}), deep).contains("deeper than 128 levels"));
}

#[test]
fn bodies_of_subresources_are_patched_like_any() {
    let scale = message("io.k8s.api.autoscaling.v1.Scale").expect("known");
    let result = strategic_merge_patch_of(
        scale,
        &json!({ "spec": { "replicas": 1 } }),
        &json!({ "spec": { "replicas": 4 } }),
    );
    assert_eq!(result, Ok(json!({ "spec": { "replicas": 4 } })));
}

/// The patch that turns one object into another, for objects without lists that merge.
fn difference(from: &Value, to: &Value) -> Value {
    let (Some(from), Some(to)) = (from.as_object(), to.as_object()) else {
        return to.clone();
    };
    let removed = from.keys().filter(|key| !to.contains_key(*key)).map(|key| (key.clone(), Value::Null));
    let changed =
        to.iter().filter(|(key, value)| from.get(*key) != Some(value)).map(|(key, value)| {
            match from.get(key) {
                Some(before) if before.is_object() && value.is_object() => {
                    (key.clone(), difference(before, value))
                }
                _ => (key.clone(), value.clone()),
            }
        });
    removed.chain(changed).collect::<serde_json::Map<_, _>>().into()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_difference_makes_one_object_the_other(one in any::<u64>(), other in any::<u64>()) {
        let affinity = message("io.k8s.api.core.v1.PodAffinityTerm").expect("known");
        let security = message("io.k8s.api.core.v1.PodSecurityContext").expect("known");
        for message in [affinity, security] {
            let from = object(message, &mut Dice::new(one), 2);
            let to = object(message, &mut Dice::new(other), 2);
            let result = strategic_merge_patch_of(message, &from, &difference(&from, &to));
            prop_assert_eq!(result, Ok(to));
        }
    }

    /// A patch that is the object itself changes nothing, lists that merge included; and one for nothing is the object.
    #[test]
    fn patching_with_what_is_there_changes_nothing(seed in any::<u64>(), rarity in 2u64..6) {
        let sample = object(deployment().message(), &mut Dice::new(seed), rarity);
        let once = strategic_merge_patch(deployment(), &json!({}), &sample).expect("a good patch");
        let twice = strategic_merge_patch(deployment(), &once, &sample).expect("a good patch");
        prop_assert_eq!(&once, &twice);
        let checked = decode_value(deployment().message(), once, FieldValidation::Strict);
        prop_assert!(checked.is_ok(), "{:?}", checked);
    }
}
