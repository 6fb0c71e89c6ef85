//! What comes and goes around decisions: classes, names of resources, hosts described wrongly.

use meridian_engine::{
    Demand, Gang, GangError, Host, HostError, MAX_GANG, PlaceError, Profile, Resources, Scheduler, Taint,
    TaintEffect, check,
};

fn host(name: &str, extended: &[(&str, i64)]) -> Host {
    let extended = extended.iter().map(|(name, quantity)| ((*name).to_owned(), *quantity)).collect();
    Host {
        name: name.to_owned(),
        allocatable: Resources { cpu_milli: 4_000, memory: 8 << 30, extended, ..Resources::default() },
        pods: 10,
        ..Host::default()
    }
}

fn asking(name: &str, quantity: i64) -> Demand {
    let extended = [(name.to_owned(), quantity)].into();
    Demand { requests: Resources { extended, ..Resources::default() }, ..Demand::default() }
}

#[test]
fn what_no_host_offers_fits_nowhere_until_one_does() {
    let mut scheduler = Scheduler::new(Profile::meridian()).unwrap();
    scheduler.add_host(&host("plain", &[])).unwrap();
    let class = scheduler.class(&asking("example.com/fpga", 2)).unwrap();
    assert!(scheduler.schedule(class).is_none());
    assert!(!scheduler.fits_when_idle(class));
    let told = scheduler.explain(class).unwrap().to_string();
    assert_eq!(told, "0/1 nodes are available: 1 Insufficient example.com/fpga.");

    let fitted = scheduler.add_host(&host("fitted", &[("example.com/fpga", 2)])).unwrap();
    let placement = scheduler.schedule(class).unwrap();
    assert_eq!(placement.host(), fitted);
    assert!(scheduler.schedule(class).is_none());
    assert_eq!(check(scheduler.cell(), [&placement]), []);
}

#[test]
fn names_that_pods_make_up_use_nothing_up() {
    let mut scheduler = Scheduler::new(Profile::meridian()).unwrap();
    scheduler.add_host(&host("plain", &[])).unwrap();
    for number in 0..1_000 {
        let class = scheduler.class(&asking(&format!("made.up/{number}"), 1)).unwrap();
        assert!(scheduler.decide(class).is_none());
    }
    scheduler.add_host(&host("fitted", &[("example.com/fpga", 1)])).unwrap();
    let class = scheduler.class(&asking("example.com/fpga", 1)).unwrap();
    assert!(scheduler.decide(class).is_some());
}

#[test]
fn the_id_of_a_forgotten_class_names_no_other() {
    let mut scheduler = Scheduler::new(Profile::meridian()).unwrap();
    let id = scheduler.add_host(&host("plain", &[])).unwrap();
    let forgotten = scheduler.class(&Demand::default()).unwrap();
    scheduler.forget_class(forgotten);
    let other = scheduler.class(&asking("example.com/fpga", 0)).unwrap();
    assert_ne!(forgotten, other);
    assert!(scheduler.decide(forgotten).is_none() && scheduler.explain(forgotten).is_none());
    assert_eq!(scheduler.place(forgotten, id, 0).unwrap_err(), PlaceError::UnknownClass);
    scheduler.forget_class(forgotten);
    assert!(scheduler.decide(other).is_some());
}

#[test]
fn gangs_that_make_no_sense_are_refused_and_take_nothing() {
    let mut scheduler = Scheduler::new(Profile::meridian()).unwrap();
    scheduler.add_host(&host("plain", &[])).unwrap();
    let class = scheduler.class(&Demand::default()).unwrap();
    let forgotten = scheduler.class(&asking("example.com/fpga", 0)).unwrap();
    scheduler.forget_class(forgotten);
    let gang = |members: &[_], minimum| Gang { members: members.to_vec(), minimum, ..Gang::default() };
    for (gang, error) in [
        (gang(&[], 0), GangError::MinimumOutOfRange { minimum: 0, members: 0 }),
        (gang(&[(class, 2)], 0), GangError::MinimumOutOfRange { minimum: 0, members: 2 }),
        (gang(&[(class, 2)], 3), GangError::MinimumOutOfRange { minimum: 3, members: 2 }),
        (gang(&[(class, MAX_GANG), (class, 1)], 1), GangError::TooManyMembers { members: MAX_GANG + 1 }),
        (
            gang(&[(class, usize::MAX), (class, usize::MAX)], 1),
            GangError::TooManyMembers { members: usize::MAX },
        ),
        (gang(&[(class, 1), (forgotten, 1)], 1), GangError::UnknownClass),
        (
            Gang { resources: Resources { memory: -1, ..Resources::default() }, ..gang(&[(class, 1)], 1) },
            GangError::QuantityOutOfRange { resource: "memory".into(), quantity: -1 },
        ),
    ] {
        assert_eq!(scheduler.schedule_gang(&gang).unwrap_err(), error);
        assert_eq!(scheduler.plan_gang(&gang).unwrap_err(), error);
        assert_eq!(scheduler.explain_gang(&gang).unwrap_err(), error);
    }
    // Much larger than the cell: refused by counting.
    let large = gang(&[(class, MAX_GANG)], MAX_GANG);
    assert!(scheduler.schedule_gang(&large).unwrap().is_none());
    let explanation = scheduler.explain_gang(&large).unwrap();
    assert_eq!((explanation.fit, explanation.fit_when_idle), (10, 10));
    assert_eq!(check(scheduler.cell(), []), []);
}

#[test]
fn a_taint_given_twice_is_refused() {
    let mut scheduler = Scheduler::new(Profile::meridian()).unwrap();
    let taint = Taint { key: "spot".into(), value: String::new(), effect: TaintEffect::NoSchedule };
    let twice = Host { taints: vec![taint.clone(), taint], ..host("plain", &[]) };
    let error = scheduler.add_host(&twice).unwrap_err();
    assert_eq!(error, HostError::DuplicateTaint { name: "plain".into(), key: "spot".into() });
    assert!(scheduler.cell().is_empty());
}

#[test]
fn regions_of_many_kinds_and_far_behind_indexes_are_searched_exactly() {
    // More kinds of hosts than are told apart, and enough blocks for every way of searching.
    let mut schedulers =
        [meridian_engine::Search::Adaptive, meridian_engine::Search::Index, meridian_engine::Search::Bounds]
            .map(|search| {
                let mut scheduler = Scheduler::new(Profile::meridian()).unwrap();
                scheduler.set_search(search);
                for number in 0..6_000_i64 {
                    let mut described = host(&format!("host-{number}"), &[]);
                    described.allocatable.cpu_milli += 1_000 * (number % 7);
                    described.allocatable.memory += (number % 40) << 28;
                    scheduler.add_host(&described).unwrap();
                }
                scheduler
            });
    let demand = |number: i64| {
        let requests = Resources {
            cpu_milli: 100 + number % 13 * 170,
            memory: (1 + number % 11) << 27,
            ..Resources::default()
        };
        let scoring =
            meridian_engine::ScoringRequests { cpu_milli: requests.cpu_milli, memory: requests.memory };
        Demand { requests, scoring, ..Demand::default() }
    };
    for number in 0..3_000 {
        let [adaptive, index, bounds] = &mut schedulers;
        let placed = [adaptive, index, bounds].map(|scheduler| {
            let class = scheduler.class(&demand(number * number % 997)).unwrap();
            scheduler.schedule(class).map(|placement| placement.host())
        });
        assert!(
            placed[0].is_some() && placed[0] == placed[1] && placed[1] == placed[2],
            "{number}: {placed:?}"
        );
    }
}
