//! Reads: pages, the past, and ranges that hold nothing.

use meridian_store::{Error, KeyRange, RangeRequest, Revision};

use crate::backend::{Backend, all, delete, dump, key, pairs, put, tenant};

pub(crate) async fn pages_come_from_one_revision(backend: Backend) {
    let store = backend.open().await;
    for i in 0..25 {
        put(&store, &key(&format!("{i:02}")), "x").await;
    }
    let mut request = RangeRequest::new(all()).limit(10).with_count();
    let (mut seen, mut left) = (Vec::new(), 25);
    loop {
        let page = store.range(&request).await.unwrap();
        assert_eq!(page.count, Some(left));
        left -= page.kvs.len();
        assert_eq!(page.more, left > 0);
        seen.extend(page.kvs.iter().map(|kv| String::from_utf8(kv.key.path().to_vec()).unwrap()));
        // What changes in between does not show in the pages to come.
        put(&store, &key("99"), "late").await;
        delete(&store, &key("24")).await;
        if !page.more {
            break;
        }
        request = request.at(page.revision);
        request.range = all().after(&page.kvs.last().unwrap().key);
    }
    assert_eq!(seen, (0..25).map(|i| format!("{i:02}")).collect::<Vec<_>>());
    let none = store.range(&RangeRequest::new(all()).limit(0)).await.unwrap();
    assert!(none.kvs.is_empty() && none.more && none.count.is_none());
    let keys = store.range(&RangeRequest::new(all()).keys_only()).await.unwrap().kvs;
    assert!(keys.iter().all(|kv| kv.value.is_empty() && kv.tenant_modified.0 > 1));
}

pub(crate) async fn the_past_can_be_read_until_compacted(backend: Backend) {
    let store = backend.open().await;
    let first = put(&store, &key("a"), "1").await.revision;
    let second = put(&store, &key("b"), "2").await.revision;
    let third = delete(&store, &key("a")).await.revision;
    let fourth = put(&store, &key("a"), "4").await.revision;
    let at = |revision| RangeRequest::new(all()).at(revision);
    let expected = [
        (first, pairs(&[("a", "1")])),
        (second, pairs(&[("a", "1"), ("b", "2")])),
        (third, pairs(&[("b", "2")])),
        (fourth, pairs(&[("a", "4"), ("b", "2")])),
    ];
    for (revision, expected) in &expected {
        assert_eq!(&dump(&store, at(*revision)).await, expected);
    }
    let future = fourth.next();
    let refused = store.range(&at(future)).await;
    assert!(
        matches!(refused, Err(Error::FutureRevision { asked, current }) if asked == future && current == fourth)
    );
    assert!(matches!(store.compact(future).await, Err(Error::FutureRevision { .. })));

    assert!(store.compacted().await.unwrap() < first);
    store.compact(third).await.unwrap();
    assert_eq!(store.compacted().await.unwrap(), third);
    for (revision, expected) in &expected {
        if *revision < third {
            let refused = store.range(&at(*revision)).await;
            assert!(
                matches!(refused, Err(Error::Compacted { compacted }) if compacted == third),
                "{refused:?}"
            );
        } else {
            assert_eq!(&dump(&store, at(*revision)).await, expected);
        }
    }
    assert!(matches!(store.compact(second).await, Err(Error::Compacted { .. })));
    assert!(matches!(store.compact(third).await, Err(Error::Compacted { .. })));
}

pub(crate) async fn odd_ranges_are_empty(backend: Backend) {
    let store = backend.open().await;
    put(&store, &key("m"), "1").await;
    let t = tenant("t");
    let empty =
        [KeyRange::between(&t, "m", "m"), KeyRange::between(&t, "z", "a"), KeyRange::prefix(&t, "mm")];
    for range in empty {
        let result = store.range(&RangeRequest::new(range).with_count()).await.unwrap();
        assert!(result.kvs.is_empty() && !result.more && result.count == Some(0));
        assert_eq!(result.tenant_revision, Some(store.tenant_revision(&t, None).await.unwrap()));
    }
    let everything = store.range(&RangeRequest::new(KeyRange::every_tenant())).await.unwrap();
    assert_eq!((everything.kvs.len(), everything.tenant_revision), (1, None));
    let start = store.range(&RangeRequest::new(all()).at(Revision(1))).await;
    assert!(matches!(start, Err(Error::Compacted { .. })) || start.unwrap().kvs.is_empty());
}

pub(crate) async fn the_latest_can_always_be_read(backend: Backend) {
    let store = backend.open().await;
    let first = put(&store, &key("a"), "0").await;
    let writer = {
        let store = store.clone();
        tokio::spawn(async move {
            let mut last = first;
            for i in 1..60 {
                last = put(&store, &key("a"), &i.to_string()).await;
                store.compact(last.revision).await.unwrap();
            }
            last
        })
    };
    let t = tenant("t");
    while !writer.is_finished() {
        // Whatever is compacted meanwhile, now is not.
        assert_eq!(store.range(&RangeRequest::new(all())).await.unwrap().kvs.len(), 1);
        let now = store.tenant_revision(&t, None).await.unwrap();
        match store.partition_revision(&t, now).await {
            Ok(_) | Err(Error::TenantCompacted { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
    let last = writer.await.unwrap();
    assert_eq!(store.tenant_revision(&t, None).await.unwrap(), last.tenant_revision);
}
