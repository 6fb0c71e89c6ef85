//! Whatever comes, the cell's account is what ledgers and assumptions hold, and equal messages make equal decisions.

use std::collections::BTreeMap;
use std::time::Duration;

use meridian_proto::v1;
use proptest::collection::vec;
use proptest::prelude::*;

use super::rig::{Rig, added, changes, demand, ended, entry, host_with, pod, removed};

/// Something that happens. Numbers are taken modulo what there is.
#[derive(Clone, Copy, Debug)]
enum Event {
    Host {
        feed: usize,
        number: u32,
        cpu: i64,
        ready: bool,
    },
    Unhost {
        feed: usize,
        number: u32,
    },
    Entry {
        feed: usize,
        sequence: u64,
        uid: u8,
        number: u32,
        cpu: u32,
    },
    Unentry {
        feed: usize,
        sequence: u64,
    },
    /// A new account, under other numbers where `shift` says so, which breaks off unless `whole`.
    Account {
        feed: usize,
        shift: u32,
        whole: bool,
    },
    Break {
        feed: usize,
    },
    Pod {
        stream: usize,
        uid: u8,
        class: u32,
        priority: i32,
        first: bool,
    },
    Withdraw {
        stream: usize,
        uid: u8,
    },
    Outcome {
        stream: usize,
        uid: u8,
        result: i32,
        number: u32,
    },
    Reopen {
        stream: usize,
    },
    Wait {
        seconds: u64,
    },
}

fn event() -> impl Strategy<Value = Event> {
    let (feed, stream, number, uid) = (0..2_usize, 0..2_usize, 0..3_u32, 0..12_u8);
    prop_oneof![
        3 => (feed.clone(), number.clone(), 0..9_i64, any::<bool>())
            .prop_map(|(feed, number, cpu, ready)| Event::Host { feed, number, cpu, ready }),
        1 => (feed.clone(), number.clone()).prop_map(|(feed, number)| Event::Unhost { feed, number }),
        6 => (feed.clone(), 0..20_u64, uid.clone(), number.clone(), 1..4_u32)
            .prop_map(|(feed, sequence, uid, number, cpu)| Event::Entry { feed, sequence, uid, number, cpu }),
        4 => (feed.clone(), 0..20_u64).prop_map(|(feed, sequence)| Event::Unentry { feed, sequence }),
        1 => (feed.clone(), 0..2_u32, any::<bool>())
            .prop_map(|(feed, shift, whole)| Event::Account { feed, shift, whole }),
        1 => feed.prop_map(|feed| Event::Break { feed }),
        8 => (stream.clone(), uid.clone(), 1..5_u32, 0..2_i32, any::<bool>())
            .prop_map(|(stream, uid, class, priority, first)| Event::Pod { stream, uid, class, priority, first }),
        2 => (stream.clone(), uid.clone()).prop_map(|(stream, uid)| Event::Withdraw { stream, uid }),
        4 => (stream.clone(), uid, 0..5_i32, number)
            .prop_map(|(stream, uid, result, number)| Event::Outcome { stream, uid, result, number }),
        1 => stream.prop_map(|stream| Event::Reopen { stream }),
        1 => (0..40_u64).prop_map(|seconds| Event::Wait { seconds }),
    ]
}

/// What a host partition has: the truth that the mirror follows.
#[derive(Default)]
struct Truth {
    hosts: BTreeMap<u32, (i64, bool)>,
    /// Hosts that have ever been named in this account.
    named: Vec<u32>,
    entries: BTreeMap<u64, (u8, u32, u32)>,
    shift: u32,
}

struct World {
    rig: Rig,
    truth: [Truth; 2],
    sent: Vec<v1::Decision>,
}

fn name(feed: usize, number: u32) -> String {
    format!("f{feed}h{number}")
}

impl World {
    fn new() -> World {
        let mut world = World { rig: Rig::unsynced(2), truth: Default::default(), sent: Vec::new() };
        for feed in 0..2 {
            world.rig.say(feed, true, true, (1..4).map(demand).collect());
        }
        world
    }

    /// Sequences of the two feeds are apart, as claims have one host.
    fn sequence(feed: usize, sequence: u64) -> u64 {
        sequence * 2 + feed as u64
    }

    fn happen(&mut self, event: Event) {
        let rig = &mut self.rig;
        match event {
            Event::Host { feed, number, cpu, ready } => {
                let truth = &mut self.truth[feed];
                truth.hosts.insert(number, (cpu, ready));
                truth.named.push(number);
                rig.feed(feed, vec![host_with(number + truth.shift, &name(feed, number), cpu, ready)]);
            }
            Event::Unhost { feed, number } => {
                let truth = &mut self.truth[feed];
                truth.hosts.remove(&number);
                truth.named.push(number);
                rig.feed(feed, vec![removed(number + truth.shift)]);
            }
            Event::Entry { feed, sequence, uid, number, cpu } => {
                let truth = &mut self.truth[feed];
                if truth.named.contains(&number) {
                    truth.entries.insert(sequence, (uid, number, cpu));
                    let sequence = Self::sequence(feed, sequence);
                    rig.feed(feed, vec![added(sequence, &uid.to_string(), number + truth.shift, cpu)]);
                }
            }
            Event::Unentry { feed, sequence } => {
                self.truth[feed].entries.remove(&sequence);
                rig.feed(feed, vec![ended(Self::sequence(feed, sequence))]);
            }
            Event::Account { feed, shift, whole } => self.account(feed, shift * 10, whole),
            Event::Break { feed } => {
                rig.core.close_feed(feed);
                rig.core.open_feed(feed, &format!("hosts-{feed}"), true).unwrap();
                rig.feed(feed, (1..4).map(demand).collect());
            }
            Event::Pod { stream, uid, class, priority, first } => {
                let pod = v1::PendingPod { priority, first, ..pod(&uid.to_string(), class) };
                rig.pods(stream, vec![pod]);
            }
            Event::Withdraw { stream, uid } => rig.withdraw(stream, &uid.to_string()),
            Event::Outcome { stream, uid, result, number } => {
                let outcome = v1::Outcome { uid: uid.to_string(), result, host: name(stream, number) };
                let outcomes = v1::Outcomes { outcomes: vec![outcome] };
                rig.partition(stream, v1::partition_message::Message::Outcomes(outcomes)).unwrap();
            }
            Event::Reopen { stream } => {
                rig.core.open_stream(stream, rig.now);
                rig.define(stream);
            }
            Event::Wait { seconds } => rig.wait(Duration::from_secs(seconds)),
        }
        self.sent.extend(self.rig.decide());
    }

    fn account(&mut self, feed: usize, shift: u32, whole: bool) {
        let truth = &mut self.truth[feed];
        let mut said: Vec<v1::HostChange> = (1..4).map(demand).collect();
        said.extend(
            truth
                .hosts
                .iter()
                .map(|(number, (cpu, ready))| host_with(number + shift, &name(feed, *number), *cpu, *ready)),
        );
        // Entries of hosts that are gone are not said again.
        let hosts = &truth.hosts;
        let here = truth.entries.iter().filter(|(_, (_, number, _))| hosts.contains_key(number));
        said.extend(here.map(|(sequence, (uid, number, cpu))| {
            entry(Self::sequence(feed, *sequence), &uid.to_string(), number + shift, *cpu)
        }));
        if !whole {
            said.truncate(said.len() / 2);
            self.rig.core.feed_message(feed, changes(true, false, said)).unwrap();
            self.rig.core.close_feed(feed);
            self.rig.core.open_feed(feed, &format!("hosts-{feed}"), false).unwrap();
            return self.account(feed, shift, true);
        }
        self.rig.say(feed, true, true, said);
        let truth = &mut self.truth[feed];
        truth.shift = shift;
        truth.named = truth.hosts.keys().copied().collect();
        truth.entries.retain(|_, (_, number, _)| truth.hosts.contains_key(number));
    }

    fn check(&mut self) {
        self.rig.check();
        let core = &self.rig.core;
        let cell = core.scheduler.cell();
        for (feed, truth) in self.truth.iter().enumerate() {
            let mirrored = &core.mirror.feeds[feed].entries;
            assert_eq!(mirrored.len(), truth.entries.len());
            for (number, (cpu, _)) in &truth.hosts {
                let id = cell.host_named(&name(feed, *number)).expect("every host is in the cell");
                let offered = cell.allocatable(id, meridian_engine::ResourceId::CPU);
                assert_eq!(offered, Some(cpu * 1000));
            }
            for (claim, entry) in mirrored {
                let sequence = (claim.sequence - feed as u64) / 2;
                let (uid, number, _) = truth.entries[&sequence];
                assert_eq!(entry.uid.to_string(), uid.to_string());
                let Some((_, ready)) = truth.hosts.get(&number) else { continue };
                let id = cell.host_named(&name(feed, number)).expect("every host is in the cell");
                let pods = cell.allocatable(id, meridian_engine::ResourceId::PODS).unwrap_or_default();
                match &entry.placement {
                    Some(placement) => assert_eq!(placement.host(), id),
                    None => assert_eq!(pods, 0, "a host with an entry that does not fit is closed"),
                }
                assert!(*ready || pods == 0);
            }
        }
        let hosts: usize = self.truth.iter().map(|truth| truth.hosts.len()).sum();
        assert_eq!(cell.len(), hosts);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn the_mirror_is_what_ledgers_and_assumptions_hold(events in vec(event(), 1..80)) {
        let (mut world, mut again) = (World::new(), World::new());
        for event in events {
            world.happen(event);
            world.check();
            again.happen(event);
        }
        prop_assert_eq!(&world.sent, &again.sent, "equal messages make equal decisions");
        // When nobody refers to anything any more, nothing is left.
        for stream in 0..2 {
            world.rig.core.close_stream(stream, world.rig.now);
        }
        for feed in 0..2 {
            world.rig.say(feed, true, true, Vec::new());
            world.rig.core.close_feed(feed);
            world.rig.core.open_feed(feed, "gone", true).unwrap();
        }
        world.rig.wait(Duration::from_secs(61));
        world.rig.check();
        prop_assert_eq!(world.rig.core.pods.len(), 0);
        prop_assert_eq!(world.rig.core.classes.len(), 0);
    }
}
