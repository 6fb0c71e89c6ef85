//! The link to the host partition: opening it, what comes in, what goes out, and coming back after it broke.

mod session;

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use futures::future::BoxFuture;
use meridian_proto::v1::{AgentMessage, LinkMessage};
use meridian_proto::{ConnectError, Duplex};
use tokio::sync::mpsc;

use crate::outbox::Outbox;

pub(super) type Opened = Result<Duplex<AgentMessage, LinkMessage>, ConnectError>;

/// The longest wait before any attempt.
pub(super) const MOST_WAIT: Duration = Duration::from_secs(30);

/// A partition that lets an agent wait for longer than this, for a stream or to be taken in, is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// So many heartbeats without an answer are a broken link.
const MOST_UNANSWERED: u64 = 3;

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
