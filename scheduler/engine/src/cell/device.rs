//! Shareable devices of the hosts that have any, accounted device by device.

use rustc_hash::FxHashMap;

use super::{BLOCK, link};
use crate::ask::DeviceAsk;
use crate::demand::Links;
use crate::host::{DEVICE_MILLI, Host, HostError};
use crate::placement::PlaceError;

/// The devices of one host.
#[derive(Clone, Debug)]
pub(crate) struct DeviceSet {
    /// The groups of devices that are linked to each other.
    pub(crate) links: Vec<u64>,
    /// The number of the model in the cell.
    pub(crate) model: u32,
    /// How many the host offers now.
    pub(crate) count: u32,
    /// Per device, what is free in thousandths. Devices beyond `count`, which a host that shrank still has in use,
    /// have nothing free.
    pub(crate) free: Vec<u16>,
    /// Per device, what is in use in thousandths.
    pub(crate) used: Vec<u16>,
}

impl DeviceSet {
    /// What is free over all devices, in thousandths.
    pub(crate) fn total_free(&self) -> i64 {
        self.free.iter().map(|free| i64::from(*free)).sum()
    }

    /// The devices with enough free, as a mask.
    fn fitting(&self, milli: u16) -> u64 {
        let numbers = self.free.iter().enumerate().take(u64::BITS as usize);
        numbers.filter(|(_, free)| **free >= milli).fold(0, |mask, (number, _)| mask | 1 << number)
    }

    /// Of some devices, those among which a pod's are chosen; `None` where it does not get its own out of them.
    pub(crate) fn usable(&self, ask: &DeviceAsk, within: u64) -> Option<u64> {
        link::usable(ask.links, &self.links, self.fitting(ask.milli) & within, ask.count)
    }

    /// Whether an idle host has a pod's devices among some.
    pub(crate) fn fits_when_idle(&self, ask: &DeviceAsk, within: u64) -> bool {
        let offered = if self.count < u64::BITS { (1 << self.count) - 1 } else { u64::MAX };
        link::usable(ask.links, &self.links, offered & within, ask.count).is_some()
    }

    /// Whether devices are linked as a pod must have it.
    fn are_linked(&self, ask: &DeviceAsk, mask: u64) -> bool {
        ask.links != Links::Required || self.links.iter().any(|group| mask & !group == 0)
    }

    fn refresh(&mut self) {
        let length = (self.count as usize)
            .max(self.used.iter().rposition(|used| *used > 0).map_or(0, |last| last + 1));
        self.used.resize(length, 0);
        self.free.resize(length, 0);
        for (number, (free, used)) in self.free.iter_mut().zip(&self.used).enumerate() {
            // More than all is in use where a nomination waits for others to leave.
            *free =
                if number < self.count as usize { (DEVICE_MILLI as u16).saturating_sub(*used) } else { 0 };
        }
    }
}

/// The devices of all hosts that have any, by slot.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeviceTable {
    sets: Vec<Option<Box<DeviceSet>>>,
    models: Vec<String>,
    model_ids: FxHashMap<String, u32>,
}

impl DeviceTable {
    pub(crate) fn get(&self, slot: usize) -> Option<&DeviceSet> {
        self.sets.get(slot)?.as_deref()
    }

    pub(crate) fn model_name(&self, model: u32) -> &str {
        &self.models[model as usize]
    }

    pub(crate) fn model(&self, name: &str) -> Option<u32> {
        self.model_ids.get(name).copied()
    }

    /// What a host offers over all devices, in thousandths.
    pub(crate) fn capacity_milli(&self, slot: usize) -> i64 {
        self.get(slot).map_or(0, |set| i64::from(set.count) * i64::from(DEVICE_MILLI))
    }

    /// The hosts of a block, among those of `mask`, that have room for `ask`.
    pub(crate) fn admitting(&self, block: usize, mut mask: u64, ask: Option<&DeviceAsk>) -> u64 {
        let Some(ask) = ask else { return mask };
        for bit in crate::mask::bits(mask) {
            if self.get(block * BLOCK + bit).and_then(|set| set.usable(ask, u64::MAX)).is_none() {
                mask &= !(1 << bit);
            }
        }
        mask
    }

    /// Refuses a description that changes the model under devices in use.
    pub(crate) fn check(&self, slot: usize, host: &Host) -> Result<(), HostError> {
        if let (Some(set), Some(devices)) = (self.get(slot), &host.devices)
            && set.used.iter().any(|used| *used > 0)
            && self.model_name(set.model) != devices.model
        {
            return Err(HostError::DevicesInUse {
                name: host.name.clone(),
                old: self.model_name(set.model).to_owned(),
                new: devices.model.clone(),
            });
        }
        Ok(())
    }

    /// Sets what a host offers; what is in use stays in use.
    pub(crate) fn set(&mut self, slot: usize, host: &Host) {
        let devices = host.devices.as_ref();
        let model = devices.map(|devices| self.intern(&devices.model));
        if self.sets.len() <= slot {
            if devices.is_none() {
                return;
            }
            self.sets.resize(slot + 1, None);
        }
        let count = devices.map_or(0, |devices| devices.count);
        let entry = &mut self.sets[slot];
        match (entry.as_deref_mut(), model) {
            (Some(set), _) => {
                set.model = model.unwrap_or(set.model);
                set.count = count;
                set.links.clone_from(&host.links);
                set.refresh();
                if set.free.is_empty() && devices.is_none() {
                    *entry = None;
                }
            }
            (None, Some(model)) => {
                let mut set =
                    DeviceSet { links: host.links.clone(), model, count, free: Vec::new(), used: Vec::new() };
                set.refresh();
                *entry = Some(Box::new(set));
            }
            (None, None) => {}
        }
    }

    pub(crate) fn clear(&mut self, slot: usize) {
        if let Some(entry) = self.sets.get_mut(slot) {
            *entry = None;
        }
    }

    /// Takes the share that is asked of each device in `mask`, or refuses and changes nothing.
    pub(crate) fn take(&mut self, slot: usize, ask: Option<&DeviceAsk>, mask: u64) -> Result<(), PlaceError> {
        let Some(ask) = ask else {
            return if mask == 0 { Ok(()) } else { Err(PlaceError::WrongDevices) };
        };
        if mask.count_ones() != ask.count {
            return Err(PlaceError::WrongDevices);
        }
        let set =
            self.sets.get_mut(slot).and_then(Option::as_deref_mut).ok_or(PlaceError::InsufficientDevices)?;
        if !set.are_linked(ask, mask) {
            return Err(PlaceError::NotLinked);
        }
        if crate::mask::bits(mask).any(|number| set.free.get(number).is_none_or(|free| *free < ask.milli)) {
            return Err(PlaceError::InsufficientDevices);
        }
        for number in crate::mask::bits(mask) {
            set.free[number] -= ask.milli;
            set.used[number] += ask.milli;
        }
        Ok(())
    }

    /// Takes the share that is asked of each device in `mask`, whether or not others have it still.
    pub(crate) fn hold(&mut self, slot: usize, ask: Option<&DeviceAsk>, mask: u64) -> Result<(), PlaceError> {
        let Some(ask) = ask else {
            return if mask == 0 { Ok(()) } else { Err(PlaceError::WrongDevices) };
        };
        if mask.count_ones() != ask.count {
            return Err(PlaceError::WrongDevices);
        }
        let set =
            self.sets.get_mut(slot).and_then(Option::as_deref_mut).ok_or(PlaceError::InsufficientDevices)?;
        if !set.are_linked(ask, mask) {
            return Err(PlaceError::NotLinked);
        }
        let holds = |number: usize| {
            let used = set.used.get(number).filter(|_| number < set.count as usize);
            used.is_some_and(|used| used.checked_add(ask.milli).is_some())
        };
        if !crate::mask::bits(mask).all(holds) {
            return Err(PlaceError::InsufficientDevices);
        }
        for number in crate::mask::bits(mask) {
            set.used[number] += ask.milli;
        }
        set.refresh();
        Ok(())
    }

    /// Whether each device in `mask` has room for all that is taken of it.
    pub(crate) fn is_seated(&self, slot: usize, mask: u64) -> bool {
        let Some(set) = self.get(slot) else { return mask == 0 };
        crate::mask::bits(mask).all(|number| {
            number < set.count as usize
                && set.used.get(number).is_some_and(|used| u32::from(*used) <= DEVICE_MILLI)
        })
    }

    /// Gives back what [`take`](Self::take) or [`hold`](Self::hold) took.
    pub(crate) fn give(&mut self, slot: usize, ask: Option<&DeviceAsk>, mask: u64) {
        let (Some(ask), Some(set)) = (ask, self.sets.get_mut(slot).and_then(Option::as_deref_mut)) else {
            return;
        };
        for number in crate::mask::bits(mask) {
            if let Some(used) = set.used.get_mut(number) {
                *used = used.saturating_sub(ask.milli);
            }
        }
        set.refresh();
    }

    fn intern(&mut self, model: &str) -> u32 {
        if let Some(id) = self.model(model) {
            return id;
        }
        let id = self.models.len() as u32;
        self.models.push(model.to_owned());
        self.model_ids.insert(model.to_owned(), id);
        id
    }
}
