//! Which pods' terms mean which pods: matchers, peers, and every pair of them that matches, found once.
//!
//! A *peer* is what pods can be told by, a *matcher* is what terms select by. When either is new it is compared with
//! those that can match it: a matcher that wants one of some values of a label is found by these.

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;

use super::table::{Id, Table};
use crate::demand::{Identity, LabelSelector, Operator, PodAffinityTerm, Requirement};

/// The label that every namespace has, with its name.
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

/// What terms select by: pods of the tenant that all parts match.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MatcherKey {
    tenant: String,
    /// Sorted.
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Part {
    namespaces: BTreeSet<String>,
    namespace_selector: Option<Vec<Wanted>>,
    selector: Option<Vec<Wanted>>,
}

/// A requirement, with values in order.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Wanted {
    In(String, BTreeSet<String>),
    NotIn(String, BTreeSet<String>),
    Exists(String),
    DoesNotExist(String),
}

type Labels = BTreeMap<String, String>;

impl Wanted {
    fn new(requirement: &Requirement) -> Wanted {
        let key = requirement.key.clone();
        match &requirement.operator {
            Operator::In(values) => Wanted::In(key, values.iter().cloned().collect()),
            Operator::NotIn(values) => Wanted::NotIn(key, values.iter().cloned().collect()),
            Operator::Exists => Wanted::Exists(key),
            Operator::DoesNotExist => Wanted::DoesNotExist(key),
            // Refused with the demand.
            Operator::GreaterThan(_) | Operator::LessThan(_) => Wanted::In(key, BTreeSet::new()),
        }
    }

    fn holds(&self, labels: &Labels) -> bool {
        match self {
            Wanted::In(key, values) => labels.get(key).is_some_and(|value| values.contains(value)),
            Wanted::NotIn(key, values) => labels.get(key).is_none_or(|value| !values.contains(value)),
            Wanted::Exists(key) => labels.contains_key(key),
            Wanted::DoesNotExist(key) => !labels.contains_key(key),
        }
    }
}

fn wanted(selector: &LabelSelector) -> Option<Vec<Wanted>> {
    selector.as_ref().map(|requirements| {
        let mut wanted: Vec<Wanted> = requirements.iter().map(Wanted::new).collect();
        wanted.sort();
        wanted.dedup();
        wanted
    })
}

fn selects(selector: Option<&Vec<Wanted>>, labels: &Labels) -> bool {
    selector.is_some_and(|wanted| wanted.iter().all(|wanted| wanted.holds(labels)))
}

impl MatcherKey {
    /// The pods that all of `terms` of a pod mean.
    pub(crate) fn of_terms<'a>(
        identity: &Identity,
        terms: impl IntoIterator<Item = &'a PodAffinityTerm>,
    ) -> MatcherKey {
        let mut parts: Vec<Part> = terms
            .into_iter()
            .map(|term| {
                let mut namespaces = term.namespaces.clone();
                if namespaces.is_empty() && term.namespace_selector.is_none() {
                    namespaces.insert(identity.namespace.clone());
                }
                Part {
                    namespaces,
                    namespace_selector: wanted(&term.namespace_selector),
                    selector: wanted(&term.selector),
                }
            })
            .collect();
        parts.sort();
        parts.dedup();
        MatcherKey { tenant: identity.tenant.clone(), parts }
    }

    /// The pods of a pod's own namespace that a spread constraint counts: none where it selects all.
    pub(crate) fn of_spread(identity: &Identity, selector: &LabelSelector) -> MatcherKey {
        let selector = wanted(selector).filter(|wanted| !wanted.is_empty());
        let namespaces = [identity.namespace.clone()].into();
        let parts = vec![Part { namespaces, namespace_selector: None, selector }];
        MatcherKey { tenant: identity.tenant.clone(), parts }
    }

    /// Labels of which every pod that matches has one.
    fn anchors(&self) -> Option<Vec<(String, String)>> {
        let requirements = self.parts.iter().flat_map(|part| part.selector.iter().flatten());
        requirements
            .filter_map(|wanted| match wanted {
                Wanted::In(key, values) => Some((key, values)),
                _ => None,
            })
            .min_by_key(|(_, values)| values.len())
            .map(|(key, values)| values.iter().map(|value| (key.clone(), value.clone())).collect())
    }

    fn depends_on_labels_of_namespaces(&self) -> bool {
        self.parts
            .iter()
            .any(|part| part.namespace_selector.as_ref().is_some_and(|wanted| !wanted.is_empty()))
    }

    fn matches(&self, peer: &Identity, namespace: &Labels) -> bool {
        self.parts.iter().all(|part| {
            (part.namespaces.contains(&peer.namespace)
                || selects(part.namespace_selector.as_ref(), namespace))
                && selects(part.selector.as_ref(), &peer.labels)
        })
    }
}

/// Whether a selector matches a pod's labels.
pub(crate) fn matches_labels(selector: &LabelSelector, labels: &Labels) -> bool {
    selects(wanted(selector).as_ref(), labels)
}

/// A matcher at work.
#[derive(Clone, Debug, Default)]
pub(crate) struct Matcher {
    pub(crate) peers: BTreeSet<Id>,
    /// Counters of what it matches.
    pub(crate) matching: Vec<Id>,
    /// Counters of pods that carry such a term.
    pub(crate) carrying: Vec<Id>,
}

/// Pods that no term can tell apart.
#[derive(Clone, Debug, Default)]
pub(crate) struct Peer {
    pub(crate) matchers: BTreeSet<Id>,
    pub(crate) members: BTreeSet<Id>,
    /// Changes whenever the counters do that concern the peer.
    pub(crate) revision: u64,
}

/// What of a tenant there is, by the labels that it is found by.
#[derive(Clone, Debug, Default)]
struct Tenant {
    peers: BTreeSet<Id>,
    peers_with: FxHashMap<(String, String), BTreeSet<Id>>,
    matchers_for: FxHashMap<(String, String), BTreeSet<Id>>,
    /// Matchers that are not found by labels.
    loose: BTreeSet<Id>,
    namespaces: FxHashMap<String, Labels>,
}

/// All matchers and peers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Matching {
    pub(crate) matchers: Table<MatcherKey, Matcher>,
    pub(crate) peers: Table<Identity, Peer>,
    tenants: FxHashMap<String, Tenant>,
    revision: u64,
}

impl Tenant {
    fn labels_of(&self, namespace: &str) -> Labels {
        let mut labels = self.namespaces.get(namespace).cloned().unwrap_or_default();
        labels.entry(NAMESPACE_NAME.to_owned()).or_insert_with(|| namespace.to_owned());
        labels
    }

    fn is_empty(&self) -> bool {
        self.peers.is_empty()
            && self.loose.is_empty()
            && self.matchers_for.is_empty()
            && self.namespaces.is_empty()
    }
}

fn drop_from(map: &mut FxHashMap<(String, String), BTreeSet<Id>>, label: &(String, String), id: Id) {
    if let Some(ids) = map.get_mut(label) {
        ids.remove(&id);
        if ids.is_empty() {
            map.remove(label);
        }
    }
}

impl Matching {
    /// Notes that what concerns a peer has changed.
    pub(crate) fn touch(&mut self, peer: Id) {
        self.revision += 1;
        self.peers.get_mut(peer).revision = self.revision;
    }

    /// The peer of an identity, counted once more.
    pub(crate) fn peer(&mut self, identity: &Identity) -> Id {
        if let Some(id) = self.peers.find(identity) {
            self.peers.hold(id);
            return id;
        }
        let id = self.peers.insert(identity.clone(), Peer::default());
        let tenant = self.tenants.entry(identity.tenant.clone()).or_default();
        tenant.peers.insert(id);
        let mut candidates = tenant.loose.clone();
        for (key, value) in &identity.labels {
            let label = (key.clone(), value.clone());
            candidates.extend(tenant.matchers_for.get(&label).into_iter().flatten());
            tenant.peers_with.entry(label).or_default().insert(id);
        }
        let namespace = tenant.labels_of(&identity.namespace);
        for candidate in candidates {
            if self.matchers.key(candidate).matches(identity, &namespace) {
                self.matchers.get_mut(candidate).peers.insert(id);
                self.peers.get_mut(id).matchers.insert(candidate);
            }
        }
        self.touch(id);
        id
    }

    /// Counts a peer once less.
    pub(crate) fn release_peer(&mut self, id: Id) {
        let Some((identity, peer)) = self.peers.release(id) else { return };
        for matcher in peer.matchers {
            self.matchers.get_mut(matcher).peers.remove(&id);
        }
        let Some(tenant) = self.tenants.get_mut(&identity.tenant) else { return };
        tenant.peers.remove(&id);
        for (key, value) in &identity.labels {
            drop_from(&mut tenant.peers_with, &(key.clone(), value.clone()), id);
        }
        if tenant.is_empty() {
            self.tenants.remove(&identity.tenant);
        }
    }

    /// The matcher of a key, counted once more.
    pub(crate) fn matcher(&mut self, key: MatcherKey) -> Id {
        if let Some(id) = self.matchers.find(&key) {
            self.matchers.hold(id);
            return id;
        }
        let tenant = self.tenants.entry(key.tenant.clone()).or_default();
        let candidates = match key.anchors() {
            Some(labels) => {
                let having = labels.iter().filter_map(|label| tenant.peers_with.get(label));
                having.flatten().copied().collect()
            }
            None => tenant.peers.clone(),
        };
        let mut matching = BTreeSet::new();
        for candidate in candidates {
            let identity = self.peers.key(candidate);
            if key.matches(identity, &tenant.labels_of(&identity.namespace)) {
                matching.insert(candidate);
            }
        }
        let anchors = key.anchors();
        let id = self.matchers.insert(key.clone(), Matcher { peers: matching.clone(), ..Matcher::default() });
        if let Some(tenant) = self.tenants.get_mut(&key.tenant) {
            match anchors {
                Some(labels) => {
                    for label in labels {
                        tenant.matchers_for.entry(label).or_default().insert(id);
                    }
                }
                None => {
                    tenant.loose.insert(id);
                }
            }
        }
        for peer in matching {
            self.peers.get_mut(peer).matchers.insert(id);
        }
        id
    }

    /// Counts a matcher once less.
    pub(crate) fn release_matcher(&mut self, id: Id) {
        let Some((key, matcher)) = self.matchers.release(id) else { return };
        for peer in matcher.peers {
            self.peers.get_mut(peer).matchers.remove(&id);
        }
        let Some(tenant) = self.tenants.get_mut(&key.tenant) else { return };
        match key.anchors() {
            Some(labels) => {
                for label in labels {
                    drop_from(&mut tenant.matchers_for, &label, id);
                }
            }
            None => {
                tenant.loose.remove(&id);
            }
        }
        if tenant.is_empty() {
            self.tenants.remove(&key.tenant);
        }
    }

    /// Whether a matcher matches a peer.
    pub(crate) fn matches(&self, matcher: Id, peer: Id) -> bool {
        self.peers.get(peer).matchers.contains(&matcher)
    }

    /// Takes a namespace's labels in; `None` when it is gone. Returns the peers that other matchers match now.
    pub(crate) fn set_namespace(
        &mut self,
        tenant: &str,
        namespace: &str,
        labels: Option<&Labels>,
    ) -> Vec<Id> {
        let entry = self.tenants.entry(tenant.to_owned()).or_default();
        match labels {
            Some(labels) => entry.namespaces.insert(namespace.to_owned(), labels.clone()),
            None => entry.namespaces.remove(namespace),
        };
        let labels = entry.labels_of(namespace);
        let peers: Vec<Id> = entry.peers.iter().copied().collect();
        if entry.is_empty() {
            self.tenants.remove(tenant);
        }
        let selecting: Vec<Id> = self
            .matchers
            .ids()
            .filter(|id| {
                let key = self.matchers.key(*id);
                key.tenant == tenant && key.depends_on_labels_of_namespaces()
            })
            .collect();
        let mut changed = Vec::new();
        for peer in peers {
            let identity = self.peers.key(peer);
            if identity.namespace != namespace {
                continue;
            }
            let mut matchers = self.peers.get(peer).matchers.clone();
            for matcher in &selecting {
                if self.matchers.key(*matcher).matches(identity, &labels) {
                    matchers.insert(*matcher);
                } else {
                    matchers.remove(matcher);
                }
            }
            if matchers == self.peers.get(peer).matchers {
                continue;
            }
            for matcher in &selecting {
                let peers = &mut self.matchers.get_mut(*matcher).peers;
                if matchers.contains(matcher) {
                    peers.insert(peer);
                } else {
                    peers.remove(&peer);
                }
            }
            self.peers.get_mut(peer).matchers = matchers;
            self.touch(peer);
            changed.push(peer);
        }
        changed
    }
}
