//! Terms between pods: where the pods are that other pods' spread constraints and affinity terms speak of.
//!
//! Pods are counted by *topology domain* (see [`domain`]) for each matcher and key that some class asks about, and for
//! each term that running pods carry. Placing a pod changes the counters that concern it and no other; so a decision
//! never looks at pods. A class' [`Terms`] name its counters; what they and the counters of others come to for it are
//! its [`Rules`], which say of each host whether it is refused ([`refusal`]), and guide the class' index ([`grouped`]).
//!
//! The semantics are those of kube-scheduler 1.34, within a tenant.

mod audit;
mod counter;
mod domain;
mod grouped;
mod matcher;
mod outcome;
mod refusal;
mod shape;
mod signature;
mod table;
mod terms;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

pub(crate) use self::audit::Miscount;
use self::counter::{Carried, Counter, CounterKey, Subject};
use self::domain::{Column, Domains, DomainsKey, Key, NO_VALUE, Scope, Slots};
pub(crate) use self::grouped::Grouped;
use self::matcher::{MatcherKey, Matching};
pub(crate) use self::outcome::Points as TopologyPoints;
pub(crate) use self::refusal::Refusal;
pub(crate) use self::shape::{Shape, Shapes};
pub(crate) use self::table::Id;
use self::table::Table;
pub(crate) use self::terms::{Rules, Terms};
use crate::cell::Cell;
use crate::demand::{Identity, PodTerms};

/// The pods of a host, by what counters can tell of them: mostly nothing, so that one is enough and stands in place.
type Here = SmallVec<[(Id, u32); 2]>;

/// All counters, and what they are kept from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Topology {
    columns: Table<Key, Column>,
    scopes: Table<Scope, Slots>,
    domains: Table<DomainsKey, Domains>,
    counters: Table<CounterKey, Counter>,
    matching: Matching,
    members: Table<MemberKey, Member>,
    /// By slot: the pods there, by what counters can tell of them.
    hosts: Vec<Here>,
    /// Changes when counts change on hosts that nothing happens to.
    pub(crate) epoch: u64,
    /// Counts changes of counters.
    ticks: u64,
}

/// What counters can tell of a pod.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct MemberKey {
    peer: Id,
    /// The counters of its terms, with what it counts for there.
    carried: Vec<(Id, i64)>,
    /// Told to stop: such pods are not spread.
    is_terminating: bool,
}

/// Pods that all counters take for equal.
#[derive(Clone, Debug, Default)]
struct Member {
    touches: Vec<(Id, i64)>,
    placed: u64,
}

impl Topology {
    /// A pod starts on a host.
    pub(crate) fn start(&mut self, member: Id, slot: usize) {
        if self.hosts.len() <= slot {
            self.hosts.resize_with(slot + 1, Here::new);
        }
        let here = &mut self.hosts[slot];
        match here.iter_mut().find(|(other, _)| *other == member) {
            Some((_, pods)) => *pods += 1,
            None => here.push((member, 1)),
        }
        let entry = self.members.get_mut(member);
        entry.placed += 1;
        if entry.placed == 1 {
            self.members.hold(member);
        }
        self.count(member, slot, 1);
    }

    /// A pod that started on a host has stopped.
    pub(crate) fn stop(&mut self, member: Id, slot: usize) {
        let here = &mut self.hosts[slot];
        if let Some(place) = here.iter().position(|(other, _)| *other == member) {
            here[place].1 -= 1;
            if here[place].1 == 0 {
                here.swap_remove(place);
            }
        }
        self.count(member, slot, -1);
        self.unplace(member, 1);
    }

    /// Counts pods on a host without noting them there. To be taken back before anything else happens.
    pub(crate) fn count(&mut self, member: Id, slot: usize, pods: i64) {
        let Topology { columns, scopes, counters, members, ticks, .. } = self;
        *ticks += 1;
        for (counter, amount) in &members.get(member).touches {
            let counter = counters.get_mut(*counter);
            let value = value(columns, scopes, counter, slot);
            if value != NO_VALUE {
                counter.add(value, amount * pods);
                counter.changed = *ticks;
            }
        }
    }

    /// All pods of a host are gone with it. To be called while the host is still described.
    pub(crate) fn clear(&mut self, slot: usize) {
        let Some(here) = self.hosts.get_mut(slot) else { return };
        for (member, pods) in std::mem::take(here) {
            self.count(member, slot, -i64::from(pods));
            self.unplace(member, u64::from(pods));
        }
    }

    /// A host came, went or was described anew.
    pub(crate) fn host_changed(&mut self, cell: &Cell, slot: usize) {
        if self.columns.is_empty() {
            return;
        }
        let record = cell.records.get(slot).and_then(Option::as_ref);
        let mut is_same = true;
        let mut values = Vec::new();
        for (_, key, column) in self.columns.values_mut() {
            let value = key.value_in(cell, slot, record);
            is_same &= value == column.value(slot);
            values.push(value);
        }
        let mut scoped = Vec::new();
        for (_, scope, slots) in self.scopes.values_mut() {
            let is_in = scope.has(cell, record);
            is_same &= is_in == slots.has(slot);
            scoped.push(is_in);
        }
        if is_same {
            return;
        }
        let here = self.hosts.get_mut(slot).map(std::mem::take).unwrap_or_default();
        for (member, pods) in &here {
            self.count(*member, slot, -i64::from(*pods));
        }
        self.enter_domains(slot, false);
        for ((_, _, column), value) in self.columns.values_mut().zip(values) {
            column.set(slot, value);
        }
        for ((_, _, slots), is_in) in self.scopes.values_mut().zip(scoped) {
            slots.set(slot, is_in);
        }
        self.enter_domains(slot, true);
        for (member, pods) in &here {
            self.count(*member, slot, i64::from(*pods));
        }
        if let Some(place) = self.hosts.get_mut(slot) {
            *place = here;
        }
    }

    /// Takes a namespace's labels in; `None` when it is gone.
    pub(crate) fn set_namespace(
        &mut self,
        tenant: &str,
        namespace: &str,
        labels: Option<&std::collections::BTreeMap<String, String>>,
    ) {
        let peers = self.matching.set_namespace(tenant, namespace, labels);
        if peers.is_empty() {
            return;
        }
        let members: Vec<Id> =
            peers.iter().flat_map(|peer| &self.matching.peers.get(*peer).members).copied().collect();
        let touches: FxHashMap<Id, Vec<(Id, i64)>> =
            members.iter().map(|member| (*member, self.touches(self.members.key(*member)))).collect();
        for amount in [-1, 1] {
            for slot in 0..self.hosts.len() {
                for place in 0..self.hosts[slot].len() {
                    let (member, pods) = self.hosts[slot][place];
                    if touches.contains_key(&member) {
                        self.count(member, slot, amount * i64::from(pods));
                    }
                }
            }
            if amount < 0 {
                for (member, touches) in &touches {
                    self.members.get_mut(*member).touches.clone_from(touches);
                }
            }
        }
        self.epoch += 1;
    }

    /// What counters can tell of the pods of a demand, counted once more.
    fn member(&mut self, cell: &Cell, identity: &Identity, terms: &PodTerms) -> Id {
        let peer = self.matching.peer(identity);
        let mut carried: Vec<(Id, i64)> = Vec::new();
        let all = terms
            .affinity
            .iter()
            .map(|term| (term, Carried::Affinity, 1))
            .chain(terms.anti_affinity.iter().map(|term| (term, Carried::AntiAffinity, 1)))
            .chain(
                terms
                    .preferred
                    .iter()
                    .map(|weighted| (&weighted.term, Carried::Preferred, i64::from(weighted.weight))),
            );
        for (term, kind, amount) in all {
            let matcher = self.matching.matcher(MatcherKey::of_terms(identity, [term]));
            let key = Key::Label(term.topology_key.clone());
            let subject = Subject::Carrying { matcher, kind };
            let counter = self.counter(cell, key, Scope::default(), subject);
            match carried.iter_mut().find(|(other, _)| *other == counter) {
                Some((_, sum)) => {
                    *sum += amount;
                    self.release_counter(counter);
                }
                None => carried.push((counter, amount)),
            }
        }
        carried.sort_unstable();
        self.intern_member(MemberKey { peer, carried, is_terminating: false })
    }

    /// What counters can tell of a member's pods once they have been told to stop, counted once more.
    pub(crate) fn terminating(&mut self, member: Id) -> Id {
        let key = MemberKey { is_terminating: true, ..(**self.members.key(member)).clone() };
        self.matching.peers.hold(key.peer);
        for (counter, _) in &key.carried {
            self.counters.hold(*counter);
        }
        self.intern_member(key)
    }

    /// Takes over a use of the peer and of each counter.
    fn intern_member(&mut self, key: MemberKey) -> Id {
        if let Some(id) = self.members.find(&key) {
            self.members.hold(id);
            self.release_member_parts(&key);
            return id;
        }
        let (peer, touches) = (key.peer, self.touches(&key));
        let id = self.members.insert(key, Member { touches, placed: 0 });
        self.matching.peers.get_mut(peer).members.insert(id);
        id
    }

    pub(crate) fn release_member(&mut self, member: Id) {
        if let Some((key, _)) = self.members.release(member) {
            self.matching.peers.get_mut(key.peer).members.remove(&member);
            self.release_member_parts(&key);
        }
    }

    fn release_member_parts(&mut self, key: &MemberKey) {
        for (counter, _) in &key.carried {
            self.release_counter(*counter);
        }
        self.matching.release_peer(key.peer);
    }

    fn unplace(&mut self, member: Id, pods: u64) {
        let entry = self.members.get_mut(member);
        entry.placed -= pods;
        if entry.placed == 0 {
            self.release_member(member);
        }
    }

    fn touches(&self, member: &MemberKey) -> Vec<(Id, i64)> {
        let matchers = self.matching.peers.get(member.peer).matchers.iter();
        let matching = matchers.flat_map(|matcher| &self.matching.matchers.get(*matcher).matching);
        let counts = |counter: &&Id| match self.counters.key(**counter).subject {
            Subject::Matching { terminating, .. } => terminating || !member.is_terminating,
            Subject::Carrying { .. } => false,
        };
        let mut touches = member.carried.clone();
        touches.extend(matching.filter(counts).map(|counter| (*counter, 1)));
        touches
    }

    /// The column of a key, counted once more.
    fn column(&mut self, cell: &Cell, key: Key) -> Id {
        if let Some(id) = self.columns.find(&key) {
            self.columns.hold(id);
            return id;
        }
        let mut column = Column::default();
        for (slot, record) in cell.records.iter().enumerate() {
            column.set(slot, key.value_in(cell, slot, record.as_ref()));
        }
        self.columns.insert(key, column)
    }

    fn scope(&mut self, cell: &Cell, scope: Scope) -> Id {
        if let Some(id) = self.scopes.find(&scope) {
            self.scopes.hold(id);
            return id;
        }
        let mut slots = Slots::default();
        for (slot, record) in cell.records.iter().enumerate() {
            slots.set(slot, scope.has(cell, record.as_ref()));
        }
        self.scopes.insert(scope, slots)
    }

    fn domains(&mut self, cell: &Cell, key: Key, scope: Scope) -> Id {
        let key = DomainsKey { key: self.column(cell, key), scope: self.scope(cell, scope) };
        if let Some(id) = self.domains.find(&key) {
            self.domains.hold(id);
            self.release_domains_parts(key);
            return id;
        }
        let mut domains = Domains::default();
        let (column, slots) = (self.columns.get(key.key), self.scopes.get(key.scope));
        for slot in 0..cell.records.len() {
            if slots.has(slot) && column.value(slot) != NO_VALUE {
                domains.enter(column.value(slot));
            }
        }
        self.domains.insert(key, domains)
    }

    fn release_domains_parts(&mut self, key: DomainsKey) {
        self.columns.release(key.key);
        self.scopes.release(key.scope);
    }

    /// The counter of a subject by the domains of a key in a scope, counted once more. Takes over a use of the matcher.
    fn counter(&mut self, cell: &Cell, key: Key, scope: Scope, subject: Subject) -> Id {
        let domains = self.domains(cell, key, scope);
        let key = CounterKey { domains, subject };
        if let Some(id) = self.counters.find(&key) {
            self.counters.hold(id);
            self.release_counter_parts(&key);
            return id;
        }
        let DomainsKey { key: column, scope } = **self.domains.key(domains);
        let is_ranked = matches!(subject, Subject::Matching { terminating: false, .. });
        let mut counter = Counter::new(domains, column, scope, is_ranked);
        for _ in 0..self.domains.get(domains).existing {
            counter.appear();
        }
        let id = self.counters.insert(key, counter);
        self.domains.get_mut(domains).counters.push(id);
        match subject {
            Subject::Matching { matcher, terminating } => {
                self.matching.matchers.get_mut(matcher).matching.push(id);
                self.fill(id, matcher, terminating);
            }
            Subject::Carrying { matcher, .. } => {
                self.matching.matchers.get_mut(matcher).carrying.push(id);
                self.touch_peers(matcher);
            }
        }
        id
    }

    /// Counts the pods that run for a counter that is new.
    fn fill(&mut self, counter: Id, matcher: Id, terminating: bool) {
        let mut is_placed = false;
        let peers: Vec<Id> = self.matching.matchers.get(matcher).peers.iter().copied().collect();
        for peer in peers {
            for member in &self.matching.peers.get(peer).members {
                if terminating || !self.members.key(*member).is_terminating {
                    let member = self.members.get_mut(*member);
                    member.touches.push((counter, 1));
                    is_placed |= member.placed > 0;
                }
            }
        }
        if !is_placed {
            return;
        }
        let Topology { columns, scopes, counters, members, hosts, .. } = self;
        let entry = counters.get_mut(counter);
        for (slot, here) in hosts.iter().enumerate() {
            let value = value(columns, scopes, entry, slot);
            for (member, pods) in here.iter().filter(|_| value != NO_VALUE) {
                if members.get(*member).touches.iter().any(|(other, _)| *other == counter) {
                    entry.add(value, i64::from(*pods));
                }
            }
        }
    }

    fn touch_peers(&mut self, matcher: Id) {
        let peers: Vec<Id> = self.matching.matchers.get(matcher).peers.iter().copied().collect();
        for peer in peers {
            self.matching.touch(peer);
        }
    }

    /// Counts a counter once less.
    fn release_counter(&mut self, id: Id) {
        let Some((key, _)) = self.counters.release(id) else { return };
        self.domains.get_mut(key.domains).counters.retain(|other| *other != id);
        let matcher = self.matching.matchers.get_mut(key.subject.matcher());
        match key.subject {
            Subject::Matching { .. } => {
                matcher.matching.retain(|other| *other != id);
                for peer in &matcher.peers {
                    for member in &self.matching.peers.get(*peer).members {
                        self.members.get_mut(*member).touches.retain(|(other, _)| *other != id);
                    }
                }
            }
            Subject::Carrying { matcher: number, .. } => {
                matcher.carrying.retain(|other| *other != id);
                self.touch_peers(number);
            }
        }
        self.release_counter_parts(&key);
    }

    fn release_counter_parts(&mut self, key: &CounterKey) {
        if let Some((domains, _)) = self.domains.release(key.domains) {
            self.release_domains_parts(*domains);
        }
        self.matching.release_matcher(key.subject.matcher());
    }

    /// Has a host's domains gain it, or lose it.
    fn enter_domains(&mut self, slot: usize, enters: bool) {
        let Topology { columns, scopes, domains, counters, ticks, .. } = self;
        *ticks += 1;
        for (_, key, domains) in domains.values_mut() {
            let value = columns.get(key.key).value(slot);
            if value == NO_VALUE || !scopes.get(key.scope).has(slot) {
                continue;
            }
            let has_changed = if enters { domains.enter(value) } else { domains.leave(value) };
            for counter in domains.counters.iter().filter(|_| has_changed) {
                let counter = counters.get_mut(*counter);
                counter.changed = *ticks;
                if enters {
                    counter.appear();
                } else {
                    counter.disappear();
                }
            }
        }
    }

    /// When any count that can keep a class from a host was last changed.
    pub(crate) fn last_change(&self, rules: &Rules) -> u64 {
        let hard = rules.hard.iter().map(|hard| hard.counter);
        let others = rules.affinity.iter().chain(&rules.anti_affinity).chain(&rules.kept_away).copied();
        hard.chain(others).map(|counter| self.counters.get(counter).changed).max().unwrap_or(0)
    }

    /// The value that a host has of a counter's key, whether or not it is in the counter's scope.
    fn value(&self, counter: Id, slot: usize) -> u32 {
        self.columns.get(self.counters.get(counter).column).value(slot)
    }

    /// What is counted in a host's domain.
    fn count_at(&self, counter: Id, slot: usize) -> i64 {
        let counter = self.counters.get(counter);
        counter.count(self.columns.get(counter.column).value(slot))
    }
}

/// The domain of a host that a counter counts in.
fn value(columns: &Table<Key, Column>, scopes: &Table<Scope, Slots>, counter: &Counter, slot: usize) -> u32 {
    if scopes.get(counter.scope).has(slot) { columns.get(counter.column).value(slot) } else { NO_VALUE }
}
