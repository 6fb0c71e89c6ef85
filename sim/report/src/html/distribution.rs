//! Distributions on a logarithmic axis: bars for how many values lie where, and a curve for how many lie below.

use std::fmt::{self, Write};

use super::{
    axis::{Axis, Unit},
    escape::Escaped,
    figure::{Figure, Legend},
    frame::Frame,
};
use crate::{Histogram, quantity};

/// Bars a doubling of the value; fewer where the values span so much that bars would get thin.
const BARS_A_DOUBLING: f64 = 4.0;
const MOST_BARS: f64 = 56.0;

/// Bands of the curve that tell their figures under the pointer.
const BANDS: u32 = 60;

const MARKS: [(f64, &str); 3] = [(0.5, "p50"), (0.9, "p90"), (0.99, "p99")];

/// Names closer than this would overlap.
const MARK_GAP: f64 = 34.0;

/// A histogram and what its values are.
#[derive(Clone, Copy)]
pub(super) struct Distribution<'a> {
    pub(super) histogram: &'a Histogram,
    pub(super) unit: Unit,
    /// The title of the x axis.
    pub(super) axis: &'a str,
    /// What was counted: "pods".
    pub(super) things: &'a str,
}

impl Distribution<'_> {
    /// Bars with the usual quantiles marked. Zeros have no place on a logarithmic axis; the note says how many.
    pub(super) fn bars(&self, title: &str, note: &str) -> Figure {
        let zeros = self.zeros();
        let note = match zeros {
            0 => note.to_owned(),
            _ => format!("{note}; not shown: {} at 0", self.share(zeros)),
        };
        self.figure(title, &note, |frame| self.draw_bars(title, frame))
    }

    /// The share of values up to each value.
    pub(super) fn curve(&self, title: &str, note: &str) -> Figure {
        self.figure(title, note, |frame| self.draw_curve(title, frame))
    }

    fn figure(&self, title: &str, note: &str, draw: impl Fn(Axis) -> Result<String, fmt::Error>) -> Figure {
        let mut figure = Figure::new(title, note);
        let positive = || self.histogram.buckets().filter(|bucket| bucket.low > 0);
        let (Some(first), Some(last)) = (positive().next(), positive().last()) else {
            if !self.histogram.is_empty() {
                figure.instead = "Nothing above 0 was recorded.".into();
            }
            return figure;
        };
        let axis = Axis::logarithmic(self.axis, self.unit, first.low as f64, last.high as f64 + 1.0);
        let quantiles = MARKS.into_iter().chain([(1.0, "max")]);
        figure.legend = quantiles
            .map(|(q, name)| Legend { style: "", name: name.into(), value: self.quantile(q) })
            .collect();
        figure.drawing = draw(axis).expect("writing to a string cannot fail");
        figure
    }

    fn draw_bars(&self, title: &str, x: Axis) -> Result<String, fmt::Error> {
        let bars = self.heights(&x);
        let highest = bars.iter().copied().fold(0.0, f64::max);
        let frame = Frame { x, y: Axis::percent(&format!("percent of {}", self.things), highest) };
        let mut out = String::new();
        frame.open(&mut out, &self.label(title))?;
        for (i, height) in bars.iter().enumerate().filter(|(_, height)| **height > 0.0) {
            let end = |i: usize| frame.x.value(i as f64 / bars.len() as f64);
            let (low, high) = (end(i), end(i + 1));
            let (left, right, top) = (frame.x(low), frame.x(high), frame.y(*height));
            // A bar too low to see is still a bar.
            let top = top.min(frame.bottom() - 0.6);
            write!(out, r#"<rect class="bar" x="{:.1}" y="{top:.1}""#, left + 0.4)?;
            write!(
                out,
                r#" width="{:.1}" height="{:.1}" rx="1">"#,
                right - left - 0.8,
                frame.bottom() - top
            )?;
            let text = format!("{} to {}: {height:.2} %", self.unit.show(low), self.unit.show(high));
            write!(out, "<title>{}</title></rect>", Escaped(&text))?;
        }
        self.draw_marks(&mut out, &frame)?;
        frame.close(&mut out)?;
        Ok(out)
    }

    fn draw_marks(&self, out: &mut String, frame: &Frame) -> fmt::Result {
        let mut free_from = f64::NEG_INFINITY;
        for (q, name) in MARKS {
            let value = self.histogram.quantile(q);
            let x = frame.x(value as f64);
            if value == 0 || x < free_from {
                continue;
            }
            free_from = x + MARK_GAP;
            write!(
                out,
                r#"<path class="mark" d="M{x:.1} {:.1}V{:.1}"/>"#,
                frame.top() - 2.0,
                frame.bottom()
            )?;
            write!(out, r#"<text class="mark-name" x="{x:.1}" y="{:.1}""#, frame.top() - 5.0)?;
            write!(out, r#" text-anchor="middle">{}</text>"#, Escaped(name))?;
        }
        Ok(())
    }

    fn draw_curve(&self, title: &str, x: Axis) -> Result<String, fmt::Error> {
        let frame = Frame { x, y: Axis::percent(&format!("percent of {}", self.things), 100.0) };
        let mut seen = self.zeros();
        let mut path = format!("M{:.1} {:.1}", frame.x(frame.x.low()), frame.y(self.percent(seen)));
        for bucket in self.histogram.buckets().filter(|bucket| bucket.low > 0) {
            // Level up to the bucket, then even within it.
            write!(path, "L{:.1} {:.1}", frame.x(bucket.low as f64), frame.y(self.percent(seen)))?;
            seen = seen.saturating_add(bucket.count);
            write!(path, "L{:.1} {:.1}", frame.x(bucket.high as f64 + 1.0), frame.y(self.percent(seen)))?;
        }
        let (left, right, bottom) = (frame.x(frame.x.low()), frame.x(frame.x.high()), frame.bottom());
        write!(path, "L{right:.1} {:.1}", frame.y(self.percent(seen)))?;
        let mut out = String::new();
        frame.open(&mut out, &self.label(title))?;
        write!(out, r#"<path class="area a" d="{path}L{right:.1} {bottom}L{left:.1} {bottom}Z"/>"#)?;
        write!(out, r#"<path class="line a" d="{path}"/>"#)?;
        frame.tell(&mut out, BANDS, |value| {
            let within = self.histogram.buckets().filter(|bucket| bucket.high as f64 <= value);
            let within = within.fold(0_u64, |sum, bucket| sum.saturating_add(bucket.count));
            format!("within {}: {}", self.unit.show(value), self.share(within))
        })?;
        frame.close(&mut out)?;
        Ok(out)
    }

    /// The height of each bar in percent of all values. The histogram's buckets are shared out evenly over the bars
    /// they lie in, so that the whole numbers at the low end leave no gaps.
    fn heights(&self, x: &Axis) -> Vec<f64> {
        let doublings = (x.high() / x.low()).log2();
        let bars = (doublings * BARS_A_DOUBLING).ceil().clamp(1.0, MOST_BARS);
        let mut heights = vec![0.0; bars as usize];
        for bucket in self.histogram.buckets().filter(|bucket| bucket.low > 0) {
            let from = x.share(bucket.low as f64) * bars;
            let to = x.share(bucket.high as f64 + 1.0) * bars;
            let height = self.percent(bucket.count);
            if to - from < 1e-9 {
                // Too narrow for a float to tell its ends apart.
                heights[(from as usize).min(bars as usize - 1)] += height;
                continue;
            }
            for (i, sum) in
                heights.iter_mut().enumerate().skip(from as usize).take(to.ceil() as usize - from as usize)
            {
                let overlap = to.min(i as f64 + 1.0) - from.max(i as f64);
                *sum += height * overlap.max(0.0) / (to - from);
            }
        }
        heights
    }

    fn zeros(&self) -> u64 {
        self.histogram.buckets().next().filter(|bucket| bucket.low == 0).map_or(0, |bucket| bucket.count)
    }

    fn percent(&self, count: u64) -> f64 {
        count as f64 / self.histogram.count().max(1) as f64 * 100.0
    }

    fn share(&self, count: u64) -> String {
        quantity::share(count, self.histogram.count())
    }

    fn quantile(&self, q: f64) -> String {
        self.unit.show(self.histogram.quantile(q) as f64)
    }

    fn label(&self, title: &str) -> String {
        let (things, [half, most, max]) = (self.things, [0.5, 0.99, 1.0].map(|q| self.quantile(q)));
        format!("{title}. Half of the {things}: at most {half}. 99 percent: at most {most}. Largest: {max}.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heights(histogram: &Histogram) -> (Vec<f64>, f64) {
        let distribution = Distribution { histogram, unit: Unit::Milliseconds, axis: "", things: "pods" };
        let last = histogram.buckets().last().unwrap();
        let axis = Axis::logarithmic("", Unit::Milliseconds, 1.0, last.high as f64 + 1.0);
        let heights = distribution.heights(&axis);
        let sum = heights.iter().sum();
        (heights, sum)
    }

    #[test]
    fn bars_lose_no_value() {
        let mut histogram = Histogram::new();
        for value in [1, 2, 3, 70, 5_000, 123_456, u64::MAX / 3, u64::MAX] {
            histogram.record(value);
        }
        let (_, sum) = heights(&histogram);
        assert!((sum - 100.0).abs() < 1e-6, "{sum}");
    }

    #[test]
    fn small_whole_numbers_leave_no_gaps() {
        let mut histogram = Histogram::new();
        (1..=40).for_each(|value| histogram.record(value));
        let (heights, _) = heights(&histogram);
        assert!(heights.iter().all(|height| *height > 0.0), "{heights:?}");
    }
}
