//! What an agent waits for.

use std::time::Duration;

use meridian_environment::Clock;
use meridian_proto::v1::LinkMessage;

use super::Agent;
use super::link::{Link, Opened};

/// What an agent was woken by.
pub(super) enum Woken {
    Shutdown,
    Condition,
    Opened(Opened),
    Message(Option<LinkMessage>),
    /// Something can be sent.
    Room,
    /// Nothing can be sent any more.
    LinkGone,
    Due,
}

impl Agent {
    /// Waits for whatever comes first.
    pub(super) async fn wait(&mut self, now: Duration) -> Woken {
        let wake = self.wake();
        if wake.is_some_and(|at| at <= now) {
            // One turn for everybody else first.
            tokio::task::yield_now().await;
        }
        let has_output = self.link.has_output(&self.outbox);
        let clock: &dyn Clock = &*self.options.clock;
        let due = async {
            match wake {
                Some(at) => clock.wait_until(at).await,
                None => std::future::pending().await,
            }
        };
        let (opening, receiver, sender) = match &mut self.link {
            Link::Offline { .. } => (None, None, None),
            Link::Connecting { opening, .. } => (Some(opening), None, None),
            Link::Up(up) => (None, Some(&mut up.receiver), has_output.then_some(&up.sender)),
        };
        let opened = async {
            match opening {
                Some(opening) => opening.await,
                None => std::future::pending().await,
            }
        };
        let received = async {
            match receiver {
                Some(receiver) => receiver.recv().await,
                None => std::future::pending().await,
            }
        };
        // Nobody else sends on this link, so room that was there stays.
        let room = async {
            match sender {
                Some(sender) => sender.reserve().await.is_ok(),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            _ = self.options.shutdown.wait_for(|shutdown| *shutdown) => Woken::Shutdown,
            Ok(()) = self.options.condition.changed() => Woken::Condition,
            // Before what comes in: however much that is, what follows from it is told.
            room = room => if room { Woken::Room } else { Woken::LinkGone },
            message = received => Woken::Message(message),
            opened = opened => Woken::Opened(opened),
            () = due => Woken::Due,
        }
    }

    /// When something is due.
    fn wake(&self) -> Option<Duration> {
        let runtime = self.runtime.next().filter(|_| self.crashed_at.is_none()).map(|at| self.reached(at));
        let link = self.link.next(self.may_link());
        let outbox = self.outbox.next().filter(|_| self.link.is_registered());
        [runtime, link, outbox].into_iter().flatten().min()
    }
}
