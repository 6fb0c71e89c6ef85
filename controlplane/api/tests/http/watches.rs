//! Watches over the wire.

use meridian_api::RegistryLimits;
use serde_json::{Value, json};

use crate::region::{CONFIG_MAPS, Region, config_map};

const JSON: &str = "application/json";

/// The type and name of an event.
fn brief(event: &Value) -> (&str, &str) {
    (event["type"].as_str().unwrap(), event["object"]["metadata"]["name"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn a_watch_goes_on_where_a_list_ends() {
    let region = Region::start().await;
    region.create(CONFIG_MAPS, &config_map("before")).await;
    let version = region.get(CONFIG_MAPS).await.at("/metadata/resourceVersion");
    let version = version.as_str().unwrap();
    let created = region.create(CONFIG_MAPS, &config_map("a")).await;
    let mut watch = region.watch(&format!("{CONFIG_MAPS}?watch=true&resourceVersion={version}"), JSON).await;
    let event = watch.next().await.unwrap();
    assert_eq!((brief(&event), &event["object"]), (("ADDED", "a"), &created));
    let path = format!("{CONFIG_MAPS}/a");
    let patched = region.patch(&path, "merge-patch", &json!({ "data": { "key": "2" } })).await.json();
    let event = watch.next().await.unwrap();
    assert_eq!((brief(&event), &event["object"]), (("MODIFIED", "a"), &patched));
    region.delete(&path).await;
    let event = watch.next().await.unwrap();
    assert_eq!(brief(&event), ("DELETED", "a"));
    let number =
        |object: &Value| object["metadata"]["resourceVersion"].as_str().unwrap().parse::<u64>().unwrap();
    assert!(number(&event["object"]) > number(&patched), "a deletion has a resource version of its own");
}

#[tokio::test]
async fn initial_events_end_with_a_bookmark() {
    let region = Region::start().await;
    region.create(CONFIG_MAPS, &config_map("a")).await;
    let query =
        "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut watch = region.watch(&format!("{CONFIG_MAPS}?{query}"), JSON).await;
    assert_eq!(brief(&watch.next().await.unwrap()), ("ADDED", "a"));
    let bookmark = watch.next().await.unwrap();
    assert_eq!(bookmark["type"], "BOOKMARK");
    assert_eq!(bookmark["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    assert_eq!(
        (&bookmark["object"]["kind"], &bookmark["object"]["apiVersion"]),
        (&json!("ConfigMap"), &json!("v1"))
    );
}

#[tokio::test]
async fn a_watch_ends_when_its_time_is_up() {
    let region = Region::start().await;
    let mut watch = region.watch(&format!("{CONFIG_MAPS}?watch=true&timeoutSeconds=1"), JSON).await;
    while let Some(event) = watch.next().await {
        assert_eq!(event["type"], "ADDED", "{event}");
    }
}

#[tokio::test]
async fn a_watch_ends_with_the_server() {
    let region = Region::start().await;
    let mut watch = region.watch(&format!("{CONFIG_MAPS}?watch=true"), JSON).await;
    region.shutdown.cancel();
    while watch.next().await.is_some() {}
    region.serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_watch_from_a_forgotten_past_ends_with_410() {
    let limits = RegistryLimits { remembered_changes: 4, history_revisions: 4, ..RegistryLimits::default() };
    let region = Region::start_on(limits, |_| {}).await;
    for at in 0..20 {
        region.create(CONFIG_MAPS, &config_map(&format!("m{at}"))).await;
    }
    for query in ["watch=true&resourceVersion=1", "watch=true&resourceVersion=1&allowWatchBookmarks=true"] {
        let mut watch = region.watch(&format!("{CONFIG_MAPS}?{query}"), JSON).await;
        let event = watch.next().await.unwrap();
        assert_eq!(
            (&event["type"], &event["object"]["kind"]),
            (&json!("ERROR"), &json!("Status")),
            "{event}"
        );
        assert_eq!(
            (&event["object"]["code"], &event["object"]["reason"]),
            (&json!(410), &json!("Expired")),
            "{event}"
        );
        assert!(watch.next().await.is_none());
    }
}

#[tokio::test]
async fn a_client_that_goes_away_frees_its_watch() {
    let region = Region::start().await;
    let open = async || {
        let text = region.get("/metrics").await.text();
        let line =
            text.lines().find(|line| line.starts_with("apiserver_longrunning_requests{")).unwrap_or("0");
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    let watch = region.watch(&format!("{CONFIG_MAPS}?watch=true"), JSON).await;
    assert!((open().await - 1.0).abs() < f64::EPSILON);
    drop(watch);
    while open().await > 0.5 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_watch_shows_what_begins_and_ceases_to_match() {
    let region = Region::start().await;
    region.create(CONFIG_MAPS, &config_map("a")).await;
    let mut watch = region.watch(&format!("{CONFIG_MAPS}?watch=true&labelSelector=tier%3Db"), JSON).await;
    let path = format!("{CONFIG_MAPS}/a");
    region.patch(&path, "merge-patch", &json!({ "metadata": { "labels": { "tier": "b" } } })).await;
    assert_eq!(brief(&watch.next().await.unwrap()), ("ADDED", "a"));
    region.patch(&path, "merge-patch", &json!({ "metadata": { "labels": { "tier": "c" } } })).await;
    assert_eq!(brief(&watch.next().await.unwrap()), ("DELETED", "a"));
}
