//! Watches under random writes, held against the store's own history: nothing missed, nothing twice, nothing of others.

use futures::future::join_all;
use meridian_api::{CreateOptions, DeleteOptions, UpdateOptions, WatchEvent, WatchOptions, WatchStream};
use meridian_schema as schema;
use meridian_store::{Change, KeyRange, Revision, Tenant, TenantRevision, WatchRequest};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::sync::watch as latest;

use crate::region::{Region, caller, told};

#[derive(Clone, Debug)]
struct Write {
    tenant: usize,
    ns: usize,
    name: usize,
    /// None: delete.
    label: Option<usize>,
}

#[derive(Clone, Debug)]
struct Watcher {
    tenant: usize,
    /// After which of the rounds of writes it starts.
    round: usize,
    /// How many of its tenant's revisions back.
    back: u64,
    ns: Option<usize>,
    label: Option<usize>,
}

const TENANTS: [&str; 2] = ["shop", "bank"];
const NAMESPACES: [&str; 2] = ["default", "kube-public"];
const LABELS: [&str; 2] = ["red", "blue"];
/// Writes done at once.
const ROUND: usize = 6;

fn writes() -> impl Strategy<Value = Vec<Write>> {
    let label = prop::option::weighted(0.75, 0..LABELS.len());
    let write = (0..TENANTS.len(), 0..NAMESPACES.len(), 0..3_usize, label);
    prop::collection::vec(
        write.prop_map(|(tenant, ns, name, label)| Write { tenant, ns, name, label }),
        1..90,
    )
}

fn watchers() -> impl Strategy<Value = Vec<Watcher>> {
    let (ns, label) = (prop::option::of(0..NAMESPACES.len()), prop::option::of(0..LABELS.len()));
    let watcher = (0..TENANTS.len(), 0..15_usize, 0..40_u64, ns, label);
    let made =
        watcher.prop_map(|(tenant, round, back, ns, label)| Watcher { tenant, round, back, ns, label });
    prop::collection::vec(made, 1..6)
}

async fn write(region: &Region, write: &Write) {
    let caller = caller(TENANTS[write.tenant]);
    let (kind, ns) = (schema::config_map(), NAMESPACES[write.ns]);
    let name = format!("m{}", write.name);
    let Some(label) = write.label else {
        // It may not be there.
        let _ = region.registry.delete(&caller, kind, ns, &name, &DeleteOptions::default()).await;
        return;
    };
    let object = json!({ "metadata": { "name": name, "labels": { "color": LABELS[label] } } });
    let created = region.registry.create(&caller, kind, ns, object.clone(), &CreateOptions::default()).await;
    if created.is_err() {
        // It may be gone again.
        let _ =
            region.registry.update(&caller, kind, ns, &name, None, object, &UpdateOptions::default()).await;
    }
}

fn selector(label: usize) -> schema::LabelSelector {
    schema::LabelSelector::parse(&format!("color={}", LABELS[label])).unwrap()
}

/// Collects what a watch tells, until it is told to stop; then what is left.
async fn collect(mut watch: WatchStream, mut stop: latest::Receiver<bool>) -> Vec<String> {
    let mut events = Vec::new();
    let mut tell = |event: &WatchEvent| events.push(told(event));
    loop {
        tokio::select! {
            event = watch.next() => tell(&event.expect("it goes on")),
            _ = stop.wait_for(|stop| *stop) => break,
        }
    }
    while let Some(event) = watch.buffered() {
        tell(&event);
    }
    events
}

/// What a watcher should be told, by the store's history.
async fn expected(region: &Region, watcher: &Watcher, from: u64) -> Vec<String> {
    let tenant = Tenant::new(TENANTS[watcher.tenant]).unwrap();
    let range = KeyRange::prefix(&tenant, "/configmaps/");
    let at = region.tenants.partition_revision(&tenant, TenantRevision(from)).await.unwrap();
    let end = region.tenants.revision().await.unwrap();
    let request = WatchRequest::new(range).from(Revision(at.0 + 1)).with_previous().with_progress();
    let mut watch = region.tenants.watch(request).await.unwrap();
    let mut events = Vec::new();
    if at >= end {
        return events;
    }
    loop {
        let batch = watch.next().await.unwrap();
        for commit in &batch.commits {
            for event in &commit.events {
                let path = std::str::from_utf8(event.change.key().path()).unwrap();
                let (ns, name) = path.strip_prefix("/configmaps/").unwrap().split_once('/').unwrap();
                if watcher.ns.is_some_and(|wanted| ns != NAMESPACES[wanted]) {
                    continue;
                }
                let matches = |value: &[u8]| {
                    let value: Value = serde_json::from_slice(value).unwrap();
                    watcher.label.is_none_or(|label| value["metadata"]["labels"]["color"] == LABELS[label])
                };
                let before = event.previous.as_ref().is_some_and(|previous| matches(&previous.value));
                let after = matches!(&event.change, Change::Put(kv) if matches(&kv.value));
                let sign = match (before, after) {
                    (false, true) => "+",
                    (true, true) => "~",
                    (true, false) => "-",
                    (false, false) => continue,
                };
                events.push(format!("{sign}{name}@{}", commit.tenant_revision));
            }
        }
        if batch.through >= end {
            break;
        }
    }
    events
}

async fn check(writes: &[Write], watchers: &[Watcher]) {
    let region = Region::new().await;
    for tenant in TENANTS {
        region.registry.provision(&Tenant::new(tenant).unwrap()).await.unwrap();
    }
    let (stop, stopped) = latest::channel(false);
    let mut running = Vec::new();
    for (round, some) in writes.chunks(ROUND).chain(std::iter::repeat_n(&[][..], 15)).enumerate().take(15) {
        join_all(some.iter().map(|one| write(&region, one))).await;
        for watcher in watchers.iter().filter(|watcher| watcher.round == round) {
            let tenant = Tenant::new(TENANTS[watcher.tenant]).unwrap();
            let now = region.tenants.tenant_revision(&tenant, None).await.unwrap();
            let from = now.0.saturating_sub(watcher.back).max(1);
            let options = WatchOptions {
                label_selector: watcher.label.map(selector),
                resource_version: Some(from.to_string()),
                ..WatchOptions::default()
            };
            let ns = watcher.ns.map_or("", |ns| NAMESPACES[ns]);
            let caller = caller(TENANTS[watcher.tenant]);
            let watch = region.registry.watch(&caller, schema::config_map(), ns, &options).await.unwrap();
            running.push((watcher, from, tokio::spawn(collect(watch, stopped.clone()))));
        }
    }
    // A read as of now: everything is in the cache.
    region.registry.list(&caller("shop"), schema::config_map(), "", &Default::default()).await.unwrap();
    stop.send_replace(true);
    for (watcher, from, events) in running {
        let events = events.await.unwrap();
        assert_eq!(events, expected(&region, watcher, from).await, "{watcher:?} from {from}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_watch_tells_what_the_store_did(writes in writes(), watchers in watchers()) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(check(&writes, &watchers));
    }
}
