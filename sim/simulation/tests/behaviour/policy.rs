//! Policies differ where they should.

use meridian_trace::TracePod;

use crate::cell::{host, on_devices, place, places, pod, with_devices};

fn small(count: u64) -> Vec<TracePod> {
    (0..count)
        .map(|number| TracePod { memory: 256 << 20, ..pod(&format!("pod-{number}"), number, 1_000) })
        .collect()
}

#[test]
fn first_fit_fills_hosts_in_their_order() {
    let hosts = [host("a", 2_000, 4_096), host("b", 8_000, 4_096), host("c", 2_000, 4_096)];
    assert_eq!(places(&hosts, &small(4), "first-fit"), ["a", "a", "b", "b"]);
}

#[test]
fn best_fit_takes_the_host_with_the_least_left() {
    let hosts = [host("large", 8_000, 4_096), host("small", 2_000, 4_096), host("middle", 4_000, 4_096)];
    assert_eq!(places(&hosts, &small(4), "best-fit"), ["small", "small", "middle", "middle"]);
}

#[test]
fn most_allocated_packs() {
    let hosts = [host("a", 4_000, 4_096), host("b", 4_000, 4_096)];
    assert_eq!(places(&hosts, &small(5), "most-allocated"), ["a", "a", "a", "a", "b"]);
}

#[test]
fn least_allocated_and_the_defaults_spread() {
    let hosts = [host("a", 4_000, 4_096), host("b", 4_000, 4_096)];
    for policy in ["least-allocated", "meridian", "kubernetes"] {
        assert_eq!(places(&hosts, &small(4), policy), ["a", "b", "a", "b"], "{policy}");
    }
}

/// The defaults look at balance too: what is left should be of use to somebody.
#[test]
fn the_defaults_keep_processors_and_memory_in_balance() {
    let hosts = [host("wide", 8_000, 4_096), host("tall", 4_000, 8_192)];
    let pod = |name: &str, cpu_milli, mebibytes: i64| TracePod {
        memory: mebibytes << 20,
        ..pod(name, 0, cpu_milli)
    };
    let pods = [pod("computes", 4_000, 1_024), pod("remembers", 1_000, 4_096)];
    for policy in ["meridian", "kubernetes"] {
        assert_eq!(places(&hosts, &pods, policy), ["wide", "tall"], "{policy}");
    }
}

/// Two half GPUs make a whole one, which leaves the other whole GPUs to those who need them.
#[test]
fn fgd_puts_fractions_of_gpus_together() {
    let gpu = |name: &str| with_devices(host(name, 32_000, 65_536), 2, "T4");
    let hosts = [gpu("a"), gpu("b")];
    let mut pods: Vec<TracePod> = ["one", "two"].map(|name| on_devices(pod(name, 0, 1_000), 1, 500)).into();
    // Most of what comes wants two whole GPUs, which is what makes splitting another host expensive.
    pods.extend((0..8).map(|number| on_devices(pod(&format!("whole-{number}"), 1, 1_000), 2, 1_000)));
    assert_eq!(place(&hosts, &pods, "fgd", "one"), place(&hosts, &pods, "fgd", "two"));
    let (one, two) =
        (place(&hosts, &pods, "least-allocated", "one"), place(&hosts, &pods, "least-allocated", "two"));
    assert_ne!(one.map(|(host, _)| host), two.map(|(host, _)| host), "who spreads splits both hosts");
}

/// Whole devices are told by their numbers, and no two pods share one.
#[test]
fn whole_gpus_are_given_out_one_by_one() {
    let hosts = [with_devices(host("a", 32_000, 65_536), 4, "T4")];
    let pods = [
        on_devices(pod("one", 0, 1_000), 1, 1_000),
        on_devices(pod("two", 1, 1_000), 2, 1_000),
        on_devices(pod("half", 2, 1_000), 1, 500),
        on_devices(pod("late", 3, 1_000), 1, 1_000),
    ];
    let masks: Vec<Option<u64>> = pods
        .iter()
        .map(|pod| place(&hosts, &pods, "best-fit", &pod.name).map(|(_, devices)| devices))
        .collect();
    let counts: Vec<Option<u32>> = masks.iter().map(|mask| mask.map(u64::count_ones)).collect();
    assert_eq!(counts, [Some(1), Some(2), Some(1), None]);
    let union = masks.iter().flatten().fold(0, |union, mask| {
        assert_eq!(union & mask, 0, "a device is given out twice: {masks:?}");
        union | mask
    });
    assert_eq!(union, 0b1111);
}
