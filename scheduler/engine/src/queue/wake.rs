//! What is parked, and what brings it back.
//!
//! A class is parked when no host can take it. From then on only a host that changes can, so a host that has changed and
//! admits it makes the class *woken*: its pods may be tried, as long as one of the hosts that woke it still admits it. That
//! is asked again each time, for what woke a thousand classes may be taken by the first of them.

use std::collections::BTreeSet;
use std::time::Duration;

use super::unit::{Kind, State, UnitId};
use super::{Queue, Resting};
use crate::cell::HostId;
use crate::class::ClassId;
use crate::scheduler::Scheduler;

/// A class woken by more hosts is taken to fit.
const MAX_HOSTS: usize = 4;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Standing {
    /// May fit.
    #[default]
    Free,
    /// Fits nowhere.
    Parked,
    /// Fits on these hosts at most.
    Woken(Vec<HostId>),
}

/// A class that waits.
#[derive(Debug, Default)]
pub(super) struct ClassState {
    pub(super) lines: Vec<UnitId>,
    standing: Standing,
    /// Parked groups with members of this class.
    groups: BTreeSet<UnitId>,
    /// Where the class minds pods elsewhere: as of when it was found to fit nowhere.
    seen: Option<(u64, u64)>,
}

impl ClassState {
    pub(super) fn is_parked(&self) -> bool {
        self.standing == Standing::Parked
    }

    /// Whether a change of a host may matter to it.
    fn is_watched(&self) -> bool {
        self.standing != Standing::Free || !self.groups.is_empty()
    }
}

impl Queue {
    /// The classes that fit nowhere as things are, in the order of their ids.
    pub fn parked(&self) -> Vec<ClassId> {
        let mut parked: Vec<ClassId> =
            self.classes.iter().filter(|(_, state)| state.is_parked()).map(|(class, _)| *class).collect();
        parked.sort_unstable();
        parked
    }

    /// How many classes fit nowhere as things are.
    pub fn parked_len(&self) -> usize {
        self.parked
    }

    /// Whether a class waits and fits nowhere as things are.
    pub fn is_parked(&self, class: ClassId) -> bool {
        self.classes.get(&class).is_some_and(ClassState::is_parked)
    }

    /// The classes that have been parked again without being tried since this was last asked: why they fit nowhere may have
    /// changed.
    pub fn take_parked_again(&mut self) -> BTreeSet<ClassId> {
        std::mem::take(&mut self.parked_again)
    }

    /// Says that a host has more room or was described anew: what is parked and admitted there may be tried again. Must be
    /// said of every such host; said of others it does no harm.
    pub fn host_changed(&mut self, host: HostId, scheduler: &mut Scheduler) {
        if self.watch.is_empty() {
            return;
        }
        let mut found = Vec::new();
        self.watch.candidates(host, scheduler, &mut found);
        for class in found {
            if scheduler.admits(class, host) {
                self.woken_by(class, host);
            }
        }
    }

    /// Says that pods have come or gone: what is parked and minds where other pods are may be tried again.
    pub fn pods_changed(&mut self, scheduler: &mut Scheduler) {
        for class in self.mindful.clone() {
            let seen = self.classes.get(&class).and_then(|state| state.seen);
            if scheduler.pods_version(class) != seen {
                self.wake(class);
            }
        }
    }

    /// Notes that a class or a group with members of it fits nowhere as pods are now.
    fn note_pods(&mut self, class: ClassId, scheduler: &mut Scheduler) {
        let seen = scheduler.pods_version(class);
        if let Some(state) = self.classes.get_mut(&class) {
            state.seen = seen;
        }
        if seen.is_some() {
            self.mindful.insert(class);
        }
    }

    /// Says that something else than a host has changed that could help a class: it may be tried again.
    pub fn wake(&mut self, class: ClassId) {
        self.stand(class, Standing::Free);
        self.wake_groups(class);
        self.tidy_class(class);
    }

    /// Says that all may have changed, such as the profile.
    pub fn wake_all(&mut self) {
        let mut all: Vec<ClassId> = self.classes.keys().copied().collect();
        all.sort_unstable();
        for class in all {
            self.wake(class);
        }
    }

    fn woken_by(&mut self, class: ClassId, host: HostId) {
        self.wake_groups(class);
        let Some(state) = self.classes.get_mut(&class) else { return };
        match &mut state.standing {
            Standing::Free => {}
            Standing::Parked => self.stand(class, Standing::Woken(vec![host])),
            Standing::Woken(hosts) if hosts.contains(&host) => {}
            Standing::Woken(hosts) if hosts.len() < MAX_HOSTS => hosts.push(host),
            Standing::Woken(_) => self.stand(class, Standing::Free),
        }
        self.tidy_class(class);
    }

    /// Whether a class that is to be tried may still fit. Where not, it is parked again.
    pub(super) fn may_fit(&mut self, class: ClassId, scheduler: &mut Scheduler) -> bool {
        let Some(state) = self.classes.get_mut(&class) else { return true };
        let Standing::Woken(hosts) = &mut state.standing else { return true };
        hosts.retain(|host| scheduler.admits(class, *host));
        if !hosts.is_empty() {
            return true;
        }
        self.stand(class, Standing::Parked);
        self.parked_again.insert(class);
        false
    }

    pub(super) fn park_class(&mut self, class: ClassId, scheduler: &mut Scheduler) {
        self.stand(class, Standing::Parked);
        self.watch.add(class, scheduler);
        self.note_pods(class, scheduler);
    }

    fn stand(&mut self, class: ClassId, standing: Standing) {
        let Some(state) = self.classes.get_mut(&class) else { return };
        let was_parked = state.is_parked();
        state.standing = standing;
        let is_parked = state.is_parked();
        if was_parked == is_parked {
            return;
        }
        let lines = std::mem::take(&mut state.lines);
        for id in &lines {
            if let Some(unit) = self.units.get_mut(*id) {
                unit.state = if is_parked { State::Parked } else { State::Ready };
            }
            self.relist(*id);
        }
        if let Some(state) = self.classes.get_mut(&class) {
            state.lines = lines;
        }
        self.parked = if is_parked { self.parked + 1 } else { self.parked - 1 };
    }

    /// Forgets what is not needed of a class any more.
    pub(super) fn tidy_class(&mut self, class: ClassId) {
        if self.classes.get(&class).is_some_and(|state| state.lines.is_empty()) {
            // Nobody is left whom its standing could matter to.
            self.stand(class, Standing::Free);
        }
        let Some(state) = self.classes.get(&class) else { return };
        if !state.is_watched() {
            self.mindful.remove(&class);
            self.watch.remove(class);
            if self.classes.get(&class).is_some_and(|state| state.lines.is_empty()) {
                self.classes.remove(&class);
                self.parked_again.remove(&class);
            }
        }
    }

    /// Parks a group until a host admits one of its members; before `until` it is not tried even then.
    pub(super) fn park_group(&mut self, id: UnitId, until: Duration, scheduler: &mut Scheduler) {
        let Some(unit) = self.units.get_mut(id) else { return };
        unit.state = State::Parked;
        unit.not_before = until;
        let classes: BTreeSet<ClassId> = unit.entries().map(|entry| entry.class).collect();
        unit.watched = classes.iter().copied().collect();
        self.relist(id);
        for class in classes {
            self.classes.entry(class).or_default().groups.insert(id);
            self.watch.add(class, scheduler);
            self.note_pods(class, scheduler);
        }
    }

    /// Has a group wait until a time.
    pub(super) fn rest_group(&mut self, id: UnitId, until: Duration) {
        if until <= self.now {
            self.set_ready(id);
            return;
        }
        let order = self.next;
        self.next += 1;
        if let Some(unit) = self.units.get_mut(id) {
            unit.state = State::Resting { until, order };
            self.resting.insert((until, order), Resting::Group(id));
        }
        self.relist(id);
    }

    pub(super) fn set_ready(&mut self, id: UnitId) {
        if let Some(unit) = self.units.get_mut(id) {
            unit.state = State::Ready;
        }
        self.relist(id);
    }

    fn wake_groups(&mut self, class: ClassId) {
        let Some(state) = self.classes.get(&class) else { return };
        for group in state.groups.clone() {
            self.wake_group(group);
        }
    }

    /// Has a parked group tried again, at the earliest when it has rested.
    pub(super) fn wake_group(&mut self, id: UnitId) {
        let Some(unit) = self.units.get(id).filter(|unit| unit.state == State::Parked) else { return };
        if !matches!(unit.kind, Kind::Group { .. }) {
            return;
        }
        let until = unit.not_before;
        self.unwatch_group(id);
        self.rest_group(id, until);
    }

    /// Watches for a group's classes no more on its account.
    pub(super) fn unwatch_group(&mut self, id: UnitId) {
        let Some(unit) = self.units.get_mut(id) else { return };
        for class in std::mem::take(&mut unit.watched) {
            if let Some(state) = self.classes.get_mut(&class) {
                state.groups.remove(&id);
            }
            self.tidy_class(class);
        }
    }
}
