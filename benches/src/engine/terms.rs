//! `engine/spread`, `engine/anti-affinity`, `engine/affinity` and `engine/namespace-selector`: pods with required terms between
//! pods, in the shapes of kube-scheduler's scheduler_perf.

use std::collections::{BTreeMap, BTreeSet};

use meridian_engine::{
    ClassId, Demand, Identity, Operator, PodAffinityTerm, PodTerms, Requirement, Scheduler, SpreadConstraint,
};

use crate::Clock;
use crate::cell::{Shape, scheduler_with};
use crate::engine::rate;
use crate::figure::{Direction, Figure, Goal};
use crate::parameters::{BenchError, Parameters, count};

/// As `engine/basic`: nodes of 4 cores and 32 GiB, pods of 100 milli-CPUs and 500 MB.
const HOST: Shape = Shape::new(4, 32);
const POD: Shape = Shape { cpu_milli: 100, memory: 500_000_000 };

const TENANT: &str = "bench";
const ZONE: &str = "topology.kubernetes.io/zone";
const HOSTNAME: &str = "kubernetes.io/hostname";

/// Repeated on fresh cells until so much time has been measured.
const LEAST_NANOSECONDS: u64 = 2_000_000_000;

/// Namespaces that `engine/namespace-selector` has pods in.
const NAMESPACES: u32 = 100;

/// A cell with pods, and those to be placed next.
struct Scenario {
    scheduler: Scheduler,
    classes: Vec<ClassId>,
    /// How many there is room for, and that are timed.
    pods: u32,
}

/// `engine/spread`: 5,000 pods of no colour, then pods of one, spread over three zones by no more than five.
pub(crate) fn spread(parameters: &Parameters, clock: Clock) -> Result<Figure, BenchError> {
    measure("engine/spread", parameters, clock, |hosts| {
        let constraint = SpreadConstraint {
            max_skew: 5,
            topology_key: ZONE.to_owned(),
            is_required: true,
            selector: Some(vec![is("color", "blue")]),
            min_domains: None,
            honors_affinity: true,
            honors_taints: false,
        };
        let terms = PodTerms { spread: vec![constraint], ..PodTerms::default() };
        let mut scheduler = cell(parameters, hosts)?;
        let plain = class(&mut scheduler, "sched-0", "none", PodTerms::default())?;
        place(&mut scheduler, &[plain], hosts)?;
        let classes = vec![class(&mut scheduler, "sched-1", "blue", terms)?];
        Ok(Scenario { scheduler, classes, pods: hosts })
    })
}

/// `engine/anti-affinity`: pods that run alone of their kind on a host, in two namespaces; a fifth of the hosts have one.
pub(crate) fn anti_affinity(parameters: &Parameters, clock: Clock) -> Result<Figure, BenchError> {
    measure("engine/anti-affinity", parameters, clock, |hosts| {
        let term = PodAffinityTerm {
            topology_key: HOSTNAME.to_owned(),
            selector: Some(vec![is("color", "green")]),
            namespaces: ["sched-0".to_owned(), "sched-1".to_owned()].into(),
            namespace_selector: None,
        };
        let terms = PodTerms { anti_affinity: vec![term], ..PodTerms::default() };
        let mut scheduler = cell(parameters, hosts)?;
        let first = class(&mut scheduler, "sched-0", "green", terms.clone())?;
        place(&mut scheduler, &[first], hosts / 5)?;
        let classes = vec![class(&mut scheduler, "sched-1", "green", terms)?];
        Ok(Scenario { scheduler, classes, pods: hosts / 5 * 4 })
    })
}

/// `engine/affinity`: pods that run where others of their kind do, by zone, of two namespaces.
pub(crate) fn affinity(parameters: &Parameters, clock: Clock) -> Result<Figure, BenchError> {
    measure("engine/affinity", parameters, clock, |hosts| {
        let term = PodAffinityTerm {
            topology_key: ZONE.to_owned(),
            selector: Some(vec![is("color", "red")]),
            namespaces: ["sched-0".to_owned(), "sched-1".to_owned()].into(),
            namespace_selector: None,
        };
        let terms = PodTerms { affinity: vec![term], ..PodTerms::default() };
        let mut scheduler = cell(parameters, hosts)?;
        let first = class(&mut scheduler, "sched-0", "red", terms.clone())?;
        place(&mut scheduler, &[first], hosts)?;
        let classes = vec![class(&mut scheduler, "sched-1", "red", terms)?];
        Ok(Scenario { scheduler, classes, pods: hosts })
    })
}

/// `engine/namespace-selector`: pods of a hundred namespaces that a selector of namespaces means, each alone on its host; half
/// of the hosts have one.
pub(crate) fn namespace_selector(parameters: &Parameters, clock: Clock) -> Result<Figure, BenchError> {
    measure("engine/namespace-selector", parameters, clock, |hosts| {
        let term = PodAffinityTerm {
            topology_key: HOSTNAME.to_owned(),
            selector: Some(vec![is("color", "green")]),
            namespaces: BTreeSet::new(),
            namespace_selector: Some(vec![is("team", "devops")]),
        };
        let terms = PodTerms { anti_affinity: vec![term], ..PodTerms::default() };
        let mut scheduler = cell(parameters, hosts)?;
        let labels = BTreeMap::from([("team".to_owned(), "devops".to_owned())]);
        let mut classes = Vec::new();
        for number in 0..NAMESPACES {
            let namespace = format!("team-{number}");
            scheduler.set_namespace_labels(TENANT, &namespace, Some(&labels));
            classes.push(class(&mut scheduler, &namespace, "green", terms.clone())?);
        }
        place(&mut scheduler, &classes, hosts / 2)?;
        Ok(Scenario { scheduler, classes, pods: hosts / 2 })
    })
}

fn cell(parameters: &Parameters, hosts: u32) -> Result<Scheduler, BenchError> {
    scheduler_with(parameters.profile.profile(), hosts, &[HOST])
}

fn is(key: &str, value: &str) -> Requirement {
    Requirement { key: key.to_owned(), operator: Operator::In(vec![value.to_owned()]) }
}

fn class(
    scheduler: &mut Scheduler,
    namespace: &str,
    color: &str,
    terms: PodTerms,
) -> Result<ClassId, BenchError> {
    let labels = BTreeMap::from([("color".to_owned(), color.to_owned())]);
    let identity = Identity { tenant: TENANT.to_owned(), namespace: namespace.to_owned(), labels };
    let demand = Demand { identity, terms, ..POD.demand() };
    scheduler.class(&demand).map_err(|error| BenchError::Setup(error.to_string()))
}

/// Places pods of these classes in turn, all of which fit.
fn place(scheduler: &mut Scheduler, classes: &[ClassId], pods: u32) -> Result<(), BenchError> {
    for (number, class) in (0..pods).zip(classes.iter().cycle()) {
        if scheduler.schedule(*class).is_none() {
            return Err(BenchError::Setup(format!("pod {number} of {pods} fits nowhere")));
        }
    }
    Ok(())
}

fn measure(
    name: &'static str,
    parameters: &Parameters,
    clock: Clock,
    scenario: impl Fn(u32) -> Result<Scenario, BenchError>,
) -> Result<Figure, BenchError> {
    let hosts = count("hosts", parameters.hosts, 5_000)?;
    if hosts < 10 {
        return Err(BenchError::Setup(format!("{hosts} hosts are too few, want 10 or more")));
    }
    let (mut decisions, mut nanoseconds, mut rounds) = (0_u64, 0, 0_u64);
    while nanoseconds < LEAST_NANOSECONDS {
        let Scenario { mut scheduler, classes, pods } = scenario(hosts)?;
        let before = clock();
        place(&mut scheduler, &classes, pods)?;
        nanoseconds += clock() - before;
        decisions += u64::from(pods);
        rounds += 1;
    }
    let goal = Goal { direction: Direction::AtLeast, bound: 100_000.0 };
    Ok(Figure::new(name, rate(decisions, nanoseconds), "decisions/s", goal)
        .with("hosts", hosts)
        .with("pods", decisions / rounds.max(1))
        .with("rounds", rounds)
        .with("profile", parameters.profile.name()))
}
