//! Pods that wait for a host, in the order in which they should be tried.
//!
//! The queue holds classes: pods of one tenant, class and priority wait in one line, and only the head of a line is looked
//! at. A class that fits nowhere is parked, with all its pods and all that still arrive; it costs one check, of one host,
//! when that host changes in a way that could help it, and nothing otherwise. Pods that are placed all or none are a group:
//! one entry, which waits, is tried and is parked as a whole.

mod entry;
mod order;
mod settings;
mod share;
mod tenant;
mod unit;
mod wake;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rustc_hash::FxHashMap;

pub use self::entry::{MAX_GROUP, Membership, Next, Pending, QueueError, TenantId, Waiting, WaitingGroup};
pub use self::settings::{Backoff, TenantSettings};
pub use self::tenant::TenantStatus;
use self::tenant::Tenants;
use self::unit::{Entry, Head, Kind, Unit, UnitId, Units};
use self::wake::ClassState;
use self::watch::Watch;
use crate::class::ClassId;
use crate::placement::Placement;
use crate::scheduler::Scheduler;

/// From here on priorities are those of Kubernetes' two system classes.
pub const CRITICAL_PRIORITY: i32 = 2_000_000_000;

/// What makes a line: tenant, class, priority, first.
type LineKey = (u32, ClassId, i32, bool);

/// Where a pod is.
#[derive(Clone, Copy, Debug)]
enum Place {
    Unit { unit: UnitId, order: u64 },
    Resting { until: Duration, order: u64 },
}

/// What rests until a time.
#[derive(Clone, Copy, Debug)]
enum Resting {
    Pod(Waiting),
    Group(UnitId),
}

/// Pods and groups that wait, in one order:
///
/// 1. Pods of [`CRITICAL_PRIORITY`] or more of tenants that [may](TenantSettings::may_be_critical) have such go first, by
///    priority and then by arrival.
/// 2. Of all others it is one tenant's turn: tenants with less than what is guaranteed to them before the others, the
///    smallest weighted dominant share first, of equal shares the lowest number. Shares are what
///    [`charge`](Self::charge) has counted, so they follow from placements and not from what has been tried.
/// 3. Within a tenant the highest priority goes first, then pods marked `first`, then the oldest.
///
/// What is parked or rests takes no part. The queue reads no clock: [`advance`](Self::advance) says what time it is.
///
/// ```
/// use meridian_engine::{Demand, Host, Next, Pending, Profile, Queue, Resources, Scheduler};
///
/// let mut scheduler = Scheduler::new(Profile::meridian())?;
/// let allocatable = Resources { cpu_milli: 4_000, ..Resources::default() };
/// let host = scheduler.add_host(&Host { name: "a".into(), allocatable, pods: 110, ..Host::default() })?;
/// let requests = Resources { cpu_milli: 3_000, ..Resources::default() };
/// let class = scheduler.class(&Demand { requests, ..Demand::default() })?;
///
/// let mut queue = Queue::new();
/// queue.push(Pending::new(1, class))?;
/// queue.push(Pending::new(2, class))?;
/// let mut placed = Vec::new();
/// while let Some(Next::Pod(waiting)) = queue.pop(&mut scheduler) {
///     match scheduler.schedule(waiting.class) {
///         Some(placement) => {
///             queue.charge(waiting.tenant, &placement)?;
///             placed.push((waiting, placement));
///         }
///         None => queue.park(waiting, &mut scheduler),
///     }
/// }
/// assert_eq!((placed.len(), queue.len()), (1, 1));
///
/// let (stopped, placement) = placed.remove(0);
/// queue.discharge(stopped.tenant, &placement);
/// scheduler.release(placement)?;
/// queue.host_changed(host, &mut scheduler);
/// assert!(matches!(queue.pop(&mut scheduler), Some(Next::Pod(waiting)) if waiting.pod == 2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct Queue {
    tenants: Tenants,
    units: Units,
    lines: FxHashMap<LineKey, UnitId>,
    /// By tenant and the caller's number.
    groups: FxHashMap<(u32, u64), UnitId>,
    pods: FxHashMap<u64, Place>,
    classes: FxHashMap<ClassId, ClassState>,
    watch: Watch,
    /// What goes before all tenants.
    critical: BTreeSet<Head>,
    resting: BTreeMap<(Duration, u64), Resting>,
    backoff: Backoff,
    now: Duration,
    next: u64,
    parked: usize,
    parked_again: BTreeSet<ClassId>,
    /// Classes that are parked, or have parked groups, and mind where other pods are.
    mindful: BTreeSet<ClassId>,
}

impl Queue {
    /// An empty queue.
    pub fn new() -> Queue {
        Queue::default()
    }

    /// How many pods wait.
    pub fn len(&self) -> usize {
        self.pods.len()
    }

    /// Whether no pod waits.
    pub fn is_empty(&self) -> bool {
        self.pods.is_empty()
    }

    /// Queues a pod behind those of its tenant and priority. One that belongs to a group waits with the group, whose place
    /// is that of its first member and whose priority is the highest of any member's.
    ///
    /// # Errors
    ///
    /// [`QueueError::Duplicate`] for a pod that waits already, and what is wrong with its group.
    pub fn push(&mut self, pending: Pending) -> Result<(), QueueError> {
        let Pending { pod, class, tenant, priority, first, failures, group } = pending;
        if self.pods.contains_key(&pod) {
            return Err(QueueError::Duplicate { pod });
        }
        if let Some(Membership { group, least }) = group
            && !(1..=MAX_GROUP).contains(&least)
        {
            return Err(QueueError::GroupSize { group, least });
        }
        let slot = self.tenants.slot(tenant)?;
        let order = self.next;
        let waiting = Waiting { pod, class, tenant, priority, first, failures, since: self.now, order };
        let unit = match group {
            None => self.line(slot, &waiting),
            Some(membership) => {
                let unit = self.group(slot, membership, &waiting);
                if self.units.get(unit).is_some_and(|unit| unit.len() >= MAX_GROUP as usize) {
                    self.tenants.wait(slot, 0);
                    return Err(QueueError::GroupFull { group: membership.group });
                }
                unit
            }
        };
        self.next += 1;
        self.insert(unit, &waiting);
        if group.is_some() {
            // One more to choose from.
            self.wake_group(unit);
        }
        Ok(())
    }

    /// Queues a pod that has been placed in vain before: it rests first, for as long as its failures make it. Members of groups
    /// do not rest alone.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    pub fn push_failed(&mut self, pending: Pending) -> Result<(), QueueError> {
        let until = self.now + self.backoff.wait(pending.failures);
        if until <= self.now || pending.group.is_some() || self.pods.contains_key(&pending.pod) {
            return self.push(pending);
        }
        let Pending { pod, class, tenant, priority, first, failures, .. } = pending;
        let slot = self.tenants.slot(tenant)?;
        let order = self.next;
        self.next += 1;
        let waiting = Waiting { pod, class, tenant, priority, first, failures, since: self.now, order };
        self.rest(slot, waiting, until);
        Ok(())
    }

    /// Takes a pod out that waits, alone or in a group. Returns whether it did.
    pub fn remove(&mut self, pod: u64) -> bool {
        match self.pods.remove(&pod) {
            Some(Place::Unit { unit, order }) => {
                if let Some(entries) = self.units.get_mut(unit) {
                    let tenant = entries.tenant;
                    entries.remove(order);
                    self.wake_group(unit);
                    self.relist(unit);
                    self.tidy(unit);
                    self.tenants.wait(tenant, -1);
                }
                true
            }
            Some(Place::Resting { until, order }) => {
                if let Some(Resting::Pod(waiting)) = self.resting.remove(&(until, order))
                    && let Ok(slot) = self.tenants.slot(waiting.tenant)
                {
                    self.tenants.wait(slot, -1);
                }
                true
            }
            None => false,
        }
    }

    /// Takes what should be tried next. Give it back with [`park`](Self::park) when it fits nowhere; count what it is given
    /// with [`charge`](Self::charge) when it is placed.
    pub fn pop(&mut self, scheduler: &mut Scheduler) -> Option<Next> {
        self.tenants.adopt(scheduler.cell());
        loop {
            let (_, _, _, id) = self.critical.first().copied().or_else(|| self.tenants.first())?;
            let unit = self.units.get_mut(id)?;
            match unit.kind {
                Kind::Line { class } => {
                    if !self.may_fit(class, scheduler) {
                        continue;
                    }
                    return self.pop_line(id).map(Next::Pod);
                }
                Kind::Group { .. } => return self.pop_group(id).map(Next::Group),
            }
        }
    }

    /// Puts back what fits nowhere, in its place, and aside until a host changes so that it could fit: a pod with its class, a
    /// group for itself. A group rests besides, for longer each time, since of changes that could help it few do.
    pub fn park(&mut self, next: impl Into<Next>, scheduler: &mut Scheduler) {
        match next.into() {
            Next::Pod(waiting) => {
                let Ok(slot) = self.tenants.slot(waiting.tenant) else { return };
                let unit = self.line(slot, &waiting);
                self.insert(unit, &waiting);
                self.park_class(waiting.class, scheduler);
            }
            Next::Group(group) => {
                let until = self.now + self.backoff.wait(group.failures.saturating_add(1));
                if let Some(unit) = self.put_back(group) {
                    self.park_group(unit, until, scheduler);
                }
            }
        }
    }

    /// Puts back what was placed in vain: its claim was refused, or those that should make way have not yet. It rests, longer
    /// each time, and is tried again then, whatever happens.
    pub fn back_off(&mut self, next: impl Into<Next>) {
        match next.into() {
            Next::Pod(waiting) => {
                let Ok(slot) = self.tenants.slot(waiting.tenant) else { return };
                let waiting = Waiting { failures: waiting.failures.saturating_add(1), ..waiting };
                let until = self.now + self.backoff.wait(waiting.failures);
                if until <= self.now {
                    let unit = self.line(slot, &waiting);
                    self.insert(unit, &waiting);
                    return;
                }
                self.rest(slot, waiting, until);
            }
            Next::Group(group) => {
                let until = self.now + self.backoff.wait(group.failures.saturating_add(1));
                if let Some(unit) = self.put_back(group) {
                    self.rest_group(unit, until);
                }
            }
        }
    }

    fn rest(&mut self, slot: u32, waiting: Waiting, until: Duration) {
        let order = waiting.order;
        self.resting.insert((until, order), Resting::Pod(waiting));
        self.pods.insert(waiting.pod, Place::Resting { until, order });
        self.tenants.wait(slot, 1);
    }

    /// Says what time it is: what has rested long enough may be tried again. The time never goes back.
    pub fn advance(&mut self, now: Duration) {
        self.now = self.now.max(now);
        while self.resting.first_key_value().is_some_and(|((until, _), _)| *until <= self.now) {
            match self.resting.pop_first() {
                Some((_, Resting::Pod(waiting))) => {
                    let Ok(slot) = self.tenants.slot(waiting.tenant) else { continue };
                    self.pods.remove(&waiting.pod);
                    let unit = self.line(slot, &waiting);
                    self.insert(unit, &waiting);
                    self.tenants.wait(slot, -1);
                }
                Some((_, Resting::Group(unit))) => self.set_ready(unit),
                None => {}
            }
        }
    }

    /// When something that rests may be tried again.
    pub fn next_due(&self) -> Option<Duration> {
        self.resting.first_key_value().map(|((until, _), _)| *until)
    }

    /// Counts what a placement holds among what its tenant has: when a pod is placed, whoever placed it.
    ///
    /// # Errors
    ///
    /// [`QueueError::Tenants`] when there are absurdly many.
    pub fn charge(&mut self, tenant: TenantId, placement: &Placement) -> Result<(), QueueError> {
        self.tenants.count(tenant, placement.ask(), true)
    }

    /// Counts it no more: when the pod has stopped. Only for what has been charged.
    pub fn discharge(&mut self, tenant: TenantId, placement: &Placement) {
        // What has been charged has a place.
        let _ = self.tenants.count(tenant, placement.ask(), false);
    }

    /// Settles what a tenant is entitled to, from now on. Nothing that waits loses its place within the tenant.
    ///
    /// # Errors
    ///
    /// [`QueueError`] for settings outside their range; what was settled before holds.
    pub fn set_tenant(&mut self, tenant: TenantId, settings: TenantSettings) -> Result<(), QueueError> {
        let slot = self.tenants.settle(tenant, settings)?;
        let units: Vec<UnitId> =
            self.units.iter().filter(|(_, unit)| unit.tenant == slot).map(|(id, _)| id).collect();
        for unit in units {
            self.relist(unit);
        }
        Ok(())
    }

    /// Settles how long what fails rests, from the next failure on.
    ///
    /// # Errors
    ///
    /// [`QueueError::Backoff`] for a backoff outside its range.
    pub fn set_backoff(&mut self, backoff: Backoff) -> Result<(), QueueError> {
        backoff.validate()?;
        self.backoff = backoff;
        Ok(())
    }

    /// How all tenants stand that wait or hold something, in the order of their numbers. Looks at every line.
    pub fn tenants(&self) -> Vec<TenantStatus> {
        let mut oldest: FxHashMap<TenantId, Duration> = FxHashMap::default();
        let mut note = |tenant: TenantId, since: Duration| {
            let known = oldest.entry(tenant).or_insert(since);
            *known = since.min(*known);
        };
        for (_, unit) in self.units.iter() {
            if let (Some(tenant), Some(front)) = (self.tenants.get(unit.tenant), unit.front()) {
                note(tenant.id, front.since);
            }
        }
        for resting in self.resting.values() {
            if let Resting::Pod(waiting) = resting {
                note(waiting.tenant, waiting.since);
            }
        }
        let mut all: Vec<TenantStatus> = self
            .tenants
            .iter()
            .map(|(_, tenant)| TenantStatus {
                tenant: tenant.id,
                settings: tenant.settings,
                waiting: tenant.waiting,
                oldest: oldest.get(&tenant.id).copied(),
                share_millionths: tenant.share_millionths(),
            })
            .collect();
        all.sort_unstable_by_key(|status| status.tenant);
        all
    }

    /// Takes out all pods that still wait, in the order of their arrival.
    pub fn drain(&mut self) -> Vec<Waiting> {
        let mut drained: Vec<Waiting> = Vec::with_capacity(self.pods.len());
        for (_, unit) in self.units.iter() {
            let Some(tenant) = self.tenants.get(unit.tenant).map(|tenant| tenant.id) else { continue };
            drained.extend(unit.entries().map(|entry| waiting(unit, tenant, entry)));
        }
        drained.extend(self.resting.values().filter_map(|resting| match resting {
            Resting::Pod(waiting) => Some(*waiting),
            Resting::Group(_) => None,
        }));
        drained.sort_unstable_by_key(|waiting| waiting.order);
        self.units = Units::default();
        self.lines.clear();
        self.groups.clear();
        self.pods.clear();
        self.classes.clear();
        self.watch.clear();
        self.critical.clear();
        self.resting.clear();
        self.tenants.clear_waiting();
        self.parked = 0;
        self.parked_again.clear();
        self.mindful.clear();
        drained
    }
}

fn waiting(unit: &Unit, tenant: TenantId, entry: &Entry) -> Waiting {
    let Entry { order, pod, class, since, failures, .. } = *entry;
    Waiting { pod, class, tenant, priority: unit.priority, first: unit.first, failures, since, order }
}

#[cfg(test)]
mod tests;
