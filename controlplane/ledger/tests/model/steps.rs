//! Everything that may happen next.

use std::sync::Arc;
use std::time::Duration;

use meridian_ledger::host::{Claim, Listing};
use meridian_ledger::tenant::{Hearing, LiveClaim, Member, Phase, Progress, Settlement, hear};
use meridian_ledger::{ClaimId, HostNumber};

use crate::world::{Append, Binding, Cid, Message, Mutant, Pod, Verdict, View, Wish, World, uid};

/// One thing that may happen. Processes are numbered from the present one, 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Claims for pods on hosts: one, or those of a gang together.
    Claim {
        tp: usize,
        process: usize,
        places: Vec<(usize, usize)>,
    },
    GiveUp {
        tp: usize,
        process: usize,
        pod: usize,
    },
    Deliver {
        message: Message,
        process: usize,
    },
    Land(Append),
    Audit {
        tp: usize,
        process: usize,
        ledger: usize,
        he: u64,
        cid: Cid,
    },
    TakeOver {
        tp: usize,
    },
    Restart {
        ledger: usize,
    },
    Connect {
        host: usize,
        process: usize,
    },
    Obey {
        host: usize,
        he: u64,
    },
    Report {
        host: usize,
        process: usize,
        pod: usize,
    },
    Finish {
        host: usize,
        pod: usize,
    },
    Image {
        host: usize,
    },
    Delete {
        pod: usize,
    },
    Force {
        pod: usize,
    },
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
                let first = |live: &&LiveClaim<_>| live.group.is_none_or(|group| group == live.id.sequence);
                let live = tenant.claims.iter().filter(|live| live.phase < Phase::Writing);
                let mut given_up: Vec<usize> = live.filter(first).map(|live| live.payload.pod).collect();
                given_up.sort_unstable();
                steps.extend(given_up.into_iter().map(|pod| Step::GiveUp { tp, process, pod }));
                for unit in self.units(tp) {
                    self.claim_steps(tp, process, &unit, steps);
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

    /// What is claimed for together: pods that stand alone, and gangs.
    pub(crate) fn units(&self, tp: usize) -> Vec<Vec<usize>> {
        let of_tp = |pod: &usize| self.config.pods[*pod].2 == tp;
        let alone = |pod: &usize| !self.config.gangs.iter().any(|gang| gang.contains(pod));
        let pods = (0..self.config.pods.len()).filter(|pod| of_tp(pod) && alone(pod)).map(|pod| vec![pod]);
        pods.chain(self.config.gangs.iter().filter(|gang| of_tp(&gang[0])).cloned()).collect()
    }

    fn claim_steps(&self, tp: usize, process: usize, unit: &[usize], steps: &mut Vec<Step>) {
        let view = self.view(tp, process);
        let claims = &self.tenants[tp][process].claims;
        let is_due = |pod: &usize| {
            view.pods[*pod] == Pod::Pending
                && self.exists(view, *pod)
                && claims.of(uid(*pod).as_str()).is_none()
        };
        if !unit.iter().all(is_due) || self.claims + unit.len() as u64 > self.config.most_claims {
            return;
        }
        let hosts: Vec<usize> =
            (0..self.config.hosts.len()).filter(|host| view.fences[self.ledger_of(*host)] > 0).collect();
        let mut all: Vec<Vec<(usize, usize)>> = vec![Vec::new()];
        for pod in unit {
            let with = |places: &Vec<(usize, usize)>| {
                let places = places.clone();
                hosts.iter().map(move |host| [&places[..], &[(*pod, *host)]].concat()).collect::<Vec<_>>()
            };
            all = all.iter().flat_map(with).collect();
        }
        steps.extend(all.into_iter().map(|places| Step::Claim { tp, process, places }));
    }

    /// The pods that one may take the room of on a host, as a view has them.
    pub(crate) fn victims(&self, view: &View, pod: usize, host: usize) -> Vec<(usize, Cid)> {
        let victims = self.config.preemptors.iter().filter(|(preemptor, _)| *preemptor == pod);
        let binding = |victim: &usize| match view.pods[*victim] {
            Pod::Bound(binding) | Pod::Terminating(binding) if binding.host == host => {
                Some((*victim, binding.cid))
            }
            _ => None,
        };
        victims.flat_map(|(_, victims)| victims.iter().filter_map(binding)).collect()
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
            Message::Claims { ledger, .. }
            | Message::List { ledger, .. }
            | Message::Settle { ledger, .. } => self.ledgers[*ledger].len(),
        }
    }

    /// Does one thing.
    pub(crate) fn take(&mut self, step: &Step) {
        match step {
            Step::Claim { tp, process, places } => self.claim(*tp, *process, places),
            Step::GiveUp { tp, process, pod } => {
                let over = self.claims_mut(*tp, *process).withdraw(uid(*pod).as_str());
                self.void(&over);
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

    /// Tells ledgers that claims are void.
    fn void(&mut self, over: &[LiveClaim<Wish>]) {
        for live in over {
            let ledger = self.ledger_of(live.payload.host);
            self.settle(ledger, World::cid(&live.id), live.host_epoch, Settlement::Void);
        }
    }

    fn claim(&mut self, tp: usize, process: usize, places: &[(usize, usize)]) {
        let view = self.view(tp, process).clone();
        let member = |(pod, host): &(usize, usize)| {
            let number = self.ledger_of(*host);
            let incarnation = self.incarnations[*host];
            let victims = self.victims(&view, *pod, *host);
            Member {
                uid: uid(*pod),
                host_partition: Arc::clone(self.name(number)),
                fence: view.fences[number],
                payload: Wish { pod: *pod, host: *host, incarnation, victims },
            }
        };
        let mut members: Vec<Member<Wish>> = places.iter().map(member).collect();
        let wishes: Vec<Wish> = members.iter().map(|member| member.payload.clone()).collect();
        let claims = self.claims_mut(tp, process);
        let ids = match members.pop() {
            Some(Member { uid, host_partition, fence, payload }) if members.is_empty() => {
                claims.claim(uid, &host_partition, fence, Duration::ZERO, payload).map(|id| vec![id])
            }
            last => claims.claim_group(members.into_iter().chain(last).collect(), Duration::ZERO),
        };
        let ids = ids.expect("they may be claimed");
        self.claims += ids.len() as u64;
        for ledger in 0..self.config.ledgers {
            let of_ledger = |(_, wish): &(Cid, Wish)| self.ledger_of(wish.host) == ledger;
            let named = ids.iter().map(World::cid).zip(wishes.iter().cloned());
            let claims: Vec<(Cid, Wish)> = named.filter(of_ledger).collect();
            if !claims.is_empty() {
                self.send(Message::Claims { ledger, claims, he: view.fences[ledger] });
            }
        }
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
            Message::Claims { ledger: number, claims, he } => {
                let claim = |(cid, wish): &(Cid, Wish)| Claim {
                    id: self.id(*cid),
                    tenant: "t".into(),
                    uid: uid(wish.pod),
                    host: format!("h{}", wish.host),
                    incarnation: wish.incarnation,
                    demand: self.demand(wish.pod),
                    seat: 0.into(),
                    host_epoch: *he,
                    victims: wish.victims.iter().map(|(_, cid)| self.id(*cid)).collect(),
                    keeps: self.config.keepers.contains(&wish.pod),
                };
                let claims: Vec<Claim> = claims.iter().map(claim).collect();
                let ledger = self.ledger(*number, process);
                let answers = match &claims[..] {
                    [claim] => vec![ledger.claim(claim)],
                    claims => ledger.claim_group(claims),
                };
                let he = ledger.epoch();
                for answer in answers {
                    let (cid, verdict) = (World::cid(&answer.claim), Verdict::of(&answer));
                    self.send(Message::Answer { cid, he, verdict });
                }
                self.follow_up(*number, process);
            }
            Message::Answer { cid, he, verdict } => self.answer(*cid, *he, *verdict, process),
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

    fn answer(&mut self, cid: Cid, he: u64, verdict: Verdict, process: usize) {
        let id = self.id(cid);
        let is_mutant = self.config.mutant == Some(Mutant::BindWaiting);
        let claims = self.claims_mut(cid.tp, process);
        let progress = match verdict {
            Verdict::Refused => {
                let over = claims.refused(&id, he);
                return self.void(over.get(1..).unwrap_or_default());
            }
            Verdict::Waits if !is_mutant => claims.waits(&id, he),
            Verdict::Accepted | Verdict::Waits => claims.accepted(&id, he),
        };
        let wish = |id: &ClaimId, world: &World| {
            let live = world.tenants[cid.tp][process].claims.get(id).expect("it is under way");
            (live.payload.clone(), live.host_epoch)
        };
        match progress {
            Progress::Ignored | Progress::Unanswered => {}
            Progress::Waiting(waiting) => {
                let victims = waiting.iter().flat_map(|id| wish(id, self).0.victims);
                let appends = victims.map(|(victim, _)| Append::Preempt { te: cid.te, victim });
                let appends: Vec<Append> = appends.collect();
                self.appends.extend(appends);
            }
            Progress::Write(ids) => {
                let member = |id: &ClaimId| {
                    let (Wish { pod, host, incarnation, .. }, he) = wish(id, self);
                    (pod, Binding { host, incarnation, cid: World::cid(id) }, he)
                };
                let members: Vec<_> = ids.iter().map(member).collect();
                if self.config.mutant == Some(Mutant::AppendEach) {
                    let each = members.into_iter().map(|member| vec![member]);
                    self.appends.extend(each.map(|members| Append::Bind { te: cid.te, members }));
                } else {
                    self.appends.insert(Append::Bind { te: cid.te, members });
                }
            }
        }
    }

    /// Whether a pod may be bound at this place in the log.
    fn may_bind(&self, tp: usize, pod: usize) -> bool {
        let (store, name) = (&self.stores[tp], self.config.pods[pod].1);
        let is_ghost =
            |other: usize| self.config.pods[other].1 == name && matches!(store.pods[other], Pod::Ghost(_));
        store.pods[pod] == Pod::Pending && !(0..store.pods.len()).any(is_ghost)
    }

    fn land_bind(&mut self, te: u64, members: &[(usize, Binding, u64)]) {
        let tp = members[0].1.cid.tp;
        let stands = |(_, binding, he): &(usize, Binding, u64)| {
            self.stores[tp].fences[self.ledger_of(binding.host)] == *he
        };
        let compared = if self.config.mutant == Some(Mutant::FirstFence) { 1 } else { members.len() };
        let commits = te == self.te[tp]
            && members.iter().all(|(pod, ..)| self.may_bind(tp, *pod))
            && members[..compared].iter().all(stands);
        for (pod, binding, he) in members {
            if commits {
                self.stores[tp].pods[*pod] = Pod::Bound(*binding);
                self.bound.insert(*pod);
            }
            let id = self.id(binding.cid);
            let of_te = self.tenants[tp].iter().position(|process| process.claims.epoch() == te);
            if of_te.is_some_and(|process| self.claims_mut(tp, process).written(&id).is_some()) {
                let settlement = if commits { Settlement::Bound } else { Settlement::Void };
                self.settle(self.ledger_of(binding.host), binding.cid, *he, settlement);
            }
        }
    }

    fn land_preempt(&mut self, te: u64, victim: usize) {
        let tp = self.config.pods[victim].2;
        let Pod::Bound(binding) = self.stores[tp].pods[victim] else { return };
        if te != self.te[tp] {
            return;
        }
        self.stores[tp].pods[victim] = Pod::Terminating(binding);
        let ledger = self.ledger_of(binding.host);
        let fence = self.stores[tp].fences[ledger];
        let is_mutant = self.config.mutant == Some(Mutant::RoomAtOnce);
        let settlement = if is_mutant { Settlement::Void } else { Settlement::Terminating };
        self.settle(ledger, binding.cid, fence, settlement);
    }

    /// An append comes to its place in the log.
    fn land(&mut self, append: &Append) {
        self.appends.remove(append);
        match append {
            Append::Bind { te, members } => self.land_bind(*te, members),
            Append::Preempt { te, victim } => self.land_preempt(*te, *victim),
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
