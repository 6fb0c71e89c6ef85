//! Units in the order of what may be tried.

use super::entry::{Membership, Waiting, WaitingGroup};
use super::unit::{Entry, Kind, State, Unit, UnitId};
use super::{CRITICAL_PRIORITY, Place, Queue, waiting};

impl Queue {
    /// The line of a pod, new if need be. `slot` is its tenant's.
    pub(super) fn line(&mut self, slot: u32, waiting: &Waiting) -> UnitId {
        let Waiting { class, priority, first, .. } = *waiting;
        let key = (slot, class, priority, first);
        if let Some(unit) = self.lines.get(&key) {
            return *unit;
        }
        let mut unit = Unit::new(slot, Kind::Line { class }, priority, first);
        let state = self.classes.entry(class).or_default();
        if state.is_parked() {
            unit.state = State::Parked;
        }
        unit.place = state.lines.len() as u32;
        let id = self.units.add(unit);
        state.lines.push(id);
        self.lines.insert(key, id);
        id
    }

    /// The group that a pod belongs to, new if need be.
    pub(super) fn group(&mut self, slot: u32, membership: Membership, waiting: &Waiting) -> UnitId {
        let Membership { group, least } = membership;
        let id = match self.groups.get(&(slot, group)) {
            Some(id) => *id,
            None => {
                let kind = Kind::Group { group, least, failures: 0 };
                let id = self.units.add(Unit::new(slot, kind, waiting.priority, waiting.first));
                self.groups.insert((slot, group), id);
                id
            }
        };
        if let Some(unit) = self.units.get_mut(id) {
            unit.priority = unit.priority.max(waiting.priority);
            unit.first |= waiting.first;
            if let Kind::Group { least: wanted, .. } = &mut unit.kind {
                *wanted = least;
            }
        }
        id
    }

    /// Puts a pod into its unit.
    pub(super) fn insert(&mut self, id: UnitId, waiting: &Waiting) {
        let Some(unit) = self.units.get_mut(id) else { return };
        let slot = unit.tenant;
        unit.insert(Entry::of(waiting));
        self.pods.insert(waiting.pod, Place::Unit { unit: id, order: waiting.order });
        self.relist(id);
        self.tenants.wait(slot, 1);
    }

    /// Takes the head of a line.
    pub(super) fn pop_line(&mut self, id: UnitId) -> Option<Waiting> {
        let unit = self.units.get_mut(id)?;
        let slot = unit.tenant;
        let entry = unit.pop()?;
        let tenant = self.tenants.get(slot)?.id;
        let popped = waiting(unit, tenant, &entry);
        self.pods.remove(&popped.pod);
        self.relist(id);
        self.tidy(id);
        self.tenants.wait(slot, -1);
        Some(popped)
    }

    /// Takes a whole group.
    pub(super) fn pop_group(&mut self, id: UnitId) -> Option<WaitingGroup> {
        self.unlist(id);
        let unit = self.units.remove(id)?;
        let tenant = self.tenants.get(unit.tenant)?.id;
        let Kind::Group { group, least, failures } = unit.kind else { return None };
        self.groups.remove(&(unit.tenant, group));
        let members: Vec<Waiting> = unit.entries().map(|entry| waiting(&unit, tenant, entry)).collect();
        for member in &members {
            self.pods.remove(&member.pod);
        }
        self.tenants.wait(unit.tenant, -(members.len() as isize));
        Some(WaitingGroup { group, tenant, least, failures, members })
    }

    /// Puts a group back that has been tried in vain, with those of its members that have come since.
    pub(super) fn put_back(&mut self, put: WaitingGroup) -> Option<UnitId> {
        let slot = self.tenants.slot(put.tenant).ok()?;
        let mut id = None;
        for member in &put.members {
            let membership = Membership { group: put.group, least: put.least };
            let unit = self.group(slot, membership, member);
            self.insert(unit, member);
            id = Some(unit);
        }
        if let Some(unit) = id.and_then(|id| self.units.get_mut(id))
            && let Kind::Group { failures, .. } = &mut unit.kind
        {
            *failures = put.failures.saturating_add(1);
        }
        id
    }

    /// Lists a unit where it belongs now, or not at all.
    pub(super) fn relist(&mut self, id: UnitId) {
        let Some(unit) = self.units.get(id) else { return };
        let is_critical = unit.priority >= CRITICAL_PRIORITY
            && self.tenants.get(unit.tenant).is_some_and(|tenant| tenant.settings.may_be_critical);
        let listed = unit.head(id).map(|head| (head, is_critical));
        if listed == unit.listed {
            return;
        }
        let slot = unit.tenant;
        self.unlist(id);
        if let Some(unit) = self.units.get_mut(id) {
            unit.listed = listed;
        }
        match listed {
            Some((head, true)) => drop(self.critical.insert(head)),
            Some((head, false)) => self.tenants.list(slot, head),
            None => {}
        }
    }

    pub(super) fn unlist(&mut self, id: UnitId) {
        let Some(unit) = self.units.get_mut(id) else { return };
        match unit.listed.take() {
            Some((head, true)) => drop(self.critical.remove(&head)),
            Some((head, false)) => {
                let slot = unit.tenant;
                self.tenants.unlist(slot, &head);
            }
            None => {}
        }
    }

    /// Drops a unit that nothing waits in.
    pub(super) fn tidy(&mut self, id: UnitId) {
        let Some(unit) = self.units.get(id).filter(|unit| unit.len() == 0) else { return };
        let (slot, priority, first, place, state) =
            (unit.tenant, unit.priority, unit.first, unit.place, unit.state);
        match unit.kind {
            Kind::Line { class } => {
                self.lines.remove(&(slot, class, priority, first));
                if let Some(state) = self.classes.get_mut(&class) {
                    state.lines.swap_remove(place as usize);
                    let moved = state.lines.get(place as usize).copied();
                    if let Some(moved) = moved.and_then(|moved| self.units.get_mut(moved)) {
                        moved.place = place;
                    }
                }
                self.units.remove(id);
                self.tidy_class(class);
            }
            Kind::Group { group, .. } => {
                match state {
                    State::Parked => self.unwatch_group(id),
                    State::Resting { until, order } => drop(self.resting.remove(&(until, order))),
                    State::Ready => {}
                }
                self.groups.remove(&(slot, group));
                self.units.remove(id);
            }
        }
    }
}
