//! How long pods run.

use rand::Rng;
use rand_distr::{Distribution, LogNormal, Pareto};

/// A distribution of durations, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Duration {
    mean: f64,
    whole: Shape,
    present: Shape,
}

#[derive(Clone, Copy, Debug)]
enum Shape {
    LogNormal(LogNormal<f64>),
    Pareto(Pareto<f64>),
}

const SIGMA: f64 = 1.5;
const TAIL: f64 = 1.5;

impl Duration {
    /// Many short and some long ones.
    pub(super) fn log_normal(mean: f64) -> Self {
        let mu = mean.ln() - SIGMA * SIGMA / 2.0;
        let shape = |mu| Shape::LogNormal(LogNormal::new(mu, SIGMA).expect("sigma is positive and finite"));
        // In proportion to length, a log-normal distribution is another one, moved by the variance.
        Self { mean, whole: shape(mu), present: shape(mu + SIGMA * SIGMA) }
    }

    /// A heavy tail behind a least duration.
    pub(super) fn pareto(mean: f64) -> Self {
        let scale = mean * (TAIL - 1.0) / TAIL;
        let shape =
            |tail| Shape::Pareto(Pareto::new(scale, tail).expect("scale and tail are positive and finite"));
        // In proportion to length, a Pareto distribution has a tail that is heavier by one power.
        Self { mean, whole: shape(TAIL), present: shape(TAIL - 1.0) }
    }

    pub(super) fn mean(&self) -> f64 {
        self.mean
    }

    /// The duration of a pod that arrives.
    pub(super) fn arriving(&self, chance: &mut impl Rng) -> f64 {
        self.whole.sample(chance)
    }

    /// The whole duration of a pod that somebody finds running: in proportion to length.
    pub(super) fn found(&self, chance: &mut impl Rng) -> f64 {
        self.present.sample(chance)
    }
}

impl Shape {
    fn sample(&self, chance: &mut impl Rng) -> f64 {
        match self {
            Self::LogNormal(distribution) => distribution.sample(chance),
            Self::Pareto(distribution) => distribution.sample(chance),
        }
    }
}
