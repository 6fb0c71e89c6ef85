//! Pods that fit nowhere take the room of pods of lower priority.
//!
//! Who could make way is asked of the tenant partition, and only when a pod fits nowhere: its answer, an account of the
//! tenant's bound pods of lower priority and their disruption budgets as of a moment ago, is good for [`FRESH`]. The engine
//! then names host and victims; the room is taken as an assumption that may exceed what is free, so nobody else is decided
//! onto it, and the decision is sent as a group of one with its victims. Whether they make way is the partition's to say.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use meridian_engine::{Choice, ClassId, Preemption, Running};
use meridian_proto::v1;
use rustc_hash::FxHashMap;

use super::mirror::ClaimKey;
use super::pods::{PodKey, State};
use super::{Core, Violation};

/// How long an account of who could make way is good.
const FRESH: Duration = Duration::from_secs(2);

/// How long until a partition that has not answered is asked again.
const PATIENCE: Duration = Duration::from_secs(5);

/// Tenants of all streams, the pods that one may be told of, and its disruption budgets.
const MAX_TENANTS: usize = 1 << 20;
const MAX_VICTIMS: usize = 1 << 18;
const MAX_BUDGETS: usize = 1 << 14;

/// The most pods that make way for one.
const MOST_VICTIMS: usize = 256;

/// Pods of a class that are tried after one of them has got room.
const NEXT: usize = 64;

/// Pods tried between two looks at what comes in.
const TRIED: usize = 64;

/// A pod that was told of as one that could make way.
#[derive(Clone, Debug)]
struct Told {
    feed: usize,
    claim: ClaimKey,
    victim: v1::Victim,
}

/// A tenant of a stream.
#[derive(Debug, Default)]
struct Tenant {
    stream: usize,
    name: Arc<str>,
    /// Pods that want room, the highest priority first and then in the order of their keys.
    wanting: BTreeSet<(Reverse<i32>, u64)>,
    /// The question that waits for its answer, and since when.
    asked: Option<(u64, Duration)>,
    /// What has come of the answer.
    coming: Vec<v1::Victim>,
    /// When the last answer came, and below which priority it tells of pods.
    heard: Option<(Duration, i32)>,
    /// Below which priority the question asks.
    below: i32,
    /// Those of the last answer, by the engine's numbers less `first`.
    told: Vec<Told>,
    first: u64,
    /// The engine's numbers of the budgets of the last answer.
    budgets: std::ops::Range<u32>,
}

/// What is known of those who could make way.
#[derive(Debug, Default)]
pub(crate) struct Preemptions {
    tenants: Vec<Tenant>,
    numbers: FxHashMap<(usize, Arc<str>), u32>,
    /// The tenants of which pods want room.
    active: BTreeSet<u32>,
    questions: u64,
    pods: u64,
    budgets: u32,
}

impl Preemptions {
    /// The number of a stream's tenant; `None` when there are absurdly many.
    pub(crate) fn tenant(&mut self, stream: usize, name: &str) -> Option<u32> {
        let key = (stream, Arc::<str>::from(name));
        if let Some(number) = self.numbers.get(&key) {
            return Some(*number);
        }
        if self.tenants.len() >= MAX_TENANTS {
            return None;
        }
        let number = u32::try_from(self.tenants.len()).ok()?;
        self.tenants.push(Tenant { stream, name: Arc::clone(&key.1), ..Tenant::default() });
        self.numbers.insert(key, number);
        Some(number)
    }

    /// When a partition that has not answered is to be asked again.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        let active = self.active.iter().filter_map(|number| self.tenants.get(*number as usize));
        active.filter_map(|tenant| tenant.asked.map(|(_, at)| at + PATIENCE)).min()
    }
}

impl Core {
    /// A pod fits nowhere: it wants room that others have.
    pub(crate) fn want_room(&mut self, key: PodKey) {
        let Some(pod) = self.pods.get(key).filter(|pod| matches!(pod.state, State::Waiting)) else { return };
        // Members of a group go where they go together, or nowhere.
        let Some(number) = pod.preempts_in.filter(|_| pod.gang.is_none()) else { return };
        if let Some(tenant) = self.preemptions.tenants.get_mut(number as usize) {
            tenant.wanting.insert((Reverse(pod.priority), key.number()));
            self.preemptions.active.insert(number);
        }
    }

    /// Some pods of a class that fits nowhere want room.
    pub(crate) fn want_room_for(&mut self, class: ClassId) {
        let Some(class) = self.classes.get_mut(class) else { return };
        for key in class.waiting(&self.pods, NEXT) {
            self.want_room(key);
        }
    }

    /// A stream has ended: nothing more comes of what was asked there.
    pub(crate) fn forget_questions(&mut self, stream: usize) {
        for number in 0..self.preemptions.tenants.len() {
            if self.preemptions.tenants[number].stream == stream {
                self.forget_told(number);
                let tenant = &mut self.preemptions.tenants[number];
                tenant.wanting.clear();
                tenant.coming = Vec::new();
                (tenant.asked, tenant.heard) = (None, None);
            }
        }
    }

    /// Finds room for those who want it. Returns whether there are more.
    pub(crate) fn preempt(&mut self, now: Duration) -> bool {
        let mut tried = 0;
        let active: Vec<u32> = self.preemptions.active.iter().copied().collect();
        for active in active {
            let number = active as usize;
            while let Some((Reverse(priority), key)) =
                self.preemptions.tenants[number].wanting.first().copied()
            {
                if tried >= TRIED {
                    return true;
                }
                let tenant = &self.preemptions.tenants[number];
                let is_known = tenant.heard.is_some_and(|(at, below)| now < at + FRESH && priority <= below);
                if !is_known {
                    self.ask_who(number, priority, now);
                    break;
                }
                tried += 1;
                self.preemptions.tenants[number].wanting.pop_first();
                self.try_preempt(number, PodKey::from_number(key), priority);
            }
            if self.preemptions.tenants[number].wanting.is_empty() {
                self.preemptions.active.remove(&active);
            }
        }
        false
    }

    fn ask_who(&mut self, number: usize, below: i32, now: Duration) {
        let tenant = &mut self.preemptions.tenants[number];
        if tenant.asked.is_some_and(|(_, at)| now < at + PATIENCE) {
            return;
        }
        self.preemptions.questions += 1;
        let question = self.preemptions.questions;
        tenant.asked = Some((question, now));
        tenant.below = below;
        tenant.coming = Vec::new();
        let (stream, name) = (tenant.stream, tenant.name.to_string());
        if let Some(outbox) = self.outbox(stream) {
            outbox.victims.push_back(v1::VictimsRequest { number: question, tenant: name, below });
        }
    }

    /// A part of an answer has come.
    pub(crate) fn victims(
        &mut self,
        stream: usize,
        said: v1::Victims,
        now: Duration,
    ) -> Result<(), Violation> {
        let v1::Victims { number, budgets, victims, is_last } = said;
        let is_asked = |tenant: &Tenant| {
            tenant.stream == stream && tenant.asked.is_some_and(|(asked, _)| asked == number)
        };
        // One that came too late.
        let Some(place) = self.preemptions.tenants.iter().position(is_asked) else { return Ok(()) };
        let tenant = &mut self.preemptions.tenants[place];
        tenant.coming.extend(victims);
        if tenant.coming.len() > MAX_VICTIMS {
            return Err(Violation::TooMany { what: "pods that could make way", limit: MAX_VICTIMS });
        }
        if budgets.len() > MAX_BUDGETS {
            return Err(Violation::TooMany { what: "disruption budgets", limit: MAX_BUDGETS });
        }
        if is_last {
            tenant.asked = None;
            tenant.heard = Some((now, tenant.below));
            let victims = std::mem::take(&mut tenant.coming);
            self.forget_told(place);
            self.track(place, &budgets, victims);
        }
        Ok(())
    }

    /// Tells the engine of those who could make way.
    fn track(&mut self, number: usize, budgets: &[v1::BudgetAllowance], victims: Vec<v1::Victim>) {
        let first_budget = self.preemptions.budgets;
        // Numbers of budgets are used again long after all of them have been forgotten.
        self.preemptions.budgets = self.preemptions.budgets.wrapping_add(budgets.len() as u32);
        if self.preemptions.budgets < first_budget {
            self.preemptions.budgets = budgets.len() as u32;
        }
        let first_budget = self.preemptions.budgets - budgets.len() as u32;
        for (budget, place) in budgets.iter().zip(first_budget..) {
            self.scheduler.set_budget(place, budget.allowed);
        }
        let first = self.preemptions.pods;
        let mut told = Vec::new();
        for victim in victims {
            let feed = self.mirror.feeds.iter().position(|feed| feed.name == victim.partition);
            let claim = victim.claim.as_ref().and_then(|claim| self.mirror.claim(claim));
            let (Some(feed), Some(claim)) = (feed, claim) else { continue };
            let entry = self.mirror.feeds.get_mut(feed).and_then(|feed| feed.entries.get_mut(&claim));
            let Some(placement) = entry.and_then(|entry| entry.placement.as_mut()) else { continue };
            let counts = victim.budgets.iter().filter(|place| (**place as usize) < budgets.len());
            let running = Running {
                pod: first + told.len() as u64,
                priority: victim.priority,
                start: victim.started,
                owner: number as u32,
                budgets: counts.map(|place| first_budget + place).collect(),
                is_terminating: victim.terminating,
                is_protected: false,
            };
            self.scheduler.track(placement, running);
            told.push(Told { feed, claim, victim });
        }
        self.preemptions.pods += told.len() as u64;
        let tenant = &mut self.preemptions.tenants[number];
        (tenant.told, tenant.first) = (told, first);
        tenant.budgets = first_budget..first_budget + budgets.len() as u32;
    }

    /// Forgets the last answer.
    fn forget_told(&mut self, number: usize) {
        let tenant = &mut self.preemptions.tenants[number];
        let told = std::mem::take(&mut tenant.told);
        let budgets = std::mem::take(&mut tenant.budgets);
        for Told { feed, claim, .. } in told {
            let entry = self.mirror.feeds.get_mut(feed).and_then(|feed| feed.entries.get_mut(&claim));
            if let Some(placement) = entry.and_then(|entry| entry.placement.as_mut()) {
                self.scheduler.untrack(placement);
            }
        }
        for budget in budgets {
            self.scheduler.forget_budget(budget);
        }
    }

    /// Looks for a host where others make way for a pod, and decides so.
    fn try_preempt(&mut self, tenant: usize, key: PodKey, priority: i32) {
        let Some(pod) = self.pods.get(key).filter(|pod| matches!(pod.state, State::Waiting)) else { return };
        let class = pod.class;
        // There may be room by now, and then it comes up by itself.
        if self.scheduler.decide(class).is_some() {
            return;
        }
        let Some(preemption) = self.scheduler.preempt_within(class, priority, tenant as u32) else { return };
        let Some(victims) = self.victims_of(tenant, &preemption) else { return };
        let Preemption { host, devices, numa, .. } = preemption;
        if !self.wait_for_room(key, &Choice { host, devices, numa, score: 0 }, victims, 0) {
            return;
        }
        self.leave(tenant, &preemption);
        self.counts.preemptions += 1;
        self.want_room_for(class);
    }

    /// Takes room on a host for a pod, free or not, and has the pod claimed there as a group of one that may wait for it: for
    /// those who make way, or, for so long, for whoever leaves. Returns whether it did.
    pub(super) fn wait_for_room(
        &mut self,
        key: PodKey,
        choice: &Choice,
        victims: Vec<String>,
        keep_seconds: u32,
    ) -> bool {
        let Some(host) = self.decided_host(choice) else { return false };
        let Some(pod) = self.pods.get(key) else { return false };
        let (class, stream, assignment, uid) = (pod.class, pod.stream, pod.assignment, pod.uid.to_string());
        let running = Running {
            pod: u64::MAX,
            priority: pod.priority,
            owner: pod.preempts_in.unwrap_or(u32::MAX),
            // A claim that waits cannot be made to give way.
            is_protected: true,
            ..Running::default()
        };
        let Ok(mut placement) = self.scheduler.nominate(class, choice.host, choice.seat()) else {
            return false;
        };
        self.scheduler.track(&mut placement, running);
        self.queue.remove(key.number());
        self.pods.change(key, State::Decided(placement));
        self.counts.decisions += 1;
        let member =
            v1::MemberDecision { uid, host: Some(host), victims, keep_seconds, ..Default::default() };
        if let Some(outbox) = self.outbox(stream) {
            outbox.groups.push_back(v1::GroupDecision { assignment, members: vec![member] });
        }
        true
    }

    /// The uids of those who make way and of those who are leaving already; `None` where there are too many.
    fn victims_of(&self, tenant: usize, preemption: &Preemption) -> Option<Vec<String>> {
        let tenant = self.preemptions.tenants.get(tenant)?;
        if preemption.victims.len() + preemption.leaving.len() > MOST_VICTIMS {
            return None;
        }
        let uid = |pod: &u64| {
            let place = usize::try_from(pod.checked_sub(tenant.first)?).ok()?;
            Some(tenant.told.get(place)?.victim.uid.clone())
        };
        preemption.victims.iter().chain(&preemption.leaving).map(uid).collect()
    }

    /// Counts on those who make way.
    fn leave(&mut self, tenant: usize, preemption: &Preemption) {
        let Some(tenant) = self.preemptions.tenants.get(tenant) else { return };
        for pod in &preemption.victims {
            let told = pod.checked_sub(tenant.first).and_then(|place| tenant.told.get(place as usize));
            let Some(Told { feed, claim, .. }) = told else { continue };
            let entry = self.mirror.feeds.get_mut(*feed).and_then(|feed| feed.entries.get_mut(claim));
            if let Some(placement) = entry.and_then(|entry| entry.placement.as_mut()) {
                self.scheduler.terminating(placement);
            }
        }
    }
}
