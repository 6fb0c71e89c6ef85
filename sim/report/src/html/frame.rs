//! The frame of a plot: the drawing's size, grid, ticks and axis titles, and where a point lies in it.

use std::fmt::{self, Write};

use super::{axis::Axis, escape::Escaped};

const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 276.0;
const LEFT: f64 = 50.0;
const RIGHT: f64 = 18.0;
const TOP: f64 = 36.0;
const BOTTOM: f64 = 48.0;

/// The room a character of a label takes on a phone, where letters are larger compared to the drawing.
const CHARACTER: f64 = 8.5;

/// Two axes and the drawing between them.
pub(super) struct Frame {
    pub(super) x: Axis,
    pub(super) y: Axis,
}

impl Frame {
    /// Starts the drawing; `label` is what a screen reader says instead of it.
    pub(super) fn open(&self, out: &mut String, label: &str) -> fmt::Result {
        let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
        write!(out, r#"<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{}">"#, Escaped(label))?;
        for tick in &self.y.ticks {
            let y = self.y(tick.at);
            write!(out, r#"<path class="grid" d="M{LEFT} {y:.1}H{right}"/>"#)?;
            write!(out, r#"<text x="{:.1}" y="{:.1}" text-anchor="end">"#, LEFT - 7.0, y + 4.0)?;
            write!(out, "{}</text>", Escaped(&tick.label))?;
        }
        let mut free_from = f64::NEG_INFINITY;
        for tick in &self.x.ticks {
            let x = self.x(tick.at);
            let half = tick.label.chars().count() as f64 * CHARACTER / 2.0;
            // A label that would touch the one before is left out.
            if x - half < free_from {
                continue;
            }
            free_from = x + half + CHARACTER;
            write!(out, r#"<path class="axis" d="M{x:.1} {bottom}v4"/>"#)?;
            write!(out, r#"<text x="{x:.1}" y="{:.1}" text-anchor="middle">"#, bottom + 20.0)?;
            write!(out, "{}</text>", Escaped(&tick.label))?;
        }
        write!(out, r#"<path class="axis" d="M{LEFT} {bottom}H{right}"/>"#)?;
        write!(out, r#"<text x="2" y="14">{}</text>"#, Escaped(&self.y.title))?;
        write!(out, r#"<text x="{right}" y="{:.1}" text-anchor="end">"#, HEIGHT - 6.0)?;
        write!(out, "{}</text>", Escaped(&self.x.title))
    }

    /// Ends the drawing.
    pub(super) fn close(&self, out: &mut String) -> fmt::Result {
        out.write_str("</svg>")
    }

    /// The x coordinate of a value.
    pub(super) fn x(&self, value: f64) -> f64 {
        LEFT + self.x.share(value) * (WIDTH - RIGHT - LEFT)
    }

    /// The y coordinate of a value.
    pub(super) fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - self.y.share(value) * (HEIGHT - BOTTOM - TOP)
    }

    /// The y coordinate of the top of the drawing.
    pub(super) fn top(&self) -> f64 {
        TOP
    }

    /// The y coordinate of the x axis.
    pub(super) fn bottom(&self) -> f64 {
        HEIGHT - BOTTOM
    }

    /// Invisible bands over the whole height that tell the figures under the pointer. A browser shows them without
    /// any script. `tell` is asked with the value at the middle of each of `bands` bands.
    pub(super) fn tell(&self, out: &mut String, bands: u32, tell: impl Fn(f64) -> String) -> fmt::Result {
        let width = (WIDTH - RIGHT - LEFT) / f64::from(bands);
        let height = self.bottom() - TOP;
        for band in 0..bands {
            let text = tell(self.x.value((f64::from(band) + 0.5) / f64::from(bands)));
            let x = LEFT + f64::from(band) * width;
            write!(out, r#"<rect class="hit" x="{x:.1}" y="{TOP}" width="{width:.1}" height="{height}">"#)?;
            write!(out, "<title>{}</title></rect>", Escaped(&text))?;
        }
        Ok(())
    }
}
