//! Ten thousand topology domains.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;

use meridian_engine::{
    ClassId, Demand, Host, HostId, Identity, Operator, Placement, PodAffinityTerm, PodTerms, Profile,
    Requirement, Resources, Scheduler, SpreadConstraint, check,
};

const RACKS: u32 = 10_000;
const KEY: &str = "rack";

/// Two hosts in each rack, with room for two pods each.
fn cell(profile: Profile) -> Scheduler {
    let mut scheduler = Scheduler::new(profile).unwrap();
    for number in 0..2 * RACKS {
        let labels = BTreeMap::from([(KEY.to_owned(), format!("r{}", number % RACKS))]);
        let allocatable = Resources { cpu_milli: 2_000, memory: 1 << 32, ..Resources::default() };
        let host = Host { name: format!("h{number}"), allocatable, pods: 10, labels, ..Host::default() };
        scheduler.add_host(&host).unwrap();
    }
    scheduler
}

fn class(scheduler: &mut Scheduler, app: &str, terms: impl FnOnce(Requirement) -> PodTerms) -> ClassId {
    let is_app = Requirement { key: "app".to_owned(), operator: Operator::In(vec![app.to_owned()]) };
    let labels = BTreeMap::from([("app".to_owned(), app.to_owned())]);
    let identity = Identity { tenant: "t".to_owned(), namespace: "default".to_owned(), labels };
    let requests = Resources { cpu_milli: 1_000, memory: 1 << 20, ..Resources::default() };
    scheduler.class(&Demand { requests, identity, terms: terms(is_app), ..Demand::default() }).unwrap()
}

/// How many racks have how many pods.
fn racks(placements: &[Placement]) -> BTreeMap<u32, usize> {
    let mut pods: BTreeMap<usize, u32> = BTreeMap::new();
    for placement in placements {
        *pods.entry(placement.host().index() % RACKS as usize).or_default() += 1;
    }
    let mut racks = BTreeMap::new();
    pods.into_values().for_each(|pods| *racks.entry(pods).or_default() += 1);
    racks
}

fn place(scheduler: &mut Scheduler, class: ClassId, pods: u32) -> Vec<Placement> {
    (0..pods).map_while(|_| scheduler.schedule(class)).collect()
}

#[test]
fn pods_are_spread_over_ten_thousand_racks_and_kept_apart_there() {
    let mut scheduler = cell(Profile::meridian());
    let even = class(&mut scheduler, "even", |is_app| {
        let constraint = SpreadConstraint {
            max_skew: 1,
            topology_key: KEY.to_owned(),
            is_required: true,
            selector: Some(vec![is_app]),
            min_domains: None,
            honors_affinity: true,
            honors_taints: false,
        };
        PodTerms { spread: vec![constraint], ..PodTerms::default() }
    });
    let mut placed = place(&mut scheduler, even, RACKS);
    assert_eq!(racks(&placed), BTreeMap::from([(1, RACKS as usize)]));
    placed.extend(place(&mut scheduler, even, 10));
    assert_eq!(racks(&placed), BTreeMap::from([(1, RACKS as usize - 10), (2, 10)]));
    // A rack that empties is the only one that pods may go to.
    let (emptied, mut rest): (Vec<_>, Vec<_>) =
        placed.into_iter().partition(|placement| placement.host().index() % RACKS as usize == 4_321);
    let hosts: Vec<HostId> = emptied.iter().map(Placement::host).collect();
    emptied.into_iter().for_each(|placement| scheduler.release(placement).unwrap());
    rest.extend(place(&mut scheduler, even, hosts.len() as u32));
    assert_eq!(racks(&rest).values().sum::<usize>(), RACKS as usize);

    let apart = class(&mut scheduler, "apart", |is_app| {
        let term = PodAffinityTerm {
            topology_key: KEY.to_owned(),
            selector: Some(vec![is_app]),
            ..PodAffinityTerm::default()
        };
        PodTerms { anti_affinity: vec![term], ..PodTerms::default() }
    });
    let alone = place(&mut scheduler, apart, RACKS + 1);
    assert_eq!(racks(&alone), BTreeMap::from([(1, RACKS as usize)]), "there is no rack for one more");
    let reasons = scheduler.explain(apart).unwrap();
    assert!(reasons.to_string().contains("didn't match pod anti-affinity rules"), "{reasons}");
    assert_eq!(check(scheduler.cell(), rest.iter().chain(&alone)), []);
}
