//! `meridian explain pod`: why a pod of a running region waits, or why it runs where it runs.

use anyhow::{Context, bail};
use clap::Args;
use kube::Client;
use serde_json::Value;

use crate::output;

/// A pod of a running region.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The pod's name.
    #[arg(value_name = "NAME")]
    name: String,
    /// The pod's namespace.
    #[arg(short, long, default_value = "default")]
    namespace: String,
    /// The pod's tenant, for operators [default: the tenant that the kubeconfig is for].
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    /// How to reach the region [default: as kubectl does, and then the kubeconfig that `meridian up` wrote].
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<std::path::PathBuf>,
    /// Print the answer as one JSON object.
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        crate::serve::block_on(async {
            let answer = self.ask().await?;
            if self.json {
                return output::print(&answer.to_string());
            }
            output::print(&text(&answer))
        })
    }

    async fn ask(&self) -> anyhow::Result<Value> {
        let client = Client::try_from(crate::cluster::find_config(self.kubeconfig.as_deref()).await?)
            .context("using the kubeconfig")?;
        for part in [&self.name, &self.namespace].into_iter().chain(&self.tenant) {
            if part.is_empty() || !part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.') {
                bail!(
                    "{part:?} is no name of a pod, namespace or tenant: want lower case letters, digits, '-' and '.'"
                );
            }
        }
        let query = self.tenant.as_ref().map(|tenant| format!("?tenant={tenant}")).unwrap_or_default();
        let path = format!("/api/v1/namespaces/{}/pods/{}/explanation{query}", self.namespace, self.name);
        let request = http::Request::get(path).body(Vec::new()).context("making the request")?;
        match client.request::<Value>(request).await {
            Ok(answer) => Ok(answer),
            Err(kube::Error::Api(status)) => bail!("{}", status.message),
            Err(error) => Err(error).context("asking the server: is the region running?"),
        }
    }
}

/// The answer as people read it: where the pod stands, what the scheduler finds now, and what was told of it.
fn text(answer: &Value) -> String {
    let field = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let mut lines = vec![
        format!("pod {}", field(answer, "pod")),
        String::new(),
        format!("{}: {}", field(answer, "state"), field(answer, "reason")),
    ];
    let decision = &answer["decision"];
    let error = field(decision, "error");
    if error.is_empty() {
        lines.push(String::new());
        lines.extend(found(decision, &field(answer, "host")));
    } else {
        lines.push(format!("no explanation of the scheduler: {error}"));
    }
    let events = answer["events"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !events.is_empty() {
        lines.push(String::new());
        lines.push("events:".to_owned());
        lines.extend(events.iter().map(|event| {
            let times = event["count"].as_i64().filter(|count| *count > 1);
            let times = times.map(|count| format!(" (x{count})")).unwrap_or_default();
            format!(
                "  {} {}{times}: {}",
                field(event, "last"),
                field(event, "reason"),
                field(event, "message")
            )
        }));
    }
    lines.join("\n")
}

/// What the scheduler would do with the pod as things are now.
fn found(decision: &Value, bound: &str) -> Vec<String> {
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let unit = decision["unit"].as_i64().unwrap_or(1).max(1) as f64;
    let points = |score: &Value| format!("{:.2}", score.as_i64().unwrap_or(0) as f64 / unit);
    let mut lines = Vec::new();
    // How many hosts there are is told operators only.
    if !decision["hosts"].is_null() {
        lines.push(format!(
            "now {} of {} hosts could take it",
            number(&decision["feasible"]),
            number(&decision["hosts"])
        ));
    }
    let message = decision["message"].as_str().unwrap_or_default();
    if !message.is_empty() {
        lines.push(message.to_owned());
    }
    for (rank, host) in decision["scored"].as_array().into_iter().flatten().enumerate() {
        let name = host["host"].as_str().unwrap_or_default();
        let parts = host["parts"].as_array().map(Vec::as_slice).unwrap_or_default();
        let parts: Vec<String> = parts
            .iter()
            .map(|part| {
                let weight = part["weight"].as_i64().unwrap_or(1);
                format!(
                    "{} {weight} x {}",
                    part["plugin"].as_str().unwrap_or_default(),
                    points(&part["score"])
                )
            })
            .collect();
        let here = if name == bound { ", where it is" } else { "" };
        lines.push(format!(
            "{}. {name}{here}: score {} = {}",
            rank + 1,
            points(&host["score"]),
            parts.join(" + ")
        ));
    }
    lines
}
