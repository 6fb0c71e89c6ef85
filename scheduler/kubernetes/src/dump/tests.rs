use serde_json::json;

use super::*;

fn list() -> Value {
    json!({
        "apiVersion": "v1",
        "items": [
            {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}, "status": {"capacity": {"cpu": "4"}}},
            {
                "kind": "Pod",
                "metadata": {"name": "p1", "namespace": "a"},
                "spec": {"nodeName": "n1", "containers": [{"resources": {"requests": {"cpu": "1"}}}]},
                "status": {"phase": "Running"},
            },
            {"kind": "Pod", "metadata": {"name": "p1", "namespace": "b"}, "spec": {"containers": [{}]}},
        ],
        "kind": "List",
        "metadata": {"resourceVersion": ""},
    })
}

const YAML: &str = "
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Node
  metadata: {name: n1}
  status:
    capacity: {cpu: 4}
- kind: Pod
  metadata: {name: p1, namespace: a}
  spec:
    nodeName: n1
    containers:
    - resources:
        requests: {cpu: '1'}
  status: {phase: Running}
- kind: Pod
  metadata: {name: p1, namespace: b}
  spec:
    containers: [{}]
";

#[test]
fn reads_a_list_from_text_and_reader_as_json_and_yaml() {
    let text = serde_json::to_string_pretty(&list()).unwrap();
    let dump = Dump::from_text(&text).unwrap();
    assert_eq!(dump.hosts.iter().map(|host| host.name.as_str()).collect::<Vec<_>>(), ["n1"]);
    assert_eq!(dump.pods.iter().map(|pod| pod.view.key()).collect::<Vec<_>>(), ["a/p1", "b/p1"]);
    assert_eq!(dump.pods[0].demand.requests.cpu_milli, 1000);
    assert!(dump.pods[0].view.holds_resources() && !dump.pods[1].view.holds_resources());
    assert_eq!(Dump::from_text(YAML).unwrap(), dump);
    for text in [text.as_str(), YAML] {
        let spaced = format!("\n\n  \n{text}");
        assert_eq!(Dump::from_reader(spaced.as_bytes()).unwrap(), dump);
    }
}

#[test]
fn reads_lists_whose_items_do_not_say_their_kind() {
    for text in [
        r#"{"kind": "NodeList", "items": [{"metadata": {"name": "n1"}}]}"#,
        r#"{"items": [{"metadata": {"name": "n1"}}], "kind": "NodeList"}"#,
    ] {
        assert_eq!(Dump::from_text(text).unwrap().hosts.len(), 1);
    }
    let pods = r#"{"items": [{"metadata": {"name": "p"}, "spec": {"containers": [{}]}}], "kind": "PodList"}"#;
    assert_eq!(Dump::from_text(pods).unwrap().pods.len(), 1);
    assert_eq!(Dump::from_text(r#"{"kind": "List"}"#).unwrap(), Dump::default());
}

#[test]
fn errors_name_the_item() {
    for (text, want) in [
        (
            r#"{"kind": "List", "items": [{"kind": "Node", "metadata": {"name": "n"}},
                {"kind": "Pod", "metadata": {"name": "p", "namespace": "x"}, "spec": {"containers": [
                    {"resources": {"requests": {"cpu": "1.5x"}}}]}}]}"#,
            "items[1] (Pod x/p): spec.containers[0].resources.requests.cpu: quantity \"1.5x\" has the unknown suffix",
        ),
        (
            r#"{"kind": "List", "items": [{"kind": "Node", "metadata": {"name": 7}}]}"#,
            "items[0] (Node without a name): metadata.name: invalid type: integer `7`",
        ),
        (
            r#"{"kind": "List", "items": [{"kind": "Service"}]}"#,
            "items[0].kind is \"Service\", want Node or Pod",
        ),
        (r#"{"kind": "List", "items": [{}]}"#, "items[0].kind is missing, want Node or Pod"),
        (r#"{"kind": "List", "items": [null]}"#, "items[0].kind is missing, want Node or Pod"),
        (
            r#"{"kind": "List", "items": [{"kind": "Node", "metadata": {"name": "n"}},
                {"kind": "Node", "metadata": {"name": "n"}}]}"#,
            "items[1] (Node n): items[0] has this name already, want each object once",
        ),
        (r#"{"kind": "Table", "items": []}"#, "kind is \"Table\", want List, NodeList or PodList"),
        (r#"{"items": []}"#, "kind is missing, want List, NodeList or PodList"),
        (r#"{"kind": "List", "items": {}}"#, "reading JSON: invalid type: map, expected a list"),
        (r#"{"kind": "List", "items": [], "items": []}"#, "reading JSON: the key \"items\" is given twice"),
        (r#"{"kind": "List"} x"#, "reading JSON: trailing characters"),
        (r#"{"kind": "List", "items": ["#, "reading JSON: EOF"),
        ("[]", "reading YAML"),
        ("", "kind is missing, want List, NodeList or PodList"),
        (
            "kind: List\nitems:\n- kind: Service\n- kind: Node\n",
            "items[0].kind is \"Service\", want Node or Pod",
        ),
        ("kind: List\n---\nkind: List\n", "reading YAML"),
    ] {
        let error = Dump::from_text(text).expect_err(text).to_string();
        assert!(error.starts_with(want), "{error}");
        let error = Dump::from_reader(text.as_bytes()).expect_err(text).to_string();
        assert!(error.starts_with(want), "{error}");
    }
}

#[test]
fn a_reader_that_fails_is_said_so() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("unplugged"))
        }
    }
    let error = Dump::from_reader(Broken).unwrap_err().to_string();
    assert_eq!(error, "reading the dump: unplugged");
    let error = Dump::from_reader(b"{\"kind\": ".chain(Broken)).unwrap_err().to_string();
    assert!(error.starts_with("reading the dump: unplugged"), "{error}");
}
