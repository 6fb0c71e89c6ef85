//! Opening a stream: both sides say hello, and part at once where they cannot work together.

use meridian_environment::Clock;

use crate::greeting::{HELLO_TIMEOUT, Said, StreamMessage};
use crate::v1::{Goodbye, Hello};
use crate::{ConnectError, Connector, Duplex};

/// Why a stream does not stand.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Nobody can be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The other side has hung up.
    #[error("the other side ended the stream before its Hello")]
    Ended,
    /// The other side says nothing.
    #[error("no Hello came within {} s", HELLO_TIMEOUT.as_secs())]
    Late,
    /// The other side does not want it.
    #[error("the other side refuses the stream: {}", .0.reason)]
    Refused(Goodbye),
    /// The other side's opening does not do, which it has been told.
    #[error("the other side's opening does not do: {}", .0.reason)]
    Unfit(Goodbye),
}

impl OpenError {
    /// Whether trying again as things are is in vain.
    #[must_use]
    pub fn is_final(&self) -> bool {
        match self {
            Self::Refused(goodbye) | Self::Unfit(goodbye) => goodbye.is_final,
            Self::Connect(_) | Self::Ended | Self::Late => false,
        }
    }
}

/// Opens a stream and exchanges hellos; the answer has the other side's, which fits. Where `peer` is given, it must be who
/// answers.
///
/// # Errors
///
/// [`OpenError`]. An other side that does not fit has been told why.
pub async fn open<Out: StreamMessage, In: StreamMessage>(
    connector: &Connector<Out, In>,
    ours: Hello,
    peer: Option<&str>,
    clock: &dyn Clock,
) -> Result<(Duplex<Out, In>, Hello), OpenError> {
    let late = clock.now() + HELLO_TIMEOUT;
    let opening = async {
        let cell = ours.cell.clone();
        let mut stream = connector.connect().await?;
        stream.sender.send(Out::hello(ours)).await.map_err(|_| OpenError::Ended)?;
        let unfit = match stream.receiver.recv().await.map(In::said) {
            None => return Err(OpenError::Ended),
            Some(Said::Goodbye(goodbye)) => return Err(OpenError::Refused(goodbye)),
            Some(Said::Other(_)) => Goodbye::no_hello(),
            Some(Said::Hello(theirs)) => match theirs.check(&cell).and_then(|()| expect(&theirs, peer)) {
                Ok(()) => return Ok((stream, theirs)),
                Err(unfit) => unfit,
            },
        };
        // One that takes nothing learns nothing.
        let _ = stream.sender.try_send(Out::goodbye(unfit.clone()));
        Err(OpenError::Unfit(unfit))
    };
    tokio::select! {
        opened = opening => opened,
        () = clock.wait_until(late) => Err(OpenError::Late),
    }
}

fn expect(theirs: &Hello, peer: Option<&str>) -> Result<(), Goodbye> {
    match peer {
        Some(peer) if peer != theirs.name => {
            Err(Goodbye::refusal(format!("at this address is {:?}, want {peer:?}", theirs.name)))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use meridian_environment::ManualClock;

    use super::*;
    use crate::v1::{HostPartitionMessage, TenantPartitionMessage};
    use crate::{Listener, local};

    type Out = TenantPartitionMessage;
    type In = HostPartitionMessage;

    /// Opens a stream to one that answers so, and what that one hears after the Hello.
    async fn opened(answer: Option<In>) -> (Result<Hello, OpenError>, Option<Out>) {
        let (connector, mut listener): (Connector<Out, In>, Listener<In, Out>) = local("ledger", 4);
        let clock = Arc::new(ManualClock::new());
        let other = async {
            let mut stream = listener.accept().await.unwrap();
            let hello = stream.receiver.recv().await.unwrap();
            assert!(matches!(hello.said(), Said::Hello(hello) if hello.name == "tenants-1"));
            match answer {
                Some(answer) => stream.sender.send(answer).await.unwrap(),
                None => clock.advance(HELLO_TIMEOUT),
            }
            stream.receiver.recv().await
        };
        let opening = async {
            let ours = Hello::new("north", "tenants-1", 1);
            open(&connector, ours, Some("hosts-1"), &*clock).await.map(|(_, theirs)| theirs)
        };
        tokio::join!(opening, other)
    }

    #[tokio::test]
    async fn a_stream_stands_when_both_have_said_hello() {
        let theirs = Hello::new("north", "hosts-1", 7);
        let (opened, heard) = opened(Some(In::hello(theirs.clone()))).await;
        assert_eq!((opened.unwrap(), heard), (theirs, None));
    }

    #[tokio::test]
    async fn who_does_not_fit_is_told_why() {
        for (answer, want) in [
            (In::hello(Hello::new("south", "hosts-1", 7)), "\"south\", want \"north\""),
            (
                In::hello(Hello::new("north", "hosts-9", 7)),
                "at this address is \"hosts-9\", want \"hosts-1\"",
            ),
            (In { message: None }, "no Hello"),
        ] {
            let (opened, heard) = opened(Some(answer)).await;
            let error = opened.unwrap_err();
            assert!(error.is_final() && error.to_string().contains(want), "{error}");
            let Some(Said::Goodbye(goodbye)) = heard.map(Out::said) else { panic!("want a Goodbye") };
            assert!(goodbye.is_final && goodbye.reason.contains(want), "{}", goodbye.reason);
        }
    }

    #[tokio::test]
    async fn who_does_not_answer_or_refuses_may_do_so_later() {
        let (silent, heard) = opened(None).await;
        assert!(matches!(silent, Err(OpenError::Late)) && heard.is_none());
        for is_final in [false, true] {
            let goodbye = Goodbye { reason: "not you".to_owned(), is_final };
            let (refused, _) = opened(Some(In::goodbye(goodbye))).await;
            let error = refused.unwrap_err();
            assert_eq!((error.is_final(), error.to_string().contains("not you")), (is_final, true));
        }
        let (connector, listener): (Connector<Out, In>, Listener<In, Out>) = local("ledger", 4);
        drop(listener);
        let gone = open(&connector, Hello::new("north", "tenants-1", 1), None, &ManualClock::new()).await;
        assert!(matches!(gone, Err(OpenError::Connect(_))));
    }
}
