//! Settings of a scheduler's queue from a file, read again on SIGHUP.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use meridian_engine::{Backoff, TenantSettings};
use meridian_replica::{QueueSettings, SettingsError};
use serde::Deserialize;
use tokio::signal::unix::{SignalKind, signal};

use crate::output;

/// The largest file that is read.
const MAX_BYTES: u64 = 64 << 20;

#[derive(Debug, Args)]
pub(crate) struct QueueArguments {
    /// A JSON file with weights and guaranteed shares of tenants; read again on SIGHUP.
    #[arg(long, value_name = "FILE")]
    queue_settings: Option<PathBuf>,
}

/// The file.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    #[serde(default)]
    tenants: BTreeMap<String, Tenant>,
    pod_initial_backoff_seconds: Option<u32>,
    pod_max_backoff_seconds: Option<u32>,
    keep_room_after_seconds: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Tenant {
    #[serde(default = "one")]
    weight: u32,
    #[serde(default)]
    guaranteed_millionths: u32,
}

fn one() -> u32 {
    1
}

impl QueueArguments {
    /// The settings as the file has them now, if there is one.
    pub(crate) fn read(&self) -> anyhow::Result<QueueSettings> {
        self.queue_settings.as_deref().map_or_else(|| Ok(QueueSettings::default()), read)
    }

    /// Has the settings taken now, and anew on each SIGHUP; never returns. A file that is no good by then changes nothing.
    pub(crate) async fn follow(
        &self,
        settle: impl Fn(QueueSettings) -> Result<(), SettingsError>,
    ) -> anyhow::Result<()> {
        let Some(path) = &self.queue_settings else { return std::future::pending().await };
        settle(read(path)?).with_context(|| format!("{}", path.display()))?;
        let mut asked = signal(SignalKind::hangup()).context("SIGHUP cannot be heard")?;
        while asked.recv().await.is_some() {
            let settled = read(path).and_then(|settings| Ok(settle(settings)?));
            match settled {
                Ok(()) => output::note(&format!("{} has been read again", path.display())),
                Err(error) => output::note(&format!("the queue's settings stay as they are: {error:#}")),
            }
        }
        std::future::pending().await
    }
}

/// Runs something beside [`QueueArguments::follow`], which ends it only with an error.
pub(crate) async fn beside<T>(
    following: impl Future<Output = anyhow::Result<()>>,
    running: impl Future<Output = T>,
) -> anyhow::Result<T> {
    tokio::select! {
        outcome = running => Ok(outcome),
        error = following => {
            error?;
            anyhow::bail!("the queue's settings are followed no more")
        }
    }
}

fn read(path: &Path) -> anyhow::Result<QueueSettings> {
    let shown = path.display();
    let bytes = std::fs::metadata(path).with_context(|| format!("{shown} cannot be read"))?.len();
    anyhow::ensure!(bytes <= MAX_BYTES, "{shown} has {bytes} bytes, want at most {MAX_BYTES}");
    let text = std::fs::read(path).with_context(|| format!("{shown} cannot be read"))?;
    let settings = parse(&text).with_context(|| shown.to_string())?;
    settings.validate().with_context(|| shown.to_string())?;
    Ok(settings)
}

fn parse(text: &[u8]) -> anyhow::Result<QueueSettings> {
    let File { tenants, pod_initial_backoff_seconds, pod_max_backoff_seconds, keep_room_after_seconds } =
        serde_json::from_slice(text)?;
    let mut backoff = Backoff::default();
    if let Some(seconds) = pod_initial_backoff_seconds {
        backoff.initial = Duration::from_secs(seconds.into());
    }
    if let Some(seconds) = pod_max_backoff_seconds {
        backoff.most = Duration::from_secs(seconds.into());
    }
    let settings = |Tenant { weight, guaranteed_millionths }| TenantSettings {
        weight,
        guaranteed_millionths,
        ..TenantSettings::default()
    };
    let tenants = tenants.into_iter().map(|(name, tenant)| (name, settings(tenant))).collect();
    let mut settings = QueueSettings { tenants, backoff, ..QueueSettings::default() };
    if let Some(seconds) = keep_room_after_seconds {
        settings.keep_after = Duration::from_secs(seconds.into());
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::parse;

    #[test]
    fn files_are_read_whole_or_refused_with_the_reason() {
        let text = br#"{"tenants": {"a": {"weight": 3}, "b": {"guaranteedMillionths": 250000}}, "podMaxBackoffSeconds": 60,
            "keepRoomAfterSeconds": 0}"#;
        let settings = parse(text).unwrap();
        assert_eq!((settings.tenants["a"].weight, settings.tenants["b"].weight), (3, 1));
        assert_eq!(settings.tenants["b"].guaranteed_millionths, 250_000);
        assert_eq!(settings.backoff.most, Duration::from_secs(60));
        assert_eq!(settings.keep_after, Duration::ZERO);
        settings.validate().unwrap();

        for (text, want) in [
            (r#"{"tenants": {"a": {"weight": -1}}}"#, "invalid value: integer `-1`, expected u32"),
            (r#"{"tenants": {"a": {"wight": 1}}}"#, "unknown field `wight`"),
            (r#"{"tenants": {"a": {"weight": 1.5}}}"#, "invalid type: floating point `1.5`"),
        ] {
            let error = format!("{:#}", parse(text.as_bytes()).unwrap_err());
            assert!(error.contains(want), "{error}");
        }
        let zero = parse(br#"{"tenants": {"a": {"weight": 0}}}"#).unwrap().validate().unwrap_err();
        assert_eq!(zero.to_string(), "tenant \"a\"");
    }
}
