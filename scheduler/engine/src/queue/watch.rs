//! Which of the classes that fit nowhere a changed host may help.
//!
//! A class that can only go to hosts that it names is found by the host's name, and one whose constraints admit few hosts or
//! none by the host; these are looked through when a host has been described anew, and at no other time. All others stand
//! in buckets of classes that ask for about equally much; a bucket whose least asks exceed what is free on the host is
//! passed over as a whole. What is left is for the caller to ask: [`Watch::candidates`] may name a class that the host does
//! not admit, and never leaves out one that it does.

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;

use crate::cell::{BLOCK, Cell, HostId};
use crate::class::ClassId;
use crate::demand::{Constraints, Operator};
use crate::host::MAX_OVERCOMMIT;
use crate::profile::FilterPlugin;
use crate::resource::ResourceId;
use crate::scheduler::Scheduler;

/// A class that names more hosts is not found by their names.
const MAX_NAMES: usize = 16;

/// A class whose constraints admit more hosts is not found by them.
const MAX_HOSTS: usize = 64;

/// CPU, memory, devices in thousandths, and the first of the other resources that is asked for.
type Amounts = [i64; 4];

/// The other resource (0: none), and the size of each amount in powers of two.
type Bucket = (usize, [u8; 4]);

/// Classes of about the same size.
#[derive(Debug)]
struct Sized {
    /// The least of each amount.
    least: Amounts,
    classes: Vec<(Amounts, ClassId)>,
}

/// How a class is found.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Named(Vec<String>),
    /// By slots.
    Few(Vec<u32>),
    /// With its index there.
    Bucket(Bucket, usize),
    /// It asks for something that no host has ever offered.
    Unknown,
}

/// Classes that are watched for.
#[derive(Debug, Default)]
pub(super) struct Watch {
    places: FxHashMap<ClassId, Place>,
    named: FxHashMap<String, Vec<ClassId>>,
    few: FxHashMap<u32, Vec<ClassId>>,
    all_few: BTreeSet<ClassId>,
    /// By slot, the version of its block's description when `all_few` was last looked through for it.
    seen: Vec<u64>,
    buckets: BTreeMap<Bucket, Sized>,
    unknown: Vec<ClassId>,
    /// How many resources the cell knew when `unknown` was last looked through.
    resources: usize,
}

impl Watch {
    /// Watches for a class.
    pub(super) fn add(&mut self, class: ClassId, scheduler: &mut Scheduler) {
        if self.places.contains_key(&class) {
            return;
        }
        let Some(ask) = scheduler.ask(class) else { return };
        let place = if !ask.unknown.is_empty() {
            self.unknown.push(class);
            Place::Unknown
        } else if let Some(names) = names_of(class, scheduler) {
            for name in &names {
                self.named.entry(name.clone()).or_default().push(class);
            }
            Place::Named(names)
        } else if let Some(slots) = scheduler.few_hosts(class, MAX_HOSTS) {
            for slot in &slots {
                self.few.entry(*slot).or_default().push(class);
            }
            self.all_few.insert(class);
            Place::Few(slots)
        } else {
            let (other, quantity) = ask
                .requests
                .iter()
                .find(|(resource, _)| other_resource(*resource))
                .map_or((0, 0), |(resource, quantity)| (resource.index(), *quantity));
            let devices =
                ask.devices.map_or(0, |devices| i64::from(devices.count) * i64::from(devices.milli));
            let mut amounts =
                [ask.request(ResourceId::CPU), ask.request(ResourceId::MEMORY), devices, quantity];
            if ask.shares() {
                // At the least, on a host of the largest ratio that there can be.
                amounts[..2]
                    .iter_mut()
                    .for_each(|amount| *amount = *amount * 100 / i64::from(MAX_OVERCOMMIT));
            }
            let bucket = (other, amounts.map(|amount| (u64::BITS - (amount as u64).leading_zeros()) as u8));
            let sized =
                self.buckets.entry(bucket).or_insert_with(|| Sized { least: amounts, classes: Vec::new() });
            for (least, amount) in sized.least.iter_mut().zip(amounts) {
                *least = amount.min(*least);
            }
            sized.classes.push((amounts, class));
            Place::Bucket(bucket, sized.classes.len() - 1)
        };
        self.places.insert(class, place);
    }

    /// Watches for a class no more.
    pub(super) fn remove(&mut self, class: ClassId) {
        match self.places.remove(&class) {
            Some(Place::Named(names)) => {
                for name in names {
                    if let Some(classes) = self.named.get_mut(&name) {
                        classes.retain(|named| *named != class);
                        if classes.is_empty() {
                            self.named.remove(&name);
                        }
                    }
                }
            }
            Some(Place::Few(slots)) => {
                self.all_few.remove(&class);
                for slot in slots {
                    if let Some(classes) = self.few.get_mut(&slot) {
                        classes.retain(|few| *few != class);
                        if classes.is_empty() {
                            self.few.remove(&slot);
                        }
                    }
                }
            }
            Some(Place::Bucket(bucket, index)) => self.remove_sized(bucket, index),
            Some(Place::Unknown) => self.unknown.retain(|unknown| *unknown != class),
            None => {}
        }
    }

    fn remove_sized(&mut self, bucket: Bucket, index: usize) {
        let Some(sized) = self.buckets.get_mut(&bucket) else { return };
        // The least amounts stay valid, if loose, until the bucket is empty.
        sized.classes.swap_remove(index);
        if let Some((_, moved)) = sized.classes.get(index) {
            self.places.insert(*moved, Place::Bucket(bucket, index));
        }
        if sized.classes.is_empty() {
            self.buckets.remove(&bucket);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub(super) fn clear(&mut self) {
        *self = Watch { resources: self.resources, ..Watch::default() };
    }

    /// Calls `visit` with each class that a host may admit now.
    pub(super) fn candidates(&mut self, host: HostId, scheduler: &mut Scheduler, found: &mut Vec<ClassId>) {
        self.look_through_unknown(scheduler);
        self.look_through_few(host, scheduler);
        let cell = scheduler.cell();
        let Some(name) = cell.name(host) else { return };
        // Every pod asks for the place of one.
        if cell.free(host, ResourceId::PODS).is_none_or(|pods| pods < 1) {
            return;
        }
        found.extend(self.named.get(name).into_iter().flatten());
        let slot = host.index();
        found.extend(self.few.get(&(slot as u32)).into_iter().flatten());
        if self.buckets.is_empty() {
            return;
        }
        let free = |resource| cell.columns.free(resource, slot);
        let mut amounts = [
            free(ResourceId::CPU),
            free(ResourceId::MEMORY),
            cell.devices.get(slot).map_or(0, |devices| devices.total_free()),
            0,
        ];
        // A request of nothing fits also where a host has shrunk below what it runs.
        amounts.iter_mut().for_each(|amount| *amount = (*amount).max(0));
        for ((other, _), sized) in &self.buckets {
            amounts[3] = if *other == 0 { 0 } else { other_free(cell, *other, slot) };
            if !fits(&sized.least, &amounts) {
                continue;
            }
            found.extend(
                sized.classes.iter().filter(|(asks, _)| fits(asks, &amounts)).map(|(_, class)| *class),
            );
        }
    }

    /// A host that has been described anew may be one of the few of other classes now.
    fn look_through_few(&mut self, host: HostId, scheduler: &Scheduler) {
        if self.all_few.is_empty() || !scheduler.cell().has(host) {
            return;
        }
        let slot = host.index();
        let version = scheduler.cell().journal.static_version_of(slot / BLOCK);
        if self.seen.len() <= slot {
            self.seen.resize(slot + 1, 0);
        }
        if std::mem::replace(&mut self.seen[slot], version) == version {
            return;
        }
        for class in &self.all_few {
            if let Some(Place::Few(slots)) = self.places.get_mut(class)
                && !slots.contains(&(slot as u32))
                && scheduler.admits_ever(*class, host)
            {
                slots.push(slot as u32);
                self.few.entry(slot as u32).or_default().push(*class);
            }
        }
    }

    /// Resources that nobody offered may have come.
    fn look_through_unknown(&mut self, scheduler: &mut Scheduler) {
        let resources = scheduler.cell().resources.len();
        if resources == std::mem::replace(&mut self.resources, resources) {
            return;
        }
        for class in std::mem::take(&mut self.unknown) {
            self.places.remove(&class);
            self.add(class, scheduler);
        }
    }
}

fn fits(asks: &Amounts, free: &Amounts) -> bool {
    asks.iter().zip(free).all(|(ask, free)| ask <= free)
}

fn other_resource(resource: ResourceId) -> bool {
    ![ResourceId::CPU, ResourceId::MEMORY, ResourceId::PODS].contains(&resource)
}

fn other_free(cell: &Cell, resource: usize, slot: usize) -> i64 {
    cell.resources.at(resource).map_or(0, |resource| cell.columns.free(resource, slot))
}

/// The names of the only hosts that may take a class, where it names few.
fn names_of(class: ClassId, scheduler: &Scheduler) -> Option<Vec<String>> {
    let constraints: &Constraints = &scheduler.demand(class)?.constraints;
    let filters = &scheduler.profile().filters;
    if let Some(name) = constraints.node_name.as_ref().filter(|_| filters.contains(&FilterPlugin::NodeName)) {
        return Some(vec![name.clone()]);
    }
    let required = constraints.required.as_ref().filter(|_| filters.contains(&FilterPlugin::NodeAffinity))?;
    let mut names = Vec::new();
    for term in required {
        let one_of = term.fields.iter().find_map(|field| match &field.operator {
            Operator::In(names) => Some(names),
            _ => None,
        })?;
        names.extend(one_of.iter().cloned());
    }
    names.sort_unstable();
    names.dedup();
    (names.len() <= MAX_NAMES).then_some(names)
}
