//! The shortest stories that went wrong when a rule of the stores was left out, with the rule in place.

use crate::steps::Step;
use crate::world::{Append, Config, Message, Pod, Verdict, World};

impl World {
    /// Takes the one step that can be taken now and is meant.
    fn go(&mut self, what: &str, is_meant: impl Fn(&Step) -> bool) {
        let step = self.steps().into_iter().find(|step| is_meant(step));
        self.take(&step.unwrap_or_else(|| panic!("no step: {what}")));
        assert_eq!(self.check(), Ok(()), "after: {what}");
    }

    /// Delivers a message to the present process.
    fn deliver_to_present(&mut self, what: &str, is_meant: impl Fn(&Message) -> bool) {
        self.go(what, |step| matches!(step, Step::Deliver { message, process: 0 } if is_meant(message)));
    }

    fn lands_an(&mut self, what: &str, is_meant: impl Fn(&Append) -> bool) {
        self.go(what, |step| matches!(step, Step::Land(append) if is_meant(append)));
    }

    /// The ledger of this epoch is listed to.
    fn listed_to(&mut self, epoch: u64) {
        self.deliver_to_present(
            "relist",
            |message| matches!(message, Message::Relist { he, .. } if *he == epoch),
        );
        self.lands_an("fence", |append| matches!(append, Append::Fence { he, .. } if *he == epoch));
        self.deliver_to_present(
            "list",
            |message| matches!(message, Message::List { he, .. } if *he == epoch),
        );
    }

    fn connected(&mut self, wanted: usize) {
        self.go("connect", |step| matches!(step, Step::Connect { host, process: 0 } if *host == wanted));
    }

    /// A pod is claimed for on a host, and accepted; its append is under way.
    fn accepted(&mut self, wanted: usize, on: usize) {
        self.go(
            "claim",
            |step| matches!(step, Step::Claim { process: 0, places, .. } if places[..] == [(wanted, on)]),
        );
        self.deliver_to_present(
            "claim",
            |message| matches!(message, Message::Claims { claims, .. } if claims[0].1.pod == wanted),
        );
        let live =
            self.tenants[0][0].claims.of(crate::world::uid(wanted).as_str()).map(|live| World::cid(&live.id));
        self.deliver_to_present(
            "answer",
            |message| matches!(message, Message::Answer { cid, verdict: Verdict::Accepted, .. } if Some(*cid) == live),
        );
    }

    fn lands(&mut self, wanted: usize) {
        self.lands_an(
            "bind",
            |append| matches!(append, Append::Bind { members, .. } if members[0].0 == wanted),
        );
    }

    fn runs(&mut self, wanted: usize) {
        let Some(binding) = self.stores[0].pods[wanted].binding() else {
            panic!("pod {wanted} is not bound")
        };
        self.deliver_to_present("bound", |message| {
            matches!(message, Message::Settle { cid, settlement: meridian_ledger::tenant::Settlement::Bound, .. }
                if *cid == binding.cid)
        });
        self.go("obey", |step| matches!(step, Step::Obey { .. }));
        assert!(self.agents[binding.host].running().any(|pod| pod == wanted));
    }
}

#[test]
fn an_append_that_is_under_way_during_a_re_listing_is_refused() {
    let mut world = World::new(Config { most_he: 2, ..Config::small() });
    world.listed_to(1);
    world.connected(0);
    world.accepted(0, 0);
    world.go("restart", |step| matches!(step, Step::Restart { .. }));
    world.listed_to(2);
    world.connected(0);
    // The room that the first was accepted for is given away again: it was not in the list.
    world.accepted(1, 0);
    world.lands(0);
    assert_eq!(world.stores[0].pods[0], Pod::Pending);
    world.lands(1);
    world.runs(1);
}

#[test]
fn a_deposed_partition_cannot_list() {
    let mut world = World::new(Config { most_te: 2, most_he: 2, ..Config::small() });
    world.listed_to(1);
    world.connected(0);
    world.go("take over", |step| matches!(step, Step::TakeOver { .. }));
    world.accepted(0, 0);
    world.lands(0);
    world.go("restart", |step| matches!(step, Step::Restart { .. }));
    // The deposed process is asked, and has not seen the binding.
    world.go("relist", |step| {
        matches!(step, Step::Deliver { message: Message::Relist { he: 2, .. }, process: 1 })
    });
    world.lands_an("fence of the deposed", |append| matches!(append, Append::Fence { te: 1, he: 2, .. }));
    assert!(!world.network.iter().any(|message| matches!(message, Message::List { he: 2, .. })));
    assert!(!world.ledgers[0][0].is_open());
    world.listed_to(2);
    assert_eq!(world.ledgers[0][0].len(), 1);
}

#[test]
fn a_name_is_held_until_its_ghost_is_known_to_have_stopped() {
    let config =
        Config { hosts: vec![1, 1], pods: vec![(1, 0, 0), (1, 0, 0)], most_forced: 1, ..Config::small() };
    let mut world = World::new(config);
    world.listed_to(1);
    world.connected(0);
    world.connected(1);
    world.accepted(0, 0);
    world.lands(0);
    world.runs(0);
    world.go("force", |step| matches!(step, Step::Force { pod: 0 }));
    world.accepted(1, 1);
    world.lands(1);
    assert_eq!(world.stores[0].pods[1], Pod::Pending, "the name is held");
    world.deliver_to_present("stop", |message| {
        matches!(
            message,
            Message::Settle { settlement: meridian_ledger::tenant::Settlement::Terminating, .. }
        )
    });
    world.go("obey", |step| matches!(step, Step::Obey { host: 0, .. }));
    world.go("report", |step| matches!(step, Step::Report { host: 0, .. }));
    world.deliver_to_present("stopped", |message| matches!(message, Message::Stopped { .. }));
    assert_eq!(world.stores[0].pods[0], Pod::Gone);
}
