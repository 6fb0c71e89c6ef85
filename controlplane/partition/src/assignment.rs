//! Which replica leads which tenant: rendezvous hashing over the replicas that are connected.
//!
//! Each tenant goes to the replica with the highest score for it, so when one joins or leaves only the tenants that it
//! leads move. The epoch grows with each such change.

/// The name of a replica's stream, never used again.
pub(crate) type SessionId = u64;

/// The live replicas.
#[derive(Debug, Default)]
pub(crate) struct Assignment {
    epoch: u64,
    members: Vec<(SessionId, u64)>,
}

impl Assignment {
    /// Grows with each change of the live replicas.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// How many replicas are live.
    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// Which of the live replicas one is, counted from 0: the same in every partition that has the same ones.
    pub(crate) fn position(&self, session: SessionId) -> Option<usize> {
        let own = self.members.iter().find(|(member, _)| *member == session)?;
        Some(self.members.iter().filter(|other| (other.1, other.0) < (own.1, own.0)).count())
    }

    /// A replica has joined under a name.
    pub(crate) fn join(&mut self, session: SessionId, name: &str) {
        self.members.push((session, fnv(name.as_bytes())));
        self.epoch += 1;
    }

    /// A replica's stream has ended. Says whether it was live.
    pub(crate) fn leave(&mut self, session: SessionId) -> bool {
        let before = self.members.len();
        self.members.retain(|(member, _)| *member != session);
        let left = self.members.len() < before;
        self.epoch += u64::from(left);
        left
    }

    /// Who leads a tenant.
    pub(crate) fn leader(&self, tenant: &str) -> Option<SessionId> {
        let tenant = fnv(tenant.as_bytes());
        let score = |name: u64| mix(mix(name) ^ tenant);
        self.members
            .iter()
            .max_by_key(|(session, name)| (score(*name), *session))
            .map(|(session, _)| *session)
    }
}

/// FNV-1a.
fn fnv(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The finishing steps of SplitMix64: every bit of the input moves half of the bits of the output.
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaders(assignment: &Assignment) -> Vec<Option<SessionId>> {
        (0..1000).map(|tenant| assignment.leader(&format!("tenant-{tenant}"))).collect()
    }

    #[test]
    fn only_tenants_of_the_one_that_joins_or_leaves_move() {
        let mut assignment = Assignment::default();
        assert_eq!(assignment.leader("a"), None);
        for (session, name) in ["one", "two", "three"].into_iter().enumerate() {
            assignment.join(session as SessionId, name);
        }
        let before = leaders(&assignment);
        for session in 0..3 {
            let share = before.iter().filter(|leader| **leader == Some(session)).count();
            assert!((250..420).contains(&share), "replica {session} leads {share} of 1000");
        }
        let epoch = assignment.epoch();
        assignment.join(7, "four");
        let with = leaders(&assignment);
        assert!(before.iter().zip(&with).all(|(old, new)| old == new || *new == Some(7)));
        assert!(assignment.epoch() > epoch);
        assert!(assignment.leave(7) && !assignment.leave(7));
        assert_eq!(leaders(&assignment), before);
        assert_eq!(assignment.epoch(), epoch + 2);
    }

    #[test]
    fn positions_are_dense_and_depend_on_names_alone() {
        let (mut one, mut other) = (Assignment::default(), Assignment::default());
        for (session, name) in ["x", "y", "z"].into_iter().enumerate() {
            one.join(session as SessionId, name);
            other.join(9 - session as SessionId, name);
        }
        let positions = |of: &Assignment, sessions: [SessionId; 3]| sessions.map(|id| of.position(id));
        let mut found = positions(&one, [0, 1, 2]);
        assert_eq!(found, positions(&other, [9, 8, 7]));
        found.sort_unstable();
        assert_eq!(found, [Some(0), Some(1), Some(2)]);
        assert_eq!(one.position(5), None);
    }

    #[test]
    fn the_leader_depends_on_names_and_not_on_the_order_of_joining() {
        let (mut one, mut other) = (Assignment::default(), Assignment::default());
        one.join(1, "x");
        one.join(2, "y");
        other.join(3, "y");
        other.join(4, "x");
        for (left, right) in leaders(&one).into_iter().zip(leaders(&other)) {
            assert_eq!(left == Some(1), right == Some(4));
        }
    }
}
