//! Resource names and quantities.
//!
//! At the border a set of resources is named ([`Resources`]); inside the engine every resource is a dense
//! [`ResourceId`], the index of a column. Quantities are whole numbers in the unit of the resource: milli-CPUs for
//! `cpu`, bytes for `memory` and `ephemeral-storage`, plain counts for `pods` and extended resources.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

/// The largest quantity a host may offer or a pod may ask for, in any resource: 2^53 - 1, so that quantities are
/// exact in double precision and sums over a host cannot overflow.
pub const MAX_QUANTITY: i64 = (1 << 53) - 1;

/// The largest number of distinct resources that one cell knows.
pub const MAX_RESOURCES: usize = 256;

/// A named set of quantities, as hosts offer and pods ask for. The number of pods is not part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Resources {
    /// CPU in thousandths of a core.
    pub cpu_milli: i64,
    /// Memory in bytes.
    pub memory: i64,
    /// Local ephemeral storage in bytes.
    pub ephemeral_storage: i64,
    /// Everything else by its full name, such as `hugepages-2Mi` (bytes) or `example.com/fpga` (a count).
    pub extended: BTreeMap<String, i64>,
}

impl Resources {
    /// The quantities with their Kubernetes names, zeros included.
    pub fn named(&self) -> impl Iterator<Item = (&str, i64)> {
        [("cpu", self.cpu_milli), ("memory", self.memory), ("ephemeral-storage", self.ephemeral_storage)]
            .into_iter()
            .chain(self.extended.iter().map(|(name, quantity)| (name.as_str(), *quantity)))
    }

    /// The first quantity outside `0..=MAX_QUANTITY`, with its name.
    pub(crate) fn out_of_range(&self) -> Option<(String, i64)> {
        self.named()
            .find(|(_, quantity)| !(0..=MAX_QUANTITY).contains(quantity))
            .map(|(name, quantity)| (name.to_owned(), quantity))
    }
}

/// The dense number of a resource in one cell: the index of its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId(u16);

impl ResourceId {
    /// CPU, in thousandths of a core.
    pub const CPU: ResourceId = ResourceId(0);
    /// Memory, in bytes.
    pub const MEMORY: ResourceId = ResourceId(1);
    /// Local ephemeral storage, in bytes.
    pub const EPHEMERAL_STORAGE: ResourceId = ResourceId(2);
    /// The number of pods.
    pub const PODS: ResourceId = ResourceId(3);

    /// The column's index.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// Names of resources, each with its id. Ids are given in the order of first use and never reused.
#[derive(Clone, Debug)]
pub(crate) struct ResourceTable {
    names: Vec<String>,
    ids: FxHashMap<String, ResourceId>,
}

impl ResourceTable {
    pub(crate) fn new() -> Self {
        let mut table = ResourceTable { names: Vec::new(), ids: FxHashMap::default() };
        for name in ["cpu", "memory", "ephemeral-storage", "pods"] {
            table.intern(name);
        }
        table
    }

    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    pub(crate) fn name(&self, id: ResourceId) -> &str {
        &self.names[id.index()]
    }

    pub(crate) fn name_at(&self, index: usize) -> &str {
        &self.names[index]
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = ResourceId> + use<> {
        (0..self.names.len() as u16).map(ResourceId)
    }

    /// The id with this index, if there is one.
    pub(crate) fn at(&self, index: usize) -> Option<ResourceId> {
        u16::try_from(index).ok().filter(|_| index < self.names.len()).map(ResourceId)
    }

    pub(crate) fn get(&self, name: &str) -> Option<ResourceId> {
        self.ids.get(name).copied()
    }

    /// The id of `name`, new if need be; `None` when the table is full.
    pub(crate) fn intern(&mut self, name: &str) -> Option<ResourceId> {
        if let Some(id) = self.get(name) {
            return Some(id);
        }
        if self.names.len() >= MAX_RESOURCES {
            return None;
        }
        let id = ResourceId(u16::try_from(self.names.len()).ok()?);
        self.names.push(name.to_owned());
        self.ids.insert(name.to_owned(), id);
        Some(id)
    }

    /// How many of `resources`' names are not known yet.
    pub(crate) fn missing(&self, resources: &Resources) -> usize {
        resources.extended.keys().filter(|name| self.get(name).is_none()).count()
    }
}
