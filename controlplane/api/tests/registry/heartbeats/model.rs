//! Clients that list, watch, lose their connections and go on, held to what a list says.
//!
//! A client keeps what it was told and checks each event against it: what is added was not there, what changes or goes
//! was. So an event too many or too few is found where it happens, or in the end, when all of them must know the same.

use std::collections::BTreeMap;
use std::time::Duration;

use meridian_api::{
    CreateOptions, DeleteOptions, Entry, ListOptions, UpdateOptions, WatchEvent, WatchOptions, WatchStream,
};
use meridian_schema::lease;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{heard, host, pass};
use crate::region::{Region, system};

#[derive(Clone, Debug)]
enum Step {
    Appear(u8),
    Hear(u8),
    Gone(u8),
    Store(u8),
    Remove(u8),
    Pass,
    /// A client takes some events.
    Take(usize, u8),
    /// A client's connection breaks.
    Cut(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0..4u8).prop_map(Step::Appear),
        4 => (0..4u8).prop_map(Step::Hear),
        1 => (0..4u8).prop_map(Step::Gone),
        2 => (0..2u8).prop_map(Step::Store),
        1 => (0..2u8).prop_map(Step::Remove),
        4 => Just(Step::Pass),
        4 => (0..3usize, 1..4u8).prop_map(|(client, count)| Step::Take(client, count)),
        2 => (0..3usize).prop_map(Step::Cut),
    ]
}

struct Client {
    /// The namespace it watches; empty: all.
    ns: &'static str,
    bookmarks: bool,
    known: BTreeMap<String, Value>,
    version: u64,
    watch: Option<WatchStream>,
}

fn path(entry: &Entry) -> String {
    format!("{}/{}", entry.namespace, entry.name)
}

impl Client {
    async fn connect(&mut self, region: &Region) {
        if self.version == 0 {
            let list =
                region.registry.list(&system(), lease(), self.ns, &ListOptions::default()).await.unwrap();
            self.known = list.items.iter().map(|entry| (path(entry), entry.value())).collect();
            self.version = list.resource_version;
        }
        let options = WatchOptions {
            resource_version: Some(self.version.to_string()),
            allow_bookmarks: self.bookmarks,
            timeout: Some(Duration::from_secs(1 << 20)),
            ..WatchOptions::default()
        };
        self.watch = Some(region.registry.watch(&system(), lease(), self.ns, &options).await.unwrap());
    }

    fn learn(&mut self, event: WatchEvent) {
        let (path, now, is_new) = match event {
            WatchEvent::Added(entry) => (path(&entry), Some(entry), true),
            WatchEvent::Modified(entry) => (path(&entry), Some(entry), false),
            WatchEvent::Deleted(entry) => {
                assert!(entry.resource_version() >= self.version);
                self.version = entry.resource_version();
                (path(&entry), None, false)
            }
            WatchEvent::Bookmark { resource_version, .. } => {
                assert!(resource_version >= self.version);
                return self.version = resource_version;
            }
            WatchEvent::Error(failure) => {
                assert_eq!(failure.code, 410, "{failure}");
                self.version = 0;
                return self.watch = None;
            }
        };
        assert_eq!(self.known.contains_key(&path), !is_new, "{path} at {}: {:?}", self.version, self.known);
        match now {
            Some(entry) => {
                assert!(entry.resource_version() >= self.version);
                self.version = entry.resource_version();
                assert_ne!(self.known.insert(path, entry.value()), Some(entry.value()), "told twice");
            }
            None => drop(self.known.remove(&path)),
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

async fn run(steps: Vec<Step>) {
    let region = Region::new().await;
    let client = |ns, bookmarks| Client { ns, bookmarks, known: BTreeMap::new(), version: 0, watch: None };
    let mut clients = [client("", true), client("kube-node-lease", false), client("default", true)];
    let mut there = [false; 4];
    for step in steps {
        match step {
            Step::Appear(index) if !there[usize::from(index)] => {
                there[usize::from(index)] = true;
                host(&region, &format!("h{index}")).await;
            }
            Step::Hear(index) => heard(&region, &format!("h{index}")),
            Step::Gone(index) if there[usize::from(index)] => {
                there[usize::from(index)] = false;
                let name = format!("h{index}");
                region.delete(meridian_schema::node(), &name).await.unwrap();
                region.registry.heartbeats().gone(&name);
            }
            Step::Appear(_) | Step::Gone(_) => {}
            Step::Store(index) => {
                let name = format!("s{index}");
                let version = region.tenants.revision().await.unwrap().0;
                let object = json!({ "metadata": { "name": name }, "spec": { "holderIdentity": format!("at {version}") } });
                let options = UpdateOptions::default();
                region
                    .registry
                    .update(&system(), lease(), "default", &name, None, object, &options)
                    .await
                    .unwrap();
            }
            Step::Remove(index) => {
                let options = DeleteOptions::default();
                let name = format!("s{index}");
                // There may be none.
                let _ = region.registry.delete(&system(), lease(), "default", &name, &options).await;
            }
            Step::Pass => {
                pass(&region);
                tokio::task::yield_now().await;
            }
            Step::Take(client, count) => clients[client].take(&region, count).await,
            Step::Cut(client) => clients[client].watch = None,
        }
    }
    for (index, client) in clients.iter_mut().enumerate() {
        // Something to be told last, so that it is known when all has been told.
        pass(&region);
        let now = ListOptions::default();
        region.registry.list(&system(), lease(), client.ns, &now).await.unwrap();
        let name = format!("end-{index}");
        let end = if client.ns == "kube-node-lease" {
            host(&region, &name).await;
            pass(&region);
            format!("kube-node-lease/{name}")
        } else {
            let object = json!({ "metadata": { "name": name } });
            let options = CreateOptions::default();
            region.registry.create(&system(), lease(), "default", object, &options).await.unwrap();
            format!("default/{name}")
        };
        let list = region.registry.list(&system(), lease(), client.ns, &now).await.unwrap();
        let last: BTreeMap<String, Value> =
            list.items.iter().map(|entry| (path(entry), entry.value())).collect();
        let told = async {
            while !client.known.contains_key(&end) {
                if client.watch.is_none() {
                    client.connect(&region).await;
                    continue;
                }
                let Some(watch) = &mut client.watch else { continue };
                match watch.next().await {
                    Some(event) => client.learn(event),
                    None => panic!("the watch ended"),
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), told).await.expect("everything is told");
        assert_eq!(client.known, last, "{:?}", client.ns);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_client_knows_in_the_end_what_there_is(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(run(steps));
    }
}
