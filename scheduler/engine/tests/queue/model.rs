//! The queue and the model side by side.

use std::collections::BTreeMap;
use std::time::Duration;

use meridian_engine::{
    Backoff, CRITICAL_PRIORITY, ClassId, Constraints, Demand, DeviceDemand, Devices, Host, HostId, HostPort,
    Membership, Next, Operator, Pending, Placement, Profile, Protocol, Queue, Requirement, ResourceId,
    Resources, Scheduler, SelectorTerm, TenantId, TenantSettings, Violation, check,
};

use crate::steps::{CLASSES, SHAPES, Step};

const GIB: i64 = 1 << 30;

/// A pod that waits, as the model keeps it.
#[derive(Clone, Debug)]
struct Pod {
    number: u64,
    class: ClassId,
    tenant: u32,
    priority: i32,
    first: bool,
    failures: u32,
    group: Option<u64>,
    order: u64,
    rests_until: Duration,
}

/// A group of a tenant, or a pod alone.
type UnitKey = (Option<(u32, u64)>, u64);

/// What the model would try.
#[derive(Clone, Debug)]
struct Candidate {
    key: (bool, i64, (bool, u128), u64),
    pods: Vec<Pod>,
}

/// A pod that runs.
#[derive(Debug)]
struct Running {
    tenant: u32,
    demand: Demand,
    placement: Placement,
}

pub(crate) struct Pair {
    queue: Queue,
    scheduler: Scheduler,
    classes: Vec<ClassId>,
    hosts: Vec<HostId>,
    /// How many each host offers.
    devices: BTreeMap<HostId, u32>,
    waiting: Vec<Pod>,
    running: Vec<Running>,
    least: BTreeMap<(u32, u64), u32>,
    settings: BTreeMap<u32, TenantSettings>,
    now: Duration,
    numbers: u64,
}

fn demand(number: usize) -> Demand {
    let sizes =
        [(500, 1), (1_000, 1), (1_100, 6), (3_000, 2), (200, 9), (7_000, 12), (100, 1), (600, 1), (700, 2)];
    let (cpu_milli, memory) = sizes.get(number).copied().unwrap_or((300, 1));
    let mut demand = Demand {
        requests: Resources { cpu_milli, memory: memory * GIB, ..Resources::default() },
        ..Demand::default()
    };
    match number {
        5 => drop(demand.constraints.node_selector.insert("disk".into(), "ssd".into())),
        6 => demand.constraints = pinned("h1"),
        7 => drop(demand.requests.extended.insert("example.com/fpga".into(), 1)),
        8 => demand.constraints.node_name = Some("h0".into()),
        9 => demand.devices = Some(DeviceDemand { count: 1, milli: 600, models: Vec::new() }),
        10 => demand.ports = vec![HostPort { protocol: Protocol::Tcp, ip: String::new(), port: 80 }],
        _ => {}
    }
    demand
}

fn pinned(name: &str) -> Constraints {
    let field =
        Requirement { key: "metadata.name".into(), operator: Operator::In(vec![name.into(), "none".into()]) };
    let term = SelectorTerm { labels: Vec::new(), fields: vec![field] };
    Constraints { required: Some(vec![term]), ..Constraints::default() }
}

fn host(name: String, shape: usize) -> Host {
    let (cpu, memory) = [(4, 8), (2, 16), (8, 8), (16, 32), (1, 2), (4, 8)][shape];
    let mut allocatable = Resources { cpu_milli: cpu * 1_000, memory: memory * GIB, ..Resources::default() };
    let mut labels = BTreeMap::new();
    let mut devices = None;
    match shape {
        2 => drop(allocatable.extended.insert("example.com/fpga".into(), 2)),
        3 => drop(labels.insert("disk".to_owned(), "ssd".to_owned())),
        5 => devices = Some(Devices { model: "t4".into(), count: 2 }),
        _ => {}
    }
    Host { name, allocatable, labels, devices, pods: 6, unschedulable: shape == 4, ..Host::default() }
}

impl Pair {
    pub(crate) fn new() -> Pair {
        let mut scheduler = Scheduler::new(Profile::meridian()).unwrap();
        let classes = (0..CLASSES).map(|number| scheduler.class(&demand(number)).unwrap()).collect();
        let mut pair = Pair {
            queue: Queue::new(),
            scheduler,
            classes,
            hosts: Vec::new(),
            devices: BTreeMap::new(),
            waiting: Vec::new(),
            running: Vec::new(),
            least: BTreeMap::new(),
            settings: BTreeMap::new(),
            now: Duration::ZERO,
            numbers: 0,
        };
        // Groups do not rest, so that what may be tried does not depend on what has been.
        let backoff = Backoff { free: 1_000, ..Backoff::default() };
        pair.queue.set_backoff(backoff).unwrap();
        pair.add_host(0);
        pair
    }

    pub(crate) fn take(&mut self, step: &Step) {
        match *step {
            Step::Push { class, tenant, priority, first, failures } => {
                self.push(Pending {
                    tenant: TenantId(tenant),
                    priority,
                    first,
                    failures,
                    ..Pending::new(self.numbers, self.classes[class])
                });
            }
            Step::Join { tenant, group, least } => {
                // Alike, so that whether all fit does not depend on where the first of them go.
                let class = (3 * group as usize + tenant as usize) % CLASSES;
                self.least.insert((tenant, group), least);
                self.push(Pending {
                    tenant: TenantId(tenant),
                    group: Some(Membership { group, least }),
                    ..Pending::new(self.numbers, self.classes[class])
                });
            }
            Step::Remove { pod } if !self.waiting.is_empty() => {
                let pod = self.waiting.remove(pod % self.waiting.len());
                assert!(self.queue.remove(pod.number));
                assert!(!self.queue.remove(pod.number));
            }
            Step::Place { most } => {
                for _ in 0..most {
                    if !self.place() {
                        break;
                    }
                }
            }
            Step::Stop { placement } if !self.running.is_empty() => {
                let at = placement % self.running.len();
                self.stop(at);
            }
            Step::Fail => self.fail(),
            Step::AddHost { shape } => self.add_host(shape),
            Step::ChangeHost { host, shape } if !self.hosts.is_empty() => {
                let id = self.hosts[host % self.hosts.len()];
                let name = self.scheduler.cell().name(id).unwrap().to_owned();
                // Refused where devices in use would change.
                if self.scheduler.update_host(id, &self::host(name, shape % SHAPES)).is_ok() {
                    self.devices.insert(id, if shape == 5 { 2 } else { 0 });
                }
                self.queue.host_changed(id, &mut self.scheduler);
            }
            Step::RemoveHost { host } if !self.hosts.is_empty() => {
                let id = self.hosts.remove(host % self.hosts.len());
                self.scheduler.remove_host(id).unwrap();
                self.devices.remove(&id);
                for at in (0..self.running.len()).rev() {
                    if self.running[at].placement.host() == id {
                        self.stop(at);
                    }
                }
            }
            Step::SetTenant { tenant, weight, guaranteed, critical } => {
                let settings =
                    TenantSettings { weight, guaranteed_millionths: guaranteed, may_be_critical: critical };
                if self.queue.set_tenant(TenantId(tenant), settings).is_ok() {
                    self.settings.insert(tenant, settings);
                }
            }
            Step::Advance { seconds } => {
                self.now += Duration::from_secs(seconds);
                self.queue.advance(self.now);
            }
            Step::WakeAll => self.queue.wake_all(),
            Step::Remove { .. } | Step::Stop { .. } | Step::ChangeHost { .. } | Step::RemoveHost { .. } => {}
        }
        assert_eq!(self.queue.len(), self.waiting.len());
    }

    fn push(&mut self, pending: Pending) {
        self.queue.push(pending).unwrap();
        assert!(self.queue.push(pending).is_err(), "twice");
        let group = pending.group.map(|membership| membership.group);
        self.waiting.push(Pod {
            number: pending.pod,
            class: pending.class,
            tenant: pending.tenant.0,
            priority: pending.priority,
            first: pending.first,
            failures: pending.failures,
            group,
            order: self.numbers,
            rests_until: Duration::ZERO,
        });
        self.numbers += 1;
    }

    fn add_host(&mut self, shape: usize) {
        let free = |number: &usize| self.scheduler.cell().host_named(&format!("h{number}")).is_none();
        let number = (0..).find(free).unwrap();
        let id = self.scheduler.add_host(&host(format!("h{number}"), shape)).unwrap();
        self.hosts.push(id);
        self.devices.insert(id, if shape == 5 { 2 } else { 0 });
        self.queue.host_changed(id, &mut self.scheduler);
    }

    fn stop(&mut self, at: usize) {
        let Running { tenant, placement, .. } = self.running.remove(at);
        let host = placement.host();
        self.queue.discharge(TenantId(tenant), &placement);
        if self.scheduler.release(placement).is_ok() {
            self.queue.host_changed(host, &mut self.scheduler);
        }
    }

    /// What a tenant holds of the cell, by the resource of which it is most, in 2^-40ths.
    fn share(&self, tenant: u32) -> u128 {
        let cell = self.scheduler.cell();
        let mine =
            || self.running.iter().filter(|running| running.tenant == tenant).map(|running| &running.demand);
        let offered = |resource: ResourceId| -> i128 {
            cell.hosts().filter_map(|host| cell.allocatable(host, resource)).map(i128::from).sum()
        };
        let mut shares = Vec::new();
        for name in ["cpu", "memory", "ephemeral-storage", "example.com/fpga"] {
            let Some(resource) = cell.resource(name) else { continue };
            let asked = |demand: &Demand| {
                demand
                    .requests
                    .named()
                    .filter(|(named, _)| *named == name)
                    .map(|(_, q)| i128::from(q))
                    .sum::<i128>()
            };
            shares.push((mine().map(asked).sum::<i128>(), offered(resource)));
        }
        shares.push((mine().count() as i128, offered(ResourceId::PODS)));
        let devices = mine().filter_map(|demand| demand.devices.as_ref());
        let held = devices.map(|devices| i128::from(devices.count * devices.milli)).sum::<i128>();
        let offered = self.devices.values().map(|count| i128::from(*count) * 1_000).sum::<i128>();
        shares.push((held, offered));
        let share = |(held, offered): (i128, i128)| {
            let (held, offered) = (u128::try_from(held).unwrap(), u128::try_from(offered).unwrap());
            (held.min(8 * offered) * (1_u128 << 104).checked_div(offered).unwrap_or(0)) >> 64
        };
        shares.into_iter().map(share).max().unwrap_or(0)
    }

    /// All that may be tried now, the first first.
    fn candidates(&self) -> Vec<Candidate> {
        let awake = self.waiting.iter().filter(|pod| pod.rests_until <= self.now);
        let mut units: BTreeMap<UnitKey, Vec<Pod>> = BTreeMap::new();
        for pod in awake {
            let key = pod.group.map_or((None, pod.number), |group| (Some((pod.tenant, group)), 0));
            units.entry(key).or_default().push(pod.clone());
        }
        units.retain(|(group, _), pods| group.is_none_or(|group| pods.len() >= self.least[&group] as usize));
        let mut candidates: Vec<Candidate> = Vec::new();
        for pods in units.into_values() {
            let head = &pods[0];
            let settings = self.settings.get(&head.tenant).copied().unwrap_or_default();
            let is_critical = settings.may_be_critical && head.priority >= CRITICAL_PRIORITY;
            let share = self.share(head.tenant);
            let guaranteed = u128::from(settings.guaranteed_millionths) * ((1 << 40) / 1_000_000);
            let turn = if is_critical {
                (false, 0)
            } else {
                (share >= guaranteed, (share << 20) / u128::from(settings.weight))
            };
            let key = (!is_critical, -i64::from(head.priority), turn, head.order);
            candidates.push(Candidate { key, pods });
        }
        candidates
    }

    /// What the model places next: by the documented order, of all that fits.
    fn pick(&mut self) -> Option<Vec<Pod>> {
        let candidates = self.candidates();
        let mut fitting = Vec::new();
        for candidate in candidates {
            if self.try_all(&candidate.pods).is_some_and(|placed| {
                self.undo(placed);
                true
            }) {
                fitting.push(candidate);
            }
        }
        let within = |candidate: &Candidate| {
            let (_, priority, _, order) = candidate.key;
            (priority, !candidate.pods.iter().any(|pod| pod.first), order)
        };
        let (critical, others): (Vec<_>, Vec<_>) =
            fitting.into_iter().partition(|candidate| !candidate.key.0);
        if let Some(first) = critical.into_iter().min_by_key(within) {
            return Some(first.pods);
        }
        // Each tenant's own first; of these the one whose turn it is.
        let mut firsts: BTreeMap<u32, Candidate> = BTreeMap::new();
        for candidate in others {
            let tenant = candidate.pods[0].tenant;
            if firsts.get(&tenant).is_none_or(|first| within(&candidate) < within(first)) {
                firsts.insert(tenant, candidate);
            }
        }
        let turn = |candidate: &Candidate| (candidate.key.2, candidate.pods[0].tenant);
        firsts.into_values().min_by_key(turn).map(|candidate| candidate.pods)
    }

    fn try_all(&mut self, pods: &[Pod]) -> Option<Vec<Placement>> {
        let mut placed = Vec::new();
        for pod in pods {
            match self.scheduler.schedule(pod.class) {
                Some(placement) => placed.push(placement),
                None => {
                    self.undo(placed);
                    return None;
                }
            }
        }
        Some(placed)
    }

    fn undo(&mut self, placed: Vec<Placement>) {
        for placement in placed {
            self.scheduler.release(placement).unwrap();
        }
    }

    /// Has both place one unit. Returns whether there was one.
    fn place(&mut self) -> bool {
        let expected = self.pick();
        let numbers = |pods: &[Pod]| pods.iter().map(|pod| pod.number).collect::<Vec<_>>();
        loop {
            let Some(next) = self.queue.pop(&mut self.scheduler) else {
                assert_eq!(expected.as_deref().map(numbers), None, "the queue has nothing more to try");
                return false;
            };
            let members = match &next {
                Next::Pod(waiting) => vec![*waiting],
                Next::Group(group) => group.members.clone(),
            };
            let pods: Vec<Pod> = members
                .iter()
                .map(|member| self.waiting.iter().find(|pod| pod.number == member.pod).unwrap().clone())
                .collect();
            let Some(placed) = self.try_all(&pods) else {
                self.queue.park(next, &mut self.scheduler);
                continue;
            };
            assert_eq!(expected.as_deref().map(numbers), Some(numbers(&pods)));
            for (pod, placement) in pods.iter().zip(placed) {
                self.queue.charge(TenantId(pod.tenant), &placement).unwrap();
                let demand = self.scheduler.demand(pod.class).unwrap().clone();
                self.running.push(Running { tenant: pod.tenant, demand, placement });
                self.waiting.retain(|waiting| waiting.number != pod.number);
            }
            return true;
        }
    }

    /// The next pod is placed in vain and rests. With a backoff that costs time for this once.
    fn fail(&mut self) {
        match self.queue.pop(&mut self.scheduler) {
            Some(Next::Pod(waiting)) => {
                let backoff =
                    Backoff { free: 0, initial: Duration::from_secs(1), most: Duration::from_secs(10) };
                self.queue.set_backoff(backoff).unwrap();
                self.queue.back_off(waiting);
                self.queue.set_backoff(Backoff { free: 1_000, ..backoff }).unwrap();
                let pod = self.waiting.iter_mut().find(|pod| pod.number == waiting.pod).unwrap();
                assert_eq!(
                    (pod.failures, pod.first, pod.priority),
                    (waiting.failures, waiting.first, waiting.priority)
                );
                pod.failures += 1;
                pod.rests_until = self.now + Duration::from_secs((1 << (pod.failures - 1)).min(10));
            }
            // Without a wait.
            Some(group) => self.queue.back_off(group),
            None => {}
        }
    }

    /// Places all that fits, and sees that the others are parked rightly: no host admits them.
    pub(crate) fn settle(&mut self) {
        while self.place() {}
        for class in self.queue.parked() {
            assert!(self.scheduler.decide(class).is_none(), "a parked class fits");
        }
        let mut told: Vec<u64> = self.queue.tenants().iter().map(|status| status.waiting as u64).collect();
        told.retain(|waiting| *waiting > 0);
        let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
        for pod in &self.waiting {
            *counts.entry(pod.tenant).or_default() += 1;
        }
        assert_eq!(told, counts.into_values().collect::<Vec<_>>());
    }

    /// Nothing is lost or doubled, in the queue or in the cell.
    pub(crate) fn check(&mut self) {
        let drained: Vec<u64> = self.queue.drain().iter().map(|waiting| waiting.pod).collect();
        self.waiting.sort_by_key(|pod| pod.order);
        assert_eq!(drained, self.waiting.iter().map(|pod| pod.number).collect::<Vec<_>>());
        let placements = self.running.iter().map(|running| &running.placement);
        let mut violations = check(self.scheduler.cell(), placements);
        // Hosts shrink below what they run.
        violations.retain(|violation| !matches!(violation, Violation::Overcommitted { .. }));
        assert_eq!(violations, []);
    }
}
