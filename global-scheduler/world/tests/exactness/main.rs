//! Plans against a reference that tries everything, on random worlds that are small enough for it.
//!
//! The reference tries each number of replicas at each site and each way to divide whole units of demand, and asks the checker what
//! may be and what it costs. It shares nothing else with those who make plans. `PROPTEST_CASES` sets how many worlds are tried.

mod reference;
mod worlds;

use std::sync::atomic::AtomicBool;

use meridian_global_engine::{Backend, Limits};
use meridian_global_world::{Plan, Planned, Survey, Terms, World, bound, check, plan};
use proptest::prelude::*;

fn planned(world: &World, running: Option<&Plan>) -> Planned {
    let limits = Limits {
        clock: &|| 0,
        time: None,
        rounds: Some(6),
        backend: Backend::Microlp,
        cancel: &AtomicBool::new(false),
        gap: 0.0,
        progress: &|_, _| (),
    };
    let survey = Survey::new(world).expect("the generator makes valid worlds");
    plan(&survey, Terms { running, seed: 3, ..Terms::default() }, &limits).expect("the numbers are in range")
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
}
