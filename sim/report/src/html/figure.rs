//! A plot with its caption and legend.

use std::fmt::{self, Write};

use super::escape::Escaped;

/// What goes into one `<figure>`.
pub(super) struct Figure {
    title: String,
    note: String,
    /// Shown only where there is a drawing.
    pub(super) legend: Vec<Legend>,
    /// The drawing as SVG; empty if there is nothing to draw.
    pub(super) drawing: String,
    /// What is said if there is nothing to draw.
    pub(super) instead: String,
}

/// One entry of a legend.
pub(super) struct Legend {
    /// The style of the line, empty for none.
    pub(super) style: &'static str,
    pub(super) name: String,
    pub(super) value: String,
}

impl Figure {
    /// A figure that has nothing to draw yet.
    pub(super) fn new(title: &str, note: &str) -> Self {
        let instead = "Nothing was recorded.".to_owned();
        Self { title: title.into(), note: note.into(), legend: Vec::new(), drawing: String::new(), instead }
    }

    /// Adds the figure to the page.
    pub(super) fn write(&self, out: &mut String) -> fmt::Result {
        write!(out, "<figure><figcaption>{}", Escaped(&self.title))?;
        write!(out, "<span>{}</span></figcaption>", Escaped(&self.note))?;
        if self.drawing.is_empty() {
            return writeln!(out, r#"<p class="none">{}</p></figure>"#, Escaped(&self.instead));
        }
        out.write_str(r#"<ul class="legend">"#)?;
        for entry in &self.legend {
            write!(out, r#"<li class="{}">"#, entry.style)?;
            if !entry.style.is_empty() {
                write!(out, r#"<i class="{}"></i>"#, entry.style)?;
            }
            write!(out, "{} <b>{}</b></li>", Escaped(&entry.name), Escaped(&entry.value))?;
        }
        writeln!(out, "</ul>{}</figure>", self.drawing)
    }
}
