//! Rebalancing: a bounded number of moves that leave a cluster better than it is.
//!
//! Pods leave hosts that are to be emptied for maintenance; pods go whose host does not admit them any more, because its
//! labels or taints have changed or because too many like them are in its zone; and hosts are emptied whose pods have room
//! on others that run something. The moves are made on a copy of the cluster in an engine, one after the other, so that all
//! of them together fit. Only what somebody makes anew is moved: an eviction is all that is ever done to a pod.

use std::collections::{BTreeMap, BTreeSet};

use meridian_engine::{ClassId, Host, HostId, Placement, ResourceId, Scheduler, Seat};
use meridian_kubernetes::{Dump, Pod};

use super::model::{Held, Model};
use super::proposal::{MoveReason, Proposal, ProposedMove};
use super::whatif::Waits;
use crate::SimulationError;
use crate::policy::Policy;

/// What is to become better.
#[derive(Clone, Debug, Default)]
pub struct Aims {
    /// Hosts to be emptied, for maintenance.
    pub drain: Vec<String>,
    /// Whether pods go whose hosts do not admit them any more.
    pub correct: bool,
    /// Whether hosts are emptied whose pods have room elsewhere, those with the least on them first.
    pub consolidate: bool,
    /// How many pods may be moved.
    pub most_moves: usize,
}

/// Proposes moves.
///
/// # Errors
///
/// A host that is not there, a policy that makes no sense, or a pod that the engine refuses.
pub fn rebalance(dump: &Dump, aims: &Aims, policy: &Policy) -> Result<Proposal, SimulationError> {
    let mut drained = BTreeSet::new();
    for name in &aims.drain {
        if !dump.hosts.iter().any(|host| host.name == *name) {
            return Err(SimulationError::UnknownHost {
                host: name.clone(),
                example: dump.hosts.first().map_or_else(|| "none".to_owned(), |host| host.name.clone()),
            });
        }
        drained.insert(name.as_str());
    }
    let model = Model::new(dump, policy, |_| false)?;
    let before = model.utilization();
    let mut rebalancing = Rebalancing {
        proposal: Proposal { policy: policy.name().to_owned(), before, ..Proposal::default() },
        hosts: dump.hosts.iter().map(|host| (host.name.as_str(), host)).collect(),
        closed: BTreeSet::new(),
        moves_left: aims.most_moves,
        model,
    };
    rebalancing.drain(&drained)?;
    if aims.correct {
        rebalancing.correct()?;
    }
    if aims.consolidate {
        rebalancing.consolidate()?;
    }
    let Rebalancing { mut proposal, model, .. } = rebalancing;
    proposal.after = model.utilization();
    proposal.notes = model.caveats;
    Ok(proposal)
}

/// Moves under way.
struct Rebalancing<'d> {
    model: Model<'d>,
    proposal: Proposal,
    hosts: BTreeMap<&'d str, &'d Host>,
    /// Hosts that take no pods any more, whatever these tolerate.
    closed: BTreeSet<HostId>,
    moves_left: usize,
}

/// Why a pod was not moved.
enum Stays {
    /// No other host takes it, and why.
    Nowhere(String),
    /// Its own host is still the best one.
    Here,
}

impl<'d> Rebalancing<'d> {
    fn drain(&mut self, drained: &BTreeSet<&'d str>) -> Result<(), SimulationError> {
        for name in drained {
            if let Some(id) = self.model.scheduler.cell().host_named(name) {
                self.close(id)?;
            }
        }
        self.proposal.drained = drained.iter().map(|name| (*name).to_owned()).collect();
        for held in std::mem::take(&mut self.model.held) {
            let is_drained = self.closed.contains(&held.placement.host());
            if !is_drained || held.pod.view.stays || held.pod.view.deleting {
                self.model.held.push(held);
                continue;
            }
            if let Some(why) = why_not_moved(&held) {
                self.stuck(&held, why);
                self.model.held.push(held);
                continue;
            }
            let held = self.move_away(held, MoveReason::Drain)?;
            self.model.held.push(held);
        }
        Ok(())
    }

    /// Moves what its host would not take today, were it not there yet.
    fn correct(&mut self) -> Result<(), SimulationError> {
        for held in std::mem::take(&mut self.model.held) {
            let host = held.placement.host();
            // A host that takes no new pods does not turn those away that it has.
            let keeps = self.closed.contains(&host)
                || self.host(host).is_none_or(|host| host.unschedulable)
                || held.pod.view.stays
                || held.pod.view.deleting
                || why_not_moved(&held).is_some();
            if keeps {
                self.model.held.push(held);
                continue;
            }
            let (held, is_admitted) = self.is_admitted(held)?;
            if is_admitted {
                self.model.held.push(held);
                continue;
            }
            let held = self.move_away(held, MoveReason::Correct)?;
            self.model.held.push(held);
        }
        Ok(())
    }

    /// Moves a pod if there are moves left, and notes what keeps it.
    fn move_away(&mut self, held: Held<'d>, why: MoveReason) -> Result<Held<'d>, SimulationError> {
        if self.moves_left == 0 {
            self.proposal.left_over += 1;
            return Ok(held);
        }
        let (held, moved) = self.relocate(held, why)?;
        match moved {
            Ok(()) => self.moves_left -= 1,
            Err(Stays::Nowhere(why)) => self.stuck(&held, why),
            Err(Stays::Here) if why == MoveReason::Drain => {
                self.stuck(&held, "it tolerates being put back on its host".to_owned());
            }
            Err(Stays::Here) => {}
        }
        Ok(held)
    }

    /// Empties hosts, those with the least on them first, while their pods have room on others that run something.
    fn consolidate(&mut self) -> Result<(), SimulationError> {
        let mut on: BTreeMap<HostId, Vec<usize>> = BTreeMap::new();
        let mut fixed = BTreeSet::new();
        for (number, held) in self.model.held.iter().enumerate() {
            let host = held.placement.host();
            if held.pod.view.stays {
                continue;
            }
            on.entry(host).or_default().push(number);
            if held.pod.view.deleting || why_not_moved(held).is_some() {
                fixed.insert(host);
            }
        }
        let all: Vec<HostId> = self.model.scheduler.cell().hosts().collect();
        // To move a pod to an idle host empties none.
        for host in all.iter().filter(|host| !on.contains_key(host)) {
            self.close(*host)?;
        }
        let received: BTreeSet<HostId> = self
            .proposal
            .moves
            .iter()
            .filter_map(|one| self.model.scheduler.cell().host_named(&one.to))
            .collect();
        let mut candidates: Vec<(f64, HostId)> = on
            .keys()
            .filter(|host| !fixed.contains(host) && !self.closed.contains(host) && !received.contains(host))
            .map(|host| (self.fill(*host), *host))
            .collect();
        candidates.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
        let mut filled = BTreeSet::new();
        for (_, host) in candidates {
            // The largest first: what is small finds room behind it, and not the other way round.
            let mut pods = on[&host].clone();
            pods.sort_by_cached_key(|number| std::cmp::Reverse(self.share(*number, host)));
            if pods.len() > self.moves_left || filled.contains(&host) {
                continue;
            }
            self.close(host)?;
            let before = self.proposal.moves.len();
            if self.empty(&pods)? {
                self.moves_left -= pods.len();
                self.proposal.emptied.extend(self.host(host).map(|host| host.name.clone()));
                let moves = &self.proposal.moves[before..];
                filled.extend(moves.iter().filter_map(|one| self.model.scheduler.cell().host_named(&one.to)));
            } else {
                self.open(host)?;
            }
        }
        Ok(())
    }

    /// Moves all of some pods, or none.
    fn empty(&mut self, pods: &[usize]) -> Result<bool, SimulationError> {
        let before = self.proposal.moves.len();
        let mut former = Vec::with_capacity(pods.len());
        for number in pods {
            let held = self.model.held.swap_remove(*number);
            let (host, seat) = (held.placement.host(), held.placement.seat());
            let (held, moved) = self.relocate(held, MoveReason::Consolidate)?;
            put_back_at(&mut self.model.held, *number, held);
            if moved.is_err() {
                for (number, host, seat) in former.into_iter().rev() {
                    let held = self.model.held.swap_remove(number);
                    let held = self.settle(held, host, seat)?;
                    put_back_at(&mut self.model.held, number, held);
                }
                self.proposal.moves.truncate(before);
                return Ok(false);
            }
            former.push((*number, host, seat));
        }
        Ok(true)
    }

    /// Moves a pod to the best other host and notes it.
    fn relocate(
        &mut self,
        held: Held<'d>,
        why: MoveReason,
    ) -> Result<(Held<'d>, Result<(), Stays>), SimulationError> {
        let (from, seat) = (held.placement.host(), held.placement.seat());
        let Held { pod, class, placement } = held;
        let scheduler = &mut self.model.scheduler;
        // It is there: nothing but this holds placements.
        let _ = scheduler.release(placement);
        let choice = scheduler.decide(class);
        let there = choice.filter(|choice| choice.host != from && !self.closed.contains(&choice.host));
        let stays = match (choice, there) {
            (_, Some(choice)) => match scheduler.place(class, choice.host, choice.seat()) {
                Ok(placement) => {
                    let name = |host| scheduler.cell().name(host).unwrap_or_default().to_owned();
                    self.proposal.moves.push(ProposedMove {
                        namespace: pod.view.namespace.clone(),
                        name: pod.view.name.clone(),
                        uid: pod.view.uid.clone(),
                        from: name(from),
                        to: name(choice.host),
                        why,
                    });
                    return Ok((Held { pod, class, placement }, Ok(())));
                }
                Err(error) => Stays::Nowhere(error.to_string()),
            },
            (Some(_), None) => Stays::Here,
            (None, None) => Stays::Nowhere(
                scheduler.explain(class).map(|explained| explained.to_string()).unwrap_or_default(),
            ),
        };
        let placement = back(scheduler, pod, class, from, seat)?;
        Ok((Held { pod, class, placement }, Err(stays)))
    }

    /// Puts a pod back on a host that it has left.
    fn settle(&mut self, held: Held<'d>, host: HostId, seat: Seat) -> Result<Held<'d>, SimulationError> {
        let Held { pod, class, placement } = held;
        let _ = self.model.scheduler.release(placement);
        let placement = back(&mut self.model.scheduler, pod, class, host, seat)?;
        Ok(Held { pod, class, placement })
    }

    /// Whether a pod's host would take it today, were it not there yet.
    fn is_admitted(&mut self, held: Held<'d>) -> Result<(Held<'d>, bool), SimulationError> {
        let Held { pod, class, placement } = held;
        let (host, seat) = (placement.host(), placement.seat());
        let scheduler = &mut self.model.scheduler;
        let _ = scheduler.release(placement);
        let is_admitted = scheduler.admits(class, host);
        let placement = back(scheduler, pod, class, host, seat)?;
        Ok((Held { pod, class, placement }, is_admitted))
    }

    fn stuck(&mut self, held: &Held<'_>, why: String) {
        self.proposal.stuck.push(Waits { pod: held.pod.view.key(), why });
    }

    fn host(&self, id: HostId) -> Option<&'d Host> {
        self.hosts.get(self.model.scheduler.cell().name(id)?).copied()
    }

    fn close(&mut self, id: HostId) -> Result<(), SimulationError> {
        self.closed.insert(id);
        self.describe(id, true)
    }

    fn open(&mut self, id: HostId) -> Result<(), SimulationError> {
        self.closed.remove(&id);
        self.describe(id, false)
    }

    fn describe(&mut self, id: HostId, is_closed: bool) -> Result<(), SimulationError> {
        let Some(host) = self.host(id) else { return Ok(()) };
        let described = Host { unschedulable: is_closed || host.unschedulable, ..host.clone() };
        Ok(self.model.scheduler.update_host(id, &described)?)
    }

    /// How much of a host a pod takes, of the scarcer of CPU and memory, in parts of 10,000.
    fn share(&self, number: usize, host: HostId) -> i64 {
        let cell = self.model.scheduler.cell();
        let requests = &self.model.held[number].pod.demand.requests;
        let share = |asked: i64, resource| {
            let offered = cell.allocatable(host, resource).unwrap_or(0).max(1);
            (i128::from(asked) * 10_000 / i128::from(offered)) as i64
        };
        share(requests.cpu_milli, ResourceId::CPU).max(share(requests.memory, ResourceId::MEMORY))
    }

    /// How full a host is, by the scarcer of CPU and memory.
    fn fill(&self, host: HostId) -> f64 {
        let cell = self.model.scheduler.cell();
        let share = |resource| {
            let offered = cell.allocatable(host, resource).unwrap_or(0).max(1) as f64;
            1.0 - cell.free(host, resource).unwrap_or(0) as f64 / offered
        };
        share(ResourceId::CPU).max(share(ResourceId::MEMORY))
    }
}

/// Puts a pod where it was, and where nothing has come since.
fn back(
    scheduler: &mut Scheduler,
    pod: &Pod,
    class: ClassId,
    host: HostId,
    seat: Seat,
) -> Result<Placement, SimulationError> {
    scheduler
        .place(class, host, seat)
        .map_err(|source| SimulationError::NotPutBack { pod: pod.view.key(), source })
}

/// Undoes a `swap_remove`.
fn put_back_at<T>(list: &mut Vec<T>, at: usize, item: T) {
    list.push(item);
    let last = list.len() - 1;
    list.swap(at, last);
}

/// Why a pod must be left where it is, whatever is gained; nothing where it may be moved.
fn why_not_moved(held: &Held<'_>) -> Option<String> {
    let view = &held.pod.view;
    if view.is_unsafe_to_evict {
        return Some("its owner does not want it moved".to_owned());
    }
    if !view.is_controlled {
        return Some("it has no controller: nobody would make it anew".to_owned());
    }
    let path = held.pod.unsupported.first()?;
    Some(format!("{path} is not looked at, so nobody can say where it may go"))
}
