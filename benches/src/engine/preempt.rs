//! `engine/preempt`: pods of high priority that take the room of others in a full cell.

use meridian_engine::{ClassId, Placement, Preemption, Running, Scheduler};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rustc_hash::FxHashMap;

use crate::Clock;
use crate::cell::{class, scheduler_with};
use crate::engine::{FILLING, HOSTS, draw_shape, rate};
use crate::figure::{Direction, Figure, Goal};
use crate::parameters::{BenchError, Parameters, count};

/// Priorities of the pods that fill the cell.
const LEVELS: i32 = 8;

/// Priorities of those that come: some above all others, some in between.
const PREEMPTORS: [i32; 4] = [2, 4, 6, 8];

/// Pods under one disruption budget, and how many of them it lets go at first.
const BUDGET_PODS: u64 = 10;
const BUDGET_ALLOWED: i32 = 1;

/// Pods in a row that find no room, after which the cell is full.
const MOST_REFUSED: u32 = 64;

/// A full cell and what is told of its pods.
struct Full {
    scheduler: Scheduler,
    placements: FxHashMap<u64, Placement>,
    /// Pods' budgets, of those that have one.
    budgets: FxHashMap<u64, u32>,
    allowed: Vec<i32>,
    pods: u64,
    violations: usize,
}

pub(crate) fn preempt(parameters: &Parameters, clock: Clock) -> Result<Figure, BenchError> {
    let hosts = count("hosts", parameters.hosts, 5_000)?;
    let pods = count("pods", parameters.pods, 10_000)?;
    let number = count("classes", parameters.classes, 4)?;
    let mut random = ChaCha8Rng::seed_from_u64(parameters.seed);
    let mut full = full(parameters, hosts, &mut random)?;
    let running = full.pods;
    let mut classes = Vec::new();
    for _ in 0..number {
        classes.push(class(&mut full.scheduler, draw_shape(&mut random))?);
    }
    let arrivals: Vec<(ClassId, i32)> = (0..pods)
        .map(|_| {
            let class = classes[random.random_range(0..classes.len())];
            (class, PREEMPTORS[random.random_range(0..PREEMPTORS.len())])
        })
        .collect();
    let (mut evictions, mut preemptors, mut nowhere) = (0, 0_u64, 0_u64);
    let before = clock();
    for (class, priority) in arrivals {
        if let Some(placement) = full.scheduler.schedule(class) {
            full.start(placement, priority);
        } else if let Some(preemption) = full.scheduler.preempt(class, priority) {
            preemptors += 1;
            evictions += preemption.victims.len();
            full.carry_out(class, priority, &preemption)?;
        } else {
            nowhere += 1;
        }
    }
    let nanoseconds = clock() - before;
    let goal = Goal { direction: Direction::AtLeast, bound: 20_000.0 };
    Ok(Figure::new("engine/preempt", rate(u64::from(pods), nanoseconds), "preemptors/s", goal)
        .with("hosts", hosts)
        .with("pods", pods)
        .with("classes", number)
        .with("running", running)
        .with("preempted", preemptors)
        .with("nowhere", nowhere)
        .with("evictions", evictions as u64)
        .with("violations", full.violations as u64)
        .with("seed", parameters.seed)
        .with("profile", parameters.profile.name()))
}

impl Full {
    /// Tells of a pod that has started.
    fn start(&mut self, mut placement: Placement, priority: i32) {
        let (pod, start) = (self.pods, self.pods as i64);
        self.pods += 1;
        self.scheduler.track(&mut placement, Running { pod, priority, start, ..Running::default() });
        self.placements.insert(pod, placement);
    }

    /// Starts a pod of those that are there before, if there is room for it.
    fn fill(&mut self, class: ClassId, random: &mut ChaCha8Rng) -> bool {
        let Some(mut placement) = self.scheduler.schedule(class) else { return false };
        let pod = self.pods;
        self.pods += 1;
        let mut running = Running {
            pod,
            priority: random.random_range(0..LEVELS),
            start: random.random_range(0..1_000_000),
            ..Running::default()
        };
        if pod.is_multiple_of(3) {
            let budget = (pod / 3 / BUDGET_PODS) as u32;
            if self.allowed.len() <= budget as usize {
                self.allowed.push(BUDGET_ALLOWED);
                self.scheduler.set_budget(budget, BUDGET_ALLOWED);
            }
            self.budgets.insert(pod, budget);
            running.budgets.push(budget);
        }
        self.scheduler.track(&mut placement, running);
        self.placements.insert(pod, placement);
        true
    }

    /// Has the victims told to stop, keeps what they leave, and starts the pod when they have stopped.
    fn carry_out(
        &mut self,
        class: ClassId,
        priority: i32,
        preemption: &Preemption,
    ) -> Result<(), BenchError> {
        let failed = |error: &dyn std::fmt::Display| BenchError::Setup(error.to_string());
        self.violations += preemption.violations;
        let nominated = self.scheduler.nominate(class, preemption.host, preemption.seat());
        let mut nominated = nominated.map_err(|error| failed(&error))?;
        for victim in &preemption.victims {
            let Some(mut placement) = self.placements.remove(victim) else {
                return Err(failed(&"a victim is named that does not run"));
            };
            self.scheduler.terminating(&mut placement);
            if let Some(budget) = self.budgets.remove(victim) {
                self.allowed[budget as usize] -= 1;
                self.scheduler.set_budget(budget, self.allowed[budget as usize]);
            }
            self.scheduler.release(placement).map_err(|error| failed(&error))?;
        }
        if !self.scheduler.seat(&mut nominated) {
            return Err(failed(&"victims have gone, and there is no room"));
        }
        self.start(nominated, priority);
        Ok(())
    }
}

/// A cell full of pods of all levels, each third one under a disruption budget.
fn full(parameters: &Parameters, hosts: u32, random: &mut ChaCha8Rng) -> Result<Full, BenchError> {
    let scheduler = scheduler_with(parameters.profile.profile(), hosts, &HOSTS)?;
    let mut full = Full {
        scheduler,
        placements: FxHashMap::default(),
        budgets: FxHashMap::default(),
        allowed: Vec::new(),
        pods: 0,
        violations: 0,
    };
    let mut classes = Vec::new();
    for _ in 0..FILLING {
        let shape = draw_shape(random);
        classes.push((shape.cpu_milli, class(&mut full.scheduler, shape)?));
    }
    let mut refused = 0;
    while refused < MOST_REFUSED {
        let (_, class) = classes[random.random_range(0..classes.len())];
        refused = if full.fill(class, random) { 0 } else { refused + 1 };
    }
    // What is left is filled up, with the largest first.
    classes.sort_unstable_by_key(|(cpu_milli, _)| std::cmp::Reverse(*cpu_milli));
    for (_, class) in classes {
        while full.fill(class, random) {}
    }
    Ok(full)
}
