//! Priorities with a place in front of each.

/// Up to here priorities are told apart exactly: the largest that users may give.
const EXACT: i64 = 1_000_000_000;

/// Beyond, so many are one: there is no room for more. Kubernetes' two classes for system pods stay apart.
const COARSE: i64 = 16;

/// The queue's priority of a pod: higher goes first, and of equal priority those marked `first`.
pub(crate) fn rank(priority: i32, first: bool) -> i32 {
    let size = i64::from(priority).abs();
    let level = if size <= EXACT { size } else { EXACT + 1 + (size - EXACT - 1) / COARSE };
    let rank = 2 * level * i64::from(priority.signum()) + i64::from(first);
    rank.clamp(i32::MIN.into(), i32::MAX.into()) as i32
}

#[cfg(test)]
mod tests {
    use super::rank;

    #[test]
    fn first_goes_before_its_priority_and_behind_the_next() {
        let priorities = [
            i32::MIN,
            -2_000_000_000,
            -1_000_000_001,
            -1_000_000_000,
            -1,
            0,
            1,
            999_999_999,
            1_000_000_000,
            1_000_000_001,
            2_000_000_000,
            2_000_001_000,
            i32::MAX,
        ];
        let ranks: Vec<i32> = priorities
            .into_iter()
            .flat_map(|priority| [rank(priority, false), rank(priority, true)])
            .collect();
        assert!(ranks.is_sorted_by(|one, next| one < next), "{ranks:?}");
    }
}
