//! The table is whole, and says what clients rely on.

use std::collections::BTreeSet;

use super::kind::NAMED;
use super::parse::parse;
use super::{Home, ListType, Message, Type, kind, kind_named, kinds, message, message_named, pod, table};

#[test]
fn every_kind_that_is_known_by_name_is_in_the_table() {
    for named in NAMED {
        let found = named();
        assert_eq!(kind_named(found.api_version, found.kind), Some(found));
        assert_eq!(kind(found.group, found.version, found.plural), Some(found));
    }
    assert_eq!(NAMED.len(), kinds().len());
    assert_eq!(kind("apps", "v1", "pods"), None);
    assert_eq!(kind_named("apps/v1", "Pod"), None);
}

#[test]
fn kinds_are_as_kubernetes_names_them() {
    let told: Vec<_> = kinds()
        .iter()
        .map(|kind| (kind.resource(), kind.api_version(), kind.kind, kind.short_names, kind.namespaced))
        .collect();
    let wanted: [(&str, &str, &str, &[&str], bool); 13] = [
        ("namespaces", "v1", "Namespace", &["ns"], false),
        ("nodes", "v1", "Node", &["no"], false),
        ("pods", "v1", "Pod", &["po"], true),
        ("configmaps", "v1", "ConfigMap", &["cm"], true),
        ("secrets", "v1", "Secret", &[], true),
        ("serviceaccounts", "v1", "ServiceAccount", &["sa"], true),
        ("events", "v1", "Event", &["ev"], true),
        ("deployments.apps", "apps/v1", "Deployment", &["deploy"], true),
        ("replicasets.apps", "apps/v1", "ReplicaSet", &["rs"], true),
        ("leases.coordination.k8s.io", "coordination.k8s.io/v1", "Lease", &[], true),
        ("poddisruptionbudgets.policy", "policy/v1", "PodDisruptionBudget", &["pdb"], true),
        ("priorityclasses.scheduling.k8s.io", "scheduling.k8s.io/v1", "PriorityClass", &["pc"], false),
        ("podgroups.scheduling.x-k8s.io", "scheduling.x-k8s.io/v1alpha1", "PodGroup", &["pg", "pgs"], true),
    ];
    assert_eq!(told, wanted);
    for kind in kinds() {
        assert_eq!(kind.home == Home::Hosts, kind.kind == "Node");
        assert_eq!(kind.message().short_name(), kind.kind);
    }
}

#[test]
fn subresources_have_types_of_their_own() {
    let eviction = pod().subresource("eviction").expect("known");
    assert_eq!(
        (eviction.api_version().as_str(), eviction.kind, eviction.verbs),
        ("policy/v1", "Eviction", &["create"][..])
    );
    for api_version in ["policy/v1", "policy/v1beta1"] {
        assert_eq!(message_named(api_version, "Eviction"), Some(eviction.message()));
    }
    assert_eq!(message_named("policy/v1alpha1", "Eviction"), None);
    assert_eq!(
        message_named("v1", "Binding").map(|message| message.name),
        Some("io.k8s.api.core.v1.Binding")
    );
    assert_eq!(
        message_named("apps/v1", "DeleteOptions"),
        message("io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions")
    );
    assert_eq!(message_named("v1", "PodSpec"), None);
    assert!(pod().subresource("scale").is_none());
}

/// Everything that a kind leads to.
fn reach(message: &'static Message, seen: &mut BTreeSet<&'static str>, depth: usize) -> usize {
    seen.insert(message.name);
    let inner = message.fields.iter().filter_map(|field| field.message());
    inner.map(|inner| reach(inner, seen, depth + 1)).max().unwrap_or(depth)
}

#[test]
fn nothing_in_the_table_is_without_use_and_nothing_contains_itself() {
    let mut seen = BTreeSet::new();
    let mut deepest = 0;
    for kind in kinds() {
        deepest = deepest.max(reach(kind.message(), &mut seen, 0));
        for subresource in kind.subresources {
            reach(subresource.message(), &mut seen, 0);
        }
    }
    assert!(deepest < 20);
    // Said in answers and in envelopes.
    seen.extend(["Status", "StatusDetails", "StatusCause", "ListMeta"].map(|name| {
        message(&format!("io.k8s.apimachinery.pkg.apis.meta.v1.{name}")).map_or("", |message| message.name)
    }));
    // Flat in others.
    seen.extend(
        ["VolumeSource", "ProbeHandler", "EphemeralContainerCommon"]
            .map(|name| message(&format!("io.k8s.api.core.v1.{name}")).map_or("", |message| message.name)),
    );
    let unused: Vec<_> =
        table().messages.iter().map(|message| message.name).filter(|name| !seen.contains(name)).collect();
    assert_eq!(unused, [""; 0]);
}

#[test]
fn attributes_fit_their_fields() {
    for message in &table().messages {
        for field in &message.fields {
            let place = format!("{}.{}", message.name, field.name);
            let list = matches!(field.value, Type::List(_));
            assert_eq!(field.list_type.is_some(), list, "{place}: list-type");
            assert!(!field.patch_strategy.merge || list, "{place}: patch-strategy");
            let keys = || field.list_keys.iter().chain(&field.merge_key);
            assert_eq!(field.list_type == Some(ListType::Map), !field.list_keys.is_empty(), "{place}: keys");
            for key in keys() {
                let element = field.message().expect("a list of messages");
                assert!(element.field(key).is_some(), "{place}: {key}");
            }
            let scalar = matches!(field.value, Type::String | Type::Boolean | Type::Int32 | Type::Int64);
            assert!(!field.optional_pointer || scalar && !field.required, "{place}: pointer");
            let number = matches!(field.value, Type::Int32 | Type::Int64);
            assert!(number || field.minimum.is_none() && field.maximum.is_none(), "{place}: min, max");
            assert!(matches!(field.value, Type::String) || field.enumeration.is_empty(), "{place}: enum");
        }
    }
}

#[test]
fn lookups_find_every_field_and_nothing_else() {
    for message in &table().messages {
        for field in &message.fields {
            let found = message.field(field.name).expect(field.name);
            assert!(std::ptr::eq(found, field), "{}.{}", message.name, field.name);
            assert!(message.place(&field.name.to_uppercase()).is_none() || field.name == "Port");
        }
        assert!(message.field("").is_none() && message.field("noSuchField").is_none());
    }
}

#[test]
fn what_is_wrong_in_the_text_is_said_with_its_line() {
    for (text, wanted) in [
        ("  1 a string\n", "x.txt, line 1: nothing that this line belongs to"),
        ("package p\nmessage M\n  1 a\n", "x.txt, line 3: want a number, a name and a type"),
        ("package p\nmessage M\n  one a string\n", "x.txt, line 3: \"one\" is no field number"),
        ("package p\nmessage M\n  1 a N\n", "x.txt, line 3: no type N"),
        ("package p\nmessage M\n  1 a string\n  1 b string\n", "x.txt, line 2: number 1 is there twice"),
        ("package p\nmessage M\n  1 a string\n  2 a string\n", "x.txt, line 2: field a is there twice"),
        ("package p\nmessage M\nmessage M\n", "x.txt, line 3: p.M is there twice"),
        ("message M\n", "x.txt, line 1: a message without a package or a name"),
        ("package p\nmessage M\n  1 a []string list-type=odd\n", "x.txt, line 3: no list type odd"),
        ("package p\nmessage M\n  1 a int32 min=x\n", "x.txt, line 3: min=x: no number"),
        ("kind K\n  version v1\n", "x.txt, line 1: kind K has no message"),
        ("nonsense\n", "x.txt, line 1: want package, message or kind with a name"),
    ] {
        let error = parse(&[("x.txt", text)]).map(drop).expect_err(text);
        assert_eq!(error.to_string(), wanted);
    }
}
