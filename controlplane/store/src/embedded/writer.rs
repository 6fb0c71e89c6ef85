//! The writer: the one thread that decides transactions and appends to the log.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::frame::HEADER;
use super::lock::DirLock;
use super::log::{Log, Spare};
use super::record::RECORD_OVERHEAD;
use super::upkeep::Task;
use super::{Published, Shared, read, write};
use crate::error::chain;
use crate::txn::{Txn, TxnResult};
use crate::{Epoch, Error, LeaseId, Revision, Tenant};
use meridian_environment::Clock;

/// Something to append.
#[derive(Debug)]
pub(super) enum Action {
    Txn(Txn),
    Grant(LeaseId, Tenant, Duration),
    Revoke(LeaseId),
    Compact(Revision),
    TakeOver,
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Answer {
    Txn(TxnResult),
    Done,
    Epoch(Epoch),
}

#[derive(Debug)]
pub(super) struct Request {
    /// The epoch of the one who asks; none: it is to get a new one.
    pub(super) epoch: Option<Epoch>,
    pub(super) action: Action,
    pub(super) size: usize,
    pub(super) reply: oneshot::Sender<Result<Answer, Error>>,
    /// Given back when the request is done with.
    pub(super) _room: OwnedSemaphorePermit,
}

#[derive(Debug)]
pub(super) enum Message {
    Request(Request),
    Close(oneshot::Sender<()>),
}

/// A batch is full at this many bytes; a larger one would only keep its first waiting.
const BATCH_BYTES: usize = 4 << 20;

#[derive(Debug)]
pub(super) struct Writer {
    shared: Arc<Shared>,
    log: Log,
    clock: Arc<dyn Clock>,
    inbox: mpsc::Receiver<Message>,
    upkeep: Upkeep,
    snapshot_bytes: u64,
    /// Appended since the last snapshot was ordered.
    since_snapshot: u64,
    poisoned: Option<String>,
    lock: DirLock,
}

/// The writer's end of the upkeep thread.
#[derive(Debug)]
struct Upkeep {
    tasks: Sender<Task>,
    spares: Receiver<Option<Spare>>,
    spare_ordered: bool,
    thread: JoinHandle<()>,
}

impl Upkeep {
    /// The next file of the log, if it is ready.
    fn spare(&mut self) -> Option<Spare> {
        let made = self.spares.try_recv().ok();
        self.spare_ordered &= made.is_none();
        made.flatten()
    }

    fn order(&self, task: Task) {
        // It only ends after this end is dropped, or by a panic; then the log just grows.
        let _ = self.tasks.send(task);
    }
}

/// Tells watchers that nothing more will come, however the writer ends.
struct Ending(Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.published.send_modify(|published| published.closed = true);
    }
}

impl Writer {
    #[expect(clippy::too_many_arguments, reason = "called once, from where all of these are made")]
    pub(super) fn new(
        shared: Arc<Shared>,
        log: Log,
        clock: Arc<dyn Clock>,
        inbox: mpsc::Receiver<Message>,
        tasks: Sender<Task>,
        spares: Receiver<Option<Spare>>,
        thread: JoinHandle<()>,
        snapshot_bytes: u64,
        lock: DirLock,
    ) -> Self {
        let upkeep = Upkeep { tasks, spares, spare_ordered: false, thread };
        Self { shared, log, clock, inbox, upkeep, snapshot_bytes, since_snapshot: 0, poisoned: None, lock }
    }

    /// Runs until it is told to close, or no handle is left.
    pub(super) fn run(mut self) {
        let ending = Ending(self.shared.clone());
        let mut closing = None;
        while closing.is_none() {
            let Some(first) = self.inbox.blocking_recv() else { break };
            let mut batch = Vec::new();
            let mut bytes = 0;
            let mut next = Some(first);
            while let Some(message) = next {
                match message {
                    Message::Request(request) => {
                        bytes += request.size + RECORD_OVERHEAD;
                        batch.push(request);
                    }
                    Message::Close(reply) => {
                        closing = Some(reply);
                        break;
                    }
                }
                next = if bytes < BATCH_BYTES { self.inbox.try_recv().ok() } else { None };
            }
            if !batch.is_empty() {
                self.commit(batch, bytes);
            }
        }
        // Those who still wait learn that it is closed by their answer being dropped.
        drop(self.inbox);
        drop(self.upkeep.tasks);
        if self.upkeep.thread.join().is_err() {
            tracing::error!("the store's upkeep thread panicked");
        }
        // In this order: whoever learns from a watch that the store is closed can open the directory at once.
        drop(self.lock);
        drop(ending);
        if let Some(reply) = closing {
            let _ = reply.send(());
        }
    }

    /// Decides a batch, makes it durable, and answers.
    fn commit(&mut self, batch: Vec<Request>, bytes: usize) {
        if self.poisoned.is_none()
            && let Err(error) = self.log.reserve(bytes, || self.upkeep.spare())
        {
            match error {
                // Nothing was decided and nothing written: the next batch may have more luck.
                Error::DiskFull { path, source } => {
                    let full = || Error::DiskFull { path: path.clone(), source: source.kind().into() };
                    return refuse(batch, full);
                }
                error => self.poison(&error),
            }
        }
        if let Some(cause) = &self.poisoned {
            return refuse(batch, || Error::Poisoned { cause: cause.clone() });
        }
        let published = self.shared.published();
        let body = self.log.body();
        let mut answers = Vec::with_capacity(batch.len());
        let mut commits = 0;
        let mut compacted = false;
        for Request { epoch, action, reply, _room, .. } in batch {
            compacted |= matches!(action, Action::Compact(_));
            let before = body.len();
            let answer = decide(&self.shared, epoch, action, published, body);
            commits += u64::from(body.len() > before && matches!(answer, Ok(Answer::Txn(_))));
            answers.push((reply, answer, _room));
        }
        if body.len() > HEADER {
            let start = self.clock.now();
            let appended = self.log.append();
            let running = &self.shared.running;
            running.sync_nanos.add((self.clock.now().saturating_sub(start)).as_nanos() as u64);
            match appended {
                Ok(bytes) => {
                    running.batches.add(1);
                    running.commits.add(commits);
                    running.log_bytes.add(bytes);
                    self.since_snapshot += bytes;
                }
                Err(error) => {
                    self.poison(&error);
                    let cause = chain(&error);
                    for (reply, ..) in answers {
                        let _ = reply.send(Err(Error::Poisoned { cause: cause.clone() }));
                    }
                    return;
                }
            }
            let revision = Revision(read(&self.shared.state).head());
            self.shared.published.send_modify(|published| *published = Published { revision, closed: false });
        }
        for (reply, answer, room) in answers {
            // Whoever asked may have gone; what it asked for is done all the same.
            let _ = reply.send(answer);
            drop(room);
        }
        if compacted {
            let until = read(&self.shared.state).compacted();
            self.upkeep.order(Task::Purge { until });
        }
        self.look_ahead();
    }

    /// Orders what will be needed. Everything is published here, so memory and log say the same.
    fn look_ahead(&mut self) {
        if self.log.wants_spare() && !self.upkeep.spare_ordered {
            let (path, capacity) = self.log.next_spare();
            self.upkeep.spare_ordered = true;
            self.upkeep.order(Task::Spare { path, capacity });
        }
        // Not before the log is as long as a snapshot would be, so that a large state is not written over and over.
        let due = self.snapshot_bytes.max(self.shared.snapshot_size.load(Ordering::Acquire));
        if self.since_snapshot >= due && !self.shared.snapshotting.swap(true, Ordering::AcqRel) {
            self.since_snapshot = 0;
            let outline = read(&self.shared.state).outline();
            self.upkeep.order(Task::Snapshot { seq: self.log.last_seq(), outline });
        }
    }

    fn poison(&mut self, error: &Error) {
        let cause = chain(error);
        tracing::error!(cause, "the store takes no more writes: what is on the disk is unknown");
        self.shared.running.failures.add(1);
        self.poisoned = Some(cause);
    }
}

/// Decides one action, and adds what is to be logged of it to `body`.
fn decide(
    shared: &Shared,
    epoch: Option<Epoch>,
    action: Action,
    published: Revision,
    body: &mut Vec<u8>,
) -> Result<Answer, Error> {
    let mut state = write(&shared.state);
    let current = state.epoch();
    if let Some(epoch) = epoch.filter(|epoch| *epoch != current) {
        return Err(Error::Fenced { epoch, current });
    }
    let (record, answer) = match action {
        Action::Txn(txn) => {
            let evaluated = state.evaluate(txn, published)?;
            (evaluated.record, Answer::Txn(evaluated.result))
        }
        Action::Grant(id, tenant, ttl) => (Some(state.grant(id, &tenant, ttl)?), Answer::Done),
        Action::Revoke(id) => (Some(state.revoke(id)?), Answer::Done),
        Action::Compact(at) => (Some(state.compact(at, published)?), Answer::Done),
        Action::TakeOver => (Some(state.take_over()), Answer::Epoch(state.epoch())),
    };
    drop(state);
    if let Some(record) = record {
        record.encode(body);
    }
    Ok(answer)
}

fn refuse(batch: Vec<Request>, error: impl Fn() -> Error) {
    for request in batch {
        let _ = request.reply.send(Err(error()));
    }
}
