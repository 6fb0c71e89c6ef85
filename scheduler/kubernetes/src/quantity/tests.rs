use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(text: &str, milli: i64, value: i64) {
    let quantity = Quantity::parse(text).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((quantity.milli(), quantity.value()), (Some(milli), Some(value)), "{text}");
}

#[test]
fn reads_every_suffix() {
    for (text, milli, value) in [
        ("0", 0, 0),
        ("1", 1_000, 1),
        ("+1", 1_000, 1),
        ("-1", -1_000, -1),
        ("007", 7_000, 7),
        ("100m", 100, 1),
        ("1500m", 1_500, 2),
        ("0.5", 500, 1),
        (".5", 500, 1),
        ("1.", 1_000, 1),
        ("2k", 2_000_000, 2_000),
        ("1M", 1_000_000_000, 1_000_000),
        ("3G", 3_000_000_000_000, 3_000_000_000),
        ("1T", 1_000_000_000_000_000, 1_000_000_000_000),
        ("2P", 2_000_000_000_000_000_000, 2_000_000_000_000_000),
        ("1Ki", 1_024_000, 1_024),
        ("1.5Ki", 1_536_000, 1_536),
        ("200Mi", 209_715_200_000, 209_715_200),
        ("2Gi", 2_147_483_648_000, 2_147_483_648),
        ("1Ti", 1_099_511_627_776_000, 1_099_511_627_776),
        ("1Pi", 1_125_899_906_842_624_000, 1_125_899_906_842_624),
        ("1e3", 1_000_000, 1_000),
        ("1E3", 1_000_000, 1_000),
        ("1e+3", 1_000_000, 1_000),
        ("12e-3", 12, 1),
        ("1.25e1", 12_500, 13),
        ("0e99999", 0, 0),
    ] {
        check(text, milli, value);
    }
}

#[test]
fn rounds_away_from_zero() {
    for (text, milli, value) in [
        ("1n", 1, 1),
        ("1u", 1, 1),
        ("0.0001", 1, 1),
        ("1001u", 2, 1),
        ("0.0000000000001", 1, 1),
        ("1e-99", 1, 1),
        ("-1n", -1, -1),
        ("-1500m", -1_500, -2),
        ("1.1Ki", 1_126_400, 1_127),
    ] {
        check(text, milli, value);
    }
    assert_eq!(Quantity::parse("100u").map(Quantity::rounded_to_milli), Ok(Quantity::from_milli(1)));
}

#[test]
fn keeps_large_values_exact_and_refuses_larger_ones() {
    assert_eq!(Quantity::parse("7Ei").map(Quantity::value), Ok(Some(7 << 60)));
    assert_eq!(Quantity::parse("9E").map(Quantity::value), Ok(Some(9_000_000_000_000_000_000)));
    assert_eq!(Quantity::parse("9223372036854775807").map(Quantity::value), Ok(Some(i64::MAX)));
    assert_eq!(Quantity::parse("9E").map(Quantity::milli), Ok(None));
    for text in ["9223372036854775808", "8Ei", "10E", "1e19", "1e2147483647", "-9223372036854775808"] {
        assert_eq!(Quantity::parse(text), Err(QuantityError::OutOfRange { text: text.to_owned() }));
    }
    let nines = "9".repeat(100);
    assert!(matches!(Quantity::parse(&nines), Err(QuantityError::OutOfRange { .. })));
    let largest = Quantity::from_whole(i64::MAX);
    assert_eq!(largest.saturating_add(largest), largest);
}

#[test]
fn refuses_what_is_no_quantity() {
    for (text, want) in [
        ("", "quantity \"\" does not start with a number, want one such as 500m, 1.5 or 2Gi"),
        (".", "quantity \".\" does not start with a number"),
        ("+", "quantity \"+\" does not start with a number"),
        ("Gi", "quantity \"Gi\" does not start with a number"),
        ("--1", "quantity \"--1\" does not start with a number"),
        ("1.2.3", "quantity \"1.2.3\" has the unknown suffix \".3\""),
        ("1 Gi", "quantity \"1 Gi\" has the unknown suffix \" Gi\""),
        ("1gi", "quantity \"1gi\" has the unknown suffix \"gi\""),
        ("1K", "quantity \"1K\" has the unknown suffix \"K\", want none, n, u, m, k,"),
        ("1e", "quantity \"1e\" has the unknown suffix \"e\""),
        ("1e3x", "quantity \"1e3x\" has the unknown suffix \"e3x\""),
        ("1e99999999999", "quantity \"1e99999999999\" has the unknown suffix"),
        ("１", "quantity \"１\" does not start with a number"),
        ("1é", "quantity \"1é\" has the unknown suffix \"é\""),
    ] {
        let error = Quantity::parse(text).expect_err(text).to_string();
        assert!(error.starts_with(want), "{error}");
    }
    assert_eq!(Quantity::parse(&"1".repeat(129)), Err(QuantityError::TooLong { length: 129 }));
}

#[test]
fn reads_json_numbers_and_text() {
    let read = |json: &str| serde_json::from_str::<Quantity>(json).map_err(|error| error.to_string());
    assert_eq!(read("2"), Ok(Quantity::from_whole(2)));
    assert_eq!(read("-2"), Ok(Quantity::from_whole(-2)));
    assert_eq!(read("0.1"), Ok(Quantity::from_milli(100)));
    assert_eq!(read("1e3"), Ok(Quantity::from_whole(1000)));
    assert_eq!(read("\"250m\""), Ok(Quantity::from_milli(250)));
    assert_eq!(read("null"), Ok(Quantity::ZERO));
    assert!(read("true").is_err_and(|error| error.contains("want") || error.contains("expected a quantity")));
    assert!(read("1e300").is_err_and(|error| error.contains("out of range")));
}

proptest! {
    #[test]
    fn printing_and_reading_is_the_identity(nano in -LIMIT..=LIMIT) {
        let quantity = Quantity { nano };
        prop_assert_eq!(Quantity::parse(&quantity.to_string()), Ok(quantity));
    }

    #[test]
    fn suffixes_multiply(number in 0_i64..1_000_000) {
        for (suffix, factor) in [("k", 1_000), ("Ki", 1 << 10), ("Mi", 1 << 20), ("Gi", 1 << 30), ("e6", 1_000_000)] {
            let quantity = Quantity::parse(&format!("{number}{suffix}"));
            prop_assert_eq!(quantity, Ok(Quantity::from_whole(number * factor)));
        }
        prop_assert_eq!(Quantity::parse(&format!("{number}m")), Ok(Quantity::from_milli(number)));
    }

    #[test]
    fn rounding_up_is_least(nano in 0..=1_000_000_000_000_i128) {
        let value = i128::from(Quantity { nano }.value().unwrap_or(-1));
        prop_assert!(value * NANO >= nano && (value - 1) * NANO < nano);
    }

    #[test]
    fn no_text_panics(text in "[-+]?[0-9]{0,25}[.]?[0-9]{0,25}[eEinumkKMGTP]{0,2}[-+]?[0-9]{0,12}") {
        let _ = Quantity::parse(&text);
    }
}
