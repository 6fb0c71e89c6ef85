//! Time and memory against size as SVG: two panels over one logarithmic axis of pairs.

use std::fmt::Write;

/// What was measured at a size.
pub(crate) struct Point {
    pub(crate) sites: u32,
    pub(crate) workloads: u32,
    pub(crate) seconds: f64,
    pub(crate) processor_seconds: f64,
    pub(crate) mebibytes: f64,
    /// The proven gap in percent.
    pub(crate) gap: f64,
}

pub(crate) struct Plot<'a> {
    pub(crate) points: &'a [Point],
}

const WIDTH: f64 = 760.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 30.0;
const HEIGHT: f64 = 220.0;
const GAP: f64 = 50.0;

/// A logarithmic axis from one power of ten to another.
struct Axis {
    from: f64,
    to: f64,
    begin: f64,
    end: f64,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64>, begin: f64, end: f64) -> Axis {
        let logs = values.map(|value| value.max(1e-3).log10());
        let (least, most) = logs
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), log| (least.min(log), most.max(log)));
        let from = least.floor();
        Axis { from, to: most.ceil().max(from + 1.0), begin, end }
    }

    fn at(&self, value: f64) -> f64 {
        let share = (value.max(1e-3).log10() - self.from) / (self.to - self.from);
        self.begin + share * (self.end - self.begin)
    }

    fn ticks(&self) -> impl Iterator<Item = f64> {
        (self.from as i32..=self.to as i32).map(|power| 10_f64.powi(power))
    }
}

/// A line of a panel.
struct Line {
    name: &'static str,
    colour: &'static str,
    of: fn(&Point) -> f64,
}

impl Plot<'_> {
    pub(crate) fn to_svg(&self) -> String {
        let height = 2.0 * (HEIGHT + GAP) + 40.0;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
        );
        let time = [Line {
            name: "processor seconds to a proven gap of 2 %",
            colour: "#1f6f8b",
            of: |point| point.processor_seconds,
        }];
        let memory = [Line { name: "peak memory, MiB", colour: "#b5532a", of: |point| point.mebibytes }];
        self.panel(&mut svg, 30.0, &time);
        self.panel(&mut svg, 30.0 + HEIGHT + GAP, &memory);
        svg.push_str("</svg>\n");
        svg
    }

    fn panel(&self, svg: &mut String, top: f64, lines: &[Line]) {
        let pairs = |point: &Point| f64::from(point.sites) * f64::from(point.workloads);
        let across = Axis::over(self.points.iter().map(pairs), LEFT, WIDTH - RIGHT);
        let values = self.points.iter().flat_map(|point| lines.iter().map(|line| (line.of)(point)));
        let up = Axis::over(values, top + HEIGHT, top);
        for tick in up.ticks() {
            let (y, right) = (up.at(tick), WIDTH - RIGHT);
            let _ = writeln!(
                svg,
                "<line x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{right}\" y2=\"{y:.1}\" stroke=\"#ddd\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{tick}</text>",
                LEFT - 8.0,
                y + 4.0
            );
        }
        for (place, line) in lines.iter().enumerate() {
            let at = |point: &Point| (across.at(pairs(point)), up.at((line.of)(point)));
            let path: Vec<String> = self
                .points
                .iter()
                .map(|point| {
                    let (x, y) = at(point);
                    format!("{x:.1},{y:.1}")
                })
                .collect();
            let _ = writeln!(
                svg,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>\
                 <text x=\"{LEFT}\" y=\"{:.1}\" fill=\"{}\">{}</text>",
                path.join(" "),
                line.colour,
                top - 8.0 + 14.0 * place as f64,
                line.colour,
                line.name
            );
            for point in self.points {
                let (x, y) = at(point);
                let _ = writeln!(
                    svg,
                    "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{}\"><title>{} sites x {} workloads: {:.2}, \
                     proven gap {:.2} %</title></circle>",
                    line.colour,
                    point.sites,
                    point.workloads,
                    (line.of)(point),
                    point.gap
                );
            }
        }
        for point in self.points {
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" font-size=\"10\">{}x{}</text>",
                across.at(pairs(point)),
                top + HEIGHT + 16.0,
                point.sites,
                point.workloads
            );
        }
    }
}
