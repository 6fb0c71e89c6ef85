//! The engine's classes in use, and what pods of a class that fits nowhere are told.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use meridian_engine::{ClassId, Demand, DemandError, Queue, Scheduler};
use rustc_hash::FxHashMap;

use super::pods::{PodKey, Pods};

/// Once explained, a class is not explained anew for at least this long, and longer the more pods would be told.
const AGAIN: Duration = Duration::from_secs(10);

/// The time that telling one pod anew is worth.
const AGAIN_PER_POD: Duration = Duration::from_millis(1);

/// Classes that stay parked are explained anew now and then, since what keeps them away may be something else by now: one in
/// this time at most, whatever their number.
const AGAIN_PER_CLASS: Duration = Duration::from_millis(100);

/// What is known of a class in use.
#[derive(Debug, Default)]
pub(crate) struct Class {
    /// Definitions, pods and ledger entries that refer to it.
    users: u64,
    /// Why, as last told.
    pub(crate) message: Option<Arc<str>>,
    /// Grows with each message; 0 before the first.
    pub(crate) number: u32,
    explained: Option<Duration>,
    /// When it will be explained, where that is due.
    due: Option<Duration>,
    /// It has been tried since it was explained.
    was_tried: bool,
    /// How much had been heard from hosts when it was explained.
    heard: u64,
    /// Pods that came to wait, in order, with those that wait no more until there are too many of these.
    arrivals: Vec<PodKey>,
    /// How many of the arrivals have been told something.
    told: usize,
}

/// The classes that anything refers to.
#[derive(Debug, Default)]
pub(crate) struct Classes {
    known: FxHashMap<ClassId, Class>,
    due: BTreeSet<(Duration, ClassId)>,
}

impl Classes {
    /// The class of a demand, counted once more.
    pub(crate) fn intern(
        &mut self,
        demand: &Demand,
        scheduler: &mut Scheduler,
    ) -> Result<ClassId, DemandError> {
        let class = scheduler.class(demand)?;
        self.known.entry(class).or_default().users += 1;
        Ok(class)
    }

    /// Counts a class once more.
    pub(crate) fn hold(&mut self, class: ClassId) {
        self.known.entry(class).or_default().users += 1;
    }

    /// Counts a class once less; the engine forgets it with its last user.
    pub(crate) fn give_up(&mut self, class: ClassId, scheduler: &mut Scheduler) {
        let Some(entry) = self.known.get_mut(&class) else { return };
        entry.users = entry.users.saturating_sub(1);
        if entry.users > 0 {
            return;
        }
        if let Some(due) = entry.due {
            self.due.remove(&(due, class));
        }
        self.known.remove(&class);
        scheduler.forget_class(class);
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    pub(crate) fn get_mut(&mut self, class: ClassId) -> Option<&mut Class> {
        self.known.get_mut(&class)
    }

    /// Notes that a class fits nowhere, and that this wants explaining.
    pub(crate) fn park(&mut self, class: ClassId, now: Duration) {
        let Some(entry) = self.known.get_mut(&class) else { return };
        if !std::mem::replace(&mut entry.was_tried, true) {
            let at = entry.explained.map_or(now, |explained| now.max(explained + entry.pause()));
            self.fall_due(class, at);
        }
    }

    fn fall_due(&mut self, class: ClassId, at: Duration) {
        let Some(entry) = self.known.get_mut(&class) else { return };
        if let Some(former) = entry.due.replace(at) {
            self.due.remove(&(former, class));
        }
        self.due.insert((at, class));
    }

    /// When the next class is to be explained.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.due.first().map(|(at, _)| *at)
    }

    /// A class that is to be explained now: one that was tried in vain, or is parked while `heard`, which grows with all
    /// that is heard from hosts, has grown.
    pub(crate) fn take_due(&mut self, now: Duration, queue: &Queue, heard: u64) -> Option<ClassId> {
        while self.due.first().is_some_and(|(at, _)| *at <= now) {
            let (_, class) = self.due.pop_first()?;
            let others = AGAIN_PER_CLASS.saturating_mul(u32::try_from(self.due.len()).unwrap_or(u32::MAX));
            let Some(entry) = self.known.get_mut(&class) else { continue };
            entry.due = None;
            let was_tried = std::mem::take(&mut entry.was_tried);
            if !queue.is_parked(class) {
                continue;
            }
            let is_news = std::mem::replace(&mut entry.heard, heard) != heard;
            if was_tried || is_news {
                entry.explained = Some(now);
            }
            let again = now + entry.pause().max(others);
            self.fall_due(class, again);
            if was_tried || is_news {
                return Some(class);
            }
        }
        None
    }
}

impl Class {
    /// How long nothing new is told.
    fn pause(&self) -> Duration {
        let pods = u32::try_from(self.arrivals.len()).unwrap_or(u32::MAX);
        AGAIN.max(AGAIN_PER_POD.saturating_mul(pods))
    }

    /// Takes in a pod that waits now. Returns whether there is something to tell it where its class fits nowhere.
    pub(crate) fn arrive(&mut self, key: PodKey, pods: &Pods) -> bool {
        // Dropped when half of them wait no more, so that each is looked at a fixed number of times.
        if self.arrivals.len() == self.arrivals.capacity() {
            let mut kept = 0;
            let told = self.told;
            let mut place = 0;
            self.arrivals.retain(|key| {
                let waits = pods.is_waiting(*key);
                kept += usize::from(waits && place < told);
                place += 1;
                waits
            });
            self.told = kept;
            self.arrivals.reserve(self.arrivals.len().max(32));
        }
        self.arrivals.push(key);
        self.message.is_some()
    }

    /// Takes a new message. Returns whether it differs from the last one: then all pods are to be told.
    pub(crate) fn explain(&mut self, message: String) -> bool {
        if self.message.as_deref() == Some(&*message) {
            return false;
        }
        self.message = Some(message.into());
        self.number = self.number.wrapping_add(1).max(1);
        self.told = 0;
        true
    }

    /// Some of the pods that wait, in order.
    pub(crate) fn waiting(&self, pods: &Pods, most: usize) -> Vec<PodKey> {
        self.arrivals.iter().copied().filter(|key| pods.is_waiting(*key)).take(most).collect()
    }

    /// The pods that have not been told the class' message, which are taken to be told now.
    pub(crate) fn untold(&mut self) -> Vec<PodKey> {
        let untold = self.arrivals.get(self.told..).map(<[PodKey]>::to_vec).unwrap_or_default();
        self.told = self.arrivals.len();
        untold
    }
}
