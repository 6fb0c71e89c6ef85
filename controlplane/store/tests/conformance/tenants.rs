//! Each tenant's own sequence beside the partition's.

use meridian_store::{Error, Key, KeyRange, RangeRequest, Revision, TenantRevision, WatchRequest};

use crate::backend::{Backend, put, tenant};

pub(crate) async fn each_tenant_counts_for_itself(backend: Backend) {
    let store = backend.open().await;
    let (a, b) = (tenant("a"), tenant("b"));
    assert_eq!(store.tenant_revision(&a, None).await.unwrap(), TenantRevision::FIRST);
    let mut expected = [TenantRevision::FIRST; 2];
    for i in 0..12 {
        let which = usize::from(i % 3 == 0);
        let key = Key::new([&a, &b][which], "key");
        let result = put(&store, &key, "x").await;
        expected[which] = expected[which].next();
        assert_eq!(result.tenant_revision, expected[which]);
        let kv = store.range(&RangeRequest::new(KeyRange::single(&key))).await.unwrap();
        assert_eq!(kv.kvs[0].tenant_modified, expected[which]);
        assert_eq!(kv.tenant_revision, Some(expected[which]));
    }
    // Also after a restart.
    store.close().await;
    let store = backend.open().await;
    assert_eq!(store.tenant_revision(&a, None).await.unwrap(), expected[0]);
    assert_eq!(put(&store, &Key::new(&b, "key"), "y").await.tenant_revision, expected[1].next());
}

pub(crate) async fn revisions_translate_both_ways(backend: Backend) {
    let store = backend.open().await;
    let (a, b) = (tenant("a"), tenant("b"));
    let mut writes = Vec::new();
    for i in 0..15 {
        let result = put(&store, &Key::new(if i % 4 == 1 { &a } else { &b }, "key"), &i.to_string()).await;
        if i % 4 == 1 {
            writes.push(result);
        }
    }
    for write in &writes {
        assert_eq!(store.partition_revision(&a, write.tenant_revision).await.unwrap(), write.revision);
        let at = store.tenant_revision(&a, Some(write.revision)).await.unwrap();
        assert_eq!(at, write.tenant_revision);
        let just_before = Revision(write.revision.0 - 1);
        assert_eq!(store.tenant_revision(&a, Some(just_before)).await.unwrap().next(), write.tenant_revision);
    }
    let last = writes.last().unwrap().tenant_revision;
    let refused = store.partition_revision(&a, last.next()).await;
    assert!(matches!(refused, Err(Error::TenantFuture { current, .. }) if current == last));
    // Before its first write a tenant has nothing, and its first write comes after.
    let start = store.partition_revision(&a, TenantRevision::FIRST).await.unwrap();
    assert!(start < writes[0].revision);
    let mut watch = store.watch(WatchRequest::new(KeyRange::tenant(&a)).from(start.next())).await.unwrap();
    assert_eq!(watch.next().await.unwrap().commits[0].revision, writes[0].revision);
}

pub(crate) async fn compaction_does_not_reach_an_idle_tenant(backend: Backend) {
    let store = backend.open().await;
    let (busy, idle) = (tenant("busy"), tenant("idle"));
    let before = put(&store, &Key::new(&idle, "key"), "1").await;
    let current = put(&store, &Key::new(&idle, "key"), "2").await;
    let mut last = put(&store, &Key::new(&busy, "key"), "0").await;
    for i in 1..10 {
        last = put(&store, &Key::new(&busy, "key"), &i.to_string()).await;
    }
    store.compact(last.revision).await.unwrap();
    // What the idle tenant saw last is the present still, whatever others did.
    let at = store.partition_revision(&idle, current.tenant_revision).await.unwrap();
    let kvs = store.range(&RangeRequest::new(KeyRange::tenant(&idle)).at(at)).await.unwrap();
    assert_eq!((&kvs.kvs[0].value[..], kvs.tenant_revision), (&b"2"[..], Some(current.tenant_revision)));
    let mut watch = store.watch(WatchRequest::new(KeyRange::tenant(&idle)).from(at.next())).await.unwrap();
    let next = put(&store, &Key::new(&idle, "key"), "3").await;
    assert_eq!(watch.next().await.unwrap().commits[0].tenant_revision, next.tenant_revision);
    let refused = store.partition_revision(&idle, before.tenant_revision).await;
    assert!(
        matches!(refused, Err(Error::TenantCompacted { compacted }) if compacted == current.tenant_revision)
    );
    let of_busy = TenantRevision(last.tenant_revision.0 - 1);
    assert!(matches!(store.partition_revision(&busy, of_busy).await, Err(Error::TenantCompacted { .. })));
    store.close().await;
    let store = backend.open().await;
    let at = store.partition_revision(&idle, current.tenant_revision).await.unwrap();
    assert!(at >= last.revision && at < next.revision);
}
