//! What happens to a queue.

use proptest::collection::vec;
use proptest::prelude::*;

/// One thing that happens. Numbers pick among what there is.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Push {
        class: usize,
        tenant: u32,
        priority: i32,
        first: bool,
        failures: u32,
    },
    /// A member of one of a few groups.
    Join {
        tenant: u32,
        group: u64,
        least: u32,
    },
    Remove {
        pod: usize,
    },
    /// Places so many, at most.
    Place {
        most: usize,
    },
    Stop {
        placement: usize,
    },
    /// The next pod that comes out is placed in vain.
    Fail,
    AddHost {
        shape: usize,
    },
    ChangeHost {
        host: usize,
        shape: usize,
    },
    RemoveHost {
        host: usize,
    },
    SetTenant {
        tenant: u32,
        weight: u32,
        guaranteed: u32,
        critical: bool,
    },
    Advance {
        seconds: u64,
    },
    WakeAll,
}

pub(crate) const CLASSES: usize = 11;
pub(crate) const SHAPES: usize = 6;

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    vec(step(), 1..90)
}

fn step() -> impl Strategy<Value = Step> {
    let priority = prop_oneof![4 => 0..3_i32, 1 => Just(2_000_000_000), 1 => Just(i32::MIN)];
    prop_oneof![
        12 => (0..CLASSES, 0..4_u32, priority, prop::bool::weighted(0.1), 0..3_u32).prop_map(
            |(class, tenant, priority, first, failures)| Step::Push { class, tenant, priority, first, failures }
        ),
        5 => (0..2_u32, 0..3_u64, 1..4_u32)
            .prop_map(|(tenant, group, least)| Step::Join { tenant, group, least }),
        2 => any::<usize>().prop_map(|pod| Step::Remove { pod }),
        8 => (1..6_usize).prop_map(|most| Step::Place { most }),
        8 => any::<usize>().prop_map(|placement| Step::Stop { placement }),
        2 => Just(Step::Fail),
        2 => (0..SHAPES).prop_map(|shape| Step::AddHost { shape }),
        2 => (any::<usize>(), 0..SHAPES).prop_map(|(host, shape)| Step::ChangeHost { host, shape }),
        1 => any::<usize>().prop_map(|host| Step::RemoveHost { host }),
        2 => (0..4_u32, 1..5_u32, 0..300_000_u32, any::<bool>()).prop_map(
            |(tenant, weight, guaranteed, critical)| Step::SetTenant { tenant, weight, guaranteed, critical }
        ),
        2 => (0..15_u64).prop_map(|seconds| Step::Advance { seconds }),
        1 => Just(Step::WakeAll),
    ]
}
