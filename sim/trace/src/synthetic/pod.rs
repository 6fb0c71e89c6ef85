//! The pods of a made-up region, as a stream.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::weighted::WeightedAliasIndex;
use rand_distr::{Distribution, Exp1, Poisson};

use super::class::{Family, families, zipf};
use super::host::capacity;
use super::{HOUR_MS, Purpose, Synthetic};
use crate::error::TraceError;
use crate::row::TracePod;

const DAY_MS: f64 = 24.0 * HOUR_MS;
const YEAR_MS: f64 = 365.0 * DAY_MS;
const QUIETEST_HOUR: f64 = 3.0;

/// The pods of a [`Synthetic`] trace in the order of their arrival; see there. Never yields an error: the type is that
/// of all streams of pods.
pub struct SyntheticPods {
    families: Vec<Family>,
    tenants: WeightedAliasIndex<f64>,
    day: Day,
    end_ms: f64,
    /// For each family, how many pods may still be found running at time 0.
    found: Vec<u64>,
    warm: ChaCha8Rng,
    arrivals: ChaCha8Rng,
    now_ms: f64,
    made: u64,
    expected: u64,
}

impl SyntheticPods {
    pub(super) fn new(parameters: &Synthetic) -> Self {
        let families = families(parameters, capacity(parameters));
        let day = Day::new(parameters.peak_to_trough);
        let end_ms = f64::from(parameters.hours) * HOUR_MS;
        let mut warm = parameters.chance(Purpose::WarmStart);
        let most =
            |family: &Family| if parameters.warm_start { family.present() * day.highest() } else { 0.0 };
        let found = families.iter().map(|family| poisson(most(family), &mut warm)).collect();
        let present: f64 =
            if parameters.warm_start { families.iter().map(Family::present).sum() } else { 0.0 };
        let rate: f64 = families.iter().map(|family| family.rate).sum();
        Self {
            tenants: zipf(parameters.tenants as usize),
            expected: (present + rate * end_ms) as u64,
            families,
            day,
            end_ms,
            found,
            warm,
            arrivals: parameters.chance(Purpose::Arrivals),
            now_ms: 0.0,
            made: 0,
        }
    }

    /// About how many pods there will be in all, for showing progress.
    pub fn expected(&self) -> u64 {
        self.expected
    }

    /// The next pod that is found running at time 0.
    fn next_found(&mut self) -> Option<TracePod> {
        loop {
            // Families take turns at random, as a region fills, rather than one after another.
            let mut draw = match self.found.iter().sum() {
                0 => return None,
                left => self.warm.random_range(0..left),
            };
            let mut index = 0;
            while draw >= self.found[index] {
                draw -= self.found[index];
                index += 1;
            }
            self.found[index] -= 1;
            let whole = self.families[index].duration.found(&mut self.warm);
            let age = whole * self.warm.random::<f64>();
            // The numbers were drawn for the busiest hour; fewer arrived when this one did.
            if self.warm.random::<f64>() * self.day.highest() < self.day.rate(-age) {
                return Some(self.pod(index, 0.0, whole - age, true));
            }
        }
    }

    /// The next pod that arrives.
    fn next_arrival(&mut self) -> Option<TracePod> {
        let rate: f64 = self.families.iter().map(|family| family.rate).sum();
        while self.now_ms < self.end_ms {
            let gap: f64 = Exp1.sample(&mut self.arrivals);
            self.now_ms += gap / (rate * self.day.highest());
            let busy = self.arrivals.random::<f64>() * self.day.highest() < self.day.rate(self.now_ms);
            if busy && self.now_ms < self.end_ms {
                let index = self.family(rate);
                let duration = self.families[index].duration.arriving(&mut self.arrivals);
                return Some(self.pod(index, self.now_ms, duration, false));
            }
        }
        None
    }

    fn family(&mut self, rate: f64) -> usize {
        let mut draw = self.arrivals.random::<f64>() * rate;
        let last = self.families.len() - 1;
        for (index, family) in self.families[..last].iter().enumerate() {
            if draw < family.rate {
                return index;
            }
            draw -= family.rate;
        }
        last
    }

    fn pod(&mut self, family: usize, arrival_ms: f64, duration_ms: f64, found: bool) -> TracePod {
        let chance = if found { &mut self.warm } else { &mut self.arrivals };
        let family = &self.families[family];
        let class = family.classes[family.popularity.sample(chance)];
        let tenant = self.tenants.sample(chance);
        let number = self.made;
        self.made += 1;
        TracePod {
            name: format!("pod-{number:08}"),
            tenant: format!("tenant-{tenant:04}"),
            arrival_ms: arrival_ms as u64,
            duration_ms: (duration_ms < YEAR_MS).then(|| (duration_ms as u64).max(1)),
            cpu_milli: class.cpu_milli,
            memory: class.memory,
            device_count: class.device_count,
            device_milli: class.device_milli,
            device_models: Vec::new(),
            priority: class.priority,
        }
    }
}

impl Iterator for SyntheticPods {
    type Item = Result<TracePod, TraceError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_found().or_else(|| self.next_arrival()).map(Ok)
    }
}

/// The course of a day: a sine with mean 1.
struct Day {
    amplitude: f64,
}

impl Day {
    fn new(peak_to_trough: f64) -> Self {
        Self { amplitude: (peak_to_trough - 1.0) / (peak_to_trough + 1.0) }
    }

    fn highest(&self) -> f64 {
        1.0 + self.amplitude
    }

    /// The rate at a time since (or before) the trace began, as a multiple of the mean.
    fn rate(&self, ms: f64) -> f64 {
        let since_quietest = (ms / DAY_MS).rem_euclid(1.0) - QUIETEST_HOUR / 24.0;
        1.0 - self.amplitude * (since_quietest * std::f64::consts::TAU).cos()
    }
}

fn poisson(mean: f64, chance: &mut ChaCha8Rng) -> u64 {
    // A mean of zero is no distribution, and the largest mean here is far below what the distribution takes.
    Poisson::new(mean).map_or(0, |distribution| distribution.sample(chance) as u64)
}
