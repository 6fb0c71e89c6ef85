//! The queue held to a plain model, which keeps all pods in one list and looks at each of them every time.
//!
//! The model knows no classes, lines, turns or parking: of all pods and groups that fit somewhere now it picks the first by
//! the documented order. So whatever the queue parks and does not wake in time, loses or doubles makes a difference.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod model;
mod steps;

use proptest::prelude::*;

use self::model::Pair;
use self::steps::steps;

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    /// Whatever comes, goes and is settled, the next pod placed is the one that the model names.
    #[test]
    fn the_queue_places_what_the_model_places(steps in steps()) {
        let mut pair = Pair::new();
        for step in &steps {
            pair.take(step);
        }
        pair.settle();
        pair.check();
    }
}
