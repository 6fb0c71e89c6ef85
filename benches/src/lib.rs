//! Figures: what is measured, how, and against which goal.
//!
//! [`BENCHES`] lists the benches by name; [`run`] runs one and returns a [`Figure`]. What is timed is the engine or the
//! simulator alone, or a whole region through its API: cells and regions are built and random numbers are drawn before the
//! watch is started. The caller lends the
//! clock. Criterion benches of the parts are in `benches/`.

#![forbid(unsafe_code)]

mod cell;
mod engine;
mod figure;
mod global;
mod load;
mod parameters;
mod process;
mod region;
mod replicas;
mod sim;

pub use self::cell::{Shape, scheduler_with};
pub use self::figure::{Direction, Figure, Goal};
pub use self::parameters::{BenchError, Fill, Parameters, ProfileName};

/// Nanoseconds since some moment, never decreasing.
pub type Clock = fn() -> u64;

/// A bench: its name, what it times, and the function that does.
#[derive(Clone, Copy)]
pub struct Bench {
    /// Such as `engine/basic`.
    pub name: &'static str,
    /// What is timed, in a line.
    pub what: &'static str,
    run: fn(&Parameters, Clock) -> Result<Figure, BenchError>,
}

/// All benches.
pub const BENCHES: &[Bench] = &[
    Bench {
        name: "engine/basic",
        what: "equal pods on 5,000 equal hosts, every host scored",
        run: engine::basic,
    },
    Bench {
        name: "engine/mixed",
        what: "1,000 classes (Zipf) interleaved on 100,000 hosts of three shapes, half full, one departure an arrival",
        run: engine::mixed,
    },
    Bench {
        name: "engine/distinct",
        what: "every pod its own class on 100,000 hosts, half full",
        run: engine::distinct,
    },
    Bench {
        name: "engine/spread",
        what: "pods spread over three zones of 5,000 hosts (required) beside as many others",
        run: engine::spread,
    },
    Bench {
        name: "engine/anti-affinity",
        what: "pods that are alone of their kind on each of 5,000 hosts (required)",
        run: engine::anti_affinity,
    },
    Bench {
        name: "engine/affinity",
        what: "pods in the zones of others of their kind on 5,000 hosts (required)",
        run: engine::affinity,
    },
    Bench {
        name: "engine/namespace-selector",
        what: "pods of 100 selected namespaces, each alone on its host of 5,000 (required)",
        run: engine::namespace_selector,
    },
    Bench {
        name: "engine/gang",
        what: "gangs of 3 and of 1,000 equal pods on 5,000 equal hosts, all or none",
        run: engine::gang,
    },
    Bench {
        name: "engine/latency",
        what: "one pod on 300,000 hosts, 99th percentile; --class known or new",
        run: engine::latency,
    },
    Bench {
        name: "engine/preempt",
        what: "10,000 pods of four priorities on 5,000 hosts full of pods of eight, a third under disruption budgets",
        run: engine::preempt,
    },
    Bench {
        name: "engine/unschedulable",
        what: "engine/basic through the queue with 10,000 pods of 100 classes that fit nowhere, in percent of without them",
        run: engine::unschedulable,
    },
    Bench {
        name: "engine/region",
        what: "300,000 hosts filled with 9,000,000 pods of 1,000 classes interleaved at random, in seconds",
        run: engine::region,
    },
    Bench {
        name: "api/create",
        what: "pods created over HTTP by 64 clients, durable; --tls with TLS",
        run: region::create,
    },
    Bench {
        name: "region/bind",
        what: "10,000 pods created over HTTP until bound, durable, on 5,000 simulated hosts",
        run: region::bind,
    },
    Bench {
        name: "region/deployment",
        what: "a Deployment of 3,000 replicas until all run, on 5,000 simulated hosts",
        run: region::deployment,
    },
    Bench {
        name: "region/memory",
        what: "resident memory with 5,000 simulated hosts and 10,000 running pods",
        run: region::memory,
    },
    Bench {
        name: "replicas",
        what: "1, 2 and 4 replicas over one ledger at 50, 80 and 95 % load: decisions, claims refused, quality lost",
        run: replicas::replicas,
    },
    Bench {
        name: "global/orlib",
        what: "the slowest of 13 OR-Library instances of facility location to its optimum, divided (needs MERIDIAN_DATA)",
        run: global::orlib,
    },
    Bench {
        name: "global/divided",
        what: "proven gap of 1,000 workloads divided over 100 sites, after 20 seconds",
        run: global::divided,
    },
    Bench {
        name: "global/assignment",
        what: "the worst of the instances of generalised assignment against the best known, after 10 seconds each (needs MERIDIAN_DATA)",
        run: global::assignment,
    },
    Bench {
        name: "global/whole",
        what: "proven gap of 500 whole workloads on 200 sites, after 10 seconds",
        run: global::whole,
    },
    Bench {
        name: "global/large",
        what: "proven gap of 10,000 whole workloads on 1,000 sites, after 60 seconds",
        run: global::large,
    },
    Bench {
        name: "global/repair",
        what: "a site of global/large's plan is lost: milliseconds until what it served is served elsewhere",
        run: global::repair,
    },
    Bench {
        name: "global/place",
        what: "a new workload is placed alone in global/large's plan, 99th percentile",
        run: global::place,
    },
    Bench {
        name: "global/size",
        what: "time and memory to a proven gap of 2 %, from 10 sites and workloads to 1,000 and 10,000; --plot writes an SVG",
        run: global::size,
    },
    Bench {
        name: "sim/openb",
        what: "GPUs allocated on the openb trace when the arrived request equals the capacity (needs MERIDIAN_DATA)",
        run: sim::openb,
    },
    Bench {
        name: "sim/synthetic",
        what: "events of a synthetic trace with resources only, through the simulator",
        run: sim::synthetic,
    },
];

/// Runs the bench of a name.
pub fn run(name: &str, parameters: &Parameters, clock: Clock) -> Result<Figure, BenchError> {
    match BENCHES.iter().find(|bench| bench.name == name) {
        Some(bench) => (bench.run)(parameters, clock),
        None => Err(BenchError::Unknown {
            name: name.to_owned(),
            want: BENCHES.iter().map(|bench| bench.name).collect::<Vec<_>>().join(", "),
        }),
    }
}
