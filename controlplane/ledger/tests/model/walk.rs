//! Random walks through larger worlds, and whether all comes right once nothing goes wrong any more. `MERIDIAN_SEED` runs
//! one walk again, `MERIDIAN_WALKS` sets how many there are.

use std::sync::Arc;

use meridian_ledger::host::EntryState;
use meridian_ledger::tenant::Phase;
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::steps::Step;
use crate::world::{Config, Message, Pod, World, uid};

fn config(random: &mut ChaCha8Rng) -> Config {
    let (tenants, ledgers) = (random.random_range(1..=2), random.random_range(1..=2));
    let hosts = (0..ledgers.max(random.random_range(1..=2))).map(|_| random.random_range(1..=2)).collect();
    let names = random.random_range(2..=4);
    let pods = (0..random.random_range(2..=4))
        .map(|pod| {
            let name = pod as u8 % names;
            (random.random_range(1..=2), name, usize::from(name) % tenants)
        })
        .collect();
    Config {
        tenants,
        ledgers,
        hosts,
        pods,
        most_claims: 12,
        most_te: 3,
        most_he: 4,
        most_deletes: 2,
        most_forced: 1,
        most_finished: 2,
        most_images: 1,
    }
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
                // Where nothing is under way any more, and no sooner.
                Step::GiveUp { .. } => world.network.is_empty() && world.appends.is_empty(),
                // To where there is room, as schedulers do.
                Step::Claim { pod, host, .. } => room(world, *host) >= world.config.pods[*pod].0,
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
            Pod::Pending if !world.exists(&world.stores[world.config.pods[pod].2], pod) => {}
            Pod::Pending => {
                let is_blocked = (0..world.config.pods.len()).any(|other| {
                    world.config.pods[other].1 == world.config.pods[pod].1
                        && matches!(state(other), Pod::Ghost(_))
                });
                let fits =
                    (0..world.config.hosts.len()).any(|host| room(world, host) >= world.config.pods[pod].0);
                if fits && !is_blocked {
                    return Some(format!("pod {pod} is pending, and there is room"));
                }
            }
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
    let entries: usize = world.ledgers.iter().map(|ledger| ledger[0].len()).sum();
    if entries != bindings {
        return Some(format!("{entries} entries for {bindings} bindings"));
    }
    let stopped = world.agents.iter().any(|agent| agent.pods.len() != agent.running().count());
    stopped.then(|| "an agent remembers a pod that has stopped".to_owned())
}

fn walk(seed: u64) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut world = World::new(config(&mut random));
    let mut steps = Vec::new();
    for _ in 0..random.random_range(10..90) {
        let possible = world.steps();
        let step = choose(&possible, &mut random);
        world.take(&step);
        steps.push(format!("{step:?}"));
        if let Err(problem) = world.check() {
            panic!("seed {seed}: {problem}, in {:?}, after:\n{}", world.config, steps.join("\n"));
        }
    }
    let before = world.config.clone();
    if let Some(problem) = settle_down(&mut world, &mut random) {
        panic!("seed {seed}: at the end {problem}, in {before:?}, after:\n{}", steps.join("\n"));
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
