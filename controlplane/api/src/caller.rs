//! On whose behalf a request is made.

use meridian_store::Tenant;

/// Who asks, and in which tenant. Every request has one. What is seen goes by the tenant alone: a part of Meridian at work in
/// a tenant is shown what the tenant is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The tenant all of the request is about.
    pub tenant: Tenant,
    /// The name of the user.
    pub user: String,
    /// The groups the user is in.
    pub groups: Vec<String>,
}

impl Caller {
    /// A part of Meridian itself, in the tenant `system`.
    #[must_use]
    pub fn system(component: &str) -> Self {
        Self::component(component, &Tenant::system())
    }

    /// A part of Meridian itself, at work in a tenant.
    #[must_use]
    pub fn component(component: &str, tenant: &Tenant) -> Self {
        Self {
            tenant: tenant.clone(),
            user: format!("system:{component}"),
            groups: vec!["system:masters".to_owned()],
        }
    }
}
