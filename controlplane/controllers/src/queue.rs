//! The keys that wait for a controller. A key is handed to one worker at a time; what happens to it meanwhile brings it back
//! afterwards, once; failures bring it back later and later.

use std::collections::{BTreeMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use meridian_environment::Clock;
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::sync::Notify;

/// The wait after the first failure; it doubles with each further one.
const FIRST_DELAY: Duration = Duration::from_millis(10);
const LONGEST_DELAY: Duration = Duration::from_secs(60);

/// A queue of keys. Shared by those who add and those who work.
#[derive(Debug)]
pub(crate) struct Queue<K> {
    state: Mutex<State<K>>,
    changed: Notify,
    clock: Arc<dyn Clock>,
}

#[derive(Debug)]
struct State<K> {
    ready: VecDeque<K>,
    /// In `ready`.
    waiting: FxHashSet<K>,
    /// With a worker; `true`: to be done again after it.
    working: FxHashMap<K, bool>,
    /// To be added at a time; the number tells keys of one time apart.
    delayed: BTreeMap<(Duration, u64), K>,
    delays: u64,
    failures: FxHashMap<K, u32>,
    is_closed: bool,
}

impl<K: Clone + Eq + Hash> Queue<K> {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let state = State {
            ready: VecDeque::new(),
            waiting: FxHashSet::default(),
            working: FxHashMap::default(),
            delayed: BTreeMap::new(),
            delays: 0,
            failures: FxHashMap::default(),
            is_closed: false,
        };
        Self { state: Mutex::new(state), changed: Notify::new(), clock }
    }

    fn state(&self) -> MutexGuard<'_, State<K>> {
        // Every change below is whole before the lock is given back.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a key, unless it waits already.
    pub(crate) fn add(&self, key: K) {
        self.state().add(key);
        self.changed.notify_one();
    }

    /// Adds a key after a while.
    pub(crate) fn add_after(&self, key: K, delay: Duration) {
        let at = self.clock.now().saturating_add(delay);
        let mut state = self.state();
        state.delays += 1;
        let number = state.delays;
        state.delayed.insert((at, number), key);
        drop(state);
        self.changed.notify_one();
    }

    /// The next key, which is the caller's until [`Queue::done`]; `None` when the queue is closed.
    pub(crate) async fn next(&self) -> Option<K> {
        loop {
            // Before looking, so that what is added after looking wakes this.
            let changed = self.changed.notified();
            let due = {
                let mut state = self.state();
                if state.is_closed {
                    return None;
                }
                state.take_due(self.clock.now());
                if let Some(key) = state.ready.pop_front() {
                    state.waiting.remove(&key);
                    state.working.insert(key.clone(), false);
                    if !state.ready.is_empty() {
                        self.changed.notify_one();
                    }
                    return Some(key);
                }
                state.delayed.keys().next().map(|(at, _)| *at)
            };
            match due {
                Some(at) => tokio::select! {
                    () = changed => {}
                    () = self.clock.wait_until(at) => {}
                },
                None => changed.await,
            }
        }
    }

    /// Gives a key back. A failed one comes again after a while.
    pub(crate) fn done(&self, key: K, succeeded: bool) {
        let mut state = self.state();
        let again = state.working.remove(&key).unwrap_or(false);
        if succeeded {
            state.failures.remove(&key);
            if again {
                state.add(key);
            }
            drop(state);
            self.changed.notify_one();
            return;
        }
        let failures = state.failures.entry(key.clone()).or_insert(0);
        let delay = FIRST_DELAY.saturating_mul(1 << (*failures).min(13)).min(LONGEST_DELAY);
        *failures += 1;
        drop(state);
        self.add_after(key, delay);
    }

    /// Lets the workers end.
    pub(crate) fn close(&self) {
        self.state().is_closed = true;
        self.changed.notify_waiters();
        // For a worker that is between looking and waiting.
        self.changed.notify_one();
    }

    /// How many keys wait.
    pub(crate) fn len(&self) -> usize {
        let state = self.state();
        state.ready.len() + state.delayed.len()
    }
}

impl<K: Clone + Eq + Hash> State<K> {
    fn add(&mut self, key: K) {
        if let Some(again) = self.working.get_mut(&key) {
            *again = true;
        } else if self.waiting.insert(key.clone()) {
            self.ready.push_back(key);
        }
    }

    fn take_due(&mut self, now: Duration) {
        while let Some(entry) = self.delayed.first_entry() {
            if entry.key().0 > now {
                return;
            }
            let key = entry.remove();
            self.add(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use meridian_environment::ManualClock;

    use super::*;

    fn queue() -> (Queue<&'static str>, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::new());
        (Queue::new(clock.clone()), clock)
    }

    #[tokio::test]
    async fn a_key_is_with_one_worker_and_comes_again_once() {
        let (queue, _) = queue();
        queue.add("a");
        queue.add("a");
        queue.add("b");
        assert_eq!(queue.next().await, Some("a"));
        queue.add("a");
        queue.add("a");
        assert_eq!(queue.next().await, Some("b"));
        assert_eq!(queue.len(), 0);
        queue.done("a", true);
        assert_eq!(queue.next().await, Some("a"));
        queue.done("a", true);
        assert_eq!(queue.len(), 0);
    }

    #[tokio::test]
    async fn a_failed_key_waits_longer_each_time() {
        let (queue, clock) = queue();
        queue.add("a");
        for failures in 0..20 {
            assert_eq!(queue.next().await, Some("a"));
            queue.done("a", false);
            let delay = FIRST_DELAY.saturating_mul(1 << failures.min(13)).min(LONGEST_DELAY);
            clock.advance(delay - Duration::from_millis(1));
            tokio::select! {
                biased;
                key = queue.next() => panic!("{key:?} came before {delay:?}"),
                () = tokio::task::yield_now() => {}
            }
            clock.advance(Duration::from_millis(1));
        }
        assert_eq!(queue.next().await, Some("a"));
        queue.done("a", true);
        queue.add("a");
        assert_eq!(queue.next().await, Some("a"));
    }

    #[tokio::test]
    async fn every_worker_ends_when_the_queue_closes() {
        let (queue, _) = queue();
        let queue = Arc::new(queue);
        let workers: Vec<_> = (0..4)
            .map(|_| {
                let queue = queue.clone();
                tokio::spawn(async move { queue.next().await })
            })
            .collect();
        tokio::task::yield_now().await;
        queue.close();
        for worker in workers {
            assert_eq!(worker.await.unwrap(), None);
        }
    }
}
