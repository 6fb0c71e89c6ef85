//! What survives, what is refused, and what version 1 of the format looks like.

use std::fmt::Write as _;

use redb::{Builder, Database, ReadableDatabase as _};

use super::record::{Broken, Section, key, open, prefix, seal};
use super::writer::TABLE;
use super::*;
use crate::duty::{HostRecord, PodState, Position};

fn host_state(number: u64) -> HostState {
    let position = Some(Position { partition: "hosts-0".into(), epoch: 7, number });
    HostState { record: HostRecord { highest_epoch: 7, incarnation: 2, position }, starts: 3 }
}

fn record(state: PodState) -> PodRecord {
    PodRecord { tenant: "blue".into(), state, runtime: vec![1, 2, 3] }
}

fn run(uid: &str) -> Vec<Change> {
    let uid = PodUid::from(uid);
    vec![
        Change::Object { uid: uid.clone(), object: Bytes::from(format!("{{\"uid\":\"{uid}\"}}")) },
        Change::Pod { uid, record: record(PodState::Running) },
    ]
}

fn summary(loaded: &Loaded) -> Vec<(String, PodState, usize)> {
    loaded.pods.iter().map(|pod| (pod.uid.to_string(), pod.record.state, pod.object.len())).collect()
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_crash_at_any_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agents.redb");
    let store = LocalStore::open(&path).unwrap();
    let (one, other) = (store.host("one"), store.host("one-more"));
    one.commit(vec![Change::Host(host_state(1))]).await.unwrap();
    for number in 0..20 {
        let (a, b) =
            tokio::join!(one.commit(run(&format!("a{number}"))), other.commit(run(&format!("b{number}"))));
        a.and(b).unwrap();
        // The file as a crash now would leave it: nothing was closed.
        let copy = folder.path().join(format!("copy-{number}"));
        std::fs::copy(&path, &copy).unwrap();
        let copy = LocalStore::open(&copy).unwrap();
        for name in ["one", "one-more"] {
            assert_eq!(copy.host(name).load().await.unwrap().pods.len(), number + 1);
        }
        assert_eq!(copy.host("one").load().await.unwrap().host, host_state(1));
    }
}

#[tokio::test]
async fn changes_are_carried_out_in_order_and_for_one_host_only() {
    let store = LocalStore::in_memory().unwrap();
    let (one, other) = (store.host("host-1"), store.host("host-11"));
    // An uid that looks like the keys of another.
    for uid in ["a", "ao", "as", "b"] {
        one.commit(run(uid)).await.unwrap();
    }
    other.commit(run("a")).await.unwrap();
    let mut changes = vec![
        Change::Pod { uid: "a".into(), record: record(PodState::Stopping { grace_seconds: 30 }) },
        Change::Pod { uid: "b".into(), record: record(PodState::Stopped) },
        Change::Forget { uid: "ao".into() },
        Change::Host(host_state(5)),
    ];
    changes.extend(run("c"));
    one.commit(changes).await.unwrap();
    let loaded = one.load().await.unwrap();
    assert_eq!(loaded.host, host_state(5));
    assert_eq!(
        summary(&loaded),
        [
            ("a".to_owned(), PodState::Stopping { grace_seconds: 30 }, 11),
            ("as".to_owned(), PodState::Running, 12),
            ("b".to_owned(), PodState::Stopped, 11),
            ("c".to_owned(), PodState::Running, 11),
        ]
    );
    one.commit(vec![Change::Clear]).await.unwrap();
    let cleared = one.load().await.unwrap();
    assert!(cleared.pods.is_empty() && cleared.host == HostState::default());
    assert_eq!(summary(&other.load().await.unwrap()).len(), 1);
}

#[tokio::test]
async fn a_store_is_opened_once_and_again_after_it_was_closed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agents.redb");
    let store = LocalStore::open(&path).unwrap();
    let state = store.host("one");
    drop(store);
    let error = LocalStore::open(&path).unwrap_err().to_string();
    assert!(error.contains("is in use by another process"), "{error}");
    state.commit(run("a")).await.unwrap();
    drop(state);
    assert_eq!(LocalStore::open(&path).unwrap().host("one").load().await.unwrap().pods.len(), 1);
    let text = folder.path().join("text");
    std::fs::write(&text, "this is no database\n".repeat(1000)).unwrap();
    let error = LocalStore::open(&text).unwrap_err().to_string();
    assert!(error.contains("text"), "{error}");
    assert!(LocalStore::open(&folder.path().join("none/agents.redb")).is_err());
}

/// A database with these records in it, as a damaged or foreign one may have.
fn database(records: &[(Vec<u8>, Vec<u8>)]) -> Database {
    let database = Builder::new().create_with_backend(InMemoryBackend::new()).unwrap();
    let txn = database.begin_write().unwrap();
    {
        let mut table = txn.open_table(TABLE).unwrap();
        for (key, value) in records {
            table.insert(&**key, &**value).unwrap();
        }
    }
    txn.commit().unwrap();
    database
}

#[test]
fn damage_and_newer_formats_are_named() {
    let prefix = prefix("one");
    let state = key(&prefix, &Section::State("a".into()));
    let sealed = seal(&state, &record(PodState::Running).encode());
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut value = sealed.clone();
        change(&mut value);
        vec![(state.clone(), value)]
    };
    let mut object = prefix.clone();
    object.extend_from_slice(b"pao");
    let mut unknown = prefix;
    unknown.push(b'x');
    for (records, want) in [
        (with(&|value| value[7] ^= 1), "is damaged: the record \"pas\" of host one has a wrong checksum"),
        (with(&|value| value.truncate(3)), "is cut short"),
        (with(&|value| value[0] = 0), "has the format 0"),
        (with(&|value| value[0] = 2), "was written in format 2, and this version knows formats up to 1"),
        (vec![(state.clone(), seal(&state, &[0xff; 3]))], "is no account of a pod"),
        (vec![(state.clone(), seal(&state, b""))], "has a state that is none of running"),
        (vec![(state.clone(), seal(&unknown, b""))], "has a wrong checksum"),
        (vec![(unknown.clone(), seal(&unknown, b""))], "has a key of no known kind"),
        (vec![(object.clone(), seal(&object, b"{}"))], "pod a of host one has an object and no state"),
    ] {
        let writer = Writer::new(database(&records), "file".into()).unwrap();
        let error = writer.load("one").unwrap_err().to_string();
        assert!(error.starts_with("local state file ") && error.contains(want), "{error}");
        assert!(writer.load("other").unwrap().pods.is_empty(), "other hosts are not concerned");
    }
    // A newer file is refused before anything is written to it.
    let mark = super::record::prefix("");
    let mut newer = seal(&mark, b"");
    newer[0] = 9;
    let error = Writer::new(database(&[(mark, newer)]), "file".into()).unwrap_err().to_string();
    assert!(error.contains("was written in format 9"), "{error}");
    assert_eq!(open(b"k", b""), Err(Broken::Corrupt("is cut short")));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len() / 2).map(|at| digit(at * 2)).collect()
}

/// The records of version 1, one `key value` a line. It stays as it is: it is what has been written in the field.
const VERSION_1: &str = include_str!("../../tests/fixtures/local-state-v1.txt");

#[test]
fn version_1_of_the_format_is_read_and_written_as_ever() {
    let writer = Writer::new(database(&[]), "file".into()).unwrap();
    writer
        .write(vec![(
            "host-1".into(),
            vec![
                Change::Host(host_state(41)),
                Change::Object { uid: "run".into(), object: Bytes::from_static(b"{\"kind\":\"Pod\"}") },
                Change::Pod { uid: "run".into(), record: record(PodState::Running) },
                Change::Pod { uid: "end".into(), record: record(PodState::Stopping { grace_seconds: 30 }) },
                Change::Pod { uid: "gone".into(), record: record(PodState::Stopped) },
            ],
        )])
        .unwrap();
    let txn = writer.database().begin_read().unwrap();
    let table = txn.open_table(TABLE).unwrap();
    let mut written = String::new();
    for entry in table.range::<&[u8]>(..).unwrap() {
        let (key, value) = entry.unwrap();
        writeln!(written, "{} {}", hex(key.value()), hex(value.value())).unwrap();
    }
    assert_eq!(written, VERSION_1);
    let records: Vec<_> = VERSION_1
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(k, v)| (unhex(k), unhex(v)))
        .collect();
    let loaded = Writer::new(database(&records), "file".into()).unwrap().load("host-1").unwrap();
    assert_eq!(loaded.host, host_state(41));
    assert_eq!(
        loaded.pods.iter().find(|pod| pod.uid.as_str() == "run").unwrap().object,
        "{\"kind\":\"Pod\"}"
    );
    assert_eq!(
        summary(&loaded).into_iter().map(|(_, state, _)| state).collect::<Vec<_>>(),
        [PodState::Stopping { grace_seconds: 30 }, PodState::Stopped, PodState::Running]
    );
}
