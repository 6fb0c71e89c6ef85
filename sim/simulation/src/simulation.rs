//! The event loop: pods arrive, wait, are placed, run and stop, in the order of simulated time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use meridian_engine::{ClassId, Next, Pending, Placement, Queue, Scheduler, TypicalPod, Waiting, check};
use meridian_report::{Histogram, SimulationReport, Summary, Timings, Unplaced};
use meridian_trace::{TraceError, TraceHost, TracePod};
use rustc_hash::FxHashMap;

use crate::digest::Digest;
use crate::policy::Policy;
use crate::recorder::{Quantities, Recorder};
use crate::story::{Attempt, Story};
use crate::{Clock, SimulationError, translate};

/// How a simulation is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The report's title.
    pub title: String,
    /// How pods are placed.
    pub policy: Policy,
    /// The pods to expect, for policies that ask for them.
    pub typical: Vec<TypicalPod>,
    /// The seed of the trace, for the report.
    pub seed: u64,
    /// What else the report should say of the run.
    pub parameters: BTreeMap<String, String>,
    /// When to stop, in simulated milliseconds; `None` stops when nothing can happen any more.
    pub until_ms: Option<u64>,
    /// Measures decisions.
    pub clock: Option<Clock>,
    /// A pod whose story is wanted.
    pub watch: Option<String>,
}

/// How far a simulation is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// The simulated time.
    pub now_ms: u64,
    /// Events so far: arrivals and departures.
    pub events: u64,
    /// Pods that run.
    pub running: u64,
    /// Pods that wait.
    pub waiting: u64,
}

/// Events between two reports of progress.
const PROGRESS_EVENTS: u64 = 1 << 14;

/// Classes whose waiting pods are told about one by one at the end.
const TOLD_CLASSES: usize = 50;

/// A pod between its arrival and its end.
struct Pod {
    tenant: u32,
    arrival_ms: u64,
    duration_ms: Option<u64>,
    number: u64,
    quantities: Quantities,
    /// Dropped once the pod is placed, unless it is watched.
    name: String,
    running: Option<(Placement, u64)>,
}

/// What makes two rows of a trace one class.
type ClassKey = (i64, i64, u32, u32, Vec<String>);

struct Simulation<'a> {
    options: &'a Options,
    scheduler: Scheduler,
    queue: Queue,
    recorder: Recorder,
    classes: FxHashMap<ClassKey, ClassId>,
    /// Classes that fit no host at all, with how many of their pods came and the name of one.
    impossible: BTreeMap<ClassId, (u64, String)>,
    possible: FxHashMap<ClassId, bool>,
    pods: Vec<Option<Pod>>,
    unused: Vec<u64>,
    departures: BinaryHeap<Reverse<(u64, u64)>>,
    now_ms: u64,
    running: u64,
    summary: Summary,
    digest: Digest,
    decisions: u64,
    decision_nanoseconds: Histogram,
    attempts: Vec<Attempt>,
    /// The event in which the last of the attempts was made.
    attempt_event: u64,
    watched: Option<(u64, ClassId)>,
    /// The name of the first pod.
    example: String,
}

/// Runs `pods`, which come in the order of arrival, on `hosts`. Returns the report and the story of the watched pod.
pub fn simulate(
    hosts: &[TraceHost],
    pods: impl Iterator<Item = Result<TracePod, TraceError>>,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<(SimulationReport, Option<Story>), SimulationError> {
    if hosts.is_empty() {
        return Err(SimulationError::NoHosts);
    }
    let mut simulation = Simulation::new(hosts, options)?;
    let started = simulation.tick();
    let mut pods = pods.fuse();
    let mut next = pods.next().transpose()?;
    loop {
        let departure = simulation.departures.peek().map(|Reverse((time, _))| *time);
        let arrival = next.as_ref().map(|pod| pod.arrival_ms);
        let Some(time) = departure.into_iter().chain(arrival).min() else { break };
        if options.until_ms.is_some_and(|until| time > until) {
            break;
        }
        simulation.advance(time);
        // Of what happens at one moment, pods that stop make room for those that come.
        if departure == Some(time) {
            simulation.depart();
        } else if let Some(pod) = next.take() {
            simulation.arrive(pod)?;
            next = pods.next().transpose()?;
        }
        simulation.summary.events += 1;
        if simulation.summary.events.is_multiple_of(PROGRESS_EVENTS) {
            progress(simulation.progress());
        }
    }
    if let Some(until) = options.until_ms {
        simulation.advance(until);
    }
    progress(simulation.progress());
    let elapsed = simulation.tick() - started;
    simulation.finish(elapsed)
}

impl<'a> Simulation<'a> {
    fn new(hosts: &[TraceHost], options: &'a Options) -> Result<Simulation<'a>, SimulationError> {
        let mut scheduler = Scheduler::new(options.policy.profile(&options.typical)?)?;
        for host in hosts {
            scheduler.add_host(&translate::host(host))?;
        }
        Ok(Simulation {
            options,
            scheduler,
            queue: Queue::new(),
            recorder: Recorder::new(hosts),
            classes: FxHashMap::default(),
            impossible: BTreeMap::new(),
            possible: FxHashMap::default(),
            pods: Vec::new(),
            unused: Vec::new(),
            departures: BinaryHeap::new(),
            now_ms: 0,
            running: 0,
            summary: Summary { hosts: hosts.len() as u64, ..Summary::default() },
            digest: Digest::new(),
            decisions: 0,
            decision_nanoseconds: Histogram::new(),
            attempts: Vec::new(),
            attempt_event: 0,
            watched: None,
            example: String::new(),
        })
    }

    fn tick(&self) -> u64 {
        self.options.clock.map_or(0, |clock| clock())
    }

    fn progress(&self) -> Progress {
        Progress {
            now_ms: self.now_ms,
            events: self.summary.events,
            running: self.running,
            waiting: self.queue.len() as u64,
        }
    }

    fn advance(&mut self, time_ms: u64) {
        self.recorder.advance(time_ms, &self.scheduler, self.running, self.queue.len() as u64);
        self.now_ms = time_ms;
    }

    fn arrive(&mut self, row: TracePod) -> Result<(), SimulationError> {
        let class = self.class(&row)?;
        let tenant = self.recorder.arrived(&row);
        if self.example.is_empty() {
            self.example.clone_from(&row.name);
        }
        let number = self.summary.pods_arrived;
        self.summary.pods_arrived += 1;
        let watched = self.options.watch.as_ref() == Some(&row.name) && self.watched.is_none();
        if watched {
            self.watched = Some((number, class));
            self.note_attempt(class);
        }
        if let Some((pods, _)) = self.impossible.get_mut(&class) {
            *pods += 1;
            return Ok(());
        }
        let pod = Pod {
            tenant,
            arrival_ms: row.arrival_ms,
            duration_ms: row.duration_ms,
            number,
            quantities: Quantities::of(&row),
            name: row.name,
            running: None,
        };
        let id = match self.unused.pop() {
            Some(id) => {
                self.pods[id as usize] = Some(pod);
                id
            }
            None => {
                self.pods.push(Some(pod));
                self.pods.len() as u64 - 1
            }
        };
        // Priorities of a trace count over all tenants: they are one to the queue.
        let pending = Pending { priority: row.priority, ..Pending::new(id, class) };
        let queued = self.queue.push(pending);
        debug_assert!(queued.is_ok(), "{queued:?}");
        self.place_waiting();
        Ok(())
    }

    fn depart(&mut self) {
        let Some(Reverse((_, id))) = self.departures.pop() else { return };
        let Some(pod) = self.pods.get_mut(id as usize).and_then(Option::take) else { return };
        self.unused.push(id);
        let Some((placement, since_ms)) = pod.running else { return };
        let host = placement.host();
        let released = self.scheduler.release(placement);
        debug_assert!(released.is_ok(), "hosts stay for the whole simulation");
        self.recorder.stopped(&pod.quantities);
        self.recorder.ran(pod.tenant, &pod.quantities, self.now_ms - since_ms);
        self.running -= 1;
        self.summary.pods_completed += 1;
        self.queue.host_changed(host, &mut self.scheduler);
        self.place_waiting();
    }

    fn place_waiting(&mut self) {
        while let Some(Next::Pod(waiting)) = self.queue.pop(&mut self.scheduler) {
            self.note_retry(&waiting);
            let before = self.tick();
            let placement = self.scheduler.schedule(waiting.class);
            if self.options.clock.is_some() {
                self.decision_nanoseconds.record(self.tick() - before);
            }
            self.decisions += 1;
            match placement {
                Some(placement) => self.start(waiting.pod, placement),
                None if self.is_possible(waiting.class) => self.queue.park(waiting, &mut self.scheduler),
                None => {
                    // No waiting helps: the pod is refused, and those of its class that come are too.
                    if let Some(pod) = self.pods[waiting.pod as usize].take() {
                        self.unused.push(waiting.pod);
                        let entry = self.impossible.entry(waiting.class).or_insert((0, pod.name));
                        entry.0 += 1;
                    }
                }
            }
        }
    }

    fn start(&mut self, id: u64, placement: Placement) {
        let now_ms = self.now_ms;
        let Some(pod) = &mut self.pods[id as usize] else { return };
        self.digest.add([pod.number, placement.host().index() as u64, now_ms]);
        self.recorder.placed(pod.tenant, &pod.quantities, now_ms - pod.arrival_ms);
        pod.name = String::new();
        if let Some(duration) = pod.duration_ms {
            self.departures.push(Reverse((now_ms.saturating_add(duration), id)));
        }
        if self.watched.is_some_and(|(number, _)| number == pod.number)
            && let Some(attempt) = self.attempts.last_mut()
        {
            let name = self.scheduler.cell().name(placement.host()).unwrap_or_default().to_owned();
            attempt.placed = Some((name, placement.devices()));
        }
        pod.running = Some((placement, now_ms));
        self.running += 1;
        self.summary.pods_placed += 1;
    }

    fn class(&mut self, row: &TracePod) -> Result<ClassId, SimulationError> {
        let key = (row.cpu_milli, row.memory, row.device_count, row.device_milli, row.device_models.clone());
        if let Some(class) = self.classes.get(&key) {
            return Ok(*class);
        }
        let class = self
            .scheduler
            .class(&translate::demand(row))
            .map_err(|source| SimulationError::Demand { pod: row.name.clone(), source })?;
        self.classes.insert(key, class);
        Ok(class)
    }

    fn is_possible(&mut self, class: ClassId) -> bool {
        // Hosts neither come nor change during a simulation.
        *self.possible.entry(class).or_insert_with(|| self.scheduler.fits_when_idle(class))
    }

    fn note_attempt(&mut self, class: ClassId) {
        if let Some(explanation) = self.scheduler.explain(class) {
            self.attempt_event = self.summary.events;
            self.attempts.push(Attempt { time: self.now_ms, explanation, placed: None });
        }
    }

    /// The watched pod is tried anew, after it has waited: only the last such attempt is told of. Much may happen in one
    /// millisecond, so it is by the event that an attempt is known to be another one.
    fn note_retry(&mut self, waiting: &Waiting) {
        let Some((number, class)) = self.watched else { return };
        if self.pods[waiting.pod as usize].as_ref().is_some_and(|pod| pod.number == number)
            && self.attempt_event < self.summary.events
        {
            self.attempts.truncate(1);
            self.note_attempt(class);
        }
    }

    fn finish(mut self, elapsed: u64) -> Result<(SimulationReport, Option<Story>), SimulationError> {
        self.recorder.sample(self.now_ms, &self.scheduler, self.running, self.queue.len() as u64);
        let placements =
            self.pods.iter().flatten().filter_map(|pod| pod.running.as_ref().map(|(placement, _)| placement));
        self.summary.invariant_violations = check(self.scheduler.cell(), placements).len() as u64;
        for pod in self.pods.iter().flatten() {
            if let Some((_, since_ms)) = pod.running {
                self.recorder.ran(pod.tenant, &pod.quantities, self.now_ms.saturating_sub(since_ms));
            }
        }
        if let Some((number, class)) = self.watched
            && self.pods.iter().flatten().any(|pod| pod.number == number && pod.running.is_none())
            && self.attempts.last().is_some_and(|attempt| attempt.time < self.now_ms)
        {
            self.attempts.truncate(1);
            self.note_attempt(class);
        }
        self.summary.pods_running = self.running;
        self.summary.pods_waiting = self.queue.len() as u64;
        self.summary.pods_impossible = self.impossible.values().map(|(pods, _)| pods).sum();
        self.summary.simulated_ms = self.now_ms;
        self.summary.placement_digest = self.digest.hex();
        let unplaced = self.unplaced();
        let story = match &self.options.watch {
            Some(pod) if self.watched.is_none() => {
                return Err(SimulationError::UnknownPod { pod: pod.clone(), example: self.example });
            }
            watch => watch.clone().map(|pod| Story {
                pod,
                clock: "simulated millisecond".to_owned(),
                attempts: std::mem::take(&mut self.attempts),
            }),
        };
        let timings = self.options.clock.map(|_| {
            let seconds = elapsed as f64 / 1e9;
            let per_second = |count: u64| if elapsed == 0 { 0.0 } else { count as f64 / seconds };
            Timings {
                wall_seconds: seconds,
                events_per_second: per_second(self.summary.events),
                decisions_per_second: per_second(self.decisions),
                decision_nanoseconds: self.decision_nanoseconds,
            }
        });
        let (samples, tenants, queue_delay) = self.recorder.finish();
        let report = SimulationReport {
            title: self.options.title.clone(),
            policy: self.options.policy.name().to_owned(),
            seed: self.options.seed,
            parameters: self.options.parameters.clone(),
            summary: self.summary,
            samples,
            queue_delay,
            tenants,
            unplaced,
            timings,
        };
        Ok((report, story))
    }

    /// Why pods wait or were refused, in the words of the scheduler, most pods first.
    fn unplaced(&mut self) -> Vec<Unplaced> {
        let mut classes: BTreeMap<ClassId, (u64, String)> = std::mem::take(&mut self.impossible);
        for waiting in self.queue.drain() {
            if let Some(pod) = &self.pods[waiting.pod as usize] {
                classes.entry(waiting.class).or_insert_with(|| (0, pod.name.clone())).0 += 1;
            }
        }
        let mut classes: Vec<_> = classes.into_iter().collect();
        classes.sort_by_key(|(class, (pods, _))| (Reverse(*pods), *class));
        let rest = classes.split_off(classes.len().min(TOLD_CLASSES));
        // Classes that lack the same things are told of together, with the counts of the one that most pods are of.
        let mut reasons: BTreeMap<Vec<String>, Unplaced> = BTreeMap::new();
        for (class, (pods, example)) in classes {
            let Some(told) = self.scheduler.explain(class) else { continue };
            let lacking = told.refusals.keys().cloned().collect();
            let entry = reasons.entry(lacking).or_insert_with(|| Unplaced {
                reason: told.to_string(),
                pods: 0,
                example,
            });
            entry.pods += pods;
        }
        let mut unplaced: Vec<Unplaced> = reasons.into_values().collect();
        unplaced.sort_by(|one, other| (other.pods, &one.reason).cmp(&(one.pods, &other.reason)));
        if let Some((_, (_, example))) = rest.first() {
            let pods = rest.iter().map(|(_, (pods, _))| pods).sum();
            let reason = format!("{} more classes of pods", rest.len());
            unplaced.push(Unplaced { reason, pods, example: example.clone() });
        }
        unplaced
    }
}
