//! Which pods hold what on which host, as far as the store has told.
//!
//! Two sources tell of a binding: the result of the append that made it, at once, and the store's history, in order. What the
//! second tells of a name must not take away what the first told of a newer pod of that name, so pods go by uid, and the
//! name goes by the history alone.

use std::collections::HashMap;
use std::sync::Arc;

use meridian_api::{BindingRecord, BindingState};
use meridian_ledger::ClaimId;
use meridian_proto::v1;
use meridian_store::Tenant;
use prost::Message;
use rustc_hash::{FxHashMap, FxHashSet};

/// A pod's full name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PodName {
    /// Whose pod.
    pub(crate) tenant: Tenant,
    /// Its namespace.
    pub(crate) namespace: Arc<str>,
    /// Its name.
    pub(crate) name: Arc<str>,
}

/// A pod that holds something.
#[derive(Clone, Debug)]
pub(crate) struct Binding {
    /// What is recorded.
    pub(crate) record: Arc<BindingRecord>,
    /// The pod.
    pub(crate) name: Arc<PodName>,
    /// In which account of all bindings it was told of last.
    round: u64,
    /// Whether it may keep other pods away, or was itself kept away from hosts by others.
    is_tied: bool,
}

/// What pods of a tenant hold.
#[derive(Debug, Default)]
struct Held {
    uids: FxHashSet<Arc<str>>,
    /// How many of these have required terms between pods.
    tied: usize,
}

/// All pods that hold something.
#[derive(Debug, Default)]
pub(crate) struct Bindings {
    by_uid: FxHashMap<Arc<str>, Binding>,
    by_claim: FxHashMap<(u64, u64), Arc<str>>,
    by_name: HashMap<Arc<PodName>, Arc<str>>,
    by_tenant: HashMap<Tenant, Held>,
    round: u64,
}

impl Bindings {
    /// What the pod of a uid holds.
    pub(crate) fn get(&self, uid: &str) -> Option<&Binding> {
        self.by_uid.get(uid)
    }

    /// Who was bound under a claim of this partition.
    pub(crate) fn of_claim(&self, epoch: u64, sequence: u64) -> Option<(&Arc<str>, &Binding)> {
        let uid = self.by_claim.get(&(epoch, sequence))?;
        self.by_uid.get(uid).map(|binding| (uid, binding))
    }

    /// Who holds a name, as the history told last.
    pub(crate) fn holder(&self, name: &PodName) -> Option<&Arc<str>> {
        self.by_name.get(name)
    }

    /// An append has been done. The history will tell of it too, earlier or later.
    pub(crate) fn appended(&mut self, name: Arc<PodName>, record: Arc<BindingRecord>) {
        if !self.by_uid.contains_key(&*record.uid) {
            self.insert(name, record);
        }
    }

    /// The history tells of a record. The answer is what it told before of the same pod.
    pub(crate) fn put(&mut self, name: PodName, record: Arc<BindingRecord>) -> Option<BindingState> {
        let before = self.by_uid.get(&*record.uid).map(|binding| binding.record.state);
        let name = Arc::new(name);
        let uid = self.insert(name.clone(), record);
        self.by_name.insert(name, uid);
        before
    }

    /// The history tells that nobody of this name holds anything any more. The answer is who did.
    pub(crate) fn take(&mut self, name: &PodName) -> Option<Binding> {
        let uid = self.by_name.remove(name)?;
        self.forget(&uid)
    }

    /// The whole account will be told anew.
    pub(crate) fn begin_round(&mut self) {
        self.round += 1;
    }

    /// The whole account has been told: what it did not tell of is no more. The answer is what that was.
    pub(crate) fn end_round(&mut self) -> Vec<Binding> {
        let round = self.round;
        let gone: Vec<Arc<str>> = self
            .by_uid
            .iter()
            .filter(|(_, binding)| binding.round < round)
            .map(|(uid, _)| uid.clone())
            .collect();
        let by_uid = &self.by_uid;
        self.by_name.retain(|_, uid| by_uid.get(uid).is_some_and(|binding| binding.round == round));
        gone.iter().filter_map(|uid| self.forget(uid)).collect()
    }

    /// Whether pods of a tenant that hold something have required terms between pods.
    pub(crate) fn is_tied(&self, tenant: &Tenant) -> bool {
        self.by_tenant.get(tenant).is_some_and(|held| held.tied > 0)
    }

    /// What a tenant's pods are bound under.
    pub(crate) fn claims_of(&self, tenant: &Tenant) -> impl Iterator<Item = ClaimId> {
        let uids = self.by_tenant.get(tenant).into_iter().flat_map(|held| &held.uids);
        uids.filter_map(|uid| self.by_uid.get(uid)).map(|binding| {
            let claim = &binding.record.claim;
            let partition = claim.partition.as_str().into();
            ClaimId { partition, epoch: claim.epoch, sequence: claim.sequence }
        })
    }

    fn insert(&mut self, name: Arc<PodName>, record: Arc<BindingRecord>) -> Arc<str> {
        let uid: Arc<str> = record.uid.as_str().into();
        self.by_claim.insert((record.claim.epoch, record.claim.sequence), uid.clone());
        let before = self.by_uid.get(&uid).filter(|before| before.record.demand == record.demand);
        let is_tied = before.map_or_else(|| is_tied(&record.demand), |before| before.is_tied);
        let held = self.by_tenant.entry(name.tenant.clone()).or_default();
        held.uids.insert(uid.clone());
        held.tied += usize::from(is_tied);
        if let Some(before) =
            self.by_uid.insert(uid.clone(), Binding { record, name, round: self.round, is_tied })
        {
            held.tied -= usize::from(before.is_tied);
        }
        uid
    }

    fn forget(&mut self, uid: &str) -> Option<Binding> {
        let binding = self.by_uid.remove(uid)?;
        self.by_claim.remove(&(binding.record.claim.epoch, binding.record.claim.sequence));
        let tenant = &binding.name.tenant;
        if let Some(held) = self.by_tenant.get_mut(tenant) {
            held.uids.remove(uid);
            held.tied -= usize::from(binding.is_tied);
            if held.uids.is_empty() {
                self.by_tenant.remove(tenant);
            }
        }
        Some(binding)
    }
}

/// Whether a demand has required terms between pods. What cannot be read may have.
fn is_tied(demand: &[u8]) -> bool {
    let Ok(demand) = v1::Demand::decode(demand) else { return true };
    demand.terms.is_some_and(|terms| {
        let is_spread = terms.spread.iter().any(|constraint| constraint.required);
        is_spread || !terms.affinity.is_empty() || !terms.anti_affinity.is_empty()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use meridian_api::ClaimName;

    fn name() -> PodName {
        PodName { tenant: Tenant::system(), namespace: "default".into(), name: "a".into() }
    }

    fn record(uid: &str, sequence: u64, state: BindingState) -> Arc<BindingRecord> {
        Arc::new(BindingRecord {
            uid: uid.to_owned(),
            host: "h".to_owned(),
            host_partition: "hp".to_owned(),
            incarnation: 1,
            claim: ClaimName { partition: "tp".to_owned(), epoch: 1, sequence },
            demand: bytes::Bytes::new(),
            devices: 0,
            numa: 0,
            volumes: Vec::new(),
            state,
        })
    }

    #[test]
    fn late_history_of_a_name_does_not_take_a_newer_pod_away() {
        let mut bindings = Bindings::default();
        assert_eq!(bindings.put(name(), record("old", 1, BindingState::Bound)), None);
        bindings.appended(Arc::new(name()), record("new", 2, BindingState::Bound));
        assert_eq!(bindings.holder(&name()).map(|uid| &**uid), Some("old"));
        assert_eq!(bindings.take(&name()).map(|binding| binding.record.uid.clone()), Some("old".to_owned()));
        assert!(bindings.get("new").is_some() && bindings.of_claim(1, 2).is_some());
        assert!(bindings.get("old").is_none() && bindings.of_claim(1, 1).is_none());
        assert_eq!(
            bindings.put(name(), record("new", 2, BindingState::Terminating)),
            Some(BindingState::Bound)
        );
        bindings.appended(Arc::new(name()), record("new", 2, BindingState::Bound));
        assert_eq!(bindings.get("new").unwrap().record.state, BindingState::Terminating, "late result");
        assert!(bindings.take(&name()).is_some() && bindings.get("new").is_none());
    }

    #[test]
    fn a_new_account_replaces_the_old_one_but_for_what_was_appended_meanwhile() {
        let mut bindings = Bindings::default();
        bindings.put(name(), record("gone", 1, BindingState::Bound));
        bindings.begin_round();
        bindings.appended(Arc::new(name()), record("fresh", 2, BindingState::Bound));
        let gone = bindings.end_round();
        assert_eq!(gone.len(), 1);
        assert!(bindings.get("gone").is_none() && bindings.get("fresh").is_some());
        assert_eq!(bindings.holder(&name()), None);
    }
}
