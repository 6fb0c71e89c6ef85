//! Random walks through larger worlds, and whether all comes right once nothing goes wrong any more. `MERIDIAN_SEED` runs
//! one walk again, `MERIDIAN_WALKS` sets how many there are.

use std::collections::BTreeSet;
use std::sync::Arc;

use meridian_ledger::host::EntryState;
use meridian_ledger::tenant::Phase;
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::steps::Step;
use crate::world::{Config, Message, Mutant, Pod, World, uid};

fn config(random: &mut ChaCha8Rng) -> Config {
    let (tenants, ledgers) = (random.random_range(1..=2), random.random_range(1..=2));
    let hosts = (0..ledgers.max(random.random_range(1..=2))).map(|_| random.random_range(1..=2)).collect();
    let names = random.random_range(2..=4);
    let pods: Vec<(i64, u8, usize)> = (0..random.random_range(2..=4))
        .map(|pod| {
            let name = pod as u8 % names;
            (random.random_range(1..=2), name, usize::from(name) % tenants)
        })
        .collect();
    let (gangs, preemptors) = groups(random, &pods);
    Config {
        tenants,
        ledgers,
        hosts,
        pods,
        gangs,
        preemptors,
        keepers: Vec::new(),
        mutant: None,
        most_claims: 12,
        most_te: 3,
        most_he: 4,
        most_deletes: 2,
        most_forced: 1,
        most_finished: 2,
        most_images: 1,
    }
}

/// Some pods of a tenant partition that belong together, and some that may take the room of others.
type Groups = (Vec<Vec<usize>>, Vec<(usize, Vec<usize>)>);

fn groups(random: &mut ChaCha8Rng, pods: &[(i64, u8, usize)]) -> Groups {
    let of = |tp: usize| (0..pods.len()).filter(|pod| pods[*pod].2 == tp).collect::<Vec<usize>>();
    let (mut gangs, mut preemptors) = (Vec::new(), Vec::new());
    for of_tp in [of(0), of(1)] {
        // Of one name only one is there at a time.
        let mut names = Vec::new();
        let mut distinct = of_tp.clone();
        distinct.retain(|pod| {
            !names.contains(&pods[*pod].1) && {
                names.push(pods[*pod].1);
                true
            }
        });
        match random.random_range(0..4) {
            0 | 1 if distinct.len() > 1 => gangs.push(distinct[..distinct.len().min(3)].to_vec()),
            2 if of_tp.len() > 1 => {
                preemptors.push((of_tp[of_tp.len() - 1], of_tp[..of_tp.len() - 1].to_vec()))
            }
            _ => {}
        }
        if distinct.len() > 2 && random.random_range(0..2) == 0 && gangs.is_empty() && preemptors.is_empty() {
            gangs.push(distinct[1..3].to_vec());
            preemptors.push((distinct[1], vec![distinct[0]]));
        }
    }
    (gangs, preemptors)
}

/// Steps weigh by what they are: else nearly all would be deliveries of old messages.
fn kind(step: &Step) -> u8 {
    match step {
        Step::Claim { .. } => 0,
        Step::GiveUp { .. } => 1,
        Step::Deliver { .. } => 2,
        Step::Land(_) => 3,
        Step::Audit { .. } => 4,
        Step::TakeOver { .. } | Step::Restart { .. } => 5,
        Step::Connect { .. } => 6,
        Step::Obey { .. } => 7,
        Step::Report { .. } => 8,
        Step::Finish { .. } | Step::Image { .. } => 9,
        Step::Delete { .. } | Step::Force { .. } => 10,
    }
}

fn choose(steps: &[Step], random: &mut ChaCha8Rng) -> Step {
    let wanted = [0, 0, 1, 2, 2, 2, 2, 2, 2, 3, 3, 4, 5, 6, 7, 7, 8, 9, 10];
    loop {
        let kind_wanted = wanted.choose(random).expect("there are kinds");
        let of_kind: Vec<&Step> = steps.iter().filter(|step| kind(step) == *kind_wanted).collect();
        if let Some(step) = of_kind.choose(random) {
            return (*step).clone();
        }
    }
}

/// Nothing goes wrong any more: messages sent from now on arrive, everybody asks again, and everything is done in a fair,
/// random order. The answer is what is still not right at the end.
fn settle_down(world: &mut World, random: &mut ChaCha8Rng) -> Option<String> {
    let lost = random.random_range(0..=2);
    Arc::make_mut(&mut world.network).retain(|_| random.random_range(0..2) < lost);
    let mut config = (*world.config).clone();
    config.most_claims = u64::MAX;
    (config.most_te, config.most_he) = (0, 0);
    (config.most_deletes, config.most_forced, config.most_finished, config.most_images) = (0, 0, 0, 0);
    world.config = Arc::new(config);
    // The deposed have ended by now.
    for processes in &mut world.tenants {
        processes.truncate(1);
    }
    for processes in &mut world.ledgers {
        processes.truncate(1);
    }
    for agent in &mut world.agents {
        agent.links.clear();
    }
    for _ in 0..60 {
        for ledger in 0..world.config.ledgers {
            world.relist(ledger);
        }
        round(world, random);
        if let Err(problem) = world.check() {
            return Some(problem);
        }
        unsettled(world)?;
    }
    unsettled(world)
}

/// Every kind of step gets its turn; a message is delivered once and then gone.
fn round(world: &mut World, random: &mut ChaCha8Rng) {
    for host in 0..world.config.hosts.len() {
        let he = world.ledgers[world.ledger_of(host)][0].epoch();
        if !world.agents[host].links.contains_key(&he) {
            world.connect(host, 0);
        }
    }
    for _ in 0..200 {
        let steps: Vec<Step> = world
            .steps()
            .into_iter()
            .filter(|step| match step {
                Step::Connect { .. } => false,
                // Where nothing is under way any more, and hardly sooner than victims have left.
                Step::GiveUp { tp, pod, .. } => {
                    let is_quiet = world.network.is_empty() && world.appends.is_empty();
                    let claims = &world.tenants[*tp][0].claims;
                    let group = claims.of(uid(*pod).as_str()).and_then(|live| live.group);
                    let waits = claims.iter().any(|live| {
                        let is_it = live.payload.pod == *pod || (group.is_some() && live.group == group);
                        is_it && live.phase == Phase::Waiting
                    });
                    is_quiet && (!waits || random.next_u32().is_multiple_of(8))
                }
                // To where there is room, as schedulers do.
                Step::Claim { tp, places, .. } => fits(world, *tp, places),
                Step::Audit { .. } | Step::Report { .. } => random.next_u32().is_multiple_of(8),
                _ => true,
            })
            .collect();
        let Some(step) = steps.choose(random).cloned() else { return };
        world.take(&step);
        if let Step::Deliver { message, .. } = &step
            && !matches!(message, Message::Relist { .. } if random.next_u32().is_multiple_of(2))
        {
            Arc::make_mut(&mut world.network).remove(message);
        }
    }
}

/// Whether there is room for all of these, where their victims leave.
fn fits(world: &World, tp: usize, places: &[(usize, usize)]) -> bool {
    let size = |pod: usize| world.config.pods[pod].0;
    (0..world.config.hosts.len()).all(|host| {
        let here = || places.iter().filter(|(_, on)| *on == host).map(|(pod, _)| *pod);
        let victims = here().flat_map(|pod| world.victims(&world.stores[tp], pod, host));
        let victims: BTreeSet<usize> = victims.map(|(victim, _)| victim).collect();
        let left: i64 = victims.into_iter().map(size).sum();
        here().map(size).sum::<i64>() <= if here().next().is_some() { room(world, host) + left } else { 0 }
    })
}

fn room(world: &World, host: usize) -> i64 {
    let ledger = &world.ledgers[world.ledger_of(host)][0];
    ledger
        .host_named(&format!("h{host}"))
        .and_then(|number| ledger.free(number))
        .map_or(0, |free| free.resources.cpu_milli)
}

/// What is not as it should be at the end.
fn unsettled(world: &World) -> Option<String> {
    let state = |pod: usize| world.stores[world.config.pods[pod].2].pods[pod];
    let mut bindings = 0;
    for pod in 0..world.config.pods.len() {
        let claims = &world.tenants[world.config.pods[pod].2][0].claims;
        match state(pod) {
            // See below.
            Pod::Pending => {}
            Pod::Terminating(_) | Pod::Ghost(_) => {
                return Some(format!("pod {pod} is to be stopped, and is not"));
            }
            Pod::Bound(binding) => {
                bindings += 1;
                let ledger = &world.ledgers[world.ledger_of(binding.host)][0];
                let entry = ledger.entry(&world.id(binding.cid));
                if entry.is_none_or(|entry| entry.state != EntryState::Bound) {
                    return Some(format!("pod {pod} is bound, and the ledger does not say so"));
                }
                if !world.agents[binding.host].pods.contains_key(&pod) {
                    return Some(format!("pod {pod} is bound, and not run"));
                }
            }
            Pod::Gone => {}
        }
        if claims.of(uid(pod).as_str()).is_some_and(|live| live.phase == Phase::Writing) {
            return Some(format!("pod {pod} is being bound"));
        }
    }
    for step in world.steps() {
        if let Step::Claim { tp, places, .. } = step
            && fits(world, tp, &places)
            && !places.iter().any(|(pod, _)| is_blocked(world, *pod))
        {
            return Some(format!("pods are pending, and there is room: {places:?}"));
        }
    }
    let entries: usize = world.ledgers.iter().map(|ledger| ledger[0].len()).sum();
    if entries != bindings {
        return Some(format!("{entries} entries for {bindings} bindings"));
    }
    let stopped = world.agents.iter().any(|agent| agent.pods.len() != agent.running().count());
    stopped.then(|| "an agent remembers a pod that has stopped".to_owned())
}

/// Whether an earlier pod of the name is not known to have stopped.
fn is_blocked(world: &World, pod: usize) -> bool {
    let (_, name, tp) = world.config.pods[pod];
    let states = world.stores[tp].pods.iter().enumerate();
    let mut of_name = states.filter(|(other, _)| world.config.pods[*other].1 == name);
    of_name.any(|(_, state)| matches!(state, Pod::Ghost(_)))
}

/// In every other walk a pod that may wait for what anybody leaves.
fn with_keeper(config: Config, seed: u64) -> Config {
    let of_groups = config.gangs.iter().flatten().chain(config.preemptors.iter().map(|(pod, _)| pod));
    let of_groups: BTreeSet<usize> = of_groups.copied().collect();
    let alone = (0..config.pods.len()).find(|pod| !of_groups.contains(pod));
    Config { keepers: alone.filter(|_| seed.is_multiple_of(2)).into_iter().collect(), ..config }
}

fn walk(seed: u64) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let config = with_keeper(config(&mut random), seed);
    if let Err(problem) = walk_through(config, &mut random) {
        panic!("seed {seed}: {problem}");
    }
}

/// A walk through a world, and what is wrong in it, with what led there.
fn walk_through(config: Config, random: &mut ChaCha8Rng) -> Result<(), String> {
    let mut world = World::new(config);
    let mut steps = Vec::new();
    for _ in 0..random.random_range(10..90) {
        let possible = world.steps();
        let step = choose(&possible, random);
        world.take(&step);
        steps.push(format!("{step:?}"));
        if let Err(problem) = world.check() {
            return Err(format!("{problem}, in {:?}, after:\n{}", world.config, steps.join("\n")));
        }
    }
    let before = world.config.clone();
    match settle_down(&mut world, random) {
        None => Ok(()),
        Some(problem) => Err(format!("at the end {problem}, in {before:?}, after:\n{}", steps.join("\n"))),
    }
}

#[test]
fn all_comes_right_after_any_walk() {
    if let Ok(seed) = std::env::var("MERIDIAN_SEED") {
        return walk(seed.parse().expect("a seed is a number"));
    }
    let walks = std::env::var("MERIDIAN_WALKS").map_or(150, |walks| walks.parse().expect("a number"));
    for seed in 0..walks {
        walk(seed);
    }
}

/// Walks with a rule left out, until one goes wrong.
fn until_it_breaks(mutant: Mutant, config: impl Fn(&mut ChaCha8Rng) -> Config) {
    for seed in 0..20_000 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let config = Config { mutant: Some(mutant), ..config(&mut random) };
        if walk_through(config, &mut random).is_err() {
            return;
        }
    }
    panic!("{mutant:?} has gone wrong nowhere")
}

#[test]
fn each_rule_of_groups_is_needed() {
    let gang = |random: &mut ChaCha8Rng| Config {
        ledgers: 2,
        hosts: vec![1, 1],
        gangs: vec![vec![0, 1]],
        most_deletes: 1,
        ..config_of(random, 2)
    };
    let preemptor = |random: &mut ChaCha8Rng| Config {
        ledgers: 1,
        hosts: vec![1],
        preemptors: vec![(1, vec![0])],
        ..config_of(random, 2)
    };
    until_it_breaks(Mutant::AppendEach, gang);
    until_it_breaks(Mutant::FirstFence, gang);
    until_it_breaks(Mutant::RoomAtOnce, preemptor);
    until_it_breaks(Mutant::BindWaiting, preemptor);
}

fn config_of(random: &mut ChaCha8Rng, pods: u8) -> Config {
    let pods = (0..pods).map(|pod| (1, pod, 0)).collect();
    Config {
        tenants: 1,
        pods,
        gangs: Vec::new(),
        preemptors: Vec::new(),
        keepers: Vec::new(),
        ..config(random)
    }
}
