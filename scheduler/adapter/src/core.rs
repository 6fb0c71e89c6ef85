//! What the adapter knows and how it decides, without streams, clocks and tasks: changes and the time go in, orders and
//! things to tell come out. The same calls give the same answers.
//!
//! A pod's room is in the engines once from its decision on: as an assumption while it is being bound, and for as long as
//! the watch says that it is there. What the watch says of the past never ends an assumption: a pod that is said not to be
//! bound while it is being bound is old news.

mod budgets;
mod decide;
mod engines;
mod feed;
mod hosts;
mod pods;
mod preempt;
mod queue;
mod tell;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use meridian_engine::{HostId, Profile, ProfileError};

use self::budgets::Budgets;
use self::engines::{Engines, Hold};
use self::hosts::Hosts;
use self::pods::Pods;
use self::queue::{LineId, Queue};
use crate::metrics::Metrics;
use crate::news::{BindOrder, EvictOrder, Kind, Told};

/// Times and limits of the core.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// How long a pod waits after its first failure to be bound.
    pub(crate) initial_backoff: Duration,
    /// The longest such wait.
    pub(crate) max_backoff: Duration,
    /// How many pods may be on their way to their hosts.
    pub(crate) binding: usize,
}

/// How long until the same class is explained again.
const EXPLAIN_AGAIN: Duration = Duration::from_secs(1);

/// How long until users are told of a pod again, when what there is to tell has changed.
const TELL_AGAIN: Duration = Duration::from_secs(30);

/// How many pods that were scheduled may wait to be told of. Of more nobody is told: scheduling goes on.
const MOST_TOLD: usize = 16_384;

/// What users are told of lines that fit nowhere.
#[derive(Debug, Default)]
struct Explained {
    message: Option<Arc<str>>,
    /// When it may be explained again.
    next: Duration,
}

/// The adapter's whole state.
pub(crate) struct Core {
    engines: Engines,
    names: Vec<Arc<str>>,
    /// The profiles for whose pods nobody makes way.
    without_preemption: Vec<bool>,
    hosts: Hosts,
    pods: Pods,
    queue: Queue,
    limits: Limits,
    metrics: Metrics,
    /// Pods that wait until they may be tried again.
    backing_off: BTreeSet<(Duration, u64)>,
    gated: usize,
    binding: usize,
    assumed: usize,
    nominated: usize,
    budgets: Budgets,
    /// By pod that is being stopped, who waits for its room.
    awaited: BTreeMap<u64, BTreeSet<u64>>,
    /// Room that the API server refused to give: it may know of something that is not seen here.
    avoided: VecDeque<(Duration, Hold)>,
    /// Hosts that have more room or are described anew since lines were last looked at.
    helped: BTreeSet<HostId>,
    /// Parked lines that mind where other pods are, as of when they were parked.
    mindful: std::collections::BTreeMap<queue::LineId, (u64, u64)>,
    explained: BTreeMap<LineId, Explained>,
    to_explain: BTreeSet<(Duration, LineId)>,
    to_tell: BTreeSet<(Duration, u64)>,
    told: VecDeque<Told>,
    orders: VecDeque<BindOrder>,
    evictions: VecDeque<EvictOrder>,
    /// Listings begun, of each kind.
    listings: [u64; 3],
    listed: [bool; 3],
    /// When it last heard of the time.
    now: Duration,
}

impl Core {
    /// An adapter that knows nothing yet.
    pub(crate) fn new(
        first: &Profile,
        others: &[Profile],
        without_preemption: &BTreeSet<String>,
        limits: Limits,
        metrics: Metrics,
    ) -> Result<Core, ProfileError> {
        Ok(Core {
            engines: Engines::new(first, others)?,
            names: std::iter::once(first).chain(others).map(|profile| profile.name.as_str().into()).collect(),
            without_preemption: std::iter::once(first)
                .chain(others)
                .map(|profile| without_preemption.contains(&profile.name))
                .collect(),
            hosts: Hosts::default(),
            pods: Pods::default(),
            queue: Queue::default(),
            limits,
            metrics,
            backing_off: BTreeSet::new(),
            gated: 0,
            binding: 0,
            assumed: 0,
            nominated: 0,
            budgets: Budgets::default(),
            awaited: BTreeMap::new(),
            avoided: VecDeque::new(),
            helped: BTreeSet::new(),
            mindful: std::collections::BTreeMap::new(),
            explained: BTreeMap::new(),
            to_explain: BTreeSet::new(),
            to_tell: BTreeSet::new(),
            told: VecDeque::new(),
            orders: VecDeque::new(),
            evictions: VecDeque::new(),
            listings: [0; 3],
            listed: [false; 3],
            now: Duration::ZERO,
        })
    }

    /// Whether all hosts and pods have been heard of once.
    pub(crate) fn is_synced(&self) -> bool {
        self.listed[Kind::Hosts as usize] && self.listed[Kind::Pods as usize]
    }

    /// Whether some pod is being bound.
    pub(crate) fn is_binding(&self) -> bool {
        self.binding > 0
    }

    /// Has something told, unless too much waits already.
    fn tell(&mut self, told: Told) {
        if self.told.len() < MOST_TOLD {
            self.told.push_back(told);
        } else {
            self.metrics.discarded();
        }
    }

    /// The scheduler's name under a profile.
    fn name(&self, profile: Option<usize>) -> Arc<str> {
        profile.and_then(|profile| self.names.get(profile)).cloned().unwrap_or_default()
    }

    /// The next order to stop pods.
    pub(crate) fn next_eviction(&mut self) -> Option<EvictOrder> {
        self.evictions.pop_front()
    }

    /// The next order to bind a pod.
    pub(crate) fn next_order(&mut self) -> Option<BindOrder> {
        self.orders.pop_front()
    }

    /// Whether there is something to decide now.
    pub(crate) fn has_work(&self, now: Duration) -> bool {
        (self.binding < self.limits.binding && self.queue.first().is_some())
            || self.next_time().is_some_and(|at| at <= now)
    }

    /// When something is to be done though nothing comes in.
    pub(crate) fn next_time(&self) -> Option<Duration> {
        let avoided = self.avoided.front().map(|(at, _)| *at);
        let backing_off = self.backing_off.first().map(|(at, _)| *at);
        let explain = self.to_explain.first().map(|(at, _)| *at);
        let tell = self.to_tell.first().map(|(at, _)| *at);
        [avoided, backing_off, explain, tell].into_iter().flatten().min()
    }

    /// Writes down how much of everything there is.
    pub(crate) fn update_gauges(&self) {
        self.metrics.set_pending(
            self.queue.active(),
            self.backing_off.len(),
            self.queue.unschedulable() + self.nominated,
            self.gated,
        );
        self.metrics.set_cache(self.engines.hosts(), self.pods.len(), self.binding + self.assumed);
    }
}
