//! A host partition that says what a test tells it to.

use std::sync::Arc;
use std::time::Duration;

use meridian_edge_agent::{Delays, HostShape, LocalStore, SimulatedHosts, SimulatedHostsOptions};
use meridian_environment::{Clock, Ids, MonotonicClock};
use meridian_proto::v1::{
    AgentMessage, Desired, DesiredPod, Hello, Inventory, LinkMessage, PodStatus, Registered,
    StatusStoredNumber, StatusesStored, agent_message, desired_pod::Action, link_message,
};
use meridian_proto::{Connector, Duplex, Listener};
use serde_json::{Value, json};

/// Far above what anything here takes; a test that waits for it has failed.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) type LinkListener = Listener<LinkMessage, AgentMessage>;

/// Waits for something that must happen.
pub(crate) async fn soon<T>(what: &str, wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("{what} did not happen"))
}

pub(crate) fn link() -> (Connector<AgentMessage, LinkMessage>, LinkListener) {
    meridian_proto::local("the host partition", 64)
}

pub(crate) fn options(
    count: u32,
    link: Connector<AgentMessage, LinkMessage>,
    store: &LocalStore,
) -> SimulatedHostsOptions {
    SimulatedHostsOptions {
        count,
        name_prefix: "host".to_owned(),
        cell: "north".to_owned(),
        zones: 3,
        shapes: HostShape::mixed(),
        delays: Delays::ZERO,
        link,
        store: store.clone(),
        clock: Arc::new(MonotonicClock::new()),
        ids: Arc::new(Ids::seeded(1)),
        seed: 1,
    }
}

pub(crate) fn one(link: Connector<AgentMessage, LinkMessage>, store: &LocalStore) -> SimulatedHosts {
    SimulatedHosts::start(options(1, link, store)).unwrap()
}

pub(crate) fn one_with(
    link: Connector<AgentMessage, LinkMessage>,
    store: &LocalStore,
    delays: Delays,
    clock: Arc<dyn Clock>,
) -> SimulatedHosts {
    SimulatedHosts::start(SimulatedHostsOptions { delays, clock, ..options(1, link, store) }).unwrap()
}

/// A Pod object of one container.
pub(crate) fn pod(uid: &str, policy: &str, annotations: &Value) -> String {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": format!("pod-{uid}"), "namespace": "default", "uid": uid, "annotations": annotations},
        "spec": {"restartPolicy": policy, "containers": [{"name": "main", "image": "nginx"}]},
        "status": {"phase": "Pending", "qosClass": "BestEffort"},
    })
    .to_string()
}

pub(crate) fn run(uid: &str) -> DesiredPod {
    run_with(uid, &pod(uid, "Always", &Value::Null))
}

pub(crate) fn run_with(uid: &str, object: &str) -> DesiredPod {
    DesiredPod {
        tenant: "blue".into(),
        uid: uid.into(),
        action: Action::Run.into(),
        object: object.to_owned().into(),
        grace_seconds: 0,
    }
}

pub(crate) fn order(uid: &str, action: Action) -> DesiredPod {
    DesiredPod {
        tenant: "blue".into(),
        uid: uid.into(),
        action: action.into(),
        grace_seconds: 30,
        ..DesiredPod::default()
    }
}

/// One link as the partition has it.
pub(crate) struct Link {
    duplex: Duplex<LinkMessage, AgentMessage>,
    /// The epoch that it speaks under.
    pub(crate) epoch: u64,
    pub(crate) hello: Hello,
    /// The highest number acknowledged so far, whoever waited for something else then.
    acknowledged: u64,
}

impl Link {
    /// Takes the next link, and says Hello.
    pub(crate) async fn accept(listener: &mut LinkListener, epoch: u64) -> Self {
        let duplex = soon("a link", listener.accept()).await.expect("the agent connects");
        let mut link = Self { duplex, epoch, hello: Hello::default(), acknowledged: 0 };
        let agent_message::Message::Hello(hello) = link.next().await else { panic!("want a Hello first") };
        link.hello = *hello;
        link.say(link_message::Message::Hello(Box::new(Hello {
            lowest_version: 1,
            highest_version: 1,
            cell: "north".into(),
            name: "hosts-0".into(),
            epoch,
            ..Hello::default()
        })))
        .await;
        link
    }

    /// Takes the next link up to its inventory.
    pub(crate) async fn register(
        listener: &mut LinkListener,
        epoch: u64,
        incarnation: u64,
        resumed_from: u64,
    ) -> (Self, Inventory) {
        let mut link = Self::accept(listener, epoch).await;
        let inventory = link.take_in(incarnation, resumed_from).await;
        (link, inventory)
    }

    /// Answers the registration.
    pub(crate) async fn take_in(&mut self, incarnation: u64, resumed_from: u64) -> Inventory {
        let agent_message::Message::Registration(registration) = self.next().await else {
            panic!("want the registration")
        };
        let node: Value = serde_json::from_slice(&registration.node).unwrap();
        assert_eq!((&node["kind"], &node["metadata"]["name"]), (&json!("Node"), &json!(self.hello.name)));
        self.say(link_message::Message::Registered(Registered {
            incarnation,
            heartbeat_milliseconds: 60_000,
            resumed_from,
        }))
        .await;
        let agent_message::Message::Inventory(inventory) = self.next().await else {
            panic!("want the inventory")
        };
        inventory
    }

    pub(crate) async fn say(&self, message: link_message::Message) {
        // The agent may have gone; then the test sees it by what does not come.
        let _ = self.duplex.sender.send(LinkMessage { message: Some(message) }).await;
    }

    pub(crate) async fn desire(&self, number: u64, pods: Vec<DesiredPod>) {
        let desired = Desired { number, host_epoch: self.epoch, pods, is_complete: true };
        self.say(link_message::Message::Desired(desired)).await;
    }

    pub(crate) async fn stored(&self, status: &PodStatus) {
        let pods = vec![StatusStoredNumber { uid: status.uid.clone(), number: status.number }];
        self.say(link_message::Message::Stored(StatusesStored { pods })).await;
    }

    /// The next message; heartbeats aside.
    pub(crate) async fn next(&mut self) -> agent_message::Message {
        self.try_next().await.expect("the agent keeps the link")
    }

    /// The next message, or the end of the link.
    pub(crate) async fn try_next(&mut self) -> Option<agent_message::Message> {
        loop {
            let message = soon("a message", self.duplex.receiver.recv()).await?.message?;
            match message {
                agent_message::Message::Heartbeat(_) => {}
                agent_message::Message::Acknowledged(number) => {
                    assert!(number >= self.acknowledged, "acknowledgements do not go back");
                    self.acknowledged = number;
                    return Some(message);
                }
                message => return Some(message),
            }
        }
    }

    /// The next status of a pod that fits; acknowledgements and other statuses are passed over.
    pub(crate) async fn status(
        &mut self,
        uid: &str,
        fits: impl Fn(&PodStatus, &Value) -> bool,
    ) -> (PodStatus, Value) {
        loop {
            if let agent_message::Message::Statuses(statuses) = self.next().await {
                for status in statuses.pods {
                    let value = serde_json::from_slice(&status.status).unwrap_or_default();
                    if status.uid == uid && fits(&status, &value) {
                        return (status, value);
                    }
                }
            }
        }
    }

    /// Waits until everything up to a number is durable with the agent.
    pub(crate) async fn acknowledged(&mut self, number: u64) {
        while self.acknowledged < number {
            self.next().await;
        }
    }
}

pub(crate) fn is_running(_: &PodStatus, value: &Value) -> bool {
    value["phase"] == "Running"
}

pub(crate) fn is_stopped(status: &PodStatus, _: &Value) -> bool {
    status.stopped
}
