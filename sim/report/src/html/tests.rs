use std::fs;

use crate::{Timings, example};

/// The tags of the page in order, with their attributes. Panics where a tag does not end.
fn tags(page: &str) -> Vec<&str> {
    let mut tags = Vec::new();
    let mut rest = page;
    while let Some(start) = rest.find('<') {
        let end = start + rest[start..].find('>').expect("a tag ends");
        tags.push(&rest[start + 1..end]);
        rest = &rest[end + 1..];
    }
    tags
}

/// Every element that is opened is closed, in the right order.
fn assert_nested(name: &str, page: &str) {
    let mut open = Vec::new();
    for tag in tags(page) {
        let element = tag.trim_start_matches('/').split([' ', '/']).next().unwrap();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(element), "{name}");
        } else if !tag.starts_with('!') && !tag.ends_with('/') && element != "meta" {
            open.push(element);
        }
    }
    assert!(open.is_empty(), "{name}: {open:?} left open");
}

#[test]
fn the_page_has_its_parts() {
    let page = example::report().to_html();
    assert!(page.starts_with("<!DOCTYPE html>\n<html lang=\"en\">"));
    assert!(page.contains("<h1>Synthetic region, 24 h</h1>"));
    assert_eq!(page.matches(r#"<div class="tile">"#).count(), 8);
    assert_eq!(page.matches("<figure>").count(), 8);
    assert_eq!(page.matches(r#"role="img" aria-label=""#).count(), 8);
    assert_eq!(page.matches("<table>").count(), 3);
    for part in [
        "percent of capacity",
        "simulated time, hours",
        "decision time, wall clock, logarithmic",
        "team-labs-13",
        "1730 Insufficient cpu",
        "<td class=\"name\">40,080 pods over 24 h</td>",
        "all held",
        "prefers-color-scheme: dark",
    ] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn the_page_stands_alone() {
    let page = example::report().to_html();
    for outside in
        ["<script", "<link", "<img", "<iframe", "href", "src=", "http://", "https://", "url(", "@import"]
    {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn hostile_names_stay_text() {
    let page = example::hostile().to_html();
    assert!(!page.contains("<script") && !page.contains('\u{1b}') && !page.contains('\u{202e}'));
    let escaped = "&lt;/td&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;&quot;\u{fffd}[31m\u{fffd}";
    // Title twice; policy in the header and the table; digest; a parameter's name and value; tenant; reason, example.
    assert_eq!(page.matches(escaped).count(), 10);
    let kinds = |page: &str| {
        tags(page).iter().map(|tag| tag.split(' ').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    // One row more, for the parameter; apart from that the page has the same elements as without hostile names.
    assert_eq!(kinds(&page).len(), kinds(&example::report().to_html()).len() + 6);
}

#[test]
fn corners_are_whole_pages_without_nonsense() {
    for (name, report) in example::corners() {
        let page = report.to_html();
        assert_nested(name, &page);
        assert!(page.ends_with("</html>\n"), "{name}");
        for attribute in tags(&page).iter().flat_map(|tag| tag.split(['"', ' '])) {
            assert!(!["NaN", "inf", "-inf"].contains(&attribute), "{name}");
        }
        assert!(!page.contains("NaN"), "{name}");
    }
}

#[test]
fn equal_reports_are_equal_pages() {
    let render = || {
        let mut report = example::report();
        report.timings = None;
        report.to_html()
    };
    assert_eq!(render(), render());
    assert!(!render().contains("wall clock"));
}

#[test]
fn violations_are_said_in_words() {
    let mut report = example::report();
    report.summary.invariant_violations = 3;
    report.timings = Some(Timings::default());
    let page = report.to_html();
    assert!(page.contains("3 violated") && !page.contains("all held"));
    assert!(page.contains("Nothing was recorded."));
}

#[test]
fn long_tables_are_cut_and_say_so() {
    let (_, report) = example::corners().into_iter().find(|(name, _)| *name == "huge").unwrap();
    let page = report.to_html();
    assert!(page.contains("And 4,900 more"));
    assert!(page.len() < 1 << 20);
}

#[test]
fn pages_can_be_written_for_a_look() {
    let folder = tempfile::tempdir().unwrap();
    let reports = [("report", example::report())].into_iter().chain(example::corners());
    for (name, report) in reports {
        let path = folder.path().join(format!("{name}.html"));
        fs::write(&path, report.to_html()).unwrap();
        assert!(fs::metadata(&path).unwrap().len() > 4_096);
    }
    if std::env::var_os("MERIDIAN_KEEP_REPORT").is_some() {
        println!("pages are in {}", folder.keep().display());
    }
}

#[test]
fn the_page_of_a_rolling_simulation_has_its_parts() {
    let page = example::global().to_html();
    assert_eq!(page.matches(r#"<div class="tile">"#).count(), 8);
    assert_eq!(page.matches(r#"role="img" aria-label=""#).count(), 7);
    for part in
        ["<h1>A made-up world, 24 h</h1>", "10.00 %", "20.00 %", "all held", "<td class=\"name\">fails</td>"]
    {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("<script"), "a name got through");
    let empty = crate::GlobalReport::default().to_html();
    assert!(empty.contains("Nothing was recorded.") && empty.contains("Nothing happened but demand."));
}
