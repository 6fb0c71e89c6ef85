//! A sequence of steps on a cell, as plain data that can be printed, cut down and run again.

mod preemption;

use std::collections::BTreeMap;
use std::fmt;

use meridian_engine::{
    Demand, Devices, Host, NumaNode, Overcommit, Profile, Resources, Runtimes, Search, Seat, Taint, Topology,
};

pub(crate) use self::preemption::Preempting;
use crate::pair::{Both, Group, Mismatch, Pair, Result, Running};

/// Everything that a run needs.
#[derive(Clone)]
pub(crate) struct Scenario {
    pub(crate) profile: Profile,
    pub(crate) search: Search,
    /// Present from the start.
    pub(crate) hosts: Vec<Host>,
    /// What pods ask for; steps name classes by their place here.
    pub(crate) demands: Vec<Demand>,
    pub(crate) steps: Vec<Step>,
}

/// One step. It keeps a meaning when other steps or hosts are left out: numbers of classes and pods are taken modulo
/// how many there are, and the number of a host means the host whose name's hash comes next after it.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Decides and changes nothing.
    Decide { class: usize },
    /// Schedules pods one after another, until one finds no host.
    Schedule { class: usize, pods: usize },
    /// Places a gang or nothing, after a look at what would become of it. Members are numbers of classes and pods.
    Gang { members: Vec<(usize, usize)>, minimum: usize, resources: Resources, topology: Topology },
    /// Compares the whole record.
    Explain { class: usize },
    /// Places at a host, fitting or not; without a mask, on the devices that a decision would take.
    Place { class: usize, host: u64, devices: Option<u64> },
    /// Ends some pods.
    Release { pod: usize, pods: usize },
    /// Adds a host, perhaps of a name that is taken.
    Add { host: Box<Host> },
    /// Changes a host.
    Update { host: u64, change: Change },
    /// Removes a host and what runs there.
    Remove { host: u64 },
    /// Drops an interned class.
    Forget { class: usize },
    /// About pods that make way for others.
    Preempting(Preempting),
    /// Takes a namespace's labels in.
    Namespace { tenant: String, namespace: String, labels: Option<BTreeMap<String, String>> },
    /// Tells a pod to stop, which it does not yet.
    Terminate { pod: usize },
    /// Has a pod be another class' where it is, if that fits: what a change of its labels is.
    Relabel { pod: usize, class: usize },
}

/// What an update changes in a host.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Nothing,
    Name(String),
    Cordon(bool),
    Labels(BTreeMap<String, String>),
    Taints(Vec<Taint>),
    Allocatable(Resources),
    Pods(i64),
    Devices(Option<Devices>),
    Runtimes(Runtimes),
    Overcommit(Overcommit),
    Numa(Vec<NumaNode>),
    Links(Vec<u64>),
}

impl Change {
    fn apply(&self, host: &mut Host) {
        match self.clone() {
            Change::Nothing => {}
            Change::Name(name) => host.name = name,
            Change::Cordon(cordoned) => host.unschedulable = cordoned,
            Change::Labels(labels) => host.labels = labels,
            Change::Taints(taints) => host.taints = taints,
            Change::Allocatable(resources) => host.allocatable = resources,
            Change::Pods(pods) => host.pods = pods,
            Change::Devices(devices) => host.devices = devices,
            Change::Runtimes(runtimes) => host.runtimes = runtimes,
            Change::Overcommit(overcommit) => host.overcommit = overcommit,
            Change::Numa(numa) => host.numa = numa,
            Change::Links(links) => host.links = links,
        }
    }
}

impl Scenario {
    /// Runs all steps on both schedulers, and at the end empties the cell and asks every class once more.
    pub(crate) fn run(&self) -> Result<()> {
        let mut run = Run {
            pair: Pair::new(self.profile.clone(), self.search)?,
            hosts: Vec::new(),
            running: Vec::new(),
            tracked: 0,
        };
        for host in &self.hosts {
            run.add(host)?;
        }
        for (number, step) in self.steps.iter().enumerate() {
            let failed = |Mismatch(text)| Mismatch(format!("step {number}, {step:?}: {text}"));
            run.step(step, &self.demands).map_err(failed)?;
        }
        run.pair.check(run.running.iter())?;
        for running in std::mem::take(&mut run.running) {
            run.pair.release(running)?;
        }
        run.pair.check(std::iter::empty())?;
        for demand in &self.demands {
            let class = run.pair.class(demand);
            run.pair.decide(class).map_err(|Mismatch(text)| Mismatch(format!("when emptied: {text}")))?;
        }
        Ok(())
    }
}

/// A run in progress.
struct Run {
    pair: Pair,
    /// With the hash of the name each had when it was added.
    hosts: Vec<(u64, Both)>,
    running: Vec<Running>,
    /// How many pods have been told of to preemption.
    tracked: u64,
}

impl Run {
    fn step(&mut self, step: &Step, demands: &[Demand]) -> Result<()> {
        match step {
            Step::Decide { class } => {
                let class = self.class(*class, demands);
                self.pair.decide(class).map(|_| ())
            }
            Step::Schedule { class, pods } => {
                let class = self.class(*class, demands);
                for _ in 0..*pods {
                    let Some(running) = self.pair.schedule(class)? else { break };
                    self.running.push(running);
                }
                Ok(())
            }
            Step::Gang { members, minimum, resources, topology } => {
                let members =
                    members.iter().map(|(class, pods)| (self.class(*class, demands), *pods)).collect();
                let (resources, topology) = (resources.clone(), topology.clone());
                let group = Group { members, minimum: *minimum, resources, topology };
                self.pair.plan_gang(&group, self.running.iter())?;
                self.running.extend(self.pair.schedule_gang(&group)?.into_iter().flatten());
                Ok(())
            }
            Step::Explain { class } => {
                let class = self.class(*class, demands);
                self.pair.fits_when_idle(class)?;
                self.pair.explain(class).map(|_| ())
            }
            Step::Place { class, host, devices } => self.place(*class, *host, *devices, demands),
            Step::Release { pod, pods } => {
                for _ in 0..*pods {
                    if self.running.is_empty() {
                        break;
                    }
                    let running = self.running.swap_remove(pod % self.running.len());
                    self.pair.release(running)?;
                }
                Ok(())
            }
            Step::Add { host } => self.add(host),
            Step::Update { host, change } => self.update(*host, change),
            Step::Remove { host } => {
                let Some(both) = self.host(*host) else { return Ok(()) };
                self.hosts.retain(|(_, other)| *other != both);
                self.pair.remove(both)
            }
            Step::Forget { class } => {
                let class = self.class(*class, demands);
                self.pair.forget(class);
                Ok(())
            }
            Step::Preempting(step) => self.preempting(step, demands),
            Step::Namespace { tenant, namespace, labels } => {
                self.pair.set_namespace(tenant, namespace, labels.as_ref());
                Ok(())
            }
            Step::Terminate { pod } => {
                if !self.running.is_empty() {
                    let place = pod % self.running.len();
                    self.pair.terminating(&mut self.running[place]);
                }
                Ok(())
            }
            Step::Relabel { pod, class } => {
                if self.running.is_empty() {
                    return Ok(());
                }
                let running = self.running.swap_remove(pod % self.running.len());
                let (slot, seat) = (running.slot, running.seat);
                let Some((_, both)) = self.hosts.iter().find(|(_, both)| both.slot == slot).copied() else {
                    return self.pair.release(running).map(|_| ());
                };
                let class = self.class(*class, demands);
                self.pair.release(running)?;
                self.running.extend(self.pair.place(class, both, seat)?);
                Ok(())
            }
        }
    }

    fn add(&mut self, host: &Host) -> Result<()> {
        let added = self.pair.add(host)?;
        self.hosts.extend(added.map(|both| (hash(&host.name), both)));
        Ok(())
    }

    fn place(&mut self, class: usize, host: u64, devices: Option<u64>, demands: &[Demand]) -> Result<()> {
        let demand = &demands[class % demands.len()];
        let class = self.pair.class(demand);
        let Some(both) = self.host(host) else { return Ok(()) };
        self.pair.admits(class, both)?;
        let seat = match devices {
            // Often as many nodes as are asked for, on which there may be room and the devices.
            Some(devices) => Seat { devices, numa: (devices >> 3 & 3) as u32 },
            None => self.pair.reference.seat_on(demand, both.slot).unwrap_or_default(),
        };
        self.running.extend(self.pair.place(class, both, seat)?);
        Ok(())
    }

    fn update(&mut self, host: u64, change: &Change) -> Result<()> {
        let Some(both) = self.host(host) else { return Ok(()) };
        let machine = self.pair.reference.machine(both.slot).expect("the host is there");
        let mut description = machine.host.clone();
        change.apply(&mut description);
        self.pair.update(both, &description).map(|_| ())
    }

    fn host(&self, number: u64) -> Option<Both> {
        self.hosts.iter().min_by_key(|(hash, _)| hash.wrapping_sub(number)).map(|(_, both)| *both)
    }

    fn class(&mut self, class: usize, demands: &[Demand]) -> usize {
        self.pair.class(&demands[class % demands.len()])
    }
}

/// Spreads names over all numbers (FNV-1a, then mixed).
fn hash(name: &str) -> u64 {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// One line an item, for the record of a failure.
impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}, {:?}", self.profile, self.search)?;
        self.hosts.iter().try_for_each(|host| writeln!(f, "{host:?}"))?;
        for (number, demand) in self.demands.iter().enumerate() {
            if *demand == Demand::default() {
                writeln!(f, "class {number}: Demand::default()")?;
            } else {
                writeln!(f, "class {number}: {demand:?}")?;
            }
        }
        self.steps.iter().enumerate().try_for_each(|(number, step)| writeln!(f, "step {number}: {step:?}"))
    }
}
