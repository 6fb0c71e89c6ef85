//! A request from its arrival to its answer: routing, counting, and a net under whatever may go wrong.

use std::borrow::Cow;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use futures::FutureExt;
use http::header::{ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;
use meridian_store::Tenant;
use tower::Service;

use super::body;
use super::context;
use super::health;
use super::negotiate::{self, Discovery as DiscoveryForm};
use super::objects::{self, Verb};
use super::query::Query;
use super::refuse;
use super::reply;
use super::route::{Page, Route, Target};
use super::server::Server;
use crate::Failure;

/// What a request counts as.
struct Label {
    verb: &'static str,
    resource: Cow<'static, str>,
}

/// Answers a request, whatever it is.
pub(super) async fn answer(server: Arc<Server>, request: http::Request<Incoming>) -> Response<Body> {
    if is_grpc(request.headers()) {
        return grpc(&server, request).await;
    }
    let started = server.clock.now();
    let _in_flight = server.metrics.in_flight();
    let (parts, body) = request.into_parts();
    let mut label = Label { verb: "OTHER", resource: Cow::Borrowed("") };
    let deadline = started + server.limits.request;
    let outcome = tokio::select! {
        biased;
        outcome = AssertUnwindSafe(dispatch(&server, &parts, body, &mut label)).catch_unwind() => outcome,
        () = server.clock.wait_until(deadline) => Ok(Err(refuse::too_long(server.limits.request.as_secs()))),
    };
    let mut response = match outcome {
        Ok(Ok(response)) => response,
        Ok(Err(failure)) => {
            reply::failure(negotiate::encoding_of_refusal(header(&parts.headers, &ACCEPT)), &failure)
        }
        Err(_) => {
            server.metrics.panics.inc();
            tracing::error!(method = %parts.method, path = parts.uri.path(), "a request ended in a panic");
            let failure = Failure::internal("the request ended in a panic; the server goes on");
            reply::failure(negotiate::Encoding::Json, &failure)
        }
    };
    let length = response.body().size_hint().exact();
    server.metrics.sent.inc_by(length.unwrap_or(0));
    if parts.method == Method::HEAD {
        *response.body_mut() = Body::empty();
        if let Some(length) = length {
            response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
    }
    let took = server.clock.now().saturating_sub(started);
    server.metrics.answered(label.verb, &label.resource, response.status(), took);
    tracing::debug!(
        method = %parts.method,
        path = parts.uri.path(),
        code = response.status().as_u16(),
        micros = took.as_micros(),
        "answered"
    );
    response
}

async fn dispatch(
    server: &Arc<Server>,
    parts: &Parts,
    body: Incoming,
    label: &mut Label,
) -> Result<Response<Body>, Failure> {
    context::check_origin(parts)?;
    let Route { tenant, across, page } = Route::parse(parts.uri.path())?;
    let query = Query::parse(parts.uri.query())?;
    match page {
        Page::Resource(target) => {
            // Boxed: of all pages this one keeps most between its waits.
            Box::pin(resource(server, parts, body, label, (tenant, across), &target, &query)).await
        }
        // What the whole process does is no tenant's business.
        Page::Metrics if !tenant.is_system() || across => Err(refuse::no_such_page()),
        page => {
            label.verb = "GET";
            label.resource = Cow::Borrowed("");
            self::page(server, parts, &tenant, &page, &query)
        }
    }
}

async fn resource(
    server: &Arc<Server>,
    parts: &Parts,
    body: Incoming,
    label: &mut Label,
    (tenant, across): (Tenant, bool),
    target: &Target<'_>,
    query: &Query<'_>,
) -> Result<Response<Body>, Failure> {
    label.resource = match &target.subresource {
        None => Cow::Borrowed(target.kind.plural),
        // Only names that are served, so that clients cannot make up series.
        Some(name) => target.kind.subresource(name).map_or(Cow::Borrowed(""), |subresource| {
            Cow::Owned(format!("{}/{}", target.kind.plural, subresource.name))
        }),
    };
    let watch = target.name.is_none() && query.switch("watch")?;
    let verb =
        Verb::of(&parts.method, target.name.is_some(), watch).ok_or_else(refuse::method_not_allowed)?;
    label.verb = verb.metric();
    let headers = &parts.headers;
    let mut form = negotiate::form(header(headers, &ACCEPT))?;
    if query.switch("pretty")? {
        form = form.pretty();
    }
    if verb == Verb::Create && target.name.is_some() && target.subresource.is_none() {
        return Err(refuse::method_not_allowed());
    }
    let body = if verb.has_body() {
        let limits = &server.limits;
        let body =
            body::read(parts.version, headers, body, limits.body, limits.patience, &server.clock).await?;
        server.metrics.received.inc_by(body.len() as u64);
        body
    } else {
        Bytes::new()
    };
    let request = objects::Request {
        server,
        caller: context::caller(tenant),
        across,
        verb,
        kind: target.kind,
        namespace: &target.namespace,
        name: target.name.as_deref().unwrap_or_default(),
        query,
        headers,
        body,
        form,
        gzip: negotiate::gzip(header(headers, &ACCEPT_ENCODING)),
    };
    match &target.subresource {
        None => request.respond().await,
        Some(subresource) => request.respond_subresource(subresource).await,
    }
}

/// The pages of the server itself.
fn page(
    server: &Server,
    parts: &Parts,
    tenant: &Tenant,
    page: &Page<'_>,
    query: &Query<'_>,
) -> Result<Response<Body>, Failure> {
    if parts.method != Method::GET && parts.method != Method::HEAD {
        return Err(refuse::method_not_allowed());
    }
    let headers = &parts.headers;
    let accept = header(headers, &ACCEPT);
    let discovery = if tenant.is_system() { &server.discovery } else { &server.tenant_discovery };
    match page {
        Page::Paths => Ok(text(discovery.paths(), "application/json")),
        Page::Health { endpoint, check } => health::respond(
            endpoint,
            check.as_deref(),
            query,
            &server.readiness,
            server.shutdown.is_cancelled(),
        ),
        Page::Metrics => {
            let metrics = server.metrics.text().map_err(Failure::internal)?;
            Ok(text(Bytes::from(metrics), "text/plain; version=0.0.4; charset=utf-8"))
        }
        Page::Version => Ok(server.version.respond_as(headers, negotiate::encoding(accept)?)),
        Page::CoreVersions | Page::Groups => {
            let core = matches!(page, Page::CoreVersions);
            match negotiate::discovery(accept)? {
                DiscoveryForm::Aggregated(version) => {
                    let (document, content_type) =
                        discovery.aggregated(version, core).ok_or_else(refuse::no_such_page)?;
                    Ok(document.respond(headers, &content_type))
                }
                DiscoveryForm::Legacy(encoding) => {
                    let document = if core { &discovery.core_versions } else { &discovery.groups };
                    Ok(document.respond_as(headers, encoding))
                }
            }
        }
        Page::Group(group) => {
            let document = discovery.group(group).ok_or_else(refuse::no_such_page)?;
            Ok(document.respond_as(headers, negotiate::encoding(accept)?))
        }
        Page::Resources { group, version } => {
            let document = discovery.resources(group, version).ok_or_else(refuse::no_such_page)?;
            Ok(document.respond_as(headers, negotiate::encoding(accept)?))
        }
        Page::OpenApiV2 => server.openapi.v2(headers, accept),
        Page::OpenApiV3Index => server.openapi.index(headers, accept),
        Page::OpenApiV3(path) => server.openapi.v3(headers, accept, path, query),
        Page::Resource(_) => Err(refuse::no_such_page()),
    }
}

fn text(bytes: Bytes, content_type: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(bytes));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}

fn header<'a>(headers: &'a HeaderMap, name: &http::HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

/// Hands a call to the gRPC services.
async fn grpc(server: &Server, request: http::Request<Incoming>) -> Response<Body> {
    let Some(mut router) = server.grpc.clone() else {
        let failure = Failure::new(crate::Reason::UnsupportedMediaType, "no gRPC service is served here");
        return reply::failure(negotiate::Encoding::Json, &failure);
    };
    match AssertUnwindSafe(router.call(request.map(Body::new))).catch_unwind().await {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(_) => {
            server.metrics.panics.inc();
            tracing::error!("a gRPC call ended in a panic");
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
    }
}
