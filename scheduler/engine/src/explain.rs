//! Why a class goes where it goes, or why nowhere.

use std::collections::BTreeMap;
use std::fmt;

use crate::ask::DeviceAsk;
use crate::cell::{BLOCK, Cell, HostId, NumaSet};
use crate::constraint::{first_untolerated, has_model, matches_constraints, tolerates_cordon};
use crate::demand::{Links, Runtime};
use crate::fit;
use crate::mask;
use crate::plugins::Context;
use crate::profile::FilterPlugin;
use crate::score::{Extremes, View};
use crate::topology::{Grouped, Rules};

/// Too few devices have enough free, of any group or of one.
pub(crate) const FEW_DEVICES: &str = "Insufficient devices";
pub(crate) const UNLINKED_DEVICES: &str = "Insufficient linked devices";

/// The host has fewer NUMA nodes than wanted, or does not say which.
const FEW_NODES: &str = "node(s) didn't have the requested NUMA nodes";

/// No NUMA nodes have what is wanted of each.
pub(crate) const FULL_NODES: &str = "Insufficient NUMA nodes";

/// How many hosts are ranked.
const RANKED: usize = 5;

/// A class against all hosts of the cell. Displays as kube-scheduler words it:
/// `0/5 nodes are available: 1 Insufficient cpu, 4 node(s) were unschedulable.`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// All hosts.
    pub hosts: usize,
    /// Those that no filter refuses.
    pub feasible: usize,
    /// Per reason, how many hosts were refused for it. A host counts under the first filter that refuses it, and there
    /// under each reason of that filter.
    pub refusals: BTreeMap<String, usize>,
    /// The best hosts, best first.
    pub ranked: Vec<Candidate>,
    /// How much of a point one is in scores.
    pub unit: i64,
}

/// A feasible host with its score.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The host.
    pub host: HostId,
    /// Its name.
    pub name: String,
    /// The total, in the profile's unit.
    pub score: i64,
    /// What each plugin gave.
    pub parts: Vec<ScorePart>,
}

/// What one score plugin gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScorePart {
    /// The plugin's name.
    pub plugin: &'static str,
    /// Before the weight, in the profile's unit.
    pub score: i64,
    /// The weight.
    pub weight: i64,
}

impl fmt::Display for Explanation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{} nodes are available", self.feasible, self.hosts)?;
        if self.refusals.is_empty() {
            return write!(out, ".");
        }
        let mut reasons: Vec<String> =
            self.refusals.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        reasons.sort_unstable();
        write!(out, ": {}.", reasons.join(", "))
    }
}

pub(crate) fn explain(context: &Context<'_>, rules: Option<&Rules>) -> Explanation {
    let cell = context.cell;
    let mut explanation = Explanation {
        hosts: cell.len(),
        feasible: 0,
        refusals: BTreeMap::new(),
        ranked: Vec::new(),
        unit: context.plugins.unit.into(),
    };
    let mut extremes = Extremes::default();
    let mut feasible: Vec<u64> = (0..cell.blocks()).map(|block| context.feasible(block)).collect();
    let topology = rules.map(|rules| Grouped::build(context, rules).points(context, rules, &mut feasible));
    for (block, feasible) in feasible.iter().enumerate() {
        extremes = extremes.max(context.extremes(block, *feasible));
        explanation.feasible += feasible.count_ones() as usize;
        for bit in mask::bits(cell.alive[block] & !*feasible) {
            for reason in refusals(context, rules, block * BLOCK + bit) {
                *explanation.refusals.entry(reason).or_default() += 1;
            }
        }
    }
    let view = View { topology: topology.as_ref(), ..context.view(extremes) };
    let mut ranked: Vec<(i64, usize)> = Vec::new();
    for (block, feasible) in feasible.iter().enumerate() {
        if *feasible == 0 {
            continue;
        }
        let totals = context.totals(&view, block, *feasible);
        ranked.extend(mask::bits(*feasible).map(|bit| (-i64::from(totals[bit]), block * BLOCK + bit)));
        if ranked.len() > 64 * RANKED {
            ranked.sort_unstable();
            ranked.truncate(RANKED);
        }
    }
    ranked.sort_unstable();
    ranked.truncate(RANKED);
    explanation.ranked = ranked
        .into_iter()
        .map(|(score, slot)| Candidate {
            host: cell.id(slot),
            name: cell.name(cell.id(slot)).unwrap_or_default().to_owned(),
            score: -score,
            parts: parts(context, &view, slot),
        })
        .collect();
    explanation
}

fn parts(context: &Context<'_>, view: &View<'_>, slot: usize) -> Vec<ScorePart> {
    let (block, bit) = (slot / BLOCK, slot % BLOCK);
    let view = View { ask: view.ask.at(view.cell, slot), ..*view };
    context
        .plugins
        .scores
        .iter()
        .map(|score| {
            let mut points = [0; BLOCK];
            if !score.plugin.skips(context.ask) {
                score.plugin.score(&view, block, 1 << bit, &mut points);
            }
            ScorePart { plugin: score.name, score: i64::from(points[bit]), weight: i64::from(score.weight) }
        })
        .collect()
}

/// Why a host is refused, in kube-scheduler's wording: all reasons of the first filter that refuses it.
fn refusals(context: &Context<'_>, rules: Option<&Rules>, slot: usize) -> Vec<String> {
    for filter in &context.plugins.filters {
        let reasons = refusals_of(context, rules, *filter, slot);
        if !reasons.is_empty() {
            return reasons;
        }
    }
    Vec::new()
}

fn refusals_of(
    context: &Context<'_>,
    rules: Option<&Rules>,
    filter: FilterPlugin,
    slot: usize,
) -> Vec<String> {
    let Context { cell, set, .. } = context;
    let ask = context.ask.at(cell, slot);
    let constraints = &set.key.constraints;
    let Some(record) = &cell.records[slot] else { return Vec::new() };
    let when = |refused: bool, reason: &str| if refused { vec![reason.to_owned()] } else { Vec::new() };
    match filter {
        FilterPlugin::NodeUnschedulable => when(
            cell.cordoned[slot / BLOCK] >> (slot % BLOCK) & 1 == 1
                && !tolerates_cordon(&constraints.tolerations),
            "node(s) were unschedulable",
        ),
        FilterPlugin::NodeName => when(
            constraints.node_name.as_ref().is_some_and(|name| **name != *record.name),
            "node(s) didn't match the requested node name",
        ),
        FilterPlugin::TaintToleration => first_untolerated(cell, record, &constraints.tolerations)
            .map(|taint| format!("node(s) had untolerated taint {{{}: {}}}", taint.key, taint.value))
            .into_iter()
            .collect(),
        FilterPlugin::NodeAffinity => when(
            !matches_constraints(cell, record, constraints),
            "node(s) didn't match Pod's node affinity/selector",
        ),
        FilterPlugin::RuntimeReady => when(
            !cell.is_ready_for(set.key.runtime, slot),
            match set.key.runtime {
                Runtime::Containers => "node(s) had no ready container runtime",
                Runtime::VirtualMachine => "node(s) had no ready virtual machine runtime",
            },
        ),
        FilterPlugin::NodePorts => when(
            !cell.ports.admits(slot, &ask.ports),
            "node(s) didn't have free ports for the requested pod ports",
        ),
        FilterPlugin::NodeResourcesFit => short_of(cell, ask, slot),
        FilterPlugin::DeviceFit => {
            let Some(devices) = &ask.devices else { return Vec::new() };
            if !set.key.models.is_empty() && !has_model(cell, slot, &set.key.models) {
                return vec!["node(s) didn't have an acceptable device model".to_owned()];
            }
            let host = cell.devices.get(slot);
            let fits = |devices: &DeviceAsk| host.is_some_and(|set| set.usable(devices, u64::MAX).is_some());
            if !fits(&DeviceAsk { links: Links::Anywhere, ..*devices }) {
                return vec![FEW_DEVICES.to_owned()];
            }
            when(!fits(devices), UNLINKED_DEVICES)
        }
        FilterPlugin::NumaTopology => {
            let Some(numa) = &ask.numa else { return Vec::new() };
            if cell.numa.get(slot).map_or(0, NumaSet::len) < numa.nodes as usize {
                return vec![FEW_NODES.to_owned()];
            }
            when(cell.numa_nodes(ask, slot).is_none(), FULL_NODES)
        }
        FilterPlugin::PodTopologySpread | FilterPlugin::InterPodAffinity => {
            let refusal = rules.and_then(|rules| cell.topology.refusal(rules, slot));
            let refusal = refusal.filter(|refusal| refusal.filter() == filter);
            refusal.map(|refusal| refusal.reason().to_owned()).into_iter().collect()
        }
    }
}

fn short_of(cell: &Cell, ask: &crate::ask::Ask, slot: usize) -> Vec<String> {
    ask.requests
        .iter()
        .filter(|(resource, request)| !fit::admits(cell.columns.free(*resource, slot), *request))
        .map(|(resource, _)| insufficient(cell.resource_name(*resource)))
        .chain(ask.unknown.iter().map(|name| format!("Insufficient {name}")))
        .collect()
}

/// Too little of a resource, in kube-scheduler's words.
pub(crate) fn insufficient(resource: &str) -> String {
    if resource == "pods" { "Too many pods".to_owned() } else { format!("Insufficient {resource}") }
}
