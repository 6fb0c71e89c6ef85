//! Rounds of decisions and claims.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use meridian_engine::{Demand, Profile};
use meridian_proto::v1::{self, partition_message, replica_message};
use meridian_replica::Core;
use meridian_wire::demand_to_message;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Zipf};

use super::cell::{Hosts, PARTITION, Running};
use crate::Clock;
use crate::cell::Shape;
use crate::engine::{HOSTS, draw_shape};
use crate::load::failed;
use crate::parameters::BenchError;

/// Pods that a replica decides in a round.
const BATCH: usize = 64;

/// How long a round takes, by the replicas' clocks.
const ROUND: Duration = Duration::from_millis(1);

/// Rounds after which a pod is given up that no host has room for.
const PATIENCE: u64 = 8;

/// Rounds between two times that the ledger tidies up.
const TIDY: u64 = 2_000;

/// Rounds in a row without a binding, after which the cell counts as full.
const MOST_IDLE: u64 = 1_000;

/// What is run.
pub(super) struct Setting {
    pub(super) hosts: u32,
    pub(super) pods: u32,
    pub(super) classes: u32,
    pub(super) replicas: usize,
    /// How much of the scarcer of CPU and memory is taken, in percent.
    pub(super) load: u32,
    pub(super) seed: u64,
}

/// What was found.
pub(super) struct Outcome {
    /// Pods bound a second.
    pub(super) rate: f64,
    /// Claims refused, in percent.
    pub(super) refused: f64,
    /// How far the hosts chosen fall short of the best, in percent of its score.
    pub(super) lost: f64,
    /// Pods that no host had room for, and that were given up, for each 100 that were bound.
    pub(super) unplaced: f64,
}

/// A replica, and what it is to hear in the next round.
struct Replica {
    core: Core,
    hears: Vec<v1::PartitionMessage>,
    said: Vec<v1::Decision>,
    /// Pods that it was sent and has not decided, by number, with the round in which they were sent.
    undecided: BTreeMap<usize, u64>,
    /// Pods that it found no host for. They are given up, or those that are too large would soon be all that waits.
    unplaced: u64,
}

struct World {
    hosts: Hosts,
    replicas: Vec<Replica>,
    demands: Vec<(Demand, Shape)>,
    zipf: Zipf<f64>,
    random: ChaCha8Rng,
    /// The class of each pod ever sent, by the pod's number.
    classes: Vec<u32>,
    running: Vec<Running>,
    taken: [i64; 2],
    rounds: u64,
    claims: u64,
    refused: u64,
    scores: [i64; 2],
}

/// Fills the hosts to the load, and then binds a pod for each one that stops. Without a clock, quality is looked at.
pub(super) fn run(setting: &Setting, profile: Profile, clock: Option<Clock>) -> Result<Outcome, BenchError> {
    let mut world = World::new(setting, profile, clock.is_none())?;
    let offered = (0..setting.hosts).zip(HOSTS.iter().cycle()).fold([0, 0], |sum, (_, shape)| {
        [sum[0] + i128::from(shape.cpu_milli), sum[1] + i128::from(shape.memory)]
    });
    let mut idle = 0;
    while (0..2)
        .all(|number| i128::from(world.taken[number]) * 100 < offered[number] * i128::from(setting.load))
    {
        idle = if world.round(false)? == 0 { idle + 1 } else { 0 };
        if idle > MOST_IDLE {
            return Err(BenchError::Setup(format!("no room is left at a load below {} %", setting.load)));
        }
    }
    (world.claims, world.refused, world.scores) = (0, 0, [0; 2]);
    world.replicas.iter_mut().for_each(|replica| replica.unplaced = 0);
    let before = clock.map_or(0, |clock| clock());
    let mut bound = 0;
    while bound < u64::from(setting.pods) {
        let now = world.round(true)?;
        idle = if now == 0 { idle + 1 } else { 0 };
        if idle > MOST_IDLE {
            return Err(BenchError::Setup("nothing is bound any more".to_owned()));
        }
        bound += now;
    }
    let nanoseconds = clock.map_or(0, |clock| clock() - before);
    world.hosts.check()?;
    let percent = |part: f64, whole: f64| if whole > 0.0 { 100.0 * part / whole } else { 0.0 };
    Ok(Outcome {
        rate: crate::engine::rate(bound, nanoseconds),
        refused: percent(world.refused as f64, world.claims as f64),
        lost: percent((world.scores[0] - world.scores[1]) as f64, world.scores[0] as f64),
        unplaced: percent(world.replicas.iter().map(|replica| replica.unplaced as f64).sum(), bound as f64),
    })
}

impl World {
    fn new(setting: &Setting, profile: Profile, looks_at_quality: bool) -> Result<World, BenchError> {
        let mut random = ChaCha8Rng::seed_from_u64(setting.seed);
        let mut hosts = Hosts::new(setting.hosts, &HOSTS, looks_at_quality.then(|| profile.clone()))?;
        let account = hosts.account(setting.hosts, &HOSTS);
        let demands: Vec<(Demand, Shape)> = (0..setting.classes)
            .map(|_| {
                let shape = draw_shape(&mut random);
                (shape.demand(), shape)
            })
            .collect();
        let mut replicas = Vec::new();
        for _ in 0..setting.replicas {
            let names = vec!["default-scheduler".to_owned()];
            let mut core = Core::new(profile.clone(), names, 1, 1, Duration::ZERO).map_err(failed)?;
            core.open_feed(0, PARTITION, false).map_err(failed)?;
            core.feed_message(0, account.clone()).map_err(failed)?;
            core.open_stream(0, Duration::ZERO);
            let hears = demands.iter().zip(0..).map(|((demand, _), number)| {
                partition(partition_message::Message::Class(v1::ClassDefinition {
                    number,
                    demand: Some(demand_to_message(demand)),
                    profile: "default-scheduler".to_owned(),
                }))
            });
            replicas.push(Replica {
                core,
                hears: hears.collect(),
                said: Vec::new(),
                undecided: BTreeMap::new(),
                unplaced: 0,
            });
        }
        Ok(World {
            hosts,
            replicas,
            demands,
            zipf: Zipf::new(f64::from(setting.classes), 1.0).map_err(failed)?,
            random,
            classes: Vec::new(),
            running: Vec::new(),
            taken: [0; 2],
            rounds: 0,
            claims: 0,
            refused: 0,
            scores: [0; 2],
        })
    }

    /// A round; returns how many pods were bound, for each of which one stops if `departs`.
    fn round(&mut self, departs: bool) -> Result<u64, BenchError> {
        self.rounds += 1;
        let now = ROUND * u32::try_from(self.rounds).unwrap_or(u32::MAX);
        for replica in 0..self.replicas.len() {
            self.send(replica);
        }
        let news = self.hosts.news();
        std::thread::scope(|threads| {
            let working: Vec<_> = self
                .replicas
                .iter_mut()
                .map(|replica| threads.spawn(|| replica.work(news.clone(), now)))
                .collect();
            working.into_iter().try_for_each(|thread| match thread.join() {
                Ok(worked) => worked,
                Err(panic) => std::panic::resume_unwind(panic),
            })
        })?;
        let bound = self.claim();
        for _ in 0..bound {
            if departs && !self.running.is_empty() {
                let stops = self.random.random_range(0..self.running.len());
                let stops = self.running.swap_remove(stops);
                self.take(stops.class, -1);
                self.hosts.stop(stops);
            }
        }
        if self.rounds.is_multiple_of(TIDY) {
            self.hosts.tick();
        }
        Ok(bound)
    }

    fn take(&mut self, class: usize, times: i64) {
        let shape = self.demands[class].1;
        self.taken[0] += shape.cpu_milli * times;
        self.taken[1] += shape.memory * times;
    }

    /// Sends a replica new pods, as many as it can decide in a round.
    fn send(&mut self, replica: usize) {
        self.replicas[replica].give_up(self.rounds);
        let missing = BATCH.saturating_sub(self.replicas[replica].undecided.len());
        let first = self.classes.len();
        let pods = (0..missing).map(|_| {
            let class = self.zipf.sample(&mut self.random) as u32 - 1;
            self.classes.push(class);
            pending(self.classes.len() - 1, class, false)
        });
        let pods = pods.collect();
        self.offer(replica, pods);
        let sent = (first..first + missing).map(|pod| (pod, self.rounds));
        self.replicas[replica].undecided.extend(sent);
    }

    fn offer(&mut self, replica: usize, pods: Vec<v1::PendingPod>) {
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let pods = v1::PendingPods {
            assignment: 1,
            pods,
            replicas: number(self.replicas.len()),
            replica: number(replica),
        };
        self.replicas[replica].hears.push(partition(partition_message::Message::Pods(pods)));
    }

    /// Claims what the replicas have decided, one of each in turn. Returns how many pods were bound.
    fn claim(&mut self) -> u64 {
        let mut said: Vec<VecDeque<v1::Decision>> =
            self.replicas.iter_mut().map(|replica| std::mem::take(&mut replica.said).into()).collect();
        let mut outcomes: Vec<Vec<v1::Outcome>> = self.replicas.iter().map(|_| Vec::new()).collect();
        let mut again: Vec<Vec<v1::PendingPod>> = self.replicas.iter().map(|_| Vec::new()).collect();
        let mut bound = 0;
        while said.iter().any(|decisions| !decisions.is_empty()) {
            for replica in 0..said.len() {
                let Some(decision) = said[replica].pop_front() else { continue };
                let pod = number_of(&decision.uid);
                let class = self.classes[pod] as usize;
                let taken = decision.hosts.iter().find_map(|host| {
                    self.claims += 1;
                    let answered = self.hosts.claim(&decision.uid, class, &self.demands[class].0, host);
                    self.refused += u64::from(answered.running.is_none());
                    if let Some((best, claimed)) = answered.scores {
                        self.scores[0] += best;
                        self.scores[1] += claimed;
                    }
                    Some((answered.running?, host.host.clone()))
                });
                let (result, host) = match taken {
                    Some((running, host)) => {
                        self.running.push(running);
                        self.take(class, 1);
                        bound += 1;
                        (v1::outcome::Result::Bound, host)
                    }
                    None => {
                        again[replica].push(pending(pod, class as u32, true));
                        (v1::outcome::Result::Refused, String::new())
                    }
                };
                outcomes[replica].push(v1::Outcome { uid: decision.uid, result: result.into(), host });
            }
        }
        for (number, (outcomes, again)) in outcomes.into_iter().zip(again).enumerate() {
            let outcomes = partition_message::Message::Outcomes(v1::Outcomes { outcomes });
            let replica = &mut self.replicas[number];
            replica.hears.push(partition(outcomes));
            replica.undecided.extend(again.iter().map(|pod| (number_of(&pod.uid), self.rounds)));
            self.offer(number, again);
        }
        bound
    }
}

impl Replica {
    /// Withdraws pods that have found no host for long.
    fn give_up(&mut self, round: u64) {
        let mut uids = Vec::new();
        self.undecided.retain(|pod, sent| {
            let waits_on = *sent + PATIENCE > round;
            if !waits_on {
                uids.push(uid_of(*pod));
            }
            waits_on
        });
        if !uids.is_empty() {
            self.unplaced += uids.len() as u64;
            self.hears.push(partition(partition_message::Message::Withdraw(v1::Withdraw { uids })));
        }
    }

    /// Hears what there is to hear and decides.
    fn work(&mut self, news: v1::HostChanges, now: Duration) -> Result<(), BenchError> {
        self.core.feed_message(0, news).map_err(failed)?;
        for message in self.hears.drain(..) {
            self.core.stream_message(0, message, now).map_err(failed)?;
        }
        self.core.pump(BATCH, now);
        while let Some(message) = self.core.take_message(0) {
            if let Some(replica_message::Message::Decisions(decisions)) = message.message {
                for decision in &decisions.decisions {
                    self.undecided.remove(&number_of(&decision.uid));
                }
                self.said.extend(decisions.decisions);
            }
        }
        Ok(())
    }
}

fn partition(message: partition_message::Message) -> v1::PartitionMessage {
    v1::PartitionMessage { message: Some(message) }
}

/// A pod as its partition says it; its number is the end of its uid.
fn pending(pod: usize, class: u32, first: bool) -> v1::PendingPod {
    v1::PendingPod { uid: uid_of(pod), tenant: "tenant".to_owned(), class, first, ..Default::default() }
}

fn uid_of(pod: usize) -> String {
    format!("00000000-0000-4000-8000-{pod:012x}")
}

fn number_of(uid: &str) -> usize {
    uid.rsplit('-').next().and_then(|end| usize::from_str_radix(end, 16).ok()).unwrap_or(0)
}
