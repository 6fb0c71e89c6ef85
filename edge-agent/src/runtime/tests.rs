//! The runtime as its agent uses it.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;

fn runtime(delays: Delays) -> SimulatedRuntime {
    SimulatedRuntime::new(HostAddresses::of(1), delays, 7)
}

fn object(name: &str, host_network: bool) -> Vec<u8> {
    json!({
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"hostNetwork": host_network, "containers": [{"name": "main", "image": "nginx"}]},
    })
    .to_string()
    .into_bytes()
}

fn status(runtime: &SimulatedRuntime, uid: &str) -> Value {
    let (_, _, status) = runtime.status(&uid.into()).unwrap();
    serde_json::from_slice(&status).unwrap()
}

#[test]
fn nothing_happens_to_a_pod_before_it_is_started() {
    let mut runtime = runtime(Delays::ZERO);
    let uid = PodUid::from("a");
    runtime.prepare(&uid, &object("a", false), 0);
    assert_eq!((runtime.next(), runtime.started().count()), (None, 0));
    assert!(runtime.run_due(1000).is_empty());
    assert_eq!(runtime.start(&uid, 1000), Some(Event { uid: uid.clone(), ended: false }));
    assert_eq!(status(&runtime, "a")["phase"], "Running");
    assert_eq!(runtime.start(&"unknown".into(), 0), None);
    assert_eq!(runtime.stop(&"unknown".into(), 0, 0), None);
}

#[test]
fn what_was_stored_goes_on_as_if_nobody_had_looked_away() {
    let delays = Delays { run: None, ..Delays::default() };
    let (mut one, mut other) = (runtime(delays), runtime(delays));
    for name in ["a", "b", "c"] {
        one.prepare(&name.into(), &object(name, name == "c"), 0);
        one.start(&name.into(), 0);
    }
    one.run_due(5000);
    assert_eq!(one.stop(&"b".into(), 30, 5000), Some(Event { uid: "b".into(), ended: false }));
    for name in ["a", "b", "c"] {
        other.restore(&name.into(), &object(name, name == "c"), &one.account(&name.into()), 60_000);
    }
    let mut ended = Vec::new();
    while let Some(at) = one.next().filter(|at| *at <= 60_000) {
        ended.extend(one.run_due(at).into_iter().filter(|event| event.ended));
    }
    assert_eq!(ended.len(), 1);
    for name in ["a", "b", "c"] {
        assert_eq!(status(&one, name), status(&other, name));
        assert_eq!(one.has_ended(&name.into()), name == "b");
    }
    assert_eq!(status(&other, "c")["podIP"], status(&other, "c")["hostIP"]);
    assert_ne!(status(&other, "a")["podIP"], status(&other, "c")["podIP"]);
    // Addresses that were taken are taken.
    other.prepare(&"d".into(), &object("d", false), 60_000);
    other.start(&"d".into(), 60_000);
    other.run_due(120_000);
    assert_ne!(status(&other, "d")["podIP"], status(&other, "a")["podIP"]);
    // What was removed leaves room.
    let address = status(&other, "a")["podIP"].clone();
    other.remove(&"a".into());
    other.prepare(&"e".into(), &object("e", false), 120_000);
    other.start(&"e".into(), 120_000);
    other.run_due(180_000);
    assert_eq!(status(&other, "e")["podIP"], address);
}

#[test]
fn a_timer_of_a_pod_that_is_gone_wakes_nobody() {
    let second = Duration::from_secs(1);
    let mut runtime = runtime(Delays { create: second, start: second, ..Delays::ZERO });
    for name in ["a", "b"] {
        runtime.prepare(&name.into(), &object(name, false), 0);
        runtime.start(&name.into(), 0);
    }
    runtime.remove(&"a".into());
    let events = runtime.run_due(1000);
    assert_eq!(events, [Event { uid: "b".into(), ended: false }]);
    assert_eq!(runtime.next(), Some(2000));
    runtime.wipe();
    assert_eq!((runtime.next(), runtime.started().count()), (None, 0));
}
