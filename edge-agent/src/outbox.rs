//! Statuses to be told: the newest of each pod, until it is known to be stored.
//!
//! What lies here is which pods have something to tell, not what: the status is written when it is sent, so what was
//! overtaken before that is never written, and however long the link is down, there is one entry for each pod.

use std::collections::VecDeque;
use std::time::Duration;

use rustc_hash::FxHashMap;

use crate::duty::PodUid;

/// What was sent and not confirmed for so long is sent again.
pub(crate) const RESEND: Duration = Duration::from_secs(10);

#[derive(Debug)]
struct Entry {
    number: u64,
    /// When it was last sent; none: it waits to be.
    sent: Option<Duration>,
    /// Told until the pod is forgotten, stored or not.
    stopped: bool,
}

/// The pods with something to tell.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    entries: FxHashMap<PodUid, Entry>,
    waiting: VecDeque<PodUid>,
    /// The last number given.
    number: u64,
    /// When to look for what is to be sent again.
    resend: Option<Duration>,
}

impl Outbox {
    /// An empty one, for the `starts`-th start of the agent: its numbers are above all that were given before.
    pub(crate) fn new(starts: u64) -> Self {
        Self { number: starts << 32, ..Self::default() }
    }

    /// A pod's status has changed.
    pub(crate) fn report(&mut self, uid: &PodUid, stopped: bool) {
        self.number += 1;
        let entry = Entry { number: self.number, sent: None, stopped };
        let was_waiting = self.entries.insert(uid.clone(), entry).is_some_and(|entry| entry.sent.is_none());
        if !was_waiting {
            self.waiting.push_back(uid.clone());
        }
    }

    /// The next pod to tell of, with the number of its status and whether it has stopped.
    pub(crate) fn take(&mut self, now: Duration) -> Option<(PodUid, u64, bool)> {
        while let Some(uid) = self.waiting.pop_front() {
            if let Some(entry) = self.entries.get_mut(&uid).filter(|entry| entry.sent.is_none()) {
                entry.sent = Some(now);
                self.resend.get_or_insert(now + RESEND);
                return Some((uid, entry.number, entry.stopped));
            }
        }
        None
    }

    /// Whether there is something to send.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// A status is stored.
    pub(crate) fn stored(&mut self, uid: &str, number: u64) {
        if self.entries.get(uid).is_some_and(|entry| entry.number <= number && !entry.stopped) {
            self.entries.remove(uid);
        }
    }

    /// Nothing is to be told of a pod any more.
    pub(crate) fn forget(&mut self, uid: &PodUid) {
        self.entries.remove(uid);
    }

    /// Everything that is not known to be stored is to be sent on the link that comes next.
    pub(crate) fn unlinked(&mut self) {
        self.send_again(|_| true);
        self.resend = None;
    }

    /// When `resend` is to be called.
    pub(crate) fn next(&self) -> Option<Duration> {
        self.resend
    }

    /// What was sent long ago is to be sent again.
    pub(crate) fn resend(&mut self, now: Duration) {
        if self.resend.is_some_and(|at| at <= now) {
            self.send_again(|sent| sent + RESEND <= now);
            let earliest = self.entries.values().filter_map(|entry| entry.sent).min();
            self.resend = earliest.map(|sent| sent + RESEND);
        }
    }

    fn send_again(&mut self, is_due: impl Fn(Duration) -> bool) {
        let mut due: Vec<(u64, PodUid)> = Vec::new();
        for (uid, entry) in &mut self.entries {
            if entry.sent.is_some_and(&is_due) {
                entry.sent = None;
                due.push((entry.number, uid.clone()));
            }
        }
        due.sort_unstable();
        self.waiting.extend(due.into_iter().map(|(_, uid)| uid));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(outbox: &mut Outbox, now: u64) -> Option<(String, u64, bool)> {
        let taken = outbox.take(Duration::from_secs(now));
        taken.map(|(uid, number, stopped)| (uid.to_string(), number & 0xffff_ffff, stopped))
    }

    #[test]
    fn only_the_newest_of_a_pod_is_sent_and_only_until_it_is_stored() {
        let mut outbox = Outbox::new(1);
        let (a, b) = (PodUid::from("a"), PodUid::from("b"));
        outbox.report(&a, false);
        outbox.report(&b, false);
        outbox.report(&a, false);
        assert_eq!(take(&mut outbox, 0), Some(("a".into(), 3, false)));
        assert_eq!(take(&mut outbox, 0), Some(("b".into(), 2, false)));
        assert_eq!(take(&mut outbox, 0), None);
        // An older number says nothing of the newer.
        outbox.stored("a", (1 << 32) + 1);
        outbox.stored("b", (1 << 32) + 2);
        outbox.stored("unknown", 9);
        outbox.unlinked();
        assert_eq!(take(&mut outbox, 0), Some(("a".into(), 3, false)));
        outbox.stored("a", u64::MAX);
        outbox.unlinked();
        assert_eq!(take(&mut outbox, 0), None);
    }

    #[test]
    fn an_end_is_told_until_it_is_forgotten() {
        let mut outbox = Outbox::new(2);
        let a = PodUid::from("a");
        outbox.report(&a, true);
        assert_eq!(take(&mut outbox, 1), Some(("a".into(), 1, true)));
        outbox.stored("a", u64::MAX);
        assert_eq!(outbox.next(), Some(Duration::from_secs(11)));
        outbox.resend(Duration::from_secs(10));
        assert!(!outbox.is_waiting());
        outbox.resend(Duration::from_secs(11));
        assert_eq!(take(&mut outbox, 11), Some(("a".into(), 1, true)));
        outbox.forget(&a);
        outbox.resend(Duration::from_secs(30));
        outbox.unlinked();
        assert!(!outbox.is_waiting() && outbox.next().is_none());
    }

    #[test]
    fn numbers_of_a_later_start_are_higher() {
        let number = |starts| {
            let mut outbox = Outbox::new(starts);
            outbox.report(&"a".into(), false);
            outbox.take(Duration::ZERO).unwrap().1
        };
        assert!(number(1) < number(2));
    }
}
