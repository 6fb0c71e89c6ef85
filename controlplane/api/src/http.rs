//! Kubernetes' HTTP API upon the registry, for unmodified clients: HTTP/1.1 and HTTP/2 on one port, with gRPC beside it.
//!
//! A request passes through here in these steps: `connection` speaks HTTP, `answer` counts the request and keeps a panic
//! to itself, `route` reads the path by the schema table (there is no handler per kind), `context` says on whose behalf it
//! is, `body` takes in so much and waits so long, `input` decodes, `objects` calls the verb of the registry, and `reply`,
//! `listing` and `watching` write the answer in the form that `negotiate` found. Objects go out as the bytes that are
//! stored; only tables and metadata decode them.

mod across;
mod answer;
mod body;
mod connection;
mod context;
mod discovery;
mod document;
mod explain;
mod health;
mod input;
mod kubeconfig;
mod listing;
mod media;
mod metrics;
mod negotiate;
mod objects;
mod openapi;
mod options;
mod percent;
mod query;
mod refuse;
mod reply;
mod route;
mod server;
mod stall;
mod table;
mod tls;
mod version;
mod watching;
mod yaml;

pub use self::explain::ExplainRequest;
pub use self::health::ReadinessCheck;
pub use self::kubeconfig::kubeconfig;
pub use self::server::{ServeError, ServeLimits, ServeOptions, serve};
pub use self::tls::{TlsError, tls};
