//! Everything that may happen next.

use std::sync::Arc;
use std::time::Duration;

use meridian_ledger::HostNumber;
use meridian_ledger::host::{Claim, Listing};
use meridian_ledger::tenant::{Hearing, Phase, Settlement, hear};

use crate::world::{Append, Binding, Cid, Message, Pod, World, uid};

/// One thing that may happen. Processes are numbered from the present one, 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Claim { tp: usize, process: usize, pod: usize, host: usize },
    GiveUp { tp: usize, process: usize, pod: usize },
    Deliver { message: Message, process: usize },
    Land(Append),
    Audit { tp: usize, process: usize, ledger: usize, he: u64, cid: Cid },
    TakeOver { tp: usize },
    Restart { ledger: usize },
    Connect { host: usize, process: usize },
    Obey { host: usize, he: u64 },
    Report { host: usize, process: usize, pod: usize },
    Finish { host: usize, pod: usize },
    Image { host: usize },
    Delete { pod: usize },
    Force { pod: usize },
}

impl World {
    /// All that may happen in this state.
    pub(crate) fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        self.tenant_steps(&mut steps);
        for message in self.network.iter() {
            for process in 0..self.receivers(message) {
                steps.push(Step::Deliver { message: message.clone(), process });
            }
        }
        steps.extend(self.appends.iter().cloned().map(Step::Land));
        for ledger in 0..self.config.ledgers {
            if self.he[ledger] < self.config.most_he {
                steps.push(Step::Restart { ledger });
            }
        }
        self.agent_steps(&mut steps);
        for (pod, (_, _, tp)) in self.config.pods.iter().enumerate() {
            let store = &self.stores[*tp];
            let is_live = self.exists(store, pod) && !matches!(store.pods[pod], Pod::Gone | Pod::Ghost(_));
            if is_live && self.deletes < self.config.most_deletes {
                steps.push(Step::Delete { pod });
            }
            if is_live && self.forced < self.config.most_forced {
                steps.push(Step::Force { pod });
            }
        }
        steps
    }

    fn tenant_steps(&self, steps: &mut Vec<Step>) {
        for tp in 0..self.config.tenants {
            for (process, tenant) in self.tenants[tp].iter().enumerate() {
                let view = self.view(tp, process);
                for (pod, (_, _, of)) in self.config.pods.iter().enumerate() {
                    if *of != tp {
                        continue;
                    }
                    if let Some(live) = tenant.claims.of(uid(pod).as_str()) {
                        if live.phase == Phase::Sent {
                            steps.push(Step::GiveUp { tp, process, pod });
                        }
                        continue;
                    }
                    if view.pods[pod] != Pod::Pending
                        || !self.exists(view, pod)
                        || self.claims >= self.config.most_claims
                    {
                        continue;
                    }
                    let fenced =
                        (0..self.config.hosts.len()).filter(|host| view.fences[self.ledger_of(*host)] > 0);
                    steps.extend(fenced.map(|host| Step::Claim { tp, process, pod, host }));
                }
                for (number, ledger) in self.ledgers.iter().enumerate() {
                    for ledger in ledger
                        .iter()
                        .filter(|ledger| hear(view.fences[number], ledger.epoch()) == Hearing::Current)
                    {
                        let of_tp =
                            ledger.entries().map(|entry| World::cid(&entry.claim)).filter(|cid| cid.tp == tp);
                        let he = ledger.epoch();
                        steps.extend(of_tp.map(|cid| Step::Audit { tp, process, ledger: number, he, cid }));
                    }
                }
            }
            if self.te[tp] < self.config.most_te {
                steps.push(Step::TakeOver { tp });
            }
        }
    }

    fn agent_steps(&self, steps: &mut Vec<Step>) {
        for (host, agent) in self.agents.iter().enumerate() {
            let ledgers = &self.ledgers[self.ledger_of(host)];
            for (process, ledger) in ledgers.iter().enumerate() {
                steps.push(Step::Connect { host, process });
                if agent.links.contains_key(&ledger.epoch()) {
                    let stopped = agent.pods.iter().filter(|(_, stopped)| **stopped);
                    steps.extend(stopped.map(|(pod, _)| Step::Report { host, process, pod: *pod }));
                }
            }
            let waiting = agent.links.iter().filter(|(_, queue)| !queue.is_empty());
            steps.extend(waiting.map(|(he, _)| Step::Obey { host, he: *he }));
            if self.finished < self.config.most_finished {
                steps.extend(agent.running().map(|pod| Step::Finish { host, pod }));
            }
            if self.images < self.config.most_images {
                steps.push(Step::Image { host });
            }
        }
    }

    /// How many processes may get a message.
    fn receivers(&self, message: &Message) -> usize {
        match message {
            Message::Relist { tp, .. } => self.tenants[*tp].len(),
            Message::Answer { cid, .. } => self.tenants[cid.tp].len(),
            Message::Stopped { .. } => 1,
            Message::Claim { host, .. } => self.ledgers[self.ledger_of(*host)].len(),
            Message::List { ledger, .. } | Message::Settle { ledger, .. } => self.ledgers[*ledger].len(),
        }
    }

    /// Does one thing.
    pub(crate) fn take(&mut self, step: &Step) {
        match step {
            Step::Claim { tp, process, pod, host } => self.claim(*tp, *process, *pod, *host),
            Step::GiveUp { tp, process, pod } => {
                if let Some(live) = self.claims_mut(*tp, *process).withdraw(uid(*pod).as_str()) {
                    let ledger = self.ledger_of(live.payload.1);
                    self.settle(ledger, World::cid(&live.id), live.host_epoch, Settlement::Void);
                }
            }
            Step::Deliver { message, process } => self.deliver(message, *process),
            Step::Land(append) => self.land(append),
            Step::Audit { tp, process, ledger, he, cid } => {
                let recorded = World::recorded(self.view(*tp, *process), *cid);
                let claims = &self.tenants[*tp][*process].claims;
                if let Some(settlement) = claims.audit(&self.id(*cid), recorded) {
                    self.settle(*ledger, *cid, *he, settlement);
                }
            }
            Step::TakeOver { tp } => self.start_tenant(*tp),
            Step::Restart { ledger } => self.start_ledger(*ledger),
            Step::Connect { host, process } => self.connect(*host, *process),
            Step::Obey { host, he } => self.agents[*host].obey(*he),
            Step::Report { host, process, pod } => {
                let number = self.ledger_of(*host);
                let ledger = self.ledger(number, *process);
                let host_number = HostNumber(*host as u32);
                ledger.stopped(host_number, &Arc::from("t"), &uid(*pod));
                // It is told again and again until the pod is forgotten.
                if let Some(entry) = ledger.entry_on(host_number, &uid(*pod))
                    && entry.agent == meridian_ledger::host::AgentState::Stopped
                {
                    self.send(Message::Stopped { pod: *pod, host: *host });
                }
                self.follow_up(number, *process);
            }
            Step::Finish { host, pod } => {
                self.finished += 1;
                self.agents[*host].pods.insert(*pod, true);
            }
            Step::Image { host } => {
                self.images += 1;
                self.incarnations[*host] += 1;
                self.agents[*host] = crate::agent::Agent::default();
                let number = self.ledger_of(*host);
                let incarnation = self.incarnations[*host];
                self.ledger(number, 0).reincarnated(HostNumber(*host as u32), incarnation);
                self.follow_up(number, 0);
                self.connect(*host, 0);
            }
            Step::Delete { pod } => self.delete(*pod, false),
            Step::Force { pod } => self.delete(*pod, true),
        }
    }

    fn settle(&mut self, ledger: usize, cid: Cid, he: u64, settlement: Settlement) {
        self.send(Message::Settle { ledger, cid, he, settlement });
    }

    fn claim(&mut self, tp: usize, process: usize, pod: usize, host: usize) {
        let number = self.ledger_of(host);
        let fence = self.view(tp, process).fences[number];
        let partition = Arc::clone(self.name(number));
        let incarnation = self.incarnations[host];
        let claims = self.claims_mut(tp, process);
        let payload = (pod, host, incarnation);
        let id =
            claims.claim(uid(pod), &partition, fence, Duration::ZERO, payload).expect("it may be claimed");
        self.claims += 1;
        self.send(Message::Claim { cid: World::cid(&id), pod, host, incarnation, he: fence });
    }

    fn deliver(&mut self, message: &Message, process: usize) {
        match message {
            Message::Relist { ledger, he, tp } => {
                if hear(self.view(*tp, process).fences[*ledger], *he) != Hearing::Deposed {
                    let te = self.tenants[*tp][process].claims.epoch();
                    self.appends.insert(Append::Fence { tp: *tp, te, ledger: *ledger, he: *he });
                }
            }
            Message::List { tp, ledger, he, pods } => {
                let listing = Listing { host_epoch: *he, part: 0, is_last: true, pods: self.listed(pods) };
                let name = Arc::clone(self.name(*tp));
                // Refused where it is for another epoch, or was used.
                let _ = self.ledger(*ledger, process).listing(&name, listing);
                self.follow_up(*ledger, process);
            }
            Message::Claim { cid, pod, host, incarnation, he } => {
                let number = self.ledger_of(*host);
                let claim = Claim {
                    id: self.id(*cid),
                    tenant: "t".into(),
                    uid: uid(*pod),
                    host: format!("h{host}"),
                    incarnation: *incarnation,
                    demand: self.demand(*pod),
                    devices: 0,
                    host_epoch: *he,
                };
                let ledger = self.ledger(number, process);
                let accepted = ledger.claim(&claim).refusal.is_none();
                let he = ledger.epoch();
                self.send(Message::Answer { cid: *cid, he, accepted });
                self.follow_up(number, process);
            }
            Message::Answer { cid, he, accepted } => self.answer(*cid, *he, *accepted, process),
            Message::Settle { ledger, cid, he, settlement } => {
                let id = self.id(*cid);
                let of = self.ledger(*ledger, process);
                of.settle(*he, &id, *settlement);
                if *settlement == Settlement::Bound && *he == of.epoch() {
                    of.specified(&id);
                }
                self.follow_up(*ledger, process);
            }
            Message::Stopped { pod, host } => {
                let tp = self.config.pods[*pod].2;
                let state = &mut self.stores[tp].pods[*pod];
                if let Some(binding) = state.binding().filter(|binding| binding.host == *host) {
                    *state = Pod::Gone;
                    let ledger = self.ledger_of(*host);
                    let fence = self.stores[tp].fences[ledger];
                    self.settle(ledger, binding.cid, fence, Settlement::Void);
                }
            }
        }
    }

    fn answer(&mut self, cid: Cid, he: u64, accepted: bool, process: usize) {
        let id = self.id(cid);
        let claims = self.claims_mut(cid.tp, process);
        if !accepted {
            claims.refused(&id, he);
            return;
        }
        let Some(live) = claims.accepted(&id, he) else { return };
        let (pod, host, incarnation) = live.payload;
        let binding = Binding { host, incarnation, cid };
        self.appends.insert(Append::Bind { te: cid.te, pod, binding, he });
    }

    /// An append comes to its place in the log.
    fn land(&mut self, append: &Append) {
        self.appends.remove(append);
        match append {
            Append::Bind { te, pod, binding, he } => {
                let tp = binding.cid.tp;
                let ledger = self.ledger_of(binding.host);
                let store = &self.stores[tp];
                let name = self.config.pods[*pod].1;
                let is_held = (0..store.pods.len()).any(|other| {
                    self.config.pods[other].1 == name && matches!(store.pods[other], Pod::Ghost(_))
                });
                let commits = *te == self.te[tp]
                    && store.pods[*pod] == Pod::Pending
                    && store.fences[ledger] == *he
                    && !is_held;
                if commits {
                    self.stores[tp].pods[*pod] = Pod::Bound(*binding);
                }
                let id = self.id(binding.cid);
                let of_te = self.tenants[tp].iter().position(|process| process.claims.epoch() == *te);
                if of_te.is_some_and(|process| self.claims_mut(tp, process).written(&id).is_some()) {
                    let settlement = if commits { Settlement::Bound } else { Settlement::Void };
                    self.settle(ledger, binding.cid, *he, settlement);
                }
            }
            Append::Fence { tp, te, ledger, he } => {
                if *te != self.te[*tp] || *he < self.stores[*tp].fences[*ledger] {
                    return;
                }
                self.stores[*tp].fences[*ledger] = *he;
                let name = Arc::clone(self.name(*ledger));
                self.claims_mut(*tp, 0).relisted(&name, *he);
                let on_ledger =
                    |pod: &Pod| pod.binding().is_some_and(|binding| self.ledger_of(binding.host) == *ledger);
                let pods = self.stores[*tp]
                    .pods
                    .iter()
                    .copied()
                    .enumerate()
                    .filter(|(_, pod)| on_ledger(pod))
                    .collect();
                self.send(Message::List { tp: *tp, ledger: *ledger, he: *he, pods });
            }
        }
    }

    fn delete(&mut self, pod: usize, is_forced: bool) {
        if is_forced {
            self.forced += 1;
        } else {
            self.deletes += 1;
        }
        let tp = self.config.pods[pod].2;
        let state = self.stores[tp].pods[pod];
        let Some(binding) = state.binding() else {
            self.stores[tp].pods[pod] = Pod::Gone;
            return;
        };
        self.stores[tp].pods[pod] = if is_forced { Pod::Ghost(binding) } else { Pod::Terminating(binding) };
        let ledger = self.ledger_of(binding.host);
        let fence = self.stores[tp].fences[ledger];
        self.settle(ledger, binding.cid, fence, Settlement::Terminating);
    }
}
