//! The vocabulary that Meridian's parts share: the messages between them, and the streams that carry these.
//!
//! A service takes streams from a [`Listener`], and others open them through a [`Connector`]; [`local`] makes both. Put
//! behind gRPC with the `*_service` functions, and reached with `Connector::*_at`, the same service takes streams from
//! other processes. Whoever holds an end, a [`Duplex`], cannot tell.

mod transport;

/// The messages, as generated from the `.proto` files, which document them.
#[allow(missing_docs, clippy::all, clippy::pedantic, unreachable_pub)]
pub mod v1 {
    tonic::include_proto!("meridian.v1");
}

pub use self::transport::{
    ConnectError, Connector, Duplex, Listener, host_feed_service, ledger_service, link_service, local,
    scheduling_service,
};
