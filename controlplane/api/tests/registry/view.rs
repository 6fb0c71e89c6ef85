//! What tenants see of hosts: nodes of their own in the place of each, and of what they name only what they see.

use std::sync::Arc;

use meridian_api::{
    BindOrder, BindResult, BindingState, CreateOptions, DeleteOptions, Entry, Failure, ListOptions, Patch,
    PatchKind, PatchOptions, Sub, UpdateOptions, WatchEvent, WatchOptions,
};
use meridian_schema::{self as schema, FieldSelector, LabelSelector};
use meridian_store::Tenant;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::region::{Region, binding, caller, pod};

const HOST: &str = "host-17";
const ADDRESS: &str = "10.3.0.17";

/// A region with two hosts, of which one is in a zone.
async fn region() -> Region {
    let region = Region::new().await;
    region.registry.append_fence("hosts", 1).await.unwrap();
    for (name, zone) in [(HOST, "a"), ("host-18", "b")] {
        let node = json!({
            "metadata": { "name": name, "labels": {
                "kubernetes.io/hostname": name, "kubernetes.io/arch": "arm64",
                "topology.kubernetes.io/zone": zone, "rack": "r-9",
            } },
            "spec": { "taints": [{ "key": "owner", "value": "red", "effect": "NoSchedule" }] },
            "status": {
                "addresses": [{ "type": "InternalIP", "address": ADDRESS }],
                "capacity": { "cpu": "64" },
                "conditions": [{ "type": "Ready", "status": "True", "message": "as ever" }],
            },
        });
        region.create("system", schema::node(), node).await.unwrap();
    }
    region
}

/// A pod of a tenant that is bound to a host, which has reported it running.
async fn running(region: &Region, tenant: &str, name: &str, host: &str, sequence: u64) -> Arc<Entry> {
    let entry = region.create(tenant, schema::pod(), pod(name)).await.unwrap();
    let request = binding(&entry, host, sequence);
    let bound = region.registry.append_bindings(&entry.tenant, &[request]).await.remove(0);
    assert!(matches!(bound, BindResult::Bound(_)), "{bound:?}");
    let report = |pod: &mut Value| {
        pod["status"]["phase"] = json!("Running");
        pod["status"]["hostIP"] = json!(ADDRESS);
        pod["status"]["hostIPs"] = json!([{ "ip": ADDRESS }]);
        pod["status"]["podIP"] = json!("10.200.0.9");
        pod["status"]["podIPs"] = json!([{ "ip": "10.200.0.9" }]);
        true
    };
    let (caller, uid) = (caller(tenant), Some(entry.uid.as_str()));
    let sub = Some(Sub::Status);
    let modified = region.registry.modify(&caller, schema::pod(), "default", name, uid, sub, report);
    modified.await.unwrap().unwrap()
}

async fn get(region: &Region, tenant: &str, name: &str) -> Value {
    region.registry.get(&caller(tenant), schema::pod(), "default", name).await.unwrap().value()
}

/// What is stored of a tenant's pod.
async fn stored(region: &Region, tenant: &str, name: &str) -> Value {
    let tenant = Tenant::new(tenant).unwrap();
    region.registry.stored(&tenant, schema::pod(), "default", name).await.unwrap().stored_value()
}

async fn update(region: &Region, tenant: &str, sub: Option<Sub>, pod: Value) -> Result<Arc<Entry>, Failure> {
    let (name, options) = (pod["metadata"]["name"].as_str().unwrap().to_owned(), UpdateOptions::default());
    let caller = caller(tenant);
    let updated = region.registry.update(&caller, schema::pod(), "default", &name, sub, pod, &options);
    updated.await.map(|updated| updated.entry)
}

async fn patch(
    region: &Region,
    kind: PatchKind,
    sub: Option<Sub>,
    body: Value,
) -> Result<Arc<Entry>, Failure> {
    let (caller, options, patch) = (caller("blue"), PatchOptions::default(), Patch { kind, body });
    region
        .registry
        .patch(&caller, schema::pod(), "default", "web", sub, patch, &options)
        .await
        .map(|patched| patched.object)
}

fn node_of(pod: &Value) -> String {
    pod["spec"]["nodeName"].as_str().unwrap().to_owned()
}

fn hides(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for hidden in ["host-1", ADDRESS, "hostIP"] {
        assert!(!text.contains(hidden), "{hidden} is in {text}");
    }
}

fn on_node(name: &str) -> Option<FieldSelector> {
    Some(FieldSelector::parse(schema::pod(), &format!("spec.nodeName={name}")).unwrap())
}

#[tokio::test]
async fn a_host_is_another_node_for_each_tenant_and_itself_for_operators() {
    let region = region().await;
    running(&region, "blue", "web", HOST, 1).await;
    running(&region, "blue", "web-2", HOST, 2).await;
    running(&region, "blue", "far", "host-18", 3).await;
    running(&region, "red", "web", HOST, 4).await;
    running(&region, "system", "web", HOST, 5).await;
    let (blue, red) = (get(&region, "blue", "web").await, get(&region, "red", "web").await);
    assert_eq!(node_of(&blue), node_of(&get(&region, "blue", "web-2").await));
    assert_ne!(node_of(&blue), node_of(&red));
    assert_ne!(node_of(&blue), node_of(&get(&region, "blue", "far").await));
    assert_eq!(
        (&blue["status"]["phase"], &blue["status"]["podIP"]),
        (&json!("Running"), &json!("10.200.0.9"))
    );
    let system = region.registry.get(&caller("system"), schema::pod(), "default", "web").await.unwrap();
    assert_eq!(
        (node_of(&system.value()).as_str(), &system.value()["status"]["hostIP"]),
        (HOST, &json!(ADDRESS))
    );
    // For operators it is the very entry of the cache, and for a tenant one that is made once.
    let cached = region.registry.cached(&Tenant::system(), schema::pod(), "default", "web").unwrap();
    assert!(Arc::ptr_eq(&system, &cached));
    let again =
        || async { region.registry.get(&caller("blue"), schema::pod(), "default", "web").await.unwrap() };
    assert!(Arc::ptr_eq(&again().await, &again().await));
    hides(&again().await.json());

    // The names are as durable as the region.
    let region = region.restarted().await;
    assert_eq!(node_of(&get(&region, "blue", "web").await), node_of(&blue));
    let nodes = region.list("red", schema::node(), &ListOptions::default()).await.unwrap();
    assert_eq!(nodes.items.iter().map(|node| node.name.clone()).collect::<Vec<_>>(), [node_of(&red)]);
}

#[tokio::test]
async fn lists_and_watches_show_nodes_and_are_searched_by_them() {
    let region = region().await;
    let from_start = WatchOptions { field_selector: on_node(HOST), ..WatchOptions::default() };
    let mut in_vain = region.watch("blue", schema::pod(), &from_start).await;
    let mut all = region.watch("blue", schema::pod(), &WatchOptions::default()).await;
    running(&region, "blue", "web", HOST, 1).await;
    running(&region, "blue", "far", "host-18", 2).await;
    let node = node_of(&get(&region, "blue", "web").await);
    let list = |selector| {
        let options = ListOptions { field_selector: selector, ..ListOptions::default() };
        let region = &region;
        async move {
            let list = region.list("blue", schema::pod(), &options).await.unwrap();
            list.items.iter().for_each(|entry| hides(&entry.json()));
            list.items.iter().map(|entry| entry.name.clone()).collect::<Vec<_>>().join(" ")
        }
    };
    assert_eq!(list(on_node(&node)).await, "web");
    assert_eq!(list(None).await, "far web");
    assert_eq!(list(on_node(HOST)).await, "");
    let not = FieldSelector::parse(schema::pod(), &format!("spec.nodeName!={HOST}")).unwrap();
    assert_eq!(list(Some(not)).await, "far web", "a host's own name is nobody's");
    // Pages of the past are seen with the same eyes.
    let page = ListOptions { limit: Some(1), ..ListOptions::default() };
    let first = region.list("blue", schema::pod(), &page).await.unwrap();
    let rest = ListOptions { continue_token: first.continue_token, ..ListOptions::default() };
    let rest = region.list("blue", schema::pod(), &rest).await.unwrap();
    assert_eq!(node_of(&rest.items[0].value()), node);
    hides(&rest.items[0].json());

    let by_node = WatchOptions { field_selector: on_node(&node), ..WatchOptions::default() };
    let mut on_the_node = region.watch("blue", schema::pod(), &by_node).await;
    let web = running(&region, "blue", "web-2", HOST, 3).await;
    let force = DeleteOptions { grace_period_seconds: Some(0), ..DeleteOptions::default() };
    region.registry.delete(&caller("blue"), schema::pod(), "default", "web-2", &force).await.unwrap();
    let mut told = Vec::new();
    while told.last().is_none_or(|last| last != "-web-2") {
        let (what, entry) = match on_the_node.next().await.unwrap() {
            WatchEvent::Added(entry) => ('+', entry),
            WatchEvent::Modified(entry) => ('~', entry),
            WatchEvent::Deleted(entry) => ('-', entry),
            other => panic!("{other:?}"),
        };
        assert_eq!(entry.node_name, node);
        hides(&entry.json());
        told.push(format!("{what}{}", entry.name));
    }
    // It begins to match when it is bound.
    assert_eq!(told, ["+web", "+web-2", "~web-2", "-web-2"]);
    let mut last = 0;
    while let Some(event) = all.buffered() {
        let (WatchEvent::Added(entry) | WatchEvent::Modified(entry) | WatchEvent::Deleted(entry)) = event
        else {
            panic!("{event:?}")
        };
        hides(&entry.json());
        last = entry.resource_version();
    }
    assert!(last > web.resource_version());
    assert!(in_vain.buffered().is_none());
}

#[tokio::test]
async fn what_a_tenant_reads_it_can_write_back() {
    let region = region().await;
    running(&region, "blue", "web", HOST, 1).await;
    let before = stored(&region, "blue", "web").await;
    let mut pod = get(&region, "blue", "web").await;
    // As it was: nothing is written.
    let same = update(&region, "blue", None, pod.clone()).await.unwrap();
    assert_eq!(same.value(), pod);
    pod["metadata"]["labels"] = json!({ "tier": "front" });
    hides(&update(&region, "blue", None, pod).await.unwrap().json());
    let mut pod = get(&region, "blue", "web").await;
    pod["status"]["phase"] = json!("Succeeded");
    // Addresses of the host are not the tenant's to say.
    pod["status"]["hostIP"] = json!("192.0.2.1");
    hides(&update(&region, "blue", Some(Sub::Status), pod.clone()).await.unwrap().json());
    let node = node_of(&pod);
    let test = json!([
        { "op": "test", "path": "/spec/nodeName", "value": node },
        { "op": "add", "path": "/metadata/labels/one", "value": "1" },
    ]);
    hides(&patch(&region, PatchKind::Json, None, test).await.unwrap().json());
    let merge = json!({ "metadata": { "labels": { "two": "2" } }, "spec": { "nodeName": node } });
    patch(&region, PatchKind::Merge, None, merge.clone()).await.unwrap();
    patch(&region, PatchKind::StrategicMerge, None, merge).await.unwrap();
    let gone = json!({ "status": { "podIP": null, "podIPs": null, "message": "done" } });
    patch(&region, PatchKind::StrategicMerge, Some(Sub::Status), gone).await.unwrap();
    let after = stored(&region, "blue", "web").await;
    assert_eq!(after["spec"], before["spec"]);
    assert_eq!(after["metadata"]["labels"], json!({ "tier": "front", "one": "1", "two": "2" }));
    let status = &after["status"];
    assert_eq!((&status["hostIP"], &status["hostIPs"]), (&json!(ADDRESS), &json!([{ "ip": ADDRESS }])));
    assert_eq!((&status["phase"], &status["message"]), (&json!("Succeeded"), &json!("done")));
}

#[tokio::test]
async fn a_host_cannot_be_guessed_by_writing_its_name() {
    let region = region().await;
    running(&region, "blue", "web", HOST, 1).await;
    running(&region, "red", "web", HOST, 2).await;
    let theirs = node_of(&get(&region, "red", "web").await);
    let mut told = Vec::new();
    // Its own host, another one, another tenant's node, and what is nothing at all.
    for name in [HOST, "host-18", &theirs, "no-such-host"] {
        let mut refusals = Vec::new();
        let mut changed = get(&region, "blue", "web").await;
        changed["spec"]["nodeName"] = json!(name);
        refusals.push(update(&region, "blue", None, changed).await.unwrap_err());
        let merge = json!({ "spec": { "nodeName": name } });
        refusals.push(patch(&region, PatchKind::Merge, None, merge).await.unwrap_err());
        let test = json!([{ "op": "test", "path": "/spec/nodeName", "value": name }]);
        refusals.push(patch(&region, PatchKind::Json, None, test).await.unwrap_err());
        // What comes back would be the name that the tenant knows the host by.
        let nominated = json!({ "status": { "nominatedNodeName": name } });
        let status = Some(Sub::Status);
        refusals.push(patch(&region, PatchKind::Merge, status, nominated).await.unwrap_err());
        let mut pinned = pod("pinned");
        pinned["spec"]["nodeName"] = json!(name);
        refusals.push(region.create("blue", schema::pod(), pinned).await.unwrap_err());
        region.create("blue", schema::pod(), pod(&format!("free-{}", told.len()))).await.unwrap();
        let target = json!({ "target": { "kind": "Node", "name": name } });
        let (free, options) = (format!("free-{}", told.len()), CreateOptions::default());
        let bound = region.registry.bind(&caller("blue"), "default", &free, target, &options).await;
        refusals.push(bound.unwrap_err());
        let node = region.registry.get(&caller("blue"), schema::node(), "", name).await;
        refusals.push(node.unwrap_err());
        // Nothing but the name itself may differ.
        let words: Vec<String> = refusals.iter().map(|refusal| refusal.to_status().to_string()).collect();
        told.push(words.join("\n").replace(name, "NAME"));
    }
    assert!(told.iter().all(|words| *words == told[0]), "{told:#?}");
    assert!(told[0].contains("spec.nodeName: Not found: \\\"NAME\\\""), "{}", told[0]);
    let tenant = Tenant::new("blue").unwrap();
    assert!(region.registry.cached(&tenant, schema::pod(), "default", "pinned").is_none());
}

#[tokio::test]
async fn nodes_that_a_tenant_sees_can_be_chosen() {
    let region = region().await;
    running(&region, "blue", "web", HOST, 1).await;
    let node = node_of(&get(&region, "blue", "web").await);
    let (orders, mut ordered) = mpsc::channel::<BindOrder>(4);
    region.registry.set_binder(orders);
    let mut pinned = pod("pinned");
    pinned["spec"]["nodeName"] = json!(node);
    let created = region.create("blue", schema::pod(), pinned).await.unwrap();
    assert_eq!(node_of(&created.value()), node);
    assert_eq!(stored(&region, "blue", "pinned").await["spec"]["nodeName"], HOST);
    let order = ordered.recv().await.unwrap();
    assert_eq!((order.name.as_str(), order.node.as_str()), ("pinned", HOST));
    region.create("blue", schema::pod(), pod("free")).await.unwrap();
    let (registry, target) = (region.registry.clone(), json!({ "target": { "kind": "Node", "name": node } }));
    let bind = tokio::spawn(async move {
        registry.bind(&caller("blue"), "default", "free", target, &CreateOptions::default()).await
    });
    let order = ordered.recv().await.unwrap();
    assert_eq!(order.node, HOST);
    order.reply.send(Ok(())).unwrap();
    bind.await.unwrap().unwrap();
    // One that is bound already is told so under the name that is known.
    let target = json!({ "target": { "kind": "Node", "name": node } });
    let options = CreateOptions::default();
    let again = region.registry.bind(&caller("blue"), "default", "web", target, &options).await.unwrap_err();
    assert!(again.message.contains(&format!("already assigned to node {node:?}")), "{again:?}");
}

#[tokio::test]
async fn a_virtual_node_tells_where_and_whether_and_no_more() {
    let region = region().await;
    let none = region.list("blue", schema::node(), &ListOptions::default()).await.unwrap();
    assert_eq!((none.items.len(), none.resource_version), (0, 1));
    let web = running(&region, "blue", "web", HOST, 1).await;
    let name = node_of(&get(&region, "blue", "web").await);
    let node = region.registry.get(&caller("blue"), schema::node(), "", &name).await.unwrap();
    let mut value = node.value();
    assert_eq!(value["metadata"]["resourceVersion"], web.resource_version().to_string());
    let uid = value["metadata"]["uid"].take();
    assert_eq!(uid.as_str().unwrap(), node.uid);
    assert_eq!(
        value,
        json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {
                "name": name, "uid": null, "resourceVersion": web.resource_version().to_string(),
                "labels": {
                    "kubernetes.io/arch": "arm64", "kubernetes.io/hostname": name,
                    "topology.kubernetes.io/zone": "a",
                },
            },
            "spec": {},
            "status": { "conditions": [{ "type": "Ready", "status": "True", "reason": "NodeReady" }] },
        })
    );
    running(&region, "blue", "far", "host-18", 2).await;
    let list = |labels: &str| {
        let label_selector = Some(LabelSelector::parse(labels).unwrap());
        let options = ListOptions { label_selector, limit: Some(1), ..ListOptions::default() };
        let region = &region;
        async move { region.list("blue", schema::node(), &options).await.unwrap() }
    };
    let all = list("").await;
    assert_eq!((all.items.len(), all.continue_token.is_none()), (2, true), "in one piece");
    assert!(all.items.is_sorted_by_key(|node| &node.name));
    assert_eq!(list("topology.kubernetes.io/zone=a").await.items[0].name, name);
    assert_eq!(list("rack=r-9").await.items.len(), 0);
    // What its host is goes on being told, and nothing once it is not known.
    let not_ready = |node: &mut Value| {
        node["status"]["conditions"][0]["status"] = json!("False");
        true
    };
    let (system, kind) = (caller("system"), schema::node());
    region.registry.modify(&system, kind, "", HOST, None, Some(Sub::Status), not_ready).await.unwrap();
    region.registry.list(&system, kind, "", &ListOptions::default()).await.unwrap();
    let ready = |node: &Entry| node.value()["status"]["conditions"][0]["status"].clone();
    let now = || async { region.registry.get(&caller("blue"), kind, "", &name).await };
    assert_eq!(ready(&now().await.unwrap()), "False");
    region.registry.delete(&system, kind, "", HOST, &DeleteOptions::default()).await.unwrap();
    region.registry.list(&system, kind, "", &ListOptions::default()).await.unwrap();
    assert_eq!(ready(&now().await.unwrap()), "Unknown");

    // It is there for as long as something of the tenant is, deleted by force or not.
    let force = DeleteOptions { grace_period_seconds: Some(0), ..DeleteOptions::default() };
    region.registry.delete(&caller("blue"), schema::pod(), "default", "web", &force).await.unwrap();
    assert!(now().await.is_ok());
    let tenant = Tenant::new("blue").unwrap();
    let held = region.registry.cached_binding(&tenant, "default", "web").unwrap();
    assert_eq!(held.state, BindingState::Ghost);
    region.registry.pod_stopped(&tenant, "default", "web", &web.uid, HOST).await.unwrap();
    assert!(now().await.unwrap_err().is_not_found());
    assert_eq!(list("").await.items.len(), 1);
}

#[tokio::test]
async fn tenants_read_nodes_and_do_nothing_else_to_them() {
    let region = region().await;
    running(&region, "blue", "web", HOST, 1).await;
    let name = node_of(&get(&region, "blue", "web").await);
    let (registry, blue, kind) = (&region.registry, &caller("blue"), schema::node());
    let node = registry.get(blue, kind, "", &name).await.unwrap().value();
    for name in [&name, HOST] {
        let mut node = node.clone();
        node["metadata"]["name"] = json!(name);
        let fresh = json!({ "metadata": { "name": name } });
        let merge = Patch { kind: PatchKind::Merge, body: json!({ "spec": { "unschedulable": true } }) };
        let deletes = DeleteOptions::default();
        for (verb, resource, refused) in [
            (
                "create",
                "nodes",
                registry.create(blue, kind, "", fresh, &CreateOptions::default()).await.err(),
            ),
            (
                "update",
                "nodes",
                registry
                    .update(blue, kind, "", name, None, node.clone(), &UpdateOptions::default())
                    .await
                    .err(),
            ),
            (
                "update",
                "nodes/status",
                registry
                    .update(blue, kind, "", name, Some(Sub::Status), node, &UpdateOptions::default())
                    .await
                    .err(),
            ),
            (
                "patch",
                "nodes",
                registry.patch(blue, kind, "", name, None, merge, &PatchOptions::default()).await.err(),
            ),
            ("delete", "nodes", registry.delete(blue, kind, "", name, &deletes).await.err()),
        ] {
            let refused = refused.unwrap();
            let words = format!(
                "nodes {name:?} is forbidden: User \"somebody\" cannot {verb} resource {resource:?} in API group \
                 \"\" at the cluster scope"
            );
            assert_eq!((refused.code, refused.message), (403, words));
        }
    }
    let (deletes, all) = (DeleteOptions::default(), ListOptions::default());
    assert_eq!(registry.delete_collection(blue, kind, "", &deletes, &all).await.unwrap_err().code, 403);
    let watch = registry.watch(blue, kind, "", &WatchOptions::default()).await.unwrap_err();
    assert_eq!(
        (watch.code, watch.message.as_str()),
        (405, "watch is not supported on resources of kind \"nodes\"")
    );
    for (options, code) in [
        (ListOptions { continue_token: Some("7b7d".to_owned()), ..ListOptions::default() }, 400),
        (
            ListOptions {
                resource_version: Some("1".to_owned()),
                resource_version_match: Some("Exact".to_owned()),
                ..ListOptions::default()
            },
            410,
        ),
    ] {
        assert_eq!(registry.list(blue, kind, "", &options).await.unwrap_err().code, code);
    }
}
