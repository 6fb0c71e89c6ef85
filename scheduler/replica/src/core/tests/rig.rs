//! A core with handles.

use std::time::Duration;

use meridian_engine::{
    Demand, Host, Profile, ResourceId, Resources, Toleration, TolerationOperator, Violation, check,
};
use meridian_proto::v1;
use meridian_wire::{demand_to_message, host_to_message};

use crate::core::Core;

pub(super) struct Rig {
    pub(super) core: Core,
    pub(super) now: Duration,
}

/// Whole cores, and a little memory.
pub(super) fn cores(cpu: i64) -> Demand {
    let requests = Resources { cpu_milli: cpu * 1000, memory: 1 << 20, ..Resources::default() };
    Demand { requests, ..Demand::default() }
}

fn change(change: v1::host_change::Change) -> v1::HostChange {
    v1::HostChange { change: Some(change) }
}

pub(super) fn host_with(number: u32, name: &str, cpu: i64, ready: bool) -> v1::HostChange {
    let allocatable = Resources { cpu_milli: cpu * 1000, memory: 1 << 34, ..Resources::default() };
    let host = Host { name: name.to_owned(), allocatable, pods: 110, ..Host::default() };
    let host = Some(host_to_message(&host));
    change(v1::host_change::Change::Host(v1::HostState { number, host, incarnation: 1, ready }))
}

pub(super) fn host(number: u32, name: &str, cpu: i64) -> v1::HostChange {
    host_with(number, name, cpu, true)
}

/// A demand of so many cores, under that number.
pub(super) fn demand(cpu: u32) -> v1::HostChange {
    let demand = Some(demand_to_message(&cores(cpu.into())));
    change(v1::host_change::Change::Demand(v1::DemandDefinition { number: cpu, demand }))
}

fn claim(sequence: u64) -> v1::ClaimId {
    v1::ClaimId { partition: "tenants".to_owned(), epoch: 1, sequence }
}

pub(super) fn entry(sequence: u64, uid: &str, host: u32, demand: u32) -> v1::HostChange {
    change(v1::host_change::Change::Entry(v1::LedgerEntry {
        claim: Some(claim(sequence)),
        tenant: "t".to_owned(),
        uid: uid.to_owned(),
        host,
        demand,
        devices: 0,
        numa: 0,
    }))
}

pub(super) use entry as added;

pub(super) fn ended(sequence: u64) -> v1::HostChange {
    change(v1::host_change::Change::RemovedEntry(claim(sequence)))
}

pub(super) fn removed(number: u32) -> v1::HostChange {
    change(v1::host_change::Change::RemovedHost(number))
}

pub(super) fn changes(restart: bool, in_sync: bool, changes: Vec<v1::HostChange>) -> v1::HostChanges {
    v1::HostChanges { number: 1, restart, in_sync, changes }
}

pub(super) fn pod(uid: &str, class: u32) -> v1::PendingPod {
    v1::PendingPod {
        uid: uid.to_owned(),
        tenant: "t".to_owned(),
        key: format!("ns/{uid}"),
        class,
        ..Default::default()
    }
}

impl Rig {
    /// Two tenant partitions with classes 1 to 9 of as many cores, and host partitions that have said nothing.
    pub(super) fn unsynced(feeds: usize) -> Rig {
        let names = vec!["default-scheduler".to_owned(), "meridian".to_owned()];
        let core = Core::new(Profile::meridian(), names, feeds, 2, Duration::ZERO).unwrap();
        let mut rig = Rig { core, now: Duration::ZERO };
        for feed in 0..feeds {
            rig.core.open_feed(feed, &format!("hosts-{feed}"), false).unwrap();
        }
        for stream in 0..2 {
            rig.core.open_stream(stream, rig.now);
            rig.define(stream);
        }
        rig
    }

    /// The same with one host partition, which is in sync and has these hosts, numbered from 1, and demands 1 to 9.
    pub(super) fn with_hosts(hosts: &[(&str, i64)]) -> Rig {
        let mut rig = Rig::unsynced(1);
        let hosts = hosts.iter().zip(1..).map(|((name, cpu), number)| host(number, name, *cpu));
        rig.say(0, true, true, (1..10).map(demand).chain(hosts).collect());
        rig
    }

    pub(super) fn define(&mut self, stream: usize) {
        for number in 1..10 {
            self.class(stream, number, number.into(), "default-scheduler");
        }
    }

    pub(super) fn partition(
        &mut self,
        stream: usize,
        message: v1::partition_message::Message,
    ) -> Result<(), crate::core::Violation> {
        self.core.stream_message(stream, v1::PartitionMessage { message: Some(message) }, self.now)
    }

    pub(super) fn class_of(&mut self, stream: usize, number: u32, demand: v1::Demand, profile: &str) {
        let class = v1::ClassDefinition { number, demand: Some(demand), profile: profile.to_owned() };
        self.partition(stream, v1::partition_message::Message::Class(class)).unwrap();
    }

    pub(super) fn class(&mut self, stream: usize, number: u32, cpu: i64, profile: &str) {
        self.class_of(stream, number, demand_to_message(&cores(cpu)), profile);
    }

    /// A class that bears every taint.
    pub(super) fn tolerant(&mut self, stream: usize, number: u32, cpu: i64) {
        let mut demand = cores(cpu);
        let operator = TolerationOperator::Exists;
        demand.constraints.tolerations = vec![Toleration { operator, ..Toleration::default() }];
        self.class_of(stream, number, demand_to_message(&demand), "default-scheduler");
    }

    pub(super) fn assigned(&mut self, stream: usize, assignment: u64, pods: Vec<v1::PendingPod>) {
        let pods = v1::PendingPods { assignment, pods, ..Default::default() };
        self.partition(stream, v1::partition_message::Message::Pods(pods)).unwrap();
    }

    pub(super) fn pods(&mut self, stream: usize, pods: Vec<v1::PendingPod>) {
        self.assigned(stream, 7, pods);
    }

    pub(super) fn withdraw(&mut self, stream: usize, uid: &str) {
        let withdraw = v1::Withdraw { uids: vec![uid.to_owned()] };
        self.partition(stream, v1::partition_message::Message::Withdraw(withdraw)).unwrap();
    }

    pub(super) fn outcome(&mut self, stream: usize, uid: &str, result: v1::outcome::Result, host: &str) {
        let outcome = v1::Outcome { uid: uid.to_owned(), result: result.into(), host: host.to_owned() };
        let outcomes = v1::Outcomes { outcomes: vec![outcome] };
        self.partition(stream, v1::partition_message::Message::Outcomes(outcomes)).unwrap();
    }

    pub(super) fn say(&mut self, feed: usize, restart: bool, in_sync: bool, said: Vec<v1::HostChange>) {
        self.core.feed_message(feed, changes(restart, in_sync, said)).unwrap();
    }

    pub(super) fn feed(&mut self, feed: usize, said: Vec<v1::HostChange>) {
        self.say(feed, false, false, said);
    }

    /// Lets time pass.
    pub(super) fn wait(&mut self, time: Duration) {
        self.now += time;
        self.core.expire(self.now);
    }

    /// Decides until there is nothing more to do, and returns the decisions of all streams.
    pub(super) fn decide(&mut self) -> Vec<v1::Decision> {
        while self.core.pump(8, self.now) {}
        (0..2).flat_map(|stream| std::mem::take(&mut self.core.streams[stream].outbox.decisions)).collect()
    }

    /// What pods of the first stream have been told since the last call.
    pub(super) fn told(&mut self) -> Vec<(String, String)> {
        let told = std::mem::take(&mut self.core.streams[0].outbox.unschedulable);
        told.into_iter().map(|pod| (pod.uid, pod.message)).collect()
    }

    /// Cores that the cell believes free on a host; -1: no such host.
    pub(super) fn free(&self, name: &str) -> i64 {
        let cell = self.core.scheduler.cell();
        cell.host_named(name).and_then(|host| cell.free(host, ResourceId::CPU)).map_or(-1, |free| free / 1000)
    }

    /// The cell's account is the sum of entries and assumptions. A host that has shrunk may have more than it offers.
    pub(super) fn check(&mut self) {
        self.core.mirror.reconcile(&mut self.core.scheduler, &mut self.core.queue);
        let held = self.core.mirror.placements().chain(self.core.pods.assumptions());
        let mut violations = check(self.core.scheduler.cell(), held);
        violations.retain(|violation| !matches!(violation, Violation::Overcommitted { .. }));
        assert_eq!(violations, []);
    }
}
