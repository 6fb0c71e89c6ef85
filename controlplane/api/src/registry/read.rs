//! Reading and listing.

use std::sync::Arc;

use meridian_schema::Kind;
use meridian_store::{RangeRequest, Revision, Tenant, TenantRevision};

use super::Registry;
use super::filter::Filter;
use super::nodes::is_of_others;
use super::version::{self, AsOf, Continue};
use crate::cache::{Cache, Snapshot, covers, entry};
use crate::view::View;
use crate::{BindingRecord, Caller, Entry, Failure, List, ListOptions, key};

/// Objects read at once where some of them may not match.
const STRIDE: usize = 1000;

/// Where a page is read.
pub(super) struct Page<'a> {
    pub(super) kind: &'static Kind,
    pub(super) tenant: &'a Tenant,
    pub(super) viewer: &'a Tenant,
    pub(super) view: &'a View,
    pub(super) filter: &'a Filter,
    /// At which revision, and which resource version that is; none: now.
    pub(super) at: Option<(Revision, u64)>,
    /// Behind this `namespace/name`.
    pub(super) start: Option<&'a str>,
    pub(super) limit: usize,
}

impl Registry {
    /// Reads an object, as of now.
    ///
    /// # Errors
    ///
    /// 404
    pub async fn get(
        &self,
        caller: &Caller,
        kind: &'static Kind,
        ns: &str,
        name: &str,
    ) -> Result<Arc<Entry>, Failure> {
        self.get_at(caller, kind, ns, name, None).await
    }

    /// Reads an object not older than a resource version (`0`: whatever is at hand).
    ///
    /// # Errors
    ///
    /// 400, 404, 504
    pub async fn get_at(
        &self,
        caller: &Caller,
        kind: &'static Kind,
        ns: &str,
        name: &str,
        resource_version: Option<&str>,
    ) -> Result<Arc<Entry>, Failure> {
        let (tenant, as_of) = (&caller.tenant, version::of_get(resource_version)?);
        if is_of_others(tenant, kind) {
            return self.get_virtual_node(tenant, kind, name, as_of).await;
        }
        let stored = self.stored_at(tenant, kind, ns, name, as_of).await?;
        Ok(self.view().see(tenant, stored))
    }

    /// Reads an object as of now, as it is stored: for parts in the same process, which see what a tenant does not.
    ///
    /// # Errors
    ///
    /// 404
    pub async fn stored(
        &self,
        tenant: &Tenant,
        kind: &'static Kind,
        ns: &str,
        name: &str,
    ) -> Result<Arc<Entry>, Failure> {
        self.stored_at(tenant, kind, ns, name, AsOf::Now).await
    }

    async fn stored_at(
        &self,
        tenant: &Tenant,
        kind: &'static Kind,
        ns: &str,
        name: &str,
        as_of: AsOf,
    ) -> Result<Arc<Entry>, Failure> {
        let cache = self.cache(kind);
        self.show(tenant, kind, ns, as_of == AsOf::Now).await?;
        reach(cache, tenant, as_of).await?;
        cache.get(tenant, kind, ns, name).ok_or_else(|| Failure::not_found(kind, name))
    }

    /// Lists objects; with an empty `ns` of all namespaces.
    ///
    /// # Errors
    ///
    /// 400, 410, 422, 504
    pub async fn list(
        &self,
        caller: &Caller,
        kind: &'static Kind,
        ns: &str,
        options: &ListOptions,
    ) -> Result<List, Failure> {
        let tenant = &caller.tenant;
        if is_of_others(tenant, kind) {
            return self.list_virtual_nodes(tenant, kind, options).await;
        }
        let cache = self.cache(kind);
        let view = self.view();
        let filter = Filter::new(ns, options.label_selector.as_ref(), options.field_selector.as_ref());
        let limit = options.limit.filter(|limit| *limit > 0).unwrap_or(usize::MAX);
        if let Some(token) = options.continue_token.as_deref().filter(|token| !token.is_empty()) {
            if version::parse(options.resource_version.as_deref())?.is_some_and(|version| version > 0) {
                return Err(Failure::bad_request(
                    "specifying resource version is not allowed when using continue",
                ));
            }
            if covers(tenant, kind, ns) {
                return self.list_shown(tenant, kind, &filter, limit, options).await;
            }
            let token = Continue::decode(token)?;
            let at = match u64::try_from(token.rv) {
                Ok(version) => Some(self.history(cache, tenant, version, Some(&token.start)).await?),
                Err(_) => None,
            };
            let start = Some(&*token.start);
            let page = Page { kind, tenant, viewer: tenant, view, filter: &filter, at, start, limit };
            return read_page(cache, &page).await;
        }
        if covers(tenant, kind, ns) {
            return self.list_shown(tenant, kind, &filter, limit, options).await;
        }
        let as_of = version::of_list(options)?;
        reach(cache, tenant, as_of).await?;
        let snapshot = snapshot(cache, view, tenant, kind, &filter, limit).await?;
        let version = snapshot.revision.unwrap_or(TenantRevision::FIRST).0;
        match as_of {
            AsOf::Exactly(asked) if asked != version => {
                let at = Some(self.history(cache, tenant, asked, None).await?);
                let page =
                    Page { kind, tenant, viewer: tenant, view, filter: &filter, at, start: None, limit };
                read_page(cache, &page).await
            }
            _ => Ok(first_page(cache, tenant, kind, &filter, snapshot, version)),
        }
    }

    /// The partition's revision for a tenant's resource version, which must still be kept.
    async fn history(
        &self,
        cache: &Cache,
        tenant: &Tenant,
        version: u64,
        token: Option<&str>,
    ) -> Result<(Revision, u64), Failure> {
        match cache.store().partition_revision(tenant, TenantRevision(version)).await {
            Ok(revision) => Ok((revision, version)),
            Err(meridian_store::Error::TenantFuture { asked, current }) => {
                Err(version::too_large(asked.0, current.0))
            }
            Err(error) => Err(expired(error, token)),
        }
    }

    /// An object as of a moment ago, out of memory.
    #[must_use]
    pub fn cached(&self, tenant: &Tenant, kind: &'static Kind, ns: &str, name: &str) -> Option<Arc<Entry>> {
        self.cache(kind).get(tenant, kind, ns, name)
    }

    /// Objects as of a moment ago, out of memory; no tenant: of all, an empty `ns`: of all.
    #[must_use]
    pub fn cached_list(&self, tenant: Option<&Tenant>, kind: &'static Kind, ns: &str) -> Vec<Arc<Entry>> {
        match tenant {
            Some(tenant) => self.cache(kind).list(tenant, kind, ns, usize::MAX, |_| true).entries,
            None => self.cache(kind).list_all(kind, ns),
        }
    }

    /// A binding record as of a moment ago, out of memory.
    #[must_use]
    pub fn cached_binding(&self, tenant: &Tenant, ns: &str, name: &str) -> Option<Arc<BindingRecord>> {
        self.cache(meridian_schema::pod()).binding(tenant, ns, name).map(|held| held.record)
    }
}

/// Waits until the cache is as new as asked for.
pub(super) async fn reach(cache: &Cache, tenant: &Tenant, as_of: AsOf) -> Result<(), Failure> {
    let asked = match as_of {
        AsOf::Any => return Ok(()),
        AsOf::Now => return cache.reach_now().await,
        AsOf::NotOlderThan(version) | AsOf::Exactly(version) => TenantRevision(version),
    };
    if cache.tenant_revision(tenant).is_some_and(|current| current >= asked) {
        return Ok(());
    }
    cache.reach_now().await?;
    let current = match cache.tenant_revision(tenant) {
        Some(current) => current,
        None => cache.store().tenant_revision(tenant, None).await?,
    };
    if current < asked { Err(version::too_large(asked.0, current.0)) } else { Ok(()) }
}

/// What there is that matches, and as of when.
pub(super) async fn snapshot(
    cache: &Cache,
    view: &View,
    tenant: &Tenant,
    kind: &'static Kind,
    filter: &Filter,
    limit: usize,
) -> Result<Snapshot, Failure> {
    let most = if filter.takes_all() { limit } else { usize::MAX };
    let mut snapshot = cache.list(tenant, kind, &filter.ns, most, |entry| filter.may_match(tenant, entry));
    if snapshot.revision.is_none() {
        snapshot.revision = Some(cache.store().tenant_revision(tenant, Some(snapshot.at)).await?);
    }
    if !tenant.is_system() || !filter.takes_all() {
        let found = std::mem::take(&mut snapshot.entries);
        snapshot.entries = found.iter().filter_map(|entry| filter.shown(view, tenant, entry)).collect();
        if snapshot.entries.len() > limit {
            snapshot.entries.truncate(limit);
            snapshot.more = true;
        }
    }
    Ok(snapshot)
}

fn first_page(
    cache: &Cache,
    tenant: &Tenant,
    kind: &Kind,
    filter: &Filter,
    snapshot: Snapshot,
    version: u64,
) -> List {
    let last = snapshot.entries.last().filter(|_| snapshot.more);
    let token =
        last.map(|last| Continue::new(Some(version), key::join(&last.namespace, &last.name)).encode());
    let remaining = last.filter(|_| filter.takes_all());
    let remaining = remaining.map(|last| cache.count_after(tenant, kind, &filter.ns, last) as u64);
    List { items: snapshot.entries, resource_version: version, continue_token: token, remaining }
}

/// A page out of the store's history.
pub(super) async fn read_page(cache: &Cache, page: &Page<'_>) -> Result<List, Failure> {
    let mut range = key::objects(page.kind, page.tenant, &page.filter.ns);
    if let Some(start) = page.start {
        range = range.after(&key::object_at(page.kind, page.tenant, start));
    }
    let mut at = page.at;
    let mut items: Vec<Arc<Entry>> = Vec::new();
    let all = page.filter.takes_all();
    loop {
        let more = if all { page.limit } else { STRIDE.max(page.limit) };
        let mut request = RangeRequest::new(range.clone());
        request.revision = at.map(|(revision, _)| revision);
        request.limit = Some(more).filter(|more| *more < usize::MAX);
        request.count = all;
        let token = page.start;
        let read = cache.store().range(&request).await.map_err(|error| expired(error, token))?;
        let (_, version) =
            *at.get_or_insert((read.revision, read.tenant_revision.unwrap_or(TenantRevision::FIRST).0));
        let last_read = read.kvs.last().map(|kv| kv.key.clone());
        for kv in &read.kvs {
            let crate::key::Place::Object { path, .. } = key::place(&kv.key) else { continue };
            let entry = entry(page.kind, page.tenant, path, kv).map_err(Failure::internal)?;
            let Some(entry) = page.filter.shown(page.view, page.viewer, &Arc::new(entry)) else { continue };
            if items.len() == page.limit {
                return Ok(full(items, version, None));
            }
            items.push(entry);
        }
        let Some(last_read) = last_read.filter(|_| read.more) else {
            return Ok(List { items, resource_version: version, continue_token: None, remaining: None });
        };
        if all {
            let remaining = read.count.map(|count| (count - read.kvs.len()) as u64);
            return Ok(full(items, version, remaining));
        }
        range = range.after(&last_read);
    }
}

fn full(items: Vec<Arc<Entry>>, version: u64, remaining: Option<u64>) -> List {
    let token = items
        .last()
        .map(|last| Continue::new(Some(version), key::join(&last.namespace, &last.name)).encode());
    List { items, resource_version: version, continue_token: token, remaining }
}

/// A read of history that is no longer kept.
fn expired(error: meridian_store::Error, token: Option<&str>) -> Failure {
    use meridian_store::Error;
    match (&error, token) {
        (Error::Compacted { .. } | Error::TenantCompacted { .. }, Some(start)) => {
            version::continue_expired(start)
        }
        _ => error.into(),
    }
}
