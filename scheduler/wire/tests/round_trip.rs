//! Whatever the engine has comes back equal from its message, and no message does worse than be refused.

use std::collections::BTreeMap;

use meridian_engine::{
    Constraints, Demand, DeviceDemand, Devices, Host, HostPort, Identity, LabelSelector, Links, MAX_QUANTITY,
    NumaDemand, NumaNode, Operator, Overcommit, PodAffinityTerm, PodTerms, PreferredTerm, Protocol,
    Requirement, Resources, Runtime, Runtimes, ScoringRequests, SelectorTerm, SpreadConstraint, Taint,
    TaintEffect, Toleration, TolerationOperator, WeightedPodTerm,
};
use meridian_proto::v1;
use meridian_wire::{WireError, demand_from_message, demand_to_message, host_from_message, host_to_message};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use prost::Message;

fn word() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[a-z]{1,3}", "[a-z]\\.example/é"]
}

fn words() -> impl Strategy<Value = BTreeMap<String, String>> {
    btree_map(word(), word(), 0..3)
}

fn quantity() -> impl Strategy<Value = i64> {
    prop_oneof![0..4_i64, 0..=MAX_QUANTITY, Just(MAX_QUANTITY)]
}

fn resources() -> impl Strategy<Value = Resources> {
    let extended = btree_map("example.com/[a-c]", quantity(), 0..3);
    (quantity(), quantity(), quantity(), extended).prop_map(
        |(cpu_milli, memory, ephemeral_storage, extended)| Resources {
            cpu_milli,
            memory,
            ephemeral_storage,
            extended,
        },
    )
}

fn effect() -> impl Strategy<Value = TaintEffect> {
    prop_oneof![
        Just(TaintEffect::NoSchedule),
        Just(TaintEffect::PreferNoSchedule),
        Just(TaintEffect::NoExecute)
    ]
}

fn operator() -> impl Strategy<Value = Operator> {
    prop_oneof![
        vec(word(), 0..3).prop_map(Operator::In),
        vec(word(), 0..3).prop_map(Operator::NotIn),
        Just(Operator::Exists),
        Just(Operator::DoesNotExist),
        any::<i64>().prop_map(Operator::GreaterThan),
        any::<i64>().prop_map(Operator::LessThan),
    ]
}

fn term() -> impl Strategy<Value = SelectorTerm> {
    let label = (word(), operator()).prop_map(|(key, operator)| Requirement { key, operator });
    let field = operator().prop_map(|operator| Requirement { key: "metadata.name".to_owned(), operator });
    (vec(label, 0..3), vec(field, 0..2)).prop_map(|(labels, fields)| SelectorTerm { labels, fields })
}

fn toleration() -> impl Strategy<Value = Toleration> {
    let operator = prop_oneof![word().prop_map(TolerationOperator::Equal), Just(TolerationOperator::Exists)];
    (word(), operator, option::of(effect())).prop_map(|(key, operator, effect)| Toleration {
        key,
        operator,
        effect,
    })
}

fn constraints() -> impl Strategy<Value = Constraints> {
    let preferred = (1..=100, term()).prop_map(|(weight, term)| PreferredTerm { weight, term });
    (
        option::of(word()),
        words(),
        option::of(vec(term(), 0..3)),
        vec(preferred, 0..3),
        vec(toleration(), 0..3),
    )
        .prop_map(|(node_name, node_selector, required, preferred, tolerations)| Constraints {
            node_name,
            node_selector,
            required,
            preferred,
            tolerations,
        })
}

fn selector() -> impl Strategy<Value = LabelSelector> {
    let operator = prop_oneof![
        vec(word(), 0..3).prop_map(Operator::In),
        vec(word(), 0..3).prop_map(Operator::NotIn),
        Just(Operator::Exists),
        Just(Operator::DoesNotExist),
    ];
    let requirement = (word(), operator).prop_map(|(key, operator)| Requirement { key, operator });
    option::of(vec(requirement, 0..3))
}

fn pod_term() -> impl Strategy<Value = PodAffinityTerm> {
    ("[a-z]{1,3}", selector(), btree_set(word(), 0..3), selector()).prop_map(
        |(topology_key, selector, namespaces, namespace_selector)| PodAffinityTerm {
            topology_key,
            selector,
            namespaces,
            namespace_selector,
        },
    )
}

fn spread() -> impl Strategy<Value = SpreadConstraint> {
    let domains = option::of(1..=u32::MAX);
    (1..=i32::MAX, "[a-z]{1,3}", any::<bool>(), selector(), domains, any::<bool>(), any::<bool>()).prop_map(
        |(max_skew, topology_key, is_required, selector, domains, honors_affinity, honors_taints)| {
            SpreadConstraint {
                max_skew,
                topology_key,
                is_required,
                selector,
                min_domains: domains.filter(|_| is_required),
                honors_affinity,
                honors_taints,
            }
        },
    )
}

fn pod_terms() -> impl Strategy<Value = PodTerms> {
    let weight = prop_oneof![1..=100, -100..=-1];
    let weighted = (weight, pod_term()).prop_map(|(weight, term)| WeightedPodTerm { weight, term });
    let terms = || vec(pod_term(), 0..3);
    (vec(spread(), 0..3), selector(), terms(), terms(), vec(weighted, 0..3)).prop_map(
        |(spread, default_spread, affinity, anti_affinity, preferred)| PodTerms {
            spread,
            default_spread,
            affinity,
            anti_affinity,
            preferred,
        },
    )
}

fn identity() -> impl Strategy<Value = Identity> {
    (word(), word(), words()).prop_map(|(tenant, namespace, labels)| Identity { tenant, namespace, labels })
}

fn demand() -> impl Strategy<Value = Demand> {
    let protocol = prop_oneof![Just(Protocol::Tcp), Just(Protocol::Udp), Just(Protocol::Sctp)];
    let port =
        (protocol, word(), 1..=u16::MAX).prop_map(|(protocol, ip, port)| HostPort { protocol, ip, port });
    let devices = (1..=64_u32, 1..=1000_u32, vec(word(), 0..3))
        .prop_map(|(count, milli, models)| DeviceDemand { count, milli, models });
    let runtime = prop_oneof![Just(Runtime::Containers), Just(Runtime::VirtualMachine)];
    let links = prop_oneof![Just(Links::Anywhere), Just(Links::Preferred), Just(Links::Required)];
    let numa = option::of((1..=8_u32).prop_map(|nodes| NumaDemand { nodes, pinned: false }));
    let around = (identity(), pod_terms(), runtime, numa, links);
    (resources(), 0..1_i64 << 30, option::of(devices), vec(port, 0..3), constraints(), around).prop_map(
        |(requests, more, devices, ports, constraints, (identity, terms, runtime, numa, links)): (
            Resources,
            i64,
            _,
            _,
            _,
            _,
        )| {
            Demand {
                scoring: ScoringRequests {
                    cpu_milli: (requests.cpu_milli + more).min(MAX_QUANTITY),
                    memory: requests.memory,
                },
                requests,
                devices,
                runtime,
                numa,
                links,
                ports,
                constraints,
                identity,
                terms,
            }
        },
    )
}

fn host() -> impl Strategy<Value = Host> {
    let taint = (word(), word(), effect()).prop_map(|(key, value, effect)| Taint { key, value, effect });
    let devices = (word(), 0..=64_u32).prop_map(|(model, count)| Devices { model, count });
    let runtimes = (any::<bool>(), any::<bool>())
        .prop_map(|(containers, virtual_machines)| Runtimes { containers, virtual_machines });
    let overcommit = (100..=6_400_u32, 100..=6_400_u32)
        .prop_map(|(cpu_percent, memory_percent)| Overcommit { cpu_percent, memory_percent });
    let node = resources().prop_map(|resources| NumaNode { resources, devices: 0 });
    let numa = vec(node, 0..4).prop_map(|mut numa| {
        numa.iter_mut().enumerate().for_each(|(number, node)| node.devices = 5 << (8 * number));
        numa
    });
    let machines = (runtimes, prop_oneof![Just(Overcommit::default()), overcommit], numa);
    (
        "[a-z]{1,9}",
        resources(),
        quantity(),
        words(),
        vec(taint, 0..3),
        any::<bool>(),
        option::of(devices),
        machines,
    )
        .prop_map(|(name, allocatable, pods, labels, mut taints, unschedulable, devices, machines)| {
            taints.sort_unstable();
            taints.dedup();
            let (runtimes, overcommit, numa) = machines;
            Host {
                name,
                allocatable,
                pods,
                labels,
                taints,
                unschedulable,
                devices,
                runtimes,
                overcommit,
                numa,
                links: vec![3, 12],
            }
        })
}

/// A message in which numbers have been put that mean nothing.
fn hostile_demand() -> impl Strategy<Value = v1::Demand> {
    let number = || prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX), Just(-1_i64), 0..9_i64];
    (demand(), vec((0..12_u8, number()), 1..4)).prop_map(|(demand, changes)| {
        let mut message = demand_to_message(&demand);
        for (field, number) in changes {
            let constraints = message.constraints.get_or_insert_default();
            match field {
                0 => message.requests.get_or_insert_default().cpu_milli = number,
                1 => message.scoring_memory = number,
                2 => message.requests = None,
                3 => message.ports.push(v1::HostPort { port: number as u32, ..Default::default() }),
                4 => message.ports.iter_mut().for_each(|port| port.protocol = number as i32),
                5 => message.devices.get_or_insert_default().milli = number as u32,
                6 => constraints.preferred.push(v1::PreferredTerm { weight: number as i32, term: None }),
                7 => constraints.preferred.iter_mut().for_each(|term| term.weight = number as i32),
                8 => constraints.tolerations.iter_mut().for_each(|bears| bears.effect = number as i32),
                9 => {
                    let requirement =
                        v1::Requirement { operator: number as i32, key: "spec".into(), ..Default::default() };
                    let term =
                        v1::SelectorTerm { labels: vec![requirement.clone()], fields: vec![requirement] };
                    constraints.required.get_or_insert_default().terms.push(term);
                }
                10 => {
                    let extended = &mut message.requests.get_or_insert_default().extended;
                    extended.insert("pods".to_owned(), number);
                }
                _ => message.constraints = None,
            }
        }
        message
    })
}

proptest! {
    #[test]
    fn a_demand_comes_back_from_its_bytes(demand in demand()) {
        let bytes = demand_to_message(&demand).encode_to_vec();
        let message = v1::Demand::decode(&*bytes).unwrap();
        prop_assert_eq!(demand_from_message(message), Ok(demand));
    }

    #[test]
    fn a_host_comes_back_from_its_bytes(host in host()) {
        let bytes = host_to_message(&host).encode_to_vec();
        let message = v1::Host::decode(&*bytes).unwrap();
        prop_assert_eq!(host_from_message(message), Ok(host));
    }

    #[test]
    fn a_hostile_demand_is_refused_or_means_what_it_says(message in hostile_demand()) {
        match demand_from_message(message) {
            Ok(demand) => {
                prop_assert_eq!(demand.validate(), Ok(()));
                prop_assert_eq!(demand_from_message(demand_to_message(&demand)), Ok(demand));
            }
            Err(error) => prop_assert!(error.to_string().len() > 8, "{error}"),
        }
    }

    #[test]
    fn bytes_of_a_demand_with_one_changed_never_panic(
        demand in demand(), place in any::<prop::sample::Index>(), byte in any::<u8>()
    ) {
        let mut bytes = demand_to_message(&demand).encode_to_vec();
        if !bytes.is_empty() {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Ok(message) = v1::Demand::decode(&*bytes) {
            let _ = demand_from_message(message);
        }
    }
}

#[test]
fn what_says_nothing_is_the_default() {
    let nothing = demand_from_message(v1::Demand::default());
    assert_eq!(nothing, Ok(Demand::default()));
    // A pod that may run nowhere is told apart from one that may run anywhere.
    let required = Some(v1::SelectorTerms::default());
    let constraints = Some(v1::Constraints { required, ..Default::default() });
    let nowhere = demand_from_message(v1::Demand { constraints, ..Default::default() }).unwrap();
    assert_eq!(nowhere.constraints.required, Some(Vec::new()));
}

#[test]
fn refusals_name_the_field_and_what_would_be_right() {
    let demand = |change: fn(&mut v1::Demand)| {
        let mut message = v1::Demand::default();
        change(&mut message);
        demand_from_message(message).unwrap_err().to_string()
    };
    assert_eq!(
        demand(|demand| {
            demand.ports = vec![v1::HostPort { protocol: 1, port: 70_000, ..Default::default() }];
        }),
        "demand.ports[0].port is 70000, want 1 to 65535"
    );
    assert_eq!(
        demand(|demand| demand.ports = vec![v1::HostPort { protocol: 9, port: 1, ..Default::default() }]),
        "demand.ports[0].protocol is 9, which stands for nothing known; want one of 1 (TCP), 2 (UDP), 3 (SCTP)"
    );
    assert_eq!(
        demand(|demand| {
            let tolerations = vec![v1::Toleration { effect: 4, ..Default::default() }];
            demand.constraints = Some(v1::Constraints { tolerations, ..Default::default() });
        }),
        "demand.constraints.tolerations[0].effect is 4, which stands for nothing known; want one of \
         1 (NoSchedule), 2 (PreferNoSchedule), 3 (NoExecute)"
    );
    assert_eq!(
        demand(|demand| {
            let tolerations = vec![v1::Toleration::default(); 4097];
            demand.constraints = Some(v1::Constraints { tolerations, ..Default::default() });
        }),
        "demand.constraints.tolerations has 4097 items, want at most 4096"
    );
    assert_eq!(
        demand(|demand| demand.requests.get_or_insert_default().cpu_milli = -1),
        "demand: cpu is -1, want 0 to 9007199254740991"
    );
    let nameless = host_from_message(v1::Host::default()).unwrap_err();
    assert_eq!(nameless.to_string(), "a host has an empty name");
    let taints = vec![v1::Taint { key: "a".into(), ..Default::default() }];
    let taintless = host_from_message(v1::Host { name: "h".into(), taints, ..Default::default() });
    assert!(
        matches!(taintless, Err(WireError::Unknown { ref field, .. }) if field.contains("taints[0] of host h"))
    );
}
