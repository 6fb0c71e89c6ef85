//! Whether a description says anything new of a host.
//!
//! Hosts are described again and again, by those who watch them and relist, and most of the time nothing has changed. What
//! is derived from the static part of a cell need not look at such a host again.

use super::{BLOCK, Cell};
use crate::demand::Runtime;
use crate::host::Host;
use crate::resource::ResourceId;

impl Cell {
    /// Whether a host in a slot is just what it is described as.
    pub(super) fn is_described_as(&self, slot: usize, host: &Host) -> bool {
        let Some(record) = &self.records[slot] else { return false };
        *record.name == *host.name
            && (self.cordoned[slot / BLOCK] >> (slot % BLOCK) & 1 == 1) == host.unschedulable
            && record.taints.iter().map(|taint| self.taints.get(*taint)).eq(&host.taints)
            && record.labels.len() == host.labels.len()
            && host.labels.iter().all(|(key, value)| {
                self.labels.key(key).is_some_and(|key| {
                    record.labels.iter().any(|label| label.key == key && self.labels.value(*label) == *value)
                })
            })
            && self.pools.ratio(slot) == host.overcommit
            && self.is_ready_for(Runtime::Containers, slot) == host.runtimes.containers
            && self.is_ready_for(Runtime::VirtualMachine, slot) == host.runtimes.virtual_machines
            && self.offers(slot, host)
            && self.has_devices_of(slot, host)
            && *self.numa.described(slot) == *host.numa
    }

    fn offers(&self, slot: usize, host: &Host) -> bool {
        let mut offered = vec![0; self.resources.len()];
        for (name, quantity) in host.allocatable.named() {
            match self.resources.get(name) {
                Some(resource) => offered[resource.index()] = quantity,
                None => return false,
            }
        }
        offered[ResourceId::PODS.index()] = host.pods;
        self.resources
            .ids()
            .all(|resource| self.columns.allocatable(resource, slot) == offered[resource.index()])
    }

    fn has_devices_of(&self, slot: usize, host: &Host) -> bool {
        match (self.devices.get(slot), &host.devices) {
            (None, None) => true,
            (Some(set), Some(devices)) => {
                set.count == devices.count
                    && set.links == host.links
                    && *self.devices.model_name(set.model) == *devices.model
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::{Cell, Devices, Host, NumaNode, Overcommit, Resources, Runtimes, Taint, TaintEffect};

    fn host() -> Host {
        Host {
            name: "a".into(),
            allocatable: Resources {
                cpu_milli: 4_000,
                memory: 8 << 30,
                extended: BTreeMap::from([("example.com/fpga".to_owned(), 2)]),
                ..Resources::default()
            },
            pods: 110,
            labels: BTreeMap::from([
                ("zone".to_owned(), "a".to_owned()),
                ("disk".to_owned(), "ssd".to_owned()),
            ]),
            taints: vec![Taint { key: "spot".into(), value: String::new(), effect: TaintEffect::NoSchedule }],
            devices: Some(Devices { model: "A10".into(), count: 2 }),
            ..Host::default()
        }
    }

    /// Whether an update to a description counts as a change of what constraints see.
    fn counts(changed: Host) -> bool {
        let mut cell = Cell::new();
        let id = cell.add_host(&host()).unwrap();
        let before = cell.journal.static_version();
        cell.update_host(id, &changed).unwrap();
        cell.journal.static_version() != before
    }

    #[test]
    fn the_same_description_changes_nothing() {
        assert!(!counts(host()));
    }

    #[test]
    fn whatever_differs_is_a_change() {
        let mut resized = host();
        resized.allocatable.extended.insert("example.com/fpga".to_owned(), 1);
        let mut known_to_nobody = host();
        known_to_nobody.allocatable.extended.insert("example.com/nic".to_owned(), 1);
        let mut moved = host();
        moved.labels.insert("zone".to_owned(), "b".to_owned());
        let mut unlabelled = host();
        unlabelled.labels.remove("disk");
        let mut tainted = host();
        tainted.taints[0].effect = TaintEffect::PreferNoSchedule;
        let changes = [
            Host { name: "b".into(), ..host() },
            Host { pods: 111, ..host() },
            Host { unschedulable: true, ..host() },
            Host { taints: Vec::new(), ..host() },
            Host { devices: None, ..host() },
            Host { links: vec![0b11], ..host() },
            Host { runtimes: Runtimes { containers: false, virtual_machines: false }, ..host() },
            Host { runtimes: Runtimes { containers: true, virtual_machines: true }, ..host() },
            Host { numa: vec![NumaNode { devices: 1, ..NumaNode::default() }], ..host() },
            Host { overcommit: Overcommit { cpu_percent: 200, memory_percent: 100 }, ..host() },
            Host { devices: Some(Devices { model: "G2".into(), count: 2 }), ..host() },
            Host { devices: Some(Devices { model: "A10".into(), count: 3 }), ..host() },
            resized,
            known_to_nobody,
            moved,
            unlabelled,
            tainted,
        ];
        for changed in changes {
            assert!(counts(changed.clone()), "{changed:?}");
        }
    }
}
