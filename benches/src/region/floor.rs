//! The least that creating an object can cost here: HTTP, and a durable append with group commit; no API work.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use meridian_environment::MonotonicClock;
use meridian_store::{EmbeddedOptions, Key, Op, Store, Tenant, Txn};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::load::failed;
use crate::parameters::BenchError;

/// A server that stores each body under a number, and answers with it.
pub(super) struct Floor {
    pub(super) address: SocketAddr,
    store: Store,
    server: JoinHandle<std::io::Result<()>>,
}

#[derive(Clone)]
struct Shared {
    store: Store,
    next: Arc<AtomicU64>,
}

impl Floor {
    pub(super) async fn start(dir: &Path) -> Result<Self, BenchError> {
        let options = EmbeddedOptions::new(dir);
        let store = Store::open_embedded(options, Arc::new(MonotonicClock::new())).await.map_err(failed)?;
        let shared = Shared { store: store.clone(), next: Arc::new(AtomicU64::new(0)) };
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let router = Router::new().route("/", post(store_body)).with_state(shared);
        let server = tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { address, store, server })
    }

    pub(super) async fn end(self) {
        self.server.abort();
        let _ = self.server.await;
        self.store.close().await;
    }
}

async fn store_body(State(shared): State<Shared>, body: Bytes) -> (StatusCode, Bytes) {
    let tenant = Tenant::system();
    let number = shared.next.fetch_add(1, Ordering::Relaxed);
    let key = Key::new(&tenant, format!("/{number:012}"));
    match shared.store.txn(Txn::new(&tenant).then(Op::put(&key, body.clone()))).await {
        Ok(_) => (StatusCode::CREATED, body),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string().into()),
    }
}
