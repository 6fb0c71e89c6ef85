//! The regional scheduler: a cell, the classes of pods that come to it, and the profile that says what is wanted.

mod topology;

use std::sync::Arc;

use crate::ask::{Ask, DeviceAsk};
use crate::bound::{self, Bounds};
use crate::cell::{Cell, HostId};
use crate::class::{ClassId, ClassTable};
use crate::constraint::ConstraintTable;
use crate::demand::{Demand, DemandError};
use crate::explain::{self, Explanation};
use crate::gang::Domains;
use crate::host::{Host, HostError};
use crate::index::{self, Best, Index};
use crate::mix::Mix;
use crate::placement::{PlaceError, Placement, ReleaseError, Seat};
use crate::plugins::{Context, Plugins};
use crate::preempt::{Levels, Preemptors, Registry};
use crate::profile::{Profile, ProfileError, ScorePlugin};
use crate::score::{GpuFragmentation, first_fitting};
use crate::topology::{Grouped, Shapes};

/// How the best host is found. All ways find the same host; they differ in what they cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Search {
    /// Whichever is expected to cost least at each decision.
    #[default]
    Adaptive,
    /// By the class' index: a scan for a class that comes for the first time.
    Index,
    /// By bounds shared by all classes, where the profile and the class allow it.
    Bounds,
}

/// What a search by bounds costs beside the blocks that it evaluates, in evaluations of a block.
const SEARCH_OVERHEAD: f32 = 8.0;

/// How much the last search counts in what the next is expected to cost.
const SEARCH_MEMORY: f32 = 0.25;

/// Where a pod of a class should go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The best host.
    pub host: HostId,
    /// The mask of the device numbers to use there.
    pub devices: u64,
    /// The mask of the NUMA nodes to use there, by a pod that is placed by node.
    pub numa: u32,
    /// The host's total score, in the profile's unit.
    pub score: i64,
}

impl Choice {
    /// Which devices and NUMA nodes to use.
    pub fn seat(&self) -> Seat {
        Seat { devices: self.devices, numa: self.numa }
    }
}

/// Decides where pods go. Deterministic: the same calls give the same answers.
///
/// ```
/// use meridian_engine::{Demand, Host, Profile, Resources, Scheduler};
///
/// let mut scheduler = Scheduler::new(Profile::meridian())?;
/// let allocatable = Resources { cpu_milli: 4_000, memory: 8 << 30, ..Resources::default() };
/// scheduler.add_host(&Host { name: "a".into(), allocatable, pods: 110, ..Host::default() })?;
///
/// let requests = Resources { cpu_milli: 3_000, ..Resources::default() };
/// let class = scheduler.class(&Demand { requests, ..Demand::default() })?;
/// let placement = scheduler.schedule(class).expect("there is room");
/// assert!(scheduler.schedule(class).is_none());
/// assert_eq!(scheduler.explain(class).expect("known").to_string(), "0/1 nodes are available: 1 Insufficient cpu.");
/// scheduler.release(placement)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Scheduler {
    pub(crate) cell: Cell,
    profile: Profile,
    pub(crate) plugins: Plugins,
    pub(crate) constraints: ConstraintTable,
    pub(crate) classes: ClassTable,
    pub(crate) shapes: Shapes,
    /// What is placed, where the profile minds it.
    pub(crate) mix: Option<Mix>,
    pub(crate) bounds: Bounds,
    search: Search,
    pub(crate) domains: Domains,
    pub(crate) registry: Registry,
    pub(crate) levels: Levels,
    pub(crate) preemptors: Preemptors,
}

impl Scheduler {
    /// A scheduler of an empty cell.
    pub fn new(profile: Profile) -> Result<Scheduler, ProfileError> {
        profile.validate()?;
        let mut cell = Cell::new();
        let plugins = Plugins::new(&profile, &mut cell);
        let mix =
            profile.scores.iter().any(|score| score.plugin == ScorePlugin::Fragmentation).then(Mix::default);
        Ok(Scheduler {
            cell,
            mix,
            profile,
            plugins,
            constraints: ConstraintTable::default(),
            classes: ClassTable::default(),
            shapes: Shapes::default(),
            bounds: Bounds::default(),
            search: Search::default(),
            domains: Domains::default(),
            registry: Registry::default(),
            levels: Levels::default(),
            preemptors: Preemptors::default(),
        })
    }

    /// The hosts.
    pub fn cell(&self) -> &Cell {
        &self.cell
    }

    /// Settles how the best host is found, to measure or to test one way.
    pub fn set_search(&mut self, search: Search) {
        self.search = search;
    }

    /// The profile.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Takes a host in, in the lowest free slot.
    pub fn add_host(&mut self, host: &Host) -> Result<HostId, HostError> {
        self.cell.add_host(host)
    }

    /// Takes a host's new description in. What runs there stays, even where it no longer fits.
    pub fn update_host(&mut self, id: HostId, host: &Host) -> Result<(), HostError> {
        self.cell.update_host(id, host)
    }

    /// Drops a host and all that runs there.
    pub fn remove_host(&mut self, id: HostId) -> Result<(), HostError> {
        self.cell.remove_host(id)?;
        self.registry.clear(id.index());
        Ok(())
    }

    /// The class of a demand: equal demands, equal classes.
    pub fn class(&mut self, demand: &Demand) -> Result<ClassId, DemandError> {
        self.classes.intern(demand, &mut self.cell, &mut self.constraints, &self.profile)
    }

    /// Drops what is known of a class. Placements stay.
    pub fn forget_class(&mut self, class: ClassId) {
        self.classes.forget(class, &mut self.constraints, &mut self.cell, &mut self.shapes);
        self.preemptors.forget(class);
    }

    /// The demand of a class.
    pub fn demand(&self, class: ClassId) -> Option<&Demand> {
        self.classes.get(class).map(|class| &*class.demand)
    }

    /// What a class takes from its host.
    pub(crate) fn ask(&mut self, class: ClassId) -> Option<Arc<Ask>> {
        self.classes.refresh(class, &self.cell).map(|class| Arc::clone(&class.ask))
    }

    /// The best host for a pod of a class, over all hosts; of equal scores the first. `None` where no host can take it
    /// now. Takes nothing.
    pub fn decide(&mut self, class: ClassId) -> Option<Choice> {
        self.learn();
        self.find(class)
    }

    /// The best host by what is known so far.
    pub(crate) fn find(&mut self, class: ClassId) -> Option<Choice> {
        let entry = self.classes.touch(class, &self.cell)?;
        entry.reshape(&self.cell, &self.profile, &mut self.shapes);
        let set = self.constraints.get_mut(entry.set);
        set.sync(&self.cell, &self.plugins.filters);
        let ask = Arc::clone(&entry.ask);
        let context = Context { cell: &self.cell, plugins: &self.plugins, ask: &ask, set };
        if let Some(shape) = entry.shape {
            let build = |rules: &_| Grouped::build(&context, rules);
            let best = self.shapes.with(shape, build, |index, rules| index.best(&context, rules))?;
            return Some(self.choice(best, &ask));
        }
        let version = self.cell.journal.version();
        let by_bounds = bound::applies(&context).filter(|_| match self.search {
            Search::Adaptive => entry.behind(&context) as f32 > entry.searched + SEARCH_OVERHEAD,
            Search::Bounds => true,
            Search::Index => false,
        });
        let before = entry.index.as_ref().map_or(0, |index| index.bytes());
        let found = by_bounds.and_then(|linear| self.bounds.search(&context, linear));
        let best = if let Some(found) = found {
            entry.searched += (found.evaluated as f32 - entry.searched) * SEARCH_MEMORY;
            found.best
        } else if let Some(index) = &mut entry.index {
            index.best(&context)
        } else if entry.decided {
            let mut index = Index::build(&context);
            let best = index.best(&context);
            entry.index = Some(Box::new(index));
            best
        } else {
            index::scan(&context)
        };
        entry.decided = true;
        entry.version = version;
        let now = entry.index.as_ref().map_or(0, |index| index.bytes());
        if now != before {
            self.classes.account(before, now);
        }
        let best = best?;
        Some(self.choice(best, &ask))
    }

    /// Decides and commits.
    pub fn schedule(&mut self, class: ClassId) -> Option<Placement> {
        let choice = self.decide(class)?;
        let placed = self.place(class, choice.host, choice.seat());
        debug_assert!(placed.is_ok(), "a chosen host admits the class: {placed:?}");
        if let Ok(placement) = placed {
            return Some(placement);
        }
        // What was derived has gone wrong, and the cell itself, asked last, has said no: derive it all anew.
        self.classes.drop_index(class);
        if let Some(shape) = self.classes.get(class).and_then(|class| class.shape) {
            self.shapes.drop_index(shape);
        }
        self.bounds = Bounds::default();
        let choice = self.decide(class)?;
        self.place(class, choice.host, choice.seat()).ok()
    }

    /// Commits a pod of a class to a host, if it fits there now. Constraints on labels and taints are not looked at.
    /// `seat` is which devices and NUMA nodes it gets; a number is the mask of devices alone.
    pub fn place(
        &mut self,
        class: ClassId,
        host: HostId,
        seat: impl Into<Seat>,
    ) -> Result<Placement, PlaceError> {
        let placement = self.try_place(class, host, seat.into())?;
        self.count(class);
        Ok(placement)
    }

    /// Commits a pod that may be taken back at once, so nothing is learned from it.
    pub(crate) fn try_place(
        &mut self,
        class: ClassId,
        host: HostId,
        seat: Seat,
    ) -> Result<Placement, PlaceError> {
        let ask = &self.classes.refresh(class, &self.cell).ok_or(PlaceError::UnknownClass)?.ask;
        self.cell.place(ask, host, seat)
    }

    /// The devices and NUMA nodes that a pod of a class would get on a host now; nothing where it gets none. For pods that are
    /// there and of which nobody says which they have.
    pub fn seat_on(&mut self, class: ClassId, host: HostId) -> Seat {
        let ask = self.classes.refresh(class, &self.cell).map(|entry| Arc::clone(&entry.ask));
        match ask {
            Some(ask) if self.cell.has(host) => {
                self.choice(Best { slot: host.index(), score: 0 }, &ask).seat()
            }
            _ => Seat::default(),
        }
    }

    /// Gives back what a placement holds. One whose host has been removed holds nothing any more.
    pub fn release(&mut self, mut placement: Placement) -> Result<(), ReleaseError> {
        self.untrack(&mut placement);
        self.cell.release(placement)
    }

    /// Whether a pod of a class could go to this one host now.
    pub fn admits(&mut self, class: ClassId, host: HostId) -> bool {
        if !self.cell.has(host) {
            return false;
        }
        let Some(entry) = self.classes.refresh(class, &self.cell) else { return false };
        let set = self.constraints.get_mut(entry.set);
        set.sync(&self.cell, &self.plugins.filters);
        let slot = host.index();
        let bit = 1 << (slot % crate::cell::BLOCK);
        let block = slot / crate::cell::BLOCK;
        let mask = set.mask(block) & bit;
        if crate::fit::available(&self.cell, &entry.ask, block, mask) == 0 {
            return false;
        }
        entry.reshape(&self.cell, &self.profile, &mut self.shapes);
        entry.shape.is_none_or(|shape| self.cell.topology.refusal(self.shapes.rules(shape), slot).is_none())
    }

    /// The slots of the hosts that the constraints of a class admit, where they are no more than `most`.
    pub(crate) fn few_hosts(&mut self, class: ClassId, most: usize) -> Option<Vec<u32>> {
        let set = self.constraints.get_mut(self.classes.get(class)?.set);
        set.sync(&self.cell, &self.plugins.filters);
        set.few(most)
    }

    /// Whether the constraints of a class admit a host, whatever its load.
    pub(crate) fn admits_ever(&self, class: ClassId, host: HostId) -> bool {
        let set = self.classes.get(class).and_then(|class| self.constraints.get(class.set));
        set.is_some_and(|set| set.admits_now(&self.cell, &self.plugins.filters, host.index()))
    }

    /// Whether some host could take a pod of a class if nothing ran there. Where none could, waiting is in vain until
    /// hosts are added or described anew.
    pub fn fits_when_idle(&mut self, class: ClassId) -> bool {
        let Some(entry) = self.classes.refresh(class, &self.cell) else { return false };
        let set = self.constraints.get_mut(entry.set);
        set.sync(&self.cell, &self.plugins.filters);
        entry.reshape(&self.cell, &self.profile, &mut self.shapes);
        let rules = entry.shape.map(|shape| self.shapes.rules(shape));
        let ask = &entry.ask;
        self.cell.hosts().map(HostId::index).any(|slot| {
            set.admits(slot)
                && !rules.is_some_and(|rules| self.cell.topology.lacks_labels(rules, slot))
                && ask.unknown.is_empty()
                && ask.at(&self.cell, slot).requests.iter().all(|(resource, request)| {
                    crate::fit::admits(self.cell.columns.allocatable(*resource, slot), *request)
                })
                && ask.devices.is_none_or(|ask| {
                    self.cell.devices.get(slot).is_some_and(|set| set.fits_when_idle(&ask, u64::MAX))
                })
                && ask.numa.as_ref().is_none_or(|numa| {
                    let devices = ask.devices;
                    let has_devices = |within: u64| {
                        let set = self.cell.devices.get(slot);
                        devices.is_none_or(|ask| set.is_some_and(|set| set.fits_when_idle(&ask, within)))
                    };
                    self.cell.numa.get(slot).is_some_and(|set| set.fits_when_idle(numa, has_devices))
                })
        })
    }

    /// Why a class goes where it goes now, or why nowhere. `None` for a forgotten class.
    pub fn explain(&mut self, class: ClassId) -> Option<Explanation> {
        let entry = self.classes.refresh(class, &self.cell)?;
        entry.reshape(&self.cell, &self.profile, &mut self.shapes);
        let set = self.constraints.get_mut(entry.set);
        set.sync(&self.cell, &self.plugins.filters);
        let context = Context { cell: &self.cell, plugins: &self.plugins, ask: &entry.ask, set };
        Some(explain::explain(&context, entry.shape.map(|shape| self.shapes.rules(shape))))
    }

    /// The best host as an answer.
    pub(crate) fn choice(&self, best: Best, ask: &Ask) -> Choice {
        let ask = ask.at(&self.cell, best.slot);
        let numa = self.cell.numa_nodes(ask, best.slot).unwrap_or(0);
        let devices = self.choose_devices(best.slot, ask);
        Choice { host: self.cell.id(best.slot), devices, numa, score: best.score }
    }

    fn choose_devices(&self, slot: usize, ask: &Ask) -> u64 {
        if let Some(supply) = &self.plugins.supply {
            return supply.choose_devices(&self.cell, ask, slot);
        }
        let (Some(asked), Some(set)) = (ask.devices, self.cell.devices.get(slot)) else {
            return 0;
        };
        let DeviceAsk { count, milli, .. } = asked;
        if !asked.is_shared() {
            return first_fitting(set, count, milli, self.cell.usable_devices(ask, slot));
        }
        let number = match &self.plugins.fragmentation {
            Some(fragmentation) => fragmentation.choose_device(&self.cell, ask, slot),
            None => (0..set.free.len())
                .filter(|number| self.cell.usable_devices(ask, slot) >> number & 1 == 1)
                .filter(|number| set.free[*number] >= milli)
                .min_by_key(|number| (set.free[*number], *number)),
        };
        number.map_or(0, |number| 1 << number)
    }

    /// The free device capacity that typical pods are expected to be unable to use, in thousandths, over all hosts.
    pub fn fragmentation(&self, typical: &[crate::profile::TypicalPod]) -> f64 {
        let measure = GpuFragmentation::new(typical.to_vec(), 1);
        self.cell.hosts().map(|host| measure.amount(&self.cell, host.index())).sum()
    }
}
