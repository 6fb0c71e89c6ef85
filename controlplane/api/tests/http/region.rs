//! A server on stores of its own.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use meridian_api::{Registry, RegistryLimits, RegistryOptions, ServeError, ServeLimits, ServeOptions, serve};
use meridian_environment::{Clock, Ids, MonotonicClock};
use meridian_store::{EmbeddedOptions, Store};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::client::{self, Answer, Lines};

/// A server that runs.
pub(crate) struct Region {
    pub(crate) address: SocketAddr,
    pub(crate) shutdown: CancellationToken,
    pub(crate) serving: JoinHandle<Result<(), ServeError>>,
    _files: TempDir,
}

/// A registry on stores in a directory of its own.
async fn registry(limits: RegistryLimits) -> (Registry, TempDir) {
    let files = TempDir::new().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(MonotonicClock::new());
    let open = async |name: &str| {
        // Small files, since many regions start at a time.
        let options =
            EmbeddedOptions { segment_bytes: 1 << 20, ..EmbeddedOptions::new(files.path().join(name)) };
        Store::open_embedded(options, Arc::clone(&clock)).await.unwrap()
    };
    let options = RegistryOptions {
        tenants: open("tenants").await,
        hosts: open("hosts").await,
        clock: Arc::clone(&clock),
        ids: Arc::new(Ids::seeded(1)),
        limits,
    };
    (Registry::open(options).await.unwrap(), files)
}

impl Region {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// A region whose server is given something else.
    pub(crate) async fn start_with(change: impl FnOnce(&mut ServeOptions)) -> Self {
        Self::start_on(RegistryLimits::default(), change).await
    }

    /// A region that keeps less, or more.
    pub(crate) async fn start_on(limits: RegistryLimits, change: impl FnOnce(&mut ServeOptions)) -> Self {
        let (registry, files) = registry(limits).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let mut options = ServeOptions {
            registry,
            listener,
            tls: None,
            grpc: None,
            metrics: prometheus::Registry::new(),
            readiness: Vec::new(),
            explainer: None,
            limits: ServeLimits::default(),
            shutdown: shutdown.clone(),
        };
        change(&mut options);
        let serving = tokio::spawn(serve(options));
        Self { address, shutdown, serving, _files: files }
    }

    /// A request with headers and a body.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        client::whole(client::open(self.address, request(method, path, headers, body)).await).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    pub(crate) async fn get_as(&self, path: &str, accept: &str) -> Answer {
        self.send("GET", path, &[("accept", accept)], "").await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[], "").await
    }

    /// A request with an object.
    pub(crate) async fn post(&self, path: &str, object: &Value) -> Answer {
        self.send("POST", path, &[("content-type", "application/json")], object.to_string()).await
    }

    pub(crate) async fn put(&self, path: &str, object: &Value) -> Answer {
        self.send("PUT", path, &[("content-type", "application/json")], object.to_string()).await
    }

    pub(crate) async fn patch(&self, path: &str, kind: &str, patch: &Value) -> Answer {
        let content_type = format!("application/{kind}+json");
        self.send("PATCH", path, &[("content-type", &content_type)], patch.to_string()).await
    }

    /// A watch.
    pub(crate) async fn watch(&self, path: &str, accept: &str) -> Lines {
        let response = client::open(self.address, request("GET", path, &[("accept", accept)], "")).await;
        assert_eq!(response.status(), 200, "{path}");
        Lines::new(response)
    }

    /// An object that must be created.
    pub(crate) async fn create(&self, path: &str, object: &Value) -> Value {
        let answer = self.post(path, object).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()
    }
}

/// A request as it is sent.
pub(crate) fn request(
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Request<Full<Bytes>> {
    let mut request = Request::builder().method(method).uri(path).header("host", "127.0.0.1");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::new(body.into())).unwrap()
}

/// Where the pods of the namespace `default` are.
pub(crate) const PODS: &str = "/api/v1/namespaces/default/pods";

/// Where the config maps of the namespace `default` are.
pub(crate) const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";

/// A small pod.
pub(crate) fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": name, "labels": { "app": name } },
        "spec": { "containers": [{ "name": "main", "image": "registry.example/main:1" }] },
    })
}

/// A small config map.
pub(crate) fn config_map(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": { "key": "value" } })
}
