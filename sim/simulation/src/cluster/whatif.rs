//! What would become of a cluster if hosts were drained or added, or pods were placed by another policy.
//!
//! The change is made to a copy of the cluster in an engine, and the pods that it concerns are decided anew: those of
//! drained hosts, those that wait, or, where all are to be placed anew, all that may move. Pods that belong to their host
//! (of DaemonSets, mirror pods) stay, and go with a host that is drained.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use meridian_engine::Host;
use meridian_kubernetes::{Dump, Phase, Pod};
use serde::Serialize;

use super::model::{Held, Model, Utilization, class, like};
use super::table;
use crate::SimulationError;
use crate::policy::Policy;

/// How many moves and waiting pods are printed; JSON has all.
const PRINTED: usize = 20;

/// What is to be changed.
#[derive(Clone, Debug, Default)]
pub struct Hypothesis {
    /// Hosts to be drained and taken away.
    pub drain: Vec<String>,
    /// Hosts to be added, each like one that is there, and how many.
    pub add: Vec<(String, usize)>,
    /// Whether all pods that may move are placed anew.
    pub place_anew: bool,
}

/// What would become of the cluster.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Consequences {
    /// The policy by which hosts were chosen.
    pub policy: String,
    /// Pods that would move.
    pub moves: Vec<Move>,
    /// Pods that would lose their host and find none.
    pub evicted: Vec<Waits>,
    /// Pods that wait now and would be placed.
    pub placed: Vec<Move>,
    /// Pods that wait now and would still.
    pub pending: Vec<Waits>,
    /// Pods that would end with their host.
    pub ended: usize,
    /// How much is in use now.
    pub before: Utilization,
    /// How much would be in use.
    pub after: Utilization,
    /// What is left out or not looked at, one sentence each.
    pub notes: Vec<String>,
}

/// A pod that would go to another host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Move {
    /// `namespace/name`.
    pub pod: String,
    /// Where it is; nothing for one that waits.
    pub from: Option<String>,
    /// Where it would be.
    pub to: String,
}

/// A pod that would wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Waits {
    /// `namespace/name`.
    pub pod: String,
    /// Why.
    pub why: String,
}

/// Says what would become of a cluster.
///
/// # Errors
///
/// A host that is not there, a policy that makes no sense, or a pod that the engine refuses.
pub fn what_if(
    dump: &Dump,
    hypothesis: &Hypothesis,
    policy: &Policy,
) -> Result<Consequences, SimulationError> {
    let hosts: BTreeMap<&str, &Host> = dump.hosts.iter().map(|host| (host.name.as_str(), host)).collect();
    let known = |name: &String| match hosts.get(name.as_str()) {
        Some(host) => Ok(*host),
        None => Err(SimulationError::UnknownHost {
            host: name.clone(),
            example: dump.hosts.first().map_or_else(|| "none".to_owned(), |host| host.name.clone()),
        }),
    };
    let drained: BTreeSet<&str> = hypothesis
        .drain
        .iter()
        .map(|name| known(name).map(|host| host.name.as_str()))
        .collect::<Result<_, _>>()?;
    let mut model = Model::new(dump, policy, |_| false)?;
    let before = model.utilization();
    for (name, count) in &hypothesis.add {
        let host = known(name)?;
        let mut number = 0;
        for _ in 0..*count {
            let name = loop {
                number += 1;
                let name = format!("{name}-new-{number}");
                if model.scheduler.cell().host_named(&name).is_none() {
                    break name;
                }
            };
            model.scheduler.add_host(&like(host, name))?;
        }
    }
    let mut change = Change::new(policy);
    change.take_off(&mut model, &drained, hypothesis.place_anew);
    for name in &drained {
        if let Some(id) = model.scheduler.cell().host_named(name) {
            model.scheduler.remove_host(id)?;
        }
    }
    change.place(&mut model, dump)?;
    let mut consequences = change.consequences;
    consequences.before = before;
    consequences.after = model.utilization();
    consequences.notes = model.caveats;
    Ok(consequences)
}

/// The change under way.
struct Change<'d> {
    consequences: Consequences,
    /// Pods without a host, with the host that they had.
    loose: Vec<(&'d Pod, String)>,
}

impl<'d> Change<'d> {
    fn new(policy: &Policy) -> Change<'d> {
        Change {
            consequences: Consequences {
                policy: policy.name().to_owned(),
                moves: Vec::new(),
                evicted: Vec::new(),
                placed: Vec::new(),
                pending: Vec::new(),
                ended: 0,
                before: Utilization::default(),
                after: Utilization::default(),
                notes: Vec::new(),
            },
            loose: Vec::new(),
        }
    }

    /// Takes pods off their hosts that are to be placed anew.
    fn take_off(&mut self, model: &mut Model<'d>, drained: &BTreeSet<&str>, all: bool) {
        for Held { pod, class, placement } in std::mem::take(&mut model.held) {
            let host = model.host_name(&placement);
            let is_drained = drained.contains(host.as_str());
            let moves = !pod.view.stays && (is_drained || all);
            if !moves && !is_drained {
                model.held.push(Held { pod, class, placement });
                continue;
            }
            // Its host is there: hosts go after their pods.
            let _ = model.scheduler.release(placement);
            if moves {
                self.loose.push((pod, host));
            } else {
                self.consequences.ended += 1;
            }
        }
    }

    /// Places what has no host, higher priorities first; those that had one before those that wait.
    fn place(&mut self, model: &mut Model<'d>, dump: &'d Dump) -> Result<(), SimulationError> {
        let waits = |pod: &&Pod| {
            pod.view.bound_to.is_none() && pod.view.phase == Phase::Pending && !pod.view.deleting
        };
        let waiting = dump.pods.iter().filter(waits).map(|pod| (pod, None));
        let loose = std::mem::take(&mut self.loose).into_iter().map(|(pod, host)| (pod, Some(host)));
        let mut pods: Vec<(&Pod, Option<String>)> = loose.chain(waiting).collect();
        pods.sort_by_key(|(pod, _)| std::cmp::Reverse(pod.view.priority));
        // Of pods that are alike only the first is explained.
        let mut reasons = BTreeMap::new();
        for (pod, from) in pods {
            let name = pod.view.key();
            if !pod.unsupported.is_empty() {
                model.note_unsupported(&format!("pod {name}"), pod);
            }
            let class = class(&mut model.scheduler, pod)?;
            let Some(placement) = model.scheduler.schedule(class) else {
                let why = reasons.entry(class).or_insert_with(|| {
                    model.scheduler.explain(class).map(|explained| explained.to_string()).unwrap_or_default()
                });
                let waits = Waits { pod: name, why: why.clone() };
                match from {
                    Some(_) => self.consequences.evicted.push(waits),
                    None => self.consequences.pending.push(waits),
                }
                continue;
            };
            let to = model.host_name(&placement);
            match from {
                Some(from) if from == to => {}
                Some(_) => self.consequences.moves.push(Move { pod: name, from, to }),
                None => self.consequences.placed.push(Move { pod: name, from, to }),
            }
            model.held.push(Held { pod, class, placement });
        }
        Ok(())
    }
}

impl fmt::Display for Consequences {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Consequences { policy, moves, evicted, placed, pending, ended, before, after, .. } = self;
        writeln!(out, "policy {policy}\n")?;
        let counts = [
            ("pods that would move", moves.len()),
            ("pods that would lose their host and find none", evicted.len()),
            ("pods that wait and would be placed", placed.len()),
            ("pods that wait and would still", pending.len()),
            ("pods that would end with their host", *ended),
        ];
        let rows = counts.map(|(what, count)| [what.to_owned(), count.to_string()]);
        table::write(out, &rows)?;
        for list in [moves, placed] {
            write_moves(out, list)?;
        }
        for list in [evicted, pending] {
            write_waits(out, list)?;
        }
        writeln!(out)?;
        table::utilization(out, before, after)
    }
}

fn write_moves(out: &mut fmt::Formatter<'_>, moves: &[Move]) -> fmt::Result {
    if moves.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    let mut rows = vec![["pod", "from", "to"].map(str::to_owned)];
    rows.extend(
        moves
            .iter()
            .take(PRINTED)
            .map(|one| [one.pod.clone(), one.from.clone().unwrap_or_else(|| "-".to_owned()), one.to.clone()]),
    );
    table::write(out, &rows)?;
    write_rest(out, moves.len())
}

pub(super) fn write_waits(out: &mut fmt::Formatter<'_>, waits: &[Waits]) -> fmt::Result {
    if waits.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    let mut rows = vec![["pod", "waits, since"].map(str::to_owned)];
    rows.extend(waits.iter().take(PRINTED).map(|one| [one.pod.clone(), one.why.clone()]));
    table::write(out, &rows)?;
    write_rest(out, waits.len())
}

pub(super) fn write_rest(out: &mut fmt::Formatter<'_>, count: usize) -> fmt::Result {
    match count.saturating_sub(PRINTED) {
        0 => Ok(()),
        more => writeln!(out, "and {more} more, which --json lists"),
    }
}
