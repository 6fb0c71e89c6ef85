//! The roll-out arithmetic, held to what Kubernetes promises of it, over random Deployments whose pods come up at random.

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::json;

use super::rollout::{Sets, new_replicas, resize, roll, was_scaled};
use super::status::is_complete;
use super::view::{DESIRED_REPLICAS, Deployment, MAX_REPLICAS, ReplicaSet};

/// What a user, or fate, does between two passes.
#[derive(Clone, Debug)]
enum Event {
    /// A pod of the n-th ReplicaSet appears, becomes available, breaks, or ends, towards what is specified.
    Progress(usize),
    Break(usize),
    Scale(i64),
    NewTemplate,
    Pass,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        6 => (0..4_usize).prop_map(Event::Progress),
        1 => (0..4_usize).prop_map(Event::Break),
        1 => (0..12_i64).prop_map(Event::Scale),
        1 => Just(Event::NewTemplate),
        6 => Just(Event::Pass),
    ];
    proptest::collection::vec(event, 0..120)
}

struct World {
    replicas: i64,
    strategy: serde_json::Value,
    template: i64,
    sets: Vec<ReplicaSet>,
}

impl World {
    fn deployment(&self) -> Deployment {
        Deployment::new(json!({
            "metadata": {"name": "d", "generation": 1},
            "spec": {"replicas": self.replicas, "strategy": self.strategy, "template": {"version": self.template}},
        }))
    }

    fn sets(&self) -> Sets {
        let (new, old) =
            self.sets.iter().cloned().partition::<Vec<_>, _>(|set| set.name == self.template.to_string());
        Sets { new: new.into_iter().next(), old }
    }

    fn set(&mut self, name: &str, replicas: i64, deployment: &Deployment) {
        let set =
            self.sets.iter_mut().find(|set| set.name == name).expect("a scale names a set that there is");
        set.replicas = replicas;
        annotate(set, deployment);
    }

    /// What the controller does in one pass.
    fn pass(&mut self) -> bool {
        let deployment = self.deployment();
        let sets = self.sets();
        if was_scaled(&deployment, &sets) {
            let scales = resize(&deployment, &sets);
            let changed = !scales.is_empty();
            for scale in scales {
                self.set(&scale.name, scale.to, &deployment);
            }
            for set in &mut self.sets {
                annotate(set, &deployment);
            }
            return changed || self.roll();
        }
        self.roll()
    }

    fn roll(&mut self) -> bool {
        let deployment = self.deployment();
        let mut sets = self.sets();
        let old_run = sets.old.iter().any(|set| set.actual > 0);
        let recreate = matches!(deployment.strategy, super::view::Strategy::Recreate);
        if sets.new.is_none() && !(recreate && (old_run || sets.old.iter().any(|set| set.replicas > 0))) {
            let mut set = ReplicaSet::new(json!({
                "metadata": {"name": self.template.to_string(), "creationTimestamp": Timestamp::from_second(self.template).unwrap().to_string()},
                "spec": {"replicas": new_replicas(&deployment, &sets)},
            }));
            annotate(&mut set, &deployment);
            self.sets.push(set);
            sets = self.sets();
        }
        let scales = roll(&deployment, &sets, old_run);
        for scale in &scales {
            assert_ne!(scale.from, scale.to);
            assert!(scale.to >= 0, "{scale:?}");
            self.set(&scale.name, scale.to, &deployment);
        }
        !scales.is_empty()
    }

    fn progress(&mut self, index: usize) {
        let count = self.sets.len();
        if count == 0 {
            return;
        }
        let set = &mut self.sets[index % count];
        if set.actual > set.replicas {
            // Broken pods are deleted first.
            if set.available == set.actual {
                set.available -= 1;
            }
            set.actual -= 1;
        } else if set.actual < set.replicas {
            set.actual += 1;
        } else if set.available < set.actual {
            set.available += 1;
        }
        set.ready = set.available;
    }
}

fn annotate(set: &mut ReplicaSet, deployment: &Deployment) {
    set.object["metadata"]["annotations"] = json!({
        DESIRED_REPLICAS: deployment.replicas.to_string(),
        MAX_REPLICAS: deployment.most_replicas().to_string(),
    });
}

fn strategies() -> impl Strategy<Value = serde_json::Value> {
    prop_oneof![
        1 => Just(json!({"type": "Recreate"})),
        4 => (0..4_i64, 0..4_i64).prop_map(|(surge, unavailable)| {
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}})
        }),
    ]
}

proptest! {
    /// A pass never makes more pods than may exist nor takes available ones that are needed, and when all settles down the
    /// pods that are wanted are there, all of the newest template.
    #[test]
    fn a_roll_out_keeps_its_promises_and_ends(
        replicas in 0..12_i64,
        strategy in strategies(),
        events in events(),
    ) {
        let mut world = World { replicas, strategy, template: 1, sets: Vec::new() };
        world.pass();
        for event in events {
            match event {
                Event::Progress(index) => world.progress(index),
                Event::Break(index) => {
                    let count = world.sets.len();
                    let set = &mut world.sets[index % count];
                    set.available = (set.available - 1).max(0);
                    set.ready = set.available;
                }
                Event::Scale(to) => world.replicas = to,
                Event::NewTemplate => world.template += 1,
                Event::Pass => {
                    let (deployment, before) = (world.deployment(), world.sets());
                    world.pass();
                    check(&deployment, &before, &world.sets());
                }
            }
        }
        for _ in 0..400 {
            while world.pass() {}
            for index in 0..world.sets.len() {
                for _ in 0..3 {
                    world.progress(index);
                }
            }
        }
        prop_assert!(is_complete(&world.deployment(), &world.sets()), "{:?}", world.sets());
    }
}

fn check(deployment: &Deployment, before: &Sets, after: &Sets) {
    let specified = |sets: &Sets| sets.sum(|set| set.replicas);
    if matches!(deployment.strategy, super::view::Strategy::Rolling { .. }) {
        let most = deployment.most_replicas().max(specified(before));
        assert!(specified(after) <= most, "{deployment:?}\n{before:?}\n{after:?}");
    }
    if was_scaled(deployment, before) || matches!(deployment.strategy, super::view::Strategy::Recreate) {
        return;
    }
    // A ReplicaSet that shrinks gives up its broken pods first.
    let left = |sets: &Sets| -> i64 { sets.all().map(|set| set.available.min(set.replicas)).sum() };
    let needed = deployment.replicas - deployment.may_be_unavailable();
    assert!(left(after) >= needed.min(left(before)), "{deployment:?}\n{before:?}\n{after:?}");
}
