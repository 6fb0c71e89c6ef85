//! Random steps. Each scenario has its own mix, so that some only fill a cell and others mostly change its hosts.

use meridian_engine::{Host, Resources, Topology};

use super::host::{KEYS, Shapes, labels, links, name, overcommit, taints};
use super::{Random, Size, pods};
use crate::scenario::{Change, Preempting, Step};

/// How often each kind of step comes, relative to the others.
struct Mix {
    schedule: usize,
    gang: usize,
    release: usize,
    decide: usize,
    explain: usize,
    place: usize,
    update: usize,
    come_and_go: usize,
    forget: usize,
    preempt: usize,
    society: usize,
}

impl Mix {
    fn draw(random: &mut Random) -> Self {
        Mix {
            schedule: random.within(20..=60),
            gang: *random.pick(&[0, 0, 4, 20]),
            release: *random.pick(&[0, 10, 30]),
            decide: *random.pick(&[0, 10]),
            explain: *random.pick(&[2, 10]),
            place: *random.pick(&[0, 5, 15]),
            update: *random.pick(&[0, 5, 40]),
            come_and_go: *random.pick(&[0, 3, 15]),
            forget: *random.pick(&[0, 2, 10]),
            preempt: *random.pick(&[0, 0, 30, 90]),
            society: *random.pick(&[0, 4, 12]),
        }
    }
}

/// The steps of one scenario.
pub(crate) fn draw(
    random: &mut Random,
    size: &Size,
    shapes: &Shapes,
    hosts: &[Host],
    classes: usize,
) -> Vec<Step> {
    let mix = Mix::draw(random);
    let count = random.within(size.steps.clone());
    // A pod a step would leave most cells empty; runs of pods fill them.
    let run = *random.pick(&[1, 1, 4, 12]);
    let mut names = hosts.len();
    let mut steps = Vec::with_capacity(count);
    for number in 0..count {
        let asleep = size.sleeper && classes > 1 && number > count / 20 && number < count - count / 20;
        let class = if asleep { 1 + random.below(classes - 1) } else { random.below(classes) };
        steps.push(one(random, &mix, shapes, &mut names, class, run));
    }
    steps
}

fn one(random: &mut Random, mix: &Mix, shapes: &Shapes, names: &mut usize, class: usize, run: usize) -> Step {
    let host = random.next();
    let kinds = [
        (mix.schedule, 0),
        (mix.release, 1),
        (mix.decide, 2),
        (mix.explain, 3),
        (mix.place, 4),
        (mix.update, 5),
        (mix.come_and_go, 6),
        (mix.forget, 7),
        (mix.gang, 8),
        (mix.preempt, 9),
        (mix.society, 10),
    ];
    let mut ticket = random.below(kinds.iter().map(|(share, _)| share).sum());
    let kind = kinds.into_iter().find_map(|(share, kind)| match ticket.checked_sub(share) {
        Some(rest) => {
            ticket = rest;
            None
        }
        None => Some(kind),
    });
    match kind {
        Some(0) | None => Step::Schedule { class, pods: random.within(1..=run) },
        Some(1) => Step::Release { pod: random.next() as usize, pods: random.within(1..=run) },
        Some(2) => Step::Decide { class },
        Some(3) => Step::Explain { class },
        Some(4) => Step::Place { class, host, devices: mask(random) },
        Some(5) => Step::Update { host, change: change(random, shapes, names) },
        Some(6) if random.percent(50) => Step::Remove { host },
        Some(6) => {
            // Sometimes the name of a host that is probably there.
            let number = if random.percent(5) { random.below(*names + 1) } else { fresh(names) };
            Step::Add { host: Box::new(shapes.host(random, number)) }
        }
        Some(7) => Step::Forget { class },
        Some(8) => gang(random, shapes, class, *names),
        Some(9) => Step::Preempting(preempting(random, class)),
        Some(_) => society(random, class),
    }
}

/// A gang of the class and perhaps of those after it, mostly all or none.
fn gang(random: &mut Random, shapes: &Shapes, class: usize, hosts: usize) -> Step {
    // The reference tries every domain on every host: in large cells domains and members are few.
    let (most, keys) = if hosts > 100 { (3, &KEYS[..3]) } else { (*random.pick(&[1, 3, 8, 20]), &KEYS[..]) };
    let members: Vec<(usize, usize)> =
        (0..*random.pick(&[1, 1, 2, 3])).map(|number| (class + number, random.within(1..=most))).collect();
    let all = members.iter().map(|(_, pods)| pods).sum();
    let mut resources = Resources::default();
    if random.percent(20) {
        resources.cpu_milli = shapes.some_cpu(random);
        resources.memory = shapes.some_memory(random);
    }
    Step::Gang {
        members,
        minimum: if random.percent(75) { all } else { random.within(1..=all) },
        resources,
        topology: Topology {
            keys: random.several(0..=2, |random| random.word(keys)),
            required: random.percent(50),
        },
    }
}

/// Priorities and budgets are few, so that pods tie and budgets run out.
fn preempting(random: &mut Random, class: usize) -> Preempting {
    let priority = priority(random);
    let owner = *random.pick(&[None, None, Some(0), Some(1), Some(2)]);
    match random.below(16) {
        0..=4 => Preempting::Track {
            pods: *random.pick(&[1, 3, 20, 100]),
            priority,
            start: random.below(4) as i64,
            budgets: budgets(random),
        },
        5 => Preempting::Change {
            pod: random.next() as usize,
            priority,
            is_protected: random.percent(30),
            budgets: budgets(random),
        },
        6 | 7 => {
            let allowed = *random.pick(&[None, Some(-1), Some(0), Some(1), Some(2), Some(5)]);
            Preempting::Budget { budget: random.below(4) as u32, allowed }
        }
        8..=10 => Preempting::Ask { class, priority, owner },
        11 | 12 => Preempting::CarryOut { class, priority, owner, budgets: budgets(random) },
        13 => Preempting::Nominate { class, host: random.next(), devices: random.next(), priority },
        _ => Preempting::Stop { pods: random.within(1..=4) },
    }
}

fn priority(random: &mut Random) -> i32 {
    *random.pick(&[i32::MIN, -5, 0, 0, 0, 1, 1, 2, 3, 10, 100, i32::MAX])
}

fn budgets(random: &mut Random) -> Vec<u32> {
    if random.percent(50) { Vec::new() } else { random.several(1..=2, |random| random.below(4) as u32) }
}

/// What changes in the pods that run, or in their namespaces.
fn society(random: &mut Random, class: usize) -> Step {
    let pod = random.next() as usize;
    match random.below(3) {
        0 => {
            let (tenant, namespace, labels) = pods::namespace(random);
            Step::Namespace { tenant, namespace, labels }
        }
        1 => Step::Terminate { pod },
        _ => Step::Relabel { pod, class },
    }
}

/// Mostly the devices that a decision would take; else any, fitting or not.
fn mask(random: &mut Random) -> Option<u64> {
    match random.below(6) {
        0 => Some(random.next()),
        1 => Some(random.next() & 0xf),
        2 => Some(1 << random.below(64)),
        _ => None,
    }
}

fn change(random: &mut Random, shapes: &Shapes, names: &mut usize) -> Change {
    match random.below(17) {
        0 => Change::Nothing,
        12 => Change::Runtimes(shapes.some_runtimes(random)),
        13 => Change::Overcommit(overcommit(random)),
        16 => Change::Links(links(random)),
        14 | 15 => Change::Numa(shapes.some_numa(random)),
        1 if random.percent(30) => Change::Name(name(random.below(*names + 1))),
        1 => Change::Name(name(fresh(names))),
        2 | 3 => Change::Cordon(random.percent(50)),
        4 | 5 => {
            let hostname = name(random.below(*names + 1));
            Change::Labels(labels(random, &hostname))
        }
        6 | 7 => Change::Taints(taints(random)),
        8 | 9 => Change::Allocatable(shapes.some_allocatable(random)),
        10 => Change::Pods(*random.pick(&[0, 1, 2, 8, 110])),
        _ => Change::Devices(shapes.some_devices(random)),
    }
}

/// The number of a host that was never there.
fn fresh(names: &mut usize) -> usize {
    *names += 1;
    *names - 1
}
