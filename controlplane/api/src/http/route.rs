//! What a path names: a page of the server's own, or a resource of a kind of the schema table.
//!
//! There is no handler per kind. A path is read segment by segment, the kind is looked up in the table, and whatever is
//! no path of a kind is not found.

use std::borrow::Cow;

use meridian_schema::Kind;
use meridian_store::Tenant;

use super::context;
use super::percent;
use super::refuse;
use crate::Failure;

/// What a request is about, and on behalf of which tenant.
#[derive(Debug)]
pub(super) struct Route<'a> {
    /// The tenant whose user asks; where it is about all tenants, the operators'.
    pub(super) tenant: Tenant,
    /// Whether it is about all tenants.
    pub(super) across: bool,
    pub(super) page: Page<'a>,
}

/// What a path names.
#[derive(Debug)]
pub(super) enum Page<'a> {
    /// `/`: the list of paths.
    Paths,
    /// `/healthz`, `/livez` and `/readyz`, whole or one check of them.
    Health { endpoint: &'static str, check: Option<Cow<'a, str>> },
    /// `/metrics`
    Metrics,
    /// `/version`
    Version,
    /// `/api`: the versions of the core group.
    CoreVersions,
    /// `/apis`: all groups but the core group.
    Groups,
    /// `/apis/{group}`
    Group(Cow<'a, str>),
    /// `/api/v1` and `/apis/{group}/{version}`
    Resources { group: Cow<'a, str>, version: Cow<'a, str> },
    /// `/openapi/v2`
    OpenApiV2,
    /// `/openapi/v3`
    OpenApiV3Index,
    /// `/openapi/v3/{path}`
    OpenApiV3(&'a str),
    /// Objects of a kind.
    Resource(Target<'a>),
}

/// Which objects of a kind, or which of their subresources.
#[derive(Debug)]
pub(super) struct Target<'a> {
    pub(super) kind: &'static Kind,
    /// Empty for kinds without namespaces, and for all namespaces.
    pub(super) namespace: Cow<'a, str>,
    /// `None` for a collection.
    pub(super) name: Option<Cow<'a, str>>,
    pub(super) subresource: Option<Cow<'a, str>>,
}

impl<'a> Route<'a> {
    pub(super) fn parse(path: &'a str) -> Result<Self, Failure> {
        let all = context::split_all(path);
        let (mut tenant, rest) = match all {
            Some(rest) => (Some(Tenant::system()), rest),
            None => context::split_tenant(path)?,
        };
        let mut segments = Segments { rest: rest.strip_prefix('/').ok_or_else(refuse::no_such_page)? };
        let first = segments.next()?.unwrap_or_default();
        let page = match &*first {
            "" => Page::Paths,
            "healthz" => Page::Health { endpoint: "healthz", check: segments.last()? },
            "livez" => Page::Health { endpoint: "livez", check: segments.last()? },
            "readyz" => Page::Health { endpoint: "readyz", check: segments.last()? },
            "metrics" => segments.end(Page::Metrics)?,
            "version" => segments.end(Page::Version)?,
            "api" => match segments.next()? {
                None => Page::CoreVersions,
                Some(version) => resource(&mut tenant, Cow::Borrowed(""), version, segments)?,
            },
            "apis" => match (segments.next()?, segments.next()?) {
                (None, _) => Page::Groups,
                (Some(group), None) => Page::Group(group),
                (Some(group), Some(version)) => resource(&mut tenant, group, version, segments)?,
            },
            "openapi" => match segments.next()?.as_deref() {
                Some("v2") => segments.end(Page::OpenApiV2)?,
                Some("v3") if segments.rest.is_empty() => Page::OpenApiV3Index,
                Some("v3") => Page::OpenApiV3(segments.rest.trim_end_matches('/')),
                _ => return Err(refuse::no_such_page()),
            },
            _ => return Err(refuse::no_such_page()),
        };
        Ok(Self { tenant: tenant.unwrap_or_else(Tenant::system), across: all.is_some(), page })
    }
}

/// The path below a group and version.
fn resource<'a>(
    tenant: &mut Option<Tenant>,
    group: Cow<'a, str>,
    version: Cow<'a, str>,
    mut segments: Segments<'a>,
) -> Result<Page<'a>, Failure> {
    let find =
        |plural: &str| meridian_schema::kind(&group, &version, plural).ok_or_else(refuse::no_such_page);
    let Some(mut first) = segments.next()? else {
        return Ok(Page::Resources { group, version });
    };
    // Arktos' form, in which the tenant comes before the namespace. Where a prefix named a tenant already, both must agree.
    if first == "tenants" && meridian_schema::kind(&group, &version, "tenants").is_none() {
        let name = segments.next()?.ok_or_else(refuse::no_such_page)?;
        let named = context::tenant(&name)?;
        if tenant.as_ref().is_some_and(|tenant| *tenant != named) {
            return Err(refuse::no_such_page());
        }
        *tenant = Some(named);
        first = segments.next()?.ok_or_else(refuse::no_such_page)?;
    }
    let (second, third, fourth) = (segments.next()?, segments.next()?, segments.next()?);
    let fifth = segments.next()?;
    if segments.next()?.is_some() {
        return Err(refuse::no_such_page());
    }
    let target = match (second, third) {
        // A namespace itself, or a subresource of it, which no kind is named after.
        (name, None) if first == "namespaces" => {
            Target { kind: find(&first)?, namespace: Cow::Borrowed(""), name, subresource: None }
        }
        (name, Some(subresource))
            if first == "namespaces" && matches!(&*subresource, "status" | "finalize") =>
        {
            if fourth.is_some() {
                return Err(refuse::no_such_page());
            }
            Target { kind: find(&first)?, namespace: Cow::Borrowed(""), name, subresource: Some(subresource) }
        }
        (Some(namespace), Some(plural)) if first == "namespaces" => {
            let kind = find(&plural)?;
            if !kind.namespaced {
                return Err(refuse::no_such_page());
            }
            Target { kind, namespace, name: fourth, subresource: fifth }
        }
        (None, _) => {
            Target { kind: find(&first)?, namespace: Cow::Borrowed(""), name: None, subresource: None }
        }
        (name, subresource) => {
            let kind = find(&first)?;
            // An object of a namespaced kind has no path outside its namespace.
            if kind.namespaced || fourth.is_some() {
                return Err(refuse::no_such_page());
            }
            Target { kind, namespace: Cow::Borrowed(""), name, subresource }
        }
    };
    Ok(Page::Resource(target))
}

/// The segments of a path. A slash at its end is not counted.
struct Segments<'a> {
    rest: &'a str,
}

impl<'a> Segments<'a> {
    fn next(&mut self) -> Result<Option<Cow<'a, str>>, Failure> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (segment, rest) = self.rest.split_once('/').unwrap_or((self.rest, ""));
        self.rest = rest;
        match percent::segment(segment) {
            Some(segment) if !segment.is_empty() => Ok(Some(segment)),
            _ => Err(refuse::no_such_page()),
        }
    }

    /// The one segment that may be left.
    fn last(mut self) -> Result<Option<Cow<'a, str>>, Failure> {
        let last = self.next()?;
        if self.rest.is_empty() { Ok(last) } else { Err(refuse::no_such_page()) }
    }

    fn end(self, page: Page<'a>) -> Result<Page<'a>, Failure> {
        if self.rest.is_empty() { Ok(page) } else { Err(refuse::no_such_page()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `kind namespace/name/subresource` with `*` for what is not there.
    fn read(path: &str) -> String {
        match Route::parse(path) {
            Err(failure) => failure.code.to_string(),
            Ok(Route { page: Page::Resource(target), tenant, across }) => format!(
                "{}{tenant} {} {}/{}/{}",
                if across { "all as " } else { "" },
                target.kind.kind,
                target.namespace,
                target.name.as_deref().unwrap_or("*"),
                target.subresource.as_deref().unwrap_or("*")
            ),
            Ok(Route { page, .. }) => format!("{page:?}"),
        }
    }

    #[test]
    fn paths_of_resources() {
        for (path, expected) in [
            ("/api/v1/pods", "system Pod /*/*"),
            ("/api/v1/namespaces/a/pods", "system Pod a/*/*"),
            ("/api/v1/namespaces/a/pods/b", "system Pod a/b/*"),
            ("/api/v1/namespaces/a/pods/b/status", "system Pod a/b/status"),
            ("/api/v1/namespaces", "system Namespace /*/*"),
            ("/api/v1/namespaces/a", "system Namespace /a/*"),
            ("/api/v1/namespaces/a/", "system Namespace /a/*"),
            ("/api/v1/namespaces/a/finalize", "system Namespace /a/finalize"),
            ("/api/v1/nodes/n/status", "system Node /n/status"),
            ("/apis/apps/v1/namespaces/a/deployments/d/scale", "system Deployment a/d/scale"),
            (
                "/apis/scheduling.k8s.io/v1/priorityclasses/system%2Dhigh",
                "system PriorityClass /system-high/*",
            ),
            ("/tenants/blue/api/v1/namespaces/a/pods/b", "blue Pod a/b/*"),
            ("/api/v1/tenants/blue/namespaces/a/pods/b", "blue Pod a/b/*"),
            ("/api/v1/tenants/blue/nodes", "blue Node /*/*"),
            ("/tenants/all/api/v1/pods", "all as system Pod /*/*"),
            ("/tenants/all/apis/apps/v1/namespaces/a/deployments", "all as system Deployment a/*/*"),
            ("/tenants/all-of-it/api/v1/pods", "all-of-it Pod /*/*"),
        ] {
            assert_eq!(read(path), expected, "{path}");
        }
    }

    #[test]
    fn paths_of_nothing() {
        for path in [
            "/nothing",
            "/api/v1/namespaces/a/pods/b/status/more",
            "/api/v1/namespaces/a/nodes",
            "/api/v1/pods/b",
            "/api/v2/pods",
            "/apis/apps/v1/namespaces/a/pods",
            "/api/v1//pods",
            "/api/v1/namespaces/a/pods/%ff",
            "/tenants/blue/api/v1/tenants/red/namespaces/a/pods",
            "/metrics/more",
            "/livez/a/b",
            "/openapi/v1",
            "/tenants/blue",
            "/tenants/all",
            "/tenants/all/tenants/blue/api/v1/pods",
            "/tenants/all/api/v1/tenants/blue/pods",
        ] {
            assert_eq!(read(path), "404", "{path}");
        }
        assert_eq!(read("/tenants/Blue_1/api/v1/pods"), "400");
        assert_eq!(read("/api/v1/tenants/all/pods"), "400");
    }

    #[test]
    fn pages_of_the_server_itself() {
        for (path, expected) in [
            ("/", "Paths"),
            ("/api", "CoreVersions"),
            ("/api/", "CoreVersions"),
            ("/api/v1", "Resources { group: \"\", version: \"v1\" }"),
            ("/apis/apps", "Group(\"apps\")"),
            ("/apis/apps/v1/", "Resources { group: \"apps\", version: \"v1\" }"),
            ("/openapi/v3", "OpenApiV3Index"),
            ("/openapi/v3/apis/apps/v1", "OpenApiV3(\"apis/apps/v1\")"),
            ("/livez/ping", "Health { endpoint: \"livez\", check: Some(\"ping\") }"),
            ("/tenants/blue/version", "Version"),
        ] {
            assert_eq!(read(path), expected, "{path}");
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config { failure_persistence: None, ..Default::default() })]

        /// Whatever is asked for, there is an answer.
        #[test]
        fn any_path_and_query_is_read_or_refused(
            path in "(/(api|apis|v1|apps|namespaces|tenants|pods|status|openapi|v3|%[0-9a-f]{0,2}|.{0,4})){0,8}",
            query in "([a-zA-Z%+=&0-9]|.){0,30}",
        ) {
            if let Err(failure) = Route::parse(&path) {
                proptest::prop_assert!(matches!(failure.code, 400 | 404));
            }
            if let Err(failure) = crate::http::query::Query::parse(Some(&query)) {
                proptest::prop_assert_eq!(failure.code, 400);
            }
        }
    }
}
