//! What users are told: why pods wait.

use std::sync::Arc;
use std::time::Duration;

use super::queue::LineId;
use super::{Core, EXPLAIN_AGAIN, TELL_AGAIN};
use crate::news::Told;

impl Core {
    /// Has a line that fits nowhere explained, as soon as its turn comes.
    pub(super) fn explain_line(&mut self, line: LineId, now: Duration) {
        let explained = self.explained.entry(line).or_default();
        let at = explained.next.max(now);
        explained.next = at + EXPLAIN_AGAIN;
        self.to_explain.insert((at, line));
    }

    /// Explains one line whose time has come.
    pub(super) fn explain_one(&mut self, now: Duration) {
        let Some((at, line)) = self.to_explain.first().copied().filter(|(at, _)| *at <= now) else { return };
        self.to_explain.remove(&(at, line));
        if !self.queue.is_parked(line) {
            return;
        }
        let message: Arc<str> = match self.engines.explain(line.profile, line.class) {
            _ if self.engines.hosts() == 0 => "no nodes available to schedule pods".into(),
            // It fits by now: its turn comes.
            Some(explanation) if explanation.feasible > 0 => {
                self.queue.unpark(line);
                return;
            }
            Some(explanation) => {
                let first = self.queue.line(line).next().and_then(|number| self.pods.get(number));
                let preempts = first
                    .filter(|pod| {
                        !pod.never_preempts && self.without_preemption.get(line.profile) == Some(&false)
                    })
                    .map(|pod| pod.priority);
                let told = preempts
                    .and_then(|priority| self.engines.explain_preemption(line.profile, line.class, priority));
                match told {
                    Some(preemption) => format!("{explanation} preemption: {preemption}").into(),
                    None => explanation.to_string().into(),
                }
            }
            None => return,
        };
        let Some(explained) = self.explained.get_mut(&line) else { return };
        explained.message = Some(message);
        let pods: Vec<u64> = self.queue.line(line).collect();
        for number in pods {
            self.tell_line(line, number, now);
        }
    }

    /// Has users told of a pod what is known of its line.
    pub(super) fn tell_line(&mut self, line: LineId, number: u64, now: Duration) {
        let Some(message) = self.explained.get(&line).and_then(|explained| explained.message.clone()) else {
            return;
        };
        let Some(pod) = self.pods.get_mut(number) else { return };
        let at = match &pod.told {
            Some((told, _)) if *told == message => return,
            Some((_, at)) => now.max(*at + TELL_AGAIN),
            None => now,
        };
        pod.message = Some(message);
        self.to_tell.insert((at, number));
    }

    /// The next thing to tell.
    pub(crate) fn next_told(&mut self, now: Duration) -> Option<Told> {
        if let Some(told) = self.told.pop_front() {
            return Some(told);
        }
        while let Some((at, number)) = self.to_tell.first().copied().filter(|(at, _)| *at <= now) {
            self.to_tell.remove(&(at, number));
            let Some(pod) = self.pods.get_mut(number) else { continue };
            // One that has been placed meanwhile has no message any more.
            let Some(message) = pod.message.clone() else { continue };
            if pod.told.as_ref().is_some_and(|(told, _)| *told == message) {
                continue;
            }
            pod.told = Some((message.clone(), now));
            let (profile, pod) = (pod.profile, pod.id.clone());
            return Some(Told::Failed { by: self.name(profile), pod, message, is_unschedulable: true });
        }
        None
    }
}
