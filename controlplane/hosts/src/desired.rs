//! What one host should run, as numbered changes, kept until its agent has made them durable.

use std::collections::VecDeque;

use meridian_ledger::ClaimId;
use meridian_proto::v1::{Desired, DesiredPod};

/// Orders that may be on their way to one host. An agent that is further behind is told all anew when it returns.
const MOST_ORDERS: usize = 8192;

#[derive(Debug)]
struct Batch {
    number: u64,
    pods: Vec<DesiredPod>,
    /// The claims whose pods it says to run.
    runs: Vec<ClaimId>,
}

/// The numbered changes for one host.
#[derive(Debug, Default)]
pub(crate) struct DesiredState {
    /// The last number given.
    number: u64,
    /// All up to this number is durable with the agent, or was given up.
    floor: u64,
    batches: VecDeque<Batch>,
    orders: usize,
}

impl DesiredState {
    /// The last number given.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Adds a change.
    pub(crate) fn push(
        &mut self,
        epoch: u64,
        pods: Vec<DesiredPod>,
        runs: Vec<ClaimId>,
        is_complete: bool,
    ) -> Desired {
        self.number += 1;
        self.orders += pods.len();
        self.batches.push_back(Batch { number: self.number, pods: pods.clone(), runs });
        Desired { number: self.number, host_epoch: epoch, pods, is_complete }
    }

    /// Whether more is on its way than is kept.
    pub(crate) fn is_overfull(&self) -> bool {
        self.orders > MOST_ORDERS
    }

    /// Everything up to a number is durable with the agent: the claims whose pods it knows it should run.
    pub(crate) fn acknowledge(&mut self, number: u64) -> Vec<ClaimId> {
        let mut runs = Vec::new();
        while let Some(batch) = self.batches.front()
            && batch.number <= number
        {
            let Some(batch) = self.batches.pop_front() else { break };
            self.floor = batch.number;
            self.orders -= batch.pods.len();
            runs.extend(batch.runs);
        }
        runs
    }

    /// Whether an agent that has followed up to a number can go on from there.
    pub(crate) fn can_resume(&self, number: u64) -> bool {
        (self.floor..=self.number).contains(&number)
    }

    /// All that is on its way.
    pub(crate) fn under_way(&self, epoch: u64) -> impl Iterator<Item = Desired> {
        self.batches.iter().map(move |batch| Desired {
            number: batch.number,
            host_epoch: epoch,
            pods: batch.pods.clone(),
            is_complete: false,
        })
    }

    /// Gives up what is on its way: all is told anew.
    pub(crate) fn reset(&mut self) {
        self.batches.clear();
        self.orders = 0;
        self.floor = self.number;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(uid: &str) -> DesiredPod {
        DesiredPod { uid: uid.to_owned(), ..DesiredPod::default() }
    }

    fn claim(sequence: u64) -> ClaimId {
        ClaimId { partition: "tp".into(), epoch: 1, sequence }
    }

    #[test]
    fn an_agent_goes_on_from_where_it_was_as_long_as_that_is_kept() {
        let mut desired = DesiredState::default();
        assert!(desired.can_resume(0) && !desired.can_resume(1));
        for sequence in 1..=3 {
            let uid = sequence.to_string();
            let said = desired.push(7, vec![pod(&uid)], vec![claim(sequence)], false);
            assert_eq!((said.number, said.host_epoch), (sequence, 7));
        }
        assert_eq!(desired.acknowledge(2), [claim(1), claim(2)]);
        assert_eq!(desired.acknowledge(1), []);
        assert!(
            !desired.can_resume(1)
                && desired.can_resume(2)
                && desired.can_resume(3)
                && !desired.can_resume(4)
        );
        let left: Vec<u64> = desired.under_way(7).map(|desired| desired.number).collect();
        assert_eq!(left, [3]);
        desired.reset();
        assert!(desired.can_resume(3) && !desired.can_resume(2));
        assert_eq!(desired.under_way(7).count(), 0);
        assert_eq!(desired.acknowledge(u64::MAX), []);
        desired.push(7, vec![pod("x"); MOST_ORDERS + 1], Vec::new(), true);
        assert!(desired.is_overfull());
    }
}
