//! What hosts have, and what they should have.
//!
//! A pod that a host has and that no entry of the ledger explains is a *stray*: what it takes counts, and once the
//! ledger is open it is stopped, and forgotten when it has. Until then hosts run what they run.

use std::sync::Arc;

use meridian_engine::Demand;

use super::change::Change;
use super::entry::{AgentState, EntryState, Row, Slot};
use super::{Entry, Ledger};
use crate::account::{Account, Taken};
use crate::identity::{ClaimId, HostNumber, Uid};

/// A pod that a host says it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InventoryPod {
    /// The pod's tenant.
    pub tenant: Arc<str>,
    /// The pod.
    pub uid: Uid,
    /// Whether it has stopped for good.
    pub is_stopped: bool,
    /// What it takes, for a pod that the ledger may not know; none: not known.
    pub demand: Option<Demand>,
}

/// A pod that a host has and that the ledger does not know.
#[derive(Debug)]
pub(super) struct Stray {
    pub(super) tenant: Arc<str>,
    pub(super) uid: Uid,
    pub(super) taken: Option<Taken>,
    pub(super) is_stopped: bool,
    pub(super) was_told_to_stop: bool,
}

impl Stray {
    pub(super) fn release(self, account: &mut Account) {
        if let Some(taken) = self.taken {
            account.give_back(taken);
        }
    }
}

impl Ledger {
    /// A host came with an empty local store, and its new incarnation is durable: nothing that was bound to an older one
    /// runs there any more.
    pub fn reincarnated(&mut self, number: HostNumber, incarnation: u64) {
        let Some(host) = self.hosts.get_mut(&number) else { return };
        if incarnation <= host.incarnation {
            return;
        }
        host.incarnation = incarnation;
        let was_ready = host.is_ready();
        host.has_inventory = false;
        let strays = std::mem::take(&mut host.strays);
        host.version += u64::from(!strays.is_empty());
        let slots = host.entries.clone();
        for stray in strays {
            stray.release(&mut self.account);
        }
        for slot in slots {
            if let Some(row) = self.entries.get_mut(slot) {
                row.agent = AgentState::Absent;
                row.has_spec = false;
            }
            self.desire(slot);
        }
        if was_ready {
            self.changes.push(Change::Readiness { host: number });
        }
        self.seat(number);
    }

    /// Whether a host is heard of, so that claims make sense. What runs there stays.
    pub fn set_reachable(&mut self, number: HostNumber, is_reachable: bool) {
        let Some(host) = self.hosts.get_mut(&number) else { return };
        let was_ready = host.is_ready();
        host.is_reachable = is_reachable;
        if host.is_ready() != was_ready {
            self.changes.push(Change::Readiness { host: number });
            self.seat(number);
        }
    }

    /// A host says what it has, on connecting. `is_resumed`: what it was told before and has not acknowledged is still on
    /// its way, so pods that it was told to run need not be told again.
    pub fn inventory(&mut self, number: HostNumber, pods: Vec<InventoryPod>, is_resumed: bool) {
        let Some(host) = self.hosts.get_mut(&number) else { return };
        let was_ready = host.is_ready();
        host.has_inventory = true;
        let incarnation = host.incarnation;
        let mut former = std::mem::take(&mut host.strays);
        let slots = host.entries.clone();
        for slot in &slots {
            let Some(row) = self.entries.get_mut(*slot) else { continue };
            if row.incarnation != incarnation {
                continue;
            }
            let said = pods.iter().find(|pod| pod.uid == row.uid);
            row.agent = match said {
                // What has stopped has, also where this was said before the stop.
                Some(pod) if pod.is_stopped || row.agent == AgentState::Stopped => AgentState::Stopped,
                Some(_) => AgentState::Running,
                None if is_resumed && row.agent == AgentState::Told => AgentState::Told,
                None => AgentState::Absent,
            };
            if row.agent >= AgentState::Running {
                row.has_spec = false;
            }
            row.was_told_to_stop &= is_resumed;
        }
        let mut strays = Vec::new();
        for pod in pods {
            if self.sibling(number, incarnation, &pod.uid).is_some() {
                continue;
            }
            let known =
                former.iter().position(|stray| stray.uid == pod.uid && (stray.is_stopped || !pod.is_stopped));
            let stray = match known {
                Some(position) => {
                    let stray = former.remove(position);
                    Stray { was_told_to_stop: stray.was_told_to_stop && is_resumed, ..stray }
                }
                None => {
                    let demand = pod.demand.unwrap_or_default();
                    let taken =
                        if pod.is_stopped { None } else { self.take_anyway(number, &demand, 0.into()) };
                    Stray {
                        tenant: pod.tenant,
                        uid: pod.uid,
                        taken,
                        is_stopped: pod.is_stopped,
                        was_told_to_stop: false,
                    }
                }
            };
            strays.push(stray);
        }
        for stray in former {
            stray.release(&mut self.account);
        }
        self.define_demands();
        if let Some(host) = self.hosts.get_mut(&number) {
            host.strays = strays;
            host.version += 1;
        }
        for slot in slots {
            self.desire(slot);
            self.want_spec(slot);
        }
        self.see_to_strays(number);
        if !was_ready && self.is_ready(number) {
            self.changes.push(Change::Readiness { host: number });
        }
        self.seat(number);
    }

    /// A host has taken note that it should run the pod of a claim.
    pub fn acknowledged(&mut self, claim: &ClaimId) {
        let Some(slot) = self.entries.find(claim) else { return };
        if let Some(row) = self.entries.get_mut(slot)
            && row.agent == AgentState::Told
        {
            row.agent = AgentState::Running;
            row.has_spec = false;
        }
    }

    /// The entry of a pod that a host speaks of: the one of its present incarnation.
    #[must_use]
    pub fn entry_on(&self, number: HostNumber, uid: &Uid) -> Option<Entry> {
        let host = self.hosts.get(&number)?;
        self.view(self.sibling(number, host.incarnation, uid)?)
    }

    /// A host says that a pod has stopped for good.
    pub fn stopped(&mut self, number: HostNumber, tenant: &Arc<str>, uid: &Uid) {
        let Some(host) = self.hosts.get_mut(&number) else { return };
        let incarnation = host.incarnation;
        if let Some(slot) = self.sibling(number, incarnation, uid) {
            if let Some(row) = self.entries.get_mut(slot)
                && row.agent != AgentState::Stopped
            {
                row.agent = AgentState::Stopped;
                row.has_spec = false;
                self.desire(slot);
            }
            return;
        }
        let Some(host) = self.hosts.get_mut(&number) else { return };
        match host.strays.iter_mut().find(|stray| stray.uid == *uid) {
            Some(stray) => {
                stray.is_stopped = true;
                if let Some(taken) = stray.taken.take() {
                    host.version += 1;
                    self.account.give_back(taken);
                }
            }
            None => {
                let (tenant, uid) = (Arc::clone(tenant), uid.clone());
                host.strays.push(Stray {
                    tenant,
                    uid,
                    taken: None,
                    is_stopped: true,
                    was_told_to_stop: false,
                });
            }
        }
        self.see_to_strays(number);
        self.seat(number);
    }

    /// A new entry explains what was a stray.
    pub(super) fn absorb(&mut self, slot: Slot, number: HostNumber, uid: &Uid) {
        let Some(host) = self.hosts.get_mut(&number) else { return };
        let Some(position) = host.strays.iter().position(|stray| stray.uid == *uid) else { return };
        let stray = host.strays.remove(position);
        if let Some(row) = self.entries.get_mut(slot) {
            row.agent = if stray.is_stopped { AgentState::Stopped } else { AgentState::Running };
        }
        stray.release(&mut self.account);
    }

    /// An entry has gone: what its host may still have of the pod is explained by another, or by none.
    pub(super) fn left(&mut self, row: Row, demand: Option<Arc<Demand>>) {
        let Row { uid, tenant, host: number, incarnation, seat, agent, .. } = row;
        let Some(host) = self.hosts.get(&number) else { return };
        if host.incarnation != incarnation || agent == AgentState::Absent {
            return;
        }
        if let Some(sibling) = self.sibling(number, incarnation, &uid) {
            if let Some(other) = self.entries.get_mut(sibling)
                && other.agent == AgentState::Absent
            {
                other.agent = agent;
                self.desire(sibling);
            }
            return;
        }
        let is_stopped = agent == AgentState::Stopped;
        let taken = match demand {
            Some(demand) if !is_stopped => self.take_anyway(number, &demand, seat),
            _ => None,
        };
        if let Some(host) = self.hosts.get_mut(&number) {
            host.strays.push(Stray { tenant, uid, taken, is_stopped, was_told_to_stop: false });
        }
        self.see_to_strays(number);
    }

    /// Says what the host should do about an entry, where that follows from its state.
    pub(super) fn desire(&mut self, slot: Slot) {
        let Some(row) = self.entries.get(slot) else { return };
        let Some(host) = self.hosts.get(&row.host) else { return };
        let (number, is_settled) = (row.host, row.state > EntryState::Held);
        if row.incarnation < host.incarnation {
            if is_settled && let Some(entry) = self.view(slot) {
                self.changes.push(Change::Stopped(entry));
            }
            return;
        }
        if !is_settled || row.incarnation != host.incarnation || !host.has_inventory {
            return;
        }
        match (row.state, row.agent) {
            (_, AgentState::Stopped) => {
                if let Some(entry) = self.view(slot) {
                    self.changes.push(Change::Stopped(entry));
                }
            }
            (EntryState::Bound, AgentState::Absent) if row.has_spec => {
                if let Some(row) = self.entries.get_mut(slot) {
                    row.agent = AgentState::Told;
                }
                if let Some(entry) = self.view(slot) {
                    self.changes.push(Change::Run(entry));
                }
            }
            (EntryState::Terminating, _) if !row.was_told_to_stop => {
                let (tenant, uid) = (Arc::clone(&row.tenant), row.uid.clone());
                if let Some(row) = self.entries.get_mut(slot) {
                    row.was_told_to_stop = true;
                }
                self.changes.push(Change::Stop { host: number, tenant, uid });
            }
            _ => {}
        }
    }

    /// Asks for the spec of a bound pod that its host has nothing of.
    pub(super) fn want_spec(&mut self, slot: Slot) {
        if let Some(row) = self.entries.get(slot)
            && self.is_wanting(row)
        {
            let claim = row.id.clone();
            self.wanting.push(claim.clone());
            self.changes.push(Change::SpecWanted { claim });
        }
    }

    /// Asks again for the specs of bound pods that were wanted at the last tick and have not come.
    pub(super) fn want_specs_again(&mut self) {
        let wanting = std::mem::take(&mut self.wanting);
        for claim in wanting {
            let row = self.entries.find(&claim).and_then(|slot| self.entries.get(slot));
            let Some(row) = row else { continue };
            if self.is_wanting(row) {
                self.changes.push(Change::SpecWanted { claim: claim.clone() });
                self.wanting.push(claim);
            }
        }
    }

    fn is_wanting(&self, row: &Row) -> bool {
        row.state == EntryState::Bound
            && !row.has_spec
            && row.agent == AgentState::Absent
            && self
                .hosts
                .get(&row.host)
                .is_some_and(|host| host.incarnation == row.incarnation && host.has_inventory)
    }

    /// Once open: strays that run are to be stopped, those that have stopped may be forgotten.
    pub(super) fn see_to_strays(&mut self, number: HostNumber) {
        if !self.is_open {
            return;
        }
        let Some(host) = self.hosts.get_mut(&number) else { return };
        let strays = std::mem::take(&mut host.strays);
        for mut stray in strays {
            let (tenant, uid) = (Arc::clone(&stray.tenant), stray.uid.clone());
            if stray.is_stopped {
                self.changes.push(Change::Forget { host: number, tenant, uid });
                stray.release(&mut self.account);
                continue;
            }
            if !stray.was_told_to_stop {
                stray.was_told_to_stop = true;
                self.changes.push(Change::Stop { host: number, tenant, uid });
            }
            host.strays.push(stray);
        }
    }
}
