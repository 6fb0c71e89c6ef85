//! What streams open and end with: which version is spoken, who speaks, and why a peer is not spoken with.

use std::time::Duration;

use crate::v1::{self, Goodbye, Hello};

/// The one version of the protocol so far.
const VERSION: u32 = 1;

/// Features that are known here; none yet.
const FEATURES: [&str; 0] = [];

/// The longest name that anybody may have, in bytes, as for any DNS name.
pub const MAX_NAME: usize = 253;

/// How long a peer may take to open a stream and to say hello.
pub const HELLO_TIMEOUT: Duration = Duration::from_secs(10);

/// So many features, and characters of what a peer says, go into a reason: what comes from outside has any length.
const MAX_NAMED: usize = 8;
const MAX_SHOWN: usize = 64;

/// Whether somebody may be called so.
#[must_use]
pub fn is_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len())
}

impl Hello {
    /// What this side says first, where it has followed nobody yet.
    #[must_use]
    pub fn new(cell: &str, name: &str, epoch: u64) -> Self {
        Self {
            lowest_version: VERSION,
            highest_version: VERSION,
            features: FEATURES.map(str::to_owned).to_vec(),
            required_features: Vec::new(),
            cell: cell.to_owned(),
            name: name.to_owned(),
            epoch,
            positions: Vec::new(),
        }
    }

    /// Whether a member of `cell` can work with a peer that opens so.
    ///
    /// # Errors
    ///
    /// What to tell the peer: what does not fit, and what would.
    pub fn check(&self, cell: &str) -> Result<(), Goodbye> {
        if !is_name(&self.name) {
            return Err(Goodbye::refusal(format!(
                "the name in the Hello has {} bytes, want 1 to {MAX_NAME}",
                self.name.len()
            )));
        }
        let name = shown(&self.name);
        let (lowest, highest) = (self.lowest_version, self.highest_version);
        if lowest > VERSION || highest < VERSION {
            return Err(Goodbye::refusal(format!(
                "{name} speaks versions {lowest} to {highest}, want {VERSION} among them: run builds that share a version"
            )));
        }
        let mut unknown =
            self.required_features.iter().filter(|feature| !FEATURES.contains(&feature.as_str())).peekable();
        if unknown.peek().is_some() {
            let mut named: Vec<String> =
                unknown.by_ref().take(MAX_NAMED).map(|feature| shown(feature)).collect();
            let more = unknown.count();
            if more > 0 {
                named.push(format!("and {more} more"));
            }
            return Err(Goodbye::refusal(format!(
                "{name} requires features that are not known here, want none of them or a newer build here: {}",
                named.join(", ")
            )));
        }
        if self.cell != cell {
            return Err(Goodbye::refusal(format!(
                "{name} belongs to cell {}, want {cell:?}, the cell here",
                shown(&self.cell)
            )));
        }
        Ok(())
    }
}

/// A peer's text, for a reason.
fn shown(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}...", text.get(..end).unwrap_or_default()),
    }
}

impl Goodbye {
    /// To one for whom coming back unchanged is in vain.
    #[must_use]
    pub fn refusal(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), is_final: true }
    }

    /// To one who may come back.
    #[must_use]
    pub fn later(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), is_final: false }
    }

    /// To one whose first message is another.
    #[must_use]
    pub fn no_hello() -> Self {
        Self::refusal("the first message of the stream is no Hello, want one")
    }

    /// To one who says hello again.
    #[must_use]
    pub fn second_hello() -> Self {
        Self::refusal("a second Hello came on the stream, want one")
    }
}

/// What a message of any service says of its stream.
#[derive(Debug)]
pub enum Said<M> {
    /// It opens the stream.
    Hello(Hello),
    /// It ends it.
    Goodbye(Goodbye),
    /// It is neither.
    Other(M),
}

/// A message of a stream that opens with a [`Hello`] and may end with a [`Goodbye`].
pub trait StreamMessage: Sized + Send + 'static {
    /// The message that carries a hello.
    fn hello(hello: Hello) -> Self;
    /// The message that carries a goodbye.
    fn goodbye(goodbye: Goodbye) -> Self;
    /// What this message says of the stream.
    fn said(self) -> Said<Self>;
}

macro_rules! stream_messages {
    ($($message:ident: $module:ident),*) => {$(
        impl StreamMessage for v1::$message {
            fn hello(hello: Hello) -> Self {
                Self { message: Some(v1::$module::Message::Hello(hello.into())) }
            }

            fn goodbye(goodbye: Goodbye) -> Self {
                Self { message: Some(v1::$module::Message::Goodbye(goodbye)) }
            }

            fn said(self) -> Said<Self> {
                match self.message {
                    Some(v1::$module::Message::Hello(hello)) => Said::Hello(*hello),
                    Some(v1::$module::Message::Goodbye(goodbye)) => Said::Goodbye(goodbye),
                    message => Said::Other(Self { message }),
                }
            }
        }
    )*};
}

stream_messages!(
    ReplicaMessage: replica_message,
    PartitionMessage: partition_message,
    HostFeedRequest: host_feed_request,
    HostFeedResponse: host_feed_response,
    TenantPartitionMessage: tenant_partition_message,
    HostPartitionMessage: host_partition_message,
    AgentMessage: agent_message,
    LinkMessage: link_message
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_named_with_what_would() {
        let good = Hello::new("north", "hosts-1", 3);
        assert_eq!(good.check("north"), Ok(()));
        let newer = Hello { highest_version: 9, features: vec!["new".into()], ..good.clone() };
        assert_eq!(newer.check("north"), Ok(()), "more than is known here does no harm");
        let features: Vec<String> = ["gangs", "moves"].map(str::to_owned).to_vec();
        for (bad, want) in [
            (
                Hello { lowest_version: 2, highest_version: 3, ..good.clone() },
                "versions 2 to 3, want 1 among",
            ),
            (Hello { highest_version: 0, ..good.clone() }, "versions 1 to 0, want 1 among"),
            (Hello { lowest_version: 2, ..good.clone() }, "versions 2 to 1, want 1 among"),
            (Hello { required_features: features, ..good.clone() }, "here: \"gangs\", \"moves\""),
            (Hello { cell: "south".into(), ..good.clone() }, "to cell \"south\", want \"north\""),
            (Hello { name: String::new(), ..good.clone() }, "0 bytes, want 1 to 253"),
            (Hello { name: "x".repeat(254), ..good }, "254 bytes, want 1 to 253"),
        ] {
            let goodbye = bad.check("north").expect_err(want);
            assert!(goodbye.is_final && goodbye.reason.contains(want), "{}", goodbye.reason);
            assert!(!is_name(&bad.name) || goodbye.reason.contains("\"hosts-1\""), "{}", goodbye.reason);
        }
    }

    #[test]
    fn however_much_a_peer_says_the_reason_stays_short() {
        let long = "ä\n".repeat(10_000);
        let good = Hello::new("north", "hosts-1", 3);
        let many = Hello { required_features: vec![long.clone(); 1000], ..good.clone() };
        let reason = many.check("north").unwrap_err().reason;
        assert!(reason.len() < 2000 && reason.ends_with("and 992 more"), "{reason}");
        let reason = Hello { cell: long, ..good }.check("north").unwrap_err().reason;
        assert!(reason.len() < 400 && !reason.contains('\n'), "{reason}");
    }

    #[test]
    fn messages_say_what_they_are() {
        fn round<M: StreamMessage>() {
            let hello = Hello::new("c", "n", 1);
            assert!(matches!(M::hello(hello.clone()).said(), Said::Hello(said) if said == hello));
            assert!(matches!(M::goodbye(Goodbye::no_hello()).said(), Said::Goodbye(said) if said.is_final));
        }
        round::<v1::ReplicaMessage>();
        round::<v1::PartitionMessage>();
        round::<v1::HostFeedRequest>();
        round::<v1::HostFeedResponse>();
        round::<v1::TenantPartitionMessage>();
        round::<v1::HostPartitionMessage>();
        round::<v1::AgentMessage>();
        round::<v1::LinkMessage>();
        assert!(matches!(v1::LinkMessage { message: None }.said(), Said::Other(_)));
    }
}
