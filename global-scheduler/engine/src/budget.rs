//! How long a solver may go on, and who hears how far it is. Time is lent by the caller.

use crate::milp::Backend;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What a caller allows and lends.
pub struct Limits<'a> {
    /// Nanoseconds since some moment; asked only where there is a time limit.
    pub clock: &'a (dyn Fn() -> u64 + Sync),
    /// Nanoseconds that solving may take.
    pub time: Option<u64>,
    /// Rounds that solving may take. With rounds and without time the result is a function of model and seed.
    pub rounds: Option<u64>,
    /// What solves mixed-integer programmes.
    pub backend: Backend,
    /// Ends early when it becomes true.
    pub cancel: &'a AtomicBool,
    /// Ends early when the gap is at most this share of the objective.
    pub gap: f64,
    /// Hears of each better plan: its objective and the bound so far.
    pub progress: &'a (dyn Fn(f64, f64) + Sync),
}

/// Limits at work.
pub(crate) struct Budget<'a> {
    limits: &'a Limits<'a>,
    started: u64,
    rounds: AtomicU64,
}

impl<'a> Budget<'a> {
    pub(crate) fn new(limits: &'a Limits<'a>) -> Budget<'a> {
        let started = if limits.time.is_some() { (limits.clock)() } else { 0 };
        Budget { limits, started, rounds: AtomicU64::new(0) }
    }

    /// Counts a round.
    pub(crate) fn count(&self) {
        self.rounds.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn rounds(&self) -> u64 {
        self.rounds.load(Ordering::Relaxed)
    }

    /// Whether it is time to stop.
    pub(crate) fn is_over(&self) -> bool {
        self.is_past(1.0)
    }

    /// Whether a share of what is allowed is used up.
    pub(crate) fn is_past(&self, share: f64) -> bool {
        if self.is_cancelled() {
            return true;
        }
        let rounds = self.limits.rounds.is_some_and(|most| self.rounds() as f64 >= most as f64 * share);
        rounds || self.is_late(share)
    }

    /// Whether the time is up, whatever the rounds are; for loops within a round.
    pub(crate) fn is_late(&self, share: f64) -> bool {
        match self.limits.time {
            Some(time) => (self.limits.clock)().saturating_sub(self.started) as f64 >= time as f64 * share,
            None => false,
        }
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.limits.cancel.load(Ordering::Relaxed)
    }

    pub(crate) fn backend(&self) -> Backend {
        self.limits.backend
    }

    /// Seconds that are left; none if there is no time limit.
    pub(crate) fn seconds_left(&self) -> Option<f64> {
        let time = self.limits.time?;
        let spent = (self.limits.clock)().saturating_sub(self.started);
        Some(time.saturating_sub(spent) as f64 / 1e9)
    }

    /// Whether an objective is as close to its bound as was asked for.
    pub(crate) fn is_close(&self, objective: f64, bound: f64) -> bool {
        objective - bound <= self.limits.gap * objective.abs() + 1e-9
    }

    pub(crate) fn report(&self, objective: f64, bound: f64) {
        (self.limits.progress)(objective, bound);
    }
}
