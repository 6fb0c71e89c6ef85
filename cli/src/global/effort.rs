//! How long solving may take: the arguments that all commands that solve share.

use std::sync::atomic::AtomicBool;

use anyhow::bail;
use clap::Args;
use meridian_global_engine::{Backend, Limits};

use crate::clock;

/// How long solving may take.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Effort {
    /// What solves mixed-integer programmes: microlp, which is built in, or highs, where the program was built with it.
    #[arg(long, value_name = "NAME", default_value = "microlp")]
    backend: Backend,
    /// Seconds that solving may take; the best plan so far is the answer then.
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0, allow_negative_numbers = true)]
    time_limit: f64,
    /// Rounds that solving may take, in the place of a time limit: the same rounds give the same plan.
    #[arg(long, value_name = "NUMBER")]
    rounds: Option<u64>,
    /// End early when the plan is proven to be within this share of the best.
    #[arg(long, value_name = "SHARE", default_value_t = 1e-6, allow_negative_numbers = true)]
    gap: f64,
    /// Equal seeds and rounds give equal plans.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

impl Effort {
    /// Whether the numbers make sense.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        if !(0.0..=1e6).contains(&self.time_limit) {
            bail!("--time-limit is {}, want 0 to 1000000 seconds", self.time_limit);
        }
        if !(0.0..=1.0).contains(&self.gap) {
            bail!("--gap is {}, want 0 to 1", self.gap);
        }
        Ok(())
    }

    /// The limits, with time where no rounds are given.
    pub(crate) fn limits<'a>(&self, cancel: &'a AtomicBool) -> Limits<'a> {
        Limits {
            clock: &clock::nanoseconds,
            time: self.rounds.is_none().then_some((self.time_limit * 1e9) as u64),
            rounds: self.rounds,
            backend: self.backend,
            cancel,
            gap: self.gap,
            progress: &|_, _| (),
        }
    }
}
