//! Random cells in several sizes.
//!
//! `PROPTEST_CASES` is how many ordinary cells are tried; the larger kinds keep their proportion to it. Blocks of hosts
//! may be grouped by 64 and again by 64 inside the engine, so there are sizes just around 64, 128 and 4,096.

mod reduce;

use std::ops::RangeInclusive;

use proptest::prelude::{Strategy, any};
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use crate::generate::{Size, scenario};

/// How many ordinary cells are tried unless `PROPTEST_CASES` says otherwise.
const USUAL: u32 = 3_000;

/// Tries so many of the usual 3,000 cells in this size.
fn check(cells: u32, size: &Size) {
    if let Some(seed) = variable::<u64>("MERIDIAN_SEED") {
        if let Err(report) = try_seed(seed, size) {
            panic!("{report}");
        }
        return;
    }
    let wanted = variable::<u32>("PROPTEST_CASES").unwrap_or(USUAL);
    let cases = (u64::from(wanted) * u64::from(cells)).div_ceil(u64::from(USUAL)) as u32;
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    // A smaller seed is no simpler scenario: scenarios are reduced themselves.
    let outcome = TestRunner::new(config)
        .run(&any::<u64>().no_shrink(), |seed| try_seed(seed, size).map_err(TestCaseError::fail));
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

fn try_seed(seed: u64, size: &Size) -> Result<(), String> {
    let scenario = scenario(seed, size);
    let Some(difference) = reduce::difference(&scenario) else { return Ok(()) };
    let (smallest, its_difference) = reduce::reduce(scenario, difference);
    Err(format!("MERIDIAN_SEED={seed}: {its_difference}\n{smallest}"))
}

fn variable<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

fn size(hosts: RangeInclusive<usize>, classes: RangeInclusive<usize>, steps: RangeInclusive<usize>) -> Size {
    Size { hosts, classes, steps, sleeper: false, spread: false }
}

#[test]
fn small_cells() {
    check(3_000, &size(0..=30, 1..=6, 20..=80));
}

#[test]
fn middling_cells() {
    check(300, &size(20..=300, 1..=12, 40..=200));
}

#[test]
fn around_one_block() {
    check(300, &size(62..=67, 1..=3, 100..=300));
}

#[test]
fn around_two_blocks() {
    check(150, &size(126..=131, 1..=3, 100..=400));
}

#[test]
fn a_class_that_sleeps() {
    check(150, &Size { sleeper: true, ..size(30..=200, 2..=4, 200..=600) });
}

#[test]
fn many_classes() {
    check(30, &size(30..=200, 80..=150, 300..=500));
}

#[test]
fn small_cells_searched_by_bounds() {
    check(600, &Size { spread: true, ..size(1..=70, 1..=8, 40..=160) });
}

#[test]
fn cells_searched_by_bounds() {
    check(60, &Size { spread: true, ..size(200..=1_300, 2..=10, 60..=200) });
}

#[test]
fn large_cells() {
    check(12, &size(500..=3_000, 1..=4, 40..=120));
}

#[test]
fn around_one_group_of_blocks() {
    check(6, &size(4_090..=4_170, 1..=3, 60..=120));
}
