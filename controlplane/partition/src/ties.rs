//! What leaders of *tied* tenants are known to know.
//!
//! A tenant is tied while it has a pod with required terms between pods, waiting or bound. Whoever decides for it must know
//! where all its pods are, or it puts a pod where another one forbids it. A replica knows what it has decided itself, and what
//! the host feeds have told it, which may be late; so one that begins to decide for a tied tenant is asked first whether it
//! has heard of all that the tenant's pods are bound under.

use std::collections::HashMap;

use meridian_store::Tenant;

use crate::assignment::SessionId;

/// What a replica knows of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It is to be asked.
    Wanted,
    /// It has been asked, under a number.
    Asked { session: SessionId, number: u64 },
    /// It knows where all pods are that it has not placed itself.
    Clear { session: SessionId },
}

/// The tenants for which anybody was ever to decide on tied pods.
#[derive(Debug, Default)]
pub(crate) struct Ties {
    tenants: HashMap<Tenant, Standing>,
    wanted: Vec<Tenant>,
    /// Questions that have not been answered.
    asked: HashMap<u64, Tenant>,
    last: u64,
}

impl Ties {
    /// Whether a replica knows where a tenant's pods are. If not, it is to be asked.
    pub(crate) fn is_clear(&mut self, tenant: &Tenant, leader: SessionId) -> bool {
        match self.tenants.get(tenant) {
            Some(Standing::Clear { session }) if *session == leader => return true,
            Some(Standing::Asked { session, .. }) if *session == leader => return false,
            Some(Standing::Wanted) => return false,
            Some(Standing::Clear { .. } | Standing::Asked { .. }) | None => {}
        }
        self.forget(tenant);
        self.tenants.insert(tenant.clone(), Standing::Wanted);
        self.wanted.push(tenant.clone());
        false
    }

    /// A pod of a tenant goes where its leader does not know of.
    pub(crate) fn unknown(&mut self, tenant: &Tenant) {
        if self.tenants.get(tenant) != Some(&Standing::Wanted) {
            self.forget(tenant);
        }
    }

    fn forget(&mut self, tenant: &Tenant) {
        if let Some(Standing::Asked { number, .. }) = self.tenants.remove(tenant) {
            self.asked.remove(&number);
        }
    }

    /// The tenants whose leaders are to be asked.
    pub(crate) fn take_wanted(&mut self) -> Vec<Tenant> {
        std::mem::take(&mut self.wanted)
    }

    /// The time has not come to ask a tenant's leader.
    pub(crate) fn postpone(&mut self, tenant: Tenant) {
        self.wanted.push(tenant);
    }

    /// Nobody is to be asked about a tenant for now.
    pub(crate) fn drop_wanted(&mut self, tenant: &Tenant) {
        self.forget(tenant);
    }

    /// A tenant's leader is asked. The answer is the question's number.
    pub(crate) fn ask(&mut self, tenant: &Tenant, session: SessionId) -> u64 {
        self.last += 1;
        self.forget(tenant);
        self.asked.insert(self.last, tenant.clone());
        self.tenants.insert(tenant.clone(), Standing::Asked { session, number: self.last });
        self.last
    }

    /// Who is being asked about a tenant, and under which number.
    pub(crate) fn asked(&self, tenant: &Tenant) -> Option<(SessionId, u64)> {
        match self.tenants.get(tenant)? {
            Standing::Asked { session, number } => Some((*session, *number)),
            Standing::Wanted | Standing::Clear { .. } => None,
        }
    }

    /// A replica has heard of all that it was asked about under a number. The answer is the tenant, if it still leads it.
    pub(crate) fn seen(&mut self, session: SessionId, number: u64) -> Option<Tenant> {
        let tenant = self.asked.get(&number)?;
        let standing = self.tenants.get_mut(tenant)?;
        if *standing != (Standing::Asked { session, number }) {
            return None;
        }
        *standing = Standing::Clear { session };
        self.asked.remove(&number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leader_is_asked_once_and_another_leader_anew() {
        let (mut ties, tenant) = (Ties::default(), Tenant::new("a").unwrap());
        assert!(!ties.is_clear(&tenant, 1) && !ties.is_clear(&tenant, 1));
        assert_eq!(ties.take_wanted(), std::slice::from_ref(&tenant));
        let first = ties.ask(&tenant, 1);
        assert_eq!(ties.asked(&tenant), Some((1, first)));
        assert!(!ties.is_clear(&tenant, 1) && ties.take_wanted().is_empty());
        assert_eq!(ties.seen(2, first), None, "another replica's answer");
        assert_eq!(ties.seen(1, first), Some(tenant.clone()));
        assert!(ties.is_clear(&tenant, 1) && !ties.is_clear(&tenant, 2));
        assert_eq!(ties.take_wanted(), std::slice::from_ref(&tenant), "the new leader is asked");
        let second = ties.ask(&tenant, 2);
        assert_eq!(ties.seen(1, first), None, "an answer of the former");
        assert_eq!(ties.seen(2, second), Some(tenant.clone()));
        ties.unknown(&tenant);
        assert!(!ties.is_clear(&tenant, 2));
        assert_eq!(ties.take_wanted(), [tenant]);
    }
}
