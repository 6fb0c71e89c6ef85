//! Scheduling classes: interned demands, each with what the engine has derived for it.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::ask::Ask;
use crate::cell::Cell;
use crate::constraint::{ConstraintKey, ConstraintTable, SetId};
use crate::demand::{Demand, DemandError};
use crate::index::Index;

/// A scheduling class: all pods with equal demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClassId(u32);

impl ClassId {
    /// A small dense number, for tables beside the engine. Numbers of forgotten classes are used again.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What is known of a class.
pub(crate) struct Class {
    pub(crate) demand: Arc<Demand>,
    pub(crate) ask: Arc<Ask>,
    pub(crate) set: SetId,
    /// Made at the second decision: many classes come once.
    pub(crate) index: Option<Box<Index>>,
    pub(crate) decided: bool,
    /// Blocks that a search by bounds evaluated lately, a running mean.
    pub(crate) searched: f32,
    /// The tick of the last decision.
    pub(crate) used: u64,
}

/// How many bytes all indexes may take together.
const INDEX_BYTES: usize = 512 << 20;

/// All classes in use, interned.
#[derive(Default)]
pub(crate) struct ClassTable {
    classes: Vec<Option<Class>>,
    ids: FxHashMap<Arc<Demand>, u32>,
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
    ) -> Result<ClassId, DemandError> {
        if let Some(id) = self.ids.get(demand) {
            return Ok(ClassId(*id));
        }
        demand.validate()?;
        if !cell.intern(&demand.requests) {
            return Err(DemandError::TooManyResources);
        }
        let demand = Arc::new(demand.clone());
        let models = demand.devices.as_ref().map_or_else(Vec::new, |devices| devices.models.clone());
        let class = Class {
            ask: Arc::new(Ask::new(&demand, cell)),
            set: constraints.intern(ConstraintKey { constraints: demand.constraints.clone(), models }),
            demand: Arc::clone(&demand),
            index: None,
            decided: false,
            searched: 0.0,
            used: 0,
        };
        let id = match self.unused.pop() {
            Some(id) => {
                self.classes[id as usize] = Some(class);
                id
            }
            None => {
                self.classes.push(Some(class));
                self.classes.len() as u32 - 1
            }
        };
        self.ids.insert(demand, id);
        Ok(ClassId(id))
    }

    pub(crate) fn get(&self, id: ClassId) -> Option<&Class> {
        self.classes.get(id.index())?.as_ref()
    }

    /// The class, noted as used now.
    pub(crate) fn touch(&mut self, id: ClassId) -> Option<&mut Class> {
        self.ticks += 1;
        let class = self.classes.get_mut(id.index())?.as_mut()?;
        class.used = self.ticks;
        Some(class)
    }

    pub(crate) fn forget(&mut self, id: ClassId, constraints: &mut ConstraintTable) {
        if let Some(class) = self.classes.get_mut(id.index()).and_then(Option::take) {
            self.ids.remove(&class.demand);
            self.index_bytes -= class.index.as_ref().map_or(0, |index| index.bytes());
            constraints.forget(class.set);
            self.unused.push(id.0);
        }
    }

    /// Counts a new index, and drops those not used for the longest time where all together take too much.
    pub(crate) fn account(&mut self, bytes: usize) {
        self.index_bytes += bytes;
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
