//! A watch over etcd: one watch of the whole partition, filtered here.
//!
//! It takes in everything, since a commit's tenant and its revision come from the tenant's counter. A stream that breaks
//! is an error of one call of `next`; the next call opens it again where it broke.

use std::sync::Arc;

use etcd_client::{EventType, WatchOptions, WatchResponse, WatchStream};
use tokio::sync::watch as latest;

use super::{Shared, failed, tenant_revision};
use crate::watch::{Batch, Change, Commit, Event, WatchRequest};
use crate::{Error, Revision, Tenant};

pub(crate) struct EtcdWatch {
    shared: Arc<Shared>,
    request: WatchRequest,
    closed: latest::Receiver<bool>,
    stream: Option<WatchStream>,
    /// The first revision not delivered yet.
    next: u64,
}

impl std::fmt::Debug for EtcdWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EtcdWatch").field("request", &self.request).field("next", &self.next).finish()
    }
}

impl EtcdWatch {
    pub(super) fn new(shared: Arc<Shared>, request: WatchRequest, from: Revision) -> Self {
        let closed = shared.closed.subscribe();
        shared.running.watches.add(1);
        Self { shared, request, closed, stream: None, next: from.0 }
    }

    pub(crate) async fn next(&mut self) -> Result<Batch, Error> {
        loop {
            if *self.closed.borrow() {
                return Err(Error::Closed);
            }
            let Some(stream) = &mut self.stream else {
                self.stream = Some(self.open().await?);
                continue;
            };
            let answer = tokio::select! {
                _ = self.closed.changed() => continue,
                answer = stream.message() => answer,
            };
            let answer = match answer {
                Ok(Some(answer)) if !answer.canceled() => answer,
                Ok(Some(answer)) if answer.compact_revision() > 0 => {
                    return Err(Error::Compacted { compacted: Revision(answer.compact_revision() as u64) });
                }
                Ok(ended) => {
                    self.stream = None;
                    let why = ended.map_or(String::new(), |answer| answer.cancel_reason().to_owned());
                    return Err(Error::Etcd { what: "a watch was ended: call again", source: why.into() });
                }
                Err(error) => {
                    self.stream = None;
                    return Err(failed("a watch broke off: call again")(error));
                }
            };
            let batch = self.batch(&answer)?;
            if batch.through.0 < self.next {
                continue;
            }
            self.next = batch.through.0 + 1;
            if !batch.commits.is_empty() || self.request.progress {
                return Ok(batch);
            }
        }
    }

    /// Starts one revision early, whose events are passed over: etcd then refuses exactly where the store does.
    async fn open(&self) -> Result<WatchStream, Error> {
        let start = i64::try_from(self.next.saturating_sub(1).max(1)).unwrap_or(i64::MAX);
        let mut options = WatchOptions::new().with_prefix().with_start_revision(start);
        if self.request.want_previous {
            options = options.with_prev_key();
        }
        let mut watches = self.shared.client.watch_client().max_decoding_message_size(super::MAX_ANSWER);
        watches.watch(self.shared.layout.everything(), Some(options)).await.map_err(failed("watching"))
    }

    fn batch(&self, answer: &WatchResponse) -> Result<Batch, Error> {
        let layout = &self.shared.layout;
        let mut batch = Batch::default();
        let modified = |event: &etcd_client::Event| event.kv().map_or(0, etcd_client::KeyValue::mod_revision);
        for events in answer.events().chunk_by(|a, b| modified(a) == modified(b)) {
            let revision = Revision(events.first().map_or(0, modified) as u64);
            if revision.0 < self.next {
                continue;
            }
            batch.through = revision;
            let mut commit = None;
            let mut own = Vec::new();
            for event in events {
                let Some(kv) = event.kv() else { continue };
                if let Some(tenant) = layout.counted(kv.key()) {
                    commit = Some((Tenant::new(tenant)?, tenant_revision(kv.version())));
                } else if let Some(key) = layout.own_key(kv.key())
                    && self.request.range.contains(&key)
                {
                    let change = match event.event_type() {
                        EventType::Put => Change::Put(layout.key_value(kv)?),
                        EventType::Delete => Change::Delete(key),
                    };
                    let previous = event.prev_kv().map(|kv| layout.key_value(kv)).transpose()?;
                    own.push(Event { change, previous });
                }
            }
            own.sort_unstable_by(|a, b| a.change.key().cmp(b.change.key()));
            if let Some((tenant, tenant_revision)) = commit
                && !own.is_empty()
            {
                batch.commits.push(Commit { revision, tenant, tenant_revision, events: own });
            }
        }
        Ok(batch)
    }
}

impl Drop for EtcdWatch {
    fn drop(&mut self) {
        self.shared.running.watches.sub(1);
    }
}
