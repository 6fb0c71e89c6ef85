//! Scheduling classes: interned demands, each with what the engine has derived for it.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::ask::Ask;
use crate::cell::Cell;
use crate::constraint::{ConstraintKey, ConstraintTable, SetId};
use crate::demand::{Demand, DemandError};
use crate::index::Index;
use crate::plugins::Context;
use crate::profile::Profile;
use crate::topology::{self, Shape, Shapes, Terms};

/// A scheduling class: all pods with equal demands.
/// The id of a forgotten class never names another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClassId {
    number: u32,
    generation: u32,
}

impl ClassId {
    fn index(self) -> usize {
        self.number as usize
    }
}

/// What is known of a class.
pub(crate) struct Class {
    pub(crate) demand: Arc<Demand>,
    pub(crate) ask: Arc<Ask>,
    pub(crate) set: SetId,
    pub(crate) terms: Terms,
    /// What the class makes of the pods around it, as of the revision of what concerns it; `None` where that is nothing.
    pub(crate) shape: Option<topology::Id>,
    shaped: Option<u64>,
    /// Made at the second decision: many classes come once.
    pub(crate) index: Option<Box<Index>>,
    pub(crate) decided: bool,
    /// The cell's version at the last decision.
    pub(crate) version: u64,
    /// Blocks that a search by bounds evaluated lately, a running mean.
    pub(crate) searched: f32,
    /// The tick of the last decision.
    pub(crate) used: u64,
}

impl Class {
    /// Has the class' shape follow what pods around ask of it.
    pub(crate) fn reshape(&mut self, cell: &Cell, profile: &Profile, shapes: &mut Shapes) {
        let revision = cell.topology.revision(&self.terms);
        if self.shaped == Some(revision) {
            return;
        }
        self.shaped = Some(revision);
        let rules = cell.topology.rules(&self.terms, profile);
        let shape =
            (!rules.is_empty()).then(|| shapes.intern(Shape { ask: self.ask.key(), set: self.set, rules }));
        if let Some(former) = std::mem::replace(&mut self.shape, shape) {
            shapes.release(former);
        }
    }

    /// How many blocks the class' index has to rescore before it names the best host. A class that comes so often that
    /// little changes in between is as good as having one: it is made now.
    pub(crate) fn behind(&self, context: &Context<'_>) -> usize {
        let blocks = context.cell.blocks();
        match &self.index {
            Some(index) => index.behind(context),
            None if self.decided && context.cell.journal.version() - self.version < FREQUENT => 0,
            None => blocks,
        }
    }
}

/// Changes of the cell between two decisions of a class that is worth an index.
const FREQUENT: u64 = 8;

/// How many bytes all indexes may take together.
const INDEX_BYTES: usize = 512 << 20;

/// All classes in use, interned.
#[derive(Default)]
pub(crate) struct ClassTable {
    classes: Vec<Option<Class>>,
    /// Per number, how many classes that had it have been forgotten.
    generations: Vec<u32>,
    ids: FxHashMap<Arc<Demand>, ClassId>,
    unused: Vec<u32>,
    index_bytes: usize,
    ticks: u64,
}

impl ClassTable {
    /// The class of a demand, new if need be.
    pub(crate) fn intern(
        &mut self,
        demand: &Demand,
        cell: &mut Cell,
        constraints: &mut ConstraintTable,
        profile: &Profile,
    ) -> Result<ClassId, DemandError> {
        if let Some(id) = self.ids.get(demand) {
            return Ok(*id);
        }
        demand.validate()?;
        let demand = Arc::new(demand.clone());
        let models = demand.devices.as_ref().map_or_else(Vec::new, |devices| devices.models.clone());
        let mut topology = std::mem::take(&mut cell.topology);
        let terms = topology.compile(cell, &demand, profile);
        cell.topology = topology;
        let class = Class {
            ask: Arc::new(Ask::new(&demand, cell, terms.member)),
            set: constraints.intern(ConstraintKey {
                constraints: demand.constraints.clone(),
                models,
                runtime: demand.runtime,
            }),
            demand: Arc::clone(&demand),
            terms,
            shape: None,
            shaped: None,
            index: None,
            decided: false,
            version: 0,
            searched: 0.0,
            used: 0,
        };
        let number = match self.unused.pop() {
            Some(number) => {
                self.classes[number as usize] = Some(class);
                number
            }
            None => {
                self.classes.push(Some(class));
                self.generations.push(0);
                self.classes.len() as u32 - 1
            }
        };
        let id = ClassId { number, generation: self.generations[number as usize] };
        self.ids.insert(demand, id);
        Ok(id)
    }

    fn is_current(&self, id: ClassId) -> bool {
        self.generations.get(id.index()) == Some(&id.generation)
    }

    pub(crate) fn get(&self, id: ClassId) -> Option<&Class> {
        if !self.is_current(id) {
            return None;
        }
        self.classes.get(id.index())?.as_ref()
    }

    /// The class as it is to the cell now: resources and ratios that nobody had when it was compiled may
    /// have come.
    pub(crate) fn refresh(&mut self, id: ClassId, cell: &Cell) -> Option<&mut Class> {
        if !self.is_current(id) {
            return None;
        }
        let class = self.classes.get_mut(id.index())?.as_mut()?;
        if class.ask.is_stale(cell) {
            class.ask = Arc::new(Ask::new(&class.demand, cell, class.terms.member));
            class.shaped = None;
            self.index_bytes -= class.index.take().map_or(0, |index| index.bytes());
        }
        Some(class)
    }

    /// The class as it is to the cell now, noted as used.
    pub(crate) fn touch(&mut self, id: ClassId, cell: &Cell) -> Option<&mut Class> {
        self.ticks += 1;
        let ticks = self.ticks;
        let class = self.refresh(id, cell)?;
        class.used = ticks;
        Some(class)
    }

    /// Drops the index of a class.
    pub(crate) fn drop_index(&mut self, id: ClassId) {
        if let Some(class) = self.classes.get_mut(id.index()).and_then(Option::as_mut) {
            self.index_bytes -= class.index.take().map_or(0, |index| index.bytes());
        }
    }

    /// Drops all indexes: every score has changed.
    pub(crate) fn drop_indexes(&mut self) {
        for class in self.classes.iter_mut().flatten() {
            class.index = None;
        }
        self.index_bytes = 0;
    }

    pub(crate) fn forget(
        &mut self,
        id: ClassId,
        constraints: &mut ConstraintTable,
        cell: &mut Cell,
        shapes: &mut Shapes,
    ) {
        if !self.is_current(id) {
            return;
        }
        if let Some(class) = self.classes.get_mut(id.index()).and_then(Option::take) {
            self.generations[id.index()] = id.generation.wrapping_add(1);
            self.ids.remove(&class.demand);
            self.index_bytes -= class.index.as_ref().map_or(0, |index| index.bytes());
            constraints.forget(class.set);
            cell.topology.release_terms(&class.terms);
            if let Some(shape) = class.shape {
                shapes.release(shape);
            }
            self.unused.push(id.number);
        }
    }

    /// Counts what an index takes that took `before` until now, and drops those not used for the longest time where all
    /// together take too much.
    pub(crate) fn account(&mut self, before: usize, now: usize) {
        self.index_bytes = self.index_bytes + now - before;
        if self.index_bytes <= INDEX_BYTES {
            return;
        }
        let mut indexed: Vec<(u64, usize)> = self
            .classes
            .iter()
            .enumerate()
            .filter_map(|(number, class)| {
                let class = class.as_ref()?;
                class.index.as_ref().map(|_| (class.used, number))
            })
            .collect();
        indexed.sort_unstable();
        // The one used last is the one at hand: it stays whatever its size.
        indexed.pop();
        for (_, number) in indexed {
            if self.index_bytes <= INDEX_BYTES / 8 * 7 {
                break;
            }
            if let Some(class) = &mut self.classes[number] {
                self.index_bytes -= class.index.take().map_or(0, |index| index.bytes());
            }
        }
    }
}
