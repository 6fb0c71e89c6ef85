//! Lists and watches of all tenants, for the operators of the region: they read, in the partition's own sequence.

use std::sync::Arc;

use meridian_schema::Kind;
use meridian_store::{Error, Revision, Tenant, TenantRevision};

use super::filter::Filter;
use super::read::{Page, read_page};
use super::version::{self, AsOf, Continue, From};
use super::{Registry, WatchStream};
use crate::cache::{Across, Cache, Then, covers};
use crate::{Caller, Entry, Failure, List, ListOptions, Reason, WatchOptions, key};

impl Registry {
    /// Lists objects of all tenants, in the order of tenants and then of keys; with an empty `ns` of all namespaces. The
    /// resource version is the partition's, and so are those of the objects, once they are
    /// [seen so](Entry::across_tenants).
    ///
    /// # Errors
    ///
    /// 400, 403, 410, 422, 504
    pub async fn list_across(
        &self,
        caller: &Caller,
        kind: &'static Kind,
        ns: &str,
        options: &ListOptions,
    ) -> Result<List, Failure> {
        check_operator(caller, kind)?;
        let cache = self.cache(kind);
        let filter = Filter::new(ns, options.label_selector.as_ref(), options.field_selector.as_ref());
        let limit = options.limit.filter(|limit| *limit > 0).unwrap_or(usize::MAX);
        if let Some(token) = options.continue_token.as_deref().filter(|token| !token.is_empty()) {
            if version::parse(options.resource_version.as_deref())?.is_some_and(|version| version > 0) {
                return Err(Failure::bad_request(
                    "specifying resource version is not allowed when using continue",
                ));
            }
            let (token, tenant, path) = Continue::decode_across(token)?;
            let at = match u64::try_from(token.rv) {
                Ok(version) => Revision(version),
                Err(_) => {
                    cache.reach_now().await?;
                    cache.revision()
                }
            };
            return self.page_across(kind, &filter, at, Some((&tenant, &path)), limit).await;
        }
        let as_of = version::of_list(options)?;
        self.show(&Tenant::system(), kind, ns, as_of == AsOf::Now).await?;
        reach(cache, as_of).await?;
        if let AsOf::Exactly(asked) = as_of
            && Revision(asked) != cache.revision()
        {
            return self.page_across(kind, &filter, Revision(asked), None, limit).await;
        }
        Ok(now(cache, kind, &filter, limit))
    }

    /// Watches objects of all tenants; with an empty `ns` of all namespaces. Resource versions are the partition's.
    ///
    /// # Errors
    ///
    /// 403, and as for a watch.
    pub async fn watch_across(
        &self,
        caller: &Caller,
        kind: &'static Kind,
        ns: &str,
        options: &WatchOptions,
    ) -> Result<WatchStream, Failure> {
        check_operator(caller, kind)?;
        let cache = self.cache(kind);
        let from = version::of_watch(options)?;
        let filter = Filter::new(ns, options.label_selector.as_ref(), options.field_selector.as_ref());
        let fresh = !matches!(from, From::After(_) | From::Start { as_of: AsOf::Any, .. });
        let shown = self.keep_showing(&Tenant::system(), kind, ns, fresh).await?;
        let mut stream = self.stream(None, kind, filter, options, shown);
        match from {
            From::After(version) => {
                stream.place = TenantRevision(version);
                if cache.is_of_several_across(kind, ns, Revision(version)) {
                    stream.expire(stream.place.next());
                }
            }
            From::Now => {
                cache.reach_now().await?;
                stream.place = TenantRevision(cache.revision().0);
            }
            From::Start { as_of, marked } => {
                reach(cache, as_of).await?;
                let list = now(cache, kind, &stream.filter, usize::MAX);
                stream.start(list.items, TenantRevision(list.resource_version), marked);
            }
        }
        Ok(stream)
    }

    /// A page as of a revision, out of history.
    async fn page_across(
        &self,
        kind: &'static Kind,
        filter: &Filter,
        at: Revision,
        start: Option<(&str, &str)>,
        limit: usize,
    ) -> Result<List, Failure> {
        let cache = self.cache(kind);
        cache.reach_now().await?;
        if at > cache.revision() {
            return Err(version::too_large(at.0, cache.revision().0));
        }
        let token = start.map(|(tenant, path)| Continue::across(None, tenant, path));
        let operator = Tenant::system();
        let mut items: Vec<Arc<Entry>> = Vec::new();
        for tenant in cache.tenants_with(kind) {
            let behind = match start {
                Some((before, _)) if tenant.as_str() < before => continue,
                Some((same, path)) if tenant.as_str() == same => Some(path),
                _ => None,
            };
            // One more, so that it is known whether there are more.
            let wanted = limit.saturating_sub(items.len()).saturating_add(1);
            if covers(&tenant, kind, &filter.ns) {
                items.extend(self.shown_at(&tenant, kind, filter, at, behind, &token).await?);
            } else {
                let page = Page {
                    kind,
                    tenant: &tenant,
                    viewer: &operator,
                    view: self.view(),
                    filter,
                    at: Some((at, at.0)),
                    start: behind,
                    limit: wanted,
                };
                let read = Box::pin(read_page(cache, &page)).await;
                items.extend(read.map_err(|failure| expired(failure, &token))?.items);
            }
            if items.len() > limit {
                items.truncate(limit);
                return Ok(list(items, at, true, None));
            }
        }
        Ok(list(items, at, false, None))
    }

    /// Objects of which some may not be in the store.
    async fn shown_at(
        &self,
        tenant: &Tenant,
        kind: &'static Kind,
        filter: &Filter,
        at: Revision,
        behind: Option<&str>,
        token: &Option<Continue>,
    ) -> Result<Vec<Arc<Entry>>, Failure> {
        self.show(tenant, kind, &filter.ns, false).await?;
        let cache = self.cache(kind);
        let then = match cache.store().tenant_revision(tenant, Some(at)).await {
            Ok(then) => then,
            Err(error) => return Err(expired(error.into(), token)),
        };
        match cache.list_at(tenant, kind, &filter.ns, Some(then), behind) {
            Then::Known(mut items, _) => {
                items.retain(|entry| filter.matches(self.view(), entry));
                Ok(items)
            }
            Then::Ahead(_) => Err(version::too_large(at.0, cache.revision().0)),
            Then::Forgotten(kept) => Err(expired(Error::TenantCompacted { compacted: kept }.into(), token)),
        }
    }
}

/// Waits until the cache is as new as asked for.
async fn reach(cache: &Cache, as_of: AsOf) -> Result<(), Failure> {
    let asked = match as_of {
        AsOf::Any => return Ok(()),
        AsOf::Now => return cache.reach_now().await,
        AsOf::NotOlderThan(version) | AsOf::Exactly(version) => Revision(version),
    };
    if cache.revision() >= asked {
        return Ok(());
    }
    cache.reach_now().await?;
    let current = cache.revision();
    if current < asked { Err(version::too_large(asked.0, current.0)) } else { Ok(()) }
}

/// What there is that matches.
fn now(cache: &Cache, kind: &'static Kind, filter: &Filter, limit: usize) -> List {
    let (all, operator) = (filter.takes_all(), Tenant::system());
    let most = if all { limit } else { usize::MAX };
    let Across { mut entries, at, mut rest } =
        cache.list_across(kind, &filter.ns, most, |entry| filter.may_match(&operator, entry));
    if !all {
        entries.retain(|entry| filter.matches(cache.view(), entry));
        rest = entries.len().saturating_sub(limit);
        entries.truncate(limit);
    }
    list(entries, at, rest > 0, Some(rest as u64).filter(|_| all))
}

fn list(items: Vec<Arc<Entry>>, at: Revision, more: bool, remaining: Option<u64>) -> List {
    let last = items.last().filter(|_| more);
    let continue_token = last.map(|last| {
        let path = key::join(&last.namespace, &last.name);
        Continue::across(Some(at.0), last.tenant.as_str(), &path).encode()
    });
    let remaining = remaining.filter(|_| more);
    List { items, resource_version: at.0, continue_token, remaining }
}

/// A page that can no longer be given goes on as of now.
fn expired(failure: Failure, token: &Option<Continue>) -> Failure {
    match token {
        Some(token) if failure.reason == Reason::Expired => version::continue_expired_at(token),
        _ => failure,
    }
}

/// Checks that it is an operator of the region who asks.
fn check_operator(caller: &Caller, kind: &Kind) -> Result<(), Failure> {
    if caller.tenant.is_system() {
        return Ok(());
    }
    let why = "only the operators of the region, who are in the system tenant, look across tenants";
    Err(Failure::forbidden(kind, "", why))
}
