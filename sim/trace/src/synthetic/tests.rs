use std::collections::{HashMap, HashSet};

use super::host::capacity;
use super::*;
use crate::limits::{check_host, check_pod};
use crate::row::TracePod;

fn small() -> Synthetic {
    Synthetic { hosts: 200, classes: 40, tenants: 20, seed: 7, ..Synthetic::default() }
}

fn pods(parameters: &Synthetic) -> Vec<TracePod> {
    parameters.make_pods().unwrap().collect::<Result<_, _>>().unwrap()
}

/// What the pods hold of the capacity from the beginning to the end, if all are placed at once.
fn offered(parameters: &Synthetic) -> (f64, f64, f64) {
    let end = u64::from(parameters.hours) * HOUR_MS as u64;
    let (mut cpu, mut memory, mut devices) = (0.0, 0.0, 0.0);
    for pod in parameters.make_pods().unwrap() {
        let pod = pod.unwrap();
        let stop = pod.duration_ms.map_or(end, |duration| (pod.arrival_ms + duration).min(end));
        let ms = (stop - pod.arrival_ms) as f64;
        cpu += ms * pod.cpu_milli as f64;
        memory += ms * pod.memory as f64;
        devices += ms * f64::from(pod.device_count * pod.device_milli);
    }
    let (all, end) = (capacity(parameters), end as f64);
    (cpu / end / all.cpu_milli, memory / end / all.memory, devices / end / all.device_milli)
}

fn check(parameters: &Synthetic, want: &str) {
    assert_eq!(parameters.validate().unwrap_err().to_string(), want);
    assert!(parameters.make_hosts().is_err());
    assert!(parameters.make_pods().is_err());
}

#[test]
fn the_same_seed_makes_the_same_rows() {
    let one = small();
    assert_eq!(one.make_hosts().unwrap(), one.make_hosts().unwrap());
    assert_eq!(pods(&one), pods(&one));
    let other = Synthetic { seed: 8, ..small() };
    assert_ne!(one.make_hosts().unwrap(), other.make_hosts().unwrap());
    assert_ne!(pods(&one), pods(&other));
}

#[test]
fn rows_are_valid_named_once_and_in_order() {
    let parameters = Synthetic { gpu_share: 0.2, ..small() };
    let hosts = parameters.make_hosts().unwrap();
    hosts.iter().for_each(|host| check_host(host).unwrap());
    assert_eq!(hosts.len(), 200);
    assert_eq!(hosts.iter().filter(|host| host.device_count == 8).count(), 40);
    assert_eq!(hosts.iter().map(|host| &host.name).collect::<HashSet<_>>().len(), 200);
    assert_eq!(hosts.iter().map(|host| &host.zone).collect::<HashSet<_>>().len(), 3);

    let pods = pods(&parameters);
    pods.iter().for_each(|pod| check_pod(pod).unwrap());
    assert!(pods.is_sorted_by_key(|pod| pod.arrival_ms));
    assert!(pods.iter().all(|pod| pod.arrival_ms < 24 * 3_600_000));
    assert_eq!(pods.iter().map(|pod| &pod.name).collect::<HashSet<_>>().len(), pods.len());
    assert_eq!(pods.iter().map(|pod| &pod.tenant).collect::<HashSet<_>>().len(), 20);
    let shape =
        |pod: &TracePod| (pod.cpu_milli, pod.memory, pod.device_count, pod.device_milli, pod.priority);
    assert_eq!(pods.iter().map(shape).collect::<HashSet<_>>().len(), 40);
    // Every pod fits on an empty host of some shape.
    assert!(pods.iter().all(|pod| pod.cpu_milli <= 64_000 && pod.memory <= 512 << 30));
}

#[test]
fn the_load_offered_is_the_load_asked_for() {
    for seed in 0..3 {
        let parameters = Synthetic { hosts: 1_000, seed, ..Synthetic::default() };
        let (cpu, memory, _) = offered(&parameters);
        assert!((cpu - 0.8).abs() < 0.03, "seed {seed}: {cpu}");
        assert!(memory < 0.8, "seed {seed}: {memory}");
    }
    let parameters = Synthetic { hosts: 1_000, gpu_share: 0.3, load: 0.6, ..Synthetic::default() };
    let (cpu, memory, devices) = offered(&parameters);
    assert!((cpu.max(memory) - 0.6).abs() < 0.03, "{cpu} {memory}");
    assert!((devices - 0.6).abs() < 0.05, "{devices}");
    // All hosts have devices, so nearly all memory would be left over if only processors counted.
    let parameters = Synthetic { hosts: 500, gpu_share: 1.0, ..Synthetic::default() };
    let (cpu, memory, devices) = offered(&parameters);
    assert!((cpu.max(memory) - 0.8).abs() < 0.04 && (devices - 0.8).abs() < 0.05, "{cpu} {memory} {devices}");
}

#[test]
fn the_region_starts_as_full_as_it_stays() {
    let parameters = Synthetic { hosts: 1_000, hours: 24, ..Synthetic::default() };
    let end = 24 * HOUR_MS as u64;
    let present = |at: u64, pods: &[TracePod]| {
        let there = |pod: &&TracePod| {
            pod.arrival_ms <= at && pod.duration_ms.is_none_or(|duration| pod.arrival_ms + duration > at)
        };
        pods.iter().filter(there).map(|pod| pod.cpu_milli as f64).sum::<f64>()
            / capacity(&parameters).cpu_milli
    };
    let warm = pods(&parameters);
    // The same time of two days: what began with the warm start and what became of it agree.
    let (first, last) = (present(0, &warm), present(end, &warm));
    assert!((first - last).abs() < 0.03, "{first} {last}");

    let cold = pods(&Synthetic { warm_start: false, ..parameters.clone() });
    assert!(present(0, &cold) < 0.01 && present(end, &cold) < 0.6);
    // The later arrivals are the same but for their numbers.
    let later = warm.iter().skip_while(|pod| pod.arrival_ms == 0);
    let same = later.zip(&cold).all(|(one, other)| {
        (one.arrival_ms, one.duration_ms, &one.tenant) == (other.arrival_ms, other.duration_ms, &other.tenant)
    });
    assert!(same);
}

#[test]
fn the_default_is_a_mid_sized_region() {
    for seed in 0..3 {
        let pods = Synthetic { seed, ..Synthetic::default() }.make_pods().unwrap();
        let expected = pods.expected();
        assert!((300_000..700_000).contains(&expected), "seed {seed}: {expected}");
    }
    let made = Synthetic::default().make_pods().unwrap();
    let (expected, count) = (made.expected() as f64, made.count() as f64);
    assert!((count / expected - 1.0).abs() < 0.02, "{count} of {expected}");
}

#[test]
fn days_classes_and_tenants_have_their_shape() {
    let parameters = Synthetic { hosts: 1_000, warm_start: false, ..Synthetic::default() };
    let (mut hours, mut tenants) = ([0_u32; 24], HashMap::<String, u32>::new());
    for pod in pods(&parameters) {
        hours[(pod.arrival_ms / 3_600_000) as usize] += 1;
        *tenants.entry(pod.tenant).or_default() += 1;
    }
    let ratio = f64::from(hours[14] + hours[15]) / f64::from(hours[2] + hours[3]);
    assert!((ratio - 3.0).abs() < 0.3, "{ratio}");
    let ratio = f64::from(tenants["tenant-0000"]) / f64::from(tenants["tenant-0009"]);
    assert!((ratio - 10.0).abs() < 1.5, "{ratio}");
}

#[test]
fn streams_are_read_without_keeping_them() {
    // A region of more pods than could be kept begins at once.
    let large = Synthetic { hosts: 1_000_000, hours: 8_784, batch_hours: 0.1, ..Synthetic::default() };
    let made = large.make_pods().unwrap();
    assert!(made.expected() > 1_000_000_000);
    assert_eq!(made.take(1_000).count(), 1_000);
}

#[test]
fn extreme_parameters_are_fine() {
    let least = Synthetic {
        hosts: 1,
        hours: 1,
        classes: 3,
        tenants: 1,
        load: 0.001,
        gpu_share: 1.0,
        service_share: 0.0,
        service_hours: 0.01,
        batch_hours: 0.01,
        peak_to_trough: 1.0,
        ..Synthetic::default()
    };
    pods(&least).iter().for_each(|pod| check_pod(pod).unwrap());
    let most = Synthetic {
        classes: 100_000,
        tenants: 1_000_000,
        load: 10.0,
        service_share: 1.0,
        service_hours: 10_000.0,
        peak_to_trough: 1_000.0,
        seed: u64::MAX,
        ..least
    };
    pods(&most).iter().for_each(|pod| check_pod(pod).unwrap());
}

#[test]
fn bad_parameters_are_refused() {
    let d = Synthetic::default;
    check(&Synthetic { hosts: 0, ..d() }, "synthetic trace: hosts is 0, want 1 to 1000000");
    check(&Synthetic { hosts: 1_000_001, ..d() }, "synthetic trace: hosts is 1000001, want 1 to 1000000");
    check(&Synthetic { hours: 0, ..d() }, "synthetic trace: hours is 0, want 1 to 8784");
    check(&Synthetic { classes: 2, ..d() }, "synthetic trace: classes is 2, want 3 to 100000");
    check(&Synthetic { tenants: 0, ..d() }, "synthetic trace: tenants is 0, want 1 to 1000000");
    check(&Synthetic { load: 0.0, ..d() }, "synthetic trace: load is 0, want 0.001 to 10");
    check(&Synthetic { load: f64::NAN, ..d() }, "synthetic trace: load is NaN, want 0.001 to 10");
    check(&Synthetic { gpu_share: 1.1, ..d() }, "synthetic trace: gpu_share is 1.1, want 0 to 1");
    check(&Synthetic { service_share: -0.1, ..d() }, "synthetic trace: service_share is -0.1, want 0 to 1");
    check(
        &Synthetic { service_hours: 0.0, ..d() },
        "synthetic trace: service_hours is 0, want 0.01 to 10000",
    );
    check(
        &Synthetic { batch_hours: f64::INFINITY, ..d() },
        "synthetic trace: batch_hours is inf, want 0.01 to 10000",
    );
    check(
        &Synthetic { peak_to_trough: 0.5, ..d() },
        "synthetic trace: peak_to_trough is 0.5, want 1 to 1000",
    );
}
