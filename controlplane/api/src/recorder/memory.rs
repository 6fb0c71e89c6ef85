//! What has been told already: what is told again is counted, and nobody fills the store with events about one object.

use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustc_hash::FxHashMap;

use super::Event;

/// What is remembered of each kind, before the older half is forgotten.
const REMEMBERED: usize = 8192;

/// How long after it was written an event that only counts is written again.
const WRITTEN_AGAIN: Duration = Duration::from_secs(30);

/// Events about one object that may be written at once; more at the rate of one in `REFILL`.
const BURST: u32 = 25;
const REFILL: Duration = Duration::from_secs(300);

/// An event among its repetitions: its name, and how often it has been told and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) name: Box<str>,
    pub(super) count: u64,
    pub(super) first: Timestamp,
}

/// What becomes of an event.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is to be written.
    Due(Place),
    /// It is one more of an event that was written a moment ago.
    Counted,
    /// Too much has been written about its object.
    Limited,
}

/// What says the same about the same.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Same {
    uid: Arc<str>,
    component: Arc<str>,
    is_warning: bool,
    reason: &'static str,
    message: Box<str>,
}

#[derive(Debug)]
struct Repeated {
    place: Place,
    written: Option<Duration>,
}

/// How many events about an object may still be written.
#[derive(Debug)]
struct Budget {
    left: u32,
    refilled: Duration,
}

impl Budget {
    fn take(&mut self, now: Duration) -> bool {
        let periods = now.saturating_sub(self.refilled).as_secs() / REFILL.as_secs();
        let periods = u32::try_from(periods).unwrap_or(u32::MAX);
        self.left = self.left.saturating_add(periods).min(BURST);
        self.refilled = self.refilled.saturating_add(REFILL.saturating_mul(periods));
        let may = self.left > 0;
        self.left = self.left.saturating_sub(1);
        may
    }
}

/// What has been told.
#[derive(Debug, Default)]
pub(super) struct Memory {
    repeated: Generations<Same, Repeated>,
    budgets: Generations<Arc<str>, Budget>,
}

impl Memory {
    /// Takes in an event that was told at `at`. `name` is what it is called if it is new.
    pub(super) fn take_in(
        &mut self,
        event: &Event,
        at: Timestamp,
        now: Duration,
        name: impl FnOnce() -> String,
    ) -> Taken {
        let same = Same {
            uid: event.subject.uid.clone(),
            component: event.component.clone(),
            is_warning: event.is_warning,
            reason: event.reason,
            message: event.message.as_str().into(),
        };
        let first = || Repeated { place: Place { name: name().into(), count: 0, first: at }, written: None };
        let repeated = self.repeated.get_or_insert_with(same, first);
        repeated.place.count = repeated.place.count.saturating_add(1);
        if repeated.written.is_some_and(|written| now.saturating_sub(written) < WRITTEN_AGAIN) {
            return Taken::Counted;
        }
        let full = || Budget { left: BURST, refilled: now };
        if !self.budgets.get_or_insert_with(event.subject.uid.clone(), full).take(now) {
            return Taken::Limited;
        }
        repeated.written = Some(now);
        Taken::Due(repeated.place.clone())
    }
}

/// A map of bounded size: what has not been asked for the longest is forgotten first, by halves.
#[derive(Debug)]
struct Generations<K, V> {
    younger: FxHashMap<K, V>,
    older: FxHashMap<K, V>,
}

impl<K, V> Default for Generations<K, V> {
    fn default() -> Self {
        Self { younger: FxHashMap::default(), older: FxHashMap::default() }
    }
}

impl<K: Eq + Hash, V> Generations<K, V> {
    fn get_or_insert_with(&mut self, key: K, new: impl FnOnce() -> V) -> &mut V {
        if self.younger.len() >= REMEMBERED / 2 && !self.younger.contains_key(&key) {
            self.older = mem::take(&mut self.younger);
        }
        match self.younger.entry(key) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let value = self.older.remove(entry.key()).unwrap_or_else(new);
                entry.insert(value)
            }
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.younger.len() + self.older.len()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::event;
    use super::*;

    /// Tells something about an object at a second.
    fn tell(memory: &mut Memory, uid: &str, message: &str, second: u64) -> Taken {
        let at = Timestamp::from_second(second.cast_signed()).unwrap();
        let name = || format!("named-at-{second}");
        memory.take_in(&event(uid, message), at, Duration::from_secs(second), name)
    }

    fn due(name: &str, count: u64, first: i64) -> Taken {
        Taken::Due(Place { name: name.into(), count, first: Timestamp::from_second(first).unwrap() })
    }

    #[test]
    fn the_same_again_counts_and_is_written_from_time_to_time() {
        let mut memory = Memory::default();
        assert_eq!(tell(&mut memory, "1", "no room", 1), due("named-at-1", 1, 1));
        assert_eq!(tell(&mut memory, "1", "no room", 10), Taken::Counted);
        assert_eq!(tell(&mut memory, "1", "too few", 11), due("named-at-11", 1, 11));
        assert_eq!(tell(&mut memory, "2", "no room", 12), due("named-at-12", 1, 12));
        assert_eq!(tell(&mut memory, "1", "no room", 30), Taken::Counted);
        assert_eq!(tell(&mut memory, "1", "no room", 31), due("named-at-1", 4, 1));
    }

    #[test]
    fn one_object_gets_few_events_at_once_and_more_as_time_passes() {
        let mut memory = Memory::default();
        let mut written = |second: u64, count: usize| {
            let told = (0..count).map(|i| tell(&mut memory, "1", &format!("{second}-{i}"), second));
            told.filter(|taken| matches!(taken, Taken::Due(_))).count()
        };
        assert_eq!(written(0, 100), BURST as usize);
        assert_eq!((written(299, 2), written(300, 2), written(301, 2)), (0, 1, 0));
        // A refill is due 300 s after the last, not after the last look.
        assert_eq!((written(599, 1), written(600, 1)), (0, 1));
        assert_eq!(written(1_000_000, 100), BURST as usize);
        assert!(matches!(tell(&mut memory, "2", "another", 1_000_000), Taken::Due(_)));
    }

    #[test]
    fn what_is_limited_is_told_with_its_count_later() {
        let mut memory = Memory::default();
        for i in 0..BURST {
            tell(&mut memory, "1", &i.to_string(), 0);
        }
        assert_eq!(tell(&mut memory, "1", "at last", 1), Taken::Limited);
        assert_eq!(tell(&mut memory, "1", "at last", 300), due("named-at-1", 2, 1));
    }

    #[test]
    fn what_is_told_often_is_remembered_and_the_memory_is_bounded() {
        let mut memory = Memory::default();
        tell(&mut memory, "often", "no room", 0);
        for i in 0..3 * REMEMBERED {
            tell(&mut memory, &i.to_string(), "no room", 0);
            if i % 1000 == 0 {
                assert_eq!(tell(&mut memory, "often", "no room", 0), Taken::Counted);
            }
        }
        assert!(memory.repeated.len() <= REMEMBERED && memory.budgets.len() <= REMEMBERED);
        assert!(matches!(tell(&mut memory, "0", "no room", 0), Taken::Due(place) if place.count == 1));
    }
}
