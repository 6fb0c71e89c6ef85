//! How long to wait before a stream is opened again.

use std::time::Duration;

/// The longest first wait.
const FIRST: Duration = Duration::from_millis(100);

/// Failures after which waits are as long as they get, whatever the longest is.
const MANY: u32 = 16;

/// Waits that grow with each failure, each drawn evenly from nothing to the longest that it may be ("full jitter"), so that
/// those who lost the same peer do not come back together.
#[derive(Clone, Debug)]
pub struct Backoff {
    longest: Duration,
    failures: u32,
}

impl Backoff {
    /// Waits of up to 100 ms at first, and never longer than `longest`.
    #[must_use]
    pub const fn new(longest: Duration) -> Self {
        Self { longest, failures: 0 }
    }

    /// The wait after a failure. `chance` is any number, drawn evenly.
    pub fn next(&mut self, chance: u64) -> Duration {
        let bound = FIRST.saturating_mul(1 << self.failures.min(MANY)).min(self.longest);
        self.failures = self.failures.saturating_add(1);
        let part = (u128::from(chance) * bound.as_nanos()) >> 64;
        Duration::from_nanos(u64::try_from(part).unwrap_or(u64::MAX))
    }

    /// The stream could be used: the next failure is the first.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Coming back unchanged is in vain: come back seldom.
    pub fn refused(&mut self) {
        self.failures = MANY;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_spread_below_a_bound_that_doubles_and_starts_anew_after_success() {
        let longest = Duration::from_secs(5);
        let mut backoff = Backoff::new(longest);
        let mut draws = (0..=u64::MAX).step_by(usize::MAX / 1000);
        for attempt in 0..40 {
            let bound = FIRST.saturating_mul(1 << attempt.min(MANY)).min(longest);
            let at = |chance| backoff.clone().next(chance);
            assert_eq!((at(0), at(u64::MAX / 2 + 1)), (Duration::ZERO, bound / 2), "attempt {attempt}");
            assert!(at(u64::MAX) < bound && at(u64::MAX) > bound.mul_f64(0.99));
            assert!(draws.next().is_some_and(|chance| backoff.next(chance) < bound));
        }
        backoff.succeeded();
        assert!(backoff.next(u64::MAX) < FIRST);
        backoff.refused();
        assert!(backoff.next(u64::MAX) > longest.mul_f64(0.99));
    }

    #[test]
    fn nothing_overflows() {
        let mut backoff = Backoff { longest: Duration::MAX, failures: u32::MAX };
        assert!(backoff.next(u64::MAX) < FIRST * (1 << MANY));
        assert_eq!(Backoff::new(Duration::ZERO).next(u64::MAX), Duration::ZERO);
    }
}
