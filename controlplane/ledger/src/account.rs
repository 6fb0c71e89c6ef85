//! The account of each host, kept by the scheduler's engine, so that ledger and scheduler cannot disagree about what fits.
//!
//! The ledger does not look at labels and taints: constraints are taken off a demand before it is interned, which keeps
//! the demands few. Who a pod is and what it carries against others stays, though nothing here looks at it: replicas learn
//! from the demand what runs where. Each gets a number that is never used again for another, by which the feed to replicas
//! names it.

use std::collections::VecDeque;
use std::sync::Arc;

use meridian_engine::{
    Cell, ClassId, Constraints, Demand, DemandError, Host, HostError, HostId, MAX_QUANTITY, PlaceError,
    Placement, Profile, ResourceId, Resources, Scheduler, Seat, Violation,
};
use rustc_hash::FxHashMap;

/// Demands that nobody holds any more and that are kept, since pods of one demand come and go.
const IDLE_DEMANDS: usize = 1024;

/// What is free on a host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Free {
    /// Quantities; negative where a host has shrunk below what it runs.
    pub resources: Resources,
    /// How many pods more.
    pub pods: i64,
    /// Grows with every change of the host's account.
    pub version: u64,
}

/// Room taken on a host. Must be given back to the account.
#[derive(Debug)]
pub(crate) struct Taken {
    placement: Placement,
    class: ClassId,
}

/// Why room was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TakeError {
    Demand(DemandError),
    Place(PlaceError),
}

struct Use {
    number: u32,
    holders: u32,
    demand: Arc<Demand>,
    /// Whether it stands in the line of those that may be idle.
    is_queued: bool,
}

pub(crate) struct Account {
    engine: Scheduler,
    classes: FxHashMap<ClassId, Use>,
    idle: VecDeque<ClassId>,
    /// The number of the next new demand.
    next: u32,
    /// Demands numbered since they were last asked for.
    defined: Vec<(u32, Arc<Demand>)>,
}

impl Account {
    pub(crate) fn new() -> Self {
        // Only fit is asked for: nothing is scored.
        let profile = Profile { scores: Vec::new(), ..Profile::meridian() };
        let engine = Scheduler::new(profile).expect("the engine's own profile, without scores, is valid");
        Self { engine, classes: FxHashMap::default(), idle: VecDeque::new(), next: 1, defined: Vec::new() }
    }

    /// An account without hosts that knows the same demands by the same numbers.
    pub(crate) fn fork(&self) -> Self {
        let mut fork = Self { next: self.next, defined: self.defined.clone(), ..Self::new() };
        let mut uses: Vec<&Use> = self.classes.values().collect();
        uses.sort_unstable_by_key(|used| used.number);
        for used in uses {
            if let Ok(class) = fork.engine.class(&used.demand) {
                let demand = Arc::clone(&used.demand);
                fork.classes.insert(class, Use { number: used.number, holders: 0, demand, is_queued: true });
                fork.idle.push_back(class);
            }
        }
        fork
    }

    pub(crate) fn cell(&self) -> &Cell {
        self.engine.cell()
    }

    pub(crate) fn add_host(&mut self, host: &Host) -> Result<HostId, HostError> {
        self.engine.add_host(host)
    }

    pub(crate) fn update_host(&mut self, id: HostId, host: &Host) -> Result<(), HostError> {
        self.engine.update_host(id, host)
    }

    pub(crate) fn remove_host(&mut self, id: HostId) -> Result<(), HostError> {
        self.engine.remove_host(id)
    }

    /// Takes room for a demand, if there is any.
    pub(crate) fn take(&mut self, host: HostId, demand: &Demand, seat: Seat) -> Result<Taken, TakeError> {
        let class = self.class(demand).map_err(TakeError::Demand)?;
        match self.engine.place(class, host, seat) {
            Ok(placement) => {
                self.hold(class);
                Ok(Taken { placement, class })
            }
            Err(error) => Err(TakeError::Place(error)),
        }
    }

    /// Takes room for what is a fact, whether there is any or not: free may be negative afterwards. `host` is described
    /// as `description`. What cannot be accounted for (a port, device or NUMA node that is taken, a quantity out of all bounds) is
    /// left out.
    pub(crate) fn take_anyway(
        &mut self,
        host: HostId,
        description: &Host,
        demand: &Demand,
        seat: Seat,
    ) -> Option<Taken> {
        let mut demand = without_constraints(demand);
        if demand.validate().is_err() {
            let named = Demand { identity: demand.identity, ..Demand::default() };
            demand = if named.validate().is_ok() { named } else { Demand::default() };
        }
        if let Ok(taken) = self.take(host, &demand, seat) {
            return Some(taken);
        }
        let widened = self.widened(host, description, &mut demand)?;
        self.engine.update_host(host, &widened).ok()?;
        let taken = self.take(host, &demand, seat).or_else(|_| {
            demand.ports.clear();
            self.take(host, &demand, seat)
        });
        let taken = taken.or_else(|_| {
            demand.numa = None;
            self.take(host, &demand, seat.devices.into())
        });
        let taken = taken.or_else(|_| {
            demand.devices = None;
            self.take(host, &demand, Seat::default())
        });
        // The description fitted before, so it fits again.
        let restored = self.engine.update_host(host, description);
        debug_assert!(restored.is_ok(), "a host takes the description that it had: {restored:?}");
        taken.ok()
    }

    /// The host with just enough for the demand beside all that it runs. Takes out of the demand what no host can have.
    fn widened(&self, host: HostId, description: &Host, demand: &mut Demand) -> Option<Host> {
        let cell = self.engine.cell();
        let mut widened = description.clone();
        let wide = |resource: ResourceId, offered: i64, request: i64| {
            let free = cell.free(host, resource).unwrap_or(offered);
            let needed = offered.checked_add(request.saturating_sub(free).max(0))?;
            (needed <= MAX_QUANTITY).then_some(needed)
        };
        let Resources { cpu_milli, memory, ephemeral_storage, extended } = &mut demand.requests;
        let offered = &mut widened.allocatable;
        for (resource, offered, request) in [
            (ResourceId::CPU, &mut offered.cpu_milli, cpu_milli),
            (ResourceId::MEMORY, &mut offered.memory, memory),
            (ResourceId::EPHEMERAL_STORAGE, &mut offered.ephemeral_storage, ephemeral_storage),
        ] {
            match wide(resource, *offered, *request) {
                Some(needed) => *offered = needed,
                None => *request = 0,
            }
        }
        extended.retain(|name, request| {
            let had = offered.extended.get(name).copied();
            let needed = match cell.resource(name) {
                Some(resource) => wide(resource, had.unwrap_or(0), *request),
                // No host offers it: a column for it would stay for ever.
                None => None,
            };
            needed.is_some_and(|needed| {
                offered.extended.insert(name.clone(), needed);
                true
            })
        });
        widened.pods = wide(ResourceId::PODS, widened.pods, 1)?;
        Some(widened)
    }

    /// Gives room back.
    pub(crate) fn give_back(&mut self, taken: Taken) {
        // It fails only where the host has gone, and all that it held with it.
        let _ = self.engine.release(taken.placement);
        if let Some(used) = self.classes.get_mut(&taken.class) {
            used.holders = used.holders.saturating_sub(1);
            if used.holders == 0 && !used.is_queued {
                used.is_queued = true;
                self.idle.push_back(taken.class);
                self.forget_idle();
            }
        }
    }

    /// The number of the demand that room was taken for.
    pub(crate) fn number(&self, taken: &Taken) -> u32 {
        self.classes.get(&taken.class).map_or(0, |used| used.number)
    }

    /// The demand that room was taken for.
    pub(crate) fn demand(&self, taken: &Taken) -> Option<&Arc<Demand>> {
        self.classes.get(&taken.class).map(|used| &used.demand)
    }

    /// The devices and NUMA nodes taken.
    pub(crate) fn seat(taken: &Taken) -> Seat {
        taken.placement.seat()
    }

    /// All demands that have a number, by number.
    pub(crate) fn demands(&self) -> Vec<(u32, Arc<Demand>)> {
        let mut demands: Vec<_> =
            self.classes.values().map(|used| (used.number, Arc::clone(&used.demand))).collect();
        demands.sort_unstable_by_key(|(number, _)| *number);
        demands
    }

    /// The demands that got their number since this was last called.
    pub(crate) fn take_defined(&mut self) -> Vec<(u32, Arc<Demand>)> {
        std::mem::take(&mut self.defined)
    }

    /// What is free on a host.
    pub(crate) fn free(&self, host: HostId, description: &Host, version: u64) -> Free {
        let cell = self.engine.cell();
        let of = |resource| cell.free(host, resource).unwrap_or(0);
        let extended = description
            .allocatable
            .extended
            .keys()
            .filter_map(|name| Some((name.clone(), of(cell.resource(name)?))))
            .collect();
        Free {
            resources: Resources {
                cpu_milli: of(ResourceId::CPU),
                memory: of(ResourceId::MEMORY),
                ephemeral_storage: of(ResourceId::EPHEMERAL_STORAGE),
                extended,
            },
            pods: of(ResourceId::PODS),
            version,
        }
    }

    /// What is wrong with the account, where these are all that hold room.
    pub(crate) fn check<'a>(&self, taken: impl Iterator<Item = &'a Taken>) -> Vec<Violation> {
        meridian_engine::check(self.engine.cell(), taken.map(|taken| &taken.placement))
    }

    fn class(&mut self, demand: &Demand) -> Result<ClassId, DemandError> {
        let has_spread = !demand.terms.spread.is_empty() || demand.terms.default_spread.is_some();
        let class = if demand.constraints == Constraints::default() && !has_spread {
            self.engine.class(demand)?
        } else {
            self.engine.class(&without_constraints(demand))?
        };
        if !self.classes.contains_key(&class) {
            let demand = Arc::new(self.engine.demand(class).cloned().unwrap_or_default());
            self.defined.push((self.next, Arc::clone(&demand)));
            self.classes.insert(class, Use { number: self.next, holders: 0, demand, is_queued: true });
            self.next += 1;
            self.idle.push_back(class);
            self.forget_idle();
        }
        Ok(class)
    }

    fn hold(&mut self, class: ClassId) {
        if let Some(used) = self.classes.get_mut(&class) {
            used.holders += 1;
        }
    }

    /// Forgets demands that nobody holds, those first that have stood in the line for the longest time.
    fn forget_idle(&mut self) {
        while self.idle.len() > IDLE_DEMANDS {
            let Some(class) = self.idle.pop_front() else { return };
            let Some(used) = self.classes.get_mut(&class) else { continue };
            used.is_queued = false;
            if used.holders == 0 {
                self.classes.remove(&class);
                self.engine.forget_class(class);
            }
        }
    }
}

fn without_constraints(demand: &Demand) -> Demand {
    Demand {
        requests: demand.requests.clone(),
        scoring: demand.scoring,
        devices: demand.devices.clone(),
        runtime: demand.runtime,
        numa: demand.numa,
        links: demand.links,
        ports: demand.ports.clone(),
        constraints: Constraints::default(),
        identity: demand.identity.clone(),
        terms: demand.terms.carried(),
    }
}
