//! Decisions.

use std::time::Duration;

use meridian_engine::{Choice, ClassId, Next, Part, Placement, Seat};
use meridian_proto::v1;

use super::Core;
use super::mirror::charge;
use super::pods::{PodKey, State};
use super::share::{CANDIDATES, Share};

/// Hosts looked at for explanations between two looks at what comes in, while there is nothing to decide.
const HOSTS_EXPLAINED: usize = 50_000;

/// The most waits kept for the metrics.
const MAX_WAITS: usize = 4096;

/// A pod's place, and the hosts that its decision names: that of the place first.
struct Placed {
    placement: Placement,
    candidates: Vec<Choice>,
}

impl Core {
    /// Decides up to `most` pods, and does a piece of what can wait. Returns whether there is more to do now.
    pub fn pump(&mut self, most: usize, now: Duration) -> bool {
        self.queue.advance(now);
        self.mirror.reconcile(&mut self.scheduler, &mut self.queue);
        self.unpark();
        if !self.may_decide(now) {
            return false;
        }
        let decided = self.decide(most, now);
        let is_busy = self.preempt(now) || decided >= most;
        let hosts = self.scheduler.cell().len().max(1);
        let pieces = if is_busy { 1 } else { (HOSTS_EXPLAINED / hosts).clamp(1, 64) };
        for _ in 0..pieces {
            if let Some((stream, request)) = self.questions.pop_front() {
                self.answer(stream, request);
            } else if let Some(class) = self.classes.take_due(now, &self.queue, self.heard) {
                self.explain_parked(class);
                self.keep_room(class, now);
            } else if let Some(gang) = self.gangs.take_due(now) {
                self.explain_group(gang);
            } else {
                break;
            }
        }
        is_busy
            || !self.questions.is_empty()
            || [self.classes.next_due(), self.gangs.next_due()].into_iter().flatten().any(|due| due <= now)
    }

    /// Brings classes back that a changed host could take, or that others' pods may no longer keep away.
    fn unpark(&mut self) {
        let mut helped = std::mem::take(&mut self.mirror.helped);
        helped.dedup();
        for host in &helped {
            self.queue.host_changed(*host, &mut self.scheduler);
        }
        helped.clear();
        self.mirror.helped = helped;
        self.queue.pods_changed(&mut self.scheduler);
    }

    fn decide(&mut self, most: usize, now: Duration) -> usize {
        let mut decided = 0;
        while decided < most {
            let waiting = match self.queue.pop(&mut self.scheduler) {
                Some(Next::Pod(waiting)) => waiting,
                Some(Next::Group(group)) => {
                    decided += self.decide_group(group, now);
                    continue;
                }
                None => break,
            };
            let key = PodKey::from_number(waiting.pod);
            decided += 1;
            match self.place(key, waiting.class, now) {
                Some(placed) => self.decided(key, placed, now),
                None => {
                    self.queue.park(waiting, &mut self.scheduler);
                    self.classes.park(waiting.class, now);
                    self.want_room(key);
                    if self.classes.get_mut(waiting.class).is_some_and(|class| class.message.is_some()) {
                        self.tell(waiting.class);
                    }
                }
            }
        }
        for class in self.queue.take_parked_again() {
            self.classes.park(class, now);
        }
        decided
    }

    fn place(&mut self, key: PodKey, class: ClassId, now: Duration) -> Option<Placed> {
        let (share, waited) = self.pods.get(key).map_or((Share::default(), Duration::ZERO), |pod| {
            let share = self.streams.get(pod.stream).map_or(Share::default(), |stream| stream.share);
            (share, now.saturating_sub(pod.arrived))
        });
        let candidates = if share.is_alone() {
            self.scheduler.decide(class).into_iter().collect()
        } else {
            self.candidates(class, share, waited)
        };
        let choice = *candidates.first()?;
        match self.scheduler.place(class, choice.host, choice.seat()) {
            Ok(placement) => Some(Placed { placement, candidates }),
            // What the choice rests on has gone wrong: this derives it anew.
            Err(_) => {
                let placement = self.scheduler.schedule(class)?;
                let Seat { devices, numa } = placement.seat();
                let choice = Choice { host: placement.host(), devices, numa, score: 0 };
                Some(Placed { placement, candidates: vec![choice] })
            }
        }
    }

    /// The host that this replica takes, and behind it runners-up: hosts of its own part of the cell where any is near the best,
    /// and else of all.
    fn candidates(&mut self, class: ClassId, share: Share, waited: Duration) -> Vec<Choice> {
        let Some(best) = self.scheduler.decide(class) else { return Vec::new() };
        let floor = best.score - share.tolerance(self.scheduler.full_score(), waited);
        let mut candidates = self.scheduler.near(class, floor, CANDIDATES, share.part());
        if candidates.is_empty() {
            candidates = self.scheduler.near(class, floor, CANDIDATES, Part::WHOLE);
            let picked = share.pick(candidates.len());
            candidates.rotate_left(picked);
        }
        if !candidates.iter().any(|candidate| candidate.host == best.host) {
            candidates.truncate(CANDIDATES - 1);
            candidates.push(best);
        }
        candidates
    }

    fn decided(&mut self, key: PodKey, placed: Placed, now: Duration) {
        let Placed { placement, candidates } = placed;
        if let Some(pod) = self.pods.get(key) {
            charge(&mut self.queue, pod.tenant, &placement);
        }
        self.pods.change(key, State::Decided(placement));
        let Some(pod) = self.pods.get(key) else { return };
        let hosts: Vec<_> = candidates.iter().filter_map(|choice| self.decided_host(choice)).collect();
        let decision = v1::Decision { uid: pod.uid.to_string(), assignment: pod.assignment, hosts };
        let (stream, arrived) = (pod.stream, pod.arrived);
        self.note_decision(arrived, now);
        if let Some(stream) = self.streams.get_mut(stream) {
            stream.outbox.decisions.push_back(decision);
        }
    }

    /// Counts a decision on a pod.
    pub(super) fn note_decision(&mut self, arrived: Duration, now: Duration) {
        self.counts.decisions += 1;
        if self.waits.len() < MAX_WAITS {
            self.waits.push(now.saturating_sub(arrived));
        }
    }

    pub(super) fn decided_host(&self, choice: &Choice) -> Option<v1::DecidedHost> {
        let Choice { host, devices, numa, score } = *choice;
        let record = self.mirror.record(host)?;
        let feed = self.mirror.feeds.get(record.feed)?;
        Some(v1::DecidedHost {
            partition: feed.name.clone(),
            host: record.news.host.name.clone(),
            incarnation: record.news.incarnation,
            devices,
            score,
            numa,
        })
    }
}
