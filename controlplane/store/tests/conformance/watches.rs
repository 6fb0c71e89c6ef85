//! Watches: in order, whole, each thing once, or Compacted.

use meridian_store::{
    Batch, Change, Commit, Error, KeyRange, Op, RangeRequest, Revision, Store, Txn, Watch, WatchRequest,
};

use crate::backend::{Backend, all, delete, key, put, tenant};

/// The commits up to a revision.
async fn commits(watch: &mut Watch, until: Revision) -> Vec<Commit> {
    let mut commits: Vec<Commit> = Vec::new();
    while commits.last().is_none_or(|commit| commit.revision < until) {
        commits.extend(watch.next().await.unwrap().commits);
    }
    assert_eq!(commits.last().unwrap().revision, until);
    commits
}

fn names(commit: &Commit) -> Vec<String> {
    let name = |change: &Change| {
        let path = String::from_utf8(change.key().path().to_vec()).unwrap();
        if matches!(change, Change::Put(_)) { format!("+{path}") } else { format!("-{path}") }
    };
    commit.events.iter().map(|event| name(&event.change)).collect()
}

async fn watch(store: &Store, from: Revision) -> Watch {
    store.watch(WatchRequest::new(all()).from(from)).await.unwrap()
}

pub(crate) async fn history_comes_in_order_and_whole(backend: Backend) {
    let store = backend.open().await;
    let first = put(&store, &key("a"), "1").await.revision;
    let t = || Txn::new(&tenant("t"));
    let many = t().then(Op::put(&key("c"), "2")).then(Op::delete(&key("a"))).then(Op::put(&key("b"), "3"));
    store.txn(many).await.unwrap();
    let large = (0..700).fold(t(), |txn, i| txn.then(Op::put(&key(&format!("many/{i:03}")), "x")));
    store.txn(large).await.unwrap();
    let wiped = t().then(Op::delete_range(&KeyRange::prefix(&tenant("t"), "many/")));
    let last = store.txn(wiped).await.unwrap().revision;
    for from in [first, first.next()] {
        let seen = commits(&mut watch(&store, from).await, last).await;
        let revisions: Vec<_> = seen.iter().map(|commit| commit.revision.0).collect();
        assert_eq!(revisions, (from.0..=last.0).collect::<Vec<_>>());
        let of_many = &seen[seen.len() - 3];
        assert_eq!(names(of_many), ["-a", "+b", "+c"]);
        // Never torn, however large.
        assert!(seen[seen.len() - 2].events.len() == 700 && seen[seen.len() - 1].events.len() == 700);
        let dense: Vec<_> =
            seen.windows(2).map(|pair| pair[1].tenant_revision.0 - pair[0].tenant_revision.0).collect();
        assert!(dense.iter().all(|step| *step == 1) && seen.iter().all(|c| &*c.tenant == "t"));
    }
}

pub(crate) async fn a_watch_sees_its_range_and_what_was_before(backend: Backend) {
    let store = backend.open().await;
    put(&store, &key("in/a"), "1").await;
    let from = put(&store, &key("out"), "1").await.revision;
    let request = WatchRequest::new(KeyRange::prefix(&tenant("t"), "in/")).from(from).with_previous();
    let mut with_previous = store.watch(request).await.unwrap();
    let mut from_now = store.watch(WatchRequest::new(KeyRange::every_tenant())).await.unwrap();
    let both = Txn::new(&tenant("t")).then(Op::put(&key("in/a"), "2")).then(Op::put(&key("out"), "2"));
    let updated = store.txn(both).await.unwrap();
    put(&store, &key("out"), "3").await;
    let gone = delete(&store, &key("in/a")).await.revision;
    let created = put(&store, &key("in/b"), "1").await.revision;
    let seen = commits(&mut with_previous, created).await;
    assert_eq!(seen.iter().map(|c| c.revision).collect::<Vec<_>>(), [updated.revision, gone, created]);
    let previous: Vec<_> =
        seen.iter().map(|c| c.events[0].previous.as_ref().map(|kv| kv.value.clone())).collect();
    assert_eq!(previous, [Some("1".into()), Some("2".into()), None]);
    let Change::Put(kv) = &seen[0].events[0].change else { panic!("{seen:?}") };
    assert_eq!((kv.version, kv.modified, kv.tenant_modified), (2, updated.revision, updated.tenant_revision));
    let seen = commits(&mut from_now, created).await;
    assert_eq!(seen[0].revision, updated.revision);
    assert!(seen.iter().all(|c| c.events.iter().all(|event| event.previous.is_none())));
}

pub(crate) async fn progress_is_told(backend: Backend) {
    let store = backend.open().await;
    let request = WatchRequest::new(KeyRange::prefix(&tenant("t"), "quiet/"));
    let mut told = store.watch(request.clone().with_progress()).await.unwrap();
    let mut untold = store.watch(request).await.unwrap();
    let loud = put(&store, &key("loud"), "1").await.revision;
    loop {
        let Batch { commits, through } = told.next().await.unwrap();
        assert!(commits.is_empty() && through <= loud);
        if through == loud {
            break;
        }
    }
    let quiet = put(&store, &key("quiet/a"), "1").await.revision;
    let batch = untold.next().await.unwrap();
    assert_eq!((batch.commits.len(), batch.commits[0].revision, batch.through), (1, quiet, quiet));
    // What was delivered before is not told again, and the future can be waited for.
    let mut later = store.watch(WatchRequest::new(all()).from(Revision(quiet.0 + 2))).await.unwrap();
    put(&store, &key("quiet/a"), "2").await;
    let wanted = put(&store, &key("quiet/a"), "3").await.revision;
    assert_eq!(later.next().await.unwrap().commits[0].revision, wanted);
    assert!(store.counters().watches >= 3);
    drop((told, untold, later));
    assert_eq!(store.counters().watches, 0);
}

pub(crate) async fn compacted_history_ends_a_watch(backend: Backend) {
    let store = backend.open().await;
    let first = put(&store, &key("a"), "0").await.revision;
    let mut slow = watch(&store, first).await;
    let mut keeping_up = watch(&store, first).await;
    let mut last = first;
    for i in 1..20 {
        last = put(&store, &key("a"), &i.to_string()).await.revision;
    }
    commits(&mut keeping_up, last).await;
    store.compact(last).await.unwrap();
    let next = put(&store, &key("a"), "next").await.revision;
    assert_eq!(commits(&mut keeping_up, next).await[0].revision, next);
    // On etcd what lies in buffers already may still come; nothing may be left out.
    let mut expected = first;
    loop {
        match slow.next().await {
            Ok(batch) => {
                for commit in batch.commits {
                    assert_eq!(commit.revision, expected);
                    expected = expected.next();
                }
                if expected > next {
                    assert!(!backend.is_embedded());
                    break;
                }
            }
            Err(Error::Compacted { compacted }) => {
                assert_eq!(compacted, last);
                break;
            }
            Err(other) => panic!("{other}"),
        }
    }
    for from in [Revision(1), first, last] {
        let refused = store.watch(WatchRequest::new(all()).from(from)).await;
        assert!(matches!(refused, Err(Error::Compacted { compacted }) if compacted == last));
    }
    let mut right_behind = watch(&store, last.next()).await;
    assert_eq!(right_behind.next().await.unwrap().commits[0].revision, next);
    if backend.is_embedded() {
        store.close().await;
        assert!(matches!(right_behind.next().await, Err(Error::Closed)));
    }
}

pub(crate) async fn racing_writers_and_watchers_agree(backend: Backend) {
    let store = backend.open().await;
    let start = store.revision().await.unwrap().next();
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut last = Revision(0);
                for i in 0..25 {
                    let key = key(&format!("{writer}/{}", i % 3));
                    let result = if i % 5 == 4 {
                        delete(&store, &key).await
                    } else {
                        put(&store, &key, &i.to_string()).await
                    };
                    last = result.revision;
                    // Whoever was answered sees what it did.
                    let now =
                        store.range(&RangeRequest::new(KeyRange::single(&key)).with_count()).await.unwrap();
                    assert!(now.revision >= last && store.revision().await.unwrap() >= last);
                    assert_eq!(now.count, Some(usize::from(i % 5 != 4)));
                }
                last
            })
        })
        .collect();
    let watchers: Vec<_> = (0..3)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut watch = watch(&store, start).await;
                let mut seen = Vec::new();
                while seen.len() < 100 {
                    seen.extend(watch.next().await.unwrap().commits);
                }
                seen
            })
        })
        .collect();
    let mut last = Revision(0);
    for writer in writers {
        last = last.max(writer.await.unwrap());
    }
    for watcher in watchers {
        let seen = watcher.await.unwrap();
        assert_eq!(
            seen.iter().map(|c| c.revision.0).collect::<Vec<_>>(),
            (start.0..=last.0).collect::<Vec<_>>()
        );
        // Doing again what was told gives what is there.
        let mut state = std::collections::BTreeMap::new();
        for event in seen.into_iter().flat_map(|commit| commit.events) {
            match event.change {
                Change::Put(kv) => drop(state.insert(kv.key.clone(), kv)),
                Change::Delete(key) => assert!(state.remove(&key).is_some()),
            }
        }
        let stored = store.range(&RangeRequest::new(all())).await.unwrap().kvs;
        assert_eq!(state.into_values().collect::<Vec<_>>(), stored);
    }
}
