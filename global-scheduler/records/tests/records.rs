//! The records against a simple reference, over restarts, and against each other.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::path::Path;
use std::sync::Arc;

use meridian_environment::ManualClock;
use meridian_global_records::{Based, Committed, Error, Kind, Records};
use meridian_global_world::{Event, Flow, Placement, Plan, Survey, World, check, repair};
use meridian_store::{EmbeddedOptions, Revision, Store};
use proptest::prelude::*;
use tempfile::TempDir;

/// Two sites, of which either has room for the one workload.
fn world() -> World {
    serde_json::from_value(serde_json::json!({
        "prices": {"latency": 0.001, "unserved": 1.0, "horizon": 1.0},
        "sites": [
            {"name": "near", "capacity": {"cpu": {"amount": 40.0, "price": 0.1}}},
            {"name": "far", "capacity": {"cpu": {"amount": 40.0, "price": 0.1}}},
        ],
        "locations": [{"name": "town"}],
        "links": [
            {"from": "town", "to": "near", "latency": 1.0},
            {"from": "town", "to": "far", "latency": 20.0},
        ],
        "workloads": [{"name": "web", "usage": {"cpu": 1.0}, "rate": 10.0, "demand": {"town": 33.3}}],
    }))
    .unwrap()
}

fn planned(world: &World) -> Plan {
    repair(&Survey::new(world).unwrap(), &Plan::default()).unwrap()
}

async fn open(dir: &Path) -> Store {
    let options = EmbeddedOptions { segment_bytes: 1 << 16, ..EmbeddedOptions::new(dir) };
    Store::open_embedded(options, Arc::new(ManualClock::new())).await.unwrap()
}

async fn records() -> (TempDir, Store, Records) {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).await;
    let records = Records::new(store.clone());
    (dir, store, records)
}

fn conflict<T: std::fmt::Debug>(result: Result<T, Error>) -> (Kind, u64, u64) {
    match result {
        Err(Error::Conflict { kind, expected, present }) => (kind, expected, present),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_plan_is_refused_where_world_or_plan_is_newer() {
    let (_dir, _store, records) = records().await;
    let plan = planned(&world());
    let nothing = Based { world: 0, plan: 0 };
    assert!(matches!(records.commit(plan.clone(), nothing).await, Err(Error::NoWorld)));
    assert_eq!(records.put_world(world(), 0).await.unwrap(), 1);
    assert_eq!(conflict(records.put_world(world(), 0).await), (Kind::World, 0, 1));
    assert_eq!(conflict(records.put_world(world(), 7).await), (Kind::World, 7, 1));
    assert_eq!(conflict(records.commit(plan.clone(), nothing).await), (Kind::World, 0, 1));
    let based = Based { world: 1, plan: 0 };
    assert_eq!(records.commit(plan.clone(), based).await.unwrap().version, 1);
    assert_eq!(conflict(records.commit(plan.clone(), based).await), (Kind::Plan, 0, 1));
    assert_eq!(records.put_world(world(), 1).await.unwrap(), 2);
    assert_eq!(conflict(records.commit(plan, Based { world: 1, plan: 1 }).await), (Kind::World, 1, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_those_who_commit_at_once_one_wins() {
    let (_dir, _store, records) = records().await;
    records.put_world(world(), 0).await.unwrap();
    let plan = planned(&world());
    let mut running = Vec::new();
    for _ in 0..8 {
        let (records, plan) = (records.clone(), plan.clone());
        running.push(tokio::spawn(async move { records.commit(plan, Based { world: 1, plan: 0 }).await }));
    }
    let mut won = 0;
    for task in running {
        match task.await.unwrap() {
            Ok(committed) => won += committed.version,
            refused => assert_eq!(conflict(refused), (Kind::Plan, 0, 1)),
        }
    }
    assert_eq!(won, 1);
}

#[tokio::test]
async fn what_means_nothing_or_breaks_rules_is_not_stored() {
    let (_dir, _store, records) = records().await;
    let mut bad = world();
    bad.links[1].latency = f64::INFINITY;
    let Err(Error::Problem(problem)) = records.put_world(bad, 0).await else { panic!("it was taken") };
    assert_eq!(problem.path, "links[1].latency");
    records.put_world(world(), 0).await.unwrap();
    let based = Based { world: 1, plan: 0 };

    let mut over = planned(&world());
    over.workloads.get_mut("web").unwrap().replicas.insert("far".into(), 41);
    assert!(matches!(records.commit(over, based).await, Err(Error::Infeasible(_))));

    let mut nan = planned(&world());
    nan.workloads.get_mut("web").unwrap().flows[0].amount = f64::NAN;
    let Err(Error::Problem(problem)) = records.commit(nan, based).await else { panic!("it was taken") };
    assert_eq!(problem.path, "workloads[\"web\"].flows[0].amount");

    let flow = Flow { location: "town".into(), site: "nowhere".into(), amount: 1.0 };
    let placement = Placement { flows: vec![flow], ..Placement::default() };
    let unknown = Plan { workloads: [("web".to_owned(), placement)].into() };
    assert!(matches!(records.commit(unknown, based).await, Err(Error::Infeasible(_))));

    let Err(Error::Problem(_)) = records.apply(Event::SiteDown("nowhere".into()), 1).await else {
        panic!("it was taken")
    };
    let state = records.state().await.unwrap();
    assert_eq!((state.versions, state.plan), (based, None));
}

#[tokio::test]
async fn an_event_changes_world_and_plan_together() {
    let (dir, store, records) = records().await;
    records.put_world(world(), 0).await.unwrap();
    assert_eq!(records.apply(Event::Demand { workload: None, factor: 1.1 }, 1).await.unwrap(), None);
    let demanded = records.state().await.unwrap().world.unwrap();
    let running = planned(&demanded);
    assert!(running.replicas("web", "near") > 0);
    records.commit(running, Based { world: 2, plan: 0 }).await.unwrap();

    assert_eq!(conflict(records.apply(Event::SiteDown("near".into()), 1).await), (Kind::World, 1, 2));
    let repaired = records.apply(Event::SiteDown("near".into()), 2).await.unwrap().unwrap();
    assert_eq!((repaired.version, repaired.world), (2, 3));
    assert_eq!(repaired.plan.replicas("web", "near"), 0);
    assert!(repaired.plan.replicas("web", "far") > 0);

    store.close().await;
    drop((store, records));
    let state = Records::new(open(dir.path()).await).state().await.unwrap();
    assert!(state.world.as_ref().unwrap().sites[0].down);
    assert_eq!(state.versions, Based { world: 3, plan: 2 });
    let world = state.world.unwrap();
    assert!(check(&Survey::new(&world).unwrap(), &repaired.plan, None).is_feasible());
    assert_eq!(state.plan, Some(repaired));
}

#[tokio::test]
async fn a_watch_resumes_after_a_restart_and_tells_what_is_compacted() {
    let (dir, store, records) = records().await;
    records.put_world(world(), 0).await.unwrap();
    let start = records.state().await.unwrap().revision;
    let mut written = Vec::new();
    for version in 0..4 {
        let based = Based { world: 1 + version, plan: version };
        written.push(records.commit(planned(&world()), based).await.unwrap());
        records.put_world(world(), 1 + version).await.unwrap();
    }
    let mut watch = records.watch(start).await.unwrap();
    assert_eq!(watch.next().await.unwrap(), written[0]);
    assert_eq!(watch.next().await.unwrap(), written[1]);

    store.close().await;
    drop((store, records, watch));
    let store = open(dir.path()).await;
    let records = Records::new(store.clone());
    let mut watch = records.watch(written[1].revision).await.unwrap();
    for expected in &written[2..] {
        assert_eq!(&watch.next().await.unwrap(), expected);
    }
    let next = watch.next();
    let state = records.state().await.unwrap();
    let later = records.commit(planned(&world()), state.versions).await.unwrap();
    assert_eq!(next.await.unwrap(), later);

    store.compact(written[3].revision).await.unwrap();
    let Err(Error::Compacted { compacted }) = resumed(&records, written[1].revision).await else {
        panic!("plans are missing and nobody is told")
    };
    assert_eq!(compacted, written[3].revision);
    assert_eq!(resumed(&records, compacted).await.unwrap(), later);
    let future = Revision(later.revision.0 + 1);
    assert!(matches!(
        records.watch(future).await,
        Err(Error::Store(meridian_store::Error::FutureRevision { .. }))
    ));
}

async fn resumed(records: &Records, after: Revision) -> Result<Committed, Error> {
    records.watch(after).await?.next().await
}

/// A world with so many failure domains of names that do not compress.
fn wide(domains: u64) -> World {
    let mut wide = world();
    let mut state = 7_u64;
    let mut next = || {
        // Numbers of a known generator (SplitMix64), since none here depends on how random they are.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^ (mixed >> 27)
    };
    for number in 0..domains {
        let name = (0..12).map(|_| format!("{:016x}", next())).collect();
        wide.sites[0].domains.insert(format!("domain-{number}"), name);
    }
    wide
}

#[tokio::test]
async fn pieces_that_are_no_longer_needed_go() {
    let (_dir, _store, records) = records().await;
    let large = wide(12_000);
    let result = records.put_world(large.clone(), 0).await;
    assert_eq!(result.unwrap(), 1);
    assert_eq!(records.state().await.unwrap().world, Some(large));
    assert_eq!(records.put_world(world(), 1).await.unwrap(), 2);
    assert_eq!(records.state().await.unwrap().world, Some(world()));
    let error = records.put_world(wide(45_000), 2).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { kind: Kind::World, .. }), "{error}");
    assert_eq!(records.state().await.unwrap().versions.world, 2);
}

#[derive(Clone, Debug)]
enum Step {
    Put { demand: u32, behind: u64 },
    Commit { spare: u32, behind_world: u64, behind_plan: u64 },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let behind = || prop_oneof![3 => Just(0_u64), 1 => 1..3_u64];
    prop_oneof![
        3 => (1..300_u32, behind()).prop_map(|(demand, behind)| Step::Put { demand, behind }),
        4 => (0..50_u32, behind(), behind()).prop_map(|(spare, behind_world, behind_plan)| Step::Commit {
            spare,
            behind_world,
            behind_plan
        }),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// The reference is two counters and the last value of each.
    #[test]
    fn versions_and_values_are_those_of_the_reference(steps in prop::collection::vec(step(), 1..25)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let dir = TempDir::new().unwrap();
            let mut store = open(dir.path()).await;
            let mut records = Records::new(store.clone());
            let mut versions = Based { world: 0, plan: 0 };
            let mut present: (Option<World>, Option<(Plan, u64)>) = (None, None);
            let mut told = Vec::new();
            for step in steps {
                match step {
                    Step::Put { demand, behind } => {
                        let mut next = world();
                        next.workloads[0].demand.insert("town".into(), f64::from(demand) / 7.0);
                        let result = records.put_world(next.clone(), versions.world + behind).await;
                        prop_assert_eq!(result.is_ok(), behind == 0, "{:?}", result);
                        if behind == 0 {
                            versions.world += 1;
                            let kept = serde_json::to_vec(&next).unwrap();
                            present.0 = Some(serde_json::from_slice(&kept).unwrap());
                        }
                    }
                    Step::Commit { spare, behind_world, behind_plan } => {
                        let replicas = [("far".to_owned(), spare)].into();
                        let placement = Placement { replicas, ..Placement::default() };
                        let plan = Plan { workloads: [("web".to_owned(), placement)].into() };
                        let feasible = present.0.as_ref().is_some_and(|world| {
                            check(&Survey::new(world).unwrap(), &plan, present.1.as_ref().map(|(plan, _)| plan))
                                .is_feasible()
                        });
                        let based = Based {
                            world: versions.world + behind_world,
                            plan: versions.plan + behind_plan,
                        };
                        let result = records.commit(plan.clone(), based).await;
                        let expected = feasible && behind_world == 0 && behind_plan == 0;
                        prop_assert_eq!(result.is_ok(), expected, "{:?}", result);
                        if let Ok(committed) = result {
                            versions.plan += 1;
                            present.1 = Some((plan, versions.world));
                            told.push(committed);
                        }
                    }
                    Step::Restart => {
                        store.close().await;
                        drop((store, records));
                        store = open(dir.path()).await;
                        records = Records::new(store.clone());
                    }
                }
                let state = records.state().await.unwrap();
                prop_assert_eq!(state.versions, versions);
                prop_assert_eq!(&state.world, &present.0);
                prop_assert_eq!(state.plan.map(|found| (found.plan, found.world)), present.1.clone());
            }
            let mut watch = records.watch(Revision(0)).await.unwrap();
            for expected in told {
                prop_assert_eq!(watch.next().await.unwrap(), expected);
            }
            Ok(())
        })?;
    }
}
