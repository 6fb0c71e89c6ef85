//! `engine/unschedulable`: what pods that fit nowhere cost the others.

use std::collections::VecDeque;

use meridian_engine::{Demand, HostId, Next, Pending, Placement, Queue, Scheduler, TenantId};

use crate::Clock;
use crate::cell::{Shape, class, scheduler_with};
use crate::engine::rate;
use crate::figure::{Direction, Figure, Goal};
use crate::parameters::{BenchError, Parameters, count};

/// As in `engine/basic`.
const HOST: Shape = Shape::new(4, 32);
const POD: Shape = Shape { cpu_milli: 100, memory: 500_000_000 };

/// Pods that fit nowhere, of each class.
const PODS_A_CLASS: u64 = 100;

/// The tenants of the others, in turn.
const TENANTS: u64 = 4;

/// Pods that run before each arrival stops the one that has run for the longest time: a quarter of the default cell.
const RUNNING: u32 = 50_000;

/// Pairs of rounds, with and without, until so much time has been measured of each kind.
const LEAST_NANOSECONDS: u64 = 500_000_000;

/// Departures are measured over so many times as many pods, since filling the cell takes long.
const DEPARTURES: u32 = 10;

/// What one kind of rounds took.
#[derive(Default)]
struct Taken {
    nanoseconds: u64,
    decisions: u64,
}

pub(crate) fn unschedulable(parameters: &Parameters, clock: Clock) -> Result<Figure, BenchError> {
    let hosts = count("hosts", parameters.hosts, 5_000)?;
    let pods = count("pods", parameters.pods, 10_000)?;
    let classes = count("classes", parameters.classes, 100)?;
    let mut bare = Taken::default();
    let mut arrivals = [Taken::default(), Taken::default()];
    let mut churn = [Taken::default(), Taken::default()];
    while bare.nanoseconds.min(arrivals[1].nanoseconds).min(churn[1].nanoseconds) < LEAST_NANOSECONDS {
        for _ in 0..DEPARTURES {
            basic(parameters, hosts, pods, clock, &mut bare)?;
        }
        // Both in turn, so that what else the machine does falls on both.
        for with in 0..2 {
            let stuck = if with == 1 { classes } else { 0 };
            let mut round = Round::new(parameters, hosts, stuck)?;
            round.run(pods, clock, &mut arrivals[with])?;
            round.fill(RUNNING.min(hosts.saturating_mul(10)))?;
            round.run(pods.saturating_mul(DEPARTURES), clock, &mut churn[with])?;
            round.check(u64::from(stuck) * PODS_A_CLASS)?;
        }
    }
    let percent = |pair: &[Taken; 2]| {
        let rate = |taken: &Taken| rate(taken.decisions, taken.nanoseconds);
        100.0 * rate(&pair[1]) / rate(&pair[0])
    };
    let goal = Goal { direction: Direction::AtLeast, bound: 90.0 };
    Ok(Figure::new("engine/unschedulable", percent(&arrivals), "% of without", goal)
        .with("with_departures", percent(&churn))
        .with("decisions_per_second", rate(arrivals[1].decisions, arrivals[1].nanoseconds))
        .with("decisions_per_second_without", rate(arrivals[0].decisions, arrivals[0].nanoseconds))
        .with("decisions_per_second_with_departures", rate(churn[1].decisions, churn[1].nanoseconds))
        .with("decisions_per_second_without_a_queue", rate(bare.decisions, bare.nanoseconds))
        .with("hosts", hosts)
        .with("pods", pods)
        .with("classes", classes)
        .with("unschedulable", u64::from(classes) * PODS_A_CLASS)
        .with("profile", parameters.profile.name()))
}

/// `engine/basic`, for comparison: decisions without a queue.
fn basic(
    parameters: &Parameters,
    hosts: u32,
    pods: u32,
    clock: Clock,
    taken: &mut Taken,
) -> Result<(), BenchError> {
    let mut scheduler = scheduler_with(parameters.profile.profile(), hosts, &[HOST])?;
    let class = class(&mut scheduler, POD)?;
    let before = clock();
    for _ in 0..pods {
        let placement = scheduler.schedule(class);
        debug_assert!(placement.is_some());
    }
    taken.nanoseconds += clock() - before;
    taken.decisions += u64::from(pods);
    Ok(())
}

/// A cell and its queue.
struct Round {
    scheduler: Scheduler,
    queue: Queue,
    class: meridian_engine::ClassId,
    running: VecDeque<(TenantId, HostId, Placement)>,
    /// More than so many do not run at once.
    most: usize,
    next: u64,
}

impl Round {
    fn new(parameters: &Parameters, hosts: u32, stuck: u32) -> Result<Round, BenchError> {
        let mut scheduler = scheduler_with(parameters.profile.profile(), hosts, &[HOST])?;
        let class = class(&mut scheduler, POD)?;
        let queue = Queue::new();
        let mut round =
            Round { scheduler, queue, class, running: VecDeque::new(), most: usize::MAX, next: 0 };
        for number in 0..stuck {
            let class = round.scheduler.class(&stuck_demand(number)).map_err(setup)?;
            for _ in 0..PODS_A_CLASS {
                let tenant = TenantId((round.next % TENANTS) as u32);
                round.queue.push(Pending { tenant, ..Pending::new(round.next, class) }).map_err(setup)?;
                round.next += 1;
            }
        }
        round.decide()?;
        Ok(round)
    }

    /// Has pods arrive one by one, each decided at once, and stops the oldest where too many run.
    fn run(&mut self, pods: u32, clock: Clock, taken: &mut Taken) -> Result<(), BenchError> {
        let before = clock();
        for _ in 0..pods {
            self.arrive()?;
        }
        taken.nanoseconds += clock() - before;
        taken.decisions += u64::from(pods);
        Ok(())
    }

    /// Fills the cell; from then on each arrival stops a pod.
    fn fill(&mut self, most: u32) -> Result<(), BenchError> {
        while self.running.len() < most as usize {
            self.arrive()?;
        }
        self.most = most as usize;
        Ok(())
    }

    fn arrive(&mut self) -> Result<(), BenchError> {
        if self.running.len() >= self.most
            && let Some((tenant, host, placement)) = self.running.pop_front()
        {
            self.queue.discharge(tenant, &placement);
            self.scheduler.release(placement).map_err(setup)?;
            self.queue.host_changed(host, &mut self.scheduler);
        }
        let tenant = TenantId((self.next % TENANTS) as u32);
        self.queue.push(Pending { tenant, ..Pending::new(self.next, self.class) }).map_err(setup)?;
        self.next += 1;
        self.decide()
    }

    fn decide(&mut self) -> Result<(), BenchError> {
        while let Some(Next::Pod(waiting)) = self.queue.pop(&mut self.scheduler) {
            match self.scheduler.schedule(waiting.class) {
                Some(placement) => {
                    self.queue.charge(waiting.tenant, &placement).map_err(setup)?;
                    self.running.push_back((waiting.tenant, placement.host(), placement));
                }
                None => self.queue.park(waiting, &mut self.scheduler),
            }
        }
        Ok(())
    }

    fn check(&self, stuck: u64) -> Result<(), BenchError> {
        if self.queue.len() as u64 == stuck {
            return Ok(());
        }
        Err(BenchError::Setup(format!("{} pods wait, want {stuck}", self.queue.len())))
    }
}

/// A demand that no host meets: too much CPU or memory, labels that no host has, a host or a resource that does not exist.
fn stuck_demand(number: u32) -> Demand {
    let size = i64::from(number);
    let large = Shape { cpu_milli: 4_001 + size, ..POD };
    let mut demand = if number % 10 < 4 { large } else { POD }.demand();
    match number % 10 {
        0..4 => {}
        4 | 5 => demand = Shape { memory: (33 << 30) + size, ..POD }.demand(),
        6 | 7 => drop(demand.constraints.node_selector.insert("rack".into(), number.to_string())),
        8 => demand.constraints.node_name = Some(format!("absent-{number}")),
        _ => drop(demand.requests.extended.insert(format!("example.com/device-{number}"), 1)),
    }
    demand
}

fn setup(error: impl std::fmt::Display) -> BenchError {
    BenchError::Setup(error.to_string())
}
