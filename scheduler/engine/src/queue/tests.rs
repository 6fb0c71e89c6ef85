//! The queue, by hand. `tests/queue` holds it to a plain model.

use std::time::Duration;

use super::{Backoff, MAX_GROUP, Membership, Next, Pending, Queue, QueueError, TenantId, TenantSettings};
use crate::{CRITICAL_PRIORITY, ClassId, Demand, Host, Placement, Profile, Resources, Scheduler};

fn demand(cpu_milli: i64) -> Demand {
    Demand { requests: Resources { cpu_milli, ..Resources::default() }, ..Demand::default() }
}

fn scheduler() -> Scheduler {
    let mut scheduler = Scheduler::new(Profile::meridian()).unwrap();
    for name in ["a", "b"] {
        let allocatable = Resources { cpu_milli: 1_000, memory: 1 << 30, ..Resources::default() };
        scheduler.add_host(&Host { name: name.into(), allocatable, pods: 1_000, ..Host::default() }).unwrap();
    }
    scheduler
}

fn pod(pod: u64, class: ClassId, priority: i32) -> Pending {
    Pending { priority, ..Pending::new(pod, class) }
}

fn of(tenant: u32, pending: Pending) -> Pending {
    Pending { tenant: TenantId(tenant), ..pending }
}

/// What comes out, a group as its members.
fn pods(queue: &mut Queue, scheduler: &mut Scheduler) -> Vec<u64> {
    let mut pods = Vec::new();
    while let Some(next) = queue.pop(scheduler) {
        match next {
            Next::Pod(waiting) => pods.push(waiting.pod),
            Next::Group(group) => pods.extend(group.members.iter().map(|member| member.pod)),
        }
    }
    pods
}

/// Places until nothing more fits; the pods placed, with what they hold.
fn place(queue: &mut Queue, scheduler: &mut Scheduler) -> Vec<(u64, TenantId, Placement)> {
    let mut placed = Vec::new();
    while let Some(next) = queue.pop(scheduler) {
        let Next::Pod(waiting) = next else { panic!("no groups here") };
        match scheduler.schedule(waiting.class) {
            Some(placement) => {
                queue.charge(waiting.tenant, &placement).unwrap();
                placed.push((waiting.pod, waiting.tenant, placement));
            }
            None => queue.park(waiting, scheduler),
        }
    }
    placed
}

#[test]
fn within_a_tenant_higher_priority_goes_first_then_those_marked_then_the_oldest() {
    let mut scheduler = scheduler();
    let (small, large) = (scheduler.class(&demand(1)).unwrap(), scheduler.class(&demand(2)).unwrap());
    let mut queue = Queue::new();
    for (number, class, priority) in
        [(0, small, 0), (1, large, 0), (2, small, 5), (3, small, 0), (4, large, 9)]
    {
        queue.push(pod(number, class, priority)).unwrap();
    }
    queue.push(Pending { first: true, ..pod(5, small, 0) }).unwrap();
    assert_eq!(queue.len(), 6);
    assert_eq!(queue.push(pod(3, large, 7)), Err(QueueError::Duplicate { pod: 3 }));
    assert!(queue.remove(1) && !queue.remove(1));
    assert_eq!(pods(&mut queue, &mut scheduler), [4, 2, 5, 0, 3]);
    assert!(queue.is_empty() && queue.tenants().is_empty());
}

#[test]
fn a_parked_class_waits_for_a_host_that_admits_it() {
    let mut scheduler = scheduler();
    let (small, large) = (scheduler.class(&demand(600)).unwrap(), scheduler.class(&demand(900)).unwrap());
    let mut placements: Vec<_> = (0..2).map(|_| scheduler.schedule(small).unwrap()).collect();
    let mut queue = Queue::new();
    queue.push(pod(7, large, 0)).unwrap();
    queue.push(pod(8, large, 3)).unwrap();
    assert!(place(&mut queue, &mut scheduler).is_empty());
    queue.push(pod(9, large, 9)).unwrap();
    assert_eq!((queue.pop(&mut scheduler), queue.len(), queue.parked_len()), (None, 3, 1));

    // A change that does not help leaves the class aside; a release that does brings it back, in order.
    let other = placements[1].host();
    queue.host_changed(other, &mut scheduler);
    assert_eq!(queue.parked(), [large]);
    let freed = placements.remove(0);
    let host = freed.host();
    scheduler.release(freed).unwrap();
    queue.host_changed(host, &mut scheduler);
    assert_eq!(pods(&mut queue, &mut scheduler), [9, 8, 7]);
}

#[test]
fn what_a_class_was_woken_for_may_be_taken_by_another() {
    let mut scheduler = scheduler();
    let classes: Vec<_> = (0..3).map(|extra| scheduler.class(&demand(600 + extra)).unwrap()).collect();
    let held: Vec<_> = (0..2).map(|_| scheduler.schedule(classes[0]).unwrap()).collect();
    let mut queue = Queue::new();
    for (number, class) in classes.iter().enumerate() {
        queue.push(pod(number as u64, *class, 0)).unwrap();
    }
    assert!(place(&mut queue, &mut scheduler).is_empty());
    for placement in held {
        let host = placement.host();
        scheduler.release(placement).unwrap();
        queue.host_changed(host, &mut scheduler);
        assert_eq!(queue.parked_len(), 0);
        assert_eq!(place(&mut queue, &mut scheduler).len(), 1);
        assert_eq!(queue.parked_len(), queue.len(), "the others are aside again");
    }
}

#[test]
fn draining_empties_it_in_the_order_of_arrival() {
    let mut scheduler = scheduler();
    let class = scheduler.class(&demand(1)).unwrap();
    let mut queue = Queue::new();
    queue.push(pod(1, class, 0)).unwrap();
    queue.push(pod(2, class, 8)).unwrap();
    queue.push(Pending { group: Some(Membership { group: 1, least: 2 }), ..pod(3, class, 9) }).unwrap();
    assert_eq!(queue.drain().iter().map(|waiting| waiting.pod).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(queue.is_empty() && queue.pop(&mut scheduler).is_none());
}

#[test]
fn tenants_get_shares_by_their_weights() {
    let mut scheduler = scheduler();
    let class = scheduler.class(&demand(10)).unwrap();
    let mut queue = Queue::new();
    queue.set_tenant(TenantId(2), TenantSettings { weight: 3, ..TenantSettings::default() }).unwrap();
    for number in 0..200 {
        queue.push(of(1, pod(number, class, 100))).unwrap();
        queue.push(of(2, pod(1_000 + number, class, 0))).unwrap();
    }
    let placed = place(&mut queue, &mut scheduler);
    assert_eq!(placed.len(), 200);
    assert_eq!(placed.iter().filter(|(_, tenant, _)| *tenant == TenantId(2)).count(), 150);
    let status = queue.tenants();
    assert_eq!((status[0].waiting, status[0].share_millionths), (150, 249_999));
    assert_eq!((status[1].waiting, status[1].share_millionths), (50, 749_999));

    // The other way round from now on: what is freed goes to the one that has less by its weight.
    queue.set_tenant(TenantId(1), TenantSettings { weight: 9, ..TenantSettings::default() }).unwrap();
    for (_, tenant, placement) in placed.into_iter().take(40) {
        let host = placement.host();
        queue.discharge(tenant, &placement);
        scheduler.release(placement).unwrap();
        queue.host_changed(host, &mut scheduler);
    }
    assert!(place(&mut queue, &mut scheduler).iter().all(|(_, tenant, _)| *tenant == TenantId(1)));
}

#[test]
fn what_is_guaranteed_goes_before_what_is_borrowed() {
    let mut scheduler = scheduler();
    let class = scheduler.class(&demand(10)).unwrap();
    let mut queue = Queue::new();
    let settings = TenantSettings { weight: 1, guaranteed_millionths: 600_000, may_be_critical: false };
    queue.set_tenant(TenantId(2), settings).unwrap();
    queue.set_tenant(TenantId(1), TenantSettings { weight: 1_000, ..TenantSettings::default() }).unwrap();
    for number in 0..200 {
        queue.push(of(1, pod(number, class, 0))).unwrap();
        queue.push(of(2, pod(1_000 + number, class, 0))).unwrap();
    }
    let placed = place(&mut queue, &mut scheduler);
    let guaranteed = placed.iter().filter(|(_, tenant, _)| *tenant == TenantId(2)).count();
    assert!((120..=121).contains(&guaranteed), "{guaranteed} of {}", placed.len());

    let most = TenantSettings { guaranteed_millionths: 400_001, ..TenantSettings::default() };
    assert_eq!(queue.set_tenant(TenantId(3), most), Err(QueueError::Guarantees { millionths: 1_000_001 }));
    assert_eq!(queue.tenants().len(), 2);
}

#[test]
fn critical_pods_go_before_all_tenants_where_theirs_may() {
    let mut scheduler = scheduler();
    let class = scheduler.class(&demand(10)).unwrap();
    let mut queue = Queue::new();
    for number in 0..2 {
        queue.push(of(1, pod(number, class, 5))).unwrap();
        queue.push(of(2, pod(10 + number, class, CRITICAL_PRIORITY))).unwrap();
        queue.push(of(3, pod(20 + number, class, CRITICAL_PRIORITY))).unwrap();
    }
    let may = TenantSettings { may_be_critical: true, ..TenantSettings::default() };
    queue.set_tenant(TenantId(3), may).unwrap();
    assert_eq!(pods(&mut queue, &mut scheduler), [20, 21, 0, 1, 10, 11]);
}

#[test]
fn settings_out_of_range_are_refused() {
    let mut queue = Queue::new();
    for weight in [0, 1_000_001, u32::MAX] {
        let settings = TenantSettings { weight, ..TenantSettings::default() };
        assert_eq!(queue.set_tenant(TenantId(1), settings), Err(QueueError::Weight { weight }));
    }
    let settings = TenantSettings { guaranteed_millionths: 1_000_001, ..TenantSettings::default() };
    let refused = queue.set_tenant(TenantId(1), settings).unwrap_err();
    assert_eq!(refused.to_string(), "guaranteed share is 1000001 millionths, want 0 to 1000000");
    for (initial, most) in [(0, 1), (2, 1), (1, 7_200)] {
        let (initial, most) = (Duration::from_secs(initial), Duration::from_secs(most));
        let refused = queue.set_backoff(Backoff { free: 0, initial, most });
        assert_eq!(refused, Err(QueueError::Backoff { initial, most }));
    }
    assert!(queue.tenants().is_empty());
}

#[test]
fn what_is_placed_in_vain_rests_longer_each_time() {
    let mut scheduler = scheduler();
    let class = scheduler.class(&demand(10)).unwrap();
    let mut queue = Queue::new();
    queue.push(pod(1, class, 0)).unwrap();
    let mut now = Duration::ZERO;
    for seconds in [0, 1, 2, 4, 8, 10, 10] {
        let next = queue.pop(&mut scheduler).unwrap();
        queue.back_off(next);
        queue.push(pod(2, class, 0)).unwrap();
        let before = if seconds == 0 { vec![1, 2] } else { vec![2] };
        if seconds > 0 {
            assert_eq!((queue.len(), queue.next_due()), (2, Some(now + Duration::from_secs(seconds))));
            queue.advance(now + Duration::from_secs(seconds) - Duration::from_nanos(1));
            assert_eq!(pods(&mut queue, &mut scheduler), before);
        } else {
            assert!(queue.remove(2));
        }
        now += Duration::from_secs(seconds);
        queue.advance(now);
        assert_eq!(queue.next_due(), None);
    }
    let next = queue.pop(&mut scheduler).unwrap();
    queue.back_off(next);
    assert_eq!(queue.tenants()[0].oldest, Some(Duration::ZERO));
    assert!(queue.remove(1));
    assert!(queue.is_empty() && queue.next_due().is_none() && queue.tenants().is_empty());
}

fn member(number: u64, class: ClassId, group: u64, least: u32) -> Pending {
    Pending { group: Some(Membership { group, least }), ..pod(number, class, 0) }
}

#[test]
fn a_group_is_tried_when_enough_are_there_and_parked_as_a_whole() {
    let mut scheduler = scheduler();
    let (small, large) = (scheduler.class(&demand(100)).unwrap(), scheduler.class(&demand(900)).unwrap());
    let mut queue = Queue::new();
    queue.push(member(1, small, 9, 3)).unwrap();
    queue.push(member(2, large, 9, 3)).unwrap();
    queue.push(pod(3, small, 0)).unwrap();
    assert_eq!(pods(&mut queue, &mut scheduler), [3], "two of three hold up nobody");
    queue.push(member(4, large, 9, 3)).unwrap();
    let Some(Next::Group(group)) = queue.pop(&mut scheduler) else { panic!("the group is complete") };
    assert_eq!(group.members.iter().map(|member| member.pod).collect::<Vec<_>>(), [1, 2, 4]);
    assert!(queue.is_empty());

    queue.park(group, &mut scheduler);
    assert_eq!((queue.len(), queue.pop(&mut scheduler)), (3, None));
    // The classes are not parked: others of theirs may fit.
    queue.push(pod(5, large, 0)).unwrap();
    assert_eq!(pods(&mut queue, &mut scheduler), [5]);
    // One member less than it needs: not even a change that could help brings it back.
    let host = scheduler.cell().host_named("a").unwrap();
    assert!(queue.remove(2));
    queue.host_changed(host, &mut scheduler);
    assert_eq!(queue.pop(&mut scheduler), None);
    queue.push(member(6, small, 9, 3)).unwrap();
    assert!(matches!(queue.pop(&mut scheduler), Some(Next::Group(group)) if group.members.len() == 3));
}

#[test]
fn a_group_that_fails_again_and_again_rests_whatever_happens() {
    let mut scheduler = scheduler();
    let class = scheduler.class(&demand(100)).unwrap();
    let host = scheduler.cell().host_named("a").unwrap();
    let mut queue = Queue::new();
    queue.push(member(1, class, 9, 1)).unwrap();
    for failures in 0..2 {
        let Some(Next::Group(group)) = queue.pop(&mut scheduler) else { panic!("it waits") };
        assert_eq!(group.failures, failures);
        queue.park(group, &mut scheduler);
        assert_eq!(queue.pop(&mut scheduler), None);
        queue.host_changed(host, &mut scheduler);
    }
    assert_eq!((queue.pop(&mut scheduler), queue.next_due()), (None, Some(Duration::from_secs(1))));
    queue.advance(Duration::from_secs(1));
    assert!(matches!(queue.pop(&mut scheduler), Some(Next::Group(_))));
}

#[test]
fn groups_out_of_range_are_refused() {
    let mut scheduler = scheduler();
    let class = scheduler.class(&demand(1)).unwrap();
    let mut queue = Queue::new();
    for least in [0, MAX_GROUP + 1] {
        assert_eq!(queue.push(member(1, class, 9, least)), Err(QueueError::GroupSize { group: 9, least }));
    }
    for number in 0..u64::from(MAX_GROUP) {
        queue.push(member(number, class, 9, MAX_GROUP)).unwrap();
    }
    assert_eq!(queue.push(member(5_000, class, 9, 1)), Err(QueueError::GroupFull { group: 9 }));
    assert_eq!(queue.len(), MAX_GROUP as usize);
}
