//! Whose turn it is, by what the ledgers say that tenants hold.

use std::collections::BTreeMap;
use std::time::Duration;

use meridian_engine::{Backoff, TenantSettings};
use meridian_proto::v1;

use super::rig::{Rig, added, ended, host, pod, removed};
use super::{QueueSettings, REFUSED};

fn of(tenant: &str, pod: v1::PendingPod) -> v1::PendingPod {
    v1::PendingPod { tenant: tenant.to_owned(), ..pod }
}

/// Tenants and, in millionths, what they hold.
fn shares(rig: &Rig) -> BTreeMap<String, u64> {
    rig.core.tenants().map(|(name, status)| (name.to_owned(), status.share_millionths)).collect()
}

fn decided(rig: &mut Rig) -> Vec<String> {
    rig.decide().into_iter().map(|decision| decision.uid).collect()
}

fn share(cores: u64, of: u64) -> u64 {
    (1_000_000 * cores).div_ceil(of) - 1
}

#[test]
fn tenants_take_turns_by_what_entries_and_decisions_hold() {
    let mut rig = Rig::with_hosts(&[("a", 8)]);
    // The ledger says that t holds three cores.
    rig.feed(0, vec![added(1, "x", 1, 3)]);
    assert_eq!(
        shares(&rig),
        BTreeMap::from([("t".to_owned(), 0)]),
        "of what is offered when pods are decided"
    );
    let pods = ["p", "q", "r"].into_iter().map(|uid| pod(uid, 1));
    let others = ["s", "u", "v", "w"].into_iter().map(|uid| of("other", pod(uid, 1)));
    rig.pods(0, pods.chain(others).collect());
    assert_eq!(decided(&mut rig), ["s", "u", "v", "p", "w"]);
    assert_eq!(shares(&rig), BTreeMap::from([("t".into(), share(4, 8)), ("other".into(), share(4, 8))]));
    // The entry of a decision takes over what it holds, and what ends is held no more.
    rig.feed(0, vec![added(2, "p", 1, 1)]);
    assert_eq!(shares(&rig)["t"], share(4, 8));
    rig.feed(0, vec![ended(1)]);
    assert_eq!(shares(&rig)["t"], share(1, 8));
    assert_eq!(decided(&mut rig), ["q", "r"]);
    rig.check();
}

#[test]
fn what_a_host_ran_is_held_until_its_entries_end_or_it_comes_back() {
    let mut rig = Rig::with_hosts(&[("a", 8), ("b", 8)]);
    rig.feed(0, vec![added(1, "x", 1, 4)]);
    rig.pods(0, vec![of("other", pod("p", 9))]);
    rig.decide();
    assert_eq!(shares(&rig)["t"], share(4, 16));
    rig.feed(0, vec![removed(1)]);
    rig.feed(0, vec![host(1, "a", 8)]);
    rig.decide();
    assert_eq!(shares(&rig)["t"], share(4, 16), "counted once");
    rig.feed(0, vec![ended(1)]);
    rig.withdraw(0, "p");
    assert_eq!(shares(&rig), BTreeMap::new());
    rig.check();
}

#[test]
fn weights_and_guarantees_are_settled_while_pods_wait() {
    let mut rig = Rig::with_hosts(&[("a", 8)]);
    let both = |count: u32| {
        let t = (0..count).map(|number| pod(&format!("t{number}"), 1));
        let other = (0..count).map(|number| of("other", pod(&format!("o{number}"), 1)));
        t.chain(other).collect()
    };
    rig.pods(0, both(8));
    let weight = |weight| TenantSettings { weight, ..TenantSettings::default() };
    let mut settings = QueueSettings::default();
    settings.tenants.insert("other".to_owned(), weight(3));
    rig.core.settle(settings.clone()).unwrap();
    let first = decided(&mut rig);
    assert_eq!(first.iter().filter(|uid| uid.starts_with('o')).count(), 6, "{first:?}");

    settings.tenants.insert("t".to_owned(), weight(0));
    let refused = rig.core.settle(settings).unwrap_err();
    assert_eq!(refused.to_string(), "tenant \"t\"");
    let source = std::error::Error::source(&refused).map(ToString::to_string);
    assert_eq!(source.as_deref(), Some("weight is 0, want 1 to 1000000"));
}

#[test]
fn what_is_refused_again_and_again_rests() {
    let mut rig = Rig::with_hosts(&[("a", 8)]);
    let backoff = Backoff { free: 1, initial: Duration::from_secs(1), most: Duration::from_secs(10) };
    rig.core.settle(QueueSettings { backoff, ..QueueSettings::default() }).unwrap();
    rig.pods(0, vec![pod("p", 1)]);
    for wait in [0, 1, 2] {
        rig.wait(Duration::from_secs(wait));
        assert_eq!(decided(&mut rig), ["p"], "after {wait} seconds");
        rig.outcome(0, "p", REFUSED, "");
        rig.pods(0, vec![v1::PendingPod { first: true, ..pod("p", 1) }]);
        if wait > 0 {
            assert_eq!(decided(&mut rig), [""; 0]);
            assert_eq!(rig.core.next_time(), Some(rig.now + Duration::from_secs(wait)));
        }
    }
    rig.withdraw(0, "p");
    assert_eq!(rig.core.queue.len(), 0);
}
