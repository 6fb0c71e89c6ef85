//! Steps about pods that make way for others.

use meridian_engine::{Demand, Running as Tracked};

use super::Run;
use crate::pair::{Mismatch, Result};

/// A step about preemption. Pods are numbered in the order in which preemption is told of them.
#[derive(Clone, Debug)]
pub(crate) enum Preempting {
    /// Tells of so many of the newest pods that it knows nothing of yet.
    Track { pods: usize, priority: i32, start: i64, budgets: Vec<u32> },
    /// Tells something else of a pod that it knows of.
    Change { pod: usize, priority: i32, is_protected: bool, budgets: Vec<u32> },
    /// Changes what a budget allows.
    Budget { budget: u32, allowed: Option<i32> },
    /// Asks who makes way, of all or of an owner's.
    Ask { class: usize, priority: i32, owner: Option<u32> },
    /// Has them told to stop, and keeps what they leave for the pod.
    CarryOut { class: usize, priority: i32, owner: Option<u32>, budgets: Vec<u32> },
    /// Keeps room for a pod on a host that others may have.
    Nominate { class: usize, host: u64, devices: u64, priority: i32 },
    /// Ends so many of those that have been told to stop, and seats whom that gives room.
    Stop { pods: usize },
}

impl Run {
    pub(super) fn preempting(&mut self, step: &Preempting, demands: &[Demand]) -> Result<()> {
        // For each host the reference looks at all pods anew, which is too much where these matter and hosts are many.
        let asks = matches!(step, Preempting::Ask { .. } | Preempting::CarryOut { .. });
        if asks && self.hosts.len() > 150 && demands.iter().any(|demand| !demand.terms.is_empty()) {
            return Ok(());
        }
        match step {
            Preempting::Track { pods, priority, start, budgets } => {
                let Run { running, tracked, pair, .. } = self;
                let new = running.iter_mut().rev().filter(|running| running.tracked.is_none());
                for running in new.take(*pods) {
                    *tracked += 1;
                    let (priority, budgets) = (*priority, budgets.clone());
                    let start = start + (*tracked % 3) as i64;
                    let owner = (*tracked % 2) as u32;
                    let told =
                        Tracked { pod: *tracked, priority, start, owner, budgets, ..Tracked::default() };
                    pair.track(running, told);
                }
                Ok(())
            }
            Preempting::Change { pod, priority, is_protected, budgets } => {
                let count = self.running.len().max(1);
                let Some(running) = self.running.get_mut(pod % count) else { return Ok(()) };
                let Some(known) = running.tracked.clone() else { return Ok(()) };
                let (priority, is_protected, budgets) = (*priority, *is_protected, budgets.clone());
                self.pair.track(running, Tracked { priority, is_protected, budgets, ..known });
                Ok(())
            }
            Preempting::Budget { budget, allowed } => {
                self.pair.set_budget(*budget, *allowed);
                Ok(())
            }
            Preempting::Ask { class, priority, owner } => {
                let class = self.class(*class, demands);
                self.pair.preempt(class, *priority, *owner).map(|_| ())
            }
            Preempting::CarryOut { class, priority, owner, budgets } => {
                let class = self.class(*class, demands);
                self.carry_out(class, *priority, *owner, budgets)
            }
            Preempting::Nominate { class, host, devices, priority } => {
                let class = self.class(*class, demands);
                let Some(both) = self.host(*host) else { return Ok(()) };
                let seat = self.pair.some_seat(class, *devices);
                let nominated = self.pair.nominate(class, both, seat)?;
                self.running.extend(nominated);
                self.preempting(
                    &Preempting::Track { pods: 1, priority: *priority, start: 0, budgets: Vec::new() },
                    demands,
                )
            }
            Preempting::Stop { pods } => self.stop(*pods),
        }
    }

    fn carry_out(&mut self, class: usize, priority: i32, owner: Option<u32>, budgets: &[u32]) -> Result<()> {
        let Some((both, preempted)) = self.pair.preempt(class, priority, owner)? else { return Ok(()) };
        for running in &mut self.running {
            let Some(known) = running.tracked.as_ref().filter(|known| preempted.victims.contains(&known.pod))
            else {
                continue;
            };
            if known.priority >= priority {
                return Err(Mismatch(format!("{known:?} makes way for priority {priority}")));
            }
            self.pair.terminating(running);
        }
        let Some(mut nominated) = self.pair.nominate(class, both, preempted.seat)? else {
            return Err(Mismatch(format!("a preemptor is refused: {preempted:?}")));
        };
        self.tracked += 1;
        let (pod, budgets) = (self.tracked, budgets.to_vec());
        self.pair.track(&mut nominated, Tracked { pod, priority, budgets, ..Tracked::default() });
        self.running.push(nominated);
        Ok(())
    }

    fn stop(&mut self, pods: usize) -> Result<()> {
        for _ in 0..pods {
            let stopping = |tracked: &Option<Tracked>| tracked.as_ref().is_some_and(|pod| pod.is_terminating);
            let Some(place) = self.running.iter().position(|running| stopping(&running.tracked)) else {
                break;
            };
            let stopped = self.running.swap_remove(place);
            self.pair.release(stopped)?;
        }
        for running in &mut self.running {
            self.pair.seat(running)?;
        }
        Ok(())
    }
}
