//! Compares, branches, numbers, refusals.

use meridian_store::{
    Compare, Error, Key, KeyRange, LeaseId, Limits, Op, OpResult, RangeRequest, Relation, Revision, Target,
    Tenant, Txn,
};

use crate::backend::{Backend, all, delete, dump, key, pairs, put, tenant};

pub(crate) async fn numbers_follow_a_key(backend: Backend) {
    let store = backend.open().await;
    let first = put(&store, &key("a"), "1").await;
    let second = put(&store, &key("a"), "2").await;
    assert!(first.wrote && second.wrote && second.revision == first.revision.next());
    let get = RangeRequest::new(KeyRange::single(&key("a")));
    let kv = store.range(&get).await.unwrap().kvs.remove(0);
    assert_eq!((kv.created, kv.modified, kv.version), (first.revision, second.revision, 2));
    assert_eq!((kv.tenant_modified, kv.lease), (second.tenant_revision, None));
    let gone = delete(&store, &key("a")).await;
    assert_eq!(gone.results, [OpResult::Delete { deleted: 1, previous: Vec::new() }]);
    assert!(store.range(&get).await.unwrap().kvs.is_empty());
    let again = put(&store, &key("a"), "3").await;
    let kv = store.range(&get).await.unwrap().kvs.remove(0);
    assert_eq!((kv.created, kv.modified, kv.version), (again.revision, again.revision, 1));
    assert_eq!(kv.value, "3");
}

pub(crate) async fn compares_decide_the_branch(backend: Backend) {
    use Relation::{Equal, Greater, Less, NotEqual};
    let store = backend.open().await;
    let created = put(&store, &key("a"), "m").await.revision;
    let modified = put(&store, &key("a"), "m").await.revision;
    let near = |revision: Revision, by: i64| Revision((revision.0 as i64 + by) as u64);
    let mut cases = vec![(Compare::exists(&key("a")), true), (Compare::absent(&key("a")), false)];
    for (by, holds) in
        [(-1, [false, true, true, false]), (0, [true, false, false, false]), (1, [false, true, false, true])]
    {
        for (relation, holds) in [Equal, NotEqual, Greater, Less].into_iter().zip(holds) {
            let targets = [
                Target::Modified(near(modified, by)),
                Target::Created(near(created, by)),
                Target::Version((2 + by) as u64),
                Target::Value(["l", "m", "n"][(by + 1) as usize].into()),
            ];
            cases.extend(targets.map(|target| (Compare::new(&key("a"), relation, target), holds)));
        }
    }
    // An absent key has zeros for numbers, and no value.
    let absent = |relation, target| Compare::new(&key("b"), relation, target);
    cases.push((absent(Equal, Target::Modified(Revision(0))), true));
    cases.push((absent(Less, Target::Created(Revision(1))), true));
    cases.push((absent(NotEqual, Target::Value("".into())), false));
    cases.push((absent(Equal, Target::Value("".into())), false));
    for (compare, holds) in cases {
        let txn = Txn::new(&tenant("t"))
            .when(compare.clone())
            .then(Op::put(&key("then"), "x"))
            .otherwise(Op::put(&key("otherwise"), "x"));
        let result = store.txn(txn).await.unwrap();
        assert_eq!(result.succeeded, holds, "{compare:?}");
        let chosen = if holds { "then" } else { "otherwise" };
        let kv = store.range(&RangeRequest::new(KeyRange::single(&key(chosen)))).await.unwrap().kvs.remove(0);
        assert_eq!(kv.modified, result.revision);
    }
    // All must hold.
    let both = Txn::new(&tenant("t"))
        .when(Compare::exists(&key("a")))
        .when(Compare::absent(&key("a")))
        .then(Op::put(&key("never"), "x"));
    assert!(!store.txn(both).await.unwrap().succeeded);
    // The keys of `system` can be compared, as fences are.
    let fence = Key::new(&Tenant::system(), "fence");
    put(&store, &fence, "3").await;
    for (value, holds) in [("3", true), ("2", false)] {
        let txn =
            Txn::new(&tenant("t")).when(Compare::value(&fence, value)).then(Op::put(&key("bound"), value));
        assert_eq!(store.txn(txn).await.unwrap().succeeded, holds);
    }
}

pub(crate) async fn operations_see_those_before_them(backend: Backend) {
    let store = backend.open().await;
    put(&store, &key("a"), "old").await;
    put(&store, &key("gone/1"), "x").await;
    put(&store, &key("gone/2"), "y").await;
    let txn = Txn::new(&tenant("t"))
        .then(Op::get(&key("a")))
        .then(Op::put(&key("a"), "new").with_previous())
        .then(Op::get(&key("a")))
        .then(Op::delete_range(&KeyRange::prefix(&tenant("t"), "gone/")).with_previous())
        .then(Op::Range(RangeRequest::new(all()).keys_only().with_count()));
    let result = store.txn(txn).await.unwrap();
    let [OpResult::Range(before), OpResult::Put { previous }, OpResult::Range(after), gone, left] =
        &result.results[..]
    else {
        panic!("{result:?}")
    };
    assert_eq!((&before.kvs[0].value[..], &after.kvs[0].value[..]), (&b"old"[..], &b"new"[..]));
    assert_eq!(previous.as_ref().unwrap(), &before.kvs[0]);
    assert_eq!(after.kvs[0].modified, result.revision);
    let OpResult::Delete { deleted: 2, previous } = gone else { panic!("{gone:?}") };
    assert_eq!(previous.iter().map(|kv| kv.key.path()).collect::<Vec<_>>(), [b"gone/1", b"gone/2"]);
    let OpResult::Range(left) = left else { panic!("{left:?}") };
    assert_eq!((left.count, left.kvs[0].value.len()), (Some(1), 0));
}

pub(crate) async fn all_or_nothing(backend: Backend) {
    let store = backend.open().await;
    let lease = store.grant_lease(&tenant("other"), std::time::Duration::from_secs(9)).await.unwrap();
    let before = store.revision().await.unwrap();
    for id in [LeaseId(12345), lease.id] {
        let txn =
            Txn::new(&tenant("t")).then(Op::put(&key("a"), "1")).then(Op::put_with_lease(&key("b"), "2", id));
        assert!(matches!(store.txn(txn).await, Err(Error::LeaseNotFound { id: found }) if found == id));
    }
    let future = Txn::new(&tenant("t"))
        .then(Op::put(&key("a"), "1"))
        .then(Op::Range(RangeRequest::new(all()).at(Revision(before.0 + 100))));
    assert!(matches!(store.txn(future).await, Err(Error::FutureRevision { .. })));
    assert_eq!(store.revision().await.unwrap(), before);
    assert!(dump(&store, RangeRequest::new(all())).await.is_empty());
    // Many at once, as a gang is bound: one revision for all.
    let gang =
        (0..500).fold(Txn::new(&tenant("t")), |txn, i| txn.then(Op::put(&key(&format!("{i:03}")), "x")));
    let bound = store.txn(gang).await.unwrap();
    let kvs = store.range(&RangeRequest::new(all())).await.unwrap().kvs;
    assert!(kvs.len() == 500 && kvs.iter().all(|kv| kv.modified == bound.revision));
}

pub(crate) async fn bad_transactions_are_refused(backend: Backend) {
    let store = backend.open().await;
    let before = store.revision().await.unwrap();
    let t = || Txn::new(&tenant("t"));
    let twice = [
        t().then(Op::put(&key("a"), "1")).then(Op::put(&key("a"), "2")),
        t().then(Op::put(&key("a"), "1")).then(Op::delete(&key("a"))),
        t().otherwise(Op::delete_range(&all())).otherwise(Op::put(&key("a"), "1")),
    ];
    for txn in twice {
        assert!(matches!(store.txn(txn).await, Err(Error::Invalid { .. })));
    }
    let theirs = Key::new(&tenant("u"), "a");
    let foreign = [
        t().then(Op::put(&theirs, "1")),
        t().then(Op::put(&Key::new(&Tenant::system(), "a"), "1")),
        t().otherwise(Op::delete(&theirs)),
        t().then(Op::delete_range(&KeyRange::every_tenant())),
        t().then(Op::get(&theirs)),
        t().when(Compare::exists(&theirs)),
        Txn::new(&Tenant::system()).then(Op::put(&theirs, "1")),
    ];
    for txn in foreign {
        assert!(matches!(store.txn(txn).await, Err(Error::ForeignTenant { .. })));
    }
    let limits = Limits::default();
    let large = [
        t().then(Op::put(&key(&"k".repeat(limits.key_bytes + 1)), "1")),
        t().then(Op::put(&key("a"), vec![0; limits.value_bytes + 1])),
        (0..5).fold(t(), |txn, i| txn.then(Op::put(&key(&format!("{i}")), vec![0; limits.value_bytes]))),
        (0..=limits.txn_ops).fold(t(), |txn, _| txn.when(Compare::absent(&key("a")))),
    ];
    for txn in large {
        let refused = store.txn(txn).await;
        assert!(matches!(refused, Err(Error::TooLarge { .. })), "{refused:?}");
    }
    assert_eq!(store.revision().await.unwrap(), before);
}

pub(crate) async fn what_changes_nothing_takes_no_revision(backend: Backend) {
    let store = backend.open().await;
    put(&store, &key("a"), "1").await;
    let (before, of_tenant) =
        (store.revision().await.unwrap(), store.tenant_revision(&tenant("t"), None).await.unwrap());
    let idle = [
        Txn::new(&tenant("t")),
        Txn::new(&tenant("t")).then(Op::delete(&key("b"))),
        Txn::new(&tenant("t")).then(Op::get(&key("a"))),
        Txn::new(&tenant("t")).when(Compare::absent(&key("a"))).then(Op::put(&key("a"), "2")),
    ];
    for txn in idle {
        let result = store.txn(txn).await.unwrap();
        assert!(!result.wrote);
        assert_eq!((result.revision, result.tenant_revision), (before, of_tenant));
    }
    assert_eq!(dump(&store, RangeRequest::new(all())).await, pairs(&[("a", "1")]));
}

pub(crate) async fn racing_increments_all_count(backend: Backend) {
    let store = backend.open().await;
    put(&store, &key("n"), "0").await;
    let start = store.tenant_revision(&tenant("t"), None).await.unwrap();
    let tasks: Vec<_> = (0..6)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                for _ in 0..5 {
                    loop {
                        let get = RangeRequest::new(KeyRange::single(&key("n")));
                        let kv = store.range(&get).await.unwrap().kvs.remove(0);
                        let n: u32 = std::str::from_utf8(&kv.value).unwrap().parse().unwrap();
                        let txn = Txn::new(&tenant("t"))
                            .when(Compare::modified(&key("n"), kv.modified))
                            .then(Op::put(&key("n"), (n + 1).to_string()));
                        if store.txn(txn).await.unwrap().succeeded {
                            break;
                        }
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(dump(&store, RangeRequest::new(all())).await, pairs(&[("n", "30")]));
    assert_eq!(store.tenant_revision(&tenant("t"), None).await.unwrap().0, start.0 + 30);
}
