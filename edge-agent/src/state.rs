//! What agents keep across their own death: one file for all agents of a process.
//!
//! A commit is acknowledged when it is on the disk, and all or nothing of it is there after a crash. One thread writes:
//! what came while it was writing goes into the next transaction together, so a thousand agents cost hardly more syncs
//! than one. The file is a redb database of one table; its keys and values are in `record`.

mod error;
mod record;
#[cfg(test)]
mod tests;
mod writer;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use bytes::Bytes;
use redb::Builder;
use redb::backends::InMemoryBackend;
use tokio::sync::{mpsc, oneshot};

pub use self::error::StateError;
pub(crate) use self::record::{HostState, PodRecord};
use self::writer::{Request, Writer};
use crate::duty::PodUid;

/// Memory for pages of the file. Agents read little: everything once when they start, objects when they connect.
const CACHE_BYTES: usize = 16 << 20;

/// The local state of all agents of a process. Cheap to clone; the file is closed with the last of these and of the
/// [`LocalState`]s made from it.
#[derive(Clone, Debug)]
pub struct LocalStore {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// `None` only while this is dropped.
    requests: Option<mpsc::UnboundedSender<Request>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    path: Arc<str>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        // The thread ends when it has no more to do; then the file is closed and can be opened again.
        self.requests = None;
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!(path = &*self.path, "the thread that writes local state panicked");
        }
    }
}

impl LocalStore {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    ///
    /// [`StateError`], among others when the file is another's, is in use, or was written by a newer version.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let name: Arc<str> = path.display().to_string().into();
        let database = Builder::new()
            .set_cache_size(CACHE_BYTES)
            .create(path)
            .map_err(|error| StateError::opening(&name, error))?;
        Self::start(database, name)
    }

    /// State that is gone with the process, for tests and simulations.
    ///
    /// # Errors
    ///
    /// [`StateError`], when there is no thread or memory for it.
    pub fn in_memory() -> Result<Self, StateError> {
        let name: Arc<str> = "memory".into();
        let database = Builder::new()
            .set_cache_size(CACHE_BYTES)
            .create_with_backend(InMemoryBackend::new())
            .map_err(|error| StateError::opening(&name, error))?;
        Self::start(database, name)
    }

    fn start(database: redb::Database, path: Arc<str>) -> Result<Self, StateError> {
        let writer = Writer::new(database, path.clone())?;
        // Without a bound of its own: every agent waits for its commit before it sends the next.
        let (requests, inbox) = mpsc::unbounded_channel();
        let thread = std::thread::Builder::new()
            .name("local-state".to_owned())
            .spawn(move || writer.run(inbox))
            .map_err(|source| StateError::Thread { path: path.to_string(), source: Arc::new(source) })?;
        let thread = Mutex::new(Some(thread));
        Ok(Self { shared: Arc::new(Shared { requests: Some(requests), thread, path }) })
    }

    /// The state of the agent of one host. Two agents of the same host must not run at once.
    #[must_use]
    pub fn host(&self, name: &str) -> LocalState {
        LocalState { shared: self.shared.clone(), host: name.into() }
    }
}

/// The durable state of one agent.
#[derive(Clone, Debug)]
pub struct LocalState {
    shared: Arc<Shared>,
    host: Arc<str>,
}

/// Everything that was kept, as it is read when an agent starts.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) host: HostState,
    pub(crate) pods: Vec<LoadedPod>,
}

#[derive(Debug)]
pub(crate) struct LoadedPod {
    pub(crate) uid: PodUid,
    pub(crate) record: PodRecord,
    /// The Pod object; empty for a pod that never came with one.
    pub(crate) object: Bytes,
}

/// A change to what is kept.
#[derive(Debug)]
pub(crate) enum Change {
    Host(HostState),
    Pod {
        uid: PodUid,
        record: PodRecord,
    },
    /// The Pod object, which is large and never changes, apart from what is recorded of the pod.
    Object {
        uid: PodUid,
        object: Bytes,
    },
    Forget {
        uid: PodUid,
    },
    Clear,
}

impl LocalState {
    /// Everything there is.
    pub(crate) async fn load(&self) -> Result<Loaded, StateError> {
        let (reply, answer) = oneshot::channel();
        self.ask(Request::Load { host: self.host.clone(), reply })?;
        answer.await.unwrap_or_else(|_| Err(self.closed()))
    }

    /// Carries out all changes, in order, or none. Done when they are durable.
    pub(crate) async fn commit(&self, changes: Vec<Change>) -> Result<(), StateError> {
        let (reply, answer) = oneshot::channel();
        self.ask(Request::Commit { host: self.host.clone(), changes, reply })?;
        answer.await.unwrap_or_else(|_| Err(self.closed()))
    }

    fn ask(&self, request: Request) -> Result<(), StateError> {
        let requests = self.shared.requests.as_ref();
        requests.and_then(|requests| requests.send(request).ok()).ok_or_else(|| self.closed())
    }

    fn closed(&self) -> StateError {
        StateError::Closed { path: self.shared.path.to_string() }
    }
}
