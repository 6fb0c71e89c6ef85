//! How replicas that decide at the same time stay out of each other's way.
//!
//! They see the same hosts and would all take the same best one. So each has a part of the cell of its own, and takes the best
//! host of that where it is nearly as good as the best of all; else one of all hosts that are, the first replica the best, the
//! second one further down, and so on. What may be given up is little while pods are decided as they come, and more when they
//! wait, since then most decisions are under way at once: quality first, speed under load, as ParSync (Feng et al., USENIX ATC
//! 2021) adapts. A replica alone takes the best host.

use std::time::Duration;

use meridian_engine::Part;

/// Hosts that a decision names: the one chosen, and runners-up for when it is refused.
pub(super) const CANDIDATES: usize = 8;

/// Of the full score, what may be given up for pods that have not waited, and for those that have waited [`LONG`], as
/// parts of 10,000.
const LEAST: i64 = 100;
const MOST: i64 = 400;

/// How long a pod waits when decisions fall behind.
const LONG: Duration = Duration::from_millis(500);

/// Which of the live replicas this one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    replicas: usize,
    replica: usize,
}

impl Default for Share {
    fn default() -> Share {
        Share { replicas: 1, replica: 0 }
    }
}

impl Share {
    /// As a partition says it; one alone where it says nothing that makes sense.
    pub(super) fn new(replicas: u32, replica: u32) -> Share {
        if replica >= replicas {
            return Share::default();
        }
        Share { replicas: replicas as usize, replica: replica as usize }
    }

    /// Whether nobody else decides.
    pub(super) fn is_alone(self) -> bool {
        self.replicas == 1
    }

    /// What may be given up for a pod that has waited so long, of a host's full score.
    pub(super) fn tolerance(self, full: i64, waited: Duration) -> i64 {
        if self.is_alone() {
            return 0;
        }
        let part = waited.min(LONG).as_millis() as i64;
        full / 10_000 * (LEAST + (MOST - LEAST) * part / LONG.as_millis() as i64)
    }

    /// The hosts that this replica prefers, and no other does.
    pub(super) fn part(self) -> Part {
        Part::new(self.replica, self.replicas)
    }

    /// Which of so many candidates this replica takes where others take of the same ones.
    pub(super) fn pick(self, candidates: usize) -> usize {
        self.replica * candidates / self.replicas
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_pick_apart_while_there_are_enough_candidates() {
        for replicas in 1..=CANDIDATES as u32 {
            let picks: Vec<usize> =
                (0..replicas).map(|replica| Share::new(replicas, replica).pick(CANDIDATES)).collect();
            assert_eq!(picks[0], 0);
            assert!(picks.windows(2).all(|pair| pair[0] < pair[1]) && picks[picks.len() - 1] < CANDIDATES);
        }
        assert_eq!(Share::new(4, 3).pick(1), 0);
        assert_eq!(Share::new(0, 0), Share::default());
        assert_eq!(Share::new(2, 7), Share::default());
    }

    #[test]
    fn more_is_given_up_the_longer_pods_wait_and_nothing_alone() {
        let full = 2_000_000;
        let given = |waited| Share::new(2, 1).tolerance(full, Duration::from_millis(waited));
        assert_eq!((given(0), given(500), given(9_000)), (20_000, 80_000, 80_000));
        assert!(given(0) < given(100) && given(100) < given(400));
        assert_eq!(Share::default().tolerance(full, LONG), 0);
    }
}
