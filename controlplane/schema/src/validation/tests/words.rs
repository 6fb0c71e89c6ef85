//! Forms of names, and what messages do with values that are too large or too strange to repeat.

use proptest::prelude::*;
use serde_json::json;

use super::words;
use crate::table::{namespace, pod, service_account};
use crate::validation::{names, validate_generate_name, validate_name, validate_new};

#[test]
fn forms_of_names() {
    let right = |check: fn(&str) -> names::Problems, texts: &[&str]| {
        texts.iter().for_each(|text| assert!(check(text).is_empty(), "{text}"));
    };
    let wrong = |check: fn(&str) -> names::Problems, texts: &[&str]| {
        texts.iter().for_each(|text| assert!(!check(text).is_empty(), "{text}"));
    };
    right(names::dns_label, &["a", "0", "a-b", &"a".repeat(63)]);
    wrong(names::dns_label, &["", "-a", "a-", "a_b", "A", "a.b", "\u{e4}", &"a".repeat(64)]);
    right(names::dns_subdomain, &["a.b", "a-b.0"]);
    wrong(names::dns_subdomain, &["", ".", "a..b", "a.-b", "a.b."]);
    right(names::qualified_name, &["A", "a_b.c", "example.com/A", &format!("{}/a", "a".repeat(253))]);
    wrong(
        names::qualified_name,
        &["", "/a", "a/", "a/b/c", "A/a", "a/-b", &"a".repeat(64), &format!("{}/a", "a".repeat(254))],
    );
    right(names::label_value, &["", "A", "a_b.c"]);
    wrong(names::label_value, &["-", "a b", &"a".repeat(64)]);
    right(names::port_name, &["http", "a1"]);
    wrong(names::port_name, &["", "80", "-a", "a--b", "HTTP", "abcdefghijklmnop"]);
    right(names::cidr, &["10.0.0.0/8", "::/0"]);
    wrong(names::cidr, &["10.0.0.0", "10.0.0.0/33", "10.0.0.0/+8", "a/8", "::/129"]);
    right(names::config_key, &[".a", "A_b-c.d"]);
    wrong(names::config_key, &["", ".", "..", "..a", "a/b"]);
}

#[test]
fn names_by_kind() {
    assert!(validate_name(pod(), "a.b").is_empty());
    assert!(!validate_name(namespace(), "a.b").is_empty());
    assert!(validate_generate_name(pod(), "web-").is_empty());
    assert!(!validate_generate_name(pod(), "-").is_empty());
    assert!(!validate_generate_name(pod(), "web_").is_empty());
}

#[test]
fn messages_stay_small() {
    let large = json!({"metadata": {"name": "A".repeat(100_000), "namespace": "default"}});
    let causes = words(&validate_new(service_account(), &large));
    assert!(causes.iter().all(|cause| cause.len() < 2000));
    let labels: serde_json::Map<_, _> = (0..10_000).map(|key| (format!("-{key}"), json!("-"))).collect();
    let many = json!({"metadata": {"name": "a", "namespace": "default", "labels": labels}});
    assert_eq!(validate_new(service_account(), &many).len(), 256);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    /// Whatever was decoded, and whatever was not, nothing here panics.
    #[test]
    fn no_object_is_too_strange(name in "\\PC{0,12}", text in "\\PC{0,20}", number: i64, at in 0..9_usize) {
        let value = [json!(text), json!(number), json!([text]), json!([{}]), json!({}), json!(null)][at % 6].clone();
        let fields = ["containers", "volumes", "affinity", "tolerations", "dnsConfig", "securityContext", "overhead",
            "hostAliases", "initContainers"];
        let mut object = super::a_pod();
        object["metadata"]["name"] = json!(name);
        object["spec"][fields[at]] = value;
        let causes = validate_new(pod(), &object);
        prop_assert_eq!(causes.iter().any(|cause| cause.field == "metadata.name"), !validate_name(pod(), &name).is_empty());
        crate::defaults::apply_defaults(pod(), &mut object);
        crate::defaults::admit_pod(&mut object);
        crate::defaults::initial_status(pod(), &mut object);
    }
}
