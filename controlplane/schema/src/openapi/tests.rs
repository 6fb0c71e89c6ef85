//! What clients look for in the documents.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{openapi_v2_json, openapi_v2_protobuf, openapi_v3, openapi_v3_hash, openapi_v3_index};
use crate::table::kinds;

fn three(path: &str) -> Value {
    serde_json::from_slice(openapi_v3(path).expect("served")).expect("JSON")
}

fn two() -> Value {
    serde_json::from_slice(openapi_v2_json()).expect("JSON")
}

/// Every reference of a document.
fn references<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
    match value {
        Value::Object(object) => {
            found.extend(object.get("$ref").and_then(Value::as_str));
            object.values().for_each(|value| references(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn the_index_leads_to_every_document() {
    let index: Value = serde_json::from_slice(openapi_v3_index()).expect("JSON");
    let paths = index["paths"].as_object().expect("paths");
    let served: Vec<_> = paths.keys().map(String::as_str).collect();
    assert_eq!(
        served,
        [
            "api/v1",
            "apis/apps/v1",
            "apis/coordination.k8s.io/v1",
            "apis/policy/v1",
            "apis/scheduling.k8s.io/v1",
            "apis/scheduling.x-k8s.io/v1alpha1"
        ]
    );
    for (path, entry) in paths {
        let hash = openapi_v3_hash(path).expect("served");
        assert_eq!(entry["serverRelativeURL"], format!("/openapi/v3/{path}?hash={hash}"));
        assert_eq!(hash.len(), 32);
        assert!(openapi_v3(path).is_some());
    }
    assert!(openapi_v3("apis/batch/v1").is_none());
}

#[test]
fn references_lead_somewhere() {
    for kind in kinds() {
        let document = three(&super::group_path(kind));
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 10);
        for reference in found {
            let name = reference.strip_prefix("#/components/schemas/").expect(reference);
            assert!(document["components"]["schemas"].get(name).is_some_and(Value::is_object), "{reference}");
        }
    }
    let document = two();
    let mut found = Vec::new();
    references(&document, &mut found);
    for reference in found {
        let name = reference.strip_prefix("#/definitions/").expect(reference);
        assert!(document["definitions"].get(name).is_some_and(Value::is_object), "{reference}");
    }
}

/// Without these, kubectl asks for version 2 as protobuf, and refuses to create or apply if it cannot have it.
#[test]
fn patch_operations_take_field_validation_and_name_their_kind() {
    for kind in kinds() {
        let document = three(&super::group_path(kind));
        let patches: Vec<_> = document["paths"]
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(_, item)| item.get("patch"))
            .collect();
        let named = json!({ "group": kind.group, "version": kind.version, "kind": kind.kind });
        let of_kind: Vec<_> =
            patches.iter().filter(|patch| patch["x-kubernetes-group-version-kind"] == named).collect();
        assert!(!of_kind.is_empty(), "{}", kind.kind);
        for patch in of_kind {
            assert_eq!(patch["x-kubernetes-action"], "patch");
            for name in ["fieldValidation", "dryRun", "fieldManager", "force"] {
                let parameters = patch["parameters"].as_array().expect("parameters");
                assert!(
                    parameters
                        .iter()
                        .any(|parameter| parameter["name"] == name && parameter["in"] == "query"),
                    "{name}"
                );
            }
        }
    }
}

#[test]
fn paths_are_those_that_are_served() {
    let document = three("api/v1");
    let paths = document["paths"].as_object().expect("paths");
    for path in [
        "/api/v1/namespaces",
        "/api/v1/namespaces/{name}/finalize",
        "/api/v1/namespaces/{namespace}/pods/{name}/binding",
        "/api/v1/namespaces/{namespace}/pods/{name}/eviction",
        "/api/v1/namespaces/{namespace}/pods/{name}/status",
        "/api/v1/nodes/{name}",
        "/api/v1/pods",
    ] {
        assert!(paths.contains_key(path), "{path}");
    }
    assert_eq!(paths["/api/v1/namespaces"].get("delete"), None);
    let scale =
        &three("apis/apps/v1")["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale"];
    let named = json!({ "group": "autoscaling", "version": "v1", "kind": "Scale" });
    assert_eq!(scale["patch"]["x-kubernetes-group-version-kind"], named);
    assert_eq!(scale["put"]["operationId"], "replaceAppsV1NamespacedDeploymentScale");
    let mut ids = BTreeMap::new();
    for (path, item) in two()["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            if let Some(id) = operation.get("operationId") {
                let before = ids.insert(id.to_string(), format!("{method} {path}"));
                assert_eq!(before, None, "{id} is there twice");
            }
        }
    }
}

#[test]
fn schemas_say_what_patches_and_apply_need() {
    for schemas in [&three("api/v1")["components"]["schemas"], &two()["definitions"]] {
        let spec = &schemas["io.k8s.api.core.v1.PodSpec"];
        assert_eq!(spec["required"], json!(["containers"]));
        let containers = &spec["properties"]["containers"];
        assert_eq!(containers["x-kubernetes-patch-merge-key"], "name");
        assert_eq!(containers["x-kubernetes-patch-strategy"], "merge");
        assert_eq!(containers["x-kubernetes-list-type"], "map");
        assert_eq!(containers["x-kubernetes-list-map-keys"], json!(["name"]));
        assert_eq!(spec["properties"]["volumes"]["x-kubernetes-patch-strategy"], "merge,retainKeys");
        assert_eq!(spec["properties"]["tolerations"]["x-kubernetes-list-type"], "atomic");
        assert_eq!(spec["properties"]["restartPolicy"]["default"], "Always");
        assert!(
            spec["properties"]["restartPolicy"]["description"].as_str().is_some_and(|said| said.len() > 20)
        );
        assert_eq!(spec["properties"]["terminationGracePeriodSeconds"]["format"], "int64");
        let ports = &schemas["io.k8s.api.core.v1.Container"]["properties"]["ports"];
        assert_eq!(ports["x-kubernetes-list-map-keys"], json!(["containerPort", "protocol"]));
        assert_eq!(ports["x-kubernetes-patch-merge-key"], "containerPort");
        assert_eq!(
            schemas["io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector"]["x-kubernetes-map-type"],
            "atomic"
        );
        let pod = &schemas["io.k8s.api.core.v1.Pod"];
        assert_eq!(
            pod["x-kubernetes-group-version-kind"],
            json!([{ "group": "", "version": "v1", "kind": "Pod" }])
        );
        let list = &schemas["io.k8s.api.core.v1.PodList"];
        assert_eq!(list["x-kubernetes-group-version-kind"][0]["kind"], "PodList");
        // What protobuf nests lies flat.
        let volume = &schemas["io.k8s.api.core.v1.Volume"]["properties"];
        assert!(volume["hostPath"].is_object() && volume.get("volumeSource").is_none());
        assert!(schemas.get("io.k8s.api.core.v1.VolumeSource").is_none());
    }
    for schemas in [&three("apis/policy/v1")["components"]["schemas"], &two()["definitions"]] {
        let spec = &schemas["io.k8s.api.policy.v1.PodDisruptionBudgetSpec"]["properties"];
        assert_eq!(spec["selector"]["x-kubernetes-patch-strategy"], "replace");
    }
    let options = &two()["definitions"]["io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"];
    let named = options["x-kubernetes-group-version-kind"].as_array().expect("a list");
    assert!(named.contains(&json!({ "group": "apps", "version": "v1", "kind": "DeleteOptions" })));
}

/// A field of a protobuf message.
type WireField<'a> = (u32, &'a [u8]);

/// The fields of a protobuf message; a number counts as empty.
fn fields(mut bytes: &[u8]) -> Vec<WireField<'_>> {
    fn varint(bytes: &mut &[u8]) -> u64 {
        let mut number = 0;
        for at in 0.. {
            let byte = bytes[0];
            *bytes = &bytes[1..];
            number |= u64::from(byte & 0x7f) << (7 * at);
            if byte < 0x80 {
                break;
            }
        }
        number
    }
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let length = varint(&mut bytes);
        match tag & 7 {
            0 => found.push(((tag >> 3) as u32, &b""[..])),
            2 => {
                let (value, rest) = bytes.split_at(length as usize);
                found.push(((tag >> 3) as u32, value));
                bytes = rest;
            }
            other => panic!("wire type {other}"),
        }
    }
    found
}

fn all(message: &[u8], number: u32) -> Vec<&[u8]> {
    fields(message).into_iter().filter(|(field, _)| *field == number).map(|(_, value)| value).collect()
}

fn one<'a>(message: &'a [u8], path: &[u32]) -> &'a [u8] {
    path.iter().fold(message, |message, number| all(message, *number).first().copied().expect("a field"))
}

/// The value of a pair with this name.
fn named<'a>(pairs: &[&'a [u8]], name: &str) -> &'a [u8] {
    let pair = pairs.iter().find(|pair| one(pair, &[1]) == name.as_bytes()).expect(name);
    one(pair, &[2])
}

/// Numbers of gnostic's messages, as kubectl reads them.
#[test]
fn the_protobuf_of_version_two_says_what_its_json_says() {
    let (document, json) = (&openapi_v2_protobuf()[..], two());
    assert_eq!(one(document, &[1]), b"2.0");
    assert_eq!(one(document, &[2, 1]), b"Meridian");
    let definitions = all(one(document, &[9]), 1);
    assert_eq!(definitions.len(), json["definitions"].as_object().map_or(0, serde_json::Map::len));
    let spec = named(&definitions, "io.k8s.api.core.v1.PodSpec");
    assert_eq!(all(spec, 19), [b"containers"]);
    assert_eq!(one(spec, &[22, 1]), b"object");
    let properties = all(one(spec, &[25]), 1);
    let containers = named(&properties, "containers");
    assert_eq!(one(containers, &[22, 1]), b"array");
    assert_eq!(one(containers, &[23, 1, 1]), b"#/definitions/io.k8s.api.core.v1.Container");
    assert_eq!(one(named(&all(containers, 31), "x-kubernetes-patch-merge-key"), &[2]), b"\"name\"");
    let selector = named(&properties, "nodeSelector");
    assert_eq!(one(selector, &[21, 1, 22, 1]), b"string");
    assert_eq!(one(named(&properties, "priority"), &[2]), b"int32");
    assert_eq!(one(named(&properties, "affinity"), &[1]), b"#/definitions/io.k8s.api.core.v1.Affinity");

    let paths = all(one(document, &[8]), 2);
    assert_eq!(paths.len(), json["paths"].as_object().map_or(0, serde_json::Map::len));
    let patch = one(named(&paths, "/apis/apps/v1/namespaces/{namespace}/deployments/{name}"), &[8]);
    assert_eq!(one(patch, &[5]), b"patchAppsV1NamespacedDeployment");
    let kind: Value =
        serde_json::from_slice(one(named(&all(patch, 13), "x-kubernetes-group-version-kind"), &[2]))
            .expect("YAML");
    assert_eq!(kind, json!({ "group": "apps", "version": "v1", "kind": "Deployment" }));
    let queries = all(patch, 8).into_iter().filter_map(|item| all(one(item, &[1]), 2).first().copied());
    let names: Vec<_> = queries.map(|place| one(place, &[3, 4])).collect();
    assert!(names.contains(&&b"dryRun"[..]), "{names:?}");
    let body =
        all(patch, 8).into_iter().find_map(|item| all(one(item, &[1]), 1).first().copied()).expect("a body");
    assert_eq!(one(body, &[2]), b"body");
}
