//! One axis of a plot: where a value lies between its ends, and where it has ticks.

use crate::quantity;

/// An axis from `low` to `high`, with a title that names the unit.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    pub(super) title: String,
    pub(super) ticks: Vec<Tick>,
    low: f64,
    high: f64,
    logarithmic: bool,
}

/// A labelled place on an axis.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    pub(super) at: f64,
    pub(super) label: String,
}

/// What the values of a logarithmic axis are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Milliseconds,
    Nanoseconds,
}

impl Unit {
    /// A value with its unit, for people.
    pub(super) fn show(self, value: f64) -> String {
        match self {
            Self::Milliseconds => quantity::milliseconds(value),
            Self::Nanoseconds => quantity::nanoseconds(value),
        }
    }

    /// In this unit: a second.
    fn second(self) -> f64 {
        match self {
            Self::Milliseconds => 1e3,
            Self::Nanoseconds => 1e9,
        }
    }
}

const SECOND: f64 = 1e3;
const MINUTE: f64 = 60.0 * SECOND;
const HOUR: f64 = 60.0 * MINUTE;
const DAY: f64 = 24.0 * HOUR;

/// Distances of ticks that people count in, as multiples of each unit of time.
const TIME_STEPS: [(f64, &str, &[f64]); 4] = [
    (1.0, "milliseconds", &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0]),
    (SECOND, "seconds", &[1.0, 2.0, 5.0, 10.0, 20.0, 30.0]),
    (MINUTE, "minutes", &[1.0, 2.0, 5.0, 10.0, 20.0, 30.0]),
    (HOUR, "hours", &[1.0, 2.0, 3.0, 4.0, 6.0, 12.0]),
];

/// More ticks than this on an axis of time are crowded.
const MOST_TIME_TICKS: f64 = 8.0;

/// Above this, sums of values could leave the range of floats.
const LARGEST: f64 = 1e300;

impl Axis {
    /// From 0 to a round value not below `max`, for counts: ticks are whole numbers.
    pub(super) fn counts(title: &str, max: f64) -> Self {
        Self::round(title, max, 1.0)
    }

    /// From 0 to a round percentage not below `max`.
    pub(super) fn percent(title: &str, max: f64) -> Self {
        Self::round(title, max, 0.01)
    }

    fn round(title: &str, max: f64, least_step: f64) -> Self {
        let max = if max.is_finite() { max.clamp(0.0, LARGEST) } else { 0.0 };
        let step = if max == 0.0 { 1.0 } else { round_up(max / 5.0).max(least_step) };
        let steps = (max / step - 1e-9).ceil().max(1.0);
        let ticks = (0..=steps as u32).map(|i| {
            let at = f64::from(i) * step;
            Tick { at, label: quantity::short(at) }
        });
        Self { title: title.into(), ticks: ticks.collect(), low: 0.0, high: steps * step, logarithmic: false }
    }

    /// Simulated time, from and to so many milliseconds.
    pub(super) fn time(from: u64, to: u64) -> Self {
        let (low, mut high) = (from as f64, to as f64);
        if high <= low {
            // Large enough to be a difference at any size of float.
            high = low + (low * 1e-6).max(1.0);
        }
        let (step, unit, name) = time_step(high - low);
        let first = (low / step).ceil();
        let ticks = (0..=MOST_TIME_TICKS as u32 + 1)
            .map(|i| (first + f64::from(i)) * step)
            .take_while(|at| *at <= high)
            .map(|at| Tick { at, label: quantity::short(at / unit) });
        let title = format!("simulated time, {name}");
        Self { title, ticks: ticks.collect(), low, high, logarithmic: false }
    }

    /// Values above 0 on a logarithmic scale, over at least a factor of ten.
    pub(super) fn logarithmic(title: &str, unit: Unit, low: f64, high: f64) -> Self {
        let widen = (10.0 / (high / low)).sqrt().max(1.0);
        let (low, high) = (low / widen, high * widen);
        let inside =
            |values: Vec<f64>| values.into_iter().filter(|at| (low..=high).contains(at)).collect::<Vec<_>>();
        let mut values = inside(round_times(unit, &[1.0]));
        if values.len() < 3 {
            values = inside(round_times(unit, &[1.0, 2.0, 5.0]));
        }
        let ticks = values.into_iter().map(|at| Tick { at, label: unit.show(at) }).collect();
        Self { title: title.into(), ticks, low, high, logarithmic: true }
    }

    pub(super) fn low(&self) -> f64 {
        self.low
    }

    pub(super) fn high(&self) -> f64 {
        self.high
    }

    /// Where a value lies: 0 at the low end, 1 at the high one, never outside.
    pub(super) fn share(&self, value: f64) -> f64 {
        let share = if self.logarithmic {
            (value / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) }
    }

    /// The value at a share of the way from the low to the high end.
    pub(super) fn value(&self, share: f64) -> f64 {
        if self.logarithmic {
            self.low * (self.high / self.low).powf(share)
        } else {
            self.low + (self.high - self.low) * share
        }
    }
}

/// The next number of the form 1, 2 or 5 times a power of ten; 0 stays.
fn round_up(value: f64) -> f64 {
    if value <= 0.0 {
        return 0.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    let digit = [1.0, 2.0, 5.0].into_iter().find(|digit| value / power <= digit + 1e-9).unwrap_or(10.0);
    digit * power
}

/// A good distance of ticks for so many milliseconds, and its unit with name.
fn time_step(span: f64) -> (f64, f64, &'static str) {
    for (unit, name, multiples) in TIME_STEPS {
        if let Some(multiple) = multiples.iter().find(|multiple| span / (*multiple * unit) <= MOST_TIME_TICKS)
        {
            return (multiple * unit, unit, name);
        }
    }
    (round_up(span / DAY / MOST_TIME_TICKS).max(1.0) * DAY, DAY, "days")
}

/// Times that are round to people, rising: decades up to 10 s, then minutes, hours and days.
fn round_times(unit: Unit, digits: &[f64]) -> Vec<f64> {
    let second = unit.second();
    let mut times = Vec::new();
    let mut decades = |from: f64, to: f64| {
        let mut power = from;
        while power < to {
            times.extend(digits.iter().map(|digit| digit * power).filter(|at| *at < to));
            power *= 10.0;
        }
    };
    decades(1.0, 60.0 * second);
    decades(60.0 * second, 3_600.0 * second);
    decades(3_600.0 * second, 36_000.0 * second);
    decades(86_400.0 * second, 86_400.0 * second * 1e7);
    times
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> String {
        axis.ticks.iter().map(|tick| tick.label.as_str()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(labels(&Axis::percent("", 100.0)), "0 20 40 60 80 100");
        assert_eq!(labels(&Axis::percent("", 3.1)), "0 1 2 3 4");
        assert_eq!(labels(&Axis::counts("", 2.0)), "0 1 2");
        assert_eq!(labels(&Axis::percent("", 0.0)), "0 1");
        assert_eq!(labels(&Axis::counts("", 8_500.0)), "0 2k 4k 6k 8k 10k");
        assert_eq!(labels(&Axis::time(0, 86_400_000)), "0 3 6 9 12 15 18 21 24");
        assert_eq!(labels(&Axis::time(0, 7 * 86_400_000)), "0 1 2 3 4 5 6 7");
        assert_eq!(labels(&Axis::time(90_000, 600_000)), "2 4 6 8 10");
    }

    #[test]
    fn logarithmic_ticks_carry_their_unit() {
        let axis = Axis::logarithmic("", Unit::Milliseconds, 1.0, 1e8);
        assert_eq!(labels(&axis), "1 ms 10 ms 100 ms 1 s 10 s 1 min 10 min 1 h 1 d");
        let axis = Axis::logarithmic("", Unit::Nanoseconds, 500.0, 20_000.0);
        assert_eq!(labels(&axis), "500 ns 1 µs 2 µs 5 µs 10 µs 20 µs");
    }

    #[test]
    fn every_axis_has_ends_and_ticks_in_order() {
        let axes = [0.0, 1e-9, 1.0, 1e300, f64::MAX, f64::NAN, f64::INFINITY]
            .into_iter()
            .flat_map(|max| [Axis::counts("", max), Axis::percent("", max)])
            .chain(
                [(0, 0), (5, 5), (0, u64::MAX), (u64::MAX, u64::MAX)].map(|(from, to)| Axis::time(from, to)),
            )
            .chain(
                [(1.0, 2.0), (1.0, u64::MAX as f64), (1e18, 1e18)]
                    .map(|(low, high)| Axis::logarithmic("", Unit::Milliseconds, low, high)),
            );
        for axis in axes {
            assert!(axis.low.is_finite() && axis.high.is_finite() && axis.low < axis.high, "{axis:?}");
            assert!(axis.ticks.windows(2).all(|pair| pair[0].at < pair[1].at), "{axis:?}");
            assert_eq!((axis.share(axis.low), axis.share(axis.high)), (0.0, 1.0), "{axis:?}");
            assert!((0.0..=1.0).contains(&axis.share(f64::NAN)));
        }
    }
}
