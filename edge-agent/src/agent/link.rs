//! The link to the host partition: opening it, what comes in, what goes out, and coming back after it broke.

mod session;

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use futures::future::BoxFuture;
use meridian_proto::v1::{AgentMessage, LinkMessage};
use meridian_proto::{ConnectError, Duplex};
use tokio::sync::mpsc;

use crate::chance::{below, mix};
use crate::outbox::Outbox;

pub(super) type Opened = Result<Duplex<AgentMessage, LinkMessage>, ConnectError>;

/// The longest wait before the first attempt after a break, doubled with each that fails.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// The longest wait before any attempt.
const MOST_WAIT: Duration = Duration::from_secs(30);

/// A partition that lets an agent wait for longer than this, for a stream or to be taken in, is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// So many heartbeats without an answer are a broken link.
const MOST_UNANSWERED: u64 = 3;

/// Waits between attempts: random between nothing and a bound that doubles, so that those who lost a partition at once do
/// not come back at once.
#[derive(Debug)]
pub(super) struct Backoff {
    seed: u64,
    failures: u32,
    draws: u64,
}

impl Backoff {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, failures: 0, draws: 0 }
    }

    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Coming back soon is in vain.
    pub(super) fn give_up_for_now(&mut self) {
        self.failures = 16;
    }

    pub(super) fn next(&mut self) -> Duration {
        let bound = FIRST_WAIT.saturating_mul(1 << self.failures.min(16)).min(MOST_WAIT);
        self.failures = self.failures.saturating_add(1);
        Duration::from_nanos(below(self.draw(), bound.as_nanos() as u64))
    }

    /// A part of a span of time.
    pub(super) fn part_of(&mut self, span: Duration) -> Duration {
        Duration::from_nanos(below(self.draw(), u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)))
    }

    fn draw(&mut self) -> u64 {
        self.draws += 1;
        mix(self.seed, self.draws)
    }
}

/// The link as it stands.
pub(super) enum Link {
    /// There is none. None is wanted where there is no time to try.
    Offline {
        retry: Option<Duration>,
    },
    Connecting {
        opening: BoxFuture<'static, Opened>,
        until: Duration,
    },
    Up(Box<Up>),
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offline { retry } => f.debug_struct("Offline").field("retry", retry).finish(),
            Self::Connecting { until, .. } => f.debug_struct("Connecting").field("until", until).finish(),
            Self::Up(up) => f.debug_tuple("Up").field(up).finish(),
        }
    }
}

/// How far the two have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The partition's Hello is awaited.
    Greeting,
    /// Its Registered is.
    Registering,
    Registered,
}

/// A link that stands.
#[derive(Debug)]
pub(super) struct Up {
    pub(super) sender: mpsc::Sender<AgentMessage>,
    pub(super) receiver: mpsc::Receiver<LinkMessage>,
    stage: Stage,
    /// Until when the stage must have been left.
    until: Duration,
    /// What opens the conversation, in order.
    opening: VecDeque<AgentMessage>,
    /// The highest number to acknowledge.
    acknowledge: Option<u64>,
    wants_inventory: bool,
    heartbeat: Heartbeat,
}

#[derive(Debug, Default)]
struct Heartbeat {
    interval: Duration,
    next: Duration,
    is_due: bool,
    sent: u64,
    answered: u64,
}

impl Link {
    /// No link, and one to be made at `retry`.
    pub(super) fn offline(retry: Duration) -> Self {
        Self::Offline { retry: Some(retry) }
    }

    /// Whether no attempt is under way or planned.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self, Self::Offline { retry: None })
    }

    pub(super) fn is_registered(&self) -> bool {
        matches!(self, Self::Up(up) if up.stage == Stage::Registered)
    }

    pub(super) fn acknowledge(&mut self, number: u64) {
        if let Self::Up(up) = self {
            up.acknowledge = up.acknowledge.max(Some(number));
        }
    }

    pub(super) fn wants_inventory(&mut self) {
        if let Self::Up(up) = self {
            up.wants_inventory = true;
        }
    }

    /// Whether there is something to send.
    pub(super) fn has_output(&self, outbox: &Outbox) -> bool {
        let Self::Up(up) = self else { return false };
        let has_news = up.acknowledge.is_some() || up.heartbeat.is_due || outbox.is_waiting();
        !up.opening.is_empty() || (up.stage == Stage::Registered && has_news)
    }

    /// When it is to be looked after.
    pub(super) fn next(&self, may_link: bool) -> Option<Duration> {
        match self {
            Self::Offline { retry } => retry.filter(|_| may_link),
            Self::Connecting { until, .. } => Some(*until),
            Self::Up(up) if up.stage == Stage::Registered => Some(up.heartbeat.next),
            Self::Up(up) => Some(up.until),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_random_below_a_bound_that_doubles_to_half_a_minute() {
        let mut most = [Duration::ZERO; 12];
        for seed in 0..500 {
            let mut backoff = Backoff::new(seed);
            for most in &mut most {
                *most = backoff.next().max(*most);
            }
        }
        for (attempt, most) in most.into_iter().enumerate() {
            let bound = FIRST_WAIT.saturating_mul(1 << attempt).min(MOST_WAIT);
            assert!(most <= bound && most > bound.mul_f64(0.95), "attempt {attempt}: {most:?} of {bound:?}");
        }
        let mut backoff = Backoff::new(1);
        backoff.give_up_for_now();
        (0..100).for_each(|_| assert!(backoff.next() <= MOST_WAIT));
        backoff.reset();
        assert!(backoff.next() <= FIRST_WAIT);
    }
}
