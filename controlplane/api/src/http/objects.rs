//! Requests about objects: method and path become a verb of the registry, its answer becomes the response.

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode};
use meridian_schema::{Kind, Subresource};
use serde_json::Value;
use std::sync::Arc;

use super::context;
use super::explain;
use super::input::{self, Expected};
use super::listing;
use super::negotiate::Form;
use super::options;
use super::query::Query;
use super::refuse;
use super::reply;
use super::server::Server;
use super::table::{Columns, Include};
use super::watching::{self, Watching};
use crate::{Caller, CreateOptions, Deleted, Entry, Failure, PatchOptions, Sub, UpdateOptions};

/// Kinds of the core group whose deletion is answered with the object that is gone, where others get a `Status`.
const SHOWN_WHEN_GONE: [&str; 7] = [
    "persistentvolumeclaims",
    "persistentvolumes",
    "pods",
    "podtemplates",
    "resourcequotas",
    "serviceaccounts",
    "services",
];

/// What a request asks of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    List,
    Watch,
    Create,
    Update,
    Patch,
    Delete,
    DeleteCollection,
}

impl Verb {
    /// The verb of a method on a collection or on one object.
    pub(super) fn of(method: &Method, one: bool, watch: bool) -> Option<Self> {
        match (method.as_str(), one) {
            ("GET" | "HEAD", true) => Some(Self::Get),
            ("GET" | "HEAD", false) if watch => Some(Self::Watch),
            ("GET" | "HEAD", false) => Some(Self::List),
            ("POST", _) => Some(Self::Create),
            ("PUT", true) => Some(Self::Update),
            ("PATCH", true) => Some(Self::Patch),
            ("DELETE", true) => Some(Self::Delete),
            ("DELETE", false) => Some(Self::DeleteCollection),
            _ => None,
        }
    }

    /// As discovery names it.
    fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
        }
    }

    /// As metrics name it.
    pub(super) fn metric(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::List => "LIST",
            Self::Watch => "WATCH",
            Self::Create => "POST",
            Self::Update => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::DeleteCollection => "DELETECOLLECTION",
        }
    }

    /// Whether the request's body says something.
    pub(super) fn has_body(self) -> bool {
        !matches!(self, Self::Get | Self::List | Self::Watch)
    }
}

/// A request about objects, taken apart.
pub(super) struct Request<'a> {
    pub(super) server: &'a Server,
    pub(super) caller: Caller,
    /// Whether it is about all tenants.
    pub(super) across: bool,
    pub(super) verb: Verb,
    pub(super) kind: &'static Kind,
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
    pub(super) query: &'a Query<'a>,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: Bytes,
    pub(super) form: Form,
    pub(super) gzip: bool,
}

impl Request<'_> {
    /// Does what is asked of the objects themselves.
    pub(super) async fn respond(&self) -> Result<Response<Body>, Failure> {
        if !self.kind.verbs.contains(&self.verb.name()) {
            return Err(refuse::method_not_allowed());
        }
        if self.across {
            return Box::pin(self.respond_across()).await;
        }
        match self.verb {
            Verb::Get => self.get().await,
            Verb::List => {
                let options = options::list(self.kind, self.query)?;
                let list =
                    self.server.registry.list(&self.caller, self.kind, self.namespace, &options).await?;
                listing::respond(self.form, &self.columns()?, list, self.gzip, &self.server.metrics.sent)
            }
            Verb::Watch => self.watch().await,
            Verb::Create => self.create().await,
            Verb::Update => self.update(None).await,
            Verb::Patch => self.patch(None).await,
            Verb::Delete => {
                let options = options::delete(self.query, self.headers, &self.body)?;
                let registry = &self.server.registry;
                let deleted =
                    registry.delete(&self.caller, self.kind, self.namespace, self.name, &options).await?;
                self.deleted(&deleted)
            }
            Verb::DeleteCollection => {
                let options = options::delete(self.query, self.headers, &self.body)?;
                let which = options::list(self.kind, self.query)?;
                let registry = &self.server.registry;
                let list = registry
                    .delete_collection(&self.caller, self.kind, self.namespace, &options, &which)
                    .await?;
                listing::respond(self.form, &self.columns()?, list, self.gzip, &self.server.metrics.sent)
            }
        }
    }

    /// Does what is asked of something under an object.
    pub(super) async fn respond_subresource(&self, name: &str) -> Result<Response<Body>, Failure> {
        if self.across {
            return Err(refuse::needs_a_tenant());
        }
        // Meridian's own: no kind of the table has it, since no client of Kubernetes knows it.
        if name == "explanation" && self.kind == meridian_schema::pod() {
            if self.verb != Verb::Get {
                return Err(refuse::method_not_allowed());
            }
            let viewer = &self.caller.tenant;
            // Operators are told everything, and so about pods of any tenant.
            let of = self.query.text("tenant").filter(|_| viewer.is_system()).map(context::tenant);
            let tenant = of.transpose()?.unwrap_or_else(|| viewer.clone());
            let answer = explain::ask(self.server, (viewer, &tenant), self.namespace, self.name).await?;
            return Ok(reply::value(StatusCode::OK, self.form.encoding, &answer));
        }
        let subresource = self.kind.subresource(name).ok_or_else(refuse::no_such_page)?;
        if !subresource.verbs.contains(&self.verb.name()) {
            return Err(refuse::method_not_allowed());
        }
        match (name, self.verb) {
            ("status", Verb::Get) => self.get().await,
            ("status", Verb::Update) => self.update(Some(Sub::Status)).await,
            ("status", Verb::Patch) => self.patch(Some(Sub::Status)).await,
            ("finalize", Verb::Update) => self.update(Some(Sub::Finalize)).await,
            ("scale", _) => self.scale(subresource).await,
            ("binding", Verb::Create) => {
                let (binding, warnings) = self.subresource_object(subresource)?;
                let options = CreateOptions { dry_run: self.query.dry_run()? };
                self.server.registry.bind(&self.caller, self.namespace, self.name, binding, &options).await?;
                Ok(self.done(&warnings))
            }
            ("eviction", Verb::Create) => {
                let (eviction, warnings) = self.subresource_object(subresource)?;
                let options = CreateOptions { dry_run: self.query.dry_run()? };
                self.server
                    .registry
                    .evict(&self.caller, self.namespace, self.name, eviction, &options)
                    .await?;
                Ok(self.done(&warnings))
            }
            _ => Err(refuse::no_such_page()),
        }
    }

    async fn get(&self) -> Result<Response<Body>, Failure> {
        let version = options::resource_version(self.query)?;
        let registry = &self.server.registry;
        let entry =
            registry.get_at(&self.caller, self.kind, self.namespace, self.name, version.as_deref()).await?;
        self.entry(StatusCode::OK, &entry, &[])
    }

    async fn watch(&self) -> Result<Response<Body>, Failure> {
        let options = options::watch(self.kind, self.query)?;
        let include = Include::from_query(self.query)?;
        let events = self.server.registry.watch(&self.caller, self.kind, self.namespace, &options).await?;
        Ok(watching::respond(Watching {
            events,
            kind: self.kind,
            across: false,
            form: self.form,
            include,
            clock: Arc::clone(&self.server.clock),
            shutdown: self.server.shutdown.clone(),
            sent: self.server.metrics.sent.clone(),
            _held: self.server.metrics.watching(self.kind.plural),
        }))
    }

    async fn create(&self) -> Result<Response<Body>, Failure> {
        if self.kind.namespaced && self.namespace.is_empty() {
            return Err(refuse::method_not_allowed());
        }
        self.query.field_manager()?;
        let options = CreateOptions { dry_run: self.query.dry_run()? };
        let (object, warnings) = self.object()?;
        let entry =
            self.server.registry.create(&self.caller, self.kind, self.namespace, object, &options).await?;
        self.entry(StatusCode::CREATED, &entry, &warnings)
    }

    async fn update(&self, sub: Option<Sub>) -> Result<Response<Body>, Failure> {
        self.query.field_manager()?;
        let options = UpdateOptions { dry_run: self.query.dry_run()? };
        let (object, warnings) = self.object()?;
        let registry = &self.server.registry;
        let updated = registry
            .update(&self.caller, self.kind, self.namespace, self.name, sub, object, &options)
            .await?;
        let code = if updated.created { StatusCode::CREATED } else { StatusCode::OK };
        self.entry(code, &updated.entry, &warnings)
    }

    async fn patch(&self, sub: Option<Sub>) -> Result<Response<Body>, Failure> {
        let options = self.patch_options()?;
        let (patch, mut warnings) = input::patch(self.headers, &self.body, options.field_validation)?;
        let registry = &self.server.registry;
        let patched =
            registry.patch(&self.caller, self.kind, self.namespace, self.name, sub, patch, &options).await?;
        warnings.extend(patched.warnings);
        self.entry(StatusCode::OK, &patched.object, &warnings)
    }

    async fn scale(&self, subresource: &Subresource) -> Result<Response<Body>, Failure> {
        let (registry, caller, kind) = (&self.server.registry, &self.caller, self.kind);
        let (namespace, name) = (self.namespace, self.name);
        let (scale, warnings) = match self.verb {
            Verb::Get => (registry.scale_get(caller, kind, namespace, name).await?, Vec::new()),
            Verb::Update => {
                let options = UpdateOptions { dry_run: self.query.dry_run()? };
                let (scale, warnings) = self.subresource_object(subresource)?;
                (registry.scale_update(caller, kind, namespace, name, scale, &options).await?, warnings)
            }
            Verb::Patch => {
                let options = self.patch_options()?;
                let (patch, mut warnings) = input::patch(self.headers, &self.body, options.field_validation)?;
                let patched = registry.scale_patch(caller, kind, namespace, name, patch, &options).await?;
                warnings.extend(patched.warnings);
                (patched.object, warnings)
            }
            _ => return Err(refuse::method_not_allowed()),
        };
        let mut response = reply::value(StatusCode::OK, self.form.encoding, &scale);
        reply::warn(&mut response, &warnings);
        Ok(response)
    }

    fn patch_options(&self) -> Result<PatchOptions, Failure> {
        self.query.field_manager()?;
        Ok(PatchOptions {
            dry_run: self.query.dry_run()?,
            field_validation: input::field_validation(self.query)?,
        })
    }

    /// The object in the body.
    fn object(&self) -> Result<(Value, Vec<String>), Failure> {
        self.expect(Expected {
            message: self.kind.message(),
            api_version: self.kind.api_version(),
            kind: self.kind.kind,
            earlier: &[],
        })
    }

    /// The body of a request to a subresource.
    fn subresource_object(&self, subresource: &Subresource) -> Result<(Value, Vec<String>), Failure> {
        self.expect(Expected {
            message: subresource.message(),
            api_version: &subresource.api_version(),
            kind: subresource.kind,
            earlier: subresource.earlier,
        })
    }

    fn expect(&self, expected: Expected<'_>) -> Result<(Value, Vec<String>), Failure> {
        let validation = input::field_validation(self.query)?;
        let decoded = input::object(self.headers, &self.body, expected, validation)?;
        Ok((decoded.object, decoded.warnings))
    }

    pub(super) fn columns(&self) -> Result<Columns<'static>, Failure> {
        Ok(Columns {
            kind: self.kind,
            include: Include::from_query(self.query)?,
            across: self.across,
            now: self.server.clock.date(),
        })
    }

    fn entry(&self, code: StatusCode, entry: &Entry, warnings: &[String]) -> Result<Response<Body>, Failure> {
        let mut response = reply::entry(code, self.form, entry, &self.columns()?, self.gzip);
        if !warnings.is_empty() {
            reply::warn(&mut response, warnings);
        }
        Ok(response)
    }

    fn deleted(&self, deleted: &Deleted) -> Result<Response<Body>, Failure> {
        let shown = self.kind.group.is_empty() && SHOWN_WHEN_GONE.contains(&self.kind.plural);
        if deleted.gone && !shown {
            return Ok(reply::value(StatusCode::OK, self.form.encoding, &reply::deleted(&deleted.entry)));
        }
        self.entry(StatusCode::OK, &deleted.entry, &[])
    }

    /// The answer to something that was done and has no object to show.
    fn done(&self, warnings: &[String]) -> Response<Body> {
        let code = StatusCode::CREATED;
        let mut response = reply::value(code, self.form.encoding, &reply::success(code));
        reply::warn(&mut response, warnings);
        response
    }
}
