//! Objects in and out, in every format and form.

use serde_json::{Value, json};

use crate::client::{open_http2, whole};
use crate::region::{CONFIG_MAPS, PODS, Region, config_map, pod, request};

/// A field of bytes in protobuf.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2, u8::try_from(bytes.len()).unwrap()];
    out.extend_from_slice(bytes);
    out
}

/// An object as Kubernetes' protobuf carries it.
fn protobuf(api_version: &str, kind: &str, object: &[u8]) -> Vec<u8> {
    let meta = [field(1, api_version.as_bytes()), field(2, kind.as_bytes())].concat();
    [b"k8s\0".to_vec(), field(1, &meta), field(2, object)].concat()
}

#[tokio::test]
async fn an_object_lives_and_ends() {
    let region = Region::start().await;
    let created = region.create(CONFIG_MAPS, &config_map("a")).await;
    let meta = &created["metadata"];
    assert!(
        meta["uid"].is_string()
            && meta["creationTimestamp"].is_string()
            && meta["resourceVersion"].is_string()
    );
    assert_eq!(
        (&meta["namespace"], &created["kind"], &created["apiVersion"]),
        (&json!("default"), &json!("ConfigMap"), &json!("v1"))
    );

    let path = format!("{CONFIG_MAPS}/a");
    assert_eq!(region.get(&path).await.json(), created);
    let patched = region.patch(&path, "merge-patch", &json!({ "data": { "more": "1" } })).await;
    assert_eq!(patched.at("/data"), json!({ "key": "value", "more": "1" }));
    let patched = region.patch(&path, "json-patch", &json!([{ "op": "remove", "path": "/data/more" }])).await;
    assert_eq!(patched.at("/data"), json!({ "key": "value" }));
    let patched = region
        .patch(&path, "strategic-merge-patch", &json!({ "metadata": { "labels": { "tier": "b" } } }))
        .await;
    assert_eq!(patched.at("/metadata/labels"), json!({ "tier": "b" }));

    let list = region.get(&format!("{CONFIG_MAPS}?labelSelector=tier%3Db")).await;
    assert_eq!((list.at("/kind"), list.at("/items/0")), (json!("ConfigMapList"), patched.json()));
    assert_eq!(
        region
            .get(&format!("{CONFIG_MAPS}?labelSelector=tier!%3Db&fieldSelector=metadata.name%3Da"))
            .await
            .at("/items"),
        json!([])
    );

    let deleted = region.delete(&path).await;
    assert_eq!(
        (deleted.at("/kind"), deleted.at("/status"), deleted.at("/details/name")),
        (json!("Status"), json!("Success"), json!("a"))
    );
    assert_eq!(region.get(&path).await.status, 404);
}

#[tokio::test]
async fn pods_are_shown_when_they_are_gone_and_collections_go_at_once() {
    let region = Region::start().await;
    for name in ["a", "b", "c"] {
        region.create(PODS, &pod(name)).await;
    }
    assert_eq!(region.delete(&format!("{PODS}/a")).await.at("/kind"), "Pod");
    let gone = region.delete(&format!("{PODS}?labelSelector=app%3Db")).await;
    assert_eq!((gone.status.as_u16(), gone.at("/kind")), (200, json!("PodList")));
    let left = region.get(PODS).await.json();
    let names: Vec<&Value> =
        left["items"].as_array().unwrap().iter().map(|item| &item["metadata"]["name"]).collect();
    assert_eq!(names, ["c"]);
}

#[tokio::test]
async fn yaml_and_protobuf_are_read() {
    let region = Region::start().await;
    let yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  key: \"1\"\n";
    let answer = region.send("POST", CONFIG_MAPS, &[("content-type", "application/yaml")], yaml).await;
    assert_eq!((answer.status.as_u16(), answer.at("/data/key")), (201, json!("1")), "{}", answer.text());

    // metadata.name, and one pair of data.
    let object = [field(1, &field(1, b"b")), field(2, &[field(1, b"key"), field(2, b"2")].concat())].concat();
    let headers = [("content-type", "application/vnd.kubernetes.protobuf")];
    let answer = region.send("POST", CONFIG_MAPS, &headers, protobuf("v1", "ConfigMap", &object)).await;
    assert_eq!((answer.status.as_u16(), answer.at("/data/key")), (201, json!("2")), "{}", answer.text());

    // Options with a grace period of zero seconds.
    let options = protobuf("v1", "DeleteOptions", &[8, 0]);
    assert_eq!(region.send("DELETE", &format!("{CONFIG_MAPS}/b"), &headers, options).await.status, 200);
    let other = protobuf("v1", "ConfigMap", &object);
    region.send("POST", PODS, &headers, other).await.refused(400, "BadRequest", "cannot be handled as a Pod");
}

#[tokio::test]
async fn yaml_is_written_for_those_who_ask() {
    let region = Region::start().await;
    region.create(CONFIG_MAPS, &config_map("a")).await;
    let answer = region.get_as(&format!("{CONFIG_MAPS}/a"), "application/yaml").await;
    assert_eq!(answer.header("content-type"), "application/yaml");
    assert!(answer.text().contains("data:\n  key: value\n"), "{}", answer.text());
    let pretty = region.get(&format!("{CONFIG_MAPS}?pretty=true")).await;
    assert!(pretty.text().contains("\n      \"data\": {\n"), "{}", pretty.text());
    assert_eq!(pretty.json(), region.get(CONFIG_MAPS).await.json());
    let refused = region.get_as(&format!("{CONFIG_MAPS}/b"), "application/yaml").await;
    assert!(refused.text().contains("reason: NotFound\n"), "{}", refused.text());
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let region = Region::start().await;
    let answer = region.post(&format!("{CONFIG_MAPS}?dryRun=All"), &config_map("a")).await;
    assert_eq!(answer.status, 201);
    assert_eq!(region.get(&format!("{CONFIG_MAPS}/a")).await.status, 404);
    region.create(CONFIG_MAPS, &config_map("a")).await;
    let options = json!({ "dryRun": ["All"] }).to_string();
    let path = format!("{CONFIG_MAPS}/a");
    assert_eq!(
        region.send("DELETE", &path, &[("content-type", "application/json")], options).await.status,
        200
    );
    assert_eq!(region.get(&path).await.status, 200);
}

#[tokio::test]
async fn pages_follow_one_another_without_gaps() {
    let region = Region::start().await;
    for at in 0..7 {
        region.create(CONFIG_MAPS, &config_map(&format!("m{at}"))).await;
    }
    let (mut names, mut path) = (Vec::new(), format!("{CONFIG_MAPS}?limit=3"));
    let mut versions = std::collections::BTreeSet::new();
    loop {
        let page = region.get(&path).await.json();
        versions.insert(page["metadata"]["resourceVersion"].as_str().unwrap().to_owned());
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 3);
        names.extend(items.iter().map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()));
        // What is created meanwhile is in none of the pages.
        region.create(CONFIG_MAPS, &config_map(&format!("n{}", names.len()))).await;
        match page["metadata"]["continue"].as_str() {
            Some(token) if !token.is_empty() => path = format!("{CONFIG_MAPS}?limit=3&continue={token}"),
            _ => break,
        }
    }
    assert_eq!(names, ["m0", "m1", "m2", "m3", "m4", "m5", "m6"]);
    assert_eq!(versions.len(), 1, "all pages are of one moment");
}

#[tokio::test]
async fn long_lists_are_streamed_and_compressed() {
    use std::io::Read;
    let region = Region::start().await;
    let mut map = config_map("a");
    for at in 0..12 {
        map["metadata"]["name"] = json!(format!("m{at:02}"));
        map["data"]["key"] = json!("x".repeat(20_000));
        region.create(CONFIG_MAPS, &map).await;
    }
    let plain = region.get(CONFIG_MAPS).await;
    assert_eq!((plain.header("content-length"), plain.header("transfer-encoding")), ("", "chunked"));
    assert_eq!(plain.at("/items").as_array().unwrap().len(), 12);
    let compressed = region.send("GET", CONFIG_MAPS, &[("accept-encoding", "gzip")], "").await;
    assert_eq!(compressed.header("content-encoding"), "gzip");
    assert!(compressed.body.len() < plain.body.len() / 10);
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(&compressed.body[..]).read_to_end(&mut text).unwrap();
    assert_eq!(text, plain.body);
    let yaml = region.get_as(CONFIG_MAPS, "application/yaml").await.text();
    assert!(yaml.contains("kind: ConfigMapList\n") && yaml.contains("name: m11\n"));
    let short =
        region.send("GET", &format!("{CONFIG_MAPS}?limit=1"), &[("accept-encoding", "gzip")], "").await;
    assert_eq!(short.header("content-encoding"), "");
}

#[tokio::test]
async fn a_head_has_the_headers_and_no_body() {
    let region = Region::start().await;
    region.create(CONFIG_MAPS, &config_map("a")).await;
    let path = format!("{CONFIG_MAPS}/a");
    let (get, head) = (region.get(&path).await, region.send("HEAD", &path, &[], "").await);
    assert_eq!((head.status, head.body.len()), (get.status, 0));
    assert_eq!(head.header("content-length"), get.body.len().to_string());
}

#[tokio::test]
async fn http2_is_spoken_without_tls() {
    let region = Region::start().await;
    let url = format!("http://{}{CONFIG_MAPS}", region.address);
    let json = [("content-type", "application/json")];
    let created =
        whole(open_http2(region.address, request("POST", &url, &json, config_map("a").to_string())).await)
            .await;
    assert_eq!(created.status, 201, "{}", created.text());
    let list = whole(open_http2(region.address, request("GET", &url, &[], "")).await).await;
    assert_eq!(list.at("/items/0"), created.json());
}

#[tokio::test]
async fn subresources_have_their_own_paths() {
    let region = Region::start().await;
    region.create(PODS, &pod("a")).await;
    let status = json!({ "status": { "phase": "Running" }, "spec": { "nodeName": "ignored" } });
    let patched = region.patch(&format!("{PODS}/a/status"), "strategic-merge-patch", &status).await;
    assert_eq!(
        (patched.at("/status/phase"), patched.at("/spec/nodeName")),
        (json!("Running"), Value::Null),
        "{}",
        patched.text()
    );
    let deployment = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": "web" },
        "spec": {
            "replicas": 2,
            "selector": { "matchLabels": { "app": "web" } },
            "template": { "metadata": { "labels": { "app": "web" } }, "spec": pod("x")["spec"] },
        },
    });
    let deployments = "/apis/apps/v1/namespaces/default/deployments";
    region.create(deployments, &deployment).await;
    let scale = region
        .patch(&format!("{deployments}/web/scale"), "merge-patch", &json!({ "spec": { "replicas": 5 } }))
        .await;
    assert_eq!(
        (scale.at("/kind"), scale.at("/spec/replicas")),
        (json!("Scale"), json!(5)),
        "{}",
        scale.text()
    );
    assert_eq!(region.get(&format!("{deployments}/web")).await.at("/spec/replicas"), 5);
    let eviction = json!({ "apiVersion": "policy/v1beta1", "kind": "Eviction", "metadata": { "name": "a" } });
    let evicted = region.post(&format!("{PODS}/a/eviction"), &eviction).await;
    assert_eq!(
        (evicted.status.as_u16(), evicted.at("/status")),
        (201, json!("Success")),
        "{}",
        evicted.text()
    );
    assert_eq!(region.get(&format!("{PODS}/a")).await.status, 404);
}

#[tokio::test]
async fn tenants_see_their_own_objects_only() {
    let region = Region::start().await;
    region.create(CONFIG_MAPS, &config_map("a")).await;
    let blue = "/tenants/blue/api/v1";
    assert_eq!(region.get(&format!("{blue}/configmaps")).await.at("/items"), json!([]));
    assert_eq!(region.get(&format!("{blue}/namespaces/default/configmaps/a")).await.status, 404);
    let space = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "own" } });
    region.create(&format!("{blue}/namespaces"), &space).await;
    let mine = region.create(&format!("{blue}/namespaces/own/configmaps"), &config_map("b")).await;
    assert_eq!(region.get("/api/v1/tenants/blue/namespaces/own/configmaps/b").await.json(), mine);
    assert_eq!(region.get("/api/v1/namespaces/own").await.status, 404);
    assert_eq!(region.get("/tenants/red/api/v1/configmaps").await.at("/items"), json!([]));
}

#[tokio::test]
async fn a_binding_is_done_when_the_host_is_claimed() {
    let (binder, mut orders) = tokio::sync::mpsc::channel::<meridian_api::BindOrder>(1);
    let region = Region::start_with(|options| options.registry.set_binder(binder)).await;
    let node = json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": "n1" } });
    region.create("/api/v1/nodes", &node).await;
    region.create(PODS, &pod("a")).await;
    let claimed = tokio::spawn(async move {
        let order = orders.recv().await.unwrap();
        let asked = (order.namespace, order.name, order.node);
        order.reply.send(Ok(())).unwrap();
        asked
    });
    let binding = json!({
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": { "name": "a" },
        "target": { "apiVersion": "v1", "kind": "Node", "name": "n1" },
    });
    let bound = region.post(&format!("{PODS}/a/binding"), &binding).await;
    assert_eq!((bound.status.as_u16(), bound.at("/status")), (201, json!("Success")), "{}", bound.text());
    assert_eq!(claimed.await.unwrap(), ("default".to_owned(), "a".to_owned(), "n1".to_owned()));
    region.get(&format!("{PODS}/a/binding")).await.refused(405, "MethodNotAllowed", "does not allow");
}
