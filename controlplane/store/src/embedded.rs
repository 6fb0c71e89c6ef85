//! The embedded engine: the partition in memory, and a log on disk that it can always be rebuilt from.
//!
//! Three places, each with one owner. *Memory* ([`state`]) holds every version since the last compaction; all read it.
//! The *writer* thread alone decides transactions and appends to the log: it takes all that wait, decides them in order,
//! writes what they did as one frame, syncs once, publishes the new revision, and only then answers. The *upkeep* thread
//! writes snapshots and frees compacted history. A read is as of a published revision, so it neither waits for the disk
//! nor sees what is not durable.

mod disk;
mod frame;
mod layout;
mod lock;
mod log;
mod record;
mod recover;
mod snapshot;
mod state;
mod upkeep;
mod watch;
mod writer;

#[cfg(test)]
mod tests;

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, mpsc as channel};
use std::thread;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot, watch as latest};

use self::disk::Disk;
use self::lock::DirLock;
use self::state::{Page, State};
pub(crate) use self::watch::EmbeddedWatch;
use self::writer::{Action, Answer, Message, Request, Writer};
use crate::counters::Running;
use crate::txn::{RangeRequest, RangeResult, Txn, TxnResult};
use crate::watch::WatchRequest;
use crate::{Counters, Epoch, Error, LeaseId, Limits, Revision, Tenant, TenantRevision};
use meridian_environment::Clock;

/// How to open an embedded store.
#[derive(Clone, Debug)]
pub struct EmbeddedOptions {
    /// Where its files are; made when missing.
    pub dir: PathBuf,
    /// How large keys, values and transactions may be.
    pub limits: Limits,
    /// The size of the log's files, written as zeros ahead of use.
    pub segment_bytes: u64,
    /// How much is appended to the log, at least, between two snapshots. It bounds the time of a start.
    pub snapshot_bytes: u64,
    /// How many transactions may wait for the writer, and how many bytes of them. More wait to be let in.
    pub queue: usize,
    /// See `queue`.
    pub queue_bytes: usize,
    /// Salts the log's checksums, so that no value can pass for a part of the log: the program's seed.
    pub seed: u64,
}

impl EmbeddedOptions {
    /// The defaults, in a directory.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            limits: Limits::default(),
            segment_bytes: 32 << 20,
            snapshot_bytes: 128 << 20,
            queue: 4096,
            queue_bytes: 64 << 20,
            seed: 0,
        }
    }
}

/// Where the published history ends.
#[derive(Clone, Copy, Debug)]
struct Published {
    revision: Revision,
    /// No more will come.
    closed: bool,
}

/// What the threads and the handles share.
#[derive(Debug)]
struct Shared {
    state: RwLock<State>,
    published: latest::Sender<Published>,
    running: Running,
    snapshotting: AtomicBool,
    snapshot_size: AtomicU64,
}

impl Shared {
    /// Under the state's lock it is never before the compacted revision, as only what is published is compacted.
    fn published(&self) -> Revision {
        self.published.borrow().revision
    }
}

/// A panic under the lock cannot leave the state half changed for readers: they read what was published before.
fn read(state: &RwLock<State>) -> RwLockReadGuard<'_, State> {
    state.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(state: &RwLock<State>) -> RwLockWriteGuard<'_, State> {
    state.write().unwrap_or_else(PoisonError::into_inner)
}

/// A handle to an open embedded store, writing under one epoch. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Embedded {
    shared: Arc<Shared>,
    requests: mpsc::Sender<Message>,
    room: Arc<Semaphore>,
    room_bytes: usize,
    limits: Limits,
    epoch: Epoch,
}

/// Keys walked under one hold of the lock, so that a long read does not keep the writer waiting.
const KEYS_AT_ONCE: usize = 1000;

impl Embedded {
    /// Opens a data directory and takes the partition over.
    pub(crate) async fn open(options: EmbeddedOptions, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        Self::open_on(Disk::default(), options, clock).await
    }

    async fn open_on(disk: Disk, options: EmbeddedOptions, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let (reply, opened) = oneshot::channel();
        let spawned = thread::Builder::new().name("store-writer".into());
        let dir = options.dir.clone();
        spawned
            .spawn(move || match Self::start(disk, options, clock) {
                Ok((handle, writer)) => {
                    // Nobody waits any more: the writer ends by itself, as no handle is left.
                    let _ = reply.send(Ok(handle));
                    writer.run();
                }
                Err(error) => drop(reply.send(Err(error))),
            })
            .map_err(Error::io("starting a thread for", &dir))?;
        let handle = opened.await.map_err(|_| Error::Closed)??;
        handle.take_over().await
    }

    fn start(disk: Disk, options: EmbeddedOptions, clock: Arc<dyn Clock>) -> Result<(Self, Writer), Error> {
        let EmbeddedOptions { dir, limits, segment_bytes, snapshot_bytes, queue, queue_bytes, seed } =
            options;
        if !dir.is_dir() {
            fs::create_dir_all(&dir).map_err(Error::io("creating", &dir))?;
            disk.sync_parent(&dir)?;
        }
        let lock = DirLock::acquire(&dir)?;
        let (state, log) = recover::look(&dir)?.open(&disk, &dir, seed, segment_bytes)?;
        let revision = Revision(state.head());
        let shared = Arc::new(Shared {
            state: RwLock::new(state),
            published: latest::Sender::new(Published { revision, closed: false }),
            running: Running::default(),
            snapshotting: AtomicBool::new(false),
            snapshot_size: AtomicU64::new(0),
        });
        let (tasks, todo) = channel::channel();
        let (made, spares) = channel::channel();
        let for_upkeep = (shared.clone(), disk, dir.clone());
        let upkeep = thread::Builder::new()
            .name("store-upkeep".into())
            .spawn(move || upkeep::run(&for_upkeep.0, &for_upkeep.1, &for_upkeep.2, &todo, &made))
            .map_err(Error::io("starting a thread for", &dir))?;
        let (requests, inbox) = mpsc::channel(queue.max(1));
        let writer =
            Writer::new(shared.clone(), log, clock, inbox, tasks, spares, upkeep, snapshot_bytes, lock);
        // A transaction must fit the room by itself.
        let most = Semaphore::MAX_PERMITS.min(u32::MAX as usize);
        let room_bytes = queue_bytes.max(limits.txn_bytes).min(most);
        let room = Arc::new(Semaphore::new(room_bytes));
        let handle = Self { shared, requests, room, room_bytes, limits, epoch: Epoch(0) };
        Ok((handle, writer))
    }

    async fn ask(&self, epoch: Option<Epoch>, action: Action, size: usize) -> Result<Answer, Error> {
        let permits = u32::try_from(size.min(self.room_bytes)).unwrap_or(u32::MAX);
        let room = self.room.clone().acquire_many_owned(permits).await.map_err(|_| Error::Closed)?;
        let (reply, answer) = oneshot::channel();
        let request = Request { epoch, action, size, reply, _room: room };
        self.requests.send(Message::Request(request)).await.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }

    /// A handle under the next epoch. Those under older ones can no longer write.
    pub(crate) async fn take_over(&self) -> Result<Self, Error> {
        match self.ask(None, Action::TakeOver, 0).await? {
            Answer::Epoch(epoch) => Ok(Self { epoch, ..self.clone() }),
            _ => Err(Error::Closed),
        }
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Refuses when another writer has taken over, without a write.
    pub(crate) fn check_epoch(&self) -> Result<(), Error> {
        if self.requests.is_closed() {
            return Err(Error::Closed);
        }
        let current = read(&self.shared.state).epoch();
        if current == self.epoch { Ok(()) } else { Err(Error::Fenced { epoch: self.epoch, current }) }
    }

    pub(crate) async fn txn(&self, txn: Txn) -> Result<TxnResult, Error> {
        let size = self.limits.check(&txn)?;
        match self.ask(Some(self.epoch), Action::Txn(txn), size).await? {
            Answer::Txn(result) => Ok(result),
            _ => Err(Error::Closed),
        }
    }

    pub(crate) async fn compact(&self, at: Revision) -> Result<(), Error> {
        self.ask(Some(self.epoch), Action::Compact(at), 0).await.map(drop)
    }

    pub(crate) async fn grant(&self, id: LeaseId, tenant: &Tenant, ttl: Duration) -> Result<(), Error> {
        self.ask(Some(self.epoch), Action::Grant(id, tenant.clone(), ttl), 0).await.map(drop)
    }

    pub(crate) async fn revoke(&self, id: LeaseId) -> Result<(), Error> {
        self.ask(Some(self.epoch), Action::Revoke(id), 0).await.map(drop)
    }

    pub(crate) fn leases(&self) -> Vec<(LeaseId, Duration)> {
        read(&self.shared.state).leases().map(|(id, lease)| (id, lease.ttl)).collect()
    }

    pub(crate) fn range(&self, request: &RangeRequest) -> Result<RangeResult, Error> {
        self.limits.range(&request.range)?;
        loop {
            match self.range_at_once(request) {
                // The latest was asked for, and is compacted by now: there is a later one.
                Err(Error::Compacted { .. }) if request.revision.is_none() => {}
                result => return result,
            }
        }
    }

    fn range_at_once(&self, request: &RangeRequest) -> Result<RangeResult, Error> {
        let mut page = Page::default();
        let mut range = request.range.clone();
        let mut at = request.revision;
        loop {
            // Looked at anew for each piece: a compaction may have come in between.
            let state = read(&self.shared.state);
            let revision = state.readable(at, self.shared.published())?;
            at = Some(revision);
            state.read(&mut page, &range, request, revision.0, KEYS_AT_ONCE);
            if let Some(rest) = page.rest.take() {
                range = rest;
                continue;
            }
            let tenant = request.range.tenant_name();
            return Ok(RangeResult {
                more: page.counted > page.kvs.len(),
                count: request.count.then_some(page.counted),
                kvs: page.kvs,
                revision,
                tenant_revision: tenant.map(|tenant| state.tenant_at(tenant, revision.0)),
            });
        }
    }

    pub(crate) fn watch(&self, request: WatchRequest) -> Result<EmbeddedWatch, Error> {
        self.limits.range(&request.range)?;
        EmbeddedWatch::new(self.shared.clone(), request)
    }

    pub(crate) fn revision(&self) -> Revision {
        self.shared.published()
    }

    pub(crate) fn compacted(&self) -> Revision {
        Revision(read(&self.shared.state).compacted())
    }

    pub(crate) fn tenant_revision(
        &self,
        tenant: &Tenant,
        at: Option<Revision>,
    ) -> Result<TenantRevision, Error> {
        let state = read(&self.shared.state);
        let at = state.readable(at, self.shared.published())?;
        Ok(state.tenant_at(tenant, at.0))
    }

    pub(crate) fn partition_revision(&self, tenant: &Tenant, at: TenantRevision) -> Result<Revision, Error> {
        let state = read(&self.shared.state);
        state.partition_at(tenant, at, self.shared.published().0)
    }

    pub(crate) fn counters(&self) -> Counters {
        let state = read(&self.shared.state);
        Counters {
            keys: state.key_count() as u64,
            versions: state.version_count() as u64,
            ..self.shared.running.snapshot()
        }
    }

    /// Writes what waits, and lets the directory go.
    pub(crate) async fn close(&self) {
        let (reply, closed) = oneshot::channel();
        if self.requests.send(Message::Close(reply)).await.is_ok() {
            // An error: somebody else closed it, or it ended by itself.
            let _ = closed.await;
        }
    }
}
