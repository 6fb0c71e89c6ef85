//! The vocabulary that Meridian's parts share: the messages between them, and the streams that carry these.
//!
//! A service takes streams from a [`Listener`], and others open them through a [`Connector`]; [`local`] makes both. Put
//! behind gRPC with the `*_service` functions, and reached with `Connector::*_at`, the same service takes streams from
//! other processes. Whoever holds an end, a [`Duplex`], cannot tell.
//!
//! Every stream opens with a `Hello` of each side, which the other checks: [`open`] does so for the side that connects. A
//! stream that broke is opened again after a [`Backoff`].

mod backoff;
mod greeting;
mod open;
mod transport;

/// The messages, as generated from the `.proto` files, which document them.
#[allow(missing_docs, clippy::all, clippy::pedantic, unreachable_pub)]
pub mod v1 {
    tonic::include_proto!("meridian.v1");
}

pub use self::backoff::Backoff;
pub use self::greeting::{HELLO_TIMEOUT, MAX_NAME, Said, StreamMessage, is_name};
pub use self::open::{OpenError, open};
pub use self::transport::{
    ConnectError, Connector, Duplex, Listener, host_feed_service, ledger_service, link_service, local,
    scheduling_service,
};
