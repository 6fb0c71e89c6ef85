//! The solvers against a reference that tries everything, on random models that are small enough for it.
//!
//! The reference shares nothing with the solvers but the model: whole items are tried at every site, and for each set of open
//! sites the best division is a linear programme for another library. `PROPTEST_CASES` sets how many models are tried.

use std::sync::atomic::AtomicBool;

use good_lp::{Expression, ProblemVariables, Solution as _, SolverModel, constraint, microlp, variable};
use meridian_global_engine::{
    Apart, Assignment, Backend, Certificate, Item, Limits, Model, Multipliers, Row, Site, Solution, Term,
    Usage, bound, check, solve,
};
use proptest::prelude::*;

fn limits<'a>(cancel: &'a AtomicBool, rounds: u64) -> Limits<'a> {
    Limits {
        clock: &|| 0,
        time: None,
        rounds: Some(rounds),
        backend: Backend::Microlp,
        cancel,
        gap: 0.0,
        progress: &|_, _| (),
    }
}

fn solved(model: &Model, rounds: u64) -> Solution {
    solve(model, &limits(&AtomicBool::new(false), rounds), 7, None)
}

/// A random model: few sites, few items, whole numbers.
fn models(whole: bool, resources: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = Model> {
    (1..=4_usize, 1..=5_usize, resources, any::<bool>()).prop_flat_map(
        move |(sites, items, resources, by_pair)| {
            let by_pair = by_pair && whole;
            let capacity = prop::collection::vec(prop::collection::vec(0..20_u32, resources), sites);
            let opening = prop::collection::vec(0..40_u32, sites);
            // One in six pairs may not be served.
            let cost = prop::collection::vec(prop::collection::vec(0..60_u32, sites), items);
            let width = if by_pair { sites } else { 1 };
            let usage = prop::collection::vec(0..12_u32, items * resources * width);
            let unserved = prop::collection::vec(20..200_u32, items);
            (capacity, opening, cost, usage, unserved).prop_map(
                move |(capacity, opening, cost, usage, unserved)| {
                    let sites: Vec<Site> = capacity
                        .into_iter()
                        .zip(opening)
                        .map(|(capacity, opening)| Site {
                            opening: opening.into(),
                            capacity: capacity.into_iter().map(f64::from).collect(),
                        })
                        .collect();
                    let price = |cost: u32| if cost >= 50 { f64::INFINITY } else { f64::from(cost) };
                    let items = cost.into_iter().zip(unserved).map(|(cost, unserved)| Item {
                        whole,
                        unserved: unserved.into(),
                        required: false,
                        cost: cost.into_iter().map(price).collect(),
                    });
                    let usage: Vec<f64> = usage.into_iter().map(f64::from).collect();
                    let usage = if by_pair { Usage::ByPair(usage) } else { Usage::ByItem(usage) };
                    Model::new(resources, &sites, items.collect(), usage).expect("the numbers are in range")
                },
            )
        },
    )
}

/// The least that whole items can cost, by trying each at each site and nowhere.
fn least_whole(model: &Model) -> f64 {
    let choices = model.sites() + 1;
    let mut least = f64::INFINITY;
    for number in 0..choices.pow(model.items() as u32) {
        let choice = |item: usize| (number / choices.pow(item as u32)) % choices;
        let sites: Vec<Option<u32>> = (0..model.items())
            .map(|item| (choice(item) < model.sites()).then_some(choice(item) as u32))
            .collect();
        let checked = check(model, &Assignment::whole(&sites));
        if checked.is_feasible() {
            least = least.min(checked.objective);
        }
    }
    least
}

/// The least that items can cost that may be divided: a linear programme for each set of open sites.
fn least_divided(model: &Model) -> f64 {
    (0..1_u32 << model.sites()).map(|open| divided(model, open)).fold(f64::INFINITY, f64::min)
}

fn divided(model: &Model, open: u32) -> f64 {
    let mut variables = ProblemVariables::new();
    let mut cost = Expression::from(0.0);
    let mut load = vec![Expression::from(0.0); model.sites() * model.resources()];
    let mut whole = Vec::new();
    for item in 0..model.items() {
        let left = variables.add(variable().min(0.0));
        let mut served = Expression::from(left);
        cost += left * model.unserved(item);
        for site in (0..model.sites()).filter(|site| open >> site & 1 == 1) {
            if model.cost(item, site).is_finite() {
                let share = variables.add(variable().min(0.0));
                served += share;
                cost += share * model.cost(item, site);
                for (resource, usage) in model.usage(item, site).iter().enumerate() {
                    load[site * model.resources() + resource] += share * *usage;
                }
            }
        }
        whole.push(served);
    }
    let mut problem = variables.minimise(&cost).using(microlp);
    for served in whole {
        problem = problem.with(constraint!(served == 1.0));
    }
    for (place, load) in load.into_iter().enumerate() {
        let (site, resource) = (place / model.resources(), place % model.resources());
        problem = problem.with(constraint!(load <= model.capacity(site)[resource]));
    }
    let solution = problem.solve().expect("leaving everything unserved is allowed");
    let opening: f64 =
        (0..model.sites()).filter(|site| open >> site & 1 == 1).map(|site| model.opening(site)).sum();
    solution.eval(&cost) + opening
}

/// What must hold of every solution.
fn expect_sound(model: &Model, solution: &Solution) {
    let checked = check(model, &solution.assignment);
    assert!(checked.is_feasible(), "{:?}", checked.violations);
    assert!((checked.objective - solution.objective).abs() <= 1e-6, "{checked:?} {solution:?}");
    let proven = bound(model, &solution.certificate).expect("a solver's certificate is one");
    assert!(proven >= solution.bound - 1e-6, "proven {proven}, told {}", solution.bound);
    assert!(solution.bound <= solution.objective + 1e-6);
}

/// Rules for a model: rows over any pairs, and two groups of items that share no domain.
fn ruled(model: Model, numbers: &[u32]) -> Model {
    let mut numbers = numbers.iter().copied().cycle();
    let mut next = |below: u32| numbers.next().expect("a cycle has no end") % below;
    let (items, sites) = (model.items() as u32, model.sites() as u32);
    let row = |next: &mut dyn FnMut(u32) -> u32| {
        let terms =
            (0..next(8)).map(|_| Term { item: next(items), site: next(sites), weight: next(4).into() });
        let terms: Vec<Term> = terms.collect();
        Row { most: next(7).into(), terms }
    };
    let rows: Vec<Row> = (0..next(3)).map(|_| row(&mut next)).collect();
    let border = next(items) + 1;
    let domain = (0..sites).map(|_| next(3)).collect();
    let apart = Apart { first: (0..border).collect(), second: (border..items).collect(), domain };
    let aparts: Vec<Apart> = (0..next(2)).map(|_| apart.clone()).collect();
    model.with_rules(&rows, &aparts).expect("the numbers are in range")
}

proptest! {
    #[test]
    fn rules_are_kept_at_about_the_least_cost(
        model in models(true, 1..=2),
        numbers in prop::collection::vec(0..1_000_u32, 40),
    ) {
        let model = ruled(model, &numbers);
        let least = least_whole(&model);
        let solution = solved(&model, 12);
        expect_sound(&model, &solution);
        prop_assert!(solution.bound <= least + 1e-6, "bound {} above {least}", solution.bound);
        prop_assert!((solution.objective - least).abs() <= 1e-6, "found {}, want {least}", solution.objective);
    }

    #[test]
    fn whole_items_cost_the_least_there_is(model in models(true, 1..=2)) {
        let least = least_whole(&model);
        let solution = solved(&model, 12);
        expect_sound(&model, &solution);
        prop_assert!(solution.bound <= least + 1e-6, "bound {} above {least}", solution.bound);
        prop_assert!((solution.objective - least).abs() <= 1e-6, "found {}, want {least}", solution.objective);
    }

    #[test]
    fn divided_items_cost_the_least_there_is_and_that_is_proven(model in models(false, 1..=1)) {
        let least = least_divided(&model);
        let solution = solved(&model, 10_000);
        expect_sound(&model, &solution);
        prop_assert!((solution.objective - least).abs() <= 1e-5, "found {}, want {least}", solution.objective);
        prop_assert!(solution.bound >= least - 1e-4, "proven {}, want {least}", solution.bound);
    }

    #[test]
    fn any_prices_prove_a_bound_that_holds(
        model in models(true, 1..=2),
        prices in prop::collection::vec((0.0..100.0_f64, 0.0..5.0_f64), 16),
    ) {
        let item = (0..model.items()).map(|item| prices[item].0).collect();
        let site = (0..model.sites() * model.resources()).map(|place| prices[place].1).collect();
        let certificate = Certificate::Prices(Multipliers { item, site }.into());
        let proven = bound(&model, &certificate).expect("the prices are in range");
        prop_assert!(proven <= least_whole(&model) + 1e-6);
    }

    #[test]
    fn the_same_seed_and_rounds_give_the_same_plan(model in models(true, 1..=2)) {
        let (first, second) = (solved(&model, 3), solved(&model, 3));
        prop_assert_eq!(first.assignment, second.assignment);
        prop_assert_eq!(first.bound.to_bits(), second.bound.to_bits());
    }
}

/// The checker refuses what breaks a rule: it would prove nothing otherwise.
#[test]
fn the_checker_sees_each_rule_broken() {
    let sites = [Site { opening: 5.0, capacity: vec![10.0] }, Site { opening: 5.0, capacity: vec![4.0] }];
    let item = |cost: [f64; 2]| Item { whole: true, unserved: 100.0, required: true, cost: cost.to_vec() };
    let items = vec![item([1.0, f64::INFINITY]), item([2.0, 3.0])];
    let model = Model::new(1, &sites, items, Usage::ByItem(vec![6.0, 4.0])).expect("in range");
    let broken = |sites: [Option<u32>; 2]| -> Vec<String> {
        check(&model, &Assignment::whole(&sites)).violations.iter().map(ToString::to_string).collect()
    };
    assert_eq!(broken([Some(0), Some(0)]), Vec::<String>::new());
    assert_eq!(broken([Some(1), Some(0)])[0], "item 0 is served by site 1, which may not serve it");
    assert_eq!(broken([Some(0), None]), ["item 1 must be served, and 1 of it is not"]);
    let model =
        Model::new(1, &sites, vec![item([1.0, 1.0]), item([2.0, 3.0])], Usage::ByItem(vec![4.0, 4.0]))
            .expect("in range");
    let mut divided = Assignment::whole(&[Some(1), Some(1)]);
    assert_eq!(check(&model, &divided).violations[0].to_string(), "site 1 gives 8 of resource 0, and has 4");
    divided.portions[0][0].share = 0.5;
    assert_eq!(
        check(&model, &divided).violations[0].to_string(),
        "item 0 is divided, and is to be served whole"
    );
}
