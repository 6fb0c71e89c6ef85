//! What clients send, and what becomes of it.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{DecodeError, Decoded, FieldValidation, decode_json, decode_value, decode_yaml};
use crate::table::{Kind, config_map, deployment, event, message, node, pod, priority_class, secret};

fn decode(kind: &Kind, body: &Value) -> Value {
    let decoded = decode_json(kind.message(), body.to_string().as_bytes(), FieldValidation::Strict);
    decoded.expect("a good body").object
}

fn refusal(kind: &Kind, body: &Value) -> String {
    let decoded = decode_json(kind.message(), body.to_string().as_bytes(), FieldValidation::Strict);
    decoded.expect_err("a bad body").to_string()
}

fn text(kind: &Kind, body: &str, validation: FieldValidation) -> Result<Decoded, DecodeError> {
    decode_json(kind.message(), body.as_bytes(), validation)
}

#[test]
fn what_is_known_stays_as_it_is() {
    let body = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "a",
            "labels": { "app": "x", "empty": "" },
            "ownerReferences": [{ "apiVersion": "v1", "kind": "Node", "name": "n", "uid": "u", "controller": false }],
            "creationTimestamp": "2026-01-02T03:04:05Z",
            "managedFields": [{ "manager": "m", "fieldsV1": { "f:spec": { "f:containers": {} } } }],
        },
        "spec": {
            "containers": [{
                "name": "c",
                "image": "i",
                "ports": [{ "containerPort": 80 }],
                "resources": { "requests": { "cpu": "500m", "memory": "1Gi" } },
                "livenessProbe": { "httpGet": { "port": "http" }, "periodSeconds": 3 },
                "env": [{ "name": "A", "valueFrom": { "configMapKeyRef": { "name": "m", "key": "k" } } }],
            }],
            "volumes": [{ "name": "v", "emptyDir": {} }, { "name": "w", "configMap": { "name": "m", "defaultMode": 0 } }],
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": false,
            "securityContext": { "runAsUser": 0 },
        },
    });
    assert_eq!(decode(pod(), &body), body);
}

#[test]
fn null_is_as_good_as_absent() {
    let body = json!({
        "metadata": { "name": "a", "creationTimestamp": null, "labels": null },
        "spec": { "containers": [{ "name": "c", "command": null, "resources": null }], "nodeName": null },
        "status": null,
    });
    let read = decode(pod(), &body);
    assert_eq!(read, json!({ "metadata": { "name": "a" }, "spec": { "containers": [{ "name": "c" }] } }));
}

#[test]
fn null_in_a_list_or_a_map_is_the_empty_value() {
    let body = json!({ "data": { "a": null }, "metadata": { "finalizers": [null, "f"] } });
    let read = decode(config_map(), &body);
    assert_eq!(read, json!({ "data": { "a": "" }, "metadata": { "finalizers": ["", "f"] } }));
}

#[test]
fn what_is_written_out_but_not_set_is_left_away() {
    let body = json!({
        "metadata": { "name": "a", "namespace": "", "labels": {}, "generation": 0 },
        "spec": {
            "nodeName": "", "hostNetwork": false, "tolerations": [], "nodeSelector": {},
            "containers": [{ "name": "", "image": "", "stdin": false }],
            "securityContext": {}, "priority": 0,
        },
        "status": {},
    });
    let read = decode(pod(), &body);
    let wanted = json!({
        "metadata": { "name": "a" },
        "spec": { "containers": [{ "name": "" }], "securityContext": {}, "priority": 0 },
        "status": {},
    });
    assert_eq!(read, wanted);
    let class = json!({ "metadata": { "name": "zero" }, "value": 0, "globalDefault": false });
    assert_eq!(decode(priority_class(), &class), json!({ "metadata": { "name": "zero" }, "value": 0 }));
}

#[test]
fn wrong_types_are_named_with_their_path() {
    for (kind, body, wanted) in [
        (
            deployment(),
            json!({ "spec": { "replicas": "three" } }),
            "spec.replicas: got a string \"three\", want a whole number of 32 bits",
        ),
        (
            deployment(),
            json!({ "spec": { "replicas": 3_000_000_000_u64 } }),
            "spec.replicas: got the number 3000000000, want a whole number of 32 bits",
        ),
        (
            deployment(),
            json!({ "spec": { "replicas": 1.5 } }),
            "spec.replicas: got the number 1.5, want a whole number of 32 bits",
        ),
        (pod(), json!({ "spec": { "containers": {} } }), "spec.containers: got an object, want a list"),
        (pod(), json!({ "spec": [] }), "spec: got a list, want an object"),
        (
            pod(),
            json!({ "spec": { "containers": [{ "name": "a" }, { "name": 7 }] } }),
            "spec.containers[1].name: got the number 7, want text",
        ),
        (pod(), json!({ "metadata": { "labels": { "a": true } } }), "metadata.labels.a: got true, want text"),
        (
            pod(),
            json!({ "spec": { "hostNetwork": "yes" } }),
            "spec.hostNetwork: got a string \"yes\", want true or false",
        ),
        (pod(), json!(null), "got null, want an object"),
        (pod(), json!([1]), "got a list, want an object"),
        (
            event(),
            json!({ "eventTime": "yesterday" }),
            "eventTime: got the time \"yesterday\", want one such as \"2006-01-02T15:04:05Z\" (RFC 3339)",
        ),
        (secret(), json!({ "data": { "k": "not base64" } }), "data.k: illegal base64 data at input byte 3"),
    ] {
        assert_eq!(refusal(kind, &body), wanted);
    }
    let quantity = refusal(
        pod(),
        &json!({ "spec": { "containers": [{ "resources": { "limits": { "cpu": "lots" } } }] } }),
    );
    assert!(quantity.starts_with("spec.containers[0].resources.limits.cpu: quantity \"lots\""), "{quantity}");
}

#[test]
fn long_texts_are_cut_in_messages() {
    let said = refusal(deployment(), &json!({ "spec": { "replicas": "ü".repeat(5_000) } }));
    assert!(said.len() < 300, "{said}");
}

const TWICE_AND_UNKNOWN: &str = r#"{
    "metadata": { "name": "a", "name": "b", "labels": { "x": "1", "x": "2" } },
    "spec": { "foo": { "deep": [1, 2] }, "containers": [{ "name": "c", "imagee": "i" }] }
}"#;

#[test]
fn strict_refuses_unknown_and_repeated_fields_and_names_them_all() {
    let refused = text(pod(), TWICE_AND_UNKNOWN, FieldValidation::Strict).expect_err("refused");
    assert_eq!(
        refused.to_string(),
        "strict decoding error: duplicate field \"metadata.name\", duplicate field \"metadata.labels.x\", \
         unknown field \"spec.foo\", unknown field \"spec.containers[0].imagee\""
    );
}

#[test]
fn warn_drops_them_and_says_so_and_ignore_says_nothing() {
    let wanted = json!({
        "metadata": { "name": "b", "labels": { "x": "2" } },
        "spec": { "containers": [{ "name": "c" }] },
    });
    let warned = text(pod(), TWICE_AND_UNKNOWN, FieldValidation::Warn).expect("taken");
    assert_eq!(warned.object, wanted);
    assert_eq!(warned.warnings.len(), 4);
    assert_eq!(warned.warnings[2], "unknown field \"spec.foo\"");
    let ignored = text(pod(), TWICE_AND_UNKNOWN, FieldValidation::Ignore).expect("taken");
    assert_eq!(ignored, Decoded { object: wanted, warnings: Vec::new() });
}

#[test]
fn findings_are_bounded() {
    let fields: Vec<_> = (0..10_000).map(|number| format!("\"unknown{number}\": 1")).collect();
    let body = format!("{{ {} }}", fields.join(", "));
    let warned = text(pod(), &body, FieldValidation::Warn).expect("taken");
    assert!(warned.warnings.len() < 100);
    assert_eq!(warned.warnings.last().map(String::as_str), Some("and more"));
}

#[test]
fn numbers_and_other_forms_are_brought_into_one() {
    let body = json!({
        "status": {
            "allocatable": { "cpu": 4, "memory": "1024Mi", "x/y": 0.5 },
            "conditions": [{ "type": "Ready", "status": "True", "lastHeartbeatTime": "2026-01-01T02:00:00.5+02:00" }],
        },
    });
    let wanted = json!({
        "status": {
            "allocatable": { "cpu": "4", "memory": "1Gi", "x/y": "500m" },
            "conditions": [{ "type": "Ready", "status": "True", "lastHeartbeatTime": "2026-01-01T00:00:00Z" }],
        },
    });
    assert_eq!(decode(node(), &body), wanted);
    let micro = json!({ "eventTime": "2026-01-01T00:00:00.1Z", "involvedObject": {}, "metadata": {} });
    assert_eq!(decode(event(), &micro)["eventTime"], "2026-01-01T00:00:00.100000Z");
}

#[test]
fn numbers_or_texts_stay_what_they_are() {
    let rolling =
        |surge: Value| json!({ "spec": { "strategy": { "rollingUpdate": { "maxSurge": surge } } } });
    for surge in [json!(0), json!("25%"), json!(3)] {
        assert_eq!(decode(deployment(), &rolling(surge.clone())), rolling(surge));
    }
    assert!(refusal(deployment(), &rolling(json!(true))).contains("a whole number of 32 bits or text"));
}

#[test]
fn what_is_no_json_is_refused() {
    for body in
        ["", "{", "{}}", "{\"a\"", "\u{feff}{}", "{'a': 1}", "{\"metadata\": {\"name\": \"\\ud800\"}}", "nul"]
    {
        let error = text(pod(), body, FieldValidation::Ignore).expect_err(body);
        assert!(matches!(error, DecodeError::NotJson { .. }), "{body}: {error}");
    }
    assert!(decode_json(pod().message(), b"{\"kind\": \"\xff\"}", FieldValidation::Ignore).is_err());
}

#[test]
fn depth_is_bounded() {
    let deep = |levels: usize| format!("{}1{}", "{\"f:a\":".repeat(levels), "}".repeat(levels));
    let body =
        |levels: usize| format!("{{\"metadata\":{{\"managedFields\":[{{\"fieldsV1\":{}}}]}}}}", deep(levels));
    assert!(text(pod(), &body(64), FieldValidation::Strict).is_ok());
    assert!(text(pod(), &body(100_000), FieldValidation::Ignore).is_err());
    // What is dropped is skipped, however deep.
    let unknown = format!("{{\"foo\":{}}}", deep(100_000));
    assert_eq!(text(pod(), &unknown, FieldValidation::Ignore).map(|decoded| decoded.object), Ok(json!({})));

    // A value that no parser made may be deeper than a parser lets it be.
    let mut nested = json!({});
    for _ in 0..300 {
        nested = json!({ "f:a": nested });
    }
    let value = json!({ "metadata": { "managedFields": [{ "fieldsV1": nested }] } });
    let error = decode_value(pod().message(), value, FieldValidation::Ignore).expect_err("too deep");
    assert_eq!(error.to_string(), "metadata.managedFields[0].fieldsV1: deeper than 128 levels");
}

#[test]
fn yaml_is_read_like_json() {
    let yaml = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: &labels {app: web}}
spec:
  replicas: 3
  selector: {matchLabels: *labels}
  template:
    metadata: {labels: *labels}
    spec:
      containers:
      - name: c
        image: \"nginx:1.27\"
        command:
        - sh
        - |
          echo hello
        resources: {requests: {cpu: 1.5, memory: 1Gi}}
";
    let read =
        decode_yaml(deployment().message(), yaml.as_bytes(), FieldValidation::Strict).expect("good").object;
    assert_eq!(read["spec"]["selector"]["matchLabels"]["app"], "web");
    assert_eq!(read["spec"]["replicas"], 3);
    let container = &read["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["command"][1], "echo hello\n");
    assert_eq!(container["resources"]["requests"]["cpu"], "1500m");

    let wrong = decode_yaml(deployment().message(), b"spec: {replicas: three}", FieldValidation::Strict)
        .expect_err("bad");
    assert!(wrong.to_string().starts_with("spec.replicas: got a string \"three\""), "{wrong}");
    let strict =
        decode_yaml(deployment().message(), b"spec: {foo: 1}\nkind: a\nkind: b", FieldValidation::Strict);
    assert_eq!(
        strict.expect_err("bad").to_string(),
        "strict decoding error: unknown field \"spec.foo\", duplicate field \"kind\""
    );
}

#[test]
fn yaml_that_multiplies_itself_is_refused() {
    let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let (before, this) = (char::from(b'a' + level - 1), char::from(b'a' + level));
        let aliases = vec![format!("*{before}"); 10].join(", ");
        bomb.push_str(&format!("{this}: &{this} [{aliases}]\n"));
    }
    let error = decode_yaml(pod().message(), bomb.as_bytes(), FieldValidation::Ignore).expect_err("refused");
    assert!(matches!(error, DecodeError::NotYaml { .. }), "{error}");
    for bad in ["\t- x", "a: [", "---\na: 1\n---\na: 2\n", ""] {
        assert!(decode_yaml(pod().message(), bad.as_bytes(), FieldValidation::Ignore).is_err(), "{bad:?}");
    }
}

#[test]
fn options_and_bodies_of_subresources_are_messages_like_any() {
    let options = message("io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions").expect("known");
    let body = json!({ "kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0, "preconditions": { "uid": "u" } });
    let read = decode_json(options, body.to_string().as_bytes(), FieldValidation::Strict).expect("good");
    assert_eq!(read.object, body);
}

proptest! {
    #[test]
    fn decoding_what_was_decoded_changes_nothing(
        text in "\\PC{0,200}",
        name in "[a-z0-9.-]{0,20}",
        replicas in any::<i32>(),
        cpu in "[0-9]{1,4}(\\.[0-9]{1,2})?(m|k|Mi|Gi|e3)?",
    ) {
        let body = json!({
            "metadata": { "name": name, "annotations": { "a": text } },
            "spec": { "replicas": replicas, "template": { "spec": { "containers": [
                { "name": "c", "resources": { "requests": { "cpu": cpu } }, "args": [text, ""] },
            ] } } },
        });
        let once = decode(deployment(), &body);
        let twice = decode(deployment(), &once);
        prop_assert_eq!(&once, &twice);
        let value = decode_value(deployment().message(), once.clone(), FieldValidation::Strict).expect("good");
        prop_assert_eq!(value.object, once);
    }

    #[test]
    fn no_text_is_too_strange(text in "\\PC{0,60}", cut in 0usize..400) {
        let _ = decode_json(pod().message(), text.as_bytes(), FieldValidation::Strict);
        let _ = decode_yaml(pod().message(), text.as_bytes(), FieldValidation::Strict);
        let body = TWICE_AND_UNKNOWN.as_bytes();
        let _ = decode_json(pod().message(), &body[..cut.min(body.len())], FieldValidation::Warn);
    }
}

#[test]
fn keys_and_values_that_yaml_takes_for_numbers() {
    let read = |text: &str| decode_yaml(config_map().message(), text.as_bytes(), FieldValidation::Strict);
    let keys = read("data: {1: one, true: two, 1.10: three}").expect("good");
    assert_eq!(keys.object, json!({ "data": { "1": "one", "true": "two", "1.10": "three" } }));
    let value = read("data: {port: 8080}").expect_err("a number is no text");
    assert_eq!(value.to_string(), "data.port: got the number 8080, want text");
    assert_eq!(read("data: {port: \"8080\"}").map(|decoded| decoded.warnings), Ok(Vec::new()));
}
