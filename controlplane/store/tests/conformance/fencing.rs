//! One writer at a time, and nothing lost between two.

use std::time::Duration;

use meridian_store::{Epoch, Error, Key, KeyRange, Op, RangeRequest, Store, Txn, WatchRequest};

use crate::backend::{Backend, all, dump, key, pairs, put, tenant};

pub(crate) async fn a_deposed_writer_appends_nothing(backend: Backend) {
    let old = backend.open().await;
    put(&old, &key("a"), "old").await;
    let new = old.take_over().await.unwrap();
    assert_eq!(new.epoch(), Epoch(old.epoch().0 + 1));
    let fenced = |error: Error| matches!(error, Error::Fenced { epoch, current } if epoch == old.epoch() && current == new.epoch());
    let write = || Txn::new(&tenant("t")).then(Op::put(&key("a"), "late"));
    assert!(fenced(old.txn(write()).await.unwrap_err()));
    let revision = old.revision().await.unwrap();
    assert!(fenced(old.compact(revision).await.unwrap_err()));
    assert!(fenced(old.grant_lease(&tenant("t"), Duration::from_secs(1)).await.unwrap_err()));
    assert_eq!(dump(&old, RangeRequest::new(all())).await, pairs(&[("a", "old")]));
    put(&new, &key("a"), "new").await;
    assert!(fenced(old.txn(write()).await.unwrap_err()));
    assert_eq!(dump(&old, RangeRequest::new(all())).await, pairs(&[("a", "new")]));

    // Writers that race a take-over are in before it or refused.
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let store = new.clone();
            tokio::spawn(async move {
                for i in 0.. {
                    let op = Op::put(&key(&format!("{writer}/{i:04}")), "x");
                    match store.txn(Txn::new(&tenant("t")).then(op)).await {
                        Ok(_) => {}
                        Err(Error::Fenced { .. }) => return i,
                        Err(other) => panic!("{other}"),
                    }
                }
                0
            })
        })
        .collect();
    let newest = new.take_over().await.unwrap();
    let after_take_over = newest.range(&RangeRequest::new(all())).await.unwrap().kvs;
    for (writer, task) in writers.into_iter().enumerate() {
        let acknowledged: usize = task.await.unwrap();
        let range = KeyRange::prefix(&tenant("t"), format!("{writer}/"));
        assert_eq!(dump(&newest, RangeRequest::new(range)).await.len(), acknowledged);
    }
    assert_eq!(newest.range(&RangeRequest::new(all())).await.unwrap().kvs, after_take_over);
}

pub(crate) async fn a_deposed_writer_that_writes_nothing_is_told(backend: Backend) {
    let old = backend.open().await;
    let told = |store: Store| tokio::spawn(async move { store.deposed().await });
    let (waiting, passing) = (told(old.clone()), backend.clock.clone());
    let new = old.take_over().await.unwrap();
    // However the clock goes, time passes.
    let time = tokio::spawn(async move {
        loop {
            passing.advance(Duration::from_secs(1));
            tokio::task::yield_now().await;
        }
    });
    let error = waiting.await.unwrap();
    assert!(matches!(error, Error::Fenced { current, .. } if current == new.epoch()), "{error}");
    // The new one is not, until it is closed.
    let waiting = told(new.clone());
    put(&new, &key("a"), "1").await;
    assert!(!waiting.is_finished());
    new.close().await;
    assert!(matches!(waiting.await.unwrap(), Error::Closed));
    time.abort();
}

pub(crate) async fn everything_is_there_after_a_restart(backend: Backend) {
    let mut epoch = Epoch(0);
    let mut expected = Vec::new();
    for round in 0..4 {
        let store = backend.open().await;
        assert!(store.epoch() > epoch);
        epoch = store.epoch();
        let now = store.range(&RangeRequest::new(KeyRange::every_tenant())).await.unwrap().kvs;
        assert_eq!(now, expected);
        for i in 0..30 {
            let owner = tenant(if i % 2 == 0 { "t" } else { "u" });
            put(&store, &Key::new(&owner, format!("{}", i % 9)), &format!("{round} {i}").repeat(20)).await;
        }
        if round == 2 {
            let revision = store.revision().await.unwrap();
            store.compact(revision).await.unwrap();
        }
        expected = store.range(&RangeRequest::new(KeyRange::every_tenant())).await.unwrap().kvs;
        store.close().await;
        let refused = store.txn(Txn::new(&tenant("t")).then(Op::put(&key("a"), "closed"))).await;
        assert!(matches!(refused, Err(Error::Closed)));
    }
}

pub(crate) async fn a_dropped_store_lets_go_of_everything(backend: Backend) {
    let store = backend.open().await;
    let written = put(&store, &key("a"), "1").await.revision;
    let mut watch = store.watch(WatchRequest::new(all()).from(written)).await.unwrap();
    // Asked for and not waited for: done or not, but nothing half.
    let unasked = Txn::new(&tenant("t")).then(Op::put(&key("b"), "2")).then(Op::put(&key("c"), "3"));
    drop(Box::pin(store.txn(unasked)));
    assert_eq!(watch.next().await.unwrap().commits[0].revision, written);
    drop(store);
    if backend.is_embedded() {
        assert!(matches!(watch.next().await, Err(Error::Closed)));
    }
    let store = backend.open().await;
    assert_eq!(dump(&store, RangeRequest::new(all())).await, pairs(&[("a", "1")]));
}
