//! `/livez`, `/readyz` and the older `/healthz`: whether the process works, and whether it can serve.

use std::borrow::Cow;
use std::fmt;
use std::fmt::Write;
use std::sync::Arc;

use axum::body::Body;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};

use super::query::Query;
use super::refuse;
use crate::Failure;

/// The answer of a check: nothing, or what is not ready.
type Answer = Result<(), String>;

/// A condition that must hold before the server counts as ready, such as that the scheduler has caught up.
#[derive(Clone)]
pub struct ReadinessCheck {
    name: Cow<'static, str>,
    check: Arc<dyn Fn() -> Answer + Send + Sync>,
}

impl ReadinessCheck {
    /// A check by its name, which stands in paths and listings. It is called at every question and must not block.
    pub fn new(
        name: impl Into<Cow<'static, str>>,
        check: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), check: Arc::new(check) }
    }
}

impl fmt::Debug for ReadinessCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadinessCheck").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Answers `endpoint`, whole or `only` one check of it.
pub(super) fn respond(
    endpoint: &str,
    only: Option<&str>,
    query: &Query<'_>,
    readiness: &[ReadinessCheck],
    shutting_down: bool,
) -> Result<Response<Body>, Failure> {
    let mut answers: Vec<(&str, Answer)> = vec![("ping", Ok(()))];
    // A process that waits for others, or that is about to end, is alive all the same.
    if endpoint != "livez" {
        answers.extend(readiness.iter().map(|check| (&*check.name, (check.check)())));
    }
    if endpoint == "readyz" {
        let answer = if shutting_down { Err("the server is shutting down".to_owned()) } else { Ok(()) };
        answers.push(("shutdown", answer));
    }
    if let Some(only) = only {
        answers.retain(|(name, _)| *name == only);
        if answers.is_empty() {
            return Err(refuse::no_such_page());
        }
    }
    let excluded: Vec<&str> = query.all("exclude").collect();
    let failed = answers.iter().any(|(name, answer)| answer.is_err() && !excluded.contains(name));
    let mut text = String::new();
    if failed || query.switch("verbose")? {
        for (name, answer) in &answers {
            // Writing to a string does not fail.
            let _ = match answer {
                _ if excluded.contains(name) => writeln!(text, "[+]{name} excluded: ok"),
                Ok(()) => writeln!(text, "[+]{name} ok"),
                Err(why) => writeln!(text, "[-]{name} failed: {why}"),
            };
        }
        let _ = writeln!(text, "{endpoint} check {}", if failed { "failed" } else { "passed" });
    } else {
        text.push_str("ok");
    }
    let mut response = Response::new(Body::from(text));
    if failed {
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    }
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    Ok(response)
}
