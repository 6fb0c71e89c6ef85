//! Tenants: each sees its own objects and its own numbers, whatever others do.

use meridian_api::{Change, CreateOptions, ListOptions, WatchOptions};
use meridian_schema as schema;
use serde_json::json;

use crate::region::{Region, caller, config_map, take};

#[tokio::test]
async fn another_tenants_writes_change_nothing_that_can_be_seen() {
    let region = Region::new().await;
    region.create("shop", schema::config_map(), config_map("a", "1")).await.unwrap();
    let see = || async {
        let list = region.list("shop", schema::config_map(), &ListOptions::default()).await.unwrap();
        let items: Vec<_> = list.items.iter().map(|entry| entry.json()).collect();
        (items, list.resource_version)
    };
    let before = see().await;
    let from = WatchOptions { resource_version: Some(before.1.to_string()), ..WatchOptions::default() };
    let mut watch = region.watch("shop", schema::config_map(), &from).await;
    for number in 0..20 {
        region.create("bank", schema::config_map(), config_map(&format!("m{number}"), "1")).await.unwrap();
        region.create("system", schema::config_map(), config_map(&format!("m{number}"), "1")).await.unwrap();
    }
    assert_eq!(see().await, before);
    assert!(watch.buffered().is_none());
    // The next number of its own is the next number.
    region.create("shop", schema::config_map(), config_map("b", "1")).await.unwrap();
    assert_eq!(take(&mut watch, 1).await, [format!("+b@{}", before.1 + 1)]);
    // Two tenants that do the same see the same, to the byte but for what is random.
    let (shop, bank) = (Region::new().await, Region::new().await);
    bank.create("noise", schema::config_map(), config_map("x", "1")).await.unwrap();
    let one = shop.create("shop", schema::config_map(), config_map("a", "1")).await.unwrap();
    let other = bank.create("shop", schema::config_map(), config_map("a", "1")).await.unwrap();
    assert_eq!(one.resource_version(), other.resource_version());
}

#[tokio::test]
async fn a_tenant_that_never_wrote_sees_an_empty_cluster() {
    let region = Region::new().await;
    let nothing = region.list("shop", schema::config_map(), &ListOptions::default()).await.unwrap();
    assert_eq!((nothing.items.len(), nothing.resource_version), (0, 1));
    let from = WatchOptions { resource_version: Some("1".to_owned()), ..WatchOptions::default() };
    let mut watch = region.watch("shop", schema::config_map(), &from).await;
    assert!(watch.buffered().is_none());
    let waiting = tokio::spawn(async move { take(&mut watch, 1).await });
    tokio::task::yield_now().await;
    let created = region.create("shop", schema::config_map(), config_map("a", "1")).await.unwrap();
    assert_eq!(waiting.await.unwrap(), [format!("+a@{}", created.resource_version())]);
    assert!(
        region
            .registry
            .get(&caller("bank"), schema::config_map(), "default", "a")
            .await
            .unwrap_err()
            .is_not_found()
    );
    let namespaces = region.list("shop", schema::namespace(), &ListOptions::default()).await.unwrap();
    let names: Vec<_> = namespaces.items.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, ["default", "kube-node-lease", "kube-public", "kube-system"]);
    let future = WatchOptions { resource_version: Some("1000".to_owned()), ..WatchOptions::default() };
    let mut watch = region.watch("bank", schema::config_map(), &future).await;
    assert!(watch.buffered().is_none());
}

#[tokio::test]
async fn nodes_are_the_operators_and_have_numbers_of_their_own_store() {
    let region = Region::new().await;
    let node = json!({ "metadata": { "name": "host-1" }, "status": { "phase": "Running" } });
    let created = region.create("system", schema::node(), node).await.unwrap();
    assert_eq!(created.value()["status"]["phase"], "Running");
    assert_eq!(region.list("system", schema::node(), &ListOptions::default()).await.unwrap().items.len(), 1);
    assert_eq!(region.list("shop", schema::node(), &ListOptions::default()).await.unwrap().items.len(), 0);
    let mut follow = region.registry.follow(schema::Home::Hosts);
    let told = follow.next().await.unwrap();
    assert!(matches!(told.as_slice(), [Change::Put { .. }, Change::InSync]), "{told:?}");
}

#[tokio::test]
async fn a_follower_is_told_everything_once_and_in_order() {
    let region = Region::new().await;
    region.create("shop", schema::config_map(), config_map("a", "1")).await.unwrap();
    let mut follow = region.registry.follow(schema::Home::Tenants);
    let mut seen = std::collections::BTreeMap::new();
    let mut last = 0;
    let mut in_sync = false;
    for number in 0..30 {
        let name = format!("m{}", number % 7);
        let tenant = ["shop", "system"][number % 2];
        let options = CreateOptions::default();
        let caller = caller(tenant);
        let object = config_map(&name, "1");
        let created = region.registry.create(&caller, schema::config_map(), "default", object, &options);
        if created.await.is_err() {
            let delete = Default::default();
            region.registry.delete(&caller, schema::config_map(), "default", &name, &delete).await.unwrap();
        }
    }
    let end = region.tenants.revision().await.unwrap();
    while !in_sync || last < end.0 {
        for change in follow.next().await.unwrap() {
            match change {
                Change::Put { entry, previous } => {
                    let key =
                        (entry.tenant.clone(), entry.kind.kind, entry.namespace.clone(), entry.name.clone());
                    assert!(!in_sync || entry.modified.0 > last || entry.modified.0 == last);
                    last = last.max(entry.modified.0);
                    let before = seen.insert(key, entry.modified);
                    assert_eq!(before, previous.map(|entry| entry.modified));
                }
                Change::Deleted(entry) => {
                    last = last.max(entry.modified.0);
                    let key =
                        (entry.tenant.clone(), entry.kind.kind, entry.namespace.clone(), entry.name.clone());
                    assert!(seen.remove(&key).is_some());
                }
                Change::InSync => in_sync = true,
                Change::Binding { .. } => {}
            }
        }
    }
    let there = region.registry.cached_list(None, schema::config_map(), "");
    assert_eq!(seen.keys().filter(|key| key.1 == "ConfigMap").count(), there.len());
}
