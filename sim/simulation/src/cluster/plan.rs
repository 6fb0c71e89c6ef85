//! What manifests would come to on a cluster: where their pods would go, which would wait and why, and the smallest change
//! that would let those in.
//!
//! Pods are decided as if they were created now, beside all that runs: higher priorities first, then in the order of the
//! file. Pods of a group are placed all or none. Where a pod fits nowhere others of lower priority make way for it, as far as
//! a dump tells: it has no disruption budgets.

use std::collections::BTreeMap;
use std::fmt;

use meridian_engine::{
    ClassId, Demand, Gang, Placement, Requirement, Running, SelectorTerm, Toleration, TolerationOperator,
};
use meridian_kubernetes::{Dump, Manifests, Replicas, Workload};
use serde::Serialize;

use super::model::{Held, Model, Utilization};
use super::remedy::{Remedy, remedies};
use super::table;
use crate::SimulationError;
use crate::policy::Policy;

/// How many pods that make way are named; JSON has all.
const NAMED: usize = 5;

/// What would become of manifests.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// The policy by which hosts were chosen.
    pub policy: String,
    /// The workloads, in the order of the manifests.
    pub workloads: Vec<PlannedWorkload>,
    /// How much is in use now.
    pub before: Utilization,
    /// How much would be in use.
    pub after: Utilization,
    /// What is left out or not looked at, one sentence each.
    pub notes: Vec<String>,
}

/// What would become of a workload.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedWorkload {
    /// `Kind namespace/name`.
    pub workload: String,
    /// Its pods' priority.
    pub priority: i32,
    /// How many pods it brings.
    pub pods: usize,
    /// How many would be placed, by host.
    pub placed: BTreeMap<String, usize>,
    /// The pods that would make way.
    pub preempted: Vec<String>,
    /// How many would wait.
    pub pending: usize,
    /// Why they would.
    pub why: Option<String>,
    /// What would let them in, each alone.
    pub remedies: Vec<Remedy>,
}

/// Decides on the pods of manifests.
///
/// # Errors
///
/// A cluster without hosts, a policy that makes no sense, or a pod that the engine refuses.
pub fn plan(dump: &Dump, manifests: &Manifests, policy: &Policy) -> Result<Plan, SimulationError> {
    let mut model = Model::new(dump, policy, |_| false)?;
    let before = model.utilization();
    let mut planned = Vec::with_capacity(manifests.workloads.len());
    for workload in &manifests.workloads {
        model.note_unsupported(&workload.key(), &workload.pod);
        planned.push(PlannedWorkload {
            workload: workload.key(),
            priority: workload.pod.view.priority,
            pods: 0,
            placed: BTreeMap::new(),
            preempted: Vec::new(),
            pending: 0,
            why: None,
            remedies: Vec::new(),
        });
    }
    let mut order: Vec<usize> = (0..planned.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(planned[*index].priority));
    let running = track(&mut model);
    let mut placing =
        Placing { model: &mut model, dump, manifests, planned, placements: Vec::new(), running };
    for index in order {
        placing.place(index)?;
    }
    for index in 0..placing.planned.len() {
        placing.find_remedies(index);
    }
    let Placing { planned, placements, .. } = placing;
    let after = model.utilization();
    drop(placements);
    let mut notes = manifests.notes.clone();
    notes.append(&mut model.caveats);
    Ok(Plan { policy: policy.name().to_owned(), workloads: planned, before, after, notes })
}

/// Lets preemption know of all that runs. By number, each pod with its hold.
fn track<'d>(model: &mut Model<'d>) -> BTreeMap<u64, Held<'d>> {
    let mut running = BTreeMap::new();
    for (number, mut held) in (0_u64..).zip(std::mem::take(&mut model.held)) {
        let view = &held.pod.view;
        let known = Running {
            pod: number,
            priority: view.priority,
            is_terminating: view.deleting,
            ..Running::default()
        };
        model.scheduler.track(&mut held.placement, known);
        running.insert(number, held);
    }
    running
}

struct Placing<'m, 'd> {
    model: &'m mut Model<'d>,
    dump: &'d Dump,
    manifests: &'m Manifests,
    planned: Vec<PlannedWorkload>,
    /// What planned pods hold.
    placements: Vec<Placement>,
    /// What runs, by the number under which preemption knows it.
    running: BTreeMap<u64, Held<'d>>,
}

impl Placing<'_, '_> {
    fn class(&mut self, workload: &Workload, demand: &Demand) -> Result<ClassId, SimulationError> {
        self.model
            .scheduler
            .class(demand)
            .map_err(|source| SimulationError::Demand { pod: workload.key(), source })
    }

    fn place(&mut self, index: usize) -> Result<(), SimulationError> {
        let manifests = self.manifests;
        let Some(workload) = manifests.workloads.get(index) else { return Ok(()) };
        let group = workload.group.as_ref().and_then(|name| {
            manifests.groups.iter().find(|group| group.name == *name && group.namespace == workload.namespace)
        });
        match (workload.replicas, group) {
            (Replicas::EachHost, _) => self.place_on_each_host(index, workload),
            (Replicas::Count(count), None) => self.place_alike(index, workload, count),
            (Replicas::Count(_), Some(group)) => {
                let is_member =
                    |other: &Workload| other.group == workload.group && other.namespace == workload.namespace;
                let members: Vec<usize> = (0..manifests.workloads.len())
                    .filter(|other| is_member(&manifests.workloads[*other]))
                    .collect();
                // The whole group is placed when the turn of its first member comes.
                if members.iter().any(|member| self.planned[*member].pods > 0) {
                    return Ok(());
                }
                self.place_group(&members, group.min_member as usize)
            }
        }
    }

    fn placed(&mut self, index: usize, placement: Placement) {
        let host = self.model.host_name(&placement);
        *self.planned[index].placed.entry(host).or_default() += 1;
        self.placements.push(placement);
    }

    fn place_alike(&mut self, index: usize, workload: &Workload, count: u32) -> Result<(), SimulationError> {
        let class = self.class(workload, &workload.pod.demand)?;
        self.planned[index].pods = count as usize;
        for number in 0..count {
            let found = self.model.scheduler.schedule(class);
            let Some(placement) = found.or_else(|| self.preempt(index, workload, class)) else {
                let planned = &mut self.planned[index];
                planned.pending = (count - number) as usize;
                planned.why = self.model.scheduler.explain(class).map(|explanation| explanation.to_string());
                break;
            };
            self.placed(index, placement);
        }
        Ok(())
    }

    /// Has others make way for a pod that fits nowhere, and takes their room.
    fn preempt(&mut self, index: usize, workload: &Workload, class: ClassId) -> Option<Placement> {
        let view = &workload.pod.view;
        if view.never_preempts {
            return None;
        }
        let preemption = self.model.scheduler.preempt(class, view.priority)?;
        for number in preemption.victims.iter().chain(&preemption.leaving) {
            let Some(held) = self.running.remove(number) else { continue };
            if preemption.victims.contains(number) {
                self.planned[index].preempted.push(held.pod.view.key());
            }
            // Its host is there: nothing has been removed.
            let _ = self.model.scheduler.release(held.placement);
        }
        self.model.scheduler.place(class, preemption.host, preemption.seat()).ok()
    }

    /// One pod on each host that may have it, as the controller of DaemonSets makes them: each names its host and bears
    /// what befalls hosts.
    fn place_on_each_host(&mut self, index: usize, workload: &Workload) -> Result<(), SimulationError> {
        let mut demand = workload.pod.demand.clone();
        for key in [
            "node.kubernetes.io/not-ready",
            "node.kubernetes.io/unreachable",
            "node.kubernetes.io/disk-pressure",
            "node.kubernetes.io/memory-pressure",
            "node.kubernetes.io/pid-pressure",
            "node.kubernetes.io/unschedulable",
        ] {
            demand.constraints.tolerations.push(Toleration {
                key: key.to_owned(),
                operator: TolerationOperator::Exists,
                effect: None,
            });
        }
        // Where it may be at all is asked of a pod that takes nothing.
        let bare = Demand { constraints: demand.constraints.clone(), ..Demand::default() };
        let anywhere = self.class(workload, &bare)?;
        for host in &self.dump.hosts {
            let Some(id) = self.model.scheduler.cell().host_named(&host.name) else { continue };
            if host.pods == 0 || !self.model.scheduler.admits(anywhere, id) {
                continue;
            }
            self.planned[index].pods += 1;
            let class = self.class(workload, &on_host(&demand, &host.name))?;
            match self.model.scheduler.schedule(class) {
                Some(placement) => self.placed(index, placement),
                None => {
                    let why = self.model.scheduler.explain(class).map(|explanation| explanation.to_string());
                    let planned = &mut self.planned[index];
                    planned.pending += 1;
                    planned
                        .why
                        .get_or_insert_with(|| format!("on {}: {}", host.name, why.unwrap_or_default()));
                }
            }
            self.model.scheduler.forget_class(class);
        }
        Ok(())
    }

    fn place_group(&mut self, members: &[usize], minimum: usize) -> Result<(), SimulationError> {
        let manifests = self.manifests;
        let mut gang = Gang { minimum, ..Gang::default() };
        for index in members {
            let workload = &manifests.workloads[*index];
            let Replicas::Count(count) = workload.replicas else { continue };
            let class = self.class(workload, &workload.pod.demand)?;
            self.planned[*index].pods = count as usize;
            self.planned[*index].pending = count as usize;
            if count > 0 {
                gang.members.push((class, count as usize));
            }
        }
        let (why, placed) = match self.model.scheduler.schedule_gang(&gang) {
            Ok(Some(placed)) => (None, placed.members),
            Ok(None) => {
                let explained = self.model.scheduler.explain_gang(&gang);
                (explained.ok().map(|explanation| explanation.to_string()), Vec::new())
            }
            Err(error) => (Some(error.to_string()), Vec::new()),
        };
        for member in placed {
            // Workloads may be alike: each gets as many as it brings.
            let index = members.iter().copied().find(|index| {
                let workload = &manifests.workloads[*index];
                self.planned[*index].pending > 0
                    && self.model.scheduler.demand(member.class) == Some(&workload.pod.demand)
            });
            if let Some(index) = index {
                self.planned[index].pending -= 1;
                self.placed(index, member.placement);
            }
        }
        for index in members {
            let workload = &manifests.workloads[*index];
            if self.planned[*index].pending > 0 {
                let rest = match &why {
                    Some(why) => Some(why.clone()),
                    None => {
                        let class = self.class(workload, &workload.pod.demand)?;
                        self.model.scheduler.explain(class).map(|explanation| explanation.to_string())
                    }
                };
                self.planned[*index].why = rest;
            }
        }
        Ok(())
    }

    fn find_remedies(&mut self, index: usize) {
        let Some(workload) = self.manifests.workloads.get(index) else { return };
        let pending = self.planned[index].pending;
        // What fits on some host that is not its own is no help to a DaemonSet.
        if pending > 0 && workload.replicas != Replicas::EachHost {
            self.planned[index].remedies =
                remedies(&mut self.model.scheduler, &workload.pod.demand, &self.dump.hosts, pending);
        }
    }
}

/// A demand for one host alone.
fn on_host(demand: &Demand, host: &str) -> Demand {
    let mut demand = demand.clone();
    let only = Requirement {
        key: "metadata.name".to_owned(),
        operator: meridian_engine::Operator::In(vec![host.to_owned()]),
    };
    let terms = demand.constraints.required.get_or_insert_with(|| vec![SelectorTerm::default()]);
    for term in terms {
        term.fields.push(only.clone());
    }
    demand
}

impl fmt::Display for Plan {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "policy {}\n", self.policy)?;
        let mut rows =
            vec![["workload", "priority", "pods", "placed", "pending", "hosts"].map(str::to_owned)];
        for planned in &self.workloads {
            rows.push([
                planned.workload.clone(),
                planned.priority.to_string(),
                planned.pods.to_string(),
                (planned.pods - planned.pending).to_string(),
                planned.pending.to_string(),
                table::hosts(&planned.placed),
            ]);
        }
        table::write(out, &rows)?;
        for planned in self.workloads.iter().filter(|planned| !planned.preempted.is_empty()) {
            let (count, rest) = (planned.preempted.len(), planned.preempted.len().saturating_sub(NAMED));
            let named = planned.preempted.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
            let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
            writeln!(out, "\n{}: {count} would make way: {named}{more}", planned.workload)?;
        }
        for planned in self.workloads.iter().filter(|planned| planned.pending > 0) {
            writeln!(out, "\n{}: {} wait", planned.workload, planned.pending)?;
            if let Some(why) = &planned.why {
                writeln!(out, "  {why}")?;
            }
            if planned.remedies.is_empty() {
                writeln!(out, "  no single change would let any of them in")?;
            }
            for remedy in &planned.remedies {
                writeln!(out, "  {} would go: {}", table::of(remedy.places, planned.pending), remedy.change)?;
            }
        }
        writeln!(out)?;
        table::utilization(out, &self.before, &self.after)
    }
}
