//! Tables of plain text, for terminals and for diffs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::model::{Usage, Utilization};
use crate::quantities::amount;

/// How many hosts are named in a row.
const NAMED: usize = 3;

/// Writes rows in columns, two spaces apart; the first row is the head.
pub(super) fn write<const N: usize>(out: &mut fmt::Formatter<'_>, rows: &[[String; N]]) -> fmt::Result {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(&format!("{cell:width$}  "));
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// The hosts of the most pods, with how many there are.
pub(super) fn hosts(placed: &BTreeMap<String, usize>) -> String {
    let mut most: Vec<(&String, &usize)> = placed.iter().collect();
    most.sort_by(|(one, more), (other, fewer)| fewer.cmp(more).then_with(|| one.cmp(other)));
    let named: Vec<String> =
        most.iter().take(NAMED).map(|(host, count)| format!("{host} ({count})")).collect();
    match most.len().saturating_sub(NAMED) {
        0 => named.join(", "),
        more => format!("{}, {more} more", named.join(", ")),
    }
}

/// How many of how many, in a word where it is all.
pub(super) fn of(count: usize, all: usize) -> String {
    if count >= all { format!("all {all}") } else { format!("{count} of {all}") }
}

/// How much is in use, before and after.
pub(super) fn utilization(
    out: &mut fmt::Formatter<'_>,
    before: &Utilization,
    after: &Utilization,
) -> fmt::Result {
    let mut rows = vec![["in use", "before", "after"].map(str::to_owned)];
    let names: BTreeSet<&String> = before.resources.keys().chain(after.resources.keys()).collect();
    for name in names {
        let text = |utilization: &Utilization| match utilization.resources.get(name) {
            None => "-".to_owned(),
            Some(usage) => text_of(name, *usage),
        };
        rows.push([name.clone(), text(before), text(after)]);
    }
    let busy = |utilization: &Utilization| format!("{} of {}", utilization.busy_hosts, utilization.hosts);
    rows.push(["hosts".to_owned(), busy(before), busy(after)]);
    write(out, &rows)
}

fn text_of(resource: &str, usage: Usage) -> String {
    let unit = |quantity: i64| match resource {
        // Sums over hosts are read as whole cores and gibibytes.
        "cpu" => format!("{:.1}", quantity as f64 / 1_000.0),
        "memory" => format!("{:.1}Gi", quantity as f64 / (1_u64 << 30) as f64),
        _ => amount(resource, quantity),
    };
    format!("{} of {} ({:.1} %)", unit(usage.used), unit(usage.offered), usage.percent())
}
