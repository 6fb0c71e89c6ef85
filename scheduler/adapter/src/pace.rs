//! How fast requests are made: a token bucket, as `clientConnection.qps` and `burst` ask for.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use meridian_environment::Clock;

/// Gives requests their turns.
#[derive(Debug)]
pub(crate) struct Pace {
    clock: Arc<dyn Clock>,
    /// `None`: as fast as they come.
    limit: Option<Limit>,
}

#[derive(Debug)]
struct Limit {
    /// Between two requests on the average.
    interval: Duration,
    /// How far ahead of the average requests may be.
    ahead: Duration,
    /// When the next request would be due if all came in the interval.
    next: Mutex<Duration>,
}

impl Pace {
    pub(crate) fn new(qps: Option<f32>, burst: u32, clock: Arc<dyn Clock>) -> Pace {
        let limit = qps.filter(|qps| *qps > 0.0).map(|qps| {
            let interval = Duration::from_secs_f64((1.0 / f64::from(qps)).min(3_600.0));
            let ahead = interval.saturating_mul(burst.saturating_sub(1));
            Limit { interval, ahead, next: Mutex::new(Duration::ZERO) }
        });
        Pace { clock, limit }
    }

    /// Resolves when it is the caller's turn.
    pub(crate) async fn turn(&self) {
        let Some(limit) = &self.limit else { return };
        let at = {
            let now = self.clock.now();
            let mut next = limit.next.lock().unwrap_or_else(PoisonError::into_inner);
            // What was not used before is not saved beyond the burst.
            let due = (*next).max(now);
            *next = due + limit.interval;
            due.saturating_sub(limit.ahead)
        };
        if at > self.clock.now() {
            self.clock.wait_until(at).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use meridian_environment::ManualClock;

    use super::*;

    #[test]
    fn a_burst_goes_at_once_and_the_rest_in_its_time() {
        let clock = Arc::new(ManualClock::new());
        let pace = Pace::new(Some(10.0), 3, clock.clone());
        let mut at_once = 0;
        while pace.turn().now_or_never().is_some() {
            at_once += 1;
            assert!(at_once < 10, "there is a limit");
        }
        assert_eq!(at_once, 3);
        // The one that was told to wait gave up, and its turn with it.
        clock.advance(Duration::from_millis(100));
        assert!(pace.turn().now_or_never().is_none());
        clock.advance(Duration::from_secs(60));
        let after = std::iter::from_fn(|| pace.turn().now_or_never()).take(10).count();
        assert_eq!(after, 3, "idle time is not saved beyond the burst");
    }

    #[test]
    fn without_a_limit_nobody_waits() {
        let pace = Pace::new(None, 1, Arc::new(ManualClock::new()));
        assert!((0..1_000).all(|_| pace.turn().now_or_never().is_some()));
    }
}
