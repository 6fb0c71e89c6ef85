//! Claims that tenant partitions ask about: whether the host feeds have told of what tenants' pods are bound under.
//!
//! A partition asks before it has this replica decide on pods with required terms between pods, where it cannot know what the
//! replica knows: who decided before it may have been another one. What the replica has decided itself is assumed here, and
//! is not asked about.

use meridian_proto::v1;
use rustc_hash::FxHashMap;

use super::mirror::ClaimKey;
use super::{Core, MAX_PARTITIONS, Violation};

/// The most claims that are waited for.
const MAX_AWAITED: usize = 1 << 24;

/// A partition's question: its stream, and the number on it.
type Question = (usize, u64);

/// What is waited for.
#[derive(Debug, Default)]
pub(crate) struct Awaited {
    claims: FxHashMap<ClaimKey, Vec<Question>>,
    open: FxHashMap<Question, Open>,
}

/// How far a question has come.
#[derive(Debug, Default)]
struct Open {
    /// Claims that no feed has told of.
    left: usize,
    /// Whether all of them have been said.
    is_whole: bool,
}

impl Awaited {
    fn expect(&mut self, claim: ClaimKey, question: Question) {
        let asked = self.claims.entry(claim).or_default();
        if !asked.contains(&question) {
            asked.push(question);
            self.open.entry(question).or_default().left += 1;
        }
    }

    /// A claim need not be waited for any more, for one question or (`None`) for all. The answer is which it was awaited by.
    fn settle(&mut self, claim: ClaimKey, only: Option<Question>) -> Vec<Question> {
        let Some(asked) = self.claims.get_mut(&claim) else { return Vec::new() };
        let settled: Vec<Question> =
            asked.iter().copied().filter(|question| only.is_none_or(|only| only == *question)).collect();
        asked.retain(|question| !settled.contains(question));
        if asked.is_empty() {
            self.claims.remove(&claim);
        }
        for question in &settled {
            if let Some(open) = self.open.get_mut(question) {
                open.left = open.left.saturating_sub(1);
            }
        }
        settled
    }

    /// Forgets what a stream asked.
    pub(crate) fn forget(&mut self, stream: usize) {
        self.open.retain(|(of, _), _| *of != stream);
        self.claims.retain(|_, asked| {
            asked.retain(|(of, _)| *of != stream);
            !asked.is_empty()
        });
    }
}

impl Core {
    /// A partition says, in parts, what a tenant's pods are bound under.
    pub(super) fn tenant_claims(&mut self, stream: usize, said: v1::TenantClaims) -> Result<(), Violation> {
        let v1::TenantClaims { number, tenant: _, claims, ended, is_last } = said;
        let question = (stream, number);
        self.awaited.open.entry(question).or_default().is_whole |= is_last;
        for claim in claims {
            let partition = self
                .mirror
                .partition(&claim.partition, MAX_PARTITIONS)
                .ok_or(Violation::TooMany { what: "tenant partitions", limit: MAX_PARTITIONS })?;
            let key = ClaimKey { partition, epoch: claim.epoch, sequence: claim.sequence };
            if !self.mirror.feeds.iter().any(|feed| feed.entries.contains_key(&key)) {
                self.awaited.expect(key, question);
            }
        }
        if self.awaited.claims.len() > MAX_AWAITED {
            return Err(Violation::TooMany { what: "claims that are waited for", limit: MAX_AWAITED });
        }
        for claim in ended {
            if let Some(key) = self.mirror.claim(&claim) {
                self.awaited.settle(key, Some(question));
            }
        }
        self.answer_seen(question);
        Ok(())
    }

    /// A feed has told of a claim.
    pub(super) fn claim_seen(&mut self, claim: ClaimKey) {
        for question in self.awaited.settle(claim, None) {
            self.answer_seen(question);
        }
    }

    fn answer_seen(&mut self, question: Question) {
        if self.awaited.open.get(&question).is_some_and(|open| open.is_whole && open.left == 0) {
            self.awaited.open.remove(&question);
            if let Some(outbox) = self.outbox(question.0) {
                outbox.seen.push_back(question.1);
            }
        }
    }

    /// Takes in the labels of namespaces, by which terms select them.
    pub(super) fn namespaces(&mut self, said: v1::Namespaces) {
        for v1::NamespaceLabels { tenant, namespace, labels, gone } in said.namespaces {
            let labels = (!gone).then(|| labels.into_iter().collect());
            self.scheduler.set_namespace_labels(&tenant, &namespace, labels.as_ref());
        }
    }
}
