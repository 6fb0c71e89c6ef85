//! One simulated pod: where it stands in its life, as a function of when things began and the time now.
//!
//! Times are milliseconds since 1970. What follows by itself is not kept anywhere but here: a sandbox that was stored and
//! is read much later goes through everything that would have happened in between, as containers outlive their agent.

use prost::Message;

use crate::pod::{Pod, RestartPolicy};

/// The wait before the second restart in a row; it doubles with each. The first restart is at once.
const BACKOFF: i64 = 10_000;

/// The longest wait before a restart.
const MOST_BACKOFF: i64 = 300_000;

/// A container that ran for so long starts over with its waits.
const GOOD_RUN: i64 = 600_000;

/// More than this many changes at once are not gone through one by one.
const MOST_CHANGES: usize = 10_000;

/// The exit code of a container that was killed.
pub(super) const KILLED: i32 = 137;

/// How long things take for one pod, in milliseconds, and how it ends.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct Plan {
    /// Until the sandbox stands.
    #[prost(uint64, tag = "1")]
    pub(crate) create: u64,
    /// Until the containers run.
    #[prost(uint64, tag = "2")]
    pub(crate) start: u64,
    /// Until the containers have ended after they were told to.
    #[prost(uint64, tag = "3")]
    pub(crate) stop: u64,
    /// Until the containers exit by themselves; none: never.
    #[prost(uint64, optional, tag = "4")]
    pub(crate) run: Option<u64>,
    #[prost(int32, tag = "5")]
    pub(crate) exit_code: i32,
}

/// How a run of the containers ended.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct Exit {
    /// When the run began; none: it never did.
    #[prost(int64, optional, tag = "1")]
    pub(crate) started: Option<i64>,
    #[prost(int64, tag = "2")]
    pub(crate) finished: i64,
    #[prost(int32, tag = "3")]
    pub(crate) code: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum Stage {
    /// The sandbox is being made.
    Creating = 0,
    /// The containers are being made.
    Starting = 1,
    Running = 2,
    /// The containers wait to be restarted.
    Waiting = 3,
    /// Nothing runs and nothing will.
    Ended = 4,
}

/// A simulated pod. All containers of a pod start and end together.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Sandbox {
    #[prost(message, required, tag = "1")]
    pub(crate) plan: Plan,
    /// When the pod came.
    #[prost(int64, tag = "2")]
    pub(crate) created: i64,
    /// When the stage began.
    #[prost(int64, tag = "3")]
    pub(crate) since: i64,
    #[prost(enumeration = "Stage", tag = "4")]
    stage: i32,
    #[prost(uint32, tag = "5")]
    pub(crate) restarts: u32,
    /// Restarts in a row, each after a short run.
    #[prost(uint32, tag = "6")]
    in_a_row: u32,
    /// When the sandbox last came to stand.
    #[prost(int64, optional, tag = "7")]
    pub(crate) sandbox_ready: Option<i64>,
    /// The end of the last run.
    #[prost(message, optional, tag = "8")]
    pub(crate) last: Option<Exit>,
    /// When everything will have ended that was told to.
    #[prost(message, optional, tag = "9")]
    pub(crate) ending: Option<Exit>,
    /// The pod's address on its host; 0: the host's own.
    #[prost(uint32, tag = "10")]
    pub(crate) address: u32,
}

impl Sandbox {
    /// The sandbox of a pod that comes now.
    pub(crate) fn new(plan: Plan, address: u32, now: i64) -> Self {
        Self { plan, created: now, since: now, address, ..Self::default() }
    }

    /// What stands for a pod that cannot be run.
    pub(crate) fn refused(now: i64) -> Self {
        let mut sandbox = Self::new(Plan::default(), 0, now);
        sandbox.set_stage(Stage::Ended);
        sandbox
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.stage() == Stage::Ended
    }

    /// When something changes next without anybody's doing.
    pub(crate) fn next(&self) -> Option<i64> {
        let after = |delay: u64| self.since.saturating_add_unsigned(delay);
        let next = match self.stage() {
            Stage::Creating => Some(after(self.plan.create)),
            Stage::Starting => Some(after(self.plan.start)),
            Stage::Running => self.plan.run.map(after),
            Stage::Waiting => Some(self.since.saturating_add(self.wait())),
            Stage::Ended => return None,
        };
        let end = self.ending.map(|ending| ending.finished);
        next.into_iter().chain(end).min()
    }

    /// How long the containers wait to be restarted.
    pub(crate) fn wait(&self) -> i64 {
        match self.in_a_row {
            0 | 1 => 0,
            row => BACKOFF.saturating_mul(1 << (row - 2).min(10)).min(MOST_BACKOFF),
        }
    }

    /// Goes through everything until `now`. Returns whether anything changed.
    pub(crate) fn advance(&mut self, pod: &Pod, now: i64) -> bool {
        let mut changes = 0;
        while let Some(at) = self.next().filter(|at| *at <= now) {
            if changes > MOST_CHANGES {
                // Years of crashes in a row: what is left of them is one more wait.
                self.since = now;
                break;
            }
            changes += 1;
            self.change(pod, at);
        }
        changes > 0
    }

    fn change(&mut self, pod: &Pod, at: i64) {
        if let Some(ending) = self.ending.filter(|ending| ending.finished <= at) {
            return self.end(ending);
        }
        match self.stage() {
            Stage::Creating => {
                self.sandbox_ready = Some(at);
                self.enter(Stage::Starting, at);
            }
            Stage::Starting => self.enter(Stage::Running, at),
            Stage::Running => self.exited(pod, at, self.plan.exit_code),
            Stage::Waiting => {
                self.restarts = self.restarts.saturating_add(1);
                self.enter(Stage::Running, at);
            }
            Stage::Ended => {}
        }
    }

    /// The containers have exited by themselves.
    fn exited(&mut self, pod: &Pod, at: i64, code: i32) {
        let exit = Exit { started: Some(self.since), finished: at, code };
        let restart = match pod.restart_policy {
            RestartPolicy::Always => true,
            RestartPolicy::OnFailure => code != 0,
            RestartPolicy::Never => false,
        };
        if !restart {
            return self.end(exit);
        }
        self.in_a_row =
            if at.saturating_sub(self.since) >= GOOD_RUN { 1 } else { self.in_a_row.saturating_add(1) };
        self.last = Some(exit);
        self.enter(Stage::Waiting, at);
    }

    /// Tells the containers to end within `grace` milliseconds, or sooner than was said before.
    pub(crate) fn stop(&mut self, grace: u64, now: i64) {
        if self.has_ended() {
            return;
        }
        let started = (self.stage() == Stage::Running).then_some(self.since);
        // Whoever takes longer than it is given is killed.
        let (takes, code) = match started {
            Some(_) if self.plan.stop <= grace => (self.plan.stop, 0),
            Some(_) => (grace, KILLED),
            None => (0, KILLED),
        };
        let finished = now.saturating_add_unsigned(takes);
        if self.ending.is_none_or(|ending| finished < ending.finished) {
            self.ending = Some(Exit { started, finished, code });
        }
    }

    /// The host has lost its power and is back. Its containers are gone; those that may be are made again.
    pub(crate) fn reboot(&mut self, pod: &Pod, now: i64, lost: i64) {
        let stage = self.stage();
        if stage == Stage::Ended {
            return;
        }
        let exit = Exit { started: Some(self.since), finished: lost, code: KILLED };
        if let Some(ending) = self.ending {
            return self.end(Exit { code: KILLED, finished: lost, ..ending });
        }
        if stage == Stage::Running && pod.restart_policy == RestartPolicy::Never {
            return self.end(exit);
        }
        if stage == Stage::Running {
            self.last = Some(exit);
        }
        if matches!(stage, Stage::Running | Stage::Waiting) {
            self.restarts = self.restarts.saturating_add(1);
        }
        self.in_a_row = 0;
        self.sandbox_ready = None;
        self.enter(Stage::Creating, now);
    }

    fn end(&mut self, exit: Exit) {
        self.last = Some(exit);
        self.ending = None;
        self.enter(Stage::Ended, exit.finished);
    }

    fn enter(&mut self, stage: Stage, at: i64) {
        self.since = at;
        self.set_stage(stage);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: Plan = Plan { create: 100, start: 200, stop: 50, run: Some(1000), exit_code: 1 };

    fn pod(restart_policy: RestartPolicy) -> Pod {
        Pod { restart_policy, ..Pod::default() }
    }

    /// Every change with its time, until `until`.
    fn story(mut sandbox: Sandbox, pod: &Pod, until: i64) -> Vec<(i64, Stage, u32)> {
        let mut story = Vec::new();
        while let Some(at) = sandbox.next().filter(|at| *at <= until) {
            sandbox.advance(pod, at);
            story.push((at, sandbox.stage(), sandbox.restarts));
        }
        story
    }

    #[test]
    fn a_pod_that_fails_is_restarted_after_longer_and_longer_waits() {
        let pod = pod(RestartPolicy::OnFailure);
        let sandbox = Sandbox::new(PLAN, 2, 0);
        let want = [
            (100, Stage::Starting, 0),
            (300, Stage::Running, 0),
            (1300, Stage::Running, 1),
            (2300, Stage::Waiting, 1),
            (12_300, Stage::Running, 2),
            (13_300, Stage::Waiting, 2),
            (33_300, Stage::Running, 3),
        ];
        assert_eq!(story(sandbox.clone(), &pod, 33_300), want);
        // Looked at only at the end, it has gone through the same.
        let (mut at_once, mut by_steps) = (sandbox.clone(), sandbox);
        while let Some(at) = by_steps.next().filter(|at| *at <= 50_000_000) {
            by_steps.advance(&pod, at);
        }
        assert!(at_once.advance(&pod, 50_000_000));
        assert_eq!(at_once, by_steps);
        assert!(at_once.restarts > 100 && at_once.wait() == MOST_BACKOFF);
    }

    #[test]
    fn a_pod_ends_by_its_restart_policy() {
        for (policy, exit_code, ends) in [
            (RestartPolicy::Never, 0, true),
            (RestartPolicy::Never, 1, true),
            (RestartPolicy::OnFailure, 0, true),
            (RestartPolicy::OnFailure, 1, false),
            (RestartPolicy::Always, 0, false),
        ] {
            let mut sandbox = Sandbox::new(Plan { exit_code, ..PLAN }, 2, 0);
            sandbox.advance(&pod(policy), 1300);
            assert_eq!(sandbox.has_ended(), ends, "{policy:?} {exit_code}");
            assert_eq!(sandbox.last.unwrap(), Exit { started: Some(300), finished: 1300, code: exit_code });
        }
    }

    #[test]
    fn a_stop_takes_its_time_and_no_more_than_it_is_given() {
        let pod = pod(RestartPolicy::Always);
        let mut sandbox = Sandbox::new(PLAN, 2, 0);
        sandbox.advance(&pod, 300);
        let mut killed = sandbox.clone();
        sandbox.stop(1000, 400);
        assert_eq!(sandbox.next(), Some(450));
        // A later and longer stop changes nothing; a shorter one does.
        sandbox.stop(2000, 420);
        assert_eq!(sandbox.next(), Some(450));
        sandbox.advance(&pod, 5000);
        assert_eq!(sandbox.last.unwrap(), Exit { started: Some(300), finished: 450, code: 0 });
        killed.stop(0, 400);
        killed.advance(&pod, 400);
        assert!(killed.has_ended() && killed.last.unwrap().code == KILLED);
        // Before anything ran, there is nothing to wait for.
        let mut early = Sandbox::new(PLAN, 2, 0);
        early.stop(30_000, 50);
        early.advance(&pod, 50);
        assert_eq!(early.last.unwrap(), Exit { started: None, finished: 50, code: KILLED });
    }

    #[test]
    fn a_reboot_makes_containers_again_unless_they_may_run_only_once() {
        let mut sandbox = Sandbox::new(Plan { run: None, ..PLAN }, 2, 0);
        let mut once = sandbox.clone();
        let (always, never) = (pod(RestartPolicy::Always), pod(RestartPolicy::Never));
        sandbox.advance(&always, 500);
        once.advance(&never, 500);
        sandbox.reboot(&always, 9000, 600);
        assert_eq!((sandbox.stage(), sandbox.restarts, sandbox.next()), (Stage::Creating, 1, Some(9100)));
        assert_eq!(sandbox.last.unwrap(), Exit { started: Some(300), finished: 600, code: KILLED });
        once.reboot(&never, 9000, 600);
        assert!(once.has_ended());
    }

    #[test]
    fn a_date_far_away_is_reached_soon() {
        let pod = pod(RestartPolicy::Always);
        let mut sandbox = Sandbox::new(PLAN, 2, 0);
        sandbox.advance(&pod, i64::MAX / 2);
        assert!(sandbox.next().unwrap() > i64::MAX / 2 - MOST_BACKOFF);
        let mut sandbox = Sandbox::new(Plan { create: u64::MAX, ..PLAN }, 2, i64::MAX);
        sandbox.stop(u64::MAX, i64::MAX);
        sandbox.advance(&pod, i64::MAX);
        assert!(sandbox.has_ended());
    }
}
