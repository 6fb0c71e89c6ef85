//! How claims are decided: one alone, or several that belong together and are accepted as a whole or not at all.

use std::sync::Arc;

use super::claim::{self, Answer, Claim, Refusal};
use super::entry::{AgentState, EntryState, Row};
use super::{HostRow, Ledger};
use crate::account::Taken;
use crate::identity::HostNumber;

/// What a claim comes to that is not refused.
pub(super) enum Decided {
    /// It was decided before, and stands as it was.
    Before,
    /// Room was taken for it, or as much as can be counted while its victims have the rest.
    Taken { host: HostNumber, taken: Option<Taken>, is_waiting: bool },
}

impl Ledger {
    /// Decides a claim.
    pub fn claim(&mut self, claim: &Claim) -> Answer {
        match self.decide(claim, std::slice::from_ref(claim), &[]) {
            Ok(decided) => self.enter(claim, decided),
            Err(refusal) => return self.answer(claim, Some(refusal)),
        }
        self.answer(claim, None)
    }

    /// Decides claims that belong together, in the order of their names: with one of them all are refused, and nothing is
    /// taken. The answers are in the order of the claims.
    pub fn claim_group(&mut self, claims: &[Claim]) -> Vec<Answer> {
        let mut decided = Vec::with_capacity(claims.len());
        let mut refused = None;
        for claim in claims {
            match self.decide(claim, claims, &decided) {
                Ok(one) => decided.push(one),
                Err(refusal) => {
                    refused = Some((decided.len(), refusal));
                    break;
                }
            }
        }
        let Some((at, refusal)) = refused else {
            for (claim, decided) in claims.iter().zip(decided) {
                self.enter(claim, decided);
            }
            return claims.iter().map(|claim| self.answer(claim, None)).collect();
        };
        for decided in decided {
            if let Decided::Taken { taken: Some(taken), .. } = decided {
                self.account.give_back(taken);
            }
        }
        let Some(other) = claims.get(at).map(|claim| claim.id.clone()) else { return Vec::new() };
        // Those that were not come to are decided as well: what is repeated of them is late.
        for claim in claims.get(at..).unwrap_or_default() {
            self.pass(claim);
        }
        let of_group = |place| match place == at {
            true => refusal.clone(),
            false => Refusal::Group { other: other.clone() },
        };
        claims.iter().enumerate().map(|(place, claim)| self.answer(claim, Some(of_group(place)))).collect()
    }

    fn enter(&mut self, claim: &Claim, decided: Decided) {
        let Decided::Taken { host, taken, is_waiting } = decided else { return };
        self.recent.push(claim.id.clone());
        let slot = self.insert(Row {
            id: claim.id.clone(),
            tenant: Arc::clone(&claim.tenant),
            uid: claim.uid.clone(),
            host,
            incarnation: claim.incarnation,
            seat: claim.seat,
            state: if is_waiting { EntryState::Waiting } else { EntryState::Held },
            taken,
            wanted: is_waiting.then(|| Box::new(claim.demand.clone())),
            agent: AgentState::Absent,
            has_spec: false,
            was_told_to_stop: false,
        });
        if is_waiting && let Some(host) = self.hosts.get_mut(&host) {
            host.waiting.push(slot);
        }
    }

    pub(super) fn answer(&self, claim: &Claim, refusal: Option<Refusal>) -> Answer {
        let free = self.by_name.get(&claim.host).and_then(|number| self.free(*number)).unwrap_or_default();
        let is_waiting = refusal.is_none() && self.state(&claim.id) == Some(EntryState::Waiting);
        Answer { claim: claim.id.clone(), refusal, is_waiting, free }
    }

    /// What a claim comes to, one of a group of which some have been decided. Of what is decided for the first time the
    /// account has taken the room, and no entry is made.
    fn decide(&mut self, claim: &Claim, group: &[Claim], decided: &[Decided]) -> Result<Decided, Refusal> {
        if claim.host_epoch != self.epoch {
            return Err(if claim.host_epoch > self.epoch {
                Refusal::Deposed { own: self.epoch, named: claim.host_epoch }
            } else {
                Refusal::Fenced { own: self.epoch, named: claim.host_epoch }
            });
        }
        let partition = self.partitions.get_mut(&*claim.id.partition).ok_or(Refusal::UnknownPartition)?;
        if !self.is_open || !partition.is_answered {
            return Err(Refusal::Recovering);
        }
        if self.entries.find(&claim.id).is_some() {
            return Ok(Decided::Before);
        }
        if claim.id.order() <= partition.watermark {
            return Err(Refusal::Stale);
        }
        partition.watermark = claim.id.order();
        let unknown = || Refusal::UnknownHost { host: claim.host.clone() };
        let number = *self.by_name.get(&claim.host).ok_or_else(unknown)?;
        let row = self.hosts.get(&number).ok_or_else(unknown)?;
        if claim.incarnation != row.incarnation {
            return Err(Refusal::Incarnation { own: row.incarnation, named: claim.incarnation });
        }
        if !row.is_ready() {
            return Err(Refusal::NotReady { host: claim.host.clone() });
        }
        let error = match self.account.take(row.id, &claim.demand, claim.seat) {
            Ok(taken) => return Ok(Decided::Taken { host: number, taken: Some(taken), is_waiting: false }),
            Err(error) => error,
        };
        let HostRow { id, description, .. } = row;
        let refusal = claim::refusal(error, &claim.demand, description, *id, &self.account);
        if (claim.victims.is_empty() && !claim.keeps) || !self.would_fit(number, claim, group, decided) {
            return Err(refusal);
        }
        let taken = self.take_anyway(number, &claim.demand, claim.seat);
        Ok(Decided::Taken { host: number, taken, is_waiting: true })
    }

    /// Takes a claim for decided without deciding it.
    fn pass(&mut self, claim: &Claim) {
        if claim.host_epoch == self.epoch
            && self.is_open
            && let Some(partition) = self.partitions.get_mut(&*claim.id.partition)
            && partition.is_answered
        {
            partition.watermark = partition.watermark.max(claim.id.order());
        }
    }
}
