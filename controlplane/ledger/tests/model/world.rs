//! All there is: stores, processes, hosts and the network, as one value that can be cloned and compared.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use meridian_engine::{Demand, Host, Resources, Violation};
use meridian_ledger::host::{Answer, Change, InventoryPod, Ledger, ListedPod};
use meridian_ledger::tenant::{Claims, Recorded, Settlement};
use meridian_ledger::{ClaimId, HostNumber, Uid};
use rustc_hash::FxHasher;

use crate::agent::{Agent, Command};

/// How large a world is, and how often things may go wrong in it.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) tenants: usize,
    pub(crate) ledgers: usize,
    /// The capacity of each host. Host `h` belongs to ledger `h % ledgers`.
    pub(crate) hosts: Vec<i64>,
    /// Each pod's size, name and tenant partition.
    pub(crate) pods: Vec<(i64, u8, usize)>,
    /// Pods that are bound together or not at all.
    pub(crate) gangs: Vec<Vec<usize>>,
    /// Pods that may take the room of others, and which.
    pub(crate) preemptors: Vec<(usize, Vec<usize>)>,
    /// Pods that may wait for what anybody leaves.
    pub(crate) keepers: Vec<usize>,
    /// A rule that is left out.
    pub(crate) mutant: Option<Mutant>,
    pub(crate) most_claims: u64,
    pub(crate) most_te: u64,
    pub(crate) most_he: u64,
    pub(crate) most_deletes: u32,
    pub(crate) most_forced: u32,
    pub(crate) most_finished: u32,
    pub(crate) most_images: u32,
}

/// Rules that may be left out, to see that they are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutant {
    /// Each member of a gang is an append of its own.
    AppendEach,
    /// The append of a gang looks at the fence of its first member alone.
    FirstFence,
    /// The room of victims is given back when they are told to stop.
    RoomAtOnce,
    /// A claim that waits is bound as if it had been accepted.
    BindWaiting,
}

impl Config {
    /// One host for one, one tenant partition, two pods that both want it, no faults.
    pub(crate) fn small() -> Self {
        Self {
            tenants: 1,
            ledgers: 1,
            hosts: vec![1],
            pods: vec![(1, 0, 0), (1, 1, 0)],
            gangs: Vec::new(),
            preemptors: Vec::new(),
            keepers: Vec::new(),
            mutant: None,
            most_claims: 2,
            most_te: 1,
            most_he: 1,
            most_deletes: 0,
            most_forced: 0,
            most_finished: 0,
            most_images: 0,
        }
    }
}

/// The name of a claim, small.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Cid {
    pub(crate) tp: usize,
    pub(crate) te: u64,
    pub(crate) sequence: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Binding {
    pub(crate) host: usize,
    pub(crate) incarnation: u64,
    pub(crate) cid: Cid,
}

/// What a tenant partition's store says of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Pod {
    Pending,
    Bound(Binding),
    Terminating(Binding),
    Ghost(Binding),
    Gone,
}

impl Pod {
    pub(crate) fn binding(self) -> Option<Binding> {
        match self {
            Self::Bound(binding) | Self::Terminating(binding) | Self::Ghost(binding) => Some(binding),
            Self::Pending | Self::Gone => None,
        }
    }
}

/// An append that was submitted under `te` and has not landed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Append {
    /// Pods with their bindings and the epochs that accepted them.
    Bind {
        te: u64,
        members: Vec<(usize, Binding, u64)>,
    },
    /// A victim is told to stop.
    Preempt {
        te: u64,
        victim: usize,
    },
    Fence {
        tp: usize,
        te: u64,
        ledger: usize,
        he: u64,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Message {
    Relist {
        ledger: usize,
        he: u64,
        tp: usize,
    },
    List {
        tp: usize,
        ledger: usize,
        he: u64,
        pods: Vec<(usize, Pod)>,
    },
    /// One claim, or those of a group for one ledger.
    Claims {
        ledger: usize,
        claims: Vec<(Cid, Wish)>,
        he: u64,
    },
    Answer {
        cid: Cid,
        he: u64,
        verdict: Verdict,
    },
    Settle {
        ledger: usize,
        cid: Cid,
        he: u64,
        settlement: Settlement,
    },
    Stopped {
        pod: usize,
        host: usize,
    },
}

/// What a claim asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Wish {
    pub(crate) pod: usize,
    pub(crate) host: usize,
    pub(crate) incarnation: u64,
    pub(crate) victims: Vec<(usize, Cid)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Verdict {
    Accepted,
    Waits,
    Refused,
}

impl Verdict {
    pub(crate) fn of(answer: &Answer) -> Self {
        match (&answer.refusal, answer.is_waiting) {
            (Some(_), _) => Self::Refused,
            (None, true) => Self::Waits,
            (None, false) => Self::Accepted,
        }
    }
}

/// What a process of a tenant partition reads: its store, or what it last saw of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct View {
    pub(crate) pods: Vec<Pod>,
    pub(crate) fences: Vec<u64>,
}

/// A process of a tenant partition.
#[derive(Clone)]
pub(crate) struct TenantProcess {
    pub(crate) claims: Claims<Wish>,
    /// Of a deposed one: what it saw before.
    pub(crate) old_view: Option<View>,
}

#[derive(Clone)]
pub(crate) struct World {
    pub(crate) config: Arc<Config>,
    names: Arc<Vec<Arc<str>>>,
    /// Per tenant partition: what is durable. Pods of others stay Pending there.
    pub(crate) stores: Vec<View>,
    pub(crate) te: Vec<u64>,
    /// Per tenant partition: its process, and the one before.
    pub(crate) tenants: Vec<Vec<Arc<TenantProcess>>>,
    pub(crate) appends: BTreeSet<Append>,
    pub(crate) he: Vec<u64>,
    pub(crate) incarnations: Vec<u64>,
    /// Per host partition: its process, and the one before.
    pub(crate) ledgers: Vec<Vec<Arc<Ledger>>>,
    pub(crate) agents: Vec<Agent>,
    pub(crate) network: Arc<BTreeSet<Message>>,
    pub(crate) claims: u64,
    pub(crate) deletes: u32,
    pub(crate) forced: u32,
    pub(crate) finished: u32,
    pub(crate) images: u32,
    /// Pods that were bound, ever.
    pub(crate) bound: BTreeSet<usize>,
}

pub(crate) fn uid(pod: usize) -> Uid {
    Uid::from(format!("pod-{pod}"))
}

pub(crate) fn pod_of(uid: &str) -> usize {
    uid.trim_start_matches("pod-").parse().expect("it was made by uid")
}

impl World {
    pub(crate) fn new(config: Config) -> Self {
        let names =
            (0..config.tenants.max(config.ledgers)).map(|number| Arc::from(format!("p{number}"))).collect();
        let view = View { pods: vec![Pod::Pending; config.pods.len()], fences: vec![0; config.ledgers] };
        let mut world = Self {
            names: Arc::new(names),
            stores: vec![view; config.tenants],
            te: vec![0; config.tenants],
            tenants: vec![Vec::new(); config.tenants],
            appends: BTreeSet::new(),
            he: vec![0; config.ledgers],
            incarnations: vec![1; config.hosts.len()],
            ledgers: vec![Vec::new(); config.ledgers],
            agents: vec![Agent::default(); config.hosts.len()],
            network: Arc::default(),
            claims: 0,
            deletes: 0,
            forced: 0,
            finished: 0,
            images: 0,
            bound: BTreeSet::new(),
            config: Arc::new(config),
        };
        for tp in 0..world.config.tenants {
            world.start_tenant(tp);
        }
        for ledger in 0..world.config.ledgers {
            world.start_ledger(ledger);
        }
        world
    }

    pub(crate) fn name(&self, number: usize) -> &Arc<str> {
        &self.names[number]
    }

    pub(crate) fn ledger_of(&self, host: usize) -> usize {
        host % self.config.ledgers
    }

    pub(crate) fn id(&self, cid: Cid) -> ClaimId {
        ClaimId { partition: Arc::clone(self.name(cid.tp)), epoch: cid.te, sequence: cid.sequence }
    }

    pub(crate) fn cid(id: &ClaimId) -> Cid {
        Cid {
            tp: id.partition.trim_start_matches('p').parse().expect("a partition's name"),
            te: id.epoch,
            sequence: id.sequence,
        }
    }

    pub(crate) fn demand(&self, pod: usize) -> Demand {
        let requests = Resources { cpu_milli: self.config.pods[pod].0, ..Resources::default() };
        Demand { requests, ..Demand::default() }
    }

    /// A take-over: the process of before lives on, deposed, with what it last saw.
    pub(crate) fn start_tenant(&mut self, tp: usize) {
        self.te[tp] += 1;
        let claims = Claims::new(Arc::clone(self.name(tp)), self.te[tp]);
        for former in &mut self.tenants[tp] {
            Arc::make_mut(former).old_view.get_or_insert_with(|| self.stores[tp].clone());
        }
        self.tenants[tp].insert(0, Arc::new(TenantProcess { claims, old_view: None }));
        self.tenants[tp].truncate(2);
    }

    pub(crate) fn start_ledger(&mut self, number: usize) {
        self.he[number] += 1;
        let known = (0..self.config.tenants).map(|tp| Arc::clone(self.name(tp)));
        let mut ledger = Ledger::new(self.he[number], known);
        for host in (0..self.config.hosts.len()).filter(|host| self.ledger_of(*host) == number) {
            let allocatable = Resources { cpu_milli: self.config.hosts[host], ..Resources::default() };
            let described = Host { name: format!("h{host}"), allocatable, pods: 10, ..Host::default() };
            let number = HostNumber(host as u32);
            ledger.add_host(number, &described, self.incarnations[host]).expect("hosts are new");
        }
        self.ledgers[number].insert(0, Arc::new(ledger));
        self.ledgers[number].truncate(2);
        self.relist(number);
    }

    pub(crate) fn relist(&mut self, number: usize) {
        let he = self.he[number];
        for name in self.ledgers[number][0].unanswered() {
            let tp = self.names.iter().position(|known| *known == name).expect("it is one of these");
            self.send(Message::Relist { ledger: number, he, tp });
        }
    }

    pub(crate) fn send(&mut self, message: Message) {
        if !self.network.contains(&message) {
            Arc::make_mut(&mut self.network).insert(message);
        }
    }

    /// What a process of a tenant partition sees of its store.
    pub(crate) fn view(&self, tp: usize, process: usize) -> &View {
        self.tenants[tp][process].old_view.as_ref().unwrap_or(&self.stores[tp])
    }

    /// Whether a pod has been created: those before it of the same name are gone from the API.
    pub(crate) fn exists(&self, view: &View, pod: usize) -> bool {
        let name = self.config.pods[pod].1;
        let mut before = (0..pod).filter(|before| self.config.pods[*before].1 == name);
        before.all(|before| matches!(view.pods[before], Pod::Gone | Pod::Ghost(_)))
    }

    /// What a view says of the pod bound under a claim.
    pub(crate) fn recorded(view: &View, cid: Cid) -> Option<Recorded> {
        view.pods.iter().find_map(|pod| {
            let is_it = pod.binding().is_some_and(|binding| binding.cid == cid);
            let recorded = if matches!(pod, Pod::Bound(_)) { Recorded::Bound } else { Recorded::Terminating };
            is_it.then_some(recorded)
        })
    }

    pub(crate) fn listed(&self, pods: &[(usize, Pod)]) -> Vec<ListedPod> {
        pods.iter()
            .filter_map(|(pod, state)| {
                let binding = state.binding()?;
                Some(ListedPod {
                    claim: self.id(binding.cid),
                    tenant: "t".into(),
                    uid: uid(*pod),
                    host: format!("h{}", binding.host),
                    incarnation: binding.incarnation,
                    demand: self.demand(*pod),
                    seat: 0.into(),
                    is_terminating: !matches!(state, Pod::Bound(_)),
                })
            })
            .collect()
    }

    /// Does what follows from an input to a ledger.
    pub(crate) fn follow_up(&mut self, number: usize, process: usize) {
        loop {
            let changes = self.ledger(number, process).take_changes();
            if changes.is_empty() {
                break;
            }
            for change in changes {
                self.apply(number, process, change);
            }
        }
        // What is a fact counts, also where there is no room for it.
        let is_wrong = |violation: &&Violation| !matches!(violation, Violation::Overcommitted { .. });
        let violations = self.ledgers[number][process].check();
        assert_eq!(violations.iter().find(is_wrong), None, "the account of ledger {number}");
    }

    pub(crate) fn ledger(&mut self, number: usize, process: usize) -> &mut Ledger {
        Arc::make_mut(&mut self.ledgers[number][process])
    }

    pub(crate) fn claims_mut(&mut self, tp: usize, process: usize) -> &mut Claims<Wish> {
        &mut Arc::make_mut(&mut self.tenants[tp][process]).claims
    }

    fn apply(&mut self, number: usize, process: usize, change: Change) {
        let he = self.ledgers[number][process].epoch();
        let (host, command) = match change {
            Change::Run(entry) => {
                (entry.host, Command::Run(pod_of(entry.uid.as_str()), World::cid(&entry.claim)))
            }
            Change::Stop { host, uid, .. } => (host, Command::Stop(pod_of(uid.as_str()))),
            Change::Forget { host, uid, .. } => (host, Command::Forget(pod_of(uid.as_str()))),
            Change::Stopped(entry) => {
                let (pod, host) = (pod_of(entry.uid.as_str()), entry.host.0 as usize);
                self.send(Message::Stopped { pod, host });
                return;
            }
            Change::Answered(answer) => {
                let (cid, verdict) = (World::cid(&answer.claim), Verdict::of(&answer));
                self.send(Message::Answer { cid, he, verdict });
                return;
            }
            // Specs are no facts: whoever asks gets them.
            Change::SpecWanted { claim } => {
                self.ledger(number, process).specified(&claim);
                return;
            }
            _ => return,
        };
        if let Some(link) = self.agents[host.0 as usize].links.get_mut(&he) {
            link.push_back(command);
        }
    }

    /// An agent opens a link to a process of its host partition.
    pub(crate) fn connect(&mut self, host: usize, process: usize) {
        let number = self.ledger_of(host);
        let he = self.ledgers[number][process].epoch();
        self.agents[host].links.insert(he, VecDeque::new());
        let inventory = self.agents[host]
            .pods
            .iter()
            .map(|(pod, stopped)| InventoryPod {
                tenant: "t".into(),
                uid: uid(*pod),
                is_stopped: *stopped,
                demand: Some(self.demand(*pod)),
            })
            .collect();
        self.ledger(number, process).inventory(HostNumber(host as u32), inventory, false);
        self.follow_up(number, process);
    }

    /// What must hold in every state.
    pub(crate) fn check(&self) -> Result<(), String> {
        let pods =
            || (0..self.config.pods.len()).map(|pod| (pod, self.stores[self.config.pods[pod].2].pods[pod]));
        for (host, capacity) in self.config.hosts.iter().enumerate() {
            let on = |binding: Option<Binding>| binding.is_some_and(|binding| binding.host == host);
            let bound: i64 =
                pods().filter(|(_, pod)| on(pod.binding())).map(|(pod, _)| self.config.pods[pod].0).sum();
            let running: i64 = self.agents[host].running().map(|pod| self.config.pods[pod].0).sum();
            if bound > *capacity || running > *capacity {
                return Err(format!("host {host} of {capacity}: {bound} bound, {running} running"));
            }
            for pod in self.agents[host].running() {
                if !on(self.stores[self.config.pods[pod].2].pods[pod].binding()) {
                    return Err(format!("pod {pod} runs on host {host} without a binding"));
                }
            }
        }
        for gang in &self.config.gangs {
            let bound = gang.iter().filter(|pod| self.bound.contains(pod)).count();
            if bound > 0 && bound < gang.len() {
                return Err(format!("of the gang {gang:?} only {bound} were bound"));
            }
        }
        let mut names = BTreeMap::new();
        for (host, agent) in self.agents.iter().enumerate() {
            for pod in agent.running() {
                if let Some(other) = names.insert(self.config.pods[pod].1, host)
                    && other != host
                {
                    return Err(format!("the name of pod {pod} runs on hosts {other} and {host}"));
                }
            }
        }
        Ok(())
    }

    /// Equal for equal worlds, whatever way led there.
    pub(crate) fn fingerprint(&self) -> u64 {
        let mut hasher = FxHasher::default();
        self.stores.hash(&mut hasher);
        (&self.te, &self.he, &self.appends, &self.incarnations).hash(&mut hasher);
        (&self.agents, &self.network).hash(&mut hasher);
        (self.claims, self.deletes, self.forced, self.finished, self.images, &self.bound).hash(&mut hasher);
        for process in self.tenants.iter().flatten() {
            let mut live: Vec<_> = process
                .claims
                .iter()
                .map(|live| (Self::cid(&live.id), live.phase, live.host_epoch))
                .collect();
            live.sort_unstable_by_key(|(cid, ..)| *cid);
            (live, &process.old_view).hash(&mut hasher);
        }
        for ledger in self.ledgers.iter().flatten() {
            let mut entries: Vec<_> = ledger
                .entries()
                .map(|entry| (Self::cid(&entry.claim), entry.state, entry.agent, entry.incarnation))
                .collect();
            entries.sort_unstable();
            (entries, ledger.is_open(), ledger.unanswered()).hash(&mut hasher);
            for host in 0..self.config.hosts.len() {
                let number = HostNumber(host as u32);
                let waiting: Vec<Cid> = ledger.waiting_on(number).iter().map(Self::cid).collect();
                (waiting, ledger.strays_on(number), ledger.incarnation(number), ledger.is_ready(number))
                    .hash(&mut hasher);
            }
            for tp in 0..self.config.tenants {
                ledger.watermark(self.name(tp)).hash(&mut hasher);
            }
        }
        hasher.finish()
    }
}
