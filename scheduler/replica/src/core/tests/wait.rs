//! Pods that fit nowhere, and questions why.

use std::time::Duration;

use meridian_engine::{Constraints, Demand, HostPort, Protocol};
use meridian_proto::v1;
use meridian_wire::demand_to_message;

use super::REFUSED;
use super::rig::{Rig, added, cores, ended, host, pod};

fn told(pods: &[(&str, &str)]) -> Vec<(String, String)> {
    pods.iter().map(|(uid, message)| ((*uid).to_owned(), (*message).to_owned())).collect()
}

#[test]
fn pods_that_fit_nowhere_are_told_why_once_and_decided_when_a_host_could_take_them() {
    let mut rig = Rig::with_hosts(&[("a", 4)]);
    rig.pods(0, vec![pod("p", 5), pod("q", 5)]);
    assert_eq!(rig.decide(), []);
    let why = "0/1 nodes are available: 1 Insufficient cpu.";
    assert_eq!(rig.told(), told(&[("p", why), ("q", why)]));
    // The class is parked: what cannot help costs nothing and says nothing; who comes late is told at once.
    rig.feed(0, vec![added(1, "x", 1, 1), ended(1)]);
    rig.pods(0, vec![pod("r", 5)]);
    assert_eq!((rig.decide(), rig.told()), (Vec::new(), told(&[("r", why)])));
    // Under a new assignment it is told again, for the former may not have been heard.
    rig.assigned(0, 8, vec![pod("r", 5)]);
    assert_eq!((rig.decide(), rig.told()), (Vec::new(), told(&[("r", why)])));

    rig.feed(0, vec![host(2, "b", 6)]);
    let decisions = rig.decide();
    assert_eq!((decisions.len(), &*decisions[0].uid, &*decisions[0].hosts[0].host), (1, "p", "b"));
    // The others are told of the change after a while, and not more often.
    assert_eq!(rig.told(), []);
    rig.wait(Duration::from_secs(11));
    let why = "0/2 nodes are available: 2 Insufficient cpu.";
    assert_eq!((rig.decide(), rig.told()), (Vec::new(), told(&[("q", why), ("r", why)])));
    rig.wait(Duration::from_secs(60));
    assert_eq!((rig.decide(), rig.told()), (Vec::new(), Vec::new()));
    rig.outcome(0, "p", REFUSED, "");
    assert_eq!(rig.decide().len(), 1);
}

#[test]
fn pods_that_go_on_waiting_are_told_when_something_else_keeps_them_away() {
    let mut rig = Rig::with_hosts(&[("a", 4)]);
    rig.feed(0, vec![super::host_with(1, "a", 4, false)]);
    rig.pods(0, vec![pod("p", 5)]);
    assert_eq!(rig.decide(), []);
    let why = "0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }.";
    assert_eq!(rig.told(), told(&[("p", why)]));
    // This is no reason to try the pod again, yet it is no longer the taint.
    rig.feed(0, vec![host(1, "a", 4)]);
    assert_eq!((rig.decide(), rig.told()), (Vec::new(), Vec::new()));
    rig.wait(Duration::from_secs(11));
    let why = "0/1 nodes are available: 1 Insufficient cpu.";
    assert_eq!((rig.decide(), rig.told()), (Vec::new(), told(&[("p", why)])));
    // Where nothing is heard nothing is explained.
    let explained = rig.core.counts.explanations;
    for _ in 0..10 {
        rig.wait(Duration::from_secs(60));
        assert_eq!(rig.decide(), []);
    }
    assert_eq!(rig.core.counts.explanations, explained);
}

#[test]
fn an_unknown_scheduler_is_named_with_those_that_are_known() {
    let mut rig = Rig::with_hosts(&[("a", 4)]);
    rig.class(0, 1, 1, "volcano");
    rig.class(0, 2, 1, "meridian");
    rig.pods(0, vec![pod("p", 1), pod("q", 2)]);
    assert_eq!(rig.decide().len(), 1);
    let why = "no scheduler is named \"volcano\"; spec.schedulerName can be default-scheduler, meridian";
    assert_eq!(rig.told(), told(&[("p", why)]));
}

#[test]
fn the_queue_does_not_grow_with_pods_that_come_and_go_while_their_class_fits_nowhere() {
    let mut rig = Rig::with_hosts(&[("a", 4)]);
    rig.pods(0, vec![pod("stays", 9), pod("other", 8)]);
    for round in 0..5_000 {
        let uid = format!("p{round}");
        rig.pods(0, vec![pod(&uid, 9)]);
        rig.decide();
        rig.withdraw(0, &uid);
    }
    assert_eq!(rig.core.queue.len(), 2);
    assert_eq!((rig.core.pods.len(), rig.core.pods.waiting()), (2, 2));
    rig.feed(0, vec![host(2, "b", 40)]);
    assert_eq!(rig.decide().len(), 2);
}

#[test]
fn classes_are_forgotten_with_the_last_that_refers_to_them() {
    let mut rig = Rig::with_hosts(&[("a", 4)]);
    let before = rig.core.classes.len();
    for number in 0..50 {
        rig.class(0, 100 + number, 100 + i64::from(number), "meridian");
        rig.pods(0, vec![pod(&format!("p{number}"), 100 + number)]);
    }
    rig.decide();
    assert_eq!(rig.core.classes.len(), before + 50);
    let numbers = (100..150).collect();
    rig.partition(0, v1::partition_message::Message::ForgetClasses(v1::ForgetClasses { numbers })).unwrap();
    assert_eq!(rig.core.classes.len(), before + 50, "pods still refer to them");
    for number in 0..50 {
        rig.withdraw(0, &format!("p{number}"));
    }
    assert_eq!((rig.core.classes.len(), rig.core.queue.parked_len()), (before, 0));
    assert_eq!(rig.core.classes.next_due(), None);
}

fn ask(rig: &mut Rig, demand: &Demand, host: &str, profile: &str) -> v1::ExplainResponse {
    let request = v1::ExplainRequest {
        number: 5,
        demand: Some(demand_to_message(demand)),
        profile: profile.to_owned(),
        host: host.to_owned(),
    };
    rig.partition(0, v1::partition_message::Message::Explain(request)).unwrap();
    rig.decide();
    let answer = rig.core.streams[0].outbox.explanations.pop_front().unwrap();
    assert_eq!(answer.number, 5);
    answer
}

#[test]
fn questions_are_answered_with_scores_and_refusals() {
    let names: Vec<String> = (1..=7).map(|number| format!("h{number}")).collect();
    let hosts: Vec<(&str, i64)> = names.iter().zip(1..).map(|(name, cpu)| (&**name, cpu)).collect();
    let mut rig = Rig::with_hosts(&hosts);
    let classes = rig.core.classes.len();
    let answer = ask(&mut rig, &cores(2), "", "meridian");
    assert_eq!((answer.hosts, answer.feasible, &*answer.message, &*answer.error), (7, 6, "", ""));
    assert_eq!(answer.scored.len(), 5);
    assert!(answer.scored.is_sorted_by(|one, next| one.score >= next.score));
    assert!(answer.scored.iter().all(|host| !host.parts.is_empty()));
    let refused = &answer.refused[0];
    assert_eq!(
        (&*refused.filter, &*refused.reason, refused.hosts),
        ("NodeResourcesFit", "Insufficient cpu", 1)
    );
    // The host that the pod is on is scored also where others are better.
    let worst =
        names.iter().find(|name| answer.scored.iter().all(|host| host.host != **name && **name != "h1"));
    let answer = ask(&mut rig, &cores(2), worst.unwrap(), "meridian");
    assert_eq!((answer.scored.len(), &*answer.scored[5].host), (6, &**worst.unwrap()));
    assert!(answer.scored[5].score <= answer.scored[4].score);

    let answer = ask(&mut rig, &cores(9), "", "meridian");
    assert_eq!((answer.feasible, &*answer.message), (0, "0/7 nodes are available: 7 Insufficient cpu."));
    assert!(ask(&mut rig, &cores(1), "", "volcano").error.contains("default-scheduler, meridian"));
    assert!(ask(&mut rig, &cores(-1), "", "meridian").error.contains("want 0 to"));
    assert_eq!(rig.core.classes.len(), classes, "questions leave nothing behind");
}

#[test]
fn every_refusal_is_put_down_to_its_filter() {
    let mut rig = Rig::with_hosts(&[("a", 4)]);
    let port = HostPort { protocol: Protocol::Tcp, ip: String::new(), port: 80 };
    let ports = Demand { ports: vec![port], ..cores(1) };
    let node_name = Constraints { node_name: Some("z".into()), ..Constraints::default() };
    let node_selector =
        Constraints { node_selector: [("k".into(), "v".into())].into(), ..Constraints::default() };
    rig.class_of(0, 1, demand_to_message(&ports), "meridian");
    rig.pods(0, vec![pod("p", 1)]);
    assert_eq!(rig.decide().len(), 1);
    let devices = meridian_engine::DeviceDemand { count: 1, milli: 500, models: Vec::new() };
    let models = meridian_engine::DeviceDemand { models: vec!["m".into()], ..devices };
    for (demand, filter) in [
        (cores(9), "NodeResourcesFit"),
        (ports, "NodePorts"),
        (Demand { constraints: node_name, ..cores(1) }, "NodeName"),
        (Demand { constraints: node_selector, ..cores(1) }, "NodeAffinity"),
        (Demand { devices: Some(devices), ..cores(1) }, "DeviceFit"),
        (Demand { devices: Some(models), ..cores(1) }, "DeviceFit"),
    ] {
        let answer = ask(&mut rig, &demand, "", "meridian");
        let filters: Vec<&str> = answer.refused.iter().map(|refused| &*refused.filter).collect();
        assert_eq!(filters, [filter], "{:?}", answer.refused);
    }
    rig.feed(0, vec![super::host_with(1, "a", 4, false)]);
    assert_eq!(ask(&mut rig, &cores(1), "", "meridian").refused[0].filter, "TaintToleration");
}
