//! Claims that are decided together, and claims that wait for the room of others: what they take, what they are refused for,
//! and that nothing is given twice. Ports and devices are room as much as CPU is, whichever way an entry came.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;

use meridian_engine::{Demand, DeviceDemand, Devices, Host, HostPort, Protocol, Resources};
use meridian_ledger::host::{Answer, Change, Claim, EntryState, Ledger, ListedPod, Listing};
use meridian_ledger::tenant::Settlement::{Bound, Terminating, Void};
use meridian_ledger::{ClaimId, HostNumber};

const HOST: HostNumber = HostNumber(7);

/// A host of 4 thousandths of a core and two devices, open under epoch 3, with these bound there.
fn ledger(bound: &[Claim]) -> Ledger {
    let mut ledger = Ledger::new(3, [Arc::from("tp"), Arc::from("other")]);
    let allocatable = Resources { cpu_milli: 4, ..Resources::default() };
    let devices = Some(Devices { model: "V100".into(), count: 2 });
    let host = Host { name: "h".into(), allocatable, pods: 10, devices, ..Host::default() };
    ledger.add_host(HOST, &host, 1).unwrap();
    let listed = |claim: &Claim| ListedPod {
        claim: claim.id.clone(),
        tenant: claim.tenant.clone(),
        uid: claim.uid.clone(),
        host: claim.host.clone(),
        incarnation: 1,
        demand: claim.demand.clone(),
        seat: claim.seat,
        is_terminating: false,
    };
    let list = |pods| Listing { host_epoch: 3, part: 0, is_last: true, pods };
    ledger.listing("other", list(Vec::new())).unwrap();
    ledger.listing("tp", list(bound.iter().map(listed).collect())).unwrap();
    ledger.inventory(HOST, Vec::new(), false);
    ledger.take_changes();
    ledger
}

fn id(sequence: u64) -> ClaimId {
    ClaimId { partition: "tp".into(), epoch: 1, sequence }
}

fn claim(sequence: u64, cpu_milli: i64) -> Claim {
    let requests = Resources { cpu_milli, ..Resources::default() };
    Claim {
        id: id(sequence),
        tenant: "t".into(),
        uid: format!("pod-{sequence}").into(),
        host: "h".into(),
        incarnation: 1,
        demand: Demand { requests, ..Demand::default() },
        seat: 0.into(),
        host_epoch: 3,
        victims: Vec::new(),
        keeps: false,
    }
}

fn port(claim: Claim) -> Claim {
    let ports = vec![HostPort { protocol: Protocol::Tcp, ip: String::new(), port: 80 }];
    Claim { demand: Demand { ports, ..claim.demand }, ..claim }
}

fn device(claim: Claim, devices: u64) -> Claim {
    let wanted = Some(DeviceDemand { count: devices.count_ones(), milli: 1000, models: Vec::new() });
    Claim { demand: Demand { devices: wanted, ..claim.demand }, seat: devices.into(), ..claim }
}

fn after(claim: Claim, victims: &[u64]) -> Claim {
    Claim { victims: victims.iter().copied().map(id).collect(), ..claim }
}

fn said(answer: &Answer) -> String {
    match (&answer.refusal, answer.is_waiting) {
        (Some(refusal), _) => refusal.reason(),
        (None, true) => "waits".to_owned(),
        (None, false) => "accepted".to_owned(),
    }
}

fn words(answers: &[Answer]) -> Vec<String> {
    answers.iter().map(said).collect()
}

/// What claims that waited have come to since this was last asked.
fn late(ledger: &mut Ledger) -> Vec<(u64, String)> {
    let changes = ledger.take_changes();
    let late = changes.iter().filter_map(|change| match change {
        Change::Answered(answer) => Some((answer.claim.sequence, said(answer))),
        _ => None,
    });
    late.collect()
}

fn free(ledger: &Ledger) -> i64 {
    ledger.free(HOST).unwrap().resources.cpu_milli
}

#[test]
fn a_group_is_accepted_as_a_whole_or_takes_nothing() {
    let mut ledger = ledger(&[]);
    let group = [claim(1, 2), claim(2, 1), claim(3, 2)];
    assert_eq!(words(&ledger.claim_group(&group)), ["GroupRefused", "GroupRefused", "OutOfcpu"]);
    assert_eq!((ledger.len(), free(&ledger)), (0, 4));
    assert_eq!(ledger.take_changes(), [], "nobody need be told");
    // Doubled, it is late; so are its parts, those included that were never come to.
    assert_eq!(words(&ledger.claim_group(&group)), ["Stale", "GroupRefused", "GroupRefused"]);
    assert_eq!(said(&ledger.claim(&claim(3, 1))), "Stale");
    let group = [claim(4, 2), claim(5, 2)];
    assert_eq!(words(&ledger.claim_group(&group)), ["accepted", "accepted"]);
    assert_eq!(words(&ledger.claim_group(&group)), ["accepted", "accepted"], "doubled");
    assert_eq!((ledger.len(), free(&ledger), ledger.check()), (2, 0, Vec::new()));
}

#[test]
fn odd_groups_take_nothing() {
    let mut ledger = ledger(&[]);
    assert_eq!(ledger.claim_group(&[]), []);
    assert_eq!(words(&ledger.claim_group(&[claim(1, 1), claim(1, 1)])), ["GroupRefused", "Stale"]);
    assert_eq!(words(&ledger.claim_group(&[claim(3, 1), claim(2, 1)])), ["GroupRefused", "Stale"]);
    let elsewhere = Claim { host: "nowhere".into(), ..claim(5, 1) };
    assert_eq!(words(&ledger.claim_group(&[claim(4, 1), elsewhere])), ["GroupRefused", "NodeNotFound"]);
    let old = Claim { host_epoch: 2, ..claim(6, 1) };
    assert_eq!(words(&ledger.claim_group(&[old, claim(7, 1)])), ["Fenced", "GroupRefused"]);
    let reborn = Claim { incarnation: 2, ..claim(9, 1) };
    assert_eq!(words(&ledger.claim_group(&[claim(8, 1), reborn])), ["GroupRefused", "NodeIncarnation"]);
    assert_eq!((ledger.len(), free(&ledger), ledger.check()), (0, 4, Vec::new()));
}

#[test]
fn what_victims_leave_is_kept_for_the_one_who_waits_and_given_once() {
    let mut ledger = ledger(&[claim(1, 3)]);
    let waiting = after(claim(2, 4), &[1]);
    assert_eq!(said(&ledger.claim(&waiting)), "waits");
    assert_eq!(said(&ledger.claim(&waiting)), "waits", "doubled");
    assert_eq!(ledger.entry(&id(2)).unwrap().state, EntryState::Waiting);
    assert_eq!(free(&ledger), -3);
    assert_eq!(said(&ledger.claim(&claim(3, 1))), "OutOfcpu", "what is free is spoken for");
    ledger.settle(3, &id(1), Bound);
    ledger.settle(3, &id(1), Terminating);
    ledger.stopped(HOST, &"t".into(), &"pod-1".into());
    assert_eq!(late(&mut ledger), [], "its tenant partition has not said that it stopped");
    ledger.settle(3, &id(1), Void);
    assert_eq!(late(&mut ledger), [(2, "accepted".to_owned())]);
    assert_eq!(said(&ledger.claim(&waiting)), "accepted", "asked again");
    assert_eq!((free(&ledger), ledger.check()), (0, Vec::new()));
    ledger.settle(3, &id(2), Bound);
    assert_eq!(ledger.entry(&id(2)).unwrap().state, EntryState::Bound);
}

#[test]
fn one_who_waits_is_asked_about_and_gives_up_by_being_void_and_by_nothing_else() {
    let mut ledger = ledger(&[claim(1, 4)]);
    ledger.claim(&after(claim(2, 4), &[1]));
    assert!(ledger.tick().is_empty());
    assert_eq!(ledger.tick(), [id(2)]);
    ledger.settle(2, &id(2), Void);
    assert_eq!(ledger.len(), 2, "of another epoch");
    ledger.settle(3, &id(2), Void);
    assert_eq!((ledger.len(), free(&ledger), ledger.waiting_on(HOST)), (1, 0, Vec::new()));
    ledger.settle(3, &id(1), Void);
    assert_eq!(late(&mut ledger), []);
    assert_eq!((free(&ledger), ledger.check()), (4, Vec::new()));
}

#[test]
fn nobody_waits_for_room_that_its_victims_would_not_leave() {
    let mut ledger = ledger(&[claim(1, 2), claim(2, 2)]);
    assert_eq!(said(&ledger.claim(&after(claim(3, 3), &[1]))), "OutOfcpu", "more than that");
    assert_eq!(said(&ledger.claim(&after(claim(4, 5), &[1, 2]))), "OutOfcpu", "more than the host has");
    assert_eq!(said(&ledger.claim(&after(claim(5, 1), &[99]))), "OutOfcpu", "of nobody");
    assert_eq!(said(&ledger.claim(&after(claim(6, 2), &[1]))), "waits");
    // What one is to leave is not left to another too.
    assert_eq!(said(&ledger.claim(&after(claim(7, 2), &[1]))), "OutOfcpu");
    assert_eq!(said(&ledger.claim(&after(claim(8, 2), &[2, 6]))), "OutOfcpu", "of who is not bound");
    assert_eq!((free(&ledger), ledger.len()), (-2, 3));
    ledger.settle(3, &id(2), Terminating);
    ledger.settle(3, &id(1), Terminating);
    assert_eq!(said(&ledger.claim(&after(claim(9, 2), &[2]))), "waits");
    // Who came first is seated first, whoever leaves first.
    ledger.settle(3, &id(2), Void);
    assert_eq!(late(&mut ledger), [(6, "accepted".to_owned())]);
    ledger.settle(3, &id(1), Void);
    assert_eq!(late(&mut ledger), [(9, "accepted".to_owned())]);
    assert_eq!((free(&ledger), ledger.check()), (0, Vec::new()));
}

#[test]
fn what_anybody_leaves_is_kept_for_one_who_would_never_get_it() {
    let mut ledger = ledger(&[claim(1, 2), claim(2, 1)]);
    let keeping = |sequence, cpu_milli| Claim { keeps: true, ..claim(sequence, cpu_milli) };
    assert_eq!(said(&ledger.claim(&keeping(3, 5))), "OutOfcpu", "more than the host has");
    assert_eq!(said(&ledger.claim(&keeping(4, 1))), "accepted", "there is room");
    assert_eq!(said(&ledger.claim(&keeping(5, 3))), "waits", "for those that hold theirs too");
    assert_eq!(said(&ledger.claim(&keeping(6, 2))), "OutOfcpu", "beside the other there will never be room");
    assert_eq!(said(&ledger.claim(&keeping(7, 1))), "waits");
    assert_eq!(free(&ledger), -4);
    for (leaves, seated) in [(1, None), (2, Some(5)), (4, Some(7))] {
        assert_eq!(said(&ledger.claim(&claim(10 + leaves, 1))), "OutOfcpu", "what is left is kept");
        ledger.settle(3, &id(leaves), Void);
        let seated: Vec<_> = seated.into_iter().map(|seated| (seated, "accepted".to_owned())).collect();
        assert_eq!(late(&mut ledger), seated);
    }
    assert_eq!((free(&ledger), ledger.check()), (0, Vec::new()));
}

#[test]
fn members_of_a_group_wait_beside_each_other() {
    let mut ledger = ledger(&[claim(1, 4)]);
    let more = [after(claim(2, 2), &[1]), after(claim(3, 3), &[1])];
    assert_eq!(words(&ledger.claim_group(&more)), ["GroupRefused", "OutOfcpu"]);
    assert_eq!(free(&ledger), 0);
    // It is enough that one of them names the victim.
    let both = [after(claim(4, 2), &[1]), after(claim(5, 2), &[4])];
    assert_eq!(words(&ledger.claim_group(&both)), ["waits", "waits"]);
    ledger.settle(3, &id(1), Void);
    assert_eq!(late(&mut ledger), [(4, "accepted".to_owned()), (5, "accepted".to_owned())]);
    assert_eq!((free(&ledger), ledger.check()), (0, Vec::new()));
}

#[test]
fn a_host_that_grows_seats_who_waits_and_one_that_begins_anew_turns_it_away() {
    let mut grown = ledger(&[claim(1, 4)]);
    grown.claim(&after(claim(2, 4), &[1]));
    let allocatable = Resources { cpu_milli: 8, ..Resources::default() };
    let host = Host { name: "h".into(), allocatable, pods: 10, ..Host::default() };
    grown.set_reachable(HOST, false);
    grown.update_host(HOST, &host).unwrap();
    assert_eq!(late(&mut grown), [], "not while it is not heard of");
    grown.set_reachable(HOST, true);
    assert_eq!(late(&mut grown), [(2, "accepted".to_owned())]);
    assert_eq!((free(&grown), grown.check()), (0, Vec::new()));

    let mut reborn = ledger(&[claim(1, 4)]);
    reborn.claim(&after(claim(2, 4), &[1]));
    reborn.reincarnated(HOST, 2);
    assert_eq!(late(&mut reborn), [], "not before it has said what runs there");
    reborn.inventory(HOST, Vec::new(), false);
    assert_eq!(late(&mut reborn), [(2, "NodeIncarnation".to_owned())]);
    assert_eq!(reborn.len(), 1);
}

#[test]
fn ports_and_devices_are_given_once_whichever_way_an_entry_came() {
    for is_listed in [true, false] {
        let holder = device(port(claim(1, 1)), 0b01);
        let mut ledger = if is_listed {
            ledger(std::slice::from_ref(&holder))
        } else {
            let mut ledger = ledger(&[]);
            assert_eq!(said(&ledger.claim(&holder)), "accepted");
            ledger.settle(3, &id(1), Bound);
            ledger
        };
        assert_eq!(ledger.entry(&id(1)).unwrap().seat.devices, 0b01);
        assert_eq!(said(&ledger.claim(&port(claim(2, 1)))), "NodePorts");
        assert_eq!(said(&ledger.claim(&device(claim(3, 1), 0b01))), "OutOfdevices");
        assert_eq!(said(&ledger.claim(&device(claim(4, 1), 0b10))), "accepted");
        let torn = [device(claim(5, 1), 0b10), port(claim(6, 1))];
        assert_eq!(words(&ledger.claim_group(&torn)), ["OutOfdevices", "GroupRefused"]);

        // Room there is, but not the port and the device: these are what is waited for.
        let waiting = after(device(port(claim(7, 1)), 0b01), &[1]);
        assert_eq!(said(&ledger.claim(&waiting)), "waits");
        ledger.settle(3, &id(4), Void);
        assert_eq!(late(&mut ledger), []);
        ledger.settle(3, &id(1), Void);
        assert_eq!(late(&mut ledger), [(7, "accepted".to_owned())]);
        assert_eq!(said(&ledger.claim(&port(claim(8, 1)))), "NodePorts");
        assert_eq!(said(&ledger.claim(&device(claim(9, 1), 0b01))), "OutOfdevices");
        assert_eq!((free(&ledger), ledger.check()), (3, Vec::new()));
    }
}
