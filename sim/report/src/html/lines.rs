//! Lines over simulated time.

use std::fmt::{self, Write};

use super::{
    axis::Axis,
    escape::Escaped,
    figure::{Figure, Legend},
    frame::Frame,
};
use crate::{GlobalStep, Sample, quantity};

/// More points than this on one line cannot be told apart; the highest and lowest of neighbours are kept.
const MOST_POINTS: usize = 960;

/// Bands that tell their figures under the pointer.
const BANDS: usize = 60;

/// Names of the styles of the first, second and third line; colour and dashes differ.
const STYLES: [&str; 3] = ["a", "b", "c"];

/// What is known of one moment.
pub(super) trait Moment {
    /// Simulated milliseconds since the start.
    fn time_ms(&self) -> u64;
}

impl Moment for Sample {
    fn time_ms(&self) -> u64 {
        self.time_ms
    }
}

impl Moment for GlobalStep {
    fn time_ms(&self) -> u64 {
        self.time_ms
    }
}

/// What the values of a plot are, with the title of their axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// Percent, on an axis that always shows 0 to 100.
    Whole(&'static str),
    /// Percent, on an axis as high as the values need.
    Percent(&'static str),
    /// A number of things.
    Count(&'static str),
    /// A measured amount.
    Amount(&'static str),
}

impl Scale {
    fn axis(self, max: f64) -> Axis {
        match self {
            Self::Whole(title) => Axis::percent(title, max.max(100.0)),
            Self::Percent(title) | Self::Amount(title) => Axis::percent(title, max),
            Self::Count(title) => Axis::counts(title, max),
        }
    }

    fn show(self, value: f64) -> String {
        match self {
            Self::Whole(_) | Self::Percent(_) => quantity::percent(value),
            Self::Amount(_) => quantity::short(value),
            Self::Count(_) if value.is_finite() => quantity::count(value as u64),
            Self::Count(_) => quantity::UNKNOWN.into(),
        }
    }
}

/// One line: its name, and its value in each sample (not finite where it is not known).
pub(super) struct Line<M> {
    pub(super) name: &'static str,
    pub(super) value: fn(&M) -> f64,
}

/// A figure of up to three lines. Lines without any known value are left out.
pub(super) fn figure<M: Moment>(
    title: &str,
    note: &str,
    scale: Scale,
    samples: &[M],
    lines: &[Line<M>],
) -> Figure {
    let known =
        |line: &Line<M>| samples.iter().map(line.value).filter(|value| value.is_finite()).collect::<Vec<_>>();
    let lines = lines.iter().zip(STYLES).filter(|(line, _)| !known(line).is_empty()).collect::<Vec<_>>();
    let mut figure = Figure::new(title, note);
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else { return figure };
    if lines.is_empty() {
        return figure;
    }
    let max = lines.iter().flat_map(|(line, _)| known(line)).fold(0.0, f64::max);
    let frame = Frame { x: Axis::time(first.time_ms(), last.time_ms()), y: scale.axis(max) };
    let mut label = format!("{title} over simulated time.");
    for (line, style) in &lines {
        let values = known(line);
        let max = values.iter().copied().fold(f64::MIN, f64::max);
        let end = (line.value)(last);
        label += &format!(" {}: at most {}, at the end {}.", line.name, scale.show(max), scale.show(end));
        figure.legend.push(Legend { style, name: line.name.into(), value: scale.show(end) });
    }
    figure.drawing = draw(&frame, &label, scale, samples, &lines).expect("writing to a string cannot fail");
    figure
}

fn draw<M: Moment>(
    frame: &Frame,
    label: &str,
    scale: Scale,
    samples: &[M],
    lines: &[(&Line<M>, &str)],
) -> Result<String, fmt::Error> {
    let mut out = String::new();
    // The areas of several lines would hide each other.
    let area = matches!(scale, Scale::Count(_)) && lines.len() == 1;
    frame.open(&mut out, label)?;
    for (line, style) in lines {
        let points =
            samples.iter().map(|sample| (sample.time_ms() as f64, (line.value)(sample))).collect::<Vec<_>>();
        for run in points.split(|(_, value)| !value.is_finite()).filter(|run| !run.is_empty()) {
            draw_run(&mut out, frame, &thin(run), style, area)?;
        }
    }
    if samples.len() > 1 {
        frame.tell(&mut out, BANDS.min(samples.len()) as u32, |time| {
            let sample = nearest(samples, time);
            let mut text = quantity::milliseconds(sample.time_ms() as f64);
            for (line, _) in lines {
                text += &format!(", {} {}", line.name, scale.show((line.value)(sample)));
            }
            text
        })?;
    }
    frame.close(&mut out)?;
    Ok(out)
}

/// Draws neighbouring known points: a line, with the area below it if asked for; a dot for a single point.
fn draw_run(out: &mut String, frame: &Frame, run: &[(f64, f64)], style: &str, area: bool) -> fmt::Result {
    let style = Escaped(style);
    let (first, last) = (frame.x(run[0].0), frame.x(run[run.len() - 1].0));
    if last - first < 0.5 {
        return write!(
            out,
            r#"<circle class="dot {style}" cx="{first:.1}" cy="{:.1}" r="3.5"/>"#,
            frame.y(run[0].1)
        );
    }
    let mut path = String::with_capacity(run.len() * 12);
    for (i, (time, value)) in run.iter().enumerate() {
        write!(path, "{}{:.1} {:.1}", if i == 0 { 'M' } else { 'L' }, frame.x(*time), frame.y(*value))?;
    }
    if area {
        let bottom = frame.bottom();
        write!(out, r#"<path class="area {style}" d="{path}L{last:.1} {bottom}L{first:.1} {bottom}Z"/>"#)?;
    }
    write!(out, r#"<path class="line {style}" d="{path}"/>"#)
}

/// At most [`MOST_POINTS`] of the points: of each stretch the lowest and the highest, so that no peak is lost.
fn thin(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= MOST_POINTS {
        return points.to_vec();
    }
    let stretch = points.len().div_ceil(MOST_POINTS / 2);
    let extremes = points.chunks(stretch).flat_map(|chunk| {
        let place = |order: fn(&f64, &f64) -> bool| {
            (1..chunk.len()).fold(0, |best, i| if order(&chunk[i].1, &chunk[best].1) { i } else { best })
        };
        let (low, high) = (place(|a, b| a < b), place(|a, b| a > b));
        [chunk[low.min(high)], chunk[low.max(high)]]
    });
    extremes.collect()
}

fn nearest<M: Moment>(samples: &[M], time: f64) -> &M {
    let after = samples.partition_point(|sample| (sample.time_ms() as f64) < time).min(samples.len() - 1);
    let before = after.saturating_sub(1);
    let distance = |i: usize| (samples[i].time_ms() as f64 - time).abs();
    if distance(before) < distance(after) { &samples[before] } else { &samples[after] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_peaks_and_order() {
        let mut points = (0..10_000).map(|i| (f64::from(i), 1.0)).collect::<Vec<_>>();
        points[777].1 = 9.0;
        points[778].1 = -9.0;
        let thinned = thin(&points);
        assert!(thinned.len() <= MOST_POINTS);
        assert!(thinned.contains(&(777.0, 9.0)) && thinned.contains(&(778.0, -9.0)));
        assert!(thinned.is_sorted_by(|a, b| a.0 <= b.0));
    }

    #[test]
    fn the_nearest_sample_is_told() {
        let samples = [0, 10, 20].map(|time_ms| Sample { time_ms, ..Sample::default() });
        for (time, wanted) in [(-5.0, 0), (4.0, 0), (6.0, 10), (19.0, 20), (99.0, 20)] {
            assert_eq!(nearest(&samples, time).time_ms, wanted);
        }
    }

    #[test]
    fn unknown_values_break_the_line() {
        let mut samples = [0, 1, 2, 3, 4, 5].map(|time_ms| Sample { time_ms, ..Sample::default() });
        samples[2].cpu_percent = f64::NAN;
        let lines = [Line { name: "CPU", value: |sample: &Sample| sample.cpu_percent }];
        let figure = figure("Allocation", "", Scale::Whole("percent"), &samples, &lines);
        assert_eq!(figure.drawing.matches(r#"<path class="line a""#).count(), 2);
        assert!(figure.drawing.contains("2 ms, CPU –"));
    }
}
