//! What is said to host partitions, and how their questions are answered.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use meridian_api::{BindingState, Entry, Failure, Fenced, HeldBinding, Registry};
use meridian_ledger::ClaimId;
use meridian_ledger::tenant::{Hearing, Recorded, Settlement, hear};
use meridian_proto::v1::{
    self, Audit, ClaimState, Claims, Goodbye, ListedPod, Listing, PodSpec, PodSpecs, Relist, Settlements,
    StatusStored, StoredStatus, TenantPartitionMessage, host_partition_message, tenant_partition_message,
};
use prost::Message;

use super::claim::{Refusal, to_message};
use super::{Actor, Done, drain_front};
use crate::ledgers::message;
use crate::stream::Outlet;

/// Claims, settlements and the like in one message.
const ITEMS_A_MESSAGE: usize = 1024;

/// Pods in one part of a listing.
const PODS_A_PART: usize = 1024;

/// Bytes of pods' specs in one message, beyond its first.
const SPEC_BYTES: usize = 4 << 20;

/// What may wait for a host partition; with more its stream ends, and audits make good what it missed.
const MOST_QUEUED: usize = 400_000;

/// A host partition's ledger.
pub(super) struct Ledger {
    pub(super) name: Arc<str>,
    /// The highest epoch answered, durably: `fence[hp]`.
    fence: u64,
    /// The epoch whose fence is being appended.
    fencing: Option<u64>,
    link: Option<Link>,
}

/// A stream to a ledger, and what is to be sent over it.
struct Link {
    number: u64,
    epoch: u64,
    outlet: Outlet<TenantPartitionMessage>,
    claims: VecDeque<v1::Claim>,
    settlements: VecDeque<v1::Settlement>,
    specs: VecDeque<(v1::ClaimId, Arc<Entry>)>,
    stored: VecDeque<StoredStatus>,
    listing: Option<Parts>,
    /// The kind of message whose turn is next.
    next: usize,
}

/// A listing under way.
struct Parts {
    epoch: u64,
    part: u32,
    rest: std::vec::IntoIter<HeldBinding>,
}

impl Ledger {
    pub(super) fn new(name: Arc<str>, registry: &Registry) -> Self {
        let fence = registry.fence(&name);
        Self { name, fence, fencing: None, link: None }
    }

    /// The epoch that claims can be made under now.
    pub(super) fn open_epoch(&self) -> Option<u64> {
        let link = self.link.as_ref()?;
        (self.fence > 0 && link.epoch == self.fence).then_some(self.fence)
    }

    /// Whether there is a stream.
    pub(super) fn is_connected(&self) -> bool {
        self.link.is_some()
    }

    /// How it stands, for people.
    pub(super) fn describe(&self) -> serde_json::Value {
        let state = match &self.link {
            None => "not connected",
            Some(_) if self.fence == 0 => "not listed to yet, so nothing can be bound there",
            Some(link) if link.epoch != self.fence => "recovering, so nothing can be bound there",
            Some(_) => "open",
        };
        serde_json::json!({"name": *self.name, "state": state, "fence": self.fence})
    }

    pub(super) fn claim(&mut self, claim: v1::Claim) {
        if let Some(link) = &mut self.link {
            link.claims.push_back(claim);
        }
    }

    pub(super) fn stalls_at(&self) -> Option<Duration> {
        self.link.as_ref()?.outlet.stalls_at()
    }
}

impl Actor {
    pub(super) fn ledger_up(
        &mut self,
        ledger: usize,
        number: u64,
        epoch: u64,
        outlet: Outlet<TenantPartitionMessage>,
    ) {
        let Some(at) = self.ledgers.get_mut(ledger) else { return };
        at.fence = at.fence.max(self.registry.fence(&at.name));
        at.link = Some(Link {
            number,
            epoch,
            outlet,
            claims: VecDeque::new(),
            settlements: VecDeque::new(),
            specs: VecDeque::new(),
            stored: VecDeque::new(),
            listing: None,
            next: 0,
        });
        if hear(at.fence, epoch) == Hearing::Deposed {
            self.depose(ledger, epoch);
        }
        self.count_ledgers();
    }

    pub(super) fn ledger_down(&mut self, ledger: usize, number: u64) {
        if self.link(ledger, number).is_some() {
            self.drop_link(ledger);
        }
    }

    pub(super) fn ledger_took(&mut self, ledger: usize, number: u64) {
        let now = self.now();
        if let Some(link) = self.link(ledger, number) {
            link.outlet.taken(now);
        }
    }

    fn link(&mut self, ledger: usize, number: u64) -> Option<&mut Link> {
        self.ledgers.get_mut(ledger)?.link.as_mut().filter(|link| link.number == number)
    }

    fn drop_link(&mut self, ledger: usize) {
        if let Some(ledger) = self.ledgers.get_mut(ledger) {
            ledger.link = None;
        }
        self.count_ledgers();
    }

    fn count_ledgers(&self) {
        let connected = self.ledgers.iter().filter(|ledger| ledger.is_connected()).count();
        self.metrics.host_partitions.set(i64::try_from(connected).unwrap_or(i64::MAX));
    }

    /// Tells a process of a host partition that another one has taken its place, so that it ends.
    fn depose(&mut self, ledger: usize, epoch: u64) {
        let now = self.now();
        let Some(at) = self.ledgers.get_mut(ledger) else { return };
        let reason = format!(
            "host partition {} has been taken over: its epoch is {}, yours is {epoch}",
            at.name, at.fence
        );
        tracing::warn!(reason, "host partition is deposed");
        if let Some(mut link) = at.link.take() {
            let goodbye = Goodbye::refusal(reason);
            link.outlet.send(message(tenant_partition_message::Message::Goodbye(goodbye)), now);
        }
        self.metrics.streams_ended.with_label_values(&["deposed"]).inc();
        self.count_ledgers();
    }

    pub(super) fn ledger_message(
        &mut self,
        ledger: usize,
        number: u64,
        message: host_partition_message::Message,
    ) {
        if self.link(ledger, number).is_none() {
            return;
        }
        match message {
            host_partition_message::Message::Relist(relist) => self.relist(ledger, number, &relist),
            host_partition_message::Message::Answers(answers) => {
                let he = answers.host_epoch;
                answers.answers.into_iter().for_each(|answer| self.answered(answer, he));
            }
            host_partition_message::Message::Audit(audit) => self.audit(ledger, &audit),
            host_partition_message::Message::Statuses(reports) => self.reports(ledger, reports),
            host_partition_message::Message::SpecsWanted(wanted) => self.specs_wanted(ledger, &wanted.claims),
            host_partition_message::Message::Hello(_) | host_partition_message::Message::Goodbye(_) => {
                self.metrics.streams_ended.with_label_values(&["second hello"]).inc();
                self.drop_link(ledger);
            }
        }
    }

    /// Rule 4: the fence is appended before anything is listed.
    fn relist(&mut self, ledger: usize, link: u64, relist: &Relist) {
        let Some(at) = self.ledgers.get_mut(ledger) else { return };
        if relist.host_partition != *at.name {
            tracing::warn!(asked = %relist.host_partition, host_partition = %at.name, "relist of another ignored");
            return;
        }
        if hear(at.fence, relist.epoch) == Hearing::Deposed {
            return self.depose(ledger, relist.epoch);
        }
        // One at a time: a host partition repeats the question until it is answered.
        let is_listing =
            at.link.as_ref().and_then(|link| link.listing.as_ref()).is_some_and(|l| l.epoch == relist.epoch);
        if at.fencing.is_some() || is_listing {
            return;
        }
        at.fencing = Some(relist.epoch);
        let (registry, name, epoch) = (self.registry.clone(), at.name.clone(), relist.epoch);
        self.work.spawn(async move {
            let result = registry.append_fence(&name, epoch).await;
            Done::Fenced { ledger, link, epoch, result }
        });
    }

    pub(super) fn fenced(&mut self, ledger: usize, link: u64, epoch: u64, result: Result<Fenced, Failure>) {
        let Some(at) = self.ledgers.get_mut(ledger) else { return };
        at.fencing = None;
        let fenced = match result {
            Ok(fenced) => fenced,
            Err(failure) => {
                tracing::warn!(host_partition = %at.name, epoch, %failure, "fence could not be appended");
                at.fence = at.fence.max(self.registry.fence(&at.name));
                if hear(at.fence, epoch) == Hearing::Deposed && self.link(ledger, link).is_some() {
                    self.depose(ledger, epoch);
                }
                return;
            }
        };
        at.fence = at.fence.max(fenced.epoch);
        let name = at.name.clone();
        if let Some(link) = self.link(ledger, link) {
            // The stream's hello may have been that of the epoch before.
            link.epoch = link.epoch.max(fenced.epoch);
            link.listing = Some(Parts { epoch: fenced.epoch, part: 0, rest: fenced.bindings.into_iter() });
        }
        let over = self.claims.relisted(&name, fenced.epoch);
        self.metrics.claims.with_label_values(&["relisted"]).inc_by(over.len() as u64);
        let refusal = Refusal::unasked(format!("host partition {name} has begun a new epoch"));
        let (alone, groups): (Vec<_>, Vec<_>) = over.into_iter().partition(|live| live.group.is_none());
        self.over(groups, None, |_| refusal.clone());
        for live in alone {
            let mut attempt = live.payload;
            attempt.refusal = Some(refusal.clone());
            self.go_on(attempt);
        }
    }

    /// A higher fence was met.
    pub(super) fn raise_fence(&mut self, name: &str, current: u64) {
        if let Some(ledger) = self.ledgers.iter_mut().find(|ledger| *ledger.name == *name) {
            ledger.fence = ledger.fence.max(current);
        }
    }

    /// Rule 5. The account of bindings must be whole for this: a binding not heard of yet would be declared void.
    fn audit(&mut self, ledger: usize, audit: &Audit) {
        let Some(at) = self.ledgers.get(ledger) else { return };
        let name = at.name.clone();
        match hear(at.fence, audit.host_epoch) {
            Hearing::Current if self.in_sync => {}
            Hearing::Current | Hearing::NotFenced => return,
            Hearing::Deposed => return self.depose(ledger, audit.host_epoch),
        }
        for claim in &audit.claims {
            let id = self.claim_id(claim);
            let binding = (*id.partition == **self.claims.partition())
                .then(|| self.bindings.of_claim(id.epoch, id.sequence))
                .flatten();
            let recorded = binding.map(|(_, binding)| match binding.record.state {
                BindingState::Bound => Recorded::Bound,
                BindingState::Terminating | BindingState::Ghost => Recorded::Terminating,
            });
            match self.claims.audit(&id, recorded) {
                Some(Settlement::Bound) => self.settle(&name, &id, ClaimState::Bound),
                Some(Settlement::Terminating) => self.settle(&name, &id, ClaimState::Terminating),
                Some(Settlement::Void) => self.settle(&name, &id, ClaimState::Void),
                None => {}
            }
        }
    }

    fn specs_wanted(&mut self, ledger: usize, claims: &[v1::ClaimId]) {
        let Some(name) = self.ledgers.get(ledger).map(|ledger| ledger.name.clone()) else { return };
        for claim in claims {
            let id = self.claim_id(claim);
            if *id.partition == **self.claims.partition()
                && let Some((_, binding)) = self.bindings.of_claim(id.epoch, id.sequence)
            {
                let entry = self.pod_entry(&binding.name, &binding.record.uid);
                if let Some(entry) = entry {
                    self.send_spec(&name, &id, entry);
                }
            }
        }
    }

    /// Tells a host partition what became of a claim, if it is there to hear it.
    pub(super) fn settle(&mut self, host_partition: &str, id: &ClaimId, state: ClaimState) {
        if let Some(link) = self.link_to(host_partition) {
            link.settlements.push_back(v1::Settlement { claim: Some(to_message(id)), state: state.into() });
        }
    }

    /// Sends the pod that goes with a claim.
    pub(super) fn send_spec(&mut self, host_partition: &str, id: &ClaimId, entry: Arc<Entry>) {
        if let Some(link) = self.link_to(host_partition) {
            link.specs.push_back((to_message(id), entry));
        }
    }

    /// Tells a host partition that a status is stored.
    pub(super) fn acknowledge(&mut self, ledger: usize, stored: StoredStatus) {
        if let Some(link) = self.ledgers.get_mut(ledger).and_then(|ledger| ledger.link.as_mut()) {
            link.stored.push_back(stored);
        }
    }

    fn link_to(&mut self, name: &str) -> Option<&mut Link> {
        self.ledgers.iter_mut().find(|ledger| *ledger.name == *name)?.link.as_mut()
    }

    /// Sends each host partition what it takes.
    pub(super) fn fill_ledgers(&mut self) {
        let now = self.now();
        for ledger in &mut self.ledgers {
            let Ledger { name, fence, link: Some(link), .. } = ledger else { continue };
            while link.outlet.has_room() {
                let Some(next) = link.next_message(name, *fence) else { break };
                link.outlet.send(message(next), now);
            }
        }
    }

    pub(super) fn close_stalled_ledgers(&mut self, now: Duration) {
        for ledger in 0..self.ledgers.len() {
            let Some(link) = &self.ledgers[ledger].link else { continue };
            let stalled = link.outlet.stalls_at().is_some_and(|at| at <= now);
            if stalled || link.queued() > MOST_QUEUED {
                self.metrics.streams_ended.with_label_values(&["stalled"]).inc();
                self.drop_link(ledger);
            }
        }
    }

    pub(super) fn dismiss_ledgers(&mut self, goodbye: &Goodbye) {
        let now = self.now();
        for ledger in &mut self.ledgers {
            if let Some(mut link) = ledger.link.take() {
                let goodbye = tenant_partition_message::Message::Goodbye(goodbye.clone());
                link.outlet.send(message(goodbye), now);
            }
        }
    }
}

impl Link {
    fn queued(&self) -> usize {
        self.claims.len() + self.settlements.len() + self.specs.len() + self.stored.len()
    }

    /// The next message. What was decided, what is acknowledged and a listing take turns, so that none waits for ever.
    fn next_message(&mut self, name: &str, fence: u64) -> Option<tenant_partition_message::Message> {
        const KINDS: usize = 3;
        for _ in 0..KINDS {
            let kind = self.next;
            self.next = (self.next + 1) % KINDS;
            let message = match kind {
                0 => self.listing(name),
                1 => self.decided(fence),
                _ => self.stored(),
            };
            if message.is_some() {
                return message;
            }
        }
        None
    }

    /// Claims first, so that none is settled before it was sent. Then pods, so that what is settled can be run, or stopped in
    /// the time it was given, without asking.
    fn decided(&mut self, fence: u64) -> Option<tenant_partition_message::Message> {
        if !self.claims.is_empty() {
            // What is claimed together at one host partition comes to it in one message.
            let mut most = ITEMS_A_MESSAGE;
            let group = |at: usize| self.claims.get(at).map(|claim| claim.group).filter(|group| *group != 0);
            while group(most).is_some() && group(most) == group(most - 1) {
                most += 1;
            }
            let claims = drain_front(&mut self.claims, most);
            return Some(tenant_partition_message::Message::Claims(Claims { claims }));
        }
        if let Some(specs) = self.specs() {
            return Some(specs);
        }
        if self.settlements.is_empty() {
            return None;
        }
        let settlements = drain_front(&mut self.settlements, ITEMS_A_MESSAGE);
        let settlements = Settlements { host_epoch: fence, settlements };
        Some(tenant_partition_message::Message::Settlements(settlements))
    }

    fn stored(&mut self) -> Option<tenant_partition_message::Message> {
        let pods = drain_front(&mut self.stored, ITEMS_A_MESSAGE);
        (!pods.is_empty()).then(|| tenant_partition_message::Message::Stored(StatusStored { pods }))
    }

    fn specs(&mut self) -> Option<tenant_partition_message::Message> {
        let (mut pods, mut bytes) = (Vec::new(), 0);
        while pods.len() < ITEMS_A_MESSAGE && bytes < SPEC_BYTES {
            let Some((claim, entry)) = self.specs.pop_front() else { break };
            let object = entry.json();
            bytes += object.len();
            pods.push(PodSpec {
                claim: Some(claim),
                tenant: entry.tenant.to_string(),
                uid: entry.uid.clone(),
                object,
            });
        }
        (!pods.is_empty()).then(|| tenant_partition_message::Message::Pods(PodSpecs { pods }))
    }

    fn listing(&mut self, name: &str) -> Option<tenant_partition_message::Message> {
        let parts = self.listing.as_mut()?;
        let pods: Result<Vec<ListedPod>, _> = parts.rest.by_ref().take(PODS_A_PART).map(listed).collect();
        let pods = match pods {
            Ok(pods) => pods,
            // Left out, its room would be given away a second time: better no listing at all.
            Err(error) => {
                tracing::error!(host_partition = name, %error, "a binding's demand cannot be read: nothing is listed");
                self.listing = None;
                return None;
            }
        };
        let is_last = parts.rest.len() == 0;
        let listing =
            Listing { host_partition: name.to_owned(), epoch: parts.epoch, part: parts.part, is_last, pods };
        parts.part += 1;
        if is_last {
            self.listing = None;
        }
        Some(tenant_partition_message::Message::Listing(listing))
    }
}

fn listed(held: HeldBinding) -> Result<ListedPod, prost::DecodeError> {
    let record = &held.record;
    let demand = v1::Demand::decode(record.demand.clone())?;
    let state = match record.state {
        BindingState::Bound => ClaimState::Bound,
        BindingState::Terminating | BindingState::Ghost => ClaimState::Terminating,
    };
    Ok(ListedPod {
        claim: Some(v1::ClaimId {
            partition: record.claim.partition.clone(),
            epoch: record.claim.epoch,
            sequence: record.claim.sequence,
        }),
        tenant: held.tenant.to_string(),
        uid: record.uid.clone(),
        host: record.host.clone(),
        incarnation: record.incarnation,
        demand: Some(demand),
        devices: record.devices,
        numa: record.numa,
        state: state.into(),
    })
}
