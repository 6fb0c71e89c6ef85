//! The way out to a peer: what it does not take at once waits here, within bounds.

use std::collections::VecDeque;

use tokio::sync::mpsc;

use crate::input::{Input, SessionId};

/// Messages that may wait for a slow peer. One that falls further behind is disconnected, and on its return told anew.
const MOST_WAITING: usize = 4096;

/// The peer is gone, or has fallen too far behind.
#[derive(Debug)]
pub(crate) struct Broken;

/// The sending end of a session.
#[derive(Debug)]
pub(crate) struct Outlet<T> {
    session: SessionId,
    sender: mpsc::Sender<T>,
    inputs: mpsc::Sender<Input>,
    waiting: VecDeque<T>,
}

impl<T: Send + 'static> Outlet<T> {
    pub(crate) fn new(session: SessionId, sender: mpsc::Sender<T>, inputs: mpsc::Sender<Input>) -> Self {
        Self { session, sender, inputs, waiting: VecDeque::new() }
    }

    /// Whether all that was sent is on its way.
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Sends a message, or has it wait until there is room.
    pub(crate) fn send(&mut self, message: T) -> Result<(), Broken> {
        if !self.waiting.is_empty() {
            if self.waiting.len() >= MOST_WAITING {
                return Err(Broken);
            }
            self.waiting.push_back(message);
            return Ok(());
        }
        match self.sender.try_send(message) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Full(message)) => {
                self.waiting.push_back(message);
                self.await_room();
                Ok(())
            }
            Err(mpsc::error::TrySendError::Closed(_)) => Err(Broken),
        }
    }

    /// There is room again: sends what waits.
    pub(crate) fn resume(&mut self) -> Result<(), Broken> {
        while let Some(message) = self.waiting.pop_front() {
            match self.sender.try_send(message) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(message)) => {
                    self.waiting.push_front(message);
                    self.await_room();
                    return Ok(());
                }
                Err(mpsc::error::TrySendError::Closed(_)) => return Err(Broken),
            }
        }
        Ok(())
    }

    fn await_room(&self) {
        let (session, sender, inputs) = (self.session, self.sender.clone(), self.inputs.clone());
        tokio::spawn(async move {
            // Whether there is room or nobody reads any more: the next attempt tells.
            drop(sender.reserve().await);
            // Nobody is there to be told once the partition has ended.
            let _ = inputs.send(Input::Room(session)).await;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::Names;

    #[tokio::test]
    async fn a_slow_peer_gets_everything_in_order_and_one_too_slow_is_given_up() {
        let (inputs, mut told) = mpsc::channel(8);
        let (sender, mut peer) = mpsc::channel(1);
        let session = Names::default().next();
        let mut outlet = Outlet::new(session, sender, inputs);
        for number in 0..=MOST_WAITING {
            assert!(outlet.send(number).is_ok());
        }
        assert!(!outlet.is_idle());
        assert!(outlet.send(usize::MAX).is_err(), "no more than that waits");
        for number in 0..=MOST_WAITING {
            assert_eq!(peer.recv().await, Some(number));
            if number < MOST_WAITING {
                assert!(matches!(told.recv().await, Some(Input::Room(of)) if of == session));
                assert!(outlet.resume().is_ok());
            }
        }
        assert!(outlet.is_idle());
        drop(peer);
        assert!(outlet.send(0).is_err());
    }
}
