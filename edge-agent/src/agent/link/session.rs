//! The conversation on a link.

use std::time::Duration;

use meridian_proto::v1::{
    AgentMessage, Goodbye, Heartbeat as HeartbeatMessage, Hello, Inventory, InventoryPod, LinkMessage,
    PodStatus, PodStatuses, Position, Registration, agent_message, desired_pod, link_message,
};
use tracing::{debug, warn};

use super::super::{Agent, Known};
use super::{Heartbeat, Link, MOST_UNANSWERED, Opened, PATIENCE, Stage, Up};
use crate::chance::below;
use crate::duty::{Desired, Order, PodState, PodUid, Refusal, Step};
use crate::state::{LocalState, StateError};

/// So many messages are taken in together, so that what they ask for is committed together.
const MOST_AT_ONCE: usize = 64;

/// So many statuses, or bytes of them, go into one message.
const MOST_STATUSES: usize = 64;
const MOST_STATUS_BYTES: usize = 512 << 10;

/// The longest uid of a pod that is taken for one.
const MOST_UID: usize = 253;

/// For so long an agent that has said goodbye waits for the other end to hang up.
const FAREWELL: Duration = Duration::from_secs(1);

/// Heartbeats are sent no faster and no slower than this, whatever is asked for.
const HEARTBEATS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3600));

impl Agent {
    /// Looks after the link: makes one, gives one up, and beats.
    pub(in super::super) fn tend_link(&mut self, now: Duration) {
        let wanted = self.may_link();
        match &mut self.link {
            Link::Offline { retry: Some(retry) } if wanted && *retry <= now => {
                let connector = self.options.link.clone();
                let opening = Box::pin(async move { connector.connect().await });
                self.link = Link::Connecting { opening, until: now + PATIENCE };
            }
            Link::Offline { .. } => {
                if wanted && self.link.is_idle() {
                    self.link = Link::offline(now);
                    self.tend_link(now);
                }
            }
            Link::Connecting { until, .. } => {
                if *until <= now {
                    self.lost("the host partition does not answer");
                }
            }
            Link::Up(up) if up.stage != Stage::Registered => {
                if up.until <= now {
                    self.refuse("the host partition did not take the host in, within 30 s");
                }
            }
            Link::Up(up) => {
                if up.heartbeat.next <= now {
                    up.heartbeat.next = now + up.heartbeat.interval;
                    up.heartbeat.is_due = true;
                    if up.heartbeat.sent.saturating_sub(up.heartbeat.answered) >= MOST_UNANSWERED {
                        return self.lost("the host partition answers no heartbeats");
                    }
                }
                self.outbox.resend(now);
            }
        }
    }

    /// A stream has been opened, or could not be.
    pub(in super::super) fn opened(&mut self, opened: Opened) {
        let duplex = match opened {
            Ok(duplex) => duplex,
            Err(error) => return self.lost(&error.to_string()),
        };
        let host = &self.duty.saved().host;
        let positions = host.position.as_ref().map(|position| Position {
            name: position.partition.to_string(),
            epoch: position.epoch,
            number: position.number,
        });
        let hello = Hello {
            positions: positions.into_iter().collect(),
            ..Hello::new(&self.options.cell, &self.options.name, host.incarnation)
        };
        self.link = Link::Up(Box::new(Up {
            sender: duplex.sender,
            receiver: duplex.receiver,
            stage: Stage::Greeting,
            until: self.options.clock.now() + PATIENCE,
            opening: [message(agent_message::Message::Hello(hello.into()))].into(),
            acknowledge: None,
            wants_inventory: false,
            heartbeat: Heartbeat::default(),
        }));
    }

    /// Takes in a message, and those that have come with it.
    pub(in super::super) async fn receive(&mut self, first: LinkMessage) -> Result<(), StateError> {
        let mut step = Step::default();
        let mut outcome = self.take_in(first, &mut step);
        for _ in 1..MOST_AT_ONCE {
            let Link::Up(up) = &mut self.link else { break };
            if outcome.is_err() {
                break;
            }
            let Ok(next) = up.receiver.try_recv() else { break };
            outcome = self.take_in(next, &mut step);
        }
        self.carry_out(step).await?;
        match outcome {
            Ok(()) => {}
            Err(Ending::Said(reason)) => self.lost(&reason),
            Err(Ending::Refused(reason)) => self.refuse(&reason),
        }
        if let Link::Up(up) = &mut self.link
            && std::mem::take(&mut up.wants_inventory)
        {
            let inventory = inventory(&self.options.state).await?;
            if let Link::Up(up) = &mut self.link {
                up.opening.push_back(inventory);
            }
        }
        Ok(())
    }

    fn take_in(&mut self, message: LinkMessage, step: &mut Step) -> Result<(), Ending> {
        match message.message {
            Some(link_message::Message::Hello(hello)) => self.greeted(&hello),
            Some(link_message::Message::Goodbye(goodbye)) => {
                if goodbye.is_final {
                    warn!(
                        host = self.options.name,
                        reason = goodbye.reason,
                        "the host partition refuses this host"
                    );
                    self.backoff.refused();
                }
                Err(Ending::Said(goodbye.reason))
            }
            Some(link_message::Message::Registered(registered)) => {
                match self.duty.registered(registered.incarnation, registered.resumed_from) {
                    Ok(more) => step.append(more),
                    Err(Refusal::OtherIncarnation { known, given, step: more }) => {
                        warn!(host = self.options.name, known, given, "the host begins anew");
                        step.append(more);
                        return Err(Ending::Refused(format!(
                            "this host was incarnation {known}, not {given}"
                        )));
                    }
                    Err(refusal) => return Err(refusal.into()),
                }
                self.taken_in(Duration::from_millis(registered.heartbeat_milliseconds));
                Ok(())
            }
            Some(link_message::Message::Desired(desired)) => {
                step.append(self.desired(desired)?);
                Ok(())
            }
            Some(link_message::Message::Heartbeat(answer)) => {
                if let Link::Up(up) = &mut self.link {
                    // A number that was never sent answers nothing.
                    if answer.number <= up.heartbeat.sent {
                        up.heartbeat.answered = up.heartbeat.answered.max(answer.number);
                    }
                }
                Ok(())
            }
            Some(link_message::Message::Stored(stored)) => {
                for pod in stored.pods {
                    self.outbox.stored(&pod.uid, pod.number);
                }
                Ok(())
            }
            // From a newer partition, which was not told that this is needed.
            None => Ok(()),
        }
    }

    fn greeted(&mut self, hello: &Hello) -> Result<(), Ending> {
        hello.check(&self.options.cell)?;
        let Link::Up(up) = &mut self.link else { return Ok(()) };
        if up.stage != Stage::Greeting {
            return Err(Goodbye::second_hello().into());
        }
        self.duty.greeted(&hello.name, hello.epoch)?;
        up.stage = Stage::Registering;
        let registration = Registration { node: self.options.node.clone() };
        up.opening.push_back(self::message(agent_message::Message::Registration(registration)));
        Ok(())
    }

    fn taken_in(&mut self, heartbeat: Duration) {
        self.backoff.succeeded();
        let chance = self.draw();
        let Link::Up(up) = &mut self.link else { return };
        if up.stage != Stage::Registered {
            up.stage = Stage::Registered;
            self.options.registered.send_modify(|registered| *registered += 1);
        }
        let interval = heartbeat.clamp(HEARTBEATS.0, HEARTBEATS.1);
        // Hosts that came at once do not beat at once.
        let part = below(chance, u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX));
        let next = self.options.clock.now() + Duration::from_nanos(part);
        up.heartbeat = Heartbeat { interval, next, ..Heartbeat::default() };
    }

    fn desired(&mut self, desired: meridian_proto::v1::Desired) -> Result<Step, Ending> {
        let mut orders = Vec::with_capacity(desired.pods.len());
        let mut news = Vec::with_capacity(desired.pods.len());
        for pod in desired.pods {
            let order = match desired_pod::Action::try_from(pod.action) {
                Ok(desired_pod::Action::Run) => Order::Run,
                Ok(desired_pod::Action::Stop) => {
                    let grace = u32::try_from(pod.grace_seconds.max(0)).unwrap_or(u32::MAX);
                    Order::Stop { grace_seconds: grace }
                }
                Ok(desired_pod::Action::Forget) => Order::Forget,
                Ok(desired_pod::Action::Unspecified) | Err(_) => {
                    warn!(
                        host = self.options.name,
                        pod.uid,
                        action = pod.action,
                        "an order that is not known here"
                    );
                    continue;
                }
            };
            if pod.uid.is_empty() || pod.uid.len() > MOST_UID {
                warn!(
                    host = self.options.name,
                    length = pod.uid.len(),
                    "an order for a pod without a proper uid"
                );
                continue;
            }
            let uid = PodUid::from(pod.uid.as_str());
            orders.push((uid.clone(), order));
            news.push((uid, order, pod.tenant, pod.object));
        }
        let desired = Desired {
            number: desired.number,
            host_epoch: desired.host_epoch,
            orders,
            is_complete: desired.is_complete,
        };
        let step = self.duty.desired(&desired)?;
        let now = self.time();
        for (uid, order, tenant, object) in news {
            if self.pods.contains_key(&uid) || !self.duty.saved().pods.contains_key(&uid) {
                continue;
            }
            let mut known = Known { tenant: tenant.into(), object: None };
            if order == Order::Run {
                self.runtime.prepare(&uid, &object, now);
                known.object = Some(object);
            }
            self.pods.insert(uid, known);
        }
        Ok(step)
    }

    /// Sends what is most urgent. There is room for it.
    pub(in super::super) fn send(&mut self) {
        let now = self.options.clock.now();
        let Link::Up(up) = &mut self.link else { return };
        let content = if let Some(message) = up.opening.pop_front() {
            message
        } else if up.heartbeat.is_due {
            up.heartbeat.is_due = false;
            up.heartbeat.sent += 1;
            message(agent_message::Message::Heartbeat(HeartbeatMessage { number: up.heartbeat.sent }))
        } else if let Some(number) = up.acknowledge.take() {
            message(agent_message::Message::Acknowledged(number))
        } else if let Some(statuses) = self.statuses(now) {
            message(agent_message::Message::Statuses(statuses))
        } else {
            return;
        };
        let Link::Up(up) = &mut self.link else { return };
        if up.sender.try_send(content).is_err() {
            self.lost("the host partition ended the link");
        }
    }

    fn statuses(&mut self, now: Duration) -> Option<PodStatuses> {
        let (mut pods, mut size) = (Vec::new(), 0);
        while pods.len() < MOST_STATUSES && size < MOST_STATUS_BYTES {
            let Some((uid, number, stopped)) = self.outbox.take(now) else { break };
            let tenant = self.pods.get(&uid).map(|known| known.tenant.to_string()).unwrap_or_default();
            // A pod that never ran here has nothing to say beside that it never will.
            let (namespace, name, status) = match self.runtime.status(&uid) {
                Some((namespace, name, status)) => (namespace.to_owned(), name.to_owned(), status),
                None => Default::default(),
            };
            size += status.len();
            let status = status.into();
            pods.push(PodStatus { tenant, namespace, name, uid: uid.to_string(), number, stopped, status });
        }
        (!pods.is_empty()).then_some(PodStatuses { pods })
    }

    /// Ends the link with a word, if one can be said. What is returned sees to it that it arrives.
    pub(in super::super) fn say_goodbye(&mut self, reason: &str) -> impl Future<Output = ()> + Send + use<> {
        let goodbye = Goodbye::later(reason);
        let until = self.options.clock.now() + FAREWELL;
        let clock = self.options.clock.clone();
        let link = std::mem::replace(&mut self.link, Link::Offline { retry: None });
        if link.is_registered() {
            self.options.registered.send_modify(|registered| *registered -= 1);
        }
        self.unlink();
        async move {
            let Link::Up(up) = link else { return };
            let Up { sender, mut receiver, .. } = *up;
            // Where there is no room for a last word, the end says it.
            let _ = sender.try_send(message(agent_message::Message::Goodbye(goodbye)));
            drop(sender);
            // A connection that is dropped takes with it what is under way: the other end hangs up first.
            let hung_up = async { while receiver.recv().await.is_some() {} };
            tokio::select! {
                () = hung_up => {}
                () = clock.wait_until(until) => {}
            }
        }
    }

    /// There is no link and none is wanted.
    pub(in super::super) fn unlink(&mut self) {
        if self.link.is_registered() {
            self.options.registered.send_modify(|registered| *registered -= 1);
        }
        self.link = Link::Offline { retry: None };
        self.duty.unlinked();
        self.outbox.unlinked();
    }

    /// The link is gone, and is to be made again.
    pub(in super::super) fn lost(&mut self, reason: &str) {
        self.unlink();
        let chance = self.draw();
        let wait = self.backoff.next(chance);
        debug!(host = self.options.name, reason, ?wait, "no link to the host partition");
        self.link = Link::offline(self.options.clock.now() + wait);
    }

    /// The partition is not to be listened to.
    fn refuse(&mut self, reason: &str) {
        warn!(host = self.options.name, reason, "the host partition cannot be followed");
        tokio::spawn(self.say_goodbye(reason));
        self.lost(reason);
    }
}

/// Why a link ends.
enum Ending {
    /// The partition has said so.
    Said(String),
    /// It said what cannot be followed.
    Refused(String),
}

impl From<Goodbye> for Ending {
    fn from(refusal: Goodbye) -> Self {
        Self::Refused(refusal.reason)
    }
}

impl From<Refusal> for Ending {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal.to_string())
    }
}

/// All pods there are. Their objects lie in the local store.
async fn inventory(state: &LocalState) -> Result<AgentMessage, StateError> {
    let loaded = state.load().await?;
    let pods = loaded.pods.into_iter().map(|pod| {
        let stopped = pod.record.state == PodState::Stopped;
        let object = if stopped { bytes::Bytes::new() } else { pod.object };
        InventoryPod { tenant: pod.record.tenant, uid: pod.uid.to_string(), stopped, object }
    });
    Ok(message(agent_message::Message::Inventory(Inventory { pods: pods.collect() })))
}

fn message(message: agent_message::Message) -> AgentMessage {
    AgentMessage { message: Some(message) }
}
