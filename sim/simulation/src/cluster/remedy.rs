//! The smallest single change that would let pods in that fit nowhere.
//!
//! Each candidate is tried on the engine itself, and taken back: one constraint dropped, one taint borne, one request
//! lowered as little as need be, or hosts added of a kind that the cluster has.

use std::collections::BTreeMap;

use meridian_engine::{
    Demand, Host, Placement, Scheduler, Taint, TaintEffect, Toleration, TolerationOperator,
};
use serde::Serialize;

use super::model::like;
use crate::quantities::amount;

/// How many pods a trial places at most: beyond that, one more says nothing new.
const MOST: usize = 2_000;

/// How many taints and kinds of hosts are tried, those of the most hosts first.
const KINDS: usize = 32;

/// How many hosts would be added at most.
const MOST_HOSTS: usize = 1_000;

/// How many remedies are told.
const TOLD: usize = 5;

/// A change, and how many pods it would let in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Remedy {
    /// What would be changed.
    pub change: String,
    /// How many of the pods that wait would be placed.
    pub places: usize,
}

/// The remedies for so many pods of a demand that fit nowhere: first those that let all in.
pub(super) fn remedies(
    scheduler: &mut Scheduler,
    demand: &Demand,
    hosts: &[Host],
    pending: usize,
) -> Vec<Remedy> {
    let mut search = Search { scheduler, wanted: pending.min(MOST), found: Vec::new() };
    search.without_constraints(demand, hosts);
    search.lower_requests(demand);
    search.more_hosts(demand, hosts);
    let mut found = search.found;
    // The order in which they were tried stays: what changes the pods least comes first.
    found.sort_by_key(|remedy| std::cmp::Reverse(remedy.places));
    found.truncate(TOLD);
    found
}

struct Search<'s> {
    scheduler: &'s mut Scheduler,
    wanted: usize,
    found: Vec<Remedy>,
}

impl Search<'_> {
    /// How many pods of a demand would be placed. Takes nothing in the end.
    fn trial(&mut self, demand: &Demand) -> usize {
        let Ok(class) = self.scheduler.class(demand) else { return 0 };
        let placements: Vec<Placement> =
            std::iter::from_fn(|| self.scheduler.schedule(class)).take(self.wanted).collect();
        let count = placements.len();
        for placement in placements {
            // Its host is there: nothing has been removed since.
            let _ = self.scheduler.release(placement);
        }
        count
    }

    fn try_demand(&mut self, demand: &Demand, change: String) {
        let places = self.trial(demand);
        if places > 0 {
            self.found.push(Remedy { change, places });
        }
    }

    fn without_constraints(&mut self, demand: &Demand, hosts: &[Host]) {
        for (key, value) in &demand.constraints.node_selector {
            let mut changed = demand.clone();
            changed.constraints.node_selector.remove(key);
            self.try_demand(&changed, format!("without the node selector {key}={value}"));
        }
        self.without_affinity(demand);
        if let Some(name) = &demand.constraints.node_name {
            let mut changed = demand.clone();
            changed.constraints.node_name = None;
            self.try_demand(&changed, format!("without asking for the host {name}"));
        }
        for taint in common_taints(hosts) {
            let toleration = Toleration {
                key: taint.key.clone(),
                operator: TolerationOperator::Equal(taint.value.clone()),
                effect: Some(taint.effect),
            };
            let mut changed = demand.clone();
            changed.constraints.tolerations.push(toleration);
            let effect = match taint.effect {
                TaintEffect::NoSchedule => "NoSchedule",
                TaintEffect::PreferNoSchedule => "PreferNoSchedule",
                TaintEffect::NoExecute => "NoExecute",
            };
            self.try_demand(&changed, format!("tolerating the taint {}={}:{effect}", taint.key, taint.value));
        }
        let cordoned = hosts.iter().filter(|host| host.unschedulable).count();
        if cordoned > 0 {
            let mut changed = demand.clone();
            changed.constraints.tolerations.push(Toleration {
                key: "node.kubernetes.io/unschedulable".to_owned(),
                operator: TolerationOperator::Exists,
                effect: Some(TaintEffect::NoSchedule),
            });
            self.try_demand(&changed, format!("uncordoning the {cordoned} hosts that are cordoned"));
        }
        for (index, port) in demand.ports.iter().enumerate() {
            let mut changed = demand.clone();
            changed.ports.remove(index);
            self.try_demand(&changed, format!("without the host port {}", port.port));
        }
    }

    fn without_affinity(&mut self, demand: &Demand) {
        let Some(terms) = &demand.constraints.required else { return };
        if let [term] = terms.as_slice() {
            for (index, requirement) in term.labels.iter().enumerate() {
                let mut changed = demand.clone();
                if let Some([term]) = changed.constraints.required.as_deref_mut() {
                    term.labels.remove(index);
                    // A term without any requirement matches nothing, where none at all matches all.
                    if term.labels.is_empty() && term.fields.is_empty() {
                        changed.constraints.required = None;
                    }
                }
                let key = &requirement.key;
                self.try_demand(&changed, format!("without the required node affinity on {key}"));
            }
            if term.labels.len() == 1 && term.fields.is_empty() {
                return;
            }
        }
        let mut changed = demand.clone();
        changed.constraints.required = None;
        self.try_demand(&changed, "without the required node affinity".to_owned());
    }

    fn lower_requests(&mut self, demand: &Demand) {
        let named: Vec<(String, i64)> =
            demand.requests.named().map(|(name, quantity)| (name.to_owned(), quantity)).collect();
        for (name, quantity) in named.into_iter().filter(|(_, quantity)| *quantity > 0) {
            let none = self.trial(&with_request(demand, &name, 0));
            if none == 0 {
                continue;
            }
            // As many as fit without any of it, with as much of it as they can have, in steps that people write.
            let step = step(&name);
            let (mut fits, mut too_much) = (0, (quantity + step - 1) / step);
            while too_much - fits > 1 {
                let middle = fits + (too_much - fits) / 2;
                if self.trial(&with_request(demand, &name, middle * step)) >= none {
                    fits = middle;
                } else {
                    too_much = middle;
                }
            }
            let rounded = fits * step;
            let (from, to) = (amount(&name, quantity), amount(&name, rounded));
            self.found.push(Remedy {
                change: format!("asking for {to} {name} in the place of {from}"),
                places: none,
            });
        }
    }

    fn more_hosts(&mut self, demand: &Demand, hosts: &[Host]) {
        for (host, count) in kinds(hosts) {
            let one = self.with_hosts(demand, host, 1);
            if one == 0 {
                continue;
            }
            let more = self.wanted.div_ceil(one).min(MOST_HOSTS);
            let places = if more > 1 { self.with_hosts(demand, host, more) } else { one };
            let noun = if more == 1 { "host" } else { "hosts" };
            let of = if count == 1 { String::new() } else { format!(", of which there are {count}") };
            let change = format!("{more} more {noun} like {}{of}", host.name);
            self.found.push(Remedy { change, places });
        }
    }

    /// How many pods would be placed with so many more hosts, which are taken away again.
    fn with_hosts(&mut self, demand: &Demand, host: &Host, count: usize) -> usize {
        let mut added = Vec::new();
        for number in 0..count {
            // No name of a host has a slash.
            if let Ok(id) = self.scheduler.add_host(&like(host, format!("{}/{number}", host.name))) {
                added.push(id);
            }
        }
        let places = self.trial(demand);
        for id in added {
            let _ = self.scheduler.remove_host(id);
        }
        places
    }
}

/// The least by which a request is lowered: what people write.
fn step(resource: &str) -> i64 {
    match resource {
        "cpu" => 10,
        "memory" | "ephemeral-storage" => 1 << 20,
        name if name.starts_with("hugepages-") => 1 << 20,
        _ => 1,
    }
}

fn with_request(demand: &Demand, resource: &str, quantity: i64) -> Demand {
    let mut demand = demand.clone();
    match resource {
        "cpu" => demand.requests.cpu_milli = quantity,
        "memory" => demand.requests.memory = quantity,
        "ephemeral-storage" => demand.requests.ephemeral_storage = quantity,
        name if quantity == 0 => {
            demand.requests.extended.remove(name);
        }
        name => {
            demand.requests.extended.insert(name.to_owned(), quantity);
        }
    }
    demand
}

/// The taints that keep pods away, those of the most hosts first.
fn common_taints(hosts: &[Host]) -> Vec<Taint> {
    let mut counts: BTreeMap<(String, String, bool), (Taint, usize)> = BTreeMap::new();
    for taint in hosts.iter().flat_map(|host| &host.taints) {
        if taint.effect != TaintEffect::PreferNoSchedule {
            let key = (taint.key.clone(), taint.value.clone(), taint.effect == TaintEffect::NoExecute);
            counts.entry(key).or_insert_with(|| (taint.clone(), 0)).1 += 1;
        }
    }
    let mut taints: Vec<(Taint, usize)> = counts.into_values().collect();
    taints.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    taints.truncate(KINDS);
    taints.into_iter().map(|(taint, _)| taint).collect()
}

/// A host of each kind, with how many there are, the most first.
fn kinds(hosts: &[Host]) -> Vec<(&Host, usize)> {
    let mut kinds: BTreeMap<String, (&Host, usize)> = BTreeMap::new();
    for host in hosts {
        let mut labels = host.labels.clone();
        labels.remove("kubernetes.io/hostname");
        let Host { allocatable, pods, taints, devices, runtimes, overcommit, numa, .. } = host;
        let machine = (runtimes, overcommit, numa);
        let kind = format!("{allocatable:?} {pods} {labels:?} {taints:?} {devices:?} {machine:?}");
        kinds.entry(kind).or_insert((host, 0)).1 += 1;
    }
    let mut kinds: Vec<(&Host, usize)> = kinds.into_values().collect();
    kinds.sort_by(|(one, more), (other, fewer)| fewer.cmp(more).then_with(|| one.name.cmp(&other.name)));
    kinds.truncate(KINDS);
    kinds
}
