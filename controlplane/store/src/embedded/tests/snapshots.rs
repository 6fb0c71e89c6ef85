//! Snapshots that are taken while the partition goes on.

use std::sync::RwLock;

use super::*;
use crate::embedded::snapshot;
use crate::embedded::state::State;

fn wrote(state: &mut State, path: &str, value: &'static str) {
    let published = Revision(state.head());
    assert!(state.evaluate(put(&tenant("t"), path, value), published).unwrap().record.is_some());
}

fn at(state: &State, revision: u64) -> Vec<KeyValue> {
    state.read_all(&everything(), revision).kvs
}

#[test]
fn later_writes_and_compactions_do_not_show_in_a_snapshot() {
    let dir = TempDir::new().unwrap();
    let mut state = State::new();
    for round in 0..5 {
        wrote(&mut state, "often", ["0", "1", "2", "3", "4"][round]);
        wrote(&mut state, if round % 2 == 0 { "even" } else { "odd" }, "x");
    }
    state.take_over();
    state.compact(Revision(5), Revision(state.head())).unwrap();
    let outline = state.outline();
    let head = state.head();
    let expected: Vec<_> = (5..=head).map(|revision| at(&state, revision)).collect();
    // Ordered, and not written yet: history goes on, and the next compaction reaches beyond what the snapshot is of.
    wrote(&mut state, "often", "5");
    let delete = Txn::new(&tenant("t")).then(Op::delete_range(&KeyRange::tenant(&tenant("t"))));
    state.evaluate(delete, Revision(state.head())).unwrap();
    state.compact(Revision(state.head()), Revision(state.head())).unwrap();
    // What upkeep was told before the snapshot is the first compaction.
    while state.purge(1, 5) {}
    let state = RwLock::new(state);
    snapshot::write(&Disk::default(), dir.path(), 9, &outline, &state).unwrap();
    let (seq, restored) = snapshot::read(&crate::embedded::layout::snapshot_path(dir.path(), 9)).unwrap();
    assert_eq!((seq, restored.head(), restored.compacted()), (9, head, 5));
    let found: Vec<_> = (5..=head).map(|revision| at(&restored, revision)).collect();
    assert_eq!(found, expected);
    // The second purge frees all but what the last revision needs: here nothing.
    let mut state = state.into_inner().unwrap();
    while state.purge(1, u64::MAX) {}
    assert_eq!((state.key_count(), state.version_count()), (0, 0));
}
