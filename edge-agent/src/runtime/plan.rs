//! How long things take.

use std::time::Duration;

use super::sandbox::Plan;
use crate::chance::{below, mix, of_text};
use crate::duty::PodUid;
use crate::pod::{Pod, RestartPolicy};

/// How many times longer everything takes on a slow host, and how long at least, in milliseconds.
const SLOW: (u64, u64) = (10, 1000);

/// How long simulated pods take. All may be zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delays {
    /// Until a pod's sandbox stands.
    pub create: Duration,
    /// From there until its containers run.
    pub start: Duration,
    /// From being told to stop until it has.
    pub stop: Duration,
    /// From running until it exits, for pods that need not run for ever (`restartPolicy` `Never` or `OnFailure`); none: such
    /// pods run for ever too, unless their annotations say otherwise.
    pub run: Option<Duration>,
    /// By how many hundredths each may be longer or shorter, at random; at most 100.
    pub jitter_percent: u32,
}

impl Default for Delays {
    /// What a host takes that has the images already.
    fn default() -> Self {
        Self {
            create: Duration::from_millis(200),
            start: Duration::from_millis(500),
            stop: Duration::from_millis(500),
            run: None,
            jitter_percent: 50,
        }
    }
}

impl Delays {
    /// Everything at once.
    pub const ZERO: Self = Self {
        create: Duration::ZERO,
        start: Duration::ZERO,
        stop: Duration::ZERO,
        run: None,
        jitter_percent: 0,
    };

    /// How long things take for one pod: the same whenever it is asked.
    pub(super) fn plan(&self, uid: &PodUid, pod: &Pod, seed: u64, is_slow: bool) -> Plan {
        let seed = mix(seed, of_text(uid.as_str()));
        let draw = |salt, delay: Duration| {
            let delay = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
            let spread = delay / 100 * u64::from(self.jitter_percent.min(100))
                + delay % 100 * u64::from(self.jitter_percent.min(100)) / 100;
            let delay = (delay - spread)
                .saturating_add(below(mix(seed, salt), spread.saturating_mul(2).saturating_add(1)));
            if is_slow { delay.saturating_mul(SLOW.0).max(SLOW.1) } else { delay }
        };
        let may_end = pod.restart_policy != RestartPolicy::Always;
        let overrides = pod.overrides;
        Plan {
            create: draw(1, self.create),
            start: overrides.start.unwrap_or_else(|| draw(2, self.start)),
            stop: draw(3, self.stop),
            run: overrides.run.or_else(|| self.run.filter(|_| may_end).map(|run| draw(4, run))),
            exit_code: overrides.exit_code,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_spread_around_what_was_asked_for_and_repeatable() {
        let delays = Delays { run: Some(Duration::from_secs(10)), ..Delays::default() };
        let pod = Pod { restart_policy: RestartPolicy::Never, ..Pod::default() };
        let mut sum = 0;
        for number in 0..1000 {
            let uid = PodUid::from(format!("pod-{number}").as_str());
            let plan = delays.plan(&uid, &pod, 1, false);
            assert_eq!(plan, delays.plan(&uid, &pod, 1, false));
            assert!((100..=300).contains(&plan.create), "{plan:?}");
            assert!((250..=750).contains(&plan.start) && (5000..=15_000).contains(&plan.run.unwrap()));
            sum += plan.create;
        }
        assert!((190_000..210_000).contains(&sum), "{sum}");
        let zero = Delays::ZERO.plan(&"a".into(), &pod, 1, false);
        assert_eq!(zero, Plan::default());
        assert_eq!(Delays::ZERO.plan(&"a".into(), &pod, 1, true).create, 1000);
        let endless = Delays { create: Duration::MAX, jitter_percent: 100, ..delays };
        assert!(endless.plan(&"a".into(), &Pod::default(), 1, true).run.is_none());
    }
}
