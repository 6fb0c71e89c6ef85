//! Durable transactions a second on the embedded engine: writers that each wait for their answer, 1 KiB objects.
//!
//! `cargo bench -p meridian-store --bench durable [DIR]`, where DIR is on the disk to measure.

#![allow(clippy::print_stdout, reason = "it prints a table")]

use std::sync::Arc;
use std::time::Duration;

use meridian_environment::{Clock, MonotonicClock};
use meridian_store::{Compare, EmbeddedOptions, Error, Key, Op, Store, Tenant, Txn};

const TIME: Duration = Duration::from_secs(3);

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Error> {
    let args = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    println!(
        "{:>8} {:>10} {:>10} {:>12} {:>10}",
        "writers", "creates/s", "a batch", "sync, mean", "snapshots"
    );
    for writers in [1, 16, 64, 256] {
        let dir = match &args {
            Some(dir) => tempfile::tempdir_in(dir),
            None => tempfile::tempdir(),
        };
        let dir =
            dir.map_err(|error| Error::Invalid { what: format!("no directory to write to: {error}") })?;
        let clock = Arc::new(MonotonicClock::new());
        let store = Store::open_embedded(EmbeddedOptions::new(dir.path()), clock.clone()).await?;
        let before = store.counters();
        let end = clock.now() + TIME;
        let tasks: Vec<_> =
            (0..writers).map(|n| tokio::spawn(create(store.clone(), clock.clone(), n, end))).collect();
        for task in tasks {
            task.await.map_err(|_| Error::Closed)??;
        }
        let after = store.counters();
        let batches = (after.batches - before.batches).max(1);
        let commits = after.commits - before.commits;
        println!(
            "{writers:>8} {:>10} {:>10} {:>9} us {:>10}",
            commits / TIME.as_secs(),
            commits / batches,
            (after.sync_time - before.sync_time).as_micros() / u128::from(batches),
            after.snapshots,
        );
        store.close().await;
    }
    Ok(())
}

/// Creates objects as an API server does: each only if it is not there yet.
async fn create(store: Store, clock: Arc<MonotonicClock>, writer: u64, end: Duration) -> Result<(), Error> {
    let tenant = Tenant::system();
    let mut number = 0u64;
    while clock.now() < end {
        let key = Key::new(&tenant, format!("pods/default/pod-{writer}-{number}"));
        let txn = Txn::new(&tenant).when(Compare::absent(&key)).then(Op::put(&key, vec![b'x'; 1024]));
        store.txn(txn).await?;
        number += 1;
    }
    Ok(())
}
