//! The ledger of the hosts, and what it says to replicas.

use std::sync::Arc;

use meridian_engine::{Demand, Host, HostId, Placement, Profile, Resources, Scheduler, Seat};
use meridian_ledger::host::{Change, Claim, Ledger, Listing};
use meridian_ledger::tenant::Settlement;
use meridian_ledger::{ClaimId, HostNumber, Uid};
use meridian_proto::v1::{self, host_change};
use meridian_wire::{demand_to_message, host_to_message};
use rustc_hash::FxHashMap;

use crate::cell::Shape;
use crate::load::failed;
use crate::parameters::BenchError;

/// The name of the one host partition, and of the one tenant partition.
pub(super) const PARTITION: &str = "hosts";
const TENANTS: &str = "tenants";

/// The epoch of each.
const EPOCH: u64 = 1;

/// A pod that runs.
pub(super) struct Running {
    pub(super) claim: ClaimId,
    pub(super) class: usize,
    /// In the cell that is looked at for quality, where there is one.
    placement: Option<Placement>,
}

/// How a claim went.
pub(super) struct Answered {
    pub(super) running: Option<Running>,
    /// The best host's score at that time and that of the host claimed, where quality is looked at.
    pub(super) scores: Option<(i64, i64)>,
}

/// All hosts as they are.
pub(super) struct Hosts {
    ledger: Ledger,
    partition: Arc<str>,
    tenant: Arc<str>,
    sequence: u64,
    /// The same hosts in a cell, to tell the best one.
    truth: Option<Scheduler>,
    truth_hosts: FxHashMap<String, HostId>,
    number: u64,
}

impl Hosts {
    /// Empty hosts of the given shapes in turn. `profile`: whether quality is looked at, and by what scores.
    pub(super) fn new(hosts: u32, shapes: &[Shape], profile: Option<Profile>) -> Result<Hosts, BenchError> {
        let partition: Arc<str> = TENANTS.into();
        let mut made = Hosts {
            ledger: Ledger::new(EPOCH, [Arc::clone(&partition)]),
            partition,
            tenant: "tenant".into(),
            sequence: 0,
            truth: profile.map(Scheduler::new).transpose().map_err(failed)?,
            truth_hosts: FxHashMap::default(),
            number: 0,
        };
        for (number, shape) in (0..hosts).zip(shapes.iter().cycle()) {
            let host = host(number, *shape);
            made.ledger.add_host(HostNumber(number), &host, 1).map_err(failed)?;
            made.ledger.inventory(HostNumber(number), Vec::new(), false);
            if let Some(truth) = &mut made.truth {
                let id = truth.add_host(&host).map_err(failed)?;
                made.truth_hosts.insert(host.name, id);
            }
        }
        made.ledger.greet(TENANTS);
        let listing = Listing { host_epoch: EPOCH, part: 0, is_last: true, pods: Vec::new() };
        made.ledger.listing(TENANTS, listing).map_err(failed)?;
        Ok(made)
    }

    /// All that there is, as a replica hears it at first.
    pub(super) fn account(&mut self, hosts: u32, shapes: &[Shape]) -> v1::HostChanges {
        self.ledger.take_changes();
        let changes = (0..hosts).zip(shapes.iter().cycle()).map(|(number, shape)| {
            let host = Some(host_to_message(&host(number, *shape)));
            change(host_change::Change::Host(v1::HostState { number, host, incarnation: 1, ready: true }))
        });
        let changes = changes.collect();
        self.number += 1;
        v1::HostChanges { number: self.number, restart: true, in_sync: true, changes }
    }

    /// What has happened since this was last asked.
    pub(super) fn news(&mut self) -> v1::HostChanges {
        let changes = self.ledger.take_changes().into_iter().filter_map(|news| match news {
            Change::Demand { number, demand } => {
                let demand = Some(demand_to_message(&demand));
                Some(change(host_change::Change::Demand(v1::DemandDefinition { number, demand })))
            }
            Change::Entered(entry) => Some(change(host_change::Change::Entry(v1::LedgerEntry {
                claim: Some(claim_message(&entry.claim)),
                tenant: entry.tenant.to_string(),
                uid: entry.uid.as_str().to_owned(),
                host: entry.host.0,
                demand: entry.demand,
                devices: entry.seat.devices,
                numa: entry.seat.numa,
            }))),
            Change::Left(entry) => {
                Some(change(host_change::Change::RemovedEntry(claim_message(&entry.claim))))
            }
            _ => None,
        });
        let changes = changes.collect();
        self.number += 1;
        v1::HostChanges { number: self.number, restart: false, in_sync: false, changes }
    }

    /// Claims a host for a pod, and binds the pod if the ledger accepts.
    pub(super) fn claim(
        &mut self,
        uid: &str,
        class: usize,
        demand: &Demand,
        host: &v1::DecidedHost,
    ) -> Answered {
        let scores = self.truth.as_mut().zip(self.truth_hosts.get(&host.host)).and_then(|(truth, id)| {
            let class = truth.class(demand).ok()?;
            Some((truth.decide(class)?.score, truth.score(class, *id)?))
        });
        self.sequence += 1;
        let id = ClaimId { partition: Arc::clone(&self.partition), epoch: EPOCH, sequence: self.sequence };
        let claim = Claim {
            id: id.clone(),
            tenant: Arc::clone(&self.tenant),
            uid: Uid::from(uid),
            host: host.host.clone(),
            incarnation: host.incarnation,
            demand: demand.clone(),
            seat: Seat { devices: host.devices, numa: host.numa },
            host_epoch: EPOCH,
            victims: Vec::new(),
            keeps: false,
        };
        if self.ledger.claim(&claim).refusal.is_some() {
            return Answered { running: None, scores: None };
        }
        // Its spec never comes, so no host is told to run it, and what it takes is free once it is void.
        self.ledger.settle(EPOCH, &id, Settlement::Bound);
        let placement = self.truth.as_mut().and_then(|truth| {
            let class = truth.class(demand).ok()?;
            truth
                .place(
                    class,
                    *self.truth_hosts.get(&host.host)?,
                    Seat { devices: host.devices, numa: host.numa },
                )
                .ok()
        });
        Answered { running: Some(Running { claim: id, class, placement }), scores }
    }

    /// A pod has stopped.
    pub(super) fn stop(&mut self, running: Running) {
        self.ledger.settle(EPOCH, &running.claim, Settlement::Void);
        if let (Some(truth), Some(placement)) = (&mut self.truth, running.placement) {
            // Hosts are never removed here.
            let _ = truth.release(placement);
        }
    }

    /// Lets the ledger tidy up, as its service does every two seconds.
    pub(super) fn tick(&mut self) {
        self.ledger.tick();
    }

    /// What must never be.
    pub(super) fn check(&self) -> Result<(), BenchError> {
        match self.ledger.check().first() {
            Some(violation) => Err(BenchError::Setup(format!("the ledger has gone wrong: {violation}"))),
            None => Ok(()),
        }
    }
}

/// An empty host of a shape.
fn host(number: u32, shape: Shape) -> Host {
    let Shape { cpu_milli, memory } = shape;
    let allocatable = Resources { cpu_milli, memory, ..Resources::default() };
    Host { name: format!("host-{number:06}"), allocatable, pods: 250, ..Host::default() }
}

fn change(change: host_change::Change) -> v1::HostChange {
    v1::HostChange { change: Some(change) }
}

fn claim_message(claim: &ClaimId) -> v1::ClaimId {
    v1::ClaimId { partition: claim.partition.to_string(), epoch: claim.epoch, sequence: claim.sequence }
}
