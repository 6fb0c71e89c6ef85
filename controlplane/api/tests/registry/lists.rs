//! Lists: as of when, in pages, and after a restart.

use std::time::Duration;

use meridian_api::{ListOptions, Reason, RegistryLimits};
use meridian_schema as schema;
use serde_json::json;

use crate::region::{Region, config_map};

fn at(version: &str, how: &str) -> ListOptions {
    ListOptions {
        resource_version: Some(version.to_owned()),
        resource_version_match: (!how.is_empty()).then(|| how.to_owned()),
        ..ListOptions::default()
    }
}

fn page(limit: usize, token: Option<String>) -> ListOptions {
    ListOptions { limit: Some(limit), continue_token: token, ..ListOptions::default() }
}

fn names(list: &meridian_api::List) -> Vec<&str> {
    list.items.iter().map(|entry| entry.name.as_str()).collect()
}

async fn some(region: &Region, count: usize) {
    for number in 0..count {
        region
            .create("system", schema::config_map(), config_map(&format!("m{number:02}"), "1"))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_list_is_as_of_the_moment_that_was_asked_for() {
    let region = Region::new().await;
    some(&region, 2).await;
    let now = region.list("system", schema::config_map(), &ListOptions::default()).await.unwrap();
    assert_eq!(names(&now), ["m00", "m01"]);
    let version = now.resource_version;
    region.create("system", schema::config_map(), config_map("later", "1")).await.unwrap();
    let later = region.list("system", schema::config_map(), &ListOptions::default()).await.unwrap();
    assert_eq!(later.resource_version, version + 1);

    let exactly =
        region.list("system", schema::config_map(), &at(&version.to_string(), "Exact")).await.unwrap();
    assert_eq!((names(&exactly), exactly.resource_version), (vec!["m00", "m01"], version));
    let newer =
        region.list("system", schema::config_map(), &at(&version.to_string(), "NotOlderThan")).await.unwrap();
    assert_eq!((newer.items.len(), newer.resource_version), (3, version + 1));
    region.list("system", schema::config_map(), &at("0", "")).await.unwrap();

    for how in ["NotOlderThan", "Exact"] {
        let future = region.list("system", schema::config_map(), &at("1000", how)).await.unwrap_err();
        assert_eq!((future.code, future.reason), (504, Reason::Timeout));
        assert_eq!(
            future.message,
            format!("Timeout: Too large resource version: 1000, current: {}", version + 1)
        );
        assert_eq!(future.retry_after_seconds(), Some(1));
    }
    let invalid = region.list("system", schema::config_map(), &at("new", "")).await.unwrap_err();
    assert_eq!(invalid.code, 400);
    let invalid = region.list("system", schema::config_map(), &at("7", "Newer")).await.unwrap_err();
    assert_eq!(invalid.code, 422);
}

#[tokio::test]
async fn pages_are_of_one_moment_whatever_happens_in_between() {
    let region = Region::new().await;
    some(&region, 7).await;
    let first = region.list("system", schema::config_map(), &page(3, None)).await.unwrap();
    assert_eq!((names(&first), first.remaining), (vec!["m00", "m01", "m02"], Some(4)));
    // All of this is later, and none of it shows.
    region.delete(schema::config_map(), "m03").await.unwrap();
    region.create("system", schema::config_map(), config_map("m04a", "1")).await.unwrap();
    region.update(schema::config_map(), "m05", config_map("m05", "2")).await.unwrap();
    let second =
        region.list("system", schema::config_map(), &page(3, first.continue_token.clone())).await.unwrap();
    assert_eq!((names(&second), second.remaining), (vec!["m03", "m04", "m05"], Some(1)));
    assert_eq!(second.items[2].value()["data"]["text"], "1");
    assert_eq!(second.resource_version, first.resource_version);
    let last = region.list("system", schema::config_map(), &page(3, second.continue_token)).await.unwrap();
    assert_eq!((names(&last), last.remaining, last.continue_token.as_ref()), (vec!["m06"], None, None));

    let garbage =
        region.list("system", schema::config_map(), &page(3, Some("garbage".to_owned()))).await.unwrap_err();
    assert_eq!(garbage.code, 400);
    let both = ListOptions { resource_version: Some("5".to_owned()), ..page(3, first.continue_token) };
    assert_eq!(region.list("system", schema::config_map(), &both).await.unwrap_err().code, 400);
}

#[tokio::test]
async fn pages_with_a_selector_hold_what_matches() {
    let region = Region::new().await;
    for number in 0..10 {
        let mut object = config_map(&format!("m{number}"), "1");
        object["metadata"]["labels"] = json!({ "even": (number % 2 == 0).to_string() });
        region.create("system", schema::config_map(), object).await.unwrap();
    }
    let selector = Some(schema::LabelSelector::parse("even=true").unwrap());
    let mut seen = Vec::new();
    let mut token = None;
    loop {
        let options = ListOptions { label_selector: selector.clone(), ..page(2, token) };
        let list = region.list("system", schema::config_map(), &options).await.unwrap();
        assert!(list.items.len() <= 2 && list.remaining.is_none());
        seen.extend(names(&list).into_iter().map(str::to_owned));
        token = list.continue_token;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["m0", "m2", "m4", "m6", "m8"]);
}

#[tokio::test]
async fn a_page_that_comes_too_late_says_how_to_go_on() {
    let limits = RegistryLimits { history: Duration::from_secs(60), ..RegistryLimits::default() };
    let region = Region::with(limits).await;
    some(&region, 5).await;
    let first = region.list("system", schema::config_map(), &page(2, None)).await.unwrap();
    region.create("system", schema::config_map(), config_map("m01a", "1")).await.unwrap();
    region.give_up_history().await;
    let failure =
        region.list("system", schema::config_map(), &page(2, first.continue_token)).await.unwrap_err();
    assert_eq!((failure.code, failure.reason), (410, Reason::Expired));
    let token = failure.to_status()["metadata"]["continue"].as_str().unwrap().to_owned();
    let rest = region.list("system", schema::config_map(), &page(9, Some(token))).await.unwrap();
    assert_eq!(names(&rest), ["m01a", "m02", "m03", "m04"]);
    assert_eq!(rest.continue_token, None);
}

#[tokio::test]
async fn a_restart_finds_everything_with_its_numbers() {
    let region = Region::new().await;
    some(&region, 3).await;
    region.delete(schema::config_map(), "m01").await.unwrap();
    let before = region.list("system", schema::config_map(), &ListOptions::default()).await.unwrap();
    let region = region.restarted().await;
    let after = region.list("system", schema::config_map(), &ListOptions::default()).await.unwrap();
    assert_eq!(after.resource_version, before.resource_version);
    let all = |list: &meridian_api::List| list.items.iter().map(|entry| entry.json()).collect::<Vec<_>>();
    assert_eq!(all(&after), all(&before));
}
