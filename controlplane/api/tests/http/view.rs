//! What tenants see of hosts, as it goes over the wire: every form of an answer, and nothing of the hosts in any.

use meridian_api::{BindRequest, BindResult, BindingRecord, BindingState, ClaimName, Registry, Sub};
use meridian_store::Tenant;
use serde_json::{Value, json};

use crate::client::Answer;
use crate::region::{Region, pod};

const PODS: &str = "/tenants/blue/api/v1/namespaces/default/pods";
const NODES: &str = "/tenants/blue/api/v1/nodes";
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";
const METADATA: &str = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
const HIDDEN: [&str; 4] = ["host-17", "10.3.0.17", "hosts-0", "hostIP"];

/// A server, and a pod `web` of the tenant `blue` that runs on a host.
async fn region() -> (Region, Registry) {
    let mut registry = None;
    let region = Region::start_with(|options| registry = Some(options.registry.clone())).await;
    let registry = registry.unwrap();
    let node = json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": { "name": "host-17", "labels": { "kubernetes.io/os": "linux" } },
        "status": {
            "addresses": [{ "type": "InternalIP", "address": "10.3.0.17" }],
            "conditions": [{ "type": "Ready", "status": "True" }],
        },
    });
    region.create("/api/v1/nodes", &node).await;
    region.create(PODS, &pod("web")).await;
    let tenant = Tenant::new("blue").unwrap();
    let entry = registry.stored(&tenant, meridian_schema::pod(), "default", "web").await.unwrap();
    registry.append_fence("hosts-0", 1).await.unwrap();
    let request = BindRequest {
        namespace: "default".to_owned(),
        name: "web".to_owned(),
        uid: entry.uid.clone(),
        host_epoch: 1,
        record: BindingRecord {
            uid: entry.uid.clone(),
            host: "host-17".to_owned(),
            host_partition: "hosts-0".to_owned(),
            incarnation: 1,
            claim: ClaimName { partition: "tenants-0".to_owned(), epoch: 1, sequence: 1 },
            demand: vec![1].into(),
            devices: 0,
            numa: 0,
            volumes: Vec::new(),
            state: BindingState::Bound,
        },
    };
    let bound = registry.append_bindings(&tenant, &[request]).await.remove(0);
    assert!(matches!(bound, BindResult::Bound(_)), "{bound:?}");
    let report = |pod: &mut Value| {
        pod["status"]["phase"] = json!("Running");
        pod["status"]["hostIP"] = json!("10.3.0.17");
        pod["status"]["hostIPs"] = json!([{ "ip": "10.3.0.17" }]);
        true
    };
    let caller = meridian_api::Caller::component("test", &tenant);
    let (kind, sub) = (meridian_schema::pod(), Some(Sub::Status));
    registry.modify(&caller, kind, "default", "web", None, sub, report).await.unwrap().unwrap();
    (region, registry)
}

#[track_caller]
fn hides(answer: &Answer) {
    let text = answer.text();
    assert!(!HIDDEN.iter().any(|hidden| text.contains(hidden)), "{text}");
}

#[tokio::test]
async fn no_form_of_an_answer_tells_of_hosts() {
    let (region, _registry) = region().await;
    let seen = region.get(&format!("{PODS}/web")).await;
    hides(&seen);
    let node = seen.at("/spec/nodeName").as_str().unwrap().to_owned();
    for path in [PODS, "/tenants/blue/api/v1/pods", "/api/v1/tenants/blue/pods", NODES] {
        for accept in ["application/json", "application/yaml", TABLE, METADATA] {
            for more in ["", "?includeObject=Object", "?pretty=true"] {
                let answer = region.get_as(&format!("{path}{more}"), accept).await;
                assert_eq!(answer.status, 200, "{path}{more} {accept}");
                hides(&answer);
                let hasnt_names = accept == METADATA && path != NODES;
                assert!(hasnt_names || answer.text().contains(&node), "{}", answer.text());
            }
        }
    }
    let table = region.get_as(&format!("{NODES}/{node}"), TABLE).await;
    assert_eq!((table.at("/rows/0/cells/0"), table.at("/rows/0/cells/1")), (json!(node), json!("Ready")));
    let by_node = region.get(&format!("{PODS}?fieldSelector=spec.nodeName%3D{node}")).await;
    assert_eq!(by_node.at("/items/0/metadata/name"), "web");
    let by_host = region.get(&format!("{PODS}?fieldSelector=spec.nodeName%3Dhost-17")).await;
    assert_eq!(by_host.at("/items").as_array().map(Vec::len), Some(0));

    let mut pod = seen.json();
    pod["metadata"]["labels"]["tier"] = json!("front");
    let put = region.put(&format!("{PODS}/web"), &pod).await;
    assert_eq!((put.status.as_u16(), put.at("/spec/nodeName")), (200, json!(node)));
    hides(&put);
    let labels = json!({ "metadata": { "labels": { "tier": "back" } } });
    let patched = region.patch(&format!("{PODS}/web"), "strategic-merge-patch", &labels).await;
    assert_eq!((patched.status.as_u16(), patched.at("/metadata/labels/tier")), (200, json!("back")));
    hides(&patched);
    let deleted = region.delete(&format!("{PODS}/web")).await;
    assert_eq!((deleted.status.as_u16(), deleted.at("/spec/nodeName")), (200, json!(node)));
    hides(&deleted);
    // To operators it is what it is.
    let all = region.get("/api/v1/nodes").await;
    assert_eq!(all.at("/items/0/metadata/name"), "host-17");
}

#[tokio::test]
async fn watches_and_refusals_do_not_tell_of_hosts_either() {
    let (region, _registry) = region().await;
    for accept in ["application/json", TABLE] {
        let mut lines = region.watch(&format!("{PODS}?watch=true&includeObject=Object"), accept).await;
        let line = lines.next().await.unwrap().to_string();
        assert!(line.contains("\"ADDED\"") && line.contains("node-"), "{line}");
        assert!(!HIDDEN.iter().any(|hidden| line.contains(hidden)), "{line}");
    }
    let node = region.get(NODES).await.at("/items/0/metadata/name").as_str().unwrap().to_owned();
    region.get(&format!("{NODES}?watch=true")).await.refused(
        405,
        "MethodNotAllowed",
        "watch is not supported",
    );
    region.get(&format!("{NODES}/host-17")).await.refused(404, "NotFound", "\"host-17\" not found");
    region.get(&format!("{NODES}/host-99")).await.refused(404, "NotFound", "\"host-99\" not found");
    let answer = region.delete(&format!("{NODES}/{node}")).await;
    answer.refused(
        403,
        "Forbidden",
        "cannot delete resource \"nodes\" in API group \"\" at the cluster scope",
    );
    hides(&answer);
    let cordon = json!({ "spec": { "unschedulable": true } });
    let answer = region.patch(&format!("{NODES}/{node}"), "merge-patch", &cordon).await;
    answer.refused(403, "Forbidden", "cannot patch resource \"nodes\"");
    let binding = json!({
        "apiVersion": "v1", "kind": "Binding", "metadata": { "name": "web" },
        "target": { "apiVersion": "v1", "kind": "Node", "name": "host-17" },
    });
    region.post(&format!("{PODS}/web/binding"), &binding).await.refused(404, "NotFound", "nodes \"host-17\"");
    let mut pinned = pod("pinned");
    pinned["spec"]["nodeName"] = json!("host-17");
    let answer = region.post(PODS, &pinned).await;
    answer.refused(422, "Invalid", "spec.nodeName: Not found: \"host-17\"");
}

#[tokio::test]
async fn discovery_offers_tenants_what_they_may_do_to_nodes() {
    let region = Region::start().await;
    let verbs = async |tenant: &str| {
        let list = region.get(&format!("{tenant}/api/v1")).await.json();
        let all = list["resources"].as_array().unwrap().clone();
        let names = all.iter().filter(|one| one["name"].as_str().unwrap().starts_with("nodes"));
        names.map(|one| format!("{} {}", one["name"], one["verbs"])).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(verbs("/tenants/blue").await, "\"nodes\" [\"get\",\"list\"]");
    let operators = verbs("").await;
    assert!(operators.contains("watch") && operators.contains("nodes/status"), "{operators}");
    let aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let document = region.get_as("/tenants/blue/api", aggregated).await.json();
    let resources = document["items"][0]["versions"][0]["resources"].as_array().unwrap().clone();
    let nodes = resources.iter().find(|one| one["resource"] == "nodes").unwrap();
    assert_eq!((&nodes["verbs"], &nodes["subresources"]), (&json!(["get", "list"]), &Value::Null));
    let pods = resources.iter().find(|one| one["resource"] == "pods").unwrap();
    assert!(pods["verbs"].as_array().unwrap().contains(&json!("watch")));
}

#[tokio::test]
async fn operators_are_explained_pods_of_any_tenant_and_others_only_their_own() {
    let (explainer, mut questions) = tokio::sync::mpsc::channel(4);
    let region = Region::start_with(|options| options.explainer = Some(explainer)).await;
    let answering = tokio::spawn(async move {
        let mut asked = Vec::new();
        while let Some(question) = questions.recv().await {
            asked.push(format!("{} of {}", question.viewer.as_str(), question.tenant.as_str()));
            question.reply.send(Ok(json!({}))).unwrap();
            if asked.len() == 3 {
                break;
            }
        }
        asked
    });
    for (prefix, query) in [("", "?tenant=blue"), ("", ""), ("/tenants/red", "?tenant=blue")] {
        let path = format!("{prefix}/api/v1/namespaces/default/pods/web/explanation{query}");
        assert_eq!(region.get(&path).await.status, 200, "{path}");
    }
    assert_eq!(answering.await.unwrap(), ["system of blue", "system of system", "red of red"]);
}
