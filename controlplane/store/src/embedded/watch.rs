//! A watch on the embedded engine: a place in the history that is in memory anyway.

use std::sync::Arc;

use tokio::sync::watch as latest;

use super::{Published, Shared, read};
use crate::watch::{Batch, WatchRequest};
use crate::{Error, Revision};

#[derive(Debug)]
pub(crate) struct EmbeddedWatch {
    shared: Arc<Shared>,
    published: latest::Receiver<Published>,
    request: WatchRequest,
    /// The first revision that was not looked at yet.
    next: u64,
}

impl EmbeddedWatch {
    pub(super) fn new(shared: Arc<Shared>, request: WatchRequest) -> Result<Self, Error> {
        let published = shared.published.subscribe();
        let (next, compacted) = {
            let state = read(&shared.state);
            (request.from.unwrap_or(shared.published().next()).0, state.compacted())
        };
        if next <= compacted {
            return Err(Error::Compacted { compacted: Revision(compacted) });
        }
        shared.running.watches.add(1);
        Ok(Self { shared, published, request, next })
    }

    pub(crate) async fn next(&mut self) -> Result<Batch, Error> {
        loop {
            let Published { revision, closed } = *self.published.borrow_and_update();
            if self.next <= revision.0 {
                let WatchRequest { range, want_previous, progress, .. } = &self.request;
                let batch = read(&self.shared.state).events(range, self.next, revision.0, *want_previous)?;
                self.next = batch.through.0 + 1;
                if !batch.commits.is_empty() || (*progress && batch.through == revision) {
                    return Ok(batch);
                }
                // A long stretch without events is walked in pieces, and others get their turn in between.
                tokio::task::yield_now().await;
            } else if closed || self.published.changed().await.is_err() {
                return Err(Error::Closed);
            }
        }
    }
}

impl Drop for EmbeddedWatch {
    fn drop(&mut self) {
        self.shared.running.watches.sub(1);
    }
}
