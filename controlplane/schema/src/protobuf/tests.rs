//! Bodies in protobuf, good and bad.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{decode_protobuf, encode};
use crate::decode::{FieldValidation, decode_value};
use crate::sample::{Dice, object};
use crate::table::{deployment, kinds, message, pod};

fn body_of(api_version: &str, kind: &str, object: &Value) -> Vec<u8> {
    let message = crate::table::message_named(api_version, kind).expect("known");
    let raw = encode::message(message, object.as_object().expect("an object"));
    encode::body(api_version, kind, &raw)
}

fn problem(body: &[u8]) -> String {
    decode_protobuf(body).expect_err("refused").to_string()
}

/// The body of `kubectl create deployment x --image=nginx:1 --replicas=2 --port=80` (kubectl 1.32), in hexadecimal.
const CREATE_DEPLOYMENT: &[&str] = &[
    "6b3873000a150a07617070732f7631120a4465706c6f796d656e7412b2010a1b0a017812001a0022",
    "002a003200380042005a080a036170701201781284010802120a0a080a036170701201781a6c0a1a",
    "0a0012001a0022002a003200380042005a080a03617070120178124e12300a056e67696e7812076e",
    "67696e783a312a00320a0a001000185022002a0042006a007200800100880100900100a201001a00",
    "320042004a0052005800600068008201008a01009a0100c2010022020a00280038001a0c08001000",
    "18002000280038001a002200",
];

#[test]
fn a_deployment_as_kubectl_create_sends_it() {
    let digits: Vec<u32> = CREATE_DEPLOYMENT
        .iter()
        .flat_map(|line| line.chars())
        .filter_map(|digit| digit.to_digit(16))
        .collect();
    let body: Vec<u8> = digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect();
    let (types, read) = decode_protobuf(&body).expect("good");
    assert_eq!((types.api_version.as_str(), types.kind.as_str()), ("apps/v1", "Deployment"));
    let wanted = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": "x", "labels": { "app": "x" } },
        "spec": {
            "replicas": 2,
            "selector": { "matchLabels": { "app": "x" } },
            "template": {
                "metadata": { "labels": { "app": "x" } },
                "spec": {
                    "containers": [{
                        "name": "nginx",
                        "image": "nginx:1",
                        "ports": [{ "containerPort": 80 }],
                        "resources": {},
                    }],
                },
            },
            "strategy": {},
        },
        "status": {},
    });
    assert_eq!(read, wanted);
}

#[test]
fn members_that_protobuf_nests_lie_flat() {
    let wanted = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "spec": {
            "containers": [{
                "name": "c",
                "livenessProbe": { "httpGet": { "port": "http", "path": "/" }, "periodSeconds": 5 },
                "env": [{ "name": "A", "valueFrom": { "secretKeyRef": { "name": "s", "key": "k", "optional": false } } }],
                "envFrom": [{ "configMapRef": { "name": "m" } }],
                "lifecycle": { "preStop": { "sleep": { "seconds": 0 } } },
            }],
            "ephemeralContainers": [{ "name": "debug", "image": "busybox", "targetContainerName": "c" }],
            "volumes": [{ "name": "v", "configMap": { "name": "m", "items": [{ "key": "k", "path": "p" }] } }],
        },
    });
    let raw = encode::message(pod().message(), wanted.as_object().expect("an object"));
    let (_, mut read) = decode_protobuf(&encode::body("v1", "Pod", &raw)).expect("good");
    read.as_object_mut().expect("an object").remove("metadata");
    assert_eq!(read, wanted);
}

#[test]
fn options_and_bodies_of_subresources_are_known() {
    for (api_version, kind, body) in [
        (
            "v1",
            "DeleteOptions",
            json!({ "gracePeriodSeconds": 0, "preconditions": { "uid": "u" }, "dryRun": ["All"] }),
        ),
        ("policy/v1", "DeleteOptions", json!({ "propagationPolicy": "Foreground" })),
        (
            "policy/v1",
            "Eviction",
            json!({ "metadata": { "name": "p" }, "deleteOptions": { "gracePeriodSeconds": 5 } }),
        ),
        ("policy/v1beta1", "Eviction", json!({ "metadata": { "name": "p", "namespace": "n" } })),
        (
            "policy/v1",
            "PodDisruptionBudget",
            json!({
                "metadata": { "name": "b" },
                "spec": { "minAvailable": 0, "maxUnavailable": "25%", "unhealthyPodEvictionPolicy": "AlwaysAllow" },
                "status": {
                    "observedGeneration": 2,
                    "disruptedPods": { "p": "2026-01-02T03:04:05Z" },
                    "disruptionsAllowed": 0, "currentHealthy": 3, "desiredHealthy": 3, "expectedPods": 4,
                },
            }),
        ),
        ("v1", "Binding", json!({ "metadata": { "name": "p" }, "target": { "kind": "Node", "name": "n" } })),
        ("autoscaling/v1", "Scale", json!({ "metadata": { "name": "d" }, "spec": { "replicas": 0 } })),
        ("v1", "Namespace", json!({ "metadata": { "name": "n" } })),
    ] {
        let (types, mut read) = decode_protobuf(&body_of(api_version, kind, &body)).expect(kind);
        assert_eq!((types.api_version.as_str(), types.kind.as_str()), (api_version, kind));
        let object = read.as_object_mut().expect("an object");
        assert_eq!(object.remove("apiVersion"), Some(json!(api_version)));
        assert_eq!(object.remove("kind"), Some(json!(kind)));
        assert_eq!(read, body, "{kind}");
    }
}

#[test]
fn what_is_not_served_is_said_so() {
    assert_eq!(problem(&encode::body("batch/v1", "Job", b"")), "no kind \"Job\" in \"batch/v1\" is known",);
    assert!(problem(b"{}").contains("does not start with"));
    assert!(problem(b"").contains("does not start with"));
    assert!(problem(b"k8s\0").contains("no kind"));
    let mut encoded = encode::body("v1", "Pod", b"");
    encode::bytes(&mut encoded, 3, b"gzip");
    assert!(problem(&encoded).contains("its content is encoded"));
    let mut json = encode::body("v1", "Pod", b"");
    encode::bytes(&mut json, 4, b"application/json");
    assert!(problem(&json).contains("application/json"));
}

#[test]
fn hostile_bytes_are_said_so_with_their_place() {
    let pod_with = |raw: &[u8]| encode::body("v1", "Pod", raw);
    let nested = |numbers: &[u32], inner: &[u8]| {
        numbers.iter().rev().fold(inner.to_vec(), |inner, number| {
            let mut out = Vec::new();
            encode::bytes(&mut out, *number, &inner);
            out
        })
    };
    for (raw, wanted) in [
        // A length beyond the end, and beyond memory.
        (nested(&[2, 2], b"\x0a\x7f"), "spec.containers[0]: field 1 claims 127 bytes, but 0 are left"),
        (
            nested(&[2, 2], b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x"),
            "spec.containers[0]: field 1 claims 18446744073709551615 bytes, but 1 are left",
        ),
        (nested(&[2], b"\x80"), "spec: it breaks off in a number"),
        (nested(&[2], &[0x80; 12]), "spec: a number is longer than 10 bytes"),
        (
            nested(&[2], b"\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
            "spec: a number is larger than 64 bits",
        ),
        (nested(&[2], b"\x0b"), "spec: field 1 has the wire type 3, want 0, 1, 2 or 5"),
        (nested(&[2], b"\x02\x00"), "spec: 0 is no field number"),
        (nested(&[2], b"\x09\x00"), "spec: it breaks off in a number"),
        (nested(&[1, 1], b"\xff\xfe"), "metadata.name: the text is not UTF-8"),
        (nested(&[2], b"\x18\x01"), "spec.restartPolicy: got a number, want bytes"),
        (nested(&[2, 11], b"x"), "spec.hostNetwork: got bytes, want a number"),
        (
            nested(&[2, 2, 8, 1], b"\x0a\x01a\x12\x05\x0a\x03ten"),
            "spec.containers[0].resources.limits.a: quantity \"ten\"",
        ),
        (
            nested(&[1, 8], b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
            "metadata.creationTimestamp: 9223372036854775807 s",
        ),
        (nested(&[1, 17, 7, 1], b"[1]"), "metadata.managedFields[0].fieldsV1: got JSON that is no object"),
        (nested(&[1, 17, 7, 1], b"{"), "metadata.managedFields[0].fieldsV1: got text that is not JSON"),
        (
            nested(&[2, 2, 10, 1, 2, 2], b"\x08\x02"),
            "httpGet.port: got the type 2, want 0 (a number) or 1 (text)",
        ),
    ] {
        let said = problem(&pod_with(&raw));
        assert!(said.contains(wanted), "{said} lacks {wanted}");
    }
}

#[test]
fn unknown_numbers_are_passed_over() {
    let mut raw = encode::message(pod().message(), &Map::new());
    encode::bytes(&mut raw, 4_000, b"\xff\xff");
    encode::number(&mut raw, 4_001, -1);
    raw.extend([0xfd, 0xfa, 0x01, 1, 2, 3, 4]);
    assert!(decode_protobuf(&encode::body("v1", "Pod", &raw)).is_ok());
}

#[test]
fn a_message_in_two_parts_is_one() {
    let mut raw = Vec::new();
    encode::bytes(&mut raw, 1, b"\x0a\x01a");
    encode::bytes(&mut raw, 1, b"\x1a\x01n");
    let (_, read) = decode_protobuf(&encode::body("v1", "Pod", &raw)).expect("good");
    assert_eq!(read["metadata"], json!({ "name": "a", "namespace": "n" }));
}

#[test]
fn packed_numbers_are_read() {
    // spec.securityContext.supplementalGroups
    let mut groups = Vec::new();
    encode::bytes(&mut groups, 4, &[1, 0x80, 0x01, 0]);
    encode::number(&mut groups, 4, 7);
    let mut spec = Vec::new();
    encode::bytes(&mut spec, 14, &groups);
    let mut raw = Vec::new();
    encode::bytes(&mut raw, 2, &spec);
    let (_, read) = decode_protobuf(&encode::body("v1", "Pod", &raw)).expect("good");
    assert_eq!(read["spec"]["securityContext"]["supplementalGroups"], json!([1, 128, 0, 7]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever can be said in JSON comes out the same through protobuf.
    #[test]
    fn protobuf_says_what_json_says(seed in any::<u64>(), rarity in 1u64..6) {
        for kind in kinds() {
            let mut dice = Dice::new(seed);
            let sample = object(kind.message(), &mut dice, rarity);
            let (_, mut read) = decode_protobuf(&body_of(kind.api_version(), kind.kind, &sample)).expect(kind.kind);
            let read_object = read.as_object_mut().expect("an object");
            read_object.remove("apiVersion");
            read_object.remove("kind");
            let wanted = decode_value(kind.message(), sample, FieldValidation::Strict).expect("good").object;
            prop_assert_eq!(without_empty(read), without_empty(wanted));
        }
    }

    /// A body that breaks off, or that has other bytes, is an object or an error and nothing else.
    #[test]
    fn damaged_bodies_do_no_harm(
        seed in any::<u64>(),
        cut in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut dice = Dice::new(seed);
        let sample = object(deployment().message(), &mut dice, 3);
        let body = body_of("apps/v1", "Deployment", &sample);
        let _ = decode_protobuf(&body[..cut.index(body.len())]);
        let mut damaged = body;
        for (at, byte) in changes {
            let at = at.index(damaged.len());
            damaged[at] = byte;
        }
        if let Ok((types, object)) = decode_protobuf(&damaged)
            && types.kind == "Deployment"
        {
            let message = message("io.k8s.api.apps.v1.Deployment").expect("known");
            let again = decode_value(message, object, FieldValidation::Strict);
            prop_assert!(again.is_ok(), "{:?}", again);
        }
    }

    #[test]
    fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode_protobuf(&encode::body("v1", "Pod", &bytes));
        let _ = decode_protobuf(&bytes);
    }
}

/// Members of Go structs that are no pointers are always there in protobuf, empty or not; in JSON they need not be.
fn without_empty(value: Value) -> Value {
    match value {
        Value::Object(object) => {
            let entries = object.into_iter().map(|(key, value)| (key, without_empty(value)));
            entries
                .filter(|(_, value)| value.as_object().is_none_or(|inner| !inner.is_empty()))
                .collect::<Map<_, _>>()
                .into()
        }
        Value::Array(list) => list.into_iter().map(without_empty).collect(),
        plain => plain,
    }
}
