//! The sending half of a stream, so that the partition never waits for a peer.
//!
//! A task of its own passes messages on and reports each one that the peer's stream has taken. The partition sends only
//! while few are under way, and keeps what waits as state of its own: it can be made small again, or dropped.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

/// Messages under way between the partition and a stream.
const WINDOW: usize = 16;

/// A peer whose stream takes nothing for this long is not there for anybody.
pub(crate) const STALL: Duration = Duration::from_secs(30);

/// Where messages to one peer go. Dropping it ends the stream.
#[derive(Debug)]
pub(crate) struct Outlet<M> {
    sender: mpsc::Sender<M>,
    under_way: usize,
    /// When the last message was taken, or the first was sent after all had been.
    moved: Duration,
    _close: oneshot::Sender<()>,
}

/// The other half of an [`Outlet`], for the task that passes messages on.
#[derive(Debug)]
pub(crate) struct Inlet<M> {
    receiver: mpsc::Receiver<M>,
}

/// Resolves when the [`Outlet`] is dropped.
pub(crate) type Closed = oneshot::Receiver<()>;

/// The ends of a stream's sending half.
pub(crate) fn outlet<M>() -> (Outlet<M>, Inlet<M>, Closed) {
    let (sender, receiver) = mpsc::channel(WINDOW);
    let (close, closed) = oneshot::channel();
    (Outlet { sender, under_way: 0, moved: Duration::ZERO, _close: close }, Inlet { receiver }, closed)
}

impl<M> Outlet<M> {
    /// Whether [`send`](Self::send) may be called.
    pub(crate) fn has_room(&self) -> bool {
        self.under_way < WINDOW
    }

    /// Sends a message, where there is room. A stream that has ended takes it and reports its end elsewhere.
    pub(crate) fn send(&mut self, message: M, now: Duration) {
        if self.under_way == 0 {
            self.moved = now;
        }
        if self.sender.try_send(message).is_ok() {
            self.under_way += 1;
        }
    }

    /// The peer's stream has taken a message.
    pub(crate) fn taken(&mut self, now: Duration) {
        self.under_way = self.under_way.saturating_sub(1);
        self.moved = now;
    }

    /// When the peer counts as stalled, unless it takes something before.
    pub(crate) fn stalls_at(&self) -> Option<Duration> {
        (self.under_way > 0).then(|| self.moved + STALL)
    }
}

impl<M: Send + 'static> Inlet<M> {
    /// Passes messages on until either side ends, and reports each as taken.
    pub(crate) async fn pass_on<R>(
        mut self,
        to: mpsc::Sender<M>,
        reports: mpsc::Sender<R>,
        taken: impl Fn() -> R,
    ) {
        while let Some(message) = self.receiver.recv().await {
            if to.send(message).await.is_err() {
                return;
            }
            // Nobody listens any more when the partition shuts down; what was sent before still goes out.
            let _ = reports.send(taken()).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slow_peer_fills_its_own_window_and_no_more() {
        let (mut outlet, inlet, closed) = outlet::<usize>();
        let (to, mut peer) = mpsc::channel(1);
        let (reports, mut taken) = mpsc::channel(64);
        let mut sent = 0;
        while outlet.has_room() {
            outlet.send(sent, Duration::from_secs(5));
            sent += 1;
        }
        assert_eq!(sent, WINDOW);
        assert_eq!(outlet.stalls_at(), Some(Duration::from_secs(5) + STALL));
        let passing = tokio::spawn(inlet.pass_on(to, reports, || ()));
        assert_eq!(taken.recv().await, Some(()));
        outlet.taken(Duration::from_secs(6));
        assert!(outlet.has_room());
        for expected in 0..sent {
            assert_eq!(peer.recv().await, Some(expected));
        }
        drop(outlet);
        passing.await.unwrap();
        assert!(closed.await.is_err());
        assert_eq!(peer.recv().await, None);
    }
}
