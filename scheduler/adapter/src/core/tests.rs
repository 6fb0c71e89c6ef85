//! The core against a model of an API server that is late, forgetful and shared with others.

use std::collections::BTreeMap;

use meridian_engine::{Demand, Host, Resources};
use proptest::prelude::*;

use super::*;
use crate::news::{Asked, Change, EvictOrder, Kind, Outcome, PodId, PodNews};

const LIMITS: Limits =
    Limits { initial_backoff: Duration::from_secs(1), max_backoff: Duration::from_secs(10), binding: 8 };

fn core() -> Core {
    let second = Profile { name: "packing".into(), ..Profile::first_fit() };
    let metrics = Metrics::new(&prometheus::Registry::new()).unwrap();
    Core::new(&Profile::kubernetes(), &[second], &BTreeSet::new(), LIMITS, metrics).unwrap()
}

fn host(name: &str, cpu_milli: i64) -> Change {
    let allocatable = Resources { cpu_milli, memory: 1 << 30, ..Resources::default() };
    Change::Host(
        name.to_owned(),
        Ok(Box::new(Host { name: name.into(), allocatable, pods: 5, ..Host::default() })),
    )
}

fn pod(name: &str, cpu_milli: i64) -> PodNews {
    PodNews {
        id: PodId { namespace: "default".into(), name: name.into(), uid: format!("uid-{name}") },
        scheduler_name: "default-scheduler".into(),
        priority: 0,
        never_preempts: false,
        labels: BTreeMap::new(),
        started: 0,
        node: None,
        has_ended: false,
        is_deleting: false,
        is_gated: false,
        asked: Asked::Whole(Box::new(Demand {
            requests: Resources { cpu_milli, ..Resources::default() },
            ..Demand::default()
        })),
    }
}

fn at(pod: PodNews, node: &str) -> PodNews {
    PodNews { node: Some(node.into()), ..pod }
}

/// Takes changes in at a time, decides, and returns the orders as `pod -> host`.
fn step(core: &mut Core, changes: Vec<Change>, now: u64) -> Vec<(String, String, u64)> {
    let now = Duration::from_millis(now);
    for change in changes {
        core.take(change, now);
    }
    core.decide(64, now);
    // What was asked to be explained at once is explained, one line at a time.
    core.decide(64, now);
    let order = |order: BindOrder| (order.pod.name.clone(), order.host.to_string(), order.number);
    std::iter::from_fn(|| core.next_order()).map(order).collect()
}

fn told(core: &mut Core, now: u64) -> Vec<String> {
    let text = |told| match told {
        Told::Scheduled { pod, host, .. } => format!("{} on {host}", pod.name),
        Told::Preempted { pod, winner, .. } => format!("{} for {}", pod.name, winner.name),
        Told::Failed { pod, message, .. } => {
            format!("{}: {}", pod.name, message.split(" preemption:").next().unwrap_or_default())
        }
    };
    std::iter::from_fn(|| core.next_told(Duration::from_millis(now))).map(text).collect()
}

fn pods(news: Vec<PodNews>) -> Vec<Change> {
    news.into_iter().map(|news| Change::Pod(Box::new(news))).collect()
}

fn check(core: &Core) {
    let held = core.pods.iter().filter_map(|(_, pod)| match &pod.state {
        pods::State::Binding(hold, _)
        | pods::State::Assumed(hold, _)
        | pods::State::Nominated(hold, _, _) => Some(hold),
        pods::State::There(hold, _) => hold.as_ref(),
        _ => None,
    });
    let avoided = core.avoided.iter().map(|(_, hold)| hold);
    let holds: Vec<&Hold> = held.chain(avoided).collect();
    let mut found = core.engines.violations(holds.iter().copied());
    // Hosts shrink below what they run.
    found.retain(|violation| !violation.ends_with("offered"));
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn an_assumption_lasts_until_the_watch_confirms_it() {
    let mut core = core();
    let orders = step(&mut core, vec![host("a", 1_000), Change::Pod(Box::new(pod("one", 600)))], 0);
    assert_eq!(orders[0].1, "a");
    // The same room is not given again: not while it is bound, not after, not when an old list says otherwise.
    assert!(step(&mut core, pods(vec![pod("two", 600)]), 1).is_empty());
    assert_eq!(told(&mut core, 1), ["two: 0/1 nodes are available: 1 Insufficient cpu."]);
    step(&mut core, vec![Change::Bound(orders[0].2, Outcome::Bound)], 2);
    assert_eq!(told(&mut core, 2), ["one on a"]);
    let relist = [Change::Relisting(Kind::Pods)]
        .into_iter()
        .chain(pods(vec![pod("one", 600), pod("two", 600)]))
        .chain([Change::Listed(Kind::Pods)]);
    assert!(step(&mut core, relist.collect(), 3).is_empty());
    assert!(step(&mut core, pods(vec![at(pod("one", 600), "a")]), 4).is_empty());
    check(&core);
    // It ends, and the other has its turn.
    let ended = PodNews { has_ended: true, ..at(pod("one", 600), "a") };
    assert_eq!(step(&mut core, pods(vec![ended]), 5)[0].0, "two");
    check(&core);
}

#[test]
fn what_is_refused_is_tried_elsewhere_after_a_wait() {
    let mut core = core();
    let orders =
        step(&mut core, vec![host("a", 1_000), host("b", 500), Change::Pod(Box::new(pod("one", 400)))], 0);
    assert_eq!(orders[0].1, "a");
    let refused = Change::Bound(orders[0].2, Outcome::Refused("the host is full".into()));
    assert!(step(&mut core, vec![refused], 10).is_empty());
    assert_eq!(told(&mut core, 10), ["one: binding rejected: the host is full"]);
    assert!(step(&mut core, vec![], 1_009).is_empty());
    // `a` would be the best, and is avoided.
    let orders = step(&mut core, vec![], 1_010);
    assert_eq!(orders[0].1, "b");
    let refused = Change::Bound(orders[0].2, Outcome::Refused("so is this".into()));
    step(&mut core, vec![refused], 1_020);
    // Twice the wait, and none is left: it waits as long as ever it does, and begins anew.
    assert!(step(&mut core, vec![], 3_020).is_empty());
    assert!(step(&mut core, vec![], 13_019).is_empty());
    assert_eq!(step(&mut core, vec![], 13_020)[0].1, "a");
    check(&core);
}

#[test]
fn pods_of_others_count_and_are_left_alone() {
    let mut core = core();
    let foreign = |pod: PodNews| PodNews { scheduler_name: "theirs".into(), ..pod };
    let changes = [host("a", 1_000)].into_iter().chain(pods(vec![
        foreign(pod("x", 100)),
        at(foreign(pod("y", 700)), "a"),
        pod("one", 400),
    ]));
    assert!(step(&mut core, changes.collect(), 0).is_empty());
    let orders = step(&mut core, vec![Change::PodGone(pod("y", 0).id)], 1);
    assert_eq!((orders.len(), &*orders[0].0), (1, "one"));
    // Somebody else was faster: it counts where it is, and not where it was to be.
    step(&mut core, vec![host("b", 500), Change::Bound(orders[0].2, Outcome::Elsewhere("b".into()))], 2);
    assert_eq!(step(&mut core, pods(vec![pod("two", 1_000)]), 3)[0].1, "a");
    check(&core);
}

#[test]
fn more_than_a_host_has_is_counted_as_far_as_it_goes() {
    let mut core = core();
    let changes = [host("a", 1_000)].into_iter().chain(pods(vec![
        at(pod("x", 700), "a"),
        at(pod("y", 700), "a"),
        pod("one", 100),
        pod("none", 0),
    ]));
    // Nothing is left of the CPU; what asks for none may come.
    assert_eq!(step(&mut core, changes.collect(), 0)[0].0, "none");
    check(&core);
    // What is left after one is gone is what the other leaves, and not what was cut.
    let orders = step(&mut core, vec![Change::PodGone(pod("x", 0).id)], 1);
    assert_eq!(orders[0].0, "one");
    assert_eq!(step(&mut core, pods(vec![pod("two", 250)]), 2).len(), 0);
    assert_eq!(step(&mut core, pods(vec![pod("three", 200)]), 3).len(), 1);
    check(&core);
}

#[test]
fn hosts_go_and_come_back_with_their_pods() {
    let mut core = core();
    let changes = [host("a", 1_000)].into_iter().chain(pods(vec![at(pod("x", 700), "a"), pod("one", 200)]));
    let orders = step(&mut core, changes.collect(), 0);
    step(&mut core, vec![Change::HostGone("a".into())], 1);
    assert!(step(&mut core, pods(vec![pod("two", 200)]), 2).is_empty());
    assert_eq!(told(&mut core, 2), ["two: no nodes available to schedule pods"]);
    // It comes back: 700 there, 200 on their way, 100 left.
    assert!(step(&mut core, vec![host("a", 1_000)], 3).is_empty());
    assert_eq!(step(&mut core, pods(vec![pod("three", 100)]), 4)[0].0, "three");
    let gone = Change::Bound(orders[0].2, Outcome::Gone);
    assert_eq!(step(&mut core, vec![gone], 5)[0].0, "two");
    check(&core);
}

#[test]
fn gates_deletion_and_other_names_keep_pods_out_of_the_queue() {
    let mut core = core();
    let gated = PodNews { is_gated: true, ..pod("gated", 1) };
    assert!(step(&mut core, vec![host("a", 1_000), Change::Pod(Box::new(gated))], 0).is_empty());
    assert_eq!(step(&mut core, pods(vec![pod("gated", 1)]), 1)[0].0, "gated");
    let deleting = PodNews { is_deleting: true, ..pod("deleting", 1) };
    assert!(step(&mut core, pods(vec![deleting]), 2).is_empty());
    let unknown = PodNews { asked: Asked::InPart(Box::default(), "spec.x".into()), ..pod("claims", 1) };
    assert!(step(&mut core, pods(vec![unknown]), 3).is_empty());
    assert_eq!(told(&mut core, 3), ["claims: this scheduler does not support spec.x"]);
    // A new pod of the same name is another pod.
    let mut again = pod("claims", 1);
    again.id.uid = "another".into();
    assert_eq!(step(&mut core, pods(vec![again]), 4)[0].0, "claims");
    // What cannot be read and is there closes its host.
    let unreadable = PodNews { asked: Asked::Unreadable("what".into()), ..at(pod("odd", 1), "a") };
    assert!(step(&mut core, pods(vec![unreadable, pod("late", 1)]), 5).is_empty());
    assert_eq!(step(&mut core, vec![Change::PodGone(pod("odd", 1).id)], 6)[0].0, "late");
    check(&core);
}

#[test]
fn profiles_choose_by_their_own_rules_in_one_order() {
    let mut core = core();
    let packing =
        |name: &str, priority| PodNews { scheduler_name: "packing".into(), priority, ..pod(name, 100) };
    let changes = [host("a", 1_000), host("b", 2_000)].into_iter().chain(pods(vec![
        pod("spread", 100),
        packing("pack", 5),
        packing("pack-late", -1),
    ]));
    let orders = step(&mut core, changes.collect(), 0);
    let where_to: Vec<(&str, &str)> = orders.iter().map(|(pod, host, _)| (&**pod, &**host)).collect();
    assert_eq!(where_to, [("pack", "a"), ("spread", "b"), ("pack-late", "a")]);
}

#[test]
fn ten_thousand_that_fit_nowhere_are_told_once() {
    let mut core = core();
    let changes = [host("a", 1_000)]
        .into_iter()
        .chain((0..10_000).map(|n| Change::Pod(Box::new(pod(&format!("big-{n}"), 5_000)))));
    assert!(step(&mut core, changes.collect(), 0).is_empty());
    assert_eq!(told(&mut core, 0).len(), 10_000);
    assert_eq!(core.queue.unschedulable(), 10_000);
    // What does not help them is no reason to look at them again, or to tell anything.
    assert_eq!(step(&mut core, pods(vec![pod("small", 1)]), 1_000).len(), 1);
    assert_eq!(told(&mut core, 1_000).len(), 0);
    for n in 0..10_000 {
        core.take(Change::PodGone(pod(&format!("big-{n}"), 0).id), Duration::from_secs(2));
    }
    assert_eq!((core.queue.unschedulable(), core.pods.len(), core.explained.len()), (0, 1, 0));
}

fn ranked(name: &str, cpu_milli: i64, priority: i32) -> PodNews {
    PodNews { priority, ..pod(name, cpu_milli) }
}

fn evictions(core: &mut Core) -> Vec<(String, String, Vec<String>)> {
    let order = |order: EvictOrder| {
        let victims = order.victims.iter().map(|victim| victim.name.clone()).collect();
        (order.pod.name.clone(), order.host.to_string(), victims)
    };
    std::iter::from_fn(|| core.next_eviction()).map(order).collect()
}

#[test]
fn lower_priorities_make_way_and_keep_their_room_until_they_are_gone() {
    let mut core = core();
    let changes = [host("a", 1_000)].into_iter().chain(pods(vec![
        at(ranked("low", 600, 1), "a"),
        at(ranked("mid", 300, 5), "a"),
        ranked("high", 500, 9),
    ]));
    assert!(step(&mut core, changes.collect(), 0).is_empty());
    assert_eq!(evictions(&mut core), [("high".into(), "a".into(), vec!["low".into()])]);
    assert_eq!(told(&mut core, 0)[0], "low for high");
    // Others of its size and priority find nobody else, and its room is not given away.
    assert!(step(&mut core, pods(vec![ranked("later", 200, 0), ranked("also", 500, 4)]), 1).is_empty());
    let leaving = PodNews { is_deleting: true, ..at(ranked("low", 600, 1), "a") };
    assert!(step(&mut core, pods(vec![leaving]), 2).is_empty());
    assert!(evictions(&mut core).is_empty());
    check(&core);
    let orders = step(&mut core, vec![Change::PodGone(pod("low", 0).id)], 3);
    let where_to: Vec<(&str, &str)> = orders.iter().map(|(pod, host, _)| (&**pod, &**host)).collect();
    assert_eq!(where_to, [("high", "a"), ("later", "a")]);
    assert_eq!((core.nominated, core.awaited.len()), (0, 0));
    check(&core);
}

#[test]
fn a_profile_without_preemption_has_nobody_make_way() {
    let metrics = Metrics::new(&prometheus::Registry::new()).unwrap();
    let without = BTreeSet::from(["default-scheduler".to_owned()]);
    let mut core = Core::new(&Profile::kubernetes(), &[], &without, LIMITS, metrics).unwrap();
    let changes = [host("a", 1_000)]
        .into_iter()
        .chain(pods(vec![at(ranked("low", 600, 1), "a"), ranked("high", 500, 9)]));
    assert!(step(&mut core, changes.collect(), 0).is_empty());
    assert_eq!((core.nominated, core.queue.unschedulable()), (0, 1));
}

#[test]
fn news_that_say_nothing_new_of_a_host_change_nothing() {
    let mut core = core();
    step(&mut core, vec![host("a", 1_000)], 0);
    core.take(host("a", 1_000), Duration::ZERO);
    assert!(core.helped.is_empty());
    core.take(host("a", 1_001), Duration::ZERO);
    assert_eq!(core.helped.len(), 1);
}

#[test]
fn a_nomination_ends_with_its_host_or_where_pods_may_not_be_stopped() {
    let mut core = core();
    let changes = [host("a", 1_000)]
        .into_iter()
        .chain(pods(vec![at(ranked("low", 600, 1), "a"), ranked("high", 500, 9)]));
    assert!(step(&mut core, changes.collect(), 0).is_empty());
    assert_eq!(core.nominated, 1);
    let number = core.pods.named("default", "high").unwrap();
    assert!(step(&mut core, vec![Change::NotEvicted(number, "forbidden".into())], 1).is_empty());
    assert_eq!((core.nominated, evictions(&mut core).len()), (0, 1));
    // It asks again after a minute, when something changes.
    assert!(step(&mut core, vec![host("a", 1_000)], 2).is_empty());
    assert_eq!(core.nominated, 0);
    assert_eq!(step(&mut core, vec![host("b", 700)], 3)[0].1, "b");
    step(&mut core, pods(vec![ranked("next", 500, 9)]), 70_000);
    assert_eq!(core.nominated, 1);
    assert!(step(&mut core, vec![Change::HostGone("a".into())], 70_001).is_empty());
    assert_eq!((core.nominated, core.queue.unschedulable()), (0, 1));
    check(&core);
}

#[test]
fn nobody_else_makes_way_while_the_room_is_avoided_that_others_have_left() {
    let mut core = core();
    let low = [at(ranked("low", 500, 1), "a"), at(ranked("also", 500, 1), "a")];
    let changes =
        [host("a", 1_000)].into_iter().chain(pods(low.into_iter().chain([ranked("high", 500, 9)]).collect()));
    assert!(step(&mut core, changes.collect(), 0).is_empty());
    let evicted = evictions(&mut core);
    let victim = evicted[0].2[0].clone();
    let orders = step(&mut core, vec![Change::PodGone(pod(&victim, 0).id)], 1);
    let [(name, _, number)] = &orders[..] else { panic!("{orders:?}") };
    assert_eq!(name, "high");
    // The server knows of the room a moment later than of the end of the pod that left it.
    let refused = Change::Bound(*number, Outcome::Refused("no room yet".into()));
    assert!(step(&mut core, vec![refused], 2).is_empty());
    let after = 2 + 2 * LIMITS.max_backoff.as_millis() as u64;
    for now in (2..after).step_by(500) {
        assert!(step(&mut core, vec![host("a", 1_000)], now).is_empty());
        assert_eq!((evictions(&mut core).len(), core.nominated), (0, 0), "at {now}");
    }
    assert_eq!(step(&mut core, vec![], after)[0].1, "a");
    assert!(evictions(&mut core).is_empty());
    check(&core);
}

#[test]
fn budgets_are_kept_where_there_is_a_choice() {
    let mut core = core();
    let web = |pod: PodNews| PodNews { labels: [("app".to_owned(), "web".to_owned())].into(), ..pod };
    let budget = |allowed| {
        Change::Budget(crate::news::BudgetNews {
            namespace: "default".into(),
            name: "web".into(),
            selector: crate::selector::Selector::read(&serde_json::json!({"matchLabels": {"app": "web"}})),
            allowed,
        })
    };
    let changes = [host("a", 1_000), host("b", 1_000), budget(0)].into_iter().chain(pods(vec![
        web(at(ranked("x", 600, 1), "a")),
        at(ranked("y", 600, 2), "b"),
        ranked("high", 500, 9),
    ]));
    step(&mut core, changes.collect(), 0);
    assert_eq!(evictions(&mut core), [("high".into(), "b".into(), vec!["y".into()])]);
    // With one more allowed, the lower priority counts.
    step(&mut core, vec![budget(1), Change::Pod(Box::new(ranked("higher", 600, 10)))], 1);
    assert_eq!(evictions(&mut core), [("higher".into(), "a".into(), vec!["x".into()])]);
    check(&core);
}

/// What an API server could come to tell.
#[derive(Clone, Debug)]
enum Act {
    Create(u8, i64, bool, i32),
    Delete(u8),
    Gate(u8),
    /// Somebody else binds it.
    Foreign(u8, u8),
    AddHost(u8, i64),
    RemoveHost(u8),
    /// The oldest order is answered, so or so.
    Answer(u8),
    /// Everything is listed anew, from some time ago or from now.
    Relist,
    Wait(u64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (0..12_u8, 0..600_i64, any::<bool>(), 0..3_i32)
            .prop_map(|(pod, cpu, ours, priority)| Act::Create(pod, cpu, ours, priority)),
        3 => (0..12_u8).prop_map(Act::Delete),
        1 => (0..12_u8).prop_map(Act::Gate),
        2 => (0..12_u8, 0..3_u8).prop_map(|(pod, host)| Act::Foreign(pod, host)),
        2 => (0..3_u8, 200..1_500_i64).prop_map(|(host, cpu)| Act::AddHost(host, cpu)),
        1 => (0..3_u8).prop_map(Act::RemoveHost),
        6 => (0..4_u8).prop_map(Act::Answer),
        1 => Just(Act::Relist),
        2 => (1..15_000_u64).prop_map(Act::Wait),
    ]
}

/// The API server, whose word is final.
#[derive(Default)]
struct Server {
    pods: BTreeMap<u8, PodNews>,
    hosts: BTreeMap<u8, i64>,
    orders: Vec<(u64, PodId, String)>,
    uids: u32,
}

impl Server {
    fn act(&mut self, act: &Act, now: &mut u64) -> Vec<Change> {
        let name = |host: &u8| format!("host-{host}");
        match act {
            Act::Create(number, cpu, ours, priority) if !self.pods.contains_key(number) => {
                self.uids += 1;
                let mut news = pod(&format!("pod-{number}"), *cpu);
                news.id.uid = self.uids.to_string();
                news.priority = *priority;
                news.scheduler_name = if *ours { "default-scheduler" } else { "theirs" }.to_owned();
                self.pods.insert(*number, news.clone());
                pods(vec![news])
            }
            Act::Delete(number) => {
                self.pods.remove(number).map(|news| Change::PodGone(news.id)).into_iter().collect()
            }
            Act::Gate(number) => {
                let Some(news) = self.pods.get_mut(number).filter(|news| news.node.is_none()) else {
                    return Vec::new();
                };
                news.is_gated = !news.is_gated;
                pods(vec![news.clone()])
            }
            Act::Foreign(number, host) => {
                let Some(news) = self.pods.get_mut(number).filter(|news| news.node.is_none()) else {
                    return Vec::new();
                };
                news.node = Some(name(host));
                pods(vec![news.clone()])
            }
            Act::AddHost(number, cpu) => {
                self.hosts.insert(*number, *cpu);
                vec![host(&name(number), *cpu)]
            }
            Act::RemoveHost(number) => {
                self.hosts.remove(number);
                vec![Change::HostGone(name(number))]
            }
            Act::Answer(how) if !self.orders.is_empty() => self.answer(*how),
            Act::Relist => self.relist(),
            Act::Wait(time) => {
                *now += time;
                Vec::new()
            }
            Act::Create(..) | Act::Answer(_) => Vec::new(),
        }
    }

    fn answer(&mut self, how: u8) -> Vec<Change> {
        let (number, id, node) = self.orders.remove(0);
        let Some(news) = self.pods.values_mut().find(|news| news.id == id) else {
            return vec![Change::Bound(number, Outcome::Gone)];
        };
        let outcome = match &news.node {
            Some(other) => Outcome::Elsewhere(other.clone()),
            None if how == 0 => Outcome::Refused("no".into()),
            None => {
                news.node = Some(node);
                Outcome::Bound
            }
        };
        let confirmed = pods(vec![news.clone()]);
        let answer = vec![Change::Bound(number, outcome)];
        // The watch may be first.
        if how == 1 {
            confirmed.into_iter().chain(answer).collect()
        } else {
            answer.into_iter().chain(confirmed).collect()
        }
    }

    /// Stops the pods that are to make way.
    fn evict(&mut self, core: &mut Core) -> Vec<Change> {
        let mut gone = Vec::new();
        for victim in std::iter::from_fn(|| core.next_eviction()).flat_map(|order| order.victims) {
            let number = self.pods.iter().find(|(_, news)| news.id == *victim).map(|(number, _)| *number);
            gone.extend(
                number.and_then(|number| self.pods.remove(&number)).map(|news| Change::PodGone(news.id)),
            );
        }
        gone
    }

    fn relist(&self) -> Vec<Change> {
        let mut changes = vec![Change::Relisting(Kind::Pods), Change::Relisting(Kind::Hosts)];
        changes.extend(self.hosts.iter().map(|(number, cpu)| host(&format!("host-{number}"), *cpu)));
        changes.extend(pods(self.pods.values().cloned().collect()));
        changes.extend([Change::Listed(Kind::Hosts), Change::Listed(Kind::Pods)]);
        changes
    }
}

proptest! {
    #[test]
    fn accounts_are_right_whatever_comes(acts in prop::collection::vec(act(), 0..80)) {
        let (mut core, mut server, mut now) = (core(), Server::default(), 0);
        for act in &acts {
            let changes = server.act(act, &mut now);
            for (_, host, number) in step(&mut core, changes, now) {
                let id = (*core.pods.get(number).unwrap().id).clone();
                server.orders.push((number, id, host));
            }
            check(&core);
            prop_assert_eq!(core.binding + core.assumed, core.pods.iter().filter(|(_, pod)| {
                matches!(pod.state, pods::State::Binding(..) | pods::State::Assumed(..))
            }).count());
        }
        // When all has been answered and told, what is known is what is there, and nothing that fits waits.
        for _ in 0..400 {
            let answers: Vec<Change> = (0..server.orders.len()).flat_map(|_| server.answer(2)).collect();
            now += 15_000;
            let stopped = server.evict(&mut core);
            let relist = server.relist();
            for (_, host, number) in step(&mut core, answers.into_iter().chain(stopped).chain(relist).collect(), now) {
                let id = (*core.pods.get(number).unwrap().id).clone();
                server.orders.push((number, id, host));
            }
            if server.orders.is_empty() && core.nominated == 0 && core.avoided.is_empty() && core.backing_off.is_empty() {
                break;
            }
        }
        check(&core);
        prop_assert!(server.orders.is_empty() && core.binding == 0 && core.nominated == 0);
        prop_assert!(core.awaited.values().all(BTreeSet::is_empty));
        let ours = |news: &&PodNews| news.scheduler_name == "default-scheduler" || news.node.is_some();
        prop_assert_eq!(core.pods.len(), server.pods.values().filter(ours).count());
        for news in server.pods.values().filter(|news| news.node.is_none() && ours(news) && !news.is_gated) {
            let Asked::Whole(demand) = &news.asked else { continue };
            for (host, cpu) in &server.hosts {
                let name = format!("host-{host}");
                let there: Vec<i64> = server.pods.values().filter(|there| there.node.as_deref() == Some(&*name)).map(|there| {
                    let Asked::Whole(demand) = &there.asked else { return 0 };
                    demand.requests.cpu_milli
                }).collect();
                let fits = there.len() < 5 && (demand.requests.cpu_milli == 0 || there.iter().sum::<i64>() + demand.requests.cpu_milli <= *cpu);
                prop_assert!(!fits, "{} fits on {name} and waits", news.id.name);
            }
        }
    }
}
