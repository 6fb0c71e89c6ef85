//! Preemption: pods of lower priority make way for one that fits nowhere.
//!
//! The pod is nominated: it holds its room from now on, so that nobody else takes what its victims leave, and is bound when
//! the last of them is gone. Where that room turns out to be taken, or its host goes, the pod waits in its line again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use meridian_engine::Running;

use super::Core;
use super::pods::{Pod, State};
use super::queue::LineId;
use crate::metrics::Event;
use crate::news::{BindOrder, EvictOrder, PodId, Told};

/// How long a pod whose victims could not be stopped waits until it has others make way. One whose binding was refused waits
/// for as long as the room there is avoided.
const AGAIN: Duration = Duration::from_secs(60);

impl Core {
    /// Lets preemption know of a pod that is on a host, or on its way.
    pub(super) fn track(&mut self, number: u64) {
        let Some(pod) = self.pods.get_mut(number) else { return };
        let budgets = self.budgets.of(&pod.id.namespace, &pod.labels);
        let running = Running {
            pod: number,
            priority: pod.priority,
            start: pod.started,
            owner: 0,
            budgets,
            is_protected: false,
            is_terminating: pod.is_leaving,
        };
        if let Some(hold) = pod.hold_mut() {
            self.engines.track(hold, &running);
        }
    }

    /// Lets preemption know anew of all pods of a namespace: other budgets count for them.
    pub(super) fn track_namespace(&mut self, namespace: &str) {
        for number in self.pods.of_namespace(namespace) {
            self.track(number);
        }
    }

    /// Has others make way for a pod, if there are any of lower priority whose room would do.
    pub(super) fn preempt(&mut self, number: u64, line: LineId, now: Duration) -> bool {
        let Some(pod) = self.pods.get(number) else { return false };
        let is_left_out = self.without_preemption.get(line.profile).is_none_or(|left_out| *left_out);
        if is_left_out || pod.never_preempts || pod.preempts_again > now {
            return false;
        }
        let (priority, winner) = (pod.priority, pod.id.clone());
        let Some(found) = self.engines.preempt(line.profile, line.class, priority) else { return false };
        let Ok(hold) = self.engines.nominate(line.class, found.host, found.seat()) else { return false };
        let Some(host) = self.hosts.name(found.host) else { return false };
        self.metrics.preempted(found.victims.len());
        self.queue.remove(line, priority, number);
        self.hosts.note(&host, number);
        let by = self.name(Some(line.profile));
        let mut awaited = BTreeSet::new();
        let mut stopped = Vec::new();
        for victim in found.victims.iter().chain(&found.leaving).copied() {
            if self.pods.get(victim).is_some_and(|pod| matches!(pod.state, State::Nominated(..))) {
                // It is not there yet: it waits again, behind the one that takes its place.
                self.denominate(victim, now);
                continue;
            }
            awaited.insert(victim);
            self.awaited.entry(victim).or_default().insert(number);
            if found.victims.contains(&victim) {
                stopped.extend(self.stop(victim, &by, &winner, &host));
            }
        }
        let Some(pod) = self.pods.get_mut(number) else { return false };
        pod.state = State::Nominated(hold, host.clone(), awaited);
        self.nominated += 1;
        self.track(number);
        self.evictions.push_back(EvictOrder { number, pod: winner, host, victims: stopped });
        self.seat(number);
        true
    }

    /// Notes that a pod is to be stopped, and tells of it.
    fn stop(
        &mut self,
        victim: u64,
        by: &Arc<str>,
        winner: &Arc<PodId>,
        host: &Arc<str>,
    ) -> Option<Arc<PodId>> {
        let pod = self.pods.get_mut(victim)?;
        pod.is_leaving = true;
        let id = pod.id.clone();
        if let Some(hold) = pod.hold_mut() {
            self.engines.terminating(hold);
        }
        let (by, pod, winner, host) = (by.clone(), id.clone(), winner.clone(), host.clone());
        self.tell(Told::Preempted { by, pod, winner, host });
        Some(id)
    }

    /// A pod is gone: those that waited for its room may have it now.
    pub(super) fn has_left(&mut self, victim: u64) {
        for number in self.awaited.remove(&victim).unwrap_or_default() {
            if let Some(State::Nominated(_, _, awaited)) = self.pods.get_mut(number).map(|pod| &mut pod.state)
            {
                awaited.remove(&victim);
                self.seat(number);
            }
        }
    }

    /// Has a nominated pod bound if all that it waited for are gone.
    fn seat(&mut self, number: u64) {
        let now = self.now;
        let Some(pod) = self.pods.get_mut(number) else { return };
        let State::Nominated(hold, host, awaited) = &mut pod.state else { return };
        if !awaited.is_empty() {
            return;
        }
        if !self.engines.seat(hold) {
            // Somebody else was faster.
            return self.denominate(number, now);
        }
        let order = BindOrder { number, pod: pod.id.clone(), host: host.clone(), is_left: true };
        let Pod { state, .. } = pod;
        if let State::Nominated(hold, host, _) = std::mem::replace(state, State::Blocked) {
            *state = State::Binding(hold, host);
            pod.decided = now;
            pod.message = None;
            self.nominated -= 1;
            self.binding += 1;
            self.orders.push_back(order);
        }
    }

    /// Ends a nomination: the pod waits in its line again.
    pub(super) fn denominate(&mut self, number: u64, now: Duration) {
        let Some(pod) = self.pods.get_mut(number) else { return };
        if !matches!(pod.state, State::Nominated(..)) {
            return;
        }
        let state = std::mem::replace(&mut pod.state, State::Waiting);
        self.let_go(number, state);
        self.wait(number, Event::HostChanged, now);
    }

    /// The pods that were to make way could not be stopped.
    pub(super) fn not_evicted(&mut self, number: u64, why: &str, now: Duration) {
        tracing::warn!(why, "pods could not be stopped that were to make way for another");
        if let Some(pod) = self.pods.get_mut(number) {
            pod.preempts_again = now + AGAIN;
        }
        self.denominate(number, now);
    }
}
