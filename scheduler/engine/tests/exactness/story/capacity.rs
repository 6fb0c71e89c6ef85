//! Room on hosts: resources, numbers of pods, hosts that shrink and hosts that go.

use meridian_engine::{Demand, Profile};

use super::{Story, host, pod};

#[test]
fn all_that_is_missing_on_a_host_is_told() {
    let mut full = host("full", 2);
    full.pods = 0;
    let mut story = Story::new(Profile::meridian(), &[full]);
    let mut demand = pod(3);
    demand.requests.extended.insert("example.com/fpga".to_owned(), 1);
    demand.requests.extended.insert("example.com/nic".to_owned(), 0);
    assert_eq!(
        story.explain(&demand),
        "0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient example.com/fpga, 1 Insufficient memory, \
         1 Too many pods."
    );
}

#[test]
fn a_host_that_shrinks_keeps_its_pods_and_takes_no_more() {
    let mut story = Story::new(Profile::meridian(), &[host("a", 8)]);
    let first = story.start(&pod(3)).expect("room for the first");
    let second = story.start(&pod(3)).expect("room for the second");
    assert!(story.update(&host("a", 4)));
    assert_eq!(story.schedule(&pod(1)), None, "6 of 4 cores are in use");
    assert_eq!(story.schedule(&Demand::default()).as_deref(), Some("a"), "nothing fits everywhere");
    assert!(story.release(first));
    assert_eq!(story.schedule(&pod(1)).as_deref(), Some("a"));
    assert!(story.release(second));
}

#[test]
fn the_number_of_pods_is_limited_even_for_pods_that_want_nothing() {
    let mut small = host("small", 8);
    small.pods = 2;
    let mut story = Story::new(Profile::meridian(), &[small]);
    assert!(story.schedule(&Demand::default()).is_some());
    assert!(story.schedule(&Demand::default()).is_some());
    assert_eq!(story.explain(&Demand::default()), "0/1 nodes are available: 1 Too many pods.");
}

#[test]
fn pods_of_a_removed_host_are_gone_even_when_its_slot_is_used_again() {
    let mut story = Story::new(Profile::meridian(), &[host("a", 4)]);
    let lost = story.start(&pod(4)).expect("room");
    story.remove("a");
    story.add(&host("b", 4));
    assert_eq!(story.schedule(&pod(4)).as_deref(), Some("b"), "the new host is empty");
    assert!(!story.release(lost), "its host is gone");
    assert_eq!(story.schedule(&pod(1)), None, "and nothing was given back to the new host");
}

#[test]
fn a_pod_is_placed_by_hand_only_where_it_fits() {
    let mut cordoned = host("a", 4);
    cordoned.unschedulable = true;
    let mut story = Story::new(Profile::meridian(), &[cordoned]);
    let (class, both) = (story.pair.class(&pod(3)), story.hosts["a"]);
    assert!(
        story.pair.place(class, both, 0.into()).expect("both agree").is_some(),
        "the cordon does not count"
    );
    assert!(story.pair.place(class, both, 0.into()).expect("both agree").is_none(), "1 core is left");
    assert!(story.pair.place(class, both, 1.into()).expect("both agree").is_none(), "nor is there a device");
}

#[test]
fn a_forgotten_class_is_learnt_again() {
    let mut story = Story::new(Profile::meridian(), &[host("a", 4), host("b", 4)]);
    let class = story.pair.class(&pod(1));
    let running = story.start(&pod(1)).expect("room");
    assert!(story.release(running));
    story.pair.forget(class);
    assert_eq!(story.schedule(&pod(2)).as_deref(), Some("a"));
    assert_eq!(story.schedule(&pod(1)).as_deref(), Some("b"));
}

#[test]
fn waiting_is_in_vain_for_what_no_host_has_even_when_idle() {
    let mut story = Story::new(Profile::meridian(), &[host("a", 4)]);
    assert!(story.fits_when_idle(&pod(4)));
    assert!(story.schedule(&pod(3)).is_some());
    assert!(story.fits_when_idle(&pod(4)), "once the other pod has ended");
    assert!(!story.fits_when_idle(&pod(5)));
    story.add(&host("b", 8));
    assert!(story.fits_when_idle(&pod(5)));
}
