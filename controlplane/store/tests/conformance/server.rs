//! A real etcd, for the tests alone.

use std::process::Stdio;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::backend::Backend;

/// An etcd of the test's own, ended when dropped.
pub(crate) struct EtcdServer {
    endpoint: String,
    _process: Child,
    _dir: TempDir,
}

impl EtcdServer {
    /// None, with a message, where there is no etcd and none is asked for.
    pub(crate) async fn start() -> Option<Self> {
        // Between finding a port free and etcd taking it, somebody else may.
        for _ in 0..5 {
            match Self::try_start().await {
                Ok(Some(server)) => return Some(server),
                Ok(None) => {}
                Err(error) => {
                    let asked = std::env::var("CI").is_ok_and(|ci| ci == "true");
                    assert!(!asked, "etcd cannot be started ({error}): install the package etcd-server");
                    println!("skipped: etcd cannot be started ({error}); install the package etcd-server");
                    return None;
                }
            }
        }
        panic!("etcd did not get ready in five tries");
    }

    async fn try_start() -> std::io::Result<Option<Self>> {
        let dir = TempDir::new()?;
        let url = || {
            let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
            std::io::Result::Ok(format!("http://127.0.0.1:{port}"))
        };
        let (client, peer) = (url()?, url()?);
        let mut process = Command::new("etcd")
            .arg("--data-dir")
            .arg(dir.path().join("etcd"))
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("default={peer}"), "--max-txn-ops", "10000"])
            .args(["--max-request-bytes", "16777216"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let Some(stderr) = process.stderr.take() else { return Ok(None) };
        let mut lines = BufReader::new(stderr).lines();
        while let Some(line) = lines.next_line().await? {
            if line.contains("ready to serve client requests") {
                // Its pipe must not fill.
                tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                return Ok(Some(Self { endpoint: client, _process: process, _dir: dir }));
            }
        }
        Ok(None)
    }

    /// A partition of its own on it.
    pub(crate) fn backend(&self, name: &str) -> Backend {
        Backend::etcd(self.endpoint.clone(), format!("/{name}/"))
    }
}
