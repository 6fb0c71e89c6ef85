//! The rules that an agent obeys: a state machine without I/O, clock or chance.
//!
//! Inputs are method calls: what the host partition says, and what the runtime saw. What follows is a [`Step`]: first make
//! all of its writes durable, then carry out its acts, in order, and only then those of the next step. An agent may die at
//! any point in between: a new [`Duty`] from what was durable, told what the runtime still has, goes on rightly.
//!
//! What holds: an order counts only from an epoch of the host partition at least as high as the highest ever obeyed. A pod
//! is started only when told to run, and never when it is recorded as stopped. It is recorded as stopped after its last
//! process is gone, or at once when it was never started, and this is kept and told until the partition says that it may be
//! forgotten. What a complete account of desired state leaves out goes on running: only an order stops a pod, so that a
//! partition which is still collecting what is bound does no harm.

mod saved;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

pub use self::saved::{HostRecord, PodState, PodUid, Position, Saved, Write};

/// Something to do once the writes before it are durable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Act {
    /// Start a pod, which the runtime does not have.
    Start {
        /// Which.
        uid: PodUid,
    },
    /// End a pod within its time, or in less than was said before.
    Stop {
        /// Which.
        uid: PodUid,
        /// Its time.
        grace_seconds: u32,
    },
    /// End a pod at once. It is not reported: nobody expects it here.
    End {
        /// Which.
        uid: PodUid,
    },
    /// Remove what the runtime still has of a pod without processes, and everything else that is kept of it.
    Remove {
        /// Which.
        uid: PodUid,
    },
    /// Tell the pod's status, with `stopped` when it is recorded as such.
    Report {
        /// Which.
        uid: PodUid,
    },
    /// Tell the partition that desired state up to this number is durable.
    Acknowledge {
        /// The number.
        number: u64,
    },
    /// Tell the partition all pods there are.
    SendInventory,
}

/// Writes, all to be durable before the first of the acts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Step {
    /// To be made durable, in order.
    pub writes: Vec<Write>,
    /// To be carried out afterwards, in order.
    pub acts: Vec<Act>,
}

impl Step {
    /// This step and then another, as one.
    pub fn append(&mut self, mut other: Self) {
        self.writes.append(&mut other.writes);
        self.acts.append(&mut other.acts);
    }
}

/// What the partition orders for one pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// Run it.
    Run,
    /// End it.
    Stop {
        /// Within so many seconds.
        grace_seconds: u32,
    },
    /// Its end is stored: forget it.
    Forget,
}

/// A change of desired state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Desired {
    /// Its number, higher than those before it on this link.
    pub number: u64,
    /// The epoch that it was ordered under.
    pub host_epoch: u64,
    /// What is ordered.
    pub orders: Vec<(PodUid, Order)>,
    /// Everything has been said since the link was made.
    pub is_complete: bool,
}

/// Why the partition is not obeyed. The link is of no use after it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The epoch is that of a partition which has been replaced.
    #[error("epoch {epoch} of the host partition is lower than epoch {highest}, which this host has obeyed")]
    LowerEpoch {
        /// What was said.
        epoch: u64,
        /// The highest that was obeyed.
        highest: u64,
    },
    /// Incarnation 0 means that there is none.
    #[error("the host partition gave the incarnation 0, want 1 or more")]
    NoIncarnation,
    /// Something came before `Hello` or `Registered`.
    #[error("the host partition sent {message} before {wanted}")]
    OutOfOrder {
        /// What came.
        message: &'static str,
        /// What should have come first.
        wanted: &'static str,
    },
    /// The host is to the partition not what it was: what runs here has been given up there. Everything is to be ended, and
    /// the host to come again with an empty store, which the step returned with this sees to.
    #[error("this host is incarnation {known} and the host partition calls it {given}: it begins anew")]
    OtherIncarnation {
        /// What is recorded here.
        known: u64,
        /// What was said.
        given: u64,
        /// What to do.
        step: Step,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Session {
    partition: std::sync::Arc<str>,
    epoch: u64,
    is_registered: bool,
    /// The last number of desired state.
    number: u64,
    /// Whether a complete account is being given, so that its numbers cannot be resumed from yet.
    is_replacing: bool,
}

/// The state of an agent, as far as the rules need it. What [`Duty::saved`] says is durable once all steps are carried out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Duty {
    saved: Saved,
    has_begun: bool,
    /// Ours by name but not in the store: to be ended before the host registers.
    ending: BTreeSet<PodUid>,
    session: Option<Session>,
}

impl Duty {
    /// The rules over what was found durable; an empty store is `Saved::default()`.
    #[must_use]
    pub fn new(saved: Saved) -> Self {
        Self { saved, has_begun: false, ending: BTreeSet::new(), session: None }
    }

    /// What is recorded.
    #[must_use]
    pub fn saved(&self) -> &Saved {
        &self.saved
    }

    /// Goes on after a start of the agent. `found` are all pods of ours that the runtime has, running or ended; those that
    /// have ended are to be told with [`Duty::ended`] afterwards.
    #[must_use]
    pub fn begin(&mut self, found: &BTreeSet<PodUid>) -> Step {
        self.has_begun = true;
        let mut step = Step::default();
        if self.saved.host.incarnation == 0 && !self.saved.pods.is_empty() {
            // Pods are only recorded after the incarnation: this is no state of ours. Nothing of it may run.
            self.saved = Saved::default();
            step.writes.push(Write::Clear);
        }
        for uid in found {
            if !self.saved.pods.contains_key(uid) {
                self.ending.insert(uid.clone());
                step.acts.push(Act::End { uid: uid.clone() });
            }
        }
        for (uid, state) in &mut self.saved.pods {
            let uid = uid.clone();
            match *state {
                PodState::Running if !found.contains(&uid) => step.acts.push(Act::Start { uid: uid.clone() }),
                PodState::Stopping { grace_seconds } if found.contains(&uid) => {
                    step.acts.push(Act::Stop { uid: uid.clone(), grace_seconds });
                }
                PodState::Stopping { .. } => {
                    *state = PodState::Stopped;
                    step.writes.push(Write::Pod { uid: uid.clone(), state: *state });
                }
                PodState::Running | PodState::Stopped => {}
            }
            step.acts.push(Act::Report { uid });
        }
        step
    }

    /// Whether the host may be registered: everything that should not be there has ended.
    #[must_use]
    pub fn may_register(&self) -> bool {
        self.has_begun && self.ending.is_empty()
    }

    /// The partition has said who it is.
    ///
    /// # Errors
    ///
    /// [`Refusal::LowerEpoch`].
    pub fn greeted(&mut self, partition: &str, epoch: u64) -> Result<(), Refusal> {
        self.check_epoch(epoch)?;
        self.session = Some(Session {
            partition: partition.into(),
            epoch,
            is_registered: false,
            number: 0,
            is_replacing: true,
        });
        Ok(())
    }

    /// The partition has taken the host in.
    ///
    /// # Errors
    ///
    /// [`Refusal`]; with [`Refusal::OtherIncarnation`] comes what to do.
    pub fn registered(&mut self, incarnation: u64, resumed_from: u64) -> Result<Step, Refusal> {
        let wanted = Refusal::OutOfOrder { message: "Registered", wanted: "Hello" };
        let session = self.session.as_mut().ok_or(wanted)?;
        if incarnation == 0 {
            return Err(Refusal::NoIncarnation);
        }
        let host = &mut self.saved.host;
        let known = host.incarnation;
        if known != 0 && known != incarnation {
            return Err(Refusal::OtherIncarnation { known, given: incarnation, step: self.begin_anew() });
        }
        host.incarnation = incarnation;
        host.highest_epoch = host.highest_epoch.max(session.epoch);
        let is_resumed = host.position.as_ref().is_some_and(|position| {
            position.partition == session.partition
                && position.epoch == session.epoch
                && position.number == resumed_from
        });
        if !is_resumed {
            host.position = None;
        }
        session.is_registered = true;
        session.number = resumed_from;
        session.is_replacing = !is_resumed;
        Ok(Step { writes: vec![Write::Host(host.clone())], acts: vec![Act::SendInventory] })
    }

    /// The partition has ordered something.
    ///
    /// # Errors
    ///
    /// [`Refusal::LowerEpoch`], [`Refusal::OutOfOrder`]; nothing of the message is obeyed then.
    pub fn desired(&mut self, desired: &Desired) -> Result<Step, Refusal> {
        self.check_epoch(desired.host_epoch)?;
        let wanted = Refusal::OutOfOrder { message: "Desired", wanted: "Registered" };
        let session = self.session.as_mut().filter(|session| session.is_registered).ok_or(wanted)?;
        let mut step = Step::default();
        if desired.number <= session.number {
            // A change that was obeyed before; a number that goes back is the same.
            step.acts.push(Act::Acknowledge { number: session.number });
            return Ok(step);
        }
        session.number = desired.number;
        session.is_replacing &= !desired.is_complete;
        let host = &mut self.saved.host;
        host.highest_epoch = host.highest_epoch.max(desired.host_epoch);
        host.position = (!session.is_replacing).then(|| Position {
            partition: session.partition.clone(),
            epoch: session.epoch,
            number: desired.number,
        });
        let host = Write::Host(host.clone());
        for (uid, order) in &desired.orders {
            self.obey(uid, *order, &mut step);
        }
        step.writes.push(host);
        step.acts.push(Act::Acknowledge { number: desired.number });
        Ok(step)
    }

    fn obey(&mut self, uid: &PodUid, order: Order, step: &mut Step) {
        let known = self.saved.pods.get(uid).copied();
        match (order, known) {
            (Order::Run, None) => {
                self.record(uid, PodState::Running, step);
                step.acts.push(Act::Start { uid: uid.clone() });
            }
            // It runs, or its stop was ordered before, and that is for ever.
            (Order::Run, Some(PodState::Running | PodState::Stopping { .. })) => {}
            (Order::Stop { .. }, None) => {
                self.record(uid, PodState::Stopped, step);
                step.acts.push(Act::Report { uid: uid.clone() });
            }
            (Order::Stop { grace_seconds }, Some(PodState::Running)) => {
                self.record(uid, PodState::Stopping { grace_seconds }, step);
                step.acts.push(Act::Stop { uid: uid.clone(), grace_seconds });
            }
            (Order::Stop { grace_seconds }, Some(PodState::Stopping { grace_seconds: before })) => {
                if grace_seconds < before {
                    self.record(uid, PodState::Stopping { grace_seconds }, step);
                    step.acts.push(Act::Stop { uid: uid.clone(), grace_seconds });
                }
            }
            (Order::Run | Order::Stop { .. }, Some(PodState::Stopped)) => {
                step.acts.push(Act::Report { uid: uid.clone() });
            }
            (Order::Forget, Some(PodState::Stopped)) => {
                self.saved.pods.remove(uid);
                step.writes.push(Write::Forget { uid: uid.clone() });
                step.acts.push(Act::Remove { uid: uid.clone() });
            }
            // What is not known to have ended is never forgotten.
            (Order::Forget, Some(PodState::Running | PodState::Stopping { .. }) | None) => {}
        }
    }

    /// The runtime has seen the last process of a pod go, and will start none.
    #[must_use]
    pub fn ended(&mut self, uid: &PodUid) -> Step {
        let mut step = Step::default();
        if self.ending.remove(uid) {
            step.acts.push(Act::Remove { uid: uid.clone() });
        }
        if let Some(PodState::Running | PodState::Stopping { .. }) = self.saved.pods.get(uid) {
            self.record(uid, PodState::Stopped, &mut step);
            step.acts.push(Act::Report { uid: uid.clone() });
        }
        step
    }

    /// The link is gone. Everything goes on.
    pub fn unlinked(&mut self) {
        self.session = None;
    }

    fn record(&mut self, uid: &PodUid, state: PodState, step: &mut Step) {
        self.saved.pods.insert(uid.clone(), state);
        step.writes.push(Write::Pod { uid: uid.clone(), state });
    }

    fn check_epoch(&self, epoch: u64) -> Result<(), Refusal> {
        let highest = self.saved.host.highest_epoch;
        if epoch < highest { Err(Refusal::LowerEpoch { epoch, highest }) } else { Ok(()) }
    }

    /// Empties the store, then ends everything. In this order: to whoever dies in between, what still runs is unknown and
    /// is ended all the same, while a pod that is recorded would be started again.
    fn begin_anew(&mut self) -> Step {
        let highest_epoch = self.saved.host.highest_epoch;
        let pods = std::mem::take(&mut self.saved).pods;
        self.saved.host.highest_epoch = highest_epoch;
        self.session = None;
        let mut step = Step {
            writes: vec![Write::Clear, Write::Host(self.saved.host.clone())],
            acts: Vec::with_capacity(pods.len()),
        };
        for uid in pods.into_keys() {
            step.acts.push(Act::End { uid: uid.clone() });
            self.ending.insert(uid);
        }
        step
    }
}
