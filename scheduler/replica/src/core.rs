//! What the replica knows and how it decides, without streams, clocks and threads: messages and the time go in, messages
//! come out. The same calls give the same answers.
//!
//! Every pod's room is in the cell once: as an assumption from the moment it is decided, and as an entry of its host's
//! ledger from the moment that the host feed says so.

mod classes;
mod decide;
mod explain;
mod feed;
mod gang;
mod keep;
mod mirror;
mod pods;
mod preempt;
mod seen;
mod share;
mod stream;
mod tenants;
mod uid;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use meridian_engine::{Profile, ProfileError, Queue, Scheduler, TenantId, TenantStatus};
use meridian_proto::v1;
use rustc_hash::FxHashMap;

use self::classes::Classes;
use self::feed::Feed;
use self::gang::Gangs;
use self::mirror::Mirror;
use self::pods::{PodKey, Pods, State};
use self::preempt::Preemptions;
use self::seen::Awaited;
use self::stream::Stream;
use self::tenants::Tenants;
pub use self::tenants::{QueueSettings, SettingsError};

/// How long an assumption that no decision under way stands for waits for a ledger entry.
const UNCONFIRMED: Duration = Duration::from_secs(30);

/// The most tenant partitions.
const MAX_PARTITIONS: usize = 1 << 16;

/// How long the first decision waits for the host partitions that are not in sync.
const FIRST_SYNC: Duration = Duration::from_secs(10);

/// What a peer must not say. Its stream is ended.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// A message without the part that it is for.
    #[error("a message says nothing: its kind is not known here, or a part that it needs is missing")]
    Empty,
    /// A second hello.
    #[error("a second Hello came, want one at the beginning of the stream")]
    Hello,
    /// A class that has not been defined.
    #[error(
        "pod {uid} is of class {number}, which this stream has not defined; want a ClassDefinition before"
    )]
    UnknownClass {
        /// The pod.
        uid: String,
        /// The class' number.
        number: u32,
    },
    /// Going on from where nothing is known any more.
    #[error("the account was given up since the last stream ended, want a full one")]
    Resumed,
    /// A host that has not been named.
    #[error("an entry is on host {number}, which the feed has not named; want a HostState before")]
    UnknownHost {
        /// The host's number.
        number: u32,
    },
    /// A demand that has not been defined.
    #[error(
        "an entry is of demand {number}, which this stream has not defined; want a DemandDefinition before"
    )]
    UnknownDemand {
        /// The demand's number.
        number: u32,
    },
    /// More than is kept.
    #[error("more than {limit} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        limit: usize,
    },
}

/// What has happened since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) decisions: u64,
    pub(crate) bound: u64,
    pub(crate) refused: u64,
    pub(crate) gone: u64,
    /// Decisions that have others make way.
    pub(crate) preemptions: u64,
    /// Decisions that have room kept for pods that have waited for long.
    pub(crate) kept: u64,
    /// Assumptions that nothing confirmed in time.
    pub(crate) expired: u64,
    pub(crate) explanations: u64,
}

/// The replica's whole state.
pub struct Core {
    scheduler: Scheduler,
    queue: Queue,
    classes: Classes,
    gangs: Gangs,
    pods: Pods,
    mirror: Mirror,
    tenants: Tenants,
    feeds: Vec<Feed>,
    /// Grows with all that is heard from host partitions.
    heard: u64,
    streams: Vec<Stream>,
    /// The names that pods may ask for the profile by.
    names: Vec<String>,
    /// When assumptions run out that no decision under way stands for; the time only grows.
    deadlines: VecDeque<(Duration, PodKey)>,
    preemptions: Preemptions,
    awaited: Awaited,
    /// The pods that room was last kept for, by their tenants.
    kept: FxHashMap<TenantId, PodKey>,
    /// Questions not answered yet, with their streams.
    questions: VecDeque<(usize, v1::ExplainRequest)>,
    counts: Counts,
    /// How long pods waited that were decided since this was last taken.
    waits: Vec<Duration>,
    started: Duration,
    has_begun: bool,
}

impl Core {
    /// A replica that knows nothing yet, of so many host partitions and tenant partitions. Pods may ask for the profile by
    /// any of `names`.
    ///
    /// # Errors
    ///
    /// [`ProfileError`] where the profile contradicts itself.
    pub fn new(
        profile: Profile,
        names: Vec<String>,
        feeds: usize,
        streams: usize,
        now: Duration,
    ) -> Result<Core, ProfileError> {
        Ok(Core {
            scheduler: Scheduler::new(profile)?,
            queue: Queue::new(),
            classes: Classes::default(),
            gangs: Gangs::default(),
            pods: Pods::default(),
            mirror: Mirror::new(feeds),
            heard: 0,
            tenants: Tenants::default(),
            feeds: (0..feeds).map(|_| Feed::default()).collect(),
            streams: (0..streams).map(|_| Stream::default()).collect(),
            names,
            deadlines: VecDeque::new(),
            preemptions: Preemptions::default(),
            awaited: Awaited::default(),
            kept: FxHashMap::default(),
            questions: VecDeque::new(),
            counts: Counts::default(),
            waits: Vec::new(),
            started: now,
            has_begun: false,
        })
    }

    /// Whether the mirror is in sync with all host partitions.
    pub(crate) fn is_in_sync(&self) -> bool {
        self.feeds.iter().all(|feed| feed.is_in_sync)
    }

    /// Which host partitions it is in sync with, by name.
    pub(crate) fn feeds_in_sync(&self) -> impl Iterator<Item = (&str, bool)> {
        self.mirror.feeds.iter().zip(&self.feeds).map(|(hosts, feed)| (&*hosts.name, feed.is_in_sync))
    }

    /// Takes over what has been settled about the queue.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] for settings out of range; what was settled before holds.
    pub fn settle(&mut self, settings: QueueSettings) -> Result<(), SettingsError> {
        settings.validate()?;
        self.tenants.settle(settings, &mut self.queue);
        Ok(())
    }

    /// How tenants stand in the queue.
    pub(crate) fn tenants(&self) -> impl Iterator<Item = (&str, TenantStatus)> {
        self.tenants.status(&self.queue)
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// How long the pods waited that were decided since the last call.
    pub(crate) fn take_waits(&mut self) -> Vec<Duration> {
        std::mem::take(&mut self.waits)
    }

    /// How much of everything there is: hosts, of these closed, entries, pods that wait, pods in all, classes, of these
    /// parked, groups of pods.
    pub(crate) fn sizes(&self) -> [(&'static str, usize); 8] {
        [
            ("hosts", self.scheduler.cell().len()),
            ("closed_hosts", self.mirror.closed()),
            ("ledger_entries", self.mirror.entries()),
            ("waiting_pods", self.pods.waiting()),
            ("pods", self.pods.len()),
            ("classes", self.classes.len()),
            ("parked_classes", self.queue.parked_len()),
            ("pod_groups", self.gangs.len()),
        ]
    }

    /// When something is to be done though nothing comes in.
    pub(crate) fn next_time(&self) -> Option<Duration> {
        let deadline = self.deadlines.front().map(|(at, _)| *at);
        let next = if self.has_begun {
            [
                self.classes.next_due(),
                self.gangs.next_due(),
                self.queue.next_due(),
                self.preemptions.next_due(),
            ]
            .into_iter()
            .flatten()
            .min()
        } else {
            self.feeds.iter().any(|feed| feed.was_in_sync).then_some(self.started + FIRST_SYNC)
        };
        [deadline, next].into_iter().flatten().min()
    }

    /// Whether decisions may be made: all host partitions have been in sync once, or some and the others take too long.
    fn may_decide(&mut self, now: Duration) -> bool {
        if !self.has_begun {
            let mut synced = self.feeds.iter().map(|feed| feed.was_in_sync);
            let all = synced.clone().all(|synced| synced);
            self.has_begun = all || (synced.any(|synced| synced) && now >= self.started + FIRST_SYNC);
        }
        self.has_begun
    }

    /// Releases assumptions that have waited too long for an entry.
    pub(crate) fn expire(&mut self, now: Duration) {
        while self.deadlines.front().is_some_and(|(at, _)| *at <= now) {
            let Some((_, key)) = self.deadlines.pop_front() else { return };
            // Another deadline may have taken the place of this one.
            let held = match self.pods.get(key).filter(|pod| pod.expires <= now).map(|pod| &pod.state) {
                Some(State::Bound(placement) | State::Orphaned(placement)) => placement.host(),
                Some(State::Waiting | State::Decided(_) | State::Confirmed) | None => continue,
            };
            let feed = self.mirror.record(held).and_then(|record| self.feeds.get(record.feed));
            if feed.is_some_and(|feed| !feed.is_in_sync) {
                // Its entry may be there without being known here.
                self.expect_entry(key, now);
                continue;
            }
            self.counts.expired += 1;
            self.forget(key);
        }
    }

    /// Gives a ledger entry time to come for what is assumed for a pod.
    fn expect_entry(&mut self, key: PodKey, now: Duration) {
        self.pods.set_expiry(key, now + UNCONFIRMED);
        self.deadlines.push_back((now + UNCONFIRMED, key));
    }

    /// Drops a pod and what is assumed for it.
    fn forget(&mut self, key: PodKey) {
        let Some(pod) = self.pods.remove(key) else { return };
        match pod.state {
            State::Decided(placement) | State::Bound(placement) | State::Orphaned(placement) => {
                self.mirror.release(placement, pod.tenant, &mut self.scheduler, &mut self.queue);
            }
            State::Waiting => drop(self.queue.remove(key.number())),
            State::Confirmed => {}
        }
        if let Some(gang) = pod.gang {
            self.gangs.leave(gang, key);
        }
        self.classes.give_up(pod.class, &mut self.scheduler);
    }
}
