//! Lists and watches of all tenants.

use std::collections::BTreeMap;
use std::time::Duration;

use meridian_api::{
    CreateOptions, DeleteOptions, Entry, Failure, List, ListOptions, RegistryLimits, TENANT_ANNOTATION,
    UpdateOptions, WatchEvent, WatchOptions, WatchStream,
};
use meridian_schema::{self as schema, Kind, LabelSelector, lease};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::heartbeats::{heard, host, pass};
use crate::region::{Region, caller, config_map, system, take};

async fn list(region: &Region, kind: &'static Kind, options: &ListOptions) -> Result<List, Failure> {
    region.registry.list_across(&system(), kind, "", options).await
}

fn paths(list: &List) -> Vec<String> {
    list.items.iter().map(|entry| path(entry)).collect()
}

fn path(entry: &Entry) -> String {
    format!("{}/{}/{}", entry.tenant, entry.namespace, entry.name)
}

fn paged(limit: usize, token: Option<String>) -> ListOptions {
    ListOptions { limit: Some(limit), continue_token: token, ..ListOptions::default() }
}

#[tokio::test]
async fn pages_go_through_all_tenants_as_of_one_moment() {
    let region = Region::new().await;
    for tenant in ["red", "blue", "system"] {
        for name in ["a", "b"] {
            let mut object = config_map(name, tenant);
            object["metadata"]["labels"] = json!({ "name": name });
            region.create(tenant, schema::config_map(), object).await.unwrap();
        }
    }
    let all = list(&region, schema::config_map(), &ListOptions::default()).await.unwrap();
    let expected = [
        "blue/default/a",
        "blue/default/b",
        "red/default/a",
        "red/default/b",
        "system/default/a",
        "system/default/b",
    ];
    assert_eq!(paths(&all), expected);
    assert_eq!(all.resource_version, region.tenants.revision().await.unwrap().0, "the partition's own");

    let first = list(&region, schema::config_map(), &paged(3, None)).await.unwrap();
    assert_eq!(
        (paths(&first), first.remaining),
        (expected[..3].iter().map(|p| (*p).to_owned()).collect(), Some(3))
    );
    region.create("green", schema::config_map(), config_map("new", "1")).await.unwrap();
    region
        .registry
        .delete(&caller("red"), schema::config_map(), "default", "b", &DeleteOptions::default())
        .await
        .unwrap();
    let token = first.continue_token.clone();
    let second = list(&region, schema::config_map(), &paged(2, token)).await.unwrap();
    assert_eq!(paths(&second), expected[3..5], "what has gone since is there, and what has come is not");
    let third = list(&region, schema::config_map(), &paged(2, second.continue_token)).await.unwrap();
    assert_eq!((paths(&third), third.continue_token), (vec![expected[5].to_owned()], None));
    assert_eq!(third.resource_version, first.resource_version);

    let labelled =
        ListOptions { label_selector: Some(LabelSelector::parse("name=b").unwrap()), ..paged(1, None) };
    let page = list(&region, schema::config_map(), &labelled).await.unwrap();
    assert_eq!((paths(&page), page.remaining), (vec!["blue/default/b".to_owned()], None));
    let next = ListOptions { continue_token: page.continue_token, ..labelled };
    let next = list(&region, schema::config_map(), &next).await.unwrap();
    assert_eq!((paths(&next), next.continue_token), (vec!["system/default/b".to_owned()], None));

    // A token is for the list it came from.
    let options = paged(2, first.continue_token.clone());
    let other = region.registry.list(&system(), schema::config_map(), "", &options).await;
    assert_eq!(other.unwrap_err().code, 400);
    let ahead = ListOptions { resource_version: Some("1000000".to_owned()), ..ListOptions::default() };
    assert_eq!(list(&region, schema::config_map(), &ahead).await.unwrap_err().code, 504);
    region.give_up_history().await;
    let expired = list(&region, schema::config_map(), &paged(2, first.continue_token)).await.unwrap_err();
    assert_eq!(expired.code, 410);
    let token = expired.continue_token.map(|token| token.to_string());
    let again = list(&region, schema::config_map(), &paged(9, token)).await.unwrap();
    let left = ["system/default/a", "system/default/b"];
    assert_eq!(paths(&again), left, "what is left behind the first page, as of now");
}

#[tokio::test]
async fn only_operators_look_across_tenants() {
    let region = Region::new().await;
    let blue = caller("blue");
    let options = ListOptions::default();
    let listed = region.registry.list_across(&blue, schema::pod(), "", &options).await;
    assert_eq!(listed.unwrap_err().code, 403);
    let watched = region.registry.watch_across(&blue, schema::pod(), "", &WatchOptions::default()).await;
    assert_eq!(watched.unwrap_err().code, 403);
}

#[tokio::test]
async fn a_watch_whose_place_is_forgotten_ends() {
    let limits = RegistryLimits { remembered_changes: 8, ..RegistryLimits::default() };
    let region = Region::with(limits).await;
    region.create("blue", schema::config_map(), config_map("a", "1")).await.unwrap();
    let from = list(&region, schema::config_map(), &ListOptions::default()).await.unwrap().resource_version;
    let options = WatchOptions { resource_version: Some(from.to_string()), ..WatchOptions::default() };
    let mut watch =
        region.registry.watch_across(&system(), schema::config_map(), "", &options).await.unwrap();
    for index in 0..9 {
        region.create("red", schema::config_map(), config_map(&format!("r{index}"), "1")).await.unwrap();
    }
    assert!(take(&mut watch, 1).await[0].starts_with("410 "));
}

#[derive(Clone, Debug)]
enum Step {
    Put(usize, u8),
    Remove(usize, u8),
    Host(u8),
    Hear(u8),
    Gone(u8),
    Pass,
    Take(u8),
    Cut,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3usize, 0..3u8).prop_map(|(tenant, name)| Step::Put(tenant, name)),
        2 => (0..3usize, 0..3u8).prop_map(|(tenant, name)| Step::Remove(tenant, name)),
        2 => (0..3u8).prop_map(Step::Host),
        3 => (0..3u8).prop_map(Step::Hear),
        1 => (0..3u8).prop_map(Step::Gone),
        3 => Just(Step::Pass),
        4 => (1..4u8).prop_map(Step::Take),
        2 => Just(Step::Cut),
    ]
}

/// An operator who lists page by page, watches, and goes on where the connection broke.
#[derive(Default)]
struct Operator {
    known: BTreeMap<String, Value>,
    version: u64,
    watch: Option<WatchStream>,
}

impl Operator {
    async fn connect(&mut self, region: &Region) {
        if self.version == 0 {
            self.known.clear();
            let mut token = None;
            loop {
                let page = match list(region, lease(), &paged(2, token)).await {
                    Ok(page) => page,
                    Err(failure) => panic!("nothing was written in between: {failure}"),
                };
                self.version = page.resource_version;
                let seen = page.items.iter().map(|entry| (path(entry), seen(entry)));
                self.known.extend(seen);
                token = page.continue_token;
                if token.is_none() {
                    break;
                }
            }
        }
        let options = WatchOptions {
            resource_version: Some(self.version.to_string()),
            allow_bookmarks: true,
            timeout: Some(Duration::from_secs(1 << 20)),
            ..WatchOptions::default()
        };
        self.watch = Some(region.registry.watch_across(&system(), lease(), "", &options).await.unwrap());
    }

    fn learn(&mut self, event: WatchEvent) {
        let (entry, is_new, is_there) = match event {
            WatchEvent::Added(entry) => (entry, true, true),
            WatchEvent::Modified(entry) => (entry, false, true),
            WatchEvent::Deleted(entry) => (entry, false, false),
            WatchEvent::Bookmark { resource_version, .. } => return self.version = resource_version,
            WatchEvent::Error(failure) => {
                assert_eq!(failure.code, 410, "{failure}");
                self.version = 0;
                return self.watch = None;
            }
        };
        let value = entry.value();
        assert_eq!(value["metadata"]["annotations"][TENANT_ANNOTATION], entry.tenant.as_str());
        assert!(entry.resource_version() >= self.version);
        self.version = entry.resource_version();
        assert_eq!(self.known.contains_key(&path(&entry)), !is_new, "{} at {}", path(&entry), self.version);
        if is_there {
            let before = self.known.insert(path(&entry), stripped(value.clone()));
            assert_ne!(before, Some(stripped(value)), "told twice");
        } else {
            self.known.remove(&path(&entry));
        }
    }

    async fn take(&mut self, region: &Region, count: u8) {
        for _ in 0..count {
            if self.watch.is_none() {
                self.connect(region).await;
            }
            let event = self.watch.as_mut().and_then(WatchStream::buffered);
            let Some(event) = event else { return };
            self.learn(event);
        }
    }
}

/// A listed object as a watch tells it: its version is the partition's, and its tenant is not counted.
fn seen(entry: &Entry) -> Value {
    let mut value = entry.value();
    value["metadata"]["resourceVersion"] = json!(entry.modified.to_string());
    value
}

fn stripped(mut value: Value) -> Value {
    let metadata = value["metadata"].as_object_mut().unwrap();
    let annotations = metadata["annotations"].as_object_mut().unwrap();
    annotations.remove(TENANT_ANNOTATION);
    if annotations.is_empty() {
        metadata.remove("annotations");
    }
    value
}

async fn run(steps: Vec<Step>) {
    const TENANTS: [&str; 3] = ["blue", "red", "system"];
    let region = Region::new().await;
    let mut operator = Operator::default();
    let mut count = 0;
    let mut put = async |tenant: &str, name: String| {
        count += 1;
        let object = json!({
            "metadata": { "name": name, "annotations": { "count": count.to_string() } },
            "spec": { "holderIdentity": "me" },
        });
        let (caller, options) = (caller(tenant), UpdateOptions::default());
        if count % 2 == 0 {
            // Also as the one thing that happens in a tenant for the first time.
            let options = CreateOptions::default();
            let made = region.registry.create(&caller, lease(), "default", object.clone(), &options);
            if made.await.is_ok() {
                return;
            }
        }
        let updated =
            region.registry.update(&caller, lease(), "default", &name, None, object, &options).await;
        updated.unwrap();
    };
    for step in steps {
        match step {
            Step::Put(tenant, name) => put(TENANTS[tenant], format!("s{name}")).await,
            Step::Remove(tenant, name) => {
                let (caller, name) = (caller(TENANTS[tenant]), format!("s{name}"));
                // There may be none.
                let options = DeleteOptions::default();
                let _ = region.registry.delete(&caller, lease(), "default", &name, &options).await;
            }
            Step::Host(name) => {
                let name = format!("h{name}");
                if region.get(schema::node(), &name).await.is_err() {
                    host(&region, &name).await;
                }
            }
            Step::Hear(name) => heard(&region, &format!("h{name}")),
            Step::Gone(name) => {
                let name = format!("h{name}");
                if region.delete(schema::node(), &name).await.is_ok() {
                    region.registry.heartbeats().gone(&name);
                }
            }
            Step::Pass => {
                pass(&region);
                tokio::task::yield_now().await;
            }
            Step::Take(count) => operator.take(&region, count).await,
            Step::Cut => operator.watch = None,
        }
    }
    pass(&region);
    list(&region, lease(), &ListOptions::default()).await.unwrap();
    put("blue", "end".to_owned()).await;
    let last = list(&region, lease(), &ListOptions::default()).await.unwrap();
    let last: BTreeMap<String, Value> = last.items.iter().map(|entry| (path(entry), seen(entry))).collect();
    let told = async {
        while !operator.known.contains_key("blue/default/end") {
            match &mut operator.watch {
                None => operator.connect(&region).await,
                Some(watch) => {
                    let event = watch.next().await.expect("the watch goes on");
                    operator.learn(event);
                }
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), told).await.expect("everything is told");
    assert_eq!(operator.known, last);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_operator_knows_in_the_end_what_all_tenants_have(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(run(steps));
    }
}
