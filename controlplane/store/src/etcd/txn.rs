//! Transactions: read what decides, decide, and write under the condition that it still holds.

use std::collections::BTreeMap;

use bytes::Bytes;
use etcd_client::{Compare as Guard, CompareOp, DeleteOptions, GetOptions, PutOptions, TxnOp, TxnOpResponse};

use super::{Etcd, failed, tenant_revision};
use crate::txn::{Compare, KeyValue, Op, OpResult, Target, Txn, TxnResult};
use crate::{Error, Key, LeaseId, Revision};

/// More tries than any conflict with a writer that is being deposed takes.
const TRIES: usize = 16;

/// What a transaction depends on, as of one read.
struct Seen {
    /// The version of the tenant's counter.
    counter: i64,
    keys: BTreeMap<Key, Option<KeyValue>>,
    leases: BTreeMap<LeaseId, Option<Bytes>>,
    /// Keys in the range of each delete, in the order of `Txn::then` and `Txn::otherwise`.
    deletable: Vec<i64>,
}

impl Etcd {
    pub(crate) async fn txn(&self, txn: Txn) -> Result<TxnResult, Error> {
        self.check_open()?;
        self.shared.limits.check(&txn)?;
        let counter = self.counter_of(&txn.tenant);
        let mut counter = counter.lock().await;
        for _ in 0..TRIES {
            // Unknown until it is known what came of this.
            let known = counter.take();
            let seen = self.look(&txn, known).await?;
            if let Some((result, now)) = self.try_txn(&txn, &seen).await? {
                *counter = Some(now);
                self.shared.running.commits.add(u64::from(result.wrote));
                return Ok(result);
            }
        }
        Err(Error::Etcd { what: "a transaction", source: "others kept changing what it depends on".into() })
    }

    /// Reads what decides a transaction.
    async fn look(&self, txn: &Txn, known: Option<i64>) -> Result<Seen, Error> {
        let layout = &self.shared.layout;
        let both = || txn.then.iter().chain(&txn.otherwise);
        let keys: Vec<_> = txn.compares.iter().map(|compare| compare.key.clone()).collect();
        let leases: Vec<_> =
            both().filter_map(|op| if let Op::Put { lease, .. } = op { *lease } else { None }).collect();
        let deletes: Vec<_> = both()
            .filter_map(|op| if let Op::Delete { range, .. } = op { Some(range) } else { None })
            .collect();
        let mut ops: Vec<_> = keys.iter().map(|key| TxnOp::get(layout.key(key.encoded()), None)).collect();
        ops.extend(leases.iter().map(|id| TxnOp::get(layout.lease(*id), None)));
        ops.extend(deletes.iter().map(|range| {
            let (start, end) = layout.range(range);
            TxnOp::get(start, Some(GetOptions::new().with_range(end).with_count_only()))
        }));
        if ops.is_empty()
            && let Some(counter) = known
        {
            return Ok(Seen {
                counter,
                keys: BTreeMap::new(),
                leases: BTreeMap::new(),
                deletable: Vec::new(),
            });
        }
        ops.push(TxnOp::get(layout.counter(&txn.tenant), None));
        let answer = self.shared.kv.clone().txn(etcd_client::Txn::new().and_then(ops)).await;
        let answer = answer.map_err(failed("reading what a transaction depends on"))?;
        let mut found = answer.op_responses().into_iter().map(|response| match response {
            TxnOpResponse::Get(got) => Ok(got),
            _ => Err(strange("a read was answered with something else")),
        });
        let mut next = || found.next().unwrap_or_else(|| Err(strange("too few answers")));
        let mut seen =
            Seen { counter: 0, keys: BTreeMap::new(), leases: BTreeMap::new(), deletable: Vec::new() };
        for key in keys {
            let kv = next()?.kvs().first().map(|kv| layout.key_value(kv)).transpose()?;
            seen.keys.insert(key, kv);
        }
        for id in leases {
            let tenant = next()?.kvs().first().map(|kv| super::lease::tenant_of(kv.value()));
            seen.leases.insert(id, tenant);
        }
        for range in deletes {
            let count = next()?.count();
            seen.deletable.push(if range.is_empty() { 0 } else { count });
        }
        seen.counter = next()?.kvs().first().map_or(0, etcd_client::KeyValue::version);
        Ok(seen)
    }

    /// Writes what was decided by what was seen; none: that no longer holds. With the counter as it is then.
    async fn try_txn(&self, txn: &Txn, seen: &Seen) -> Result<Option<(TxnResult, i64)>, Error> {
        let layout = &self.shared.layout;
        let succeeded = txn.compares.iter().all(|compare| seen.holds(compare));
        let branch = if succeeded { &txn.then } else { &txn.otherwise };
        let deletes_before = if succeeded { 0 } else { count_deletes(&txn.then) };
        let mut deletable = seen.deletable.iter().skip(deletes_before);
        let mut wrote = false;
        let at = tenant_revision(seen.counter).next();
        let mut ops = Vec::new();
        for op in branch {
            match op {
                Op::Put { key, value, lease, want_previous } => {
                    if let Some(id) = lease {
                        let tenant = seen.leases.get(id).and_then(Option::as_ref);
                        if tenant.is_none_or(|tenant| *tenant != txn.tenant.as_bytes()) {
                            return Err(Error::LeaseNotFound { id: *id });
                        }
                    }
                    wrote = true;
                    let mut options = PutOptions::new();
                    if *want_previous {
                        options = options.with_prev_key();
                    }
                    let value = super::Layout::value(value, at, *lease);
                    ops.push(TxnOp::put(layout.key(key.encoded()), value, Some(options)));
                }
                Op::Delete { range, want_previous } => {
                    wrote |= deletable.next().is_some_and(|count| *count > 0);
                    let (start, end) = layout.range(range);
                    let mut options = DeleteOptions::new().with_range(end);
                    if *want_previous {
                        options = options.with_prev_key();
                    }
                    ops.push(TxnOp::delete(start, Some(options)));
                }
                Op::Range(request) => ops.push(layout.get(request)),
            }
        }
        let mut guards = vec![
            Guard::value(layout.epoch(), CompareOp::Equal, self.epoch.to_string()),
            Guard::version(layout.counter(&txn.tenant), CompareOp::Equal, seen.counter),
        ];
        // The tenant's own keys cannot change without its counter; those of `system` can.
        for (key, kv) in &seen.keys {
            let modified = kv.as_ref().map_or(0, |kv| kv.modified.0 as i64);
            guards.push(Guard::mod_revision(layout.key(key.encoded()), CompareOp::Equal, modified));
        }
        if wrote {
            ops.push(TxnOp::put(layout.counter(&txn.tenant), "", None));
            for op in branch {
                if let Op::Put { key, lease: Some(id), .. } = op {
                    guards.push(Guard::version(layout.lease(*id), CompareOp::Greater, 0));
                    ops.push(TxnOp::put(layout.attached(*id, key.encoded()), "", None));
                }
            }
        }
        let request =
            etcd_client::Txn::new().when(guards).and_then(ops).or_else([TxnOp::get(layout.epoch(), None)]);
        let answer = match self.shared.kv.clone().txn(request).await {
            Ok(answer) => answer,
            Err(error) => {
                let asked = branch.iter().find_map(|op| match op {
                    Op::Range(request) => request.revision,
                    _ => None,
                });
                return Err(self.explain(error, asked).await);
            }
        };
        if !answer.succeeded() {
            if let Some(TxnOpResponse::Get(epoch)) = answer.op_responses().first() {
                self.check_epoch_in(epoch.kvs())?;
            }
            return Ok(None);
        }
        let revision = Revision(answer.header().map_or(0, etcd_client::ResponseHeader::revision) as u64);
        let answers = branch.iter().zip(answer.op_responses());
        let results =
            answers.map(|(op, answer)| self.result(op, answer, revision)).collect::<Result<_, _>>()?;
        let now = seen.counter + i64::from(wrote);
        let tenant_revision = tenant_revision(now);
        Ok(Some((TxnResult { succeeded, wrote, revision, tenant_revision, results }, now)))
    }

    fn result(&self, op: &Op, answer: TxnOpResponse, revision: Revision) -> Result<OpResult, Error> {
        let layout = &self.shared.layout;
        match (op, answer) {
            (Op::Put { .. }, TxnOpResponse::Put(put)) => {
                Ok(OpResult::Put { previous: put.prev_key().map(|kv| layout.key_value(kv)).transpose()? })
            }
            (Op::Delete { .. }, TxnOpResponse::Delete(delete)) => Ok(OpResult::Delete {
                deleted: delete.deleted() as usize,
                previous: delete
                    .prev_kvs()
                    .iter()
                    .map(|kv| layout.key_value(kv))
                    .collect::<Result<_, _>>()?,
            }),
            (Op::Range(request), TxnOpResponse::Get(got)) => {
                let at = request.revision.unwrap_or(revision);
                if request.range.is_empty() {
                    return Ok(OpResult::Range(layout.nothing(request, at)));
                }
                Ok(OpResult::Range(layout.range_result(got, request, at)?))
            }
            _ => Err(strange("an operation was answered with something else")),
        }
    }
}

impl Seen {
    fn holds(&self, compare: &Compare) -> bool {
        let kv = self.keys.get(&compare.key).and_then(Option::as_ref);
        let number = |of: fn(&KeyValue) -> u64| kv.map_or(0, of);
        match &compare.target {
            Target::Modified(given) => compare.relation.holds(&number(|kv| kv.modified.0), &given.0),
            Target::Created(given) => compare.relation.holds(&number(|kv| kv.created.0), &given.0),
            Target::Version(given) => compare.relation.holds(&number(|kv| kv.version), given),
            Target::Value(given) => kv.is_some_and(|kv| compare.relation.holds(&kv.value, given)),
        }
    }
}

fn count_deletes(ops: &[Op]) -> usize {
    ops.iter().filter(|op| matches!(op, Op::Delete { .. })).count()
}

fn strange(what: &'static str) -> Error {
    Error::Etcd { what: "a transaction", source: what.into() }
}
