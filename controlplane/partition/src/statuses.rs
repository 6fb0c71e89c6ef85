//! Storing what hosts report of their pods.

use std::sync::Arc;

use futures::future::join_all;
use meridian_api::{Caller, Failure, Reason, Registry, Sub};
use meridian_proto::v1::StatusReport;
use meridian_schema::FieldValidation;
use meridian_store::Tenant;
use serde_json::{Map, Value};

use crate::merge::merge_report;

/// On whose behalf statuses are written.
const COMPONENT: &str = "tenant-partition";

/// The message that a report's status must be.
const POD_STATUS: &str = "io.k8s.api.core.v1.PodStatus";

/// A report, and where it came from.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    /// The place of the host partition among the partition's ledgers.
    pub(crate) ledger: usize,
    /// The pod's tenant.
    pub(crate) tenant: Tenant,
    /// What was reported.
    pub(crate) report: StatusReport,
}

impl Report {
    /// One report of two about the same pod: the newer, but once stopped is stopped for ever. What another host says of it
    /// counts for nothing.
    pub(crate) fn newer(before: Self, mut now: Self) -> Self {
        if before.report.host != now.report.host {
            return now;
        }
        now.report.stopped |= before.report.stopped;
        if now.report.status.is_empty() {
            now.report.status = before.report.status;
        }
        now
    }
}

/// What became of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    /// It is durable.
    Written,
    /// It says nothing new, or nothing that can be kept: a pod that is gone, or elsewhere.
    Nothing,
    /// It is no status of a pod: the report is dropped, since it would not get better.
    Invalid,
    /// It could not be written now.
    Failed,
}

impl Stored {
    /// As metrics name it.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Nothing => "nothing new",
            Self::Invalid => "invalid",
            Self::Failed => "failed",
        }
    }
}

/// Stores reports, all at once.
pub(crate) async fn store(
    registry: Registry,
    reports: Vec<(Arc<str>, Report)>,
) -> Vec<(Arc<str>, Report, Stored)> {
    let registry = &registry;
    join_all(reports.into_iter().map(|(uid, report)| async move {
        let stored = store_one(registry, &report).await;
        (uid, report, stored)
    }))
    .await
}

async fn store_one(registry: &Registry, Report { tenant, report, .. }: &Report) -> Stored {
    let status = match status(&report.status) {
        Ok(status) => status,
        Err(problem) => {
            tracing::warn!(pod = %report.name, host = %report.host, problem, "status not understood");
            if !report.stopped {
                return Stored::Invalid;
            }
            None
        }
    };
    let mut stored = Stored::Nothing;
    let tells_end = status.as_ref().is_some_and(|status| has_ended(status.get("phase")));
    if let Some(status) = status {
        stored = match write(registry, tenant, report, &status).await {
            Ok(true) => Stored::Written,
            Ok(false) => Stored::Nothing,
            Err(failure) if is_in_vain(&failure) => {
                tracing::debug!(pod = %report.name, host = %report.host, %failure, "status not stored");
                Stored::Invalid
            }
            Err(failure) => {
                tracing::warn!(pod = %report.name, host = %report.host, %failure, "status not stored");
                return Stored::Failed;
            }
        };
    }
    if report.stopped && !tells_end {
        match write_lost(registry, tenant, report).await {
            Err(failure) if !is_in_vain(&failure) => {
                tracing::warn!(pod = %report.name, host = %report.host, %failure, "end of a pod not stored");
                return Stored::Failed;
            }
            _ => {}
        }
    }
    if report.stopped {
        let StatusReport { namespace, name, uid, host, .. } = report;
        if let Err(failure) = registry.pod_stopped(tenant, namespace, name, uid, host).await {
            tracing::warn!(pod = %name, %host, %failure, "stopped pod not released");
            return Stored::Failed;
        }
        stored = Stored::Written;
    }
    stored
}

/// Writes that a pod has ended of whose end its host tells nothing: it was re-imaged, or declared off. A pod that is being
/// deleted, has ended as far as is known, or is on another host, is left as it is.
async fn write_lost(registry: &Registry, tenant: &Tenant, report: &StatusReport) -> Result<(), Failure> {
    let caller = Caller::component(COMPONENT, tenant);
    let StatusReport { namespace, name, uid, host, .. } = report;
    let shown = registry.host_name(tenant, host);
    let lost = |pod: &mut Value| {
        let is_there = pod["spec"]["nodeName"].as_str() == Some(host);
        if !is_there
            || has_ended(pod["status"].get("phase"))
            || !pod["metadata"]["deletionTimestamp"].is_null()
        {
            return false;
        }
        pod["status"]["phase"] = "Failed".into();
        pod["status"]["reason"] = "NodeLost".into();
        pod["status"]["message"] =
            format!("host {shown} has lost the pod: it started anew without it").into();
        true
    };
    let (kind, uid) = (meridian_schema::pod(), Some(uid.as_str()));
    Box::pin(registry.modify(&caller, kind, namespace, name, uid, Some(Sub::Status), lost)).await.map(|_| ())
}

fn has_ended(phase: Option<&Value>) -> bool {
    matches!(phase.and_then(Value::as_str), Some("Succeeded" | "Failed"))
}

/// Writes a status. The answer is whether it changed anything.
async fn write(
    registry: &Registry,
    tenant: &Tenant,
    report: &StatusReport,
    status: &Map<String, Value>,
) -> Result<bool, Failure> {
    let caller = Caller::component(COMPONENT, tenant);
    let mut changes = false;
    let StatusReport { namespace, name, uid, host, .. } = report;
    let entry = registry
        .modify_pod_status(&caller, namespace, name, uid, |on, stored| {
            changes = on == host && merge_report(stored, status);
            changes
        })
        .await?;
    // None: the pod is gone, or another one has its name.
    Ok(changes && entry.is_some())
}

/// Whether trying again would come to the same.
fn is_in_vain(failure: &Failure) -> bool {
    matches!(failure.reason, Reason::Invalid | Reason::BadRequest | Reason::Forbidden)
}

/// A report's status, held to the schema: hosts are trusted with their pods and not with the API's types.
fn status(bytes: &[u8]) -> Result<Option<Map<String, Value>>, String> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let message = meridian_schema::message(POD_STATUS).ok_or("the schema has no status of pods")?;
    let decoded = meridian_schema::decode_json(message, bytes, FieldValidation::Ignore)
        .map_err(|error| error.to_string())?;
    match decoded.object {
        Value::Object(status) => Ok(Some(status)),
        other => Err(format!("{other} is no status")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_status_is_refused_and_unknown_fields_are_dropped() {
        assert_eq!(status(b"").unwrap(), None);
        let good = status(br#"{"phase":"Running","podIP":"10.0.0.1","surprise":1}"#).unwrap().unwrap();
        assert_eq!(Value::Object(good), serde_json::json!({"phase": "Running", "podIP": "10.0.0.1"}));
        for bad in [&b"{"[..], b"[]", b"7", br#"{"phase":5}"#, br#"{"conditions":{}}"#, b"\xff"] {
            assert!(status(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_newer_report_does_not_take_back_that_the_pod_stopped() {
        let report = |number, stopped, status: &str| Report {
            ledger: 0,
            tenant: Tenant::system(),
            report: StatusReport {
                number,
                stopped,
                status: status.to_owned().into(),
                ..StatusReport::default()
            },
        };
        let both = Report::newer(report(1, true, "a"), report(2, false, "b")).report;
        assert_eq!((both.number, both.stopped, &both.status[..]), (2, true, &b"b"[..]));
        assert_eq!(Report::newer(report(1, false, "a"), report(2, true, "")).report.status, "a");
        let mut elsewhere = report(1, true, "a");
        elsewhere.report.host = "another".to_owned();
        assert!(!Report::newer(elsewhere, report(2, false, "b")).report.stopped);
    }
}
