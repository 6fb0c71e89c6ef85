//! The rules of the ledger one by one: what goes wrong when one of them is left out is the shortest story of each test.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;

use meridian_engine::{Demand, Host, Resources};
use meridian_ledger::host::{
    AgentState, Change, Claim, EntryState, Greeting, InventoryPod, Ledger, ListedPod, Listing, ListingError,
    Refusal,
};
use meridian_ledger::tenant::Settlement::{Bound, Terminating, Void};
use meridian_ledger::{ClaimId, HostNumber, Uid};

const HOST: HostNumber = HostNumber(7);

fn cpu(milli: i64) -> Resources {
    Resources { cpu_milli: milli, ..Resources::default() }
}

fn host(milli: i64) -> Host {
    Host { name: "h".into(), allocatable: cpu(milli), pods: 10, ..Host::default() }
}

fn demand(milli: i64) -> Demand {
    Demand { requests: cpu(milli), ..Demand::default() }
}

fn id(sequence: u64) -> ClaimId {
    ClaimId { partition: "tp".into(), epoch: 1, sequence }
}

fn claim(sequence: u64, uid: &str, milli: i64) -> Claim {
    Claim {
        id: id(sequence),
        tenant: "t".into(),
        uid: uid.into(),
        host: "h".into(),
        incarnation: 1,
        demand: demand(milli),
        seat: 0.into(),
        host_epoch: 3,
        victims: Vec::new(),
        keeps: false,
    }
}

fn listed(sequence: u64, uid: &str, milli: i64) -> ListedPod {
    ListedPod {
        claim: id(sequence),
        tenant: "t".into(),
        uid: uid.into(),
        host: "h".into(),
        incarnation: 1,
        demand: demand(milli),
        seat: 0.into(),
        is_terminating: false,
    }
}

fn list(pods: Vec<ListedPod>) -> Listing {
    Listing { host_epoch: 3, part: 0, is_last: true, pods }
}

fn has(uid: &str, is_stopped: bool) -> InventoryPod {
    InventoryPod { tenant: "t".into(), uid: uid.into(), is_stopped, demand: Some(demand(1)) }
}

/// A recovering ledger of epoch 3 with one host of capacity 1.
fn recovering() -> Ledger {
    let mut ledger = Ledger::new(3, [Arc::from("tp")]);
    ledger.add_host(HOST, &host(1), 1).unwrap();
    ledger
}

/// The same, open, with its host ready.
fn open() -> Ledger {
    let mut ledger = recovering();
    assert_eq!(ledger.listing("tp", list(Vec::new())), Ok(true));
    ledger.inventory(HOST, Vec::new(), false);
    ledger.take_changes();
    ledger
}

fn refusal(ledger: &mut Ledger, claim: &Claim) -> Option<Refusal> {
    ledger.claim(claim).refusal
}

/// What changes tell agents and tenant partitions to do.
fn orders(ledger: &mut Ledger) -> Vec<String> {
    let changes = ledger.take_changes();
    let order = |change: Change| match change {
        Change::Run(entry) => Some(format!("run {}", entry.uid)),
        Change::Stop { uid, .. } => Some(format!("stop {uid}")),
        Change::Forget { uid, .. } => Some(format!("forget {uid}")),
        Change::Stopped(entry) => Some(format!("stopped {}", entry.uid)),
        Change::SpecWanted { claim } => Some(format!("spec {}", claim.sequence)),
        _ => None,
    };
    changes.into_iter().filter_map(order).collect()
}

fn bind(ledger: &mut Ledger, sequence: u64, uid: &str) {
    assert_eq!(refusal(ledger, &claim(sequence, uid, 1)), None);
    ledger.settle(3, &id(sequence), Bound);
    ledger.specified(&id(sequence));
    assert_eq!(orders(ledger), [format!("run {uid}")]);
}

#[test]
fn nothing_is_run_before_it_is_bound() {
    let mut ledger = open();
    ledger.claim(&claim(1, "a", 1));
    ledger.specified(&id(1));
    assert_eq!(orders(&mut ledger), Vec::<String>::new());
    ledger.settle(3, &id(1), Bound);
    assert_eq!(orders(&mut ledger), ["run a"]);
    ledger.settle(3, &id(1), Bound);
    assert_eq!(orders(&mut ledger), Vec::<String>::new());
}

#[test]
fn room_is_given_once_and_comes_back_only_when_the_claim_is_void() {
    let mut ledger = open();
    bind(&mut ledger, 1, "a");
    let refused = refusal(&mut ledger, &claim(2, "b", 1)).unwrap();
    assert_eq!(refused.reason(), "OutOfcpu");
    assert_eq!(
        refused.to_string(),
        "Node didn't have enough resource: cpu, requested: 1, used: 1, capacity: 1"
    );
    ledger.settle(3, &id(1), Terminating);
    assert_eq!(orders(&mut ledger), ["stop a"]);
    assert_eq!(refusal(&mut ledger, &claim(3, "b", 1)).unwrap().reason(), "OutOfcpu");
    ledger.stopped(HOST, &"t".into(), &"a".into());
    assert_eq!(orders(&mut ledger), ["stopped a"]);
    assert_eq!(refusal(&mut ledger, &claim(4, "b", 1)).unwrap().reason(), "OutOfcpu");
    ledger.settle(3, &id(1), Void);
    assert_eq!(orders(&mut ledger), ["forget a"]);
    assert_eq!(refusal(&mut ledger, &claim(5, "b", 1)), None);
    assert_eq!(ledger.check(), []);
}

/// Without the watermark a stopped pod ran again: its claim came twice, the second time after its end.
#[test]
fn a_late_duplicate_of_a_claim_and_of_its_settlement_runs_nothing() {
    let mut ledger = open();
    bind(&mut ledger, 1, "a");
    ledger.stopped(HOST, &"t".into(), &"a".into());
    ledger.settle(3, &id(1), Void);
    assert_eq!(orders(&mut ledger), ["stopped a", "forget a"]);
    assert_eq!(refusal(&mut ledger, &claim(1, "a", 1)), Some(Refusal::Stale));
    ledger.settle(3, &id(1), Bound);
    ledger.specified(&id(1));
    assert_eq!(orders(&mut ledger), Vec::<String>::new());
    assert!(ledger.is_empty());
}

#[test]
fn a_claim_that_is_repeated_is_accepted_again_and_takes_nothing_more() {
    let mut ledger = open();
    assert_eq!(refusal(&mut ledger, &claim(1, "a", 1)), None);
    assert_eq!(refusal(&mut ledger, &claim(1, "a", 1)), None);
    assert_eq!(ledger.len(), 1);
    // A later one has been decided: an earlier one that was on its way is over.
    assert_eq!(refusal(&mut ledger, &claim(3, "b", 1)).unwrap().reason(), "OutOfcpu");
    assert_eq!(refusal(&mut ledger, &claim(2, "c", 0)), Some(Refusal::Stale));
}

/// Without audits a claim leaked when it was accepted, given up, and the word of it lost.
#[test]
fn what_is_held_for_long_is_asked_about_and_never_expires() {
    let mut ledger = open();
    ledger.claim(&claim(1, "a", 1));
    assert_eq!(ledger.tick(), []);
    for _ in 0..100 {
        assert_eq!(ledger.tick(), [id(1)]);
    }
    assert_eq!(ledger.claims_of("tp"), [id(1)]);
    assert_eq!(ledger.sweep(0, 10), (vec![id(1)], 0));
    ledger.settle(3, &id(1), Void);
    assert_eq!((ledger.tick(), ledger.len()), (vec![], 0));
    assert_eq!(orders(&mut ledger), Vec::<String>::new());
}

/// Otherwise a deposed ledger made the agent forget a stop, and the next ran the pod again.
#[test]
fn only_what_is_settled_under_its_own_epoch_counts() {
    let mut ledger = open();
    bind(&mut ledger, 1, "a");
    for he in [2, 4] {
        ledger.settle(he, &id(1), Void);
        ledger.settle(he, &id(1), Terminating);
    }
    assert_eq!(ledger.entry(&id(1)).unwrap().state, EntryState::Bound);
    let old = Claim { host_epoch: 2, ..claim(2, "b", 0) };
    assert_eq!(refusal(&mut ledger, &old), Some(Refusal::Fenced { own: 3, named: 2 }));
    let new = Claim { host_epoch: 4, ..claim(3, "b", 0) };
    assert_eq!(refusal(&mut ledger, &new), Some(Refusal::Deposed { own: 3, named: 4 }));
    assert_eq!(ledger.len(), 1);
}

/// Otherwise a host that was re-imaged ran a finished pod again.
#[test]
fn what_was_bound_to_an_older_incarnation_has_stopped_and_is_not_run() {
    let mut ledger = open();
    bind(&mut ledger, 1, "a");
    ledger.reincarnated(HOST, 2);
    assert_eq!(orders(&mut ledger), ["stopped a"]);
    ledger.inventory(HOST, Vec::new(), false);
    assert_eq!(orders(&mut ledger), ["stopped a"]);
    assert_eq!(refusal(&mut ledger, &claim(2, "b", 0)), Some(Refusal::Incarnation { own: 2, named: 1 }));
    // It keeps its room until that is stored.
    let now = Claim { incarnation: 2, ..claim(3, "b", 1) };
    assert_eq!(refusal(&mut ledger, &now).unwrap().reason(), "OutOfcpu");

    // The same from a list, and for a claim that turns out to have been bound.
    let mut ledger = recovering();
    ledger.reincarnated(HOST, 2);
    ledger.listing("tp", list(vec![listed(1, "a", 1)])).unwrap();
    assert_eq!(orders(&mut ledger), ["stopped a"]);
    let mut ledger = open();
    ledger.claim(&claim(1, "a", 1));
    ledger.reincarnated(HOST, 2);
    ledger.settle(3, &id(1), Bound);
    assert_eq!(orders(&mut ledger), ["stopped a"]);
}

#[test]
fn a_list_is_used_once_and_whole() {
    let mut ledger = recovering();
    assert_eq!(refusal(&mut ledger, &claim(1, "a", 1)), Some(Refusal::Recovering));
    let part = |part, is_last, pods| Listing { host_epoch: 3, part, is_last, pods };
    assert_eq!(ledger.listing("tp", part(0, false, vec![listed(1, "a", 1)])), Ok(false));
    // The stream broke, and the list comes again from its beginning.
    assert_eq!(ledger.greet("tp"), Greeting::Unanswered);
    assert_eq!(
        ledger.listing("tp", part(1, true, Vec::new())),
        Err(ListingError::OutOfOrder { part: 1, want: 0 })
    );
    assert!(ledger.is_empty() && !ledger.is_open());
    assert_eq!(
        ledger.listing("tp", Listing { host_epoch: 2, ..list(Vec::new()) }),
        Err(ListingError::Epoch { own: 3, named: 2 })
    );
    assert_eq!(ledger.listing("tp", part(0, false, vec![listed(1, "a", 1)])), Ok(false));
    assert_eq!(ledger.listing("tp", part(1, true, vec![listed(2, "b", 0)])), Ok(true));
    assert!(ledger.is_open());
    ledger.settle(3, &id(1), Void);
    // An old one that comes again revives nothing.
    assert_eq!(ledger.listing("tp", list(vec![listed(1, "a", 1)])), Err(ListingError::Answered));
    assert_eq!(ledger.claims_of("tp"), [id(2)]);
    let foreign = ListedPod { claim: ClaimId { partition: "other".into(), ..id(9) }, ..listed(9, "x", 1) };
    assert_eq!(recovering().listing("tp", list(vec![foreign])), Err(ListingError::ForeignClaim));
}

/// Otherwise a partition that had not listed could still bind what the ledger gave away again.
#[test]
fn the_ledger_opens_when_all_partitions_have_listed_and_not_before() {
    let mut ledger = Ledger::new(3, [Arc::from("tp"), Arc::from("other")]);
    ledger.add_host(HOST, &host(1), 1).unwrap();
    ledger.inventory(HOST, Vec::new(), false);
    ledger.listing("tp", list(Vec::new())).unwrap();
    assert_eq!(refusal(&mut ledger, &claim(1, "a", 1)), Some(Refusal::Recovering));
    assert_eq!(ledger.unanswered(), [Arc::from("other")]);
    ledger.listing("other", list(Vec::new())).unwrap();
    assert!(ledger.take_changes().contains(&Change::Opened));
    // One that is new waits for its own list and stops nobody else.
    assert_eq!(ledger.greet("new"), Greeting::Unknown);
    let of_new = Claim { id: ClaimId { partition: "new".into(), ..id(1) }, ..claim(1, "a", 1) };
    assert_eq!(refusal(&mut ledger, &of_new), Some(Refusal::UnknownPartition));
    ledger.adopt("new".into());
    assert_eq!(refusal(&mut ledger, &of_new), Some(Refusal::Recovering));
    assert_eq!(refusal(&mut ledger, &claim(1, "a", 1)), None);
}

#[test]
fn pods_that_nobody_explains_count_until_they_have_stopped() {
    let mut ledger = recovering();
    ledger.inventory(HOST, vec![has("ours", false), has("stray", false), has("done", true)], false);
    assert_eq!(
        orders(&mut ledger),
        Vec::<String>::new(),
        "hosts run what they run while others may yet list"
    );
    ledger.listing("tp", list(vec![listed(1, "ours", 1)])).unwrap();
    assert_eq!(orders(&mut ledger), ["stop stray", "forget done"]);
    assert_eq!(ledger.entry(&id(1)).unwrap().agent, AgentState::Running);
    assert_eq!(ledger.free(HOST).unwrap().resources.cpu_milli, -1);
    ledger.stopped(HOST, &"t".into(), &"stray".into());
    assert_eq!(orders(&mut ledger), ["forget stray"]);
    assert_eq!(ledger.free(HOST).unwrap().resources.cpu_milli, 0);
    assert_eq!(ledger.check(), []);
}

#[test]
fn a_host_takes_no_claims_before_its_inventory_or_while_it_is_not_heard_of() {
    let mut ledger = recovering();
    ledger.listing("tp", list(Vec::new())).unwrap();
    assert_eq!(refusal(&mut ledger, &claim(1, "a", 1)).unwrap().reason(), "NodeNotReady");
    ledger.inventory(HOST, Vec::new(), false);
    ledger.set_reachable(HOST, false);
    assert_eq!(refusal(&mut ledger, &claim(2, "a", 1)).unwrap().reason(), "NodeNotReady");
    ledger.set_reachable(HOST, true);
    assert_eq!(refusal(&mut ledger, &claim(3, "a", 1)), None);
    let readiness =
        ledger.take_changes().iter().filter(|change| matches!(change, Change::Readiness { .. })).count();
    assert_eq!(readiness, 3);
}

#[test]
fn a_host_that_shrinks_keeps_what_it_runs_and_takes_nothing_new() {
    let mut ledger = open();
    ledger.update_host(HOST, &host(2)).unwrap();
    bind(&mut ledger, 1, "a");
    bind(&mut ledger, 2, "b");
    ledger.update_host(HOST, &host(1)).unwrap();
    assert_eq!(ledger.free(HOST).unwrap().resources.cpu_milli, -1);
    ledger.settle(3, &id(2), Void);
    assert_eq!(refusal(&mut ledger, &claim(3, "c", 1)).unwrap().reason(), "OutOfcpu");
    // As after a restart: what is bound counts, whether there is room or not.
    let mut again = recovering();
    again.listing("tp", list(vec![listed(1, "a", 1), listed(2, "b", 1)])).unwrap();
    assert_eq!(again.free(HOST).unwrap().resources.cpu_milli, -1);
    assert_eq!(again.remove_host(HOST), Err(2));
}

#[test]
fn specs_are_asked_for_until_they_come() {
    let mut ledger = recovering();
    ledger.listing("tp", list(vec![listed(1, "a", 1), listed(2, "b", 0)])).unwrap();
    ledger.inventory(HOST, vec![has("b", false)], false);
    assert_eq!(orders(&mut ledger), ["spec 1"]);
    ledger.tick();
    assert_eq!(orders(&mut ledger), ["spec 1"]);
    assert!(ledger.specified(&id(1)));
    assert!(!ledger.specified(&id(1)) && !ledger.specified(&id(2)));
    ledger.tick();
    assert_eq!(orders(&mut ledger), ["run a"]);
    // The link broke before the agent had taken note: told again, without a spec that is still at hand.
    ledger.inventory(HOST, vec![has("b", false)], false);
    assert_eq!(orders(&mut ledger), ["run a"]);
    ledger.inventory(HOST, vec![has("b", false)], true);
    ledger.acknowledged(&id(1));
    ledger.inventory(HOST, vec![has("b", false)], false);
    assert_eq!(orders(&mut ledger), ["spec 1"]);
}

#[test]
fn absurd_input_is_refused_and_counts_nothing() {
    let mut ledger = open();
    let absurd = Claim { demand: demand(i64::MAX), ..claim(1, "a", 1) };
    assert_eq!(refusal(&mut ledger, &absurd).unwrap().reason(), "InvalidDemand");
    let lost = Claim { host: String::new(), ..claim(2, "a", 1) };
    assert_eq!(refusal(&mut ledger, &lost).unwrap().reason(), "NodeNotFound");
    let odd = Claim { seat: 3.into(), ..claim(3, "a", 1) };
    assert_eq!(refusal(&mut ledger, &odd).unwrap().reason(), "OutOfdevices");
    let mut exotic = claim(4, "a", 0);
    exotic.demand.requests.extended.insert("example.com/unicorn".into(), 1);
    assert_eq!(refusal(&mut ledger, &exotic).unwrap().reason(), "OutOfexample.com/unicorn");
    ledger.inventory(HostNumber(99), vec![has("x", false)], false);
    ledger.stopped(HostNumber(99), &"t".into(), &Uid::from(""));
    ledger.reincarnated(HOST, 0);
    assert!(ledger.is_empty() && ledger.check().is_empty());
    // As a fact it counts as far as it can be counted.
    let mut ledger = recovering();
    let mut facts: Vec<_> =
        (1..100).map(|number| listed(number, &format!("p{number}"), i64::MAX >> 10)).collect();
    facts.push(listed(100, "negative", -5));
    ledger.listing("tp", list(facts)).unwrap();
    assert_eq!(ledger.len(), 100);
    assert!(ledger.free(HOST).unwrap().resources.cpu_milli < 0);
}
