//! A process that writes is killed at some moment, again and again: what it acknowledged must be there.
//!
//! The test starts its own binary as the child that writes.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use meridian_environment::MonotonicClock;
use meridian_store::{EmbeddedOptions, Error, Key, KeyRange, Op, RangeRequest, Store, Tenant, Txn};
use tempfile::TempDir;

const CHILD: &str = "MERIDIAN_STORE_KILL_CHILD";
const WRITERS: u64 = 8;

fn options(dir: &Path) -> EmbeddedOptions {
    // Small, so that most kills hit a change of files or a snapshot.
    EmbeddedOptions { segment_bytes: 32 << 10, snapshot_bytes: 100 << 10, ..EmbeddedOptions::new(dir) }
}

fn key(writer: u64) -> Key {
    Key::new(&Tenant::system(), format!("writer-{writer}"))
}

async fn counts(store: &Store) -> BTreeMap<Key, (u64, usize)> {
    let kvs = store.range(&RangeRequest::new(KeyRange::every_tenant())).await.unwrap().kvs;
    let count = |value: &[u8]| u64::from_le_bytes(value[..8].try_into().unwrap());
    kvs.into_iter().map(|kv| (kv.key, (count(&kv.value), kv.value.len()))).collect()
}

/// Not a test of its own: writes until killed, when started by the one below.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    let store =
        Store::open_embedded(options(Path::new(&dir)), Arc::new(MonotonicClock::new())).await.unwrap();
    let start = counts(&store).await;
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = store.clone();
            let from = start.get(&key(writer)).map_or(0, |count| count.0);
            tokio::spawn(async move {
                for count in from + 1.. {
                    let mut value = count.to_le_bytes().to_vec();
                    value.resize(8 + (count % 7 * 150) as usize, 1);
                    let txn = Txn::new(&Tenant::system()).then(Op::put(&key(writer), value));
                    let revision = store.txn(txn).await.unwrap().revision;
                    println!("\nacknowledged {writer} {count}");
                    if count % 64 == 0 {
                        // Another writer may have compacted further already.
                        let _ = store.compact(revision).await;
                    }
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill() {
    let dir = TempDir::new().unwrap();
    let mut acknowledged = BTreeMap::new();
    for round in 0..12 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child", "--exact", "--nocapture"])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Later in some rounds than in others, right after an answer each time.
        let mut left = 1 + round * 151 % 700;
        for line in lines {
            let line = line.unwrap();
            let Some(said) = line.strip_prefix("acknowledged ") else { continue };
            let Some((writer, count)) = said.split_once(' ') else { continue };
            acknowledged.insert(key(writer.parse().unwrap()), count.parse::<u64>().unwrap());
            left -= 1;
            if left == 0 {
                if round == 0 {
                    in_use_by(dir.path(), child.id()).await;
                }
                child.kill().unwrap();
            }
            // What it had said before it died counts too: read on to the end.
            left = left.max(0);
        }
        let status = child.wait().unwrap();
        assert_eq!(status.signal(), Some(9), "round {round}: the child ended by itself: {status}");
        let store = Store::open_embedded(options(dir.path()), Arc::new(MonotonicClock::new())).await.unwrap();
        let found = counts(&store).await;
        for (key, count) in &acknowledged {
            let (stored, len) = found[key];
            assert!(
                stored >= *count,
                "round {round}: {key:?} was acknowledged up to {count}, found {stored}"
            );
            assert!(stored <= count + 1, "round {round}: {key:?} was written up to {stored} unasked");
            assert_eq!(len, 8 + (stored % 7 * 150) as usize);
        }
        store.close().await;
    }
    assert_eq!(acknowledged.len() as u64, WRITERS);
}

async fn in_use_by(dir: &Path, process: u32) {
    let refused = Store::open_embedded(options(dir), Arc::new(MonotonicClock::new())).await.unwrap_err();
    let expected = format!("data directory {} is in use by process {process}", dir.display());
    assert!(
        matches!(refused, Error::InUse { .. }) && refused.to_string().starts_with(&expected),
        "{refused}"
    );
}
