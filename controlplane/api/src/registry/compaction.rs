//! Giving history up: that of before some minutes, and that of more than so many revisions.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use meridian_environment::Clock;
use meridian_store::{Error, Revision};

use super::RegistryLimits;
use crate::cache::Cache;

/// How often it is looked whether there is something to give up.
const EVERY: Duration = Duration::from_secs(10);

/// Gives up the history of a store from time to time, for ever.
pub(super) async fn run(cache: Arc<Cache>, clock: Arc<dyn Clock>, limits: RegistryLimits) {
    let mut seen: VecDeque<(Duration, Revision)> = VecDeque::new();
    loop {
        let now = clock.now();
        seen.push_back((now, cache.revision()));
        if let Some(until) = due(&mut seen, now, limits) {
            cache.forget(until);
            match cache.store().compact(until).await {
                Ok(()) | Err(Error::Compacted { .. }) => {}
                Err(Error::Closed | Error::Fenced { .. }) => return,
                Err(error) => tracing::warn!(%error, "could not give up history, trying again"),
            }
        }
        clock.wait_until(now.saturating_add(EVERY)).await;
    }
}

/// The revision up to which history is to go, if there is one. What is no longer needed for that is taken off `seen`.
fn due(seen: &mut VecDeque<(Duration, Revision)>, now: Duration, limits: RegistryLimits) -> Option<Revision> {
    let newest = seen.back()?.1;
    let mut until = None;
    while let Some((time, revision)) = seen.front().copied() {
        let old = now.saturating_sub(time) >= limits.history;
        let long = newest.0.saturating_sub(revision.0) >= limits.history_revisions;
        if !old && !long {
            break;
        }
        until = Some(revision);
        seen.pop_front();
    }
    until
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_goes_when_it_is_old_or_long() {
        let limits = RegistryLimits {
            history: Duration::from_secs(300),
            history_revisions: 1000,
            ..RegistryLimits::default()
        };
        let second = Duration::from_secs;
        let mut seen = VecDeque::from([(second(0), Revision(10)), (second(60), Revision(20))]);
        assert_eq!(due(&mut seen, second(60), limits), None);
        seen.push_back((second(300), Revision(30)));
        assert_eq!(due(&mut seen, second(300), limits), Some(Revision(10)));
        seen.push_back((second(301), Revision(1025)));
        assert_eq!(due(&mut seen, second(301), limits), Some(Revision(20)));
        assert_eq!(seen.len(), 2);
    }
}
