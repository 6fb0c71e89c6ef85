//! What agents say: who they are, what their hosts are and have, and how their pods are.

use std::sync::Arc;

use meridian_api::Entry;
use meridian_engine::Host;
use meridian_kubernetes::{host_from_node, pod_from_object};
use meridian_ledger::host::InventoryPod;
use meridian_ledger::{HostNumber, Uid};
use meridian_proto::v1::{
    self, AgentMessage, Goodbye, HeartbeatAnswer, Hello, Registered, agent_message, link_message,
};
use serde_json::Value;

use super::{Actor, AgentPhase, Peer, Session};
use crate::durable::Failed;
use crate::host::HostState;
use crate::input::SessionId;
use crate::node::Health;
use crate::record::NodeRecord;

/// How often a heartbeat is wanted.
const HEARTBEAT_MILLISECONDS: u64 = 10_000;

/// The largest description of a host, in bytes.
const MOST_DESCRIPTION: usize = 1 << 20;

/// The most pods that a host may have.
const MOST_PODS: usize = 16_384;

/// The longest uid.
const MOST_NAME: usize = 253;

impl Actor {
    pub(super) fn agent_says(&mut self, session: SessionId, message: AgentMessage) {
        let Some(Session { peer: Peer::Agent { phase, .. }, .. }) = self.sessions.get(&session) else {
            return;
        };
        let phase = phase.clone();
        if let AgentPhase::Live { host } = phase {
            return self.live_agent_says(session, host, message);
        }
        match (phase, message.message) {
            (AgentPhase::New, Some(agent_message::Message::Hello(hello))) => {
                self.greet_agent(session, *hello)
            }
            (
                AgentPhase::Greeted { name, incarnation, position },
                Some(agent_message::Message::Registration(said)),
            ) => {
                self.register(session, &name, incarnation, &said.node, Some(position));
            }
            (
                AgentPhase::Greeted { .. } | AgentPhase::Registering { .. },
                Some(agent_message::Message::Heartbeat(beat)),
            ) => {
                self.answer_heartbeat(session, beat.number);
            }
            (_, Some(agent_message::Message::Goodbye(_))) => self.close(session),
            (AgentPhase::New, _) => self.refuse(session, Goodbye::no_hello()),
            (AgentPhase::Greeted { .. }, Some(_)) => {
                self.refuse(session, Goodbye::refusal("after the Hello comes the Registration"));
            }
            // Nothing else makes sense before Registered.
            _ => {}
        }
    }

    fn greet_agent(&mut self, session: SessionId, hello: Hello) {
        if let Err(goodbye) = hello.check(&self.cell) {
            return self.refuse(session, goodbye);
        }
        let mut positions = hello.positions.iter();
        let position =
            positions.find(|position| *position.name == *self.name && position.epoch == self.epoch);
        let phase = AgentPhase::Greeted {
            name: Arc::from(hello.name),
            incarnation: hello.epoch,
            position: position.map(|position| position.number),
        };
        self.set_phase(session, phase);
        self.send_agent(session, link_message::Message::Hello(self.hello().into()));
    }

    fn set_phase(&mut self, session: SessionId, to: AgentPhase) {
        if let Some(Session { peer: Peer::Agent { phase, .. }, .. }) = self.sessions.get_mut(&session) {
            *phase = to;
        }
    }

    /// Takes a host in, or its new description. `position` is there when the agent has just come.
    fn register(
        &mut self,
        session: SessionId,
        name: &Arc<str>,
        incarnation: u64,
        node: &[u8],
        position: Option<Option<u64>>,
    ) {
        let (given, host) = match read_node(name, node) {
            Ok(read) => read,
            Err(reason) => return self.refuse(session, Goodbye::refusal(reason)),
        };
        let is_arriving = self.arriving.contains(name);
        let known = self.by_name.get(name).and_then(|number| self.hosts.get_mut(number));
        let (mut record, mut is_changed) = match known {
            Some(known) if known.is_writing || known.is_leaving => {
                return self.refuse(session, Goodbye::later("this host is being written: come again"));
            }
            Some(known) => {
                known.is_writing = true;
                (known.record.clone(), false)
            }
            None if is_arriving => {
                return self.refuse(session, Goodbye::later("this host is being taken in: come again"));
            }
            None => {
                let number = HostNumber(self.next_number);
                self.next_number = self.next_number.saturating_add(1);
                self.arriving.insert(Arc::clone(name));
                (
                    NodeRecord {
                        name: Arc::clone(name),
                        number,
                        incarnation,
                        allocatable: meridian_engine::Resources::default(),
                        pods: 0,
                        devices: None,
                    },
                    true,
                )
            }
        };
        if incarnation == 0 {
            record.incarnation += 1;
            is_changed = true;
        }
        is_changed |= record.offer(&host);
        if let Some(position) = position {
            self.set_phase(session, AgentPhase::Registering { name: Arc::clone(name), position });
        }
        self.durable.register(session, record, is_changed, given);
    }

    /// A host's record and Node are durable, or not.
    pub(super) fn registered(
        &mut self,
        session: SessionId,
        record: NodeRecord,
        result: Result<Arc<Entry>, Failed>,
    ) {
        let number = record.number;
        self.arriving.remove(&record.name);
        if let Some(host) = self.hosts.get_mut(&number) {
            host.is_writing = false;
        }
        let entry = match result {
            Ok(entry) => entry,
            Err(failed) => {
                let is_final = matches!(&failed, Failed::Node(failure) if failure.code == 422);
                let reason = format!("host {:?} could not be taken in: {failed}", record.name);
                self.failed("taking in a host", &failed);
                return self.refuse(session, v1::Goodbye { reason, is_final });
            }
        };
        if let Err(error) = self.take_in(record, &entry) {
            let reason = format!("the host's description is refused: {error}");
            return self.refuse(session, Goodbye::refusal(reason));
        }
        if self.hosts.get(&number).is_some_and(|host| !host.has_node) {
            return self.refuse(session, Goodbye::later("the Node was deleted: register again"));
        }
        let Some(Session { peer: Peer::Agent { phase, .. }, .. }) = self.sessions.get(&session) else {
            return;
        };
        let AgentPhase::Registering { position, .. } = phase else { return };
        let position = *position;
        self.link(session, number, position);
    }

    /// Takes in what is durable of a host.
    fn take_in(&mut self, record: NodeRecord, entry: &Entry) -> Result<(), meridian_engine::HostError> {
        let number = record.number;
        let object = entry.value();
        let described = host_from_node(&object).unwrap_or_default();
        let description = record.applied_to(described);
        let incarnation = record.incarnation;
        if self.ledger.incarnation(number).is_none() {
            self.ledger.add_host(number, &description, incarnation)?;
        } else {
            self.ledger.update_host(number, &description)?;
            self.ledger.reincarnated(number, incarnation);
        }
        let now = self.clock.now();
        self.by_name.insert(Arc::clone(&record.name), number);
        let host = self
            .hosts
            .entry(number)
            .or_insert_with(|| HostState::new(record.clone(), description.clone(), now));
        if host.record.incarnation != incarnation {
            host.desired.reset();
        }
        host.record = record;
        host.description = description;
        // It may have been deleted again since it was written.
        host.has_node |= host.modified <= entry.modified;
        host.modified = host.modified.max(entry.modified);
        host.last_heard = now;
        host.marked = Health::of(&object);
        if host.has_node {
            self.heartbeats.appeared(entry);
            self.heartbeats.heard(host.name(), self.clock.date());
        }
        self.feed_host(number);
        Ok(())
    }

    /// The stream of an agent whose host was taken in becomes the host's.
    fn link(&mut self, session: SessionId, number: HostNumber, position: Option<u64>) {
        let Some(host) = self.hosts.get_mut(&number) else { return };
        let former = host.session.replace(session);
        host.is_complete = false;
        host.inventory = None;
        host.is_resumed = position.is_some_and(|position| host.desired.can_resume(position));
        let mut acknowledged = Vec::new();
        match position {
            Some(position) if host.is_resumed => acknowledged = host.desired.acknowledge(position),
            _ => host.desired.reset(),
        }
        let resumed_from = match position {
            Some(position) if host.is_resumed => position,
            _ => host.desired.number(),
        };
        let under_way: Vec<_> = host.desired.under_way(self.epoch).collect();
        let incarnation = host.record.incarnation;
        for claim in acknowledged {
            self.started(&claim);
        }
        if let Some(former) = former.filter(|former| *former != session) {
            self.refuse(former, Goodbye::later("this host has opened another stream"));
        }
        self.set_phase(session, AgentPhase::Live { host: number });
        let heartbeat_milliseconds = HEARTBEAT_MILLISECONDS;
        let registered = Registered { incarnation, heartbeat_milliseconds, resumed_from };
        self.send_agent(session, link_message::Message::Registered(registered));
        for desired in under_way {
            self.send_agent(session, link_message::Message::Desired(desired));
        }
    }

    fn live_agent_says(&mut self, session: SessionId, number: HostNumber, message: AgentMessage) {
        let now = self.clock.now();
        let Some(host) = self.hosts.get_mut(&number).filter(|host| host.session == Some(session)) else {
            return;
        };
        host.last_heard = now;
        if matches!(message.message, Some(agent_message::Message::Heartbeat(_))) {
            self.heartbeats.heard(host.name(), self.clock.date());
        }
        if host.health != Health::Ready && self.ledger.is_inventoried(number) {
            self.set_health(number, Health::Ready);
        }
        match message.message {
            Some(agent_message::Message::Hello(_)) => {
                self.refuse(session, Goodbye::second_hello());
            }
            Some(agent_message::Message::Goodbye(goodbye)) => {
                tracing::info!(host = %number, reason = %goodbye.reason, "an agent leaves");
                self.close(session);
                self.set_health(number, Health::NotReady);
            }
            Some(agent_message::Message::Registration(said)) => {
                let Some(host) = self.hosts.get(&number) else { return };
                let (name, incarnation) = (Arc::clone(host.name()), host.record.incarnation);
                self.register(session, &name, incarnation, &said.node, None);
            }
            Some(agent_message::Message::Inventory(inventory)) => self.inventory(session, number, inventory),
            Some(agent_message::Message::Heartbeat(beat)) => self.answer_heartbeat(session, beat.number),
            Some(agent_message::Message::Statuses(statuses)) => {
                for status in statuses.pods {
                    self.status(number, status);
                }
            }
            Some(agent_message::Message::Acknowledged(up_to)) => {
                for claim in self
                    .hosts
                    .get_mut(&number)
                    .map(|host| host.desired.acknowledge(up_to))
                    .unwrap_or_default()
                {
                    self.started(&claim);
                }
            }
            // Of a newer build: nothing that is required.
            None => {}
        }
    }

    fn answer_heartbeat(&mut self, session: SessionId, number: u64) {
        self.send_agent(session, link_message::Message::Heartbeat(HeartbeatAnswer { number }));
    }

    /// An agent knows durably that it should run the pod of a claim.
    fn started(&mut self, claim: &meridian_ledger::ClaimId) {
        self.ledger.acknowledged(claim);
        self.specs.remove(claim);
    }

    fn inventory(&mut self, session: SessionId, number: HostNumber, inventory: v1::Inventory) {
        if inventory.pods.len() > MOST_PODS {
            let reason = format!("the inventory has {} pods, want at most {MOST_PODS}", inventory.pods.len());
            return self.refuse(session, Goodbye::refusal(reason));
        }
        if self.ledger.is_open() {
            return self.take_inventory(number, inventory.pods);
        }
        // Until all bindings are known nobody can say which of these are strays.
        if let Some(host) = self.hosts.get_mut(&number) {
            host.inventory = Some(inventory.pods);
        }
    }

    fn take_inventory(&mut self, number: HostNumber, pods: Vec<v1::InventoryPod>) {
        let Some(host) = self.hosts.get(&number) else { return };
        let is_resumed = host.is_resumed;
        let pods = pods
            .into_iter()
            .filter(|pod| !pod.uid.is_empty() && pod.uid.len() <= MOST_NAME && pod.tenant.len() <= MOST_NAME)
            .map(|pod| {
                let uid = Uid::from(pod.uid);
                // Read only where the ledger does not know better: there may be many.
                let is_known = pod.stopped || self.ledger.entry_on(number, &uid).is_some();
                let demand = if is_known { None } else { demand(&pod.object) };
                InventoryPod { tenant: Arc::from(pod.tenant), uid, is_stopped: pod.stopped, demand }
            })
            .collect();
        self.ledger.inventory(number, pods, is_resumed);
        self.apply_changes();
        self.set_health(number, Health::Ready);
        let Some(host) = self.hosts.get_mut(&number) else { return };
        host.is_complete = true;
        let (orders, runs) = (std::mem::take(&mut host.orders), std::mem::take(&mut host.runs));
        let session = host.session;
        let desired = host.desired.push(self.epoch, orders, runs, true);
        if let Some(session) = session {
            self.send_agent(session, link_message::Message::Desired(desired));
        }
    }

    /// The ledger has opened: what agents said they have can be judged.
    pub(super) fn opened(&mut self) {
        let mut waiting: Vec<_> = self
            .hosts
            .iter_mut()
            .filter_map(|(number, host)| Some((*number, host.inventory.take()?)))
            .collect();
        waiting.sort_unstable_by_key(|(number, _)| *number);
        for (number, pods) in waiting {
            self.take_inventory(number, pods);
        }
    }
}

/// What a pod takes that the ledger does not know; none: that cannot be told.
fn demand(object: &[u8]) -> Option<meridian_engine::Demand> {
    let object: Value = serde_json::from_slice(object).ok()?;
    let demand = pod_from_object(&object).ok()?.demand;
    // What is a matter of other pods is none of the ledger's.
    Some(meridian_engine::Demand {
        identity: meridian_engine::Identity::default(),
        terms: meridian_engine::PodTerms::default(),
        ..demand
    })
}

/// Whether a name can be a Node's: labels of a-z, 0-9 and -, joined by dots.
fn is_dns_name(name: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    name.split('.').all(|label| {
        let ends = [label.bytes().next(), label.bytes().last()];
        label.bytes().all(is_inner) && ends.iter().all(|end| end.is_some_and(|end| end != b'-'))
    })
}

/// A host's description, or what is wrong with it.
fn read_node(name: &str, node: &[u8]) -> Result<(Value, Host), String> {
    if !is_dns_name(name) {
        return Err(format!("{name:?} is no name of a host, want a DNS name in lower case"));
    }
    if node.len() > MOST_DESCRIPTION {
        return Err(format!("the Node has {} bytes, want at most {MOST_DESCRIPTION}", node.len()));
    }
    let given: Value =
        serde_json::from_slice(node).map_err(|error| format!("the Node is no JSON: {error}"))?;
    let host = host_from_node(&given).map_err(|error| format!("the Node cannot be used: {error}"))?;
    if host.name != name {
        return Err(format!("the Node is named {:?}, and the host {name:?}: want one name", host.name));
    }
    Ok((given, host))
}
