//! Leases, on a clock that only the test moves.

use std::time::Duration;

use meridian_store::{Change, Error, LeaseId, Op, RangeRequest, Store, Txn, WatchRequest};

use crate::backend::{Backend, all, dump, key, pairs, put, tenant};

const TTL: Duration = Duration::from_secs(10);

async fn put_leased(store: &Store, path: &str, lease: LeaseId) {
    let op = Op::put_with_lease(&key(path), "x", lease);
    store.txn(Txn::new(&tenant("t")).then(op)).await.unwrap();
}

pub(crate) async fn an_ended_lease_takes_its_keys(backend: Backend) {
    let store = backend.open().await;
    let lease = store.grant_lease(&tenant("t"), TTL).await.unwrap();
    for path in ["a", "b", "detached", "moved"] {
        put_leased(&store, path, lease.id).await;
    }
    put(&store, &key("detached"), "stays").await;
    let other = store.grant_lease(&tenant("t"), TTL * 3).await.unwrap();
    put_leased(&store, "moved", other.id).await;
    let kvs = store.range(&RangeRequest::new(all())).await.unwrap().kvs;
    let leases: Vec<_> = kvs.iter().map(|kv| kv.lease).collect();
    assert_eq!(leases, [Some(lease.id), Some(lease.id), None, Some(other.id)]);
    let before = store.tenant_revision(&tenant("t"), None).await.unwrap();
    let mut watch = store.watch(WatchRequest::new(all()).with_previous()).await.unwrap();
    backend.clock.advance(TTL);
    let batch = watch.next().await.unwrap();
    let [commit] = &batch.commits[..] else { panic!("{batch:?}") };
    assert_eq!(commit.tenant_revision, before.next());
    let gone: Vec<_> = commit.events.iter().map(|event| event.change.clone()).collect();
    assert_eq!(gone, [Change::Delete(key("a")), Change::Delete(key("b"))]);
    assert_eq!(commit.events[0].previous.as_ref().unwrap().lease, Some(lease.id));
    assert!(matches!(store.renew_lease(lease.id), Err(Error::LeaseNotFound { .. })));
    let late = Op::put_with_lease(&key("late"), "x", lease.id);
    let refused = store.txn(Txn::new(&tenant("t")).then(late)).await;
    assert!(matches!(refused, Err(Error::LeaseNotFound { .. })));
    assert_eq!(dump(&store, RangeRequest::new(all())).await, pairs(&[("detached", "stays"), ("moved", "x")]));
}

pub(crate) async fn renewing_and_revoking(backend: Backend) {
    let store = backend.open().await;
    let kept = store.grant_lease(&tenant("t"), TTL).await.unwrap();
    let ended = store.grant_lease(&tenant("t"), TTL).await.unwrap();
    let empty = store.grant_lease(&tenant("t"), TTL * 9).await.unwrap();
    assert!(kept.id != ended.id && kept.ttl == TTL);
    put_leased(&store, "kept", kept.id).await;
    put_leased(&store, "ended", ended.id).await;
    let mut watch = store.watch(WatchRequest::new(all())).await.unwrap();
    for _ in 0..5 {
        backend.clock.advance(TTL / 2);
        assert_eq!(store.renew_lease(kept.id).unwrap(), kept);
    }
    assert_eq!(store.lease_time_left(kept.id).unwrap(), TTL);
    let batch = watch.next().await.unwrap();
    assert_eq!(batch.commits[0].events[0].change, Change::Delete(key("ended")));
    store.revoke_lease(kept.id).await.unwrap();
    let batch = watch.next().await.unwrap();
    assert_eq!(batch.commits[0].events[0].change, Change::Delete(key("kept")));
    assert!(matches!(store.revoke_lease(kept.id).await, Err(Error::LeaseNotFound { .. })));
    assert!(matches!(store.renew_lease(LeaseId(77)), Err(Error::LeaseNotFound { .. })));
    // One without keys is no transaction of anybody.
    let before = store.tenant_revision(&tenant("t"), None).await.unwrap();
    store.revoke_lease(empty.id).await.unwrap();
    assert_eq!(store.tenant_revision(&tenant("t"), None).await.unwrap(), before);
    assert!(matches!(store.grant_lease(&tenant("t"), Duration::ZERO).await, Err(Error::Invalid { .. })));
}

pub(crate) async fn leases_last_over_a_restart(backend: Backend) {
    let store = backend.open().await;
    let lease = store.grant_lease(&tenant("t"), TTL).await.unwrap();
    put_leased(&store, "a", lease.id).await;
    backend.clock.advance(TTL - Duration::from_secs(1));
    store.close().await;
    let store = backend.open().await;
    // Nobody knows how long the store was away, so the lease has its whole time again.
    assert_eq!(store.lease_time_left(lease.id).unwrap(), TTL);
    let mut watch = store.watch(WatchRequest::new(all())).await.unwrap();
    let another = store.grant_lease(&tenant("t"), TTL * 2).await.unwrap();
    assert_ne!(another.id, lease.id);
    put_leased(&store, "b", another.id).await;
    assert_eq!(watch.next().await.unwrap().commits.len(), 1);
    backend.clock.advance(TTL);
    assert_eq!(watch.next().await.unwrap().commits[0].events[0].change, Change::Delete(key("a")));
    assert_eq!(dump(&store, RangeRequest::new(all())).await, pairs(&[("b", "x")]));
}

pub(crate) async fn racing_a_lease_that_ends(backend: Backend) {
    let store = backend.open().await;
    for round in 0..5 {
        let lease = store.grant_lease(&tenant("t"), TTL).await.unwrap();
        put_leased(&store, "first", lease.id).await;
        let mut watch = store.watch(WatchRequest::new(all())).await.unwrap();
        let writer = {
            let store = store.clone();
            tokio::spawn(async move {
                for i in 0.. {
                    let op = Op::put_with_lease(&key(&format!("{round}/{i}")), "x", lease.id);
                    if store.txn(Txn::new(&tenant("t")).then(op)).await.is_err() {
                        break;
                    }
                }
            })
        };
        watch.next().await.unwrap();
        backend.clock.advance(TTL);
        writer.await.unwrap();
        // Either a key was there before the end and went with it, or it was refused.
        assert!(dump(&store, RangeRequest::new(all())).await.is_empty());
    }
}
