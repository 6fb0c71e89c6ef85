use meridian_engine::{
    HostPort, NumaDemand, Operator, PreferredTerm, Protocol, Requirement, Resources, ScoringRequests,
    SelectorTerm, TaintEffect, Toleration, TolerationOperator,
};
use proptest::prelude::*;
use serde_json::json;

use super::*;

const MI: i64 = 1 << 20;

/// A pod with this spec.
fn object(spec: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "ns"}, "spec": spec})
}

#[track_caller]
fn pod(spec: &Value) -> Pod {
    pod_from_object(&object(spec)).unwrap_or_else(|error| panic!("{error}"))
}

/// CPU and memory in Mi, asked for and scored.
#[track_caller]
fn check(spec: &Value, requests: (i64, i64), scoring: (i64, i64)) {
    let demand = pod(spec).demand;
    assert_eq!((demand.requests.cpu_milli, demand.requests.memory), (requests.0, requests.1 * MI), "{spec}");
    assert_eq!((demand.scoring.cpu_milli, demand.scoring.memory), (scoring.0, scoring.1 * MI), "{spec}");
}

#[track_caller]
fn fails(spec: &Value, want: &str) {
    let error = pod_from_object(&object(spec)).expect_err(want).to_string();
    assert!(error.starts_with(want), "{error}");
}

/// A container with these requests.
fn asks(cpu: &str, memory: &str) -> Value {
    json!({"resources": {"requests": {"cpu": cpu, "memory": memory}}})
}

fn sidecar(cpu: &str, memory: &str) -> Value {
    let mut container = asks(cpu, memory);
    container["restartPolicy"] = json!("Always");
    container
}

#[test]
fn containers_add_up_and_init_containers_do_not() {
    check(&json!({"containers": [asks("100m", "1Mi"), asks("200m", "2Mi")]}), (300, 3), (300, 3));
    check(
        &json!({"containers": [asks("100m", "8Mi")], "initContainers": [asks("1", "1Mi"), asks("500m", "4Mi")]}),
        (1000, 8),
        (1000, 8),
    );
    check(
        &json!({"containers": [asks("100m", "1Mi")], "overhead": {"cpu": "250m", "memory": "10Mi"}}),
        (350, 11),
        (350, 11),
    );
}

#[test]
fn sidecars_add_to_all_that_starts_after_them() {
    // First 1000, then 100 + 800, then 100 + 200 beside the container's 300.
    let init = json!([asks("1", "1Mi"), sidecar("100m", "1Mi"), asks("800m", "1Mi"), sidecar("200m", "1Mi")]);
    check(&json!({"containers": [asks("300m", "1Mi")], "initContainers": init}), (1000, 3), (1000, 3));
    let init = json!([sidecar("100m", "1Mi"), asks("950m", "1Mi"), sidecar("200m", "1Mi")]);
    check(&json!({"containers": [asks("300m", "1Mi")], "initContainers": init}), (1050, 3), (1050, 3));
    let init = json!([sidecar("100m", "1Mi"), sidecar("200m", "1Mi")]);
    check(&json!({"containers": [asks("300m", "1Mi")], "initContainers": init}), (600, 3), (600, 3));
}

#[test]
fn limits_are_requests_where_there_are_none() {
    let resources = json!({"requests": {"cpu": "1"}, "limits": {"cpu": "2", "memory": "5Mi"}});
    check(&json!({"containers": [{"resources": resources}]}), (1000, 5), (1000, 5));
}

#[test]
fn scoring_counts_something_for_containers_that_ask_for_nothing() {
    check(&json!({"containers": [{}]}), (0, 0), (100, 200));
    check(&json!({"containers": [{}, {}], "initContainers": [{}]}), (0, 0), (200, 400));
    check(&json!({"containers": [{}], "overhead": {"cpu": "50m"}}), (50, 0), (150, 200));
    check(&json!({"containers": [asks("10m", "1Mi"), {}]}), (10, 1), (110, 201));
    // Asking for none is an answer.
    check(&json!({"containers": [asks("0", "0")]}), (0, 0), (0, 0));
    check(&json!({"containers": [{}], "initContainers": [sidecar("10m", "1Mi"), {}]}), (10, 1), (110, 201));
}

#[test]
fn requests_of_the_pod_stand_in_for_those_of_its_containers() {
    let containers = json!([asks("100m", "1Mi"), {}]);
    let with = |resources: Value| json!({"containers": containers.clone(), "resources": resources});
    check(&with(json!({"requests": {"cpu": "1", "memory": "8Mi"}})), (1000, 8), (1000, 8));
    // The other one is still the containers', and is not made up since some container asks for it.
    check(&with(json!({"requests": {"cpu": "1"}})), (1000, 1), (1000, 1));
    // Limits of the pod give it the requests of its containers, and then the limits themselves.
    check(&with(json!({"limits": {"cpu": "4"}})), (100, 1), (100, 1));
    check(&with(json!({})), (100, 1), (200, 201));
    let bare = |resources: Value| json!({"containers": [{}, {}], "resources": resources});
    check(&bare(json!({"limits": {"cpu": "4"}})), (4000, 0), (4000, 400));
    check(&bare(json!({"requests": {"memory": "4Mi"}})), (0, 4), (200, 4));
    check(
        &json!({"containers": [{}], "resources": {"requests": {"cpu": "1"}}, "overhead": {"cpu": "1", "memory": "3Mi"}}),
        (2000, 3),
        (2000, 3),
    );
    fails(
        &with(json!({"requests": {"nvidia.com/gpu": "1"}})),
        "spec.resources.requests: a resource is \"nvidia.com/gpu\", want cpu, memory or hugepages-<size>",
    );
}

#[test]
fn other_resources_are_carried_along() {
    let container = json!({"resources": {
        "requests": {"ephemeral-storage": "1Ki", "hugepages-2Mi": "4Mi"},
        "limits": {"nvidia.com/gpu": 2, "example.com/none": 0},
    }});
    let want = Resources {
        ephemeral_storage: 2048,
        extended: [("hugepages-2Mi".into(), 8 * MI), ("nvidia.com/gpu".into(), 4)].into(),
        ..Resources::default()
    };
    assert_eq!(pod(&json!({"containers": [container, container]})).demand.requests, want);
}

#[test]
fn a_bound_pod_counts_with_what_it_has_been_given() {
    let object = |node: &str, condition: Value, status: Value| {
        json!({
            "metadata": {"name": "p"},
            "spec": {"nodeName": node, "containers": [{"name": "c", "resources": {"requests": {"cpu": "2"}}}]},
            "status": {"containerStatuses": [{"name": "other"}, status], "conditions": [condition]},
        })
    };
    let cpu = |object: &Value| pod_from_object(object).unwrap().demand.requests.cpu_milli;
    let given =
        json!({"name": "c", "resources": {"requests": {"cpu": "3"}}, "allocatedResources": {"cpu": "1"}});
    let pending = |reason: &str| json!({"type": "PodResizePending", "reason": reason});
    assert_eq!(cpu(&object("n", json!({}), given.clone())), 3000);
    assert_eq!(cpu(&object("", json!({}), given.clone())), 2000);
    assert_eq!(cpu(&object("n", pending("Deferred"), given)), 3000);
    let less =
        json!({"name": "c", "resources": {"requests": {"cpu": "500m"}}, "allocatedResources": {"cpu": "1"}});
    assert_eq!(cpu(&object("n", pending("Deferred"), less.clone())), 2000);
    assert_eq!(cpu(&object("n", pending("Infeasible"), less)), 1000);
    let unresized = json!({"name": "c", "allocatedResources": {"cpu": "9"}});
    assert_eq!(cpu(&object("n", json!({}), unresized)), 2000);
}

#[test]
fn bad_requests_are_refused() {
    let requests = |requests: Value| json!({"containers": [{}, {"resources": {"requests": requests}}]});
    fails(
        &requests(json!({"cpu": "1.5x"})),
        "spec.containers[1].resources.requests.cpu: quantity \"1.5x\" has the",
    );
    fails(
        &requests(json!({"cpu": [1]})),
        "spec.containers[1].resources.requests.cpu: invalid type: sequence",
    );
    fails(
        &requests(json!({"cpu": "-1"})),
        "spec.containers[1].resources.requests.cpu is -1, want at least 0",
    );
    fails(
        &requests(json!({"gpu": "1"})),
        "spec.containers[1].resources.requests: a resource is \"gpu\", want cpu,",
    );
    fails(&requests(json!({"memory": "4Ei"})), "spec.requests.memory is 4611686018427387904, want at most");
    fails(
        &requests(json!({"cpu": "9999999T"})),
        "spec.containers[1].resources.requests.cpu: quantity \"9999999T\"",
    );
    fails(&json!({"containers": []}), "spec.containers is missing, want at least one container");
    fails(&json!({"containers": {}}), "spec.containers: invalid type: map, expected a sequence");
    fails(&Value::Null, "spec.containers is missing");
}

#[test]
fn host_ports_are_those_of_containers_that_stay() {
    let port = |host: i64, ip: &str, protocol: &str| json!({"containerPort": 80, "hostPort": host, "hostIP": ip, "protocol": protocol});
    let spec = json!({
        "containers": [
            {"ports": [port(8080, "", "TCP"), {"containerPort": 81}, port(53, "10.0.0.1", "UDP")]},
            {"ports": [port(8080, "0.0.0.0", "")]},
        ],
        "initContainers": [
            {"ports": [port(1, "", "")]},
            {"restartPolicy": "Always", "ports": [port(132, "", "SCTP")]},
        ],
    });
    let want = |protocol, ip: &str, port| HostPort { protocol, ip: ip.into(), port };
    assert_eq!(
        pod(&spec).demand.ports,
        [want(Protocol::Tcp, "", 8080), want(Protocol::Udp, "10.0.0.1", 53), want(Protocol::Sctp, "", 132)]
    );
    let spec =
        json!({"hostNetwork": true, "containers": [{"ports": [{"containerPort": 81}, port(82, "", "")]}]});
    assert_eq!(pod(&spec).demand.ports, [want(Protocol::Tcp, "", 81), want(Protocol::Tcp, "", 82)]);
    let bad = |port: Value, want: &str| fails(&json!({"containers": [{"ports": [port]}]}), want);
    bad(json!({"hostPort": 65536}), "spec.containers[0].ports[0].hostPort is 65536, want 1 to 65535");
    bad(json!({"hostPort": -1}), "spec.containers[0].ports[0].hostPort is -1, want 1 to 65535");
    bad(
        json!({"hostPort": 1, "protocol": "ICMP"}),
        "spec.containers[0].ports[0].protocol is \"ICMP\", want TCP, UDP or",
    );
    fails(
        &json!({"hostNetwork": true, "containers": [{"ports": [{}]}]}),
        "spec.containers[0].ports[0].containerPort is 0, want 1 to 65535",
    );
}

/// A pod that requires one label expression.
fn requires(expression: &Value) -> Value {
    json!({
        "containers": [{}],
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": [expression]}],
        }}},
    })
}

#[test]
fn node_affinity_is_translated() {
    for (operator, values, want) in [
        ("In", json!(["a", "b"]), Operator::In(vec!["a".into(), "b".into()])),
        ("NotIn", json!(["a"]), Operator::NotIn(vec!["a".into()])),
        ("Exists", json!([]), Operator::Exists),
        ("DoesNotExist", json!(null), Operator::DoesNotExist),
        ("Gt", json!(["5"]), Operator::GreaterThan(5)),
        ("Lt", json!(["-5"]), Operator::LessThan(-5)),
    ] {
        let spec = requires(&json!({"key": "k", "operator": operator, "values": values}));
        let labels = vec![Requirement { key: "k".into(), operator: want }];
        let terms = vec![SelectorTerm { labels, fields: Vec::new() }];
        assert_eq!(pod(&spec).demand.constraints.required, Some(terms));
    }
    let fields = json!([{"key": "metadata.name", "operator": "In", "values": ["n1"]}]);
    let spec = json!({
        "containers": [{}],
        "nodeSelector": {"disk": "ssd"},
        "affinity": {"nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []},
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 100, "preference": {"matchFields": fields}},
            ],
        }},
    });
    let constraints = pod(&spec).demand.constraints;
    assert_eq!(constraints.node_selector, [("disk".to_owned(), "ssd".to_owned())].into());
    assert_eq!(constraints.required, Some(Vec::new()));
    let name = Requirement { key: "metadata.name".into(), operator: Operator::In(vec!["n1".into()]) };
    let term = SelectorTerm { labels: Vec::new(), fields: vec![name] };
    assert_eq!(constraints.preferred, [PreferredTerm { weight: 100, term }]);
}

#[test]
fn bad_node_affinity_is_refused() {
    let at = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0]";
    for (expression, want) in [
        (
            json!({"key": "k", "operator": "Near"}),
            "operator is \"Near\", want In, NotIn, Exists, DoesNotExist, Gt or",
        ),
        (json!({"key": "k"}), "operator is \"\", want In,"),
        (json!({"operator": "Exists"}), "key is missing, want a label's key"),
        (json!({"key": "k", "operator": "In"}), "values is a list of 0, want at least one with operator In"),
        (
            json!({"key": "k", "operator": "Exists", "values": ["a"]}),
            "values is a list of 1, want none with operator",
        ),
        (
            json!({"key": "k", "operator": "Gt", "values": ["1", "2"]}),
            "values is a list of 2, want exactly one with operator Gt",
        ),
        (
            json!({"key": "k", "operator": "Lt", "values": ["1.5"]}),
            "values[0] is \"1.5\", want a whole number",
        ),
        (json!({"key": "k", "operator": "Lt", "values": [1]}), "values[0]: invalid type: integer `1`"),
    ] {
        fails(&requires(&expression), &format!("{at}.matchExpressions[0].{want}"));
    }
    let preferred = |term: Value| {
        let preferred = json!({"preferredDuringSchedulingIgnoredDuringExecution": [term]});
        json!({"containers": [{}], "affinity": {"nodeAffinity": preferred}})
    };
    let at = "spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0]";
    for weight in [0, 101, 1_i64 << 40] {
        fails(&preferred(json!({"weight": weight})), &format!("{at}.weight is {weight}, want 1 to 100"));
    }
    for (field, want) in [
        (
            json!({"key": "spec.x", "operator": "In", "values": ["a"]}),
            "key is \"spec.x\", want metadata.name",
        ),
        (
            json!({"key": "metadata.name", "operator": "Exists", "values": ["a"]}),
            "operator is \"Exists\", want In or NotIn",
        ),
        (
            json!({"key": "metadata.name", "operator": "In", "values": ["a", "b"]}),
            "values is a list of 2, want exactly one",
        ),
    ] {
        let spec = preferred(json!({"weight": 1, "preference": {"matchFields": [field]}}));
        fails(&spec, &format!("{at}.preference.matchFields[0].{want}"));
    }
}

#[test]
fn tolerations_are_translated() {
    let one = |toleration: Value| {
        pod(&json!({"containers": [{}], "tolerations": [toleration]})).demand.constraints.tolerations
    };
    let equal = |key: &str, value: &str, effect| {
        vec![Toleration { key: key.into(), operator: TolerationOperator::Equal(value.into()), effect }]
    };
    assert_eq!(one(json!({"key": "a", "value": "b"})), equal("a", "b", None));
    assert_eq!(
        one(json!({"key": "a", "operator": "Equal", "effect": "NoExecute", "tolerationSeconds": 300})),
        equal("a", "", Some(TaintEffect::NoExecute))
    );
    let all = Toleration { key: String::new(), operator: TolerationOperator::Exists, effect: None };
    assert_eq!(one(json!({"operator": "Exists"})), [all]);
    for (toleration, want) in [
        (json!({"operator": "Gt", "key": "a"}), "operator is \"Gt\", want Equal or Exists"),
        (json!({"operator": "Exists", "value": "b"}), "value is \"b\", want no value with operator Exists"),
        (json!({"value": "b"}), "operator is \"\", want Exists, since the key is empty"),
        (
            json!({"key": "a", "effect": "No"}),
            "effect is \"No\", want NoSchedule, PreferNoSchedule or NoExecute",
        ),
    ] {
        fails(
            &json!({"containers": [{}], "tolerations": [toleration]}),
            &format!("spec.tolerations[0].{want}"),
        );
    }
}

#[test]
fn what_is_not_honoured_is_listed() {
    let none = pod(&json!({
        "containers": [{}],
        "volumes": [{"name": "v", "emptyDir": {}}, {"name": "c", "configMap": {"name": "x"}}],
        "affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": []}},
        "schedulingGates": null,
    }));
    assert!(none.unsupported.is_empty());
    let some = pod(&json!({
        "containers": [{}],
        "schedulingGates": [{"name": "g"}],
        "resourceClaims": [{"name": "r"}],
        "volumes": [{"emptyDir": {}}, {"persistentVolumeClaim": {"claimName": "c"}}, {"ephemeral": {}}],
    }));
    assert_eq!(
        some.unsupported,
        [
            "spec.schedulingGates",
            "spec.resourceClaims",
            "spec.volumes[1].persistentVolumeClaim",
            "spec.volumes[2].ephemeral",
        ]
    );
}

#[test]
fn the_view_says_who_the_pod_is() {
    let bound = pod_from_object(&json!({
        "metadata": {"name": "p", "namespace": "ns", "uid": "u", "deletionTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"containers": [{}], "nodeName": "n", "schedulerName": "s", "priority": -5, "preemptionPolicy": "Never"},
        "status": {"phase": "Running"},
    }))
    .unwrap();
    let want = PodView {
        namespace: "ns".into(),
        name: "p".into(),
        uid: "u".into(),
        scheduler_name: "s".into(),
        priority: -5,
        never_preempts: true,
        bound_to: Some("n".into()),
        phase: Phase::Running,
        deleting: true,
        stays: false,
        is_controlled: false,
        is_unsafe_to_evict: false,
    };
    assert_eq!(bound.view, want);
    for (metadata, moves) in [
        (json!({"ownerReferences": [{"kind": "Job", "name": "j", "controller": true}]}), (true, false)),
        (json!({"ownerReferences": [{"kind": "Job", "name": "j"}]}), (false, false)),
        (json!({"annotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}}), (false, true)),
        (json!({"annotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": "true"}}), (false, false)),
    ] {
        let mut object = json!({"metadata": metadata, "spec": {"containers": [{}]}});
        object["metadata"]["name"] = "p".into();
        let PodView { is_controlled, is_unsafe_to_evict, .. } = pod_from_object(&object).unwrap().view;
        assert_eq!((is_controlled, is_unsafe_to_evict), moves, "{object}");
    }
    for (metadata, stays) in [
        (json!({"ownerReferences": [{"kind": "DaemonSet", "name": "d", "controller": true}]}), true),
        (json!({"ownerReferences": [{"kind": "ReplicaSet", "name": "r", "controller": true}]}), false),
        (json!({"annotations": {"kubernetes.io/config.mirror": "x"}}), true),
    ] {
        let mut object = json!({"metadata": metadata, "spec": {"containers": [{}]}});
        object["metadata"]["name"] = "p".into();
        assert_eq!(pod_from_object(&object).unwrap().view.stays, stays, "{object}");
    }
    assert!(bound.view.holds_resources());
    // A bound pod is of the class of its pending siblings; only who asks for it gets the name of the host as well.
    let pending = pod_from_object(&json!({"metadata": {"name": "q"}, "spec": {"containers": [{}]}})).unwrap();
    assert_eq!(bound.demand.requests, pending.demand.requests);
    assert_eq!(bound.demand.constraints, pending.demand.constraints);
    assert_eq!(bound.pinned_demand().constraints.node_name.as_deref(), Some("n"));
    assert_eq!(pending.pinned_demand(), pending.demand);
    assert_eq!(pending.view.key(), "default/q");
    assert_eq!(pending.view.scheduler_name, DEFAULT_SCHEDULER_NAME);
    assert_eq!(pending.demand.scoring, ScoringRequests { cpu_milli: 100, memory: 200 * MI });
    for (object, want) in [
        (json!("pod"), "object: invalid type: \"pod\", expected an object"),
        (json!({"kind": "Node"}), "kind is \"Node\", want Pod"),
        (json!({"kind": "Pod"}), "metadata.name is missing, want the pod's name"),
        (
            json!({"metadata": {"name": "p"}, "status": {"phase": "Lost"}}),
            "status.phase is \"Lost\", want Pending,",
        ),
        (json!({"spec": {"priority": 1_u64 << 40}}), "spec.priority: invalid value: integer `1099511627776`"),
    ] {
        let error = pod_from_object(&object).expect_err(want).to_string();
        assert!(error.starts_with(want), "{error}");
    }
}

/// Any JSON value, with names that the translation looks at.
fn anything() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec![
        "metadata",
        "name",
        "spec",
        "status",
        "containers",
        "initContainers",
        "resources",
        "requests",
        "limits",
        "cpu",
        "affinity",
        "nodeAffinity",
        "requiredDuringSchedulingIgnoredDuringExecution",
        "nodeSelectorTerms",
        "matchExpressions",
        "key",
        "operator",
        "values",
        "tolerations",
        "ports",
        "hostPort",
        "allocatable",
        "taints",
    ]);
    let text = prop::sample::select(vec![
        "",
        "p",
        "1",
        "-1",
        "9E",
        "1e9",
        "In",
        "Gt",
        "Exists",
        "Always",
        "NoSchedule",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(8, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..6).prop_map(|fields| {
                Value::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
            }),
        ]
    })
}

proptest! {
    #[test]
    fn no_object_panics(value in anything(), spec in anything()) {
        let _ = pod_from_object(&value);
        let _ = crate::host_from_node(&value);
        let _ = pod_from_object(&json!({"metadata": {"name": "p"}, "spec": spec}));
        let _ = pod_from_object(&json!({"metadata": {"name": "p"}, "spec": {"containers": [spec]}}));
    }

    #[test]
    fn scoring_is_never_less_than_requests(
        containers in prop::collection::vec((0_u8..3, prop::option::of(0_i64..5000)), 1..8),
    ) {
        let mut spec = json!({"containers": [{}], "initContainers": []});
        for (role, cpu) in containers {
            let mut container = json!({"resources": {"requests": cpu.map_or(json!({}), |cpu| json!({"cpu": format!("{cpu}m")}))}});
            if role == 2 {
                container["restartPolicy"] = json!("Always");
            }
            let list = if role == 0 { "containers" } else { "initContainers" };
            spec[list].as_array_mut().unwrap().push(container);
        }
        let demand = pod(&spec).demand;
        prop_assert!(demand.scoring.cpu_milli >= demand.requests.cpu_milli);
    }
}

fn terms(mut spec: serde_json::Value) -> Result<meridian_engine::PodTerms, String> {
    spec["containers"] = json!([{}]);
    let labels = json!({"app": "web", "pod-template-hash": "1"});
    let owners = json!([{"kind": "ReplicaSet", "controller": true}]);
    let metadata = json!({"name": "p", "labels": labels, "ownerReferences": owners});
    let pod = pod_from_object(&json!({"metadata": metadata, "spec": spec}));
    pod.map(|pod| pod.demand.terms).map_err(|error| error.to_string())
}

#[test]
fn terms_between_pods_are_translated() {
    let selector = json!({"matchLabels": {"app": "web"}});
    let terms = terms(json!({
        "topologySpreadConstraints": [{
            "maxSkew": 2, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "minDomains": 3,
            "labelSelector": selector, "matchLabelKeys": ["pod-template-hash", "absent"], "nodeTaintsPolicy": "Honor",
        }],
        "affinity": {"podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [
                {"topologyKey": "host", "labelSelector": selector, "mismatchLabelKeys": ["app"]}],
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 9, "podAffinityTerm": {"topologyKey": "rack", "namespaceSelector": {}}}],
        }},
    }))
    .unwrap();
    let requirement = |key: &str, operator| Requirement { key: key.to_owned(), operator };
    let web = || requirement("app", Operator::In(vec!["web".to_owned()]));
    let hash = || requirement("pod-template-hash", Operator::In(vec!["1".to_owned()]));
    let spread = &terms.spread[0];
    assert_eq!(spread.selector, Some(vec![web(), hash()]));
    assert_eq!((spread.max_skew, spread.min_domains, spread.is_required), (2, Some(3), true));
    assert!(spread.honors_affinity && spread.honors_taints);
    assert_eq!(terms.default_spread, Some(vec![web(), hash()]));
    let other = requirement("app", Operator::NotIn(vec!["web".to_owned()]));
    assert_eq!(terms.anti_affinity[0].selector, Some(vec![web(), other]));
    assert_eq!(
        (terms.preferred[0].weight, &terms.preferred[0].term.namespace_selector),
        (-9, &Some(Vec::new()))
    );
}

#[test]
fn terms_that_make_no_sense_are_refused_with_their_place() {
    let spread = |given: serde_json::Value| terms(json!({"topologySpreadConstraints": [given]})).unwrap_err();
    let skew = json!({"maxSkew": 0, "topologyKey": "z", "whenUnsatisfiable": "DoNotSchedule"});
    assert_eq!(spread(skew), "spec.topologySpreadConstraints[0].maxSkew is 0, want 1 to 2147483647");
    let domains =
        json!({"maxSkew": 1, "topologyKey": "z", "whenUnsatisfiable": "ScheduleAnyway", "minDomains": 2});
    assert_eq!(
        spread(domains),
        "spec.topologySpreadConstraints[0].minDomains is 2, want none, since whenUnsatisfiable is ScheduleAnyway"
    );
    let near = |term: serde_json::Value| {
        let required = json!({"requiredDuringSchedulingIgnoredDuringExecution": [term]});
        terms(json!({"affinity": {"podAffinity": required}})).unwrap_err()
    };
    let place = "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0]";
    let both = json!({"topologyKey": "z", "labelSelector": {}, "matchLabelKeys": ["app"], "mismatchLabelKeys": ["app"]});
    assert!(near(both).starts_with(&format!("{place}.mismatchLabelKeys[0] is \"app\"")));
    let operator =
        json!({"topologyKey": "z", "labelSelector": {"matchExpressions": [{"key": "a", "operator": "Gt"}]}});
    assert!(
        near(operator).starts_with(&format!("{place}.labelSelector.matchExpressions[0].operator is \"Gt\""))
    );
    assert!(near(json!({})).starts_with(&format!("{place}.topologyKey is missing")));
}

#[test]
fn a_virtual_machine_stands_in_the_place_of_containers() {
    let pod = |spec: Value| pod_from_object(&json!({"metadata": {"name": "vm"}, "spec": spec}));
    let resources = json!({"requests": {"cpu": "4"}, "limits": {"cpu": "8", "memory": "16Gi"}});
    let machine = json!({"flavor": "large", "image": "debian", "resources": resources});
    let machine = pod(json!({"virtualMachine": machine, "overhead": {"memory": "64Mi"}})).unwrap();
    assert_eq!(machine.demand.runtime, Runtime::VirtualMachine);
    assert_eq!(machine.demand.requests.cpu_milli, 4_000);
    assert_eq!(machine.demand.requests.memory, (16 << 30) + (64 << 20));
    assert!(machine.unsupported.is_empty());
    // A flavor that nobody has looked up says nothing of its size.
    let unknown = pod(json!({"virtualMachine": {"flavor": "large"}})).unwrap();
    assert_eq!(unknown.unsupported, ["spec.virtualMachine.flavor"]);
    let both = pod(json!({"virtualMachine": {}, "containers": [{"name": "c"}]})).unwrap_err();
    let want = "spec.containers[0].name is \"c\", want no containers beside a virtualMachine";
    assert_eq!(both.to_string(), want);
    let wrong = pod(json!({"virtualMachine": {"resources": {"requests": {"gold": "1"}}}})).unwrap_err();
    let want = "spec.virtualMachine.resources.requests: a resource is \"gold\"";
    assert!(wrong.to_string().starts_with(want), "{wrong}");
}

#[test]
fn annotations_ask_for_numa_nodes_and_cpus_of_ones_own() {
    let pod = |annotations: Value, requests: Value| {
        let spec = json!({"containers": [{"name": "c", "resources": {"limits": requests}}]});
        pod_from_object(&json!({"metadata": {"name": "p", "annotations": annotations}, "spec": spec}))
    };
    let numa = |annotations| pod(annotations, json!({"cpu": "4", "memory": "8Gi"})).unwrap().demand.numa;
    assert_eq!(numa(json!({"example.com/other": "1"})), None);
    assert_eq!(numa(json!({"meridian.io/cpu-policy": "shared"})), None);
    let (nodes, policy) = ("meridian.io/numa-nodes", "meridian.io/cpu-policy");
    assert_eq!(numa(json!({nodes: "2"})), Some(NumaDemand { nodes: 2, pinned: false }));
    assert_eq!(numa(json!({policy: "dedicated"})), Some(NumaDemand { nodes: 1, pinned: true }));
    let cpus = |cpu: &str| json!({"cpu": cpu, "memory": "1Gi"});
    let pages = json!({"cpu": "2", "hugepages-1Gi": "3Gi"});
    for (annotations, requests, want) in [
        (
            json!({nodes: "9"}),
            cpus("4"),
            "metadata.annotations[\"meridian.io/numa-nodes\"] is \"9\", want 1 to 8",
        ),
        (
            json!({policy: "mine"}),
            cpus("4"),
            "metadata.annotations[\"meridian.io/cpu-policy\"] is \"mine\", want shared or",
        ),
        (
            json!({policy: "dedicated"}),
            cpus("1500m"),
            "cpu is 1500 thousandths, want whole CPUs on each of 1 NUMA nodes",
        ),
        (
            json!({policy: "dedicated", nodes: "2"}),
            cpus("3"),
            "cpu is 3000 thousandths, want whole CPUs on each of 2",
        ),
        (
            json!({nodes: "2"}),
            pages,
            "metadata.annotations[\"meridian.io/numa-nodes\"] is \"2\", want as many hugepages-1Gi",
        ),
    ] {
        let error = pod(annotations, requests).unwrap_err().to_string();
        assert!(error.contains(want), "{error}, want {want}");
    }
}

#[test]
fn huge_pages_come_whole() {
    let pod = |requests: Value| {
        let spec = json!({"containers": [{"name": "c", "resources": {"limits": requests}}]});
        pod_from_object(&json!({"metadata": {"name": "p"}, "spec": spec}))
    };
    let demand = pod(json!({"cpu": "1", "hugepages-2Mi": "6Mi"})).unwrap().demand;
    assert_eq!(demand.requests.extended, [("hugepages-2Mi".to_owned(), 6 << 20)].into());
    for (requests, want) in [
        (
            json!({"hugepages-2Mi": "3Mi"}),
            "limits.hugepages-2Mi is 3145728, want a multiple of the page size, 2097152",
        ),
        (
            json!({"hugepages-huge": "2Mi"}),
            "limits: a resource is \"hugepages-huge\", want hugepages-<size>, such as",
        ),
    ] {
        let error = pod(requests).unwrap_err().to_string();
        assert!(error.contains(want), "{error}, want {want}");
    }
}
