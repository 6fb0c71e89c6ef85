//! A scheduler replica that does what a test tells it.

use std::collections::HashMap;

use meridian_proto::Duplex;
use meridian_proto::v1::{
    ClaimsSeen, ClassDefinition, DecidedHost, Decision, Decisions, ExplainRequest, GroupDecision,
    GroupDecisions, Hello, MemberDecision, NamespaceLabels, Outcome, PartitionMessage, PendingPod,
    ReplicaMessage, TenantClaims, Unschedulable, UnschedulablePod, outcome, partition_message,
    replica_message,
};

use crate::world::{CELL, HP, soon};

pub(crate) struct Replica {
    stream: Duplex<ReplicaMessage, PartitionMessage>,
    /// What it has been told, and not forgotten since.
    pub(crate) classes: HashMap<u32, ClassDefinition>,
    /// What it has been told of namespaces, in order.
    pub(crate) namespaces: Vec<NamespaceLabels>,
}

/// A pod as it was offered.
#[derive(Clone, Debug)]
pub(crate) struct Offered {
    pub(crate) pod: PendingPod,
    pub(crate) assignment: u64,
}

pub(crate) fn host(name: &str) -> DecidedHost {
    DecidedHost {
        partition: HP.to_owned(),
        host: name.to_owned(),
        incarnation: 1,
        devices: 0,
        numa: 0,
        score: 10,
    }
}

impl Replica {
    pub(crate) fn new(stream: Duplex<ReplicaMessage, PartitionMessage>) -> Self {
        Self { stream, classes: HashMap::new(), namespaces: Vec::new() }
    }

    /// Takes nothing in any more, though it might still speak.
    pub(crate) fn turn_deaf(&mut self) {
        self.stream.receiver.close();
    }

    pub(crate) fn greeting(name: &str) -> Hello {
        Hello {
            lowest_version: 1,
            highest_version: 1,
            cell: CELL.to_owned(),
            name: name.to_owned(),
            ..Hello::default()
        }
    }

    pub(crate) async fn hello(&mut self, name: &str) -> Hello {
        self.say(replica_message::Message::Hello(Box::new(Self::greeting(name)))).await;
        match self.next().await {
            Some(partition_message::Message::Hello(hello)) => *hello,
            other => panic!("want a hello, got {other:?}"),
        }
    }

    pub(crate) async fn say(&self, message: replica_message::Message) {
        let sent = self.stream.sender.send(ReplicaMessage { message: Some(message) });
        soon("room on the replica's stream", sent).await.unwrap();
    }

    /// The next message; none: the stream has ended. Classes and namespaces are learnt and passed over.
    pub(crate) async fn next(&mut self) -> Option<partition_message::Message> {
        loop {
            let next = soon("a message to the replica", self.stream.receiver.recv()).await?;
            match next.message {
                Some(partition_message::Message::Class(class)) => {
                    let before = self.classes.insert(class.number, class);
                    assert!(before.is_none(), "a class is told once: {before:?}");
                }
                Some(partition_message::Message::ForgetClasses(forget)) => {
                    forget.numbers.iter().for_each(|number| drop(self.classes.remove(number)));
                }
                Some(partition_message::Message::Namespaces(told)) => self.namespaces.extend(told.namespaces),
                other => return other,
            }
        }
    }

    /// The next pods offered, each of a class that was told before.
    pub(crate) async fn offered(&mut self) -> Vec<Offered> {
        match self.next().await {
            Some(partition_message::Message::Pods(pods)) => {
                let assignment = pods.assignment;
                assert!(pods.pods.iter().all(|pod| self.classes.contains_key(&pod.class)));
                pods.pods.into_iter().map(|pod| Offered { pod, assignment }).collect()
            }
            other => panic!("want pods, got {other:?}"),
        }
    }

    /// Pods that are there to be read already; outcomes and what was withdrawn are passed over.
    pub(crate) fn glance(&mut self) -> Vec<Offered> {
        let mut offered = Vec::new();
        while let Ok(next) = self.stream.receiver.try_recv() {
            match next.message {
                Some(partition_message::Message::Class(class)) => {
                    drop(self.classes.insert(class.number, class))
                }
                Some(partition_message::Message::Pods(pods)) => {
                    let assignment = pods.assignment;
                    offered.extend(pods.pods.into_iter().map(|pod| Offered { pod, assignment }));
                }
                _ => {}
            }
        }
        offered
    }

    /// Pods that are there to be read already.
    pub(crate) fn try_offered(&mut self) -> Option<Vec<Offered>> {
        loop {
            match self.stream.receiver.try_recv().ok()?.message {
                Some(partition_message::Message::Class(class)) => {
                    drop(self.classes.insert(class.number, class))
                }
                Some(partition_message::Message::Pods(pods)) => {
                    let assignment = pods.assignment;
                    return Some(pods.pods.into_iter().map(|pod| Offered { pod, assignment }).collect());
                }
                Some(partition_message::Message::Namespaces(told)) => self.namespaces.extend(told.namespaces),
                other => panic!("want pods, got {other:?}"),
            }
        }
    }

    /// The claims that it is asked about next.
    pub(crate) async fn asked(&mut self) -> TenantClaims {
        match self.next().await {
            Some(partition_message::Message::Claims(claims)) => claims,
            other => panic!("want claims, got {other:?}"),
        }
    }

    /// Says that it knows all that it was asked about.
    pub(crate) async fn seen(&self, number: u64) {
        self.say(replica_message::Message::Seen(ClaimsSeen { number })).await;
    }

    /// The next so many pods offered.
    pub(crate) async fn offered_many(&mut self, many: usize) -> Vec<Offered> {
        let mut offered = Vec::new();
        while offered.len() < many {
            offered.extend(self.offered().await);
        }
        assert_eq!(offered.len(), many);
        offered
    }

    /// The one pod offered next.
    pub(crate) async fn one(&mut self) -> Offered {
        self.offered_many(1).await.remove(0)
    }

    /// The next outcomes.
    pub(crate) async fn outcomes(&mut self) -> Vec<Outcome> {
        match self.next().await {
            Some(partition_message::Message::Outcomes(outcomes)) => outcomes.outcomes,
            other => panic!("want outcomes, got {other:?}"),
        }
    }

    /// The one outcome that comes next.
    pub(crate) async fn outcome(&mut self) -> (outcome::Result, Outcome) {
        let mut outcomes = self.outcomes().await;
        assert_eq!(outcomes.len(), 1, "{outcomes:?}");
        let outcome = outcomes.remove(0);
        (outcome.result(), outcome)
    }

    /// The pods withdrawn next.
    pub(crate) async fn withdrawn(&mut self) -> Vec<String> {
        match self.next().await {
            Some(partition_message::Message::Withdraw(withdraw)) => withdraw.uids,
            other => panic!("want pods withdrawn, got {other:?}"),
        }
    }

    /// The next question.
    pub(crate) async fn question(&mut self) -> ExplainRequest {
        match self.next().await {
            Some(partition_message::Message::Explain(request)) => request,
            other => panic!("want a question, got {other:?}"),
        }
    }

    /// Decides on a pod: the best host first.
    pub(crate) async fn decide(&self, offered: &Offered, hosts: &[&str]) {
        self.decide_all(&[(offered, hosts)]).await;
    }

    pub(crate) async fn decide_all(&self, decisions: &[(&Offered, &[&str])]) {
        let decisions = decisions.iter().map(|(offered, hosts)| Decision {
            uid: offered.pod.uid.clone(),
            assignment: offered.assignment,
            hosts: hosts.iter().map(|name| host(name)).collect(),
        });
        self.say(replica_message::Message::Decisions(Decisions { decisions: decisions.collect() })).await;
    }

    /// Decides on a group: pods, their hosts and the uids of those that make way.
    pub(crate) async fn decide_group(&self, members: &[(&Offered, &str, &[&str])]) {
        let member = |(offered, name, victims): &(&Offered, &str, &[&str])| MemberDecision {
            uid: offered.pod.uid.clone(),
            host: Some(host(name)),
            victims: victims.iter().map(ToString::to_string).collect(),
            ..MemberDecision::default()
        };
        let assignment = members[0].0.assignment;
        self.say_group(assignment, members.iter().map(member).collect()).await;
    }

    pub(crate) async fn say_group(&self, assignment: u64, members: Vec<MemberDecision>) {
        let groups = vec![GroupDecision { assignment, members }];
        self.say(replica_message::Message::Groups(GroupDecisions { groups })).await;
    }

    /// The next so many outcomes, all of which are the same.
    pub(crate) async fn all_of(&mut self, many: usize, result: outcome::Result) {
        let mut said = Vec::new();
        while said.len() < many {
            said.extend(self.outcomes().await);
        }
        assert!(said.len() == many && said.iter().all(|outcome| outcome.result() == result), "{said:?}");
    }

    pub(crate) async fn fits_nowhere(&self, offered: &Offered, message: &str) {
        let pod = UnschedulablePod {
            uid: offered.pod.uid.clone(),
            assignment: offered.assignment,
            message: message.to_owned(),
        };
        self.say(replica_message::Message::Unschedulable(Unschedulable { pods: vec![pod] })).await;
    }
}
