//! A distribution of whole numbers in bounded memory.
//!
//! Buckets are log-linear: every power of two is cut into 32 equal buckets, so a bucket is never wider than 1/32 of
//! its lowest value, and the values below 64 have a bucket each. The whole range of `u64` takes fewer than 2,000
//! buckets, and only those up to the largest value are kept. Count, mean, smallest and largest are exact; quantiles
//! are off by at most 1/64 (1.6 %) of the value.

use serde::{Serialize, Serializer, ser::SerializeStruct};

#[cfg(test)]
mod tests;

/// Buckets a power of two, as a power of two.
const PRECISION: u32 = 5;

/// A distribution of `u64` values. What the values mean (milliseconds, nanoseconds) is said where one is kept.
///
/// Counts saturate instead of wrapping around. In JSON it is an object of its figures and its buckets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Values in each bucket; never ends in a zero, so that equal distributions are equal.
    counts: Vec<u64>,
    count: u64,
    sum: u128,
    min: u64,
    max: u64,
}

/// Neighbouring values that a [`Histogram`] does not tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Bucket {
    /// Smallest value that belongs here.
    pub low: u64,
    /// Largest value that belongs here.
    pub high: u64,
    /// How many values were recorded here.
    pub count: u64,
}

impl Histogram {
    /// A histogram without values.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one value.
    pub fn record(&mut self, value: u64) {
        self.record_many(value, 1);
    }

    /// Adds one value `times` times.
    pub fn record_many(&mut self, value: u64, times: u64) {
        if times == 0 {
            return;
        }
        let index = index_of(value);
        if index >= self.counts.len() {
            self.counts.resize(index + 1, 0);
        }
        self.counts[index] = self.counts[index].saturating_add(times);
        self.min = if self.count == 0 { value } else { self.min.min(value) };
        self.max = self.max.max(value);
        self.count = self.count.saturating_add(times);
        self.sum = self.sum.saturating_add(u128::from(value) * u128::from(times));
    }

    /// Adds all values of another histogram.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine = mine.saturating_add(*theirs);
        }
        self.min = if self.count == 0 { other.min } else { self.min.min(other.min) };
        self.max = self.max.max(other.max);
        self.count = self.count.saturating_add(other.count);
        self.sum = self.sum.saturating_add(other.sum);
    }

    /// The value that a share of `q` (0 to 1) of all values does not exceed, within 1.6 %; 0 without values.
    ///
    /// It is the value of rank ⌈q·count⌉, counted from 1. The first and the last rank are exact.
    pub fn quantile(&self, q: f64) -> u64 {
        let rank = self.rank(q);
        if rank <= 1 {
            return self.min;
        }
        if rank >= self.count {
            return self.max;
        }
        let mut seen = 0_u64;
        for bucket in self.buckets() {
            seen = seen.saturating_add(bucket.count);
            if seen >= rank {
                // The middle halves the error, and no recorded value lies outside of min and max.
                let middle = bucket.low + (bucket.high - bucket.low) / 2;
                return middle.clamp(self.min, self.max);
            }
        }
        self.max
    }

    /// The mean, exact up to the rounding of a float; 0 without values.
    pub fn mean(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum as f64 / self.count as f64 }
    }

    /// The smallest value; 0 without values.
    pub fn min(&self) -> u64 {
        self.min
    }

    /// The largest value; 0 without values.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// How many values were recorded.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether no value was recorded.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The buckets that hold any values, in rising order.
    pub fn buckets(&self) -> impl Iterator<Item = Bucket> + '_ {
        let filled = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        filled.map(|(index, &count)| Bucket { low: lowest(index), high: highest(index), count })
    }

    /// The rank that stands for a share of all values; a share that is no number counts as 0.
    fn rank(&self, q: f64) -> u64 {
        let q = if q.is_nan() { 0.0 } else { q.clamp(0.0, 1.0) };
        ((q * self.count as f64).ceil() as u64).clamp(1, self.count.max(1))
    }
}

impl Serialize for Histogram {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Histogram", 9)?;
        object.serialize_field("count", &self.count)?;
        object.serialize_field("mean", &self.mean())?;
        object.serialize_field("min", &self.min)?;
        object.serialize_field("p50", &self.quantile(0.5))?;
        object.serialize_field("p90", &self.quantile(0.9))?;
        object.serialize_field("p99", &self.quantile(0.99))?;
        object.serialize_field("p999", &self.quantile(0.999))?;
        object.serialize_field("max", &self.max)?;
        object.serialize_field("buckets", &self.buckets().collect::<Vec<_>>())?;
        object.end()
    }
}

/// How far a value is shifted right so that `PRECISION` bits follow its highest one.
fn shift_of(value: u64) -> u32 {
    value.checked_ilog2().unwrap_or(0).saturating_sub(PRECISION)
}

/// The bucket of a value. After a shift of n the value lies in 32..64 (below, for n = 0), and each shift's 32 buckets
/// follow on those of the one before.
fn index_of(value: u64) -> usize {
    let shift = shift_of(value);
    ((shift as usize) << PRECISION) + (value >> shift) as usize
}

/// The smallest value of a bucket.
fn lowest(index: usize) -> u64 {
    let shift = (index >> PRECISION).saturating_sub(1);
    ((index - (shift << PRECISION)) as u64) << shift
}

/// The largest value of a bucket.
fn highest(index: usize) -> u64 {
    let shift = (index >> PRECISION).saturating_sub(1);
    lowest(index) | ((1 << shift) - 1)
}
