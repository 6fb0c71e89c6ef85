//! The one clock.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

/// A clock: the time since some fixed moment, which never goes back; waiting for a time to come; and the date.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The time since the fixed moment.
    fn now(&self) -> Duration;

    /// The date and time, for people to read. It may jump: no decision rests on it.
    fn date(&self) -> Timestamp;

    /// Resolves at `at` or later; at once when that has passed.
    fn wait_until(&self, at: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// The machine's clock, counted from when this was made.
#[derive(Debug)]
pub struct MonotonicClock {
    start: tokio::time::Instant,
}

impl MonotonicClock {
    /// A clock that stands at zero now.
    #[must_use]
    pub fn new() -> Self {
        Self { start: tokio::time::Instant::now() }
    }
}

impl Default for MonotonicClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for MonotonicClock {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    #[allow(clippy::disallowed_methods, reason = "this is where the date comes from")]
    fn date(&self) -> Timestamp {
        std::time::SystemTime::now().try_into().unwrap_or(Timestamp::UNIX_EPOCH)
    }

    fn wait_until(&self, at: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(tokio::time::sleep_until(self.start + at))
    }
}

/// A clock that moves only when told to: for tests and simulations.
#[derive(Debug)]
pub struct ManualClock {
    now: watch::Sender<Duration>,
}

impl ManualClock {
    /// A clock that stands at zero, and its date at 2000-01-01T00:00:00Z.
    #[must_use]
    pub fn new() -> Self {
        Self { now: watch::Sender::new(Duration::ZERO) }
    }

    /// Moves the time on, and wakes those who waited for it.
    pub fn advance(&self, by: Duration) {
        self.now.send_modify(|now| *now += by);
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Duration {
        *self.now.borrow()
    }

    fn date(&self) -> Timestamp {
        const START: Timestamp = Timestamp::constant(946_684_800, 0);
        START.saturating_add(self.now()).unwrap_or(Timestamp::MAX)
    }

    fn wait_until(&self, at: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let mut now = self.now.subscribe();
        Box::pin(async move {
            // The sender is `self`, which this future borrows: it is never closed.
            let _ = now.wait_for(|now| *now >= at).await;
        })
    }
}
