//! Plans against a reference that tries everything, on random worlds that are small enough for it.
//!
//! The reference tries each number of replicas at each site and each way to divide whole units of demand, and asks the checker what
//! may be and what it costs. It shares nothing else with those who make plans. `PROPTEST_CASES` sets how many worlds are tried.

mod reference;
mod worlds;

use std::sync::atomic::AtomicBool;

use meridian_global_engine::{Backend, Limits};
use meridian_global_world::{Plan, Planned, Survey, Terms, World, bound, check, place, plan, repair};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

/// Worlds for the share of plans that are best.
const WORLDS: u32 = 200;

fn limits(cancel: &AtomicBool) -> Limits<'_> {
    Limits {
        clock: &|| 0,
        time: None,
        rounds: Some(6),
        backend: Backend::Microlp,
        cancel,
        gap: 0.0,
        progress: &|_, _| (),
    }
}

fn planned(world: &World, running: Option<&Plan>) -> Planned {
    let survey = Survey::new(world).expect("the generator makes valid worlds");
    let terms = Terms { running, seed: 3, ..Terms::default() };
    plan(&survey, terms, &limits(&AtomicBool::new(false))).expect("the numbers are in range")
}

/// What must hold of every plan.
fn expect_sound(world: &World, planned: &Planned, running: Option<&Plan>) {
    let survey = Survey::new(world).expect("the generator makes valid worlds");
    let checked = check(&survey, &planned.plan, running);
    assert!(checked.is_feasible(), "{:#?}\n{:#?}", checked.violations, planned.plan);
    assert_eq!(checked, planned.checked);
    let proven = bound(&survey, &planned.proof, running).expect("the proof is of this world");
    let standing = checked.costs.standing();
    assert!(planned.bound <= proven.max(0.0) + 1e-9 * standing, "told {}, proven {proven}", planned.bound);
    assert!(planned.bound <= standing * (1.0 + 1e-9));
}

proptest! {
    #[test]
    fn plans_keep_to_all_policies_and_bounds_to_all_plans(world in worlds::any()) {
        let planned = planned(&world, None);
        expect_sound(&world, &planned, None);
        let least = reference::least(&world);
        let standing = planned.checked.costs.standing();
        prop_assert!(planned.bound <= least * (1.0 + 1e-6) + 1e-9, "bound {} above {least}", planned.bound);
prop_assert!(standing >= least * (1.0 - 1e-6) - 1e-9, "cost {standing} below {least}");
    }

    #[test]
    fn a_repaired_plan_is_feasible_and_keeps_what_may_stay(
        world in worlds::any(),
        lost in 0..3_usize,
        is_stale in any::<bool>(),
    ) {
        let running = planned(&world, None).plan;
        let mut failed = world.clone();
        let lost = lost % failed.sites.len();
        failed.sites[lost].down = true;
        if is_stale {
            // Nobody has heard of capacities for long: what runs stays, and nothing new is given out.
            failed.stale_after = Some(60.0);
            failed.sites.iter_mut().for_each(|site| site.age = 61.0);
        }
        let survey = Survey::new(&failed).expect("a site that fails leaves a world");
        let repaired = repair(&survey, &running).expect("the numbers are in range");
        let checked = check(&survey, &repaired, Some(&running));
        prop_assert!(checked.is_feasible(), "{:#?}\n{repaired:#?}", checked.violations);
        let lost = &failed.sites[lost].name;
        for (name, placement) in &running.workloads {
            // What is served in full without the lost site stays to the last replica.
            let unserved = planned_unserved(&world, &running, name);
            let is_touched = placement.replicas.contains_key(lost) || unserved || reaches_less(&world, &failed);
            prop_assert!(is_touched || repaired.workloads[name].replicas == placement.replicas, "{name}");
        }
    }

    #[test]
    fn one_workload_is_placed_and_no_other_changes(world in worlds::any()) {
        let mut without = world.clone();
        let added = without.workloads.pop().expect("there is a workload");
        for workload in &mut without.workloads {
            workload.apart.clear();
        }
        let running = planned(&without, None).plan;
        let survey = Survey::new(&world).expect("the generator makes valid worlds");
        let number = survey.find_workload(&added.name).expect("it is there");
        let after = place(&survey, &running, &[number], &limits(&AtomicBool::new(false)), 1).expect("in range");
        let checked = check(&survey, &after, Some(&running));
        prop_assert!(checked.is_feasible(), "{:#?}", checked.violations);
        for (name, placement) in &running.workloads {
            prop_assert_eq!(&after.workloads[name], placement);
        }
    }

    #[test]
    fn moves_keep_to_their_number_and_pay(world in worlds::any(), most in 0..3_u64, factor in 1..4_u32) {
        let running = planned(&world, None).plan;
        let mut changed = world;
        for site in &mut changed.sites {
            for capacity in site.capacity.values_mut() {
                capacity.price = f64::from(factor) * (5.0 - capacity.price);
            }
        }
        let survey = Survey::new(&changed).expect("other prices leave a world");
        let before = check(&survey, &running, Some(&running));
        let terms = Terms { running: Some(&running), most_moves: Some(most), least_gain: 0.0, seed: 2 };
        let after = plan(&survey, terms, &limits(&AtomicBool::new(false))).expect("in range");
        expect_sound(&changed, &after, Some(&running));
        prop_assert!(!before.is_feasible() || after.checked.moves <= most, "{} moves", after.checked.moves);
        let (cost, as_it_is) = (after.checked.costs.total(), before.costs.total());
        prop_assert!(!before.is_feasible() || cost <= as_it_is + 1e-6, "{cost}, and {as_it_is} if left");
    }
}

/// Cutting into pieces and one workload at a time do not find every best plan. They find most.
#[test]
fn nine_of_ten_plans_cost_the_least_there_is() {
    let mut runner = TestRunner::deterministic();
    let (mut best, mut worst) = (0, 0.0_f64);
    for _ in 0..WORLDS {
        let world = worlds::any().new_tree(&mut runner).expect("the generator makes worlds").current();
        let (standing, least) = (planned(&world, None).checked.costs.standing(), reference::least(&world));
        let over = (standing - least) / least.max(1e-9);
        best += u32::from(over <= 1e-3);
        worst = worst.max(over);
    }
    assert!(best * 10 >= WORLDS * 9, "{best} of {WORLDS} plans are best, and the worst is {worst} over");
}

/// Whether a plan leaves demand of a workload unserved.
fn planned_unserved(world: &World, plan: &Plan, workload: &str) -> bool {
    let survey = Survey::new(world).expect("the generator makes valid worlds");
    check(&survey, plan, None).unserved.contains_key(workload)
}

/// Whether a failure makes any way longer, so that users of a site that still runs may wait longer.
fn reaches_less(before: &World, after: &World) -> bool {
    let (before, after) = (Survey::new(before).expect("valid"), Survey::new(after).expect("valid"));
    let up = |site: usize| !after.world().sites[site].down;
    let sites = || (0..after.world().sites.len()).filter(|site| up(*site));
    let places = |site: usize| {
        let locations = (0..2).map(move |place| (true, place));
        let others = sites().map(|other| (false, other)).collect::<Vec<_>>();
        locations
            .chain(others)
            .map(move |(is_location, place)| (site, is_location, place))
            .collect::<Vec<_>>()
    };
    let way = |survey: &Survey<'_>, (site, is_location, place): (usize, bool, usize)| match is_location {
        true => survey.network().to_location(site, place),
        false => survey.network().to_site(site, place),
    };
    // Data at a site that failed cannot be reached either.
    let has_data = after.world().workloads.iter().any(|workload| !workload.data.is_empty());
    has_data || sites().flat_map(places).any(|pair| way(&before, pair) != way(&after, pair))
}
