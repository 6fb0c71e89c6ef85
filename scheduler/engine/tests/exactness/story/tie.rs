//! Scores, and what happens when they are equal.

use meridian_engine::{Arithmetic, FitStrategy, Profile};

use super::{Story, host, pod};

#[test]
fn equal_hosts_are_used_from_the_lowest_slot() {
    let mut story = Story::new(Profile::meridian(), &[host("a", 4), host("b", 4), host("c", 4)]);
    let order: Vec<_> = (0..4).filter_map(|_| story.schedule(&pod(1))).collect();
    assert_eq!(order, ["a", "b", "c", "a"], "an idle host is better than one in use; equals go in order");
}

#[test]
fn the_slot_of_a_removed_host_is_used_again() {
    let mut story = Story::new(Profile::meridian(), &[host("a", 4), host("b", 4), host("c", 4)]);
    story.remove("b");
    story.remove("a");
    story.add(&host("d", 4));
    story.add(&host("e", 4));
    assert_eq!(story.ranking(&pod(1)), ["d", "e", "c"]);
}

#[test]
fn first_fit_takes_the_first_host_with_room() {
    let mut story = Story::new(Profile::first_fit(), &[host("a", 1), host("b", 2), host("c", 9)]);
    assert_eq!(story.schedule(&pod(2)).as_deref(), Some("b"));
    assert_eq!(story.schedule(&pod(1)).as_deref(), Some("a"));
    assert_eq!(story.schedule(&pod(2)).as_deref(), Some("c"));
}

#[test]
fn packing_fills_the_fullest_host_and_spreading_the_emptiest() {
    let hosts = [host("small", 4), host("large", 16)];
    let packing = Profile::with_strategy("packing", Arithmetic::Meridian, FitStrategy::MostAllocated);
    assert_eq!(Story::new(packing, &hosts).schedule(&pod(2)).as_deref(), Some("small"));
    assert_eq!(Story::new(Profile::meridian(), &hosts).schedule(&pod(2)).as_deref(), Some("large"));
}

#[test]
fn kubernetes_scores_in_whole_points() {
    // 3 of 4 cores stay free: 75 points for the free share and 100 for balance; 3 x 100 since no taint is in the way
    // and 2 x 0 since there is no preferred affinity.
    let mut story = Story::new(Profile::kubernetes(), &[host("a", 4)]);
    assert_eq!(story.score(&pod(1), "a"), 75 + 100 + 300);
}

#[test]
fn meridian_scores_in_fractions_of_points() {
    // A third free of each resource, in 1/4096 points: kube-scheduler would call both hosts equal.
    let mut story = Story::new(Profile::meridian(), &[host("a", 300), host("b", 301)]);
    assert_eq!(story.ranking(&pod(100)), ["b", "a"]);
    let mut story = Story::new(Profile::kubernetes(), &[host("a", 300), host("b", 301)]);
    assert_eq!(story.ranking(&pod(100)), ["a", "b"]);
}
