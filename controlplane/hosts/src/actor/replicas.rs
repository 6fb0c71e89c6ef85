//! Scheduler replicas, which follow all hosts and what is given away on them.

use meridian_proto::v1::{
    DemandDefinition, Goodbye, Hello, HostFeedRequest, host_change, host_feed_request, host_feed_response,
};

use super::changes::fed_entry;
use super::{Actor, Peer, Session};
use crate::input::SessionId;

impl Actor {
    pub(super) fn replica_says(&mut self, session: SessionId, message: HostFeedRequest) {
        let Some(Session { peer: Peer::Replica { is_following, .. }, .. }) = self.sessions.get(&session)
        else {
            return;
        };
        match message.message {
            Some(host_feed_request::Message::Hello(hello)) if !is_following => {
                self.greet_replica(session, &hello)
            }
            Some(host_feed_request::Message::Goodbye(_)) => self.close(session),
            None => {}
            Some(host_feed_request::Message::Hello(_)) => {
                self.refuse(session, Goodbye::second_hello());
            }
        }
    }

    fn greet_replica(&mut self, session: SessionId, hello: &Hello) {
        if let Err(goodbye) = hello.check(&self.cell) {
            return self.refuse(session, goodbye);
        }
        self.send_replica(session, host_feed_response::Message::Hello(self.hello().into()));
        // What is to be told to those who follow already must not be told twice to this one.
        self.apply_changes();
        self.flush_feed();
        let mut positions = hello.positions.iter();
        let position =
            positions.find(|position| *position.name == *self.name && position.epoch == self.epoch);
        let mut batches =
            position.and_then(|position| self.feed.since(position.number)).unwrap_or_else(|| self.account());
        // Before all tenant partitions have listed it is not known what runs here.
        if let Some(last) = batches.last_mut() {
            last.in_sync &= self.ledger.is_open();
        }
        for batch in batches {
            self.send_replica(session, host_feed_response::Message::Changes(batch));
        }
        if let Some(Session { peer: Peer::Replica { is_following, .. }, .. }) =
            self.sessions.get_mut(&session)
        {
            *is_following = true;
            self.following.push(session);
        }
    }

    /// Everything there is.
    fn account(&self) -> Vec<meridian_proto::v1::HostChanges> {
        let mut numbers: Vec<_> = self.hosts.keys().copied().collect();
        numbers.sort_unstable();
        let hosts = numbers.into_iter().filter_map(|number| self.fed_host(number));
        let demands = self.ledger.demands().into_iter().map(|(number, demand)| {
            let demand = Some(meridian_wire::demand_to_message(&demand));
            host_change::Change::Demand(DemandDefinition { number, demand })
        });
        let entries = self.ledger.entries().map(|entry| host_change::Change::Entry(fed_entry(&entry)));
        self.feed.full(hosts.chain(demands).chain(entries))
    }
}
