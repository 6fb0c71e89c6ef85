//! Watches: nothing missed, nothing told twice, or 410.

use std::time::Duration;

use meridian_api::{ListOptions, RegistryLimits, WatchEvent, WatchOptions};
use meridian_schema as schema;
use serde_json::{Value, json};

use crate::region::{Region, config_map, pod, take};

fn from(version: u64) -> WatchOptions {
    WatchOptions { resource_version: Some(version.to_string()), ..WatchOptions::default() }
}

fn labelled(name: &str, app: &str) -> Value {
    let mut object = config_map(name, "1");
    object["metadata"]["labels"] = json!({ "app": app });
    object
}

async fn version(region: &Region) -> u64 {
    region.list("system", schema::config_map(), &ListOptions::default()).await.unwrap().resource_version
}

#[tokio::test]
async fn a_watch_goes_on_where_a_list_ended() {
    let region = Region::new().await;
    region.create("system", schema::config_map(), config_map("a", "1")).await.unwrap();
    let start = version(&region).await;
    let mut watch = region.watch("system", schema::config_map(), &from(start)).await;
    assert!(watch.buffered().is_none());
    region.create("system", schema::config_map(), config_map("b", "1")).await.unwrap();
    region.update(schema::config_map(), "b", config_map("b", "2")).await.unwrap();
    region.create("system", schema::pod(), pod("another-kind")).await.unwrap();
    region.delete(schema::config_map(), "a").await.unwrap();
    let expected = [format!("+b@{}", start + 1), format!("~b@{}", start + 2), format!("-a@{}", start + 4)];
    assert_eq!(take(&mut watch, 3).await, expected);
    // Another one from there tells the same, later.
    let mut again = region.watch("system", schema::config_map(), &from(start)).await;
    assert_eq!(take(&mut again, 3).await, expected);
}

#[tokio::test]
async fn a_watch_without_a_version_begins_with_what_there_is() {
    let region = Region::new().await;
    region.create("system", schema::config_map(), config_map("a", "1")).await.unwrap();
    let start = version(&region).await;
    for options in [WatchOptions::default(), from(0)] {
        let mut watch = region.watch("system", schema::config_map(), &options).await;
        assert_eq!(take(&mut watch, 1).await, [format!("+a@{start}")]);
        assert!(watch.buffered().is_none());
    }
    let streaming = WatchOptions {
        send_initial_events: Some(true),
        resource_version_match: Some("NotOlderThan".to_owned()),
        allow_bookmarks: true,
        ..WatchOptions::default()
    };
    let mut watch = region.watch("system", schema::config_map(), &streaming).await;
    region.create("system", schema::config_map(), config_map("b", "1")).await.unwrap();
    let expected = [format!("+a@{start}"), format!("initial end@{start}"), format!("+b@{}", start + 1)];
    assert_eq!(take(&mut watch, 3).await, expected);
    let nothing_first = WatchOptions { send_initial_events: Some(false), ..streaming.clone() };
    let mut watch = region.watch("system", schema::config_map(), &nothing_first).await;
    region.delete(schema::config_map(), "b").await.unwrap();
    assert_eq!(take(&mut watch, 1).await, [format!("-b@{}", start + 2)]);

    let caller = crate::region::system();
    for (initial, how) in [(Some(true), None), (Some(true), Some("Exact")), (None, Some("NotOlderThan"))] {
        let options = WatchOptions {
            send_initial_events: initial,
            resource_version_match: how.map(str::to_owned),
            ..WatchOptions::default()
        };
        let failure =
            region.registry.watch(&caller, schema::config_map(), "default", &options).await.unwrap_err();
        assert_eq!(failure.code, 422, "{initial:?} {how:?}");
    }
}

#[tokio::test]
async fn an_object_that_begins_or_ceases_to_match_is_added_or_deleted() {
    let region = Region::new().await;
    let start = version(&region).await;
    let options = WatchOptions {
        label_selector: Some(schema::LabelSelector::parse("app=web").unwrap()),
        ..from(start)
    };
    let mut watch = region.watch("system", schema::config_map(), &options).await;
    region.create("system", schema::config_map(), labelled("a", "job")).await.unwrap();
    region.update(schema::config_map(), "a", labelled("a", "web")).await.unwrap();
    let mut more = labelled("a", "web");
    more["data"]["text"] = json!("2");
    region.update(schema::config_map(), "a", more).await.unwrap();
    region.update(schema::config_map(), "a", labelled("a", "job")).await.unwrap();
    region.update(schema::config_map(), "a", labelled("a", "web")).await.unwrap();
    region.delete(schema::config_map(), "a").await.unwrap();
    let at = |more: u64| start + more;
    let expected = [
        format!("+a@{}", at(2)),
        format!("~a@{}", at(3)),
        format!("-a@{}", at(4)),
        format!("+a@{}", at(5)),
        format!("-a@{}", at(6)),
    ];
    assert_eq!(take(&mut watch, 5).await, expected);
    let mut again = region.watch("system", schema::config_map(), &options).await;
    again.next().await.unwrap();
    again.next().await.unwrap();
    // What ceased to match is told as it was when it still did.
    let Some(WatchEvent::Deleted(last)) = again.next().await else { panic!("want a deletion") };
    assert_eq!(*last.labels, [("app".into(), "web".into())]);
    assert_eq!(last.value()["data"]["text"], "2");
}

#[tokio::test]
async fn a_slow_watcher_and_one_from_long_ago_are_told_to_start_again() {
    let limits = RegistryLimits { remembered_changes: 20, ..RegistryLimits::default() };
    let region = Region::with(limits).await;
    region.create("system", schema::config_map(), config_map("a", "0")).await.unwrap();
    let start = version(&region).await;
    let mut slow = region.watch("system", schema::config_map(), &from(start)).await;
    for number in 0..50 {
        region.update(schema::config_map(), "a", config_map("a", &format!("x{number}"))).await.unwrap();
    }
    version(&region).await;
    let expired = format!("410 too old resource version: {start} ({})", start + 30);
    assert_eq!(take(&mut slow, 2).await, [expired.clone(), "end".to_owned()]);
    let mut old = region.watch("system", schema::config_map(), &from(start)).await;
    assert_eq!(take(&mut old, 2).await, [expired, "end".to_owned()]);
    let mut recent = region.watch("system", schema::config_map(), &from(start + 30)).await;
    assert_eq!(take(&mut recent, 1).await, [format!("~a@{}", start + 31)]);
}

#[tokio::test]
async fn history_that_was_given_up_expires_watches_and_nothing_else() {
    let limits = RegistryLimits { history: Duration::from_secs(60), ..RegistryLimits::default() };
    let region = Region::with(limits).await;
    region.create("system", schema::config_map(), config_map("a", "0")).await.unwrap();
    let start = version(&region).await;
    region.update(schema::config_map(), "a", config_map("a", "1")).await.unwrap();
    let now = version(&region).await;
    region.give_up_history().await;
    let mut old = region.watch("system", schema::config_map(), &from(start)).await;
    assert!(take(&mut old, 1).await[0].starts_with("410 "));
    let mut current = region.watch("system", schema::config_map(), &from(now)).await;
    region.update(schema::config_map(), "a", config_map("a", "2")).await.unwrap();
    assert_eq!(take(&mut current, 1).await, [format!("~a@{}", now + 1)]);
}

#[tokio::test]
async fn bookmarks_come_every_minute_and_before_the_end() {
    let region = Region::new().await;
    let start = version(&region).await;
    let options =
        WatchOptions { allow_bookmarks: true, timeout: Some(Duration::from_secs(90)), ..from(start) };
    let mut watch = region.watch("system", schema::config_map(), &options).await;
    assert!(watch.buffered().is_none());
    region.clock.advance(Duration::from_secs(60));
    assert_eq!(take(&mut watch, 1).await, [format!("bookmark@{start}")]);
    // Another kind moves the tenant on, and the bookmark with it.
    region.create("system", schema::pod(), pod("a")).await.unwrap();
    version(&region).await;
    region.clock.advance(Duration::from_secs(28));
    assert_eq!(take(&mut watch, 1).await, [format!("bookmark@{}", start + 1)]);
    region.clock.advance(Duration::from_secs(2));
    assert_eq!(take(&mut watch, 2).await, ["end", "end"]);
}

#[tokio::test]
async fn a_watch_goes_on_over_a_restart() {
    let region = Region::new().await;
    region.create("system", schema::config_map(), config_map("a", "1")).await.unwrap();
    let start = version(&region).await;
    region.update(schema::config_map(), "a", config_map("a", "2")).await.unwrap();
    region.delete(schema::config_map(), "a").await.unwrap();
    let region = region.restarted().await;
    let mut watch = region.watch("system", schema::config_map(), &from(start)).await;
    assert_eq!(take(&mut watch, 2).await, [format!("~a@{}", start + 1), format!("-a@{}", start + 2)]);
}

#[tokio::test]
async fn a_shutdown_ends_watches_and_follows() {
    let region = Region::new().await;
    let start = version(&region).await;
    let mut watch = region.watch("system", schema::config_map(), &from(start)).await;
    let mut follow = region.registry.follow(schema::Home::Tenants);
    follow.next().await.unwrap();
    let ended = tokio::spawn(async move { (take(&mut watch, 1).await, follow.next().await) });
    tokio::task::yield_now().await;
    region.registry.shutdown().await;
    let (told, followed) = ended.await.unwrap();
    assert_eq!(told, ["end"]);
    assert_eq!(followed.unwrap_err(), meridian_api::FollowError::Closed);
}

#[tokio::test]
async fn what_a_restart_no_longer_remembers_is_expired() {
    let limits = RegistryLimits { remembered_changes: 8, ..RegistryLimits::default() };
    let region = Region::with(limits).await;
    region.create("system", schema::config_map(), config_map("a", "0")).await.unwrap();
    let start = version(&region).await;
    for number in 0..20 {
        region.update(schema::config_map(), "a", config_map("a", &format!("x{number}"))).await.unwrap();
    }
    let now = version(&region).await;
    let region = region.restarted().await;
    let mut old = region.watch("system", schema::config_map(), &from(start)).await;
    assert!(take(&mut old, 1).await[0].starts_with("410 "));
    let mut recent = region.watch("system", schema::config_map(), &from(now - 1)).await;
    assert_eq!(take(&mut recent, 1).await, [format!("~a@{now}")]);
}
