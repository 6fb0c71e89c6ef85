//! Random demands: each uses a few of the features, so that most fit somewhere and some fit nowhere.

use std::collections::BTreeMap;

use meridian_engine::{
    Constraints, Demand, DeviceDemand, HostPort, Links, MAX_QUANTITY, NumaDemand, Operator, PodTerms,
    PreferredTerm, Protocol, Requirement, Resources, Runtime, ScoringRequests, SelectorTerm, Toleration,
    TolerationOperator,
};

use super::host::{EFFECTS, EXTENDED, KEYS, MODELS, Shapes, TAINT_KEYS, TAINT_VALUES, label_value, name};
use super::{Random, pods};

/// A demand for a cell with hosts of these shapes.
pub(crate) fn draw(random: &mut Random, shapes: &Shapes, hosts: usize, sociable: usize) -> Demand {
    let mut requests = requests(random, shapes);
    let numa = (shapes.has_numa() && random.percent(40)).then(|| numa(random, &mut requests));
    Demand {
        numa,
        links: *random.pick(&[Links::Anywhere, Links::Preferred, Links::Required]),
        scoring: scoring(random, &requests),
        requests,
        devices: random.percent(35).then(|| devices(random)),
        runtime: if random.percent(shapes.machines()) {
            Runtime::VirtualMachine
        } else {
            Runtime::Containers
        },
        ports: if random.percent(15) { random.several(1..=3, port) } else { Vec::new() },
        constraints: constraints(random, hosts),
        identity: pods::identity(random, sociable),
        terms: if random.percent(sociable) { pods::terms(random) } else { PodTerms::default() },
    }
}

fn requests(random: &mut Random, shapes: &Shapes) -> Resources {
    let (cpu, memory) = (shapes.some_cpu(random), shapes.some_memory(random));
    let mut extended = BTreeMap::new();
    for resource in EXTENDED {
        if random.percent(10) {
            extended.insert(resource.to_owned(), *random.pick(&[0, 1, 1, 2, 500_000]));
        }
    }
    Resources {
        cpu_milli: *random.pick(&[
            0,
            1,
            100,
            250,
            1_000,
            1_333,
            cpu / 9,
            cpu / 7,
            cpu / 3,
            cpu,
            (cpu + 1).min(MAX_QUANTITY),
        ]),
        memory: *random.pick(&[
            0,
            1,
            200_000_000,
            1 << 30,
            memory / 29,
            memory / 13,
            memory / 4,
            memory,
            (memory + 1).min(MAX_QUANTITY),
        ]),
        ephemeral_storage: *random.pick(&[0, 0, 0, 0, 10 << 30, 1 << 40]),
        extended,
    }
}

/// At least the requests; pods that ask for nothing count as a little.
fn scoring(random: &mut Random, requests: &Resources) -> ScoringRequests {
    let mut counted = |request: i64, little: i64| {
        request.max(*random.pick(&[0, little, little, (request + little).min(MAX_QUANTITY)]))
    };
    ScoringRequests {
        cpu_milli: counted(requests.cpu_milli, 100),
        memory: counted(requests.memory, 200 << 20),
    }
}

/// One node mostly; CPUs that are pinned are made whole.
fn numa(random: &mut Random, requests: &mut Resources) -> NumaDemand {
    let numa = NumaDemand { nodes: *random.pick(&[1, 1, 1, 2, 2, 3]), pinned: random.percent(50) };
    if numa.pinned {
        let each = 1_000 * i64::from(numa.nodes);
        requests.cpu_milli = (requests.cpu_milli / each).max(1) * each;
    }
    numa
}

fn devices(random: &mut Random) -> DeviceDemand {
    DeviceDemand {
        count: *random.pick(&[1, 1, 1, 1, 2, 3, 8, 64]),
        milli: *random.pick(&[1, 100, 250, 333, 500, 501, 999, 1_000, 1_000, 1_000]),
        models: if random.percent(40) {
            random.several(1..=2, |random| random.word(&MODELS))
        } else {
            Vec::new()
        },
    }
}

fn port(random: &mut Random) -> HostPort {
    HostPort {
        protocol: *random.pick(&[Protocol::Tcp, Protocol::Tcp, Protocol::Udp, Protocol::Sctp]),
        ip: random.word(&["", "0.0.0.0", "10.0.0.1", "10.0.0.2", "::"]),
        port: *random.pick(&[80, 80, 443, 65_535]),
    }
}

fn constraints(random: &mut Random, hosts: usize) -> Constraints {
    let mut constraints = Constraints::default();
    if random.percent(4) {
        // One number more than there are hosts, so that the name may be nobody's.
        constraints.node_name = Some(name(random.below(hosts + 1)));
    }
    if random.percent(15) {
        let key = random.word(&KEYS);
        constraints.node_selector.insert(key.clone(), label_value(random, &key));
    }
    if random.percent(25) {
        constraints.required = Some(random.several(0..=2, term));
    }
    if random.percent(35) {
        constraints.preferred = random.several(1..=4, |random| PreferredTerm {
            weight: random.within(1..=100) as i32,
            term: term(random),
        });
    }
    if random.percent(50) {
        constraints.tolerations = random.several(1..=3, toleration);
    }
    constraints
}

fn term(random: &mut Random) -> SelectorTerm {
    let fields = if random.percent(20) { 1..=1 } else { 0..=0 };
    SelectorTerm {
        labels: random.several(0..=2, |random| {
            let key = random.word(&KEYS);
            let operator = operator(random, &key);
            Requirement { key, operator }
        }),
        fields: random.several(fields, |random| Requirement {
            key: "metadata.name".to_owned(),
            operator: operator(random, "kubernetes.io/hostname"),
        }),
    }
}

fn operator(random: &mut Random, key: &str) -> Operator {
    let kind = random.below(8);
    let mut values = || random.several(0..=3, |random| label_value(random, key));
    match kind {
        0..=2 => Operator::In(values()),
        3..=4 => Operator::NotIn(values()),
        5 => Operator::Exists,
        6 => Operator::DoesNotExist,
        _ if random.percent(50) => Operator::GreaterThan(*random.pick(&[-3, 0, 4, 6])),
        _ => Operator::LessThan(*random.pick(&[-3, 1, 5, 11])),
    }
}

fn toleration(random: &mut Random) -> Toleration {
    Toleration {
        key: if random.percent(15) { String::new() } else { random.word(&TAINT_KEYS) },
        operator: if random.percent(50) {
            TolerationOperator::Exists
        } else {
            TolerationOperator::Equal(random.word(&TAINT_VALUES))
        },
        effect: if random.percent(50) { None } else { Some(*random.pick(&EFFECTS)) },
    }
}
