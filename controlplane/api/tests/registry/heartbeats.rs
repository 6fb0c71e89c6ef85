//! The Leases of hosts: a view of what is heard of them, as any other object to those who read.

mod model;

use std::sync::Arc;
use std::time::Duration;

use meridian_api::{
    Change, CreateOptions, DeleteOptions, Entry, Heartbeats, ListOptions, PatchOptions, UpdateOptions,
    WatchOptions,
};
use meridian_api::{Patch, PatchKind};
use meridian_environment::Clock;
use meridian_schema::{FieldSelector, Home, lease, namespace, node};
use serde_json::json;

use crate::region::{Region, caller, system, take};

const NODE_LEASES: &str = "kube-node-lease";

/// A host that has just come.
pub(crate) async fn host(region: &Region, name: &str) -> Arc<Entry> {
    let node = region.create("system", node(), json!({ "metadata": { "name": name } })).await.unwrap();
    region.registry.heartbeats().appeared(&node);
    node
}

pub(crate) fn heard(region: &Region, name: &str) {
    region.registry.heartbeats().heard(&Arc::from(name), region.clock.date());
}

/// Lets enough time pass that what has changed is shown to who asks.
pub(crate) fn pass(region: &Region) {
    region.clock.advance(Duration::from_secs(1));
}

async fn names(region: &Region, ns: &str, options: &ListOptions) -> Vec<String> {
    let list = region.registry.list(&system(), lease(), ns, options).await.unwrap();
    list.items.iter().map(|entry| format!("{}/{}", entry.namespace, entry.name)).collect()
}

async fn leader(region: &Region, ns: &str, name: &str) -> Result<Arc<Entry>, meridian_api::Failure> {
    let object = json!({ "metadata": { "name": name }, "spec": { "holderIdentity": "me" } });
    region.registry.create(&system(), lease(), ns, object, &CreateOptions::default()).await
}

#[tokio::test]
async fn there_is_a_lease_for_each_host_among_all_others() {
    let region = Region::new().await;
    let all = ListOptions::default();
    assert_eq!(names(&region, "", &all).await, Vec::<String>::new());
    leader(&region, "kube-system", "z").await.unwrap();
    leader(&region, "default", "a").await.unwrap();
    let node = host(&region, "h2").await;
    host(&region, "h1").await;
    heard(&region, "h2");
    pass(&region);
    let everything = ["default/a", "kube-node-lease/h1", "kube-node-lease/h2", "kube-system/z"];
    assert_eq!(names(&region, "", &all).await, everything);
    assert_eq!(names(&region, NODE_LEASES, &all).await, everything[1..3]);
    assert_eq!(names(&region, "default", &all).await, everything[..1]);
    let only = ListOptions {
        field_selector: Some(FieldSelector::parse(lease(), "metadata.name=h2").unwrap()),
        ..ListOptions::default()
    };
    assert_eq!(names(&region, "", &only).await, everything[2..3]);

    let h2 = region.registry.get(&system(), lease(), NODE_LEASES, "h2").await.unwrap().value();
    assert_eq!(h2["spec"]["holderIdentity"], "h2");
    assert_eq!(h2["spec"]["leaseDurationSeconds"], 40);
    let renewed: jiff::Timestamp = h2["spec"]["renewTime"].as_str().unwrap().parse().unwrap();
    assert!(renewed <= region.clock.date());
    assert_eq!(
        h2["metadata"]["ownerReferences"],
        json!([{ "apiVersion": "v1", "kind": "Node", "name": "h2", "uid": node.uid }])
    );
    assert_ne!(h2["metadata"]["uid"], node.uid.as_str());
    let h1 = region.registry.get(&system(), lease(), NODE_LEASES, "h1").await.unwrap().value();
    assert_eq!(h1["spec"].get("renewTime"), None, "it was not heard of");
    assert_eq!(h1["metadata"]["resourceVersion"], h2["metadata"]["resourceVersion"], "shown together");

    // A Node that is made anew has another Lease.
    region.registry.heartbeats().gone("h2");
    pass(&region);
    assert_eq!(names(&region, NODE_LEASES, &all).await, ["kube-node-lease/h1"]);
    // To a tenant none of this is there.
    let theirs = region.registry.list(&caller("blue"), lease(), "", &all).await.unwrap();
    assert!(theirs.items.is_empty());
}

#[tokio::test]
async fn heartbeats_append_nothing_and_showing_them_appends_two_records() {
    let region = Region::new().await;
    for index in 0..100 {
        host(&region, &format!("h{index}")).await;
    }
    names(&region, NODE_LEASES, &ListOptions::default()).await;
    let quiet = region.tenants.revision().await.unwrap();
    for _ in 0..10 {
        pass(&region);
        (0..100).for_each(|index| heard(&region, &format!("h{index}")));
    }
    assert_eq!(region.tenants.revision().await.unwrap(), quiet);
    for _ in 0..5 {
        // The first one shows them; the others come too soon, and later there is nothing new.
        names(&region, NODE_LEASES, &ListOptions::default()).await;
        leader(&region, NODE_LEASES, "x").await.unwrap_err();
    }
    pass(&region);
    names(&region, "", &ListOptions::default()).await;
    assert_eq!(region.tenants.revision().await.unwrap().0, quiet.0 + 2);
}

#[tokio::test]
async fn nobody_writes_what_is_a_view() {
    let region = Region::new().await;
    host(&region, "h1").await;
    let was = region.registry.get(&system(), lease(), NODE_LEASES, "h1").await.unwrap();
    let (registry, caller) = (&region.registry, system());
    let mut refused = vec![leader(&region, NODE_LEASES, "h1").await.unwrap_err()];
    refused.push(leader(&region, NODE_LEASES, "other").await.unwrap_err());
    let update = |name: &'static str| {
        let mut faked = was.value();
        faked["metadata"]["name"] = json!(name);
        faked["spec"]["renewTime"] = json!("2999-01-01T00:00:00.000000Z");
        async move {
            let options = UpdateOptions::default();
            registry.update(&system(), lease(), NODE_LEASES, name, None, faked, &options).await.unwrap_err()
        }
    };
    refused.push(update("h1").await);
    let patch = Patch { kind: PatchKind::Merge, body: json!({ "spec": { "holderIdentity": "me" } }) };
    let options = PatchOptions::default();
    refused
        .push(registry.patch(&caller, lease(), NODE_LEASES, "h1", None, patch, &options).await.unwrap_err());
    let options = DeleteOptions::default();
    refused.push(registry.delete(&caller, lease(), NODE_LEASES, "h1", &options).await.unwrap_err());
    let every = ListOptions::default();
    refused
        .push(registry.delete_collection(&caller, lease(), NODE_LEASES, &options, &every).await.unwrap_err());
    refused.push(registry.delete(&caller, namespace(), "", NODE_LEASES, &options).await.unwrap_err());
    for failure in refused {
        assert_eq!(failure.code, 403, "{failure}");
    }
    let is = region.registry.get(&system(), lease(), NODE_LEASES, "h1").await.unwrap();
    assert_eq!(is.value(), was.value());
    // A tenant's namespace of that name is like any other.
    let theirs = json!({ "metadata": { "name": "h1" } });
    let blue = crate::region::caller("blue");
    registry.create(&blue, lease(), NODE_LEASES, theirs, &CreateOptions::default()).await.unwrap();
    registry.delete(&blue, lease(), NODE_LEASES, "h1", &options).await.unwrap();
}

/// The pages of a list.
async fn page(region: &Region, token: Option<String>) -> Result<meridian_api::List, meridian_api::Failure> {
    let options = ListOptions { limit: Some(2), continue_token: token, ..ListOptions::default() };
    region.registry.list(&system(), lease(), "", &options).await
}

#[tokio::test]
async fn pages_are_of_one_moment_whatever_is_heard_meanwhile() {
    let region = Region::new().await;
    for name in ["h1", "h2", "h3"] {
        host(&region, name).await;
    }
    leader(&region, "kube-system", "z").await.unwrap();
    let first = page(&region, None).await.unwrap();
    assert_eq!((first.items.len(), first.remaining), (2, Some(2)));
    host(&region, "h25").await;
    heard(&region, "h3");
    pass(&region);
    assert_eq!(names(&region, "", &ListOptions::default()).await.len(), 5);
    let second = page(&region, first.continue_token.clone()).await.unwrap();
    let told: Vec<_> = second.items.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!((told, second.continue_token), (vec!["h3", "z"], None));
    assert_eq!(second.resource_version, first.resource_version);
    assert_eq!(second.items[0].value()["spec"].get("renewTime"), None, "as it was then");

    let exactly = |version: u64| ListOptions {
        resource_version: Some(version.to_string()),
        resource_version_match: Some("Exact".to_owned()),
        ..ListOptions::default()
    };
    let then = names(&region, "", &exactly(first.resource_version)).await;
    assert_eq!(then.len(), 4, "{then:?}");
    let ahead = region.registry.list(&system(), lease(), "", &exactly(1 << 40)).await.unwrap_err();
    assert_eq!(ahead.code, 504);
    // What was of before this process began is not known, and neither is what is gone.
    assert_eq!(region.registry.list(&system(), lease(), "", &exactly(1)).await.unwrap_err().code, 410);
    region.registry.heartbeats().gone("h3");
    pass(&region);
    names(&region, "", &ListOptions::default()).await;
    let expired = page(&region, first.continue_token).await.unwrap_err();
    assert_eq!(expired.code, 410);
    let again = page(&region, expired.continue_token.map(|token| token.to_string())).await.unwrap();
    let told: Vec<_> = again.items.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(told, ["h25", "z"], "what is left behind h2, as of now");
}

fn after(version: u64) -> WatchOptions {
    WatchOptions {
        resource_version: Some(version.to_string()),
        allow_bookmarks: true,
        timeout: Some(Duration::from_secs(1 << 20)),
        ..WatchOptions::default()
    }
}

#[tokio::test]
async fn a_watch_is_told_of_all_that_is_shown_and_goes_on_behind_its_bookmark() {
    let region = Region::new().await;
    host(&region, "h1").await;
    let list = region.registry.list(&system(), lease(), "", &ListOptions::default()).await.unwrap();
    let from = list.resource_version;
    let mut watch = region.registry.watch(&system(), lease(), "", &after(from)).await.unwrap();
    heard(&region, "h1");
    host(&region, "h2").await;
    pass(&region);
    let shown = from + 1;
    let told = take(&mut watch, 3).await;
    let events = [format!("~h1@{shown}"), format!("+h2@{shown}"), format!("bookmark@{}", shown + 1)];
    assert_eq!(told, events, "shown while it is watched, without anybody reading");
    // One who knows all that was shown goes on; of one who may know a part of it nobody can tell.
    let mut again = region.registry.watch(&system(), lease(), "", &after(shown + 1)).await.unwrap();
    let mut cut = region.registry.watch(&system(), lease(), "", &after(shown)).await.unwrap();
    assert!(take(&mut cut, 1).await[0].starts_with("410 "));
    region.registry.heartbeats().gone("h1");
    pass(&region);
    let told = take(&mut again, 2).await;
    assert_eq!(told, [format!("-h1@{}", shown + 2), format!("bookmark@{}", shown + 3)]);
    assert_eq!(take(&mut watch, 2).await, told);
    // There was one change only: whoever was told of it was told everything.
    let mut behind = region.registry.watch(&system(), lease(), "", &after(shown + 2)).await.unwrap();
    let stored = leader(&region, "default", "a").await.unwrap();
    assert_eq!(
        take(&mut behind, 1).await,
        [format!("bookmark@{}", shown + 3)][..0]
            .iter()
            .cloned()
            .chain([format!("+a@{}", stored.resource_version())])
            .collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn another_process_knows_nothing_of_what_was_shown() {
    let region = Region::new().await;
    host(&region, "h1").await;
    heard(&region, "h1");
    leader(&region, "default", "a").await.unwrap();
    let list = region.registry.list(&system(), lease(), "", &ListOptions::default()).await.unwrap();
    assert_eq!(list.items.len(), 2);
    let region = region.restarted().await;
    for ns in ["", NODE_LEASES] {
        let options = after(list.resource_version);
        let mut watch = region.registry.watch(&system(), lease(), ns, &options).await.unwrap();
        assert!(take(&mut watch, 1).await[0].starts_with("410 "), "{ns}");
        // What was at hand is no reason to be sent away at once.
        let options = ListOptions { resource_version: Some("0".to_owned()), ..ListOptions::default() };
        let list = region.registry.list(&system(), lease(), ns, &options).await.unwrap();
        let options = after(list.resource_version);
        let mut watch = region.registry.watch(&system(), lease(), ns, &options).await.unwrap();
        assert!(watch.buffered().is_none());
    }
    // Leases of other namespaces are stored, and watches of them go on.
    let options = after(list.resource_version);
    let mut watch = region.registry.watch(&system(), lease(), "default", &options).await.unwrap();
    let stored = leader(&region, "default", "b").await.unwrap();
    assert_eq!(take(&mut watch, 1).await, [format!("+b@{}", stored.resource_version())]);
}

#[tokio::test]
async fn followers_are_told_what_is_stored() {
    let region = Region::new().await;
    host(&region, "h1").await;
    leader(&region, "default", "a").await.unwrap();
    names(&region, "", &ListOptions::default()).await;
    let mut follow = region.registry.follow(Home::Tenants);
    let mut leases = Vec::new();
    for change in follow.next().await.unwrap() {
        if let Change::Put { entry, .. } = change
            && entry.kind == lease()
        {
            leases.push(entry.name.clone());
        }
    }
    assert_eq!(leases, ["a"]);
    heard(&region, "h1");
    pass(&region);
    names(&region, "", &ListOptions::default()).await;
    leader(&region, "default", "b").await.unwrap();
    let told = follow.next().await.unwrap();
    assert!(matches!(&told[..], [Change::Put { entry, .. }] if entry.name == "b"), "{told:?}");
}

#[tokio::test]
async fn a_reader_who_leaves_at_any_moment_does_no_harm() {
    use futures::FutureExt;
    let region = Region::new().await;
    let (first, second) = (host(&region, "h1").await, host(&region, "h2").await);
    assert_ne!(first.uid, second.uid);
    let every = ListOptions::default();
    for polls in 0..40 {
        heard(&region, "h1");
        heard(&region, "h2");
        pass(&region);
        {
            let caller = system();
            let mut list = Box::pin(region.registry.list(&caller, lease(), "", &every));
            for _ in 0..polls {
                if (&mut list).now_or_never().is_some() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        let list = region.registry.list(&system(), lease(), "", &every).await.unwrap();
        let mut watch =
            region.registry.watch(&system(), lease(), "", &after(list.resource_version)).await.unwrap();
        assert!(watch.buffered().is_none(), "the list was complete: {polls}");
        assert!(list.items.iter().all(|lease| lease.value()["spec"]["renewTime"].is_string()));
    }
}

/// What is kept of hosts that come and go unseen stays small.
#[tokio::test]
async fn hosts_that_nobody_was_shown_leave_nothing_behind() {
    let heartbeats = Heartbeats::default();
    let region = Region::new().await;
    let node = region.create("system", node(), json!({ "metadata": { "name": "h" } })).await.unwrap();
    for _ in 0..3 {
        heartbeats.appeared(&node);
        heartbeats.gone("h");
    }
    assert!(!format!("{heartbeats:?}").contains("\"h\""), "{heartbeats:?}");
}
