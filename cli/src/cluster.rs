//! Where a cluster's hosts and pods are read: from a dump, or from its API.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use kube::config::KubeConfigOptions;
use kube::{Client, Config};
use meridian_kubernetes::Dump;

/// How many objects a page of a list has.
const PAGE: u32 = 5_000;

/// A Kubernetes cluster to be looked at.
#[derive(Debug, Args)]
pub(crate) struct ClusterSource {
    /// What `kubectl get nodes,pods -A -o json` printed (JSON or YAML).
    #[arg(long, value_name = "FILE", conflicts_with_all = ["server", "kubeconfig"])]
    dump: Option<PathBuf>,
    /// The API server of a live cluster.
    #[arg(long, value_name = "URL", conflicts_with = "kubeconfig")]
    server: Option<String>,
    /// How to reach a live cluster [default: as kubectl does, and then the kubeconfig that `meridian up` wrote].
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
}

impl ClusterSource {
    /// The hosts and pods of the cluster.
    pub(crate) fn read(&self) -> anyhow::Result<Dump> {
        if let Some(path) = &self.dump {
            let reading = || format!("reading {}", path.display());
            let file = File::open(path).with_context(reading)?;
            return Dump::from_reader(file).with_context(reading);
        }
        let mut dump = Dump::default();
        crate::serve::block_on(async {
            let client = self.client().await?;
            for resource in ["nodes", "pods"] {
                list(&client, resource, &mut dump).await?;
            }
            Ok(())
        })?;
        Ok(dump)
    }

    /// A client of the cluster, where it is a live one.
    pub(crate) async fn client(&self) -> anyhow::Result<Client> {
        Client::try_from(self.config().await?).context("using the kubeconfig")
    }

    async fn config(&self) -> anyhow::Result<Config> {
        let Some(server) = &self.server else { return find_config(self.kubeconfig.as_deref()).await };
        let url: http::Uri = server.parse().with_context(|| format!("--server {server:?} is no URL"))?;
        if url.scheme().is_none() || url.authority().is_none() {
            bail!("--server {server:?} is no URL, want one such as http://127.0.0.1:6443");
        }
        Ok(Config::new(url))
    }
}

async fn list(client: &Client, resource: &str, dump: &mut Dump) -> anyhow::Result<()> {
    let mut more = String::new();
    loop {
        let path = format!("/api/v1/{resource}?limit={PAGE}{more}");
        let request = http::Request::get(path).body(Vec::new()).context("making the request")?;
        let listing = || format!("listing {resource}: is the cluster running?");
        let text = client.request_text(request).await.with_context(listing)?;
        let page = Dump::from_text(&text).with_context(|| format!("reading the list of {resource}"))?;
        dump.hosts.extend(page.hosts);
        dump.pods.extend(page.pods);
        let list: serde_json::Value =
            serde_json::from_str(&text).with_context(|| format!("reading the list of {resource}"))?;
        match list["metadata"]["continue"].as_str() {
            Some(token) if !token.is_empty() => more = format!("&continue={}", escaped(token)),
            _ => return Ok(()),
        }
    }
}

/// Text as a part of a query (RFC 3986).
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// How a cluster is reached: by the kubeconfig that is named, as kubectl does, or by the one that `meridian up` wrote.
pub(crate) async fn find_config(path: Option<&Path>) -> anyhow::Result<Config> {
    let written = match path {
        Some(path) => Some(path.to_owned()),
        None if std::env::var_os("KUBECONFIG").is_some() => None,
        None => Some(crate::serve::default_data_dir()?.join("kubeconfig")).filter(|path| path.exists()),
    };
    match written {
        Some(path) => crate::serve::client_config(&path, None).await,
        None => Config::from_kubeconfig(&KubeConfigOptions::default()).await.context(
            "finding a kubeconfig: name one with --kubeconfig, or start a region with `meridian up`",
        ),
    }
}
