//! Running plans: what is lost is served elsewhere, what runs well is left alone, and moves are paid for.

use std::sync::atomic::AtomicBool;

use meridian_global_engine::{
    Assignment, Backend, Item, Limits, Model, MoveTerms, Portion, RepairError, Site, Usage, check, improve,
    place, repair, solve,
};
use proptest::prelude::*;

fn limits(cancel: &AtomicBool) -> Limits<'_> {
    let backend = Backend::Microlp;
    Limits { clock: &|| 0, time: None, rounds: Some(4), backend, cancel, gap: 0.0, progress: &|_, _| () }
}

fn models() -> impl Strategy<Value = Model> {
    (2..=5_usize, 1..=10_usize).prop_flat_map(|(sites, items)| {
        let site = (0..40_u32, 5..25_u32);
        let item = (prop::collection::vec(1..60_u32, sites), 1..8_u32, 100..300_u32);
        (prop::collection::vec(site, sites), prop::collection::vec(item, items)).prop_map(|(sites, items)| {
            let sites: Vec<Site> = sites
                .into_iter()
                .map(|(opening, has)| Site { opening: opening.into(), capacity: vec![has.into()] })
                .collect();
            let usage = items.iter().map(|(_, usage, _)| f64::from(*usage)).collect();
            let items = items.into_iter().map(|(cost, _, unserved)| Item {
                whole: true,
                unserved: unserved.into(),
                required: false,
                cost: cost.into_iter().map(f64::from).collect(),
            });
            Model::new(1, &sites, items.collect(), Usage::ByItem(usage)).expect("the numbers are in range")
        })
    })
}

proptest! {
    #[test]
    fn repair_moves_what_was_lost_and_nothing_else(model in models(), lost in 0..5_u32) {
        let lost = lost % model.sites() as u32;
        let running = solve(&model, &limits(&AtomicBool::new(false)), 3, None).assignment;
        let repaired = repair(&model, &running, &[lost]).expect("the plan is whole");
        let checked = check(&model.without(&[lost]), &repaired.assignment);
        prop_assert!(checked.is_feasible(), "{:?}", checked.violations);
        for item in 0..model.items() {
            let before = running.site(item);
            let is_moved = repaired.moved.contains(&(item as u32));
            prop_assert_eq!(is_moved, before == Some(lost));
            if before.is_some() && !is_moved {
                prop_assert_eq!(repaired.assignment.site(item), before);
            }
        }
    }

    /// Against the checker's word on each site that the item could go to.
    #[test]
    fn an_item_alone_goes_where_it_adds_least(model in models(), item in 0..10_usize) {
        let item = item % model.items();
        let mut running = solve(&model, &limits(&AtomicBool::new(false)), 3, None).assignment;
        running.portions[item].clear();
        let before = check(&model, &running).objective;
        let placed = place(&model, &running, item).expect("the plan is whole");
        let mut costs: Vec<(f64, Option<u32>)> = vec![(model.unserved(item), None)];
        for site in 0..model.sites() as u32 {
            running.portions[item] = vec![Portion { site, share: 1.0 }];
            let checked = check(&model, &running);
            if checked.is_feasible() {
                costs.push((checked.objective - before + model.unserved(item), Some(site)));
            }
        }
        let least = costs.iter().map(|(cost, _)| *cost).fold(f64::INFINITY, f64::min);
        prop_assert!((placed.added - least).abs() <= 1e-6, "{placed:?}, want {least}");
        prop_assert!(costs.iter().any(|(cost, site)| *site == placed.site && (cost - least).abs() <= 1e-6));
        costs.retain(|(_, site)| *site != placed.site && site.is_some());
        let second = costs.iter().map(|(cost, _)| *cost).fold(f64::INFINITY, f64::min);
        let told = placed.second.map_or(f64::INFINITY, |(_, second)| second);
        prop_assert!(told == second || (told - second).abs() <= 1e-6, "{placed:?}, want {second}");
    }

    #[test]
    fn improvement_keeps_to_the_moves_allowed_and_pays_for_them(
        model in models(),
        most in 0..6_u32,
        price in 0..20_u32,
    ) {
        // Everything at the first site that has room for it: a plan that can be bettered.
        let mut left: Vec<f64> = (0..model.sites()).map(|site| model.capacity(site)[0]).collect();
        let mut first = |item: usize| {
            let usage = model.usage(item, 0)[0];
            let site = left.iter().position(|left| *left >= usage)?;
            left[site] -= usage;
            Some(site as u32)
        };
        let sites: Vec<Option<u32>> = (0..model.items()).map(&mut first).collect();
        let running = Assignment::whole(&sites);
        let before = check(&model, &running).objective;
        let terms = MoveTerms { price: price.into(), most: most.into(), least_gain: 0.01 };
        let better = improve(&model, &running, terms, &limits(&AtomicBool::new(false)), 5);
        let checked = check(&model, &better.assignment);
        let moves = better.assignment.moves_from(&running);
        prop_assert!(checked.is_feasible(), "{:?}", checked.violations);
        prop_assert!(moves <= terms.most + 1e-9, "{moves} moves");
        prop_assert!(better.bound <= checked.objective + 1e-6);
        if better.assignment != running {
            let saved = before - checked.objective - terms.price * moves;
            prop_assert!(saved >= terms.least_gain * before - 1e-6, "saved {saved} of {before}");
        }
    }
}

#[test]
fn noise_moves_nothing() {
    let item = |cost: [f64; 2]| Item { whole: true, unserved: 1e3, required: true, cost: cost.to_vec() };
    let sites = [0, 1].map(|_| Site { opening: 0.0, capacity: vec![10.0] });
    // The second site has become a little cheaper for the first item.
    let items = vec![item([10.0, 9.9]), item([5.0, 8.0])];
    let model = Model::new(1, &sites, items, Usage::ByItem(vec![1.0, 1.0])).expect("in range");
    let running = Assignment::whole(&[Some(0), Some(0)]);
    let cancel = AtomicBool::new(false);
    let terms = |price, least_gain| MoveTerms { price, most: 10.0, least_gain };
    assert_eq!(improve(&model, &running, terms(0.0, 0.02), &limits(&cancel), 1).assignment, running);
    assert_eq!(improve(&model, &running, terms(1.0, 0.0), &limits(&cancel), 1).assignment, running);
    let moved = improve(&model, &running, terms(0.0, 0.0), &limits(&cancel), 1).assignment;
    assert_eq!(moved, Assignment::whole(&[Some(1), Some(0)]));
}

/// Two moves are worth much and two little; a budget of two takes the former, although the latter make room for them in the best plan.
#[test]
fn a_budget_goes_to_the_moves_that_gain_most() {
    let item = |cost: [f64; 2]| Item { whole: true, unserved: 1e3, required: true, cost: cost.to_vec() };
    let sites = [0, 1].map(|_| Site { opening: 0.0, capacity: vec![4.0] });
    let items = vec![item([90.0, 10.0]), item([80.0, 10.0]), item([12.0, 10.0]), item([11.0, 10.0])];
    let model = Model::new(1, &sites, items, Usage::ByItem(vec![1.0; 4])).expect("in range");
    let running = Assignment::whole(&[Some(0); 4]);
    let cancel = AtomicBool::new(false);
    for (most, want) in
        [(4.0, [1, 1, 1, 1]), (3.0, [1, 1, 1, 0]), (2.0, [1, 1, 0, 0]), (1.0, [1, 0, 0, 0]), (0.0, [0; 4])]
    {
        let terms = MoveTerms { price: 0.0, most, least_gain: 0.0 };
        let better = improve(&model, &running, terms, &limits(&cancel), 1);
        assert_eq!(better.assignment, Assignment::whole(&want.map(Some)), "at most {most}");
    }
}

/// What is left to serve something dearer has not moved: a budget of nothing lets it be left.
#[test]
fn leaving_an_item_for_a_dearer_one_is_no_move() {
    let item = |unserved: f64| Item { whole: true, unserved, required: false, cost: vec![1.0] };
    let sites = [Site { opening: 0.0, capacity: vec![2.0] }];
    let items = vec![item(10.0), item(20.0), item(500.0)];
    let model = Model::new(1, &sites, items, Usage::ByItem(vec![1.0, 1.0, 2.0])).expect("in range");
    let running = Assignment::whole(&[Some(0), Some(0), None]);
    let terms = MoveTerms { price: 0.0, most: 0.0, least_gain: 0.0 };
    let better = improve(&model, &running, terms, &limits(&AtomicBool::new(false)), 1);
    assert_eq!(better.assignment, Assignment::whole(&[None, None, Some(0)]));
    assert_eq!(better.assignment.moves_from(&running), 0.0);
}

#[test]
fn plans_of_other_models_are_refused() {
    let sites = [Site { opening: 0.0, capacity: vec![10.0] }];
    let items = vec![Item { whole: true, unserved: 9.0, required: false, cost: vec![1.0] }];
    let model = Model::new(1, &sites, items, Usage::ByItem(vec![1.0])).expect("in range");
    let refused = repair(&model, &Assignment::whole(&[Some(7)]), &[0]).expect_err("there is no such site");
    assert_eq!(refused, RepairError::Site { item: 0, site: 7 });
    let mut divided = Assignment::whole(&[Some(0)]);
    divided.portions[0][0].share = 0.5;
    assert_eq!(repair(&model, &divided, &[0]), Err(RepairError::Divided(0)));
}
