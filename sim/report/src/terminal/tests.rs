use crate::example;

/// The width of a line in characters; none of ours are wide.
fn widest(text: &str) -> usize {
    text.lines().map(|line| line.chars().count()).max().unwrap_or(0)
}

#[test]
fn the_report_has_its_parts() {
    let text = example::report().to_terminal(Some(100));
    for part in [
        "Synthetic region, 24 h\npolicy least-fragmented, seed 42\nplacements 9f86d081884c7d659a2feaa0c55ad015\n",
        "40,080",
        "99.8 %",
        "CPU allocated",
        "devices fragmented",
        "▁",
        "█",
        "p99.9",
        "Tenants (first 10 of 14)",
        "team-maps-0",
        "1730 Insufficient cpu",
        "1.27 s of wall clock: 88.5k events/s, 310k decisions/s",
    ] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    assert!(!text.contains("team-labs-13"));
}

#[test]
fn lines_keep_to_the_width() {
    for width in [72, 80, 100, 160] {
        let text = example::report().to_terminal(Some(width));
        assert!(widest(&text) <= usize::from(width), "{} > {width}\n{text}", widest(&text));
    }
}

#[test]
fn without_timings_nothing_is_said_of_them() {
    let mut report = example::report();
    report.timings = None;
    let text = report.to_terminal(Some(100));
    assert!(!text.contains("wall clock") && !text.contains("decision"));
}

#[test]
fn corners_do_not_panic_at_any_width() {
    for (name, report) in example::corners() {
        for width in [0, 1, 20, 80, u16::MAX] {
            let text = report.to_terminal(Some(width));
            assert!(
                !text.contains("NaN") && !text.contains('\u{1b}') && !text.contains('\u{202e}'),
                "{name}"
            );
        }
    }
}

#[test]
fn openb_is_a_table() {
    let text = example::openb().to_terminal(Some(80));
    let row = text.lines().find(|line| line.contains("100 %")).unwrap();
    let cells = row.split('┆').map(|cell| cell.trim_matches(['│', ' '])).collect::<Vec<_>>();
    assert_eq!(cells, ["100 %", "92.00 %", "0.50", "9.00 %", "0.11"]);
    assert!(text.contains("mean of 10 seeds, 310k decisions/s"));
    assert!(widest(&text) <= 80);
    assert!(crate::OpenbReport::default().to_terminal(Some(80)).contains("mean of 0 seeds"));
}

#[test]
fn violations_come_first() {
    let mut report = example::report();
    report.summary.invariant_violations = 1_234;
    let text = report.to_terminal(Some(100));
    assert!(text.lines().nth(3).unwrap().starts_with("1,234 INVARIANT VIOLATIONS"), "{text}");
}

#[test]
fn endless_names_are_cut() {
    let mut report = example::report();
    report.tenants[0].tenant = "x".repeat(1 << 20);
    report.unplaced[0].reason = "y".repeat(1 << 20);
    assert!(report.to_terminal(Some(100)).len() < 20_000);
}

#[test]
fn a_rolling_simulation_has_its_parts() {
    let mut report = example::global();
    let text = report.to_terminal(Some(100));
    for part in [
        "A made-up world, 24 h\nseed 7\n",
        "1.1000",
        "1.0800",
        "20.00 %",
        "above the oracle",
        "solving anew",
        "fails",
    ] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    assert!(widest(&text) <= 100 && !text.contains("VIOLATIONS"), "{text}");
    report.summary.oracle_violations = 3;
    assert!(report.to_terminal(Some(100)).contains("3 VIOLATIONS"));
    report.steps.clear();
    assert!(report.to_terminal(Some(100)).contains("no steps"));
}
