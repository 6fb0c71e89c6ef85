//! Selectors, and a slow matcher beside them.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::table::{event, namespace, node, pod, replica_set, secret};

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn texts_select_by_labels() {
    let web = labels(&[("app", "web"), ("tier", "front"), ("size", "5")]);
    for text in [
        "",
        " ",
        "app",
        "app=web",
        "app = web",
        "app==web",
        "app!=db",
        "!gone",
        "app in (db, web)",
        "app notin (db)",
        "gone notin (a)",
        "gone!=a",
        "size>4",
        "size<6",
        "app=web,tier=front",
        "app in (web),!gone,size > 4",
        "in notin (x)",
    ] {
        assert!(LabelSelector::parse(text).unwrap().matches(&web), "{text}");
    }
    for text in [
        "gone",
        "app=db",
        "!app",
        "app in (db,)",
        "app notin (web)",
        "size>5",
        "app>1",
        "app=",
        "app=web,tier=back",
    ] {
        assert!(!LabelSelector::parse(text).unwrap().matches(&web), "{text}");
    }
    assert!(LabelSelector::parse("app=").unwrap().matches(&labels(&[("app", "")])));
}

#[test]
fn malformed_texts_are_refused_in_known_words() {
    for (text, problem) in [
        ("app=web,", "found '', expected: identifier after ','"),
        (",app", "found ',', expected: !, identifier, or 'end of string'"),
        ("app web", "found 'web', expected: in, notin, =, ==, !=, gt, lt"),
        ("app=web tier", "found 'tier', expected: ',' or 'end of string'"),
        ("app in web", "found 'web', expected: '('"),
        ("app in (web", "found '', expected: ',', ')' or identifier"),
        ("!", "found '', expected: identifier"),
        ("app=(", "found '(', expected: identifier"),
        ("size>x", "values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be an integer"),
    ] {
        let error = LabelSelector::parse(text).unwrap_err().to_string();
        assert_eq!(error, format!("unable to parse requirement: {problem}"), "{text}");
    }
    let error = LabelSelector::parse("app=a_").unwrap_err().to_string();
    assert!(
        error
            .starts_with("unable to parse requirement: values[0][app]: Invalid value: \"a_\": a valid label"),
        "{error}"
    );
    let large = format!("a in ({})", "a,".repeat(40_000));
    assert_eq!(LabelSelector::parse(&large), Err(SelectorError::TooLarge));
    assert_eq!(LabelSelector::parse(&"a,".repeat(1025)), Err(SelectorError::TooLarge));
}

#[test]
fn objects_select_by_labels() {
    let web = labels(&[("app", "web")]);
    let select = |object| LabelSelector::from_object(&object).unwrap();
    assert!(!select(json!(null)).matches(&web));
    assert!(!select(json!(null)).is_everything());
    assert!(select(json!({})).matches(&web));
    assert!(select(json!({})).is_everything());
    assert!(select(json!({"matchLabels": {"app": "web"}})).matches(&web));
    assert!(
        select(json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["db", "web"]}]}))
            .matches(&web)
    );
    assert!(!select(json!({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]})).matches(&web));
    let wrong = json!({"matchExpressions": [{"key": "app", "operator": "Like", "values": ["w"]}]});
    assert_eq!(
        LabelSelector::from_object(&wrong).unwrap_err().to_string(),
        "\"Like\" is not a valid label selector operator, want In, NotIn, Exists or DoesNotExist",
    );
    assert!(
        LabelSelector::from_object(&json!({"matchExpressions": [{"key": "app", "operator": "In"}]})).is_err()
    );
}

#[test]
fn labels_may_be_kept_in_any_form() {
    let selector = LabelSelector::parse("b=2").unwrap();
    let pairs = vec![("a", "1"), ("b", "2")];
    assert!(selector.matches(&pairs) && selector.matches(pairs.as_slice()));
    assert!(selector.matches(&json!({"b": "2"})) && !selector.matches(&json!(null)));
    assert!(selector.matches(json!({"b": "2"}).as_object().unwrap()));
    assert!(!selector.matches(&HashMap::<String, String>::new()));
}

#[test]
fn fields_of_a_kind() {
    let object = json!({"metadata": {"name": "web", "namespace": "a"}, "spec": {"nodeName": "host"}, "status": {"phase": "Running"}});
    let select = |text: &str| FieldSelector::parse(pod(), text).unwrap();
    for text in [
        "",
        "metadata.name=web",
        "spec.nodeName==host,status.phase!=Failed",
        "spec.hostNetwork=false",
        "status.podIP=",
    ] {
        assert!(select(text).matches(&object), "{text}");
    }
    for text in ["metadata.name=db", "status.phase!=Running", "spec.nodeName=", "metadata.name=we\\,b"] {
        assert!(!select(text).matches(&object), "{text}");
    }
    assert_eq!(select("spec.nodeName=a,status.phase!=b").required("spec.nodeName"), Some("a"));
    assert_eq!(select("status.phase!=b").required("status.phase"), None);
    assert!(select("metadata.name=a\\=b").matches(&json!({"metadata": {"name": "a=b"}})));
}

#[test]
fn fields_that_other_kinds_have() {
    for (kind, text, object) in [
        (node(), "spec.unschedulable=false", json!({"spec": {}})),
        (node(), "spec.unschedulable=true", json!({"spec": {"unschedulable": true}})),
        (secret(), "type=Opaque", json!({"type": "Opaque"})),
        (namespace(), "status.phase=Active", json!({"status": {"phase": "Active"}})),
        (replica_set(), "status.replicas=2", json!({"status": {"replicas": 2}})),
        (
            event(),
            "involvedObject.name=a,source=kubelet",
            json!({"involvedObject": {"name": "a"}, "source": {"component": "kubelet"}}),
        ),
    ] {
        assert!(FieldSelector::parse(kind, text).unwrap().matches(&object), "{text}");
        assert!(
            !FieldSelector::parse(kind, text)
                .unwrap()
                .matches(&json!({"spec": {"unschedulable": text.ends_with("false")}}))
        );
    }
}

#[test]
fn malformed_field_selectors_are_refused() {
    let error = |kind, text: &str| FieldSelector::parse(kind, text).unwrap_err().to_string();
    assert_eq!(error(pod(), "spec.foo=a"), "field label not supported: spec.foo");
    assert_eq!(error(namespace(), "metadata.namespace=a"), "field label not supported: metadata.namespace");
    assert_eq!(
        error(pod(), "status.phase"),
        "invalid selector: 'status.phase'; can't understand 'status.phase'"
    );
    assert_eq!(
        error(pod(), "status.phase=a\\b"),
        "invalid selector: 'status.phase=a\\b'; can't understand 'status.phase=a\\b'"
    );
    assert_eq!(FieldSelector::parse(pod(), &"a".repeat(70_000)), Err(SelectorError::TooLarge));
}

/// A requirement as a test sees it: a key, a word for the operator and values.
type Wanted = (String, usize, Vec<String>);

fn wanted() -> impl Strategy<Value = Wanted> {
    ("[ab]", 0..8_usize, prop::collection::vec("[0-3x]", 1..4))
}

/// The requirement in a query, with the values that the operator takes.
fn written((key, operator, values): &Wanted) -> String {
    let (first, all) = (&values[0], values.join(", "));
    match operator {
        0 => format!("{key}={first}"),
        1 => format!("{key} != {first}"),
        2 => format!("{key} in ({all})"),
        3 => format!("{key} notin ({all})"),
        4 => key.clone(),
        5 => format!("!{key}"),
        6 => format!("{key}>1"),
        _ => format!("{key} < 2"),
    }
}

/// What the requirement means, looked up in a list.
fn holds((key, operator, values): &Wanted, labels: &[(String, String)]) -> bool {
    let found = labels.iter().filter(|(other, _)| other == key).map(|(_, value)| value.as_str()).next();
    let number = found.and_then(|value| value.parse::<i32>().ok());
    match operator {
        0 => found == Some(values[0].as_str()),
        1 => found != Some(values[0].as_str()),
        2 => found.is_some_and(|found| values.iter().any(|value| value == found)),
        3 => found.is_none_or(|found| values.iter().all(|value| value != found)),
        4 => found.is_some(),
        5 => found.is_none(),
        6 => number.is_some_and(|number| number > 1),
        _ => number.is_some_and(|number| number < 2),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn a_text_selects_what_its_requirements_say(
        requirements in prop::collection::vec(wanted(), 0..4),
        labels in prop::collection::btree_map("[abc]", "[0-3x]", 0..3),
    ) {
        let text = requirements.iter().map(written).collect::<Vec<_>>().join(",");
        let pairs: Vec<_> = labels.clone().into_iter().collect();
        let expected = requirements.iter().all(|requirement| holds(requirement, &pairs));
        let selector = LabelSelector::parse(&text).unwrap();
        prop_assert_eq!(selector.matches(&labels), expected, "{}", text);
        prop_assert_eq!(selector.is_everything(), requirements.is_empty());
    }

    #[test]
    fn no_text_is_too_strange(text in "[a=!()<>, nio\\\\.\u{e4}]{0,24}") {
        drop(LabelSelector::parse(&text));
        drop(FieldSelector::parse(pod(), &text));
    }
}
