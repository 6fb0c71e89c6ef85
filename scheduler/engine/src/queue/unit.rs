//! What is tried as one: the head of a line of pods of one class, or a group.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::time::Duration;

use super::entry::Waiting;
use crate::class::ClassId;

/// The number of a unit in [`Units`]; used again when the unit is gone.
pub(super) type UnitId = u32;

/// A place in the order of what may be tried: the least goes first.
pub(super) type Head = (Reverse<i32>, bool, u64, UnitId);

/// A pod in a unit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) order: u64,
    pub(super) pod: u64,
    pub(super) class: ClassId,
    pub(super) since: Duration,
    pub(super) failures: u32,
    /// Taken out, and still in the list.
    is_gone: bool,
}

impl Entry {
    pub(super) fn of(waiting: &Waiting) -> Entry {
        Entry {
            order: waiting.order,
            pod: waiting.pod,
            class: waiting.class,
            since: waiting.since,
            failures: waiting.failures,
            is_gone: false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Line { class: ClassId },
    Group { group: u64, least: u32, failures: u32 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// May be tried.
    Ready,
    /// Fits nowhere as things are.
    Parked,
    /// A group that will be ready at this time, under this number.
    Resting { until: Duration, order: u64 },
}

/// Pods in the order of their arrival.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) tenant: u32,
    pub(super) kind: Kind,
    pub(super) priority: i32,
    pub(super) first: bool,
    pub(super) state: State,
    /// Where the unit stands among those that may be tried, and whether above all tenants.
    pub(super) listed: Option<(Head, bool)>,
    /// A line's place in the list of its class.
    pub(super) place: u32,
    /// Before this time a group that fits nowhere is not tried again.
    pub(super) not_before: Duration,
    /// The classes that a parked group is woken with.
    pub(super) watched: Vec<ClassId>,
    /// The first is never gone.
    entries: VecDeque<Entry>,
    live: usize,
}

impl Unit {
    pub(super) fn new(tenant: u32, kind: Kind, priority: i32, first: bool) -> Unit {
        Unit {
            tenant,
            kind,
            priority,
            first,
            state: State::Ready,
            listed: None,
            place: 0,
            not_before: Duration::ZERO,
            watched: Vec::new(),
            entries: VecDeque::new(),
            live: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.live
    }

    /// Those that wait, by arrival.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| !entry.is_gone)
    }

    /// The oldest.
    pub(super) fn front(&self) -> Option<&Entry> {
        self.entries.front()
    }

    /// Whether enough are there.
    pub(super) fn is_complete(&self) -> bool {
        match self.kind {
            Kind::Line { .. } => self.live > 0,
            Kind::Group { least, .. } => self.live >= least as usize,
        }
    }

    /// Puts a pod in its place by arrival, most often the last or the first.
    pub(super) fn insert(&mut self, entry: Entry) {
        self.live += 1;
        if self.entries.back().is_none_or(|last| last.order < entry.order) {
            self.entries.push_back(entry);
        } else {
            let place = self.entries.partition_point(|other| other.order < entry.order);
            self.entries.insert(place, entry);
        }
    }

    /// Takes the oldest.
    pub(super) fn pop(&mut self) -> Option<Entry> {
        let entry = self.entries.pop_front()?;
        self.live -= 1;
        self.trim();
        Some(entry)
    }

    /// Takes out the pod that came at this place. It stays in the list, as gone, until half of the list is.
    pub(super) fn remove(&mut self, order: u64) -> Option<Entry> {
        let place = self.entries.binary_search_by_key(&order, |entry| entry.order).ok()?;
        let entry = self.entries.get_mut(place).filter(|entry| !entry.is_gone)?;
        entry.is_gone = true;
        let removed = *entry;
        self.live -= 1;
        self.trim();
        if self.entries.len() > 2 * self.live + 16 {
            self.entries.retain(|entry| !entry.is_gone);
        }
        Some(removed)
    }

    fn trim(&mut self) {
        while self.entries.front().is_some_and(|entry| entry.is_gone) {
            self.entries.pop_front();
        }
    }

    /// Where the unit would stand if it may be tried now.
    pub(super) fn head(&self, id: UnitId) -> Option<Head> {
        if self.state != State::Ready || !self.is_complete() {
            return None;
        }
        Some((Reverse(self.priority), !self.first, self.front()?.order, id))
    }
}

/// All units.
#[derive(Debug, Default)]
pub(super) struct Units {
    units: Vec<Option<Unit>>,
    unused: Vec<UnitId>,
}

impl Units {
    pub(super) fn add(&mut self, unit: Unit) -> UnitId {
        match self.unused.pop() {
            Some(id) => {
                self.units[id as usize] = Some(unit);
                id
            }
            None => {
                self.units.push(Some(unit));
                self.units.len() as UnitId - 1
            }
        }
    }

    pub(super) fn remove(&mut self, id: UnitId) -> Option<Unit> {
        let unit = self.units.get_mut(id as usize)?.take()?;
        self.unused.push(id);
        Some(unit)
    }

    pub(super) fn get(&self, id: UnitId) -> Option<&Unit> {
        self.units.get(id as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, id: UnitId) -> Option<&mut Unit> {
        self.units.get_mut(id as usize)?.as_mut()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (UnitId, &Unit)> {
        self.units.iter().enumerate().filter_map(|(id, unit)| Some((id as UnitId, unit.as_ref()?)))
    }
}
