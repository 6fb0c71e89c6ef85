use proptest::prelude::*;

use super::*;

/// Values of every size: most of a real distribution is small, and the mistakes hide at powers of two.
fn values() -> impl Strategy<Value = Vec<u64>> {
    let value = (0_u32..64, any::<u64>()).prop_map(|(shift, bits)| bits >> shift);
    prop::collection::vec(value, 1..400)
}

fn recorded(values: &[u64]) -> Histogram {
    let mut histogram = Histogram::new();
    values.iter().for_each(|value| histogram.record(*value));
    histogram
}

proptest! {
    #[test]
    fn quantiles_are_those_of_the_sorted_values(mut values in values(), q in 0.0..=1.0_f64) {
        let histogram = recorded(&values);
        values.sort_unstable();
        let rank = ((q * values.len() as f64).ceil() as usize).clamp(1, values.len());
        let exact = values[rank - 1];
        let found = histogram.quantile(q);
        let error = found.abs_diff(exact) as f64;
        prop_assert!(error <= exact as f64 / 64.0, "quantile {q}: {found} for {exact}");
        prop_assert_eq!(histogram.quantile(0.0), values[0]);
        prop_assert_eq!(histogram.quantile(1.0), values[values.len() - 1]);
    }

    #[test]
    fn count_mean_and_ends_are_exact(values in values()) {
        let histogram = recorded(&values);
        let sum = values.iter().map(|value| u128::from(*value)).sum::<u128>();
        prop_assert_eq!(histogram.count(), values.len() as u64);
        prop_assert_eq!(histogram.mean(), sum as f64 / values.len() as f64);
        prop_assert_eq!(Some(histogram.min()), values.iter().min().copied());
        prop_assert_eq!(Some(histogram.max()), values.iter().max().copied());
    }

    #[test]
    fn merging_is_recording_both(left in values(), right in values()) {
        let mut merged = recorded(&left);
        merged.merge(&recorded(&right));
        let both = left.iter().chain(&right).copied().collect::<Vec<_>>();
        prop_assert_eq!(merged, recorded(&both));
    }

    #[test]
    fn a_value_lies_in_its_narrow_bucket(value in values()) {
        for value in value {
            let index = index_of(value);
            let (low, high) = (lowest(index), highest(index));
            prop_assert!(low <= value && value <= high);
            prop_assert!(u128::from(high) + 1 - u128::from(low) <= u128::from(low / 32).max(1));
        }
    }
}

#[test]
fn buckets_leave_no_gap_and_end_at_the_largest_value() {
    let last = index_of(u64::MAX);
    assert_eq!(lowest(0), 0);
    for index in 0..last {
        assert_eq!(highest(index) + 1, lowest(index + 1), "bucket {index}");
    }
    assert_eq!(highest(last), u64::MAX);
    assert!(last < 2_000);
}

#[test]
fn small_values_are_exact() {
    let histogram = recorded(&(0..64).collect::<Vec<_>>());
    for rank in 1..=64_u64 {
        assert_eq!(histogram.quantile(rank as f64 / 64.0), rank - 1);
    }
}

#[test]
fn empty_answers_zero() {
    let mut histogram = Histogram::new();
    histogram.merge(&Histogram::new());
    histogram.record_many(7, 0);
    assert_eq!(histogram, Histogram::new());
    assert_eq!((histogram.quantile(0.5), histogram.min(), histogram.max()), (0, 0, 0));
    assert_eq!((histogram.mean(), histogram.count(), histogram.buckets().count()), (0.0, 0, 0));
}

#[test]
fn merging_into_an_empty_one_keeps_the_smallest() {
    let mut histogram = Histogram::new();
    histogram.merge(&recorded(&[5, 9]));
    assert_eq!((histogram.min(), histogram.max()), (5, 9));
}

#[test]
fn huge_counts_saturate() {
    let mut histogram = Histogram::new();
    histogram.record_many(u64::MAX, u64::MAX);
    histogram.record_many(u64::MAX, u64::MAX);
    histogram.merge(&histogram.clone());
    histogram.record(0);
    assert_eq!(histogram.count(), u64::MAX);
    assert_eq!(histogram.quantile(0.5), histogram.quantile(0.9));
    assert!(histogram.mean().is_finite());
    assert_eq!(histogram.quantile(f64::NAN), 0);
    assert_eq!(histogram.quantile(7.0), u64::MAX);
}

#[test]
fn json_has_the_figures_and_the_buckets() {
    let json = serde_json::to_string(&recorded(&[0, 1, 64, 65])).unwrap();
    assert_eq!(
        json,
        r#"{"count":4,"mean":32.5,"min":0,"p50":1,"p90":65,"p99":65,"p999":65,"max":65,"buckets":[{"low":0,"high":0,"count":1},{"low":1,"high":1,"count":1},{"low":64,"high":65,"count":2}]}"#
    );
}
