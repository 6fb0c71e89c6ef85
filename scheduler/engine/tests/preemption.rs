//! Preemption told in small cells, and that it comes to an end.

use std::collections::VecDeque;

use meridian_engine::{
    ClassId, Demand, Host, Placement, Preemption, Profile, Resources, Running, Scheduler, ScoringRequests,
    check,
};

/// A cell of hosts with so many cores each.
fn cell(hosts: &[i64]) -> Scheduler {
    let mut scheduler = Scheduler::new(Profile::meridian()).expect("the profile is valid");
    for (number, cores) in hosts.iter().enumerate() {
        let allocatable = Resources { cpu_milli: cores * 1000, ..Resources::default() };
        let name = format!("host-{number}");
        scheduler.add_host(&Host { name, allocatable, pods: 10, ..Host::default() }).expect("a good host");
    }
    scheduler
}

fn class(scheduler: &mut Scheduler, cores: i64) -> ClassId {
    let requests = Resources { cpu_milli: cores * 1000, ..Resources::default() };
    let scoring = ScoringRequests { cpu_milli: cores * 1000, memory: 0 };
    scheduler.class(&Demand { requests, scoring, ..Demand::default() }).expect("a good demand")
}

/// A pod on a host.
struct Pod {
    host: usize,
    cores: i64,
    running: Running,
}

/// Number, host, cores, priority and start.
fn pod(pod: u64, host: usize, cores: i64, priority: i32, start: i64) -> Pod {
    Pod { host, cores, running: Running { pod, priority, start, ..Running::default() } }
}

fn start(scheduler: &mut Scheduler, pods: Vec<Pod>) -> Vec<Placement> {
    let hosts: Vec<_> = scheduler.cell().hosts().collect();
    pods.into_iter()
        .map(|Pod { host, cores, running }| {
            let class = class(scheduler, cores);
            let mut placement = scheduler.place(class, hosts[host], 0).expect("there is room");
            scheduler.track(&mut placement, running);
            placement
        })
        .collect()
}

fn preempt(scheduler: &mut Scheduler, cores: i64, priority: i32) -> Option<(usize, Vec<u64>)> {
    let class = class(scheduler, cores);
    let Preemption { host, victims, .. } = scheduler.preempt(class, priority)?;
    Some((host.index(), victims))
}

/// Who makes way on hosts of four cores for a pod of two and priority 10, having been asked twice: by a look at all hosts,
/// and by an index.
fn who(hosts: usize, pods: Vec<Pod>) -> Option<(usize, Vec<u64>)> {
    let mut scheduler = cell(&vec![4; hosts]);
    let _placements = start(&mut scheduler, pods);
    let first = preempt(&mut scheduler, 2, 10);
    assert_eq!(preempt(&mut scheduler, 2, 10), first);
    first
}

fn under(budget: u32, mut pod: Pod) -> Pod {
    pod.running.budgets.push(budget);
    pod
}

#[test]
fn a_budget_that_is_exhausted_counts_before_all_else() {
    let pods = || vec![under(7, pod(1, 0, 4, 0, 0)), pod(2, 1, 4, 9, 0)];
    let mut scheduler = cell(&[4, 4]);
    let _placements = start(&mut scheduler, pods());
    assert_eq!(preempt(&mut scheduler, 2, 10), Some((0, vec![1])), "a budget that nobody set allows all");
    scheduler.set_budget(7, 0);
    assert_eq!(preempt(&mut scheduler, 2, 10), Some((1, vec![2])));
    scheduler.set_budget(7, 1);
    assert_eq!(preempt(&mut scheduler, 2, 10), Some((0, vec![1])));
}

#[test]
fn of_a_host_the_pods_of_exhausted_budgets_are_kept_first() {
    let mut scheduler = cell(&[4]);
    let _placements = start(&mut scheduler, vec![under(7, pod(1, 0, 2, 0, 0)), pod(2, 0, 2, 5, 0)]);
    scheduler.set_budget(7, 0);
    assert_eq!(preempt(&mut scheduler, 2, 10), Some((0, vec![2])), "though its priority is higher");
    assert_eq!(preempt(&mut scheduler, 4, 10), Some((0, vec![2, 1])), "budgets are a best effort");
    assert_eq!(preempt(&mut scheduler, 2, 5), Some((0, vec![1])));
}

#[test]
fn the_highest_victim_counts_next_whatever_their_number() {
    let many = vec![pod(1, 0, 2, 3, 0), pod(2, 0, 2, 3, 0), pod(3, 1, 4, 4, 0)];
    assert_eq!(who(2, many), Some((0, vec![2])));
    let more = vec![pod(1, 0, 1, 3, 0), pod(2, 0, 1, 3, 1), pod(3, 0, 2, 11, 0), pod(4, 1, 4, 4, 0)];
    assert_eq!(who(2, more), Some((0, vec![1, 2])));
}

#[test]
fn then_the_sum_counts_and_with_it_the_number() {
    let pods = vec![
        pod(1, 0, 1, 3, 0),
        pod(2, 0, 1, -100, 0),
        pod(3, 0, 2, 11, 0),
        pod(4, 1, 2, 3, 0),
        pod(5, 1, 2, 11, 0),
    ];
    assert_eq!(who(2, pods), Some((1, vec![4])), "a second victim costs more than any priority");
}

#[test]
fn then_the_one_that_started_last_goes_and_then_the_first_host() {
    let pods = |last| vec![pod(1, 0, 4, 3, 10), pod(2, 1, 4, 3, last)];
    assert_eq!(who(2, pods(11)), Some((1, vec![2])));
    assert_eq!(who(2, pods(10)), Some((0, vec![1])));
    assert_eq!(who(2, pods(9)), Some((0, vec![1])));
}

#[test]
fn only_lower_priorities_make_way_and_none_that_is_protected() {
    assert_eq!(who(1, vec![pod(1, 0, 4, 10, 0)]), None);
    let mut kept = pod(1, 0, 4, 0, 0);
    kept.running.is_protected = true;
    assert_eq!(who(1, vec![kept]), None);
}

#[test]
fn why_nobody_makes_way_is_told_as_kube_scheduler_does() {
    let mut scheduler = cell(&[4, 4, 1]);
    let hosts: Vec<_> = scheduler.cell().hosts().collect();
    let cordoned = Host {
        name: "host-1".to_owned(),
        allocatable: Resources { cpu_milli: 4000, ..Resources::default() },
        pods: 10,
        unschedulable: true,
        ..Host::default()
    };
    scheduler.update_host(hosts[1], &cordoned).expect("a good host");
    let _placements = start(&mut scheduler, vec![pod(1, 0, 4, 5, 0), pod(2, 1, 4, 0, 0), pod(3, 2, 1, 0, 0)]);
    let class = class(&mut scheduler, 2);
    let told = scheduler.explain_preemption(class, 5, None).expect("a known class").to_string();
    assert_eq!(
        told,
        "0/3 nodes are available: 1 Insufficient cpu, 1 No preemption victims found for incoming pod, \
         1 Preemption is not helpful for scheduling."
    );
}

#[test]
fn what_victims_leave_is_kept_for_the_pod_they_leave_for() {
    let mut scheduler = cell(&[4]);
    let mut victim = start(&mut scheduler, vec![pod(1, 0, 4, 0, 0)]);
    let wanting = class(&mut scheduler, 3);
    let preemption = scheduler.preempt(wanting, 10).expect("the pod makes way");
    scheduler.terminating(&mut victim[0]);
    let mut nominated = scheduler.nominate(wanting, preemption.host, 0).expect("the host is large enough");
    scheduler.track(&mut nominated, Running { pod: 2, priority: 10, ..Running::default() });
    assert!(!scheduler.seat(&mut nominated), "the victim still runs");

    // Neither the victim's like nor an equal of the preemptor gets what it leaves, now or later.
    let (large, small) = (class(&mut scheduler, 4), class(&mut scheduler, 1));
    assert_eq!(scheduler.preempt(large, 10), None);
    let waits = scheduler.preempt(small, 5).expect("there will be room beside the nominated pod");
    assert_eq!((waits.victims, waits.leaving), (vec![], vec![1]));
    scheduler.release(victim.remove(0)).expect("the host is there");
    assert_eq!(scheduler.decide(large), None);
    assert_eq!(scheduler.preempt(large, 10), None);
    assert!(scheduler.decide(small).is_some());

    assert!(scheduler.seat(&mut nominated));
    assert_eq!(scheduler.preempt(large, 11).expect("a higher one goes before it").victims, [2]);
    assert_eq!(check(scheduler.cell(), [&nominated]), []);
}

/// Numbers that look random.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Pods come in a random order to a cell too small for them, victims come back, and stop when they like.
#[test]
fn preemption_comes_to_an_end() {
    for seed in 0..200 {
        let mut random = Random(seed);
        let mut scheduler = cell(&[4, 4, 6, 8]);
        let pods: Vec<(i64, i32)> =
            (0..24).map(|_| (1 + random.below(4) as i64, random.below(5) as i32)).collect();
        let mut waiting: VecDeque<u64> = (0..pods.len() as u64).collect();
        let mut running: Vec<(u64, Placement)> = Vec::new();
        let mut stopping: Vec<(u64, Placement)> = Vec::new();
        let (mut evictions, mut idle) = (0, 0);
        while idle < waiting.len() || !stopping.is_empty() {
            if !stopping.is_empty() && (random.below(3) == 0 || idle >= waiting.len()) {
                let (pod, stopped) = stopping.swap_remove(random.below(stopping.len() as u64) as usize);
                scheduler.release(stopped).expect("the host is there");
                waiting.push_back(pod);
                idle = 0;
            }
            let Some(pod) = waiting.pop_front() else { continue };
            let (cores, priority) = pods[pod as usize];
            let class = class(&mut scheduler, cores);
            let (mut placement, victims) = if let Some(placement) = scheduler.schedule(class) {
                (placement, Vec::new())
            } else if let Some(preemption) = scheduler.preempt(class, priority) {
                let nominated = scheduler.nominate(class, preemption.host, preemption.devices);
                (nominated.expect("the host is large enough"), preemption.victims)
            } else {
                waiting.push_back(pod);
                idle += 1;
                continue;
            };
            idle = 0;
            let start = i64::from(evictions);
            scheduler.track(&mut placement, Running { pod, priority, start, ..Running::default() });
            running.push((pod, placement));
            for victim in victims {
                let place = running.iter().position(|(pod, _)| *pod == victim).expect("a victim runs");
                assert!(pods[victim as usize].1 < priority);
                let (victim, mut placement) = running.swap_remove(place);
                scheduler.terminating(&mut placement);
                stopping.push((victim, placement));
                evictions += 1;
            }
            assert!(evictions < 24 * 24, "seed {seed}: pods go on making way for each other");
        }
        for (pod, placement) in &mut running {
            assert!(scheduler.seat(placement), "seed {seed}: pod {pod} never got the room it was promised");
        }
        assert_eq!(check(scheduler.cell(), running.iter().map(|(_, placement)| placement)), []);
    }
}
