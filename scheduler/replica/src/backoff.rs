//! How long to wait before a stream is opened again.

use std::time::Duration;

use meridian_environment::Ids;

/// The longest first wait, and the longest of all.
const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

/// Waits that grow with each failure, each drawn evenly from nothing to the longest that it may be ("full jitter"), so that
/// those who lost the same peer do not come back together.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The next wait.
    pub(crate) fn next(&mut self, ids: &Ids) -> Duration {
        let longest = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let nanoseconds = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX - 1);
        Duration::from_nanos(ids.seed() % (nanoseconds + 1))
    }

    /// A stream could be used: the next failure is the first.
    pub(crate) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Coming back unchanged is in vain: come back seldom.
    pub(crate) fn refused(&mut self) {
        self.failures = u32::MAX;
    }
}

#[cfg(test)]
mod tests {
    use meridian_environment::Ids;

    use super::{Backoff, FIRST, LONGEST};

    #[test]
    fn waits_grow_to_the_longest_and_start_anew_after_success() {
        let ids = Ids::seeded(1);
        let mut backoff = Backoff::default();
        assert!((0..50).all(|_| Backoff::default().next(&ids) <= FIRST));
        let waits: Vec<_> = (0..200).map(|_| backoff.next(&ids)).collect();
        assert!(waits.iter().all(|wait| *wait <= LONGEST));
        assert!(
            waits.iter().any(|wait| *wait > LONGEST / 2)
                && waits.iter().skip(9).any(|wait| *wait < LONGEST / 8)
        );
        backoff.succeeded();
        assert!(backoff.next(&ids) <= FIRST);
        backoff.refused();
        let waits: Vec<_> = (0..50).map(|_| backoff.next(&ids)).collect();
        assert!(waits.iter().any(|wait| *wait > FIRST * 4));
    }
}
