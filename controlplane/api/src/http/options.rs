//! What query and body say about how to list, watch and delete.

use std::time::Duration;

use http::HeaderMap;
use meridian_schema::{FieldSelector, Kind, LabelSelector};
use serde_json::Value;

use super::input;
use super::query::{self, Query};
use crate::{DeleteOptions, Failure, ListOptions, Preconditions, PropagationPolicy, WatchOptions};

/// The longest that a watch is served; whoever wants to go on watches anew.
const LONGEST_WATCH: Duration = Duration::from_secs(3600);

/// The full name of the message of options for deletions.
const DELETE_OPTIONS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions";

/// What to list.
pub(super) fn list(kind: &'static Kind, query: &Query<'_>) -> Result<ListOptions, Failure> {
    let owned = |name: &str| query.text(name).map(str::to_owned);
    Ok(ListOptions {
        label_selector: label_selector(query)?,
        field_selector: field_selector(kind, query)?,
        limit: query.whole("limit")?.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)),
        continue_token: owned("continue"),
        resource_version: resource_version(query)?,
        resource_version_match: resource_version_match(query)?,
    })
}

/// What to watch.
pub(super) fn watch(kind: &'static Kind, query: &Query<'_>) -> Result<WatchOptions, Failure> {
    let timeout = query.whole("timeoutSeconds")?.filter(|seconds| *seconds > 0).map(Duration::from_secs);
    let timeout = timeout.unwrap_or(LONGEST_WATCH).min(LONGEST_WATCH);
    Ok(WatchOptions {
        label_selector: label_selector(query)?,
        field_selector: field_selector(kind, query)?,
        resource_version: resource_version(query)?,
        resource_version_match: resource_version_match(query)?,
        send_initial_events: query.optional_switch("sendInitialEvents")?,
        allow_bookmarks: query.switch("allowWatchBookmarks")?,
        timeout: Some(timeout),
    })
}

/// How to delete. What the body says counts before what the query says.
pub(super) fn delete(query: &Query<'_>, headers: &HeaderMap, body: &[u8]) -> Result<DeleteOptions, Failure> {
    let message = meridian_schema::message(DELETE_OPTIONS)
        .ok_or_else(|| Failure::internal("the schema table has no DeleteOptions"))?;
    let body = input::options(headers, body, message)?;
    let text = |member: &str| body.get(member).and_then(Value::as_str).filter(|text| !text.is_empty());
    let grace_period_seconds = match body.get("gracePeriodSeconds").and_then(Value::as_i64) {
        Some(seconds) if seconds < 0 => {
            return Err(Failure::bad_request(format!(
                "gracePeriodSeconds: invalid value {seconds}: want 0 or more"
            )));
        }
        Some(seconds) => Some(seconds),
        None => query.whole("gracePeriodSeconds")?.map(|seconds| i64::try_from(seconds).unwrap_or(i64::MAX)),
    };
    let orphan = match body.get("orphanDependents").and_then(Value::as_bool) {
        Some(orphan) => Some(orphan),
        None => query.optional_switch("orphanDependents")?,
    };
    let propagation_policy = match text("propagationPolicy").or_else(|| query.text("propagationPolicy")) {
        Some(_) if orphan.is_some() => {
            return Err(Failure::bad_request(
                "orphanDependents and propagationPolicy: want one of them, not both",
            ));
        }
        Some("Orphan") => Some(PropagationPolicy::Orphan),
        Some("Background") => Some(PropagationPolicy::Background),
        Some("Foreground") => Some(PropagationPolicy::Foreground),
        Some(value) => {
            return Err(query::invalid("propagationPolicy", value, "want Orphan, Background or Foreground"));
        }
        None => orphan
            .map(|orphan| if orphan { PropagationPolicy::Orphan } else { PropagationPolicy::Background }),
    };
    let precondition = |member: &str| {
        let text = body.get("preconditions")?.get(member)?.as_str()?;
        (!text.is_empty()).then(|| text.to_owned())
    };
    let mut dry_run = query.dry_run()?;
    for stage in body.get("dryRun").and_then(Value::as_array).into_iter().flatten() {
        if stage.as_str() != Some("All") {
            return Err(query::invalid(
                "dryRun",
                stage.as_str().unwrap_or_default(),
                "supported values: \"All\"",
            ));
        }
        dry_run = true;
    }
    Ok(DeleteOptions {
        grace_period_seconds,
        preconditions: Preconditions {
            uid: precondition("uid"),
            resource_version: precondition("resourceVersion"),
        },
        propagation_policy,
        dry_run,
    })
}

fn label_selector(query: &Query<'_>) -> Result<Option<LabelSelector>, Failure> {
    let Some(text) = query.text("labelSelector") else { return Ok(None) };
    LabelSelector::parse(text)
        .map(Some)
        .map_err(|error| query::invalid("labelSelector", text, &error.to_string()))
}

fn field_selector(kind: &'static Kind, query: &Query<'_>) -> Result<Option<FieldSelector>, Failure> {
    let Some(text) = query.text("fieldSelector") else { return Ok(None) };
    FieldSelector::parse(kind, text)
        .map(Some)
        .map_err(|error| query::invalid("fieldSelector", text, &error.to_string()))
}

pub(super) fn resource_version(query: &Query<'_>) -> Result<Option<String>, Failure> {
    query.whole("resourceVersion").map(|version| version.map(|version| version.to_string()))
}

fn resource_version_match(query: &Query<'_>) -> Result<Option<String>, Failure> {
    match query.text("resourceVersionMatch") {
        None => Ok(None),
        Some(text @ ("Exact" | "NotOlderThan")) => Ok(Some(text.to_owned())),
        Some(text) => Err(query::invalid("resourceVersionMatch", text, "want Exact or NotOlderThan")),
    }
}
