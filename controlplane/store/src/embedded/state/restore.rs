//! The state in parts, as a snapshot carries it, and back.

use std::ops::Bound;
use std::time::Duration;

use bytes::Bytes;

use super::history::first_kept;
use super::{LeaseState, Sequence, State, Touched, Version};
use crate::{Epoch, Key, LeaseId, Tenant, TenantRevision};

/// What a snapshot holds beside keys and their versions, all as of one revision.
#[derive(Clone, Debug)]
pub(crate) struct Outline {
    pub(crate) revision: u64,
    pub(crate) compacted: u64,
    pub(crate) epoch: Epoch,
    /// Each tenant and where its own sequence stands.
    pub(crate) tenants: Vec<(Tenant, u64)>,
    pub(crate) leases: Vec<(LeaseId, Tenant, Duration)>,
    /// The revisions since the compaction that touched no key.
    pub(crate) bare: Vec<u64>,
}

impl State {
    /// The outline of now. Only right while everything is published.
    pub(crate) fn outline(&self) -> Outline {
        let numbered = (self.forgotten + 1..).zip(&self.touched);
        Outline {
            revision: self.head,
            compacted: self.compacted,
            epoch: self.epoch,
            tenants: self
                .tenants
                .iter()
                .map(|(tenant, sequence)| (tenant.clone(), TenantRevision::FIRST.0 + sequence.writes()))
                .collect(),
            leases: self.leases.iter().map(|(id, l)| (*id, l.tenant.clone(), l.ttl)).collect(),
            bare: numbered.filter(|(_, touched)| touched.tenant.is_none()).map(|(at, _)| at).collect(),
        }
    }

    /// The next `count` keys behind `after`, with their versions up to `revision`.
    pub(crate) fn export(
        &self,
        after: Option<&Bytes>,
        revision: u64,
        count: usize,
    ) -> Vec<(Bytes, Vec<Version>)> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let keys = self.keys.range::<Bytes, _>((start, Bound::Unbounded)).take(count);
        keys.map(|(key, versions)| {
            let until = versions.partition_point(|version| version.modified <= revision);
            (key.clone(), versions[..until].to_vec())
        })
        .collect()
    }
}

/// Puts a state together from a snapshot. Each step says false where the parts do not fit.
#[derive(Debug)]
pub(crate) struct Restore {
    state: State,
    /// (revision, tenant's revision, key) of every version since the compaction.
    history: Vec<(u64, u64, Bytes)>,
    bare: Vec<u64>,
}

impl Restore {
    pub(crate) fn new(outline: Outline) -> Self {
        let mut state = State::new();
        state.head = outline.revision;
        state.compacted = outline.compacted;
        state.forgotten = outline.compacted.max(1);
        state.epoch = outline.epoch;
        for (tenant, revision) in outline.tenants {
            let forgotten = revision.saturating_sub(TenantRevision::FIRST.0);
            state.tenants.insert(tenant, Sequence { forgotten, ..Sequence::default() });
        }
        for (id, tenant, ttl) in outline.leases {
            state.leases.insert(id, LeaseState { tenant, ttl, keys: Default::default() });
        }
        Self { state, history: Vec::new(), bare: outline.bare }
    }

    pub(crate) fn key(&mut self, key: Bytes, mut versions: Vec<Version>) -> bool {
        let ordered = versions.windows(2).all(|pair| pair[0].modified < pair[1].modified);
        let last = versions.last().map_or(0, |version| version.modified);
        if !ordered || last > self.state.head || Key::from_encoded(key.clone()).is_none() {
            return false;
        }
        versions.drain(..first_kept(&versions, self.state.compacted));
        let recent = versions.iter().filter(|version| version.modified > self.state.forgotten);
        self.history.extend(recent.map(|v| (v.modified, v.tenant_revision, key.clone())));
        if let Some(newest) = versions.last().filter(|version| version.is_live())
            && let Some(lease) = self.state.leases.get_mut(&LeaseId(newest.lease))
        {
            lease.keys.insert(key.clone());
        }
        self.state.versions += versions.len();
        versions.shrink_to_fit();
        versions.is_empty() || self.state.keys.insert(key, versions).is_none()
    }

    /// The state, if every revision since the compaction is accounted for.
    pub(crate) fn finish(mut self) -> Option<State> {
        let bare = self.bare.iter().filter(|revision| **revision > self.state.forgotten);
        self.history.extend(bare.map(|revision| (*revision, 0, Bytes::new())));
        self.history.sort_unstable();
        let mut next = self.state.forgotten + 1;
        for same in self.history.chunk_by(|a, b| a.0 == b.0) {
            let (revision, tenant_revision, key) = &same[0];
            if *revision != next {
                return None;
            }
            next += 1;
            let touched = if key.is_empty() {
                Touched { tenant: None, tenant_revision: 0, keys: Box::default() }
            } else {
                let tenant = Tenant::new(Key::trusted(key.clone()).tenant()).ok()?;
                let sequence = self.state.tenants.get_mut(&tenant)?;
                sequence.forgotten = sequence.forgotten.checked_sub(1)?;
                sequence.revisions.push_back(*revision);
                let keys = same.iter().map(|(_, _, key)| key.clone()).collect();
                Touched { tenant: Some(tenant), tenant_revision: *tenant_revision, keys }
            };
            self.state.touched.push_back(touched);
        }
        (next == self.state.head + 1).then_some(self.state)
    }
}
