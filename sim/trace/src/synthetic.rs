//! A made-up region and its pods, from stated distributions and a seed: the same parameters give the same rows.
//!
//! **Hosts.** Half have 64 processors and 256 GiB, three tenths 96 and 384 GiB, a fifth 128 and 512 GiB, drawn at random
//! and spread over three zones in turn. [`gpu_share`](Synthetic::gpu_share) of the hosts, evenly spread, have 96
//! processors, 768 GiB and 8 devices instead. Each takes 256 pods.
//!
//! **Pods** come in three families, each with its classes (distinct shapes):
//!
//! | family | duration | priority | shapes |
//! | --- | --- | --- | --- |
//! | service | Pareto, shape 1.5, mean [`service_hours`](Synthetic::service_hours) | 100 | 0.25 to 16 processors and 1 to 8 GiB a processor, both log-uniform |
//! | batch | log-normal, sigma 1.5, mean [`batch_hours`](Synthetic::batch_hours) | 0 | as services |
//! | device | log-normal, sigma 1.5, mean 8 hours | 50 | a quarter or half of a device, or 1, 2, 4 or 8; with 2 to 8 processors and 8 to 64 GiB for each |
//!
//! Half of the classes are services, or nearly half when there are devices, which then get a tenth. Within a family
//! the popularity of classes, and over all families that of tenants, follows Zipf's law with exponent 1. The sizes of a
//! family's classes are spread evenly over their distribution, the most popular class in the middle of it, so that
//! the number of pods does not hang on one draw. A duration that would end more than a year away has no end.
//!
//! **Arrivals** are a Poisson process whose rate follows a sine over the day, lowest at 03:00 and highest at 15:00;
//! the trace begins at 00:00.
//!
//! **Load.** Pods that ask for a demand d at a rate r and stay for s on average hold r * s * d in the long run
//! (Little's law). The rates are set so that the devices, and of processors and memory the scarcer one, are asked for
//! to [`load`](Synthetic::load) of what all hosts have, on the average over a whole day; services hold
//! [`service_share`](Synthetic::service_share) of the processors that the pods without devices hold.
//!
//! **Warm start.** A region that starts empty would take weeks to fill. By default the trace therefore begins with the
//! pods that a region running for ever would have at that moment: they all arrive at time 0, with what is left of
//! their durations. Their number is the Poisson number of pods present; their durations are drawn in proportion to their
//! length and their ages evenly within, as somebody sees them who looks in at a moment. Without it
//! ([`warm_start`](Synthetic::warm_start)) only the later arrivals remain, the same ones.
//!
//! The stream of pods needs memory for its classes and tenants, none for its pods. Sines and logarithms may differ
//! in their last bit between platforms, and then so may rows.

mod class;
mod duration;
mod host;
mod pod;

use std::ops::RangeInclusive;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

pub use self::pod::SyntheticPods;
use crate::error::TraceError;
use crate::row::TraceHost;

const HOUR_MS: f64 = 3_600_000.0;

/// The parameters of a made-up region and its pods.
#[derive(Clone, Debug, PartialEq)]
pub struct Synthetic {
    /// How many hosts.
    pub hosts: u32,
    /// How long pods keep arriving, in hours.
    pub hours: u32,
    /// Everything random follows from it.
    pub seed: u64,
    /// How many distinct shapes of pods.
    pub classes: u32,
    /// How many tenants.
    pub tenants: u32,
    /// The load offered, as a share of the capacity of all hosts.
    pub load: f64,
    /// The share of hosts with devices.
    pub gpu_share: f64,
    /// The share of services in the load, the rest is batch.
    pub service_share: f64,
    /// The mean duration of services, in hours.
    pub service_hours: f64,
    /// The mean duration of batch pods, in hours.
    pub batch_hours: f64,
    /// How many times more pods arrive at the busiest time of a day than at the quietest.
    pub peak_to_trough: f64,
    /// Whether the region is already full of running pods at time 0.
    pub warm_start: bool,
}

impl Default for Synthetic {
    /// A mid-sized region for a day: 5,000 hosts and about half a million pods of 500 classes.
    fn default() -> Self {
        Self {
            hosts: 5_000,
            hours: 24,
            seed: 0,
            classes: 500,
            tenants: 200,
            load: 0.8,
            gpu_share: 0.0,
            service_share: 0.6,
            service_hours: 72.0,
            batch_hours: 2.5,
            peak_to_trough: 3.0,
            warm_start: true,
        }
    }
}

impl Synthetic {
    /// Checks the parameters.
    pub fn validate(&self) -> Result<(), TraceError> {
        check_count("hosts", self.hosts, 1..=1_000_000, "1 to 1000000")?;
        check_count("hours", self.hours, 1..=8_784, "1 to 8784")?;
        check_count("classes", self.classes, 3..=100_000, "3 to 100000")?;
        check_count("tenants", self.tenants, 1..=1_000_000, "1 to 1000000")?;
        check_share("load", self.load, 0.001..=10.0, "0.001 to 10")?;
        check_share("gpu_share", self.gpu_share, 0.0..=1.0, "0 to 1")?;
        check_share("service_share", self.service_share, 0.0..=1.0, "0 to 1")?;
        check_share("service_hours", self.service_hours, 0.01..=10_000.0, "0.01 to 10000")?;
        check_share("batch_hours", self.batch_hours, 0.01..=10_000.0, "0.01 to 10000")?;
        check_share("peak_to_trough", self.peak_to_trough, 1.0..=1_000.0, "1 to 1000")
    }

    /// Makes the hosts.
    pub fn make_hosts(&self) -> Result<Vec<TraceHost>, TraceError> {
        self.validate()?;
        Ok(host::hosts(self).collect())
    }

    /// Makes the pods, one by one in the order of their arrival.
    pub fn make_pods(&self) -> Result<SyntheticPods, TraceError> {
        self.validate()?;
        Ok(SyntheticPods::new(self))
    }

    /// A source of chance for one purpose, so that what one purpose draws does not change what another gets.
    fn chance(&self, purpose: Purpose) -> ChaCha8Rng {
        let mut chance = ChaCha8Rng::seed_from_u64(self.seed);
        chance.set_stream(purpose as u64);
        chance
    }
}

/// What chance is needed for.
#[derive(Clone, Copy)]
enum Purpose {
    Hosts = 1,
    Classes = 2,
    WarmStart = 3,
    Arrivals = 4,
}

fn check_count(
    parameter: &'static str,
    value: u32,
    bounds: RangeInclusive<u32>,
    want: &'static str,
) -> Result<(), TraceError> {
    if bounds.contains(&value) {
        return Ok(());
    }
    Err(TraceError::Parameter { parameter, value: value.to_string(), want })
}

fn check_share(
    parameter: &'static str,
    value: f64,
    bounds: RangeInclusive<f64>,
    want: &'static str,
) -> Result<(), TraceError> {
    // Not a number is in no range.
    if bounds.contains(&value) {
        return Ok(());
    }
    Err(TraceError::Parameter { parameter, value: value.to_string(), want })
}

#[cfg(test)]
mod tests;
