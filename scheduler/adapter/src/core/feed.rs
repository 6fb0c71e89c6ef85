//! Taking in what is heard: hosts, pods, and what came of bindings.

use std::sync::Arc;
use std::time::Duration;

use meridian_engine::{ClassId, Running};

use super::Core;
use super::engines::Hold;
use super::hosts::Put;
use super::pods::{Pod, State};
use crate::metrics::Event;
use crate::news::{Asked, Change, Kind, Outcome, PodId, PodNews, Told};

impl Core {
    /// Takes a change in.
    pub(crate) fn take(&mut self, change: Change, now: Duration) {
        self.now = now;
        match change {
            Change::Relisting(kind) => self.listings[kind as usize] += 1,
            Change::Listed(kind) => self.listed(kind),
            Change::Host(name, described) => {
                let seen = self.listings[Kind::Hosts as usize];
                match self.hosts.put(&name, described, seen, &mut self.engines) {
                    Put::Added => self.hold_all(&name),
                    Put::Changed => self.hold_short(&name),
                    Put::Same => return,
                }
                self.help(&name);
            }
            Change::HostGone(name) => self.host_gone(&name),
            Change::Pod(news) => self.pod(*news, now),
            Change::PodGone(id) => {
                if let Some(number) = self.numbered(&id) {
                    self.drop_pod(number);
                }
            }
            Change::Budget(news) => {
                let (namespace, seen) = (news.namespace.clone(), self.listings[Kind::Budgets as usize]);
                if self.budgets.put(news, seen, &mut self.engines) {
                    self.track_namespace(&namespace);
                }
            }
            Change::BudgetGone(namespace, name) => self.budget_gone(&namespace, &name),
            Change::Bound(number, outcome) => self.bound(number, outcome, now),
            Change::NotEvicted(number, why) => self.not_evicted(number, &why, now),
        }
    }

    fn listed(&mut self, kind: Kind) {
        self.listed[kind as usize] = true;
        let listing = self.listings[kind as usize];
        match kind {
            Kind::Hosts => {
                for name in self.hosts.unseen(listing) {
                    self.host_gone(&name);
                }
            }
            Kind::Budgets => {
                for (namespace, name) in self.budgets.unseen(listing) {
                    self.budget_gone(&namespace, &name);
                }
            }
            Kind::Pods => {
                let unseen = |pod: &Pod| pod.seen < listing;
                let mut gone: Vec<u64> =
                    self.pods.iter().filter(|(_, pod)| unseen(pod)).map(|(number, _)| number).collect();
                gone.sort_unstable();
                for number in gone {
                    self.drop_pod(number);
                }
            }
        }
    }

    fn budget_gone(&mut self, namespace: &str, name: &str) {
        self.budgets.remove(namespace, name, &mut self.engines);
        self.track_namespace(namespace);
    }

    fn host_gone(&mut self, name: &str) {
        for number in self.hosts.remove(name, &mut self.engines) {
            // Who waited for room there waits in line again.
            self.denominate(number, self.now);
            // What was held is gone with the host.
            if let Some(State::There(hold, _)) = self.pods.get_mut(number).map(|pod| &mut pod.state) {
                *hold = None;
            }
        }
    }

    /// Holds all pods that are said to be on a host which has come into the cluster.
    fn hold_all(&mut self, name: &str) {
        let Some(record) = self.hosts.get_mut(name) else { return };
        let pods: Vec<u64> = record.pods.iter().copied().collect();
        for number in pods {
            self.hold_anew(number);
        }
    }

    /// Holds what did not fit on a host again, now that something has changed there.
    fn hold_short(&mut self, name: &str) {
        let Some(record) = self.hosts.get_mut(name) else { return };
        let short: Vec<u64> = std::mem::take(&mut record.short).into_iter().collect();
        for number in &short {
            self.release_hold(*number);
        }
        for number in short {
            self.hold_anew(number);
        }
    }

    fn release_hold(&mut self, number: u64) {
        let Some(pod) = self.pods.get_mut(number) else { return };
        if let State::There(hold, _) = &mut pod.state
            && let Some(hold) = hold.take()
        {
            self.engines.release(hold);
        }
    }

    fn hold_anew(&mut self, number: u64) {
        self.release_hold(number);
        let Some(pod) = self.pods.get_mut(number) else { return };
        match &mut pod.state {
            State::There(hold, host) => {
                *hold = self.hosts.hold(host, number, pod.class, &mut self.engines);
            }
            // The host is another one of that name, and what was assumed there is gone with the old one.
            State::Binding(hold, host) | State::Assumed(hold, host) => {
                let Some(class) = pod.class else { return };
                let record = self.hosts.get_mut(host);
                let anew = record
                    .and_then(|record| record.id)
                    .filter(|id| *id != hold.host)
                    .and_then(|id| self.engines.hold_what_is_there(class, id));
                if let Some(anew) = anew {
                    *hold = anew;
                }
            }
            State::Nominated(..) | State::Gated | State::Blocked | State::Waiting | State::BackingOff(_) => {
                return;
            }
        }
        self.track(number);
    }

    /// A host has more room or is described anew.
    fn help(&mut self, name: &str) {
        if let Some(id) = self.hosts.get_mut(name).and_then(|record| record.id) {
            self.helped.insert(id);
        }
    }

    /// The pod of this name, if it is this very one.
    fn numbered(&self, id: &PodId) -> Option<u64> {
        let number = self.pods.named(&id.namespace, &id.name)?;
        (id.uid.is_empty() || self.pods.get(number)?.id.uid == id.uid).then_some(number)
    }

    fn pod(&mut self, news: PodNews, now: Duration) {
        let named = self.pods.named(&news.id.namespace, &news.id.name);
        let known = self.numbered(&news.id);
        if let Some(other) = named.filter(|_| known.is_none()) {
            // Another pod of that name was before; nobody has said yet that it is gone.
            self.drop_pod(other);
        }
        if news.has_ended {
            if let Some(number) = known {
                self.drop_pod(number);
            }
            return;
        }
        match (known, news.node.is_some()) {
            (Some(number), true) => self.is_there(number, news),
            (Some(number), false) => self.is_pending(number, news, now),
            (None, true) => {
                let number = self.add(&news, State::Gated, None, now);
                self.is_there(number, news);
            }
            (None, false) => {
                let profile = self.names.iter().position(|name| **name == *news.scheduler_name);
                if profile.is_some() && !news.is_deleting {
                    let number = self.add(&news, State::Blocked, profile, now);
                    self.enqueue(number, news, Event::PodAdd, now);
                }
            }
        }
    }

    fn add(&mut self, news: &PodNews, state: State, profile: Option<usize>, now: Duration) -> u64 {
        if matches!(state, State::Gated) {
            self.gated += 1;
        }
        self.pods.add(Pod {
            id: Arc::new(news.id.clone()),
            profile,
            priority: news.priority,
            never_preempts: news.never_preempts,
            preempts_again: Duration::ZERO,
            labels: news.labels.clone(),
            started: news.started,
            is_leaving: news.is_deleting,
            class: None,
            detour: None,
            state,
            since: now,
            decided: now,
            attempts: 0,
            message: None,
            told: None,
            seen: self.listings[Kind::Pods as usize],
        })
    }

    /// The class of what a pod takes, for that pod.
    fn class(&mut self, news: &PodNews) -> Option<ClassId> {
        let demand = match &news.asked {
            Asked::Whole(demand) | Asked::InPart(demand, _) => demand,
            Asked::Unreadable(problem) => {
                tracing::warn!(
                    pod = news.id.name,
                    namespace = news.id.namespace,
                    problem,
                    "a pod cannot be read"
                );
                return None;
            }
        };
        self.engines
            .join(demand)
            .map_err(|error| tracing::warn!(pod = news.id.name, %error, "a pod is refused"))
            .ok()
    }

    /// A pod is on a host.
    fn is_there(&mut self, number: u64, news: PodNews) {
        let Some(host) = news.node.as_deref().map(|node| self.hosts.shared(node)) else { return };
        let class = self.class(&news);
        self.wait_no_more(number);
        self.end_detour(number);
        let seen = self.listings[Kind::Pods as usize];
        let Some(pod) = self.pods.get_mut(number) else { return };
        pod.seen = seen;
        let told = (news.priority, news.started, news.is_deleting || pod.is_leaving, news.labels);
        let is_news =
            (pod.priority, pod.started, pod.is_leaving, &pod.labels) != (told.0, told.1, told.2, &told.3);
        (pod.priority, pod.started, pod.is_leaving, pod.labels) = told;
        let former = std::mem::replace(&mut pod.class, class);
        let is_same = pod.host() == Some(&host) && former == class;
        let hold = match std::mem::replace(&mut pod.state, State::Blocked) {
            State::There(hold, _) if is_same => hold,
            State::Binding(hold, _) if is_same => {
                self.binding -= 1;
                Some(hold)
            }
            State::Assumed(hold, _) if is_same => {
                self.assumed -= 1;
                Some(hold)
            }
            other => {
                self.let_go(number, other);
                self.hosts.hold(&host, number, class, &mut self.engines)
            }
        };
        if let Some(pod) = self.pods.get_mut(number) {
            pod.state = State::There(hold, host);
        }
        if is_news || !is_same {
            self.track(number);
        }
        if let Some(former) = former {
            self.engines.leave(former);
        }
    }

    /// A pod that is known is said to be on no host.
    fn is_pending(&mut self, number: u64, news: PodNews, now: Duration) {
        let seen = self.listings[Kind::Pods as usize];
        let Some(pod) = self.pods.get_mut(number) else { return };
        pod.seen = seen;
        if matches!(pod.state, State::Nominated(..)) && !news.is_deleting {
            // What is new is its nomination.
            return;
        }
        if matches!(pod.state, State::Binding(..) | State::Assumed(..) | State::There(..)) {
            // Old news: it is being bound, and nobody takes a pod off its host.
            return;
        }
        let profile = self.names.iter().position(|name| **name == *news.scheduler_name);
        if news.is_deleting || profile.is_none() {
            self.drop_pod(number);
            return;
        }
        pod.profile = profile;
        self.enqueue(number, news, Event::PodUpdate, now);
    }

    /// Gives a pod its place among those that wait, or says why it has none.
    fn enqueue(&mut self, number: u64, news: PodNews, event: Event, now: Duration) {
        let class = self.class(&news);
        let Some(pod) = self.pods.get_mut(number) else { return };
        let is_same = pod.class == class && pod.priority == news.priority;
        if is_same && !news.is_gated && matches!(pod.state, State::Waiting | State::BackingOff(_)) {
            if let Some(class) = class {
                self.engines.leave(class);
            }
            return;
        }
        self.wait_no_more(number);
        self.end_detour(number);
        let Some(pod) = self.pods.get_mut(number) else { return };
        pod.priority = news.priority;
        pod.never_preempts = news.never_preempts;
        let former = std::mem::replace(&mut pod.class, class);
        if let Some(former) = former {
            self.engines.leave(former);
        }
        if news.is_gated {
            let Some(pod) = self.pods.get_mut(number) else { return };
            pod.state = State::Gated;
            self.gated += 1;
            self.metrics.incoming("gated", event);
            return;
        }
        match news.asked {
            Asked::Whole(_) if class.is_some() => self.wait(number, event, now),
            Asked::Whole(_) => self.block(number, "what it asks for is out of range".to_owned(), now),
            Asked::InPart(_, what) => {
                self.block(number, format!("this scheduler does not support {what}"), now)
            }
            Asked::Unreadable(problem) => self.block(number, problem, now),
        }
    }

    /// Puts a pod into its line.
    pub(super) fn wait(&mut self, number: u64, event: Event, now: Duration) {
        let Some(pod) = self.pods.get_mut(number) else { return };
        let Some(line) = pod.line() else { return };
        if matches!(pod.state, State::Gated | State::Blocked) {
            pod.since = now;
        }
        pod.state = State::Waiting;
        self.queue.push(line, pod.priority, number);
        if self.queue.is_parked(line) {
            self.metrics.incoming("unschedulable", event);
            self.tell_line(line, number, now);
        } else {
            self.metrics.incoming("active", event);
        }
    }

    fn block(&mut self, number: u64, why: String, now: Duration) {
        let Some(pod) = self.pods.get_mut(number) else { return };
        pod.state = State::Blocked;
        pod.message = Some(why.into());
        self.to_tell.insert((now, number));
    }

    /// Takes a pod that waits in any way out of where it waits.
    fn wait_no_more(&mut self, number: u64) {
        let Some(pod) = self.pods.get_mut(number) else { return };
        match pod.state {
            State::Gated => self.gated -= 1,
            State::BackingOff(until) => {
                self.backing_off.remove(&(until, number));
            }
            State::Waiting => {
                if let Some(line) = pod.line() {
                    self.queue.remove(line, pod.priority, number);
                    if self.queue.line(line).next().is_none() {
                        self.explained.remove(&line);
                    }
                }
            }
            State::Blocked => {}
            State::Binding(..) | State::Assumed(..) | State::Nominated(..) | State::There(..) => return,
        }
        pod.state = State::Blocked;
    }

    /// Ends what a pod takes from a host.
    pub(super) fn let_go(&mut self, number: u64, state: State) {
        let (hold, host) = match state {
            State::Binding(hold, host) => {
                self.binding -= 1;
                (Some(hold), host)
            }
            State::Assumed(hold, host) => {
                self.assumed -= 1;
                (Some(hold), host)
            }
            State::Nominated(hold, host, awaited) => {
                self.nominated -= 1;
                for victim in awaited {
                    if let Some(waiting) = self.awaited.get_mut(&victim) {
                        waiting.remove(&number);
                    }
                }
                (Some(hold), host)
            }
            State::There(hold, host) => (hold, host),
            State::Gated | State::Blocked | State::Waiting | State::BackingOff(_) => return,
        };
        self.hosts.leave(&host, number, &mut self.engines);
        if let Some(hold) = hold {
            self.give_back(hold);
        }
        self.hold_short(&host);
        self.help(&host);
    }

    pub(super) fn give_back(&mut self, hold: Hold) {
        let host = hold.host;
        if self.engines.release(hold) {
            self.helped.insert(host);
        }
    }

    /// Forgets a pod and gives back all that it takes.
    pub(super) fn drop_pod(&mut self, number: u64) {
        self.wait_no_more(number);
        self.end_detour(number);
        let Some(mut pod) = self.pods.remove(number) else { return };
        let state = std::mem::replace(&mut pod.state, State::Blocked);
        self.let_go(number, state);
        if let Some(class) = pod.class {
            self.engines.leave(class);
        }
        self.has_left(number);
    }

    /// What came of a binding.
    fn bound(&mut self, number: u64, outcome: Outcome, now: Duration) {
        let Some(pod) = self.pods.get(number) else { return };
        let took = now.saturating_sub(pod.decided);
        let by = pod.profile.and_then(|profile| self.names.get(profile)).cloned().unwrap_or_default();
        match &outcome {
            Outcome::Bound => {
                let waited = now.saturating_sub(pod.since);
                self.metrics.scheduled(&by, took, waited, pod.attempts);
                if let Some(host) = pod.host() {
                    let told = Told::Scheduled { by, pod: pod.id.clone(), host: host.clone() };
                    self.tell(told);
                }
            }
            Outcome::Elsewhere(_) | Outcome::Refused(_) | Outcome::Gone => self.metrics.failed(&by, took),
        }
        let Some(pod) = self.pods.get_mut(number).filter(|pod| matches!(pod.state, State::Binding(..)))
        else {
            // The watch was first.
            return;
        };
        match outcome {
            Outcome::Bound => {
                if let State::Binding(hold, host) = std::mem::replace(&mut pod.state, State::Blocked) {
                    pod.state = State::Assumed(hold, host);
                    self.binding -= 1;
                    self.assumed += 1;
                }
            }
            Outcome::Gone => self.drop_pod(number),
            Outcome::Elsewhere(host) => {
                let class = pod.class;
                let state = std::mem::replace(&mut pod.state, State::Blocked);
                self.let_go(number, state);
                let host = self.hosts.shared(&host);
                let hold = self.hosts.hold(&host, number, class, &mut self.engines);
                if let Some(pod) = self.pods.get_mut(number) {
                    pod.state = State::There(hold, host);
                }
                self.track(number);
            }
            Outcome::Refused(why) => self.refused(number, &why, now),
        }
    }

    /// A pod keeps away from a host that was refused, and the room there is avoided for a while: the API server may know of
    /// something that is not seen here.
    fn refused(&mut self, number: u64, why: &str, now: Duration) {
        let Some(pod) = self.pods.get_mut(number) else { return };
        let State::Binding(mut hold, host) = std::mem::replace(&mut pod.state, State::Blocked) else {
            return;
        };
        self.binding -= 1;
        // No pod is there that could make way.
        let nobody = Running { pod: number, is_protected: true, ..Running::default() };
        self.engines.track(&mut hold, &nobody);
        let doubled = 1_u32.checked_shl(pod.attempts.saturating_sub(1)).unwrap_or(u32::MAX);
        let backoff = self.limits.initial_backoff.saturating_mul(doubled).min(self.limits.max_backoff);
        let detour = pod.line().and_then(|line| self.engines.join_away_from(line.class, &host));
        let former = std::mem::replace(&mut pod.detour, detour);
        if let Some(former) = former {
            self.engines.leave(former);
        }
        let (profile, pod) = (pod.profile, pod.id.clone());
        let (by, message) = (self.name(profile), format!("binding rejected: {why}").into());
        self.tell(Told::Failed { by, pod, message, is_unschedulable: false });
        self.hosts.leave(&host, number, &mut self.engines);
        let avoided_until = now + 2 * self.limits.max_backoff;
        self.avoided.push_back((avoided_until, hold));
        // The room may well be its own, which others have left for it a moment ago: nobody else is to go for it meanwhile.
        if let Some(pod) = self.pods.get_mut(number) {
            pod.preempts_again = pod.preempts_again.max(avoided_until);
        }
        self.back_off(number, now + backoff);
    }

    /// Has a pod that is nowhere wait until a time.
    pub(super) fn back_off(&mut self, number: u64, until: Duration) {
        let Some(pod) = self.pods.get_mut(number) else { return };
        pod.state = State::BackingOff(until);
        self.backing_off.insert((until, number));
        self.metrics.incoming("backoff", Event::ScheduleAttemptFailure);
    }

    /// Lets a pod go to any host again.
    pub(super) fn end_detour(&mut self, number: u64) {
        let detour = self.pods.get_mut(number).and_then(|pod| pod.detour.take());
        if let Some(detour) = detour {
            self.engines.leave(detour);
        }
    }
}
