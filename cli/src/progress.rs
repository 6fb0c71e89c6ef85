//! Progress bars on standard error, where that is a terminal.

use indicatif::{ProgressBar, ProgressStyle};
use meridian_simulation::Progress;

/// A bar over simulated time, or a spinner where its end is not known.
pub(crate) fn simulation(until_ms: Option<u64>) -> (ProgressBar, impl FnMut(Progress)) {
    let (bar, template) = match until_ms {
        Some(until) => (
            ProgressBar::new(until),
            "{bar:30.cyan/dim} {percent:>3} %  {msg}  {elapsed} elapsed, {eta} left",
        ),
        None => (ProgressBar::new_spinner(), "{spinner} {msg}  {elapsed} elapsed"),
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    let shown = bar.clone();
    let update = move |progress: Progress| {
        shown.set_position(progress.now_ms);
        shown.set_message(format!(
            "hour {:.1}, {} events, {} running, {} waiting",
            progress.now_ms as f64 / 3.6e6,
            progress.events,
            progress.running,
            progress.waiting
        ));
    };
    (bar, update)
}

/// A bar over a number of equal pieces of work.
pub(crate) fn counted(pieces: u64, of: &str) -> ProgressBar {
    let bar = ProgressBar::new(pieces);
    let template = format!("{{bar:30.cyan/dim}} {{pos}}/{{len}} {of}  {{elapsed}} elapsed, {{eta}} left");
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style);
    }
    bar.tick();
    bar
}
