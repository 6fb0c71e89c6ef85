//! The one thread that reads and writes the file.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use rustc_hash::FxHashSet;
use tokio::sync::{mpsc, oneshot};

use super::record::{Broken, FORMAT, HostState, PodRecord, Section, key, open, prefix, seal, section};
use super::{Change, Loaded, LoadedPod, StateError};
use crate::duty::PodUid;

pub(super) const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("local");

/// A transaction is full at so many changes: a larger one would only keep its first waiting.
const BATCH: usize = 4096;

#[derive(Debug)]
pub(super) enum Request {
    Commit { host: Arc<str>, changes: Vec<Change>, reply: oneshot::Sender<Result<(), StateError>> },
    Load { host: Arc<str>, reply: oneshot::Sender<Result<Loaded, StateError>> },
}

#[derive(Debug)]
pub(super) struct Writer {
    database: Database,
    path: Arc<str>,
}

type Waiting = Vec<oneshot::Sender<Result<(), StateError>>>;

impl Writer {
    /// Takes a database on, after a look at its format.
    pub(super) fn new(database: Database, path: Arc<str>) -> Result<Self, StateError> {
        let writer = Self { database, path };
        writer.check_format()?;
        Ok(writer)
    }

    #[cfg(test)]
    pub(super) fn database(&self) -> &Database {
        &self.database
    }

    fn check_format(&self) -> Result<(), StateError> {
        let failed = |error| self.failed("writing", error);
        let mark = prefix("");
        let txn = self.database.begin_write().map_err(|error| failed(error.into()))?;
        {
            let mut table = txn.open_table(TABLE).map_err(|error| failed(error.into()))?;
            let found = table.get(&*mark).map_err(|error| failed(error.into()))?;
            let found = found.map(|value| open(&mark, value.value()).map(<[u8]>::len));
            match found {
                Some(format) => {
                    format.map_err(|broken| self.broken("the mark of its format", broken))?;
                }
                None => {
                    let mark_value = seal(&mark, b"");
                    table.insert(&*mark, &*mark_value).map_err(|error| failed(error.into()))?;
                }
            }
        }
        txn.commit().map_err(|error| failed(error.into()))
    }

    /// Runs until nobody can ask any more.
    pub(super) fn run(self, mut inbox: mpsc::UnboundedReceiver<Request>) {
        let mut next = inbox.blocking_recv();
        while let Some(first) = next.take() {
            let (mut commits, mut waiting, mut count) = (Vec::new(), Vec::new(), 0);
            let mut hosts: FxHashSet<Arc<str>> = FxHashSet::default();
            let mut request = Some(first);
            while let Some(current) = request.take() {
                match current {
                    Request::Commit { host, changes, reply } => {
                        count += changes.len();
                        hosts.insert(host.clone());
                        commits.push((host, changes));
                        waiting.push(reply);
                    }
                    Request::Load { host, reply } => {
                        // It must see what was asked for before it, but others' commits need not be hurried.
                        if hosts.contains(&host) {
                            hosts.clear();
                            self.commit(std::mem::take(&mut commits), std::mem::take(&mut waiting));
                        }
                        // Whoever asked may have gone.
                        let _ = reply.send(self.load(&host));
                    }
                }
                request = if count < BATCH { inbox.try_recv().ok() } else { None };
            }
            self.commit(commits, waiting);
            next = inbox.blocking_recv();
        }
    }

    fn commit(&self, commits: Vec<(Arc<str>, Vec<Change>)>, waiting: Waiting) {
        if commits.is_empty() {
            return;
        }
        let outcome = self.write(commits).map_err(|error| {
            let error = self.failed("writing", error);
            tracing::error!(%error, "local state could not be written");
            error
        });
        for reply in waiting {
            // Whoever asked may have gone; what it asked for is done all the same.
            let _ = reply.send(outcome.clone());
        }
    }

    pub(super) fn write(&self, commits: Vec<(Arc<str>, Vec<Change>)>) -> Result<(), redb::Error> {
        let txn = self.database.begin_write()?;
        {
            let mut table = txn.open_table(TABLE)?;
            for (host, changes) in commits {
                let prefix = prefix(&host);
                for change in changes {
                    let (key, payload) = match change {
                        Change::Host(state) => (key(&prefix, &Section::Host), Bytes::from(state.encode())),
                        Change::Pod { uid, record } => {
                            (key(&prefix, &Section::State(uid)), Bytes::from(record.encode()))
                        }
                        Change::Object { uid, object } => (key(&prefix, &Section::Object(uid)), object),
                        Change::Forget { uid } => {
                            table.remove(&*key(&prefix, &Section::Object(uid.clone())))?;
                            table.remove(&*key(&prefix, &Section::State(uid)))?;
                            continue;
                        }
                        Change::Clear => {
                            // Nothing else lies between the first and the last that a key of this host can be.
                            let mut keys = Vec::new();
                            for entry in table.range(&*prefix..)? {
                                let (key, _) = entry?;
                                if !key.value().starts_with(&prefix) {
                                    break;
                                }
                                keys.push(key.value().to_vec());
                            }
                            for key in keys {
                                table.remove(&*key)?;
                            }
                            continue;
                        }
                    };
                    table.insert(&*key, &*seal(&key, &payload))?;
                }
            }
        }
        txn.commit()?;
        Ok(())
    }

    pub(super) fn load(&self, host: &str) -> Result<Loaded, StateError> {
        let failed = |error| self.failed("reading", error);
        let txn = self.database.begin_read().map_err(|error| failed(error.into()))?;
        let table = txn.open_table(TABLE).map_err(|error| failed(error.into()))?;
        let prefix = prefix(host);
        let mut loaded = Loaded::default();
        let mut pods: BTreeMap<PodUid, (Option<PodRecord>, Bytes)> = BTreeMap::new();
        for entry in table.range(&*prefix..).map_err(|error| failed(error.into()))? {
            let (key, value) = entry.map_err(|error| failed(error.into()))?;
            let Some(rest) = key.value().strip_prefix(&*prefix) else { break };
            let name = || format!("the record {:?} of host {host}", String::from_utf8_lossy(rest));
            let corrupt = |problem| self.broken(&name(), Broken::Corrupt(problem));
            let payload = open(key.value(), value.value()).map_err(|broken| self.broken(&name(), broken))?;
            match section(rest).map_err(corrupt)? {
                Section::Host => loaded.host = HostState::decode(payload).map_err(corrupt)?,
                Section::Object(uid) => pods.entry(uid).or_default().1 = Bytes::copy_from_slice(payload),
                Section::State(uid) => {
                    pods.entry(uid).or_default().0 = Some(PodRecord::decode(payload).map_err(corrupt)?);
                }
            }
        }
        for (uid, (record, object)) in pods {
            let Some(record) = record else {
                let record = format!("pod {uid} of host {host}");
                return Err(self.broken(&record, Broken::Corrupt("has an object and no state")));
            };
            loaded.pods.push(LoadedPod { uid, record, object });
        }
        Ok(loaded)
    }

    fn failed(&self, operation: &'static str, error: redb::Error) -> StateError {
        StateError::Storage { operation, path: self.path.to_string(), source: Arc::new(error) }
    }

    fn broken(&self, record: &str, broken: Broken) -> StateError {
        let path = self.path.to_string();
        match broken {
            Broken::Newer(found) => StateError::Newer { path, found, known: FORMAT },
            Broken::Corrupt(problem) => StateError::Corrupt { path, record: record.to_owned(), problem },
        }
    }
}
