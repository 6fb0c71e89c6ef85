//! Data directories of every version of the format, which must be readable for ever.
//!
//! To add one after a change of the format, run this test with `MERIDIAN_WRITE_FIXTURE=vN`.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use meridian_environment::ManualClock;
use meridian_store::{
    EmbeddedOptions, Epoch, Key, KeyRange, LeaseId, Op, RangeRequest, Revision, Store, Tenant,
    TenantRevision, Txn, WatchRequest,
};
use tempfile::TempDir;

fn options(dir: &Path) -> EmbeddedOptions {
    EmbeddedOptions { segment_bytes: 1024, snapshot_bytes: 2500, seed: 42, ..EmbeddedOptions::new(dir) }
}

async fn open(dir: &Path) -> Store {
    Store::open_embedded(options(dir), Arc::new(ManualClock::new())).await.unwrap()
}

/// A snapshot, two logs, all kinds of records on both sides.
async fn write(dir: &Path) {
    let store = open(dir).await;
    let (a, b) = (Tenant::new("a").unwrap(), Tenant::new("b").unwrap());
    for i in 0..24 {
        let tenant = if i % 3 == 0 { &b } else { &a };
        let key = Key::new(tenant, format!("key-{}", i % 5));
        let lease = store.grant_lease(tenant, Duration::from_secs(60)).await.unwrap();
        store
            .txn(Txn::new(tenant).then(Op::put_with_lease(&key, format!("value {i}"), lease.id)))
            .await
            .unwrap();
        if i % 7 == 0 {
            store.revoke_lease(lease.id).await.unwrap();
        }
        if i == 8 {
            store.compact(Revision(9)).await.unwrap();
        }
    }
    store.txn(Txn::new(&a).then(Op::delete_range(&KeyRange::prefix(&a, "key-1")))).await.unwrap();
    store.close().await;
}

async fn describe(store: &Store) -> String {
    let mut text = String::new();
    for name in ["a", "b"] {
        let revision = store.tenant_revision(&Tenant::new(name).unwrap(), None).await.unwrap();
        text += &format!("tenant {name} at {revision}\n");
    }
    let all = RangeRequest::new(KeyRange::every_tenant());
    for kv in store.range(&all).await.unwrap().kvs {
        text += &format!("{kv:?}\n");
    }
    let compacted = store.compacted().await.unwrap();
    let request = WatchRequest::new(KeyRange::every_tenant()).from(compacted.next()).with_progress();
    let mut watch = store.watch(request).await.unwrap();
    let head = store.revision().await.unwrap();
    loop {
        let batch = watch.next().await.unwrap();
        for commit in batch.commits {
            text += &format!("{commit:?}\n");
        }
        if batch.through == head {
            return text;
        }
    }
}

#[tokio::test]
async fn version_1_is_read_as_it_was_written() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    if let Some(version) = std::env::var_os("MERIDIAN_WRITE_FIXTURE") {
        let dir = fixtures.join(version);
        write(&dir).await;
        let store = open(&copy(&dir).path().join("data")).await;
        fs::write(dir.join("expected"), describe(&store).await).unwrap();
        fs::remove_file(dir.join("lock")).unwrap();
        return;
    }
    let fixture = fixtures.join("v1");
    let dir = copy(&fixture);
    let store = open(&dir.path().join("data")).await;
    assert_eq!(describe(&store).await, fs::read_to_string(fixture.join("expected")).unwrap());
    // One epoch to write it, one to read it.
    assert_eq!((store.epoch(), store.compacted().await.unwrap()), (Epoch(2), Revision(9)));
    assert!(store.lease_time_left(LeaseId(1 << 32 | 2)).is_ok());
    let a = Tenant::new("a").unwrap();
    let at = store.tenant_revision(&a, None).await.unwrap();
    let next = store.txn(Txn::new(&a).then(Op::put(&Key::new(&a, "new"), "x"))).await.unwrap();
    assert_eq!(next.tenant_revision, TenantRevision(at.0 + 1));
    store.close().await;
}

fn copy(fixture: &Path) -> TempDir {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    fs::create_dir(&data).unwrap();
    for file in fs::read_dir(fixture).unwrap() {
        let path = file.unwrap().path();
        if path.file_name().unwrap() != "expected" {
            fs::copy(&path, data.join(path.file_name().unwrap())).unwrap();
        }
    }
    dir
}
