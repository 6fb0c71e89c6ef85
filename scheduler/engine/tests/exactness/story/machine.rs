//! Virtual machines beside containers: what they count for, and where they start.

use meridian_engine::{Demand, Host, Overcommit, Profile, Resources, Runtime, Runtimes, ScoringRequests};

use super::{Story, host, pod};

/// A host for both kinds of pods, on which four vCPUs share a core.
fn shared(name: &str, cores: i64) -> Host {
    Host {
        runtimes: Runtimes { containers: true, virtual_machines: true },
        overcommit: Overcommit { cpu_percent: 400, memory_percent: 100 },
        ..host(name, cores)
    }
}

fn machine(cpus: i64) -> Demand {
    let cpu_milli = cpus * 1_000;
    Demand {
        requests: Resources { cpu_milli, ..Resources::default() },
        scoring: ScoringRequests { cpu_milli, memory: 0 },
        runtime: Runtime::VirtualMachine,
        ..Demand::default()
    }
}

#[test]
fn four_machines_share_what_one_container_takes() {
    let mut story = Story::new(Profile::meridian(), &[shared("a", 2)]);
    for _ in 0..4 {
        assert_eq!(story.schedule(&machine(1)).as_deref(), Some("a"));
    }
    assert_eq!(story.schedule(&pod(1)).as_deref(), Some("a"), "one core is left");
    assert_eq!(story.explain(&machine(1)), "0/1 nodes are available: 1 Insufficient cpu.");
}

#[test]
fn a_new_ratio_counts_for_those_that_run() {
    let mut story = Story::new(Profile::meridian(), &[shared("a", 4)]);
    for _ in 0..8 {
        assert_eq!(story.schedule(&machine(1)).as_deref(), Some("a"), "two of four cores");
    }
    let overcommit = Overcommit { cpu_percent: 200, memory_percent: 100 };
    assert!(story.update(&Host { overcommit, ..shared("a", 4) }));
    assert_eq!(story.schedule(&machine(1)), None, "eight vCPUs are four cores now");
    assert!(story.update(&shared("a", 4)));
    assert_eq!(story.schedule(&pod(2)).as_deref(), Some("a"));
}

#[test]
fn pods_start_where_their_runtime_is_ready() {
    let of = |name, containers, virtual_machines| Host {
        runtimes: Runtimes { containers, virtual_machines },
        ..shared(name, 8)
    };
    let hosts = [of("containers", true, false), of("machines", false, true), of("neither", false, false)];
    let mut story = Story::new(Profile::meridian(), &hosts);
    assert_eq!(story.ranking(&pod(1)), ["containers"]);
    assert_eq!(story.ranking(&machine(1)), ["machines"]);
    assert_eq!(
        story.explain(&machine(9 * 4)),
        "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had no ready virtual machine runtime."
    );
    assert!(story.update(&of("machines", true, false)));
    assert_eq!(
        story.explain(&machine(1)),
        "0/3 nodes are available: 3 node(s) had no ready virtual machine runtime."
    );
}
