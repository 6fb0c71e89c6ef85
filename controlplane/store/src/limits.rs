//! How large things may be, so that memory is bounded.

use crate::txn::{Op, Txn};
use crate::{Error, Key, KeyRange, Tenant};

/// The largest key, value and transaction a store takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a key's path.
    pub key_bytes: usize,
    /// Bytes of a value.
    pub value_bytes: usize,
    /// Bytes of all keys and values in a transaction, both branches.
    pub txn_bytes: usize,
    /// Compares and operations in a transaction, both branches.
    pub txn_ops: usize,
}

impl Default for Limits {
    /// A value may be what Kubernetes lets an object be (1.5 MiB) and some; a transaction may bind a gang of a few thousand.
    fn default() -> Self {
        Self { key_bytes: 2048, value_bytes: 2 << 20, txn_bytes: 8 << 20, txn_ops: 10_000 }
    }
}

/// What each compare or operation is charged beside its bytes, so that many tiny ones count too.
const OP_OVERHEAD: usize = 64;

impl Limits {
    /// Checks a transaction's sizes and tenancy; the answer is its size in bytes.
    pub(crate) fn check(&self, txn: &Txn) -> Result<usize, Error> {
        let ops = txn.compares.len() + txn.then.len() + txn.otherwise.len();
        within("the number of compares and operations in a transaction", ops, self.txn_ops)?;
        let mut size = ops * OP_OVERHEAD;
        for compare in &txn.compares {
            self.readable(&txn.tenant, &KeyRange::single(&compare.key))?;
            size += self.key(&compare.key)? + compare.value_len();
        }
        for op in txn.then.iter().chain(&txn.otherwise) {
            size += self.op(&txn.tenant, op)?;
        }
        within("the size of a transaction in bytes", size, self.txn_bytes)?;
        distinct_writes(&txn.then)?;
        distinct_writes(&txn.otherwise)?;
        Ok(size)
    }

    fn op(&self, tenant: &Tenant, op: &Op) -> Result<usize, Error> {
        let foreign = |key: String| Err(Error::ForeignTenant { tenant: tenant.to_string(), key });
        match op {
            Op::Put { key, value, .. } => {
                if !key.belongs_to(tenant) {
                    return foreign(format!("{key:?}"));
                }
                within("the size of a value in bytes", value.len(), self.value_bytes)?;
                Ok(self.key(key)? + value.len())
            }
            Op::Delete { range, .. } => {
                if !range.belongs_to(tenant) {
                    return foreign(format!("{range:?}"));
                }
                self.range(range)
            }
            Op::Range(request) => {
                self.readable(tenant, &request.range)?;
                self.range(&request.range)
            }
        }
    }

    fn key(&self, key: &Key) -> Result<usize, Error> {
        within("the size of a key in bytes", key.path().len(), self.key_bytes)?;
        Ok(key.encoded().len())
    }

    pub(crate) fn range(&self, range: &KeyRange) -> Result<usize, Error> {
        // The ends of a range may be a tenant's name and a byte longer than a key's path.
        let limit = self.key_bytes + crate::key::MAX_TENANT_NAME + 2;
        within("the size of a range's start in bytes", range.start().len(), limit)?;
        within("the size of a range's end in bytes", range.end().len(), limit)?;
        Ok(range.start().len() + range.end().len())
    }

    /// A transaction reads its own tenant and `system`, where fences and the like are kept.
    fn readable(&self, tenant: &Tenant, range: &KeyRange) -> Result<(), Error> {
        if range.belongs_to(tenant) || range.tenant_name() == Some(Tenant::SYSTEM) {
            return Ok(());
        }
        Err(Error::ForeignTenant { tenant: tenant.to_string(), key: format!("{range:?}") })
    }
}

fn within(what: &'static str, size: usize, limit: usize) -> Result<(), Error> {
    if size > limit {
        return Err(Error::TooLarge { what, size, limit });
    }
    Ok(())
}

/// A key is written at most once in a transaction, as in etcd: one revision holds one value of a key.
fn distinct_writes(ops: &[Op]) -> Result<(), Error> {
    let mut puts: Vec<&Key> = Vec::new();
    let mut deletes: Vec<&KeyRange> = Vec::new();
    for op in ops {
        match op {
            Op::Put { key, .. } => puts.push(key),
            Op::Delete { range, .. } => deletes.push(range),
            Op::Range(_) => {}
        }
    }
    puts.sort_unstable();
    let twice = |key: &Key| {
        Err(Error::Invalid { what: format!("{key:?} is written twice in one transaction: write it once") })
    };
    if let Some(pair) = puts.windows(2).find(|pair| pair[0] == pair[1]) {
        return twice(pair[0]);
    }
    for range in deletes {
        let from = puts.partition_point(|key| key.encoded() < range.start());
        if let Some(key) = puts.get(from).filter(|key| range.contains(key)) {
            return twice(key);
        }
    }
    Ok(())
}
