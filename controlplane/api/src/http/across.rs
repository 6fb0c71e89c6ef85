//! `/tenants/all`: what all tenants have, for the region's operators to list and watch.
//!
//! Everything else has a tenant, and its path there does not say which.

use std::sync::Arc;

use axum::body::Body;
use http::Response;

use super::listing;
use super::objects::{Request, Verb};
use super::options;
use super::refuse;
use super::table::Include;
use super::watching::{self, Watching};
use crate::Failure;

impl Request<'_> {
    /// Lists or watches objects of all tenants.
    pub(super) async fn respond_across(&self) -> Result<Response<Body>, Failure> {
        let (registry, metrics) = (&self.server.registry, &self.server.metrics);
        match self.verb {
            Verb::List => {
                let options = options::list(self.kind, self.query)?;
                let list = registry.list_across(&self.caller, self.kind, self.namespace, &options).await?;
                listing::respond(self.form, &self.columns()?, list, self.gzip, &metrics.sent)
            }
            Verb::Watch => {
                let options = options::watch(self.kind, self.query)?;
                let include = Include::from_query(self.query)?;
                let events = registry.watch_across(&self.caller, self.kind, self.namespace, &options).await?;
                Ok(watching::respond(Watching {
                    events,
                    kind: self.kind,
                    across: true,
                    form: self.form,
                    include,
                    clock: Arc::clone(&self.server.clock),
                    shutdown: self.server.shutdown.clone(),
                    sent: metrics.sent.clone(),
                    _held: metrics.watching(self.kind.plural),
                }))
            }
            _ => Err(refuse::needs_a_tenant()),
        }
    }
}
