//! Carrying out what the rules say: writes first, then acts.

use super::{Agent, Known};
use crate::duty::{Act, PodUid, Step, Write};
use crate::runtime::Event;
use crate::state::{Change, HostState, PodRecord, StateError};

impl Agent {
    /// Makes a step's writes durable, then carries out its acts, and all that follows from them.
    pub(super) async fn carry_out(&mut self, step: Step) -> Result<(), StateError> {
        let mut next = Some(step);
        while let Some(Step { writes, acts }) = next.take() {
            if !writes.is_empty() {
                let changes = self.changes(writes);
                self.options.state.commit(changes).await?;
            }
            let mut follows = Step::default();
            for act in acts {
                follows.append(self.act(act));
            }
            if follows != Step::default() {
                next = Some(follows);
            }
        }
        Ok(())
    }

    /// Things have happened to pods.
    pub(super) async fn happened(&mut self, events: Vec<Event>) -> Result<(), StateError> {
        let mut step = Step::default();
        for event in events {
            step.append(self.happened_to(event));
        }
        self.carry_out(step).await
    }

    fn happened_to(&mut self, event: Event) -> Step {
        if event.ended {
            return self.duty.ended(&event.uid);
        }
        self.outbox.report(&event.uid, false);
        Step::default()
    }

    /// Stores the runtime's account of every pod: something has happened to all that does not follow by itself.
    pub(super) async fn store_accounts(&mut self) -> Result<(), StateError> {
        let pods = self.duty.saved().pods.clone();
        let writes = pods.into_iter().map(|(uid, state)| Write::Pod { uid, state }).collect();
        self.carry_out(Step { writes, acts: Vec::new() }).await
    }

    pub(super) fn host_state(&self) -> HostState {
        HostState { record: self.duty.saved().host.clone(), starts: self.starts }
    }

    fn changes(&mut self, writes: Vec<Write>) -> Vec<Change> {
        let mut changes = Vec::with_capacity(writes.len() + writes.len() / 2);
        for write in writes {
            match write {
                Write::Host(record) => {
                    // Of several in one commit, the last says it all.
                    changes.retain(|change| !matches!(change, Change::Host(_)));
                    changes.push(Change::Host(HostState { record, starts: self.starts }));
                }
                Write::Pod { uid, state } => {
                    let known = self.pods.get_mut(&uid);
                    let (tenant, object) = match known {
                        Some(Known { tenant, object }) => (tenant.to_string(), object.take()),
                        None => (String::new(), None),
                    };
                    let record = PodRecord { tenant, state, runtime: self.runtime.account(&uid) };
                    if let Some(object) = object {
                        changes.push(Change::Object { uid: uid.clone(), object });
                    }
                    changes.push(Change::Pod { uid, record });
                }
                Write::Forget { uid } => changes.push(Change::Forget { uid }),
                Write::Clear => {
                    changes.clear();
                    changes.push(Change::Clear);
                }
            }
        }
        changes
    }

    fn act(&mut self, act: Act) -> Step {
        let now = self.time();
        let event = match act {
            Act::Start { uid } => self.runtime.start(&uid, now),
            Act::Stop { uid, grace_seconds } => self.runtime.stop(&uid, grace_seconds, now),
            Act::End { uid } => {
                self.runtime.remove(&uid);
                return self.duty.ended(&uid);
            }
            Act::Remove { uid } => {
                self.runtime.remove(&uid);
                self.forget(&uid);
                None
            }
            Act::Report { uid } => {
                self.outbox.report(&uid, self.is_stopped(&uid));
                None
            }
            Act::Acknowledge { number } => {
                self.link.acknowledge(number);
                None
            }
            Act::SendInventory => {
                self.link.wants_inventory();
                None
            }
        };
        event.map(|event| self.happened_to(event)).unwrap_or_default()
    }

    /// Keeps nothing of a pod.
    pub(super) fn forget(&mut self, uid: &PodUid) {
        self.pods.remove(uid);
        self.outbox.forget(uid);
    }
}
