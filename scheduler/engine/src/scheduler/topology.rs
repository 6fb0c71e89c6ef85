//! Terms between pods, as callers see them.

use std::collections::BTreeMap;

use super::Scheduler;
use crate::cell::HostId;
use crate::class::ClassId;
use crate::placement::Placement;
use crate::topology;

impl Scheduler {
    /// Takes in the labels of a tenant's namespace, by which terms select namespaces; `None` when it is gone. Every
    /// namespace also has its name as the label `kubernetes.io/metadata.name`, told or not.
    pub fn set_namespace_labels(
        &mut self,
        tenant: &str,
        namespace: &str,
        labels: Option<&BTreeMap<String, String>>,
    ) {
        self.cell.topology.set_namespace(tenant, namespace, labels);
    }

    /// Has spread constraints count the pod of a placement no more, whose host is there.
    pub(crate) fn stop_counting(&mut self, placement: &mut Placement) {
        let slot = placement.host().index();
        let topology = &mut self.cell.topology;
        let member = topology.terminating(placement.member());
        topology.start(member, slot);
        topology.release_member(member);
        topology.stop(placement.member(), slot);
        placement.set_member(member);
    }

    /// Where pods that run elsewhere may keep a class from a host, a number that changes whenever they come or go: then
    /// the class may fit where nothing has happened.
    pub fn pods_version(&mut self, class: ClassId) -> Option<(u64, u64)> {
        let entry = self.classes.refresh(class, &self.cell)?;
        entry.reshape(&self.cell, &self.profile, &mut self.shapes);
        let rules = self.shapes.rules(entry.shape?);
        let topology = &self.cell.topology;
        rules.is_required().then(|| (topology.last_change(rules), topology.revision(&entry.terms)))
    }

    /// What a class makes of the pods around it now, `None` where that is nothing. Nothing for a forgotten class.
    pub(crate) fn reshape(&mut self, class: ClassId) -> Option<Option<topology::Id>> {
        let entry = self.classes.refresh(class, &self.cell)?;
        entry.reshape(&self.cell, &self.profile, &mut self.shapes);
        Some(entry.shape)
    }

    /// Whether the terms between pods would let a pod of a class onto a host if some pods were gone and others were
    /// there. Everything else (room, labels, taints) is not looked at; nothing is changed.
    pub fn terms_admit(
        &mut self,
        class: ClassId,
        host: HostId,
        removed: &[&Placement],
        added: &[(ClassId, HostId)],
    ) -> bool {
        let Some(entry) = self.classes.refresh(class, &self.cell) else { return false };
        entry.reshape(&self.cell, &self.profile, &mut self.shapes);
        let Some(shape) = entry.shape else { return true };
        if !self.cell.has(host) {
            return false;
        }
        let mut changes: Vec<_> = removed
            .iter()
            .filter(|placement| self.cell.has(placement.host()))
            .map(|placement| (placement.member(), placement.host().index(), -1))
            .collect();
        changes.extend(added.iter().filter_map(|(class, host)| {
            self.cell.record(*host)?;
            Some((self.classes.get(*class)?.terms.member, host.index(), 1))
        }));
        let topology = &mut self.cell.topology;
        for (member, slot, pods) in &changes {
            topology.count(*member, *slot, *pods);
        }
        let is_admitted = topology.refusal(self.shapes.rules(shape), host.index()).is_none();
        for (member, slot, pods) in &changes {
            topology.count(*member, *slot, -*pods);
        }
        is_admitted
    }
}
