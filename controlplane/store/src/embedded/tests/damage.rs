//! Every byte cut off, every byte flipped, and sectors lost in all ways a crash can lose them.

use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use super::*;
use crate::embedded::frame::{self, Found};
use crate::embedded::layout::PREFACE;

/// A store with a few of everything: batches of several records, deletions, leases, epochs, a compaction.
async fn populated() -> (TempDir, Vec<Vec<KeyValue>>) {
    let dir = TempDir::new().unwrap();
    // One log, however the batches fall.
    let roomy = EmbeddedOptions { segment_bytes: 32 << 10, ..options(dir.path()) };
    let store = open(roomy).await.unwrap();
    let (a, b) = (tenant("a"), tenant("b"));
    for round in 0..4 {
        let at_once = (0..5).map(|i| {
            let tenant = if i % 2 == 0 { &a } else { &b };
            store.txn(put(tenant, &format!("key-{i}"), format!("value {round} of {i}").repeat(4)))
        });
        for done in futures_join(at_once).await {
            done.unwrap();
        }
        store.txn(Txn::new(&a).then(Op::delete(&Key::new(&a, "key-2")))).await.unwrap();
    }
    let before = history(&store);
    store.compact(Revision(7)).await.unwrap();
    let store = store.take_over().await.unwrap();
    store.grant(crate::LeaseId(9), &a, std::time::Duration::from_secs(5)).await.unwrap();
    let leased = Op::put_with_lease(&Key::new(&a, "leased"), "x", crate::LeaseId(9));
    store.txn(Txn::new(&a).then(leased)).await.unwrap();
    store.revoke(crate::LeaseId(9)).await.unwrap();
    put_ok(&store, "last", vec![7; 700]).await;
    let after = history(&store).split_off(before.len());
    let history = [before, after].concat();
    store.close().await;
    (dir, history)
}

/// All of them at once, on the one thread of the test.
async fn futures_join<F: Future>(all: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut all: Vec<_> = all.into_iter().map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = all.iter().map(|_| None).collect();
    std::future::poll_fn(move |cx| {
        for (future, slot) in all.iter_mut().zip(&mut done) {
            if slot.is_none()
                && let std::task::Poll::Ready(output) = future.as_mut().poll(cx)
            {
                *slot = Some(output);
            }
        }
        if done.iter().all(Option::is_some) {
            std::task::Poll::Ready(done.iter_mut().filter_map(Option::take).collect())
        } else {
            std::task::Poll::Pending
        }
    })
    .await
}

/// Where the frames of a log end.
fn frame_ends(log: &[u8]) -> Vec<usize> {
    let salt = u32::from_le_bytes(*log[24..].first_chunk().unwrap());
    let first = u64::from_le_bytes(*log[16..].first_chunk().unwrap());
    let (mut at, mut ends) = (PREFACE, Vec::new());
    while let Found::Frame { len, .. } = frame::read(log, at, salt, first + ends.len() as u64) {
        at += len;
        ends.push(at);
    }
    ends
}

#[tokio::test]
async fn a_log_cut_anywhere_yields_a_prefix() {
    let (dir, history) = populated().await;
    let image = Image::of(dir.path());
    let (index, used) = image.last();
    assert_eq!(index, 0, "one log, so that every offset is tried");
    let log = &image.files[index].1;
    let ends = frame_ends(log);
    assert!(ends.len() > 8, "{ends:?}");
    let heads: Vec<usize> = ends
        .iter()
        .map(|end| image.look_with(index, &log[..*end]).map(|recovered| recovered.head()).unwrap())
        .collect();
    assert_eq!(heads.last(), Some(&(history.len() - 1)));
    for cut in PREFACE..=used {
        // The rest gone, and the rest as the zeros it was before.
        let mut zeroed = log.clone();
        zeroed[cut..].fill(0);
        for damaged in [&log[..cut], &zeroed[..]] {
            let recovered = image.look_with(index, damaged).unwrap_or_else(|e| panic!("cut at {cut}: {e}"));
            let whole = ends.partition_point(|end| *end <= cut);
            let least = whole.checked_sub(1).map_or(1, |last| heads[last]);
            let most = heads.get(whole).copied().unwrap_or(least);
            let head = recovered.head();
            assert!(head == least || head == most, "cut at {cut}: {head} is not {least} or {most}");
            assert_eq!(recovered.at(head), history[head], "cut at {cut}");
        }
    }
    for cut in 0..PREFACE {
        let refused = image.look_with(index, &log[..cut]);
        assert!(matches!(refused, Err(Error::Corrupt { .. })), "cut at {cut}");
    }
}

#[tokio::test]
async fn a_flipped_byte_is_found_or_does_not_matter() {
    let (dir, history) = populated().await;
    let image = Image::of(dir.path());
    let (index, used) = image.last();
    let mut found = 0;
    for at in 0..used + 64 {
        for mask in [0xff, 1 << (at % 8)] {
            let mut log = image.files[index].1.clone();
            log[at] ^= mask;
            match image.look_with(index, &log) {
                Ok(recovered) => {
                    assert_eq!(recovered.head(), history.len() - 1, "byte {at} lost something");
                    assert_eq!(recovered.at(recovered.head()), history[history.len() - 1], "byte {at}");
                }
                Err(Error::Corrupt { .. }) => found += 1,
                Err(other) => panic!("byte {at}: {other}"),
            }
        }
    }
    assert!(found > used, "{found} of {used}");
}

#[tokio::test]
async fn a_snapshot_with_a_flipped_byte_or_cut_is_refused() {
    let dir = TempDir::new().unwrap();
    let small = EmbeddedOptions { snapshot_bytes: 2000, segment_bytes: 1000, ..options(dir.path()) };
    let store = open(small.clone()).await.unwrap();
    for i in 0..40 {
        put_ok(&store, &format!("key-{}", i % 7), vec![i; 100]).await;
    }
    let expected = history(&store);
    // Closing waits for the snapshots that were ordered.
    store.close().await;
    let image = Image::of(dir.path());
    let (name, snapshot) = &image.files[0];
    assert!(name.to_str().unwrap().starts_with("snapshot-"), "{:?}", image.files[0].0);
    let whole = image.look_with(0, snapshot).unwrap();
    assert_eq!(whole.at(whole.head()), expected[whole.head()]);
    assert_eq!(whole.head() + 1, expected.len());
    for at in 0..snapshot.len() {
        let mut flipped = snapshot.clone();
        flipped[at] ^= 0x55;
        for damaged in [&snapshot[..at], &flipped] {
            let refused = image.look_with(0, damaged);
            // Bytes 12 to 15 and 56 to 59 are under the checksum too, so nothing is unprotected.
            assert!(matches!(refused, Err(Error::Corrupt { .. })), "byte {at}: {refused:?}");
        }
    }
}

/// A last frame of many sectors, one of them zeros by nature.
async fn with_large_last_frame() -> (TempDir, Vec<Vec<KeyValue>>) {
    let dir = TempDir::new().unwrap();
    let store = open(options(dir.path())).await.unwrap();
    put_ok(&store, "first", vec![1; 300]).await;
    let mut value = vec![0xaa; 3500];
    value[1000..2300].fill(0);
    put_ok(&store, "large", value).await;
    let history = history(&store);
    store.close().await;
    (dir, history)
}

#[tokio::test]
async fn a_last_frame_that_lost_sectors_is_torn_and_an_earlier_one_is_damaged() {
    let (dir, history) = with_large_last_frame().await;
    let image = Image::of(dir.path());
    let (index, _) = image.last();
    let log = &image.files[index].1;
    let ends = frame_ends(log);
    let [.., start, end] = ends[..] else { panic!("{ends:?}") };
    let sectors: Vec<_> = (start / 512..end.div_ceil(512)).collect();
    let (full, before) = (history.len() - 1, history.len() - 2);
    for lost in 0u32..1 << sectors.len() {
        let mut torn = log.clone();
        for (bit, sector) in sectors.iter().enumerate() {
            if lost & 1 << bit != 0 {
                torn[(sector * 512).max(start)..((sector + 1) * 512).min(end)].fill(0);
            }
        }
        let recovered = image.look_with(index, &torn).unwrap_or_else(|e| panic!("lost {lost:b}: {e}"));
        let expected = if torn == *log { full } else { before };
        assert_eq!(recovered.head(), expected, "lost {lost:b}");
        assert_eq!(recovered.at(expected), history[expected]);
    }
    // The same in the frame before is no tear: what came after it says that it was acknowledged.
    let earlier = ends[ends.len() - 3];
    for sector in earlier / 512..start.div_ceil(512) {
        let mut damaged = log.clone();
        let (from, to) = ((sector * 512).max(earlier), ((sector + 1) * 512).min(start));
        damaged[from..to].fill(0);
        if damaged[from..to] != log[from..to] {
            let refused = image.look_with(index, &damaged);
            assert!(matches!(refused, Err(Error::Corrupt { .. })), "sector {sector}: {refused:?}");
        }
    }
}

#[tokio::test]
async fn what_a_crash_left_is_cleared_and_written_over() {
    let (dir, history) = with_large_last_frame().await;
    let files = Files::list(dir.path()).unwrap();
    let (_, path) = files.logs.last().unwrap();
    let log = fs::read(path).unwrap();
    let ends = frame_ends(&log);
    // The header is lost and the rest is there: the place of a shorter frame with old bytes behind it.
    let mut torn = log.clone();
    torn[ends[ends.len() - 2]..][..32].fill(0);
    fs::write(path, &torn).unwrap();
    fs::write(dir.path().join("spare-3.tmp"), b"half").unwrap();
    let mut last = Vec::new();
    for round in 0..3 {
        let store = open(options(dir.path())).await.unwrap();
        let old = store.range(&everything().at(Revision(history.len() as u64 - 2))).unwrap();
        assert_eq!(old.kvs, history[history.len() - 2]);
        assert_eq!(
            store.range(&everything()).unwrap().kvs.iter().filter(|kv| kv.key.path() == b"large").count(),
            0
        );
        if round > 0 {
            assert_eq!(store.range(&everything()).unwrap().kvs, last);
        }
        put_ok(&store, "short", format!("{round}")).await;
        last = store.range(&everything()).unwrap().kvs;
        store.close().await;
    }
    assert!(!dir.path().join("spare-3.tmp").exists());
}

#[tokio::test]
async fn a_missing_log_and_a_newer_version_are_named() {
    let dir = TempDir::new().unwrap();
    let store = open(EmbeddedOptions { segment_bytes: 1000, ..options(dir.path()) }).await.unwrap();
    for i in 0..30 {
        put_ok(&store, "key", vec![i; 100]).await;
    }
    store.close().await;
    let files = Files::list(dir.path()).unwrap();
    assert!(files.logs.len() > 3);
    let (_, middle) = &files.logs[1];
    let content = fs::read(middle).unwrap();
    fs::remove_file(middle).unwrap();
    let error = open(options(dir.path())).await.unwrap_err().to_string();
    assert!(error.contains("missing"), "{error}");

    let mut newer = content;
    newer[8] = 2;
    let crc = crc32c::crc32c(&newer[..60]);
    newer[60..64].copy_from_slice(&crc.to_le_bytes());
    fs::write(middle, newer).unwrap();
    let error = open(options(dir.path())).await.unwrap_err();
    assert!(matches!(&error, Error::NewerFormat { found: 2, supported: 1, .. }), "{error}");
    assert!(error.to_string().contains(middle.to_str().unwrap()), "{error}");
}

#[test]
fn hostile_bytes_are_refused_without_a_panic() {
    let mut runner = TestRunner::new_with_rng(
        ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() },
        TestRng::from_seed(RngAlgorithm::ChaCha, &[5; 32]),
    );
    let dir = TempDir::new().unwrap();
    // Frames whose checksums hold and whose bodies are anything.
    runner
        .run(&proptest::collection::vec(any::<u8>(), 0..200), |mut body| {
            if let Some(first) = body.first_mut() {
                *first %= 6;
            }
            // The right revision, so that not every record is refused for that.
            if let Some(revision) = body.get_mut(1..9) {
                revision.copy_from_slice(&2u64.to_le_bytes());
            }
            let mut buffer = vec![0; frame::HEADER];
            buffer.extend_from_slice(&body);
            frame::seal(&mut buffer, 3, 1, PREFACE as u64);
            let mut log =
                crate::embedded::layout::preface(crate::embedded::layout::LOG_MAGIC, [1, 3, 4096, 0, 0])
                    .to_vec();
            log.extend_from_slice(&buffer);
            let path = crate::embedded::layout::log_path(dir.path(), 1);
            let _ = fs::remove_file(&path);
            fs::write(path, log).unwrap();
            let looked = recover::look(dir.path());
            let fine = matches!(looked, Ok(_) | Err(Error::Corrupt { .. }));
            prop_assert!(fine, "{:?}", looked);
            Ok(())
        })
        .unwrap();
}
