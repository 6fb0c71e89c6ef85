//! A host partition's end of a ledger stream, which does what a test tells it.

use std::collections::VecDeque;

use meridian_proto::v1::{
    Answer, Answers, Audit, Claim, ClaimId, ClaimState, Hello, HostPartitionMessage, ListedPod, PodSpec,
    Relist, Settlement, SpecsWanted, StatusReport, StatusReports, StoredStatus, TenantPartitionMessage,
    host_partition_message, tenant_partition_message,
};
use meridian_proto::{Duplex, Listener};

use crate::world::{CELL, HP, TP, soon};

pub(crate) struct Ledger {
    stream: Duplex<HostPartitionMessage, TenantPartitionMessage>,
    pub(crate) he: u64,
    /// The partition's epoch, as it said.
    pub(crate) te: u64,
    /// What came while something else was waited for.
    pub(crate) claims: VecDeque<Claim>,
    pub(crate) settlements: VecDeque<(u64, Settlement)>,
    specs: VecDeque<PodSpec>,
    stored: VecDeque<StoredStatus>,
    pub(crate) listed: VecDeque<(u64, Vec<ListedPod>)>,
    listing: Vec<ListedPod>,
    pub(crate) goodbye: Option<String>,
}

impl Ledger {
    /// Takes the partition's stream and says hello.
    pub(crate) async fn accept(
        listener: &mut Listener<HostPartitionMessage, TenantPartitionMessage>,
        he: u64,
    ) -> Self {
        let mut stream = soon("a stream to the ledger", listener.accept()).await.unwrap();
        let first =
            soon("the partition's hello", stream.receiver.recv()).await.and_then(|first| first.message);
        let Some(tenant_partition_message::Message::Hello(hello)) = first else {
            panic!("want a hello, got {first:?}");
        };
        assert_eq!((&*hello.cell, &*hello.name), (CELL, TP));
        let ledger = Self {
            stream,
            he,
            te: hello.epoch,
            claims: VecDeque::new(),
            settlements: VecDeque::new(),
            specs: VecDeque::new(),
            stored: VecDeque::new(),
            listed: VecDeque::new(),
            listing: Vec::new(),
            goodbye: None,
        };
        let ours = Hello { name: HP.to_owned(), epoch: he, ..crate::replica::Replica::greeting(HP) };
        ledger.say(host_partition_message::Message::Hello(Box::new(ours))).await;
        ledger
    }

    pub(crate) async fn say(&self, message: host_partition_message::Message) {
        let sent = self.stream.sender.send(HostPartitionMessage { message: Some(message) });
        soon("room on the ledger's stream", sent).await.unwrap();
    }

    /// Takes one message in. False: the stream has ended.
    pub(crate) async fn take(&mut self, what: &str) -> bool {
        let Some(next) = soon(what, self.stream.receiver.recv()).await else { return false };
        self.sort(next);
        true
    }

    /// Ends the stream, with all that is under way.
    pub(crate) fn hang_up(&mut self) {
        self.stream = Duplex::pair(1).0;
    }

    /// Takes in what is there already.
    pub(crate) fn take_all(&mut self) {
        while let Ok(next) = self.stream.receiver.try_recv() {
            self.sort(next);
        }
    }

    fn sort(&mut self, next: TenantPartitionMessage) {
        match next.message {
            Some(tenant_partition_message::Message::Claims(claims)) => self.claims.extend(claims.claims),
            Some(tenant_partition_message::Message::Settlements(settlements)) => {
                let he = settlements.host_epoch;
                self.settlements.extend(settlements.settlements.into_iter().map(|settled| (he, settled)));
            }
            Some(tenant_partition_message::Message::Pods(pods)) => self.specs.extend(pods.pods),
            Some(tenant_partition_message::Message::Stored(stored)) => self.stored.extend(stored.pods),
            Some(tenant_partition_message::Message::Listing(listing)) => {
                assert_eq!(listing.host_partition, HP);
                if listing.part == 0 {
                    self.listing.clear();
                }
                self.listing.extend(listing.pods);
                if listing.is_last {
                    self.listed.push_back((listing.epoch, std::mem::take(&mut self.listing)));
                }
            }
            Some(tenant_partition_message::Message::Goodbye(goodbye)) => self.goodbye = Some(goodbye.reason),
            other => panic!("unexpected {other:?}"),
        }
    }

    /// Asks for all bindings under this epoch, and gets them.
    pub(crate) async fn relist(&mut self) -> Vec<ListedPod> {
        self.ask_relist().await;
        self.listed().await
    }

    pub(crate) async fn ask_relist(&self) {
        let relist = Relist { host_partition: HP.to_owned(), epoch: self.he, ranges: Vec::new() };
        self.say(host_partition_message::Message::Relist(relist)).await;
    }

    pub(crate) async fn listed(&mut self) -> Vec<ListedPod> {
        loop {
            if let Some((epoch, pods)) = self.listed.pop_front() {
                assert_eq!(epoch, self.he);
                return pods;
            }
            assert!(self.take("a listing").await, "the stream ended: {:?}", self.goodbye);
        }
    }

    /// The next claim.
    pub(crate) async fn claim(&mut self) -> Claim {
        loop {
            if let Some(claim) = self.claims.pop_front() {
                assert_eq!(claim.host_epoch, self.he);
                return claim;
            }
            assert!(self.take("a claim").await, "the stream ended: {:?}", self.goodbye);
        }
    }

    pub(crate) async fn answer(&self, answers: Vec<Answer>) {
        self.say(host_partition_message::Message::Answers(Answers { host_epoch: self.he, answers })).await;
    }

    pub(crate) async fn accept_claim(&self, claim: &Claim) {
        self.answer(vec![Answer { claim: claim.id.clone(), accepted: true, ..Answer::default() }]).await;
    }

    /// Takes a claim down, to be accepted when its victims have left.
    pub(crate) async fn keep_waiting(&self, claim: &Claim) {
        self.answer(vec![Answer { claim: claim.id.clone(), waiting: true, ..Answer::default() }]).await;
    }

    /// The next so many claims.
    pub(crate) async fn claims(&mut self, many: usize) -> Vec<Claim> {
        let mut claims = Vec::new();
        while claims.len() < many {
            claims.push(self.claim().await);
        }
        claims
    }

    pub(crate) async fn refuse(&self, claim: &Claim, reason: &str) {
        let (reason, message) = (reason.to_owned(), format!("refused for {reason}"));
        self.answer(vec![Answer { claim: claim.id.clone(), reason, message, ..Answer::default() }]).await;
    }

    /// The next settlement, under this epoch.
    pub(crate) async fn settled(&mut self) -> (ClaimId, ClaimState) {
        loop {
            if let Some((he, settlement)) = self.settlements.pop_front() {
                assert_eq!(he, self.he);
                let state = settlement.state();
                return (settlement.claim.unwrap(), state);
            }
            assert!(self.take("a settlement").await, "the stream ended: {:?}", self.goodbye);
        }
    }

    /// Waits for the settlement of a claim in a state, past others.
    pub(crate) async fn settled_as(&mut self, claim: &Claim, state: ClaimState) {
        loop {
            let (id, settled) = self.settled().await;
            if Some(&id) == claim.id.as_ref() && settled == state {
                return;
            }
        }
    }

    /// The next pod that goes with a claim.
    pub(crate) async fn spec(&mut self) -> PodSpec {
        loop {
            if let Some(spec) = self.specs.pop_front() {
                return spec;
            }
            assert!(self.take("a pod's spec").await, "the stream ended: {:?}", self.goodbye);
        }
    }

    pub(crate) async fn audit(&self, claims: Vec<ClaimId>) {
        self.say(host_partition_message::Message::Audit(Audit { host_epoch: self.he, claims })).await;
    }

    pub(crate) async fn want_specs(&self, claims: Vec<ClaimId>) {
        self.say(host_partition_message::Message::SpecsWanted(SpecsWanted { claims })).await;
    }

    pub(crate) async fn report(&self, reports: Vec<StatusReport>) {
        self.say(host_partition_message::Message::Statuses(StatusReports { reports })).await;
    }

    /// The next acknowledgement of a status.
    pub(crate) async fn stored(&mut self) -> StoredStatus {
        loop {
            if let Some(stored) = self.stored.pop_front() {
                return stored;
            }
            assert!(self.take("a stored status").await, "the stream ended: {:?}", self.goodbye);
        }
    }

    /// Waits for the stream's end.
    pub(crate) async fn ended(&mut self) -> Option<String> {
        while self.take("the end of the stream").await {}
        self.goodbye.clone()
    }

    /// Whether nothing has come that was not waited for: no claims and no settlements.
    pub(crate) fn is_quiet(&self) -> bool {
        self.claims.is_empty() && self.settlements.is_empty()
    }

    /// Claims and bindings up to a decided pod: it is bound afterwards.
    pub(crate) async fn bind_next(&mut self) -> Claim {
        let claim = self.claim().await;
        self.accept_claim(&claim).await;
        self.settled_as(&claim, ClaimState::Bound).await;
        claim
    }
}
