//! Claims that wait for the room of their victims, or of whoever leaves first.
//!
//! The room of such a claim is counted from the moment it is taken down, beside that of its victims: what is free is
//! negative until they have left, so nobody else is given what they leave. Nothing is given twice, since the claim is
//! accepted only when all of it fits beside everything else that counts. Those that came first are seated first.

use meridian_engine::{Demand, Seat};

use super::claim::{Answer, Claim, Refusal};
use super::decide::Decided;
use super::entry::{EntryState, Slot};
use super::{Change, Ledger};
use crate::account::{Account, Taken};
use crate::identity::HostNumber;

impl Ledger {
    /// Whether a claim would fit on its host if the victims of its group, and all that is to be stopped, had left; where it
    /// keeps what anybody leaves, if all that do not wait themselves had. Asked of
    /// an account made for the purpose, so that the real one is not disturbed.
    pub(super) fn would_fit(
        &self,
        number: HostNumber,
        claim: &Claim,
        group: &[Claim],
        decided: &[Decided],
    ) -> bool {
        let Some(host) = self.hosts.get(&number) else { return false };
        let mut account = Account::new();
        let Ok(id) = account.add_host(&host.description) else { return false };
        let mut count = |demand: &Demand, seat: Seat| {
            account.take_anyway(id, &host.description, demand, seat);
        };
        for row in host.entries.iter().filter_map(|slot| self.entries.get(*slot)) {
            let leaves = match row.state {
                EntryState::Terminating => true,
                // What is not bound is not its tenant partition's to stop.
                // Those that wait are counted: together they never come to more than the host has.
                EntryState::Bound | EntryState::Held if claim.keeps => true,
                EntryState::Bound => group.iter().any(|claim| claim.victims.contains(&row.id)),
                EntryState::Held | EntryState::Waiting => false,
            };
            match (&row.wanted, &row.taken) {
                _ if leaves => {}
                (Some(wanted), _) => count(wanted, row.seat),
                (None, Some(taken)) => self.count(taken, &mut count),
                (None, None) => {}
            }
        }
        host.strays
            .iter()
            .filter_map(|stray| stray.taken.as_ref())
            .for_each(|taken| self.count(taken, &mut count));
        for (decided, claim) in decided.iter().zip(group) {
            if let Decided::Taken { host, .. } = decided
                && *host == number
            {
                count(&claim.demand, claim.seat);
            }
        }
        account.take(id, &claim.demand, claim.seat).is_ok()
    }

    fn count(&self, taken: &Taken, count: &mut impl FnMut(&Demand, Seat)) {
        if let Some(demand) = self.account.demand(taken) {
            count(demand, Account::seat(taken));
        }
    }

    /// Seats those who wait for room on a host and now fit, after anything that may have made room there.
    pub(super) fn seat(&mut self, number: HostNumber) {
        let Some(host) = self.hosts.get_mut(&number) else { return };
        // Before all that the host runs is known, what is free is not.
        if host.waiting.is_empty() || !host.is_ready() {
            return;
        }
        let (incarnation, mut waiting) = (host.incarnation, std::mem::take(&mut host.waiting));
        let (mut counted, mut away) = (Vec::with_capacity(waiting.len()), Vec::new());
        waiting.retain(|slot| {
            // Settled otherwise, an entry is a fact and waits for nothing.
            let row = self.entries.get_mut(*slot).filter(|row| row.state == EntryState::Waiting);
            let Some(row) = row else { return false };
            // Those that came later are in nobody's way: what is counted for all is given back first.
            counted.push(row.taken.as_ref().map(|taken| self.account.number(taken)));
            if let Some(taken) = row.taken.take() {
                self.account.give_back(taken);
            }
            true
        });
        for (slot, counted) in waiting.into_iter().zip(counted) {
            match self.entries.get(slot).map(|row| row.incarnation) {
                Some(named) if named != incarnation => {
                    away.push((slot, Refusal::Incarnation { own: incarnation, named }));
                }
                _ => self.seat_one(slot, number, counted),
            }
        }
        for (slot, refusal) in away {
            self.turn_away(slot, refusal);
        }
    }

    /// Gives an entry all that it wants, or takes as much as can be counted while it waits on.
    fn seat_one(&mut self, slot: Slot, number: HostNumber, counted: Option<u32>) {
        let (Some(row), Some(host)) = (self.entries.get_mut(slot), self.hosts.get_mut(&number)) else {
            return;
        };
        let Some(wanted) = row.wanted.take() else { return };
        let Ok(taken) = self.account.take(host.id, &wanted, row.seat) else {
            row.taken = self.account.take_anyway(host.id, &host.description, &wanted, row.seat);
            row.wanted = Some(wanted);
            host.waiting.push(slot);
            return;
        };
        let now = self.account.number(&taken);
        row.taken = Some(taken);
        row.state = EntryState::Held;
        let claim = row.id.clone();
        host.version += 1;
        self.recent.push(claim.clone());
        if counted != Some(now) {
            self.entered(slot);
        }
        let free = self.free(number).unwrap_or_default();
        self.changes.push(Change::Answered(Answer { claim, refusal: None, is_waiting: false, free }));
    }

    fn turn_away(&mut self, slot: Slot, refusal: Refusal) {
        let Some(row) = self.entries.get(slot) else { return };
        let (claim, number) = (row.id.clone(), row.host);
        let free = self.free(number).unwrap_or_default();
        self.remove(slot);
        self.changes.push(Change::Answered(Answer {
            claim,
            refusal: Some(refusal),
            is_waiting: false,
            free,
        }));
    }
}
