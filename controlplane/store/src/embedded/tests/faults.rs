//! Disks that fail while the store runs, and what is acknowledged then.

use std::io::ErrorKind;

use super::*;
use crate::embedded::disk::Act;
use crate::watch::WatchRequest;

#[tokio::test]
async fn after_a_failed_write_or_sync_nothing_is_acknowledged() {
    for act in [Act::Write, Act::Sync] {
        let dir = TempDir::new().unwrap();
        let options = options(dir.path());
        let disk = Disk::default();
        let faults = disk.faults.clone();
        let store = open_on(&disk, options.clone()).await.unwrap();
        let acknowledged = put_ok(&store, "kept", "1").await.revision;
        faults.fail(act, ErrorKind::Other);
        let refused = store.txn(put(&tenant("t"), "lost", "2")).await;
        assert!(matches!(refused, Err(Error::Poisoned { .. })), "{refused:?}");
        // The disk may say it is well again; what it holds is unknown all the same.
        faults.mend();
        let refused = store.txn(put(&tenant("t"), "lost", "3")).await;
        assert!(matches!(refused, Err(Error::Poisoned { .. })), "{refused:?}");
        assert!(store.counters().poisoned);
        // Reads go on, as of what was acknowledged.
        assert_eq!(store.revision(), acknowledged);
        assert_eq!(store.range(&everything()).unwrap().kvs.len(), 1);
        let mut watch = store.watch(WatchRequest::new(KeyRange::every_tenant()).from(acknowledged)).unwrap();
        assert_eq!(watch.next().await.unwrap().through, acknowledged);
        store.close().await;
        let store = open(options).await.unwrap();
        let kvs = store.range(&everything()).unwrap().kvs;
        assert_eq!(kvs.iter().find(|kv| kv.key.path() == b"kept").unwrap().value, "1");
        put_ok(&store, "again", "4").await;
        store.close().await;
    }
}

#[tokio::test]
async fn a_full_disk_refuses_and_lets_go_on_when_there_is_room() {
    let dir = TempDir::new().unwrap();
    let options = options(dir.path());
    let disk = Disk::default();
    let faults = disk.faults.clone();
    let store = open_on(&disk, options.clone()).await.unwrap();
    faults.fail(Act::Create, ErrorKind::StorageFull);
    let mut acknowledged = 0;
    let refused = loop {
        match store.txn(put(&tenant("t"), &format!("key-{acknowledged}"), vec![1; 900])).await {
            Ok(_) => acknowledged += 1,
            Err(error) => break error,
        }
        assert!(acknowledged < 100);
    };
    assert!(matches!(refused, Error::DiskFull { .. }), "{refused}");
    let before = store.revision();
    assert!(store.txn(put(&tenant("t"), "more", vec![1; 900])).await.is_err());
    assert_eq!(store.revision(), before);
    assert_eq!(store.range(&everything()).unwrap().kvs.len(), acknowledged);
    faults.mend();
    assert_eq!(put_ok(&store, "more", vec![1; 900]).await.revision, before.next());
    store.close().await;
    let store = open(options).await.unwrap();
    assert_eq!(store.range(&everything()).unwrap().kvs.len(), acknowledged + 1);
    store.close().await;
}

#[tokio::test]
async fn a_snapshot_that_fails_leaves_log_and_store_as_they_were() {
    let dir = TempDir::new().unwrap();
    let options = EmbeddedOptions { snapshot_bytes: 2000, segment_bytes: 64 << 10, ..options(dir.path()) };
    let disk = Disk::default();
    let faults = disk.faults.clone();
    let store = open_on(&disk, options.clone()).await.unwrap();
    faults.fail(Act::Create, ErrorKind::StorageFull);
    for i in 0..20 {
        put_ok(&store, &format!("key-{i}"), vec![1; 200]).await;
    }
    let expected = store.range(&everything()).unwrap().kvs;
    store.close().await;
    assert!(store.counters().snapshot_failures > 0);
    faults.mend();
    let store = open(options).await.unwrap();
    assert_eq!(store.range(&everything()).unwrap().kvs, expected);
    store.close().await;
}

#[tokio::test]
async fn one_transaction_larger_than_a_log_file_fits() {
    let dir = TempDir::new().unwrap();
    let store = open(options(dir.path())).await.unwrap();
    put_ok(&store, "large", vec![9; 100_000]).await;
    put_ok(&store, "small", "1").await;
    store.close().await;
    let store = open(options(dir.path())).await.unwrap();
    let kvs = store.range(&everything()).unwrap().kvs;
    assert_eq!(kvs.iter().map(|kv| kv.value.len()).collect::<Vec<_>>(), [100_000, 1]);
    store.close().await;
}
