//! Deciding: the pod whose turn it is goes to the best host, or its line is set aside.

use std::time::Duration;

use super::Core;
use super::pods::State;
use super::queue::LineId;
use crate::metrics::Event;
use crate::news::BindOrder;

/// From so many changed hosts on it is cheaper to try lines again than to ask them about each host.
const MANY_HOSTS: usize = 256;

impl Core {
    /// Does what the time has come for, and decides about at most so many pods. Returns about how many.
    pub(crate) fn decide(&mut self, most: usize, now: Duration) -> usize {
        self.now = now;
        self.expire(now);
        self.wake_lines();
        let mut tried = 0;
        while tried < most && self.binding < self.limits.binding {
            let Some((number, line)) = self.queue.first() else { break };
            self.attempt(number, line, now);
            tried += 1;
        }
        self.explain_one(now);
        tried
    }

    fn expire(&mut self, now: Duration) {
        while self.avoided.front().is_some_and(|(at, _)| *at <= now) {
            let Some((_, hold)) = self.avoided.pop_front() else { break };
            self.give_back(hold);
        }
        while let Some((at, number)) = self.backing_off.first().copied().filter(|(at, _)| *at <= now) {
            self.backing_off.remove(&(at, number));
            self.wait(number, Event::BackoffComplete, now);
        }
    }

    /// Lets the lines have their turn that some changed host could help.
    fn wake_lines(&mut self) {
        let helped = std::mem::take(&mut self.helped);
        if helped.is_empty() && self.mindful.is_empty() {
            return;
        }
        let parked: std::collections::BTreeSet<LineId> = self.queue.parked().collect();
        self.mindful.retain(|line, _| parked.contains(line));
        for line in parked {
            let seen = self.mindful.get(&line).copied();
            let is_helped = (seen.is_some() && self.engines.pods_version(line.profile, line.class) != seen)
                || helped.len() >= MANY_HOSTS
                || helped.iter().any(|host| self.engines.admits(line.profile, line.class, *host));
            if is_helped {
                self.mindful.remove(&line);
                for _ in 0..self.queue.unpark(line) {
                    self.metrics.incoming("active", Event::HostChanged);
                }
            }
        }
    }

    fn attempt(&mut self, number: u64, line: LineId, now: Duration) {
        let by = self.name(Some(line.profile));
        let decided = self.engines.decide(line.profile, line.class);
        let held = decided.map(|choice| self.engines.hold(line.class, choice.host, choice.seat()));
        match held {
            Some(Ok(hold)) => {
                let Some(host) = self.hosts.name(hold.host) else { return };
                let Some(pod) = self.pods.get_mut(number) else { return };
                self.queue.remove(line, pod.priority, number);
                pod.attempts += 1;
                pod.decided = now;
                pod.message = None;
                self.hosts.note(&host, number);
                let order = BindOrder { number, pod: pod.id.clone(), host: host.clone(), is_left: false };
                pod.state = State::Binding(hold, host);
                self.binding += 1;
                self.orders.push_back(order);
                self.track(number);
            }
            refused => {
                if let Some(Err(error)) = refused {
                    tracing::error!(%error, "a chosen host does not take the pod; it waits for a change");
                }
                let Some(pod) = self.pods.get_mut(number) else { return };
                pod.attempts += 1;
                self.metrics.unschedulable(&by);
                if self.preempt(number, line, now) {
                    return;
                }
                let Some(pod) = self.pods.get(number) else { return };
                if pod.detour.is_some() {
                    // Only hosts that were refused could take it: after a wait it may ask them again.
                    self.queue.remove(line, pod.priority, number);
                    self.end_detour(number);
                    return self.back_off(number, now + self.limits.max_backoff);
                }
                self.queue.park(line);
                if let Some(version) = self.engines.pods_version(line.profile, line.class) {
                    self.mindful.insert(line, version);
                }
                for _ in self.queue.line(line) {
                    self.metrics.incoming("unschedulable", Event::ScheduleAttemptFailure);
                }
                self.explain_line(line, now);
            }
        }
    }
}
