//! Random steps on a store and on a model of a few lines, which must agree on everything that can be asked.

use std::collections::BTreeMap;

use meridian_store::{
    Change, Commit, Compare, Error, Event, Key, KeyRange, KeyValue, Op, OpResult, RangeRequest, Revision,
    Store, TenantRevision, Txn, WatchRequest,
};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use tokio::runtime::Handle;

use crate::backend::{Backend, tenant};

const TENANTS: [&str; 3] = ["a", "a-b", "system"];

#[derive(Clone, Debug)]
enum Step {
    Txn {
        tenant: usize,
        compare: (u8, u8),
        then: Vec<Act>,
        otherwise: Vec<Act>,
    },
    /// Read a range as of so many revisions ago.
    Read {
        back: u64,
        tenant: usize,
        limit: Option<usize>,
    },
    /// Follow history from so many revisions ago.
    Watch {
        back: u64,
        tenant: Option<usize>,
    },
    Compact {
        back: u64,
    },
    Translate {
        tenant: usize,
        back: u64,
    },
    Reopen,
    TakeOver,
}

#[derive(Clone, Debug)]
enum Act {
    Put(u8, u8),
    Delete(u8),
    DeleteBetween(u8, u8),
}

fn step() -> impl Strategy<Value = Step> {
    let act = prop_oneof![
        5 => (0u8..8, any::<u8>()).prop_map(|(key, value)| Act::Put(key, value)),
        2 => (0u8..8).prop_map(Act::Delete),
        1 => (0u8..8, 0u8..10).prop_map(|(from, to)| Act::DeleteBetween(from, to)),
    ];
    let acts = || proptest::collection::vec(act.clone(), 0..4);
    let txn = (0..TENANTS.len(), (0u8..8, 0u8..4), acts(), acts())
        .prop_map(|(tenant, compare, then, otherwise)| Step::Txn { tenant, compare, then, otherwise });
    prop_oneof![
        12 => txn,
        4 => (0u64..30, 0..TENANTS.len(), proptest::option::of(0usize..6))
            .prop_map(|(back, tenant, limit)| Step::Read { back, tenant, limit }),
        2 => (0u64..30, proptest::option::of(0..TENANTS.len()))
            .prop_map(|(back, tenant)| Step::Watch { back, tenant }),
        1 => (0u64..20).prop_map(|back| Step::Compact { back }),
        2 => (0..TENANTS.len(), 0u64..10).prop_map(|(tenant, back)| Step::Translate { tenant, back }),
        1 => Just(Step::Reopen),
        1 => Just(Step::TakeOver),
    ]
}

pub(crate) async fn agrees_with_the_model(backend: Backend) {
    let cases = if backend.is_embedded() { 48 } else { 4 };
    let seed = std::env::var("MERIDIAN_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1u8);
    println!("MERIDIAN_SEED={seed}");
    let config =
        ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 200, ..Default::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]));
    let steps = proptest::collection::vec(step(), 1..60);
    let number = std::cell::Cell::new(0);
    tokio::task::block_in_place(|| {
        runner
            .run(&steps, |steps| {
                number.set(number.get() + 1);
                let backend = backend.another(&number.get().to_string());
                Handle::current().block_on(run(&backend, steps));
                Ok(())
            })
            .unwrap();
    });
}

async fn run(backend: &Backend, steps: Vec<Step>) {
    let mut store = backend.open().await;
    let mut model = Model::new(store.revision().await.unwrap());
    for step in steps {
        match step {
            Step::Txn { tenant, compare, then, otherwise } => {
                model.txn(&store, TENANTS[tenant], compare, &then, &otherwise).await;
            }
            Step::Read { back, tenant, limit } => model.read(&store, back, TENANTS[tenant], limit).await,
            Step::Watch { back, tenant } => model.watch(&store, back, tenant.map(|at| TENANTS[at])).await,
            Step::Compact { back } => model.compact(&store, back).await,
            Step::Translate { tenant, back } => model.translate(&store, TENANTS[tenant], back).await,
            Step::Reopen => {
                store.close().await;
                store = backend.open().await;
                model.bare();
            }
            Step::TakeOver => {
                store = store.take_over().await.unwrap();
                model.bare();
            }
        }
        assert_eq!(store.revision().await.unwrap(), model.head());
    }
    for back in 0..20 {
        model.read(&store, back, TENANTS[0], None).await;
    }
    store.close().await;
}

type Keys = BTreeMap<Key, KeyValue>;

/// What every revision left, and did.
struct Model {
    states: BTreeMap<Revision, (Keys, Option<Commit>)>,
    first: Revision,
    compacted: Revision,
}

fn key(tenant_name: &str, number: u8) -> Key {
    Key::new(&tenant(tenant_name), [b'k', number])
}

fn between(tenant_name: &str, from: u8, to: u8) -> KeyRange {
    KeyRange::between(&tenant(tenant_name), [b'k', from], [b'k', to])
}

impl Model {
    fn new(head: Revision) -> Self {
        Self { states: [(head, Default::default())].into(), first: head, compacted: Revision(0) }
    }

    fn head(&self) -> Revision {
        *self.states.keys().next_back().unwrap()
    }

    fn now(&self) -> &Keys {
        &self.states.values().next_back().unwrap().0
    }

    /// A revision without keys.
    fn bare(&mut self) {
        let keys = self.now().clone();
        self.states.insert(self.head().next(), (keys, None));
    }

    fn writes(&self, tenant: &str, until: Revision) -> u64 {
        let commits = self.states.range(..=until).filter_map(|(_, (_, commit))| commit.as_ref());
        commits.filter(|commit| &*commit.tenant == tenant).count() as u64
    }

    fn ago(&self, back: u64) -> Revision {
        Revision(self.head().0.saturating_sub(back).max(self.first.0))
    }

    async fn txn(&mut self, store: &Store, owner: &str, compare: (u8, u8), then: &[Act], otherwise: &[Act]) {
        let compared = key(owner, compare.0);
        let kv = self.now().get(&compared).cloned();
        let (compare, holds) = match compare.1 {
            0 => (Compare::exists(&compared), kv.is_some()),
            1 => (Compare::absent(&compared), kv.is_none()),
            2 => (Compare::value(&compared, vec![7]), kv.is_some_and(|kv| kv.value[..] == [7])),
            _ => (Compare::modified(&compared, self.head()), kv.is_some_and(|kv| kv.modified == self.head())),
        };
        let op = |act: &Act| match act {
            Act::Put(number, value) => Op::put(&key(owner, *number), vec![*value % 10]).with_previous(),
            Act::Delete(number) => Op::delete(&key(owner, *number)).with_previous(),
            Act::DeleteBetween(from, to) => Op::delete_range(&between(owner, *from, *to)).with_previous(),
        };
        let txn = Txn {
            tenant: tenant(owner),
            compares: vec![compare],
            then: then.iter().map(op).collect(),
            otherwise: otherwise.iter().map(op).collect(),
        };
        let result = store.txn(txn).await;
        if clashing(then) || clashing(otherwise) {
            assert!(matches!(result, Err(Error::Invalid { .. })), "{result:?}");
            return;
        }
        let result = result.unwrap();
        assert_eq!(result.succeeded, holds);
        let (expected, wrote) = self.apply(owner, if holds { then } else { otherwise });
        assert_eq!((result.results, result.wrote, result.revision), (expected, wrote, self.head()));
        assert_eq!(result.tenant_revision.0, 1 + self.writes(owner, self.head()));
    }

    fn apply(&mut self, owner: &str, acts: &[Act]) -> (Vec<OpResult>, bool) {
        let mut keys = self.now().clone();
        let revision = self.head().next();
        let tenant_revision = TenantRevision(self.writes(owner, self.head()) + 2);
        let mut events = BTreeMap::new();
        let mut results = Vec::new();
        for act in acts {
            let gone =
                |range: &KeyRange| keys.values().filter(|kv| range.contains(&kv.key)).cloned().collect();
            let gone: Vec<KeyValue> = match act {
                Act::Put(number, value) => {
                    let key = key(owner, *number);
                    let previous = keys.get(&key).cloned();
                    let kv = KeyValue {
                        key: key.clone(),
                        value: vec![*value % 10].into(),
                        created: previous.as_ref().map_or(revision, |kv| kv.created),
                        modified: revision,
                        tenant_modified: tenant_revision,
                        version: previous.as_ref().map_or(0, |kv| kv.version) + 1,
                        lease: None,
                    };
                    keys.insert(key.clone(), kv.clone());
                    events.insert(key, Event { change: Change::Put(kv), previous: previous.clone() });
                    results.push(OpResult::Put { previous });
                    continue;
                }
                Act::Delete(number) => gone(&KeyRange::single(&key(owner, *number))),
                Act::DeleteBetween(from, to) => gone(&between(owner, *from, *to)),
            };
            for kv in &gone {
                keys.remove(&kv.key);
                let change = Change::Delete(kv.key.clone());
                events.insert(kv.key.clone(), Event { change, previous: Some(kv.clone()) });
            }
            results.push(OpResult::Delete { deleted: gone.len(), previous: gone });
        }
        let wrote = !events.is_empty();
        if wrote {
            let events = events.into_values().collect();
            let commit = Commit { revision, tenant: tenant(owner), tenant_revision, events };
            self.states.insert(revision, (keys, Some(commit)));
        }
        (results, wrote)
    }

    async fn read(&self, store: &Store, back: u64, owner: &str, limit: Option<usize>) {
        let at = self.ago(back);
        let mut request = RangeRequest::new(KeyRange::tenant(&tenant(owner))).at(at).with_count();
        request.limit = limit;
        let result = store.range(&request).await;
        if at < self.compacted {
            assert!(matches!(result, Err(Error::Compacted { compacted }) if compacted == self.compacted));
            return;
        }
        let result = result.unwrap();
        let all: Vec<_> =
            self.states[&at].0.values().filter(|kv| kv.key.tenant() == owner).cloned().collect();
        let shown = limit.unwrap_or(usize::MAX).min(all.len());
        assert_eq!((result.count, result.more), (Some(all.len()), shown < all.len()));
        assert_eq!(result.kvs, all[..shown]);
        assert_eq!(result.tenant_revision.unwrap().0, 1 + self.writes(owner, at));
    }

    async fn watch(&self, store: &Store, back: u64, owner: Option<&str>) {
        let from = self.ago(back).next();
        let range = owner.map_or(KeyRange::every_tenant(), |owner| KeyRange::tenant(&tenant(owner)));
        let watch = store.watch(WatchRequest::new(range).from(from).with_previous()).await;
        if from <= self.compacted {
            assert!(matches!(watch, Err(Error::Compacted { compacted }) if compacted == self.compacted));
            return;
        }
        let mut watch = watch.unwrap();
        let commits = self.states.range(from..).filter_map(|(_, (_, commit))| commit.clone());
        let expected: Vec<_> = commits.filter(|c| owner.is_none_or(|owner| &*c.tenant == owner)).collect();
        let mut seen = Vec::new();
        while seen.len() < expected.len() {
            seen.extend(watch.next().await.unwrap().commits);
        }
        assert_eq!(seen, expected);
    }

    async fn compact(&mut self, store: &Store, back: u64) {
        let at = self.ago(back);
        let result = store.compact(at).await;
        if at <= self.compacted {
            assert!(matches!(result, Err(Error::Compacted { .. })), "{result:?}");
        } else {
            result.unwrap();
            self.compacted = at;
        }
    }

    async fn translate(&self, store: &Store, owner: &str, back: u64) {
        let current = 1 + self.writes(owner, self.head());
        let asked = TenantRevision(current.saturating_sub(back).max(1));
        let least = 1 + self.writes(owner, self.compacted);
        let result = store.partition_revision(&tenant(owner), asked).await;
        if asked.0 < least {
            assert!(matches!(result, Err(Error::TenantCompacted { compacted }) if compacted.0 == least));
            return;
        }
        let at = result.unwrap();
        // Where it reads as asked, and everything later of the tenant lies behind it.
        let known = at.max(self.first);
        assert_eq!(1 + self.writes(owner, known), asked.0);
        assert!(at >= self.compacted);
    }
}

/// Whether a key would be written twice.
fn clashing(acts: &[Act]) -> bool {
    let puts = || acts.iter().filter_map(|act| if let Act::Put(key, _) = act { Some(*key) } else { None });
    acts.iter().any(|act| match act {
        Act::Put(key, _) => puts().filter(|other| other == key).count() > 1,
        Act::Delete(key) => puts().any(|put| put == *key),
        Act::DeleteBetween(from, to) => puts().any(|put| (from..to).contains(&&put)),
    })
}
