//! Shapes: all that an index of a class depends on. Classes that differ in nothing else share one index.

use super::grouped::Grouped;
use super::table::{Id, Table};
use super::terms::Rules;
use crate::ask::AskKey;
use crate::constraint::SetId;

/// How many bytes all indexes of shapes may take together.
const MAX_BYTES: usize = 256 << 20;

/// What decides about hosts for a class.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Shape {
    pub(crate) ask: AskKey,
    pub(crate) set: SetId,
    pub(crate) rules: Rules,
}

/// All shapes of classes, with the indexes of those that were decided on.
#[derive(Debug, Default)]
pub(crate) struct Shapes {
    table: Table<Shape, Option<Box<Used>>>,
    bytes: usize,
    ticks: u64,
}

#[derive(Debug)]
struct Used {
    index: Grouped,
    bytes: usize,
    tick: u64,
}

impl Shapes {
    /// The id of a shape, counted once more.
    pub(crate) fn intern(&mut self, shape: Shape) -> Id {
        if let Some(id) = self.table.find(&shape) {
            self.table.hold(id);
            return id;
        }
        self.table.insert(shape, None)
    }

    /// Counts a shape once less.
    pub(crate) fn release(&mut self, id: Id) {
        if let Some((_, Some(used))) = self.table.release(id) {
            self.bytes -= used.bytes;
        }
    }

    /// The rules of a shape.
    pub(crate) fn rules(&self, id: Id) -> &Rules {
        &self.table.key(id).rules
    }

    /// Has `look` look into the index of a shape, which `build` makes where there is none.
    pub(crate) fn with<T>(
        &mut self,
        id: Id,
        build: impl FnOnce(&Rules) -> Grouped,
        look: impl FnOnce(&mut Grouped, &Rules) -> T,
    ) -> T {
        self.ticks += 1;
        let shape = std::sync::Arc::clone(self.table.key(id));
        let used = self.table.get_mut(id).get_or_insert_with(|| {
            let index = build(&shape.rules);
            Box::new(Used { index, bytes: 0, tick: 0 })
        });
        used.tick = self.ticks;
        let result = look(&mut used.index, &shape.rules);
        let bytes = used.index.bytes();
        self.bytes = self.bytes + bytes - std::mem::replace(&mut used.bytes, bytes);
        if self.bytes > MAX_BYTES {
            self.drop_oldest();
        }
        result
    }

    /// The index of a shape, as it was when it was last looked into.
    pub(crate) fn index(&self, id: Id) -> Option<&Grouped> {
        self.table.get(id).as_ref().map(|used| &used.index)
    }

    /// Drops the index of a shape.
    pub(crate) fn drop_index(&mut self, id: Id) {
        if let Some(used) = self.table.get_mut(id).take() {
            self.bytes -= used.bytes;
        }
    }

    /// Drops all indexes: every score has changed.
    pub(crate) fn drop_indexes(&mut self) {
        for (_, _, used) in self.table.values_mut() {
            *used = None;
        }
        self.bytes = 0;
    }

    /// Drops the indexes that were not used for the longest time, but for the last one.
    fn drop_oldest(&mut self) {
        let mut used: Vec<(u64, Id)> =
            self.table.values_mut().filter_map(|(id, _, used)| Some((used.as_ref()?.tick, id))).collect();
        used.sort_unstable();
        used.pop();
        for (_, id) in used {
            if self.bytes <= MAX_BYTES / 8 * 7 {
                return;
            }
            self.drop_index(id);
        }
    }
}
