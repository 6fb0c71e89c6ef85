//! Scripted peers: a tenant partition, an agent and a replica that do what a test says.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use meridian_proto::Duplex;
use meridian_proto::v1::{self, *};
use serde_json::{Value, json};

use crate::region::{CELL, NAME, PATIENCE, Region};

pub(crate) fn hello(name: &str, epoch: u64) -> Hello {
    Hello {
        lowest_version: 1,
        highest_version: 1,
        cell: CELL.into(),
        name: name.into(),
        epoch,
        ..Hello::default()
    }
}

/// What comes next on a stream; none: it has ended.
pub(crate) async fn next<Out, In>(stream: &mut Duplex<Out, In>) -> Option<In> {
    tokio::time::timeout(PATIENCE, stream.receiver.recv()).await.expect("something was to come")
}

/// A tenant partition.
pub(crate) struct Tenant {
    stream: Duplex<TenantPartitionMessage, HostPartitionMessage>,
    name: String,
    pub(crate) te: u64,
    /// The host partition's epoch.
    pub(crate) he: u64,
    sequence: AtomicU64,
}

impl Tenant {
    /// Connects, and lists what is bound when it is asked to.
    pub(crate) async fn new(region: &Region, name: &str, te: u64, bound: Vec<ListedPod>) -> Self {
        let mut tenant = Self::greet(region, name, te).await;
        tenant.list(bound).await;
        tenant
    }

    /// Connects and says Hello.
    pub(crate) async fn greet(region: &Region, name: &str, te: u64) -> Self {
        let stream = region.ledger.connect().await.expect("the partition runs");
        let mut tenant = Self { stream, name: name.into(), te, he: 0, sequence: AtomicU64::new(0) };
        tenant.say(tenant_partition_message::Message::Hello(Box::new(hello(name, te)))).await;
        match tenant.hear().await {
            host_partition_message::Message::Hello(hello) => {
                assert_eq!(hello.name, NAME);
                tenant.he = hello.epoch;
            }
            other => panic!("{other:?}"),
        }
        tenant
    }

    /// Waits to be asked for a list, and gives it.
    pub(crate) async fn list(&mut self, pods: Vec<ListedPod>) {
        let he = self.he;
        self.hear_until(|message| match message {
            host_partition_message::Message::Relist(relist) => (relist.epoch == he).then_some(()),
            _ => None,
        })
        .await;
        let listing = Listing { host_partition: NAME.into(), epoch: he, part: 0, is_last: true, pods };
        self.say(tenant_partition_message::Message::Listing(listing)).await;
    }

    pub(crate) async fn say(&mut self, message: tenant_partition_message::Message) {
        // The other end may be gone: what comes next tells.
        let _ = self.stream.sender.send(TenantPartitionMessage { message: Some(message) }).await;
    }

    pub(crate) async fn hear(&mut self) -> host_partition_message::Message {
        next(&mut self.stream).await.expect("the stream is open").message.expect("a message")
    }

    /// Passes over what comes until something does that is looked for.
    pub(crate) async fn hear_until<T>(
        &mut self,
        mut look: impl FnMut(host_partition_message::Message) -> Option<T>,
    ) -> T {
        loop {
            let message = self.hear().await;
            if let Some(found) = look(message) {
                return found;
            }
        }
    }

    pub(crate) async fn hear_goodbye(&mut self) -> Goodbye {
        self.hear_until(|message| match message {
            host_partition_message::Message::Goodbye(goodbye) => Some(goodbye),
            _ => None,
        })
        .await
    }

    /// A new claim for a pod of so many thousandths of a core.
    pub(crate) fn claim(&self, uid: &str, host: &str, incarnation: u64, cpu_milli: i64) -> Claim {
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed) + 1;
        Claim {
            id: Some(v1::ClaimId { partition: self.name.clone(), epoch: self.te, sequence }),
            tenant: "t".into(),
            uid: uid.into(),
            host: host.into(),
            incarnation,
            demand: Some(demand(cpu_milli)),
            host_epoch: self.he,
            ..Claim::default()
        }
    }

    /// Claims, and hears the answer.
    pub(crate) async fn ask(&mut self, claim: &Claim) -> Answer {
        self.say(tenant_partition_message::Message::Claims(Claims { claims: vec![claim.clone()] })).await;
        let id = claim.id.clone();
        self.hear_until(|message| match message {
            host_partition_message::Message::Answers(answers) => {
                answers.answers.into_iter().find(|answer| answer.claim == id)
            }
            _ => None,
        })
        .await
    }

    /// Claims again and again until the host is ready.
    pub(crate) async fn claim_when_ready(&mut self, uid: &str, host: &str, incarnation: u64) -> Claim {
        loop {
            let claim = self.claim(uid, host, incarnation, 100);
            let answer = self.ask(&claim).await;
            if answer.accepted {
                return claim;
            }
            assert_eq!(answer.reason, "NodeNotReady", "{}", answer.message);
        }
    }

    pub(crate) async fn settle(&mut self, claim: &Claim, state: ClaimState) {
        let settlement = Settlement { claim: claim.id.clone(), state: state.into() };
        let settlements = Settlements { host_epoch: self.he, settlements: vec![settlement] };
        self.say(tenant_partition_message::Message::Settlements(settlements)).await;
    }

    pub(crate) async fn specify(&mut self, claim: &Claim, object: Value) {
        let object = object.to_string().into();
        let pod = PodSpec { claim: claim.id.clone(), tenant: "t".into(), uid: claim.uid.clone(), object };
        self.say(tenant_partition_message::Message::Pods(PodSpecs { pods: vec![pod] })).await;
    }

    /// Binds: settles as bound, and sends the spec.
    pub(crate) async fn bind(&mut self, claim: &Claim) {
        self.settle(claim, ClaimState::Bound).await;
        self.specify(claim, json!({"spec": {"terminationGracePeriodSeconds": 7}})).await;
    }

    pub(crate) async fn stored(&mut self, report: &StatusReport) {
        let stored =
            StoredStatus { uid: report.uid.clone(), host: report.host.clone(), number: report.number };
        self.say(tenant_partition_message::Message::Stored(StatusStored { pods: vec![stored] })).await;
    }

    /// The next report on a pod.
    pub(crate) async fn hear_report(&mut self, uid: &str) -> StatusReport {
        self.hear_until(|message| match message {
            host_partition_message::Message::Statuses(statuses) => {
                statuses.reports.into_iter().find(|report| report.uid == uid)
            }
            _ => None,
        })
        .await
    }

    /// The next question about claims.
    pub(crate) async fn hear_audit(&mut self) -> Vec<v1::ClaimId> {
        self.hear_until(|message| match message {
            host_partition_message::Message::Audit(audit) => Some(audit.claims),
            _ => None,
        })
        .await
    }
}

pub(crate) fn demand(cpu_milli: i64) -> Demand {
    let requests = Some(Resources { cpu_milli, ..Resources::default() });
    Demand { requests, constraints: Some(Constraints::default()), ..Demand::default() }
}

/// A claim as a list has it.
pub(crate) fn listed(claim: &Claim, state: ClaimState) -> ListedPod {
    ListedPod {
        claim: claim.id.clone(),
        tenant: claim.tenant.clone(),
        uid: claim.uid.clone(),
        host: claim.host.clone(),
        incarnation: claim.incarnation,
        demand: claim.demand.clone(),
        devices: 0,
        numa: 0,
        state: state.into(),
    }
}

pub(crate) fn node_object(name: &str, cpu: &str) -> Value {
    json!({
        "metadata": {"name": name, "labels": {"zone": "a"}},
        "status": {
            "capacity": {"cpu": cpu, "memory": "1Gi", "pods": "10"},
            "allocatable": {"cpu": cpu, "memory": "1Gi", "pods": "10"},
            "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
        },
    })
}

/// An agent.
pub(crate) struct Agent {
    pub(crate) stream: Duplex<AgentMessage, LinkMessage>,
    name: String,
    pub(crate) incarnation: u64,
    pub(crate) resumed_from: u64,
    /// The last number of desired state heard.
    pub(crate) number: u64,
    pub(crate) epoch: u64,
}

impl Agent {
    /// An agent with an empty local store, taken in, with nothing on its host.
    pub(crate) async fn new(region: &Region, name: &str) -> Self {
        let mut agent = Self::register(region, name, 0, None).await;
        agent.inventory(&[]).await;
        agent
    }

    /// Connects, and registers. `position` is the epoch and number to go on from.
    pub(crate) async fn register(
        region: &Region,
        name: &str,
        incarnation: u64,
        position: Option<(u64, u64)>,
    ) -> Self {
        let mut agent = Self::greet(region, name, incarnation, position).await;
        agent.registration(&node_object(name, "1")).await;
        match agent.hear().await {
            link_message::Message::Registered(registered) => {
                agent.incarnation = registered.incarnation;
                agent.resumed_from = registered.resumed_from;
            }
            other => panic!("{other:?}"),
        }
        agent
    }

    pub(crate) async fn greet(
        region: &Region,
        name: &str,
        incarnation: u64,
        position: Option<(u64, u64)>,
    ) -> Self {
        let stream = region.links.connect().await.expect("the partition runs");
        let mut agent = Self { stream, name: name.into(), incarnation, resumed_from: 0, number: 0, epoch: 0 };
        let positions = position
            .map(|(epoch, number)| Position { name: NAME.into(), epoch, number })
            .into_iter()
            .collect();
        let hello = Hello { positions, ..hello(name, incarnation) };
        agent.say(agent_message::Message::Hello(Box::new(hello))).await;
        match agent.hear().await {
            link_message::Message::Hello(hello) => agent.epoch = hello.epoch,
            other => panic!("{other:?}"),
        }
        agent
    }

    pub(crate) async fn registration(&mut self, node: &Value) {
        let node = node.to_string().into();
        self.say(agent_message::Message::Registration(Registration { node })).await;
    }

    pub(crate) async fn say(&mut self, message: agent_message::Message) {
        // The other end may be gone: what comes next tells.
        let _ = self.stream.sender.send(AgentMessage { message: Some(message) }).await;
    }

    pub(crate) async fn hear(&mut self) -> link_message::Message {
        next(&mut self.stream).await.expect("the stream is open").message.expect("a message")
    }

    pub(crate) async fn inventory(&mut self, pods: &[(&str, bool)]) {
        let pods = pods
            .iter()
            .map(|(uid, stopped)| InventoryPod {
                tenant: "t".into(),
                uid: (*uid).into(),
                stopped: *stopped,
                object: json!({
                    "metadata": {"name": uid},
                    "spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "100m"}}}]},
                })
                .to_string()
                .into(),
            })
            .collect();
        self.say(agent_message::Message::Inventory(Inventory { pods })).await;
    }

    pub(crate) async fn status(&mut self, uid: &str, number: u64, stopped: bool) {
        let status = PodStatus {
            tenant: "t".into(),
            namespace: "default".into(),
            name: format!("name-{uid}"),
            uid: uid.into(),
            number,
            stopped,
            status: json!({"phase": "Running", "number": number}).to_string().into(),
        };
        self.say(agent_message::Message::Statuses(PodStatuses { pods: vec![status] })).await;
    }

    pub(crate) async fn acknowledge(&mut self, number: u64) {
        self.say(agent_message::Message::Acknowledged(number)).await;
    }

    /// The next change of desired state that says something, in short.
    pub(crate) async fn hear_orders(&mut self) -> Vec<String> {
        loop {
            let desired = self.hear_desired().await;
            if !desired.pods.is_empty() {
                return orders(&desired);
            }
        }
    }

    pub(crate) async fn hear_desired(&mut self) -> Desired {
        loop {
            if let link_message::Message::Desired(desired) = self.hear().await {
                assert!(desired.number > self.number, "numbers grow");
                assert_eq!(desired.host_epoch, self.epoch);
                self.number = desired.number;
                return desired;
            }
        }
    }

    pub(crate) async fn hear_goodbye(&mut self) -> Goodbye {
        loop {
            if let link_message::Message::Goodbye(goodbye) = self.hear().await {
                return goodbye;
            }
        }
    }

    /// The next statuses that are stored.
    pub(crate) async fn hear_stored(&mut self) -> Vec<(String, u64)> {
        loop {
            if let link_message::Message::Stored(stored) = self.hear().await {
                return stored.pods.into_iter().map(|pod| (pod.uid, pod.number)).collect();
            }
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

pub(crate) fn orders(desired: &Desired) -> Vec<String> {
    let order = |pod: &DesiredPod| match pod.action() {
        desired_pod::Action::Run => format!("run {}", pod.uid),
        desired_pod::Action::Stop => format!("stop {} in {}", pod.uid, pod.grace_seconds),
        desired_pod::Action::Forget => format!("forget {}", pod.uid),
        desired_pod::Action::Unspecified => "?".into(),
    };
    desired.pods.iter().map(order).collect()
}

/// A replica, and what it has put together.
pub(crate) struct Replica {
    stream: Duplex<HostFeedRequest, HostFeedResponse>,
    pub(crate) hosts: BTreeMap<u32, HostState>,
    pub(crate) demands: BTreeMap<u32, Demand>,
    pub(crate) entries: BTreeMap<String, LedgerEntry>,
    pub(crate) epoch: u64,
    pub(crate) number: u64,
    pub(crate) restarts: u32,
    /// Everything has been said once.
    pub(crate) is_in_sync: bool,
}

impl Replica {
    pub(crate) async fn new(region: &Region, position: Option<(u64, u64)>) -> Self {
        let mut replica = Self::begin(region, position).await;
        while !replica.follow().await {}
        replica
    }

    /// One that has said hello and heard nothing yet.
    pub(crate) async fn begin(region: &Region, position: Option<(u64, u64)>) -> Self {
        let stream = region.feed.connect().await.expect("the partition runs");
        let positions = position
            .map(|(epoch, number)| Position { name: NAME.into(), epoch, number })
            .into_iter()
            .collect();
        let hello = Hello { positions, ..hello("replica", 0) };
        let message = Some(host_feed_request::Message::Hello(Box::new(hello)));
        stream.sender.send(HostFeedRequest { message }).await.expect("the stream is open");
        Self {
            stream,
            hosts: BTreeMap::new(),
            demands: BTreeMap::new(),
            entries: BTreeMap::new(),
            epoch: 0,
            number: 0,
            restarts: 0,
            is_in_sync: false,
        }
    }

    /// Takes the next changes in; whether they end with everything having been said.
    pub(crate) async fn follow(&mut self) -> bool {
        let message = next(&mut self.stream).await.expect("the stream is open").message.expect("a message");
        let changes = match message {
            host_feed_response::Message::Hello(hello) => {
                self.epoch = hello.epoch;
                return false;
            }
            host_feed_response::Message::Changes(changes) => changes,
            other => panic!("{other:?}"),
        };
        self.number = changes.number;
        self.is_in_sync |= changes.in_sync;
        if changes.restart {
            self.restarts += 1;
        }
        for change in changes.changes {
            match change.change.expect("a change") {
                host_change::Change::Host(host) => drop(self.hosts.insert(host.number, host)),
                host_change::Change::RemovedHost(number) => drop(self.hosts.remove(&number)),
                host_change::Change::Demand(demand) => {
                    drop(self.demands.insert(demand.number, demand.demand.expect("a demand")));
                }
                host_change::Change::Entry(entry) => {
                    assert!(
                        entry.demand == 0 || self.demands.contains_key(&entry.demand),
                        "said before it is used"
                    );
                    let claim = key(entry.claim.as_ref().expect("a claim"));
                    assert!(self.entries.insert(claim, entry).is_none(), "each entry is said once");
                }
                host_change::Change::RemovedEntry(claim) => {
                    assert!(self.entries.remove(&key(&claim)).is_some(), "it was said before");
                }
            }
        }
        changes.in_sync
    }

    /// Follows until something is so.
    pub(crate) async fn until(&mut self, mut is_so: impl FnMut(&Self) -> bool) {
        while !is_so(self) {
            self.follow().await;
        }
    }

    pub(crate) fn host(&self, name: &str) -> Option<&HostState> {
        self.hosts.values().find(|host| host.host.as_ref().is_some_and(|host| host.name == name))
    }

    pub(crate) fn is_ready(&self, name: &str) -> bool {
        self.host(name).is_some_and(|host| host.ready)
    }
}

fn key(claim: &v1::ClaimId) -> String {
    format!("{}/{}/{}", claim.partition, claim.epoch, claim.sequence)
}
