use meridian_engine::{FilterPlugin, FitStrategy, ResourceWeight, ScorePlugin, ShapePoint};

use proptest::prelude::*;

use super::*;

/// The only profile of a kube-scheduler configuration, the rest of which is `rest`.
fn one(rest: &str) -> Profile {
    let text = format!("apiVersion: {KUBERNETES_API_VERSION}\nkind: KubeSchedulerConfiguration\n{rest}");
    let mut profiles = profiles_from_configuration(&text).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(profiles.len(), 1);
    profiles.remove(0)
}

fn weights(profile: &Profile) -> Vec<(&'static str, i64)> {
    profile.scores.iter().map(|score| (score.plugin.name(), score.weight)).collect()
}

#[track_caller]
fn fails(rest: &str, want: &str) {
    let text = format!("apiVersion: {KUBERNETES_API_VERSION}\nkind: KubeSchedulerConfiguration\n{rest}");
    let error = profiles_from_configuration(&text).expect_err(rest).to_string();
    assert!(error.starts_with(want), "{error}");
}

#[test]
fn an_empty_configuration_is_the_default_scheduler() {
    assert_eq!(one(""), Profile::kubernetes());
    assert_eq!(one("profiles: []"), Profile::kubernetes());
    assert_eq!(one("profiles: [{}]"), Profile::kubernetes());
    let json = r#"{"apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration",
        "leaderElection": {"leaderElect": false}, "percentageOfNodesToScore": 100, "parallelism": 16}"#;
    assert_eq!(profiles_from_configuration(json).unwrap(), [Profile::kubernetes()]);
}

#[test]
fn our_own_kind_has_our_arithmetic_and_plugins() {
    let text = format!(
        "apiVersion: {MERIDIAN_API_VERSION}
kind: SchedulerConfiguration
profiles:
- schedulerName: packing
  plugins:
    score:
      disabled: [{{name: '*'}}]
      enabled: [{{name: BestFit, weight: 7}}]
- schedulerName: plain
"
    );
    let profiles = profiles_from_configuration(&text).unwrap();
    assert_eq!(profiles[0].arithmetic, Arithmetic::Meridian);
    assert_eq!(profiles[0].filters, FilterPlugin::ALL);
    assert_eq!(weights(&profiles[0]), [("BestFit", 7)]);
    assert_eq!(profiles[1], Profile { name: "plain".into(), ..Profile::meridian() });
}

#[test]
fn plugins_are_enabled_and_disabled_as_in_kube_scheduler() {
    let all = [
        ("TaintToleration", 3),
        ("NodeAffinity", 2),
        ("NodeResourcesFit", 1),
        ("PodTopologySpread", 2),
        ("InterPodAffinity", 2),
        ("NodeResourcesBalancedAllocation", 1),
    ];
    for (plugins, want) in [
        ("{}", &all[..]),
        ("{score: {disabled: [{name: NodeAffinity}]}}", &[all[0], all[2], all[3], all[4], all[5]]),
        ("{multiPoint: {disabled: [{name: TaintToleration}]}}", &all[1..]),
        ("{score: {disabled: [{name: '*'}]}}", &[]),
        ("{score: {disabled: [{name: '*'}], enabled: [{name: NodeAffinity}]}}", &[("NodeAffinity", 1)]),
        // A weight is changed by disabling and enabling, or by enabling alone.
        (
            "{score: {disabled: [{name: TaintToleration}], enabled: [{name: TaintToleration, weight: 9}]}}",
            &[("TaintToleration", 9), all[1], all[2], all[3], all[4], all[5]],
        ),
        (
            "{multiPoint: {enabled: [{name: TaintToleration, weight: 9}]}}",
            &[("TaintToleration", 9), all[1], all[2], all[3], all[4], all[5]],
        ),
        // What is said of the one role counts more.
        (
            "{multiPoint: {enabled: [{name: TaintToleration, weight: 9}]}, \
              score: {enabled: [{name: TaintToleration, weight: 5}]}}",
            &[("TaintToleration", 5), all[1], all[2], all[3], all[4], all[5]],
        ),
        // What we lack may be left out.
        (
            "{multiPoint: {disabled: [{name: VolumeBinding}]}, score: {disabled: [{name: ImageLocality}]}}",
            &all,
        ),
        ("{postFilter: {disabled: [{name: DefaultPreemption}]}}", &all),
        (
            "{multiPoint: {disabled: [{name: '*'}], enabled: [{name: PrioritySort}, {name: DefaultBinder}, \
              {name: NodePorts}, {name: NodeResourcesFit, weight: 4}]}, queueSort: {enabled: [{name: PrioritySort}]}}",
            &[("NodeResourcesFit", 4)],
        ),
    ] {
        assert_eq!(weights(&one(&format!("profiles: [{{plugins: {plugins}}}]"))), want, "{plugins}");
    }
    let filters = |plugins: &str| one(&format!("profiles: [{{plugins: {plugins}}}]")).filters;
    assert_eq!(
        filters("{filter: {disabled: [{name: NodeName}, {name: TaintToleration}]}}"),
        [
            FilterPlugin::NodeUnschedulable,
            FilterPlugin::NodeAffinity,
            FilterPlugin::RuntimeReady,
            FilterPlugin::NodePorts,
            FilterPlugin::NodeResourcesFit,
            FilterPlugin::DeviceFit,
            FilterPlugin::NumaTopology,
            FilterPlugin::PodTopologySpread,
            FilterPlugin::InterPodAffinity,
        ]
    );
    assert_eq!(
        filters(
            "{filter: {disabled: [{name: '*'}], enabled: [{name: NodePorts}, {name: NodeResourcesFit}]}}"
        ),
        [
            FilterPlugin::RuntimeReady,
            FilterPlugin::NodePorts,
            FilterPlugin::NodeResourcesFit,
            FilterPlugin::DeviceFit,
            FilterPlugin::NumaTopology,
        ]
    );
}

#[test]
fn arguments_are_taken_over() {
    let profile = one("
profiles:
- schedulerName: bin-packing
  pluginConfig:
  - name: NodeResourcesFit
    args:
      apiVersion: kubescheduler.config.k8s.io/v1
      kind: NodeResourcesFitArgs
      scoringStrategy:
        type: RequestedToCapacityRatio
        resources: [{name: cpu}, {name: nvidia.com/gpu, weight: 5}]
        requestedToCapacityRatio:
          shape: [{utilization: 0, score: 0}, {utilization: 100, score: 10}]
  - name: NodeResourcesBalancedAllocation
    args: {resources: [{name: nvidia.com/gpu, weight: 1}]}
  - name: NodeAffinity
    args: {kind: NodeAffinityArgs}
  - name: InterPodAffinity
    args: {hardPodAffinityWeight: 7, ignorePreferredTermsOfExistingPods: true}
  - name: PodTopologySpread
    args:
      defaultingType: List
      defaultConstraints: [{maxSkew: 2, topologyKey: rack, whenUnsatisfiable: ScheduleAnyway}]
");
    let weight = |name: &str, weight| ResourceWeight { resource: name.into(), weight };
    let point = |utilization, score| ShapePoint { utilization, score };
    assert_eq!(profile.name, "bin-packing");
    assert_eq!(
        profile.scores[2].plugin,
        ScorePlugin::NodeResourcesFit {
            strategy: FitStrategy::RequestedToCapacityRatio(vec![point(0, 0), point(100, 10)]),
            resources: vec![weight("cpu", 1), weight("nvidia.com/gpu", 5)],
        }
    );
    assert_eq!(
        profile.scores[5].plugin,
        ScorePlugin::NodeResourcesBalancedAllocation { resources: vec![weight("nvidia.com/gpu", 1)] }
    );
    assert_eq!(profile.topology.hard_pod_affinity_weight, 7);
    assert!(profile.topology.ignores_preferred_terms_of_existing_pods);
    let [rack] = profile.topology.default_spread.constraints() else { panic!("one constraint is given") };
    assert_eq!((&*rack.topology_key, rack.max_skew, rack.is_required), ("rack", 2, false));
    let most = one(
        "profiles: [{pluginConfig: [{name: NodeResourcesFit, args: {scoringStrategy: {type: MostAllocated}}}]}]",
    );
    assert!(matches!(
        &most.scores[2].plugin,
        ScorePlugin::NodeResourcesFit { strategy: FitStrategy::MostAllocated, resources } if resources.len() == 2
    ));
}

#[test]
fn preemption_is_left_out_where_the_file_says_so() {
    for (plugins, preempts) in [
        ("{}", true),
        ("{postFilter: {disabled: [{name: DefaultPreemption}]}}", false),
        ("{postFilter: {disabled: [{name: '*'}]}}", false),
        ("{postFilter: {disabled: [{name: '*'}], enabled: [{name: DefaultPreemption}]}}", true),
        ("{multiPoint: {disabled: [{name: DefaultPreemption}]}}", false),
        (
            "{multiPoint: {disabled: [{name: DefaultPreemption}]}, postFilter: {enabled: [{name: DefaultPreemption}]}}",
            true,
        ),
        (
            "{multiPoint: {disabled: [{name: '*'}], enabled: [{name: NodePorts}, {name: NodeResourcesFit}]}}",
            false,
        ),
        ("{multiPoint: {enabled: [{name: DefaultPreemption}, {name: SchedulingGates}]}}", true),
        ("{preEnqueue: {enabled: [{name: SchedulingGates}]}}", true),
    ] {
        let text = format!(
            "apiVersion: {KUBERNETES_API_VERSION}\nkind: KubeSchedulerConfiguration\nprofiles: [{{plugins: {plugins}}}]"
        );
        let configuration =
            scheduler_configuration(&text).unwrap_or_else(|error| panic!("{plugins}: {error}"));
        assert_eq!(configuration.without_preemption.is_empty(), preempts, "{plugins}");
    }
    fails(
        "profiles: [{plugins: {filter: {enabled: [{name: DefaultPreemption}]}}}]",
        "profiles[0].plugins.filter.enabled[0].name: plugin DefaultPreemption is not supported yet",
    );
}

#[test]
fn arguments_of_what_is_not_chosen_here_are_accepted() {
    let profile = one("
profiles:
- pluginConfig:
  - name: DefaultPreemption
    args: {kind: DefaultPreemptionArgs, minCandidateNodesPercentage: 10, minCandidateNodesAbsolute: 100}
  - name: VolumeBinding
    args: {kind: VolumeBindingArgs, bindTimeoutSeconds: 600}
");
    assert_eq!(profile, Profile::kubernetes());
}

#[test]
fn the_head_of_the_file_must_be_right() {
    for (text, want) in [
        ("", "object: invalid type: null, expected an object"),
        ("[]", "object: invalid type: sequence, expected an object"),
        ("{}", "apiVersion is \"\", want kubescheduler.config.k8s.io/v1 or meridian.io/v1"),
        (
            "apiVersion: kubescheduler.config.k8s.io/v1beta3\nkind: KubeSchedulerConfiguration",
            "apiVersion is \"kubescheduler.config.k8s.io/v1beta3\", want",
        ),
        (
            "apiVersion: meridian.io/v1\nkind: KubeSchedulerConfiguration",
            "kind is \"KubeSchedulerConfiguration\", want Sched",
        ),
    ] {
        let error = profiles_from_configuration(text).expect_err(text).to_string();
        assert!(error.starts_with(want), "{error}");
    }
    let large = " ".repeat(1 << 20) + "a: 1";
    let error = profiles_from_configuration(&large).unwrap_err().to_string();
    assert_eq!(error, "the text has more than 1048576 bytes, want at most 1048576");
}

#[test]
fn errors_say_where() {
    fails("profile: []", "profile: unknown field `profile`, expected one of");
    fails("profiles: {}", "profiles: invalid type: map, expected a sequence");
    fails("extenders: [{urlPrefix: x}]", "extenders: a scheduler extender is not supported yet");
    fails("parallelism: 0", "parallelism is 0, want 1 to 100000");
    fails("percentageOfNodesToScore: 101", "percentageOfNodesToScore is 101, want 0 to 100");
    fails("podMaxBackoffSeconds: 0", "podMaxBackoffSeconds is 0, want at least podInitialBackoffSeconds");
    fails(
        "profiles: [{}, {}]",
        "profiles[0].schedulerName is missing, want a name of its own for each profile",
    );
    fails("profiles: [{schedulerName: ''}]", "profiles[0].schedulerName is \"\", want");
    fails(
        "profiles: [{schedulerName: a}, {schedulerName: a}]",
        "profiles[1].schedulerName: \"a\" is given twice, want it once",
    );
    let plugins = |plugins: &str, want: &str| fails(&format!("profiles: [{{plugins: {plugins}}}]"), want);
    plugins(
        "{score: {enabled: [{name: NodeAffinity}, {name: Foo}]}}",
        "profiles[0].plugins.score.enabled[1].name: unknown plugin \"Foo\", want one of NodeUnschedulable, NodeName,",
    );
    plugins(
        "{score: {disabled: [{name: Foo}]}}",
        "profiles[0].plugins.score.disabled[0].name: unknown plugin \"Foo\"",
    );
    plugins(
        "{score: {enabled: [{}]}}",
        "profiles[0].plugins.score.enabled[0].name is missing, want a plugin's name",
    );
    plugins("{scores: {}}", "profiles[0].plugins.scores: unknown field `scores`");
    plugins("{score: {enable: []}}", "profiles[0].plugins.score.enable: unknown field `enable`");
    plugins(
        "{score: {enabled: [{name: 1}]}}",
        "profiles[0].plugins.score.enabled[0].name: invalid type: integer `1`",
    );
    for weight in ["0", "-1", "1001"] {
        plugins(
            &format!("{{score: {{enabled: [{{name: NodeAffinity, weight: {weight}}}]}}}}"),
            &format!("profiles[0].plugins.score.enabled[0].weight is {weight}, want 1 to 1000"),
        );
    }
    plugins(
        "{multiPoint: {enabled: [{name: NodeAffinity}, {name: NodeAffinity}]}}",
        "profiles[0].plugins.multiPoint.enabled[1].name: \"NodeAffinity\" is given twice, want it once",
    );
    plugins(
        "{multiPoint: {enabled: [{name: VolumeBinding}]}}",
        "profiles[0].plugins.multiPoint.enabled[0].name: plugin VolumeBinding is not supported yet",
    );
    plugins(
        "{multiPoint: {enabled: [{name: BestFit}]}}",
        "profiles[0].plugins.multiPoint.enabled[0].name: unknown plugin",
    );
    plugins(
        "{score: {enabled: [{name: NodeName}]}}",
        "profiles[0].plugins.score.enabled[0].name is \"NodeName\", want a plugin that scores",
    );
    plugins(
        "{filter: {enabled: [{name: NodeName, weight: 2}]}}",
        "profiles[0].plugins.filter.enabled[0].weight is 2, want no weight",
    );
    plugins(
        "{preFilter: {disabled: [{name: NodeResourcesFit}]}}",
        "profiles[0].plugins.preFilter.disabled[0].name: leaving out \"NodeResourcesFit\" at preFilter is not supported",
    );
    plugins(
        "{reserve: {enabled: [{name: VolumeBinding}]}}",
        "profiles[0].plugins.reserve.enabled[0].name: plugin VolumeBinding at reserve is not supported yet",
    );
    plugins(
        "{filter: {disabled: [{name: NodeResourcesFit}]}}",
        "profiles[0]: profile default-scheduler: filter NodeResourcesFit cannot be disabled",
    );
    plugins(
        "{multiPoint: {disabled: [{name: '*'}]}}",
        "profiles[0]: profile default-scheduler: filter NodePorts cannot",
    );
}

#[test]
fn errors_in_arguments_say_where() {
    let fit = |args: &str, want: &str| {
        let want = format!("profiles[0].pluginConfig[0].args.{want}");
        fails(&format!("profiles: [{{pluginConfig: [{{name: NodeResourcesFit, args: {args}}}]}}]"), &want);
    };
    fit("{ignoredResources: [a.b/c]}", "ignoredResources: leaving resources out is not supported yet");
    fit("{kind: FitArgs}", "kind is \"FitArgs\", want NodeResourcesFitArgs");
    fit("{strategy: x}", "strategy: unknown field `strategy`");
    fit("{scoringStrategy: {}}", "scoringStrategy.type is \"\", want LeastAllocated, MostAllocated or");
    fit(
        "{scoringStrategy: {type: MostAllocated, resources: [{name: cpu, weight: 101}]}}",
        "scoringStrategy.resources[0].weight is 101, want 1 to 100",
    );
    fit(
        "{scoringStrategy: {type: MostAllocated, resources: [{name: cpu}, {name: cpu}]}}",
        "scoringStrategy.resources[1].name: \"cpu\" is given twice",
    );
    fit(
        "{scoringStrategy: {type: MostAllocated, requestedToCapacityRatio: {shape: []}}}",
        "scoringStrategy.requestedToCapacityRatio is given, want nothing",
    );
    let ratio = |shape: &str, want: &str| {
        fit(
            &format!(
                "{{scoringStrategy: {{type: RequestedToCapacityRatio, requestedToCapacityRatio: {{shape: {shape}}}}}}}"
            ),
            &format!("scoringStrategy.requestedToCapacityRatio.shape{want}"),
        );
    };
    ratio("[]", " is missing, want at least one point");
    ratio("[{utilization: 0, score: 11}]", "[0].score is 11, want 0 to 10");
    ratio(
        "[{utilization: 50, score: 1}, {utilization: 50, score: 2}]",
        "[1].utilization is 50, want 51 to 100",
    );
    let config = |config: &str, want: &str| {
        fails(&format!("profiles: [{{pluginConfig: {config}}}]"), &format!("profiles[0].pluginConfig{want}"));
    };
    config(
        "[{name: NodeResourcesBalancedAllocation, args: {resources: [{name: cpu, weight: 2}]}}]",
        "[0].args.resources[0].weight is 2, want 1",
    );
    config(
        "[{name: NodeAffinity, args: {addedAffinity: {}}}]",
        "[0].args.addedAffinity: an affinity that is added",
    );
    config("[{name: NodeName, args: {}}]", "[0].name is \"NodeName\", want a plugin that takes arguments");
    config(
        "[{name: PodTopologySpread, args: {defaultConstraints: [{maxSkew: 1}]}}]",
        "[0].args.defaultConstraints is a list of 1, want none, since defaultingType is not List",
    );
    config(
        "[{name: PodTopologySpread, args: {defaultingType: List, defaultConstraints: [{maxSkew: 0, topologyKey: a, \
          whenUnsatisfiable: DoNotSchedule}]}}]",
        "[0].args.defaultConstraints[0].maxSkew is 0, want 1 to 2147483647",
    );
    config(
        "[{name: InterPodAffinity, args: {hardPodAffinityWeight: 101}}]",
        "[0].args.hardPodAffinityWeight is 101, want 0 to 100",
    );
    config(
        "[{name: DefaultPreemption, args: {minCandidateNodesPercentage: 101}}]",
        "[0].args.minCandidateNodesPercentage is 101, want 0 to 100",
    );
    config(
        "[{name: DefaultPreemption, args: {minCandidateNodesPercentage: 0, minCandidateNodesAbsolute: 0}}]",
        "[0].args.minCandidateNodesAbsolute is 0, want more than 0",
    );
    config(
        "[{name: VolumeBinding, args: {bindTimeoutSeconds: -1}}]",
        "[0].args.bindTimeoutSeconds is -1, want at least 0",
    );
    config(
        "[{name: VolumeBinding, args: {shape: [{utilization: 0, score: 11}]}}]",
        "[0].args.shape[0].score is 11, want 0 to 10",
    );
    config("[{name: Foo}]", "[0].name: unknown plugin \"Foo\"");
    config("[{name: NodeAffinity}, {name: NodeAffinity}]", "[1].name: \"NodeAffinity\" is given twice");
}

proptest! {
    #[test]
    fn no_text_panics(text in "[-a-z0-9:,*&!|>%@?#'\"{}\\[\\]\n ]{0,60}") {
        let _ = profiles_from_configuration(&text);
        let _ = crate::Dump::from_text(&text);
        let head = format!("apiVersion: {MERIDIAN_API_VERSION}\nkind: SchedulerConfiguration\nprofiles:\n");
        let _ = profiles_from_configuration(&(head + &text));
    }
}
