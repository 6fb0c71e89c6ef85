//! Rolling simulations of small worlds: what must hold whatever happens.

use std::sync::atomic::AtomicBool;

use meridian_global_engine::{Backend, Limits};
use meridian_global_world::{Survey, World};
use meridian_report::{GlobalReport, JsonStyle};
use meridian_rolling::{Course, Made, Options, Pace, RollingError, What, roll};
use proptest::prelude::*;

fn world(seed: u64) -> World {
    let made = Made { regions: 2, edge_sites: 4, locations: 8, workloads: 10, seed };
    made.world().expect("the numbers are in range")
}

fn options(pace: Pace, seed: u64) -> Options {
    Options {
        title: "A small world".to_owned(),
        parameters: [("of".to_owned(), "a test".to_owned())].into(),
        seed,
        hours: 8.0,
        step: 1.0,
        pace,
        most_moves: Some(4),
        least_gain: 0.005,
    }
}

fn rolled(world: World, options: &Options) -> Result<GlobalReport, RollingError> {
    let limits = Limits {
        clock: &|| unreachable!("nothing is measured"),
        time: None,
        rounds: Some(6),
        backend: Backend::Microlp,
        cancel: &AtomicBool::new(false),
        gap: 1e-4,
        progress: &|_, _| (),
    };
    roll(world, options, &limits, false, &mut |_, _| ())
}

/// Much happens in a few hours.
fn busy() -> Pace {
    Pace { failure_hours: 12.0, return_hours: 3.0, price_hours: 6.0, new_sites: 2, ..Pace::default() }
}

#[test]
fn made_worlds_are_worlds_and_can_be_served() {
    for (seed, sizes) in [(1, (1, 0, 1, 1)), (2, (3, 9, 40, 30)), (3, (6, 70, 100, 60))] {
        let (regions, edge_sites, locations, workloads) = sizes;
        let made = Made { regions, edge_sites, locations, workloads, seed };
        let world = made.world().expect("the numbers are in range");
        Survey::new(&world).expect("a valid world");
        assert_eq!(world, made.world().expect("the same again"));
    }
    let refused = Made { regions: 0, ..Made::default() }.world();
    assert_eq!(refused.map_err(|error| error.to_string()), Err("regions is 0, want 1 to 1000".to_owned()));
}

#[test]
fn equal_seeds_write_equal_reports() {
    let run = |seed: u64| rolled(world(5), &options(busy(), seed)).expect("a run");
    let (one, again, other) = (run(7), run(7), run(8));
    assert_eq!(one, again);
    assert_eq!(one.to_html(), again.to_html());
    assert_eq!(one.to_json(JsonStyle::Compact), again.to_json(JsonStyle::Compact));
    assert_ne!(one.steps, other.steps);
    assert!(one.summary.failures > 0 && one.summary.sites_built == 2, "{:?}", one.summary);
}

#[test]
fn what_fails_changes_no_demand() {
    let demand = |pace: Pace| {
        let mut course = Course::new(world(5), pace, 3, 8.0).expect("a course");
        let mut failures = 0;
        for hour in 1..=8 {
            let happened = course.advance(f64::from(hour)).expect("nothing names what is not there");
            failures += happened.iter().filter(|happening| happening.what == What::Failure).count();
        }
        let workloads = course.world().workloads.iter();
        (failures, workloads.map(|workload| workload.demand.clone()).collect::<Vec<_>>())
    };
    let quiet = demand(Pace { failure_hours: 0.0, price_hours: 0.0, ..busy() });
    let busy = demand(busy());
    assert_eq!(quiet.0, 0);
    assert!(busy.0 > 0);
    assert_eq!(quiet.1, busy.1);
}

#[test]
fn noise_alone_moves_nothing() {
    let pace = Pace {
        swing: 0.0,
        noise: 0.02,
        growth: 0.0,
        failure_hours: 0.0,
        price_hours: 0.0,
        new_sites: 0,
        ..Pace::default()
    };
    let report = rolled(world(5), &Options { least_gain: 0.02, ..options(pace, 1) }).expect("a run");
    assert_eq!(report.summary.violations, 0);
    assert_eq!(report.summary.repair_moves + report.summary.improvement_moves, 0, "{:?}", report.steps);
    assert!(report.steps.windows(2).all(|pair| pair[0].demand != pair[1].demand), "there was no noise");
}

#[test]
fn what_cannot_be_is_refused() {
    let refused = |options: &Options, world: World| rolled(world, options).expect_err("an error").to_string();
    let sane = options(busy(), 1);
    assert_eq!(
        refused(&Options { hours: f64::NAN, ..sane.clone() }, world(1)),
        "hours is NaN, want 0.1 to 87600"
    );
    assert_eq!(refused(&Options { step: 0.0, ..sane.clone() }, world(1)), "step hours is 0, want 0.05 to 24");
    let pace = Pace { swing: 1.5, ..busy() };
    assert_eq!(refused(&Options { pace, ..sane.clone() }, world(1)), "swing is 1.5, want 0 to 1");
    let without = World { distance: None, ..world(1) };
    assert_eq!(rolled(without, &sane), Err(RollingError::NowhereToBuild));
    let mut wrong = world(1);
    wrong.sites[1].name = wrong.sites[0].name.clone();
    assert!(matches!(rolled(wrong, &sane), Err(RollingError::World { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Whatever happens: no plan breaks a rule, no bound is above a cost, and improvement keeps to its budget.
    #[test]
    fn plans_follow_whatever_happens(
        seed in 0_u64..1_000,
        swing in 0.0..=1.0,
        noise in 0.0..0.4,
        growth in -0.3..0.8,
        failure_hours in 3.0..60.0,
        price_hours in 2.0..40.0,
        new_sites in 0_u32..3,
        most_moves in 0_u64..12,
    ) {
        let pace = Pace { swing, noise, growth, failure_hours, return_hours: 3.0, price_hours, new_sites };
        let options = Options { hours: 5.0, most_moves: Some(most_moves), ..options(pace, seed) };
        let report = rolled(world(seed), &options).expect("a run");
        prop_assert_eq!(report.summary.violations, 0);
        prop_assert_eq!(report.summary.oracle_violations, 0);
        prop_assert_eq!(report.steps.len(), 6);
        for step in &report.steps {
            prop_assert!(step.improvement_moves <= most_moves, "{:?}", step);
            prop_assert!(step.bound <= step.cost && step.bound <= step.oracle_cost, "{:?}", step);
        }
        // What improvement leaves costs no more than what it found, moves paid or not.
        for step in &report.steps[1..] {
            prop_assert!(step.cost <= step.repaired_cost * (1.0 + 1e-9), "{:?}", step);
        }
    }
}
