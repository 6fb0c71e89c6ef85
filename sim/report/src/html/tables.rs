//! The tables of the page: tenants, pods that were not placed, and what the run was given.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use super::escape::Escaped;
use crate::{SimulationReport, TenantSummary, quantity};

/// Rows shown; beyond these a page gets slow and nobody reads on. JSON and Parquet have all of them.
pub(super) const MOST_ROWS: usize = 100;

/// Adds all tables to the page.
pub(super) fn write(out: &mut String, report: &SimulationReport) -> fmt::Result {
    tenants(out, &report.tenants)?;
    unplaced(out, report)?;
    let own = [("policy", report.policy.as_str()), ("seed", &report.seed.to_string())];
    parameters(out, &own, &report.parameters)
}

fn tenants(out: &mut String, tenants: &[TenantSummary]) -> fmt::Result {
    out.write_str("<section><h2>Tenants</h2>\n")?;
    if tenants.is_empty() {
        return out.write_str("<p class=\"more\">No tenant asked for anything.</p></section>\n");
    }
    open(
        out,
        "Tenants",
        &[
            ("Tenant", false),
            ("Core hours", true),
            ("Pods arrived", true),
            ("Placed", true),
            ("Mean delay", true),
            ("Longest delay", true),
        ],
    )?;
    let hours = tenants.iter().map(|tenant| tenant.cpu_core_hours).filter(|hours| hours.is_finite());
    let most = hours.fold(0.0, f64::max);
    for tenant in tenants.iter().take(MOST_ROWS) {
        let part = tenant.cpu_core_hours / most * 100.0;
        let part = if part.is_finite() { part.clamp(0.0, 100.0) } else { 0.0 };
        write!(out, r#"<tr><td class="name">{}</td>"#, Escaped(&tenant.tenant))?;
        write!(out, r#"<td class="figure">{}"#, quantity::short(tenant.cpu_core_hours))?;
        write!(out, r#"<span class="meter"><i style="width:{part:.0}%"></i></span></td>"#)?;
        figure(out, &quantity::count(tenant.pods_arrived))?;
        figure(out, &quantity::share(tenant.pods_placed, tenant.pods_arrived))?;
        figure(out, &quantity::milliseconds(tenant.mean_queue_delay_ms))?;
        figure(out, &quantity::milliseconds(tenant.max_queue_delay_ms as f64))?;
        out.write_str("</tr>\n")?;
    }
    close(out, tenants.len())
}

fn unplaced(out: &mut String, report: &SimulationReport) -> fmt::Result {
    let groups = &report.unplaced;
    out.write_str("<section><h2>Pods not placed</h2>\n")?;
    if groups.is_empty() {
        let all = report.summary.pods_placed >= report.summary.pods_arrived;
        let text = if all { "Every pod was placed." } else { "No reason was recorded." };
        return writeln!(out, r#"<p class="more">{text}</p></section>"#);
    }
    open(out, "Pods not placed", &[("Pods", true), ("Reason", false), ("For example", false)])?;
    for group in groups.iter().take(MOST_ROWS) {
        out.write_str("<tr>")?;
        figure(out, &quantity::count(group.pods))?;
        write!(out, r#"<td class="name">{}</td>"#, Escaped(&group.reason))?;
        writeln!(out, r#"<td class="name"><code>{}</code></td></tr>"#, Escaped(&group.example))?;
    }
    close(out, groups.len())
}

/// Adds what the run was given.
pub(super) fn parameters(
    out: &mut String,
    own: &[(&str, &str)],
    given: &BTreeMap<String, String>,
) -> fmt::Result {
    out.write_str("<section><h2>Parameters</h2>\n")?;
    open(out, "Parameters", &[("Name", false), ("Value", false)])?;
    let given = given.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in own.iter().copied().chain(given) {
        write!(out, r#"<tr><td class="name">{}</td>"#, Escaped(name))?;
        writeln!(out, r#"<td class="name">{}</td></tr>"#, Escaped(value))?;
    }
    close(out, 0)
}

/// Starts a table; a column is a name and whether it holds figures. The box around it scrolls on a narrow screen,
/// and takes the focus so that the keyboard can scroll it too.
pub(super) fn open(out: &mut String, name: &str, columns: &[(&str, bool)]) -> fmt::Result {
    write!(out, r#"<div class="scroll" role="region" tabindex="0" aria-label="{}">"#, Escaped(name))?;
    out.write_str("<table><thead><tr>")?;
    for (column, figures) in columns {
        let class = if *figures { r#" class="figure""# } else { "" };
        write!(out, r#"<th scope="col"{class}>{}</th>"#, Escaped(column))?;
    }
    out.write_str("</tr></thead><tbody>\n")
}

/// Ends a table of which there would have been so many rows.
pub(super) fn close(out: &mut String, rows: usize) -> fmt::Result {
    out.write_str("</tbody></table></div>")?;
    if rows > MOST_ROWS {
        let rest = quantity::count((rows - MOST_ROWS) as u64);
        write!(out, r#"<p class="more">And {rest} more, which the JSON and Parquet files have.</p>"#)?;
    }
    out.write_str("</section>\n")
}

pub(super) fn figure(out: &mut String, value: &str) -> fmt::Result {
    write!(out, r#"<td class="figure">{}</td>"#, Escaped(value))
}
