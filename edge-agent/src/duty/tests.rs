//! The rules against a small world that remembers everything: random orders of two partitions, one of them deposed, and
//! crashes of the agent between any two of its writes and acts.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Happening {
    /// The partition of an epoch says something.
    Order {
        deposed: bool,
        uid: u8,
        order: Order,
        repeat: bool,
        complete: bool,
    },
    /// The agent carries out this many of its writes and acts.
    Work(u8),
    /// A pod's last process goes by itself.
    Exit(u8),
    Crash,
    LinkLost,
    TakeOver,
    Wipe,
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let order = prop_oneof![
        4 => Just(Order::Run),
        3 => (0_u32..40).prop_map(|grace_seconds| Order::Stop { grace_seconds }),
        2 => Just(Order::Forget),
    ];
    let one = prop_oneof![
        10 => (prop::bool::weighted(0.2), 0_u8..5, order, prop::bool::weighted(0.1), any::<bool>())
            .prop_map(|(deposed, uid, order, repeat, complete)| Happening::Order { deposed, uid, order, repeat, complete }),
        8 => (0_u8..6).prop_map(Happening::Work),
        3 => (0_u8..5).prop_map(Happening::Exit),
        3 => Just(Happening::Crash),
        2 => Just(Happening::LinkLost),
        1 => Just(Happening::TakeOver),
        1 => Just(Happening::Wipe),
    ];
    prop::collection::vec(one, 1..80)
}

/// One thing to do, in the agent's order.
#[derive(Clone, Debug)]
enum Todo {
    Write(Write),
    Act(Act),
}

struct World {
    duty: Duty,
    durable: Saved,
    todo: VecDeque<Todo>,
    /// What the runtime has: whether a process of it lives. It outlives the agent.
    sandboxes: BTreeMap<PodUid, bool>,
    epoch: u64,
    incarnation: u64,
    number: u64,
    /// Per incarnation: pods started, and pods durably recorded as stopped and not forgotten since.
    started: BTreeSet<PodUid>,
    stopped: BTreeSet<PodUid>,
    forgotten: BTreeSet<PodUid>,
    reported: BTreeSet<PodUid>,
    acknowledged: u64,
}

fn uid(number: u8) -> PodUid {
    PodUid::from(format!("pod-{number}").as_str())
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            duty: Duty::new(Saved::default()),
            durable: Saved::default(),
            todo: VecDeque::new(),
            sandboxes: BTreeMap::new(),
            epoch: 1,
            incarnation: 0,
            number: 0,
            started: BTreeSet::new(),
            stopped: BTreeSet::new(),
            forgotten: BTreeSet::new(),
            reported: BTreeSet::new(),
            acknowledged: 0,
        };
        world.boot();
        world
    }

    fn boot(&mut self) {
        self.todo.clear();
        self.reported.clear();
        self.duty = Duty::new(self.durable.clone());
        let found = self.sandboxes.keys().cloned().collect();
        let step = self.duty.begin(&found);
        self.queue(step);
        let ended: Vec<PodUid> =
            self.sandboxes.iter().filter(|(_, lives)| !**lives).map(|(uid, _)| uid.clone()).collect();
        for uid in ended {
            let step = self.duty.ended(&uid);
            self.queue(step);
        }
        self.work(usize::MAX);
        for uid in &self.stopped {
            assert!(self.reported.contains(uid), "{uid} is recorded as stopped and was not told again");
        }
        assert!(self.duty.may_register(), "everything foreign has ended");
        self.link();
    }

    fn link(&mut self) {
        self.duty.unlinked();
        self.duty.greeted("hp", self.epoch).unwrap();
        if self.durable.host.incarnation == 0 {
            self.incarnation += 1;
            assert!(self.sandboxes.is_empty(), "an empty store registers with nothing running");
            self.started.clear();
            self.stopped.clear();
            self.forgotten.clear();
        }
        // Resumed where the agent says that it is, as a partition does that has as much history.
        let resumed = self.duty.saved().host.position.as_ref().filter(|at| at.epoch == self.epoch);
        let from = resumed.map_or(self.number, |at| at.number);
        let step = self.duty.registered(self.incarnation, from).unwrap();
        assert!(step.acts.contains(&Act::SendInventory));
        self.queue(step);
        self.work(usize::MAX);
    }

    fn queue(&mut self, step: Step) {
        self.todo.extend(step.writes.into_iter().map(Todo::Write));
        self.todo.extend(step.acts.into_iter().map(Todo::Act));
    }

    fn work(&mut self, most: usize) {
        for _ in 0..most {
            match self.todo.pop_front() {
                Some(Todo::Write(write)) => self.write(&write),
                Some(Todo::Act(act)) => self.act(act),
                None => return,
            }
        }
    }

    fn write(&mut self, write: &Write) {
        let before = self.durable.host.highest_epoch;
        self.durable.apply(write);
        match write {
            Write::Pod { uid, state: PodState::Stopped } => {
                assert_ne!(self.sandboxes.get(uid), Some(&true), "{uid} is recorded as stopped and runs");
                self.stopped.insert(uid.clone());
            }
            Write::Pod { uid, .. } => assert!(!self.stopped.contains(uid), "{uid} is stopped for ever"),
            Write::Forget { uid } => {
                assert!(self.stopped.remove(uid), "{uid} is forgotten before it is known to have stopped");
                self.forgotten.insert(uid.clone());
            }
            Write::Host(record) => assert!(record.highest_epoch >= before, "the epoch obeyed goes back"),
            Write::Clear => {}
        }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Start { uid } => {
                let state = self.durable.pods.get(&uid);
                let may_run = state.is_some_and(|state| *state != PodState::Stopped);
                assert!(may_run, "{uid} is started without a record that it runs");
                assert!(!self.stopped.contains(&uid), "{uid} is started and was stopped");
                // After a pod has been forgotten, to run it once more would be the partition's fault.
                assert!(
                    self.started.insert(uid.clone()) || self.forgotten.contains(&uid),
                    "{uid} is started twice"
                );
                assert_eq!(self.sandboxes.insert(uid, true), None);
            }
            // Nothing to wait for in this world: what is to end does so at once. The last process of a pod goes once, and to
            // stop what has none is no news; what is ended for good is told gone whatever there was of it.
            Act::Stop { uid, .. } => self.exit(&uid),
            Act::End { uid } => {
                if let Some(lives) = self.sandboxes.get_mut(&uid) {
                    *lives = false;
                }
                let step = self.duty.ended(&uid);
                self.queue(step);
            }
            Act::Remove { uid } => {
                assert_ne!(self.sandboxes.remove(&uid), Some(true), "{uid} is removed and runs");
            }
            Act::Report { uid } => {
                self.reported.insert(uid);
            }
            Act::Acknowledge { number } => {
                assert!(number <= self.number, "number {number} was never said");
                self.acknowledged = number;
            }
            Act::SendInventory => {}
        }
    }

    /// The last process of a pod goes, if it has one.
    fn exit(&mut self, uid: &PodUid) {
        if let Some(lives) = self.sandboxes.get_mut(uid)
            && std::mem::take(lives)
        {
            let step = self.duty.ended(uid);
            self.queue(step);
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Order { deposed, uid: pod, order, repeat, complete } => {
                if !repeat {
                    self.number += 1;
                }
                let host_epoch = if deposed { self.epoch - 1 } else { self.epoch };
                let desired = Desired {
                    number: self.number,
                    host_epoch,
                    orders: vec![(uid(pod), order)],
                    is_complete: complete,
                };
                let before = self.duty.clone();
                let answer = self.duty.desired(&desired);
                if host_epoch < before.saved().host.highest_epoch {
                    assert_eq!(answer, Err(Refusal::LowerEpoch { epoch: host_epoch, highest: self.epoch }));
                    assert_eq!(self.duty, before, "a lower epoch changes nothing");
                } else {
                    self.queue(answer.unwrap());
                }
            }
            Happening::Work(most) => self.work(usize::from(most)),
            Happening::Exit(pod) => self.exit(&uid(pod)),
            Happening::Crash => self.boot(),
            Happening::LinkLost => {
                self.work(usize::MAX);
                self.link();
            }
            Happening::TakeOver => {
                self.epoch += 1;
                self.link();
            }
            Happening::Wipe => {
                self.durable = Saved::default();
                self.stopped.clear();
                self.boot();
            }
        }
    }

    fn check(&self) {
        for (uid, lives) in &self.sandboxes {
            if *lives {
                let state = self.durable.pods.get(uid);
                assert!(
                    matches!(state, Some(PodState::Running | PodState::Stopping { .. })),
                    "{uid} runs: {state:?}"
                );
            }
        }
        for uid in &self.stopped {
            assert_eq!(
                self.durable.pods.get(uid),
                Some(&PodState::Stopped),
                "{uid} stays stopped until forgotten"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn nothing_starts_twice_and_nothing_stopped_starts(happenings in happenings()) {
        let mut world = World::new();
        for happening in happenings {
            world.happen(happening);
            world.check();
        }
        // Left alone, everything is carried out: what is durable is what the rules say, and what is to run runs.
        world.work(usize::MAX);
        world.check();
        prop_assert_eq!(world.duty.saved(), &world.durable);
        for (uid, state) in &world.durable.pods {
            let lives = world.sandboxes.get(uid).copied();
            match state {
                PodState::Running => prop_assert_eq!(lives, Some(true), "{} is to run", uid),
                PodState::Stopping { .. } => prop_assert!(false, "{} was told to stop and has not", uid),
                PodState::Stopped => prop_assert_ne!(lives, Some(true)),
            }
        }
    }
}

fn linked() -> Duty {
    let mut duty = Duty::new(Saved::default());
    assert_eq!(duty.begin(&BTreeSet::new()), Step::default());
    duty.greeted("hp", 3).unwrap();
    let step = duty.registered(1, 10).unwrap();
    let host = HostRecord { highest_epoch: 3, incarnation: 1, position: None };
    assert_eq!(step, Step { writes: vec![Write::Host(host)], acts: vec![Act::SendInventory] });
    duty
}

fn desired(number: u64, orders: &[(&str, Order)]) -> Desired {
    let orders = orders.iter().map(|(uid, order)| (PodUid::from(*uid), *order)).collect();
    Desired { number, host_epoch: 3, orders, is_complete: true }
}

#[test]
fn an_order_is_written_before_it_is_carried_out_and_acknowledged() {
    let mut duty = linked();
    let step = duty.desired(&desired(11, &[("a", Order::Run)])).unwrap();
    let uid = PodUid::from("a");
    let position = Some(Position { partition: "hp".into(), epoch: 3, number: 11 });
    assert_eq!(
        step,
        Step {
            writes: vec![
                Write::Pod { uid: uid.clone(), state: PodState::Running },
                Write::Host(HostRecord { highest_epoch: 3, incarnation: 1, position }),
            ],
            acts: vec![Act::Start { uid }, Act::Acknowledge { number: 11 }],
        }
    );
    // The same number again, and one that goes back, change nothing.
    for number in [11, 4] {
        let step = duty.desired(&desired(number, &[("b", Order::Run)])).unwrap();
        assert_eq!(step, Step { writes: vec![], acts: vec![Act::Acknowledge { number: 11 }] });
    }
}

#[test]
fn a_partial_account_cannot_be_resumed_from() {
    let mut duty = linked();
    let part = Desired { is_complete: false, ..desired(11, &[("a", Order::Run)]) };
    duty.desired(&part).unwrap();
    assert_eq!(duty.saved().host.position, None);
    duty.desired(&desired(12, &[])).unwrap();
    assert_eq!(duty.saved().host.position.as_ref().unwrap().number, 12);
    // Numbers of another epoch are other numbers.
    duty.unlinked();
    duty.greeted("hp", 4).unwrap();
    duty.registered(1, 12).unwrap();
    assert_eq!(duty.saved().host.position, None);
}

#[test]
fn a_stop_of_what_never_started_is_recorded_and_told() {
    let mut duty = linked();
    let uid = PodUid::from("a");
    let step = duty.desired(&desired(11, &[("a", Order::Stop { grace_seconds: 30 })])).unwrap();
    assert_eq!(step.writes[0], Write::Pod { uid: uid.clone(), state: PodState::Stopped });
    assert_eq!(step.acts[0], Act::Report { uid: uid.clone() });
    // A late order to run it is answered with its end.
    let step = duty.desired(&desired(12, &[("a", Order::Run)])).unwrap();
    assert_eq!(step.acts[0], Act::Report { uid });
}

#[test]
fn another_incarnation_empties_the_store_and_ends_everything_first() {
    let mut duty = linked();
    duty.desired(&desired(11, &[("a", Order::Run)])).unwrap();
    duty.unlinked();
    duty.greeted("hp", 3).unwrap();
    let Err(Refusal::OtherIncarnation { known: 1, given: 2, step }) = duty.registered(2, 0) else {
        panic!("another incarnation is not accepted");
    };
    assert_eq!(step.writes[0], Write::Clear);
    assert_eq!(step.acts, [Act::End { uid: "a".into() }]);
    assert!(!duty.may_register());
    assert_eq!(duty.ended(&"a".into()).acts, [Act::Remove { uid: "a".into() }]);
    assert!(duty.may_register());
    assert_eq!(duty.saved().host, HostRecord { highest_epoch: 3, incarnation: 0, position: None });
}

#[test]
fn what_comes_out_of_order_is_refused() {
    let mut duty = Duty::new(Saved::default());
    assert!(!duty.may_register(), "not before it has begun");
    let _ = duty.begin(&BTreeSet::new());
    assert!(matches!(duty.registered(1, 0), Err(Refusal::OutOfOrder { .. })));
    assert!(matches!(duty.desired(&desired(1, &[])), Err(Refusal::OutOfOrder { .. })));
    duty.greeted("hp", 3).unwrap();
    assert_eq!(duty.registered(0, 0), Err(Refusal::NoIncarnation));
    assert!(matches!(duty.desired(&desired(1, &[])), Err(Refusal::OutOfOrder { .. })));
    duty.registered(1, u64::MAX).unwrap();
    assert_eq!(duty.greeted("hp", 2), Err(Refusal::LowerEpoch { epoch: 2, highest: 3 }));
}
