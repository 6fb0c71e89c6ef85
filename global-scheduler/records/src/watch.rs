//! Committed plans, one after the other.

use std::collections::VecDeque;

use meridian_global_world::Plan;
use meridian_store::{Change, Commit, KeyValue, Tenant, Watch};

use crate::blob;
use crate::error::{Error, Kind};
use crate::records::Committed;

/// A running watch of committed plans. Dropping it ends it.
#[derive(Debug)]
pub struct PlanWatch {
    tenant: Tenant,
    watch: Watch,
    /// Still to be told.
    commits: VecDeque<Commit>,
}

impl PlanWatch {
    pub(crate) fn new(tenant: Tenant, watch: Watch) -> Self {
        Self { tenant, watch, commits: VecDeque::new() }
    }

    /// The next plan, once one is committed. Each comes once and none is left out. Dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Compacted`] when the watch fell behind what is kept.
    pub async fn next(&mut self) -> Result<Committed, Error> {
        loop {
            if let Some(commit) = self.commits.pop_front() {
                if let Some(committed) = self.read(&commit)? {
                    return Ok(committed);
                }
            } else {
                self.commits.extend(self.watch.next().await?.commits);
            }
        }
    }

    fn read(&self, commit: &Commit) -> Result<Option<Committed>, Error> {
        let puts: Vec<&KeyValue> = commit
            .events
            .iter()
            .filter_map(|event| match &event.change {
                Change::Put(kv) => Some(kv),
                Change::Delete(_) => None,
            })
            .collect();
        let found = blob::read::<Plan>(Kind::Plan, &self.tenant, &puts)?;
        Ok(found.map(|found| Committed {
            plan: found.value,
            version: found.version,
            world: found.world,
            revision: commit.revision,
        }))
    }
}
