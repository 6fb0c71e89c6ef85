//! Constraints: taints, cordons, affinity and ports, and the words in which hosts refuse.

use meridian_engine::{
    Constraints, Demand, HostPort, Operator, PreferredTerm, Profile, Protocol, Requirement, SelectorTerm,
    TaintEffect,
};

use super::{Story, host, labelled, pod, tainted, tolerating};

fn requirement(key: &str, operator: Operator) -> Requirement {
    Requirement { key: key.to_owned(), operator }
}

fn term(key: &str, operator: Operator) -> SelectorTerm {
    SelectorTerm { labels: vec![requirement(key, operator)], fields: Vec::new() }
}

fn values(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

fn requiring(terms: Vec<SelectorTerm>) -> Demand {
    Demand { constraints: Constraints { required: Some(terms), ..Constraints::default() }, ..pod(1) }
}

fn binding(ip: &str, port: u16) -> Demand {
    let ports = vec![HostPort { protocol: Protocol::Tcp, ip: ip.to_owned(), port }];
    Demand { ports, ..pod(1) }
}

#[test]
fn taints_keep_pods_away_that_do_not_tolerate_them() {
    let dedicated = tainted(host("dedicated", 8), "team", "red", TaintEffect::NoSchedule);
    let mut story = Story::new(Profile::meridian(), &[dedicated, host("shared", 4)]);
    assert_eq!(story.ranking(&pod(1)), ["shared"]);
    let red = tolerating(pod(1), "team", Some("red"), None);
    assert_eq!(story.ranking(&red), ["dedicated", "shared"]);
    let blue = tolerating(pod(1), "team", Some("blue"), None);
    assert_eq!(story.ranking(&blue), ["shared"]);
    let other_effect = tolerating(pod(1), "team", None, Some(TaintEffect::NoExecute));
    assert_eq!(story.ranking(&other_effect), ["shared"]);
}

#[test]
fn a_taint_to_be_avoided_is_used_when_nothing_better_is_left() {
    let avoided = tainted(host("avoided", 8), "spot", "", TaintEffect::PreferNoSchedule);
    for profile in [Profile::meridian(), Profile::kubernetes()] {
        let mut story = Story::new(profile, &[avoided.clone(), host("preferred", 2)]);
        let order: Vec<_> = (0..3).filter_map(|_| story.schedule(&pod(1))).collect();
        assert_eq!(order, ["preferred", "preferred", "avoided"]);
    }
}

#[test]
fn a_cordon_is_tolerated_like_a_taint() {
    let mut cordoned = host("cordoned", 8);
    cordoned.unschedulable = true;
    let mut story = Story::new(Profile::meridian(), &[cordoned]);
    assert_eq!(story.schedule(&pod(1)), None);
    let daemon = tolerating(pod(1), "node.kubernetes.io/unschedulable", None, None);
    assert_eq!(story.schedule(&daemon).as_deref(), Some("cordoned"));
}

#[test]
fn required_affinity_reads_labels_numbers_and_names() {
    let hosts = [
        labelled(host("old", 4), &[("zone", "a"), ("generation", "4")]),
        labelled(host("new", 4), &[("zone", "b"), ("generation", "10")]),
        host("bare", 4),
    ];
    let mut story = Story::new(Profile::meridian(), &hosts);
    let mut ask = |terms: Vec<SelectorTerm>| story.ranking(&requiring(terms));
    assert_eq!(ask(vec![term("zone", Operator::In(values(&["b", "c"])))]), ["new"]);
    assert_eq!(ask(vec![term("zone", Operator::NotIn(values(&["b"])))]), ["old", "bare"]);
    assert_eq!(ask(vec![term("zone", Operator::DoesNotExist)]), ["bare"]);
    assert_eq!(ask(vec![term("generation", Operator::GreaterThan(5))]), ["new"], "by number, not by letter");
    assert_eq!(ask(vec![term("zone", Operator::LessThan(5))]), Vec::<String>::new(), "not a number");
    let named = requirement("metadata.name", Operator::In(values(&["bare"])));
    assert_eq!(ask(vec![SelectorTerm { labels: Vec::new(), fields: vec![named] }]), ["bare"]);
    assert_eq!(ask(Vec::new()), Vec::<String>::new(), "none of no terms matches");
    assert_eq!(ask(vec![SelectorTerm::default()]), Vec::<String>::new(), "an empty term matches nothing");
}

#[test]
fn preferred_affinity_outweighs_a_freer_host() {
    let hosts = [host("large", 16), labelled(host("near", 4), &[("zone", "a")])];
    let preferred = vec![PreferredTerm { weight: 1, term: term("zone", Operator::Exists) }];
    let demand = Demand { constraints: Constraints { preferred, ..Constraints::default() }, ..pod(1) };
    for profile in [Profile::meridian(), Profile::kubernetes()] {
        assert_eq!(Story::new(profile, &hosts).ranking(&demand), ["near", "large"]);
    }
}

#[test]
fn a_port_is_taken_on_its_address_and_by_a_wildcard_on_all() {
    let mut story = Story::new(Profile::meridian(), &[host("a", 8)]);
    assert!(story.schedule(&binding("10.0.0.1", 80)).is_some());
    assert!(story.schedule(&binding("10.0.0.2", 80)).is_some(), "another address");
    assert!(story.schedule(&binding("10.0.0.1", 80)).is_none(), "taken");
    assert!(story.schedule(&binding("", 80)).is_none(), "a wildcard wants all addresses");
    let wildcard = story.start(&binding("0.0.0.0", 443)).expect("nobody has this port");
    assert!(story.schedule(&binding("10.0.0.1", 443)).is_none(), "taken by the wildcard");
    assert!(story.release(wildcard));
    assert!(story.schedule(&binding("10.0.0.1", 443)).is_some());
}

#[test]
fn refusals_are_worded_as_kube_scheduler_does() {
    let mut cordoned = host("cordoned", 8);
    cordoned.unschedulable = true;
    let hosts = [
        host("small", 1),
        cordoned,
        tainted(host("t1", 8), "team", "red", TaintEffect::NoSchedule),
        tainted(host("t2", 8), "team", "red", TaintEffect::NoExecute),
        tainted(host("t3", 8), "spot", "", TaintEffect::NoSchedule),
    ];
    let mut story = Story::new(Profile::meridian(), &hosts);
    assert_eq!(
        story.explain(&pod(2)),
        "0/5 nodes are available: 1 Insufficient cpu, 1 Insufficient memory, \
         1 node(s) had untolerated taint {spot: }, 1 node(s) were unschedulable, \
         2 node(s) had untolerated taint {team: red}."
    );
}
