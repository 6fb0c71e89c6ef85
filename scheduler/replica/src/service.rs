//! The thread that owns the core: takes in what comes, decides a little, sends what there is, and again.

use std::sync::Arc;

use meridian_environment::Clock;
use meridian_proto::StreamMessage;
use meridian_proto::v1;
use tokio::sync::{Notify, mpsc, watch};

use crate::core::{Core, QueueSettings, Violation};
use crate::metrics::Metrics;

/// Decisions between two looks at what comes in.
const DECISIONS: usize = 64;

/// Messages taken in between two rounds of decisions.
const MESSAGES: usize = 64;

/// While there is always more to decide, answers are sent after so many rounds.
const ROUNDS: u32 = 4;

/// Answers that wait for a stream; a peer that lets them grow beyond is parted with.
const BACKLOG: usize = 1 << 18;

/// What sessions tell the service.
#[derive(Debug)]
pub(crate) enum Input {
    /// A tenant partition can be talked to.
    StreamOpened { stream: usize, out: mpsc::Sender<v1::ReplicaMessage> },
    /// A tenant partition says something.
    Stream { stream: usize, message: Box<v1::PartitionMessage> },
    /// A tenant partition's stream has ended.
    StreamClosed { stream: usize },
    /// A host partition can be followed.
    FeedOpened { feed: usize, name: String, is_resumed: bool, out: mpsc::Sender<v1::HostFeedRequest> },
    /// A host partition says something.
    Feed { feed: usize, changes: v1::HostChanges },
    /// A host partition's stream has ended.
    FeedClosed { feed: usize },
}

/// The core with its streams.
pub(crate) struct Service {
    pub(crate) core: Core,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Metrics,
    /// Settings of the queue as they change.
    pub(crate) settings: watch::Receiver<QueueSettings>,
    pub(crate) ready: watch::Sender<bool>,
    pub(crate) wake: Arc<Notify>,
    /// By number; `None`: not open, or parted with: what still comes from there is dropped.
    pub(crate) streams: Vec<Option<mpsc::Sender<v1::ReplicaMessage>>>,
    pub(crate) feeds: Vec<Option<mpsc::Sender<v1::HostFeedRequest>>>,
}

impl Service {
    /// Runs until all sessions have ended.
    pub(crate) async fn run(mut self, mut inputs: mpsc::Receiver<Input>) {
        let mut rounds = 0;
        loop {
            for _ in 0..MESSAGES {
                let Ok(input) = inputs.try_recv() else { break };
                self.take(input);
            }
            let now = self.clock.now();
            self.core.expire(now);
            let more = self.core.pump(DECISIONS, now);
            rounds += 1;
            if !more || rounds >= ROUNDS {
                rounds = 0;
                self.send();
                self.metrics.update(&mut self.core, now);
                let is_ready = self.core.is_in_sync();
                self.ready.send_if_modified(|ready| std::mem::replace(ready, is_ready) != is_ready);
            }
            if more {
                continue;
            }
            let clock = Arc::clone(&self.clock);
            let next = self.core.next_time();
            let due = async {
                match next {
                    Some(at) => clock.wait_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                input = inputs.recv() => match input {
                    Some(input) => self.take(input),
                    None => return,
                },
                Ok(()) = self.settings.changed() => {
                    let settings = self.settings.borrow_and_update().clone();
                    if let Err(error) = self.core.settle(settings) {
                        tracing::warn!(%error, "settings of the queue are not taken");
                    }
                }
                () = due => {}
                () = self.wake.notified() => {}
            }
        }
    }

    fn take(&mut self, input: Input) {
        let now = self.clock.now();
        match input {
            Input::StreamOpened { stream, out } => {
                self.core.open_stream(stream, now);
                if let Some(place) = self.streams.get_mut(stream) {
                    *place = Some(out);
                }
            }
            Input::Stream { stream, message } => {
                if self.streams.get(stream).is_some_and(Option::is_some)
                    && let Err(violation) = self.core.stream_message(stream, *message, now)
                {
                    self.part_with_stream(stream, &violation.to_string());
                }
            }
            Input::StreamClosed { stream } => {
                self.core.close_stream(stream, now);
                drop(self.streams.get_mut(stream).and_then(Option::take));
            }
            Input::FeedOpened { feed, name, is_resumed, out } => {
                if let Some(place) = self.feeds.get_mut(feed) {
                    *place = Some(out);
                }
                if let Err(violation) = self.core.open_feed(feed, &name, is_resumed) {
                    self.part_with_feed(feed, &violation);
                }
            }
            Input::Feed { feed, changes } => {
                if self.feeds.get(feed).is_some_and(Option::is_some)
                    && let Err(violation) = self.core.feed_message(feed, changes)
                {
                    self.part_with_feed(feed, &violation);
                }
            }
            Input::FeedClosed { feed } => {
                self.core.close_feed(feed);
                drop(self.feeds.get_mut(feed).and_then(Option::take));
            }
        }
    }

    fn part_with_stream(&mut self, stream: usize, reason: &str) {
        tracing::warn!(stream, reason, "a tenant partition is parted with");
        self.core.close_stream(stream, self.clock.now());
        if let Some(out) = self.streams.get_mut(stream).and_then(Option::take) {
            // Where there is no room for it the stream ends without.
            let _ = out.try_send(StreamMessage::goodbye(v1::Goodbye::later(reason)));
        }
    }

    fn part_with_feed(&mut self, feed: usize, violation: &Violation) {
        tracing::warn!(feed, %violation, "a host partition is parted with");
        self.core.close_feed(feed);
        if let Some(out) = self.feeds.get_mut(feed).and_then(Option::take) {
            let _ = out.try_send(StreamMessage::goodbye(v1::Goodbye::later(violation.to_string())));
        }
    }

    /// Sends what there is to streams that have room for it.
    fn send(&mut self) {
        for stream in 0..self.streams.len() {
            let Some(out) = self.streams.get(stream).and_then(Option::as_ref) else { continue };
            let Some(outbox) = self.core.outbox(stream) else { continue };
            while outbox.len() > 0
                && let Ok(permit) = out.try_reserve()
            {
                if let Some(message) = outbox.next() {
                    permit.send(message);
                }
            }
            if outbox.len() > BACKLOG {
                self.part_with_stream(
                    stream,
                    "decisions are not taken in, want them read while pods are sent",
                );
            }
        }
    }
}
