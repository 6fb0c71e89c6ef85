//! The published experiment on the openb trace: how many GPUs a policy allocates before they are too fragmented.
//!
//! "Beware of Fragmentation: Scheduling GPU-Sharing Workloads with Fragmentation Gradient Descent" (Weng et al., USENIX
//! ATC 2023). Per seed the hosts are permuted; the trace's pods, and pods drawn from them with replacement until their
//! GPU request is the wanted multiple of the capacity, are shuffled and placed one by one. Nothing departs, and what does
//! not fit is dropped. Allocation and fragmentation are read, in percent of the capacity, whenever the arrived request
//! passes 100, 110, ... percent.

use meridian_engine::{ClassId, Scheduler, TypicalPod};
use meridian_report::{Arrived, OpenbReport};
use meridian_trace::{TraceHost, TracePod};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::policy::Policy;
use crate::story::{Attempt, Story};
use crate::typical::typical_pods;
use crate::{Clock, SimulationError, translate};

/// What is run.
#[derive(Clone, Debug)]
pub struct OpenbExperiment {
    /// How pods are placed.
    pub policy: Policy,
    /// The request of the pods that arrive, as a multiple of the capacity: 0.1 to 10.
    pub arrivals: f64,
    /// How many times, with seeds from `first_seed` on: 1 to 1000.
    pub seeds: u64,
    /// The first seed.
    pub first_seed: u64,
}

/// One reading: allocation and fragmentation in percent of the capacity.
#[derive(Clone, Copy, Debug, Default)]
struct Reading {
    allocation: f64,
    fragmentation: f64,
}

/// The readings of one seed and how long its decisions took.
struct Run {
    readings: Vec<Reading>,
    decisions: u64,
    nanoseconds: u64,
}

impl OpenbExperiment {
    fn validate(&self) -> Result<(), SimulationError> {
        if !(0.1..=10.0).contains(&self.arrivals) {
            return Err(SimulationError::OutOfRange {
                field: "arrivals",
                value: self.arrivals.to_string(),
                want: "0.1 to 10 (times the capacity)",
            });
        }
        if !(1..=1000).contains(&self.seeds) {
            return Err(SimulationError::OutOfRange {
                field: "seeds",
                value: self.seeds.to_string(),
                want: "1 to 1000",
            });
        }
        Ok(())
    }

    /// The shares of the capacity, in percent, at which readings are taken.
    fn percents(&self) -> Vec<u32> {
        let last = (self.arrivals * 100.0).round() as u32;
        let full: Vec<u32> = (100..=last).step_by(10).collect();
        if full.is_empty() { vec![last] } else { full }
    }
}

/// Pods that arrive in a run at the most.
const MAX_ARRIVALS: usize = 10_000_000;

fn device_request(pod: &TracePod) -> u64 {
    u64::from(pod.device_count) * u64::from(pod.device_milli)
}

fn device_capacity(hosts: &[TraceHost]) -> u64 {
    hosts.iter().map(|host| u64::from(host.device_count) * u64::from(meridian_engine::DEVICE_MILLI)).sum()
}

/// Runs the experiment for all seeds, several at a time. `progress` is told of each seed that is done. Decisions per
/// second are per thread: all decisions over the sum of the times that they took.
pub fn openb_experiment(
    hosts: &[TraceHost],
    pods: &[TracePod],
    experiment: &OpenbExperiment,
    clock: Option<Clock>,
    progress: &(dyn Fn() + Sync),
) -> Result<OpenbReport, SimulationError> {
    experiment.validate()?;
    let typical = typical_pods(pods);
    let runs = (0..experiment.seeds)
        .into_par_iter()
        .map(|number| {
            let seed = experiment.first_seed.wrapping_add(number);
            let run = run(hosts, pods, experiment, seed, &typical, clock, &mut |_| {});
            progress();
            run
        })
        .collect::<Result<Vec<Run>, SimulationError>>()?;
    let nanoseconds: u64 = runs.iter().map(|run| run.nanoseconds).sum();
    let decisions: u64 = runs.iter().map(|run| run.decisions).sum();
    let arrived = experiment
        .percents()
        .into_iter()
        .enumerate()
        .map(|(number, percent)| {
            let of = |value: fn(&Reading) -> f64| {
                let values: Vec<f64> = runs.iter().map(|run| value(&run.readings[number])).collect();
                mean_and_deviation(&values)
            };
            let (allocation_mean, allocation_stdev) = of(|reading| reading.allocation);
            let (fragmentation_mean, fragmentation_stdev) = of(|reading| reading.fragmentation);
            Arrived { percent, allocation_mean, allocation_stdev, fragmentation_mean, fragmentation_stdev }
        })
        .collect();
    Ok(OpenbReport {
        policy: experiment.policy.name().to_owned(),
        seeds: experiment.seeds,
        decisions_per_second: if nanoseconds == 0 {
            0.0
        } else {
            decisions as f64 * 1e9 / nanoseconds as f64
        },
        arrived,
    })
}

/// What became of a pod of the trace in the run of the first seed: its first arrival there.
pub fn openb_story(
    hosts: &[TraceHost],
    pods: &[TracePod],
    experiment: &OpenbExperiment,
    pod: &str,
) -> Result<Story, SimulationError> {
    experiment.validate()?;
    let mut told: Option<Attempt> = None;
    let mut tell = |step: Step<'_>| {
        if told.is_some() || step.pod.name != pod {
            return;
        }
        if let Some(explanation) = step.scheduler.explain(step.class) {
            let choice = step.scheduler.decide(step.class);
            told = Some(Attempt::new(step.number, explanation, choice, step.scheduler));
        }
    };
    run(hosts, pods, experiment, experiment.first_seed, &typical_pods(pods), None, &mut tell)?;
    let attempt = told.ok_or_else(|| SimulationError::UnknownPod {
        pod: pod.to_owned(),
        example: pods.first().map_or_else(String::new, |pod| pod.name.clone()),
    })?;
    Ok(Story { pod: pod.to_owned(), clock: "arrival number".to_owned(), attempts: vec![attempt] })
}

/// A pod that is about to be placed.
struct Step<'a> {
    number: u64,
    pod: &'a TracePod,
    class: ClassId,
    scheduler: &'a mut Scheduler,
}

fn run(
    hosts: &[TraceHost],
    pods: &[TracePod],
    experiment: &OpenbExperiment,
    seed: u64,
    typical: &[TypicalPod],
    clock: Option<Clock>,
    tell: &mut dyn FnMut(Step<'_>),
) -> Result<Run, SimulationError> {
    let capacity = device_capacity(hosts);
    if capacity == 0 {
        return Err(SimulationError::NoDevices);
    }
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut scheduler = Scheduler::new(experiment.policy.profile(typical)?)?;
    let mut order: Vec<&TraceHost> = hosts.iter().collect();
    order.shuffle(&mut random);
    for host in order {
        scheduler.add_host(&translate::host(host))?;
    }
    let arrivals = arrivals(pods, (experiment.arrivals * capacity as f64) as u64, &mut random)?;
    let mut classes: Vec<Option<ClassId>> = vec![None; pods.len()];
    let percents = experiment.percents();
    let mut run = Run { readings: Vec::new(), decisions: 0, nanoseconds: 0 };
    let (mut arrived, mut allocated) = (0, 0);
    for (number, row) in arrivals.into_iter().enumerate() {
        let pod = &pods[row];
        let class = match classes[row] {
            Some(class) => class,
            None => scheduler
                .class(&translate::demand(pod))
                .map_err(|source| SimulationError::Demand { pod: pod.name.clone(), source })?,
        };
        classes[row] = Some(class);
        tell(Step { number: number as u64, pod, class, scheduler: &mut scheduler });
        let before = clock.map_or(0, |clock| clock());
        let placement = scheduler.schedule(class);
        run.nanoseconds += clock.map_or(0, |clock| clock()) - before;
        run.decisions += 1;
        arrived += device_request(pod);
        if placement.is_some() {
            allocated += device_request(pod);
        }
        while percents
            .get(run.readings.len())
            .is_some_and(|percent| arrived * 100 >= u64::from(*percent) * capacity)
        {
            run.readings.push(Reading {
                allocation: percentage(allocated as f64, capacity),
                fragmentation: percentage(scheduler.fragmentation(typical), capacity),
            });
        }
    }
    // Rounding may leave the last reading a pod short of its mark.
    let last = Reading {
        allocation: percentage(allocated as f64, capacity),
        fragmentation: percentage(scheduler.fragmentation(typical), capacity),
    };
    run.readings.resize(percents.len(), last);
    Ok(run)
}

/// The rows of the trace and as many drawn from them as make up the wanted request, shuffled.
fn arrivals(pods: &[TracePod], wanted: u64, random: &mut ChaCha8Rng) -> Result<Vec<usize>, SimulationError> {
    let mut request: u64 = pods.iter().map(device_request).sum();
    if request == 0 {
        return Err(SimulationError::NoDevicePods);
    }
    let mut arrivals: Vec<usize> = (0..pods.len()).collect();
    while request < wanted {
        if arrivals.len() >= MAX_ARRIVALS {
            return Err(SimulationError::OutOfRange {
                field: "arrivals",
                value: format!("more than {MAX_ARRIVALS} pods"),
                want: "pods that ask for more devices, or a smaller multiple of the capacity",
            });
        }
        let row = random.random_range(0..pods.len());
        request += device_request(&pods[row]);
        arrivals.push(row);
    }
    arrivals.shuffle(random);
    Ok(arrivals)
}

fn percentage(part: f64, capacity: u64) -> f64 {
    100.0 * part / capacity as f64
}

/// Mean and sample standard deviation; the deviation of a single value is 0.
fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    if values.len() < 2 {
        return (mean, 0.0);
    }
    let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    (mean, (squares / (count - 1.0)).sqrt())
}
