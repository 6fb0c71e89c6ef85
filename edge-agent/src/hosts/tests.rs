//! What hosts are made of.

use std::collections::{BTreeMap, BTreeSet};

use meridian_environment::MonotonicClock;
use serde_json::Value;

use super::*;

fn options(count: u32) -> SimulatedHostsOptions {
    let (link, _) = meridian_proto::local("hosts", 1);
    SimulatedHostsOptions {
        count,
        name_prefix: "host".to_owned(),
        cell: "north".to_owned(),
        zones: 3,
        shapes: HostShape::mixed(),
        delays: Delays::ZERO,
        link,
        store: LocalStore::in_memory().unwrap(),
        clock: Arc::new(MonotonicClock::new()),
        ids: Arc::new(Ids::seeded(1)),
        seed: 7,
    }
}

fn nodes(options: &SimulatedHostsOptions) -> Vec<Value> {
    let node = |number| {
        let name = name(&options.name_prefix, number);
        node::node(options, number, &name, HostAddresses::of(number))
    };
    (0..options.count).map(|number| serde_json::from_slice(&node(number)).unwrap()).collect()
}

#[test]
fn the_same_seed_makes_the_same_hosts_and_more_of_them_begin_alike() {
    let few = nodes(&options(100));
    assert_eq!(few, nodes(&options(100)));
    assert_eq!(few, nodes(&options(300))[..100]);
    assert_ne!(few, nodes(&SimulatedHostsOptions { seed: 8, ..options(100) }));
}

#[test]
fn hosts_are_nodes_as_the_scheduler_reads_them() {
    let nodes = nodes(&options(1000));
    let mut types: BTreeMap<String, usize> = BTreeMap::new();
    let mut zones: BTreeMap<String, usize> = BTreeMap::new();
    let mut unique = BTreeSet::new();
    for node in &nodes {
        let host = meridian_kubernetes::host_from_node(node).unwrap();
        assert_eq!(host.pods, 110);
        assert_eq!(host.labels["kubernetes.io/hostname"], host.name);
        assert_eq!(
            (host.labels["kubernetes.io/os"].as_str(), host.labels["kubernetes.io/arch"].as_str()),
            ("linux", "amd64")
        );
        assert_eq!(host.labels["topology.kubernetes.io/region"], "north");
        *zones.entry(host.labels["topology.kubernetes.io/zone"].clone()).or_default() += 1;
        let shape = host.labels["node.kubernetes.io/instance-type"].clone();
        if shape == "general-4x16" {
            assert_eq!(
                (host.allocatable.cpu_milli, host.allocatable.memory),
                (3900, (16 << 30) - (512 << 20))
            );
        }
        assert_eq!(host.allocatable.extended.contains_key("nvidia.com/gpu"), shape.starts_with("gpu-"));
        *types.entry(shape).or_default() += 1;
        let status = &node["status"];
        for name in
            [&status["addresses"][0]["address"], &node["spec"]["podCIDR"], &status["nodeInfo"]["machineID"]]
        {
            assert!(unique.insert(name.as_str().unwrap().to_owned()), "{name} comes twice");
        }
    }
    assert_eq!(
        zones.into_iter().collect::<Vec<_>>(),
        [("north-a".to_owned(), 334), ("north-b".to_owned(), 333), ("north-c".to_owned(), 333)]
    );
    assert_eq!(types.len(), 6, "{types:?}");
    assert!((350..450).contains(&types["general-4x16"]), "{types:?}");
}

#[tokio::test]
async fn hosts_that_cannot_be_are_refused() {
    for (options, want) in [
        (
            SimulatedHostsOptions { count: 200_000, ..options(1) },
            "200000 simulated hosts are too many: want at most 131072",
        ),
        (SimulatedHostsOptions { shapes: vec![], ..options(1) }, "there is no kind of machine"),
        (SimulatedHostsOptions { zones: 0, ..options(1) }, "hosts cannot be spread over 0 zones"),
        (
            SimulatedHostsOptions { name_prefix: "Host_1".into(), ..options(1) },
            "\"Host_1-00000\" is no name for a host",
        ),
        (SimulatedHostsOptions { name_prefix: String::new(), ..options(1) }, "\"-00000\" is no name"),
        (SimulatedHostsOptions { name_prefix: "x".repeat(60), ..options(1) }, "is no name"),
    ] {
        let error = SimulatedHosts::start(options).unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
    }
    let hosts = SimulatedHosts::start(options(2)).unwrap();
    assert_eq!(hosts.names().collect::<Vec<_>>(), ["host-00000", "host-00001"]);
    assert_eq!(hosts.progress(), Progress { registered: 0, hosts: 2 });
    for name in ["host-00002", "host-0", "host-+0001", "host", "", "other-00001"] {
        let error = hosts.fail(name, HostFault::Crash).unwrap_err();
        assert_eq!(error.to_string(), format!("there is no simulated host {name:?}"));
    }
    hosts.shutdown().await;
}
